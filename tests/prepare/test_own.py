"""Somebody's own recordings from folder or table to a store, on small real files."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from avsc.dataset.read import read_dataset
from avsc.errors import AvscError
from avsc.media.audio import read_stereo
from avsc.prepare.run import prepare
from avsc.signal.features import FeatureExtractor
from avsc.store.reader import Store
from avsc.store.schema import ImageSettings, SplitSettings, Status, StoreSettings
from avsc.store.verify import verify
from tests.dataset.recordings import write_recording

SETTINGS = StoreSettings(
    features=("fbank",), clip_seconds=4, partition_clips=3, image=ImageSettings(short_side=32)
)
LENGTHS = {
    "office/IMG_0001.MOV": 2.4,
    "office/morning/IMG 0002.mp4": 9.5,
    "office/b.avi": 1.0,
    "kitchen/IMG_0001.MOV": 3.0,
    "kitchen/ü: 😀.mkv": 5.2,
    "kitchen/c.webm": 2.0,
}


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("own") / "rooms"
    for number, (name, seconds) in enumerate(LENGTHS.items()):
        size = (64, 48) if name.endswith("MOV") else (48, 64)
        channels, rate = 1 + number % 2, 48_000 if name.endswith("webm") else 44_100
        write_recording(
            root / name, seconds, size=size, channels=channels, rate=rate, hz=300 + 100 * number
        )
    return root


@pytest.fixture(scope="module")
def store(rooms: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    path = tmp_path_factory.mktemp("store") / "rooms.zarr"
    assert prepare(rooms, path, SETTINGS).complete
    return Store.open(path)


def test_every_whole_second_of_every_recording_is_in_the_store(store: Store) -> None:
    assert (store.status() == Status.GOOD).all()
    found: dict[str, int] = {}
    for clip, seconds in zip(store.clips, store.seconds().tolist(), strict=True):
        found[clip.video] = found.get(clip.video, 0) + seconds
    assert found == {name: int(seconds) for name, seconds in LENGTHS.items()}
    assert store.settings.clip_seconds == 4
    assert store.scenes == ("kitchen", "office")
    assert not list(verify(store.place))


def test_own_scenes_that_tau_has_too_are_the_only_ones(rooms: Path, tmp_path: Path) -> None:
    for scene, of in (("park", "office"), ("bus", "kitchen")):
        shutil.copytree(rooms / of, tmp_path / "own" / scene)
    prepare(tmp_path / "own", tmp_path / "store", SETTINGS)
    assert Store.open(tmp_path / "store").scenes == ("bus", "park")
    assert prepare(tmp_path / "own", tmp_path / "store", SETTINGS).complete  # the same again


def test_a_mended_recording_of_another_length_is_told_to_need_a_new_store(tmp_path: Path) -> None:
    rooms = tmp_path / "rooms"
    for name in ("a/1.mp4", "a/2.mp4", "b/3.mp4", "b/4.mp4"):
        write_recording(rooms / name, 2.2)
    whole = (rooms / "a/1.mp4").read_bytes()
    (rooms / "a/1.mp4").write_bytes(whole[:100])
    with pytest.raises(AvscError) as caught:
        prepare(rooms, tmp_path / "store", SETTINGS)
    assert "new store" in caught.value.remedy
    (rooms / "a/1.mp4").write_bytes(whole)
    with pytest.raises(AvscError) as caught:
        prepare(rooms, tmp_path / "store", SETTINGS, retry_bad=True)
    assert "a/1" in caught.value.got
    assert "needs a new one" in caught.value.remedy
    assert prepare(rooms, tmp_path / "new", SETTINGS).complete


def test_pieces_of_one_recording_are_one_location_in_one_fold(store: Store) -> None:
    pieces = [clip for clip in store.clips if clip.video == "office/morning/IMG 0002.mp4"]
    assert [(clip.start, clip.seconds) for clip in pieces] == [(0.0, 4), (4.0, 4), (8.0, 1)]
    assert {clip.location for clip in pieces} == {"office/morning"}
    for of_one in {clip.location for clip in store.clips}:
        assert len({clip.fold for clip in store.clips if clip.location == of_one}) == 1
    assert {clip.fold for clip in store.clips} == {"train", "test"}


def test_features_are_those_of_the_decoded_track(store: Store, rooms: Path, tmp_path: Path) -> None:
    """FFmpeg by the command line is the reference for the track; a WAV takes the other reader."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs ffmpeg")
    import subprocess

    row = next(n for n, clip in enumerate(store.clips) if clip.id == "office/morning/IMG 0002+4")
    wav = tmp_path / "piece.wav"
    source = rooms / store.clips[row].video
    command = ["ffmpeg", "-v", "error", "-i", str(source), "-ss", "4", "-t", "4"]
    subprocess.run([*command, "-ac", "2", "-c:a", "pcm_f32le", str(wav)], check=True)
    expected = FeatureExtractor(store.settings).clip(read_stereo(wav, 4))["fbank"]
    got = store.audio("fbank", [row])[0]
    loud = expected.clip[:, 0].max(axis=0) > expected.clip[:, 0].max() - 3
    np.testing.assert_allclose(got[:, 0][:, loud], expected.clip[:, 0][:, loud], atol=0.05)


