"""A data set in TAU's layout, read and checked before any work starts (DESIGN section 9).

``meta.csv`` says which clips there are, ``evaluation_setup/fold1_train.csv`` and
``fold1_evaluate.csv`` in which fold each is; ``fold1_test.csv`` (the test fold without its
labels) is only checked. The evaluation edition has one-second files with numbers for names, no
labels and no folds.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from avsc.dataset import manifests
from avsc.dataset.layout import MEDIA, META, SETUP, Layout, find_layout
from avsc.dataset.manifests import Edition
from avsc.dataset.table import FAULTS_SHOWN, Faults, Row, read_table
from avsc.errors import AvscError
from avsc.scenes import ClipName

AUDIO_COLUMN, VIDEO_COLUMN, SCENE_COLUMN = "filename_audio", "filename_video", "scene_label"
FILES = (AUDIO_COLUMN, VIDEO_COLUMN)
TRAIN = f"{SETUP}/fold1_train.csv"
EVALUATE = f"{SETUP}/fold1_evaluate.csv"
TEST = f"{SETUP}/fold1_test.csv"
GET_META = "put the CSVs beside audio/ and video/ (`avsc download OUT --part meta` fetches them)"


@dataclass(frozen=True)
class Clip:
    """One clip; what is unknown is empty.

    Attributes:
        id: ``<scene>-<city>-<location>-<segment>``, or a number in the evaluation edition.
        scene: One of the ten.
        city: Where it was recorded.
        location: Which place in the city; one recording session, cut into clips.
        fold: ``train`` or ``test``.
        audio: The WAV, a POSIX path relative to the data set's root.
        video: The MP4, likewise.
    """

    id: str
    scene: str
    city: str
    location: str
    fold: str
    audio: str
    video: str


@dataclass(frozen=True)
class Dataset:
    """A data set that passed every check.

    Attributes:
        root: Its folder, resolved.
        clips: Sorted by id (by number in the evaluation edition).
        edition: ``development`` (labelled) or ``evaluation``.
        clip_seconds: Length of each clip: 10, or 1 in the evaluation edition.
        warnings: Locations that both folds share, and how the folds differ from the official ones
            where the data set seems to be a copy of them.
    """

    root: Path
    clips: tuple[Clip, ...]
    edition: Edition
    clip_seconds: int
    warnings: tuple[str, ...]


def read_dataset(root: Path) -> Dataset:
    """Reads and checks a data set; takes seconds for 12,291 clips, and opens no media.

    Args:
        root: The folder of the data set, or one above it.

    Raises:
        AvscError: It is no data set, or something in it is wrong: up to five faults are named
            with file and line, and all are counted.
    """
    layout = find_layout(root)
    if _is_evaluation_edition(layout):
        clips = _read_evaluation(layout)
        return Dataset(layout.root, clips, "evaluation", 1, ())
    clips = _read_development(layout)
    warnings = (*_shared_locations(clips), *_unlike_official(clips))
    return Dataset(layout.root, clips, "development", 10, warnings)


def _is_evaluation_edition(layout: Layout) -> bool:
    # Their names alone tell the editions apart, whatever tables are there.
    return all(PurePosixPath(name).stem.isdecimal() for name in layout.media)


def _read_development(layout: Layout) -> tuple[Clip, ...]:
    faults = Faults()
    meta = read_table(layout, META, (*FILES, SCENE_COLUMN), faults, GET_META)
    train = read_table(layout, TRAIN, (*FILES, SCENE_COLUMN), faults, GET_META)
    evaluate = read_table(layout, EVALUATE, (*FILES, SCENE_COLUMN), faults, GET_META)
    test = read_table(layout, TEST, (AUDIO_COLUMN,), faults) if TEST in layout.tables else None
    faults.stop_if_any(layout.root)

    clips = _clips(meta, layout, faults)
    labels = {clip_id: clip.scene for clip_id, clip in clips.items()}
    faults.stop_if_any(layout.root)

    train_ids = _fold_ids(train, labels, faults)
    evaluate_ids = _fold_ids(evaluate, labels, faults)
    for clip_id in sorted(train_ids.keys() & evaluate_ids.keys()):
        faults.add(
            f"{evaluate_ids[clip_id].where}: clip {clip_id} is in both folds, "
            f"also at {train_ids[clip_id].where}",
            "each clip in one fold",
            "remove one of the rows",
        )
    if test is not None:
        _check_test_list(test, evaluate_ids, faults)
    faults.stop_if_any(layout.root)
    fold = dict.fromkeys(train_ids, "train") | dict.fromkeys(evaluate_ids, "test")
    return tuple(replace(clips[i], fold=fold.get(i, "")) for i in sorted(clips))


def _clips(rows: Sequence[Row], layout: Layout, faults: Faults) -> dict[str, Clip]:
    """The clips of ``meta.csv`` by id, without their folds."""
    clips: dict[str, Clip] = {}
    lines: dict[str, Row] = {}
    for row in rows:
        clip_id = _clip_id(row, faults)
        if clip_id is None or not _is_new(clip_id, row, lines, faults):
            continue
        name = _labelled_name(clip_id, row, faults)
        audio = _place(row, AUDIO_COLUMN, layout, faults)
        video = _place(row, VIDEO_COLUMN, layout, faults)
        if name and audio and video:
            place = (name.city, name.location)
            clips[clip_id] = Clip(clip_id, name.scene, *place, "", audio, video)
    return clips


def _is_new(clip_id: str, row: Row, lines: dict[str, Row], faults: Faults) -> bool:
    first = lines.setdefault(clip_id, row)
    if first is not row:
        faults.add(
            f"{row.where}: clip {clip_id} again, first at {first.where}",
            "each clip once",
            "remove the repeated row",
        )
    return first is row


def _clip_id(row: Row, faults: Faults) -> str | None:
    """The id that a row's files share; None, and a fault, where they do not fit."""
    stems = []
    for column, folder in zip(FILES, MEDIA, strict=True):
        if column not in row.cells:
            continue
        path = PurePosixPath(row.cells[column])
        if not _is_plain(row.cells[column]) or path.parts[0] != folder or len(path.parts) != 2:
            faults.add(
                f"{row.where}: {column} is {row.cells[column]!r}",
                f"{folder}/<file name>, inside the data set",
                "correct the path; absolute paths and .. are never followed",
            )
            return None
        stems.append(path.stem)
    if len(set(stems)) > 1:
        faults.add(
            f"{row.where}: {row.cells[AUDIO_COLUMN]} is paired with {row.cells[VIDEO_COLUMN]}",
            "sound and picture of the same clip",
            "correct the row",
        )
        return None
    return stems[0]


