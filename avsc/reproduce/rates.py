"""How fast this machine decodes, encodes and trains: short trials of about half a second.

Shape legend: n images or triples of a trial, Z the side of an image, B bands, D features.
"""

import time
from collections.abc import Callable
from dataclasses import replace

import torch

from avsc import console
from avsc.data.fold import training_fold
from avsc.data.training import training_stream
from avsc.models import visual, visual_weights
from avsc.models.scene_model import Scorer
from avsc.models.visual import VisualEncoder
from avsc.recipe import Recipe
from avsc.reproduce.estimate import EncoderKey, Rates, ScorerKey, encoder_key, scorer_key
from avsc.store.read import Store
from avsc.train.device import resolve_device

TRIAL_S = 0.5
CLIPS = 16  # whose pictures are decoded in a trial
CPU_IMAGES = 4  # a large encoder takes a second for these on a small machine
CPU_TRIPLES = 64


def measure(store: Store, recipes: list[Recipe], device: str = "auto") -> Rates:
    """Measures what the recipes need, each thing once.

    Encoders have random weights here and are not compiled, which a CUDA run does: the times that
    come of it are upper bounds.

    Args:
        store: Whose pictures are decoded.
        recipes: Of the runs that are left.
        device: As ``avsc train`` takes it.
    """
    where = resolve_device(device)
    decoded: dict[EncoderKey, float] = {}
    encoded: dict[EncoderKey, float] = {}
    trained: dict[ScorerKey, float] = {}
    with console.progress("measuring", len(recipes), "recipes") as line:
        features: dict[EncoderKey, int] = {}
        for recipe in recipes:
            key = encoder_key(recipe)
            if key is not None and key not in encoded:
                encoder = _encoder(recipe, where)
                features[key] = encoder.features
                encoded[key] = _encoding(encoder, recipe)
                decoded[key] = _decoding(store, recipe, encoder.config.size, where)
            scorer = scorer_key(recipe)
            if scorer not in trained:
                trained[scorer] = _training(
                    store, recipe, features.get(key) if key else None, where
                )
            line.advance()
    return Rates(decoded, encoded, trained, apart=where.type == "cuda")


def rate(trial: Callable[[], int], device: torch.device) -> float:
    """Units a second of a trial that returns how many it has done; its first call is not timed."""
    trial()
    _wait(device)
    began_s, done = time.perf_counter(), 0
    while not done or time.perf_counter() - began_s < TRIAL_S:
        done += trial()
        _wait(device)
    return done / (time.perf_counter() - began_s)


def _encoder(recipe: Recipe, device: torch.device) -> VisualEncoder:
    random = recipe.visual.model_copy(update={"weights": "random"})
    how = replace(visual.execution(recipe.train, device), compile=False)
    return visual_weights.build(random).run_as(how)


def _encoding(encoder: VisualEncoder, recipe: Recipe) -> float:
    count = recipe.train.batch_size if encoder.device.type == "cuda" else CPU_IMAGES
    side = encoder.config.size
    images = torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8)
    images = images.to(encoder.device, memory_format=torch.channels_last)

    def trial() -> int:
        encoder(images)
        return count

    return rate(trial, encoder.device)


def _decoding(store: Store, recipe: Recipe, side: int, device: torch.device) -> float:
    """Through the stream itself: its threads, its augmentation, the way to the device."""
    fold = training_fold(store, recipe.train).train
    train = recipe.train.model_copy(
        update={"cache": "none", "images_per_second": None, "batch_size": 64}
    )
    stream = training_stream(
        store,
        fold.rows[:CLIPS],
        fold.labels[:CLIPS],
        recipe.model_copy(update={"train": train}),
        audio=None,
        image_size=side,
        device=device,
    )
    batches = stream.epoch(0)
    epoch = 0

    def trial() -> int:
        nonlocal batches, epoch
        batch = next(batches, None)
        if batch is None:
            epoch += 1
            batches = stream.epoch(epoch)
            batch = next(batches)
        return len(batch.labels)

    try:
        return rate(trial, device)
    finally:
        stream.close()


def _training(store: Store, recipe: Recipe, features: int | None, device: torch.device) -> float:
    key = scorer_key(recipe)
    bands = None if key.feature is None else store.settings.bank(recipe.audio.feature).bands
    scorer = Scorer(bands, features, recipe.audio.concat).to(device)
    if key.frozen:
        scorer.freeze_acoustic()
    scorer.train()
    count = recipe.train.batch_size if device.type == "cuda" else CPU_TRIPLES
    audio = None if bands is None else torch.randn(count, 2, bands, device=device)
    embedding = None if features is None else torch.randn(count, features, device=device)
    labels = torch.zeros(count, dtype=torch.int64, device=device)
    weights = [p for p in scorer.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(weights, lr=1e-4, momentum=0.9)

    def trial() -> int:
        loss = torch.nn.functional.cross_entropy(scorer(audio, embedding), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return count

    return rate(trial, device)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
