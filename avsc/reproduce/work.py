"""Trains and evaluates planned runs, one after the other; one that fails does not end the others.

Several processes may do so in one folder at once, as the jobs of an array do: a run that another
process is training is waited for, and if that process is killed, taken over.
"""

import gc
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from avsc import files
from avsc.console import say
from avsc.errors import AvscError
from avsc.evaluate.embeddings import EMBEDDINGS
from avsc.evaluate.results import EVALUATION
from avsc.reproduce.plan import PlannedRun
from avsc.reproduce.status import Standing, run_folder, standing
from avsc.store.read import Store

POLL_S = 20.0
REMIND_S = 600.0  # between messages of a job that waits


@dataclass
class Work:
    """What is to be done, and what failed of it.

    Attributes:
        store: A complete store.
        out: The folder that ``runs`` is in.
        runs: All that are planned, by name; also those of other jobs.
        device: As ``avsc train`` takes it.
        with_reports: Whether evaluations write a page each.
        failures: Why runs failed, by name.
    """

    store: Store
    out: Path
    runs: dict[str, PlannedRun]
    device: str = "auto"
    with_reports: bool = True
    failures: dict[str, str] = field(default_factory=dict)

    def standing(self, name: str) -> Standing:
        """How far a run is."""
        return standing(self.runs[name], self.out, self.store)

    def do(self, names: Sequence[str]) -> None:
        """Trains and evaluates runs in order, those they need before them.

        Failures are said, noted in ``failures``, and do not end the work.
        """
        for number, name in enumerate(names, start=1):
            self._do_one(name, f"[{number}/{len(names)}] {name}")

    def _do_one(self, name: str, title: str) -> None:
        trace = run_folder(self.out, name).with_suffix(".error.txt")
        try:
            if not self.standing(name).trained:
                self._train_needed(name, title)
                self._train(name, title)
            self._evaluate(name, title)
            trace.unlink(missing_ok=True)
        except AvscError as error:
            self._note(name, error.got, str(error))
        except Exception as error:
            # Out of memory, a full disk, a fault of ours: the other runs may still be fine.
            files.write_text(trace, traceback.format_exc())
            got = f"{type(error).__name__}: {_first_line(error)} (see {trace})"
            self._note(name, got, got)

    def _train_needed(self, name: str, title: str) -> None:
        needed = self.runs[name].needs
        if needed is None or self.standing(needed).trained:
            return
        if needed in self.failures:
            raise AvscError(
                f"its audio run {needed} failed",
                "a complete audio run, whose encoder it takes over",
                "see why that one failed, and run the same command again",
            )
        try:
            self._train(needed, f"{title}: its audio run {needed}")
        except AvscError as error:
            self.failures[needed] = error.got
            raise

    def _train(self, name: str, title: str) -> None:
        """Trains a run to its end, or waits until another process has."""
        from avsc.train import run
        from avsc.train.run_dir import RunBusyError

        place, waits_since = run_folder(self.out, name), None
        while not (found := self.standing(name)).trained:
            try:
                if waits_since is None:
                    say(f"{title}: training" + " goes on" * (found.state == "to resume"))
                run.train(
                    str(self.store.place), place, found.recipe, resume=True, device=self.device
                )
            except RunBusyError:
                now_s = time.monotonic()
                if waits_since is None or now_s - waits_since >= REMIND_S:
                    waits_since = now_s
                    say(f"{title}: waiting for another process that trains it")
                time.sleep(POLL_S)
            finally:
                _tidy()

    def _evaluate(self, name: str, title: str) -> None:
        from avsc.evaluate.evaluation import evaluate

        found = self.standing(name)
        place = run_folder(self.out, name)
        if found.scores is not None and (place / EVALUATION / EMBEDDINGS).is_file():
            say(f"{title}: complete")
            return
        say(f"{title}: evaluation")
        evaluate(
            place,
            store=str(self.store.place),
            device=self.device,
            ve_weights=found.recipe.visual.weights,
            with_report=self.with_reports,
        )

    def _note(self, name: str, got: str, message: str) -> None:
        self.failures[name] = got
        say(f"{name} FAILED: {message}")


def _tidy() -> None:
    """Gives back what a run held: a GPU's memory, and what was compiled for its encoder.

    A function is compiled afresh for a few encoders only; after those it would run uncompiled.
    """
    import torch

    if "torch._dynamo" in sys.modules:
        torch.compiler.reset()
    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]
