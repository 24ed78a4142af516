import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from avsc import paper, recipe, recipe_files, recipe_keys
from avsc.cli import app as cli
from avsc.errors import AvscError
from avsc.recipe import Recipe
from avsc.recipe_keys import to_toml
from avsc.recipe_sections import TrainRecipe


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
        ("epoch=3", "train.epochs"),
        ("audio.epochs=3", "train.epochs"),
        ("xyz=3", "xyz"),
        ("train.lr_max=inf", "train.lr_max"),
        ("=3", "--set =3"),
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
    made = recipe.parse(
        {
            "visual": {"weights": weights},
            "train": {"audio_run": run, "lr_max": lr, "seed": seed, "deterministic": deterministic},
        },
        "a test",
    )
    assert recipe.parse(tomllib.loads(to_toml(made)), "a test") == made


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


def test_the_section_may_be_left_out_where_one_alone_has_the_key() -> None:
    short = recipe.load(None, ["epochs=3", "feature=fbank", "hue = 0.1"])
    assert short == recipe.load(None, ["train.epochs=3", "audio.feature=fbank", "augment.hue=0.1"])


def test_a_key_of_several_sections_needs_its_section(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe_keys, "full_key", lambda *_: ["train.seed", "augment.seed"])
    with pytest.raises(AvscError) as caught:
        recipe.load(None, ["seed=3"])
    assert "train.seed" in caught.value.expected
    assert "augment.seed" in caught.value.expected


def test_every_fault_of_a_recipe_is_named_at_once_and_in_our_words(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'visul = 3\n[train]\nepoch = 3\nepochs = 0\ncache = "ram"\nlr_max = "high"\n'
        "[audio]\nepochs = 1\n[augment]\nflip = 2\nhue = nan\n"
    )
    with pytest.raises(AvscError) as caught:
        recipe.load(path)
    got = caught.value.got
    for words in (
        "visul (did you mean visual?)",
        "train.epoch (did you mean train.epochs?)",
        "audio.epochs (did you mean train.epochs?)",
        "train.epochs is 0; it takes a whole number of at least 1",
        "train.cache is 'ram'; it takes auto, device, host or none",
        "train.lr_max is 'high'; it takes a number above 0",
        "augment.flip is 2",
        "augment.hue is nan",
    ):
        assert words in got
    assert "nput should" not in got
    assert "ermitted" not in got


def test_a_recipe_made_in_python_is_checked_in_the_same_way() -> None:
    made = Recipe(train={"epochs": 3, "threads": "unset"})
    assert made == recipe.load(None, ["epochs=3"])
    assert repr(made) == str(made) == "Recipe(train.epochs=3)"
    with pytest.raises(AvscError) as caught:
        Recipe(train={"epoch": 3})
    assert "train.epochs" in caught.value.got


def test_a_written_recipe_has_every_key() -> None:
    tree = tomllib.loads(to_toml(Recipe()))
    for section, part in Recipe.model_fields.items():
        assert set(tree[section]) == set(getattr(part.annotation, "model_fields", {}))
    assert tree["train"]["threads"] == "unset"


def test_a_value_can_be_taken_back() -> None:
    path = str(recipe_files.find("joint-fbank-resnet50"))
    assert recipe.load(path).visual.image_size == 224
    assert recipe.load(path, ["image_size=unset"]).visual.image_size is None


def test_a_shipped_recipe_is_found_by_its_name() -> None:
    for name, system in recipe_files.shipped().items():
        assert recipe.load(name) == recipe.load(paper.recipe_path(name))
        assert system.startswith(("Table", "Beyond the paper"))
    found = recipe.load("joint-fbank-resnet50", ["epochs=3"])
    assert (found.audio.feature, found.visual.model, found.train.epochs) == ("fbank", "resnet50", 3)


def test_a_file_comes_before_a_shipped_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("audio-fbank").mkdir()  # such as the run of it
    assert recipe.load("audio-fbank").train.strategy == "audio"
    Path("audio-fbank.toml").write_text("[train]\nepochs = 4\n")
    assert recipe.load("audio-fbank.toml").train.epochs == 4


@pytest.mark.parametrize("name", ["joint-fbank-resnet5", "nonsense", "absent/mine.toml"])
def test_a_recipe_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(AvscError) as caught:
        recipe.load(name)
    assert name in caught.value.got
    assert ("joint-fbank-resnet50" in caught.value.remedy) == name.startswith("joint")


def _avsc(*words: str) -> str:
    done = CliRunner().invoke(cli.app, ["recipe", *words])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("words", [[], ["joint-fbank-resnet50"], ["pipeline-scalogram-resnet50"]])
def test_what_the_command_prints_is_that_recipe(words: list[str], tmp_path: Path) -> None:
    printed = _avsc(*words)
    (tmp_path / "mine.toml").write_text(printed)
    assert recipe.load(tmp_path / "mine.toml") == recipe.load(words[0] if words else None)
    assert max(map(len, printed.splitlines())) <= 80


def test_the_command_explains_every_key() -> None:
    printed = " ".join(_avsc("audio-fbank").replace("#", " ").split())
    for key, field in recipe_keys.keys(Recipe):
        assert f"{key.partition('.')[2]} = " in printed
        assert str(field.description)[1:] in printed
        assert recipe_keys.values(field) in printed
    assert 'Default: "joint".' in printed


def test_the_command_lists_the_shipped_recipes() -> None:
    printed = _avsc("--list")
    assert all(name in printed for name in recipe_files.shipped())
    assert max(map(len, printed.splitlines())) <= 80
