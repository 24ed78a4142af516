"""What a run is given of each segment: both modalities, one alone, or a picture out of step."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avsc.errors import AvscError
from avsc.train.load import Run

Modality = Literal["audio", "image"]
NAMES: dict[Modality, str] = {"audio": "sound", "image": "pictures"}


@dataclass(frozen=True)
class Condition:
    """How segments differ from what was recorded.

    Attributes:
        without: Modality that every segment lacks; None for neither.
        offset_s: Distance in seconds from a segment's sound to its picture; at the ends of a clip
            the picture is the nearest one of the clip.
    """

    without: Modality | None = None
    offset_s: int = 0

    def words(self) -> str:
        """A name for folders and tables; empty where nothing differs."""
        found = [f"without-{self.without}"] if self.without else []
        found += [f"offset{self.offset_s:+d}s"] if self.offset_s else []
        return "-".join(found)

    def present(self, segments: int) -> NDArray[np.bool_] | None:
        """Whether each segment has its sound and its picture, [n, 2]; None for both."""
        if self.without is None:
            return None
        return np.tile(np.array([self.without != "audio", self.without != "image"]), (segments, 1))

    def require_possible(self, run: Run) -> None:
        """Refuses a condition that the run was not made for.

        Raises:
            AvscError: The run has one modality only, or no stand-ins for a missing one.
        """
        if not self.words():
            return
        if not (run.uses_audio and run.uses_images):
            has = "sound" if run.uses_audio else "pictures"
            raise AvscError(
                f"{run.path} uses {has} alone",
                "a run of sound and pictures",
                "evaluate it as it is: it never uses the other modality",
            )
        if self.without and not has_stand_in(run, self.without):
            raise AvscError(
                f"{run.path} was trained with {NAMES[self.without]} always there "
                f"(train.drop_{self.without} = 0)",
                f"a run with a learnt stand-in for missing {NAMES[self.without]}",
                "train one: `avsc train ... --set train.drop_audio=0.25 --set train.drop_image=0.25"
                "`; or score a run of one modality (`--strategy audio` or `video`)",
            )


def has_stand_in(run: Run, modality: Modality) -> bool:
    """Whether a run learnt an embedding that stands for a missing modality."""
    return modality in run.recipe.train.dropped


def picture_numbers(seconds: NDArray[np.int64], offset_s: int) -> NDArray[np.int64]:
    """The segment whose picture each segment of some clips is given, [n].

    Args:
        seconds: Number of seconds of each clip, [k]; the segments come clip by clip.
        offset_s: Distance in seconds from a segment's sound to its picture.
    """
    first = np.repeat(np.cumsum(seconds) - seconds, seconds)
    wanted = np.arange(len(first)) - first + offset_s
    return np.asarray(first + np.clip(wanted, 0, np.repeat(seconds, seconds) - 1), np.int64)
