"""A recording of any length, second by second: its sound, and the picture half way through.

Bounded memory: sound and pictures are decoded as they are asked for; of the video, only the times
of its packets are held. Shape legend: H x W pixels.
"""

import math
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import count, groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Literal, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from avsc import timebase
from avsc.errors import AvscError, BadClipError
from avsc.files import mistaken_download
from avsc.media import frames, jpeg
from avsc.media.demux import open_media
from avsc.media.frames import NoPicture, Timeline
from avsc.media.soundtrack import sound_track, stream_seconds
from avsc.media.timeline import read_timeline
from avsc.media.video import read_pictures
from avsc.report.formatting import clock
from avsc.store.schema import ImageSettings

HALF_S = 0.5  # of a second, where its picture is taken


@dataclass(frozen=True)
class Second:
    """One second of a recording; what the run does not need is None."""

    number: int  # it begins at so many seconds
    sound: NDArray[np.float32] | None  # [2 (left, right), 16000]
    picture: NDArray[np.uint8] | None  # [H, W, 3], as it would come out of a store
    # The same sound at the rate of a pre-trained audio encoder, [2, rate].
    tower_sound: NDArray[np.float32] | None = None


class _Sound(NamedTuple):
    """A second of sound at the store's rate, and at a pre-trained encoder's where there is one."""

    sound: NDArray[np.float32] | None
    tower_sound: NDArray[np.float32] | None


_SILENT = _Sound(None, None)


@dataclass
class Recording:
    """What a prediction is made of.

    Attributes:
        file: The file it is named after.
        sound: Path of its sound; None for a run that does not use it.
        pictures: Seconds that have a picture; None for a run that does not use them.
        picture_end: Number of whole seconds with pictures.
        image: Settings of how pictures are chosen and kept.
        notes: Remarks for a person, added to as it is read.
        may_lack: What seconds may lack: ``audio``, ``image``, both or neither.
        tower_hz: Sampling rate of a pre-trained audio encoder; None for none.
    """

    file: Path
    sound: Path | None
    pictures: range | None
    image: ImageSettings
    picture_end: int = 0
    notes: list[str] = field(default_factory=list)
    may_lack: frozenset[str] = frozenset()
    tower_hz: int | None = None

    def expected(self) -> int:
        """How many seconds it seems to have, for a progress bar."""
        lengths = [] if self.pictures is None else [len(self.pictures)]
        if self.sound is not None:
            lengths.append(int(_claimed_s(self.sound)))
        return max(max(lengths) if len(self.may_lack) == 2 else min(lengths), 1)

    def seconds(self) -> Iterator[Second]:
        """Its seconds in order, as long as there are both sound and pictures (or, for a run that
        may lack one, either).

        Where it is cut off or damaged it ends, and a note says so.

        Raises:
            AvscError: Sound or picture cannot be read, or there is not one whole second.
        """
        empty, end = True, 0
        try:
            for second in self._pairs():
                empty, end = False, second.number + 1
                yield second
        except AvscError as error:
            if empty:
                raise
            self.notes.append(f"it cannot be read after {clock(end)}: {error.got}")
        if empty:
            raise AvscError(
                f"{self.file} is too short: it has not one whole second"
                + (" of both sound and picture" if self.sound and self.pictures else ""),
                "a second at least",
                "give a longer recording",
            )

    def _pairs(self) -> Iterator[Second]:
        if self.pictures is None:
            assert self.sound is not None
            for number, sound in enumerate(self._sounds(self.sound)):
                yield Second(number, sound.sound, None, sound.tower_sound)
        elif self.sound is None:
            for number, picture in zip(self.pictures, self._pictures(), strict=True):
                yield Second(number, None, picture)
        elif self.may_lack:
            yield from self._either(self.sound, self.pictures)
        else:
            yield from self._both(self.sound, self.pictures)

    def _either(self, path: Path, numbers: range) -> Iterator[Second]:
        lacking: list[tuple[int, str]] = []
        with closing(self._sounds(path)) as sounds, closing(self._pictures()) as pictures:
            for number in count():
                sound, tower_sound = next(sounds, _SILENT)
                picture = next(pictures) if number in numbers else None
                if sound is None and (number >= numbers.stop or "audio" not in self.may_lack):
                    break
                if picture is None and "image" not in self.may_lack:
                    if number >= numbers.stop:
                        break
                    continue  # before the first picture
                if sound is None or picture is None:
                    lacking.append((number, "sound" if sound is None else "picture"))
                yield Second(number, sound, picture, tower_sound)
        for what, members in groupby(lacking, key=itemgetter(1)):
            within = [number for number, _ in members]
            self.notes.append(
                f"no {what} from {clock(within[0])} to {clock(within[-1] + 1)}: there the learnt"
                " stand-in takes its place"
            )

    def _both(self, path: Path, numbers: range) -> Iterator[Second]:
        with closing(self._sounds(path)) as sounds, closing(self._pictures()) as pictures:
            rest = islice(sounds, numbers.start, None)
            for number in numbers:
                sound = next(rest, None)
                if sound is None:
                    if self.picture_end > number:
                        self.notes.append(
                            f"the sound ends at {clock(number)}: the pictures behind are left out"
                        )
                    return
                yield Second(number, sound.sound, next(pictures), sound.tower_sound)
            if next(rest, None) is not None:
                self.notes.append(
                    f"the pictures end at {clock(numbers.stop)}: the sound behind is left out"
                )

    def _sounds(self, path: Path) -> Generator[_Sound]:
        with ExitStack() as stack:
            sounds = stack.enter_context(closing(stream_seconds(path)))
            if self.tower_hz is None:
                yield from (_Sound(sound, None) for sound in sounds)
                return
            others = stack.enter_context(closing(stream_seconds(path, self.tower_hz)))
            yield from map(_Sound, sounds, others)

    def _pictures(self) -> Generator[NDArray[np.uint8]]:
        assert self.pictures is not None
        image = self.image
        times_s = [number + HALF_S for number in self.pictures]
        try:
            for picture in read_pictures(self.file, times_s, image):
                # A store's pictures are JPEG, and what a run learnt from has its traces.
                kept = jpeg.encode(picture.rgb, image.short_side, image.jpeg_quality)
                yield jpeg.decode(kept)
        except BadClipError as error:
            raise _unusable(error) from error


