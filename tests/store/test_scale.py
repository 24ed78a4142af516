"""The full data set's number of clips, with tiny payloads."""

import subprocess
import sys

import pytest

SIMULATION = """
import tempfile, time
from pathlib import Path
import numpy as np
from avsc.store.layout import StoredClip
from avsc.store.create import open_for_writing
from avsc.store.finalize import mark_complete, unfinished
from avsc.store.reader import Store
from avsc.store.schema import *
from avsc.store.writer import ClipData, write_partition

N = 12_291
began = time.monotonic()
settings = StoreSettings(scalogram=ScalogramSettings(bands=2), fbank=FBankSettings(bands=2))
clips = [StoredClip(f"bus-lyon-{i // 28}-{i}", "bus", "lyon", str(i // 28), "train", f"audio/{i}",
                    f"video/{i}") for i in range(N)]
audio = {feature: np.ones((56, 2, 2), np.float32) for feature in settings.features}
segments = {feature: np.ones((10, 3, 2, 2), np.float32) for feature in settings.features}
clip = ClipData(audio, segments, [b"tiny"] * 10, [0.5] * 10)
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "store"
    open_for_writing(path, clips, settings)
    files = sum(1 for file in path.rglob("*") if file.is_file())
    assert files < 20, files
    assert len(unfinished(path)) == 193
    for partition in range(193):
        with write_partition(path, N, settings, partition) as writer:
            for row in partition_range(partition, N, settings):
                writer.add(row, clip)
    mark_complete(path)
    store = Store.open(path)
    assert store.audio("fbank", range(N)).sum() == N * 56 * 4
    assert all(store.jpeg(row, 3) == b"tiny" for row in range(N))
# Not getrusage: its peak is inherited from the process that started this one.
hwm = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
megabytes = int(hwm.split()[1]) // 1000
print(round(time.monotonic() - began), megabytes)
"""


def simulate() -> tuple[int, int]:
    """Runs the simulation in a process of its own; returns its seconds and peak megabytes."""
    done = subprocess.run(
        [sys.executable, "-c", SIMULATION], check=True, capture_output=True, text=True
    )
    seconds, megabytes = map(int, done.stdout.split())
    return seconds, megabytes


@pytest.mark.slow
def test_the_full_number_of_clips_is_written_finished_and_read_in_less_than_a_gigabyte() -> None:
    _, megabytes = simulate()
    assert megabytes < 1000


def test_a_store_is_begun_with_the_same_few_files_however_many_clips_it_has(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    from avsc.store.create import create
    from avsc.store.layout import StoredClip
    from avsc.store.schema import StoreSettings

    counts = []
    for clips in (1, 12_291):
        path = tmp_path_factory.mktemp("begun") / "store"
        listed = [StoredClip(str(n), "", "", "", "", f"{n}.wav", f"{n}.mp4") for n in range(clips)]
        create(path, listed, StoreSettings())
        counts.append(sum(1 for file in path.rglob("*") if file.is_file()))
    assert counts[0] == counts[1] < 20
