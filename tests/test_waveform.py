"""``avsc.scalogram``: sound in memory gives what a store has of the same sound."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

import avsc
from avsc.errors import AvscError
from avsc.media.audio import read_stereo
from avsc.signal.features import FeatureExtractor
from avsc.store.schema import ScalogramSettings, StoreSettings


@pytest.fixture(scope="module")
def stereo() -> np.ndarray:
    """Two seconds at 48 kHz, int16 [n, 2] as SciPy reads a WAV."""
    rng = np.random.default_rng(0)
    tone = 6000 * np.sin(2 * np.pi * 440 * np.arange(96_000) / 48_000)
    return np.asarray(tone[:, None] + rng.normal(0, 2000, (96_000, 2))).astype(np.int16)


@pytest.fixture(scope="module")
def stored(stereo: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """What ``avsc prepare`` computes of that WAV."""
    path = tmp_path_factory.mktemp("wav") / "clip.wav"
    soundfile.write(path, stereo, 48_000, "PCM_16")
    extractor = FeatureExtractor(StoreSettings(features=("scalogram",)))
    return extractor.clip(read_stereo(path, 2))["scalogram"].clip


def test_a_clip_has_the_frames_of_its_store(stereo: np.ndarray, stored: np.ndarray) -> None:
    found = avsc.scalogram(stereo, 48_000)
    assert found.dtype == np.float32
    assert found.shape == stored.shape == (9, 2, 290)
    np.testing.assert_array_equal(found, stored)


LAYOUTS: dict[str, Callable[[np.ndarray], Any]] = {
    "channels first": lambda x: x.T,
    "int32": lambda x: x.astype(np.int32) << 16,
    "float64": lambda x: x / 32768,
    "float32, channels first, not contiguous": lambda x: (x / 32768).astype(np.float32).T,
    "tensor": lambda x: torch.from_numpy(x.T.copy()),
    "float tensor that asks for a gradient": lambda x: torch.tensor(
        x.T / 32768, requires_grad=True
    ),
    "list": lambda x: (x / 32768).tolist(),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_and_type_gives_the_same(
    layout: str, stereo: np.ndarray, stored: np.ndarray
) -> None:
    given = LAYOUTS[layout](stereo)
    found = avsc.scalogram(given, 48_000)
    assert isinstance(found, torch.Tensor) == isinstance(given, torch.Tensor)
    np.testing.assert_allclose(np.asarray(found), stored, atol=1e-5)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 96_000])
def test_a_tone_is_in_the_same_band_at_every_rate(rate: int) -> None:
    seconds = np.arange(2 * rate) / rate
    found = avsc.scalogram(np.sin(2 * np.pi * 1000 * seconds), rate)
    wanted = avsc.scalogram(np.sin(2 * np.pi * 1000 * np.arange(96_000) / 48_000), 48_000)
    assert found.shape == wanted.shape
    loudest = found[4, 0].argmax()
    assert loudest == wanted[4, 0].argmax()
    assert found[4, 0, loudest] == pytest.approx(wanted[4, 0, loudest], abs=0.01)


@pytest.mark.parametrize("shape", [(96_000,), (1, 96_000), (96_000, 1)])
def test_one_channel_is_both_and_their_difference_silent(shape: tuple[int, ...]) -> None:
    mono = np.random.default_rng(1).normal(0, 0.1, 96_000)
    found = avsc.scalogram(mono.reshape(shape), 48_000)
    np.testing.assert_array_equal(found, avsc.scalogram(np.stack([mono, mono]), 48_000))
    np.testing.assert_allclose(found[:, 1], np.log(1e-5), rtol=1e-6)


def test_eight_bits_are_about_their_middle() -> None:
    silence = np.full(20_000, 128, np.uint8)
    np.testing.assert_allclose(avsc.scalogram(silence, 16_000), np.log(1e-5), rtol=1e-6)


def test_settings_make_another_bank(stereo: np.ndarray) -> None:
    small = avsc.scalogram(stereo, 48_000, ScalogramSettings(log_floor=0.5))
    assert small.min() == pytest.approx(np.log(0.5))


@pytest.mark.parametrize(
    "given",
    [
        np.zeros((3, 50_000)),
        np.zeros((1, 2, 50_000)),
        np.zeros(50_000, np.int64),
        np.array(["a"] * 9000),
        np.zeros(50_000, complex),
        np.array([np.nan] * 50_000),
        np.zeros(100),
        np.zeros(0),
        [],
        3.0,
    ],
)
def test_what_is_no_sound_is_refused(given: Any) -> None:
    with pytest.raises(AvscError):
        avsc.scalogram(given, 48_000)


@pytest.mark.parametrize("rate", [0, -1, float("nan"), 1e9])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(AvscError):
        avsc.scalogram(np.zeros(50_000), rate)


def test_it_does_not_import_torch(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys, avsc, numpy as np; avsc.scalogram(np.zeros(16000), 16000);"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