def test_what_lies_behind_a_clips_end_is_no_number_and_no_picture(store: Store) -> None:
    for row, seconds in enumerate(store.seconds().tolist()):
        frames = int(store.frames([row])[0])
        audio, segments = store.audio("fbank", [row])[0], store.segments("fbank", [row])[0]
        assert np.isfinite(audio[:frames]).all()
        assert np.isnan(audio[frames:]).all()
        assert np.isfinite(segments[:seconds]).all()
        assert np.isnan(segments[seconds:]).all()
        pts_s = store.pts_s([row])[0]
        begin_s = store.clips[row].start + np.arange(seconds)
        assert ((pts_s[:seconds] > begin_s - 0.01) & (pts_s[:seconds] <= begin_s + 0.5)).all()
        assert len(store.jpeg(row, seconds - 1)) > 0
        with pytest.raises(IndexError):
            store.jpeg(row, seconds)


def test_the_split_is_recorded_and_another_is_refused(store: Store, rooms: Path) -> None:
    split = store.settings.split
    assert split is not None
    assert (split.by, split.test_fraction, split.seed) == ("location", 0.2, 0)
    other = SETTINGS.model_copy(update={"split": SplitSettings(test_fraction=0.5, seed=3)})
    with pytest.raises(AvscError) as caught:
        prepare(rooms, Path(store.place), other)
    assert "split.test_fraction" in caught.value.got
    assert prepare(rooms, Path(store.place), SETTINGS).prepared == 0


def test_mono_is_duplicated_and_said_once_or_refused_when_asked_to(
    rooms: Path, store: Store, tmp_path: Path
) -> None:
    mono = [n for n, clip in enumerate(store.clips) if clip.id == "office/b"]
    frames = int(store.frames(mono)[0])
    difference = store.audio("fbank", mono)[0, :frames, 1]
    assert (difference == difference[0, 0]).all()  # the floor: left and right are the same
    assert sum("mono" in note for note in read_dataset(rooms).notes) == 1
    refusing = SETTINGS.model_copy(update={"mono": "refuse"})
    with pytest.raises(AvscError) as caught:
        prepare(rooms, tmp_path / "s", refusing)
    assert "is mono" in caught.value.got


