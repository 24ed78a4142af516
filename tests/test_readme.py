"""The README's Python examples, run as they stand."""

import re
import sys
from pathlib import Path

import pytest

from avsc import recipe

README = Path(__file__).parents[1] / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small synthetic data set, its store, and a run of one epoch on it."""
    from avsc.prepare.run import prepare
    from avsc.synth.make import make_dataset
    from avsc.synth.plan import SynthSettings
    from avsc.train.run import train

    root = tmp_path_factory.mktemp("readme")
    dataset, store, run = root / "dataset", root / "store.zarr", root / "run"
    make_dataset(dataset, SynthSettings(3, 3, width=64, height=48))
    prepare(dataset, store)
    small = {
        "visual": {"model": "test_resnet.r160_in1k", "weights": "random", "image_size": 32},
        "train": {"epochs": 1, "batch_size": 64},
    }
    train(store, run, recipe.parse(small, "test"), device="cpu")
    sound = next((dataset / "audio").glob("*.wav"))  # enough for a run on sound alone
    return {"dataset_path": dataset, "store_path": store, "run_path": run, "video_path": sound}


def test_there_is_an_example_of_each_step() -> None:
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.splitlines()[-1][:30])
def test_the_example_runs(
    example: str,
    places: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("my_encoder.py").write_text(example)  # as the example of an own encoder says
    exec(compile(example, str(README), "exec"), {**places, "__name__": "__main__"})
    assert capsys.readouterr().out.strip()
    assert len([line for line in example.splitlines() if line.strip()]) <= 15
