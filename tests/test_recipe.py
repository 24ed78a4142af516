from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avsc import recipe
from avsc.errors import AvscError
from avsc.recipe import Recipe, TrainRecipe


def test_the_defaults_are_the_papers_joint_optimisation() -> None:
    train = recipe.load().train
    assert (train.strategy, train.epochs, train.batch_size) == ("joint", 150, 256)
    assert (train.lr_max, train.lr_min) == (1e-2, 1e-5)
    assert recipe.load().visual.model == "efficientnetv2_rw_s.ra2_in1k"


def test_every_key_says_what_it_means() -> None:
    for section in Recipe.model_fields.values():
        keys = getattr(section.annotation, "model_fields", {})
        assert keys
        for key, field in keys.items():
            assert len(field.description or "") > 10, key


def test_settings_change_single_keys_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('[train]\nstrategy = "audio"\nepochs = 3\n[visual]\nmodel = "resnet50"\n')
    settings = ["train.epochs=7", "train.deterministic=true", "audio.feature=fbank"]
    loaded = recipe.load(path, settings)
    assert loaded.train == TrainRecipe(strategy="audio", epochs=7, deterministic=True)
    assert loaded.audio.feature == "fbank"
    assert loaded.visual.model == "resnet50"


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("train.epoch=3", "train.epoch"),
        ("trian.epochs=3", "trian"),
        ("train.epochs=three", "train.epochs"),
        ("train.epochs=0", "train.epochs"),
        ("train.epochs=3.5", "train.epochs"),
        ("train.deterministic=1", "train.deterministic"),
        ("train.lr_min=1", "lr_min"),
        ("train.val_fraction=1", "train.val_fraction"),
        ("train.precision=fp16", "train.precision"),
        ("epochs=3", "--set epochs=3"),
        ("train.epochs", "--set train.epochs"),
    ],
)
def test_what_is_no_setting_is_refused_by_name(setting: str, named: str) -> None:
    with pytest.raises(AvscError) as caught:
        recipe.load(None, [setting])
    assert named in caught.value.got


@pytest.mark.parametrize(
    "settings",
    [
        ["train.strategy=audio", "train.images=embedding"],
        ["train.strategy=video", "train.acoustic=pretrained"],
        ["train.strategy=audio", "train.acoustic=trainable"],
    ],
)
def test_choices_that_contradict_the_strategy_are_refused(settings: list[str]) -> None:
    with pytest.raises(AvscError) as caught:
        recipe.load(None, settings)
    assert settings[1].partition("=")[0].removeprefix("train.") in caught.value.got


@pytest.mark.parametrize(
    ("settings", "images", "acoustic"),
    [
        (["train.strategy=pipeline"], "embedding", "pretrained"),
        (["train.strategy=pipeline", "train.acoustic=trainable"], "embedding", "trainable"),
        (["train.strategy=joint", "train.acoustic=pretrained"], "raw", "pretrained"),
        (["train.strategy=joint"], "raw", "trainable"),
    ],
    ids=["I", "II", "III", "IV"],
)
def test_the_four_cells_of_the_ablation_can_be_said(
    settings: list[str], images: str, acoustic: str
) -> None:
    train = recipe.load(None, settings).train
    assert (train.image_source(), train.acoustic_source()) == (images, acoustic)


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(
    weights=_TEXT,
    run=st.none() | _TEXT,
    lr=st.floats(1e-4, 1e3),
    seed=st.integers(0, 2**63 - 1),
    deterministic=st.booleans(),
)
def test_a_recipe_written_as_toml_is_read_back_equal(
    weights: str, run: str | None, lr: float, seed: int, deterministic: bool
) -> None:
    import tomllib

    made = recipe.parse(
        {
            "visual": {"weights": weights},
            "train": {"audio_run": run, "lr_max": lr, "seed": seed, "deterministic": deterministic},
        },
        "a test",
    )
    assert recipe.parse(tomllib.loads(recipe.to_toml(made)), "a test") == made


@pytest.mark.parametrize("content", [b"[train\n", b"\xff\xfe", b"train = 3\n", None], ids=str)
def test_a_file_that_is_no_recipe_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AvscError) as caught:
        recipe.load(path)
    assert str(path) in caught.value.got


def test_a_setting_in_a_section_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("train = 3\n")
    with pytest.raises(AvscError) as caught:
        recipe.load(path, ["train.epochs=2"])
    assert "train = 3" in caught.value.got


def test_a_bare_word_is_a_string_because_shells_eat_quotes() -> None:
    assert recipe.load(None, ["visual.model=resnet50"]) == recipe.load(
        None, ['visual.model="resnet50"']
    )
    assert isinstance(recipe.load(), Recipe)


@pytest.mark.parametrize("strategy", ["audio", "pipeline"])
def test_views_are_for_raw_images_alone(strategy: str) -> None:
    with pytest.raises(AvscError) as caught:
        recipe.load(None, [f"train.strategy={strategy}", "train.views=4"])
    assert "views" in caught.value.got
    assert recipe.load(None, ["train.views=4"]).train.views == 4
