"""A clip's sound: its scene's family heard in its location's room, through its microphone.

Shapes: [2, n] left and right, n samples at 24 kHz until the last step resamples to 48 kHz.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
import soxr

from avsc.synth.plan import CHARACTERS, ClipPlan, Place, SoundFamily, generator
from avsc.synth.sounds import (
    FAMILIES,
    RATE_HZ,
    Signal,
    equalised,
    onsets,
    pan,
    shaped_noise,
    slow_curve,
    unit,
)

WAV_RATE_HZ = 48_000
HISS = 1e-4  # of full scale: the microphone's own noise, the only thing above 12 kHz
LEAN_SPREAD = 0.5  # of a clip around its scene's side: the hint is right in most clips only
GUSTS_PER_S = 0.07
PEAK = 0.9
QUIETEST, LOUDEST = 0.02, 0.09  # power of a clip's samples, full scale is 1


@dataclass(frozen=True)
class Room:
    """How a location changes every sound made in it."""

    response: Signal  # [2, K]
    equaliser: list[tuple[float, float]]  # (Hz, dB)
    background: list[tuple[float, float]]
    background_level: float
    other: SoundFamily  # what is heard from next door
    other_level: float


def make_room(seed: int, place: Place) -> Room:
    """The room of a location."""
    rng = generator(seed, place.name, "room")
    wet = rng.uniform(0.1, 0.8)
    length = int(RATE_HZ * rng.uniform(0.15, 0.9))
    tail = rng.standard_normal((2, length)) * np.exp(-6 * np.arange(length) / length)
    response = (wet * tail / np.sqrt(np.sum(tail**2, axis=1, keepdims=True))).astype(np.float32)
    response[:, 0] += 1.0
    corners_hz = np.geomspace(40, 11_000, 7).tolist()
    families = [name for name in FAMILIES if name != CHARACTERS[place.scene].sound]
    return Room(
        response,
        [(hz, float(rng.normal(0, 2.5))) for hz in corners_hz],
        [(hz, float(rng.normal(-5 * number, 5))) for number, hz in enumerate(corners_hz)],
        float(rng.uniform(0.1, 0.3)),
        families[rng.integers(len(families))],
        float(rng.uniform(0.0, 0.25)),
    )


def make_sound(seed: int, clip: ClipPlan, seconds: int = 10) -> Signal:
    """The samples of a clip at 48 kHz, float32 [2, seconds * 48000] within -0.95 to 0.95."""
    n = seconds * RATE_HZ
    room = make_room(seed, clip.place)
    rng = generator(seed, clip.id, "sound")
    character = CHARACTERS[clip.place.scene]
    lean = character.sound_lean + LEAN_SPREAD * rng.standard_normal()
    lean = float(np.clip(lean, -1, 1))
    sound = unit(FAMILIES[character.sound](rng, n, lean))
    # Half as long and heard twice: nobody listens to what is next door.
    other = unit(FAMILIES[room.other](rng, -(-n // 2), float(rng.uniform(-1, 1))))
    other = np.concatenate([other, other], axis=1)[:, :n]
    sound += room.other_level * rng.uniform(0.5, 1.5) * other
    sound = _reverberated(sound, room.response)
    background = np.stack([shaped_noise(rng, n, room.background) for _ in range(2)])
    sound = unit(sound) + room.background_level * background + _gusts(rng, n)
    sound = unit(equalised(sound, room.equaliser)) * rng.uniform(QUIETEST, LOUDEST)
    sound *= min(1.0, PEAK / float(np.max(np.abs(sound))))
    wide = np.stack([soxr.resample(channel, RATE_HZ, WAV_RATE_HZ) for channel in sound])
    hiss = HISS * rng.standard_normal(wide.shape, np.float32)
    samples: Signal = np.clip(wide + hiss, -0.95, 0.95)
    return samples


def _reverberated(sound: Signal, response: Signal) -> Signal:
    n = sound.shape[1]
    size = scipy.fft.next_fast_len(n + response.shape[1], real=True)
    spectrum = scipy.fft.rfft(sound, size) * scipy.fft.rfft(response, size)
    return np.asarray(scipy.fft.irfft(spectrum, size)[:, :n], np.float32)


def _gusts(rng: np.random.Generator, n: int) -> Signal:
    """Wind in the microphone or a rattling bag, loud enough to hide everything for a second."""
    covering = np.zeros((2, n), np.float32)
    t = (np.arange(n) / RATE_HZ).astype(np.float32)
    for start in onsets(rng, n, GUSTS_PER_S):
        points = [(30.0, 10.0), (150.0, 4.0), (1000.0, float(rng.uniform(-16, 2))), (9000.0, -8.0)]
        shape = np.exp(-(((t - start / RATE_HZ) / rng.uniform(0.5, 1.0)) ** 4))
        gust = shaped_noise(rng, n, points) * shape * np.exp(0.3 * slow_curve(rng, n, 8))
        covering += pan(rng.uniform(3, 8) * gust, rng.uniform(-0.5, 0.5))
    return covering
