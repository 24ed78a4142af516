"""Pieces of a long recording: the same as of a recording read from its start, at less cost."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from avsc.errors import BadClipError
from avsc.media import soundtrack, video
from avsc.media.audio import open_wav
from avsc.media.soundtrack import read_piece
from avsc.media.video import read_pictures
from avsc.store.schema import ImageSettings
from tests.media import make_video
from tests.media.make_video import write_video
from tests.media.test_video import CODECS


@pytest.fixture
def seeking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every recording is long."""
    monkeypatch.setattr(video, "SEEK_FROM", 1)


@pytest.mark.usefixtures("seeking")
@pytest.mark.parametrize("name", CODECS)
def test_pictures_after_seeking_are_those_of_decoding_everything(tmp_path: Path, name: str) -> None:
    path = write_video(tmp_path / name, 100, rate=Fraction(25), **CODECS[name])
    everything = make_video.decode_all(path)
    for first in (90, 35, 55, 75):
        wanted = [first, first + 3, first + 9]
        pictures = read_pictures(path, [n / 25 + 0.02 for n in wanted], ImageSettings())
        for number, picture in zip(wanted, pictures, strict=True):
            np.testing.assert_array_equal(picture.rgb, everything[number])


@pytest.mark.usefixtures("seeking")
@pytest.mark.parametrize("name", ["x264.mp4", "x264.mkv", "open_groups.mp4", "vp9.webm"])
def test_a_late_piece_is_not_read_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = write_video(tmp_path / name, 200, rate=Fraction(25), **CODECS[name])
    list(read_pictures(path, [0.5], ImageSettings()))  # learns the times of the packets

    def from_start(*_: object) -> Iterator[object]:
        raise AssertionError("it is read from the start")

    monkeypatch.setattr(video, "demux", from_start)
    assert len(list(read_pictures(path, [7.1, 7.9], ImageSettings()))) == 2


def test_a_file_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    for frames in (100, 60):
        write_video(path, frames, rate=Fraction(25))
        read_piece_of_pictures = list(read_pictures(path, [2.0], ImageSettings()))
        assert len(read_piece_of_pictures) == 1
    with pytest.raises(BadClipError):
        list(read_pictures(path, [3.5], ImageSettings()))


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_pieces_of_sound_are_those_of_one_stream_in_any_order(tmp_path: Path, rate: int) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (25 * rate, 2))
    path = tmp_path / "a.wav"
    soundfile.write(path, noise, rate)
    stream = np.concatenate(list(soundtrack.stream_seconds(path)), axis=1)
    for start in (0.0, 4.0, 2.5, 11.0, 11.0, 20.0, 1.0, 22.0):
        first = round(start * 16_000)
        wanted = stream[:, first : first + 3 * 16_000]
        np.testing.assert_array_equal(read_piece(path, start, 3), wanted)


def test_pieces_of_sound_are_read_once_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros((30 * 16_000, 2)), 16_000)
    opened = []

    def counted(file: Path) -> AbstractContextManager[soundfile.SoundFile]:
        opened.append(file)
        return open_wav(file)

    monkeypatch.setattr("avsc.media.soundtrack.open_wav", counted)
    for start in range(0, 30, 3):
        assert read_piece(path, start, 3).shape == (2, 48_000)
    assert opened == [path]
    soundfile.write(path, np.ones((31 * 16_000, 2)) / 2, 16_000)  # another file now
    assert read_piece(path, 28, 3).max() > 0.4


def test_a_piece_beyond_the_end_is_refused_with_the_length_each_time(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros((5 * 16_000, 2)), 16_000)
    for _ in range(2):
        with pytest.raises(BadClipError, match=r"ends at 5\.000 s"):
            read_piece(path, 4, 3)
    assert read_piece(path, 2, 3).shape == (2, 48_000)
