"""``avsc info DATASET``: what a data set holds before a store is made of it, and the next step."""

import os
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avsc import timebase
from avsc.console import byte_size, duration, facts, table, tell
from avsc.dataset import own
from avsc.dataset.cut import Cut
from avsc.dataset.read import CLIP_SECONDS, Kind, list_recordings, read_dataset
from avsc.dataset.recordings import Listing, Recording
from avsc.errors import AvscError
from avsc.media.audio import LOWEST_RATE_HZ
from avsc.media.probe import Probe
from avsc.store.layout import StoredClip

SHOWN = 10  # scenes, rates or sizes in a line
Probes = Mapping[str, Probe | str]


@dataclass(frozen=True)
class _Look:
    """What was found out about a data set."""

    listing: Listing
    probes: Probes
    clips: tuple[StoredClip, ...]
    clip_seconds: int
    refused: dict[str, str]  # reasons by id of a recording
    notes: tuple[str, ...]
    faults: tuple[AvscError, ...]


def show_dataset(path: Path, kind: Kind) -> int:
    """Prints clips, hours, scenes, rates and sizes, what would be refused, and the next command.

    Args:
        path: Folder of the data set, or its table.
        kind: Kind of data set, see ``avsc.dataset.read.kind_of``.

    Returns:
        Length of its good clips in seconds.

    Raises:
        AvscError: No store can be made of it; everything that is wrong is printed before.
    """
    look = _look_at_tau(path) if kind == "tau" else _look_at_own(path, kind)
    facts(f"data set {path}", _facts(look))
    table("recordings by scene", *_by_scene(look))
    _print_list("will be refused", [f"{name}: {why}" for name, why in look.refused.items()])
    _print_list("at fault", [fault.one_line() for fault in look.faults])
    if look.faults:
        raise AvscError(
            f"{len(look.faults)} faults of the data set (listed above): no store can be made yet",
            "",
            "; ".join(dict.fromkeys(fault.remedy for fault in look.faults if fault.remedy)),
        )
    bad = f" --max-bad {_bad_clips(look)}" if look.refused else ""
    tell(f"next: avsc prepare {shlex.quote(str(path))} STORE{bad}")
    return _seconds(look)


def _look_at_own(path: Path, kind: Kind) -> _Look:
    listing = list_recordings(path, kind)
    pieces, probes = own.cut_listing(listing, CLIP_SECONDS)
    if listing.faults:
        bare = pieces.clips, CLIP_SECONDS, pieces.refused, listing.notes, listing.faults
        return _Look(listing, probes, *bare)
    has_folds = any(recording.fold for recording in listing.recordings)
    try:
        folds = own.put_into_folds(pieces.clips, list(pieces.refused), has_folds, None)
    except AvscError as error:
        return _Look(listing, probes, pieces.clips, CLIP_SECONDS, pieces.refused, (), (error,))
    notes = (*listing.notes, *folds.notes, _unused(pieces))
    return _Look(listing, probes, folds.clips, CLIP_SECONDS, pieces.refused, notes, ())


def _unused(pieces: Cut) -> str:
    return f"{pieces.unused_s:.1f} s at the recordings' ends, under a second each, are not used"


def _look_at_tau(path: Path) -> _Look:
    data = read_dataset(path)
    recordings = tuple(
        Recording(clip.id, clip.scene, _place(clip), clip.fold, clip.audio, clip.video, clip.id)
        for clip in data.clips
    )
    listing = Listing(data.root, f"TAU's layout, {data.edition} edition", recordings)
    probes = own.read_headers(listing)
    refused = {}
    for name, found in probes.items():
        reason = found if isinstance(found, str) else _unfit(found, data.clip_seconds)
        if reason:
            refused[name] = reason
    folds = Counter(clip.fold or "none" for clip in data.clips)
    named = "folds: " + ", ".join(f"{fold} {count} clips" for fold, count in folds.items())
    return _Look(
        listing, probes, data.clips, data.clip_seconds, refused, (named, *data.warnings), ()
    )


