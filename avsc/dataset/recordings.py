"""Somebody's own recordings, before they are cut into clips: what folders and tables list."""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from avsc.errors import AvscError

VIDEO_ENDINGS = frozenset(
    f".{name}"
    for name in (
        *("mp4", "mov", "m4v", "mkv", "webm", "avi", "3gp", "3g2"),
        *("mpg", "mpeg", "ts", "mts", "m2ts", "wmv", "flv", "ogv"),
    )
)
SOUND_ENDINGS = frozenset({".wav", ".flac", ".m4a", ".aac", ".mp3", ".ogg", ".opus", ".wma"})
MOST_FOLDERS = 20_000  # more than that is somebody's home, not a data set


@dataclass(frozen=True)
class Recording:
    """A recording that a data set lists.

    Attributes:
        id: Its name, which is unique in the data set.
        scene: Name of its scene.
        location: Name of its location; recordings of one location stay in one fold.
        fold: Name of its fold; None where the data set has no folds, "" for none of them.
        audio: POSIX path of the file with its sound relative to the data set; that of the video
            where the sound is its own track.
        video: POSIX path of its video relative to the data set.
        where: Where it is listed, for messages.
        start_s: Where its part that counts begins, in seconds.
        end_s: Where that part ends; None for its end.
    """

    id: str
    scene: str
    location: str
    fold: str | None
    audio: str
    video: str
    where: str
    start_s: float = 0.0
    end_s: float | None = None


@dataclass(frozen=True)
class Listing:
    """The recordings of a data set.

    Attributes:
        root: The folder that paths are relative to, resolved.
        kind: What lists them, in words.
        recordings: The recordings in the order of their ids.
        notes: Lines that the user should read.
        faults: What is wrong with it, row by row; no store can be made while there are any.
    """

    root: Path
    kind: str
    recordings: tuple[Recording, ...]
    notes: tuple[str, ...] = ()
    faults: tuple[AvscError, ...] = ()


@dataclass(frozen=True)
class Tree:
    """The media below a folder.

    Attributes:
        videos: POSIX paths of the videos relative to the folder, sorted.
        sounds: POSIX paths of the files of sound.
        others: Number of other files.
    """

    videos: tuple[str, ...]
    sounds: tuple[str, ...]
    others: int


def find_media(root: Path) -> Tree:
    """Lists the media below a folder; links are followed, each folder is listed once.

    Raises:
        AvscError: A folder cannot be listed, or there are too many of them.
    """
    videos, sounds, others = [], [], 0
    for path in _files(root):
        ending = PurePosixPath(path).suffix.lower()
        if ending in VIDEO_ENDINGS:
            videos.append(path)
        elif ending in SOUND_ENDINGS:
            sounds.append(path)
        else:
            others += 1
    return Tree(tuple(sorted(videos)), tuple(sorted(sounds)), others)


def _files(root: Path) -> Iterator[str]:
    waiting, seen = [(root, "")], set[tuple[int, int]]()
    while waiting:
        folder, prefix = waiting.pop()
        try:
            stat = folder.stat()
            if (stat.st_dev, stat.st_ino) in seen:
                continue  # a link leads to a folder that is listed already
            seen.add((stat.st_dev, stat.st_ino))
            with os.scandir(folder) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except OSError as error:
            raise AvscError(
                f"cannot list {folder}: {error.strerror}",
                "a readable folder",
                "check its permissions",
            ) from None
        if len(seen) > MOST_FOLDERS:
            raise AvscError(
                f"more than {MOST_FOLDERS} folders below {root}",
                "the folder of one data set",
                "name the folder with your recordings, or list them in a table clips.csv",
            )
        for entry in entries:
            if entry.name.startswith("."):
                continue  # hidden, as macOS leaves one beside each file on a foreign disk
            if entry.is_dir():
                waiting.append((Path(entry.path), f"{prefix}{entry.name}/"))
            else:
                yield prefix + entry.name


def unique_ids(paths: list[str]) -> list[str]:
    """An id for each video: its path without the ending, or with it where two differ only there.

    >>> unique_ids(["office/a.mp4", "park/a.mp4", "park/b.mov", "park/b.mp4"])
    ['office/a', 'park/a', 'park/b.mov', 'park/b.mp4']
    """
    short = [clean(str(PurePosixPath(path).with_suffix(""))) for path in paths]
    times = Counter(short)
    return [
        name if times[name] == 1 else clean(path) for name, path in zip(short, paths, strict=True)
    ]


def clean(name: str) -> str:
    """A name without characters that would break a line of a table."""
    return "".join("_" if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in name)
