import csv
import os
import re
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from avsc import paper, recipe
from avsc.cli.app import app
from avsc.part import Part
from avsc.recipe import Recipe
from avsc.reproduce import dry_run, plan, reproduce
from avsc.reproduce.plan import TARGETS
from avsc.resources import resource
from avsc.train import run as training
from tests.reproduce.conftest import SMOKE

RECIPES = sorted(path.stem for path in paper.recipe_path("x").parent.glob("*.toml"))
WHERE = ("--store", "s", "--out", "d")


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []

    def noting(name: str) -> Any:
        def note(*arguments: object, **options: object) -> None:
            request, store, out, *_ = arguments
            calls.append({"do": name, "request": request, "store": store, "out": out, **options})

        return note

    monkeypatch.setattr(reproduce, "reproduce", noting("reproduce"))
    monkeypatch.setattr(dry_run, "dry_run", noting("dry_run"))
    return calls


def _avsc(*words: str) -> Any:
    return CliRunner().invoke(app, ["reproduce", *words])


def test_options_reach_the_work(called: list[dict[str, Any]]) -> None:
    words = ["--only", "scalogram, effnetv2s", "--part", "2/5", "--device", "cpu"]
    more = ["--set", "train.seed=1", "--ve-weights", "resnet50=/w/a=b.pth"]
    assert _avsc("table3", "fig2", "table3", *WHERE, *words, *more).exit_code == 0
    (call,) = called
    request = call["request"]
    assert request.targets == ("table3", "fig2")
    assert request.only == ("scalogram", "effnetv2s")
    assert request.options.settings == ("train.seed=1",)
    assert request.options.ve_weights == {"resnet50": "/w/a=b.pth"}
    assert (call["do"], call["part"], call["device"]) == ("reproduce", Part(2, 5), "cpu")
    assert (call["store"], call["out"]) == ("s", Path("d"))


def test_a_dry_run_starts_nothing(called: list[dict[str, Any]]) -> None:
    assert _avsc("table2", *WHERE, "--dry-run", "--smoke").exit_code == 0
    (call,) = called
    assert call["do"] == "dry_run"
    assert call["request"].options.smoke


@pytest.mark.parametrize(
    "words",
    [
        ["table1", *WHERE],
        [*WHERE],
        ["table2", "--store", "s"],
        ["table2", *WHERE, "--part", "9/4"],
        ["table2", *WHERE, "--ve-weights", "/w/ve"],
    ],
)
def test_wrong_usage_exits_with_2(words: list[str], called: list[dict[str, Any]]) -> None:
    assert _avsc(*words).exit_code == 2
    assert not called


def test_the_command_knows_every_target() -> None:
    from avsc.cli.reproduce import Target

    assert tuple(target.value for target in Target) == TARGETS


