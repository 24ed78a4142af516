"""How far each run is on disk, and whether it is the run that is requested."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from avsc import recipe as recipes
from avsc.errors import AvscError
from avsc.evaluate import results
from avsc.evaluate.seeds import seed_folders
from avsc.recipe import Recipe
from avsc.reproduce.plan import FIGURE_2, PlannedRun, Request, recipes_of
from avsc.store.reader import Store
from avsc.train import checkpoint, manifest, run_dir
from avsc.train.manifest import RunManifest

State = Literal["to do", "to resume", "to evaluate", "complete"]


@dataclass(frozen=True)
class RunStatus:
    """How far a run is.

    Attributes:
        state: What there is to do. A run ``to evaluate`` is trained, but has no scores of its
            weights on this store.
        epochs: Number of complete epochs.
        recipe: Recipe to train with: the planned one, but a run that has begun keeps the path of
            its audio run.
        scores: Content of ``metrics.json``; None unless the run is complete.
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
    """Folder of a run; all targets with the same ``--out`` share it."""
    return out / "runs" / name


def status(run: PlannedRun, out: Path, store: Store) -> RunStatus:
    """Reads from a run's folder how far the run is.

    Args:
        run: Planned run.
        out: Folder of the runs.
        store: Store to train on.

    Raises:
        AvscError: The run was begun with another recipe, other weights or another store.
    """
    folder = run_folder(out, run.name)
    requested = run_dir.absolute_paths(_with_audio_run(run, out))
    config = folder / run_dir.CONFIG
    if not config.is_file() or not (folder / run_dir.CHECKPOINTS).exists():
        return RunStatus("to do", 0, requested)
    stored = recipes.load(config)
    requested = _with_path(requested, stored.train.audio_run)
    recorded = _last_checkpoint(folder)
    _require_same(folder, stored, requested, recorded, store)
    if recorded is None:
        return RunStatus("to resume", 0, requested)
    if not recorded.finished:
        return RunStatus("to resume", recorded.epoch, requested)
    scores = results.current_metrics(folder)
    if scores is None or scores.get("store", {}).get("sha256") != store.sha256:
        return RunStatus("to evaluate", recorded.epoch, requested)
    return RunStatus("complete", recorded.epoch, requested, scores)


def require_seeds(request: Request, out: Path) -> None:
    """Refuses folders that hold other seeds than are requested, all at once.

    A row is the mean of all seeds in its folder, so that it has those that its table names.

    Args:
        request: Targets and changes to their recipes.
        out: Folder of the runs.

    Raises:
        AvscError: A row has further seeds, or a run of one seed lies where seeds are requested, or
            seeds where one run is.
    """
    tables = [target for target in request.targets if target != FIGURE_2]
    rows = {name for target in tables for name in recipes_of(target, request.only)}
    requested: dict[str, set[str]] = {}
    for run in request.runs():
        recipe, _, seed = run.name.partition("/")
        requested.setdefault(recipe, set()).add(seed)
    several = request.options.seeds is not None
    faults: dict[str, str] = {}
    remedies: set[str] = set()
    for recipe, seeds in requested.items():
        folder = run_folder(out, recipe)
        others = [path.name for path in seed_folders(folder) if path.name not in seeds]
        if several and (folder / run_dir.CONFIG).is_file():
            faults[recipe] = "one run, without seeds"
            remedies.add("leave --seeds out")
        elif others and (recipe in rows or not several):
            faults[recipe] = ", ".join(others)
            remedies.add("request those seeds too (--seeds N)")
    if faults:
        listed = "".join(f"\n  {run_folder(out, one)}: {fault}" for one, fault in faults.items())
        raise AvscError(
            f"{out} has other seeds than are requested:{listed}",
            f"{request.options.seeds} seeds of each row" if several else "one run of each row",
            # One command cannot do both.
            f"{f'{remedies.pop()}, or ' if len(remedies) == 1 else ''}choose another --out",
        )


def _with_audio_run(run: PlannedRun, out: Path) -> Recipe:
    if run.needs is None:
        return run.recipe
    return _with_path(run.recipe, str(run_folder(out, run.needs)))


def _with_path(recipe: Recipe, audio_run: str | None) -> Recipe:
    train = recipe.train.model_copy(update={"audio_run": audio_run})
    return recipe.model_copy(update={"train": train})


def _last_checkpoint(folder: Path) -> RunManifest | None:
    """What a run's last checkpoint records; None where there is none that can be read.

    ``avsc train`` repairs a damaged one, or says why it cannot.
    """
    last = folder / run_dir.CHECKPOINTS / "last"
    try:
        return manifest.parse(checkpoint.read_manifest(last), str(last))
    except AvscError:
        return None


def _require_same(
    folder: Path, stored: Recipe, requested: Recipe, recorded: RunManifest | None, store: Store
) -> None:
    differing = manifest.difference(stored, requested)
    if recorded is not None and recorded.store_sha256 != store.sha256:
        differing.append(f"store: {recorded.store}, requested {store.place} (another content)")
    if not differing and recorded is not None and recorded.visual is not None:
        differing += _other_weights(stored, requested, recorded.visual.sha256)
    if differing:
        raise AvscError(
            f"{folder} was begun with other settings:\n  " + "\n  ".join(differing),
            "runs of the same recipes, weights and store in one --out",
            "choose another --out, or remove that run",
        )


def _other_weights(stored: Recipe, requested: Recipe, sha256: str) -> list[str]:
    """Whether weights of another name or path are really other weights."""
    if stored.visual.weights == requested.visual.weights:
        return []
    from avsc.models import visual_weights

    if visual_weights.build(requested.visual).sha256 == sha256:
        return []
    return [f"visual.weights: {stored.visual.weights}, requested {requested.visual.weights}"]
