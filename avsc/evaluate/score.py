"""Scores a run on a fold's one-second segments: frames' probabilities, averaged (DESIGN section 5).

``avsc score``, of files, is ``avsc.evaluate.compare`` of one system.

The visual encoder sees each image once, whatever the number of audio frames beside it: its
embeddings come from the bank beside the store, which runs with the same encoder share.

Shape legend: k clips of a batch, S seconds and F frames of the longest clip, f frames of a second,
m samples (pairs of a frame and its second's image), 2 channels, B bands, D, P and E features of the
visual, a pre-trained audio and the joint embedding, n segments.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avsc import console, timebase
from avsc.data.loader import default_threads
from avsc.data.triples import within
from avsc.errors import AvscError
from avsc.evaluate.condition import Condition, picture_numbers
from avsc.evaluate.encoded import Encoded
from avsc.evaluate.segments import Segments
from avsc.metrics import Probabilities
from avsc.models.audio_bank import AudioBank
from avsc.models.protocol import (
    Samples,
    logits_of,
    sample_embeddings,
    segment_embeddings,
    segment_probabilities,
)
from avsc.models.view_bank import ViewBank
from avsc.store.reader import Store
from avsc.train.load import Run

Protocol = Literal["segment", "context"]
Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

AS_RECORDED = Condition()
CLIPS_AT_ONCE = 32  # a batch of 1,792 frames with their embeddings takes some 20 MB


def score(
    run: Run,
    store: Store,
    segments: Segments,
    protocol: Protocol,
    condition: Condition = AS_RECORDED,
) -> Probabilities:
    """Each segment's probabilities, float64 [n, C].

    Args:
        run: Run to score.
        store: Store that holds the fold; see ``require_fitting``.
        segments: Segments of the fold.
        protocol: ``segment``: frames of the second alone, nothing outside it is used;
            ``context``: the whole clip's frames, each in the second that holds its centre.
        condition: What the run is given of each segment.

    Raises:
        AvscError: A shard or a picture is damaged, or the run was not made for the condition.
    """
    condition.require_possible(run)
    parts = []
    with console.progress("scoring", len(segments.names), "segments") as line:
        for _, samples in _batches(run, store, segments, protocol, condition=condition):
            parts.append(segment_probabilities(run.model, samples).cpu().numpy())
            line.advance(samples.segments)
    return np.concatenate(parts)


def sample_logits(run: Run, store: Store, segments: Segments) -> tuple[NDArray[np.float64], Ints]:
    """The logits of each sample by the protocol ``segment``, and its segment: [m, C], [m].

    Args:
        run: Run to score.
        store: Store that holds the fold; see ``require_fitting``.
        segments: Segments of the fold.
    """
    logits, of = [], []
    for first, samples in _batches(run, store, segments, "segment"):
        logits.append(logits_of(run.model, samples).double().cpu().numpy())
        of.append(samples.segment.cpu().numpy() + first)
    return np.concatenate(logits), np.concatenate(of)


def embed(
    run: Run,
    store: Store,
    segments: Segments,
    protocol: Protocol,
    chosen: Ints,
    *,
    condition: Condition = AS_RECORDED,
) -> Floats:
    """The joint embeddings e = AE(a) ++ VE(v) of some segments, each the mean of its samples'.

    Args:
        run: Run to score.
        store: Store that holds the fold.
        segments: Segments of the fold.
        protocol: ``segment`` or ``context``.
        chosen: Numbers of the segments, in rising order.
        condition: What the run is given of each segment.

    Returns:
        float32 [len(chosen), E]; the first ``acoustic_features(run)`` columns are of sound.
    """
    parts = []
    clips = np.unique(segments.clip[chosen])
    for first, samples in _batches(run, store, segments, protocol, clips, condition=condition):
        here = chosen[(chosen >= first) & (chosen < first + samples.segments)] - first
        parts.append(segment_embeddings(run.model, samples).cpu().numpy()[here])
    return np.concatenate(parts).astype(np.float32)


def encode(run: Run, store: Store, segments: Segments) -> Encoded:
    """The embeddings of a fold's segments by the protocol ``segment``, sound and picture apart.

    Args:
        run: Run to score.
        store: Store that holds the fold; see ``require_fitting``.
        segments: Segments of the fold.
    """
    sounds, pictures, width = [], [], acoustic_features(run)
    with console.progress(f"encoding for {run.path.name}", len(segments.names), "segments") as line:
        for _, samples in _batches(run, store, segments, "segment"):
            joint = sample_embeddings(run.model, samples)
            cut = joint.view(samples.segments, -1, joint.shape[1]).cpu().numpy()  # [s, f, E]
            sounds.append(cut[:, :, :width].copy())  # a view would keep all of it
            pictures.append(cut[:, 0, width:].copy())
            line.advance(samples.segments)
    return Encoded(
        run,
        np.concatenate(sounds) if run.uses_audio else None,
        np.concatenate(pictures) if run.uses_images else None,
    )


def acoustic_features(run: Run) -> int:
    """Number of columns of a joint embedding that are of sound."""
    return run.model.sound_features


def require_fitting(run: Run, store: Store) -> None:
    """Refuses a store whose audio features were made otherwise than those the run learnt from.

    Raises:
        AvscError: The store lacks the run's feature, or made it with other settings.
    """
    feature = run.recipe.audio.feature
    if not run.uses_frames:
        return
    if feature not in store.settings.features:
        raise AvscError(
            f"{store.place} has no {feature}, which {run.path} uses",
            f"a store prepared with it; this one has {', '.join(store.settings.features)}",
            f"prepare one with --features {feature}",
        )
    learnt, here = run.manifest.settings.bank(feature), store.settings.bank(feature)
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
    run: Run,
    store: Store,
    segments: Segments,
    protocol: Protocol,
    clips: Ints | None = None,
    *,
    condition: Condition = AS_RECORDED,
) -> Iterator[tuple[int, Samples]]:
    """The number of the first segment and the samples of each batch of clips, in order.

    With ``clips``, only of batches that hold one of these.
    """
    tower = sound_bank(run, store, segments.rows)
    bank = _embeddings(run, store, segments.rows)
    for start in range(0, len(segments.rows), CLIPS_AT_ONCE):
        stop = min(start + CLIPS_AT_ONCE, len(segments.rows))
        if clips is not None and not ((clips >= start) & (clips < stop)).any():
            continue
        rows, seconds = segments.rows[start:stop], segments.seconds[start:stop]
        audio, segment = _audio(run, store, rows, protocol)
        embedding = None
        if bank is not None:
            (plain,) = bank.read(rows)  # [k, S, D]
            embedding = plain[within(seconds, plain.shape[1])]
            embedding = embedding[picture_numbers(seconds, condition.offset_s)]
        count = int(seconds.sum())
        present, heard = condition.present(count), None
        if tower is not None:
            (whole,) = tower.read(rows)  # [k, S, P]
            heard = whole[within(seconds, whole.shape[1])]
        samples = run.samples(audio, embedding, segment, count, present, tower=heard)
        yield int(segments.first[start]), samples


def _embeddings(run: Run, store: Store, rows: Ints) -> ViewBank | None:
    if run.visual_encoder is None:
        return None
    bank = ViewBank(store, run.visual_encoder, run.path / "embeddings")
    bank.compute(rows, run.recipe.train.threads or default_threads())
    return bank


def sound_bank(run: Run, store: Store, rows: Ints) -> AudioBank | None:
    """The embeddings of sound that a run needs, those of all clips there; None if it needs none."""
    recorded = run.manifest.audio_tower
    if recorded is None:
        return None
    bank = AudioBank(store, recorded.sha256, run.audio_model or run.recipe.audio.model or "FOLDER")
    bank.require(rows)
    return bank


def _audio(run: Run, store: Store, rows: Ints, protocol: Protocol) -> tuple[Floats | None, Ints]:
    """The frames of some clips, [m, 2, B], and the segment each belongs to, [m]."""
    seconds = store.seconds(rows)
    if not run.uses_frames:
        return None, np.arange(seconds.sum())
    feature = run.recipe.audio.feature
    if protocol == "segment":
        every = store.segments(feature, rows)  # [k, S, f, 2, B]
        cut = every[within(seconds, every.shape[1])]  # [n, f, 2, B]
        return cut.reshape(-1, *cut.shape[2:]), np.repeat(np.arange(len(cut)), cut.shape[1])
    whole = store.audio(feature, rows)  # [k, F, 2, B]
    second = timebase.second_of_frames(whole.shape[1])
    segment = (np.cumsum(seconds) - seconds)[:, None] + second  # [k, F]
    mask = within(store.frames(rows), whole.shape[1])
    return whole[mask], segment[mask]
