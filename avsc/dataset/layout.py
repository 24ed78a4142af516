"""Where a data set's tables and media lie below its folder.

Copies differ: CSVs in the root or in the folder of the ``.meta`` archive, media in the root or in
folders of their archives. So folders are searched a few levels down, every file is known by the
name the CSVs give it (``audio/<clip id>.wav``), and each name must have exactly one place.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from avsc.errors import AvscError

MEDIA = {"audio": ".wav", "video": ".mp4"}  # folders and their files
META = "meta.csv"
SETUP = "evaluation_setup"
DEEPEST = 3  # <archive's folder>/<data set's folder>/audio is the deepest known
MOST_FOLDERS = 2000  # more than that is someone's home, not a data set

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
        tables: ``meta.csv`` and ``evaluation_setup/*.csv`` to the files.
        media: ``audio/<file>`` and ``video/<file>`` to paths relative to ``root``; more than one
            when copies of a file lie in several folders.
        links: Names of media that are symbolic links, to the paths they lead to.
    """

    root: Path
    tables: dict[str, Path]
    media: dict[str, list[str]]
    links: dict[str, Path]


def find_layout(root: Path) -> Layout:
    """Looks for tables and media at ``root`` and up to three folders below it.

    Raises:
        AvscError: There is no such folder, nothing in it looks like a data set, it holds several,
            or a folder of media leads out of it by a symbolic link.
    """
    if not root.is_dir():
        got = f"{root} is not a folder" if root.exists() else f"there is no folder {root}"
        raise AvscError(got, LOOKS_LIKE, HOW_TO_GET_ONE)
    root = root.resolve()
    layout = Layout(root, {}, {}, {})
    seen: set[Path] = set()
    for folder in _folders(root):
        if folder.name in MEDIA:
            _list_media(folder, layout, seen)
        else:
            _list_tables(folder, layout)
    if not layout.media:
        raise AvscError(
            f"no audio/*.wav and no video/*.mp4 below {root}", LOOKS_LIKE, HOW_TO_GET_ONE
        )
    return layout


def _folders(root: Path) -> Iterator[Path]:
    """``root`` and the folders below it, nearest first; media folders are leaves."""
    level, visited = [root], 0
    for _ in range(DEEPEST + 1):
        deeper: list[Path] = []
        for folder in level:
            yield folder
            visited += 1
            if visited > MOST_FOLDERS:
                got = f"more than {MOST_FOLDERS} folders below {root}"
                raise AvscError(got, LOOKS_LIKE, HOW_TO_GET_ONE)
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


def _list_media(folder: Path, layout: Layout, seen: set[Path]) -> None:
    real = _inside(folder, layout.root)
    if real in seen:
        return  # a link inside the data set to a folder that is listed already
    seen.add(real)
    base = folder.relative_to(layout.root).as_posix()
    # One listing and no stat a file: a shared file system takes a millisecond for each.
    for entry in _scan(folder):
        hidden = entry.name.startswith(".")
        if hidden or not entry.name.endswith(MEDIA[folder.name]) or not entry.is_file():
            continue
        name = f"{folder.name}/{entry.name}"
        layout.media.setdefault(name, []).append(f"{base}/{entry.name}")
        if entry.is_symlink():
            layout.links[name] = Path(entry.path).resolve()


def _list_tables(folder: Path, layout: Layout) -> None:
    for path in (folder / META, *sorted((folder / SETUP).glob("*.csv"))):
        if not path.is_file():
            continue
        _inside(path, layout.root)
        name = path.relative_to(folder).as_posix()
        other = layout.tables.setdefault(name, path)
        if other != path and other.read_bytes() != path.read_bytes():
            raise AvscError(
                f"two different {name} below {layout.root}: {other} and {path}",
                "the folder of one data set",
                "pass the folder of the one you mean",
            )


def _inside(path: Path, root: Path) -> Path:
    """Where ``path`` really is, which must be below ``root``."""
    real = path.resolve()
    if not real.is_relative_to(root):
        raise AvscError(
            f"{path} is a symbolic link out of the data set, to {real}",
            f"tables and media below {root}",
            "copy or mount it into the data set's folder",
        )
    return real
