"""The locks of an array: one holder at a time, and no file left behind."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from avsc.models.bank_lock import lock


def test_one_holds_it_at_a_time_and_no_file_stays(tmp_path: Path) -> None:
    folder, inside = tmp_path / "bank", tmp_path / "inside"
    folder.mkdir()

    def work(wait: bool) -> int:
        done = 0
        while done < 100:
            try:
                with lock(folder / "a.zarr", "0", timeout_s=-1 if wait else 0):
                    os.close(os.open(inside, os.O_CREAT | os.O_EXCL))  # fails if another is inside
                    inside.unlink()
            except Timeout:
                continue
            done += 1
        return done

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, [True, False, False, False])) == 400
    assert list(folder.iterdir()) == []


def test_locks_of_other_names_and_arrays_do_not_wait_for_it(tmp_path: Path) -> None:
    with lock(tmp_path / "a.zarr", "0", timeout_s=0):
        for array, name in (("a.zarr", "1"), ("b.zarr", "0")):
            with lock(tmp_path / array, name, timeout_s=0):
                pass
        with pytest.raises(Timeout), lock(tmp_path / "a.zarr", "0", timeout_s=0):
            pass
    with lock(tmp_path / "a.zarr", "0", timeout_s=0):
        pass


@pytest.mark.parametrize("code", [errno.ESTALE, errno.ENOLCK])
def test_network_file_systems_have_a_lock_too(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acquire, errors = FileLock.acquire, [OSError(code, os.strerror(code))]

    def failing_once(self: FileLock, *given: object, **named: object) -> object:
        if errors:
            (tmp_path / ".a-0.lock").touch()
            raise errors.pop()
        return acquire(self, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(FileLock, "acquire", failing_once)
    with lock(tmp_path / "a.zarr", "0", timeout_s=0):
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []
