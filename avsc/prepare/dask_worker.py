"""What every Dask worker of ours does at its start (Dask's ``--preload``)."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distributed import Worker


def dask_setup(worker: "Worker") -> None:
    """Closes the HTTP port that Dask opens even without a dashboard; nothing is asked there."""
    worker.http_server.stop()
