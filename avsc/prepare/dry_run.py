"""``--dry-run``: what a prepare would do, how much it is and how long it would take."""

from collections.abc import Sequence
from pathlib import Path

from avsc.console import byte_size, duration
from avsc.dataset.read import Dataset, read_dataset
from avsc.part import Part
from avsc.prepare.cluster import job_script, usable_cores
from avsc.prepare.plan import Estimate, estimate, pending
from avsc.prepare.profile import AddressProfile, LocalProfile, Profile, SlurmProfile
from avsc.prepare.run import settings_for
from avsc.store.create import is_vacant, open_for_writing
from avsc.store.finalize import unfinished
from avsc.store.layout import StoredClip
from avsc.store.location import Location, locate
from avsc.store.reader import Store
from avsc.store.schema import StoreSettings, partition_count, partition_range


def describe(
    dataset: Path,
    store: Path | str,
    settings: StoreSettings | None = None,
    *,
    part: Part | None = None,
    workers: int | None = None,
    cluster: Profile | None = None,
    retry_bad: bool = False,
) -> str:
    """Describes a prepare without doing any of it.

    Args:
        dataset: A data set: a folder a scene, a table of recordings, or TAU's layout.
        store: Folder or address of the store, which may not exist yet.
        settings: Settings of the store, as in `prepare`.
        part: Share of the partitions of a job array.
        workers: Number of worker processes on this machine; None is one a core.
        cluster: Profile of a cluster to work on instead.
        retry_bad: Whether partitions with quarantined clips are prepared again.

    Raises:
        AvscError: The data set, the store or the cluster profile is not what it should be, as in
            `prepare`.
    """
    asked = settings or StoreSettings()
    data = read_dataset(dataset, asked.split, asked.clip_seconds)
    settings = settings_for(data, asked)
    clips = data.clips
    there = locate(store)
    to_do = _partitions(there, data, settings, part, retry_bad)
    where, at_once, script = _place(workers, cluster)
    expected = estimate(to_do, len(clips), settings)
    rows = [row for p in to_do for row in partition_range(p, len(clips), settings)]
    lines = [
        f"data set     {data.root} ({data.edition}, {len(clips)} clips of {_up_to(data)} s)",
        f"store        {store}" + (" (new)" if is_vacant(there) else ""),
        *(f"note         {note}" for note in data.notes),
        *(f"warning      {warning}" for warning in data.warnings),
        f"to do        {_count(expected, clips, settings, part)}",
        f"reads        {byte_size(_bytes(data.root, [clips[row] for row in rows]))}",
        f"writes       about {byte_size(expected.bytes_written)} "
        f"({byte_size(expected.feature_bytes)} of features, "
        f"about {byte_size(expected.jpeg_bytes)} of pictures) in {expected.files} files",
        f"where        {where}",
        f"takes        about {duration(expected.wall_s(at_once))}, if the data set is read as fast"
        f" as it is decoded ({_rate(data.root, clips, rows, expected, at_once)}/s)",
    ]
    return "\n".join(lines) + (f"\n\n{script}" if script else "")


def _up_to(data: Dataset) -> str:
    shortest = min(clip.seconds or data.clip_seconds for clip in data.clips)
    longest = data.clip_seconds
    return f"{longest}" if shortest == longest else f"{shortest} to {longest}"


def _partitions(
    store: Location,
    data: Dataset,
    settings: StoreSettings,
    part: Part | None,
    retry_bad: bool,
) -> list[int]:
    clips = data.clips
    if is_vacant(store):
        return pending(range(partition_count(len(clips), settings)), len(clips), settings, part)
    open_for_writing(store, clips, settings, data.scenes)  # it is there: this only compares
    reasons = Store.open(store, complete=False).reasons() if retry_bad else {}
    again = [row for row, clip in enumerate(clips) if clip.id in reasons]
    return pending(unfinished(store), len(clips), settings, part, again)


def _count(
    expected: Estimate, clips: Sequence[StoredClip], settings: StoreSettings, part: Part | None
) -> str:
    total = partition_count(len(clips), settings)
    share = f", part {part}" if part else ""
    return (
        f"{expected.partitions} of {total} partitions{share}: {expected.clips} of {len(clips)}"
        f" clips, {settings.partition_clips} a partition"
    )


def _place(workers: int | None, cluster: Profile | None) -> tuple[str, int, str]:
    """Where the work runs, how many clips at once, and the job script if there is one."""
    match cluster:
        case AddressProfile(address=address):
            return f"the workers of {address} (time given for one)", 1, ""
        case SlurmProfile(jobs=jobs, cores=cores):
            script = f"each job runs\n\n{job_script(cluster)}"
            return f"{jobs} SLURM jobs of {cores} cores", jobs * cores, script
        case LocalProfile(workers=count):
            return f"{count} processes on this machine", count, ""
    if workers == 0:
        return "this process", 1, ""
    count = workers or usable_cores()
    return f"{count} processes on this machine", count, ""


def _bytes(root: Path, clips: Sequence[StoredClip]) -> int:
    names = {name for clip in clips for name in (clip.audio, clip.video)}
    return sum((root / name).stat().st_size for name in names)


def _rate(
    root: Path,
    clips: Sequence[StoredClip],
    rows: Sequence[int],
    expected: Estimate,
    at_once: int,
) -> str:
    total = _bytes(root, [clips[row] for row in rows])
    return byte_size(total / max(expected.wall_s(at_once), 1e-9))
