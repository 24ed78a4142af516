"""Writes a synthetic data set: media first, in any order, then the tables that say it is whole."""

import dataclasses
import json
import multiprocessing
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from avsc import synth
from avsc.console import ProgressLine, progress
from avsc.errors import AvscError
from avsc.files import TEMPORARY_PREFIX, write_bytes, write_text
from avsc.synth import plan
from avsc.synth.plan import ClipPlan, SynthSettings

VERSION = 1  # of the drawings and sounds; another one makes another data set
SETTINGS_FILE = "synthetic.json"
NOTE_FILE = "SYNTHETIC.txt"
NOTE = "This data set is synthetic: made by `avsc synth`, nothing in it was recorded.\n\n"


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
    _claim(out, dataclasses.asdict(settings))
    clips = plan.clips(settings)
    missing = [clip for clip in clips if not all(p.exists() for p in _paths(out, clip, settings))]
    with progress("synth", len(clips), "clips", done=len(clips) - len(missing)) as line:
        _make_all(out, missing, settings, workers or _cores(), line)
    _write_tables(out, clips, settings)
    return len(missing)


def _claim(out: Path, settings: dict[str, object]) -> None:
    """Marks ``out`` as a synthetic data set of these settings."""
    asked = {"generator_version": VERSION, **settings}
    path = out / SETTINGS_FILE
    if path.exists():
        there = json.loads(path.read_text(encoding="utf-8"))
        differing = [
            f"{key} is {there.get(key)!r}, asked for {asked.get(key)!r}"
            for key in sorted(there.keys() | asked.keys())
            if there.get(key) != asked.get(key)
        ]
        if differing:
            raise AvscError(
                f"{out} holds a synthetic data set of other settings: {'; '.join(differing)}",
                "a new folder, or the same settings",
                "choose another folder, or remove this one",
            )
    elif out.is_dir() and any(out.iterdir()):
        raise AvscError(
            f"{out} is not empty, and no synthetic data set",
            "a new or empty folder",
            "choose another folder",
        )
    for partial in out.glob(f"*/{TEMPORARY_PREFIX}*"):
        partial.unlink(missing_ok=True)  # a maker that was killed left it
    write_text(path, json.dumps(asked, indent=2) + "\n")
    write_text(out / NOTE_FILE, NOTE + (synth.__doc__ or ""))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _make_all(
    out: Path, clips: list[ClipPlan], settings: SynthSettings, workers: int, line: ProgressLine
) -> None:
    if workers == 1 or len(clips) < 2:
        for clip in clips:
            _make_clip(out, clip, settings)
            line.advance()
        return
    # Not forked: a fork of a process that has threads (torch, OpenCV) may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(clips)), mp_context=context) as pool:
        try:
            for made in as_completed(
                [pool.submit(_make_clip, out, clip, settings) for clip in clips]
            ):
                made.result()
                line.advance()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _make_clip(out: Path, clip: ClipPlan, settings: SynthSettings) -> None:
    """Writes a clip's files. Clips depend on nothing but the settings and their id."""
    import cv2

    from avsc.synth import encode
    from avsc.synth.picture import make_pictures
    from avsc.synth.sound import WAV_RATE_HZ, make_sound

    cv2.setNumThreads(1)
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
