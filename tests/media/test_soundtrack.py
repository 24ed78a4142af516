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
CASES = Path(__file__).parents[3] / "shared" / "cases"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not here")
Samples = NDArray[np.float32]


def _noise(seconds: float, rate: int, channels: int = 2) -> Samples:
    noise = np.random.default_rng(0).standard_normal((round(seconds * rate), channels))
    return np.float32(0.1) * noise.astype(np.float32)


def _write_track(
    path: Path,
    samples: Samples,
    rate: int,
    delay_s: float = 0.0,
    picture_delay_s: float = 0.0,
    pace: float = 1.0,
) -> Path:
    """A lossless sound track in a Matroska file beside a picture, both beginning late.

    Its clock says that a packet begins ``pace`` of a packet's length after the one before.
    """
    options = {"avoid_negative_ts": "disabled"}
    with av.open(str(path), "w", container_options=options) as container:
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
            frame.pts = round(start * pace) + round(delay_s * rate)
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


@pytest.mark.parametrize("early_s", [0.5, 0.01])
def test_sound_that_begins_before_zero_is_cut(tmp_path: Path, early_s: float) -> None:
    samples = _noise(3, 16_000)
    path = _write_track(tmp_path / "early.mkv", samples, 16_000, delay_s=-early_s)
    sound = np.concatenate(list(soundtrack.stream_seconds(path)), axis=1).T
    begin = round(early_s * 16_000)
    assert np.array_equal(sound, samples[begin : begin + len(sound)])


def test_sound_that_overlaps_is_cut(tmp_path: Path) -> None:
    samples = _noise(4, 16_000)
    path = _write_track(tmp_path / "overlap.mkv", samples, 16_000, pace=0.9)
    sound = np.concatenate(list(soundtrack.stream_seconds(path)), axis=1).T
    assert len(sound) == 48_000  # of 3.6 s
    for packet in range(45):
        begins = round(1024 * packet * 0.9)
        kept = samples[1024 * packet + 900 : 1024 * (packet + 1)]
        # Up to 50 ms of jitter are let pass before anything is cut.
        places = range(begins + 900 - 16, begins + 900 + 800 + 16)
        assert any(np.array_equal(sound[p : p + len(kept)], kept) for p in places), packet


@needs_cases
def test_beeps_of_overlapping_packets_stay_where_they_belong() -> None:
    sound = np.concatenate(list(soundtrack.stream_seconds(CASES / "aoverlap.mkv")), axis=1)
    assert sound.shape[1] == 160_000  # of 10.8 s
    for number in range(11):
        # The beep of k + 0.12 s lies at 0.9 of that time; 50 ms of jitter are let pass.
        begins = round(0.9 * (number + 0.12) * 16_000)
        inside = sound[0, begins + 960 : begins + 1760]
        hz = np.abs(np.fft.rfft(inside * np.hanning(800), 16_000)).argmax()
        assert hz == pytest.approx(300 + 200 * number, abs=60)


@needs_cases
def test_what_is_whole_of_a_recording_that_was_cut_off_is_given_before_the_error() -> None:
    seconds: list[Samples] = []
    with pytest.raises(AvscError) as caught:
        seconds.extend(soundtrack.stream_seconds(CASES / "cut.ts"))
    assert "cut.ts" in caught.value.got
    assert [round((_loudest_hz(second) - 300) / 200) for second in seconds] == list(range(8))


@needs_cases
def test_a_broadcast_s_sound_may_begin_in_the_middle_of_a_frame() -> None:
    seconds = list(soundtrack.stream_seconds(CASES / "midgop.ts"))
    numbers = [round((_loudest_hz(second) - 300) / 200) for second in seconds]
    assert numbers == list(range(numbers[0], numbers[0] + len(seconds)))
    assert len(numbers) >= 10


def test_a_truncated_wav_gives_its_whole_seconds_and_then_says_so(tmp_path: Path) -> None:
    path, samples = tmp_path / "cut.wav", _noise(3, 16_000)
    soundfile.write(path, samples, 16_000, subtype="FLOAT")
    path.write_bytes(path.read_bytes()[:-80_000])
    seconds: list[Samples] = []
    with pytest.raises(AvscError) as caught:
        seconds.extend(soundtrack.stream_seconds(path))
    assert np.array_equal(np.concatenate(seconds, axis=1).T, samples[:32_000])
    assert str(3 * 16_000 * 8) in caught.value.got


@needs_cases
@pytest.mark.parametrize("name", ["rf64.wav", "streamed.wav"])
def test_a_wav_whose_header_does_not_know_its_size_is_whole(name: str) -> None:
    (second,) = soundtrack.stream_seconds(CASES / name)
    assert np.abs(second - read_stereo(CASES / name, 1)).max() < 1e-6


def _loudest_hz(second: Samples) -> float:
    return float(np.abs(np.fft.rfft(second.mean(axis=0))).argmax())


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


def _aac_file(path: Path) -> bytes:
    with av.open(str(path), "w") as container:
        track = container.add_stream("aac", rate=16_000, layout="mono")
        for start in range(0, 32_000, 1024):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts = 16_000, start
            container.mux(track.encode(frame))
        container.mux(track.encode())
    return path.read_bytes()


def _unknown_codec(path: Path) -> None:
    path.write_bytes(_aac_file(path).replace(b"A_AAC", b"A_QQQ"))


def _no_sample_description(path: Path) -> None:
    data = bytearray(_aac_file(path))
    at = data.rindex(b"stsd") + 8
    data[at : at + 4] = bytes(4)
    path.write_bytes(data)


def _rate_of_zero(path: Path) -> None:
    data = bytearray(_aac_file(path))
    element = data.index(b"\xb5\x88", data.index(b"A_AAC")) + 2  # SamplingFrequency, a float64
    data[element : element + 8] = bytes(8)
    path.write_bytes(data.replace(b"\x63\xa2", b"\x63\xa3"))  # and no configuration of AAC's own


def _headers_only(path: Path) -> None:
    data = _aac_file(path)
    path.write_bytes(data[: data.index(b"\x1f\x43\xb6\x75")])  # up to the first cluster


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("codec.mkv", _unknown_codec),
        ("description.mp4", _no_sample_description),
        ("rate.mkv", _rate_of_zero),
        ("headers.mkv", _headers_only),
        ("folder.mp4", Path.mkdir),
        ("absent.mp4", lambda path: None),
        ("http://127.0.0.1:9/sound.mp4", lambda path: None),
    ],
)
def test_sound_that_cannot_be_decoded_is_refused_by_name(
    tmp_path: Path, name: str, make: Callable[[Path], None]
) -> None:
    path = tmp_path / name
    make(path)
    with pytest.raises(AvscError) as caught:
        list(soundtrack.stream_seconds(path))
    assert path.name in caught.value.got


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
