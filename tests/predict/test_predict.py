import dataclasses
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from avsc.console import ProgressLine
from avsc.errors import AvscError
from avsc.evaluate.score import score
from avsc.evaluate.segments import segments_of
from avsc.predict.predict import predict, predict_each
from avsc.predict.predictor import ONE_CHANNEL, SYNTHETIC, Predictor
from avsc.predict.recording import open_recording
from avsc.predict.timeline import SceneTimeline
from avsc.store.reader import Store
from avsc.store.schema import ImageSettings
from avsc.train.load import Run
from tests.media.make_video import write_video
from tests.predict.conftest import CLIPS, RATE_HZ, SECONDS, sound

Runs = Callable[[str], Path]
MakeRecording = Callable[..., Path]


def _predict_one(run: Path, recording: Path, audio: Path | None = None) -> SceneTimeline:
    (timeline,) = predict(run, [recording], audio=audio, device="cpu")
    return timeline


@pytest.mark.parametrize("strategy", ["joint", "audio", "video"])
def test_predictions_of_a_clip_s_files_are_evaluates_of_the_store(
    dataset: Path, store: Path, runs: Runs, strategy: str
) -> None:
    opened = Store.open(store)
    segments = segments_of(opened.clips, opened.status(), SECONDS, "test", opened.scenes)
    wanted = score(Run.open(runs(strategy), "cpu"), opened, segments, "segment")
    assert np.ptp(wanted, axis=0).max() > 1e-4  # seconds that can be told apart
    for number, name in enumerate(CLIPS):
        found = _predict_one(runs(strategy), dataset / f"{name}.mp4", dataset / f"{name}.wav")
        rows = slice(number * SECONDS, (number + 1) * SECONDS)
        assert np.abs(found.probabilities - wanted[rows]).max() < 1e-6


def test_a_video_s_own_track_is_heard_as_a_wav_beside_it_is(
    tmp_path: Path, runs: Runs, recording: MakeRecording
) -> None:
    own = recording("own.mkv", 3, 3)
    soundfile.write(tmp_path / "beside.wav", sound(3), RATE_HZ, subtype="FLOAT")
    one, other = (
        _predict_one(runs("joint"), own),
        _predict_one(runs("joint"), own, tmp_path / "beside.wav"),
    )
    assert len(one.probabilities) == 3
    assert np.abs(one.probabilities - other.probabilities).max() < 1e-6


def test_a_run_on_sound_alone_takes_a_wav_and_one_on_pictures_a_mute_video(
    dataset: Path, runs: Runs
) -> None:
    heard = _predict_one(runs("audio"), dataset / f"{CLIPS[1]}.wav")
    assert (len(heard.probabilities), heard.thumbnails) == (SECONDS, ())
    seen = _predict_one(runs("video"), dataset / f"{CLIPS[1]}.mp4")
    assert (len(seen.probabilities), seen.sound_columns) == (SECONDS, None)
    assert len(seen.thumbnails) == SECONDS


def test_rows_are_probabilities_and_stretches_cover_them(
    runs: Runs, recording: MakeRecording
) -> None:
    found = _predict_one(runs("joint"), recording("rows.mkv", 5, 5))
    assert np.allclose(found.probabilities.sum(axis=1), 1)
    assert sum(one.seconds for one in found.stretches()) == 5


@pytest.mark.parametrize(
    ("lengths", "late_s", "first", "count", "note"),
    [
        ((3, 5), 0, 0, 3, "the sound behind is left out"),
        ((5, 3), 0, 0, 3, "the sound ends at 0:03: the pictures behind are left out"),
        ((3.7, 3.7), 0, 0, 3, None),
        ((4, 5), 1.2, 1, 4, "the first picture appears after 0:01"),
    ],
)
def test_the_seconds_are_those_that_both_cover_and_what_is_left_out_is_said(
    runs: Runs,
    recording: MakeRecording,
    lengths: tuple[float, float],
    late_s: float,
    first: int,
    count: int,
    note: str | None,
) -> None:
    path = recording(f"{lengths}-{late_s}.mkv", *lengths, late_s=late_s)
    found = _predict_one(runs("joint"), path)
    assert (found.first, len(found.probabilities)) == (first, count)
    assert (note is None) == (found.notes == ())
    assert note is None or any(note in one for one in found.notes)


def test_two_channels_that_are_alike_are_noted(runs: Runs, recording: MakeRecording) -> None:
    assert _predict_one(runs("audio"), recording("mono.mkv", stereo=False)).notes == (ONE_CHANNEL,)


def test_a_run_that_learnt_from_keyframes_sees_other_pictures_where_there_are_none(
    tmp_path: Path,
) -> None:
    keyframes = ImageSettings(frame_choice="keyframe")
    often = write_video(tmp_path / "often.mp4", 90, options={"g": "15"})
    seldom = write_video(tmp_path / "seldom.mp4", 90)
    for path, choice in ((often, "keyframe"), (seldom, "on-screen")):
        opened = open_recording(path, None, keyframes, uses_audio=False, uses_images=True)
        assert opened.image.frame_choice == choice
        assert len(list(opened.seconds())) == 3
        assert bool(opened.notes) == (choice == "on-screen")


