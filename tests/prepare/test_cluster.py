from collections.abc import Callable
from pathlib import Path

import pytest

from avsc.prepare.cluster import (
    LocalProfile,
    dask_cluster,
    read_profile,
)
from avsc.prepare.run import prepare
from avsc.store.read import Store
from avsc.store.schema import Status, StoreSettings

FilesOf = Callable[[Path], dict[str, bytes]]
Sabotage = Callable[[dict[str, str]], None]

# Only the Dask worker above the watched process, as a walltime or a dead node does.
LOSE_DASK_WORKER = "os.kill(os.getppid(), signal.SIGKILL); time.sleep(60)"


def profile_file(folder: Path, text: str) -> Path:
    path = folder / "profile.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_dask_cluster_writes_the_same_bytes(
    prepared: Path, dataset: Path, settings: StoreSettings, tmp_path: Path, files_of: FilesOf
) -> None:
    local = dask_cluster(read_profile(profile_file(tmp_path, 'kind = "local"\nworkers = 2\n')))
    summary = prepare(dataset, tmp_path / "store", settings, local)
    assert summary.complete
    assert files_of(tmp_path / "store") == files_of(prepared)


def test_a_partition_whose_dask_worker_is_lost_is_tried_again(
    prepared: Path,
    dataset: Path,
    settings: StoreSettings,
    tmp_path: Path,
    ids: list[str],
    sabotage: Sabotage,
    files_of: FilesOf,
) -> None:
    lost = tmp_path / "lost"
    once = f"p = pathlib.Path({str(lost)!r})\nif not p.exists():\n p.touch()\n {LOSE_DASK_WORKER}"
    sabotage({ids[4]: once})
    prepare(
        dataset, tmp_path / "store", settings, dask_cluster(LocalProfile(kind="local", workers=1))
    )
    assert lost.exists()
    assert files_of(tmp_path / "store") == files_of(prepared)


@pytest.mark.slow
def test_only_the_clip_that_loses_its_dask_worker_every_time_is_quarantined(
    dataset: Path, settings: StoreSettings, tmp_path: Path, ids: list[str], sabotage: Sabotage
) -> None:
    sabotage({ids[4]: LOSE_DASK_WORKER})
    local = dask_cluster(LocalProfile(kind="local", workers=2))
    summary = prepare(dataset, tmp_path / "store", settings, local, max_bad=1)
    reason = "its machine or Dask worker was lost while preparing it (3 times)"
    assert summary.quarantined == {ids[4]: reason}
    assert (Store.open(tmp_path / "store").status() == Status.GOOD).sum() == 9


@pytest.mark.slow
def test_a_clip_that_crashes_does_not_cost_a_dask_worker(
    dataset: Path, settings: StoreSettings, tmp_path: Path, ids: list[str], sabotage: Sabotage
) -> None:
    sabotage({ids[4]: "os.kill(os.getpid(), signal.SIGSEGV)"})
    local = dask_cluster(LocalProfile(kind="local", workers=1))
    summary = prepare(dataset, tmp_path / "store", settings, local, max_bad=1)
    assert summary.quarantined.keys() == {ids[4]}
    assert "SIGSEGV" in summary.quarantined[ids[4]]
