"""Somebody's own recordings as a data set: headers read, cut into clips, put into folds."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from avsc.console import progress
from avsc.dataset.cut import Cut, cut
from avsc.dataset.recordings import Listing, Recording
from avsc.errors import AvscError, BadClipError
from avsc.folds import TEST, TRAIN, Group, cross_folds, split_clips
from avsc.media.audio import LOWEST_RATE_HZ
from avsc.media.probe import Probe, probe
from avsc.store.layout import StoredClip
from avsc.store.schema import SplitSettings

USUAL_SPLIT = SplitSettings(test_fraction=0.2)
NAMED = 5  # scenes or recordings that a line names


@dataclass(frozen=True)
class Folds:
    """Clips with their folds.

    Attributes:
        clips: The clips.
        split: How they were split; None for the data set's own folds.
        notes: Lines that the user should read.
    """

    clips: tuple[StoredClip, ...]
    split: SplitSettings | None
    notes: tuple[str, ...]


def read_headers(listing: Listing) -> dict[str, Probe | str]:
    """The headers of every recording by id, or the reason why it cannot be used."""

    def read(recording: Recording) -> Probe | str:
        try:
            return probe(listing.root / recording.video, listing.root / recording.audio)
        except BadClipError as error:
            return error.one_line()

    found: dict[str, Probe | str] = {}
    threads = min(16, 2 * (os.cpu_count() or 1))
    with (
        ThreadPoolExecutor(threads) as pool,
        progress("reading headers", len(listing.recordings), "recordings") as line,
    ):
        for recording, result in zip(
            listing.recordings, pool.map(read, listing.recordings), strict=True
        ):
            found[recording.id] = result
            line.advance()
    return found


def describe(listing: Listing, probes: dict[str, Probe | str], pieces: Cut) -> list[str]:
    """What the user should know of recordings before they are prepared."""
    read = [found for found in probes.values() if isinstance(found, Probe)]
    lines = list(listing.notes)
    seconds = sum(clip.seconds or 0 for clip in pieces.clips) - len(pieces.refused)
    lines.append(
        f"{len(read)} recordings give {len(pieces.clips) - len(pieces.refused)} clips, {seconds} s;"
        f" {pieces.unused_s:.1f} s at their ends, under a second each, are not used"
    )
    mono = sum(found.sound.channels == 1 for found in read)
    if mono:
        lines.append(f"{mono} of them are mono: their channel is used for left and right")
    low = [found.sound.rate_hz for found in read if found.sound.rate_hz < LOWEST_RATE_HZ]
    if low:
        lines.append(
            f"{len(low)} of them have sound below {LOWEST_RATE_HZ} Hz (lowest {min(low)}): there is"
            " nothing in their upper bands"
        )
    if pieces.refused:
        lines.append(f"{len(pieces.refused)} recordings will be refused:")
        lines += [f"  {name}: {reason}" for name, reason in pieces.refused.items()]
    return lines


def put_into_folds(
    clips: Sequence[StoredClip], refused: Sequence[str], own: bool, asked: SplitSettings | None
) -> Folds:
    """Folds of clips: those of the data set, or a split.

    Args:
        clips: The clips; ``fold`` is that of the data set.
        refused: Ids of clips that will be refused; they are in no fold of a split, as unlabelled
            ones.
        own: Whether the data set has folds of its own.
        asked: The split that the user asked for; None for the data set's folds, or the usual
            split where it has none.

    Raises:
        AvscError: The clips cannot be split so.
    """
    if own and asked is None:
        return Folds(tuple(clips), None, _own_notes(clips))
    split = asked or USUAL_SPLIT
    bad = set(refused)
    rows = [row for row, clip in enumerate(clips) if clip.scene and clip.id not in bad]
    used = [clips[row] for row in rows]
    if not used:
        return Folds(tuple(clips), split, ())
    groups = [_group(clip, split) for clip in used]
    named, notes = _split(used, groups, split)
    folds = dict(zip(rows, named, strict=True))
    ignored = ["the data set's own folds are not used, as another split was asked for"]
    return Folds(
        tuple(clip._replace(fold=folds.get(row, "")) for row, clip in enumerate(clips)),
        split,
        tuple(ignored * own + notes),
    )


def _split(
    clips: Sequence[StoredClip], groups: Sequence[Group], split: SplitSettings
) -> tuple[list[str], list[str]]:
    scenes, count = [clip.scene for clip in clips], len(set(groups))
    if split.folds is not None:
        folds = count if split.folds == "locations" else split.folds
        numbers = cross_folds(scenes, groups, folds, split.seed)
        return [str(number + 1) for number in numbers], [
            f"{folds} folds for cross-validation, dealt out by {split.by} ({count} of them, seed"
            f" {split.seed}): train with --fold 1 to --fold {folds}",
            *_lacking(scenes, numbers.tolist()),
        ]
    if not split.test_fraction:
        return [TRAIN] * len(clips), ["all clips are in the training fold: there is no test fold"]
    try:
        held = split_clips(scenes, groups, split.test_fraction, split.seed).validation
    except AvscError:
        raise AvscError(
            f"no test fold can be split off by {split.by}: every scene has one {split.by} only",
            f"a scene with two {split.by}s at least",
            "record at more places, split by a smaller unit (--split-by recording), give a column"
            " fold in a table, or go without a test fold (--test-fraction 0)",
        ) from None
    share = f"{held.sum()} of {len(clips)} clips ({100 * held.mean():.0f} %, wanted"
    notes = [
        f"test fold: {share} {100 * split.test_fraction:.0f} %), split by {split.by} with seed"
        f" {split.seed}; no {split.by} is in both folds"
    ]
    absent = sorted(set(scenes) - {scene for scene, out in zip(scenes, held, strict=True) if out})
    if absent:
        notes.append(
            f"the test fold has no clip of {_some(absent)}: one {split.by} only of each is there"
        )
    return list(np.where(held, TEST, TRAIN)), notes


def _group(clip: StoredClip, split: SplitSettings) -> Group:
    match split.by:
        case "location":
            return (clip.city, clip.location)
        case "folder":
            return (str(PurePosixPath(clip.video).parent),)
        case "recording":
            return (clip.video,)


def _own_notes(clips: Sequence[StoredClip]) -> tuple[str, ...]:
    folds = sorted({clip.fold for clip in clips})
    named = [f"{fold or 'no fold'} {sum(c.fold == fold for c in clips)}" for fold in folds]
    notes = [f"folds of the data set, clips: {', '.join(named)}"]
    if TRAIN in folds:
        labelled = {clip.scene for clip in clips if clip.scene}
        absent = labelled - {clip.scene for clip in clips if clip.fold == TRAIN}
        if absent:
            notes.append(f"the training fold has no clip of {_some(sorted(absent))}")
    return tuple(notes)


def _lacking(scenes: Sequence[str], folds: Sequence[int]) -> list[str]:
    """Scenes whose clips are all in one fold: no training of that fold sees them."""
    where: dict[str, set[int]] = {}
    for scene, fold in zip(scenes, folds, strict=True):
        where.setdefault(scene, set()).add(fold)
    only = [f"{scene} (fold {min(at) + 1})" for scene, at in sorted(where.items()) if len(at) == 1]
    return [f"scenes in one fold only, which cannot be learnt for it: {_some(only)}"] * bool(only)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def cut_listing(listing: Listing, clip_seconds: int) -> tuple[Cut, dict[str, Probe | str]]:
    """Reads the headers of a listing's recordings and cuts them into clips of unique ids."""
    probes = read_headers(listing)
    return cut(listing.recordings, probes, clip_seconds), probes