def _is_plain(text: str) -> bool:
    drive = len(text) > 1 and text[1] == ":"
    parts = text.split("/")
    return not (drive or "\\" in text or ".." in parts or "." in parts or "" in parts)


def _labelled_name(clip_id: str, row: Row, faults: Faults) -> ClipName | None:
    """The parts of a clip's id, whose scene must be the row's label."""
    try:
        name = ClipName.parse(clip_id)
    except AvscError as error:
        faults.add(f"{row.where}: {error.got}", error.expected, error.remedy)
        return None
    label = row.cells[SCENE_COLUMN]
    if label != name.scene:
        faults.add(
            f"{row.where}: scene_label {label!r} for clip {clip_id}",
            f"{name.scene!r}, the scene its id begins with",
            "correct the scene_label",
        )
        return None
    return name


def _place(row: Row, column: str, layout: Layout, faults: Faults) -> str | None:
    """Where a row's file lies, relative to the root."""
    name = row.cells[column]
    places = layout.media.get(name, [])
    if not places:
        faults.add(
            f"{row.where}: {name} is not on disk",
            f"the file below {layout.root}",
            "fetch what is missing (`avsc download` goes on where it stopped), or remove the row",
        )
    elif len(places) > 1:
        faults.add(
            f"{row.where}: {name} is there {len(places)} times: {', '.join(places)}",
            "one file of each name",
            "pass the folder of one data set, or remove a copy",
        )
    elif name in layout.links and not layout.links[name].is_relative_to(layout.root):
        faults.add(
            f"{row.where}: {name} is a symbolic link out of the data set, to {layout.links[name]}",
            f"a file below {layout.root}",
            "copy or hard-link the file into the data set",
        )
    else:
        return places[0]
    return None


def _fold_ids(rows: Sequence[Row], labels: dict[str, str], faults: Faults) -> dict[str, Row]:
    """The rows of a fold by clip id; each clip must be in ``meta.csv``, with the same label."""
    found: dict[str, Row] = {}
    for row in rows:
        clip_id = _clip_id(row, faults)
        if clip_id is None or not _is_new(clip_id, row, found, faults):
            continue
        if clip_id not in labels:
            _add_absent(row, clip_id, META, faults)
        elif labels[clip_id] != row.cells[SCENE_COLUMN]:
            faults.add(
                f"{row.where}: scene_label {row.cells[SCENE_COLUMN]!r} for clip {clip_id}",
                f"{labels[clip_id]!r}, as in {META}",
                "correct the scene_label",
            )
    return found


