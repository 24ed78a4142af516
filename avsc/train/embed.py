"""``avsc embed``: a store's images or its sound, encoded ahead of the runs that use them."""

from pathlib import Path

import numpy as np

from avsc import console
from avsc.data.clip_sound import ClipSound
from avsc.data.loader import default_threads
from avsc.dataset.read import root_of
from avsc.errors import AvscError
from avsc.folds import TRAIN, train_and_test
from avsc.models import visual, visual_weights
from avsc.models.audio_bank import AudioBank
from avsc.models.audio_tower import AudioTower, TowerFolder, require_package
from avsc.models.view_bank import ViewBank
from avsc.recipe import Recipe
from avsc.store.reader import Store
from avsc.store.schema import Status
from avsc.train.distributed import joined


def embed(
    store: Path | str,
    recipe: Recipe,
    views: int | None = None,
    *,
    plain: bool = True,
    device: str = "auto",
) -> list[Path]:
    """Encodes what is missing of the plain images of all clips, and of K views of training images.

    Args:
        store: Path of a complete store; its views lie beside it.
        recipe: Its sections ``visual`` and ``augment``, and ``train.precision``, ``train.fold``
            and ``train.threads`` count.
        views: Number K of augmented views; None for the recipe's ``train.views``, if it has any.
        plain: Whether to encode the plain images too, which validation and tests use.
        device: Device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.

    Returns:
        Folders of the arrays.

    Raises:
        AvscError: The store or its neighbourhood cannot be used, or a picture is damaged.
    """
    views = views or recipe.train.views
    if views is None and not plain:
        raise AvscError(
            "--only-views without a number of views", "--views K", "say how many: --views 16"
        )
    opened = Store.open(store)
    if "://" in str(opened.place):
        raise AvscError(
            f"{opened.place} is no local folder: views of its images have no place beside it",
            "a store in a folder",
            "copy the store to this machine; or train, which keeps its views in its own folder",
        )
    good = opened.status() == Status.GOOD
    seen = train_and_test(opened.clips, recipe.train.fold)
    learnt = np.array([clip.fold == TRAIN for clip in seen], bool)
    threads = recipe.train.threads or default_threads()
    with joined(device) as ranks:
        encoder = visual_weights.build(recipe.visual)
        encoder = encoder.run_as(visual.execution(recipe.train, ranks.device))
        nowhere = Path(f"{opened.place}.embeddings")
        todo = [(ViewBank(opened, encoder, nowhere), good)] if plain else []
        if views is not None:
            todo.append((ViewBank(opened, encoder, nowhere, recipe.augment, views), good & learnt))
        for bank, which in todo:
            rows = np.flatnonzero(which)
            bank.compute(rows, threads, ranks.rank, ranks.world)
            ranks.wait()
            if ranks.writes:
                what = "augmented views" if bank.dtype == np.float16 else "plain view"
                console.say(f"{bank.views} {what} of {len(rows)} clips: {bank.path}")
    return [bank.path for bank, _ in todo]


def embed_sound(
    store: Path | str, dataset: Path | str, audio_model: Path | str, *, device: str = "auto"
) -> Path:
    """Encodes what is missing of the sound of all clips with a frozen audio encoder.

    Args:
        store: Path of a complete store; the embeddings lie beside it.
        dataset: Path of the data set that it was prepared from, whose sound is read again.
        audio_model: Folder of the audio encoder.
        device: Device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.

    Returns:
        Folder of the array.

    Raises:
        AvscError: The encoder, the store or the data set cannot be used, or they do not belong
            together.
    """
    require_package()
    folder = TowerFolder.read(audio_model)
    opened = Store.open(store)
    root = root_of(Path(dataset))
    rows = np.flatnonzero(opened.status() == Status.GOOD)
    with joined(device) as ranks:
        tower = AudioTower(folder, ranks.device)
        sound = ClipSound(opened, root, rows, tower.sample_rate_hz)
        bank = AudioBank(opened, folder.sha256, folder.path, tower.features)
        bank.compute(rows, sound, tower, rank=ranks.rank, world=ranks.world)
        ranks.wait()
        if ranks.writes:
            seconds = int(opened.seconds(rows).sum())
            console.say(f"{seconds:,} seconds of {len(rows)} clips by {folder.name}: {bank.path}")
    return bank.path
