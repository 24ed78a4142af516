"""Scenes: those of TAU Urban Audio-Visual Scenes 2021, and what a data set may call its own.

The scenes are a property of the data set: the store records them, and run, predictions, metrics
and report take them from there. Their order is that of the columns of every table of probabilities.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from avsc.errors import AvscError

# TAU's ten. A store that does not name its scenes has these: every store of version 0.1.
SCENES = (
    "airport",
    "bus",
    "metro",
    "metro_station",
    "park",
    "public_square",
    "shopping_mall",
    "street_pedestrian",
    "street_traffic",
    "tram",
)
UNLABELLED = -1  # in the place of a scene's index
# The other columns of the tables in which each scene has a column of its name.
COLUMNS = ("filename", "scene_label", "file", "second", "scene", "probability")
SHOWN = 5  # names in a message


@dataclass(frozen=True)
class ClipName:
    """Parts of a development clip's id, ``<scene>-<city>-<location>-<segment>``."""

    scene: str
    city: str
    location: str
    segment: str

    @classmethod
    def parse(cls, clip_id: str) -> "ClipName":
        """Splits a clip id.

        >>> ClipName.parse("airport-lyon-1095-40158").city
        'lyon'

        Raises:
            AvscError: The id has not four parts.
        """
        parts = clip_id.split("-")
        if len(parts) != 4 or not all(parts):
            raise AvscError(
                f"clip id {clip_id!r}",
                "<scene>-<city>-<location>-<segment>, such as airport-lyon-1095-40158",
                "check the file names and the CSV they come from",
            )
        return cls(*parts)


def composed(name: str) -> str:
    r"""A name in Unicode's composed form, NFC: macOS writes ``ü`` as two characters, others as one.

    >>> composed("bu\N{COMBINING DIAERESIS}ro") == "b\N{LATIN SMALL LETTER U WITH DIAERESIS}ro"
    True
    """
    return unicodedata.normalize("NFC", name)


def scenes_of(names: Iterable[str]) -> tuple[str, ...]:
    """The scenes of a data set whose clips have these.

    TAU's ten where there are no others, so that a part of TAU has the columns of the whole; else
    the names that occur, sorted. An empty name is that of an unlabelled clip.

    >>> scenes_of(["tram", "bus", ""]) == SCENES, scenes_of(["office", "bus", "office"])
    (True, ('bus', 'office'))
    """
    found = {name for name in names if name}
    return SCENES if found <= set(SCENES) else tuple(sorted(found))


def check_scenes(scenes: Sequence[str]) -> None:
    """Refuses names that no table could hold.

    Raises:
        AvscError: There are fewer than two scenes, or some names are empty, repeated, padded with
            spaces, taken by another column, or have tabs, line ends or other control characters.
    """
    faults = [f"{name!r} ({fault})" for name in scenes if (fault := _fault(name))]
    faults += [f"{name!r} (twice)" for name, times in Counter(scenes).items() if times > 1]
    if faults:
        more = f" and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise AvscError(
            f"names of scenes that cannot be used: {', '.join(faults[:SHOWN])}{more}",
            "names that differ, of letters in any script, digits, signs and inner spaces",
            "rename these scenes",
        )
    if len(scenes) < 2:
        raise AvscError(
            f"one scene only: {', '.join(scenes)}" if scenes else "no scene",
            "at least two scenes to tell apart",
            "add clips of another scene"
            if scenes
            else "write the scenes of the clips into the table",
        )


def _fault(name: str) -> str:
    if not name.strip():
        return "empty"
    if name != name.strip():
        return "begins or ends with a space"
    if name in COLUMNS:
        return "the name of a column beside the scenes'"
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name):
        return "has a tab, a line end or another control character"
    return ""
