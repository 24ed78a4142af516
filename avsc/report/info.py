"""``avsc info STORE``: what a store holds and how complete it is."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from avsc.console import byte_size, out, table
from avsc.store.clips import StoredClip
from avsc.store.finish import describe, unfinished
from avsc.store.read import Store
from avsc.store.schema import Status, StoreSettings, clips_in


def show(path: Path) -> None:
    """Prints a store's clips by scene and fold, completeness, size, settings and bad clips.

    Raises:
        AvscError: There is no store, or what describes it is damaged.
    """
    missing = unfinished(path)
    store = Store.open(path, complete=False)
    out.print(f"store {path}", markup=False)
    for name, value in _facts(path, store, missing):
        out.print(f"  {name:<13}{value}", markup=False)
    header, rows = by_scene(store.clips, store.status().tolist())
    table("clips (good/all)", header, rows)
    reasons = store.reasons()
    if reasons:
        out.print(f"quarantined ({len(reasons)})", markup=False)
    for clip, reason in reasons.items():
        out.print(f"  {clip}: {reason}", markup=False)


def by_scene(
    clips: Sequence[StoredClip], status: Sequence[int]
) -> tuple[list[str], list[list[str]]]:
    """A table of good and all clips: scenes down, folds across; header and rows."""
    folds = sorted({clip.fold for clip in clips}, key=("train", "test", "").index)
    total: Counter[tuple[str, str]] = Counter()
    good: Counter[tuple[str, str]] = Counter()
    for clip, became in zip(clips, status, strict=True):
        for key in ((clip.scene, clip.fold), ("all", clip.fold)):
            total[key] += 1
            good[key] += became == Status.GOOD
    scenes = [*sorted({clip.scene for clip in clips}), "all"]
    rows = [
        [scene or "unlabelled", *(f"{good[scene, f]}/{total[scene, f]}" for f in folds)]
        for scene in scenes
    ]
    return ["scene", *(fold or "no fold" for fold in folds)], rows


def _facts(path: Path, store: Store, missing: dict[int, str]) -> list[tuple[str, str]]:
    settings, clips = store.settings, len(store.clips)
    counts = np.bincount(store.status(), minlength=len(Status))
    written = clips - clips_in(list(missing), clips, settings)
    locations = len({(clip.city, clip.location) for clip in store.clips})
    nbytes, files = _size(path)
    return [
        ("complete", "yes" if store.is_complete and not missing else _lacks(store, missing)),
        (
            "clips",
            f"{clips} of {settings.clip_seconds} s from {locations} locations:"
            f" {counts[Status.GOOD]} good, {counts[Status.QUARANTINED]} quarantined,"
            f" {clips - written} not yet",
        ),
        ("features", ", ".join(_feature(settings, name) for name in settings.features)),
        ("pictures", _pictures(settings)),
        ("partitions", f"{store.partitions} of {settings.partition_clips} clips"),
        ("size", f"{byte_size(nbytes)} in {files} files"),
        ("settings", settings.model_dump_json()),
        ("identity", store.sha256),
    ]


def _lacks(store: Store, missing: dict[int, str]) -> str:
    if not missing:
        return "no: every partition is there, but the last step was not taken"
    return f"no: {len(missing)} of {store.partitions} partitions: {describe(missing)}"


def _feature(settings: StoreSettings, name: str) -> str:
    bank = settings.scalogram if name == "scalogram" else settings.fbank
    return f"{name} [{settings.clip_frames} frames, 2 channels, {bank.bands} bands]"


def _pictures(settings: StoreSettings) -> str:
    image = settings.image
    return (
        f"{settings.clip_seconds} a clip, short side at most {image.short_side},"
        f" JPEG quality {image.jpeg_quality}, {image.frame_choice} frames by {image.backend}"
    )


def _size(path: Path) -> tuple[int, int]:
    sizes = [file.stat().st_size for file in path.rglob("*") if file.is_file()]
    return sum(sizes), len(sizes)
