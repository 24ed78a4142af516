import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from avsc.errors import AvscError
from avsc.train import checkpoint

FILES = [checkpoint.WEIGHTS, checkpoint.TRAINING, checkpoint.MANIFEST]


def _save(parent: Path, epoch: int, name: str = "last") -> None:
    weights = {"w": torch.full((3,), float(epoch)), "b": torch.tensor(epoch)}
    training = {"optimizer": {"state": {0: {"momentum_buffer": torch.ones(3)}}}, "epoch": epoch}
    checkpoint.save(parent, name, weights, training, {"epoch": epoch, "recipe": {"lr": 0.1}})


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    _save(tmp_path, 4)
    found = checkpoint.load(tmp_path / "last")
    assert torch.equal(found.weights["w"], torch.full((3,), 4.0))
    assert found.weights["b"].shape == ()
    assert found.training["epoch"] == 4
    assert torch.equal(found.training["optimizer"]["state"][0]["momentum_buffer"], torch.ones(3))
    assert found.manifest["recipe"] == {"lr": 0.1}
    assert sorted(path.name for path in (tmp_path / "last").iterdir()) == sorted(FILES)


def test_the_one_before_is_kept_and_nothing_else(tmp_path: Path) -> None:
    for epoch in range(4):
        _save(tmp_path, epoch)
    assert {path.name for path in tmp_path.iterdir()} == {"last", "last.previous"}
    assert checkpoint.read_manifest(tmp_path / "last")["epoch"] == 3
    assert checkpoint.read_manifest(tmp_path / "last.previous")["epoch"] == 2


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("harm", ["cut", "flip", "gone"])
def test_any_damage_is_detected_and_the_previous_one_used_aloud(
    file: str, harm: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _save(tmp_path, 1)
    _save(tmp_path, 2)
    path = tmp_path / "last" / file
    data = bytearray(path.read_bytes())
    if harm == "gone":
        path.unlink()
    elif harm == "cut":
        path.write_bytes(data[: len(data) // 2])
    else:
        place = data.index(b"0.1") if file == checkpoint.MANIFEST else len(data) // 2
        data[place] ^= 1
        path.write_bytes(data)
    with pytest.raises(AvscError, match="damaged"):
        checkpoint.load(tmp_path / "last")
    found = checkpoint.recover(tmp_path, "last")
    assert found is not None
    assert found.manifest["epoch"] == 1
    warning = capsys.readouterr().err
    assert "WARNING" in warning
    assert file in warning


def test_a_damaged_checkpoint_never_replaces_the_good_previous_one(tmp_path: Path) -> None:
    _save(tmp_path, 1)
    _save(tmp_path, 2)
    (tmp_path / "last" / checkpoint.WEIGHTS).write_bytes(b"")
    checkpoint.recover(tmp_path, "last")
    assert (tmp_path / "last.damaged").is_dir()
    _save(tmp_path, 2)
    assert checkpoint.load(tmp_path / "last.previous").manifest["epoch"] == 1


def test_when_both_are_damaged_nothing_is_invented(tmp_path: Path) -> None:
    _save(tmp_path, 1)
    _save(tmp_path, 2)
    for name in ("last", "last.previous"):
        (tmp_path / name / checkpoint.WEIGHTS).write_bytes(b"")
    with pytest.raises(AvscError, match="damaged"):
        checkpoint.recover(tmp_path, "last")


def test_a_writer_killed_while_moving_leaves_the_previous_one(tmp_path: Path) -> None:
    _save(tmp_path, 1)
    (tmp_path / "last").rename(tmp_path / "last.previous")
    shutil.copytree(tmp_path / "last.previous", tmp_path / ".partial-last")
    found = checkpoint.recover(tmp_path, "last")
    assert found is not None
    _save(tmp_path, 2)
    assert {path.name for path in tmp_path.iterdir()} == {"last", "last.previous"}


def test_a_failure_while_writing_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _save(tmp_path, 1)

    def fail(_descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(AvscError) as caught:
        _save(tmp_path, 2)
    assert str(tmp_path) in caught.value.got
    monkeypatch.undo()
    assert checkpoint.load(tmp_path / "last").manifest["epoch"] == 1


def test_no_checkpoint_is_no_error_to_a_run_that_begins(tmp_path: Path) -> None:
    assert checkpoint.recover(tmp_path, "last") is None
    with pytest.raises(AvscError, match="no checkpoint at"):
        checkpoint.load(tmp_path / "last")


class _Malice:
    def __init__(self, touched: Path) -> None:
        self.touched = touched

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.touched,)


def test_malice_in_the_training_state_executes_nothing_even_with_right_digests(
    tmp_path: Path,
) -> None:
    touched = tmp_path / "touched"
    checkpoint.save(tmp_path, "last", {"w": torch.ones(1)}, {"x": _Malice(touched)}, {})
    with pytest.raises(AvscError, match=r"training\.pt"):
        checkpoint.load(tmp_path / "last")
    assert not touched.exists()


def test_a_manifest_of_another_version_is_refused(tmp_path: Path) -> None:
    _save(tmp_path, 1)
    path = tmp_path / "last" / checkpoint.MANIFEST
    manifest = json.loads(path.read_text())
    manifest["version"] = 99
    del manifest["sha256"]
    manifest["sha256"] = checkpoint._digest(manifest)
    path.write_text(json.dumps(manifest))
    with pytest.raises(AvscError, match="version 99"):
        checkpoint.load(tmp_path / "last")
