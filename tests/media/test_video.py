"""Pictures by time."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from avsc.errors import BadClipError
from avsc.media.timeline import read_timeline
from tests.media import make_video
from tests.media.make_video import NTSC, number_of, write_video
from tests.media.reading import (
    CASES,
    KEYFRAMES,
    SIGNED_UNITS,
    TEN_S,
    assert_refused,
    needs_cases,
    numbers,
    numbers_at,
    read,
)


def test_the_image_of_each_second_is_the_frame_on_screen_half_way(plain: Path) -> None:
    pictures = read(plain)
    assert [number_of(p.rgb) for p in pictures] == numbers_at(NTSC) == list(range(14, 300, 30))
    for picture, time_s in zip(pictures, TEN_S, strict=True):
        assert picture.pts_s <= time_s < picture.pts_s + float(1 / NTSC)
        assert picture.pts_s == pytest.approx(number_of(picture.rgb) / float(NTSC), abs=1e-9)


def test_a_variable_frame_rate_is_read_by_time_and_not_by_index(tmp_path: Path) -> None:
    shown_at = [int(i + i * i / 700) for i in range(250)]  # ever slower
    path = write_video(tmp_path / "vfr.mp4", shown_at)
    expected = [sum(1 for s in shown_at if Fraction(s) / NTSC <= t) - 1 for t in TEN_S]
    assert expected != numbers_at(NTSC)
    assert numbers(path) == expected


def test_an_edit_list_moves_the_presentation_into_the_media(tmp_path: Path) -> None:
    path = write_video(tmp_path / "edit.mp4", 360)
    make_video.patch_edit_list(path, 22_500)  # 0.75 s of 1/30000
    assert numbers(path) == numbers_at(NTSC, Fraction(3, 4))


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_late_start_is_late_where_the_clock_starts_at_zero(tmp_path: Path, suffix: str) -> None:
    path = write_video(tmp_path / f"late.{suffix}", 320, start_ticks=9)
    assert numbers(path) == [n - 9 for n in numbers_at(NTSC)]


def test_a_transport_stream_counts_from_its_start(tmp_path: Path) -> None:
    path = write_video(tmp_path / "late.ts", 310, start_ticks=90)
    assert numbers(path) == numbers_at(NTSC)


def test_the_same_picture_may_come_twice(plain: Path) -> None:
    assert numbers(plain, [0.5, 0.5, 0.5001, 0.6]) == [14, 14, 14, 17]


def test_every_frame_of_a_group_can_be_asked_for_at_once(plain: Path) -> None:
    times_s = [(i + 0.5) / float(NTSC) for i in range(300)]
    assert numbers(plain, times_s) == list(range(300))


CODECS: dict[str, dict[str, Any]] = {
    "x264.mp4": {"options": {"x264-params": "keyint=40:bframes=3"}},
    "open_groups.mp4": {"options": {"x264-params": "open-gop=1:keyint=30:bframes=3"}},
    "intra_refresh.mp4": {"options": {"x264-params": "intra-refresh=1:keyint=40"}},
    "x264.ts": {"options": {"x264-params": "open-gop=1:keyint=30:bframes=3"}},
    "x264.mkv": {"options": {"x264-params": "keyint=30:bframes=3"}},
    "interlaced.mp4": {"options": {"x264-params": "interlaced=1:keyint=40"}},
    "hevc_open_groups.mp4": {
        "codec": "libx265",
        "options": {"x265-params": "log-level=none:keyint=30:open-gop=1"},
    },
    "odd_size.mp4": {"codec": "mpeg4", "size": (97, 161)},
    "grey.mp4": {"pix_fmt": "gray"},
    "ten_bits.mp4": {"pix_fmt": "yuv420p10le"},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"cpu-used": "8", "deadline": "realtime"}},
    "vp8_hidden_pictures.webm": {
        "codec": "libvpx",
        "options": {"cpu-used": "4", "auto-alt-ref": "1", "lag-in-frames": "16"},
    },
}


@pytest.mark.parametrize("name", CODECS)
def test_a_picture_read_alone_is_the_one_of_decoding_everything(tmp_path: Path, name: str) -> None:
    path = write_video(tmp_path / name, 100, rate=Fraction(25), **CODECS[name])
    everything = make_video.decode_all(path)
    assert len(everything) == 100
    for number in range(3, 100, 12):
        [picture] = read(path, [number / 25 + 0.02])
        np.testing.assert_array_equal(picture.rgb, everything[number])
    together = read(path, [number / 25 + 0.02 for number in range(3, 100, 12)])
    for number, picture in zip(range(3, 100, 12), together, strict=True):
        np.testing.assert_array_equal(picture.rgb, everything[number])


@pytest.mark.parametrize("matrix", SIGNED_UNITS)
def test_pictures_are_turned_and_mirrored_as_the_display_matrix_says(
    plain: Path, tmp_path: Path, matrix: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    path = tmp_path / "turned.mp4"
    path.write_bytes(plain.read_bytes())
    make_video.patch_display_matrix(path, matrix)
    [shown], [coded] = read(path, [0.5]), read(plain, [0.5])
    # ISO/IEC 14496-12: (column, row) is shown at (column, row) times the matrix.
    rows, columns = np.mgrid[: coded.rgb.shape[0], : coded.rgb.shape[1]]
    (a, b), (c, d) = matrix
    at_column, at_row = a * columns + c * rows, b * columns + d * rows
    expected = np.empty_like(shown.rgb)
    expected[at_row - at_row.min(), at_column - at_column.min()] = coded.rgb
    np.testing.assert_array_equal(shown.rgb, expected)


def case_number(picture: NDArray[np.uint8]) -> int:
    """The frame's number in shared/cases: twelve blocks, four columns and three rows."""
    height, width = picture.shape[0] // 3, picture.shape[1] // 4
    code = 0
    for bit in range(12):
        row, column = divmod(bit, 4)
        block = picture[row * height : (row + 1) * height, column * width : (column + 1) * width]
        code |= int(block[height // 4 : -height // 4, width // 4 : -width // 4].mean() > 127) << bit
    return code


# file: the seconds that it covers, and the frames on screen half way through them
CASE_FRAMES = {
    "duppts.mkv": (0, [14, 44, 75, 105, 134, 164, 194, 224, 254, 284, 314, 344]),
    "dupenc.mkv": (0, [15, 45, 75, 105, 135, 165, 195, 225, 255, 285, 315, 345]),
    "trimmed.mp4": (0, [57, 87, 117, 147, 177, 207, 237, 267, 297, 327]),
    "midgop.ts": (1, [80, 110, 140, 170, 200, 230, 260, 290, 320, 350]),
    "h264b.avi": (0, [15, 45, 75, 105, 135, 165, 195, 225, 255, 285, 315, 345]),
    "cut.ts": (0, [14, 44, 74, 104, 134, 164, 194, 224]),
}


@needs_cases
@pytest.mark.parametrize("name", CASE_FRAMES)
def test_files_that_count_in_their_own_way_show_what_a_player_shows(name: str) -> None:
    first, expected = CASE_FRAMES[name]
    times_s = [first + second + 0.5 for second in range(len(expected))]
    assert [case_number(p.rgb) for p in read(CASES / name, times_s)] == expected
    assert_refused(CASES / name, [times_s[-1] + 2])
    if first:
        assert_refused(CASES / name, [0.5])


@needs_cases
@pytest.mark.parametrize(
    "layout", ["pairs.ts", "joined.mkv", "joined.mp4", "apart.mkv", "apart.mp4"]
)
def test_a_picture_of_two_fields_is_shown_whole(tmp_path: Path, layout: str) -> None:
    path = CASES / "paff_pairs.ts"
    everything = make_video.decode_all(path)
    assert len(everything) == 300
    if layout != "pairs.ts":
        path = make_video.write_fields(path, tmp_path / layout, joined="joined" in layout)
    first_s = read_timeline(path).seconds(read_timeline(path).shown[0])
    times_s = [second + 0.5 for second in range(12)]
    for picture, time_s in zip(read(path, times_s), times_s, strict=True):
        number = int((time_s - first_s) * 25)
        np.testing.assert_array_equal(picture.rgb, everything[number])


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "b_frames"),
    [("libx264", "yuv420p", "2"), ("mpeg4", "yuv420p", "2"), ("mjpeg", "yuvj420p", "0")],
)
def test_avi_knows_only_when_pictures_are_decoded(
    tmp_path: Path, codec: str, pix_fmt: str, b_frames: str
) -> None:
    path = write_video(
        tmp_path / "a.avi",
        300,
        rate=Fraction(30),
        codec=codec,
        pix_fmt=pix_fmt,
        options={"bf": b_frames},
    )
    assert numbers(path) == numbers_at(Fraction(30))


