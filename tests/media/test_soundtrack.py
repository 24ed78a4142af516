from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from avsc.errors import AvscError
from avsc.media import soundtrack
from avsc.media.audio import read_stereo
from avsc.media.timeline import read_timeline

REAL = Path(__file__).parents[2].parent / "shared" / "real"
Samples = NDArray[np.float32]


def _noise(seconds: float, rate: int, channels: int = 2) -> Samples:
    noise = np.random.default_rng(0).standard_normal((round(seconds * rate), channels))
    return np.float32(0.1) * noise.astype(np.float32)


def _write_track(
    path: Path, samples: Samples, rate: int, delay_s: float = 0.0, picture_delay_s: float = 0.0
) -> Path:
    """A lossless sound track in a Matroska file beside a picture, both beginning late."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=10)
        picture.width = picture.height = 64
        picture.pix_fmt = "yuv420p"
        layout = "mono" if samples.shape[1] == 1 else "stereo"
        track = container.add_stream("pcm_f32le", rate=rate, layout=layout)
        for number in range(5):
            grey = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 99, np.uint8))
            grey.pts, grey.time_base = number + round(10 * picture_delay_s), Fraction(1, 10)
            container.mux(picture.encode(grey))
        container.mux(picture.encode())
        for start in range(0, len(samples), 1024):
            piece = np.ascontiguousarray(samples[start : start + 1024]).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(piece, format="flt", layout=layout)
            frame.sample_rate = rate
            frame.pts = start + round(delay_s * rate)
            container.mux(track.encode(frame))
        container.mux(track.encode())
    return path


def test_a_streamed_wav_is_what_reading_it_whole_gives(tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    soundfile.write(path, _noise(10, 48_000), 48_000, subtype="PCM_24")
    streamed = np.concatenate(list(soundtrack.stream_seconds(path)), axis=1)
    assert np.abs(streamed - read_stereo(path, 10)).max() < 1e-6


def test_a_video_s_track_is_what_was_put_in(tmp_path: Path) -> None:
    samples = _noise(3.4, 16_000)
    path = _write_track(tmp_path / "clip.mkv", samples, 16_000)
    seconds = list(soundtrack.stream_seconds(path))
    assert len(seconds) == 3
    assert np.array_equal(np.concatenate(seconds, axis=1).T, samples[:48_000])


def test_a_track_that_begins_late_is_preceded_by_silence(tmp_path: Path) -> None:
    samples = _noise(2, 16_000)
    path = _write_track(tmp_path / "late.mkv", samples, 16_000, delay_s=0.5)
    first, second = list(soundtrack.stream_seconds(path))[:2]
    assert not first[:, :7_900].any()
    assert np.array_equal(second.T, samples[8_000:24_000])


@pytest.mark.parametrize(("lacking", "seconds"), [(1, 2), (159, 2), (161, 1)])
def test_a_last_second_that_lacks_10_ms_or_less_is_padded(
    tmp_path: Path, lacking: int, seconds: int
) -> None:
    path = tmp_path / "clip.wav"
    samples = _noise(2, 16_000)[:-lacking]
    soundfile.write(path, samples, 16_000, subtype="FLOAT")
    streamed = list(soundtrack.stream_seconds(path))
    assert len(streamed) == seconds
    if seconds == 2:
        assert np.array_equal(streamed[1].T[:-lacking], samples[16_000:])
        assert not streamed[1][:, -lacking:].any()


def test_sound_and_picture_count_from_the_same_zero(tmp_path: Path) -> None:
    samples = _noise(2, 16_000)
    path = _write_track(tmp_path / "late.mkv", samples, 16_000, 0.5, picture_delay_s=0.5)
    first, second = list(soundtrack.stream_seconds(path))[:2]
    assert not first[:, :7_900].any()
    assert np.array_equal(second.T, samples[8_000:24_000])
    timeline = read_timeline(path)
    assert timeline.seconds(timeline.shown[0]) == pytest.approx(0.5, abs=0.002)


def test_one_channel_is_used_as_both(tmp_path: Path) -> None:
    path = _write_track(tmp_path / "mono.mkv", _noise(1, 16_000, 1), 16_000)
    (second,) = soundtrack.stream_seconds(path)
    assert np.array_equal(second[0], second[1])
    assert second.any()


@pytest.mark.skipif(not REAL.exists(), reason="the real media are not here")
def test_the_real_videos_tracks_last_as_long_as_they_say() -> None:
    assert len(list(soundtrack.stream_seconds(REAL / "video" / "nasa_two_streams.mp4"))) == 13


def _html(path: Path) -> None:
    path.write_text("<html>not found</html>")


def _truncated(path: Path) -> None:
    soundfile.write(path, _noise(2, 16_000), 16_000)
    path.write_bytes(path.read_bytes()[:-1000])


def _nan(path: Path) -> None:
    samples = _noise(2, 16_000)
    samples[12_345] = np.nan
    soundfile.write(path, samples, 16_000, subtype="FLOAT")


@pytest.mark.parametrize(
    ("name", "make"),
    [("page.mp4", _html), ("page.wav", _html), ("nan.wav", _nan), ("cut.wav", _truncated)],
)
def test_what_is_no_sound_is_refused(
    tmp_path: Path, name: str, make: Callable[[Path], None]
) -> None:
    make(tmp_path / name)
    with pytest.raises(AvscError) as caught:
        list(soundtrack.stream_seconds(tmp_path / name))
    assert name in caught.value.got


def test_a_video_without_sound_says_what_to_give(tmp_path: Path) -> None:
    path = tmp_path / "mute.mp4"
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=10)
        picture.width = picture.height = 64
        picture.pix_fmt = "yuv420p"
        grey = np.full((64, 64, 3), 99, np.uint8)
        container.mux(picture.encode(av.VideoFrame.from_ndarray(grey)))
        container.mux(picture.encode())
    with pytest.raises(AvscError) as caught:
        list(soundtrack.stream_seconds(path))
    assert str(path) in caught.value.got
    assert "--audio" in caught.value.remedy
