"""``avsc embed --audio-model``: the sound of a real small data set, encoded beside its store."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from typer.testing import CliRunner

from avsc.cli import app as cli
from avsc.dataset.read import root_of
from avsc.errors import AvscError
from avsc.models.audio_bank import AudioBank
from avsc.models.audio_tower import TowerFolder
from avsc.report.bank_info import banks
from avsc.store.reader import Store
from avsc.train.embed import embed_sound
from tests.audio_models import (
    RATE_HZ,
    ast_by_hand,
    make_tau,
    prepare_here,
    save_ast,
    save_clap,
    write_sound,
)
from tests.dataset.recordings import write_recording


@pytest.fixture(scope="module")
def ast(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_ast(tmp_path_factory.mktemp("models") / "ast")


@pytest.fixture(scope="module")
def tau(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five clips of ten seconds."""
    return make_tau(tmp_path_factory.mktemp("data") / "tau", clips=5)


@pytest.fixture(scope="module")
def prepared(tau: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare_here(tau, tmp_path_factory.mktemp("prepared") / "store")


@pytest.fixture
def store(prepared: Path, tmp_path: Path) -> Path:
    """A store without neighbours."""
    return Path(shutil.copytree(prepared, tmp_path / "store"))


def _stored(store: Path, model: Path) -> tuple[Store, np.ndarray]:
    opened = Store.open(store)
    bank = AudioBank(opened, TowerFolder.read(model).sha256, model)
    return opened, bank.read_whole(np.arange(len(opened.clips)))


def test_each_second_has_transformers_own_embedding_of_its_sound(
    store: Path, tau: Path, ast: Path
) -> None:
    path = embed_sound(store, tau, ast, device="cpu")
    assert path.parent == store.with_name("store.embeddings")
    opened, found = _stored(store, ast)
    for clip, values in zip(opened.clips, found, strict=True):
        sound, rate = soundfile.read(tau / clip.audio, dtype="float32")
        mono = soxr.resample(sound, rate, 16_000, quality="HQ").mean(axis=1)[:160_000]
        expected = ast_by_hand(ast, mono.reshape(10, 16_000))
        np.testing.assert_allclose(values, expected, atol=1e-4)


def test_an_encoder_hears_its_own_rate(store: Path, tau: Path, tmp_path: Path) -> None:
    from transformers import ClapAudioModelWithProjection, ClapFeatureExtractor

    clap = save_clap(tmp_path / "clap")
    embed_sound(store, tau, clap, device="cpu")
    opened, found = _stored(store, clap)
    sound, rate = soundfile.read(tau / opened.clips[2].audio, dtype="float32")
    assert rate == RATE_HZ
    inputs = ClapFeatureExtractor.from_pretrained(clap)(
        sound.mean(axis=1)[7 * rate : 8 * rate], sampling_rate=rate, return_tensors="pt"
    )
    model = ClapAudioModelWithProjection.from_pretrained(clap).eval()
    expected = model(inputs["input_features"].float()).audio_embeds.detach().numpy()
    np.testing.assert_allclose(found[2, 7], expected[0], atol=1e-5)


def test_two_encoders_lie_side_by_side_and_info_lists_them(
    store: Path, tau: Path, ast: Path, tmp_path: Path
) -> None:
    other = save_ast(tmp_path / "other", seed=1)
    assert embed_sound(store, tau, ast, device="cpu") != embed_sound(store, tau, other)
    rows = banks(store)
    assert {row[3] for row in rows} == {"sound"}
    assert {row[1].split()[-1] for row in rows} == {
        TowerFolder.read(folder).sha256[:8] for folder in (ast, other)
    }
    assert [row[4] for row in rows] == ["2/2 chunks"] * 2


def _folders(root: Path) -> Path:
    for number, name in enumerate(["office/a/1", "office/b/2", "kitchen/c/3", "kitchen/d/4"]):
        write_recording(root / f"{name}.mp4", 5.3, channels=2, hz=300 + 200 * number)
    return root


def _table(root: Path) -> Path:
    _folders(root)
    write_sound(root / "beside.wav", 0, seconds=6)
    lines = ["video,audio,scene,start,end", "office/a/1.mp4,,office,1.5,5", "office/b/2.mp4,,x,,"]
    lines += ["kitchen/c/3.mp4,beside.wav,kitchen,2,4.5", "kitchen/d/4.mp4,,kitchen,,3"]
    table = root / "mine.csv"
    table.write_text("\n".join(lines) + "\n")
    return table


@pytest.mark.parametrize("make", [_folders, _table])
def test_own_recordings_are_read_again_piece_by_piece(
    make: Callable[[Path], Path], ast: Path, tmp_path: Path
) -> None:
    from avsc.media.soundtrack import read_piece

    dataset = make(tmp_path / "own")
    store = prepare_here(dataset, tmp_path / "store", clip_seconds=2)
    embed_sound(store, dataset, ast, device="cpu")
    opened, found = _stored(store, ast)
    assert len({clip.start for clip in opened.clips}) > 1
    for clip, values in zip(opened.clips, found, strict=True):
        seconds = clip.seconds or 0
        sound = read_piece(root_of(dataset) / clip.audio, clip.start, seconds).mean(axis=0)
        expected = ast_by_hand(ast, sound.reshape(seconds, 16_000))
        np.testing.assert_allclose(values[:seconds], expected, atol=1e-4)
        assert np.isnan(values[seconds:]).all()


def test_it_goes_on_after_a_kill_and_computes_nothing_twice(
    store: Path, tau: Path, ast: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f"""
import time
from avsc.models.audio_tower import AudioTower
from avsc.train.embed import embed_sound
encode, calls = AudioTower.encode, []
def stuck(self, sound):
    if len(calls) == 1 + 4:  # one to try it, four for the 30 seconds of the first partition
        print("stuck", flush=True)
        time.sleep(60)
    calls.append(1)
    return encode(self, sound)
AudioTower.encode = stuck
embed_sound({str(store)!r}, {str(tau)!r}, {str(ast)!r}, device="cpu")
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(AvscError) as caught:
        _stored(store, ast)
    assert "3 of 5 clips" in caught.value.got
    assert f"avsc embed {store} DATASET --audio-model {ast}" in caught.value.remedy
    from avsc.data.clip_sound import ClipSound

    read, second = [], ClipSound.second

    def counted(self: ClipSound, row: int, number: int) -> np.ndarray:
        read.append((row, number))
        return second(self, row, number)

    monkeypatch.setattr(ClipSound, "second", counted)
    for _ in range(2):
        embed_sound(store, tau, ast, device="cpu")
    assert read == [(row, number) for row in (3, 4) for number in range(10)]
    assert np.isfinite(_stored(store, ast)[1]).all()


def test_a_damaged_chunk_counts_as_missing_and_is_made_again(
    store: Path, tau: Path, ast: Path
) -> None:
    path = embed_sound(store, tau, ast, device="cpu")
    _, before = _stored(store, ast)
    chunk = path / "c" / "0" / "1" / "0" / "0"
    content = bytearray(chunk.read_bytes())
    content[100] ^= 1
    chunk.write_bytes(content)
    with pytest.raises(AvscError) as caught:
        _stored(store, ast)
    assert "3 of 5 clips" in caught.value.got
    embed_sound(store, tau, ast, device="cpu")
    np.testing.assert_array_equal(_stored(store, ast)[1], before)


def _remove_one(dataset: Path) -> str:
    gone = sorted((dataset / "audio").iterdir())[1]
    gone.unlink()
    return f"audio/{gone.name}"


def _change_one(dataset: Path) -> str:
    changed = sorted((dataset / "audio").iterdir())[4]
    write_sound(changed, seed=99, hz=2000)
    return changed.name


def _cut_one(dataset: Path) -> str:
    cut = sorted((dataset / "audio").iterdir())[3]
    cut.write_bytes(cut.read_bytes()[:100_000])
    return cut.name


@pytest.mark.parametrize("change", [_remove_one, _change_one, _cut_one])
def test_a_data_set_that_is_not_the_stores_is_refused_by_the_file(
    store: Path, tau: Path, ast: Path, tmp_path: Path, change: Callable[[Path], str]
) -> None:
    other = Path(shutil.copytree(tau, tmp_path / "copy"))
    name = change(other)
    with pytest.raises(AvscError) as caught:
        embed_sound(store, other, ast, device="cpu")
    assert name in caught.value.got
    assert caught.value.remedy


def test_another_data_set_a_parent_and_an_address_are_refused(
    store: Path, tau: Path, ast: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    other = make_tau(tmp_path / "other", clips=2, seed=50)
    for wrong in (tmp_path / "absent", tmp_path / "empty", other, tau.parent, store):
        with pytest.raises(AvscError):
            embed_sound(store, wrong, ast, device="cpu")
    assert not store.with_name("store.embeddings").exists()


def test_the_command_names_one_that_can_be_run_and_refuses_half_of_it(
    store: Path, tau: Path, ast: Path
) -> None:
    def run(*words: object) -> tuple[int, str]:
        done = CliRunner().invoke(cli.app, list(map(str, ["embed", store, *words])))
        return done.exit_code, done.output

    code, output = run(tau, "--audio-model", ast, "--device", "cpu")
    assert code == 0
    assert f"--set audio.encoder=both --set audio.model={ast}" in output.replace("\n", " ")
    assert run(tau)[0] == run("--audio-model", ast)[0] == 2
    assert run(tau, "--audio-model", ast, "--views", 2)[0] == 2
