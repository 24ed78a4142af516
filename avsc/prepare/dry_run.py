"""``--dry-run``: what a prepare would do, how much it is and how long it would take."""

from collections.abc import Sequence
from pathlib import Path

from avsc.console import byte_size, duration
from avsc.dataset.read import read_dataset
from avsc.part import Part
from avsc.prepare.executors import cores
from avsc.prepare.plan import Estimate, estimate, pending
from avsc.prepare.run import settings_for, stored_clips
from avsc.store.clips import StoredClip
from avsc.store.create import open_for_writing
from avsc.store.finish import unfinished
from avsc.store.read import Store
from avsc.store.schema import StoreSettings, partition_count, partition_range


def forecast(
    dataset: Path,
    store: Path,
    settings: StoreSettings | None = None,
    *,
    part: Part | None = None,
    workers: int | None = None,
    cluster: Path | None = None,
    retry_bad: bool = False,
) -> str:
    """Describes a prepare without doing any of it.

    Raises:
        AvscError: As `prepare` would before it begins: the data set, the store or the cluster
            profile is not what it should be.
    """
    data = read_dataset(dataset)
    settings = settings_for(data, settings)
    clips = stored_clips(data)
    to_do = _to_do(store, clips, settings, part, retry_bad)
    where, at_once, script = _place(workers, cluster)
    expected = estimate(to_do, len(clips), settings)
    rows = [row for p in to_do for row in partition_range(p, len(clips), settings)]
    lines = [
        f"data set     {data.root} ({data.edition}, {len(clips)} clips of {data.clip_seconds} s)",
        f"store        {store}" + ("" if store.exists() else " (new)"),
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


def _to_do(
    store: Path,
    clips: Sequence[StoredClip],
    settings: StoreSettings,
    part: Part | None,
    retry_bad: bool,
) -> list[int]:
    if not store.exists() or not any(store.iterdir()):
        return pending(range(partition_count(len(clips), settings)), len(clips), settings, part)
    open_for_writing(store, clips, settings)  # it is there: this only compares
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


def _place(workers: int | None, cluster: Path | None) -> tuple[str, int, str]:
    """Where the work runs, how many clips at once, and the job script if there is one."""
    if cluster is None:
        count = cores() if workers is None else max(1, workers)
        return f"{count} processes on this machine", count, ""
    from avsc.prepare.cluster import AddressProfile, SlurmProfile, job_script, read_profile

    profile = read_profile(cluster)
    if isinstance(profile, AddressProfile):
        return f"the workers of {profile.address} (time given for one)", 1, ""
    if isinstance(profile, SlurmProfile):
        count = profile.jobs * profile.cores
        where = f"{profile.jobs} SLURM jobs of {profile.cores} cores"
        return where, count, f"each job runs\n\n{job_script(profile)}"
    return f"a Dask cluster of {profile.workers} workers on this machine", profile.workers, ""


def _bytes(root: Path, clips: Sequence[StoredClip]) -> int:
    return sum((root / name).stat().st_size for clip in clips for name in (clip.audio, clip.video))


def _rate(
    root: Path,
    clips: Sequence[StoredClip],
    rows: Sequence[int],
    expected: Estimate,
    at_once: int,
) -> str:
    total = _bytes(root, [clips[row] for row in rows])
    return byte_size(total / max(expected.wall_s(at_once), 1e-9))
