"""``avsc info PATH``: the content of a store or of a run, and how complete it is."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from avsc import recipe
from avsc.console import byte_size, duration, facts, table, tell
from avsc.dataset.read import kind_of
from avsc.errors import AvscError
from avsc.evaluate import results
from avsc.evaluate.seeds import seed_folders
from avsc.recipe import Recipe
from avsc.recipe_sections import AudioRecipe
from avsc.report import bank_info, formatting
from avsc.report.dataset_info import show_dataset
from avsc.store.finalize import describe, unfinished
from avsc.store.layout import StoredClip
from avsc.store.location import Location, locate
from avsc.store.metadata import ZARR_JSON
from avsc.store.reader import Store
from avsc.store.schema import RECORDS, Status, StoreSettings, clips_in
from avsc.train.log import read_log

CONFIG = "config.toml"
SHOWN_SCENES = 10

Facts = list[tuple[str, str]]


def show(path: Path | str) -> None:
    """Prints what a store, a run's folder or a data set holds.

    Raises:
        AvscError: There is none of them, its description is damaged, or the data set has faults.
    """
    store = locate(path)
    folder = store.folder
    seeds = [] if folder is None else seed_folders(folder)
    if folder is not None and seeds:
        _show_seeds(folder, seeds)
    elif folder is not None and (folder / CONFIG).is_file():
        facts(f"run {path}", run_facts(folder))
    elif folder is not None and folder.exists() and not _is_store(folder):
        show_dataset(folder, kind_of(folder))
    else:
        _show_store(store)


def _show_seeds(folder: Path, seeds: Sequence[Path]) -> None:
    """A folder of seeds: its scores, which are means, and each seed's run."""
    facts(f"{len(seeds)} seeds in {folder}", [*_evaluations(folder), *_agreements(folder)])
    for run in seeds:
        facts(f"run {run}", run_facts(run))


def _is_store(folder: Path) -> bool:
    """Whether a folder is a store, or one that lost a file of its own."""
    return (folder / ZARR_JSON).exists() or (folder / RECORDS).is_dir()


def run_facts(run: Path) -> Facts:
    """Recipe, progress and scores of a run, read without its weights.

    Raises:
        AvscError: Its ``config.toml`` is not a recipe.
    """
    resolved = recipe.load(run / CONFIG)
    log = read_log(run)
    return [
        ("strategy", resolved.train.strategy),
        *_inputs(resolved),
        *_teachers(resolved),
        ("epochs", _progress(run, resolved, len(log))),
        *_best_epoch(log),
        *_sizes(run),
        ("checkpoints", _checkpoints(run)),
        *_evaluations(run),
        *_agreements(run),
    ]


def clips_by_scene(
    clips: Sequence[StoredClip], status: Sequence[int]
) -> tuple[list[str], list[list[str]]]:
    """A table of good and all clips, scenes down and folds across: header and rows."""
    folds = sorted({clip.fold for clip in clips}, key=_fold_order)
    total: Counter[tuple[str, str]] = Counter()
    good: Counter[tuple[str, str]] = Counter()
    for clip, clip_status in zip(clips, status, strict=True):
        for key in ((clip.scene, clip.fold), ("all", clip.fold)):
            total[key] += 1
            good[key] += clip_status == Status.GOOD
    scenes = [*sorted({clip.scene for clip in clips}), "all"]
    rows = [
        [scene or "unlabelled", *(f"{good[scene, f]}/{total[scene, f]}" for f in folds)]
        for scene in scenes
    ]
    return ["scene", *(fold or "no fold" for fold in folds)], rows


def _fold_order(fold: str) -> tuple[int, int, str]:
    """Train, test, the folds of cross-validation by number and name, clips of no fold."""
    known = {"train": 0, "test": 1, "": 3}.get(fold, 2)
    return known, int(fold) if fold.isdecimal() else 0, fold


def _show_store(path: Location) -> None:
    missing = unfinished(path)
    store = Store.open(path, complete=False)
    facts(f"store {path.place}", _store_facts(path, store, missing))
    header, rows = clips_by_scene(store.clips, store.status().tolist())
    table("clips (good/all)", header, rows)
    if path.folder is not None and (found := bank_info.banks(path.folder)):
        table("encoded pictures and sound (STORE.embeddings)", bank_info.HEADER, found)
    reasons = store.reasons()
    if reasons:
        tell(f"quarantined ({len(reasons)})")
    for clip, reason in reasons.items():
        tell(f"  {clip}: {reason}", indent=4)


