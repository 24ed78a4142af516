"""Which segments a fold has."""

import numpy as np
import pytest

from avsc.errors import AvscError
from avsc.evaluate.segments import segments_of
from avsc.scenes import SCENES
from avsc.store.layout import StoredClip
from avsc.store.schema import Status


def _clip(number: int, scene: str = "bus", fold: str = "test") -> StoredClip:
    place = ("lyon", f"10{number}")
    name = f"{scene}-{'-'.join(place)}-{number}"
    return StoredClip(name, scene, *place, fold, f"data/audio/{name}.wav", "")


def _good(count: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.full(count, Status.GOOD, np.uint8)


def test_segments_go_clip_by_clip_and_second_by_second() -> None:
    clips = [_clip(0), _clip(1, fold="train"), _clip(2, "tram")]
    found = segments_of(clips, _good(3), 2, "test", SCENES)
    assert found.names == (
        "bus-lyon-100-0_0",
        "bus-lyon-100-0_1",
        "tram-lyon-102-2_0",
        "tram-lyon-102-2_1",
    )
    assert found.rows.tolist() == [0, 2]
    assert found.labels.tolist() == [1, 1, 9, 9]
    assert found.locations[2:] == ("lyon-102", "lyon-102")
    assert found.labelled


def test_quarantined_clips_are_left_out_and_counted() -> None:
    status = _good(2)
    status[0] = Status.QUARANTINED
    found = segments_of([_clip(0), _clip(1)], status, 10, "test", SCENES)
    assert found.rows.tolist() == [1]
    assert found.quarantined == 1


def test_all_takes_every_clip() -> None:
    clips = [_clip(0), _clip(1, fold="train"), _clip(2, fold="")]
    assert segments_of(clips, _good(3), 1, "all", SCENES).rows.tolist() == [0, 1, 2]


def test_a_fold_without_clips_is_refused_and_the_folds_there_are_named() -> None:
    with pytest.raises(AvscError) as caught:
        segments_of([_clip(0, fold="train")], _good(1), 10, "test", SCENES)
    assert "'test'" in caught.value.got
    assert "train" in caught.value.expected


def test_the_evaluation_edition_is_named_by_its_sound_files() -> None:
    clips = [StoredClip(str(k), "", "", "", "", f"audio/{k}.wav", "") for k in range(3)]
    found = segments_of(clips, _good(3), 1, "test", SCENES)
    assert found.names == ("0.wav", "1.wav", "2.wav")
    assert found.fold == "evaluation"
    assert not found.labelled


def test_a_fold_that_is_labelled_in_part_is_refused() -> None:
    clips = [_clip(0), _clip(1)._replace(scene="")]
    with pytest.raises(AvscError) as caught:
        segments_of(clips, _good(2), 10, "test", SCENES)
    assert clips[1].id in caught.value.got
