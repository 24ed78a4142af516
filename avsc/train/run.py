"""A whole training run: from a store and a recipe to a folder of checkpoints and logs."""

import shlex
from pathlib import Path

import torch

from avsc import recipe as recipes
from avsc.console import say
from avsc.data.split import TrainingFold, training_fold, with_unlabelled
from avsc.errors import AvscError
from avsc.models import visual, visual_weights
from avsc.models.own_encoder import untrusted
from avsc.models.scene_model import AudioVisualModel
from avsc.models.visual import VisualEncoder
from avsc.recipe import Recipe
from avsc.recipe_sections import AudioRecipe
from avsc.store.reader import Store
from avsc.train import checkpoint, load, manifest, run_dir, teacher
from avsc.train.distributed import Ranks
from avsc.train.manifest import RunManifest, new_manifest
from avsc.train.run_data import RunData, open_tower, read_run_data
from avsc.train.session import session
from avsc.train.trainer import Outcome, Trainer, outcome


def train(
    store: Path | str,
    run: Path | str,
    recipe: Recipe | Path | str | None = None,
    *,
    resume: bool = False,
    device: str = "auto",
    trust_code: bool = False,
) -> Outcome:
    """Trains by a recipe, or goes on with a run that was stopped.

    Under ``torchrun`` every process calls this with the same arguments.

    Args:
        store: Path or address of a complete store.
        run: Folder of the run.
        recipe: Recipe, or the path or name of one; None for the paper's joint
            optimisation, or for what a run that goes on was begun with. The same recipe goes on
            with a run that was stopped.
        resume: Whether the user said that the run goes on; one that is not there begins.
        device: Device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
        trust_code: Whether the class that a run which goes on, or a teacher, names as its own
            acoustic encoder may be imported, which runs its code. A recipe that is given here is
            trusted.

    Raises:
        AvscError: The store, the recipe, the weights or the folder cannot be used, the run was
            begun with others, or it diverged.
    """
    run = Path(run)
    if isinstance(recipe, Path | str):
        recipe = recipes.load(Path(recipe))
    with session(run, recipe, resume=resume, device=device) as (resolved, ranks):
        own = resolved.audio.own_class
        if own is not None and recipe is None and not trust_code:
            raise untrusted(own, run)
        return _train(Store.open(store), run, resolved, ranks, trust_code)


def _train(store: Store, run: Path, recipe: Recipe, ranks: Ranks, trust_code: bool) -> Outcome:
    tell = say if ranks.writes else _nothing
    fold = training_fold(store, recipe.train)
    if recipe.distill.unlabelled:
        fold = with_unlabelled(store, fold, recipe.train.fold)
    encoder = _visual_encoder(recipe, ranks.device)
    tower = None if recipe.train.strategy == "video" else open_tower(store, fold, recipe.audio)
    saved = checkpoint.recover_on_ranks(run / run_dir.CHECKPOINTS, "last", ranks)
    there = None if saved is None else manifest.parse(saved.manifest, str(saved.path))
    if there is not None and there.finished:
        teachers = there.teachers  # they may be gone
    else:
        teachers = teacher.teachers_of(recipe, store)
    named = None if tower is None else tower.named
    now = new_manifest(store, recipe, encoder, ranks.world, tower=named, teachers=teachers)
    if there is not None:
        manifest.require_same(there, now)
    if ranks.writes:
        run_dir.write_recipe(run, recipe)  # weights may lie elsewhere than when the run began
    if there is not None and there.finished:
        tell(f"{run} is finished: {outcome(run, there).reason}")
        return outcome(run, there)
    for line in _describe(run, store, fold, recipe, encoder, ranks=ranks):
        tell(line)
    for line in teacher.describe(recipe, teachers) + teacher.leaks(recipe, teachers):
        tell(line)
    targets = None
    if teachers:
        targets = teacher.soft_targets(
            store, fold, recipe, teachers, ranks, elsewhere=run / "teachers", trust_code=trust_code
        )
    data = read_run_data(
        store,
        fold,
        recipe,
        encoder,
        ranks,
        targets=targets,
        tower=tower,
        elsewhere=run / "embeddings",
        say=tell,
    )
    model = _new_model(now, encoder, data, fresh=saved is None).to(ranks.device)
    # A visual encoder that takes part in the steps is compiled by itself. Ranks normalise
    # batches by messages in the middle of a step, which a compiler would cut into pieces.
    alone = ranks.world == 1 and not data.loader.has_images
    compiled = alone and visual.execution(recipe.train, ranks.device).compile
    trainer = Trainer(run, now, model, data.loader, data.held_out, ranks=ranks, compiled=compiled)
    if saved is not None and there is not None:
        trainer.restore(saved, there)
        tell(f"going on after epoch {there.epoch}" + f", step {there.batch}" * (there.batch > 0))
    ended = trainer.fit()
    tell(f"{ended.reason}; best: epoch {ended.best_epoch}, val loss {ended.best_loss:.4f}")
    tell(f"next: avsc evaluate {shlex.quote(str(run))}")
    return ended


