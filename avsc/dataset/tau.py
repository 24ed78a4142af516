"""A data set in TAU's layout, read and checked before any work starts (DESIGN section 9).

``meta.csv`` lists the clips; ``evaluation_setup/fold1_train.csv`` and ``fold1_evaluate.csv`` put
them into folds; ``fold1_test.csv`` (the test fold without its labels) is only checked. The
evaluation edition has one-second files with numbers for names, no labels and no folds.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from avsc.dataset import manifests
from avsc.dataset.layout import MEDIA, META, SETUP, Layout, find_layout
from avsc.dataset.manifests import Edition
from avsc.dataset.table import (
    AUDIO,
    FAULTS_SHOWN,
    FILES,
    SCENE,
    raise_faults,
    read_table,
    row_faults,
)
from avsc.errors import AvscError
from avsc.scenes import SCENES, ClipName, composed
from avsc.store.layout import StoredClip

if TYPE_CHECKING:
    import pandas as pd

TRAIN = f"{SETUP}/fold1_train.csv"
EVALUATE = f"{SETUP}/fold1_evaluate.csv"
TEST = f"{SETUP}/fold1_test.csv"
IDENTIFIER = "identifier"  # column of meta.csv: the place of a recording
GET_META = "put the CSVs beside audio/ and video/ (`avsc download OUT --part meta` fetches them)"


MISSPELT_SHARE = 0.5  # a scene with more clips than this share of another's is no slip


@dataclass(frozen=True)
class TauDataset:
    """A data set in TAU's layout that passed every check.

    Attributes:
        root: Folder of the data set, resolved.
        clips: Clips sorted by id (by number in the evaluation edition); files are POSIX paths
            relative to ``root``, and what is unknown of a clip is empty.
        edition: Edition, ``development`` (labelled) or ``evaluation``.
        clip_seconds: Length of each clip in seconds: 10, or 1 in the evaluation edition.
        warnings: Locations that both folds share, and how the folds differ from the official ones
            where the data set seems to be a copy of them.
    """

    root: Path
    clips: tuple[StoredClip, ...]
    edition: Edition
    clip_seconds: int
    warnings: tuple[str, ...]


def read_tau(root: Path) -> TauDataset:
    """Reads and checks a data set in TAU's layout.

    It takes a second for 12,291 clips, and opens no media.

    Args:
        root: Folder of the data set, or one above it.

    Raises:
        AvscError: It is no data set, or something in it is wrong: up to five faults are named
            with file and line, and all are counted.
    """
    layout = find_layout(root)
    if _is_evaluation(layout):
        return TauDataset(layout.root, _read_evaluation(layout), "evaluation", 1, ())
    clips = _read_development(layout)
    warnings = (*shared_locations(clips), *_misspelt(clips), *_unlike_official(clips))
    return TauDataset(layout.root, clips, "development", 10, warnings)


def _is_evaluation(layout: Layout) -> bool:
    """Whether the files are those of the evaluation edition: numbers that no fold labels."""
    if not all(name.split("/")[1].isdecimal() for name in layout.media):
        return False
    if TRAIN not in layout.tables:
        return True
    # The tables of the development edition may lie beside: they do not name these files.
    train = read_table(layout, TRAIN, (*FILES, SCENE), [])
    return not any(f"audio/{clip}" in layout.media for clip in train["clip"])


def _read_development(layout: Layout) -> tuple[StoredClip, ...]:
    faults: list[AvscError] = []
    columns = (*FILES, SCENE)
    meta = read_table(layout, META, columns, faults, GET_META)
    train = read_table(layout, TRAIN, columns, faults, GET_META)
    evaluate = read_table(layout, EVALUATE, columns, faults, GET_META)
    test = read_table(layout, TEST, (AUDIO,), faults) if TEST in layout.tables else None
    # Where rows are left out, each would be missed again in the other tables.
    raise_faults(faults, layout.root)
    for table in (meta, train, evaluate):
        table[SCENE] = table[SCENE].map(composed)
    faults += _name_faults(meta) + _media_faults(meta, layout)
    for table in (meta, train, evaluate):
        faults += _label_faults(table, meta)
    faults += _absent_faults(train, meta, META) + _absent_faults(evaluate, meta, META)
    faults += _both_folds_faults(train, evaluate)
    if test is not None:
        faults += _absent_faults(test, evaluate, EVALUATE) + _absent_faults(evaluate, test, TEST)
    raise_faults(faults, layout.root)
    folds = dict.fromkeys(train["clip"], "train") | dict.fromkeys(evaluate["clip"], "test")
    clips = []
    scenes = dict(zip(meta["clip"], meta[SCENE], strict=True))
    places = dict(zip(meta["clip"], _identifiers(meta), strict=True))
    for clip in sorted(scenes):
        city, location = _place(clip, scenes[clip]) or ("", places[clip])
        place = (scenes[clip], city, location)
        clips.append(StoredClip(clip, *place, folds.get(clip, ""), *_files(clip, layout)))
    return tuple(clips)


def _read_evaluation(layout: Layout) -> tuple[StoredClip, ...]:
    """The evaluation edition's clips: those of its table where there is one, else all files."""
    import pandas as pd

    faults: list[AvscError] = []
    table = next((name for name in (META, TEST, EVALUATE) if name in layout.tables), None)
    if table:
        rows = read_table(layout, table, tuple(FILES), faults)
    else:
        clips = sorted({name.split("/")[1] for name in layout.media})
        rows = pd.DataFrame({"clip": clips, "where": [f"clip {clip}" for clip in clips]})
    raise_faults(faults + _media_faults(rows, layout), layout.root)
    ids = sorted(rows["clip"], key=lambda clip: (len(clip), clip))
    return tuple(StoredClip(clip, "", "", "", "", *_files(clip, layout)) for clip in ids)


