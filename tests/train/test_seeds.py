"""``avsc embed``, ``--seeds`` and what ``avsc info`` says of banks."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from avsc.cli.app import app
from avsc.errors import AvscError
from avsc.models.view_maker import ViewMaker
from avsc.recipe import Recipe
from avsc.report.bank_info import banks
from avsc.store.reader import Store
from avsc.train.embed import embed
from avsc.train.load import Run
from avsc.train.run import train
from avsc.train.seeds import train_seeds

MakeRecipe = Callable[..., Recipe]
SHORT = ("train.views=2", "train.epochs=1", "train.batch_size=64")


@pytest.fixture
def store(make_store: Callable[..., Path], store_settings: object, tmp_path: Path) -> Path:
    return make_store(
        tmp_path / "store", 40, settings=store_settings, size=(36, 64), learnable=True
    )


def test_runs_after_embed_encode_nothing_whatever_their_seed(
    store: Path, quick: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed(store, quick(*SHORT), device="cpu")
    monkeypatch.setattr(ViewMaker, "encode", lambda *_: pytest.fail("an image was encoded again"))
    outcomes = train_seeds(store, tmp_path / "run", quick(*SHORT), 2, device="cpu")
    assert [one.run.name for one in outcomes] == ["seed-0", "seed-1"]
    assert [Run.open(one.run, "cpu").recipe.train.seed for one in outcomes] == [0, 1]
    again = train_seeds(store, tmp_path / "run", quick(*SHORT), 3, device="cpu")
    assert [one.best_loss for one in again[:2]] == [one.best_loss for one in outcomes]


def test_info_lists_the_banks_with_their_bytes(store: Path, quick: MakeRecipe) -> None:
    embed(store, quick(*SHORT), device="cpu")
    old = store.with_name("store.embeddings") / "old.zarr"
    old.mkdir()
    (old / "zarr.json").write_text("not JSON")
    rows = banks(store)
    assert sorted(row[0] for row in rows) == ["1", "2", "?"]
    (bank,) = (row for row in rows if row[0] == "2")
    features = 8 * 2 * 128  # at least: the bytes are those of the files
    assert bank[1].startswith("test_resnet")
    path = old.with_name(bank[6])
    assert sum(f.stat().st_size for f in (path / "c").rglob("*") if f.is_file()) > features
    result = CliRunner().invoke(app, ["info", str(store)])
    assert result.exit_code == 0


def test_a_run_of_one_seed_is_no_folder_of_seeds(
    store: Path, quick: MakeRecipe, tmp_path: Path
) -> None:
    recipe = quick("train.strategy=audio", "train.epochs=1")
    train(store, tmp_path / "run", recipe, device="cpu")
    with pytest.raises(AvscError):
        train_seeds(store, tmp_path / "run", recipe, 2, device="cpu")


def test_each_seed_takes_the_audio_encoder_of_its_own_seed(
    store: Path, quick: MakeRecipe, tmp_path: Path
) -> None:
    audio = quick("train.strategy=audio", "train.epochs=1")
    train_seeds(store, tmp_path / "audio", audio, 2, device="cpu")
    pipeline = quick(
        "train.strategy=pipeline", "train.epochs=1", f"train.audio_run={tmp_path / 'audio'}"
    )
    for one in train_seeds(store, tmp_path / "run", pipeline, 2, device="cpu"):
        source = Run.open(one.run, "cpu").recipe.train.audio_run
        assert source is not None
        assert Path(source).name == one.run.name
    with pytest.raises(AvscError) as caught:
        train_seeds(store, tmp_path / "run", pipeline, 3, device="cpu")
    assert "seed 2" in caught.value.got


def test_embed_makes_views_of_all_training_clips_and_plain_ones_of_all(
    store: Path, quick: MakeRecipe
) -> None:
    seen: list[int] = []
    encode = ViewMaker.encode

    def noting(self: ViewMaker, *given: np.ndarray) -> np.ndarray:
        values = encode(self, *given)  # type: ignore[arg-type]
        seen.append(len(values))
        return values

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ViewMaker, "encode", noting)
        embed(store, quick(*SHORT), views=3, device="cpu")
    clips = Store.open(store).clips
    learnt = sum(clip.fold == "train" for clip in clips)
    assert sum(seen) == 2 * len(clips) + 3 * 2 * learnt
