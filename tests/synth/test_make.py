import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import psutil
import pytest
import soundfile

from avsc.data.image_folder import read_image_set
from avsc.dataset.read import read_dataset
from avsc.errors import AvscError
from avsc.files import sha256_file
from avsc.synth.images import make_image_folder
from avsc.synth.make import make_dataset
from avsc.synth.plan import SynthSettings, clips
from avsc.synth.sounds import make_sound

SETTINGS = SynthSettings(2, 2, seed=3, width=96, height=54)
PIECES = SynthSettings(2, 2, seed=3, edition="evaluation", width=96, height=54)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synth") / "data"
    assert make_dataset(out, SETTINGS, workers=2) == 20
    return out


@pytest.fixture(scope="module")
def made_in_pieces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synth") / "pieces"
    assert make_dataset(out, PIECES, workers=1) == 20
    return out


def _digests(out: Path) -> dict[str, str]:
    files = sorted(path for path in out.rglob("*") if path.is_file())
    return {path.relative_to(out).as_posix(): sha256_file(path) for path in files}


def test_it_is_a_sound_data_set(made: Path) -> None:
    dataset = read_dataset(made)
    assert len(dataset.clips) == 20
    assert {clip.fold for clip in dataset.clips} == {"train", "test"}
    assert (dataset.edition, dataset.warnings) == ("development", ())
    assert "synthetic" in (made / "SYNTHETIC.txt").read_text()


def test_its_files_are_what_tau_has(made: Path) -> None:
    for clip in read_dataset(made).clips[::7]:
        wav = soundfile.info(made / clip.audio)
        assert (wav.samplerate, wav.channels, wav.subtype) == (48_000, 2, "PCM_24")
        assert wav.frames == 480_000
        with av.open(str(made / clip.video)) as container:
            stream = container.streams.video[0]
            assert stream.codec_context.name == "h264"
            assert stream.average_rate is not None
            assert stream.average_rate.as_integer_ratio() == (30_000, 1001)
            keys = [f.time for f in container.decode(stream) if f.key_frame]
            assert stream.frames == 300
            assert np.diff([key for key in keys if key is not None]).max() < 0.51


def test_a_lost_file_is_made_again_with_the_same_bytes(made: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(made, copy)
    before = _digests(copy)
    lost = read_dataset(copy).clips[4]
    (copy / lost.video).unlink()
    (copy / "video/.partial-x").write_bytes(b"what a killed maker leaves")
    (copy / "meta.csv").unlink()
    assert make_dataset(copy, SETTINGS, workers=1) == 1
    assert _digests(copy) == before
    assert make_dataset(copy, SETTINGS, workers=1) == 0


def test_a_maker_that_is_interrupted_and_killed_leaves_nothing_half_done(
    made_in_pieces: Path, tmp_path: Path
) -> None:
    out = tmp_path / "data"
    options = "--clips-per-scene 2 --locations-per-scene 2 --seed 3 --size 96x54 --workers 2"
    command = [sys.executable, "-m", "avsc", "synth", str(out), *options.split()]
    # Two workers have at most four files of clips that are not whole.
    for sign, code, files in ((signal.SIGINT, 130, 5), (signal.SIGKILL, -signal.SIGKILL, 15)):
        maker = subprocess.Popen([*command, "--edition", "evaluation"], stderr=subprocess.DEVNULL)
        while len(list(out.glob("video/*.mp4"))) < files:
            assert maker.poll() is None
            time.sleep(0.02)
        workers = psutil.Process(maker.pid).children(recursive=True)
        maker.send_signal(sign)
        assert maker.wait(timeout=60) == code
        _, alive = psutil.wait_procs(workers, timeout=60)
        assert not alive
        assert not (out / "evaluation_setup").exists()
    assert 0 < make_dataset(out, PIECES, workers=1) < 20
    assert _digests(out) == _digests(made_in_pieces)


def test_other_settings_are_refused_with_the_difference(made: Path) -> None:
    with pytest.raises(AvscError) as caught:
        make_dataset(made, SynthSettings(2, 2, seed=4, width=96, height=54))
    assert all(fact in caught.value.got for fact in (str(made), "seed", "3", "4"))
    assert "width" not in caught.value.got


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    for path in (tmp_path, tmp_path / "thesis.tex"):
        with pytest.raises(AvscError) as caught:
            make_dataset(path, SETTINGS)
        assert str(path) in caught.value.got
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    assert (tmp_path / "thesis.tex").read_text() == "x"


def test_the_evaluation_edition_has_one_second_files_without_labels(made_in_pieces: Path) -> None:
    dataset = read_dataset(made_in_pieces)
    assert (dataset.edition, dataset.clip_seconds) == ("evaluation", 1)
    assert [clip.id for clip in dataset.clips] == [str(n) for n in range(60)]
    assert {clip.scene for clip in dataset.clips} == {""}
    clip = dataset.clips[31]
    assert soundfile.info(dataset.root / clip.audio).frames == 48_000
    with av.open(str(dataset.root / clip.video)) as container:
        assert container.streams.video[0].frames == 30


def test_the_evaluation_edition_is_numbered_without_order(made_in_pieces: Path) -> None:
    written = [soundfile.read(made_in_pieces / f"audio/{3 * n}.wav")[0].T for n in range(20)]
    first = [make_sound(PIECES.seed, clip, 3)[:, :48_000] for clip in clips(PIECES)[:4]]
    errors = np.array([[np.abs(sound - file).max() for file in written] for sound in first])
    numbers = errors.argmin(axis=1).tolist()
    assert errors.min(axis=1).max() < 2e-7  # 24 bits
    assert numbers != sorted(numbers)


def test_the_image_folder_is_what_pretrain_reads(tmp_path: Path) -> None:
    assert make_image_folder(tmp_path / "images", 8, workers=1) == 20
    assert make_image_folder(tmp_path / "images", 8, workers=1) == 0
    images = read_image_set(tmp_path / "images")
    assert len(images.scenes) == 10
    assert (len(images.train), len(images.val)) == (40, 40)
    with pytest.raises(AvscError) as caught:
        make_image_folder(tmp_path / "images", 8, seed=1)
    assert "image_seed" in caught.value.got
