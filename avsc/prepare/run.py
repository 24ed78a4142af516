"""A whole ``prepare``: check, create or go on, prepare what is missing, and mark the end."""

import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from avsc.console import ProgressLine, byte_size, progress, say
from avsc.dataset.read import Dataset, read_dataset
from avsc.errors import AvscError
from avsc.files import remove_leftovers
from avsc.part import Part
from avsc.prepare.cluster import connect, usable_cores
from avsc.prepare.engine import OnCluster, Report, Work, prepare_here
from avsc.prepare.lock import hold
from avsc.prepare.plan import Estimate, estimate, pending, share
from avsc.prepare.profile import LocalProfile, Profile
from avsc.store.create import open_for_writing
from avsc.store.finalize import mark_complete, mark_incomplete, unfinished
from avsc.store.layout import StoredClip, record_name
from avsc.store.location import Location, locate
from avsc.store.reader import Store
from avsc.store.schema import (
    SYNTHETIC,
    StoreSettings,
    array_specs,
    clips_in,
    partition_count,
    partition_range,
)

CLIP_TIMEOUT_S = 120.0
NAMED = 10  # how many quarantined clips a message lists


@dataclass(frozen=True)
class Summary:
    """What a prepare did and what the store lacks now."""

    clips: int  # of this part, or of the store
    prepared: int  # clips of partitions done in this run
    quarantined: dict[str, str]  # of those clips, with reasons
    missing: int  # partitions of the whole store

    @property
    def complete(self) -> bool:
        """Whether the whole store is there and marked so."""
        return self.missing == 0

    def text(self, store: Path | str) -> str:
        """For a person."""
        good = self.clips - len(self.quarantined)
        bad = f", {len(self.quarantined)} quarantined" if self.quarantined else ""
        lines = [f"{good} of {self.clips} clips are good{bad}; {self.prepared} prepared now"]
        if self.complete:
            lines.append(f"{store} is complete")
            lines.append(f"next: avsc train {shlex.quote(str(store))} --out RUN")
        else:
            lines.append(
                f"{store} lacks {self.missing} partitions that belong to other parts; when all"
                " have ended, `avsc prepare DATASET STORE --finalise` marks it complete"
            )
        return "\n".join(lines)


def prepare(
    dataset: Path | str,
    store: Path | str,
    settings: StoreSettings | None = None,
    *,
    workers: int | None = 0,
    cluster: Profile | None = None,
    part: Part | None = None,
    max_bad: int = 0,
    retry_bad: bool = False,
    clip_timeout_s: float = CLIP_TIMEOUT_S,
) -> Summary:
    """Prepares a data set into a store, or what is still missing of it.

    Args:
        dataset: A data set: a folder a scene, a table of recordings, or TAU's layout.
        store: Folder or address of the store; it is created or gone on with.
        settings: Settings of the store. ``clip_seconds`` is the length that longer recordings are
            cut into, in TAU's layout that of its clips; ``split`` puts clips into other folds than
            those of the data set.
        workers: Number of worker processes on this machine; None is one a core, and 0 is this
            process, in which nothing ends a decoder that hangs.
        cluster: Profile of a cluster to work on instead.
        part: Share of the partitions, whose other parts are prepared by others at the same time.
        max_bad: Number of quarantined clips that is accepted.
        retry_bad: Whether partitions with quarantined clips are prepared again.
        clip_timeout_s: Time limit of a clip in seconds; its worker process is ended.

    Raises:
        AvscError: The data set or the store is not what it should be, somebody else prepares the
            store, a machine cannot read or write, or more than ``max_bad`` clips are quarantined.
    """
    asked = settings or StoreSettings()
    data = read_dataset(Path(dataset), asked.split, asked.clip_seconds)
    for note in data.notes:
        say(f"note: {note}")
    for warning in data.warnings:
        say(f"warning: {warning}")
    settings = settings_for(data, asked)
    clips = data.clips
    there = locate(store).absolute()  # workers may have another working directory
    open_for_writing(store, clips, settings, data.scenes)
    _mark_synthetic(data.root, there)
    count = len(clips)
    with hold(store, part) as proof:
        to_do = _to_do(store, clips, settings, part, retry_bad)
        if part is None and there.folder is not None:
            remove_leftovers(there.folder)  # of one that was killed while it created the store
        prepared = clips_in(to_do, count, settings)
        if to_do:
            _require_space(there, estimate(to_do, count, settings))
            mark_incomplete(store)
            mine = clips_in(share(partition_count(count, settings), part), count, settings)
            work = Work(data.root, there, proof, count, settings, clip_timeout_s)
            with (
                _without_partial(work, to_do),
                progress("prepare", mine, "clips", done=mine - prepared) as line,
            ):
                _do(work, clips, to_do, _reporter(line), workers=workers, cluster=cluster)
        return _conclude(store, part, max_bad, prepared)


