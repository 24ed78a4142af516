"""Which of a file's streams is read."""

from pathlib import Path

import av
import pytest

from tests.media import make_video
from tests.media.make_video import number_of, numbered_picture
from tests.media.reading import REAL, assert_refused, needs_real, read


@needs_real
def test_of_two_video_streams_the_one_with_more_pixels_is_read() -> None:
    pictures = read(REAL / "nasa_two_streams.mp4")
    assert {p.rgb.shape for p in pictures} == {(270, 480, 3)}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_more_pixels_win_in_either_order(tmp_path: Path, order: tuple[int, int]) -> None:
    sizes = [(96, 160), (120, 200)]
    path = make_video.write_two_videos(tmp_path / "two.mkv", [sizes[i] for i in order])
    assert read(path, [0.5])[0].rgb.shape == (120, 200, 3)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("stills", [[0, 40], [0]])
def test_stills_of_more_pixels_beside_a_film_are_not_the_film(
    tmp_path: Path, order: int, stills: list[int]
) -> None:
    tracks = [((240, 400), stills), ((96, 160), range(90))][::order]
    path = make_video.write_two_videos(
        tmp_path / "motion.mp4", [size for size, _ in tracks], [frames for _, frames in tracks]
    )
    pictures = read(path, [0.5, 1.5, 2.5])
    assert [(p.rgb.shape[0], number_of(p.rgb)) for p in pictures] == [(96, 14), (96, 44), (96, 74)]


@needs_real
def test_a_file_without_a_frame_count_is_read() -> None:
    assert len(read(REAL / "pancake.mkv")) == 10


def test_cover_art_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=1)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = 480, 640, "yuvj420p"
        stream.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(numbered_picture(1, 480, 640), format="rgb24")
        container.mux(stream.encode(picture.reformat(format="yuvj420p")))
        container.mux(stream.encode(None))
    assert_refused(path, [0.5])


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    assert_refused(make_video.write_audio(tmp_path / "sound.mp4"))
