"""``avsc agree``: swapped sounds found by a run's own answers, or by those of two runs."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, f1_score
from typer.testing import CliRunner

from avsc import recipe as recipes
from avsc.cli.app import app
from avsc.data.split import training_fold
from avsc.errors import AvscError
from avsc.evaluate.agree import Swapping, agree
from avsc.evaluate.evaluation import evaluate
from avsc.evaluate.results import weights_sha256
from avsc.evaluate.seeds import seed_folders
from avsc.report import agreement as report
from avsc.report.info import run_facts
from avsc.store.reader import Store

MakeRun = Callable[..., Path]


def _table(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "agreement.csv", sep="\t")


def test_the_files_have_what_was_found(robust: Path) -> None:
    found = agree([robust], device="cpu")
    assert found.folder == robust / "agreement"
    table, metrics = _table(found.folder), json.loads((found.folder / "metrics.json").read_text())
    scenes = [[name.split("-")[0] for name in table[column]] for column in ("filename", "sound")]
    swapped = [one != other for one, other in zip(*scenes, strict=True)]
    assert (table.truth == "swapped").tolist() == swapped
    said = table.decision == "swapped"
    assert (said == (table.agreement < metrics["segments"]["threshold"])).all()
    assert metrics["segments"]["f1"] == pytest.approx(f1_score(swapped, said))
    precision = average_precision_score(swapped, -table.agreement)
    assert metrics["segments"]["average_precision"] == pytest.approx(precision)
    assert metrics["segments"]["n"] == len(table)
    assert metrics["clips"]["n"] == len(table) / 2  # 2 s a clip
    assert found.segments.average_precision > 0.6  # of 0.5 by chance
    assert f"{100 * found.clips.f1:.2f} %" in dict(run_facts(robust))["agreement"]
    before = (found.folder / "agreement.csv").read_bytes()
    assert agree([robust], device="cpu").folder == found.folder
    assert (found.folder / "agreement.csv").read_bytes() == before


def test_the_agreement_is_of_the_runs_own_predictions(robust: Path) -> None:
    table = _table(agree([robust], device="cpu").folder).set_index("filename")
    alone = []
    for without in ("image", "audio"):
        folder = evaluate(robust, device="cpu", without=without, with_report=False).folder
        assert folder is not None
        alone.append(pd.read_csv(folder / "predictions.csv", sep="\t", index_col=0).iloc[:, 1:])
    sound, picture = alone
    expected = (sound.loc[table.sound].to_numpy() * picture.loc[table.index].to_numpy()).sum(axis=1)
    assert table.agreement.to_numpy() == pytest.approx(expected, abs=1e-6)


def test_two_runs_of_one_modality_answer_in_any_order(
    small_store: Path, make_run: MakeRun, tmp_path: Path
) -> None:
    ear = make_run(tmp_path / "ear", small_store, "audio", seed=1)
    eye = make_run(tmp_path / "eye", small_store, "video", seed=2)
    tables = [
        _table(agree(list(pair), out=tmp_path / f"{k}", device="cpu").folder)
        for k, pair in enumerate([(ear, eye), (eye, ear)])
    ]
    assert tables[0].equals(tables[1])
    assert not (ear / "agreement").exists()


def test_a_list_and_another_seed_have_their_own_folders(robust: Path, tmp_path: Path) -> None:
    names = _table(agree([robust], device="cpu").folder).filename
    ids = sorted({name.rpartition("_")[0] for name in names})
    list_ = tmp_path / "mine.txt"
    list_.write_text("\n".join(f"['{clip}.mp4', '{clip.split('-')[0]}']" for clip in ids[:3]))
    found = agree([robust], swapping=Swapping(swaps=list_), device="cpu")
    other = agree([robust], swapping=Swapping(seed=1), device="cpu")
    assert {found.folder, other.folder} == {
        robust / "agreement" / "mine",
        robust / "agreement" / "seed1",
    }
    table = _table(found.folder)
    assert set(table.filename[table.truth == "swapped"].str.rpartition("_")[0]) == set(ids[:3])
    assert found.clips.swapped == 3


@pytest.mark.parametrize(
    ("strategies", "settings"),
    [
        (("joint",), ()),
        (("audio",), ()),
        (("video", "video"), ()),
        (("joint",), ("train.drop_audio=0.3",)),
    ],
)
def test_runs_that_cannot_answer_by_one_modality_are_refused(
    small_store: Path,
    make_run: MakeRun,
    tmp_path: Path,
    strategies: tuple[str, ...],
    settings: tuple[str, ...],
) -> None:
    runs = [
        make_run(tmp_path / str(k), small_store, name, settings=settings)
        for k, name in enumerate(strategies)
    ]
    with pytest.raises(AvscError) as caught:
        agree(runs, out=tmp_path / "out", device="cpu")
    assert all(str(run) in caught.value.got for run in runs)
    assert not (tmp_path / "out").exists()


def test_the_threshold_is_never_chosen_on_what_is_scored(
    robust: Path, small_store: Path, make_run: MakeRun, tmp_path: Path
) -> None:
    for fold in ("train", "all", "validation"):
        with pytest.raises(AvscError) as caught:
            agree([robust], fold=fold, out=tmp_path / "out", device="cpu")
        assert "validation" in caught.value.got
    own = agree([robust], device="cpu").segments.threshold
    assert agree([robust], device="cpu", out=tmp_path / "out").segments.threshold == own


def test_two_runs_need_clips_that_both_held_out(
    small_store: Path, make_run: MakeRun, tmp_path: Path
) -> None:
    store = Store.open(small_store)
    few = ("train.val_fraction=0.2", "train.val_split=clip")

    def held_out(seed: int) -> set[int]:
        recipe = recipes.load(None, [*few, f"train.seed={seed}"]).train
        return set(training_fold(store, recipe).validation.rows.tolist())

    apart = next(seed for seed in range(1, 500) if not held_out(0) & held_out(seed))
    ear, eye = (
        make_run(tmp_path / name, small_store, name, settings=(*few, f"train.seed={seed}"))
        for name, seed in (("audio", 0), ("video", apart))
    )
    with pytest.raises(AvscError) as caught:
        agree([ear, eye], out=tmp_path / "two", device="cpu")
    assert str(eye) in caught.value.got
    assert not (tmp_path / "two").exists()


@pytest.fixture(scope="module")
def seeds(
    small_store: Path, make_run: MakeRun, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Three folders of two seeds: of sound, of pictures, of a joint run with stand-ins."""
    folder, held_out = tmp_path_factory.mktemp("seeds"), "train.val_fraction=0.3"
    drops = ("train.drop_audio=0.3", "train.drop_image=0.3", held_out)
    kinds = (
        ("audio", "audio", (held_out,)),
        ("video", "video", (held_out,)),
        ("both", "joint", drops),
    )
    for name, strategy, settings in kinds:
        for seed in (0, 1):
            own = (*settings, f"train.seed={seed}")
            make_run(folder / name / f"seed-{seed}", small_store, strategy, seed, settings=own)
    return {name: folder / name for name, _, _ in kinds}


