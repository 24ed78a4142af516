import math
import re
from pathlib import Path

import pytest

from avsc import demo
from avsc.console import out
from tests.dataset.recordings import write_recording


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo, smaller still."""
    sizes = {"CLIPS_PER_SCENE": 3, "LOCATIONS_PER_SCENE": 3, "IMAGES_PER_SCENE": 8}
    for name, value in (sizes | {"PRETRAIN_EPOCHS": 1, "EPOCHS": 1}).items():
        monkeypatch.setattr(demo, name, value)
    monkeypatch.setattr(demo, "PICTURE_SIZE", (96, 54))


def _state(folder: Path) -> dict[Path, int]:
    kept = ("dataset", "images", "store.zarr", "runs", "visual-encoder")
    files = [path for name in kept for path in (folder / name).rglob("*") if path.is_file()]
    parts = ("weights.safetensors", "metrics.json", ".wav", ".mp4", ".jpg", "c.0")
    return {p: p.stat().st_mtime_ns for p in files if p.name.endswith(parts)}


@pytest.mark.usefixtures("small")
def test_the_demo_scores_its_systems_and_uses_what_is_complete_when_run_again(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "demo"
    scored = demo.demo(folder)
    assert [one.strategy for one in scored] == ["joint", "audio", "pipeline", "video"]
    assert all(0 < one.metrics["log_loss"] < 20 for one in scored)
    with out.capture() as printed:
        demo.show(folder, scored)
    text = printed.get()
    assert f"{math.log(10):.3f}" in text  # chance
    assert all(f"{one.metrics['log_loss']:.3f}" in text for one in scored)
    assert all((one.run / "evaluation" / "report.html").exists() for one in scored)

    page = (folder / "index.html").read_text()
    links = re.findall('href="([^"]+html)"', page)
    assert len(links) == len(scored) + 1
    assert all((folder / link).is_file() for link in links)

    before = _state(folder)
    assert len(before) > 100
    again = demo.demo(folder)
    assert [one.metrics for one in again] == [one.metrics for one in scored]
    assert _state(folder) == before


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_the_demo_goes_the_whole_way_on_somebody_s_own_recordings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "OWN_EPOCHS", 1)
    for number in range(8):
        scene = ("office", "kitchen & bath")[number % 2]
        write_recording(tmp_path / "rooms" / scene / f"{number}.mp4", 2.2, hz=300 + 100 * number)
    with out.capture() as printed:
        scored = demo.demo(tmp_path / "demo", tmp_path / "rooms")
        demo.show(tmp_path / "demo", scored, tmp_path / "rooms")
    assert f"{math.log(2):.3f}" in printed.get()  # chance, of two scenes
    assert all(len(one.metrics["per_class"]) == 2 for one in scored)
    page = (tmp_path / "demo" / "index.html").read_text()
    assert str(tmp_path / "rooms") in page
    assert "ynthetic" not in page + printed.get().partition("test fold, one-second")[2]
    links = re.findall('href="([^"]+html)"', page)
    assert len(links) == len(scored) + 1
    assert all((tmp_path / "demo" / link).is_file() for link in links)
    assert not (tmp_path / "demo" / "dataset").exists()


@pytest.mark.slow
def test_in_the_demo_both_senses_together_beat_each_alone_and_chance(tmp_path: Path) -> None:
    losses = {one.strategy: one.metrics["log_loss"] for one in demo.demo(tmp_path / "demo")}
    assert losses["joint"] < min(losses["audio"], losses["video"])
    assert losses["joint"] < math.log(10)
