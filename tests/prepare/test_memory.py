import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from avsc.prepare.run import prepare
from avsc.store.schema import ImageSettings, StoreSettings

MakeDataset = Callable[..., Path]
CLIPS = 500


@pytest.mark.slow
def test_a_workers_memory_is_small_and_flat_over_500_clips(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    dataset = make_dataset(CLIPS)
    megabytes: list[float] = []
    over = threading.Event()
    before = set(psutil.Process().children(recursive=True))

    def watch() -> None:
        while not over.wait(0.1):
            family = set(psutil.Process().children(recursive=True)) - before
            used = [process.memory_info().rss / 1e6 for process in family if process.is_running()]
            megabytes.append(max(used, default=0.0))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        settings = StoreSettings(partition_clips=64, image=ImageSettings(short_side=32))
        assert prepare(dataset, tmp_path / "store", settings, workers=1).complete
    finally:
        over.set()
        thread.join()
    print([round(each) for each in megabytes[::50]])
    third = len(megabytes) // 3
    assert 100 < max(megabytes) < 600
    assert max(megabytes[2 * third :]) < max(megabytes[third : 2 * third]) + 50
