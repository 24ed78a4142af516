"""What is printed where the terminal, the locale or the reader is not what one expects."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

MakeStore = Callable[..., Path]
C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def avsc(*words: object, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "avsc", *map(str, words)]
    return subprocess.run(command, capture_output=True, env=os.environ | environment, check=False)


@pytest.mark.parametrize(
    "environment",
    [C_LOCALE, {"PYTHONIOENCODING": "latin-1"}, {"PYTHONIOENCODING": "ascii"}],
    ids=["C", "latin-1", "ascii"],
)
def test_any_encoding_can_be_printed_to(
    make_store: MakeStore, tmp_path: Path, environment: dict[str, str]
) -> None:
    store = make_store(tmp_path / "größe-日本.zarr")
    done = avsc("info", store, **environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"metro_station" in done.stdout
    done = avsc("info", tmp_path / "größe-日本", **environment)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"what to do" in done.stderr


def test_a_name_that_is_not_utf8_is_printed_as_it_is(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/gr\xf6sse"
    command: list[str | bytes] = [sys.executable, "-m", "avsc", "info", name]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 1
    assert name in done.stderr


@pytest.mark.parametrize("lines", [0, 1])
def test_a_reader_that_goes_away_ends_the_command_quietly(
    make_store: MakeStore, tmp_path: Path, lines: int
) -> None:
    store = make_store(tmp_path / "x.zarr")
    words = [sys.executable, "-m", "avsc", "info", str(store)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        for _ in range(lines):
            process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode in (0, 141)  # 0: it was all printed before


def test_help_into_a_closed_pipe_is_quiet() -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "avsc", "--help"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_no_standard_output_at_all_is_no_fault(make_store: MakeStore, tmp_path: Path) -> None:
    store = make_store(tmp_path / "x.zarr")
    words = f"exec {sys.executable} -m avsc info {store} >&-"
    done = subprocess.run(["sh", "-c", words], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    "words",
    [
        ("train", "x", "--out", "s3://b/run"),
        ("synth", "s3://b/d"),
        ("predict", "r", "http://x/y.mp4"),
    ],
)
def test_only_a_store_may_be_at_an_address(words: tuple[str, ...], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "avsc", *words], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 2
    assert words[-1].encode() in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [("nosuch",), ("prepare",), ("info", "x", "--nosuch")])
def test_wrong_usage_looks_as_any_error(words: tuple[str, ...]) -> None:
    done = avsc(*words)
    assert done.returncode == 2
    assert done.stderr.startswith(b"avsc: ")
    assert b"\nwhat to do: " in done.stderr
