import pytest
from hypothesis import given
from hypothesis import strategies as st

from avsc import paper
from avsc.errors import AvscError
from avsc.reproduce import plan


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
    with pytest.raises(AvscError, match="vgg") as caught:
        plan.rows_of("table2", ["vgg"])
    assert "audio-fbank" in str(caught.value)


@given(st.integers(1, 20))
def test_jobs_share_the_runs_completely_and_disjointly(parts: int) -> None:
    runs = plan.plan_runs(_recipes("table3"))
    shares = [plan.share(runs, part, parts) for part in range(1, parts + 1)]
    assert sorted(run.name for one in shares for run in one) == sorted(run.name for run in runs)


def test_a_shrunk_recipe_keeps_its_kind_and_is_no_row_of_the_paper() -> None:
    for run in plan.plan_runs(_recipes("table3"), smoke=True):
        whole = plan.plan_runs([run.name])[-1].recipe
        assert run.recipe.train.strategy == whole.train.strategy
        assert run.recipe.audio == whole.audio
        assert paper.row_of(run.recipe) is None
