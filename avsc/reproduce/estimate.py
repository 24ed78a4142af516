"""How much work a plan is, and how long it takes at most at given rates. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from avsc.data.fold import training_fold
from avsc.data.triples import training_triples, views
from avsc.recipe import Recipe
from avsc.store.read import Store
from avsc.store.schema import SEGMENT_FRAMES

TEST = "test"


@dataclass(frozen=True)
class EncoderKey:
    """What the speed of a visual encoder depends on."""

    model: str
    image_size: int | None


@dataclass(frozen=True)
class ScorerKey:
    """What the speed of a training step depends on besides."""

    feature: str | None  # None: it does not listen
    frozen: bool  # the acoustic encoder
    encoder: EncoderKey | None  # None: it does not look


@dataclass(frozen=True)
class RunWork:
    """What a run's training is.

    Attributes:
        epochs: That are left, at most.
        triples: Trained on in an epoch.
        checked: Frames of validation segments after each epoch.
        images: Decoded, augmented and encoded in an epoch; 0 where embeddings are stored.
        embedded: Clips whose embeddings it needs once, by rows of the store, training and test.
        scorer: What it trains.
    """

    epochs: int
    triples: int
    checked: int
    images: int
    embedded: frozenset[int]
    scorer: ScorerKey


@dataclass(frozen=True)
class Rates:
    """What a device does in a second.

    Attributes:
        decoded: JPEGs decoded and augmented, by image size of the encoder's input.
        encoded: Images through an encoder.
        trained: Triples through a scorer and back.
        apart: Whether decoding and encoding go on at the same time (a GPU encodes).
    """

    decoded: dict[EncoderKey, float]
    encoded: dict[EncoderKey, float]
    trained: dict[ScorerKey, float]
    apart: bool


def encoder_key(recipe: Recipe) -> EncoderKey | None:
    """A recipe's visual encoder; None where it does not look."""
    if recipe.train.strategy == "audio":
        return None
    return EncoderKey(recipe.visual.model, recipe.visual.image_size)


def scorer_key(recipe: Recipe) -> ScorerKey:
    """What a recipe trains."""
    listens = recipe.train.strategy != "video"
    joint = recipe.train.strategy in ("joint", "pipeline")
    frozen = joint and recipe.train.acoustic_source() == "pretrained"
    return ScorerKey(recipe.audio.feature if listens else None, frozen, encoder_key(recipe))


def work_of(store: Store, recipe: Recipe, epochs_done: int, trained: bool) -> RunWork:
    """Counts what is left of a run.

    Args:
        store: Its store.
        recipe: Its recipe.
        epochs_done: Epochs that are complete.
        trained: Whether no more will come, however many the recipe allows.

    Raises:
        AvscError: The store has no training fold, or it cannot be split.
    """
    fold = training_fold(store, recipe.train)
    frames, seconds = store.settings.clip_frames, store.settings.clip_seconds
    every = training_triples(fold.train.rows, fold.train.labels, frames)
    looks = recipe.train.strategy != "audio"
    raw = looks and recipe.train.image_source() == "raw"
    embedded: list[int] = []
    if looks:
        test = [row for row, clip in enumerate(store.clips) if clip.fold == TEST]
        stored = [] if raw else fold.train.rows.tolist()
        embedded = [*test, *fold.validation.rows.tolist(), *stored]
    return RunWork(
        epochs=0 if trained else recipe.train.epochs - epochs_done,
        triples=len(every),
        checked=len(fold.validation.rows) * seconds * SEGMENT_FRAMES,
        images=len(views(every, recipe.train.images_per_second)) if raw else 0,
        embedded=frozenset(embedded),
        scorer=scorer_key(recipe),
    )


def seconds_of(work: RunWork, rates: Rates) -> float:
    """How long a run's epochs take at most."""
    step_s = (work.triples + work.checked) / rates.trained[work.scorer]
    key = work.scorer.encoder
    if not work.images or key is None:
        return work.epochs * step_s
    decode_s, encode_s = work.images / rates.decoded[key], work.images / rates.encoded[key]
    device_s = encode_s + step_s
    return work.epochs * (max(decode_s, device_s) if rates.apart else decode_s + device_s)


def embeddings_of(works: Iterable[RunWork], clip_seconds: int) -> dict[EncoderKey, int]:
    """Images that each encoder sees once, whichever and however many runs need them."""
    rows: dict[EncoderKey, frozenset[int]] = {}
    for work in works:
        if work.scorer.encoder is not None:
            key = work.scorer.encoder
            rows[key] = rows.get(key, frozenset()) | work.embedded
    return {key: len(found) * clip_seconds for key, found in rows.items()}


def embedding_seconds(images: dict[EncoderKey, int], rates: Rates) -> float:
    """How long these embeddings take."""
    each = [
        (count / rates.decoded[key], count / rates.encoded[key]) for key, count in images.items()
    ]
    return float(np.sum([max(pair) if rates.apart else sum(pair) for pair in each]))
