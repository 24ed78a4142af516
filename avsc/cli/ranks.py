"""How a command behaves as one of the processes that ``torchrun`` started.

One fault is told once. Rank 0 speaks; another rank waits until it is clear that rank 0 did not fail
too. ``torchrun`` prints a report of its own at the end, which then ends with our message.
"""

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from avsc.console import complain, heard

FAILED = 1
PATIENCE_S = 5.0  # torchrun ends all ranks in less, once one has failed
WATCH_S = 1.0


def speaks() -> bool:
    """Whether this process is the only one, or rank 0."""
    return os.environ.get("RANK", "0") == "0"


def run(command: Callable[[], int], debug: bool) -> int:
    """Runs a command on this rank; returns its exit code.

    Args:
        command: Runs the command; returns its exit code.
        debug: Whether tracebacks are shown.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return command()
    _end_with_parent()
    with heard() as message:
        try:
            code = command()
        except Exception as error:
            if debug or not _lost_another(error):
                raise
            message.append(f"rank {os.environ['RANK']}: another rank is gone: {error}")
            code = FAILED
    if code and message:
        if not speaks():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            time.sleep(PATIENCE_S)  # torchrun ends it here, where rank 0 has failed too
        _tell("\n".join(message))
    return code


def _lost_another(error: BaseException) -> bool:
    """Whether an error only says that the connection to another rank is lost."""
    import torch.distributed as dist

    if isinstance(error, dist.DistError):
        return True
    return isinstance(error, RuntimeError) and any(
        word in str(error) for word in ("gloo", "Connection closed by peer", "Connection reset")
    )


def _tell(message: str) -> None:
    """Has torchrun's report end with our message, or prints it."""
    file = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if file is None:
        complain(message)
        return
    text = f"\n\navsc: {message}\n"
    fields = {"message": text, "extraInfo": {"py_callstack": text, "timestamp": int(time.time())}}
    Path(file).write_text(json.dumps({"message": fields}), encoding="utf-8")


def _end_with_parent() -> None:
    """Ends this process when torchrun is gone, which kill -9 does not let it do itself."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_S)
        os._exit(FAILED)

    threading.Thread(target=watch, daemon=True).start()
