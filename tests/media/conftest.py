"""A video that several tests read."""

from pathlib import Path

import pytest

from tests.media.make_video import write_video


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds at 29.97 fps as x264 makes them by default. Tests copy it, never change it."""
    return write_video(tmp_path_factory.mktemp("plain") / "plain.mp4")