def _files(clip: str, layout: Layout) -> tuple[str, str]:
    return layout.places("audio", clip)[0], layout.places("video", clip)[0]


def _identifiers(meta: "pd.DataFrame") -> list[str]:
    """The column of meta.csv that says where a clip was recorded; empty where there is none."""
    return list(meta[IDENTIFIER]) if IDENTIFIER in meta else [""] * len(meta)


def _place(clip: str, scene: str) -> tuple[str, str] | None:
    """City and location in an id <scene>-<city>-<location>-<segment>; None for another id."""
    clip = composed(clip)
    parts = clip.removeprefix(f"{scene}-").split("-")
    if not clip.startswith(f"{scene}-") or len(parts) != 3 or not all(parts):
        return None
    return parts[0], parts[1]


def _name_faults(meta: "pd.DataFrame") -> list[AvscError]:
    """Rows whose clip has no proper id, and no identifier instead."""
    faults = []
    columns = (meta["clip"], meta[SCENE], _identifiers(meta), meta["where"])
    for clip, scene, identifier, where in zip(*columns, strict=True):
        if identifier or _place(clip, scene) is not None:
            continue
        try:
            ClipName.parse(clip)
        except AvscError as error:
            remedy = (
                f"{error.remedy}; with a column {IDENTIFIER} in {META} (of the recording's place)"
                " ids may be anything, and a table clips.csv needs no ids"
            )
            faults.append(AvscError(f"{where}: {error.got}", error.expected, remedy))
    return faults


def _label_faults(rows: "pd.DataFrame", meta: "pd.DataFrame") -> list[AvscError]:
    """Rows whose scene is not that of the id, or where ids are free not that of meta.csv."""
    stated = dict(zip(meta["clip"], meta[SCENE], strict=True))
    free = IDENTIFIER in meta
    known = set(meta[SCENE])
    scenes = []
    for clip, scene in zip(rows["clip"], rows[SCENE], strict=True):
        parts = composed(clip).split("-")
        named = len(parts) == 4 and (not free or parts[0] in known)
        by_id = parts[0] if named else stated.get(clip, scene)
        scenes.append(scene if scene and _place(clip, scene) is not None else by_id)
    rows = rows.assign(scene=scenes)
    return row_faults(
        rows[rows[SCENE] != rows["scene"]],
        "scene_label {scene_label!r} for clip {clip}",
        "{scene!r}, the scene its id begins with or meta.csv gives",
        "correct the scene_label",
    )


