"""What the synthetic scenes are for: neither sound nor picture is enough, both do better."""

from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from avsc.scenes import SCENES
from avsc.synth.pictures import make_picture
from avsc.synth.plan import ClipPlan, SynthSettings, clips
from avsc.synth.sounds import make_sound

CLIPS = clips(SynthSettings(16, 6))
SECONDS = 10
Array = NDArray[np.float64]


def _sound_features(clip: ClipPlan) -> Array:
    """Log energies of 40 bands of each second's sum and difference, [10, 80]."""
    left, right = make_sound(0, clip).astype(np.float64)
    pieces = np.stack([left + right, left - right]).reshape(2, SECONDS, 48_000)
    power = np.abs(np.fft.rfft(pieces)) ** 2
    edges = np.round(np.geomspace(30, 10_000, 41)).astype(int)
    bands = [power[..., a : max(b, a + 1)].mean(-1) for a, b in pairwise(edges)]
    return np.log(np.stack(bands, -1) + 1e-6).transpose(1, 0, 2).reshape(SECONDS, -1)


def _picture_features(clip: ClipPlan) -> Array:
    """Edge directions in an 8 x 8 grid and 8 x 8 colours of each second's picture, [10, 576]."""
    return np.stack([_edges_and_colours(clip, second + 0.5) for second in range(SECONDS)])


def _edges_and_colours(clip: ClipPlan, t_s: float) -> Array:
    picture = cv2.resize(make_picture(0, clip, (320, 180), t_s), (64, 64))
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    x, y = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    direction = (np.arctan2(y, x) % np.pi / np.pi * 6).astype(int) % 6
    edges = [
        cv2.resize(np.where(direction == k, np.hypot(x, y), 0), (8, 8), interpolation=3)
        for k in range(6)
    ]
    colours = cv2.resize(picture, (8, 8), interpolation=cv2.INTER_AREA) / 255
    return np.concatenate([10 * np.ravel(edges) / np.linalg.norm(edges), np.ravel(colours)])


def _accuracy(features: Array, train: NDArray[np.bool_]) -> float:
    labels = np.array([SCENES.index(clip.place.scene) for clip in CLIPS])
    model: Any = make_pipeline(StandardScaler(), LogisticRegression(C=0.003, max_iter=300))
    model.fit(np.concatenate(features[train]), labels[train].repeat(SECONDS))
    return float(model.score(np.concatenate(features[~train]), labels[~train].repeat(SECONDS)))


@pytest.mark.slow
def test_both_senses_beat_each_and_shared_locations_flatter() -> None:
    sound = np.stack([_sound_features(clip) for clip in CLIPS])
    picture = np.stack([_picture_features(clip) for clip in CLIPS])
    both = np.concatenate([sound, picture], axis=2)
    disjoint = np.array([clip.place.fold == "train" for clip in CLIPS])
    random = np.random.default_rng(0).permutation(disjoint)

    scores = {name: _accuracy(f, disjoint) for name, f in (("s", sound), ("p", picture))}
    joint = _accuracy(both, disjoint)
    assert 0.25 < scores["s"] < 0.75
    assert 0.35 < scores["p"] < 0.80
    assert joint > max(scores.values()) + 0.08
    assert _accuracy(both, random) > joint + 0.03
    assert _accuracy(sound, random) > scores["s"] + 0.05
    assert _accuracy(picture, random) > scores["p"] + 0.10
