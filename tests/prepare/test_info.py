import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from avsc.cli.app import app
from avsc.errors import AvscError
from avsc.part import Part
from avsc.prepare.run import prepare
from avsc.report.clip_figure import centres_hz, plot_clip
from avsc.report.info import clips_by_scene
from avsc.store.layout import StoredClip
from avsc.store.schema import Status, StoreSettings


def output(*words: str | Path) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_info_tells_what_a_store_holds(prepared: Path) -> None:
    said = output("info", prepared)
    for wanted in (
        "complete     yes",
        "10 of 10 s from 10 locations: 10 good, 0 quarantined, 0 not yet",
        "scalogram [56 frames, 2 channels, 290 bands]",
        "short side at most 32, JPEG quality 90",
        f"in {sum(file.is_file() for file in prepared.rglob('*'))} files",
    ):
        assert wanted in said
    assert "quarantined (" not in said


def test_info_tells_what_an_incomplete_store_lacks(
    dataset: Path, settings: StoreSettings, tmp_path: Path
) -> None:
    prepare(dataset, tmp_path / "store", settings, part=Part(1, 2))
    said = output("info", tmp_path / "store")
    assert "no: 2 of 4 partitions: 1 (not written), 3 (not written)" in said
    assert "6 good, 0 quarantined, 4 not yet" in said


def test_info_of_something_else_says_so(tmp_path: Path) -> None:
    with pytest.raises(AvscError) as caught:
        output("info", tmp_path)
    assert str(tmp_path) in caught.value.got


def test_clips_are_counted_by_scene_and_fold() -> None:
    def clip(scene: str, fold: str) -> StoredClip:
        return StoredClip("", scene, "", "", fold, "", "")

    clips = [clip("tram", "test"), clip("bus", "train"), clip("bus", "train"), clip("", "")]
    status = [Status.GOOD, Status.GOOD, Status.QUARANTINED, Status.ABSENT]
    header, rows = clips_by_scene(clips, status)
    assert header == ["scene", "train", "test", "no fold"]
    assert rows == [
        ["unlabelled", "0/0", "0/0", "0/1"],
        ["bus", "1/2", "0/0", "0/0"],
        ["tram", "0/0", "1/1", "0/0"],
        ["all", "1/2", "1/1", "0/1"],
    ]


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_a_clip_is_drawn(prepared: Path, ids: list[str], tmp_path: Path, kind: str) -> None:
    out = tmp_path / f"clip.{kind}"
    plot_clip(prepared, ids[0], out)
    if kind == "png":
        with av.open(str(out)) as container:
            picture = next(container.decode(video=0)).to_ndarray(format="rgb24")
        assert picture.shape[0] > 800
        assert len(np.unique(picture[..., 0])) > 200  # not blank
    if kind == "svg":
        assert out.stat().st_size > 100_000


def test_what_cannot_be_drawn_says_why(prepared: Path, ids: list[str], tmp_path: Path) -> None:
    with pytest.raises(AvscError, match="has no clip nothing"):
        plot_clip(prepared, "nothing", tmp_path / "clip.png")
    with pytest.raises(AvscError, match=r"\.png, \.pdf or \.svg"):
        plot_clip(prepared, ids[0], tmp_path / "clip.exe")
    assert not list(tmp_path.iterdir())


def test_the_axis_of_a_feature_is_in_the_order_of_its_bands() -> None:
    settings = StoreSettings()
    wavelets, mels = centres_hz(settings, "scalogram"), centres_hz(settings, "fbank")
    assert (len(wavelets), len(mels)) == (290, 256)
    assert (np.diff(wavelets) < 0).all()
    assert (np.diff(mels) > 0).all()
    assert wavelets[0] == pytest.approx(7932.9, abs=0.1)


def test_verify_is_quiet_about_a_sound_store_and_names_a_flipped_bit(
    prepared: Path, tmp_path: Path, dataset: Path, settings: StoreSettings
) -> None:
    store = tmp_path / "store"
    prepare(dataset, store, settings)
    assert output("verify", store).count("\n") <= 1
    shard = next((store / "audio/fbank").glob("c.2*"))
    data = bytearray(shard.read_bytes())
    data[1000] ^= 1
    shard.write_bytes(data)
    result = CliRunner().invoke(app, ["verify", str(store)])
    assert isinstance(result.exception, AvscError)
    assert str(shard) in result.output


@pytest.mark.parametrize(
    "words",
    [
        ["--part=5/4"],
        ["--features=fbank,mfcc"],
        ["--cluster=x.toml", "--workers=2"],
        ["--finalise", "--part=1/2"],
        ["--short-side=3"],
        ["--workers=-1"],
    ],
)
def test_wrong_usage_of_prepare_exits_with_2(words: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["prepare", str(tmp_path), str(tmp_path / "store"), *words])
    assert result.exit_code == 2, result.output
    assert not (tmp_path / "store").exists()


def test_prepare_imports_neither_torch_nor_dask(dataset: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from avsc.cli.app import app\n"
        "import avsc.cli\n"
        f"words = ['prepare', {str(dataset)!r}, {str(tmp_path / 'store')!r}, '--workers=0']\n"
        "app(words, standalone_mode=False)\n"
        "app(['info', words[2]], standalone_mode=False)\n"
        "heavy = {'torch', 'dask', 'distributed', 'timm', 'matplotlib', 'zarr'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
