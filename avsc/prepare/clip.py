"""One clip: its two files become arrays and JPEGs, or a reason why it cannot be used.

A clip is bad only if its files were there and what is in them cannot be used: it is quarantined
with the reason, and the others go on. A fault of the machine (no room, no memory, a lost file
server, files that this machine does not see) ends the work and quarantines nothing, so that a bad
night does not pass for bad clips.
"""

import errno
import socket
from functools import lru_cache
from pathlib import Path

import av

from avsc import timebase
from avsc.errors import AvscError, BadClipError
from avsc.media import jpeg
from avsc.media.soundtrack import read_clip_sound
from avsc.media.video import read_pictures
from avsc.signal.features import FeatureExtractor
from avsc.store.layout import StoredClip
from avsc.store.schema import StoreSettings
from avsc.store.writer import ClipData

_MACHINE_ERRORS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EIO,
    errno.ESTALE,
    errno.ENOMEM,
    errno.EMFILE,
    errno.ENFILE,
    errno.EACCES,
    errno.EPERM,
    errno.ENOENT,
    errno.ENOTDIR,
}


class MachineError(AvscError):
    """A fault of the machine that worked on a clip, not of the clip: the work ends."""


def prepare_clip(dataset: Path, clip: StoredClip, settings: StoreSettings) -> ClipData:
    """Prepares one clip.

    Args:
        dataset: Root of the data set, which the clip's paths are relative to.
        clip: The clip.
        settings: Settings of the store.

    Raises:
        BadClipError: Its sound or picture cannot be used.
        MachineError: The machine cannot read it; the message names host and path.
    """
    for name in (clip.audio, clip.video):
        _require_file(dataset / name)
    try:
        return read_clip(dataset, clip, settings)
    except AvscError as error:
        if _is_machine_fault(error.__cause__):
            raise _machine_error(clip, error.__cause__) from error
        if isinstance(error, BadClipError):
            raise  # "raise error from error" would have Dask follow its causes for ever
        raise BadClipError(*error.args) from error
    except Exception as error:
        if _is_machine_fault(error):
            raise _machine_error(clip, error) from error
        raise BadClipError(f"unexpected {type(error).__name__}: {error}") from error


def read_clip(dataset: Path, clip: StoredClip, settings: StoreSettings) -> ClipData:
    """Reads a clip's files and computes what the store holds of them.

    Raises:
        BadClipError: Its sound or picture cannot be used.
    """
    sound = read_clip_sound(dataset / clip.audio, clip, settings.clip_seconds, settings.mono)
    features = _extractor(settings).clip(sound)
    jpegs, pts_s = [], []
    times_s = clip.start + timebase.image_times_s(clip.seconds or settings.clip_seconds)
    for picture in read_pictures(dataset / clip.video, times_s.tolist(), settings.image):
        image = settings.image
        jpegs.append(jpeg.encode(picture.rgb, image.short_side, image.jpeg_quality))
        pts_s.append(picture.pts_s)
    return ClipData(
        audio={name: both.clip for name, both in features.items()},
        segments={name: both.segments for name, both in features.items()},
        jpegs=jpegs,
        pts_s=pts_s,
    )


def warm_up(settings: StoreSettings) -> None:
    """Does what only a process's first clip has to wait for, outside of its time limit."""
    _extractor(settings)


@lru_cache(maxsize=1)
def _extractor(settings: StoreSettings) -> FeatureExtractor:
    # Its filter banks take half a second to build: once a process.
    return FeatureExtractor(settings)


def _require_file(path: Path) -> None:
    try:
        path.stat()
    except OSError as error:
        raise MachineError(
            f"{socket.gethostname()} does not see {path}: {error.strerror}",
            "every machine that works sees the data set under the same path",
            "mount it there, or take that machine away, and run the same command again; nothing"
            " was quarantined for it",
        ) from error


def _is_machine_fault(error: BaseException | None) -> bool:
    # FFmpeg gives some of these numbers for what is wrong inside a file.
    if isinstance(error, av.FFmpegError):
        return False
    return isinstance(error, MemoryError) or getattr(error, "errno", None) in _MACHINE_ERRORS


def _machine_error(clip: StoredClip, error: BaseException | None) -> MachineError:
    return MachineError(
        f"{socket.gethostname()} failed at clip {clip.id}: {type(error).__name__}: {error}",
        "a machine with memory and room that reads its files",
        "correct that and run the same command again; what is complete is kept, and nothing was"
        " quarantined for it",
    )
