"""The segments of a store's fold that are scored: for a run, or for anybody's predictions."""

from typing import TYPE_CHECKING

from avsc.console import say
from avsc.errors import AvscError
from avsc.evaluate.segments import Segments, segments_of
from avsc.folds import TEST, TRAIN, train_and_test
from avsc.store.reader import Store

if TYPE_CHECKING:
    from avsc.train.load import Run

FOLD, VALIDATION = "test", "validation"


def fold_segments(run: "Run", store: Store, fold: str) -> Segments:
    """The segments of a fold that a run is scored on.

    Args:
        run: The run.
        store: Store to score on.
        fold: Name of a fold, or ``validation``: the clips that the run held out of the training
            fold of its own store.

    Raises:
        AvscError: The fold has no usable clip, the store does not fit the run, or it is not the
            run's own and its validation clips are asked for.
    """
    from avsc.data.split import training_fold
    from avsc.evaluate import score

    score.require_fitting(run, store)
    own = store.sha256 == run.manifest.store_sha256
    if fold != VALIDATION:
        return segments_in(store, fold, run.scenes, run.recipe.train.fold if own else None)
    if not own:
        raise AvscError(
            f"{store.place} is not the store that {run.path} was trained on",
            "its own store: the validation clips are those it held out there",
            "leave --store out, or name the place the store was moved to",
        )
    held_out = set(training_fold(store, run.recipe.train).validation.rows.tolist())
    clips = [
        clip._replace(fold=VALIDATION) if row in held_out else clip
        for row, clip in enumerate(store.clips)
    ]
    seconds = store.settings.clip_seconds
    return segments_of(clips, store.status(), seconds, VALIDATION, run.scenes)


def own_store(run: "Run", scored: Store) -> Store:
    """The store that a run was trained on: the scored one where it is that."""
    own = scored.sha256 == run.manifest.store_sha256
    return scored if own else Store.open(run.manifest.store)


def segments_in(
    store: Store, fold: str, scenes: tuple[str, ...], left_out: str | None = None
) -> Segments:
    """The segments of a fold, with a note where clips are quarantined.

    Args:
        store: Store to score on.
        fold: Name of a fold.
        scenes: Names of the scenes that are told apart.
        left_out: Name of the fold, of several, that a run was not trained on; None for ``test``.

    Raises:
        AvscError: The fold has no usable clip, or clips of other scenes.
    """
    seconds, clips = store.settings.clip_seconds, store.clips
    if left_out is not None and fold in (TRAIN, TEST):
        clips = train_and_test(clips, left_out)
    segments = segments_of(clips, store.status(), seconds, fold, scenes)
    if segments.quarantined:
        say(
            f"note: {segments.quarantined} clips of the fold {segments.fold!r} are quarantined and "
            f"not scored; `avsc info {store.place}` says why"
        )
    return segments
