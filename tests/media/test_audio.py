"""WAV files of every kind that a data set may hold, made byte by byte where they are bad."""

import contextlib
import io
import math
import os
import struct
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from avsc.errors import BadClipError
from avsc.media.audio import read_stereo
from avsc.signal.features import FeatureExtractor
from avsc.store.schema import StoreSettings

Array = NDArray[np.float64]
CASES = Path(__file__).parents[3] / "shared/cases"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not here")


def noise(frames: int, channels: int = 2) -> Array:
    return np.random.default_rng(0).uniform(-0.5, 0.5, (frames, channels))


def write(path: Path, samples: Array, rate: int = 48_000, subtype: str = "PCM_24") -> Path:
    soundfile.write(path, samples, rate, subtype=subtype, format="WAV")
    return path


def chunk(name: bytes, body: bytes, claimed: int | None = None) -> bytes:
    length = len(body) if claimed is None else claimed
    return name + struct.pack("<I", length) + body + b"\0" * (len(body) % 2)


def layout(
    coding: int = 1, channels: int = 2, rate: int = 48_000, bits: int = 16, frame: int | None = None
) -> bytes:
    frame = channels * bits // 8 if frame is None else frame
    return struct.pack("<HHIIHH", coding, channels, rate, rate * frame & 0xFFFFFFFF, frame, bits)


def riff(*chunks: bytes) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def second_of_16_bit() -> bytes:
    return (noise(48_000) * 32_000).astype("<i2").tobytes()


def reason(path: Path, seconds: int = 1) -> str:
    with pytest.raises(BadClipError) as failure:
        read_stereo(path, seconds)
    assert str(path) in failure.value.got
    return failure.value.got


# --- good files ----------------------------------------------------------------------------------


def test_real_clips_of_any_length_within_a_sample_become_ten_seconds(
    real_audio: list[Path],
) -> None:
    lengths = set()
    for path in real_audio:
        lengths.add(soundfile.info(path).frames)
        stereo = read_stereo(path, 10)
        assert stereo.shape == (2, 160_000)
        assert stereo.dtype == np.float32
        assert stereo.flags.c_contiguous
        assert np.isfinite(stereo).all()
        assert not np.array_equal(stereo[0], stereo[1])
    assert lengths == {479_999, 480_000, 480_001}


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("container", ["WAV", "WAVEX", "RF64"])
def test_every_coding_keeps_its_samples(tmp_path: Path, subtype: str, container: str) -> None:
    bits = 7 if subtype == "PCM_U8" else 15
    samples = np.round(noise(16_000) * 2**bits) / 2**bits  # what each coding can hold exactly
    path = tmp_path / "a.wav"
    soundfile.write(path, samples, 16_000, subtype=subtype, format=container)
    # At 16 kHz nothing is resampled.
    np.testing.assert_array_equal(read_stereo(path, 1), samples.T.astype(np.float32))


SIZE_UNKNOWN = [0, 0x7FFFFFFF, 0xFFFFFFFF]


@pytest.mark.parametrize("riff_size", [None, *SIZE_UNKNOWN])
@pytest.mark.parametrize("data_size", SIZE_UNKNOWN)
def test_a_size_that_a_pipe_could_not_know_means_to_the_end(
    tmp_path: Path, riff_size: int | None, data_size: int
) -> None:
    sound = second_of_16_bit()[:64_000]
    content = riff(chunk(b"fmt ", layout(rate=16_000)), chunk(b"data", sound, data_size))
    if riff_size is not None:
        content = content[:4] + struct.pack("<I", riff_size) + content[8:]
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    expected = np.frombuffer(sound, "<i2").reshape(-1, 2).T / np.float32(2**15)
    np.testing.assert_array_equal(read_stereo(path, 1), expected)


@needs_cases
@pytest.mark.parametrize(("name", "offset"), [("rf64.wav", 114), ("streamed.wav", 78)])
def test_files_as_pipes_and_long_recorders_write_them_are_read(name: str, offset: int) -> None:
    path = CASES / name
    sound = np.frombuffer(path.read_bytes(), "<i2", offset=offset).reshape(-1, 2) / 2**15
    assert sound.shape == (48_000, 2)
    expected = soxr.resample(sound.astype(np.float32), 48_000, 16_000, quality="HQ").T
    np.testing.assert_allclose(read_stereo(path, 1), expected, atol=1e-6)


def test_the_extremes_of_24_bits_are_decoded(tmp_path: Path) -> None:
    values = np.resize(np.array([-(2**23), 2**23 - 1, -1, 0, 1, 255, 256]), 32_000)
    data = b"".join(int(value).to_bytes(3, "little", signed=True) for value in values)
    path = tmp_path / "a.wav"
    path.write_bytes(riff(chunk(b"fmt ", layout(rate=16_000, bits=24)), chunk(b"data", data)))
    expected = (values / 2**23).astype(np.float32).reshape(-1, 2).T
    np.testing.assert_array_equal(read_stereo(path, 1), expected)


