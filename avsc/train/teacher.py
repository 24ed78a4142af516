"""The teachers of a distillation: runs, folders of seeds, predictions files; and what they teach.

A teacher answers for a second: the mean over the second's audio frames of its probabilities, from
the plain image, as it is scored. Every audio frame of the student whose centre lies in the second
has this answer as its target, whatever augmented, shifted or missing image the student sees. That
is what predictions files of any system have, too. At the temperature T the answer p becomes
softmax(log(p) / T), which is softmax(z / T) where p is the softmax of one sample's logits z.

Several teachers give the mean of their soft targets; a folder of seeds is one teacher.

Shape legend: n clips, S seconds of the longest clip, K scenes.
"""

import hashlib
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from avsc import files
from avsc.data.split import TrainingFold
from avsc.data.triples import within
from avsc.errors import AvscError
from avsc.evaluate import results
from avsc.evaluate.labels import read_labels
from avsc.evaluate.predictions import PREDICTIONS, read_predictions
from avsc.evaluate.seeds import seed_folders
from avsc.metrics import SMALLEST_PROBABILITY
from avsc.recipe import Recipe
from avsc.store.reader import Store
from avsc.train import checkpoint, manifest, run_dir
from avsc.train.distributed import Ranks
from avsc.train.manifest import RunManifest, TeacherManifest
from avsc.train.teacher_bank import TeacherBank

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

FILE = "predictions file"
SHOWN = 3  # clips in a message
FILE_TEACHES = (
    "predict the training fold: `avsc evaluate RUN --fold train` writes "
    f"RUN/evaluation/train-segment/{PREDICTIONS}, and `avsc ensemble` mixes such files; or name "
    "the run itself as teacher"
)
RUN_TEACHES = "some of these clips are unlabelled and in no fold: name the run itself as teacher"


def teachers_of(recipe: Recipe, store: Store) -> tuple[TeacherManifest, ...]:
    """The teachers that a recipe names, each run of a folder of seeds by itself.

    Args:
        recipe: Recipe of the student.
        store: Store of the student.

    Raises:
        AvscError: One is no teacher, or one of another store; all such faults at once.
    """
    found: list[TeacherManifest] = []
    faults: list[AvscError] = []
    for name in recipe.distill.teacher:
        try:
            members = _members(name)
            found += [_file(one) if one.is_file() else _run(one, store) for one in members]
        except AvscError as error:
            faults.append(error)
    if len(faults) > 1:
        raise AvscError(
            f"{len(faults)} of {len(recipe.distill.teacher)} teachers cannot be used:\n  "
            + "\n  ".join(error.got for error in faults),
            faults[0].expected,
            faults[0].remedy,
        )
    if faults:
        raise faults[0]
    return tuple(found)


def soft_targets(
    store: Store,
    fold: TrainingFold,
    recipe: Recipe,
    teachers: Sequence[TeacherManifest],
    ranks: Ranks,
    *,
    elsewhere: Path,
    trust_code: bool = False,
) -> Floats:
    """The soft targets of each second of the training clips, float32 [n, S, K]; NaN behind the end.

    What a run has not answered yet is computed, once for all students.

    Args:
        store: Store of the student.
        fold: Training fold of the store.
        recipe: Recipe of the student.
        teachers: What ``teachers_of`` found.
        ranks: Processes of the student's training.
        elsewhere: Folder for answers that cannot lie beside the store.
        trust_code: Whether a teacher's own acoustic encoder may be imported, which runs its code.

    Raises:
        AvscError: A run cannot be opened, or a file does not cover the training clips.
    """
    rows = fold.train.rows
    answers = {}
    for teacher in teachers:
        if teacher.what == FILE:
            answers[teacher.path] = _read_file(Path(teacher.path), store, rows)
            continue
        bank = TeacherBank(store, teacher, elsewhere)
        # The validation clips too: they are training clips of other seeds.
        every = np.sort(np.concatenate([rows, fold.validation.rows]))
        bank.compute(every, ranks, trust_code=trust_code)
        ranks.wait()
        (answers[teacher.path],) = bank.read(rows)
    temperature = recipe.distill.temperature
    systems = [
        np.mean([softened(answers[str(path)], temperature) for path in _members(name)], axis=0)
        for name in recipe.distill.teacher
    ]
    return np.asarray(np.mean(systems, axis=0), np.float32)


def softened(log_probabilities: Floats, temperature: float) -> NDArray[np.float64]:
    """Probabilities at a temperature: softmax(log(p) / T) over the last axis.

    >>> softened(np.log([[0.8, 0.2]]), 2.0).round(4).tolist()
    [[0.6667, 0.3333]]

    Args:
        log_probabilities: Logarithms of probabilities p, or logits, [..., K].
        temperature: Temperature T.
    """
    return np.asarray(softmax(log_probabilities.astype(np.float64) / temperature, axis=-1))


def describe(recipe: Recipe, teachers: Sequence[TeacherManifest]) -> list[str]:
    """What the student learns from whom, for a person."""
    if not teachers:
        return []
    names = ", ".join(f"{Path(one.path).name} ({one.what})" for one in teachers)
    distill = recipe.distill
    return [
        f"learning from {names}: soft targets at temperature {distill.temperature:g} weigh "
        f"{distill.weight:g}",
        "a teacher that was trained on these clips is usual; the test fold stays unseen",
    ]


