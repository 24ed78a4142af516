"""The ten scenes of TAU Urban Audio-Visual Scenes 2021 and the names of its clips."""

from dataclasses import dataclass

from avsc.errors import AvscError

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
            AvscError: The id has not four parts, or its scene is none of the ten.
        """
        parts = clip_id.split("-")
        if len(parts) != 4 or not all(parts):
            raise AvscError(
                f"clip id {clip_id!r}",
                "<scene>-<city>-<location>-<segment>, such as airport-lyon-1095-40158",
                "check the file names and the CSV they come from",
            )
        scene_index(parts[0])
        return cls(*parts)


def scene_index(scene: str) -> int:
    """The row of a scene in every confusion matrix and probability table.

    Raises:
        AvscError: The scene is none of the ten.
    """
    if scene not in SCENES:
        raise AvscError(
            f"unknown scene {scene!r}",
            f"one of {', '.join(SCENES)}",
            "correct the scene_label, or remove the row",
        )
    return SCENES.index(scene)
