from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import pytest

from avsc.prepare.events import ClipDone, Events, Job
from avsc.prepare.run import prepare
from avsc.prepare.supervise import supervise
from avsc.store.schema import ImageSettings, StoreSettings

MakeDataset = Callable[..., Path]
CLIPS = 500


@pytest.mark.slow
def test_a_workers_memory_is_small_and_flat_over_500_clips(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    megabytes: list[float] = []

    def watched(job: Job, partitions: Sequence[int]) -> Events:
        for event in supervise(job, partitions, workers=1):
            if isinstance(event, ClipDone):
                # Other tests of this process may have left children of their own.
                (worker,) = (
                    child
                    for child in psutil.Process().children()
                    if "avsc.prepare.worker" in child.cmdline()
                )
                megabytes.append(worker.memory_info().rss / 1e6)
            yield event

    settings = StoreSettings(partition_clips=64, image=ImageSettings(short_side=32))
    assert prepare(make_dataset(CLIPS), tmp_path / "store", settings, watched).complete
    assert len(megabytes) == CLIPS
    assert max(megabytes) < 600
    assert max(megabytes[-100:]) < max(megabytes[100:200]) + 10, megabytes[::50]
    print([round(each) for each in megabytes[::50]])