def leaks(recipe: Recipe, teachers: Sequence[TeacherManifest]) -> list[str]:
    """Warnings about teachers that were trained on the fold that the student is tested on."""
    folds = {
        one.path: _manifest_of(Path(one.path)).recipe.train.fold
        for one in teachers
        if one.what != FILE
    }
    return [
        f"WARNING: {path} left out the fold {fold!r} and this run leaves out "
        f"{recipe.train.fold!r}: the teacher knows the test clips, so scores may come out too good"
        for path, fold in folds.items()
        if fold != recipe.train.fold
    ]


def _members(name: str) -> list[Path]:
    """The runs or the file behind a name."""
    path = Path(name)
    if not path.exists():
        raise AvscError(
            f"there is no teacher {name}",
            "a run, a folder of seeds, or a predictions file",
            "check the path (distill.teacher, --teacher)",
        )
    if (path / PREDICTIONS).is_file() and not (path / run_dir.CONFIG).is_file():
        return [path / PREDICTIONS]
    return seed_folders(path) or [path]


def _file(path: Path) -> TeacherManifest:
    return TeacherManifest(path=str(path), what=FILE, sha256=files.sha256_file(path))


def _run(path: Path, store: Store) -> TeacherManifest:
    there = _manifest_of(path)
    if there.scenes != store.scenes:
        raise AvscError(
            f"the teacher {path} tells {len(there.scenes)} scenes apart "
            f"({', '.join(there.scenes[:SHOWN])}, ...), {store.place} has {len(store.scenes)} "
            f"({', '.join(store.scenes[:SHOWN])}, ...)",
            "a teacher of the same scenes in the same order",
            "train the teacher on this store",
        )
    if there.store_sha256 != store.sha256:
        raise AvscError(
            f"the teacher {path} was trained on another store, {there.store} "
            f"({there.store_sha256[:12]}), not on {store.place} ({store.sha256[:12]})",
            "a teacher of the same store: another may know the clips that are tested on",
            "train the teacher on this store; or, if you know that its clips are others than the "
            f"test fold's, take its predictions as teacher: avsc evaluate {shlex.quote(str(path))} "
            f"--store {shlex.quote(str(store.place))} --fold train",
        )
    audio, visual = there.recipe.audio, there.recipe.visual
    inputs = {
        "weights": results.weights_sha256(path),
        "visual": there.visual and there.visual.model_dump(),
        "image_size": visual.image_size,
        "audio": audio.model_dump(exclude={"model"}),
        "audio_tower": there.audio_tower and there.audio_tower.model_dump(),
    }
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
    what = f"{there.recipe.train.strategy}, epoch {there.epoch}"
    return TeacherManifest(path=str(path), what=what, sha256=digest)


def _manifest_of(path: Path) -> RunManifest:
    if not (path / run_dir.CONFIG).is_file():
        raise AvscError(
            f"the teacher {path} is no run: it has no {run_dir.CONFIG}",
            "a run, a folder of seeds, or a predictions file",
            "check the path (distill.teacher, --teacher)",
        )
    place = path / run_dir.CHECKPOINTS / "best"
    return manifest.parse(checkpoint.read_manifest(place), str(place))


def _read_file(path: Path, store: Store, rows: Ints) -> Floats:
    """The log-probabilities of a predictions file for the seconds of some clips, [n, S, K]."""
    read = read_predictions(path, store.scenes, read_labels(store.place))
    where: dict[tuple[str, int], int] = {key: k for k, key in enumerate(read.row_keys())}
    counts = store.seconds(rows)
    ids = [store.clips[row].id for row in rows.tolist()]
    keys = [
        (clip, second) for clip, n in zip(ids, counts.tolist(), strict=True) for second in range(n)
    ]
    missing = list(dict.fromkeys(clip for clip, second in keys if (clip, second) not in where))
    if missing:
        scenes = {clip.id: clip.scene for clip in store.clips}
        remedy = RUN_TEACHES if not all(map(scenes.get, missing)) else FILE_TEACHES
        raise _uncovered(path, missing, ids, remedy, per_clip=read.seconds is None)
    shares = read.in_order(keys, store.scenes)
    seconds = store.settings.clip_seconds
    found = np.full((len(rows), seconds, len(store.scenes)), np.nan, np.float32)
    found[within(counts, seconds)] = np.log(np.maximum(shares, SMALLEST_PROBABILITY))
    return found


def _uncovered(
    path: Path, missing: Sequence[str], ids: Sequence[Any], remedy: str, *, per_clip: bool
) -> AvscError:
    what = (
        "has a row a clip"
        if per_clip
        else f"lacks seconds of {len(missing):,} of the {len(ids):,} training clips, such as "
        f"{', '.join(missing[:SHOWN])}"
    )
    return AvscError(
        f"the teacher {path} {what}",
        "probabilities of every second of the training clips",
        remedy,
    )
