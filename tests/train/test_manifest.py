from collections.abc import Callable
from pathlib import Path

import pytest

from avsc.errors import AvscError
from avsc.recipe import Recipe
from avsc.store.reader import Store
from avsc.train import manifest
from avsc.train.manifest import RunManifest

MakeRecipe = Callable[..., Recipe]


@pytest.fixture
def begun(small_store: Path, quick: MakeRecipe) -> RunManifest:
    return manifest.new_manifest(Store.open(small_store), quick("train.strategy=audio"), None, 1)


def test_facts_survive_a_manifest(begun: RunManifest) -> None:
    recorded = begun.model_dump(mode="json") | {"format": "avsc-checkpoint", "files": {}}
    assert manifest.parse(recorded, "somewhere") == begun


def test_a_store_is_recorded_so_that_it_is_found_from_anywhere(
    small_store: Path, quick: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(small_store.parent)
    store = Store.open(small_store.name)
    assert manifest.new_manifest(store, quick(), None, 1).store == str(small_store.resolve())


def test_the_same_run_may_go_on_further_in_it_with_other_threads_and_moved_weights(
    begun: RunManifest, quick: MakeRecipe
) -> None:
    moved = quick("train.strategy=audio", "train.threads=3", "visual.weights=elsewhere")
    update = {"epoch": 3, "batch": 4, "best_loss": 0.1, "world": 2, "recipe": moved}
    later = begun.model_copy(update=update)
    manifest.require_same(later, begun)
    assert later.recipe != begun.recipe
    assert manifest.difference(later.recipe, begun.recipe) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"store_sha256": "0" * 64}, "store: trained on"),
        ({"schema_version": 99}, "schema: 99, asked for 1"),
        ({"visual": manifest.EncoderManifest(model="x", sha256="y", features=3)}, "visual encoder"),
        ({"recipe": Recipe()}, "train.strategy: 'joint', asked for 'audio'"),
    ],
)
def test_whatever_else_changed_is_refused_by_name(
    change: dict[str, object], complaint: str, begun: RunManifest
) -> None:
    with pytest.raises(AvscError, match=complaint):
        manifest.require_same(begun.model_copy(update=change), begun)


def test_a_manifest_of_something_else_is_refused(begun: RunManifest) -> None:
    recorded = begun.model_dump(mode="json")
    del recorded["store_sha256"]
    with pytest.raises(AvscError, match="is no checkpoint of a run"):
        manifest.parse(recorded, "somewhere")
