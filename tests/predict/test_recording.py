"""What a recording gives of files that are cut off, or are no recordings."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from avsc.errors import AvscError
from avsc.predict.recording import Recording, open_recording
from avsc.store.schema import ImageSettings
from tests.media.make_video import packets_of, write_video
from tests.predict.conftest import RATE_HZ, sound

CASES = Path(__file__).parents[3] / "shared" / "cases"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not here")


def _open(
    file: Path, audio: Path | None = None, *, uses_audio: bool, uses_images: bool
) -> Recording:
    return open_recording(
        file, audio, ImageSettings(), uses_audio=uses_audio, uses_images=uses_images
    )


@needs_cases
@pytest.mark.parametrize(
    ("uses_audio", "uses_images"), [(True, True), (True, False), (False, True)]
)
def test_a_recording_that_was_cut_off_gives_what_is_whole(
    uses_audio: bool, uses_images: bool
) -> None:
    opened = _open(CASES / "cut.ts", uses_audio=uses_audio, uses_images=uses_images)
    assert [second.number for second in opened.seconds()] == list(range(8))
    # The last packet of sound is not whole; the pictures end as those of a file do.
    assert any("0:08" in note and "cut.ts" in note for note in opened.notes) == uses_audio


def test_a_video_whose_end_is_missing_gives_the_seconds_before_and_says_so(tmp_path: Path) -> None:
    path = write_video(tmp_path / "cut.mp4", 240, container_options={"movflags": "faststart"})
    position, _, _ = packets_of(path)[170]
    path.write_bytes(path.read_bytes()[: position + 5])
    opened = _open(path, uses_audio=False, uses_images=True)
    assert len(list(opened.seconds())) == 6
    assert any("0:05" in note and "cut.mp4" in note for note in opened.notes)


def test_damage_on_the_way_ends_a_recording_and_is_said(tmp_path: Path) -> None:
    path = write_video(tmp_path / "damaged.mp4", 240)
    position, size, _ = max(packets_of(path)[165:180], key=lambda packet: packet[1])
    data = bytearray(path.read_bytes())
    data[position + 6 : position + size] = np.random.default_rng(0).bytes(size - 6)
    path.write_bytes(data)
    opened = _open(path, uses_audio=False, uses_images=True)
    count = len(list(opened.seconds()))
    assert count in (5, 6)
    assert any(f"0:0{count}" in note and "damaged.mp4" in note for note in opened.notes)


def test_a_truncated_wav_gives_its_whole_seconds_and_is_said(tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    soundfile.write(path, sound(3), RATE_HZ)
    path.write_bytes(path.read_bytes()[:-100_000])
    opened = _open(path, uses_audio=True, uses_images=False)
    assert len(list(opened.seconds())) == 2
    assert any("0:02" in note and "cut.wav" in note for note in opened.notes)


@pytest.mark.parametrize(
    ("name", "help_"),
    [("folder", "in it"), ("absent.mp4", "path"), ("https:/host/a.mp4", "download")],
)
def test_what_is_no_file_is_refused_with_what_helps(
    tmp_path: Path, name: str, help_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    with pytest.raises(AvscError) as caught:
        _open(Path(name), uses_audio=True, uses_images=True)
    assert name in caught.value.got
    assert help_ in caught.value.remedy


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf<!doctype HTML>\n<title>Sign in</title>"])
@pytest.mark.parametrize("name", ["a.mp4", "a.wav"])
def test_what_a_failed_download_left_is_not_to_be_encoded_anew(
    content: bytes, name: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AvscError) as caught:
        _open(tmp_path / name, uses_audio=True, uses_images=name == "a.mp4")
    assert name in caught.value.got
    assert "ffmpeg" not in caught.value.remedy
    assert "again" in caught.value.remedy