@pytest.mark.parametrize("name", RECIPES)
def test_avsc_train_takes_every_recipe_that_we_ship(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[Recipe] = []
    monkeypatch.setattr(training, "train", lambda _store, _out, one, **_: trained.append(one))
    path = str(paper.recipe_path(name))
    words = ["train", "s", "--out", "r", "--recipe", path, "--set", "train.epochs=2"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert trained == [recipe.load(Path(path), ["train.epochs=2"])]
    assert name.endswith("effnetv2s") == (
        trained[0].train.strategy != "audio" and "efficientnet" in trained[0].visual.model
    )


def test_the_command_goes_on_where_it_is_and_prints_the_table(
    smoke: Path, small_store: Path
) -> None:
    settings = [word for setting in SMOKE.settings for word in ("--set", setting)]
    where = ["--store", str(small_store), "--out", str(smoke), "--device", "cpu"]
    result = _avsc("table5", *where, *settings, "--smoke")
    assert result.exit_code == 0
    assert "joint-scalogram-effnetv2s: complete" in result.stderr
    assert "0.152" in result.stdout
    with (smoke / "table5.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 5


def _scripts(folder: Path, name: str, content: str) -> dict[str, str]:
    path = folder / name
    path.write_text(f"#!/bin/bash\n{content}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"PATH": f"{folder}:/usr/bin:/bin", "SLURM_JOB_ID": "77"}


ARRAY = {"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_COUNT": "14"}


def test_the_array_script_names_its_share_and_passes_on_how_it_ended(tmp_path: Path) -> None:
    script = resource("pipelines") / "slurm/reproduce_array.sbatch"
    environment = _scripts(tmp_path, "avsc", 'echo "$@"; exit 3') | ARRAY
    bash = ["bash", str(script), "table2", "--store", "a b", "--out", "d"]
    done = subprocess.run(bash, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "reproduce table2 --store a b --out d --part 5/14"
    assert done.returncode == 3
    again = subprocess.run(bash, env=environment | {"PARTS": "20"}, capture_output=True, text=True)
    assert again.stdout.split()[-1] == "5/20"


def test_the_training_script_uses_all_the_nodes_gpus_and_goes_on(tmp_path: Path) -> None:
    script = resource("pipelines") / "slurm/train.sbatch"
    environment = _scripts(tmp_path, "torchrun", 'echo "$@"') | {"SLURM_GPUS_ON_NODE": "4"}
    bash = ["bash", str(script), "STORE", "--out", "RUN"]
    done = subprocess.run(bash, env=environment, capture_output=True, text=True, check=True)
    expected = "--standalone --nproc-per-node 4 -m avsc train STORE --out RUN --resume"
    assert done.stdout.strip() == expected


@pytest.mark.parametrize(
    ("script", "program"), [("reproduce_array", "avsc"), ("train", "torchrun")]
)
def test_at_the_walltime_the_work_is_stopped_and_queued_again(
    tmp_path: Path, script: str, program: str
) -> None:
    path = resource("pipelines") / f"slurm/{script}.sbatch"
    stopped = f"trap 'echo stopped > {tmp_path}/stopped; exit 130' TERM"
    _scripts(tmp_path, program, f"{stopped}\ntouch {tmp_path}/up\nwhile :; do sleep 0.05; done")
    environment = _scripts(tmp_path, "scontrol", f'echo "$@" > {tmp_path}/asked') | ARRAY
    job = subprocess.Popen(["bash", str(path)], env=environment)
    deadline = time.monotonic() + 60
    while not (tmp_path / "up").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(job.pid, 10)  # SIGUSR1
    assert job.wait(60) == 0
    assert (tmp_path / "stopped").exists()
    assert (tmp_path / "asked").read_text() == "requeue 77\n"


@pytest.mark.parametrize(
    ("script", "program"), [("reproduce_array", "avsc"), ("train", "torchrun")]
)
def test_the_environment_that_is_named_is_activated(
    tmp_path: Path, script: str, program: str
) -> None:
    path = resource("pipelines") / f"slurm/{script}.sbatch"
    environment = _scripts(tmp_path, program, 'echo "$SITE"') | ARRAY
    activate = tmp_path / "activate"
    activate.write_text('export SITE="here$UNSET"\n')  # conda's scripts read unset variables
    bash = ["bash", str(path)]
    for more, expected in (({}, ""), ({"ACTIVATE": str(activate)}, "here")):
        done = subprocess.run(bash, env=environment | more, capture_output=True, text=True)
        assert (done.returncode, done.stdout.strip()) == (0, expected)


@pytest.mark.parametrize("script", ["reproduce_array", "train"])
def test_a_job_that_is_queued_again_keeps_its_log_and_hears_of_its_walltime(script: str) -> None:
    text = (resource("pipelines") / f"slurm/{script}.sbatch").read_text()
    options = re.findall(r"^#SBATCH (--\S+)", text, re.MULTILINE)
    assert {"--requeue", "--open-mode=append"} <= set(options)
    # Without B: only the job's steps get the signal, and the script starts none.
    assert [word.split("=")[1].split(":")[0] for word in options if "signal" in word] == ["B"]


def test_the_array_has_a_job_for_every_run() -> None:
    script = (resource("pipelines") / "slurm/reproduce_array.sbatch").read_text()
    names = [name for target in TARGETS for name in plan.recipes_of(target)]
    assert f"--array=1-{len(plan.plan_runs(names))}\n" in script
