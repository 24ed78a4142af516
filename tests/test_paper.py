import pytest

from avsc import paper, recipe


def test_every_row_of_tables_2_to_4_has_a_recipe_that_loads_and_is_recognised_as_that_row() -> None:
    for table in ("table2", "table3", "table4"):
        for row in paper.rows(table):
            assert row.recipe is not None
            found = paper.row_of(recipe.load(paper.recipe_path(row.recipe)))
            assert found is not None
            assert (found.log_loss, found.accuracy) == (row.log_loss, row.accuracy)


def test_the_headline_is_the_joint_row() -> None:
    row = paper.row_of(recipe.Recipe())
    assert row is not None
    assert (row.log_loss, row.accuracy) == (0.1517, 94.59)


@pytest.mark.parametrize("setting", ["train.epochs=3", "visual.model=resnet18"])
def test_a_changed_recipe_is_no_row_of_the_paper(setting: str) -> None:
    assert paper.row_of(recipe.load(None, ["visual.image_size=288", setting])) is None


def test_tables_have_the_papers_number_of_rows() -> None:
    assert [len(paper.rows(table)) for table in paper.TABLES] == [4, 8, 4, 5]