@pytest.mark.parametrize("names", [("both",), ("video", "audio")])
def test_seeds_are_scored_one_by_one_and_the_mean_is_written(
    seeds: dict[str, Path], names: tuple[str, ...], tmp_path: Path
) -> None:
    folders = [seeds[name] for name in names]
    found = agree(folders, out=tmp_path / "all", device="cpu")
    content = json.loads((tmp_path / "all" / "metrics.json").read_text())
    alone = [
        agree([one / f"seed-{k}" for one in folders], out=tmp_path / f"{k}", device="cpu")
        for k in (0, 1)
    ]
    for unit in ("segments", "clips"):
        each = [getattr(one, unit) for one in alone]
        of_seeds = content["seeds"][unit]
        assert of_seeds["f1"] == [one.f1 for one in each]
        assert of_seeds["threshold"] == [one.threshold for one in each]
        assert of_seeds["f1_std"] == pytest.approx(np.std(of_seeds["f1"], ddof=1))
        for score in ("f1", "precision", "recall", "f1_matching", "average_precision"):
            mean = np.mean([getattr(one, score) for one in each])
            assert content[unit][score] == pytest.approx(mean)
        assert content[unit]["n"] == each[0].n
        assert content[unit]["threshold"] is None
    assert content["seeds"]["runs"] == ["seed-0", "seed-1"]
    sound = content["runs"]["sound"]
    assert sound["path"] == str(seeds["both" if "both" in names else "audio"])
    assert sound["weights_sha256"] == [
        weights_sha256(Path(sound["path"]) / name) for name in ("seed-0", "seed-1")
    ]
    for k, one in enumerate(found.seeds):
        assert one.folder == tmp_path / "all" / f"seed-{k}"
        for file in ("agreement.csv", "metrics.json"):
            assert (one.folder / file).read_bytes() == (tmp_path / f"{k}" / file).read_bytes()


def test_the_command_shows_each_seed_and_writes_beside_the_runs(seeds: dict[str, Path]) -> None:
    folder = seeds["both"]
    done = CliRunner().invoke(app, ["agree", str(folder), "--device", "cpu", "--format", "json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout[: done.stdout.rindex("}") + 1])
    content = json.loads((folder / "agreement" / "metrics.json").read_text())
    assert [row["seed"] for row in told["seeds"]] == ["seed-0", "seed-1"]
    assert [row["segments_f1"] for row in told["seeds"]] == content["seeds"]["segments"]["f1"]
    assert told["agreement"][1]["f1_std"] == content["seeds"]["clips"]["f1_std"]
    for place in (folder, *seed_folders(folder)):
        assert (place / "agreement" / "agreement.html").is_file()
    shown = CliRunner().invoke(app, ["info", str(folder)]).stdout
    assert f"{100 * content['clips']['f1']:.2f} %" in shown


def test_a_single_seed_has_no_deviation(seeds: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "seed-1").symlink_to(seeds["both"] / "seed-1")
    found = agree([tmp_path / "one"], out=tmp_path / "out", device="cpu")
    content = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert content["seeds"]["clips"]["f1_std"] is None
    assert (
        content["clips"]["f1_interval"]
        == json.loads((tmp_path / "out" / "seed-1" / "metrics.json").read_text())["clips"][
            "f1_interval"
        ]
    )
    assert report.write_pages(found).is_file()


def test_seeds_that_do_not_pair_are_named_together(seeds: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    for k, number in enumerate((1, 2, 7)):
        (tmp_path / "more" / f"seed-{number}").symlink_to(seeds["video"] / f"seed-{k % 2}")
    with pytest.raises(AvscError) as caught:
        agree([seeds["audio"], tmp_path / "more"], out=tmp_path / "out", device="cpu")
    unpaired = (seeds["audio"] / "seed-0", tmp_path / "more/seed-2", tmp_path / "more/seed-7")
    assert all(str(path) in caught.value.got for path in unpaired)
    assert "seed-1" not in caught.value.got
    with pytest.raises(AvscError) as caught:
        agree([seeds["audio"] / "seed-0", seeds["video"]], out=tmp_path / "out", device="cpu")
    assert f"{seeds['video']} has 2 runs" in caught.value.got
    assert str(seeds["video"] / "seed-0") in caught.value.remedy
    assert not (tmp_path / "out").exists()
