import pytest
from hypothesis import given
from hypothesis import strategies as st

from avsc.errors import AvscError
from avsc.part import Part
from avsc.prepare.plan import estimate, pending, share
from avsc.store.schema import StoreSettings, clips_in, partition_count

SETTINGS = StoreSettings(partition_clips=4)


@given(partitions=st.integers(0, 300), count=st.integers(1, 40))
def test_parts_are_disjoint_and_cover_every_partition(partitions: int, count: int) -> None:
    shares = [share(partitions, Part(index, count)) for index in range(1, count + 1)]
    assert sorted([p for found in shares for p in found]) == list(range(partitions))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@given(clips=st.integers(1, 200), data=st.data())
def test_what_is_pending_is_what_is_unfinished_or_asked_again(
    clips: int, data: st.DataObject
) -> None:
    total = partition_count(clips, SETTINGS)
    missing = data.draw(st.sets(st.integers(0, total - 1)))
    again = data.draw(st.sets(st.integers(0, clips - 1)))
    found = pending(missing, clips, SETTINGS, again=again)
    assert found == sorted(missing | {row // 4 for row in again})
    parts = [pending(missing, clips, SETTINGS, Part(i, 3), again) for i in (1, 2, 3)]
    assert sorted([p for part in parts for p in part]) == found


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "1/0", "-1/3", "a/b", "1/3/4", "", "١/٣"])
def test_a_part_that_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(AvscError) as caught:
        Part.parse(text)
    assert caught.value.got == f"--part {text}"


def test_a_part_reads_back_as_it_is_written() -> None:
    assert Part.parse(str(Part(3, 16))) == Part(3, 16)


def test_the_estimate_counts_the_short_last_partition_and_every_byte_of_features() -> None:
    expected = estimate([0, 2], 10, SETTINGS)  # partitions of 4, 4 and 2 clips
    assert (expected.partitions, expected.clips) == (2, 6)
    frames = 56 + 10 * 3
    assert expected.feature_bytes == 6 * frames * 2 * (290 + 256) * 4
    assert expected.jpeg_bytes > 0
    assert expected.wall_s(2) == pytest.approx(expected.core_s / 2)
    assert expected.wall_s(1000) == expected.wall_s(6)  # six clips keep six cores busy


def test_the_real_data_set_is_estimated_as_it_was_measured() -> None:
    settings = StoreSettings()
    everything = range(partition_count(12_291, settings))
    expected = estimate(everything, 12_291, settings)
    assert clips_in(everything, 12_291, settings) == 12_291
    assert 1.5 * 3600 < expected.core_s < 3 * 3600  # about 0.6 s a clip
    assert 8e9 < expected.bytes_written < 20e9
