from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avsc import paper, recipe_files
from avsc.errors import AvscError
from avsc.part import Part
from avsc.reproduce import plan
from avsc.reproduce.plan import Options


def _recipes(target: str, *only: str) -> list[str]:
    return [row.recipe for row in plan.rows_of(target, only) if row.recipe]


def test_all_four_tables_need_fourteen_runs_in_all() -> None:
    names = [name for table in paper.TABLES for name in _recipes(table)]
    runs = plan.plan_runs(names)
    assert len(runs) == len({run.name for run in runs}) == 14


def test_an_audio_run_comes_before_every_run_that_needs_it() -> None:
    runs = plan.plan_runs(_recipes("table3"))
    order = [run.name for run in runs]
    needing = [run for run in runs if run.needs]
    assert len(needing) == 4
    assert all(order.index(run.needs or "") < order.index(run.name) for run in needing)


def test_cells_two_and_four_of_the_ablation_need_no_audio_run_and_one_and_three_do() -> None:
    runs = {run.name: run.needs for run in plan.plan_runs(_recipes("table4"))}
    assert runs["pipeline-scalogram-effnetv2s"] == "audio-scalogram"
    assert runs["embedding-trainable-scalogram-effnetv2s"] is None
    assert runs["raw-pretrained-scalogram-effnetv2s"] == "audio-scalogram"
    assert runs["joint-scalogram-effnetv2s"] is None


def test_only_keeps_the_rows_that_have_every_word() -> None:
    assert _recipes("table3", "scalogram", "effnetv2s") == [
        "pipeline-scalogram-effnetv2s",
        "joint-scalogram-effnetv2s",
    ]


def test_words_of_no_row_are_refused_with_the_words_there_are() -> None:
    with pytest.raises(AvscError) as caught:
        plan.rows_of("table2", ["vgg"])
    assert "vgg" in caught.value.got
    assert "audio-fbank" in caught.value.expected


@given(st.integers(1, 20))
def test_jobs_share_the_runs_completely_and_disjointly(parts: int) -> None:
    runs = plan.plan_runs(_recipes("table3"))
    shares = [plan.share(runs, Part(index, parts)) for index in range(1, parts + 1)]
    assert sorted(run.name for one in shares for run in one) == sorted(run.name for run in runs)


def test_a_shrunk_recipe_keeps_its_kind_and_is_no_row_of_the_paper() -> None:
    for run in plan.plan_runs(_recipes("table3"), Options(smoke=True)):
        whole = plan.plan_runs([run.name])[-1].recipe
        assert run.recipe.train.strategy == whole.train.strategy
        assert run.recipe.audio == whole.audio
        assert paper.row_of(run.recipe) is None


def test_settings_come_after_the_shrinking_and_reach_every_run() -> None:
    runs = plan.plan_runs(_recipes("table2"), Options(("train.epochs=1", "train.seed=7"), {}, True))
    assert {(run.recipe.train.epochs, run.recipe.train.seed) for run in runs} == {(1, 7)}
    assert {run.recipe.train.batch_size for run in runs} == {plan.SMOKE_TRAIN["batch_size"]}


def test_weights_are_given_to_the_runs_of_their_model_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("1e3").touch()
    planned = plan.plan_runs(_recipes("table2"), Options((), {"resnet50": "1e3"}))
    runs = {run.name: run.recipe for run in planned}
    assert runs["video-resnet50"].visual.weights == "1e3"
    assert runs["video-effnetv2s"].visual.weights == "pretrained"
    assert runs["audio-fbank"].visual.weights == "pretrained"


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (Options(("train.strategy=audio",)), "train.strategy"),
        (Options(("visual.model = vgg16",)), "visual.model"),
        (Options((), {"vgg16": "w"}), "vgg16"),
        (Options((), {"resnet50": "random"}, smoke=True), "--smoke"),
        (Options((), {"resnet50": "/no/such/weights.pth"}), "/no/such/weights"),
    ],
)
def test_options_that_would_make_other_systems_of_the_rows_are_refused(
    options: Options, fault: str
) -> None:
    with pytest.raises(AvscError) as caught:
        plan.plan_runs(["audio-fbank"], options)
    assert fault in caught.value.got


@pytest.mark.parametrize("text", ["0/4", "5/4", "3", "a/b", "1/0"])
def test_a_part_outside_its_array_is_refused(text: str) -> None:
    with pytest.raises(AvscError) as caught:
        Part.parse(text)
    assert text in caught.value.got


def test_figure_2_needs_the_pipeline_and_the_joint_run() -> None:
    assert plan.recipes_of("fig2", ["joint"]) == ("joint-scalogram-effnetv2s",)
    with pytest.raises(AvscError) as caught:
        plan.recipes_of("fig2", ["fbank"])
    assert "fbank" in caught.value.got


def test_every_recipe_is_a_row_or_beyond_the_paper_and_every_row_has_a_recipe() -> None:
    shipped = recipe_files.shipped()
    rows = {name for table in paper.TABLES for name in plan.recipes_of(table)}
    assert rows <= shipped.keys()
    assert all(shipped[name].startswith("Beyond the paper") for name in shipped.keys() - rows)
