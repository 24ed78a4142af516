"""Fetches the archives of TAU Urban Audio-Visual Scenes 2021 and unpacks them.

Everything on the way lies in ``OUT/archives``: archives, parts of archives, and a note for each
one that is unpacked. So any number of stops and starts end in the same data set.
"""

import fcntl
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from avsc.console import ProgressLine, byte_size, progress, say
from avsc.dataset import manifests
from avsc.dataset.fetch import Patience, Remote, UnreachableError, fetch, held
from avsc.dataset.manifests import Archive, Edition
from avsc.dataset.unpack import unpack
from avsc.errors import AvscError
from avsc.files import write_text

PARTS = ("documentation", "meta", "examples", "audio", "video")
USUAL_PARTS = ("documentation", "meta", "audio", "video")  # the examples are copies of clips
ARCHIVES_FOLDER = "archives"
MB = 1_000_000
# Unpacked media are hardly larger than the archive; measured on WAV and MP4 files.
EXPANSION = 1.15


@dataclass(frozen=True)
class Step:
    """What is to be done about one archive."""

    archive: Archive
    path: Path
    state: Literal["unpacked", "here", "begun", "absent"]
    held: int  # bytes of the archive that are here

    @property
    def to_fetch(self) -> int:
        """Bytes still to come."""
        return 0 if self.state == "unpacked" else self.archive.size - self.held


def plan(out: Path, edition: Edition, parts: Sequence[str] = USUAL_PARTS) -> list[Step]:
    """What is there and what is missing.

    Raises:
        AvscError: There is no such part in this edition.
    """
    archives = [a for a in manifests.archives() if a.edition == edition]
    known = dict.fromkeys(archive.part for archive in archives)
    for part in parts:
        if part not in known:
            raise AvscError(
                f"no part {part!r} in the {edition} edition",
                ", ".join(known),
                "choose one of these",
            )
    return [_step(out, archive) for archive in archives if archive.part in parts]


def _step(out: Path, archive: Archive) -> Step:
    path = out / ARCHIVES_FOLDER / archive.filename
    if _is_unpacked(path, archive):
        return Step(archive, path, "unpacked", 0)
    have = held(path, archive.size)
    if path.exists() and have == archive.size:
        return Step(archive, path, "here", have)
    return Step(archive, path, "begun" if have else "absent", have)


def download(
    out: Path,
    edition: Edition = "development",
    parts: Sequence[str] = USUAL_PARTS,
    *,
    base_url: str | None = None,
    keep_archives: bool = False,
    patience: Patience | None = None,
) -> None:
    """Fetches, checks and unpacks what is missing of a data set.

    Args:
        out: Folder of the data set.
        edition: Which of the two.
        parts: Which of the archives' contents.
        base_url: A mirror that has the archives under their names; Zenodo when None.
        keep_archives: Archives stay after they are unpacked.
        patience: With a bad line.

    Raises:
        AvscError: The disk is too small, another download works here, or archives are still
            missing, each with its reason; running it again goes on from there.
    """
    steps = plan(out, edition, parts)
    todo = [step for step in steps if step.state != "unpacked"]
    _check_space(out, todo, keep_archives)
    reasons: dict[str, str] = {}
    with _alone(out), _megabytes(steps) as line:
        for step in todo:
            try:
                fetched = Remote(_url(step.archive, base_url), step.archive.size, step.archive.md5)
                line.note(step.archive.filename)
                fetch(fetched, step.path, line.arrived, patience)
                line.note(f"unpacking {step.archive.filename}")
                _unpack(step, out, keep_archives)
            except UnreachableError as error:
                reasons[step.archive.filename] = error.one_line()
                break
            except AvscError as error:
                reasons[step.archive.filename] = error.one_line()
                say(f"{step.archive.filename}: {error.one_line()}")
    _report_missing(out, edition, parts, reasons)


def _url(archive: Archive, base_url: str | None) -> str:
    return f"{base_url.rstrip('/')}/{archive.filename}" if base_url else archive.url


def _unpack(step: Step, out: Path, keep_archive: bool) -> None:
    note = {"md5": step.archive.md5, "files": unpack(step.path, out, (ARCHIVES_FOLDER,))}
    write_text(_note_path(step.path), json.dumps(note, indent=1) + "\n")
    if not keep_archive:
        step.path.unlink()


def _note_path(path: Path) -> Path:
    return path.with_name(path.name + ".unpacked.json")


def _is_unpacked(path: Path, archive: Archive) -> bool:
    """Whether an archive was unpacked here and all its files are still there."""
    note = _note_path(path)
    if not note.exists():
        return False
    noted = json.loads(note.read_text(encoding="utf-8"))
    out = path.parent.parent
    same: bool = noted["md5"] == archive.md5
    return same and all((out / name).exists() for name in noted["files"])


def _check_space(out: Path, todo: Sequence[Step], keep: bool) -> None:
    whole = sum(step.archive.size for step in todo)
    largest = max((step.archive.size for step in todo), default=0)
    needed = EXPANSION * whole + (whole if keep else largest) - sum(step.held for step in todo)
    there = next(folder for folder in (out, *out.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise AvscError(
            f"{byte_size(free)} free at {there}",
            f"{byte_size(needed)} for {len(todo)} archives and what they unpack to",
            "free some space, or fetch fewer parts at a time (--part)",
        )


def _report_missing(
    out: Path, edition: Edition, parts: Sequence[str], reasons: dict[str, str]
) -> None:
    steps = plan(out, edition, parts)
    missing = [step for step in steps if step.state != "unpacked"]
    if not missing:
        return
    lines = [
        f"  {step.archive.filename}: {reasons.get(step.archive.filename, 'not tried')}"
        for step in missing
    ]
    raise AvscError(
        f"{len(missing)} of {len(steps)} archives missing in {out}:\n" + "\n".join(lines),
        "",
        "run the same command again: it goes on from here",
    )


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Holds ``out`` against a second download."""
    path = out / ARCHIVES_FOLDER / "lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    except OSError as error:
        got = f"cannot write {path}: {error.strerror}"
        raise AvscError(got, "a folder to write in", "choose another folder") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AvscError(
                f"another `avsc download` works on {out}", "one at a time", "wait until it is done"
            ) from None
        yield


class _Megabytes:
    """Counts bytes on a progress line that shows megabytes."""

    def __init__(self, line: ProgressLine, begun_with: int) -> None:
        self._line = line
        self._bytes = begun_with

    def arrived(self, count: int) -> None:
        """Counts bytes that came; negative when they were discarded."""
        before = self._bytes // MB
        self._bytes += count
        self._line.advance(self._bytes // MB - before)

    def note(self, text: str) -> None:
        """Shows what is being done."""
        self._line.advance(0, note=text)


@contextmanager
def _megabytes(steps: Sequence[Step]) -> Iterator[_Megabytes]:
    total = sum(step.archive.size for step in steps)
    done = total - sum(step.to_fetch for step in steps)
    with progress("download", total // MB, "MB", done=done // MB) as line:
        yield _Megabytes(line, done)
