import pytest
from hypothesis import given
from hypothesis import strategies as st

from avsc.errors import AvscError
from avsc.store.layout import StoredClip, clips_difference, decode_clips, encode_clips

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), max_size=12)
START = st.floats(0, 1e6)
SECONDS = st.none() | st.integers(1, 3600)
CLIPS = st.lists(
    st.builds(StoredClip, *[TEXT] * 7, start=START, seconds=SECONDS),
    unique_by=lambda clip: clip.id,
    max_size=5,
)


def clip(name: str, fold: str = "train") -> StoredClip:
    return StoredClip(name, "bus", "lyon", "1", fold, f"audio/{name}.wav", f"video/{name}.mp4")


@given(CLIPS)
def test_clips_survive_the_file_exactly(listed: list[StoredClip]) -> None:
    assert list(decode_clips(encode_clips(listed), "clips.csv")) == listed


def test_clips_as_long_as_the_store_says_need_no_further_columns() -> None:
    header = encode_clips([clip("a")]).splitlines()[0]
    assert header == b"id,scene,city,location,fold,audio,video"
    longer = encode_clips([clip("a"), clip("b")._replace(start=2.5, seconds=7)])
    assert longer.splitlines() == [
        header + b",start,seconds",
        longer.splitlines()[1],
        b"b,bus,lyon,1,train,audio/b.wav,video/b.mp4,2.5,7",
    ]


@given(CLIPS, CLIPS)
def test_a_difference_is_said_exactly_when_lists_differ(
    one: list[StoredClip], other: list[StoredClip]
) -> None:
    assert bool(clips_difference(one, other)) == (one != other)


def test_a_difference_names_the_clips_and_what_changed() -> None:
    lines = clips_difference(
        [clip("a"), clip("b"), clip("c")], [clip("b", fold="test"), clip("c"), clip("d")]
    )
    removed, added, changed = lines
    assert removed.endswith(": a")
    assert added.endswith(": d")
    assert "b (fold 'train', " in changed
    assert "'test'" in changed


def test_another_order_is_a_difference() -> None:
    assert len(clips_difference([clip("a"), clip("b")], [clip("b"), clip("a")])) == 1


@pytest.mark.parametrize("data", [b"", b"\xff", b"id,scene\na,b\n", b"id,scene,city,location\n"])
def test_a_file_with_other_columns_is_refused(data: bytes) -> None:
    with pytest.raises(AvscError) as caught:
        decode_clips(data, "clips.csv")
    assert "clips.csv" in caught.value.got
