"""One system's predictions in the forms in which people publish them."""

from pathlib import Path

import numpy as np
import pandas as pd

from avsc.scenes import SCENES

Frame = pd.DataFrame
LOCATIONS, CLIPS = 6, 2  # of a scene, of a location


def clips() -> list[str]:
    """Clip ids as TAU's are."""
    return [
        f"{scene}-{('lyon', 'paris')[place % 2]}-{1000 + 10 * place + k}-{4000 + 10 * place + n}"
        for k, scene in enumerate(SCENES)
        for place in range(LOCATIONS)
        for n in range(CLIPS)
    ]


def a_row_a_clip(seed: int = 0, skill: float = 3.0) -> Frame:
    """``aid``, the answer, the truth, and three decimals a scene."""
    ids = clips()
    random = np.random.default_rng(seed)
    logits = 2 * random.standard_normal((len(ids), 10))
    truth = [clip.split("-")[0] for clip in ids]
    logits[np.arange(len(ids)), [SCENES.index(scene) for scene in truth]] += skill
    shares = np.exp(logits)
    shares = np.round(shares / shares.sum(axis=1, keepdims=True), 3)
    table = pd.DataFrame(shares, columns=list(SCENES))
    table.insert(0, "scene_label", truth)
    table.insert(0, "scene_pred", [SCENES[k] for k in shares.argmax(axis=1)])
    table.insert(0, "aid", ids)
    return table


def a_row_a_segment(seed: int = 0) -> Frame:
    """``filename``, ``second`` and the scenes: ten rows a clip, each a little different."""
    table = a_row_a_clip(seed).drop(columns=["scene_pred", "scene_label"])
    table = table.loc[table.index.repeat(10)].reset_index(drop=True)
    noise = np.random.default_rng(seed + 1).uniform(0, 0.1, (len(table), 10))
    mixed = table[list(SCENES)] + noise
    table[list(SCENES)] = mixed.div(mixed.sum(axis=1), axis=0).round(5)
    table.insert(1, "second", np.arange(len(table)) % 10)
    return table.rename(columns={"aid": "filename"})


def write(table: Frame, path: Path, sep: str = "\t") -> Path:
    """Writes a table as pandas does, three decimals where it has three."""
    table.to_csv(path, sep=sep, index=False)
    return path


def shares_of(table: Frame) -> np.ndarray:
    """The normalised probabilities, [n, 10]."""
    shares = table[list(SCENES)].to_numpy(float)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def truth_of(table: Frame) -> np.ndarray:
    """The true scenes by number, from the ids."""
    column = "aid" if "aid" in table else "filename"
    return np.asarray(table[column].str.split("-").str[0].map(SCENES.index))
