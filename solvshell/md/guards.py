"""What surrounds the running of a folder: one process at a time, and signals that are seen between steps."""

import fcntl
import json
import os
import platform
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from solvshell.errors import InvalidInput, WorkFailed
from solvshell.run import Run


@contextmanager
def stop_requests() -> Iterator[threading.Event]:
    """Turn SIGINT, SIGTERM and SIGHUP into an event that the loop looks at between steps.

    One that is ignored stays so: SIGHUP under nohup, SIGINT behind an `&`.
    """
    requested = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield requested
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    previous = {number: handler for number, handler in handlers.items() if handler != signal.SIG_IGN}
    for number in previous:
        signal.signal(number, lambda *_: requested.set())
    try:
        yield requested
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _holder(path: Path) -> str:
    """Return who holds a lock, in words."""
    try:
        known = json.loads(path.read_text())
        return f"process {known['pid']} on {known['host']}, since {known['since']}"
    except (OSError, ValueError, KeyError, TypeError):  # it is just writing it
        return "another process"


def _take(lock: TextIO, path: Path, run: Run) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InvalidInput(f"{run.path}: is being run by {_holder(path)}; wait for it, or end it") from None
    except OSError as error:
        raise WorkFailed(
            f"{run.path}: its file system keeps no locks ({error.strerror}), so that nothing would keep a second "
            "process away; put the run on another one, or mount this one with locks"
        ) from None


@contextmanager
def locked(run: Run) -> Iterator[None]:
    """Keep other processes away from a run, and leave word of who holds it.

    Raises
    ------
    InvalidInput
        If another process holds it.
    WorkFailed
        If the file system keeps no locks.
    """
    path = run.path / ".lock"
    with open(path, "a+") as lock:  # not "w", which would wipe out the word of the holder
        _take(lock, path, run)
        lock.truncate(0)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        lock.write(json.dumps({"pid": os.getpid(), "host": platform.node(), "since": since}))
        lock.flush()
        yield
