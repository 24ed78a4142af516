"""How a training begins, on every rank: device, folder, lock, recipe, determinism."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from avsc import recipe as recipes
from avsc.recipe import Recipe
from avsc.train import run_dir
from avsc.train.device import determinism, tensor_cores
from avsc.train.distributed import Ranks, joined


@contextmanager
def session(
    run: Path, asked: Recipe | None, *, resume: bool, device: str
) -> Iterator[tuple[Recipe, Ranks]]:
    """Opens a run's folder for training; yields its recipe and the ranks.

    Under ``torchrun`` every process calls this with the same arguments.

    Args:
        run: Folder of the run, which stays locked.
        asked: Recipe that the user asks for; None for the one the run was begun with.
        resume: Whether the user said that the run goes on.
        device: Device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.

    Raises:
        AvscError: The device or the folder cannot be used, or the run was begun with another
            recipe.
    """
    with ExitStack() as stack:
        ranks = stack.enter_context(joined(device))
        wanted = None if asked is None else run_dir.absolute_paths(asked)
        if ranks.writes:
            stack.enter_context(run_dir.locked(run))
            agreed = run_dir.agreed_recipe(run, wanted, resume)
            if not run_dir.has_begun(run):  # else when the checkpoint agrees too
                run_dir.write_recipe(run, agreed)
        ranks.wait()
        recipe = wanted or recipes.load(run / run_dir.CONFIG)
        stack.enter_context(determinism(recipe.train.deterministic, ranks.device))
        exact = recipe.train.precision == "float32" or recipe.train.deterministic
        stack.enter_context(tensor_cores(ranks.device.type == "cuda" and not exact))
        yield recipe, ranks
