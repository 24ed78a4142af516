"""Embeddings of a run's segments, from which equation (2) scores any combination of them.

Encoding is what takes time. A second without sound, with the picture of another second, or with
the sound of another clip only joins stored embeddings otherwise.

Shape legend: n segments, s of a batch, f frames of a second, A and D features of sound and picture,
C scenes.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from avsc.evaluate.condition import Modality, has_stand_in
from avsc.metrics import Probabilities
from avsc.train.load import Run

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

SEGMENTS_AT_ONCE = 640


@dataclass(frozen=True)
class Encoded:
    """The embeddings of a fold's segments.

    Attributes:
        run: Run that made them.
        sound: Embeddings of each segment's audio frames, float32 [n, f, A]; None for a run of
            pictures alone.
        picture: Embedding of each segment's picture, float32 [n, D]; None for a run of sound alone.
    """

    run: Run
    sound: Floats | None
    picture: Floats | None

    def means(self) -> dict[Modality, Floats]:
        """The mean embedding of each modality, [A] and [D]."""
        found: dict[Modality, Floats] = {}
        if self.sound is not None:
            found["audio"] = self.sound.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
        if self.picture is not None:
            found["image"] = self.picture.mean(axis=0, dtype=np.float64).astype(np.float32)
        return found

    def probabilities(
        self,
        *,
        sounds: Ints | None = None,
        pictures: Ints | None = None,
        replaced: dict[Modality, Floats] | None = None,
    ) -> Probabilities:
        """Each segment's probabilities, float64 [n, C]: the mean over its frames of the softmax.

        Args:
            sounds: Segment whose sound each segment is given, [n]; None for its own.
            pictures: Segment whose picture each segment is given, [n]; None for its own.
            replaced: Modality that all segments lack, and the embedding in its place, [A] or [D].
        """
        some = self.sound if self.sound is not None else self.picture
        assert some is not None
        parts = []
        for first in range(0, len(some), SEGMENTS_AT_ONCE):
            here = np.arange(first, min(first + SEGMENTS_AT_ONCE, len(some)))
            joined = self._joined(
                here if sounds is None else sounds[here],
                here if pictures is None else pictures[here],
                replaced or {},
            )
            parts.append(self._scored(joined))
        return np.concatenate(parts)

    def _joined(self, sounds: Ints, pictures: Ints, replaced: dict[Modality, Floats]) -> Floats:
        """The joint embedding of each frame of some segments, float32 [s, f, A + D]."""
        parts = []
        frames = 1 if self.sound is None else self.sound.shape[1]
        for name, stored, numbers in (
            ("audio", self.sound, sounds),
            ("image", None if self.picture is None else self.picture[:, None], pictures),
        ):
            if stored is None:
                continue
            values = stored[numbers]
            if name in replaced:
                values = np.broadcast_to(replaced[name], values.shape)
            parts.append(np.broadcast_to(values, (len(numbers), frames, values.shape[2])))
        return np.concatenate(parts, axis=2)

    @torch.inference_mode()
    def _scored(self, joined: Floats) -> Probabilities:
        flat = torch.from_numpy(joined).flatten(0, 1).to(self.run.device)
        shares = torch.softmax(self.run.model.classifier(flat).double(), dim=1)
        mean = shares.view(*joined.shape[:2], -1).mean(dim=1)
        return np.asarray(mean.cpu().numpy(), np.float64)


def learnt(run: Run, modality: Modality) -> Floats | None:
    """The embedding that a run learnt for a missing modality; None where it learnt none."""
    stand_ins = run.model.stand_ins
    if stand_ins is None or not has_stand_in(run, modality):
        return None
    return np.asarray(stand_ins[modality].detach().cpu().numpy(), np.float32)
