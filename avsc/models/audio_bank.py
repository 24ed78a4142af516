"""The sound of a store's seconds, encoded once by a frozen audio encoder and kept beside the store.

The array is [1, N clips, S seconds, D features], float32. Its key is the store and the encoder's
digest, so it does not matter where the encoder's folder lies. Only ``avsc embed`` fills it, since
it needs the data set's sound; training and scoring read it.
"""

import shlex
from pathlib import Path

import numpy as np

from avsc.console import ProgressLine
from avsc.data.clip_sound import ClipSound
from avsc.errors import AvscError
from avsc.models.audio_tower import AudioTower
from avsc.models.bank import Bank, Floats, Ints, array_path, beside
from avsc.store.reader import Store

VERSION = 1  # of how a second of sound becomes an embedding


class AudioBank(Bank):
    """The encoded seconds of one store by one audio encoder.

    Args:
        store: Store in a local folder.
        sha256: Digest of the encoder.
        model: Folder of the encoder, for messages.
        features: Number D of features, to fill the array; None to read what is there.

    Raises:
        AvscError: There is no such array to read, it is of something else, or it cannot be
            written.
    """

    def __init__(
        self, store: Store, sha256: str, model: Path | str, features: int | None = None
    ) -> None:
        self._model = model
        if "://" in str(store.place):
            raise AvscError(
                f"{store.place} is no local folder: embeddings of its sound lie beside the store",
                "a store in a folder",
                "copy the store to this machine",
            )
        folder, key = beside(store), audio_key(store, sha256)
        if features is None and not array_path(folder, key).exists():
            raise _absent(store, model, "no embeddings")
        super().__init__(store, folder, key, dtype=np.float32, features=features)

    def compute(
        self, rows: Ints, sound: ClipSound, tower: AudioTower, *, rank: int = 0, world: int = 1
    ) -> None:
        """Computes and stores what is missing of some clips; processes share the work.

        Args:
            rows: Rows of the clips.
            sound: Sound of the clips at the encoder's rate.
            tower: The encoder.
            rank: Number of this process, which begins with another partition than others.
            world: Number of processes.

        Raises:
            AvscError: Sound cannot be read or is not the store's, or an embedding is not finite.
        """

        def encode(todo: Ints, line: ProgressLine) -> Floats:
            parts = []
            for first in range(0, len(todo), tower.batch):
                some = todo[first : first + tower.batch, 1:].tolist()  # row and second
                parts.append(tower.encode(np.stack([sound.second(*place) for place in some])))
                line.advance(len(some))
            return np.concatenate(parts)

        self.fill(
            rows,
            encode,
            title="sound embeddings",
            unit="seconds",
            rank=rank,
            world=world,
        )

    def require(self, rows: Ints) -> None:
        """Refuses to go on where embeddings of some clips are not computed.

        Raises:
            AvscError: Some are not; the message has the command that computes them.
        """
        lacking = int(self.missing(rows).sum())
        if lacking:
            what = f"embeddings of {len(rows) - lacking} of {len(rows)} clips"
            raise _absent(self.store, self._model, what)

    def read_whole(self, rows: Ints) -> Floats:
        """The embeddings of some clips, float32 [n, S, D]; NaN behind a clip's end.

        Raises:
            AvscError: Some are not computed; see ``require``.
        """
        found = self.stored(rows)
        if found is None:
            self.require(rows)
            found = self.read(rows)
        return np.asarray(found[0], np.float32)


def audio_key(store: Store, sha256: str) -> dict[str, object]:
    """Everything that an embedding of sound depends on, as plain values."""
    return {"version": VERSION, "store": store.sha256, "audio_model": sha256}


def _absent(store: Store, model: Path | str, what: str) -> AvscError:
    command = shlex.join(["avsc", "embed", str(store.place)])
    return AvscError(
        f"there are {what} of the sound of {store.place} by the audio encoder {model}",
        "those of all clips that are trained on or scored",
        f"encode them first: {command} DATASET --audio-model {shlex.quote(str(model))}",
    )
