"""A recording's probabilities, second by second, by the official protocol (DESIGN section 5).

As in ``avsc evaluate``: each second is cut out first, and the probabilities of its audio frames
are averaged. Shape legend: k seconds of a block, f frames of a second, 2 channels, B bands,
D features of the visual encoder, P of a pre-trained audio encoder, C scenes.
"""

from collections.abc import Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from avsc import timebase
from avsc.console import ProgressLine
from avsc.media import jpeg
from avsc.models import view_maker
from avsc.models.protocol import segment_probabilities
from avsc.predict.downsample import ColumnMeans, EvenlySpaced
from avsc.predict.recording import Recording, Second
from avsc.predict.timeline import SceneTimeline, Thumbnail
from avsc.signal.features import FeatureExtractor
from avsc.train.load import Run

MOST_THUMBNAILS = 512
MOST_COLUMNS = 1200
THUMBNAIL_SIDE, THUMBNAIL_QUALITY = 96, 75

Floats = NDArray[np.float32]

SILENCE = np.zeros((2, timebase.SAMPLE_RATE_HZ), np.float32)


class Predictor:
    """Scores recordings with one run; made once, for the filter bank it builds.

    Args:
        run: The run, loaded.

    Attributes:
        tower: Pre-trained audio encoder of the run; None for none.

    Raises:
        AvscError: The folder of that encoder has moved or changed.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.tower = run.audio_tower()
        self._feature = run.recipe.audio.feature
        self._extractor: FeatureExtractor | None = None
        if run.uses_audio:
            only = {"features": (self._feature,)}
            self._extractor = FeatureExtractor(run.manifest.settings.model_copy(update=only))

    def predict(self, recording: Recording, line: ProgressLine) -> SceneTimeline:
        """Reads and scores a recording.

        Args:
            recording: See ``avsc.predict.recording.open_recording``.
            line: Told of each second.

        Raises:
            AvscError: The recording cannot be read.
        """
        thumbnails: EvenlySpaced[Thumbnail] = EvenlySpaced(MOST_THUMBNAILS)
        columns = ColumnMeans(MOST_COLUMNS, self.run.manifest.settings.bank(self._feature).bands)
        rows, first, same = [], None, True
        for block in _blocks(recording.seconds(), view_maker.batch_size(self.run.device)):
            first = block[0].number if first is None else first
            audio = self._features(block)  # [k, f, 2, B]
            if audio is not None:
                columns.add(audio[:, :, 0].reshape(-1, audio.shape[-1]))
                same = same and all(map(_same_channels, block))
            for second in block:
                if second.picture is not None:
                    thumbnails.add(_thumbnail(second))
            rows.append(self._score(block, audio))
            line.advance(len(block))
        assert first is not None
        is_heard = self.run.uses_audio and recording.sound is not None
        notes = [*recording.notes, *([ONE_CHANNEL] if is_heard and same else [])]
        notes += [SYNTHETIC] if self.run.manifest.synthetic else []
        return SceneTimeline(
            file=recording.file,
            sound=recording.sound,
            first=first,
            probabilities=np.concatenate(rows),
            scenes=self.run.scenes,
            thumbnails=thumbnails.items(),
            sound_columns=columns.columns() if is_heard else None,
            feature=self._feature,
            system=_system(self.run),
            notes=tuple(notes),
        )

    def _features(self, block: list[Second]) -> Floats | None:
        if self._extractor is None:
            return None
        sounds = [SILENCE if second.sound is None else second.sound for second in block]
        return np.stack([self._extractor.frames(sound, self._feature) for sound in sounds])

    def _score(self, block: list[Second], audio: Floats | None) -> NDArray[np.float64]:
        # -> [k, C]
        if not self.run.uses_frames:
            audio = None  # what was computed is for the page's picture of the sound
        frames = 1 if audio is None else audio.shape[1]
        embedding = None
        if self.run.uses_images:
            embedding = self._encoded(block)
        frames_of_all = None if audio is None else audio.reshape(-1, *audio.shape[2:])
        segment = np.repeat(np.arange(len(block)), frames)
        present = None
        if self.run.recipe.train.drops:
            pairs = [(one.sound is not None, one.picture is not None) for one in block]
            present = np.array(pairs)
        tower = self._heard(block)
        samples = self.run.samples(
            frames_of_all, embedding, segment, len(block), present, tower=tower
        )
        return np.asarray(segment_probabilities(self.run.model, samples).cpu().numpy())

    def _heard(self, block: list[Second]) -> Floats | None:
        """Pre-trained embeddings of the sound, [k, P]; silence where there is none."""
        if self.tower is None:
            return None
        silence = np.zeros((2, self.tower.sample_rate_hz), np.float32)
        sounds = (second.tower_sound for second in block)
        return self.tower.encode(np.stack([silence if x is None else x for x in sounds]))

    def _encoded(self, block: list[Second]) -> Floats:
        """Embeddings of the pictures, [k, D]; zeros where there is none."""
        seen = [number for number, second in enumerate(block) if second.picture is not None]
        found = self.run.encode([p for second in block if (p := second.picture) is not None])
        embedding = np.zeros((len(block), found.shape[1]), np.float32)
        embedding[seen] = found
        return embedding


ONE_CHANNEL = (
    "both channels are alike (a mono recording?): the run learnt from stereo and also hears their "
    "difference, which is silent here"
)
SYNTHETIC = (
    "the run was trained on synthetic data of `avsc synth`: what it says of real recordings means "
    "nothing"
)


def _blocks(seconds: Iterator[Second], size: int) -> Iterator[list[Second]]:
    while block := list(islice(seconds, size)):
        yield block


def _same_channels(second: Second) -> bool:
    return second.sound is None or np.array_equal(*second.sound)


def _thumbnail(second: Second) -> Thumbnail:
    assert second.picture is not None
    return Thumbnail(second.number, jpeg.encode(second.picture, THUMBNAIL_SIDE, THUMBNAIL_QUALITY))


def _system(run: Run) -> str:
    inputs = " and ".join(run.inputs)
    return f"{run.path.resolve().name} ({run.recipe.train.strategy}: {inputs})"
