"""A whole training run: from a store and a recipe to a folder of checkpoints and logs."""

from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor, nn

from avsc import recipe as recipes
from avsc.console import say
from avsc.data.batch import Batch
from avsc.data.split import TrainingFold, training_fold
from avsc.errors import AvscError
from avsc.models import visual, visual_weights
from avsc.models.scene_model import Scorer
from avsc.models.visual import VisualEncoder
from avsc.recipe import Recipe
from avsc.store.read import Store
from avsc.train import checkpoint, inputs, load, manifest, run_dir
from avsc.train.device import determinism, resolve_device
from avsc.train.distributed import Ranks, from_environment, joined
from avsc.train.inputs import Inputs
from avsc.train.manifest import RunFacts
from avsc.train.trainer import Outcome, Task, Trainer, outcome
from avsc.train.validate import Validation, validate


def train(
    store: Path | str,
    run: Path,
    recipe: Recipe | None = None,
    *,
    resume: bool = False,
    device: str = "auto",
) -> Outcome:
    """Trains by a recipe, or goes on with a run that was stopped.

    Under ``torchrun`` every process calls this with the same arguments.

    Args:
        store: A complete store.
        run: The run's folder, new unless ``resume``.
        recipe: What to train; None for the paper's joint optimisation, or for what a run that
            is resumed was begun with.
        resume: Go on from the last checkpoint. A run that has none begins.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.

    Raises:
        AvscError: The store, the recipe, the weights or the folder cannot be used, the run was
            begun with others, or it diverged.
    """
    ranks = from_environment()
    where = resolve_device(device, ranks.local_rank)
    with ExitStack() as stack:
        stack.enter_context(joined(ranks, where))
        if ranks.writes:
            stack.enter_context(run_dir.locked(run))
            agreed = run_dir.agreed_recipe(run, recipe and run_dir.absolute_paths(recipe), resume)
            run_dir.write_recipe(run, agreed)
        ranks.wait()
        resolved = recipes.load(run / run_dir.CONFIG)
        stack.enter_context(determinism(resolved.train.deterministic, where))
        return _train(Store.open(store), run, resolved, where, ranks)


def _train(store: Store, run: Path, recipe: Recipe, device: torch.device, ranks: Ranks) -> Outcome:
    tell = say if ranks.writes else _nothing
    fold = training_fold(store, recipe.train)
    encoder = _encoder(recipe, device)
    now = manifest.begin(store, recipe, encoder, ranks.world)
    saved = checkpoint.recover_on_ranks(run / run_dir.CHECKPOINTS, "last", ranks)
    there = None if saved is None else manifest.parse(saved.facts, str(saved.path))
    if there is not None:
        manifest.require_same(there, now)
        if there.finished:
            tell(f"{run} is finished: {outcome(run, there).reason}")
            return outcome(run, there)
    for line in _describe(run, store, fold, recipe, encoder, device=device, ranks=ranks):
        tell(line)
    ready = inputs.gather(
        store,
        fold,
        recipe,
        encoder,
        device=device,
        ranks=ranks,
        elsewhere=run / "embeddings",
        say=tell,
    )
    scorer = _scorer(now, ready, fresh=saved is None).to(device)
    task = _task(scorer, ready, device, ranks)
    trainer = Trainer(run, now, task, device=device, ranks=ranks)
    if saved is not None and there is not None:
        trainer.restore(saved, there)
        tell(f"going on after epoch {there.epoch}" + f", step {there.batch}" * (there.batch > 0))
    ended = trainer.fit()
    tell(f"{ended.reason}; best: epoch {ended.best_epoch}, val loss {ended.best_loss:.4f}")
    return ended


def _task(scorer: Scorer, ready: Inputs, device: torch.device, ranks: Ranks) -> Task:
    def logits(model: nn.Module, batch: Batch) -> Tensor:
        found: Tensor = model(*ready.of_batch(batch))
        return found

    def judged() -> Validation:
        """Rank 0's validation on every rank, so that all stop at the same epoch."""
        found = [0.0, 0.0]
        if ranks.writes:
            result = validate(scorer, ready.segments)
            found = [result.loss, result.accuracy]
        return Validation(*ranks.from_first(found, device))

    return Task(scorer, ready.stream, logits, ready.images, judged)


