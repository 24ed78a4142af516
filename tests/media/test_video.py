"""Pictures by time, and every way a video can be bad."""

import resource
from collections.abc import Callable, Sequence
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from avsc.errors import BadClipError
from avsc.media.timeline import read_timeline
from avsc.media.video import Picture, read_pictures
from avsc.store.schema import ImageSettings
from avsc.timebase import image_times_s
from tests.media import make_video
from tests.media.make_video import NTSC, number_of, numbered_picture, write_video

REAL = Path(__file__).parents[3] / "shared" / "real" / "video"
CASES = Path(__file__).parents[3] / "shared" / "cases"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not here")
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="the real media are not here")
needs_decord = pytest.mark.skipif(find_spec("decord") is None, reason="no decord on this machine")
TEN_S = image_times_s(10).tolist()
KEYFRAMES = ImageSettings(frame_choice="keyframe")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds at 29.97 fps as x264 makes them by default. Tests copy it, never change it."""
    return write_video(tmp_path_factory.mktemp("plain") / "plain.mp4")


def read(
    path: Path, times_s: Sequence[float] = TEN_S, settings: ImageSettings | None = None
) -> list[Picture]:
    return list(read_pictures(path, times_s, settings or ImageSettings()))


def numbers(path: Path, times_s: Sequence[float] = TEN_S) -> list[int]:
    return [number_of(picture.rgb) for picture in read(path, times_s)]


def numbers_at(rate: Fraction, offset_s: Fraction = Fraction(0)) -> list[int]:
    """The frames on screen of a constant rate, in exact arithmetic."""
    return [int((Fraction(t) + offset_s) * rate) for t in TEN_S]


# The choice by time


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


SIGNED_UNITS = [
    matrix
    for one in (1, -1)
    for other in (1, -1)
    for matrix in (((one, 0), (0, other)), ((0, one), (other, 0)))
]


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


# Streams that begin, end and count in their own way


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


# Choosing keyframes


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


# decord


@needs_decord
@needs_real
@pytest.mark.parametrize(
    "name", ["arm_wrestling.mp4", "mma_test.mp4", "nasa_two_streams.mp4", "pancake.mkv"]
)
def test_decord_returns_the_same_pictures_of_real_files(name: str) -> None:
    _assert_backends_agree(REAL / name, TEN_S)


@needs_decord
@needs_real
def test_decord_returns_the_same_pictures_where_groups_are_open() -> None:
    _assert_backends_agree(REAL / "short_h265.mp4", [0.05, 0.35, 0.5, 0.95])


@needs_decord
def test_decord_returns_the_same_pictures_at_2997_fps(tmp_path: Path) -> None:
    _assert_backends_agree(write_video(tmp_path / "a.mp4"), TEN_S)


@needs_decord
def test_decord_refuses_what_it_would_mistake(tmp_path: Path) -> None:
    late = write_video(tmp_path / "late.mp4", 320, start_ticks=9)
    with pytest.raises(BadClipError) as caught:
        read(late, TEN_S, ImageSettings(backend="decord"))
    assert "--video-backend pyav" in caught.value.remedy


@needs_decord
@pytest.mark.parametrize("matrix", SIGNED_UNITS)
def test_decord_turns_pictures_and_refuses_those_that_it_would_not_mirror(
    plain: Path, tmp_path: Path, matrix: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    path = tmp_path / "turned.mp4"
    path.write_bytes(plain.read_bytes())
    make_video.patch_display_matrix(path, matrix)
    if np.linalg.det(matrix) > 0:
        _assert_backends_agree(path, [0.5])
    else:
        with pytest.raises(BadClipError):
            read(path, [0.5], ImageSettings(backend="decord"))


def _assert_backends_agree(path: Path, times_s: list[float]) -> None:
    ours = read(path, times_s)
    theirs = read(path, times_s, ImageSettings(backend="decord"))
    assert [p.pts_s for p in ours] == [p.pts_s for p in theirs]
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a.rgb, b.rgb)


# Streams


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


# A bad day


def _empty(data: bytes) -> bytes:
    return b""


def _html(data: bytes) -> bytes:
    return b"<!DOCTYPE html><html><body><h1>403 Forbidden</h1></body></html>\n" * 40


def _half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _last_bytes_missing(data: bytes) -> bytes:
    return data[:-100]


@pytest.mark.parametrize("damage", [_empty, _html, _half])
@pytest.mark.parametrize("index", ["end", "front", "mkv"])
def test_a_file_that_is_no_whole_video_is_refused(
    tmp_path: Path, index: str, damage: Callable[[bytes], bytes]
) -> None:
    suffix = "mkv" if index == "mkv" else "mp4"
    faststart = {"movflags": "faststart"} if index == "front" else None
    path = write_video(tmp_path / f"a.{suffix}", container_options=faststart)
    path.write_bytes(damage(path.read_bytes()))
    assert_refused(path)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "webm"])
@pytest.mark.parametrize("kept", [range(90, 100), range(180, 190), range(270, 280)])
def test_of_a_file_that_was_cut_off_what_is_whole_is_read(
    tmp_path: Path, suffix: str, kept: range
) -> None:
    codec = {"codec": "libvpx", "options": {"cpu-used": "16"}} if suffix == "webm" else {}
    faststart = {"movflags": "faststart"} if suffix == "mp4" else None
    path = write_video(tmp_path / f"a.{suffix}", container_options=faststart, **codec)  # type: ignore[arg-type]
    whole, content = read(path), path.read_bytes()
    positions = [position for position, _, _ in make_video.packets_of(path)]
    for number in kept:
        path.write_bytes(content[: positions[number] + 3])
        timeline = read_timeline(path)
        # The last picture that comes before the cut may still wait for its end.
        assert number - 5 <= len(timeline.packets) <= number + 1
        seconds = int(timeline.seconds(timeline.shown[-1]) + 0.45)
        for ours, wanted in zip(read(path, TEN_S[:seconds]), whole, strict=False):
            np.testing.assert_array_equal(ours.rgb, wanted.rgb)
        assert_refused(path, TEN_S[: seconds + 2])


def test_a_file_whose_index_names_more_than_it_holds_says_so(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", container_options={"movflags": "faststart"})
    assert not read_timeline(path).cut
    position, size, _ = make_video.packets_of(path)[250]
    path.write_bytes(path.read_bytes()[: position + size])
    assert str(path.stat().st_size) in read_timeline(path).cut


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path / "absent.mp4")
    assert_refused(tmp_path)


@pytest.mark.parametrize(
    "name", ["12:30.mp4", "concat:a|b.mp4", "http:x.mp4", "a%03d.mp4", "-.mp4"]
)
def test_a_name_is_a_file_s_whatever_it_looks_like(plain: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(plain.read_bytes())
    assert numbers(path) == numbers_at(NTSC)


def test_a_playlist_does_not_open_what_it_names(plain: Path, tmp_path: Path) -> None:
    path = tmp_path / "list.m3u8"
    path.write_text(f"#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/{plain.name}\n#EXT-X-ENDLIST\n")
    assert_refused(path)


def test_two_megabytes_of_zeros_inside_are_refused(tmp_path: Path) -> None:
    options = {"preset": "ultrafast", "qp": "1"}
    path = write_video(tmp_path / "a.mp4", size=(144, 256), options=options)
    data = bytearray(path.read_bytes())
    assert len(data) > 4_000_000
    middle = len(data) // 2
    data[middle : middle + 2_000_000] = bytes(2_000_000)
    path.write_bytes(data)
    assert_refused(path)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_zeros_inside_a_wanted_packet_are_refused_even_if_they_decode(
    tmp_path: Path, codec: str
) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else None
    path = write_video(tmp_path / "a.mp4", 60, codec=codec, options=options)
    position, size, _ = make_video.packets_of(path)[0]
    sound = path.read_bytes()
    for share in (0.5, 0.7, 0.9):
        data = bytearray(sound)
        start = position + int(share * size)
        data[start : start + 80] = bytes(80)
        path.write_bytes(data)
        assert_refused(path, [0.5, 1.5])


@pytest.mark.parametrize("seed", range(8))
def test_four_hundred_flipped_bits_are_refused(plain: Path, tmp_path: Path, seed: int) -> None:
    path = tmp_path / "flipped.mp4"
    packets = make_video.packets_of(plain)
    path.write_bytes(_flipped(plain.read_bytes(), packets[0][0], packets[-1][0], 400, seed))
    assert_refused(path)


def test_damage_that_nobody_decodes_does_not_matter(plain: Path, tmp_path: Path) -> None:
    path = tmp_path / "flipped.mp4"
    packets = make_video.packets_of(plain)
    wanted_last = next(i for i, p in enumerate(packets) if p[2] == 284 * 1001)
    after = packets[wanted_last + 1][0]
    path.write_bytes(_flipped(plain.read_bytes(), after + 8, packets[-1][0], 40, 0))
    for ours, sound in zip(read(path), read(plain), strict=True):
        np.testing.assert_array_equal(ours.rgb, sound.rgb)


def test_pictures_that_nobody_needs_are_not_decoded(plain: Path, tmp_path: Path) -> None:
    path = tmp_path / "damaged.mp4"
    data = bytearray(plain.read_bytes())
    damaged = 0
    for position, size, pts in make_video.packets_of(plain):
        nobody_refers_to_it = data[position + 4] == 0x01  # a slice with nal_ref_idc 0
        if nobody_refers_to_it and pts // 1001 not in numbers_at(NTSC):
            data[position + 20 : position + size] = bytes([0x55]) * (size - 20)
            damaged += 1
    assert damaged > 60
    path.write_bytes(data)
    for ours, sound in zip(read(path), read(plain), strict=True):
        np.testing.assert_array_equal(ours.rgb, sound.rgb)


@pytest.mark.parametrize("kind", ["zeros", "other type", "second half zeros"])
def test_a_damaged_reference_picture_is_refused_or_harmless(
    plain: Path, tmp_path: Path, kind: str
) -> None:
    path, sound = tmp_path / "a.mp4", read(plain)
    refused = 0
    for position, size, _ in make_video.packets_of(plain)[::25]:
        data = bytearray(plain.read_bytes())
        if kind == "zeros":
            data[position : position + size] = bytes(size)
        elif kind == "second half zeros":
            data[position + size // 2 : position + size] = bytes(size - size // 2)
        else:
            data[position + 4] = data[position + 4] & 0xE0 | 12
        path.write_bytes(data)
        try:
            pictures = read(path)
        except BadClipError:
            refused += 1
            continue
        for a, b in zip(pictures, sound, strict=True):
            np.testing.assert_array_equal(a.rgb, b.rgb)
    assert refused


@needs_real
def test_the_real_damaged_file_is_refused() -> None:
    assert_refused(REAL / "corrupted.mp4", image_times_s(5).tolist())


@needs_real
def test_real_hevc_is_read() -> None:
    assert len(read(REAL / "short_h265.mp4", [0.5])) == 1


def test_a_video_that_is_too_short_says_how_long_it_is(tmp_path: Path) -> None:
    path = write_video(tmp_path / "short.mp4", 222)  # 7.4 s
    with pytest.raises(BadClipError) as caught:
        read(path)
    assert "ends at 7.407 s" in caught.value.got
    assert "up to 9.5 s" in caught.value.expected


def test_a_longer_video_is_fine(tmp_path: Path) -> None:
    assert numbers(write_video(tmp_path / "long.mp4", 400)) == numbers_at(NTSC)


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    assert_refused(make_video.write_audio(tmp_path / "sound.mp4"))


def test_a_header_that_claims_absurd_sizes_is_refused_before_allocating(
    plain: Path, tmp_path: Path
) -> None:
    path = tmp_path / "huge.mp4"
    path.write_bytes(plain.read_bytes())
    make_video.patch_size_claim(path, 29_984)
    most_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert_refused(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most_kib < 100_000


# Resources


def test_nothing_stays_open(plain: Path, tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    read(plain)
    next(read_pictures(plain, TEN_S, ImageSettings()))  # and dropped
    broken = tmp_path / "b.mp4"
    broken.write_bytes(plain.read_bytes()[:5000])
    for _ in range(3):
        with pytest.raises(BadClipError):
            read(broken)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def assert_refused(path: Path, times_s: Sequence[float] = TEN_S) -> None:
    with pytest.raises(BadClipError) as caught:
        read(path, times_s)
    assert path.name in caught.value.got
    assert caught.value.remedy


def _flipped(data: bytes, first: int, end: int, bits: int, seed: int) -> bytes:
    damaged = bytearray(data)
    for bit in np.random.default_rng(seed).integers(8 * first, 8 * end, bits):
        damaged[bit // 8] ^= 1 << (bit % 8)
    return bytes(damaged)
