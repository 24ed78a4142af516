import numpy as np
import pytest

from avsc.synth.plan import CHARACTERS, SynthSettings, clips
from avsc.synth.sounds import FAMILIES, RATE_HZ, make_sound, play, shaped_noise

CLIPS = clips(SynthSettings(2, 2))


def test_a_clip_is_ten_seconds_of_two_different_channels() -> None:
    sound = make_sound(0, CLIPS[0])
    assert sound.shape == (2, 480_000)
    assert sound.dtype == np.float32
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() < 1
    assert 0.01 < np.sqrt(np.mean(sound**2)) < 0.2
    left, right = sound
    assert np.mean((left - right) ** 2) > 0.01 * np.mean((left + right) ** 2)


def test_sound_is_a_function_of_seed_and_clip() -> None:
    first = make_sound(0, CLIPS[2], 1)
    assert np.array_equal(first, make_sound(0, CLIPS[2], 1))
    assert not np.array_equal(first, make_sound(1, CLIPS[2], 1))
    assert not np.array_equal(first, make_sound(0, CLIPS[3], 1))


@pytest.mark.parametrize("family", sorted({c.sound for c in CHARACTERS.values()}))
@pytest.mark.parametrize("lean", [-1.0, 1.0])
def test_every_family_sounds_at_any_length(family: str, lean: float) -> None:
    for samples in (RATE_HZ, 2 * RATE_HZ + 1):
        sound = play(np.random.default_rng(0), samples, FAMILIES[family], lean)
        assert sound.shape == (2, samples)
        assert sound.dtype == np.float32
        assert 0.1 < np.sqrt(np.mean(sound**2)) < 10


def test_every_part_is_heard_at_both_sides_of_its_family() -> None:
    parts = [part for family in FAMILIES.values() for part in family]
    assert min(part.level - abs(part.lean) for part in parts) > 0


def test_shaped_noise_follows_its_corners() -> None:
    noise = shaped_noise(np.random.default_rng(0), RATE_HZ, ((100, -60), (1000, 0), (10_000, -60)))
    power = np.abs(np.fft.rfft(noise)) ** 2
    near, low, high = power[900:1100].mean(), power[90:110].mean(), power[9000:11_000].mean()
    assert near > 1e5 * low
    assert near > 1e5 * high
