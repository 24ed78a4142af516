"""Zip archives unpacked without trust: no path leaves the folder, no links, no bombs."""

import stat
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from avsc.errors import AvscError
from avsc.files import write_aside

# Media hardly shrink, and tables of file names to a fifteenth; bombs reach a thousand.
MOST_EXPANSION = 100
MOST_MEMBERS = 200_000
PIECE = 1 << 20
IGNORED = ("__MACOSX", ".DS_Store")
_ENCRYPTED = 0x1


def unpack(archive: Path, out: Path, reserved: Collection[str] = ()) -> list[str]:
    """Unpacks an archive below ``out``; everything in it is judged before anything is written.

    Each file is written aside and moved, and one that is there already with the right length and
    checksum is left alone, so an interrupted unpacking can be run again.

    Args:
        archive: A zip file.
        out: The folder.
        reserved: Names in ``out`` that are not the archive's to write.

    Returns:
        The files' paths below ``out``.

    Raises:
        AvscError: It is no zip, it is damaged, or something in it is not a plain file inside
            ``out``; nothing was written in the last case.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _judged(opened, archive, out, reserved)
            for member in members:
                _extract(opened, member, out / member.filename)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise AvscError(
            f"{archive} cannot be unpacked: {error}",
            "a sound zip archive",
            "remove it and download it again",
        ) from None
    except OSError as error:
        raise AvscError(
            f"cannot unpack {archive} to {out}: {error.strerror}",
            "room and permission to write",
            "free some space; the same command goes on from here",
        ) from None
    return [member.filename for member in members]


def _judged(
    opened: zipfile.ZipFile, archive: Path, out: Path, reserved: Collection[str]
) -> list[zipfile.ZipInfo]:
    """The archive's files, when all of them may be written."""
    members = opened.infolist()
    size = sum(member.file_size for member in members)
    most = MOST_EXPANSION * archive.stat().st_size
    if size > most or len(members) > MOST_MEMBERS:
        _refuse(archive, f"would fill {size} bytes in {len(members)} files")
    files, seen = [], set()
    for member in members:
        _judge(member, archive)
        if member.is_dir() or any(part in IGNORED for part in PurePosixPath(member.filename).parts):
            continue
        # Case is folded: on some file systems one would overwrite the other.
        if member.filename.casefold() in seen:
            _refuse(archive, f"has {member.filename} twice")
        seen.add(member.filename.casefold())
        if PurePosixPath(member.filename).parts[0] in reserved:
            _refuse(archive, f"would write {member.filename}, which is not its to write")
        _judge_target(out, member.filename, archive)
        files.append(member)
    return files


def _judge(member: zipfile.ZipInfo, archive: Path) -> None:
    # orig_filename: zipfile itself cuts names at NUL and turns separators.
    name = member.orig_filename
    parts = name.rstrip("/").split("/")
    inside = not ({"", ".", ".."} & set(parts)) and not any(c in name for c in "\\\0:")
    if not inside:
        _refuse(archive, f"has a file outside its folder, {name!r}")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        _refuse(archive, f"has a link or device, {name!r}")
    if member.flag_bits & _ENCRYPTED:
        _refuse(archive, f"has an encrypted file, {name!r}")


def _judge_target(out: Path, name: str, archive: Path) -> None:
    """No folder on the way may be a link: what is there already is not trusted either."""
    path = out
    for part in PurePosixPath(name).parts:
        path /= part
        if path.is_symlink():
            _refuse(archive, f"would write through the symbolic link {path}")


def _refuse(archive: Path, why: str) -> None:
    raise AvscError(
        f"{archive} {why}; nothing of it was unpacked",
        "plain files inside one folder, of about the archive's size",
        "do not trust this archive; fetch it from where it was published",
    )


def _extract(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    there = target.is_file() and target.stat().st_size == member.file_size
    if there and _crc32(target) == member.CRC:
        return
    # Reading checks the CRC at the end, and zipfile stops at the declared size.
    with opened.open(member) as source, write_aside(target) as file:
        while piece := source.read(PIECE):
            file.write(piece)


def _crc32(path: Path) -> int:
    value = 0
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            value = zlib.crc32(piece, value)
    return value
