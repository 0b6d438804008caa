"""One of several runs in a process of its own: it tells its parent what happens, and stops where the parent is gone."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from solvshell.errors import Interrupted, InvalidInput, WorkFailed
from solvshell.md.simulate import simulate
from solvshell.progress import Silent
from solvshell.run import Run

_SECONDS_BETWEEN_UPDATES = 0.5

Tell = Callable[..., None]


class _Told(Silent):
    """Progress that goes to the parent."""

    def __init__(self, tell: Tell) -> None:
        self._tell, self._stage, self._last = tell, "", 0.0

    def note(self, text: str) -> None:
        self._tell(note=text)

    def start(self, name: str, total_ps: float, done_ps: float = 0.0) -> None:
        self._stage = name

    def update(self, done_ps: float, ns_per_day: float) -> None:
        now = time.monotonic()
        if now - self._last >= _SECONDS_BETWEEN_UPDATES:
            self._last = now
            self._tell(stage=self._stage, done_ps=done_ps, ns_per_day=ns_per_day)


def _channel() -> Tell:
    """Return what sends a line to the parent by the standard output; what others print goes to the standard error."""
    channel = os.dup(1)
    os.dup2(2, 1)

    def tell(**event: Any) -> None:
        with suppress(BrokenPipeError):  # without a parent nobody listens
            os.write(channel, (json.dumps(event) + "\n").encode())

    return tell


def _stop_with_the_parent() -> None:
    """Wait for the end of the standard input, which only the parent holds; then stop as at SIGTERM."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def run_child(path: str, platform: str) -> None:
    """Bring a run to its end and exit with the status of the command: 0, or 1, 2, 3 with a last word to the parent."""
    tell = _channel()
    threading.Thread(target=_stop_with_the_parent, daemon=True).start()
    status, words = 0, ""
    try:
        simulate(Run(Path(path)), platform, _Told(tell))
    except Interrupted as error:
        status, words = 3, str(error)
    except InvalidInput as error:
        status, words = 2, str(error)
    except WorkFailed as error:
        status, words = 1, str(error)
    except OSError as error:
        status, words = 1, f"{error.filename or 'a file'}: {error.strerror or error}"
    if words:
        tell(ended=words)
    sys.exit(status)
