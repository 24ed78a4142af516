"""Fine-tuning a visual encoder on labelled images, such as Places365.

The same stream and loop as a run's, with the image alone. What comes out is a folder that
``--ve-weights`` takes: the best epoch's backbone and what it expects of an image, beside the
run's own recipe, log and checkpoints.
"""

import json
from pathlib import Path

import numpy as np
import torch
from pydantic import ValidationError

from avsc import console
from avsc.data import triples
from avsc.data.image_folder import ImageSet, read_image_set
from avsc.data.loader import TripleLoader, default_threads
from avsc.errors import AvscError
from avsc.models import visual, visual_weights
from avsc.models.image_classifier import ImageClassifier
from avsc.models.visual import ImageConfig
from avsc.recipe import Recipe
from avsc.train import checkpoint, manifest, run_dir
from avsc.train.distributed import Ranks
from avsc.train.manifest import Manifest
from avsc.train.session import session
from avsc.train.trainer import Outcome, Trainer
from avsc.train.validate import HeldOutImages


class PretrainManifest(Manifest):
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
        images: Folder with ``train/<scene>/*.jpg`` and ``val/<scene>/*.jpg``, or Places365.
        out: Folder that ``--ve-weights`` will take.
        recipe: Recipe; its sections ``visual``, ``train`` and ``augment`` count.
        resume: Whether the user said that a stopped fine-tuning goes on.
        device: Device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.

    Raises:
        AvscError: The images, the recipe, the weights or the folder cannot be used, the
            fine-tuning was begun with others, or it diverged.
    """
    with session(out, recipe, resume=resume, device=device) as (resolved, ranks):
        if resolved.train.views is not None:
            raise AvscError(
                f"train.views = {resolved.train.views} for the fine-tuning of an encoder",
                "fresh views: the views of a bank belong to an encoder that is frozen",
                "leave train.views out",
            )
        found = read_image_set(images)
        if ranks.writes:
            console.say(
                f"fine-tuning {resolved.visual.model} into {out}: {len(found.train)} images to "
                f"train on and {len(found.val)} to validate on, {len(found.scenes)} scenes, "
                f"{ranks.device}"
            )
        return _fine_tune(out, found, resolved, ranks)


def _fine_tune(out: Path, images: ImageSet, recipe: Recipe, ranks: Ranks) -> Outcome:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.train.seed)
        encoder = visual_weights.build(recipe.visual)
        model = ImageClassifier(encoder, len(images.scenes))
    model.run_as(visual.execution(recipe.train, ranks.device))
    now = PretrainManifest(recipe=recipe, images=images.describe())
    threads = recipe.train.threads or default_threads()
    loader = _loader(images, recipe, encoder.config.size, ranks, threads)
    held_out = HeldOutImages(images.val, encoder.config, ranks, threads)
    trainer = Trainer(out, now, model, loader, held_out, ranks=ranks)
    saved = checkpoint.recover_on_ranks(out / run_dir.CHECKPOINTS, "last", ranks)
    if saved is not None:
        there = _parse(saved.manifest, str(saved.path))
        _require_same(there, now)
        if ranks.writes:
            run_dir.write_recipe(out, recipe)
        trainer.restore(saved, there)
    ended = trainer.fit()
    if ranks.writes:
        _write_encoder(out, recipe.visual.model, encoder.config)
    return ended


def _loader(
    images: ImageSet, recipe: Recipe, side: int, ranks: Ranks, threads: int
) -> TripleLoader:
    """Training batches of images alone."""
    numbers = np.arange(len(images.train))
    none = np.zeros_like(numbers)
    every = triples.Triples(numbers, numbers, none, none, images.train.labels)
    return TripleLoader(
        every,
        triples.views(every, None),
        seed=recipe.train.seed,
        batch_size=recipe.train.batch_size,
        source=images.train,
        side=side,
        recipe=recipe.augment,
        device=ranks.device,
        rank=ranks.rank,
        world=ranks.world,
        threads=threads,
        reuse_buffers=True,
    )


def _require_same(there: PretrainManifest, now: PretrainManifest) -> None:
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


def _parse(content: dict[str, object], where: str) -> PretrainManifest:
    known = {k: v for k, v in content.items() if k in PretrainManifest.model_fields}
    try:
        return PretrainManifest.model_validate_json(json.dumps(known))
    except ValidationError as error:
        raise AvscError(
            f"{where} is no checkpoint of a fine-tuning: its manifest lacks "
            f"{'.'.join(map(str, error.errors()[0]['loc']))}, or has something else there",
            "one that `avsc pretrain` wrote",
            "choose another --out",
        ) from None


def _short(images: dict[str, object]) -> str:
    scenes = images["scenes"]
    count = len(scenes) if isinstance(scenes, list) else "?"
    return f"{images['train_images']} + {images['val_images']} images of {count} scenes"