def _check_test_list(rows: Sequence[Row], evaluate: dict[str, Row], faults: Faults) -> None:
    """``fold1_test.csv`` is ``fold1_evaluate.csv`` without labels."""
    found: dict[str, Row] = {}
    for row in rows:
        clip_id = _clip_id(row, faults)
        if clip_id and _is_new(clip_id, row, found, faults) and clip_id not in evaluate:
            _add_absent(row, clip_id, EVALUATE, faults)
    for clip_id in sorted(evaluate.keys() - found.keys()):
        _add_absent(evaluate[clip_id], clip_id, TEST, faults)


def _add_absent(row: Row, clip_id: str, table: str, faults: Faults) -> None:
    faults.add(
        f"{row.where}: clip {clip_id} is not in {table}",
        f"a clip that {table} lists",
        "remove the row, or use the CSVs of one and the same data set",
    )


def _read_evaluation(layout: Layout) -> tuple[Clip, ...]:
    """The evaluation edition's clips: from its CSV where there is one, else the files' pairs."""
    faults = Faults()
    table = next((name for name in (META, TEST, EVALUATE) if name in layout.tables), None)
    rows = read_table(layout, table, FILES, faults) if table else _paired(layout)
    faults.stop_if_any(layout.root)
    clips: list[Clip] = []
    lines: dict[str, Row] = {}
    for row in rows:
        clip_id = _clip_id(row, faults)
        if clip_id is None or not _is_new(clip_id, row, lines, faults):
            continue
        audio = _place(row, AUDIO_COLUMN, layout, faults)
        video = _place(row, VIDEO_COLUMN, layout, faults)
        if audio and video:
            clips.append(Clip(clip_id, "", "", "", "", audio, video))
    faults.stop_if_any(layout.root)
    return tuple(sorted(clips, key=lambda clip: (len(clip.id), clip.id)))


def _paired(layout: Layout) -> list[Row]:
    stems = {PurePosixPath(name).stem for name in layout.media}
    return [
        Row(f"clip {stem}", {AUDIO_COLUMN: f"audio/{stem}.wav", VIDEO_COLUMN: f"video/{stem}.mp4"})
        for stem in sorted(stems)
    ]


def _shared_locations(clips: Iterable[Clip]) -> tuple[str, ...]:
    """Whether places of the training fold are in the test fold too."""
    places: dict[str, set[str]] = {"train": set(), "test": set(), "": set()}
    for clip in clips:
        places[clip.fold].add(f"{clip.city}-{clip.location}")
    shared = sorted(places["train"] & places["test"])
    if not shared:
        return ()
    shown = ", ".join(shared[:FAULTS_SHOWN]) + (", ..." if len(shared) > FAULTS_SHOWN else "")
    return (
        f"{len(shared)} locations are in both folds ({shown}): scores will be better than "
        "on unknown places",
    )


def _unlike_official(clips: Iterable[Clip]) -> tuple[str, ...]:
    """How the folds differ from the official ones, where half the official clips are there.

    Smaller sets are somebody's own or synthetic, and no difference is worth a word.
    """
    counts: dict[str, Counter[str]] = {}
    ids: dict[str, list[str]] = {}
    for clip in clips:
        counts.setdefault(clip.fold, Counter())[clip.scene] += 1
        ids.setdefault(clip.fold, []).append(clip.id)
    official = manifests.fold_facts()
    if 2 * sum(map(len, ids.values())) < sum(fold.clips for fold in official):
        return ()
    warnings = []
    for fold in official:
        there = counts.get(fold.name, Counter())
        unlike = [
            f"{scene} {there[scene]} (official {count})"
            for scene, count in fold.per_scene.items()
            if there[scene] != count
        ]
        if unlike:
            shown = ", ".join(unlike[:FAULTS_SHOWN])
            warnings.append(f"the {fold.name} fold is not the official one: clips of {shown}")
        elif manifests.ids_sha256(ids[fold.name]) != fold.sha256:
            warnings.append(f"the {fold.name} fold has the official counts but other clip ids")
    return tuple(warnings)
