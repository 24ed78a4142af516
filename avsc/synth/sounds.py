"""A clip's sound: its scene's family, heard in its location's room through its microphone.

A family is a table of parts, such as voices, an engine or footsteps. Signals are float32: mono
[n] or left and right [2, n], at 24 kHz until the last step resamples to 48 kHz.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
import soxr
from numpy.typing import NDArray

from avsc.synth.plan import CHARACTERS, ClipPlan, generator

Signal = NDArray[np.float32]
Range = tuple[float, float]
Corners = tuple[tuple[float, float], ...]  # of a spectrum: (Hz, dB)

RATE_HZ, WAV_RATE_HZ = 24_000, 48_000
HISS = 1e-4  # of full scale: the microphone's own noise, the only thing above 12 kHz
LEAN_SPREAD = 0.5  # of a clip around its scene's side: the hint is right in most clips only
QUIETEST, LOUDEST = 0.02, 0.09  # root mean square of a clip's samples, where full scale is 1
PEAK = 0.9


@dataclass(frozen=True)
class Part:
    """Sources of one kind: noise and a tone, heard all the time or in events."""

    level: float  # at lean 0
    lean: float  # change of the level a unit of lean
    noise: Corners = ()  # of the noise's spectrum; none for no noise
    pitch_hz: Range = (100, 100)
    partials: tuple[Range, ...] = ()  # of the tone: ratio to the pitch, level
    glide: float = 0.0  # standard deviation of the pitch's logarithm within a clip
    bursts: float = 0.0  # points a second of a random curve that switches the source
    threshold: float = 0.0  # added to that curve, whose standard deviation is 1; silent below 0
    copies: int = 1  # number of such sources
    gap_s: Range = (0, 0)  # mean seconds between events; 0 for a source that is always on
    event_s: Range = (1, 1)  # length of an event
    steps: bool = False  # events come at equal steps, not at random
    struck: bool = False  # events begin at once and decay, or else swell and fade
    passes: bool = False  # events move from one side to the other


BELL = ((1, 1), (2.01, 0.5), (2.76, 0.45), (5.4, 0.25), (8.9, 0.1))
CHORD = ((1, 1), (1.26, 0.8), (1.5, 0.8), (2, 0.5), (3, 0.2))
MOTOR = tuple((order, order**-0.8) for order in range(1, 11))
FORMANTS = ((80, -60), (550, 0), (900, -14), (1600, -6), (6000, -26))
VOICE = Part(0.25, 0, FORMANTS, (95, 240), ((1, 0.7), (2, 0.4), (3, 0.3)), 0.12, 8.5, 0.1)
GUSTS = Part(5, 0, ((30, 10), (150, 4), (1000, -7), (9000, -10)), gap_s=(14, 14), event_s=(1, 2.5))

FAMILIES: dict[str, tuple[Part, ...]] = {
    "babble": (  # voices; music; chimes
        replace(VOICE, level=0.45, copies=5),
        Part(0.25, 0.2, (), (200, 300), CHORD, bursts=2, copies=2),
        Part(0.7, -0.4, (), (480, 700), BELL, gap_s=(1, 2.5), event_s=(1, 2), struck=True),
    ),
    "rails": (  # rumble; roar of speed; squealing brakes; joints
        Part(0.9, 0.1, ((20, -6), (60, 6), (160, -2), (500, -16), (4000, -40))),
        Part(0.4, -0.2, ((100, -30), (700, -4), (1400, 0), (3000, -14), (9000, -40))),
        Part(0.3, 0.15, (), (2300, 3600), ((1, 1.4),), 0.05, 1.2, -0.4),
        Part(
            2.5, -0.5, ((50, 0), (250, 3), (900, -10), (6000, -40)), copies=2, gap_s=(0.55, 0.9),
            event_s=(0.1, 0.12), steps=True, struck=True,
        ),
    ),
    "engines": (  # an engine that stays; cars that pass with their tyres; hum of a city
        Part(0.75, 0.35, (), (24, 42), MOTOR, 0.18),
        Part(
            1.5, -0.6, ((60, -12), (300, -4), (900, 0), (2200, -10), (8000, -34)), (45, 90), MOTOR,
            0.1, gap_s=(3, 4), event_s=(3, 6), passes=True,
        ),
        Part(0.4, 0, ((30, 0), (120, 2), (400, -12), (2000, -30), (9000, -50))),
    ),
    "air": (  # wind; leaves; birds; voices further off
        Part(0.7, 0, ((20, 4), (100, 0), (400, -10), (2000, -22), (12000, -36))),
        Part(0.25, 0, ((300, -40), (2500, -6), (6000, 0), (11000, -12))),
        Part(
            0.9, -0.4, (), (2800, 6200), ((1, 1),), 0.15, copies=3, gap_s=(0.3, 0.7),
            event_s=(0.06, 0.2),
        ),
        replace(VOICE, lean=0.12, copies=2),
    ),
    "steps": (  # walkers; a tram's bell; its electric hum; someone talking
        Part(
            1.4, 0.4, ((80, -12), (200, 0), (850, 4), (3500, -8), (11000, -30)), copies=4,
            gap_s=(0.42, 0.62), event_s=(0.06, 0.1), steps=True, struck=True,
        ),
        Part(0.9, -0.3, (), (900, 1150), BELL, gap_s=(1.5, 2.5), event_s=(0.8, 1.5), struck=True),
        Part(0.17, -0.1, (), (290, 330), ((1, 1), (2, 0.5), (5, 0.4)), 0.15),
        replace(VOICE, level=0.15),
    ),
}  # fmt: skip


def play(rng: np.random.Generator, n: int, parts: tuple[Part, ...], lean: float) -> Signal:
    """The parts of a family, dry: without room, equaliser and background, [2, n]."""
    mix = np.zeros((2, n), np.float32)
    for part in parts:
        for _ in range(part.copies):
            level, position = part.level + part.lean * lean, rng.uniform(-0.8, 0.8)
            # Each voice and each pair of shoes has its own pitch and spectrum.
            pitch_hz, shift = rng.uniform(*part.pitch_hz), np.exp(rng.normal(0, 0.2))
            noise = tuple((hz * shift, gain_db) for hz, gain_db in part.noise)
            own = replace(part, pitch_hz=(pitch_hz, pitch_hz), noise=noise)
            if not any(part.gap_s):
                mix += level * _panned(_source(rng, n, own), position)
                continue
            for start in _starts(rng, n, part):
                event = _event(rng, own)
                move = np.linspace(-1, 1, len(event)) if part.passes else 1
                piece = level * rng.uniform(0.6, 1.3) * _panned(event, position * move)
                mix[:, start : start + len(event)] += piece[:, : n - start]
    return mix


def _event(rng: np.random.Generator, part: Part) -> Signal:
    length = int(RATE_HZ * rng.uniform(*part.event_s))
    decay = np.exp(np.linspace(0, -5, length)) if part.struck else np.hanning(length)
    return _source(rng, length, part) * decay.astype(np.float32)


def _source(rng: np.random.Generator, n: int, part: Part) -> Signal:
    sound = shaped_noise(rng, n, part.noise) if part.noise else np.zeros(n, np.float32)
    if part.partials:
        hz = part.pitch_hz[0] * np.exp(part.glide * slow_curve(rng, n, 2))
        # Summed in double precision and wrapped: float32 would be out of tune within a second.
        turns = np.cumsum(hz, dtype=np.float64) / RATE_HZ
        for ratio, level in part.partials:
            phase = ratio * turns + rng.random()
            phase = (2 * np.pi * (phase - np.floor(phase))).astype(np.float32)  # faster than % 1
            sound += level * np.sin(phase)
    if part.bursts:
        sound *= np.maximum(slow_curve(rng, n, part.bursts) + part.threshold, 0)
    return sound


def _starts(rng: np.random.Generator, n: int, part: Part) -> list[int]:
    gap = rng.uniform(*part.gap_s) * RATE_HZ
    starts = rng.uniform(0, n, rng.poisson(n / gap))
    if part.steps:
        starts = np.arange(rng.uniform(0, gap), n, gap)
        starts += rng.normal(0, 0.01 * RATE_HZ, len(starts))
    return [int(start) for start in np.clip(starts, 0, n - 1)]


def unit(signal: Signal) -> Signal:
    """The signal at unit power (silence stays silent)."""
    return signal / max(float(np.sqrt(np.mean(signal**2))), 1e-9)


def equalised(signal: Signal, corners: Corners) -> Signal:
    """The signal [..., n] through a filter whose gain runs through the corners."""
    n = signal.shape[-1]
    corner_hz, gain_db = np.array(corners).T
    hz = np.maximum(scipy.fft.rfftfreq(n, 1 / RATE_HZ), 1.0)
    gains = 10 ** (np.interp(np.log(hz), np.log(corner_hz), gain_db) / 20)
    return np.asarray(scipy.fft.irfft(scipy.fft.rfft(signal) * gains.astype(np.float32), n))


def shaped_noise(rng: np.random.Generator, n: int, corners: Corners) -> Signal:
    """Noise of unit power whose spectrum runs through the corners, [n]."""
    return unit(equalised(rng.standard_normal(n, np.float32), corners))


def slow_curve(rng: np.random.Generator, n: int, points_per_s: float) -> Signal:
    """A random curve around 0 with a deviation of about 1, [n]."""
    count = max(4, int(n / RATE_HZ * points_per_s) + 3)
    curve = np.interp(np.linspace(0, count - 1, n), np.arange(count), rng.standard_normal(count))
    return curve.astype(np.float32)


def _panned(signal: Signal, position: float | NDArray[np.float64]) -> Signal:
    """A mono signal between left (-1) and right (1) at constant power, [2, n]."""
    angle = np.asarray((np.asarray(position) + 1) * np.pi / 4, np.float32)
    return np.stack([np.cos(angle) * signal, np.sin(angle) * signal])


def make_sound(seed: int, clip: ClipPlan, seconds: int = 10) -> Signal:
    """The samples of a clip at 48 kHz, float32 [2, seconds * 48000] within -0.95 to 0.95."""
    n = seconds * RATE_HZ
    room, rng = generator(seed, clip.place.name, "room"), generator(seed, clip.id, "sound")
    character = CHARACTERS[clip.place.scene]
    lean = float(np.clip(character.sound_lean + LEAN_SPREAD * rng.standard_normal(), -1, 1))
    sound = unit(play(rng, n, FAMILIES[character.sound], lean))
    # What is heard from next door, half as long and heard twice: nobody listens to it.
    others = [parts for name, parts in FAMILIES.items() if name != character.sound]
    neighbour = others[room.integers(len(others))]
    other = unit(play(rng, -(-n // 2), neighbour, rng.uniform(-1, 1)))
    sound += room.uniform(0, 0.25) * rng.uniform(0.5, 1.5) * np.tile(other, 2)[:, :n]
    sound = _reverberated(sound, room)
    corners_hz = np.geomspace(40, 11_000, 7)
    equaliser = tuple((hz, room.normal(0, 3)) for hz in corners_hz)
    background = tuple((hz, room.normal(-5 * number, 5)) for number, hz in enumerate(corners_hz))
    noise = np.stack([shaped_noise(rng, n, background) for _ in range(2)])
    sound = unit(sound) + room.uniform(0.1, 0.3) * noise + play(rng, n, (GUSTS,), 0)
    sound = unit(equalised(sound, equaliser)) * rng.uniform(QUIETEST, LOUDEST)
    sound *= min(1.0, PEAK / np.max(np.abs(sound)))
    wide = soxr.resample(sound.T, RATE_HZ, WAV_RATE_HZ).T
    wide += HISS * rng.standard_normal(wide.shape, np.float32)
    samples: Signal = np.clip(wide, -0.95, 0.95)
    return samples


def _reverberated(sound: Signal, rng: np.random.Generator) -> Signal:
    """The sound in a room: what comes straight, and a tail that decays."""
    length = int(RATE_HZ * rng.uniform(0.15, 0.9))
    tail = rng.standard_normal((2, length)) * np.exp(np.linspace(0, -6, length))
    tail *= rng.uniform(0.1, 0.8) / np.sqrt(np.sum(tail**2, axis=1, keepdims=True))
    tail[:, 0] += 1
    # By FFT; scipy.signal, which does the same, takes a second to import in each worker.
    size = scipy.fft.next_fast_len(sound.shape[1] + length, real=True)
    spectrum = scipy.fft.rfft(sound, size) * scipy.fft.rfft(tail.astype(np.float32), size)
    return np.asarray(scipy.fft.irfft(spectrum, size)[:, : sound.shape[1]])
