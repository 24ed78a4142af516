"""What a run is given of each segment: both modalities, one alone, or a picture out of step."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avsc.errors import AvscError
from avsc.train.load import Run

Modality = Literal["audio", "image"]


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

    def pictures(
        self, stored: NDArray[np.float32], seconds: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """The embedding that each second of some clips is given, [k, S, D] of the stored ones.

        Args:
            stored: Embedding of each second's picture, [k, S, D].
            seconds: Number of seconds of each clip, [k].
        """
        if not self.offset_s:
            return stored
        wanted = np.arange(stored.shape[1]) + self.offset_s
        nearest = np.clip(wanted[None, :], 0, seconds[:, None] - 1)
        return np.take_along_axis(stored, nearest[:, :, None], axis=1)

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
        if self.without and not run.recipe.train.drops:
            raise AvscError(
                f"{run.path} was trained with both modalities always there",
                "a run with learnt stand-ins for a missing one",
                "train one: `avsc train ... --set train.drop_audio=0.25 --set train.drop_image=0.25"
                "`; or score a run of one modality (`--strategy audio` or `video`)",
            )
