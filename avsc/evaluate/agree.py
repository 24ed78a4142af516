"""``avsc agree``: finds the seconds whose sound and picture do not tell the same scene.

The answers are a run's own: scored with sound alone and with pictures alone, where it learnt
stand-ins for both; or those of a run on sound and a run on pictures. The threshold is chosen on
validation clips whose sounds are swapped in the same manner, and never on what is scored.

Shape legend: n segments, K clips, C scenes.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsc import files
from avsc.errors import AvscError
from avsc.evaluate import environment, score
from avsc.evaluate.agreement import Detection, agreement, clip_means, detect, fit_threshold
from avsc.evaluate.condition import NAMES, Modality, has_stand_in
from avsc.evaluate.disturbances import own_store
from avsc.evaluate.encoded import Encoded, learnt
from avsc.evaluate.evaluation import FOLD, VALIDATION, fold_segments
from avsc.evaluate.results import AGREEMENT, METRICS, weights_sha256
from avsc.evaluate.seeds import seed_folders
from avsc.evaluate.segments import Segments, require_labelled, require_same
from avsc.evaluate.swap_lists import listed_swaps, read_lines
from avsc.evaluate.swaps import Swaps, draw_swaps, scene_of
from avsc.metrics import Probabilities
from avsc.store.reader import Store
from avsc.train.load import Run

TABLE = "agreement.csv"
SHARE = 0.5
OTHER: dict[Modality, Modality] = {"audio": "image", "image": "audio"}
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Agreed:
    """What was found.

    Attributes:
        folder: Folder of the files.
        title: Name of the run, or of the two.
        fold: Name of the fold.
        source: How the sounds were swapped.
        n_classes: Number of scenes, or of the classes that the list has for them.
        segments: Detection of swapped seconds.
        clips: Detection of swapped clips, by the means of their seconds.
        scores: Agreement of each segment, [n].
        swapped: Whether each segment is swapped, [n].
    """

    folder: Path
    title: str
    fold: str
    source: str
    n_classes: int
    segments: Detection
    clips: Detection
    scores: Floats
    swapped: NDArray[np.bool_]


def agree(
    runs: Sequence[Path],
    *,
    out: Path | None = None,
    store: str | None = None,
    fold: str = FOLD,
    share: float = SHARE,
    seed: int = 0,
    swaps: Path | None = None,
    sounds: Path | None = None,
    device: str = "auto",
    ve_weights: str | None = None,
    trust_code: bool = False,
) -> Agreed:
    """Scores how well swapped sounds are found, and writes ``agreement.csv`` and ``metrics.json``.

    Args:
        runs: Folder of a run that learnt stand-ins for both modalities; or of two runs, one that
            can do with sound alone, one with pictures alone.
        out: Folder of the files; None for one in the run's folder.
        store: Path or address of the store; None for the one the run was trained on.
        fold: Name of the fold, as ``evaluate`` takes it.
        share: Share of the clips whose sounds are swapped, where there is no list.
        seed: Seed of the swaps.
        swaps: Path of a list of swaps, see ``avsc.evaluate.swap_lists``.
        sounds: Path of a list of the clips whose sounds are drawn.
        device: Device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1`` and so on.
        ve_weights: Path of the visual encoder's weights, if they are no longer where they were.
        trust_code: Whether the classes that the runs name may be imported.

    Raises:
        AvscError: The runs, the store or the list cannot be used.
    """
    ear, eye = _ear_and_eye(runs, device, ve_weights, trust_code)
    opened = [Store.open(store or run.manifest.store) for run in (ear, eye)]
    answers = _answers(ear, eye, opened, fold)
    require_labelled(answers.segments)
    found, classes = draw_swaps(answers.segments, seed, share), None
    source = f"{100 * share:g} % of the clips, seed {seed}"
    if swaps is not None:
        lists = [[] if path is None else read_lines(path, opened[0]) for path in (swaps, sounds)]
        found, classes = listed_swaps(lists[0], lists[1], answers.segments, opened[0], seed)
        source = f"{swaps.name}, seed {seed}"
    _require_some(found, answers.segments)
    held_out = [own_store(run, one) for run, one in zip((ear, eye), opened, strict=True)]
    chosen_on = _answers(ear, eye, held_out, VALIDATION)
    _require_unseen(answers.segments, chosen_on.segments)
    levels = _thresholds(chosen_on, float(found.swapped.mean()), seed, classes)
    scores = answers.agreement(found, classes)
    swapped = np.repeat(found.swapped, found.seconds)
    elsewhere = "" if opened[0] is held_out[0] else opened[0].sha256[:8]
    places = np.array(answers.segments.locations)
    result = Agreed(
        folder=out or runs[0] / AGREEMENT / _part(elsewhere, fold, share, seed, swaps),
        title=" and ".join(dict.fromkeys(run.path.resolve().name for run in (ear, eye))),
        fold=answers.segments.fold,
        source=source,
        n_classes=len(ear.scenes) if classes is None else int(classes.max()) + 1,
        segments=detect(scores, swapped, levels[0], places.tolist()),
        clips=_detect_clips(scores, found, levels[1], places[answers.segments.first]),
        scores=scores,
        swapped=swapped,
    )
    _write(result, answers.segments, found)
    _write_metrics(result, (ear, eye), opened[0])
    return result


@dataclass(frozen=True)
class Answers:
    """The answers of each modality alone.

    Attributes:
        segments: Segments that both are of.
        sound: Probabilities by the sound, [n, C].
        picture: Probabilities by the picture, [n, C].
    """

    segments: Segments
    sound: Probabilities
    picture: Probabilities

    def agreement(self, swaps: Swaps, classes: Ints | None) -> Floats:
        """The agreement of each segment's picture with the sound it is given, [n]."""
        return agreement(self.sound[swaps.sounds()], self.picture, classes)