def _store_facts(path: Location, store: Store, missing: dict[int, str]) -> Facts:
    settings, clips = store.settings, len(store.clips)
    counts = np.bincount(store.status(), minlength=len(Status))
    written = clips - clips_in(list(missing), clips, settings)
    locations = len({(clip.city, clip.location) for clip in store.clips})
    sizes = path.listing().values()
    return [
        ("complete", "yes" if store.is_complete and not missing else _lacks(store, missing)),
        (
            "clips",
            f"{clips} of {_lengths(store)} s from {locations} locations:"
            f" {counts[Status.GOOD]} good, {counts[Status.QUARANTINED]} quarantined,"
            f" {clips - written} not yet",
        ),
        ("scenes", _scenes(store.scenes)),
        *_split(settings),
        ("features", ", ".join(_feature(settings, name) for name in settings.features)),
        ("pictures", _pictures(settings)),
        ("partitions", f"{store.partitions} of {settings.partition_clips} clips"),
        ("size", f"{byte_size(sum(sizes))} in {len(sizes)} files"),
        *((name, _bank(settings, name)) for name in settings.features),
        ("mono", {"refuse": "refused", "duplicate": "left and right alike"}[settings.mono]),
        ("identity", store.sha256),
    ]


def _scenes(scenes: tuple[str, ...]) -> str:
    more = f" and {len(scenes) - SHOWN_SCENES} more" if len(scenes) > SHOWN_SCENES else ""
    return f"{len(scenes)}: {', '.join(scenes[:SHOWN_SCENES])}{more}"


def _lengths(store: Store) -> str:
    shortest, longest = store.seconds().min(), store.seconds().max()
    return str(longest) if shortest == longest else f"{shortest} to {longest}"


def _split(settings: StoreSettings) -> Facts:
    split = settings.split
    if split is None:
        return []
    if split.folds is not None:
        what = f"{split.folds} folds for cross-validation"
        what = "a fold for each location left out" if split.folds == "locations" else what
    else:
        what = f"a test fold of about {100 * (split.test_fraction or 0):.0f} %"
    return [("folds", f"{what}, split by {split.by} with seed {split.seed}")]


def _lacks(store: Store, missing: dict[int, str]) -> str:
    if not missing:
        return "no: every partition is written, but the last step was not taken"
    return f"no: {len(missing)} of {store.partitions} partitions: {describe(missing)}"


def _feature(settings: StoreSettings, name: str) -> str:
    bank = settings.scalogram if name == "scalogram" else settings.fbank
    return f"{name} [{settings.clip_frames} frames, 2 channels, {bank.bands} bands]"


def _bank(settings: StoreSettings, name: str) -> str:
    """The settings of a feature's filter bank, such as ``t 8192, q 41, log_floor 1e-05``."""
    bank = settings.scalogram if name == "scalogram" else settings.fbank
    return ", ".join(f"{key} {value}" for key, value in bank if key != "bands")


def _pictures(settings: StoreSettings) -> str:
    image = settings.image
    return (
        f"one a second, short side at most {image.short_side},"
        f" JPEG quality {image.jpeg_quality}, {image.frame_choice} frames by {image.backend}"
    )


def _inputs(resolved: Recipe) -> Facts:
    inputs = []
    if resolved.train.strategy != "video":
        inputs += [("sound", sound) for sound in _sound(resolved.audio)]
    if resolved.train.strategy != "audio":
        inputs.append(("picture", f"{resolved.visual.model}, weights {resolved.visual.weights}"))
    return inputs


def _sound(audio: AudioRecipe) -> list[str]:
    """What listens: an acoustic encoder of frames, a pre-trained audio encoder, or both."""
    trained = f"encoder {audio.own_class}" if audio.own_class else f"concat {audio.concat}"
    found = [f"{audio.feature}, {trained}"] if audio.uses_frames else []
    return found + ([f"pre-trained encoder {audio.model}"] if audio.uses_tower else [])


