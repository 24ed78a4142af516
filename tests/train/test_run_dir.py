import errno
import fcntl
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from avsc.train.run_dir import RunBusyError, agreed_recipe, locked


@pytest.fixture(params=["flock", "ENOLCK", "EOPNOTSUPP"])
def file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system with locks, or one that refuses them as some network file systems do."""
    if request.param == "flock":
        return

    def refuse(_file: object, _operation: int) -> None:
        raise OSError(getattr(errno, request.param), os.strerror(getattr(errno, request.param)))

    monkeypatch.setattr(fcntl, "flock", refuse)


def _hold(run: Path, held: Any) -> None:
    with locked(run):
        held.set()
        signal.pause()


@pytest.mark.usefixtures("file_system")
def test_a_folder_is_locked_while_a_process_lives_and_free_after_its_kill(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    held = fork.Event()
    other = fork.Process(target=_hold, args=(tmp_path / "run", held))
    other.start()
    try:
        assert held.wait(20)
        with pytest.raises(RunBusyError) as caught, locked(tmp_path / "run"):
            pass
        assert str(tmp_path / "run") in caught.value.got
    finally:
        other.kill()
        other.join()
    with locked(tmp_path / "run"):
        pass


@pytest.mark.usefixtures("file_system")
def test_a_lock_excludes_this_process_too_and_leaves_the_folder_new(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(RunBusyError), locked(tmp_path):
        pass
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        raise ZeroDivisionError
    with locked(tmp_path):
        agreed_recipe(tmp_path, None, resume=False)


def test_other_errors_of_the_file_system_are_not_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_file: object, _operation: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)), locked(tmp_path):
        pass
