"""Bad clips through prepare: each is quarantined with its reason, and the others go on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from avsc.cli.app import app
from avsc.errors import AvscError
from avsc.prepare.run import prepare
from avsc.store.reader import Store
from avsc.store.schema import Status, StoreSettings

MakeDataset = Callable[..., Path]
REAL = Path(__file__).parents[3] / "shared/real"
RATE = 16_000


def html(path: Path) -> None:
    path.write_text("<!DOCTYPE html><html><body>404 Not Found</body></html>")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zeros_inside(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 3)
    path.write_bytes(data)


def sound(samples: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]") -> Callable[[Path], None]:
    return lambda path: soundfile.write(path, samples, RATE, subtype="FLOAT")


NOISE = np.random.default_rng(0).normal(0, 0.1, (10 * RATE, 2)).astype(np.float32)
WITH_NAN = NOISE.copy()
WITH_NAN[77, 1] = np.nan

# clip: which file, what is done to it, what the reason says
BAD: dict[int, tuple[str, Callable[[Path], None], str]] = {
    0: ("video", empty, "video"),
    1: ("video", html, "video"),
    2: ("video", cut, "video"),
    3: ("video", zeros_inside, "video"),
    4: ("audio", cut, "lasts 5.000 s"),
    5: ("audio", html, "HTML"),
    6: ("audio", sound(WITH_NAN), "1 samples are"),
    7: ("audio", sound(NOISE[: int(7.4 * RATE)]), "lasts 7.400 s"),
    8: ("audio", sound(NOISE[:, 0]), "mono"),
}


@pytest.fixture(scope="module")
def bad_store(
    make_dataset: MakeDataset, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, list[str]]:
    """The data set, its store, and the ids of its clips: nine bad, one silent, two good."""
    dataset = make_dataset(12)
    ids = sorted(file.stem for file in (dataset / "audio").iterdir())
    for number, (kind, spoil, _) in BAD.items():
        spoil(next((dataset / kind).glob(f"{ids[number]}.*")))
    sound(np.zeros((10 * RATE, 2), np.float32))(dataset / f"audio/{ids[9]}.wav")
    store = tmp_path_factory.mktemp("bad") / "store"
    with pytest.raises(AvscError) as caught:
        prepare(dataset, store, StoreSettings(partition_clips=5), workers=1)
    assert "9 of 12" in caught.value.got
    assert "--max-bad 9" in caught.value.remedy
    assert "--retry-bad" in caught.value.remedy
    return dataset, store, ids


@pytest.mark.parametrize("number", BAD)
def test_a_bad_clip_is_quarantined_with_its_reason(
    bad_store: tuple[Path, Path, list[str]], number: int
) -> None:
    _, store, ids = bad_store
    assert BAD[number][2] in Store.open(store, complete=False).reasons()[ids[number]]


def test_the_others_go_on_and_silence_is_kept_finite(
    bad_store: tuple[Path, Path, list[str]],
) -> None:
    _, path, ids = bad_store
    store = Store.open(path, complete=False)
    assert store.reasons().keys() == set(ids[:9])
    assert (store.status()[9:] == Status.GOOD).all()
    assert np.isfinite(store.audio("scalogram", [9])).all()


def test_too_many_bad_clips_exit_with_1_and_info_lists_them_all(
    bad_store: tuple[Path, Path, list[str]],
) -> None:
    dataset, store, ids = bad_store
    words = ["prepare", str(dataset), str(store), "--partition-clips=5", "--workers=0"]
    run = CliRunner()
    with pytest.raises(AvscError) as caught:  # which `main` turns into exit code 1
        run.invoke(app, [*words, "--max-bad=8"], catch_exceptions=False)
    assert "9 of 12" in caught.value.got
    with pytest.raises(AvscError) as incomplete:
        Store.open(store)
    assert str(store) in incomplete.value.got
    shown = run.invoke(app, ["info", str(store)])
    assert all(f"  {clip}: " in shown.output for clip in ids[:9])
    assert "3 good, 9 quarantined, 0 not yet" in shown.output


def test_mended_files_are_tried_again_when_asked_to(
    make_dataset: MakeDataset, settings: StoreSettings, tmp_path: Path
) -> None:
    dataset = make_dataset(7)
    victim = sorted((dataset / "video").iterdir())[4]
    sound_bytes = victim.read_bytes()
    html(victim)
    store = tmp_path / "store"
    summary = prepare(dataset, store, settings, max_bad=1)
    assert summary.quarantined.keys() == {victim.stem}
    victim.write_bytes(sound_bytes)
    assert prepare(dataset, store, settings, max_bad=1).prepared == 0
    summary = prepare(dataset, store, settings, retry_bad=True)
    assert (summary.prepared, summary.quarantined, summary.complete) == (3, {}, True)
    assert (Store.open(store).status() == Status.GOOD).all()


@pytest.mark.skipif(not REAL.exists(), reason="the real media are not here")
def test_real_media_two_streams_no_frame_count_and_damage(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    dataset = make_dataset(4)
    ids = sorted(file.stem for file in (dataset / "audio").iterdir())
    wavs = sorted((REAL / "audio").glob("*.wav"))
    videos = ["nasa_two_streams.mp4", "pancake.mkv", "corrupted.mp4", "short_h265.mp4"]
    for clip, wav, video in zip(ids, wavs[:4], videos, strict=True):
        (dataset / f"audio/{clip}.wav").write_bytes(wav.read_bytes())
        (dataset / f"video/{clip}.mp4").write_bytes((REAL / "video" / video).read_bytes())
    summary = prepare(dataset, tmp_path / "store", max_bad=2)
    assert summary.quarantined.keys() == set(ids[2:])
    assert "no picture for 1.5 s" in summary.quarantined[ids[3]]