def _detect_clips(
    scores: Floats, swaps: Swaps, threshold: float, places: NDArray[np.str_]
) -> Detection:
    means = clip_means(scores, swaps.seconds)
    return detect(means, swaps.swapped, threshold, places.tolist())


def _ear_and_eye(
    paths: Sequence[Path], device: str, ve_weights: str | None, trust_code: bool
) -> tuple[Run, Run]:
    """The run that answers by sound alone, and the one that answers by pictures alone."""
    for path in paths:
        if seeds := seed_folders(path):
            raise AvscError(
                f"{path} has {len(seeds)} runs, one for each seed",
                "one run",
                f"name one of them, such as {seeds[0]}",
            )
    runs = [Run.open(p, device, ve_weights=ve_weights, trust_code=trust_code) for p in paths]
    for ear, eye in ((runs[0], runs[-1]), (runs[-1], runs[0])):
        if _can_do_with(ear, "audio") and _can_do_with(eye, "image"):
            if ear.scenes != eye.scenes:
                raise AvscError(
                    f"{ear.path} and {eye.path} tell other scenes apart",
                    "runs of the same scenes",
                    "train both on one store",
                )
            return ear, eye
    alone = [f"{run.path}: {_needs(run)}" for run in runs]
    raise AvscError(
        "; ".join(alone),
        "a run that learnt to do with sound alone and with pictures alone, or one run for each",
        "avsc agree AUDIO_RUN VIDEO_RUN --out DIR; or train one: avsc train ... "
        "--set train.drop_audio=0.25 --set train.drop_image=0.25",
    )


def _can_do_with(run: Run, modality: Modality) -> bool:
    """Whether a run can answer by a modality alone."""
    uses = {"audio": run.uses_audio, "image": run.uses_images}
    return uses[modality] and (not all(uses.values()) or has_stand_in(run, OTHER[modality]))


def _needs(run: Run) -> str:
    if not run.uses_images:
        return "uses sound alone"
    if not run.uses_audio:
        return "uses pictures alone"
    able = [NAMES[one] for one in OTHER if _can_do_with(run, one)]
    return f"can do with {able[0]} alone only" if len(able) == 1 else "needs sound and pictures"