def test_a_video_without_sound_a_short_and_a_damaged_one_are_refused_with_their_reasons(
    rooms: Path, tmp_path: Path
) -> None:
    root = tmp_path / "rooms"
    for name in ("office/b.avi", "kitchen/c.webm", "kitchen/IMG_0001.MOV"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(rooms / name, root / name)
    write_recording(root / "office/silent.mp4", 2, sound=False)
    write_recording(root / "office/short.mp4", 0.6)
    (root / "kitchen/broken.mp4").write_bytes(b"not a video at all")
    data = read_dataset(root)
    for name in ("office/silent", "office/short", "kitchen/broken"):
        assert any(name in note for note in data.notes)
    with pytest.raises(AvscError) as caught:
        prepare(root, tmp_path / "s", SETTINGS)
    assert "3 of 6 clips" in caught.value.got
    assert prepare(root, tmp_path / "s", SETTINGS, max_bad=3).complete
    reasons = Store.open(tmp_path / "s").reasons()
    assert set(reasons) == {"office/silent", "office/short", "kitchen/broken"}
    assert "no sound" in reasons["office/silent"]


def test_a_table_gives_folds_parts_and_sound_of_its_own(rooms: Path, tmp_path: Path) -> None:
    (tmp_path / "media").symlink_to(rooms)
    tone = 0.2 * np.sin(2 * np.pi * 500 * np.arange(6 * 22_050) / 22_050)
    soundfile.write(tmp_path / "own.wav", tone, 22_050)
    table = tmp_path / "list.tsv"
    table.write_text(
        "video\tscene\taudio\tstart\tend\tfold\tlocation\n"
        "media/office/morning/IMG 0002.mp4\ttalk\t\t1.5\t4.6\ttrain\tA\n"
        "media/office/morning/IMG 0002.mp4\tquiet\t\t6\t\ttest\tB\n"
        "media/kitchen/ü: 😀.mkv\ttalk\town.wav\t\t\ttest\tC\n"
        "media/office/b.avi\tquiet\t\t\t\ttrain\tD\n"
    )
    path = tmp_path / "store"
    assert prepare(table, path, SETTINGS).complete
    store = Store.open(path)
    assert store.settings.split is None
    found = {(c.scene, c.location, c.fold): (c.start, c.seconds, c.audio) for c in store.clips}
    office = "media/office/morning/IMG 0002.mp4"
    assert found["talk", "A", "train"] == (1.5, 3, office)
    assert found["quiet", "B", "test"] == (6.0, 3, office)
    assert {clip.audio for clip in store.clips if clip.location == "C"} == {"own.wav"}
    assert sum(clip.seconds or 0 for clip in store.clips if clip.location == "C") == 5


@pytest.mark.parametrize("own_folds", [True, False])
def test_recordings_without_a_scene_are_prepared_and_in_no_fold(
    rooms: Path, tmp_path: Path, own_folds: bool
) -> None:
    (tmp_path / "media").symlink_to(rooms)
    rows = [f"{name},{name.partition('/')[0]}" for name in LENGTHS if not name.endswith("webm")]
    folds = [f",{('train', 'test')[k % 2]}" if own_folds else "," for k in range(len(rows))]
    table = tmp_path / "list.csv"
    table.write_text(
        "video,scene,fold\nmedia/kitchen/c.webm,,\n"
        + "".join(f"media/{row}{fold}\n" for row, fold in zip(rows, folds, strict=True))
    )
    assert prepare(table, tmp_path / "store", SETTINGS).complete
    store = Store.open(tmp_path / "store")
    assert store.scenes == ("kitchen", "office")
    nameless = [row for row, clip in enumerate(store.clips) if not clip.scene]
    assert {store.clips[row].video for row in nameless} == {"media/kitchen/c.webm"}
    assert {clip.fold for clip in store.clips if not clip.scene} == {""}
    assert {clip.fold for clip in store.clips if clip.scene} == {"train", "test"}
    assert store.status()[nameless].tolist() == [Status.GOOD]


def test_faults_of_a_table_stop_before_any_work(rooms: Path, tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("video,scene\ngone.mp4,a\nlost.mp4,b\n")
    with pytest.raises(AvscError) as caught:
        prepare(tmp_path / "clips.csv", tmp_path / "s", SETTINGS)
    assert "gone.mp4" in caught.value.got
    assert "lost.mp4" in caught.value.got
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("split", "folds"),
    [
        (SplitSettings(folds=2), {"1", "2"}),
        (SplitSettings(folds="locations", by="recording"), set("123456")),
        (SplitSettings(test_fraction=0), {"train"}),
    ],
)
def test_folds_as_asked_for(rooms: Path, split: SplitSettings, folds: set[str]) -> None:
    data = read_dataset(rooms, split)
    assert {clip.fold for clip in data.clips} == folds
    assert data.split == split
    assert read_dataset(rooms, split) == data


def test_what_cannot_be_split_says_what_can(rooms: Path, tmp_path: Path) -> None:
    for scene, video in (("a", "kitchen/c.webm"), ("b", "office/b.avi")):
        (tmp_path / scene).mkdir()
        (tmp_path / scene / Path(video).name).symlink_to(rooms / video)
    with pytest.raises(AvscError) as caught:
        read_dataset(tmp_path, SplitSettings(test_fraction=0.2, by="folder"))
    assert "--test-fraction 0" in caught.value.remedy