def _media_faults(rows: "pd.DataFrame", layout: Layout) -> list[AvscError]:
    """Rows whose clip lacks a file, or has several different ones of one name."""
    faults = []
    for clip, where in zip(rows["clip"], rows["where"], strict=True):
        for folder, ending in MEDIA.items():
            places, name = layout.places(folder, clip), f"{folder}/{clip}{ending}"
            if not places:
                remedy = (
                    "fetch what is missing (`avsc download` goes on where it stopped), mend the"
                    " symbolic link if it is one, or remove the row"
                )
                got = f"{where}: {name} is not on disk"
                faults.append(AvscError(got, f"the file below {layout.root}", remedy))
            elif len(places) > 1:
                got = f"{where}: {name} is there {len(places)} times: {', '.join(places)}"
                remedy = "pass the folder of one data set, or remove a copy"
                faults.append(AvscError(got, "one file of each name", remedy))
    return faults


def _absent_faults(rows: "pd.DataFrame", listed: "pd.DataFrame", table: str) -> list[AvscError]:
    return row_faults(
        rows[~rows["clip"].isin(listed["clip"])],
        f"clip {{clip}} is not in {table}",
        f"a clip that {table} lists",
        "remove the row, or use the CSVs of one and the same data set",
    )


def _both_folds_faults(train: "pd.DataFrame", evaluate: "pd.DataFrame") -> list[AvscError]:
    return row_faults(
        evaluate.merge(train[["clip", "where"]], on="clip", suffixes=("", "_train")),
        "clip {clip} is in both folds, also at {where_train}",
        "each clip in one fold",
        "remove one of the rows",
    )


def shared_locations(clips: Sequence[StoredClip]) -> tuple[str, ...]:
    """Warns where locations of the training fold are in the test fold too."""
    folds: dict[str, set[str]] = {}
    for clip in filter(lambda clip: clip.fold, clips):
        place = "-".join(filter(None, (clip.city, clip.location)))
        folds.setdefault(place, set()).add(clip.fold)
    shared = sorted(place for place, among in folds.items() if len(among) > 1)
    if not shared:
        return ()
    shown = ", ".join(shared[:FAULTS_SHOWN]) + (", ..." if len(shared) > FAULTS_SHOWN else "")
    return (
        f"{len(shared)} locations are in several folds ({shown}): scores will be better than "
        "at unknown locations",
    )


def _misspelt(clips: Sequence[StoredClip]) -> tuple[str, ...]:
    """Warns of scenes with few clips whose names are nearly those of TAU's scenes."""
    counts = Counter(clip.scene for clip in clips)
    warnings = []
    for scene in sorted(counts.keys() - set(SCENES)):
        (*_, meant) = ("", *get_close_matches(scene, SCENES, n=1, cutoff=0.8))
        if meant and counts[scene] <= MISSPELT_SHARE * counts[meant]:
            warnings.append(
                f"the scene {scene!r} ({counts[scene]} of {len(clips)} clips) is none of TAU's ten:"
                f" did you mean {meant}? As it is, it is a scene of its own"
            )
    return tuple(warnings)


def _unlike_official(clips: Sequence[StoredClip]) -> tuple[str, ...]:
    """How the folds differ from the official ones, where half the official clips are there.

    Smaller data sets are somebody's own or synthetic, and differ anyway.
    """
    counts = Counter((clip.fold, clip.scene) for clip in clips)
    official = manifests.fold_facts()
    if 2 * counts.total() < sum(fold.clips for fold in official):
        return ()
    warnings = []
    for fold in official:
        unlike = [
            f"{scene} {counts[fold.name, scene]} (official {count})"
            for scene, count in fold.per_scene.items()
            if counts[fold.name, scene] != count
        ]
        if unlike:
            shown = ", ".join(unlike[:FAULTS_SHOWN])
            warnings.append(f"the {fold.name} fold is not the official one: clips of {shown}")
        elif not manifests.is_official(fold.name, (c.id for c in clips if c.fold == fold.name)):
            warnings.append(f"the {fold.name} fold has the official counts but other clip ids")
    return tuple(warnings)
