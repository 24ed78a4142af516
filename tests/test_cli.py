import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    *("torch", "torchvision", "timm", "transformers"),
    *("zarr", "dask", "distributed", "sklearn", "matplotlib"),
)


def _modules_after(code: str) -> set[str]:
    """Runs code in a fresh interpreter and returns the top-level modules it imported."""
    program = f"import sys\n{code}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def _avsc(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "avsc", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
    )


def test_help_imports_nothing_heavy() -> None:
    code = """
sys.argv = ["avsc", "--help"]
from avsc.cli import main
try:
    main()
except SystemExit:
    pass
"""
    assert not _modules_after(code) & set(HEAVY)


@pytest.mark.parametrize("wing", ["prepare", "media", "signal", "store"])
def test_stage_1_never_imports_torch(wing: str) -> None:
    assert "torch" not in _modules_after(_import_all(wing))


STAGE_2 = ("data", "models", "train", "evaluate", "report", "reproduce", "predict", "export")


@pytest.mark.parametrize("wing", STAGE_2)
def test_stage_2_never_imports_dask(wing: str) -> None:
    assert not _modules_after(_import_all(wing)) & {"dask", "distributed"}


def test_the_wings_meet_only_in_the_store() -> None:
    package = Path(__file__).parents[1] / "avsc"
    wings = [wing for wing in STAGE_2 if wing != "reproduce"]
    apart = [("prepare", wing) for wing in wings] + [(wing, "prepare") for wing in wings]
    for wing, other in apart:
        for path in sorted((package / wing).glob("*.py")):
            assert f"avsc.{other}." not in path.read_text(), f"{path} reaches into avsc/{other}"


def _import_all(wing: str) -> str:
    return f"""
import importlib, pkgutil
package = importlib.import_module("avsc.{wing}")
for module in pkgutil.iter_modules(package.__path__):
    importlib.import_module("avsc.{wing}." + module.name)
"""


def test_wrong_usage_exits_2() -> None:
    assert _avsc("prepare").returncode == 2
    assert _avsc("no-such-command").returncode == 2


def test_a_failure_exits_1_with_a_message_and_no_traceback_unless_asked(tmp_path: Path) -> None:
    arguments = ("prepare", str(tmp_path / "absent"), str(tmp_path / "store"))
    plain = _avsc(*arguments)
    assert plain.returncode == 1
    assert "absent" in plain.stderr
    assert "what to do" in plain.stderr
    assert "Traceback" not in plain.stderr
    assert "Traceback" in _avsc(*arguments, "--debug").stderr


def test_every_command_explains_itself() -> None:
    from typer.main import get_command

    from avsc.cli.app import app

    command = get_command(app)
    assert command.commands  # type: ignore[attr-defined]
    for name, one in command.commands.items():  # type: ignore[attr-defined]
        assert one.help, name
        for parameter in one.params:
            assert getattr(parameter, "help", None), f"{name} {parameter.name}"