def _answers(ear: Run, eye: Run, stores: Sequence[Store], fold: str) -> Answers:
    """The answers of both on the clips of a fold; of validation, on those that both held out."""
    segments = fold_segments(ear, stores[0], fold)
    encoded = score.encode(ear, stores[0], segments)
    if eye is ear:
        return Answers(segments, _alone(encoded, "audio"), _alone(encoded, "image"))
    seen = fold_segments(eye, stores[1], fold)
    both = set(segments.names) & set(seen.names)
    if fold != VALIDATION:
        require_same(segments, seen, ear.path, eye.path)
    elif not both:
        raise AvscError(
            f"{ear.path} and {eye.path} held out different clips of the training fold",
            "runs that held out some of the same clips, on which the threshold is chosen",
            "train both with the same train.seed, val_fraction and val_split on one store",
        )
    of_ear, of_eye = (np.array([n in both for n in one.names]) for one in (segments, seen))
    sound = _alone(encoded, "audio")[of_ear]
    picture = _alone(score.encode(eye, stores[1], seen), "image")[of_eye]
    return Answers(segments.only(of_ear[segments.first]), sound, picture)


def _alone(encoded: Encoded, modality: Modality) -> Probabilities:
    """The probabilities by one modality alone, [n, C]."""
    other = OTHER[modality]
    stand_in = learnt(encoded.run, other)
    return encoded.probabilities(replaced={} if stand_in is None else {other: stand_in})


def _thresholds(
    answers: Answers, share: float, seed: int, classes: Ints | None
) -> tuple[float, float]:
    """The thresholds for seconds and for clips, from validation clips with swapped sounds."""
    of_clip = scene_of(answers.segments)
    swaps = draw_swaps(answers.segments, seed, share, None if classes is None else classes[of_clip])
    _require_some(swaps, answers.segments)
    scores = answers.agreement(swaps, classes)
    return (
        fit_threshold(scores, np.repeat(swaps.swapped, swaps.seconds)),
        fit_threshold(clip_means(scores, swaps.seconds), swaps.swapped),
    )


def _require_unseen(scored: Segments, chosen_on: Segments) -> None:
    both = set(scored.names) & set(chosen_on.names)
    if both:
        raise AvscError(
            f"{len(both):,} seconds of the fold {scored.fold!r} are of the validation clips, such "
            f"as {min(both)}",
            "other clips than those on which the threshold is chosen",
            "score the test fold",
        )


def _require_some(swaps: Swaps, segments: Segments) -> None:
    swapped = int(swaps.swapped.sum())
    if 0 < swapped < segments.n_clips:
        return
    raise AvscError(
        f"{swapped} of {segments.n_clips} clips of the fold {segments.fold!r} are swapped",
        "some clips with the sound of another scene, and some as they were recorded",
        "another --share or list, or a fold of more clips",
    )


def _part(elsewhere: str, fold: str, share: float, seed: int, swaps: Path | None) -> str:
    """The folder of other scores than the usual ones, within the run's; empty for these."""
    words = [elsewhere, "" if fold == FOLD else fold]
    words += ["" if share == SHARE else f"share{share:g}"] if swaps is None else [swaps.stem]
    words += [f"seed{seed}"] if seed else []
    return "-".join(word for word in words if word)


def _write(result: Agreed, segments: Segments, swaps: Swaps) -> None:
    """Writes a row for each segment: its agreement, the decision and the truth."""
    words = ("matching", "swapped")
    lines = ["\t".join(["filename", "sound", "agreement", "decision", "truth"])]
    rows = zip(segments.names, swaps.sounds(), result.scores, result.swapped, strict=True)
    for name, sound, score_, swapped in rows:
        said = words[int(score_ < result.segments.threshold)]
        lines.append(
            "\t".join([name, segments.names[sound], repr(float(score_)), said, words[int(swapped)]])
        )
    files.write_text(result.folder / TABLE, "\n".join(lines) + "\n")


def _write_metrics(result: Agreed, runs: tuple[Run, Run], store: Store) -> None:
    content = {
        "segments": _as_json(result.segments),
        "clips": _as_json(result.clips),
        "fold": result.fold,
        "swaps": result.source,
        "classes": result.n_classes,
        "runs": {
            name: {"path": str(run.path.resolve()), "weights_sha256": weights_sha256(run.path)}
            for name, run in zip(("sound", "picture"), runs, strict=True)
        },
        "store": {"path": store.place, "sha256": store.sha256},
        "versions": environment.versions(),
    }
    text = json.dumps(content, indent=2, allow_nan=False)
    files.write_text(result.folder / METRICS, text + "\n")


def _as_json(found: Detection) -> dict[str, Any]:
    bounds = found.f1_interval
    interval = [bounds.low, bounds.high] if bounds.known else None
    return asdict(found) | {"f1_interval": interval}
