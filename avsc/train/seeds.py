"""Runs that differ in their seed alone, in ``RUN/seed-0``, ``RUN/seed-1`` and so on."""

from pathlib import Path

from avsc.console import say
from avsc.errors import AvscError
from avsc.evaluate.seeds import seed_folders
from avsc.recipe import Recipe
from avsc.train import run, run_dir
from avsc.train.distributed import world_size
from avsc.train.trainer import Outcome


def train_seeds(
    store: Path | str,
    folder: Path,
    recipe: Recipe,
    seeds: int,
    *,
    device: str = "auto",
    trust_code: bool = False,
) -> list[Outcome]:
    """Trains a recipe with several seeds, one run after the other; goes on where it was stopped.

    Args:
        store: Path or address of a complete store.
        folder: Folder of the runs.
        recipe: Recipe; its seed is the first.
        seeds: Number of seeds.
        device: Device, as ``run.train`` takes it.
        trust_code: Whether a teacher's own code may run, as ``run.train`` takes it.

    Raises:
        AvscError: The folder holds something else, or a run cannot be trained.
    """
    _require_fitting(folder)
    first, outcomes = recipe.train.seed, []
    for seed in range(first, first + seeds):
        say(f"seed {seed} ({seed - first + 1} of {seeds})")
        one = with_seed(recipe, seed)
        path = folder / f"seed-{seed}"
        outcomes.append(
            run.train(store, path, one, resume=True, device=device, trust_code=trust_code)
        )
    return outcomes


def with_seed(recipe: Recipe, seed: int) -> Recipe:
    """The recipe with another seed; an audio run that is a folder of seeds gives that seed's."""
    train, update = recipe.train, {"seed": seed}
    if train.audio_run is not None and seed_folders(Path(train.audio_run)):
        audio_run = Path(train.audio_run) / f"seed-{seed}"
        if not audio_run.is_dir():
            raise AvscError(
                f"{train.audio_run} has no seed {seed}",
                "an audio run of each seed",
                f"train it: avsc train STORE --strategy audio --out {train.audio_run} --seeds N",
            )
        update |= {"audio_run": str(audio_run)}  # type: ignore[dict-item]
    return recipe.model_copy(update={"train": train.model_copy(update=update)})


def _require_fitting(folder: Path) -> None:
    if (folder / run_dir.CONFIG).is_file():
        raise AvscError(
            f"{folder} is a run of one seed",
            "a new folder, or one of seeds (seed-0, seed-1, ...)",
            "choose another --out, or leave --seeds out to go on with that run",
        )
    if world_size() > 1:
        raise AvscError(
            f"--seeds in {world_size()} processes of torchrun",
            "one process for several seeds",
            "give each GPU seeds of its own: avsc train ... --out RUN/seed-N --set train.seed=N",
        )
