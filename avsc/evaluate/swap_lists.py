"""Lists of swaps: which clips of a fold have the sound of another clip.

A line names a clip, and beside it the clip whose sound it has; or the clip's class, and then its
sound is drawn from clips of another class. The public lists of VADD (Visual-Audio Discrepancy
Detection, Apostolidis et al., MAD 2024, github.com/IDT-ITI/Visual-Audio-Discrepancy-Detection) have
lines such as ``['park-lyon-1188-44277.mp4', 'park']``: ``vadd_10_manipulated.txt`` names the clips
with another sound, ``vadd_10_swaps.txt`` those whose sounds are used; ``vadd_3_...`` have three
classes for the ten scenes (indoor, outdoor, vehicle). None of them says which sound goes where.
"""

import ast
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avsc.console import say
from avsc.data import rng
from avsc.errors import AvscError
from avsc.evaluate.segments import Segments
from avsc.evaluate.swaps import Swaps, give_sounds, scene_of
from avsc.store.reader import Store
from avsc.store.schema import Status

Ints = NDArray[np.int64]

SHOWN = 5  # lines in a message
SUFFIX = re.compile(r"\.(mp4|wav|mkv|mov|avi|webm|flac|m4a|mp3)$", re.IGNORECASE)
EXPECTED = (
    "lines with a clip and the clip whose sound it has, separated by a tab or a comma, or lines "
    "such as ['CLIP.mp4', 'CLASS'], as VADD has them"
)


class Line(NamedTuple):
    """A line of a list."""

    number: int  # in the file, from 1
    clip: str  # id of a clip of the store
    sound: str  # id of the clip whose sound it has; empty where the list does not say
    label: str  # class of the clip; empty where the list has none


def read_lines(path: Path, store: Store) -> list[Line]:
    """Reads a list.

    Args:
        path: Path of the file.
        store: Store with the clips.

    Raises:
        AvscError: It cannot be read, or lines name no clip of the store, or a clip again.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise AvscError(f"cannot read {path}: {error}", EXPECTED, "check the path") from None
    known = {clip.id for clip in store.clips}
    rows = [(k, _cells(line)) for k, line in enumerate(text.splitlines(), 1) if line.strip()]
    found = [_line(number, cells, known) for number, cells in rows]
    if len(found) > 1 and not found[0].clip and found[1].clip:
        rows, found = rows[1:], found[1:]  # a header
    strange = [
        f"line {number}: {', '.join(cells)}"
        for (number, cells), line in zip(rows, found, strict=True)
        if not line.clip
    ]
    if strange or not found:
        raise AvscError(
            f"{len(strange):,} lines of {path} name no clip of {store.place}{_some(strange)}"
            if found
            else f"{path} has no lines",
            f"{EXPECTED}; clips such as {store.clips[0].id}",
            "name the list of this data set, or its store with --store",
        )
    first = {line.clip: line.number for line in reversed(found)}
    again = [f"line {x.number}: {x.clip}" for x in found if first[x.clip] != x.number]
    if again:
        raise AvscError(
            f"{len(again):,} lines of {path} name a clip again{_some(again)}",
            "each clip once",
            "remove these lines",
        )
    return found


def listed_swaps(
    lines: Sequence[Line], sounds: Sequence[Line], segments: Segments, store: Store, seed: int
) -> tuple[Swaps, Ints | None]:
    """The swaps of a list, and the class of each scene, [C], where the list has classes.

    Args:
        lines: Lines of the clips that have another sound.
        sounds: Lines of the clips whose sounds are drawn from; none for all of the fold.
        segments: Segments of the fold.
        store: Store with the clips.
        seed: Seed of the sounds that the list does not name.

    Raises:
        AvscError: Clips are not of the fold, a scene has two classes, or there is no sound of
            another class.
    """
    number = {store.clips[row].id: k for k, row in enumerate(segments.rows)}
    lines, sounds = (_usable(some, number, segments.fold, store) for some in (lines, sounds))
    classes = _classes([*lines, *sounds], store, segments.scenes)
    of_clip = scene_of(segments) if classes is None else classes[scene_of(segments)]
    uniform = rng.generator(seed, 0, rng.Purpose.SWAP).random((segments.n_clips, 2))[:, 1]
    drawn = np.array([number[line.clip] for line in lines if not line.sound], np.int64)
    donors = [number[line.clip] for line in sounds] or None
    found = give_sounds(segments, drawn, uniform, of_clip, donors)
    for line in lines:
        if line.sound:
            found.sound_of[number[line.clip]] = number[line.sound]
    return found, classes


def _cells(line: str) -> list[str]:
    """The cells of a line: a Python list of texts, or separated by tabs, commas or semicolons."""
    try:
        read = ast.literal_eval(line.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        read = None
    if isinstance(read, list | tuple) and read:
        return [str(cell).strip() for cell in read]
    return [cell.strip().strip("\"'") for cell in re.split(r"[\t,;]", line)]


def _line(number: int, cells: Sequence[str], known: set[str]) -> Line:
    other = cells[1] if len(cells) > 1 else ""
    sound = _clip_id(other, known)
    return Line(number, _clip_id(cells[0], known), sound, "" if sound else other)


def _clip_id(cell: str, known: set[str]) -> str:
    """The clip that a cell names, with or without a folder and a suffix; empty for none."""
    plain = SUFFIX.sub("", cell)
    return next((name for name in (cell, plain, Path(plain).name) if name in known), "")


def _usable(lines: Sequence[Line], number: dict[str, int], fold: str, store: Store) -> list[Line]:
    """The lines whose clips are in the fold; quarantined clips are left out.

    Raises:
        AvscError: Clips are of another fold.
    """
    good = store.status() == Status.GOOD
    bad = {clip.id for clip, fine in zip(store.clips, good, strict=True) if not fine}
    used = [line for line in lines if not {line.clip, line.sound} & bad]
    if len(used) < len(lines):
        say(f"note: {len(lines) - len(used)} lines name quarantined clips and are left out")
    outside = [
        f"line {line.number}: {name}"
        for line in used
        for name in (line.clip, line.sound)
        if name and name not in number
    ]
    if outside:
        raise AvscError(
            f"{len(outside):,} clips of the list are not in the fold {fold!r}{_some(outside)}",
            f"clips of the fold, of {len(number):,}",
            "choose the list's fold with --fold",
        )
    return used


def _classes(lines: Sequence[Line], store: Store, scenes: tuple[str, ...]) -> Ints | None:
    """The class of each scene by number, [C]; None where the classes are the scenes."""
    scene = {clip.id: clip.scene for clip in store.clips}
    pairs = sorted({(scene[line.clip], line.label) for line in lines if line.label})
    label = dict(pairs)
    wrong = [f"{a} is {b}" for a, b in pairs if label[a] != b or (b in scenes and a != b)]
    if wrong:
        raise AvscError(
            f"classes of scenes that do not fit{_some(wrong)}",
            "one class for each scene: its own name, or one for several scenes such as indoor",
            "correct the second column; with the ids of clips there, it names whose sound is taken",
        )
    names = [label.get(one, one) for one in scenes]
    if names == list(scenes):
        return None
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def _some(texts: Sequence[str]) -> str:
    shown = "".join(f"\n  {text}" for text in texts[:SHOWN])
    return f":{shown}" + (f"\n  and {len(texts) - SHOWN:,} more" if len(texts) > SHOWN else "")
