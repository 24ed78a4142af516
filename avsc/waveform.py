"""The scalogram of any sound in memory: what ``avsc.scalogram`` is.

Shape legend: n samples, F frames, 2 channels (average, difference), B bands.
"""

import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import soxr
from numpy.typing import ArrayLike, NDArray

from avsc import timebase
from avsc.errors import AvscError
from avsc.signal.features import FeatureExtractor
from avsc.store.schema import ScalogramSettings, StoreSettings

if TYPE_CHECKING:
    import torch

HIGHEST_RATE_HZ = 1_000_000
# The middle and the full scale of the integers that WAV files have.
SCALES = {"uint8": (128, 128), "int16": (0, 1 << 15), "int32": (0, 1 << 31)}


@overload
def scalogram(
    waveform: "torch.Tensor", rate: float, settings: ScalogramSettings | None = None
) -> "torch.Tensor": ...
@overload
def scalogram(
    waveform: ArrayLike, rate: float, settings: ScalogramSettings | None = None
) -> NDArray[np.float32]: ...
def scalogram(
    waveform: "ArrayLike | torch.Tensor", rate: float, settings: ScalogramSettings | None = None
) -> "NDArray[np.float32] | torch.Tensor":
    """The long-term scalogram of a sound, as a store has it (DESIGN section 6).

    >>> tone = np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)
    >>> scalogram(tone, 48_000).shape
    (3, 2, 290)

    Args:
        waveform: Samples of one or two channels, [n], [1 or 2, n] or [n, 1 or 2]: a NumPy array,
            a torch tensor or a list. Floats have full scale 1, integers (uint8, int16,
            int32) that of their type. One channel is used as both, so that their
            difference is silent.
        rate: Samples a second; the sound is resampled to 16 kHz.
        settings: Settings of the filter bank; None for those of the paper, 290 bands.

    Returns:
        float32 [F, 2, B], F = 1 + (samples at 16 kHz - 8192) // 2736: a NumPy array, or a torch
        tensor on the device of the tensor that was given.

    Raises:
        AvscError: The samples are not such an array, not finite, or shorter than a frame (512 ms).
    """
    torch_module = sys.modules.get("torch")  # not imported here: who has a tensor has it
    samples: Any = waveform
    if torch_module is not None and isinstance(waveform, torch_module.Tensor):
        samples = waveform.detach().cpu()
        samples = samples.float().numpy() if samples.is_floating_point() else samples.numpy()
    stereo = _at_model_rate(_stereo(np.asarray(samples)), _checked_rate(rate))
    if stereo.shape[1] < timebase.WINDOW:
        raise AvscError(
            f"a sound of {stereo.shape[1] / timebase.SAMPLE_RATE_HZ:.3f} s",
            "0.512 s at least, the length of a frame",
            "give a longer piece, or pad it with zeros",
        )
    frames = _extractor(settings or ScalogramSettings()).frames(stereo, "scalogram")
    if torch_module is None or not isinstance(waveform, torch_module.Tensor):
        return frames
    tensor: torch.Tensor = torch_module.from_numpy(frames).to(waveform.device)
    return tensor


def _checked_rate(rate: float) -> float:
    if not 0 < rate <= HIGHEST_RATE_HZ:
        raise AvscError(
            f"a rate of {rate} samples a second", "a positive number in hertz, such as 48000"
        )
    return float(rate)


def _stereo(samples: NDArray[Any]) -> NDArray[np.float32]:
    """Samples of any layout and type as float32 [2, n], full scale 1."""
    if samples.ndim not in (1, 2):
        raise _no_waveform(samples)
    channels = samples[None] if samples.ndim == 1 else samples
    if channels.shape[0] > 2:
        channels = channels.T
    if channels.shape[0] not in (1, 2):
        raise _no_waveform(samples)
    if channels.dtype.kind == "f":
        scaled = channels.astype(np.float32)
    elif channels.dtype.name in SCALES:
        middle, half = SCALES[channels.dtype.name]
        scaled = ((channels.astype(np.float64) - middle) / half).astype(np.float32)
    else:
        raise _no_waveform(samples)
    if not np.isfinite(scaled).all():
        wrong = int(np.count_nonzero(~np.isfinite(scaled)))
        raise AvscError(
            f"{wrong} samples are NaN or infinite", "finite samples, full scale 1", "mend the sound"
        )
    return np.broadcast_to(scaled, (2, scaled.shape[1]))


def _no_waveform(samples: NDArray[Any]) -> AvscError:
    return AvscError(
        f"a waveform of the type {samples.dtype} and the shape {list(samples.shape)}",
        "floats, int16, int32 or uint8 of one or two channels, [n], [2, n] or [n, 2]",
        "convert it to float with full scale 1; mix more channels down to two",
    )


def _at_model_rate(stereo: NDArray[np.float32], rate: float) -> NDArray[np.float32]:
    """Resamples as ``avsc prepare`` does."""
    if rate == timebase.SAMPLE_RATE_HZ or not stereo.size:
        return np.ascontiguousarray(stereo)
    resampled = soxr.resample(
        np.ascontiguousarray(stereo.T), rate, timebase.SAMPLE_RATE_HZ, quality="HQ"
    )
    return np.ascontiguousarray(np.asarray(resampled, np.float32).T)


@lru_cache(maxsize=4)
def _extractor(settings: ScalogramSettings) -> FeatureExtractor:
    """The filter bank takes longer to build than a minute of sound to pass it."""
    return FeatureExtractor(StoreSettings(features=("scalogram",), scalogram=settings))