def test_other_chunks_before_and_behind_the_sound_are_passed_over(tmp_path: Path) -> None:
    plain, dressed = tmp_path / "plain.wav", tmp_path / "dressed.wav"
    sound = chunk(b"data", second_of_16_bit())
    plain.write_bytes(riff(chunk(b"fmt ", layout()), sound))
    odd = chunk(b"LIST", b"INFO odd")  # an odd chunk carries a byte of padding
    dressed.write_bytes(
        riff(odd + chunk(b"junk", b"abc"), chunk(b"fmt ", layout()), odd, sound, odd)
    )
    np.testing.assert_array_equal(read_stereo(dressed, 1), read_stereo(plain, 1))


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_a_tone_keeps_its_pitch_level_and_phase_at_any_rate(tmp_path: Path, rate: int) -> None:
    def wave(at: int) -> Array:
        phase = 2 * np.pi * 1000 * np.arange(at) / at
        return np.stack([0.5 * np.sin(phase), 0.25 * np.cos(phase)], axis=1)

    stereo = read_stereo(write(tmp_path / "a.wav", wave(rate), rate), 1)
    middle = slice(1000, 15_000)
    np.testing.assert_allclose(stereo[:, middle], wave(16_000).T[:, middle], atol=1e-4)


def test_a_16_khz_file_comes_through_untouched(tmp_path: Path) -> None:
    samples = noise(16_000)
    path = write(tmp_path / "a.wav", samples, 16_000, "FLOAT")
    np.testing.assert_array_equal(read_stereo(path, 1), samples.T.astype(np.float32))


def test_the_resampler_kills_a_9_khz_tone_and_keeps_one_of_7_khz(tmp_path: Path) -> None:
    def level_db(hz: float) -> float:
        wave = 0.5 * np.sin(2 * np.pi * hz * np.arange(48_000) / 48_000)
        path = write(tmp_path / "a.wav", np.stack([wave, wave], axis=1), subtype="FLOAT")
        inside = read_stereo(path, 1)[0, 1000:15_000]
        return float(10 * np.log10(np.mean(inside**2) / 0.125))

    assert level_db(9_000) < -90
    assert abs(level_db(7_000)) < 0.1


def test_channels_stay_apart_and_in_order(tmp_path: Path) -> None:
    samples = noise(48_000)
    samples[:, 1] = 0
    stereo = read_stereo(write(tmp_path / "a.wav", samples), 1)
    assert np.abs(stereo[0]).max() > 0.1
    np.testing.assert_array_equal(stereo[1], 0)


def test_silence_is_kept_and_has_finite_features(tmp_path: Path) -> None:
    stereo = read_stereo(write(tmp_path / "a.wav", np.zeros((48_000, 2))), 1)
    assert not stereo.any()
    for views in FeatureExtractor(StoreSettings(clip_seconds=1)).clip(stereo).values():
        assert np.isfinite(views.clip).all()


@pytest.mark.parametrize("frames", [479_999, 480_000, 480_001, 479_520, 480_480])
def test_ten_milliseconds_more_or_less_are_cut_or_padded(tmp_path: Path, frames: int) -> None:
    samples = noise(480_480)
    stereo = read_stereo(write(tmp_path / "a.wav", samples[:frames]), 10)
    exact = read_stereo(write(tmp_path / "b.wav", samples[:480_000]), 10)
    assert stereo.shape == (2, 160_000)
    common = min(frames, 480_000) // 3 - 200  # the resampler's reach
    np.testing.assert_allclose(stereo[:, :common], exact[:, :common], atol=1e-6)


@pytest.mark.parametrize("frames", [479_519, 480_481, 355_200, 48_000, 0])
def test_a_clip_more_than_ten_milliseconds_off_is_bad(tmp_path: Path, frames: int) -> None:
    path = write(tmp_path / "a.wav", noise(frames))
    assert f"lasts {frames / 48_000:.3f} s" in reason(path, seconds=10)


# --- channels ------------------------------------------------------------------------------------


def test_mono_is_refused_with_the_option_that_allows_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", noise(48_000, channels=1))
    with pytest.raises(BadClipError) as failure:
        read_stereo(path, 1)
    assert "--mono duplicate" in failure.value.remedy


def test_mono_is_heard_on_both_sides_if_asked_for(tmp_path: Path) -> None:
    samples = noise(16_000, channels=1)
    path = write(tmp_path / "a.wav", samples, 16_000, "FLOAT")
    stereo = read_stereo(path, 1, mono="duplicate")
    np.testing.assert_array_equal(stereo, np.tile(samples.T.astype(np.float32), (2, 1)))