LATER_STARTS: dict[str, dict[str, Any]] = {
    "intra_refresh": {"options": {"x264-params": "intra-refresh=1:keyint=60"}},
    "open_groups": {"options": {"x264-params": "open-gop=1:keyint=30:bframes=3"}},
    "hevc": {
        "codec": "libx265",
        "options": {"x265-params": "log-level=none:keyint=60:open-gop=1"},
    },
    "mpeg2": {"codec": "mpeg2video", "options": {"bf": "2", "g": "30"}},
}


@pytest.mark.parametrize("cut", [0.15, 0.3])
@pytest.mark.parametrize("codec", LATER_STARTS)
def test_a_broadcast_cut_anywhere_is_read_from_its_first_clean_picture(
    tmp_path: Path, codec: str, cut: float
) -> None:
    whole = write_video(tmp_path / "whole.ts", 360, rate=Fraction(30), **LATER_STARTS[codec])
    everything, data = make_video.decode_all(whole), whole.read_bytes()
    path = tmp_path / "part.ts"
    path.write_bytes(data[int(cut * len(data)) :])
    starts = []
    for file in (whole, path):
        with av.open(str(file)) as container:  # in pictures, which are the only stream
            starts.append(round(30 * (container.start_time or 0) / av.time_base))
    timeline = read_timeline(path)
    first_s = timeline.seconds(timeline.shown[0])
    times_s = [t for t in TEN_S if first_s <= t < timeline.seconds(timeline.end())]
    assert len(times_s) >= 5
    for picture, time_s in zip(read(path, times_s), times_s, strict=True):
        number = starts[1] - starts[0] + int(30 * time_s)
        np.testing.assert_array_equal(picture.rgb, everything[number])
    if first_s > 0.5:
        assert_refused(path, [0.5])