def _page(path: Path) -> None:
    path.write_text("<html>not found</html>")


def _wav(path: Path) -> None:
    soundfile.write(path, sound(2), RATE_HZ)


def _short(path: Path) -> None:
    soundfile.write(path, sound(0.8), RATE_HZ)


def _nothing(path: Path) -> None:
    del path


@pytest.mark.parametrize(
    ("strategy", "name", "make", "words"),
    [
        ("joint", "absent.mp4", _nothing, "check the path"),
        ("joint", "page.mp4", _page, "web page"),
        ("joint", "only.wav", _wav, "no video stream"),
        ("audio", "page.wav", _page, "web page"),
        ("audio", "short.wav", _short, "too short"),
    ],
)
def test_a_recording_that_cannot_be_used_is_refused_by_name(
    tmp_path: Path,
    runs: Runs,
    strategy: str,
    name: str,
    make: Callable[[Path], None],
    words: str,
) -> None:
    make(tmp_path / name)
    with pytest.raises(AvscError) as error:
        _predict_one(runs(strategy), tmp_path / name)
    assert name in str(error.value)
    assert words in str(error.value)
    assert "--max-bad" not in str(error.value)


def test_a_mute_video_says_how_to_give_the_sound(dataset: Path, runs: Runs) -> None:
    with pytest.raises(AvscError, match="--audio WAV"):
        _predict_one(runs("joint"), dataset / f"{CLIPS[0]}.mp4")


def test_missing_visual_weights_are_asked_for(runs: Runs, dataset: Path) -> None:
    with pytest.raises(AvscError, match=r"no weights at .*absent"):
        list(predict(runs("video"), [dataset / f"{CLIPS[0]}.mp4"], ve_weights="absent"))


def test_one_bad_recording_does_not_keep_the_others_and_fails_at_the_end(
    tmp_path: Path, runs: Runs, dataset: Path
) -> None:
    good, bad = dataset / f"{CLIPS[0]}.wav", tmp_path / "bad.wav"
    _page(bad)
    found: list[SceneTimeline] = []
    with pytest.raises(AvscError, match=r"1 of 3 .*bad\.wav"):
        found.extend(predict_each(runs("audio"), [good, bad, good], out=tmp_path / "out"))
    assert [one.file for one in found] == [good, good]
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    stems = [f"{CLIPS[0]}-{number}" for number in (1, 2)]
    assert written == [f"{stem}.{kind}" for stem in stems for kind in ("csv", "html", "json")]
    content = json.loads((tmp_path / "out" / f"{stems[0]}.json").read_text())
    assert content["seconds"] == len(content["probabilities"]) == SECONDS


def test_memory_does_not_grow_with_the_length(
    runs: Runs, recording: MakeRecording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avsc.predict.predictor.MOST_COLUMNS", 64)
    monkeypatch.setattr("avsc.predict.predictor.MOST_THUMBNAILS", 16)
    predictor = Predictor(Run.open(runs("joint"), "cpu"))
    image = predictor.run.manifest.settings.image

    def peak_bytes(path: Path) -> int:
        opened = open_recording(path, None, image, uses_audio=True, uses_images=True)
        tracemalloc.start()
        try:
            predictor.predict(opened, ProgressLine("", 1, ""))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # What may grow: ten numbers a second, a header a picture.
    short, long = recording("short.mkv", 80, 80), recording("long.mkv", 240, 240)
    assert peak_bytes(long) < 1.1 * peak_bytes(short)


REAL = Path(__file__).parents[2].parent / "shared" / "real"


@pytest.mark.skipif(not REAL.exists(), reason="the real media are not here")
def test_real_recordings_of_several_makes_are_predicted(runs: Runs) -> None:
    videos = [REAL / "video" / name for name in ("nasa_two_streams.mp4", "short_h265.mp4")]
    lengths = [len(found.probabilities) for found in predict(runs("video"), videos)]
    assert lengths == [13, 1]
    (joint,) = predict(runs("joint"), videos[:1])
    assert len(joint.probabilities) == 13
    clips = sorted((REAL / "audio").glob("*.wav"))[:3]
    assert [len(found.probabilities) for found in predict(runs("audio"), clips)] == [10, 10, 10]


def test_a_run_on_synthetic_data_says_so(dataset: Path, runs: Runs) -> None:
    wav = sorted(dataset.glob("*.wav"))[0]
    run = Run.open(runs("audio"), "cpu")
    for synthetic in (False, True):
        manifest = run.manifest.model_copy(update={"synthetic": synthetic})
        predictor = Predictor(dataclasses.replace(run, manifest=manifest))
        opened = open_recording(wav, None, ImageSettings(), uses_audio=True, uses_images=False)
        said = predictor.predict(opened, ProgressLine("", 1, "seconds")).notes
        assert (SYNTHETIC in said) == synthetic
