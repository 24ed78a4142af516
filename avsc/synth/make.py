"""Writes a synthetic data set: media first, in any order, then the tables that say it is whole."""

import dataclasses
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from avsc.console import progress
from avsc.files import write_bytes, write_text
from avsc.synth import plan
from avsc.synth.plan import ClipPlan, SynthSettings
from avsc.synth.work import claim, run_all


def make_dataset(
    out: Path, settings: SynthSettings | None = None, workers: int | None = None
) -> int:
    """Makes a synthetic data set in TAU's layout, or completes one.

    Args:
        out: Its folder: new, empty, or begun with the same settings.
        settings: What to make.
        workers: Processes; all cores when None, this process alone when 1.

    Returns:
        How many clips were made now; the others were there.

    Raises:
        AvscError: ``out`` holds something else, or a data set of other settings.
    """
    settings = settings or SynthSettings()
    claim(out, dataclasses.asdict(settings))
    clips = plan.clips(settings)
    missing = [clip for clip in clips if not all(p.exists() for p in _paths(out, clip, settings))]
    with progress("synth", len(clips), "clips", done=len(clips) - len(missing)) as line:
        run_all([partial(_make_clip, out, clip, settings) for clip in missing], workers, line)
    _write_tables(out, clips, settings)
    return len(missing)


def _make_clip(out: Path, clip: ClipPlan, settings: SynthSettings) -> None:
    """Writes a clip's files. Clips depend on nothing but the settings and their id."""
    from avsc.synth import encode
    from avsc.synth.picture import make_pictures
    from avsc.synth.sound import WAV_RATE_HZ, make_sound

    size = (settings.width, settings.height)
    seconds = 10 if settings.edition == "development" else plan.EVALUATION_PIECES
    sound = make_sound(settings.seed, clip, seconds)
    pictures = make_pictures(settings.seed, clip, size, seconds)
    paths = _paths(out, clip, settings)
    if settings.edition == "development":
        write_bytes(paths[0], encode.wav(sound))
        write_bytes(paths[1], encode.mp4(pictures, size))
        return
    frames = list(pictures)
    for second in range(seconds):
        samples = sound[:, second * WAV_RATE_HZ : (second + 1) * WAV_RATE_HZ]
        write_bytes(paths[2 * second], encode.wav(samples))
        write_bytes(paths[2 * second + 1], encode.mp4(frames[30 * second : 30 * second + 30], size))


def _paths(out: Path, clip: ClipPlan, settings: SynthSettings) -> list[Path]:
    """A clip's files: sound and picture, in turns."""
    return [
        out / folder / f"{name}.{suffix}"
        for name in _names(clip, settings)
        for folder, suffix in (("audio", "wav"), ("video", "mp4"))
    ]


def _names(clip: ClipPlan, settings: SynthSettings) -> list[str]:
    if settings.edition == "development":
        return [clip.id]
    # Numbers that tell nothing of the scene, as the edition has them.
    first = plan.shuffled_rank(settings, clip) * plan.EVALUATION_PIECES
    return [str(first + piece) for piece in range(plan.EVALUATION_PIECES)]


def _write_tables(out: Path, clips: list[ClipPlan], settings: SynthSettings) -> None:
    setup = out / "evaluation_setup"
    if settings.edition == "evaluation":
        names = sorted((name for clip in clips for name in _names(clip, settings)), key=int)
        rows = [f"audio/{name}.wav\tvideo/{name}.mp4" for name in names]
        write_text(setup / "fold1_test.csv", _table("filename_audio\tfilename_video", rows))
        return
    train = [clip for clip in clips if clip.place.fold == "train"]
    test = [clip for clip in clips if clip.place.fold == "test"]
    header = "filename_audio\tfilename_video"
    labelled = f"{header}\tscene_label"
    write_text(setup / "fold1_train.csv", _table(labelled, map(_labelled, train)))
    write_text(setup / "fold1_evaluate.csv", _table(labelled, map(_labelled, test)))
    write_text(setup / "fold1_test.csv", _table(header, map(_files, test)))
    rows = [f"{_labelled(clip)}\t{clip.place.city}-{clip.place.location}" for clip in clips]
    write_text(out / "meta.csv", _table(f"{labelled}\tidentifier", rows))


def _files(clip: ClipPlan) -> str:
    return f"audio/{clip.id}.wav\tvideo/{clip.id}.mp4"


def _labelled(clip: ClipPlan) -> str:
    return f"{_files(clip)}\t{clip.place.scene}"


def _table(header: str, rows: Iterable[str]) -> str:
    return "\n".join((header, *rows)) + "\n"
