"""Runs of a store's folds, each scored on the fold that it was not trained on, as one result."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avsc import recipe as recipes
from avsc.errors import AvscError
from avsc.evaluate.evaluation import Result, evaluate, evaluate_file
from avsc.evaluate.predictions import PREDICTIONS
from avsc.evaluate.segments import EACH
from avsc.files import write_bytes
from avsc.folds import TEST, TRAIN
from avsc.store.reader import Store
from avsc.train import run_dir

if TYPE_CHECKING:
    from avsc.evaluate.score import Protocol

NAMED = 10  # runs or folds in a message


def evaluate_folds(
    runs: Sequence[Path],
    out: Path,
    *,
    store: str | None = None,
    protocol: "Protocol" = "segment",
    device: str = "auto",
    with_report: bool = True,
    trust_code: bool = False,
) -> Result:
    """Scores each run on its own fold, and all their segments together.

    Each run's own evaluation is written too. The scores of all are means of the class-wise values
    over all segments, not means of the folds' scores.

    Args:
        runs: One run for each fold of a store.
        out: Folder to write ``evaluation/`` of the whole into.
        store: Path of the store; None for the one the runs were trained on.
        protocol: Protocol, see ``avsc.evaluate.score.score``.
        device: Device to compute on.
        with_report: Whether to write ``report.html`` too.
        trust_code: Whether the classes that the runs name may be imported, see ``evaluate``.

    Raises:
        AvscError: The runs are not one a fold of one store, or one of them cannot be used.
    """
    place = store or _store_of(runs, trust_code)
    _require_each_fold(runs, place)
    found = [
        evaluate(
            run,
            store=place,
            protocol=protocol,
            device=device,
            with_report=with_report,
            trust_code=trust_code,
        )
        for run in runs
    ]
    tables = [(result.folder / PREDICTIONS).read_bytes() for result in found if result.folder]
    header, _, first = tables[0].partition(b"\n")
    together = out / PREDICTIONS
    body = b"".join(table.partition(b"\n")[2] for table in tables[1:])
    write_bytes(together, header + b"\n" + first + body)
    return evaluate_file(together, place, fold=EACH, out=out, with_report=with_report)


def fold_of(run: Path) -> str | None:
    """The fold that a run leaves out for testing.

    Raises:
        AvscError: There is no run.
    """
    return recipes.load(run / run_dir.CONFIG).train.fold


def _store_of(runs: Sequence[Path], trust_code: bool) -> str:
    from avsc.train.load import Run

    manifests = [Run.open(run, "cpu", trust_code=trust_code).manifest for run in runs]
    if len({manifest.store_sha256 for manifest in manifests}) > 1:
        raise AvscError(
            "the runs were trained on different stores: "
            + ", ".join(dict.fromkeys(manifest.store for manifest in manifests)),
            "runs of the folds of one store",
            "name the runs of one store",
        )
    return manifests[0].store


def _require_each_fold(runs: Sequence[Path], store: str) -> None:
    wanted = sorted(
        {clip.fold for clip in Store.open(store).clips if clip.fold} - {TRAIN, TEST},
        key=lambda fold: (len(fold), fold),
    )
    folds = [fold_of(run) for run in runs]
    faults = [
        f"{run} leaves out {'no fold' if fold is None else f'the fold {fold}, which is not there'}"
        for run, fold in zip(runs, folds, strict=True)
        if fold not in wanted
    ]
    names, times = np.unique([fold for fold in folds if fold in wanted], return_counts=True)
    faults += [
        f"{count} runs leave out the fold {name}"
        for name, count in zip(names, times, strict=True)
        if count > 1
    ]
    missing = [fold for fold in wanted if fold not in folds]
    if missing:
        faults.append(f"no run leaves out the fold {', '.join(missing[:NAMED])}")
    if faults:
        raise AvscError(
            "; ".join(faults[:NAMED]),
            f"one run for each of the {len(wanted)} folds of {store}",
            "train what is missing (`avsc train STORE --out RUN --fold K`), and name each run once;"
            " a single run is scored by `avsc evaluate RUN`",
        )