def _require_space(store: Location, expected: Estimate) -> None:
    """Refuses a disk that cannot take what is certainly written; of pictures it only warns."""
    if store.folder is None:
        return
    free = shutil.disk_usage(store.folder).free
    features, whole = byte_size(expected.feature_bytes), byte_size(expected.bytes_written)
    if free < expected.feature_bytes:
        raise AvscError(
            f"{byte_size(free)} free at {store.place}",
            f"{features} for audio features, and about {whole} with pictures",
            "free some space, or prepare into a store on another disk",
        )
    if free < expected.bytes_written:
        say(f"warning: {byte_size(free)} free at {store.place}; about {whole} will be written")


def _mark_synthetic(dataset: Path, store: Location) -> None:
    """Has the store say what the data set says of itself."""
    said = dataset / SYNTHETIC
    if said.is_file() and not store.has(SYNTHETIC):
        store.write(SYNTHETIC, said.read_bytes())


def _do(
    work: Work,
    clips: Sequence[StoredClip],
    to_do: Sequence[int],
    report: Report,
    *,
    workers: int | None,
    cluster: Profile | None,
) -> None:
    """Prepares partitions in this process, in worker processes of this machine, or elsewhere."""
    if cluster is None and workers == 0:
        prepare_here(work, clips, to_do, report)
        return
    here = LocalProfile(kind="local", workers=workers or usable_cores())
    with connect(cluster or here, work.clip_timeout_s) as watch:
        OnCluster(watch, work, clips, report).prepare(to_do)


def _reporter(line: ProgressLine) -> Report:
    quarantined = 0

    def report(clip: str, reason: str) -> None:
        nonlocal quarantined
        if reason:
            quarantined += 1
            say(f"quarantined {clip}: {reason}")
        line.advance(note=f"{quarantined} quarantined" if quarantined else "")

    return report


@contextmanager
def _without_partial(work: Work, partitions: Sequence[int]) -> Iterator[None]:
    """Removes what was begun if the work ends early: workers are killed, not asked."""
    try:
        yield
    except BaseException:
        specs = array_specs(work.clips, work.settings)
        for partition in partitions:
            for name in (record_name(partition), *(spec.shard_name(partition) for spec in specs)):
                work.store.remove_leftovers(name)
        raise


def finalise(store: Path | str, max_bad: int = 0) -> Summary:
    """The last step by itself, after the parts of a job array: marks the store complete.

    Raises:
        AvscError: Partitions are missing, a part is still at work, or more than ``max_bad`` clips
            are quarantined.
    """
    Store.open(store, complete=False)  # or it is no store, and no place for a lock
    with hold(store):
        if unfinished(store):
            mark_complete(store)  # raises, and names what is missing
        return _conclude(store, None, max_bad, 0)


def settings_for(data: Dataset, asked: StoreSettings) -> StoreSettings:
    """The settings with the data set's own length of clips and split.

    One channel is used for left and right in somebody's own recordings, unless they say otherwise.
    """
    update: dict[str, object] = {"clip_seconds": data.clip_seconds, "split": data.split}
    if data.edition == "own" and "mono" not in asked.model_fields_set:
        update["mono"] = "duplicate"
    return asked.model_copy(update=update)


def _to_do(
    store: Path | str,
    clips: Sequence[StoredClip],
    settings: StoreSettings,
    part: Part | None,
    retry_bad: bool,
) -> list[int]:
    again: list[int] = []
    if retry_bad:
        reasons = Store.open(store, complete=False).reasons()
        again = [row for row, clip in enumerate(clips) if clip.id in reasons]
    return pending(unfinished(store), len(clips), settings, part, again)


def _conclude(store: Path | str, part: Part | None, max_bad: int, prepared: int) -> Summary:
    missing = unfinished(store)
    opened = Store.open(store, complete=False)
    clips, settings = opened.clips, opened.settings
    partitions = share(partition_count(len(clips), settings), part if missing else None)
    mine = [clips[row].id for p in partitions for row in partition_range(p, len(clips), settings)]
    reasons = opened.reasons()
    quarantined = {clip: reasons[clip] for clip in mine if clip in reasons}
    if len(quarantined) > max_bad:
        raise too_many_bad(store, quarantined, len(mine), max_bad)
    if not missing:
        mark_complete(store)
    return Summary(len(mine), prepared, quarantined, len(missing))


def too_many_bad(
    store: Path | str, quarantined: dict[str, str], clips: int, max_bad: int
) -> AvscError:
    """The error that ends a prepare with more bad clips than allowed."""
    listed = [f"{clip}: {reason}" for clip, reason in list(quarantined.items())[:NAMED]]
    if len(quarantined) > NAMED:
        listed.append(f"... and {len(quarantined) - NAMED} more")
    return AvscError(
        f"{len(quarantined)} of {clips} clips are quarantined:\n  " + "\n  ".join(listed),
        f"at most {max_bad} (--max-bad); the other clips are prepared and kept",
        f"`avsc info {store}` lists them all; mend the files and run again with --retry-bad (into"
        " a new store if that changes their length), or go"
        f" on without those clips: the same command with --max-bad {len(quarantined)}",
    )
