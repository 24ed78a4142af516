"""Fine-tuning a visual encoder on labelled images, such as Places365.

The same stream and loop as a run's, with the image alone. What comes out is a folder that
``--ve-weights`` takes: the best epoch's backbone and what it expects of an image, beside the
run's own recipe, log and checkpoints.
"""

import json
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from avsc import console
from avsc import recipe as recipes
from avsc.data import triples
from avsc.data.batch import Batch
from avsc.data.image_folder import ImageSet, read_image_set
from avsc.data.loader import TripleLoader, default_threads
from avsc.errors import AvscError
from avsc.models import image_classifier, visual, visual_weights
from avsc.models.image_classifier import ImageClassifier
from avsc.models.visual import ImageConfig
from avsc.recipe import Recipe
from avsc.train import checkpoint, manifest, run_dir
from avsc.train.device import determinism, resolve_device
from avsc.train.distributed import Ranks, from_environment, joined
from avsc.train.manifest import Progress
from avsc.train.trainer import Outcome, Task, Trainer
from avsc.train.validate import Validation


class PretrainFacts(Progress):
    """What a checkpoint's manifest records of a fine-tuning."""

    images: dict[str, object]  # the image set, as ``ImageSet.describe`` has it


def pretrain(
    images: Path,
    out: Path,
    recipe: Recipe | None = None,
    *,
    resume: bool = False,
    device: str = "auto",
) -> Outcome:
    """Fine-tunes the recipe's visual encoder, or goes on where it was stopped.

    Args:
        images: ``train/<scene>/*.jpg`` and ``val/<scene>/*.jpg``, or Places365.
        out: The folder that ``--ve-weights`` will take; new unless ``resume``.
        recipe: Its ``visual``, ``train`` and ``augment`` sections count.
        resume: Go on from the last checkpoint.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.

    Raises:
        AvscError: The images, the recipe, the weights or the folder cannot be used, the
            fine-tuning was begun with others, or it diverged.
    """
    ranks = from_environment()
    where = resolve_device(device, ranks.local_rank)
    with ExitStack() as stack:
        stack.enter_context(joined(ranks, where))
        if ranks.writes:
            stack.enter_context(run_dir.locked(out))
            agreed = run_dir.agreed_recipe(out, recipe and run_dir.absolute_paths(recipe), resume)
            run_dir.write_recipe(out, agreed)
        ranks.wait()
        resolved = recipes.load(out / run_dir.CONFIG)
        stack.enter_context(determinism(resolved.train.deterministic, where))
        found = read_image_set(images)
        if ranks.writes:
            console.say(
                f"fine-tuning {resolved.visual.model} into {out}: {len(found.train)} images to "
                f"train on and {len(found.val)} to validate on, {len(found.scenes)} scenes, {where}"
            )
        return _fine_tune(out, found, resolved, where, ranks)


def _fine_tune(
    out: Path, images: ImageSet, recipe: Recipe, device: torch.device, ranks: Ranks
) -> Outcome:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.train.seed)
        encoder = visual_weights.build(recipe.visual)
        model = ImageClassifier(encoder, len(images.scenes))
    model.run_as(visual.execution(recipe.train, device))
    task = _task(model, images, recipe, encoder.config, device=device, ranks=ranks)
    now = PretrainFacts(recipe=recipe, images=images.describe())
    trainer = Trainer(out, now, task, device=device, ranks=ranks)
    saved = checkpoint.recover_on_ranks(out / run_dir.CHECKPOINTS, "last", ranks)
    if saved is not None:
        there = _parse(saved.facts, str(saved.path))
        _require_same(there, now)
        trainer.restore(saved, there)
    ended = trainer.fit()
    if ranks.writes:
        _write_encoder(out, recipe.visual.model, encoder.config)
    return ended


def _task(
    model: ImageClassifier,
    images: ImageSet,
    recipe: Recipe,
    config: ImageConfig,
    *,
    device: torch.device,
    ranks: Ranks,
) -> Task:
    threads = recipe.train.threads or default_threads()
    numbers = np.arange(len(images.train))
    none = np.zeros_like(numbers)
    every = triples.Triples(numbers, numbers, none, none, images.train.labels)
    stream = TripleLoader(
        every,
        triples.views(every, None),
        seed=recipe.train.seed,
        batch_size=recipe.train.batch_size,
        source=images.train,
        side=config.size,
        recipe=recipe.augment,
        device=device,
        rank=ranks.rank,
        world=ranks.world,
        threads=threads,
        reuse_buffers=True,
    )

    def logits(wrapped: nn.Module, batch: Batch) -> Tensor:
        found: Tensor = wrapped(image_classifier.images_of(batch))
        return found

    def judged() -> Validation:
        return image_classifier.score(
            model, images.val, config, device=device, ranks=ranks, threads=threads
        )

    return Task(model, stream, logits, lambda batch: len(batch.labels), judged)


def _require_same(there: PretrainFacts, now: PretrainFacts) -> None:
    differing = manifest.difference(there.recipe, now.recipe)
    if there.images != now.images:
        differing.append(f"images: {_short(there.images)}, now {_short(now.images)}")
    if differing:
        raise AvscError(
            "the fine-tuning cannot go on with something else than it was begun with:\n  "
            + "\n  ".join(differing),
            "the images and recipe it was begun with",
            "give those, or choose another --out",
        )


def _write_encoder(out: Path, model: str, config: ImageConfig) -> None:
    best = checkpoint.load(out / run_dir.CHECKPOINTS / "best", training=False)
    prefix = "backbone."
    state = {
        name.removeprefix(prefix): tensor
        for name, tensor in best.weights.items()
        if name.startswith(prefix)
    }
    visual_weights.save_folder(out, model, state, config)


def _parse(manifest: dict[str, object], where: str) -> PretrainFacts:
    known = {k: v for k, v in manifest.items() if k in PretrainFacts.model_fields}
    try:
        return PretrainFacts.model_validate_json(json.dumps(known))
    except ValidationError as error:
        raise AvscError(
            f"{where} is no checkpoint of a fine-tuning: {error.errors()[0]['msg']}",
            "one that `avsc pretrain` wrote",
            "choose another --out",
        ) from None


def _short(images: dict[str, object]) -> str:
    scenes = images["scenes"]
    count = len(scenes) if isinstance(scenes, list) else "?"
    return f"{images['train_images']} + {images['val_images']} images of {count} scenes"
