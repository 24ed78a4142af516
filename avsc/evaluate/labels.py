"""The true scenes of clips: from a data set, a store, a table, or from ids as TAU's are."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from avsc.dataset import manifests
from avsc.errors import AvscError
from avsc.evaluate.row_ids import TAU_ID, base_name, id_column, plain_name
from avsc.evaluate.text_table import TextTable, read_table, rows_text

LABEL_COLUMNS = ("scene_label", "scene", "label", "class", "target", "true", "truth", "y_true")
LOCATION_COLUMNS = ("location", "identifier", "place", "site", "recording", "group")
TABLES = (
    "meta.csv",
    "evaluation_setup/fold1_evaluate.csv",
    "evaluation_setup/fold1_train.csv",
)
DEEPEST = 3
FROM_IDS = "the clips' ids"


@dataclass(frozen=True)
class ClipLabel:
    """What is known of a clip.

    Attributes:
        scene: True scene.
        city: City; empty where unknown.
        location: Key of its location, ``<city>-<number>``; empty where unknown.
        seconds: Number of its seconds; None where unknown.
    """

    scene: str
    city: str = ""
    location: str = ""
    seconds: int | None = None


@dataclass(frozen=True)
class Labels:
    """The labels of clips.

    Attributes:
        source: Where they are from, for a person.
        clips: Clip id -> label.
    """

    source: str
    clips: dict[str, ClipLabel]


def read_labels(place: str, sha256: str | None = None) -> Labels:
    """Reads labels.

    Args:
        place: Path of a table (``meta.csv``, a fold's CSV, any with ids and scenes), folder of a
            data set, or path or address of a store.
        sha256: Identity that the store must have; None for any.

    Raises:
        AvscError: There are no labels in it, or it is another store.
    """
    path = Path(place)
    if "://" in place or (path / "zarr.json").is_file():
        return _of_store(place, sha256)
    if path.is_dir():
        return _of_dataset(path)
    return Labels(str(path), _of_table(read_table(path)))


def labels_from_ids(clips: Iterable[str], where: Callable[[str], str]) -> Labels:
    """The labels that TAU's ids have in them: ``<scene>-<city>-<location>-<segment>``.

    Args:
        clips: Clip ids.
        where: Function that gives a clip's file and line, for the message.

    Raises:
        AvscError: Some ids are not such.
    """
    found = {clip: _from_id(clip) for clip in clips}
    silent = [clip for clip, label in found.items() if label is None]
    if silent:
        raise AvscError(
            f"{where(silent[0])}: the clip {silent[0]!r} does not say its scene"
            + (f", nor do {len(silent) - 1:,} others" if len(silent) > 1 else ""),
            "ids like airport-lyon-1095-40158, or labels beside them",
            "name a table with the ids and their scenes, a data set or a store: --labels PATH",
        )
    return Labels(FROM_IDS, {clip: label for clip, label in found.items() if label})


def fold_of(clips: Iterable[str]) -> str:
    """Which official fold some clips are, by the digest of their ids; for a person."""
    ids = set(clips)
    digest = manifests.ids_sha256(ids)
    for fold in manifests.fold_facts():
        if fold.sha256 == digest:
            return f"the official {fold.name} fold of TAU Urban Audio-Visual Scenes 2021"
    return f"{len(ids):,} clips, no official fold"


def is_official_test(clips: Iterable[str]) -> bool:
    """Whether clips are the official test fold, no more and no fewer."""
    return manifests.is_official("test", set(clips))


def _of_store(place: str, sha256: str | None) -> Labels:
    from avsc.store.reader import Store

    store = Store.open(place, complete=False)
    if sha256 not in (None, store.sha256):
        raise AvscError(
            f"{place} is not the store that was evaluated any more",
            f"the store {(sha256 or '')[:12]}, which knows each clip's scene and location",
            "evaluate again, or name the labels with --labels",
        )
    seconds = store.settings.clip_seconds
    clips = {
        clip.id: ClipLabel(
            clip.scene,
            clip.city,
            "-".join(filter(None, (clip.city, clip.location))),
            clip.seconds or seconds,
        )
        for clip in store.clips
        if clip.scene
    }
    if not clips:
        raise AvscError(
            f"the clips of {place} have no labels", "a labelled store", "name another with --labels"
        )
    return Labels(place, clips)


def _of_dataset(root: Path) -> Labels:
    # Its tables are enough: the media may lie on another machine.
    for depth in range(DEEPEST + 1):
        for name in TABLES:
            found = sorted(root.glob("*/" * depth + name))
            if found:
                return Labels(str(found[0]), _of_table(read_table(found[0])))
    raise AvscError(
        f"no {TABLES[0]} and no {TABLES[1]} in {root}",
        "the folder of a data set or of a store, or a table with ids and scenes",
        "name the table itself",
    )


def _of_table(table: TextTable) -> dict[str, ClipLabel]:
    names = [plain_name(name) for name in table.header]
    scene = next((names.index(name) for name in LABEL_COLUMNS if name in names), None)
    if scene is None:
        raise AvscError(
            f"{table.path} line 1: no column of true scenes: {', '.join(table.header)}",
            f"a column {', '.join(LABEL_COLUMNS[:4])}",
            "name a table with labels; those of the test fold are in fold1_evaluate.csv",
        )
    place = next((names.index(name) for name in LOCATION_COLUMNS if name in names), None)
    city = names.index("city") if "city" in names else None
    ids = [base_name(cell) for cell in table.column(id_column(table, ()))]
    found: dict[str, ClipLabel] = {}
    other = []
    for k, (clip, row) in enumerate(zip(ids, table.rows, strict=True)):
        label = _label(clip, row, (scene, city, place))
        if not label.scene or found.setdefault(clip, label).scene != label.scene:
            other.append(k)
    if other:
        raise AvscError(
            f"{rows_text(len(other))} of {table.path} with no scene, or another than before:"
            f"{table.show(other)}",
            "one true scene for each clip",
            "correct the rows",
        )
    return found


def _label(clip: str, row: Sequence[str], columns: tuple[int, int | None, int | None]) -> ClipLabel:
    scene, city, place = columns
    by_id = _from_id(clip) or ClipLabel("")
    town = by_id.city if city is None else row[city]
    spot = by_id.location if place is None else row[place]
    if place is not None and city is not None and row[place]:
        spot = f"{row[city]}-{row[place]}"
    return ClipLabel(row[scene], town, spot)


def _from_id(clip: str) -> ClipLabel | None:
    if not TAU_ID.fullmatch(clip):
        return None
    scene, city, location, _ = clip.split("-")
    return ClipLabel(scene, city, f"{city}-{location}")
