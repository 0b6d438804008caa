"""What surrounds the running of a folder: one process at a time, and signals that are seen between steps."""

import fcntl
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from solvshell.errors import InvalidInput
from solvshell.run import Run


@contextmanager
def stop_requests() -> Iterator[threading.Event]:
    """Turn SIGINT and SIGTERM into an event that the loop looks at between steps."""
    requested = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield requested
        return
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in previous:
        signal.signal(number, lambda *_: requested.set())
    try:
        yield requested
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def locked(run: Run) -> Iterator[None]:
    """Keep other processes away from a run; InvalidInput if there is one."""
    with open(run.path / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InvalidInput(f"{run.path}: another process is running it") from None
        yield
