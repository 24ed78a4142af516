"""Data sets in TAU's layout."""

import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from avsc.dataset import manifests
from avsc.dataset.read import Dataset, read_dataset
from avsc.scenes import SCENES
from tests.dataset.tau_tables import (
    AIRPORT,
    BUS,
    META_FOLDER,
    TEST,
    TRAIN,
    clip_ids,
    edit,
    fold_table,
    refusal,
    write_media,
    write_tables,
)


def test_clips_are_sorted_and_carry_fold_and_place(root: Path) -> None:
    dataset = read_dataset(root)
    assert clip_ids(dataset) == sorted(TRAIN + TEST)
    assert {clip.id for clip in dataset.clips if clip.fold == "train"} == set(TRAIN)
    assert {clip.id for clip in dataset.clips if clip.fold == "test"} == set(TEST)
    first = dataset.clips[0]
    assert (first.scene, first.city, first.location) == ("airport", "lyon", "1000")
    assert (first.audio, first.video) == (f"audio/{first.id}.wav", f"video/{first.id}.mp4")
    assert (dataset.edition, dataset.clip_seconds, dataset.warnings) == ("development", 10, ())
    assert dataset.root == root


def test_tables_may_lie_in_the_folder_of_the_meta_archive(root: Path) -> None:
    expected = read_dataset(root).clips
    (root / META_FOLDER).mkdir()
    for name in ("meta.csv", "evaluation_setup"):
        (root / name).rename(root / META_FOLDER / name)
    assert read_dataset(root).clips == expected


def test_media_may_lie_in_folders_of_their_archives(tmp_path: Path) -> None:
    for number, ids in enumerate((TRAIN, TEST), 1):
        folder = tmp_path / f"TAU-urban-audio-visual-scenes-2021-development.audio.{number}"
        write_media(folder / "TAU-urban-audio-visual-scenes-2021-development", ids)
    write_tables(tmp_path / META_FOLDER, TRAIN, TEST)
    dataset = read_dataset(tmp_path)
    assert clip_ids(dataset) == sorted(TRAIN + TEST)
    assert all((tmp_path / clip.audio).is_file() for clip in dataset.clips)


def test_the_folder_above_a_data_set_will_do(root: Path) -> None:
    dataset = read_dataset(root.parent)
    assert clip_ids(dataset) == sorted(TRAIN + TEST)
    assert dataset.clips[0].audio.startswith("tau/audio/")


def test_windows_line_ends_and_a_byte_order_mark_are_read(root: Path) -> None:
    expected = read_dataset(root)
    for path in (root / "meta.csv", *(root / "evaluation_setup").iterdir()):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_dataset(root) == expected


def test_a_further_column_and_an_absent_test_list_do_no_harm(root: Path) -> None:
    lines = (root / "meta.csv").read_text().splitlines()
    lines = [f"{line}\t{'identifier' if n == 0 else n}" for n, line in enumerate(lines)]
    (root / "meta.csv").write_text("\n".join(lines))
    (root / "evaluation_setup/fold1_test.csv").unlink()
    assert len(read_dataset(root).clips) == len(TRAIN + TEST)


def test_a_clip_in_no_fold_has_an_empty_fold(root: Path) -> None:
    (root / "evaluation_setup/fold1_train.csv").write_text(fold_table(TRAIN[1:]))
    assert {c.id: c.fold for c in read_dataset(root).clips}[TRAIN[0]] == ""


def _tau(root: Path, train: Sequence[str], test: Sequence[str]) -> Dataset:
    write_media(root, [*train, *test])
    write_tables(root, train, test)
    return read_dataset(root)


def test_a_scene_that_looks_misspelt_is_warned_of(tmp_path: Path) -> None:
    wrong = "metro_staton-lyon-1-1"
    more = [f"{scene}-bonn-{3000 + n}-60001" for n, scene in enumerate(SCENES)]
    data = _tau(tmp_path / "a", [*TRAIN, *more, wrong], TEST)
    [warning] = data.warnings
    assert "'metro_staton' (1 of 31 clips)" in warning
    assert "metro_station?" in warning
    own = [f"quay-lyon-{n}-1" for n in range(2)]
    assert not _tau(tmp_path / "b", [*TRAIN, *own], TEST).warnings


