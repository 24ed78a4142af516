"""Data sets that are refused, and what is said of them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.dataset.tau_tables import (
    AIRPORT,
    BUS,
    TEST,
    TRAIN,
    edit,
    fold_table,
    refusal,
    write_media,
    write_tables,
)


def _duplicate(root: Path) -> None:
    with (root / "meta.csv").open("a") as file:
        file.write(f"audio/{AIRPORT}.wav\tvideo/{AIRPORT}.mp4\tairport\n")


def _replace_audio(new: str) -> Callable[[Path], None]:
    return lambda root: edit(root / "meta.csv", f"audio/{AIRPORT}.wav", new)


def _commas(root: Path) -> None:
    path = root / "evaluation_setup/fold1_train.csv"
    path.write_text(path.read_text().replace("\t", ","))


def _no_labels(root: Path) -> None:
    (root / "meta.csv").write_text(fold_table(TRAIN + TEST, labels=False))


def _short_row(root: Path) -> None:
    edit(root / "meta.csv", "\tairport", "")


def _long_row(root: Path) -> None:
    edit(root / "meta.csv", "\tairport", "\tairport\tlyon")


def _escape_by_name(root: Path) -> None:
    edit(root / "meta.csv", f"audio/{AIRPORT}.wav", "audio/..")


def _fold_names_absent_clip(root: Path) -> None:
    absent = AIRPORT.replace("1000", "9999")
    (root / "evaluation_setup/fold1_train.csv").write_text(fold_table([*TRAIN, absent]))


def _file_missing(root: Path) -> None:
    (root / f"video/{BUS}.mp4").unlink()


def _pair_mismatch(root: Path) -> None:
    edit(root / "meta.csv", f"video/{AIRPORT}.mp4", f"video/{BUS}.mp4")


def _wrong_label(root: Path) -> None:
    edit(root / "meta.csv", "\tairport", "\tbus")


def _wrong_fold_label(root: Path) -> None:
    edit(root / "evaluation_setup/fold1_train.csv", "\tairport", "\tbus")


def _in_both_folds(root: Path) -> None:
    both = [*TEST, AIRPORT]
    (root / "evaluation_setup/fold1_evaluate.csv").write_text(fold_table(both))
    (root / "evaluation_setup/fold1_test.csv").write_text(fold_table(both, labels=False))


def _test_list_differs(root: Path) -> None:
    (root / "evaluation_setup/fold1_test.csv").write_text(fold_table(TEST[1:], labels=False))


def _no_meta(root: Path) -> None:
    (root / "meta.csv").unlink()


def _no_train(root: Path) -> None:
    (root / "evaluation_setup/fold1_train.csv").unlink()


def _not_text(root: Path) -> None:
    (root / "meta.csv").write_bytes(b"PK\x03\x04\xff\xfe\x80")


def _two_data_sets(root: Path) -> None:
    write_media(root / "other", [AIRPORT])
    (root / f"other/video/{AIRPORT}.mp4").unlink()
    write_tables(root / "other", TRAIN, TEST)


def _other_tables(root: Path) -> None:
    write_tables(root / "other", TEST, TRAIN)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_duplicate, ["meta.csv:22", "meta.csv:2", AIRPORT]),
        (_replace_audio("../escape.wav"), ["meta.csv:2", "'../escape.wav'"]),
        (
            _replace_audio(f"audio/../audio/{AIRPORT}.wav"),
            ["meta.csv:2", f"audio/../audio/{AIRPORT}.wav"],
        ),
        (_replace_audio("/etc/passwd"), ["meta.csv:2", "'/etc/passwd'"]),
        (_replace_audio("C:/clip.wav"), ["meta.csv:2", "'C:/clip.wav'"]),
        (_replace_audio("audio\\clip.wav"), ["meta.csv:2", r"audio\\clip.wav"]),
        (_replace_audio(""), ["meta.csv:2", "filename_audio", "''"]),
        (_commas, ["fold1_train.csv:1", "','"]),
        (_no_labels, ["meta.csv:1", "scene_label"]),
        (_short_row, ["meta.csv:2", "scene_label", "''", AIRPORT]),
        (_long_row, ["meta.csv", "line 2", "3", "4"]),
        (_escape_by_name, ["meta.csv:2", "filename_audio", "'audio/..'"]),
        (_fold_names_absent_clip, ["fold1_train.csv:12", "airport-lyon-9999", "meta.csv"]),
        (_file_missing, ["meta.csv:3", f"video/{BUS}.mp4"]),
        (_pair_mismatch, ["meta.csv:2", AIRPORT, BUS]),
        (_wrong_label, ["meta.csv:2", "'bus'", "'airport'"]),
        (_wrong_fold_label, ["fold1_train.csv:2", "'bus'", "'airport'"]),
        (_in_both_folds, ["fold1_evaluate.csv:12", "fold1_train.csv:2", AIRPORT]),
        (_test_list_differs, ["fold1_evaluate.csv:2", "fold1_test.csv"]),
        (_no_meta, ["meta.csv", "avsc download"]),
        (_no_train, ["evaluation_setup/fold1_train.csv"]),
        (_not_text, ["meta.csv", "UTF-8"]),
        (_two_data_sets, [f"audio/{AIRPORT}.wav", f"other/audio/{AIRPORT}.wav"]),
        (_other_tables, ["tau/meta.csv", "tau/other/meta.csv"]),
    ],
)
def test_a_damaged_data_set_is_refused_by_name(
    root: Path, damage: Callable[[Path], None], words: list[str]
) -> None:
    damage(root)
    error = refusal(root)
    assert error.expected
    assert error.remedy
    for word in words:
        assert word in str(error)


def test_faults_of_all_tables_are_named_at_once(root: Path) -> None:
    for damage in (_wrong_label, _file_missing, _in_both_folds):
        damage(root)
    message = str(refusal(root))
    assert "meta.csv:2" in message
    assert f"video/{BUS}.mp4" in message
    assert "fold1_evaluate.csv:12" in message


def test_many_faults_are_counted_and_the_first_are_shown(root: Path) -> None:
    for clip_id in TRAIN:
        (root / f"audio/{clip_id}.wav").unlink()
    message = str(refusal(root))
    assert "10" in message.splitlines()[0]
    assert sum(f"audio/{clip_id}.wav" in message for clip_id in TRAIN) == 5
