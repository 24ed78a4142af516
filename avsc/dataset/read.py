"""A data set, read and checked before any work starts: one reader for three kinds of them.

- A folder with ``audio/`` and ``video/`` in TAU's layout (``avsc.dataset.tau``).
- A folder a scene with videos in it (``avsc.dataset.class_folders``).
- A table of recordings (``avsc.dataset.clip_table``): a file, or ``clips.csv`` in a folder whose
  videos lie in no scene's folder.

In TAU's layout the length of a clip is known and no media are opened; of the other two the headers
of all recordings are read.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from avsc.dataset import clip_table, own, tau
from avsc.dataset.class_folders import list_class_folders
from avsc.dataset.clip_table import list_table
from avsc.dataset.layout import HOW_TO_GET_ONE, MEDIA, META, find_layout
from avsc.dataset.manifests import Edition
from avsc.dataset.recordings import Listing, find_media
from avsc.dataset.table import raise_faults
from avsc.errors import AvscError
from avsc.scenes import scenes_of
from avsc.store.layout import StoredClip
from avsc.store.schema import SplitSettings

TABLE = "clips.csv"
CLIP_SECONDS = 10
WAYS = (
    "a folder with a folder for each scene and videos in these; a table of videos and scenes"
    " (clips.csv); or a folder in TAU's layout, with audio/<clip id>.wav, video/<clip id>.mp4 and"
    f" {META}"
)
Kind = Literal["tau", "folders", "table"]


@dataclass(frozen=True)
class Dataset:
    """A data set that passed every check.

    Attributes:
        root: Folder that the clips' paths are relative to, resolved.
        clips: Clips sorted by id (by number in the evaluation edition; of an own data set by
            video and start); files are POSIX paths
            relative to ``root``, and what is unknown of a clip is empty.
        edition: Edition: ``development`` (labelled) or ``evaluation`` of TAU's layout, or ``own``.
        clip_seconds: Length of the longest clip in seconds; in TAU's layout that of each clip: 10,
            or 1 in the evaluation edition.
        warnings: What makes scores better or worse than they seem, such as locations that both
            folds share.
        notes: What else the user should read: how it was cut and put into folds.
        split: How it was put into folds; None for its own folds.
    """

    root: Path
    clips: tuple[StoredClip, ...]
    edition: Edition | Literal["own"]
    clip_seconds: int
    warnings: tuple[str, ...]
    notes: tuple[str, ...] = ()
    split: SplitSettings | None = None

    @property
    def scenes(self) -> tuple[str, ...]:
        """The scenes that are told apart: TAU's ten in its layout, else those that occur."""
        found = {clip.scene for clip in self.clips if clip.scene}
        return tuple(sorted(found)) if self.edition == "own" else scenes_of(found)


def read_dataset(
    path: Path, split: SplitSettings | None = None, clip_seconds: int = CLIP_SECONDS
) -> Dataset:
    """Reads and checks a data set.

    Args:
        path: Folder of the data set, or one above it in TAU's layout; or a table.
        split: How to put it into folds; None for its own, or the usual split where it has none.
        clip_seconds: Length in seconds of the clips that longer recordings are cut into; not for
            TAU's layout.

    Raises:
        AvscError: It is no data set, or something in it is wrong: up to five faults are named
            with file and line, and all are counted.
    """
    found = kind_of(path)
    if found == "tau":
        return _read_tau(path, split)
    listing = list_recordings(path, found)
    raise_faults(listing.faults, path)
    return from_listing(listing, split, clip_seconds)


