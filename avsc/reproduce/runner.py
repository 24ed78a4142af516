"""Trains and evaluates planned runs one after the other; one that fails does not end the others.

Several processes may do so in one folder at once, as the jobs of an array do. A process waits for
a run that another one trains, and takes it over if that one is killed.
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
from avsc.reproduce.status import RunStatus, run_folder, status
from avsc.store.reader import Store

POLL_S = 20.0
REMIND_S = 600.0  # between messages of a process that waits


@dataclass
class Runner:
    """Trains and evaluates runs, and keeps the reasons of those that failed.

    Attributes:
        store: Complete store.
        out: Folder that contains ``runs``.
        runs: All planned runs by name, also those of other processes.
        device: Device, as ``avsc train`` takes it.
        with_reports: Whether an evaluation also writes ``report.html``.
        failures: Reasons of failed runs, by name.
    """

    store: Store
    out: Path
    runs: dict[str, PlannedRun]
    device: str = "auto"
    with_reports: bool = True
    failures: dict[str, str] = field(default_factory=dict)

    def status(self, name: str) -> RunStatus:
        """How far a run is."""
        return status(self.runs[name], self.out, self.store)

    def run_all(self, names: Sequence[str]) -> None:
        """Trains and evaluates runs in order, each after the audio run it needs.

        A failure is printed and kept in ``failures``; the other runs go on.
        """
        for number, name in enumerate(names, start=1):
            self._run(name, f"[{number}/{len(names)}] {name}")

    def _run(self, name: str, title: str) -> None:
        trace = run_folder(self.out, name).with_suffix(".error.txt")
        try:
            if not self.status(name).trained:
                self._train_needed(name, title)
                self._train(name, title)
            self._evaluate(name, title)
            trace.unlink(missing_ok=True)
        except AvscError as error:
            self._fail(name, error.got, str(error))
        except Exception as error:
            # Out of memory, a full disk, a mistake of ours: the other runs may still succeed.
            files.write_text(trace, traceback.format_exc())
            first_line = (str(error).splitlines() or [""])[0]
            reason = f"{type(error).__name__}: {first_line} (see {trace})"
            self._fail(name, reason, reason)

    def _train_needed(self, name: str, title: str) -> None:
        needed = self.runs[name].needs
        if needed is None or self.status(needed).trained:
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

        folder, reminded_s = run_folder(self.out, name), None
        while not (found := self.status(name)).trained:
            try:
                if reminded_s is None:
                    say(f"{title}: training" + " goes on" * (found.state == "to resume"))
                run.train(
                    str(self.store.place), folder, found.recipe, resume=True, device=self.device
                )
            except RunBusyError:
                now_s = time.monotonic()
                if reminded_s is None or now_s - reminded_s >= REMIND_S:
                    reminded_s = now_s
                    say(f"{title}: waiting for another process that trains it")
                time.sleep(POLL_S)
            finally:
                _free_memory()

    def _evaluate(self, name: str, title: str) -> None:
        from avsc.evaluate.evaluation import evaluate

        found, folder = self.status(name), run_folder(self.out, name)
        if found.scores is not None and (folder / EVALUATION / EMBEDDINGS).is_file():
            say(f"{title}: complete")
            return
        say(f"{title}: evaluation")
        evaluate(
            folder,
            store=str(self.store.place),
            device=self.device,
            ve_weights=found.recipe.visual.weights,
            with_report=self.with_reports,
            trust_code=True,  # the status says that its recipe is the one that was asked for
        )

    def _fail(self, name: str, reason: str, message: str) -> None:
        self.failures[name] = reason
        say(f"{name} FAILED: {message}")


def _free_memory() -> None:
    """Frees the GPU's memory, and what was compiled for the encoder of the last run.

    A function is compiled again for a few encoders only; after those it would run uncompiled.
    """
    import torch

    if "torch._dynamo" in sys.modules:
        torch.compiler.reset()
    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()
