"""Recordings that lack sound or pictures, named by a run that learnt to do without."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from avsc.errors import AvscError
from avsc.predict.predict import predict_each
from avsc.predict.timeline import SceneTimeline
from tests.predict.conftest import CLIPS, RATE_HZ, MakeRecording, sound

MakeRun = Callable[..., Path]


@pytest.fixture(scope="module")
def robust(store: Path, make_run: MakeRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A joint run with stand-ins for sound and pictures."""
    path = tmp_path_factory.mktemp("robust") / "run"
    return make_run(path, store, "joint", settings=("drop_audio=0.3", "drop_image=0.3"))


def _predict(run: Path, file: Path, audio: Path | None = None) -> SceneTimeline:
    (found,) = predict_each(run, [file], audio=audio, device="cpu")
    return found


def test_a_mute_video_is_named_by_its_pictures_and_a_wav_by_its_sound(
    dataset: Path, robust: Path
) -> None:
    video, wav = dataset / f"{CLIPS[1]}.mp4", dataset / f"{CLIPS[1]}.wav"
    seen, heard, both = _predict(robust, video), _predict(robust, wav), _predict(robust, video, wav)
    assert (len(seen.probabilities), len(heard.probabilities)) == (3, 3)
    assert "no sound" in seen.notes[0]
    assert "no pictures" in heard.notes[0]
    assert (seen.sound_columns, heard.thumbnails) == (None, ())
    assert not np.allclose(seen.probabilities, both.probabilities)
    assert not np.allclose(heard.probabilities, both.probabilities)
    # What is seen without sound does not depend on which sound there would be.
    other = dataset / f"{CLIPS[0]}.wav"
    assert not np.allclose(_predict(robust, other).probabilities, heard.probabilities)


def test_seconds_before_the_first_picture_and_behind_the_sound_are_named_and_said(
    tmp_path: Path, robust: Path, recording: MakeRecording
) -> None:
    late = recording("late.mkv", 4, 3, late_s=2)  # pictures from 2 to 6, sound from 0 to 3
    found = _predict(robust, late)
    assert (found.first, len(found.probabilities)) == (0, 6)
    notes = " ".join(found.notes)
    assert "no picture from 0:00 to 0:02" in notes
    assert "no sound from 0:03 to 0:06" in notes
    soundfile.write(tmp_path / "alone.wav", sound(3), RATE_HZ, subtype="FLOAT")
    alone = _predict(robust, tmp_path / "alone.wav")
    assert np.abs(found.probabilities[:2] - alone.probabilities[:2]).max() < 1e-6


def test_with_both_it_is_named_as_by_any_run(robust: Path, recording: MakeRecording) -> None:
    found = _predict(robust, recording("both.mkv", 3, 3))
    assert len(found.probabilities) == 3
    assert not [note for note in found.notes if "stand-in" in note]


def test_a_file_of_neither_is_refused(tmp_path: Path, robust: Path) -> None:
    neither = tmp_path / "text.mp4"
    neither.write_text("neither sound nor picture")
    with pytest.raises(AvscError) as caught:
        _predict(robust, neither)
    assert neither.name in caught.value.got


def test_other_runs_need_both(dataset: Path, runs: Callable[[str], Path]) -> None:
    with pytest.raises(AvscError):
        _predict(runs("joint"), dataset / f"{CLIPS[1]}.mp4")


@pytest.mark.parametrize("dropped", ["audio", "image"])
def test_a_run_that_learnt_to_do_without_one_needs_the_other(
    dropped: str,
    store: Path,
    dataset: Path,
    make_run: MakeRun,
    recording: MakeRecording,
    tmp_path: Path,
) -> None:
    run = make_run(tmp_path / "run", store, "joint", settings=(f"drop_{dropped}=0.3",))
    video, wav = dataset / f"{CLIPS[1]}.mp4", dataset / f"{CLIPS[1]}.wav"
    can, cannot = (video, wav) if dropped == "audio" else (wav, video)
    assert len(_predict(run, can).probabilities) == 3
    with pytest.raises(AvscError):
        _predict(run, cannot)
    late = _predict(run, recording("late.mkv", 4, 3, late_s=2))  # pictures 2 to 6, sound 0 to 3
    first, count = (2, 4) if dropped == "audio" else (0, 3)
    assert (late.first, len(late.probabilities)) == (first, count)
