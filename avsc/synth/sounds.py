"""The five families of sound, dry: what is heard before room, equaliser and background.

Shapes: n samples at 24 kHz (the room's output is resampled). Every family returns float32 [2, n]
(left, right), a mixture of parts whose balance the scene's lean decides in part.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from avsc.synth.plan import SoundFamily

RATE_HZ = 24_000

Signal = NDArray[np.float32]


def unit(signal: Signal) -> Signal:
    """The signal at unit power (silence stays silent)."""
    return signal / max(float(np.sqrt(np.mean(signal**2))), 1e-9)


def shaped_noise(rng: np.random.Generator, n: int, points: list[tuple[float, float]]) -> Signal:
    """Noise whose spectrum runs through (Hz, dB) points, straight in log frequency, [n]."""
    # White noise has a white spectrum, so it is drawn there and one transform is saved.
    white = rng.standard_normal(2 * (n // 2 + 1), np.float32).view(np.complex64)
    return unit(np.asarray(scipy.fft.irfft(white * gains(n, points), n), np.float32))


def equalised(signal: Signal, points: list[tuple[float, float]]) -> Signal:
    """The signal [..., n] through a filter whose gain runs through (Hz, dB) points."""
    n = signal.shape[-1]
    return np.asarray(scipy.fft.irfft(scipy.fft.rfft(signal) * gains(n, points), n), np.float32)


def gains(n: int, points: list[tuple[float, float]]) -> Signal:
    """The gain of each bin of a real transform of n samples, [n // 2 + 1]."""
    corner_hz, level_db = zip(*points, strict=True)
    hz = np.maximum(scipy.fft.rfftfreq(n, 1 / RATE_HZ), 1.0)
    gain_db = np.interp(np.log(hz), np.log(corner_hz), level_db)
    return np.asarray(10 ** (gain_db / 20), np.float32)


def glide(hz: Signal | NDArray[np.float64]) -> Signal:
    """The phase of a tone of changing pitch, [n]."""
    # Summed in double precision and wrapped: float32 would be out of tune within a second.
    turns = np.cumsum(hz, dtype=np.float64) / RATE_HZ
    return (2 * np.pi * (turns % 1.0)).astype(np.float32)


def slow_curve(rng: np.random.Generator, n: int, points_per_s: float) -> Signal:
    """A smooth random curve around 0 with deviation about 1, [n]."""
    count = max(4, int(n / RATE_HZ * points_per_s) + 3)
    points = rng.standard_normal(count)
    curve = np.interp(np.linspace(0, count - 1, n), np.arange(count), points)
    return curve.astype(np.float32)


def pan(signal: NDArray[np.floating[Any]], position: float | Signal) -> Signal:
    """A mono signal between left (-1) and right (1) at constant power, [2, n]."""
    angle = np.asarray((np.clip(position, -1, 1) + 1) * np.pi / 4, np.float32)
    return np.stack([np.cos(angle) * signal, np.sin(angle) * signal]).astype(np.float32, copy=False)


def add_at(target: Signal, start: int, piece: Signal) -> None:
    """Adds [2, k] to [2, n] from a sample on; what is beyond the end is dropped."""
    room = max(target.shape[1] - start, 0)
    target[:, start : start + piece.shape[1]] += piece[:, :room]


def fading(n: int, decay_s: float) -> Signal:
    """An exponential decay from 1, [n]."""
    curve: Signal = np.exp(-np.arange(n) / (RATE_HZ * decay_s)).astype(np.float32)
    return curve


def onsets(rng: np.random.Generator, n: int, per_second: float) -> list[int]:
    """Random sample positions at a mean rate."""
    count = rng.poisson(per_second * n / RATE_HZ)
    return sorted(int(start) for start in rng.integers(0, n, count))


def _voice(rng: np.random.Generator, n: int) -> Signal:
    """Someone talking: formant noise and a pitch, switched by syllables."""
    pitch_hz = rng.uniform(95, 240) * np.exp(0.12 * slow_curve(rng, n, 3))
    phase = glide(pitch_hz)
    buzz = np.sin(phase) + 0.6 * np.sin(2 * phase) + 0.4 * np.sin(3 * phase + 1)
    first_hz, second_hz = rng.uniform(350, 800), rng.uniform(1000, 2400)
    breath = shaped_noise(
        rng,
        n,
        [(80, -60), (first_hz, 0), (first_hz * 1.6, -14), (second_hz, -6), (6000, -26)],
    )
    syllables = np.maximum(slow_curve(rng, n, rng.uniform(7, 10)) + 0.1, 0)
    talk: Signal = (0.5 * buzz + breath) * syllables
    return talk


def _ring(rng: np.random.Generator, pitch_hz: float, decay_s: float) -> Signal:
    """A struck bell: partials that are no harmonics, [2, k]."""
    t = np.arange(int(RATE_HZ * min(4 * decay_s, 3))) / RATE_HZ
    partials = zip((1, 2.01, 2.76, 5.4, 8.9), (1, 0.5, 0.45, 0.3, 0.15), strict=True)
    tone = sum(
        (level * np.exp(-t * ratio**0.5 / decay_s) * np.sin(2 * np.pi * pitch_hz * ratio * t))
        for ratio, level in partials
    )
    return pan(np.asarray(tone, np.float32), rng.uniform(-0.8, 0.8))


def babble(rng: np.random.Generator, n: int, lean: float) -> Signal:
    """Many voices in a hall; music (lean 1) or chimes (lean -1)."""
    sound = np.zeros((2, n), np.float32)
    for _ in range(5):
        sound += pan(_voice(rng, n), rng.uniform(-1, 1))
    sound = unit(sound)
    music = np.zeros(n, np.float32)
    for note in rng.choice([0, 3, 5, 7, 10, 12, 15], 4, replace=False):
        level = np.maximum(slow_curve(rng, n, 2), 0)
        music += level * np.sin(glide(np.full(n, 220 * 2 ** (note / 12))))
    chimes = np.zeros((2, n), np.float32)
    for start in onsets(rng, n, 0.5):
        for number, interval in enumerate((1, 1.26, 1.5)):
            strike = _ring(rng, 520 * interval, 0.5)
            add_at(chimes, start + number * RATE_HZ // 3, strike)
    sound += (0.25 + 0.2 * lean) * pan(unit(music), 0.2) + (0.4 - 0.25 * lean) * chimes
    return sound


def rails(rng: np.random.Generator, n: int, lean: float) -> Signal:
    """Rolling on rails: rumble, joints and squeal; braking and air (lean 1) or speed (-1)."""
    speed = 1.0 - 0.25 * lean + 0.15 * slow_curve(rng, n, 0.4)
    rumble = shaped_noise(rng, n, [(20, -6), (60, 6), (160, -2), (500, -16), (4000, -40)])
    roar = shaped_noise(rng, n, [(100, -30), (700, -4), (1400, 0), (3000, -14), (9000, -40)])
    sound = pan(rumble * np.maximum(speed, 0.2), 0.0) + pan(0.35 * roar * speed**2, 0.3)
    squeal_hz = rng.uniform(2300, 3600) * np.exp(0.05 * slow_curve(rng, n, 1.5))
    squeal = np.sin(glide(squeal_hz))
    squeal *= np.maximum(slow_curve(rng, n, 1.2) - 0.5 + 0.4 * lean, 0)
    sound += pan(0.3 * squeal, -0.4)
    gap = int(RATE_HZ * rng.uniform(0.55, 0.9))
    for start in range(int(rng.integers(gap)), n, gap):
        for offset in (0, RATE_HZ // 9):
            knock = shaped_noise(rng, 2400, [(50, 0), (250, 3), (900, -10), (6000, -40)])
            add_at(sound, start + offset, pan(1.5 * knock * fading(2400, 0.019), 0.1))
    return sound


def engines(rng: np.random.Generator, n: int, lean: float) -> Signal:
    """Motors: one that stays (lean 1), others that pass by with their tyres (lean -1)."""
    sound = pan((0.75 + 0.35 * lean) * _motor(rng, n, rng.uniform(24, 42)), -0.1)
    for start in onsets(rng, n, 0.35 - 0.15 * lean):
        length = int(RATE_HZ * rng.uniform(2.5, 5))
        t = np.linspace(-1, 1, length, dtype=np.float32)
        tyres = shaped_noise(
            rng, length, [(60, -12), (300, -4), (900, 0), (2200, -10), (8000, -34)]
        )
        passing = (tyres + 0.6 * _motor(rng, length, rng.uniform(45, 90))) * np.exp(-7 * t**2)
        add_at(sound, start, pan(1.6 * passing, t * rng.choice([-1, 1])))
    hum = shaped_noise(rng, n, [(30, 0), (120, 2), (400, -12), (2000, -30), (9000, -50)])
    return sound + pan(0.4 * hum, 0.0)


def _motor(rng: np.random.Generator, n: int, turns_hz: float) -> Signal:
    """Eighteen harmonics of a speed that wanders."""
    orders = np.arange(1, 19)[:, None]
    levels = 1 / orders ** rng.uniform(0.6, 1.0)
    turn = 2 * np.pi * np.arange(4096) / 4096
    cycle = np.sum(levels * np.sin(orders * turn + rng.uniform(0, 2 * np.pi, (18, 1))), axis=0)
    phase = glide(turns_hz * np.exp(0.18 * slow_curve(rng, n, 0.7)))
    return unit(cycle.astype(np.float32)[(phase * (4096 / (2 * np.pi))).astype(np.int32) % 4096])


def air(rng: np.random.Generator, n: int, lean: float) -> Signal:
    """Out of doors: wind, birds (lean -1), voices further off (lean 1)."""
    wind = shaped_noise(rng, n, [(20, 4), (100, 0), (400, -10), (2000, -22), (12000, -36)])
    sound = pan(0.7 * wind * np.exp(0.4 * slow_curve(rng, n, 0.8)), 0.0)
    leaves = shaped_noise(rng, n, [(300, -40), (2500, -6), (6000, 0), (14000, -12)])
    sound += pan(0.25 * leaves * np.exp(0.5 * slow_curve(rng, n, 1.5)), 0.4)
    for start in onsets(rng, n, 3.0 - 1.2 * lean):
        length = int(RATE_HZ * rng.uniform(0.06, 0.2))
        t = np.linspace(0, 1, length, dtype=np.float32)
        hz = rng.uniform(2800, 6200) * np.exp(rng.uniform(-0.5, 0.5) * t)
        chirp = np.sin(glide(hz)) * np.sin(np.pi * t) ** 2
        position = rng.uniform(-1, 1)
        for repeat in range(int(rng.integers(1, 5))):
            add_at(sound, start + int(1.4 * repeat * length), pan(0.9 * chirp, position))
    for _ in range(2):
        sound += (0.25 + 0.12 * lean) * pan(_voice(rng, n), rng.uniform(-1, 1))
    return sound


def steps(rng: np.random.Generator, n: int, lean: float) -> Signal:
    """Footsteps and a bell: walkers (lean 1) or the bell and an electric hum (lean -1)."""
    sound = np.zeros((2, n), np.float32)
    for _ in range(4):
        gap_s, position = rng.uniform(0.42, 0.62), rng.uniform(-1, 1)
        ring_hz = rng.uniform(500, 1300)
        for start in np.arange(rng.uniform(0, gap_s), n / RATE_HZ, gap_s):
            heel = shaped_noise(
                rng, 1800, [(80, -12), (200, 0), (ring_hz, 4), (3500, -8), (12000, -30)]
            )
            at = int((start + rng.normal(0, 0.01)) * RATE_HZ)
            level = (1.1 + 0.3 * lean) * rng.uniform(0.6, 1.3)
            piece = pan(level * heel * fading(1800, 0.010), position)
            add_at(sound, max(at, 0), piece)
    for start in onsets(rng, n, 0.55 - 0.2 * lean):
        add_at(sound, start, 0.9 * _ring(rng, rng.uniform(900, 1150), 0.35))
    whine_hz = 310 * np.exp(0.15 * slow_curve(rng, n, 0.5))
    phase = glide(whine_hz)
    hum = np.sin(phase) + 0.5 * np.sin(2 * phase) + 0.4 * np.sin(5 * phase)
    sound += pan((0.17 - 0.1 * lean) * hum, 0.1)
    return sound + 0.15 * pan(_voice(rng, n), rng.uniform(-1, 1))


FAMILIES: dict[SoundFamily, Callable[[np.random.Generator, int, float], Signal]] = {
    "babble": babble,
    "rails": rails,
    "engines": engines,
    "air": air,
    "steps": steps,
}