def _visual_encoder(recipe: Recipe, device: torch.device) -> VisualEncoder | None:
    if recipe.train.strategy == "audio":
        return None
    return visual_weights.build(recipe.visual).run_as(visual.execution(recipe.train, device))


def _new_model(
    now: RunManifest, encoder: VisualEncoder | None, data: RunData, fresh: bool
) -> AudioVisualModel:
    """The model before its first step: seeded, standardised, frozen where it is not trained."""
    recipe = now.recipe.train
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = load.new_model(now, encoder)
    acoustic = model.acoustic_encoder
    if acoustic is not None and data.statistics is not None:
        mean, std = data.statistics
        acoustic.mean.copy_(torch.from_numpy(mean))
        acoustic.std.copy_(torch.from_numpy(std))
    pretrained = recipe.acoustic_source() == "pretrained"
    if acoustic is not None and pretrained and recipe.strategy in ("joint", "pipeline"):
        if fresh:
            _take_acoustic(model, now)
        acoustic.freeze()
    return model


def _take_acoustic(model: AudioVisualModel, now: RunManifest) -> None:
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
    there = manifest.parse(saved.manifest, str(place))
    _require_same_sound(there, now, source)
    names = [name for name in model.state_dict() if name.startswith("acoustic_encoder.")]
    model.load_state_dict({name: saved.weights[name] for name in names}, strict=False)


def _require_same_sound(there: RunManifest, now: RunManifest, source: str) -> None:
    audio, wanted = (_trained_part(one.recipe.audio) for one in (there, now))
    if there.bands is None or audio != wanted:
        raise AvscError(
            f"{source} has {'no acoustic encoder' if there.bands is None else f'one of {audio}'}",
            f"an acoustic encoder of {wanted}",
            "choose another --audio-run, or set audio.* as it has them",
        )
    if there.recipe.model.width != now.recipe.model.width:
        raise AvscError(
            f"{source} has an acoustic encoder of the width {there.recipe.model.width:g}",
            f"one of this run's width, {now.recipe.model.width:g}",
            f"--set model.width={there.recipe.model.width:g}, or choose another --audio-run",
        )
    feature = now.recipe.audio.feature
    bank = there.settings.bank(feature)
    if bank != now.settings.bank(feature):
        raise AvscError(
            f"{source} was trained on features of another bank: {bank}",
            f"{now.settings.bank(feature)}, as the store has them",
            "train the acoustic encoder on this store",
        )
    old, new = there.recipe.train, now.recipe.train
    same_split = (old.seed, old.val_fraction, old.val_split, old.fold) == (
        new.seed,
        new.val_fraction,
        new.val_split,
        new.fold,
    )
    if there.store_sha256 != now.store_sha256 or not same_split:
        say(
            f"WARNING: {source} was trained on another store or split, perhaps on clips that "
            "are validated or tested on here: losses may come out too low"
        )


def _trained_part(audio: AudioRecipe) -> AudioRecipe:
    """The keys of the acoustic encoder that is trained; what stands beside it may differ."""
    return audio.model_copy(update={"encoder": audio.own_class, "model": None})


def _describe(
    run: Path,
    store: Store,
    fold: TrainingFold,
    recipe: Recipe,
    encoder: VisualEncoder | None,
    *,
    ranks: Ranks,
) -> list[str]:
    """What is about to happen, for a person."""
    parts = []
    if recipe.train.strategy != "video":
        if recipe.audio.uses_frames:
            trained, own = recipe.train.acoustic_source(), recipe.audio.own_class
            named = "" if own is None else f" {own}"
            parts.append(f"{recipe.audio.feature} ({trained} acoustic encoder{named})")
        if recipe.audio.model is not None:
            parts.append(f"embeddings of sound by {Path(recipe.audio.model).name}")
    if encoder is not None:
        pictures = {"raw": "raw images", "embedding": "stored embeddings"}
        source = pictures[recipe.train.image_source()]
        if recipe.train.views is not None:
            source = f"a bank of {recipe.train.views} views"
        parts.append(f"{encoder.name} at {encoder.config.size} px ({source})")
    processes = f", {ranks.world} processes" if ranks.world > 1 else ""
    notes = list(fold.notes)
    if recipe.augment_audio.is_on:
        notes.append(f"sound is augmented: {recipe.augment_audio}")
    lines = [
        f"training {recipe.train.strategy} into {run}: {' and '.join(parts)}, on "
        f"{ranks.device}{processes}",
        f"{len(fold.train.rows)} clips to train on and {len(fold.validation.rows)} to validate on "
        f"(by {recipe.train.val_split}) of {store.place}",
    ]
    return lines + notes


def _nothing(_message: str) -> None:
    """Ranks but the first keep quiet."""
