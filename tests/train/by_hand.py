"""An independent reference for scores: a model's own outputs, sample by sample."""

import numpy as np
import torch
from numpy.typing import NDArray

from avsc.data.batch import Inputs
from avsc.train.load import Run

Floats = NDArray[np.float32]


@torch.inference_mode()
def sample_probabilities(
    run: Run, audio: Floats | None, embedding: Floats | None
) -> NDArray[np.float64]:
    """The softmax of each sample's logits, [n, C], of frames [n, 2, B] and embeddings [n, D]."""
    heard = None if audio is None or not run.uses_audio else torch.from_numpy(audio)
    seen = None if embedding is None or not run.uses_images else torch.from_numpy(embedding)
    logits = run.model(Inputs(heard, embedding=seen))
    return np.asarray(torch.softmax(logits.double(), dim=1).numpy())


@torch.inference_mode()
def joint_embedding(run: Run, audio: Floats, embedding: Floats) -> Floats:
    """e = AE(a) ++ VE(v), [n, 1024 + D]."""
    joint = run.model.embed(Inputs(torch.from_numpy(audio), embedding=torch.from_numpy(embedding)))
    return np.asarray(joint.numpy())
