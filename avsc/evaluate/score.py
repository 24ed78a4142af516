"""Scores a run on a fold's one-second segments: frames' probabilities, averaged (DESIGN section 5).

The visual encoder sees each image once, whatever the number of audio frames beside it: its
embeddings come from the cache beside the store, which runs with the same encoder share.

Shape legend: k clips of a batch, S seconds, F frames of a clip, f frames of a second, m samples
(pairs of a frame and its second's image), 2 channels, B bands, D and E features of the visual and
the joint embedding, n segments.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avsc import console, timebase
from avsc.data.loader import default_threads
from avsc.errors import AvscError
from avsc.evaluate.segments import Segments
from avsc.metrics import Probabilities
from avsc.models.embedding_cache import EmbeddingCache
from avsc.models.scene_model import ACOUSTIC_FEATURES
from avsc.scenes import SCENES
from avsc.store.read import Store
from avsc.train.load import LoadedRun

Protocol = Literal["segment", "context"]
Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

CLIPS_AT_ONCE = 32  # a batch of 1,792 frames with their embeddings takes some 20 MB


@dataclass(frozen=True)
class Samples:
    """What the scorer is given of a batch of clips, and which segment each sample belongs to."""

    clips: slice  # of the fold
    owner: Ints  # [m], segment number within the batch
    audio: Floats | None  # [m, 2, B]
    embedding: Floats | None  # [m, D]


def score(run: LoadedRun, store: Store, segments: Segments, protocol: Protocol) -> Probabilities:
    """Each segment's probabilities, the mean of its samples', float64 [n, 10].

    Args:
        run: The system.
        store: Where the fold is; see ``require_fitting``.
        segments: The fold.
        protocol: ``segment``: frames of the second alone, nothing outside it is heard;
            ``context``: the whole clip's frames, each in the second that holds its centre.

    Raises:
        AvscError: A shard or a picture is damaged.
    """
    found = np.empty((len(segments.names), len(SCENES)))
    with console.progress("scoring", len(found), "segments") as line:
        for batch in _batches(run, store, segments, protocol):
            per_sample = run.probabilities(batch.audio, batch.embedding)
            mine = _of_clips(batch.clips, segments.seconds)
            found[mine] = _mean_by(batch.owner, per_sample, mine.stop - mine.start)
            line.advance(mine.stop - mine.start)
    return found


def embed(
    run: LoadedRun, store: Store, segments: Segments, protocol: Protocol, chosen: Ints
) -> Floats:
    """The joint embeddings e = AE(a) ++ VE(v) of some segments, each the mean of its samples'.

    Args:
        run: As for ``score``.
        store: As for ``score``.
        segments: As for ``score``.
        protocol: As for ``score``.
        chosen: Which segments, in rising order.

    Returns:
        float32 [len(chosen), E]; the first ``acoustic_features(run)`` columns are AE(a).
    """
    parts = []
    for batch in _batches(run, store, segments, protocol, np.unique(chosen // segments.seconds)):
        mine = _of_clips(batch.clips, segments.seconds)
        here = chosen[(chosen >= mine.start) & (chosen < mine.stop)] - mine.start
        kept = np.isin(batch.owner, here)
        joint = run.joint_embedding(
            None if batch.audio is None else batch.audio[kept],
            None if batch.embedding is None else batch.embedding[kept],
        )
        parts.append(_mean_by(np.searchsorted(here, batch.owner[kept]), joint, len(here)))
    return np.concatenate(parts).astype(np.float32)


def acoustic_features(run: LoadedRun) -> int:
    """How many columns of a joint embedding are the acoustic encoder's."""
    return ACOUSTIC_FEATURES if run.listens else 0


def require_fitting(run: LoadedRun, store: Store) -> None:
    """Refuses a store whose audio features were made otherwise than those the run learnt from.

    Raises:
        AvscError: The store lacks the run's feature, or made it with other settings.
    """
    feature = run.recipe.audio.feature
    if not run.listens:
        return
    if feature not in store.settings.features:
        raise AvscError(
            f"{store.place} has no {feature}, which {run.path} listens to",
            f"a store prepared with it; this one has {', '.join(store.settings.features)}",
            f"prepare one with --features {feature}",
        )
    learnt, here = run.facts.settings.bank(feature), store.settings.bank(feature)
    if learnt != here:
        old, new = learnt.model_dump(), here.model_dump()
        unlike = [f"{k} {old.get(k)!r} there, {new.get(k)!r} here" for k in old if old[k] != new[k]]
        raise AvscError(
            f"{store.place} made its {feature} otherwise than the store {run.path} was trained "
            f"on: {'; '.join(unlike)}",
            "the same settings",
            "evaluate on a store prepared with the run's settings, or train on this one",
        )


def _batches(
    run: LoadedRun,
    store: Store,
    segments: Segments,
    protocol: Protocol,
    clips: Ints | None = None,
) -> Iterator[Samples]:
    """The fold's samples in order; with ``clips``, only batches that hold one of these."""
    cache = _embeddings(run, store, segments.rows)
    for start in range(0, len(segments.rows), CLIPS_AT_ONCE):
        stop = min(start + CLIPS_AT_ONCE, len(segments.rows))
        if clips is not None and not ((clips >= start) & (clips < stop)).any():
            continue
        rows = segments.rows[start:stop]
        audio, owner = _heard(run, store, rows, protocol)
        embedding = None
        if cache is not None:
            seen = cache.read(rows)  # [k, S, D]
            embedding = seen.reshape(-1, seen.shape[-1])[owner]
        yield Samples(slice(start, stop), owner, audio, embedding)


def _embeddings(run: LoadedRun, store: Store, rows: Ints) -> EmbeddingCache | None:
    if run.visual is None:
        return None
    cache = EmbeddingCache(store, run.visual, run.path / "embeddings")
    cache.compute(rows, run.recipe.train.threads or default_threads())
    return cache


def _heard(
    run: LoadedRun, store: Store, rows: Ints, protocol: Protocol
) -> tuple[Floats | None, Ints]:
    """The frames of some clips, [m, 2, B], and the segment each belongs to, [m]."""
    seconds = store.settings.clip_seconds
    if not run.listens:
        return None, np.arange(len(rows) * seconds)
    feature = run.recipe.audio.feature
    if protocol == "segment":
        cut = store.segments(feature, rows)  # [k, S, f, 2, B]
        owner = np.repeat(np.arange(len(rows) * seconds), cut.shape[2])
        return cut.reshape(-1, *cut.shape[3:]), owner
    whole = store.audio(feature, rows)  # [k, F, 2, B]
    second = timebase.second_of_frames(whole.shape[1])
    owner = (np.arange(len(rows))[:, None] * seconds + second).ravel()
    return whole.reshape(-1, *whole.shape[2:]), owner


def _mean_by(owner: Ints, values: NDArray[np.floating], count: int) -> NDArray[np.float64]:
    """The mean of the rows of each owner 0, 1, ..., all of whom have one at least: [count, ...]."""
    total = np.zeros((count, values.shape[1]))
    np.add.at(total, owner, values)
    return total / np.bincount(owner, minlength=count)[:, None]


def _of_clips(clips: slice, seconds: int) -> slice:
    return slice(clips.start * seconds, clips.stop * seconds)