def test_duplicate_leaves_stereo_as_it_is(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", noise(48_000))
    np.testing.assert_array_equal(read_stereo(path, 1, mono="duplicate"), read_stereo(path, 1))


def test_more_than_two_channels_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", noise(48_000, channels=6))
    assert "has 6 channels" in reason(path)


# --- bad files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [481 * 6, 1_440_000, 2_879_999])
def test_a_file_that_lacks_more_than_ten_milliseconds_is_bad(tmp_path: Path, missing: int) -> None:
    path = write(tmp_path / "a.wav", noise(480_000))
    os.truncate(path, path.stat().st_size - missing)
    frames = (2_880_000 - missing) // 6
    assert f"{frames / 48_000:.3f} s" in reason(path, seconds=10)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html><html><body>404 Not Found</body></html>", "HTML"),
        (b"\n  <html></html>", "HTML"),
        (b"\0" * 2_000_000, "begins with"),
        (b"RIFF\x24\0\0\0AVI ", "begins with b'RIFF'"),
        (b"RIFF\x24\0\0\0WAVE", "header"),
        (b"RIFF\x24\0\0\0WAVEfm", "header"),
        (b"\0\0\0\x20ftypisom", "begins with"),
        (riff(chunk(b"data", bytes(1000))), "header"),
        (riff(chunk(b"fmt ", b"\1\0"), chunk(b"data", bytes(1000))), "header"),
    ],
)
def test_a_file_that_is_no_wav_is_called_what_it_is(
    tmp_path: Path, content: bytes, found: str
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    assert found in reason(path)


def test_a_flac_file_named_wav_is_bad(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, noise(48_000), 48_000, format="FLAC", subtype="PCM_24")
    path = tmp_path / "a.wav"
    path.write_bytes(buffer.getvalue())
    assert "begins with b'fLaC'" in reason(path)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e7, 1e300])
@pytest.mark.parametrize("channel", [0, 1])
def test_one_sample_that_is_no_sound_makes_the_clip_bad(
    tmp_path: Path, value: float, channel: int
) -> None:
    samples = noise(48_000)
    samples[12_345, channel] = value
    path = write(tmp_path / "a.wav", samples, subtype="DOUBLE")
    assert "1 samples are NaN, infinite or beyond" in reason(path)


@pytest.mark.parametrize("rate", [0, 1, 8_000, 15_999, 384_001, 4_000_000_000])
def test_a_rate_that_no_recorder_has_is_refused(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "a.wav"
    sound = chunk(b"data", second_of_16_bit())
    path.write_bytes(riff(chunk(b"fmt ", layout(rate=rate)), sound))
    said = reason(path)
    # libsndfile itself refuses the first and the last.
    assert str(rate) in said or rate in (0, 4_000_000_000)


@pytest.mark.parametrize(
    ("format_chunk", "claimed"),
    [
        (layout(), 4_000_000_000),
        (layout(channels=2, bits=24), 3_000_000_000),
        (layout(channels=65_535, bits=8), 2_000_000_000),
        (layout(channels=0, frame=4), None),
        (layout(bits=0, frame=4), None),
        (layout(frame=0), None),
        (layout(bits=64), None),
        (layout(coding=3, bits=16), None),
        (layout(coding=0xFFFE), None),
    ],
)
def test_a_lying_header_is_refused_before_anything_is_allocated(
    tmp_path: Path, format_chunk: bytes, claimed: int | None
) -> None:
    path = tmp_path / "a.wav"
    sound = chunk(b"data", second_of_16_bit(), claimed)
    path.write_bytes(riff(chunk(b"fmt ", format_chunk), sound))
    tracemalloc.start()
    try:
        reason(path, seconds=2)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_missing_file_and_a_folder_are_bad(tmp_path: Path) -> None:
    assert "cannot read" in reason(tmp_path / "absent.wav")
    assert "cannot read" in reason(tmp_path)


WAV = riff(chunk(b"fmt ", layout(rate=16_000)), chunk(b"data", second_of_16_bit()[:64_000]))


@settings(deadline=None, max_examples=300)
@given(
    changes=st.dictionaries(st.integers(0, 43), st.integers(0, 255), max_size=4),
    kept=st.one_of(st.just(len(WAV)), st.integers(0, len(WAV))),
)
def test_any_damaged_header_gives_a_second_of_sound_or_a_reason(
    changes: dict[int, int], kept: int
) -> None:
    content = bytearray(WAV)
    for place, value in changes.items():
        content[place] = value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.wav"
        path.write_bytes(content[:kept])
        with contextlib.suppress(BadClipError):
            stereo = read_stereo(path, 1)
            assert stereo.shape == (2, 16_000)
            assert np.isfinite(stereo).all()