def open_recording(
    file: Path,
    audio: Path | None,
    image: ImageSettings,
    *,
    uses_audio: bool,
    uses_images: bool,
    may_lack: frozenset[str] = frozenset(),
    tower_hz: int | None = None,
) -> Recording:
    """Finds out what a recording has of what a run needs.

    Args:
        file: A video, or for a run that does not look any file with sound.
        audio: Where the sound is, if not in ``file``.
        image: How the run's store chose and kept pictures.
        uses_audio: Whether the run needs sound.
        uses_images: Whether the run needs pictures.
        may_lack: What the run can do without: ``audio``, ``image``, both or neither.
        tower_hz: Sampling rate of the run's pre-trained audio encoder; None for none.

    Raises:
        AvscError: A file is missing, or ``file`` has no picture that can be used.
    """
    for path in filter(None, (file, audio)):
        if path.is_dir():
            raise AvscError(f"{path} is a folder", "a recording", "name a file in it")
        if not path.is_file():
            is_url = re.match(r"\w+:/", str(path))
            remedy = "download it first" if is_url else "check the path"
            raise AvscError(f"there is no file {path}", "a recording", remedy)
        if wrong := mistaken_download(path):
            remedy = "download or copy it again, and see that it is the recording that comes"
            raise AvscError(f"{path} {wrong}", "a recording", remedy)
    sound = (audio or file) if uses_audio else None
    recording = Recording(file, sound, None, image, may_lack=may_lack, tower_hz=tower_hz)
    if audio is not None and not uses_audio:
        recording.notes.append(f"the run does not use sound: {audio} is left out")
    faults = []
    if "image" in may_lack:
        faults += _without(recording, "pictures", _look)
    elif uses_images:
        _look(recording)
    if "audio" in may_lack:
        faults += _without(recording, "sound", _listen)
    if len(faults) == 2:
        raise faults[0]
    return recording


def _without(
    recording: Recording, what: Literal["pictures", "sound"], find: Callable[[Recording], None]
) -> list[AvscError]:
    """What keeps a recording from having its sound or its pictures, which it then goes without."""
    try:
        find(recording)
    except AvscError as error:
        setattr(recording, what, None)
        recording.notes.append(f"no {what}: the learnt stand-in takes their place ({error.got})")
        return [error]
    return []


def _listen(recording: Recording) -> None:
    """Makes sure that there is a sound track.

    Raises:
        AvscError: There is none that can be decoded.
    """
    assert recording.sound is not None
    if recording.sound.suffix.lower() != ".wav":
        with open_media(recording.sound) as container:
            sound_track(recording.sound, container)


def covered(timeline: Timeline) -> range:
    """The seconds half way through which a picture is on the screen."""
    if not timeline.shown:
        return range(0)
    first_s = timeline.seconds(timeline.shown[0])
    return range(max(0, math.ceil(first_s - HALF_S)), max(0, math.floor(_end_s(timeline) + HALF_S)))


def _end_s(timeline: Timeline) -> float:
    return timeline.seconds(timeline.end()) + timebase.LENGTH_TOLERANCE_S


def _look(recording: Recording) -> None:
    try:
        timeline = read_timeline(recording.file)
    except BadClipError as error:
        raise _unusable(error) from error
    seconds = recording.pictures = covered(timeline)
    recording.picture_end = math.floor(_end_s(timeline)) if seconds else 0
    # Both decoders give the same pictures, and one of them need not be installed here.
    recording.image = recording.image.model_copy(update={"backend": "pyav"})
    if timeline.cut:
        recording.notes.append(
            f"its pictures are whole up to {clock(recording.picture_end)}: {timeline.cut}"
        )
    if seconds.start:
        recording.notes.append(
            f"the first picture appears after {clock(seconds.start)}: what is before is left out"
        )
    if recording.image.frame_choice == "keyframe":
        times_s = [number + HALF_S for number in seconds]
        if isinstance(frames.nearest_keyframes(timeline, times_s), NoPicture):
            recording.image = recording.image.model_copy(update={"frame_choice": "on-screen"})
            recording.notes.append(
                "keyframes are too far apart: its pictures are those on the screen half way "
                "through each second, where the run learnt from keyframes"
            )


def _claimed_s(path: Path) -> float:
    """How long a file says it is; 0 where it does not say or cannot be opened."""
    try:
        with open_media(path) as container:
            return (container.duration or 0) / float(av.time_base)
    except BadClipError:
        return 0.0  # an estimate only: reading it says what is wrong


def _unusable(error: BadClipError) -> AvscError:
    return AvscError(
        error.got,
        "a video whose pictures can be decoded to its end: the run uses pictures",
        "write it anew (ffmpeg -i IN -c:v libx264 -crf 18 OUT.mp4), or use a run on sound alone",
    )
