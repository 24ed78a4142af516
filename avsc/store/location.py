"""Where a store is: a folder, or an address that fsspec understands, such as ``s3://bucket/x.zarr``.

:func:`locate` is the one place that tells them apart. Both kinds read and write whole files; a file
that is not there is a ``FileNotFoundError``, and any other fault of a remote place, such as missing
credentials or a server that does not answer, an ``UnreachableStoreError``.
"""

import hashlib
import re
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

from avsc import files
from avsc.errors import AvscError
from avsc.store.unreachable import UnreachableStoreError, first_line, unreachable

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE = 16  # files of a remote store that are asked for at once
PIECE = 1 << 22  # bytes read at once
_OF_A_FILE = "(file|local):/+"
_ABSENT = (FileNotFoundError, IsADirectoryError, NotADirectoryError)


@dataclass(frozen=True)
class Location(ABC):
    """The files of a store, by their names relative to it.

    Attributes:
        place: Path or address of the store, as the user gave it.
    """

    place: str

    def name(self, file: str) -> str:
        """A file of the store, as messages name it."""
        return f"{self.place}/{file}"

    @property
    @abstractmethod
    def folder(self) -> Path | None:
        """The folder, if the store is in one."""

    @abstractmethod
    def absolute(self) -> "Location":
        """The same place for a process with another working directory."""

    @abstractmethod
    def read(self, file: str) -> bytes:
        """The bytes of a file.

        Raises:
            OSError: It is not there, or cannot be read.
        """

    @abstractmethod
    def sha256(self, file: str) -> str:
        """The SHA-256 of a file, read in pieces.

        Raises:
            OSError: It is not there, or cannot be read.
        """

    @abstractmethod
    def sizes(self, names: Iterable[str]) -> dict[str, int]:
        """Number of bytes of each of these files that is there."""

    @abstractmethod
    def listing(self) -> dict[str, int]:
        """Number of bytes of every file that is there."""

    @abstractmethod
    def write(self, file: str, data: bytes) -> None:
        """Writes a file whole.

        Raises:
            AvscError: It cannot be written.
        """

    @abstractmethod
    def open_aside(self, file: str) -> AbstractContextManager[IO[bytes]]:
        """A file written aside, which is in the store when the block ends without an error."""

    @abstractmethod
    def remove(self, file: str) -> None:
        """Removes a file, if it is there, before anything else is written."""

    @abstractmethod
    def remove_leftovers(self, file: str) -> None:
        """Removes what writers of a file that were killed have left."""

    @abstractmethod
    def explain_errors(self) -> AbstractContextManager[None]:
        """Turns the errors of writing inside the block into messages."""

    @abstractmethod
    def each(self, work: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Results of a function that reads the store, in the order of the items."""

    def has(self, file: str) -> bool:
        """Whether a file is there."""
        return bool(self.sizes([file]))


class FolderLocation(Location):
    """A folder of this machine."""

    @property
    def folder(self) -> Path:
        """The folder; its address may be ``file:///...``."""
        if found := re.match(_OF_A_FILE, self.place):
            return Path("/" + self.place[found.end() :])
        return Path(self.place)

    def absolute(self) -> "FolderLocation":
        """The same folder by its absolute path."""
        return FolderLocation(str(self.folder.absolute()))

    def read(self, file: str) -> bytes:
        """The bytes of a file."""
        return (self.folder / file).read_bytes()

    def sha256(self, file: str) -> str:
        """The SHA-256 of a file."""
        return files.sha256_file(self.folder / file)

    def sizes(self, names: Iterable[str]) -> dict[str, int]:
        """Number of bytes of each of these files that is there."""
        found = {}
        for name in names:
            try:
                found[name] = (self.folder / name).stat().st_size
            except _ABSENT:
                continue
        return found

    def listing(self) -> dict[str, int]:
        """Number of bytes of every file that is there."""
        found = (path for path in sorted(self.folder.rglob("*")) if path.is_file())
        return {path.relative_to(self.folder).as_posix(): path.stat().st_size for path in found}

    def write(self, file: str, data: bytes) -> None:
        """Writes a file aside and moves it into place."""
        files.write_bytes(self.folder / file, data)

    def open_aside(self, file: str) -> AbstractContextManager[IO[bytes]]:
        """A file beside its place, which is moved there."""
        return files.open_aside(self.folder / file)

    def remove(self, file: str) -> None:
        """Removes a file for good."""
        path = self.folder / file
        if path.exists():
            path.unlink()
            files.sync_folder(path.parent)

    def remove_leftovers(self, file: str) -> None:
        """Removes what writers of a file that were killed have left beside it."""
        files.remove_leftovers(self.folder / file)

    def explain_errors(self) -> AbstractContextManager[None]:
        """Turns errors of the disk into messages."""
        return files.explain_disk_errors(self.folder)

    def each(self, work: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """One after the other."""
        return [work(item) for item in items]


class RemoteLocation(Location):
    """An address that fsspec understands; its files are written whole, after one another."""

    @property
    def folder(self) -> None:
        """None."""
        return

    def absolute(self) -> "RemoteLocation":
        """The same address."""
        return self

    def read(self, file: str) -> bytes:
        """The bytes of a file."""
        with self._asked("read", file) as (system, path):
            return bytes(system.cat_file(path))

    def sha256(self, file: str) -> str:
        """The SHA-256 of a file."""
        digest = hashlib.sha256()
        with self._asked("read", file) as (system, path), system.open(path, "rb") as opened:
            while piece := opened.read(PIECE):
                digest.update(piece)
        return digest.hexdigest()

    def sizes(self, names: Iterable[str]) -> dict[str, int]:
        """Number of bytes of each of these files that is there."""
        wanted = list(names)
        if len(wanted) > 1:
            there = self.listing()
            return {name: there[name] for name in wanted if name in there}
        found = {}
        for name in wanted:
            try:
                with self._asked("read", name) as (system, path):
                    system.invalidate_cache()
                    found[name] = int(system.size(path))
            except _ABSENT:
                continue
        return found

    def listing(self) -> dict[str, int]:
        """Number of bytes of every file that is there."""
        try:
            with self._asked("list") as (system, root):
                system.invalidate_cache()
                found = system.find(root, detail=True)
        except _ABSENT:
            return {}
        skip = len(root.rstrip("/")) + 1
        return {path[skip:]: int(about["size"] or 0) for path, about in sorted(found.items())}

    def write(self, file: str, data: bytes) -> None:
        """Writes a file in one go."""
        with self.explain_errors(), self._asked("write", file) as (system, path):
            system.pipe_file(path, data)

    @contextmanager
    def open_aside(self, file: str) -> Iterator[IO[bytes]]:
        """A temporary file of this machine, which is sent at the end."""
        here = Path(tempfile.gettempdir())
        with files.explain_disk_errors(here), tempfile.NamedTemporaryFile() as aside:
            yield aside
            aside.flush()
            with self.explain_errors(), self._asked("write", file) as (system, path):
                system.put_file(aside.name, path)

    def remove(self, file: str) -> None:
        """Removes a file, if it is there."""
        try:
            with self._asked("remove", file) as (system, path):
                system.rm_file(path)
        except _ABSENT:
            return

    def remove_leftovers(self, file: str) -> None:
        """There are none: what was not sent whole is not there."""

    @contextmanager
    def explain_errors(self) -> Iterator[None]:
        """Turns a bucket or a folder that is not there into a message."""
        try:
            yield
        except _ABSENT as error:
            raise UnreachableStoreError(
                f"cannot write to {self.place}: {first_line(error)}",
                "an address whose bucket or folder exists",
                "correct the address, or make the bucket",
            ) from error

    def each(self, work: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Several at once: each waits for an answer."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(work, items))

    @contextmanager
    def _asked(self, doing: str, file: str = "") -> Iterator[tuple["AbstractFileSystem", str]]:
        """The file system and the path of a file in it; its errors become messages."""
        from fsspec.core import url_to_fs

        try:
            system, root = url_to_fs(self.place)
            yield system, f"{root.rstrip('/')}/{file}" if file else root
        except (AvscError, *_ABSENT):
            raise
        except Exception as error:
            # Every library has its own exceptions.
            raise unreachable(self.place, doing, error) from error


def locate(place: "Path | str | Location") -> Location:
    """The location of a store.

    A ``Path`` made of an address has lost a slash, which is put back.

    >>> locate("data/tau.zarr").folder
    PosixPath('data/tau.zarr')
    >>> locate(Path("s3://bucket/x.zarr")).place
    's3://bucket/x.zarr'
    """
    if isinstance(place, Location):
        return place
    text = str(place)
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):(//?)(.*)", text)
    if "::" in text:
        return RemoteLocation(text.rstrip("/"))
    if found is None:
        return FolderLocation(text)
    protocol, slashes, rest = found.groups()
    if re.match(_OF_A_FILE, text):
        return FolderLocation(text)
    if slashes == "//" or protocol in _protocols():
        return RemoteLocation(f"{protocol}://{rest.rstrip('/')}")
    return FolderLocation(text)


def _protocols() -> set[str]:
    from fsspec import available_protocols

    return set(available_protocols())
