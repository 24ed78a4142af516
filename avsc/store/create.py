"""A store's skeleton: metadata and ``clips.csv``, whole or not at all."""

import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from avsc import files
from avsc.errors import AvscError
from avsc.scenes import check_scenes, scenes_of
from avsc.store import metadata, schema
from avsc.store.layout import (
    StoredClip,
    clips_difference,
    encode_clips,
    have_lengths,
    read_clips,
)
from avsc.store.location import Location, locate
from avsc.store.metadata import ZARR_JSON, Attributes
from avsc.store.schema import StoreSettings


def open_for_writing(
    place: Path | str | Location,
    clips: Sequence[StoredClip],
    settings: StoreSettings,
    scenes: Sequence[str] | None = None,
) -> None:
    """Makes sure a store of exactly these clips and settings is at ``place``.

    Any number of processes may do so at once: one creates it, the others find it. Metadata and
    list of clips are written again where they were deleted.

    Args:
        place: Folder or address of the store.
        clips: Clips, one a row of the arrays.
        settings: Settings that decide what the bytes are.
        scenes: Scenes of the data set; None for those of the clips (``avsc.scenes.scenes_of``).

    Raises:
        AvscError: Something else is there, or the scenes cannot be used; for a store, the message
            shows the differences.
    """
    store, named = locate(place), _scenes(clips, scenes)
    if is_vacant(store):
        if store.folder is None:
            _create_remote(store, clips, settings, named)
        else:
            with contextlib.suppress(_TakenError):
                _create(store.folder, clips, settings, named)
    _refuse_other(store, clips, settings, named)
    _repair_skeleton(store, clips, settings)


def is_vacant(store: Location) -> bool:
    """Whether nothing is at a place, or an empty folder."""
    if store.folder is None:
        return not store.listing()
    return not _is_taken(store.folder)


def create(
    path: Path,
    clips: Sequence[StoredClip],
    settings: StoreSettings,
    scenes: Sequence[str] | None = None,
) -> None:
    """Makes a store without any partition yet; see ``open_for_writing`` for the arguments.

    Raises:
        AvscError: Something is at ``path`` already, the folder cannot be written to, or the
            scenes cannot be used.
    """
    try:
        _create(path, clips, settings, _scenes(clips, scenes))
    except _TakenError:
        raise AvscError(
            f"{path} exists already", "no file or an empty folder", "name another store"
        ) from None


class _TakenError(Exception):
    """Something else is where the store should go."""


def _is_taken(path: Path) -> bool:
    return path.exists() and not (path.is_dir() and not any(path.iterdir()))


def _create(
    path: Path, clips: Sequence[StoredClip], settings: StoreSettings, scenes: tuple[str, ...]
) -> None:
    _check_clips(clips)
    try:
        with files.explain_disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with _folder_aside(path) as folder:
                _write_skeleton(folder, clips, settings, scenes)
                # Replaces nothing or an empty folder; fails if somebody was faster.
                folder.rename(path)
    except AvscError:
        if _is_taken(path):
            raise _TakenError from None
        raise
    files.sync_folder(path.parent)
    files.remove_leftovers(path)


def _create_remote(
    store: Location,
    clips: Sequence[StoredClip],
    settings: StoreSettings,
    scenes: tuple[str, ...],
) -> None:
    """Begins a store where nothing can be renamed: what makes it a store comes first."""
    _check_clips(clips)
    store.write(ZARR_JSON, _first_document(clips, settings, scenes))


@contextlib.contextmanager
def _folder_aside(path: Path) -> Iterator[Path]:
    aside = Path(tempfile.mkdtemp(prefix=f"{files.TEMPORARY_PREFIX}{path.name}-", dir=path.parent))
    try:
        # mkdtemp's folder is private, which would lock the rest of a lab out.
        inner = aside / "store"
        inner.mkdir()
        yield inner
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _write_skeleton(
    folder: Path, clips: Sequence[StoredClip], settings: StoreSettings, scenes: tuple[str, ...]
) -> None:
    (folder / schema.RECORDS).mkdir()
    for name, data in _skeleton(clips, settings).items():
        files.write_bytes(folder / name, data)
    files.write_bytes(folder / ZARR_JSON, _first_document(clips, settings, scenes))