@pytest.mark.parametrize("codec", LATER_STARTS)
def test_a_broadcast_that_was_cut_off_shows_no_picture_in_place_of_a_missing_one(
    tmp_path: Path, codec: str
) -> None:
    path = write_video(tmp_path / "a.ts", 90, rate=Fraction(30), **LATER_STARTS[codec])
    everything, data = make_video.decode_all(path), path.read_bytes()
    refused = 0
    for length in range(len(data) // 2, len(data) - 188 * 2, 188 * 23):
        path.write_bytes(data[:length])
        for number in range(30, 90, 2):
            try:
                [picture] = read(path, [(number + 0.5) / 30])
            except BadClipError:
                refused += 1
                break
            np.testing.assert_array_equal(picture.rgb, everything[number])
    assert refused > 3


def test_prefix_units_of_scalable_video_do_not_matter(plain: Path, tmp_path: Path) -> None:
    def prefixed(packet: "av.Packet[av.VideoStream]") -> bytes:
        data, at, out = bytes(packet), 0, b""
        while at < len(data):
            end = at + 4 + int.from_bytes(data[at : at + 4], "big")
            if data[at + 4] & 31 in (1, 5):  # a slice: a prefix unit of its reference class
                out += b"\0\0\0\4" + bytes([data[at + 4] & 0x60 | 14]) + b"\x40\x80\x07"
            out, at = out + data[at:end], end
        return out

    path = make_video.rewrite_packets(plain, tmp_path / "svc.mp4", prefixed)
    assert numbers(path) == numbers_at(NTSC)


def test_keyframes_every_half_second_are_found_within_reach(tmp_path: Path) -> None:
    path = write_video(tmp_path / "keys.mp4", options={"g": "15", "x264-params": "scenecut=0"})
    pictures = read(path, TEN_S, KEYFRAMES)
    chosen = [number_of(p.rgb) for p in pictures]
    assert all(number % 15 == 0 for number in chosen)
    assert all(abs(p.pts_s - t) <= 0.26 for p, t in zip(pictures, TEN_S, strict=True))


def test_keyframes_too_far_apart_are_refused_with_the_way_out(plain: Path) -> None:
    with pytest.raises(BadClipError) as caught:
        read(plain, TEN_S, KEYFRAMES)
    assert "1.5 s" in caught.value.got
    assert "--frame-choice on-screen" in caught.value.remedy


@pytest.mark.parametrize(
    "params", ["open-gop=1:keyint=15:bframes=3:scenecut=0", "intra-refresh=1:keyint=15"]
)
def test_keyframes_that_others_reach_back_over_are_those_of_decoding_everything(
    tmp_path: Path, params: str
) -> None:
    path = write_video(tmp_path / "open.mp4", options={"x264-params": params})
    everything = make_video.decode_all(path)
    for picture in read(path, TEN_S, KEYFRAMES):
        np.testing.assert_array_equal(picture.rgb, everything[number_of(picture.rgb)])