def _encoder(recipe: Recipe, device: torch.device) -> VisualEncoder | None:
    if recipe.train.strategy == "audio":
        return None
    return visual_weights.build(recipe.visual).run_as(visual.execution(recipe.train, device))


def _scorer(now: RunFacts, ready: Inputs, fresh: bool) -> Scorer:
    """The scorer before its first step: seeded, standardised, frozen where it is not trained."""
    recipe = now.recipe.train
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        scorer = load.new_scorer(now)
    if ready.statistics is not None:
        mean, deviation = ready.statistics
        scorer.audio_mean.copy_(torch.from_numpy(mean))
        scorer.audio_deviation.copy_(torch.from_numpy(deviation))
    if recipe.strategy in ("joint", "pipeline") and recipe.acoustic_source() == "pretrained":
        if fresh:
            _take_acoustic(scorer, now)
        scorer.freeze_acoustic()
    return scorer


def _take_acoustic(scorer: Scorer, now: RunFacts) -> None:
    """Copies the acoustic encoder, and the standardisation it was trained with, from its run."""
    source = now.recipe.train.audio_run
    if source is None:
        raise AvscError(
            "no acoustic encoder to start from",
            "the run that it comes from: this strategy does not train one",
            "train one (`avsc train ... --strategy audio --out AUDIO`) and pass --audio-run AUDIO",
        )
    place = Path(source) / run_dir.CHECKPOINTS / "best"
    saved = checkpoint.load(place, training=False)
    there = manifest.parse(saved.facts, str(place))
    _require_same_sound(there, now, source)
    names = [name for name in scorer.state_dict() if name.startswith(("acoustic.", "audio_"))]
    scorer.load_state_dict({name: saved.weights[name] for name in names}, strict=False)


def _require_same_sound(there: RunFacts, now: RunFacts, source: str) -> None:
    audio, wanted = there.recipe.audio, now.recipe.audio
    if there.bands is None or audio != wanted:
        raise AvscError(
            f"{source} listens to {'nothing' if there.bands is None else audio}",
            f"an acoustic encoder of {wanted}",
            "choose another --audio-run, or set audio.* as it has them",
        )
    bank = there.settings.bank(audio.feature)
    if bank != now.settings.bank(audio.feature):
        raise AvscError(
            f"{source} was trained on features of another bank: {bank}",
            f"{now.settings.bank(audio.feature)}, as the store has them",
            "train the acoustic encoder on this store",
        )
    old, new = there.recipe.train, now.recipe.train
    same_split = (old.seed, old.val_fraction, old.val_split) == (
        new.seed,
        new.val_fraction,
        new.val_split,
    )
    if there.store_sha256 != now.store_sha256 or not same_split:
        say(
            f"WARNING: {source} was trained on another store or split, perhaps on clips that "
            "are validated on here: the validation loss may come out too low"
        )


def _describe(
    run: Path,
    store: Store,
    fold: TrainingFold,
    recipe: Recipe,
    encoder: VisualEncoder | None,
    *,
    device: torch.device,
    ranks: Ranks,
) -> list[str]:
    """What is about to happen, for a person."""
    parts = []
    if recipe.train.strategy != "video":
        parts.append(f"{recipe.audio.feature} ({recipe.train.acoustic_source()} acoustic encoder)")
    if encoder is not None:
        pictures = {"raw": "raw images", "embedding": "stored embeddings"}
        source = pictures[recipe.train.image_source()]
        parts.append(f"{encoder.name} at {encoder.config.size} px ({source})")
    processes = f", {ranks.world} processes" if ranks.world > 1 else ""
    lines = [
        f"training {recipe.train.strategy} into {run}: {' and '.join(parts)}, on "
        f"{device}{processes}",
        f"{len(fold.train.rows)} clips to train on and {len(fold.validation.rows)} to validate on "
        f"(by {recipe.train.val_split}) of {store.place}",
    ]
    return lines + list(fold.notes)


def _nothing(_message: str) -> None:
    """Ranks but the first keep quiet."""
