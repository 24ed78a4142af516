"""Fetches the archives of TAU Urban Audio-Visual Scenes 2021 and unpacks them.

``OUT/archives`` holds archives, parts of archives, half-unpacked ones, and a note for each one
that is unpacked. So any number of stops and starts end in the same data set.
"""

import json
import os
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from avsc.console import ProgressLine, byte_size, progress, say
from avsc.dataset import manifests
from avsc.dataset.fetch import RetryPolicy, UnreachableError, fetch
from avsc.dataset.manifests import Archive, Edition
from avsc.errors import AvscError
from avsc.files import explain_disk_errors, write_text
from avsc.network import silence_of

USUAL_PARTS = ("documentation", "meta", "audio", "video")  # the examples are copies of clips
ARCHIVES_FOLDER = "archives"
MB = 1_000_000
# Unpacked media are hardly larger than the archive; measured on WAV and MP4 files.
EXPANSION = 1.15


@dataclass(frozen=True)
class Step:
    """What is to be done about one archive.

    Attributes:
        archive: Archive as the manifest lists it.
        path: Path of the archive's file.
        state: What there is of it.
        here: Bytes of the archive that have come.
    """

    archive: Archive
    path: Path
    state: Literal["unpacked", "here", "begun", "absent"]
    here: int

    @property
    def to_fetch(self) -> int:
        """Bytes still to come."""
        return 0 if self.state == "unpacked" else self.archive.size - self.here

    @property
    def note(self) -> Path:
        """Path of the note that lists what the archive was unpacked to."""
        return self.path.with_name(self.path.name + ".unpacked.json")

    @property
    def aside(self) -> Path:
        """Folder in which the archive is unpacked."""
        return self.path.with_name(self.path.name + ".unpacking")


def plan(out: Path, edition: Edition, parts: Sequence[str] = USUAL_PARTS) -> list[Step]:
    """What is there and what is missing.

    Raises:
        AvscError: There is no such part in this edition.
    """
    archives = [archive for archive in manifests.archives() if archive.edition == edition]
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
    step = Step(archive, path, "unpacked", 0)
    if step.note.exists():
        note = json.loads(step.note.read_text(encoding="utf-8"))
        if note["md5"] == archive.md5 and all((out / name).exists() for name in note["files"]):
            return step
    if path.exists() and path.stat().st_size == archive.size:
        return replace(step, state="here", here=archive.size)
    part = path.with_name(path.name + ".part")
    here = part.stat().st_size if part.exists() else 0
    if 0 < here <= archive.size:
        return replace(step, state="begun", here=here)
    return replace(step, state="absent")


def download(
    out: Path,
    edition: Edition = "development",
    parts: Sequence[str] = USUAL_PARTS,
    *,
    base_url: str | None = None,
    keep_archives: bool = False,
    retry: RetryPolicy | None = None,
) -> None:
    """Fetches, checks and unpacks what is missing of a data set.

    Args:
        out: Folder of the data set.
        edition: Edition of the data set.
        parts: Parts of the data set: documentation, meta, examples, audio, video.
        base_url: Address of a mirror that has the archives under their names; Zenodo when None.
        keep_archives: Whether archives stay after they are unpacked.
        retry: Policy for failed attempts.

    Raises:
        AvscError: The disk is too small, another download works here, or archives are missing at
            the end, each with its reason and what to do about it.
    """
    steps = plan(out, edition, parts)
    to_do = [step for step in steps if step.state != "unpacked"]
    failed: dict[str, AvscError] = {}
    with _locked(out), _megabytes(steps) as line:
        _check_space(out, to_do, keep_archives)
        if any(step.to_fetch for step in to_do):
            _require_answer(base_url or to_do[0].archive.url)
        for step in to_do:
            archive = step.archive
            if base_url:
                archive = replace(archive, url=f"{base_url.rstrip('/')}/{archive.filename}")
            try:
                line.advance(0, archive.filename)
                fetch(archive, step.path, line.advance, retry or RetryPolicy())
                line.advance(0, f"unpacking {archive.filename}")
                _unpack(step, out)
                if not keep_archives:
                    step.path.unlink()
            except AvscError as error:
                failed[archive.filename] = error
                say(f"{archive.filename}: {error.one_line()}")
                if isinstance(error, UnreachableError) or isinstance(error.__cause__, OSError):
                    break  # no other archive would fare better
    _raise_missing(out, plan(out, edition, parts), failed)


