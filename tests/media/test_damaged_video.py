"""Every way a video can be bad."""

import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from avsc.errors import BadClipError
from avsc.media.timeline import read_timeline
from avsc.media.video import read_pictures
from avsc.store.schema import ImageSettings
from avsc.timebase import image_times_s
from tests.media import make_video
from tests.media.make_video import NTSC, write_video
from tests.media.reading import (
    REAL,
    TEN_S,
    assert_refused,
    flipped,
    needs_real,
    numbers,
    numbers_at,
    read,
)


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
    path.write_bytes(flipped(plain.read_bytes(), packets[0][0], packets[-1][0], 400, seed))
    assert_refused(path)


def test_damage_that_nobody_decodes_does_not_matter(plain: Path, tmp_path: Path) -> None:
    path = tmp_path / "flipped.mp4"
    packets = make_video.packets_of(plain)
    wanted_last = next(i for i, p in enumerate(packets) if p[2] == 284 * 1001)
    after = packets[wanted_last + 1][0]
    path.write_bytes(flipped(plain.read_bytes(), after + 8, packets[-1][0], 40, 0))
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


def test_a_header_that_claims_absurd_sizes_is_refused_before_allocating(
    plain: Path, tmp_path: Path
) -> None:
    path = tmp_path / "huge.mp4"
    path.write_bytes(plain.read_bytes())
    make_video.patch_size_claim(path, 29_984)
    most_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert_refused(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most_kib < 100_000


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
