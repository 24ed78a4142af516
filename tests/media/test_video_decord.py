"""The same pictures from decord."""

from pathlib import Path

import numpy as np
import pytest

from avsc.errors import BadClipError
from avsc.store.schema import ImageSettings
from tests.media import make_video
from tests.media.make_video import write_video
from tests.media.reading import REAL, SIGNED_UNITS, TEN_S, needs_decord, needs_real, read


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