def _sizes(run: Path) -> Facts:
    """Sizes of a run's parts, from a model of its shape with other weights."""
    content = results.checkpoint_manifest(run, "best")
    if not content:
        return []
    from avsc.models import visual_weights
    from avsc.models.sizes import part_sizes
    from avsc.train import load, manifest

    try:
        recorded = manifest.parse(content, str(run))
        wanted = recorded.recipe.visual
        if recorded.recipe.audio.own_class is not None:
            return [("size", "not counted: an acoustic encoder of its maker's own")]
        encoder = None
        if recorded.visual is not None:
            side = visual_weights.expected_image(wanted).size
            plain = {"weights": "random", "image_size": side}
            encoder = visual_weights.build(wanted.model_copy(update=plain))
        sizes = part_sizes(load.new_model(recorded, encoder).eval())
    except AvscError as error:
        return [("size", f"not counted: {error.got}")]
    return [
        (
            f"size of {part.name}",
            f"{part.parameters:,} parameters, {byte_size(part.size)}, "
            f"{part.multiply_adds / 1e6:,.1f} million multiply-adds per {part.unit}",
        )
        for part in sizes
    ]


def _teachers(resolved: Recipe) -> Facts:
    distill = resolved.distill
    if not distill.teacher:
        return []
    how = f"weight {distill.weight:g}, temperature {distill.temperature:g}"
    return [("teacher", f"{', '.join(distill.teacher)}; {how}")]


def _progress(run: Path, resolved: Recipe, done: int) -> str:
    progress = f"{done} of at most {resolved.train.epochs}"
    finished = results.is_finished(run)
    if finished is None:
        return progress
    if finished:
        return f"{progress}, finished"
    return f"{progress}, not finished (avsc train ... --resume goes on)"


def _best_epoch(log: list[dict[str, float]]) -> Facts:
    if not log:
        return []
    best = min(log, key=lambda row: row["val_loss"])
    scores = (
        f"epoch {best['epoch']:.0f}: validation log-loss {formatting.loss(best['val_loss'])}, "
        f"accuracy {formatting.per_cent(best['val_accuracy'])} %"
    )
    return [("best", scores), ("time", duration(sum(row.get("seconds", 0.0) for row in log)))]


def _checkpoints(run: Path) -> str:
    paths = sorted((run / results.CHECKPOINTS).glob("[!.]*"))
    return ", ".join(path.name for path in paths) or "none yet"


def _agreements(run: Path) -> Facts:
    """What `avsc agree` found with the run alone, or with the runs of a folder of seeds."""
    found = []
    for path in sorted((run / results.AGREEMENT).rglob(results.METRICS)):
        content = results.read_agreement(path.parent)
        scores = [f"{unit} {100 * content[unit]['f1']:.2f} %" for unit in ("segments", "clips")]
        words = f"F1 of swapped {' and '.join(scores)} (fold {content['fold']}; {content['swaps']})"
        if "seeds" in content:
            words = f"mean of {content['seeds']['n']} seeds: {words}"
        found.append((str(path.parent.relative_to(run)), words))
    return found


def _condition(found: dict[str, Any]) -> str:
    """What the run was not given in an evaluation."""
    return f", {found['condition']}" if found.get("condition") else ""


def _other_store(folder: Path, found: dict[str, Any]) -> str:
    """The store of an evaluation, where it is not the run's own."""
    store = found.get("store") or {}
    return f", store {store['path']}" if store.get("sha256", "?")[:8] in folder.name else ""


def _evaluations(run: Path) -> Facts:
    folders = sorted({path.parent for path in (run / results.EVALUATION).rglob(results.METRICS)})
    if not folders:
        return [("evaluation", f"none yet (avsc evaluate {run})")]
    scored = []
    for folder in folders:
        found = results.read_metrics(folder)
        scores = (
            f"log-loss {formatting.loss(found['log_loss'])}, "
            f"accuracy {formatting.per_cent(found['accuracy'])} % "
            f"({found.get('n_segments')} segments of the fold {found.get('fold')}, "
            f"protocol {found.get('protocol')}{_condition(found)}{_other_store(folder, found)})"
        )
        if "seeds" in found:
            scores = f"mean of {found['seeds']['n']} seeds: {scores}"
        scored.append((str(folder.relative_to(run)), scores))
    return scored