def _unfit(found: Probe, seconds: int) -> str:
    """Why a clip of TAU's layout will be refused, as far as its headers tell."""
    sound, pictures = found.sound, found.pictures
    if abs(sound.end_s - seconds) > timebase.LENGTH_TOLERANCE_S:
        return (
            f"its sound lasts {sound.end_s:.3f} s (expected {seconds} s; clips of other lengths are"
            " read from a table clips.csv)"
        )
    if sound.channels != 2:
        return f"its sound has {sound.channels} channels (expected 2; or --mono duplicate)"
    if sound.rate_hz < LOWEST_RATE_HZ:
        return f"its sound has {sound.rate_hz} samples a second (expected {LOWEST_RATE_HZ})"
    if pictures.end_s < seconds - 0.5:
        return f"its pictures end at {pictures.end_s:.2f} s (expected {seconds} s)"
    return ""


def _seconds(look: _Look) -> int:
    """Length of the good clips; a bad one counts as a second."""
    return sum(clip.seconds or look.clip_seconds for clip in look.clips) - _bad_clips(look)


def _facts(look: _Look) -> list[tuple[str, str]]:
    read = [found for found in look.probes.values() if isinstance(found, Probe)]
    recordings = look.listing.recordings
    lengths = [clip.seconds or look.clip_seconds for clip in look.clips]
    seconds = _seconds(look)
    good = len(look.clips) - _bad_clips(look)
    files = {name for recording in recordings for name in (recording.audio, recording.video)}
    shortest, longest = min(lengths, default=0), max(lengths, default=0)
    span = f"{longest} s" if shortest == longest else f"{shortest} to {longest} s"
    sounds = Counter(f"{one.sound.rate_hz} Hz, {_channels(one)}" for one in read)
    sizes = Counter(f"{one.pictures.width}x{one.pictures.height}" for one in read)
    scenes = sorted({recording.scene for recording in recordings if recording.scene})
    return [
        ("kind", look.listing.kind),
        ("recordings", f"{len(recordings)}, {len(look.refused)} of them will be refused"),
        ("clips", f"{good} of {span}, {duration(seconds)} ({seconds / 3600:.2f} h) in all"),
        ("scenes", f"{len(scenes)}: {_some(scenes)}"),
        ("locations", str(len({recording.location for recording in recordings}))),
        ("sound", _counted(sounds)),
        ("pictures", _counted(sizes)),
        ("size", f"{byte_size(_bytes(look.listing.root, files))} in {len(files)} files"),
        *(("note", note) for note in look.notes),
    ]


def _by_scene(look: _Look) -> tuple[list[str], list[list[str]]]:
    rows = []
    by_id = {recording.id: recording for recording in look.listing.recordings}
    for scene in sorted({recording.scene for recording in by_id.values()}):
        mine = [recording for recording in by_id.values() if recording.scene == scene]
        bad = sum(recording.id in look.refused for recording in mine)
        clips = [clip for clip in look.clips if clip.scene == scene]
        seconds = sum(clip.seconds or look.clip_seconds for clip in clips) - bad
        places = len({recording.location for recording in mine})
        row = [len(mine), places, len(clips) - bad, duration(seconds), bad]
        rows.append([scene or "unlabelled", *map(str, row)])
    return ["scene", "recordings", "locations", "clips", "time", "refused"], rows


def _bad_clips(look: _Look) -> int:
    return len(look.refused)  # each has one clip of a second


def _print_list(title: str, lines: Sequence[str]) -> None:
    if lines:
        tell(f"{title} ({len(lines)})")
    for line in lines:
        tell(f"  {line}", indent=4)


def _channels(found: Probe) -> str:
    names = {1: "mono", 2: "stereo"}
    return names.get(found.sound.channels, f"{found.sound.channels} channels")


def _counted(counts: Counter[str]) -> str:
    named = [f"{name} ({count})" for name, count in counts.most_common(SHOWN)]
    return "; ".join(named) + ("; ..." if len(counts) > SHOWN else "") or "none"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _bytes(root: Path, files: Iterable[str]) -> int:
    return sum(os.stat(root / name).st_size for name in files)  # noqa: PTH116 -- a Path takes longer


def _place(clip: StoredClip) -> str:
    return f"{clip.city}-{clip.location}"