def from_listing(listing: Listing, split: SplitSettings | None, clip_seconds: int) -> Dataset:
    """A data set of listed recordings.

    Raises:
        AvscError: Two clips have one id, or they cannot be split so.
    """
    pieces, probes = own.cut_listing(listing, clip_seconds)
    has_folds = any(recording.fold for recording in listing.recordings)
    folds = own.put_into_folds(pieces.clips, list(pieces.refused), has_folds, split)
    # Pieces of one recording one after the other, so that each goes on where the last one was.
    clips = tuple(sorted(folds.clips, key=lambda clip: (clip.video, clip.start, clip.id)))
    _require_unique(clips)
    notes = (*own.describe(listing, probes, pieces), *folds.notes)
    longest = max(clip.seconds or clip_seconds for clip in clips)
    warnings = tau.shared_locations(clips)
    return Dataset(listing.root, clips, "own", longest, warnings, notes, folds.split)


def root_of(path: Path) -> Path:
    """The folder that the paths of a data set's clips are relative to, resolved.

    Raises:
        AvscError: It is no data set.
    """
    kind = kind_of(path)
    return find_layout(path).root if kind == "tau" else list_recordings(path, kind).root


def list_recordings(path: Path, kind: Kind) -> Listing:
    """The recordings of a folder of class folders or of a table, with all faults of it."""
    if kind == "folders":
        return list_class_folders(path, find_media(path))
    return list_table(path if path.is_file() else path / TABLE)


def kind_of(path: Path) -> Kind:
    """Which of the three kinds of data sets is at a path.

    Raises:
        AvscError: There is nothing, nothing of them, or several in one folder.
    """
    if path.is_file():
        if path.suffix.lower() in clip_table.ENDINGS:
            return "table"
        raise AvscError(
            f"{path} is a file and no table",
            WAYS,
            f"pass its folder, or list it in a table clips.csv; {HOW_TO_GET_ONE}",
        )
    if not path.is_dir():
        got = f"{path} is not a folder" if path.exists() else f"there is no folder {path}"
        raise AvscError(got, WAYS, HOW_TO_GET_ONE)
    tree = find_media(path)
    in_scenes = [video for video in tree.videos if "/" in video and not _is_tau(video)]
    in_tau = [media for media in (*tree.videos, *tree.sounds) if _is_tau(media)]
    tables = [name for name in (META, TABLE) if (path / name).is_file()]
    if in_tau and (META in tables or not in_scenes):
        return "tau"
    if in_tau or (TABLE in tables and in_scenes):
        raise _ambiguous(path, in_scenes, in_tau, TABLE in tables)
    if TABLE in tables:
        return "table"
    if not tree.videos:
        raise AvscError(f"there is no video below {path}", WAYS, HOW_TO_GET_ONE)
    return "folders"


def _is_tau(media: str) -> bool:
    path = PurePosixPath(media)
    return path.parent.name in MEDIA and len(path.parts) > 1


def _ambiguous(path: Path, in_scenes: list[str], in_tau: list[str], with_table: bool) -> AvscError:
    found = [f"{in_scenes[0]} in a scene's folder"]
    found += [f"{in_tau[0]} in TAU's layout"] if in_tau else []
    found += [f"the table {TABLE}"] if with_table else []
    remedy = f"name the table: `avsc prepare {path / TABLE} STORE`, or move it away"
    if not with_table:
        remedy = "pass the folder of one of them, or list all videos in a table clips.csv"
    return AvscError(f"{path} holds {' and '.join(found)}", "one kind of data set", remedy)


def _require_unique(clips: tuple[StoredClip, ...]) -> None:
    again = [name for name, times in Counter(clip.id for clip in clips).items() if times > 1]
    if again:
        raise AvscError(
            f"{len(again)} ids are those of several clips, such as {again[0]!r}",
            "each clip its own id",
            "rename these files, or give ids in a table",
        )


def _read_tau(path: Path, split: SplitSettings | None) -> Dataset:
    found = tau.read_tau(path)
    if split is None:
        return Dataset(found.root, found.clips, found.edition, found.clip_seconds, found.warnings)
    folds = own.put_into_folds(found.clips, [], True, split)
    warnings = tau.shared_locations(folds.clips)
    return Dataset(
        found.root,
        folds.clips,
        found.edition,
        found.clip_seconds,
        warnings,
        folds.notes,
        folds.split,
    )
