"""The sound of a store's clips, read again from the data set that the store was prepared from.

A store has features of its sound, and no sound. What is read here is compared with them, clip by
clip, so that another data set, or one whose files were changed, is noticed.
Shape legend: L samples of a second, f frames of a second, 2 channels, B bands.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsc import timebase
from avsc.errors import AvscError
from avsc.media.soundtrack import read_clip_sound
from avsc.signal.features import FeatureExtractor
from avsc.store.reader import Store

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

NAMED = 3  # missing files that a message names
# Of the logarithms of a second; that of other sound is tenths, of the same sound on another
# machine less than a thousandth.
LARGEST_DIFFERENCE = 0.05


class ClipSound:
    """The sound of some clips, second by second.

    Args:
        store: Store of the clips.
        dataset: Folder that the clips' paths are relative to.
        rows: Rows of the clips that will be asked for.
        rate_hz: Sampling rate of the sound.

    Raises:
        AvscError: Files of these clips are not there.
    """

    def __init__(self, store: Store, dataset: Path, rows: Ints, rate_hz: int) -> None:
        self._store, self._dataset, self._rate_hz = store, dataset, rate_hz
        _require_files(store, dataset, rows)
        self._feature = store.settings.features[-1]
        only = {"features": (self._feature,)}
        self._extractor = FeatureExtractor(store.settings.model_copy(update=only))
        self._row: int | None = None
        self._seconds = np.empty((0, 2, rate_hz), np.float32)

    def second(self, row: int, second: int) -> Floats:
        """One second of a clip's sound, float32 [2 (left, right), L].

        Seconds of a clip one after the other read its file once.

        Raises:
            AvscError: The sound cannot be read, or it is not that of the store.
        """
        if self._row != row:
            self._seconds = self._by_second(row, self._rate_hz)
            self._require_same(row)
            self._row = row
        found: Floats = self._seconds[second]
        return found

    def _by_second(self, row: int, rate_hz: int) -> Floats:
        """A clip's sound, float32 [seconds, 2, rate]."""
        clip, settings = self._store.clips[row], self._store.settings
        path = self._dataset / clip.audio
        stereo = read_clip_sound(path, clip, settings.clip_seconds, settings.mono, rate_hz)
        return np.ascontiguousarray(stereo.reshape(2, -1, rate_hz).transpose(1, 0, 2))

    def _require_same(self, row: int) -> None:
        """Compares the features of the first second with those of the store."""
        model_hz = timebase.SAMPLE_RATE_HZ
        sound = self._seconds if self._rate_hz == model_hz else self._by_second(row, model_hz)
        found = self._extractor.frames(sound[0], self._feature)  # [f, 2, B]
        stored = self._store.segments(self._feature, [row])[0, 0]
        if np.abs(found - stored).mean() > LARGEST_DIFFERENCE:
            clip = self._store.clips[row]
            raise AvscError(
                f"{self._dataset / clip.audio}: its sound is not that of clip {clip.id} in "
                f"{self._store.place}",
                "the data set that the store was prepared from, unchanged",
                "pass that data set, or prepare a store from this one",
            )


def _require_files(store: Store, dataset: Path, rows: Ints) -> None:
    names = sorted({store.clips[row].audio for row in rows.tolist()})
    absent = [name for name in names if not (dataset / name).is_file()]
    if absent:
        more = ", ..." if len(absent) > NAMED else ""
        raise AvscError(
            f"{dataset} lacks {len(absent)} of the {len(names)} files with the sound of "
            f"{store.place}: {', '.join(absent[:NAMED])}{more}",
            "the data set that the store was prepared from",
            "pass the folder (or table) that `avsc prepare` was given",
        )
