"""Archives and official folds of TAU Urban Audio-Visual Scenes 2021 (``data_manifests/``)."""

import csv
import hashlib
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal, cast

from avsc.resources import resource

Edition = Literal["development", "evaluation"]
ARCHIVES = "data_manifests/tau_av_2021_archives.tsv"
FOLDS = "data_manifests/tau_av_2021_folds.toml"


@dataclass(frozen=True)
class Archive:
    """One archive of a data set."""

    edition: Edition
    part: str  # documentation, meta, examples, audio, video
    filename: str
    size: int  # bytes
    md5: str
    url: str


@dataclass(frozen=True)
class FoldFacts:
    """Content of an official fold."""

    name: str
    clips: int
    locations: int
    sha256: str  # of the sorted clip ids
    per_scene: dict[str, int]


def archives() -> tuple[Archive, ...]:
    """The 43 archives of TAU Urban Audio-Visual Scenes 2021, both editions."""
    with resource(ARCHIVES).open(encoding="utf-8", newline="") as file:
        return tuple(
            Archive(
                cast(Edition, row["edition"]),
                row["part"],
                row["filename"],
                int(row["bytes"]),
                row["md5"],
                row["url"],
            )
            for row in csv.DictReader(file, delimiter="\t")
        )


@cache
def fold_facts() -> tuple[FoldFacts, ...]:
    """The official training and test folds."""
    tree = tomllib.loads(resource(FOLDS).read_text(encoding="utf-8"))
    return tuple(
        FoldFacts(name, fold["clips"], fold["locations"], fold["sha256"], fold["per_scene"])
        for name, fold in tree.items()
    )


def is_official(fold: str, ids: Iterable[str]) -> bool:
    """Whether clips are those of the official fold of that name, no more and no fewer."""
    digest = ids_sha256(ids)
    return any(fact.name == fold and fact.sha256 == digest for fact in fold_facts())


def ids_sha256(ids: Iterable[str]) -> str:
    """The digest by which a set of clips is known: of the sorted ids, one a line.

    >>> ids_sha256(["b", "a"]) == ids_sha256(["a", "b"])
    True
    """
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()
