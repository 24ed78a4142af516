"""Writes a synthetic data set: media first, in any order, then the tables that say it is whole."""

import dataclasses
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from avsc.files import write_text
from avsc.synth import plan
from avsc.synth.plan import ClipPlan, SynthSettings
from avsc.synth.work import Job, claim, run_missing

HEADER = ("filename_audio", "filename_video", "scene_label", "identifier")
EVALUATION_PIECES = 3  # one-second files of each clip, so that a data set of them stays small
Files = list[tuple[str, str]]  # sound and video of each piece of a clip, in the data set's folder


def make_dataset(
    out: Path, settings: SynthSettings | None = None, workers: int | None = None
) -> int:
    """Makes a synthetic data set in TAU's layout, or completes one.

    Args:
        out: The data set's folder: new, empty, or begun with the same settings.
        settings: What to make; the defaults when None.
        workers: Number of processes; one a core when None, only this process when 1.

    Returns:
        The number of clips that were made now; the others were there.

    Raises:
        AvscError: ``out`` holds something else, or a data set of other settings.
    """
    settings = settings or SynthSettings()
    claim(out, dataclasses.asdict(settings))
    files = _files(settings)
    jobs = [
        Job(partial(_make_clip, out, clip, settings, pieces), [out / f for p in pieces for f in p])
        for clip, pieces in files.items()
    ]
    made = run_missing("synth", "clips", jobs, workers)
    _write_tables(out, settings, files)
    return made


def _files(settings: SynthSettings) -> dict[ClipPlan, Files]:
    clips = plan.clips(settings)
    names = [[clip.id] for clip in clips]
    if settings.edition == "evaluation":
        # Numbers in random order, which tell nothing of the scene.
        order = plan.generator(settings.seed, "evaluation").permutation(len(clips))
        names = [[str(EVALUATION_PIECES * n + k) for k in range(EVALUATION_PIECES)] for n in order]
    files = [[(f"audio/{name}.wav", f"video/{name}.mp4") for name in pieces] for pieces in names]
    return dict(zip(clips, files, strict=True))


def _make_clip(out: Path, clip: ClipPlan, settings: SynthSettings, files: Files) -> None:
    """Writes a clip's files, which depend on nothing but the settings and its id."""
    from avsc.synth.encode import write_mp4, write_wav
    from avsc.synth.pictures import make_pictures
    from avsc.synth.sounds import make_sound

    size, seconds = (settings.width, settings.height), 10 if len(files) == 1 else len(files)
    sound = make_sound(settings.seed, clip, seconds)
    pictures = list(make_pictures(settings.seed, clip, size, seconds))
    samples, frames = sound.shape[1] // len(files), len(pictures) // len(files)
    for piece, (audio, video) in enumerate(files):
        write_wav(out / audio, sound[:, piece * samples :][:, :samples])
        write_mp4(out / video, pictures[piece * frames :][:frames])


def _write_tables(out: Path, settings: SynthSettings, files: dict[ClipPlan, Files]) -> None:
    setup = out / "evaluation_setup"
    if settings.edition == "evaluation":
        pieces = [piece for pieces in files.values() for piece in pieces]
        pieces.sort(key=lambda piece: int(Path(piece[0]).stem))
        write_text(setup / "fold1_test.csv", _table(pieces, 2))
        return
    rows = {
        clip: (*pieces[0], clip.place.scene, f"{clip.place.city}-{clip.place.location}")
        for clip, pieces in files.items()
    }
    train = [row for clip, row in rows.items() if clip.place.fold == "train"]
    test = [row for clip, row in rows.items() if clip.place.fold == "test"]
    write_text(setup / "fold1_train.csv", _table(train, 3))
    write_text(setup / "fold1_evaluate.csv", _table(test, 3))
    write_text(setup / "fold1_test.csv", _table(test, 2))
    write_text(out / "meta.csv", _table(rows.values(), 4))


def _table(rows: Iterable[tuple[str, ...]], columns: int) -> str:
    return "".join("\t".join(row[:columns]) + "\n" for row in (HEADER, *rows))