def _first_document(
    clips: Sequence[StoredClip], settings: StoreSettings, scenes: tuple[str, ...]
) -> bytes:
    """The ``zarr.json`` of a store without any partition."""
    attributes = Attributes(
        schema_version=_version(clips, settings),
        clips=len(clips),
        clips_csv_sha256=_sha256(encode_clips(clips)),
        settings=settings,
        scenes=scenes,
    )
    return metadata.render(metadata.store_document(attributes))


def _version(clips: Sequence[StoredClip], settings: StoreSettings) -> int:
    own = have_lengths(clips) or settings.split is not None
    return schema.LENGTHS_VERSION if own else schema.VERSION


def _skeleton(clips: Sequence[StoredClip], settings: StoreSettings) -> dict[str, bytes]:
    """Every file of an empty store but its ``zarr.json``, by name."""
    skeleton = {schema.CLIPS_CSV: encode_clips(clips)}
    for spec in schema.array_specs(len(clips), settings):
        group = metadata.group_document({})
        skeleton[f"{spec.group}/{ZARR_JSON}"] = metadata.render(group)
        skeleton[f"{spec.name}/{ZARR_JSON}"] = metadata.render(metadata.array_document(spec))
    return skeleton


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _check_clips(clips: Sequence[StoredClip]) -> None:
    ids = {clip.id for clip in clips}
    if not clips or len(ids) != len(clips):
        raise AvscError(
            f"{len(clips)} clips with {len(ids)} different ids",
            "at least one clip, each with its own id",
            "correct the data set's meta.csv",
        )


def _scenes(clips: Sequence[StoredClip], scenes: Sequence[str] | None) -> tuple[str, ...]:
    """The scenes of a store, checked: every labelled clip's is among them."""
    named = scenes_of(clip.scene for clip in clips) if scenes is None else tuple(scenes)
    check_scenes(named)
    known = set(named)
    strangers = [clip for clip in clips if clip.scene and clip.scene not in known]
    if strangers:
        raise AvscError(
            f"{len(strangers)} clips of other scenes, such as {strangers[0].id} of "
            f"{strangers[0].scene!r}",
            f"one of the data set's scenes: {', '.join(named)}",
            "name these scenes too, or correct the clips' rows",
        )
    return named


def _refuse_other(
    store: Location,
    clips: Sequence[StoredClip],
    settings: StoreSettings,
    scenes: tuple[str, ...],
) -> None:
    stored = _attributes(store)
    found = schema.difference(stored.settings, settings)
    if stored.scenes != scenes:
        found.append(
            f"scenes: the store has {', '.join(stored.scenes)}, asked for {', '.join(scenes)}"
        )
    if stored.clips_csv_sha256 != _sha256(encode_clips(clips)):
        found += clips_difference(read_clips(store, stored), clips)
    if found:
        raise AvscError(
            f"{store.place} was prepared otherwise:\n  " + "\n  ".join(found),
            "the settings and clips that the store has",
            "give the same settings and data set, or name another store (a recording that was"
            " mended or replaced and now gives other clips needs a new one)",
        )


def _attributes(store: Location) -> Attributes:
    try:
        return metadata.parse_store(store.read(ZARR_JSON), store.name(ZARR_JSON))
    except OSError as error:
        raise AvscError(
            f"{store.place} is there and is not a store: {error}",
            "a store, an empty folder or nothing",
            "name another folder",
        ) from None


def _repair_skeleton(store: Location, clips: Sequence[StoredClip], settings: StoreSettings) -> None:
    """Writes again what was deleted; refuses what was altered, such as a re-encoded copy."""
    skeleton = _skeleton(clips, settings)
    there = store.sizes(skeleton)
    for name, data in skeleton.items():
        if name not in there:
            store.write(name, data)
        elif store.read(name) != data:
            raise AvscError(
                f"{store.name(name)} is not what `avsc prepare` wrote",
                "a store as it was prepared; a re-encoded copy can be read, but not gone on with",
                "if it was damaged, delete that file and run the same command again",
            )
