"""How far each run is on disk, and whether what is there is what is asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from avsc import recipe as recipes
from avsc.errors import AvscError
from avsc.evaluate import results
from avsc.recipe import Recipe
from avsc.reproduce.plan import PlannedRun
from avsc.store.read import Store
from avsc.train import checkpoint, manifest, run_dir
from avsc.train.manifest import RunFacts

State = Literal["to do", "to resume", "to evaluate", "complete"]


@dataclass(frozen=True)
class Standing:
    """How far a run is.

    Attributes:
        state: ``to evaluate`` is a run whose training is complete and whose scores are not those
            of its weights on this store.
        epochs: That are complete.
        recipe: To train it with: as planned, but a run that has begun keeps the audio run it was
            begun with, under whatever path that was.
        scores: Its ``metrics.json``; None unless it is complete.
    """

    state: State
    epochs: int
    recipe: Recipe
    scores: dict[str, Any] | None = None

    @property
    def trained(self) -> bool:
        """Whether its training is complete."""
        return self.state in ("to evaluate", "complete")


def run_folder(out: Path, name: str) -> Path:
    """Where a run is kept; all targets with the same ``--out`` share it."""
    return out / "runs" / name


def standing(run: PlannedRun, out: Path, store: Store) -> Standing:
    """Looks at a run's folder.

    Raises:
        AvscError: It was begun with another recipe, other weights or another store.
    """
    place = run_folder(out, run.name)
    asked = run_dir.absolute_paths(_with_audio_run(run, out))
    config = place / run_dir.CONFIG
    if not config.is_file() or not (place / run_dir.CHECKPOINTS).exists():
        return Standing("to do", 0, asked)
    begun = recipes.load(config)
    train = asked.train.model_copy(update={"audio_run": begun.train.audio_run})
    asked = asked.model_copy(update={"train": train})
    recorded = _recorded(place)
    _require_same(place, begun, asked, recorded, store)
    if recorded is None:
        return Standing("to resume", 0, asked)
    if not recorded.finished:
        return Standing("to resume", recorded.epoch, asked)
    scores = results.current_metrics(place)
    if scores is None or scores.get("store", {}).get("sha256") != store.sha256:
        return Standing("to evaluate", recorded.epoch, asked)
    return Standing("complete", recorded.epoch, asked, scores)


def _with_audio_run(run: PlannedRun, out: Path) -> Recipe:
    if run.needs is None:
        return run.recipe
    train = run.recipe.train.model_copy(update={"audio_run": str(run_folder(out, run.needs))})
    return run.recipe.model_copy(update={"train": train})


def _recorded(place: Path) -> RunFacts | None:
    """What a run's last checkpoint says; None where there is none that can be read.

    ``avsc train`` repairs a damaged one, or says why it cannot.
    """
    last = place / run_dir.CHECKPOINTS / "last"
    try:
        return manifest.parse(checkpoint.read_facts(last), str(last))
    except AvscError:
        return None


def _require_same(
    place: Path, begun: Recipe, asked: Recipe, recorded: RunFacts | None, store: Store
) -> None:
    differing = manifest.difference(begun, asked)
    if recorded is not None and recorded.store_sha256 != store.sha256:
        differing.append(f"store: {recorded.store}, asked for {store.place} (another content)")
    if not differing and recorded is not None and recorded.visual is not None:
        differing += _other_weights(begun, asked, recorded.visual.sha256)
    if differing:
        raise AvscError(
            f"{place} was begun with something else:\n  " + "\n  ".join(differing),
            "runs of the same recipes, weights and store in one --out",
            "choose another --out, or remove that run",
        )


def _other_weights(begun: Recipe, asked: Recipe, sha256: str) -> list[str]:
    """Whether the weights of another name or place are other weights, too."""
    if begun.visual.weights == asked.visual.weights:
        return []
    from avsc.models import visual_weights

    if visual_weights.build(asked.visual).sha256 == sha256:
        return []
    return [f"visual.weights: {begun.visual.weights}, asked for {asked.visual.weights}"]
