"""A run's folder: its recipe, its lock, and whether a run may begin or go on in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from avsc import files, recipe
from avsc.errors import AvscError
from avsc.recipe import Recipe
from avsc.recipe_keys import to_toml
from avsc.train import manifest

CONFIG = "config.toml"
CHECKPOINTS = "checkpoints"
LOCK = ".lock"
SOFT_LOCK = ".lock-soft"  # where the file system has no locks


class RunBusyError(AvscError):
    """Another process trains in the folder; it will be free later."""


def agreed_recipe(run: Path, asked: Recipe | None, resume: bool) -> Recipe:
    """The recipe of a run that begins or goes on.

    The same recipe goes on with a run that has begun, which it has with its first checkpoint.

    Args:
        run: Folder of the run.
        asked: Recipe that the user asks for; None for the one the run was begun with.
        resume: Whether the user said that the run goes on.

    Raises:
        AvscError: The folder holds a run and this is no resume, or the recipes differ.
    """
    config = run / CONFIG
    if not config.is_file():
        if run.exists() and (
            not run.is_dir() or any(p.name not in (LOCK, SOFT_LOCK) for p in run.iterdir())
        ):
            raise AvscError(
                f"{run} holds files, and no run of ours ({CONFIG} is absent)",
                "a new or empty folder",
                "choose another --out",
            )
        return asked or Recipe()
    if not has_begun(run):
        return asked or recipe.load(config)
    there = recipe.load(config)
    if asked is None:
        return there
    differing = manifest.difference(there, asked)
    if differing:
        raise AvscError(
            f"{run} holds a run of another recipe:\n  " + "\n  ".join(differing),
            "a new folder, or the recipe it was begun with",
            "choose another --out"
            + (", or leave these options out" if resume else ", or --resume without these options"),
        )
    return asked


def has_begun(run: Path) -> bool:
    """Whether a run is bound to its recipe: it has its first checkpoint, or nearly."""
    return (run / CHECKPOINTS).exists()


def write_recipe(run: Path, resolved: Recipe) -> None:
    """Writes ``config.toml``."""
    files.write_text(run / CONFIG, to_toml(resolved))


def absolute_paths(asked: Recipe) -> Recipe:
    """The recipe with its paths made absolute, so that a run can be opened from anywhere."""
    audio, visual, train = asked.audio, asked.visual, asked.train
    if audio.model is not None:
        path = str(Path(audio.model).expanduser().resolve())
        audio = audio.model_copy(update={"model": path})
    if visual.weights not in ("pretrained", "random"):
        path = str(Path(visual.weights).expanduser().resolve())
        visual = visual.model_copy(update={"weights": path})
    if train.audio_run is not None:
        path = str(Path(train.audio_run).expanduser().resolve())
        train = train.model_copy(update={"audio_run": path})
    teachers = tuple(str(Path(path).expanduser().resolve()) for path in asked.distill.teacher)
    distill = asked.distill.model_copy(update={"teacher": teachers})
    return asked.model_copy(
        update={"audio": audio, "visual": visual, "train": train, "distill": distill}
    )


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Keeps other trainings out of the folder; the lock of a killed process is free again.

    Args:
        run: The run's folder, which is made if it is absent.

    Raises:
        RunBusyError: Another process trains in the folder.
    """
    run.mkdir(parents=True, exist_ok=True)
    lock: BaseFileLock = FileLock(run / LOCK)
    remedy = "wait for it, or choose another --out"
    try:
        try:
            lock.acquire(timeout=0)
        except OSError as error:
            if error.errno not in files.NO_FLOCK:
                raise
            # A file with the holder's machine and process number; processes on that machine see
            # when it has died.
            lock = SoftFileLock(run / SOFT_LOCK)
            remedy += f"; if no training is alive on any machine, remove {run / SOFT_LOCK}"
            lock.acquire(timeout=0)
    except Timeout as error:
        raise RunBusyError(
            f"{run} is being trained by another process: {error}",
            "one training at a time in a folder",
            remedy,
        ) from None
    try:
        yield
    finally:
        lock.release()