def test_both_unicode_forms_of_a_scene_are_one_scene(tmp_path: Path) -> None:
    one, other = (unicodedata.normalize(form, "büro") for form in ("NFC", "NFD"))
    ids = [f"{one}-lyon-1-1", f"{other}-lyon-2-1", "tram-lyon-3-1"]
    data = _tau(tmp_path, ids[:2], ids[2:])
    assert data.scenes == (one, "tram")
    assert {clip.id for clip in data.clips} == set(ids)
    assert all((data.root / clip.video).is_file() for clip in data.clips)


def test_a_location_in_both_folds_is_warned_of(root: Path) -> None:
    same = TEST[0].replace("oslo-2000", "lyon-1000")
    write_media(root, [same])
    write_tables(root, TRAIN, [*TEST, same])
    (warning,) = read_dataset(root).warnings
    assert "lyon-1000" in warning


@pytest.mark.parametrize("kind", ["absent", "file", "empty"])
def test_a_wrong_folder_is_told_what_a_data_set_looks_like(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "wrong"
    if kind == "file":
        path.write_text("x")
    elif kind == "empty":
        path.mkdir()
    message = str(refusal(path))
    assert str(path) in message
    assert "audio/<clip id>.wav" in message
    assert "avsc download" in message


def _link_file(root: Path) -> None:
    (root / f"audio/{AIRPORT}.wav").rename(root.parent / "elsewhere.wav")
    (root / f"audio/{AIRPORT}.wav").symlink_to(root.parent / "elsewhere.wav")


def _link_folders(root: Path) -> None:
    for name in ("audio", "evaluation_setup"):
        (root / name).rename(root.parent / f"{name} elsewhere")
        (root / name).symlink_to(root.parent / f"{name} elsewhere")


def _link_table(root: Path) -> None:
    (root / "meta.csv").rename(root.parent / "elsewhere.csv")
    (root / "meta.csv").symlink_to("../elsewhere.csv")


def _link_archives_media(root: Path) -> None:
    archive = root / "TAU-urban-audio-visual-scenes-2021-development.audio.1/audio"
    archive.parent.mkdir()
    (root / "audio").rename(archive)
    (root / "audio").mkdir()
    for file in archive.iterdir():
        (root / "audio" / file.name).symlink_to(file)


def _link_to_itself(root: Path) -> None:
    (root / "same").symlink_to(root)


@pytest.mark.parametrize(
    "link", [_link_file, _link_folders, _link_table, _link_archives_media, _link_to_itself]
)
def test_links_that_the_user_placed_are_followed_and_each_file_counts_once(
    root: Path, link: Callable[[Path], None]
) -> None:
    expected = read_dataset(root)
    link(root)
    assert read_dataset(root) == expected


def test_a_link_that_leads_nowhere_is_a_missing_file(root: Path) -> None:
    (root / f"audio/{AIRPORT}.wav").unlink()
    (root / f"audio/{AIRPORT}.wav").symlink_to("nowhere.wav")
    assert f"audio/{AIRPORT}.wav" in refusal(root).got


def test_endings_may_be_in_upper_case_on_disk_and_in_the_tables(root: Path) -> None:
    (root / f"audio/{AIRPORT}.wav").rename(root / f"audio/{AIRPORT}.WAV")
    for clip_id in TRAIN + TEST:
        (root / f"video/{clip_id}.mp4").rename(root / f"video/{clip_id}.MP4")
    edit(root / "meta.csv", f"audio/{BUS}.wav", f"audio/{BUS}.WAV")
    clips = {clip.id: clip for clip in read_dataset(root).clips}
    assert clips[AIRPORT].audio == f"audio/{AIRPORT}.WAV"
    assert clips[BUS].audio == f"audio/{BUS}.wav"
    assert all((root / clip.video).is_file() for clip in clips.values())


def test_two_files_that_differ_in_case_only_are_refused(root: Path) -> None:
    (root / f"audio/{AIRPORT}.WAV").touch()
    assert f"audio/{AIRPORT}.WAV" in refusal(root).got


def test_a_store_beside_the_media_is_no_data_set(root: Path) -> None:
    (root / "store/audio/scalogram").mkdir(parents=True)
    (root / "store/audio/zarr.json").write_text("{}")
    assert len(read_dataset(root).clips) == len(TRAIN + TEST)


def test_the_evaluation_edition_is_read_in_numeric_order(tmp_path: Path) -> None:
    write_media(tmp_path, [str(n) for n in range(12)])
    dataset = read_dataset(tmp_path)
    assert clip_ids(dataset) == [str(n) for n in range(12)]
    assert (dataset.edition, dataset.clip_seconds) == ("evaluation", 1)
    assert {(c.scene, c.city, c.location, c.fold) for c in dataset.clips} == {("", "", "", "")}


def test_the_evaluation_editions_table_chooses_its_clips(tmp_path: Path) -> None:
    write_media(tmp_path, ["0", "1", "2", "10"])
    (tmp_path / "evaluation_setup").mkdir()
    table = fold_table(["10", "2"], labels=False)
    (tmp_path / "evaluation_setup/fold1_test.csv").write_text(table)
    assert clip_ids(read_dataset(tmp_path)) == ["2", "10"]


def test_a_segment_without_its_picture_is_refused(tmp_path: Path) -> None:
    write_media(tmp_path, ["0", "1"])
    (tmp_path / "video/1.mp4").unlink()
    assert "video/1.mp4" in refusal(tmp_path).got


def _official_size(root: Path) -> tuple[list[str], list[str]]:
    train, test = manifests.fold_facts()
    ids = [
        [f"{s}-lyon-{fold.name}-{n}" for s, count in fold.per_scene.items() for n in range(count)]
        for fold in (train, test)
    ]
    write_media(root, ids[0] + ids[1])
    write_tables(root, ids[0], ids[1])
    return ids[0], ids[1]


def test_a_set_of_the_official_size_is_read_and_compared(tmp_path: Path) -> None:
    train, _ = _official_size(tmp_path)
    dataset = read_dataset(tmp_path)
    assert len(dataset.clips) == 12_291
    assert [w.split(" has ")[1] for w in dataset.warnings] == [
        "the official counts but other clip ids"
    ] * 2
    edit(tmp_path / "evaluation_setup/fold1_train.csv", fold_table(train[:1]).splitlines()[1], "")
    assert "airport 696 (official 697)" in read_dataset(tmp_path).warnings[0]


def test_the_manifest_lists_all_archives() -> None:
    archives = manifests.archives()
    assert len(archives) == 43
    assert len({archive.filename for archive in archives}) == 43
    assert all(archive.url.endswith(archive.filename) for archive in archives)
    assert round(sum(a.size for a in archives if a.edition == "development") / 1e9) == 108
    assert sum(fold.clips for fold in manifests.fold_facts()) == 12_291
    for fold in manifests.fold_facts():
        assert sum(fold.per_scene.values()) == fold.clips


def test_numbers_for_names_are_no_evaluation_edition_where_tables_label_them(
    tmp_path: Path,
) -> None:
    ids = [str(number) for number in range(6)]
    write_media(tmp_path, ids)
    header = "filename_audio\tfilename_video\tscene_label"
    rows = [f"audio/{i}.wav\tvideo/{i}.mp4\t{('office', 'Küche')[int(i) % 2]}" for i in ids]
    setup = tmp_path / "evaluation_setup"
    setup.mkdir()
    (setup / "fold1_train.csv").write_text("\n".join([header, *rows[:4]]))
    (setup / "fold1_evaluate.csv").write_text("\n".join([header, *rows[4:]]))
    (tmp_path / "meta.csv").write_text("\n".join([header, *rows]))
    assert "identifier" in refusal(tmp_path).remedy  # where the clips were recorded is not known
    places = [f"{row}\troom {n // 2}" for n, row in enumerate(rows)]
    (tmp_path / "meta.csv").write_text("\n".join([f"{header}\tidentifier", *places]))
    dataset = read_dataset(tmp_path)
    assert dataset.edition == "development"
    assert [(c.scene, c.location, c.fold) for c in dataset.clips] == [
        (("office", "Küche")[n % 2], f"room {n // 2}", "train" if n < 4 else "test")
        for n in range(6)
    ]
    edit(setup / "fold1_train.csv", "office", "Küche")
    assert "fold1_train.csv:2" in refusal(tmp_path).got


def test_a_scene_may_have_a_dash_in_its_name(tmp_path: Path) -> None:
    train, test = ["living-room-bonn-1-a", "office-bonn-2-a"], ["living-room-bonn-3-a"]
    write_media(tmp_path, train + test)
    write_tables(tmp_path, train, test)
    for path in (tmp_path / "meta.csv", *(tmp_path / "evaluation_setup").iterdir()):
        path.write_text(path.read_text().replace("\tliving\n", "\tliving-room\n"))
    found = {
        clip.id: (clip.scene, clip.city, clip.location) for clip in read_dataset(tmp_path).clips
    }
    assert found["living-room-bonn-1-a"] == ("living-room", "bonn", "1")
