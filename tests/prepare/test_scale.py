"""The full size, 12,291 clips, with payloads so tiny that everything else is what is measured."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CLIPS = 12_291

# In a process of its own, whose memory is its own.
RUN = """
import json, sys, time
from pathlib import Path
import numpy as np
from avsc.prepare import clip
from avsc.prepare.dry_run import describe
from avsc.prepare.run import finalise, prepare
from avsc.store.reader import Store
from avsc.store.schema import FBankSettings, ImageSettings, StoreSettings
from avsc.store.writer import ClipData

dataset, store = map(Path, sys.argv[1:])
settings = StoreSettings(
    features=("fbank",), fbank=FBankSettings(bands=2), image=ImageSettings(short_side=16)
)
tiny = ClipData(
    {"fbank": np.ones((56, 2, 2), np.float32)},
    {"fbank": np.ones((10, 3, 2, 2), np.float32)},
    [b"jpeg"] * 10,
    list(np.arange(10) + 0.5),
)

clip.read_clip = lambda dataset, stored, settings: tiny

took = {}
def timed(name, work):
    start = time.perf_counter()
    result = work()
    took[name] = time.perf_counter() - start
    return result

said = timed("plan", lambda: describe(dataset, store, settings))
assert "193 of 193 partitions: 12291 of 12291 clips" in said, said
summary = timed("prepare", lambda: prepare(dataset, store, settings))
assert summary.complete and summary.prepared == 12291, summary
timed("again", lambda: prepare(dataset, store, settings))
timed("finalise", lambda: finalise(store))
opened = timed("open", lambda: Store.open(store))
assert (opened.status() == 1).all()
# Not getrusage: its peak is inherited from the process that started this one.
hwm = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
peak = int(hwm.split()[1]) / 1024
print(json.dumps({"took_s": took, "peak_mb": peak}))
"""


@pytest.fixture
def full_size(tmp_path: Path) -> Path:
    """12,291 clips in TAU's layout, their files empty."""
    root = tmp_path / "dataset"
    for folder in ("audio", "video", "evaluation_setup"):
        (root / folder).mkdir(parents=True)
    rows = []
    for number in range(CLIPS):
        clip = f"park-lyon-{number // 30}-{number}"
        for name in (f"audio/{clip}.wav", f"video/{clip}.mp4"):
            os.close(os.open(root / name, os.O_CREAT | os.O_WRONLY))
        rows.append(f"audio/{clip}.wav\tvideo/{clip}.mp4\tpark\n")
    header = "filename_audio\tfilename_video\tscene_label\n"
    (root / "meta.csv").write_text(header + "".join(rows))
    (root / "evaluation_setup/fold1_train.csv").write_text(header + "".join(rows[:8646]))
    (root / "evaluation_setup/fold1_evaluate.csv").write_text(header + "".join(rows[8646:]))
    return root


def test_the_full_size_is_planned_written_and_finalised_in_little_memory(
    full_size: Path, tmp_path: Path
) -> None:
    words = [sys.executable, "-c", RUN, str(full_size), str(tmp_path / "store")]
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "the train fold is not the official one" in run.stderr
    measured = json.loads(run.stdout)
    print(measured)
    assert measured["peak_mb"] < 1000
