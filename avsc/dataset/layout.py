"""Where a data set's tables and media lie below its folder.

Copies differ: tables in the root or in the folder of the ``.meta`` archive, media in the root or
in folders of their archives, any of them a symbolic link to another disk. So folders are searched
a few levels down, links are followed, and every file is known by the name that the tables give it.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from avsc.errors import AvscError

MEDIA = {"audio": ".wav", "video": ".mp4"}  # folders and the endings of their files
META = "meta.csv"
SETUP = "evaluation_setup"
DEEPEST = 3  # <archive's folder>/<data set's folder>/audio is the deepest known
MOST_FOLDERS = 2000  # more than that is somebody's home, not a data set

LOOKS_LIKE = (
    f"a folder with audio/<clip id>.wav, video/<clip id>.mp4, {META} and "
    f"{SETUP}/fold1_{{train,evaluate,test}}.csv, or the evaluation edition's audio/ and video/"
)
HOW_TO_GET_ONE = (
    "check the path; `avsc download OUT` fetches TAU Urban Audio-Visual Scenes 2021, "
    "`avsc synth OUT` makes a small synthetic data set"
)


@dataclass(frozen=True)
class Layout:
    """What a data set's folder holds.

    Attributes:
        root: The folder, resolved.
        tables: Paths of ``meta.csv`` and ``evaluation_setup/*.csv``, by these names.
        media: Paths relative to ``root``, by ``audio/<clip id>`` and ``video/<clip id>``; more
            than one where copies of a file lie in several folders.
    """

    root: Path
    tables: dict[str, Path]
    media: dict[str, list[str]]

    def places(self, folder: str, clip: str) -> list[str]:
        """Paths of a clip's sound or picture relative to ``root``, one for each different file."""
        listed = self.media.get(f"{folder}/{clip}", [])
        if len(listed) < 2:
            return listed
        return list({(self.root / path).resolve(): path for path in reversed(listed)}.values())


def find_layout(root: Path) -> Layout:
    """Looks for tables and media at ``root`` and up to three folders below it.

    Raises:
        AvscError: There is no such folder, nothing in it looks like a data set, or it holds
            several data sets.
    """
    if not root.is_dir():
        got = f"{root} is not a folder" if root.exists() else f"there is no folder {root}"
        raise AvscError(got, LOOKS_LIKE, HOW_TO_GET_ONE)
    layout = Layout(root.resolve(), {}, {})
    for folder in _folders(layout.root):
        if folder.name in MEDIA:
            _list_media(folder, layout)
        else:
            _list_tables(folder, layout)
    if not layout.media:
        raise AvscError(
            f"no audio/*.wav and no video/*.mp4 below {root}", LOOKS_LIKE, HOW_TO_GET_ONE
        )
    return layout


def _folders(root: Path) -> Iterator[Path]:
    """``root`` and the folders below it, nearest first, each once; media folders are leaves."""
    level, seen = [root], set[Path]()
    for _ in range(DEEPEST + 1):
        deeper: list[Path] = []
        for folder in level:
            real = folder.resolve()
            if real in seen:
                continue  # a link leads to a folder that is listed already
            seen.add(real)
            if len(seen) > MOST_FOLDERS:
                got = f"more than {MOST_FOLDERS} folders below {root}"
                raise AvscError(got, LOOKS_LIKE, HOW_TO_GET_ONE)
            yield folder
            if folder.name not in MEDIA or folder == root:
                deeper += [Path(e.path) for e in _scan(folder) if _is_searched(e)]
        level = deeper


def _is_searched(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(".") and entry.name != SETUP and entry.is_dir()


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise AvscError(
            f"cannot list {folder}: {error.strerror}", "a readable folder", "check its permissions"
        ) from None


def _list_media(folder: Path, layout: Layout) -> None:
    base = folder.relative_to(layout.root).as_posix()
    # One listing and no stat a file: a shared file system takes a millisecond for each.
    for entry in _scan(folder):
        stem, ending = os.path.splitext(entry.name)  # noqa: PTH122 -- a Path a file takes longer
        hidden = entry.name.startswith(".")
        if not hidden and ending.lower() == MEDIA[folder.name] and entry.is_file():
            places = layout.media.setdefault(f"{folder.name}/{stem}", [])
            places.append(f"{base}/{entry.name}")


def _list_tables(folder: Path, layout: Layout) -> None:
    for path in (folder / META, *sorted((folder / SETUP).glob("*.csv"))):
        if not path.is_file():
            continue
        name = path.relative_to(folder).as_posix()
        other = layout.tables.setdefault(name, path)
        if other != path and other.read_bytes() != path.read_bytes():
            raise AvscError(
                f"two different {name} below {layout.root}: {other} and {path}",
                "the folder of one data set",
                "pass the folder of the one you mean",
            )