def _require_answer(url: str) -> None:
    """Asks once, so that nothing is tried for minutes where there is no network.

    Raises:
        UnreachableError: Nobody answers.
    """
    if not url.startswith(("http://", "https://")):
        return  # which is refused with the first archive
    say(f"asking {urlsplit(url).netloc}")
    if silence := silence_of(url):
        raise UnreachableError(
            silence,
            "a server that answers",
            "check the network, the proxy (HTTPS_PROXY) or --base-url, and run the same command"
            " again; what has come is kept",
        )


def _unpack(step: Step, out: Path) -> None:
    """Unpacks an archive, whose MD5 was just checked, into a folder aside and moves its files."""
    with explain_disk_errors(out):
        shutil.rmtree(step.aside, ignore_errors=True)
        try:
            names = _extract(step, out)
        except zipfile.BadZipFile as error:
            got = f"{step.path} cannot be unpacked: {error}"
            raise AvscError(got, "a zip archive", "remove it and download it again") from None
        for name in names:
            if (file := step.aside / name).exists():
                (out / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.move(file, out / name)
        shutil.rmtree(step.aside, ignore_errors=True)
        note = {"md5": step.archive.md5, "files": names}
        write_text(step.note, json.dumps(note, indent=1) + "\n")


def _extract(step: Step, out: Path) -> list[str]:
    """Extracts what has not been moved yet; zipfile lets no file leave the folder aside."""
    names = []
    aside = step.aside.resolve()
    with zipfile.ZipFile(step.path) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            if _is_moved(member, out):
                names.append(member.filename)
                continue
            file = Path(archive.extract(member, aside))
            with file.open("rb") as written:
                os.fsync(written.fileno())  # so that a power cut leaves no empty file behind a move
            names.append(file.relative_to(aside).as_posix())
    return names


def _is_moved(member: zipfile.ZipInfo, out: Path) -> bool:
    file = out / member.filename
    return file.is_file() and file.stat().st_size == member.file_size


def _check_space(out: Path, to_do: Sequence[Step], keep: bool) -> None:
    whole = sum(step.archive.size for step in to_do)
    largest = max((step.archive.size for step in to_do), default=0)
    needed = EXPANSION * whole + (whole if keep else largest)
    needed -= sum(step.here + _unpacked_bytes(step, out) for step in to_do)
    free = shutil.disk_usage(out).free
    if needed > free:
        raise AvscError(
            f"{byte_size(free)} free at {out}",
            f"{byte_size(needed)} for {len(to_do)} archives and what they unpack to",
            "free some space, or fetch fewer parts at a time (--part)",
        )


def _unpacked_bytes(step: Step, out: Path) -> int:
    """Bytes on disk of what was unpacked before the archive's unpacking was stopped."""
    aside = sum(file.stat().st_size for file in step.aside.rglob("*") if file.is_file())
    if step.state != "here" or not zipfile.is_zipfile(step.path):
        return aside
    with zipfile.ZipFile(step.path) as archive:
        return aside + sum(m.file_size for m in archive.infolist() if _is_moved(m, out))


def _raise_missing(out: Path, steps: Sequence[Step], failed: dict[str, AvscError]) -> None:
    missing = [step for step in steps if step.state != "unpacked"]
    if not missing:
        return
    lines = [f"{len(missing)} of {len(steps)} archives missing in {out}:"]
    for step in missing:
        error = failed.get(step.archive.filename)
        lines.append(f"  {step.archive.filename}: {error.one_line() if error else 'not tried'}")
    remedies = dict.fromkeys(error.remedy for error in failed.values())
    raise AvscError("\n".join(lines), "", "; ".join(remedies))


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Holds ``out`` against a second download."""
    import filelock

    lock = filelock.FileLock(out / ARCHIVES_FOLDER / "lock")
    with explain_disk_errors(out):
        (out / ARCHIVES_FOLDER).mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            got = f"another `avsc download` works on {out}"
            raise AvscError(got, "one at a time", "wait until it is done") from None
    try:
        yield
    finally:
        lock.release()


class _Megabytes:
    """Counts bytes on a progress line that shows megabytes."""

    def __init__(self, line: ProgressLine, done: int) -> None:
        self._line = line
        self._bytes = done

    def advance(self, count: int, note: str = "") -> None:
        """Counts bytes that came; negative when they were discarded."""
        before = self._bytes // MB
        self._bytes += count
        self._line.advance(self._bytes // MB - before, note)


@contextmanager
def _megabytes(steps: Sequence[Step]) -> Iterator[_Megabytes]:
    total = sum(step.archive.size for step in steps)
    done = total - sum(step.to_fetch for step in steps)
    with progress("download", total // MB, "MB", done=done // MB) as line:
        yield _Megabytes(line, done)
