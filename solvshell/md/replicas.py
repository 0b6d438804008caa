"""Many runs on one machine: a process for each, several at once, and none that fails takes the others along."""

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from rich.console import Console

from solvshell.engine import choose_platform
from solvshell.errors import Interrupted, WorkFailed
from solvshell.md.devices import Shares, share_out
from solvshell.md.guards import stop_requests
from solvshell.progress import Together
from solvshell.run import Run
from solvshell.stages import Minimize

# The child looks for modules where we do, takes none from the folder that it starts in, and records our command. What
# Ctrl-C sends to all processes of a terminal reaches it through us.
_CODE = """
import sys
sys.path[:], sys.argv[:] = {path!r}, {argv!r}
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
from solvshell.md.child import run_child
run_child({run!r}, {platform!r})
"""


@dataclass
class _Child:
    """A process that runs one run, on one device."""

    name: str
    device: int
    process: subprocess.Popen[bytes]
    errors: IO[bytes]
    last_word: str = ""

    @property
    def complaint(self) -> str:
        """What it wrote to its standard error: a traceback, for one that crashed."""
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace").strip()

    @property
    def problem(self) -> str:
        """Why it failed, in one line."""
        code = self.process.returncode
        if self.last_word:
            return self.last_word
        if code < 0:
            number = signal.Signals(-code).name
            memory = ", perhaps for want of memory" if number == "SIGKILL" else ""
            return f"its process was ended by {number}{memory}"
        last = self.complaint.rpartition("\n")[2]
        return f"its process ended with status {code}" + f": {last}" * bool(last)


def _names(runs: Sequence[Run]) -> dict[str, Run]:
    """Return the runs by the part of their paths that tells them apart."""
    if len(runs) == 1:
        return {runs[0].path.name: runs[0]}
    common = os.path.commonpath([run.path.absolute() for run in runs])
    return {str(run.path.absolute().relative_to(common)): run for run in runs}


def _lengths(run: Run) -> dict[str, float]:
    """Return the ps of the stages of a run, by their names; at most so many where a stage ends by a criterion."""
    return {stage.name: 0.0 if isinstance(stage, Minimize) else stage.duration for stage in run.protocol.stages}


class _Pool:
    """The children that live, and what they say: the state of `run_all`."""

    def __init__(self, runs: Mapping[str, Run], platform: str, shares: Shares, shown: Together) -> None:
        self.waiting, self.platform, self.shares, self.shown = dict(runs), platform, shares, shown
        self.lengths = {name: _lengths(run) for name, run in runs.items()}
        self.children: dict[str, _Child] = {}
        self.said: queue.Queue[tuple[_Child, dict[str, Any] | None]] = queue.Queue()
        self.problems: dict[str, str] = {}

    def _listen(self, child: _Child) -> None:
        """Put what a child says into the queue; None when it is gone."""
        assert child.process.stdout is not None
        with child.process.stdout as lines:
            for line in lines:
                with suppress(ValueError):  # a process that is killed may leave half a line
                    self.said.put((child, json.loads(line)))
        self.said.put((child, None))

    def start_next(self) -> None:
        """Start the next run that waits, on the device with the fewest."""
        name = next(iter(self.waiting))
        run = self.waiting.pop(name)
        load = Counter(child.device for child in self.children.values())
        device = min(range(len(self.shares.devices)), key=lambda index: load[index])
        code = _CODE.format(path=sys.path, argv=sys.argv, run=str(run.path.absolute()), platform=self.platform)
        errors = tempfile.TemporaryFile()  # noqa: SIM115 it lives as long as the child
        process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-c", code],
            stdin=subprocess.PIPE,  # its end tells the child that we are gone
            stdout=subprocess.PIPE,
            stderr=errors,
            env=self.shares.environment(device, os.environ),
        )
        child = _Child(name, device, process, errors)
        self.children[name] = child
        threading.Thread(target=self._listen, args=(child,), daemon=True).start()

    def hear(self, child: _Child, event: dict[str, Any]) -> None:
        """Take in what a child says."""
        if "note" in event:
            self.shown.note(child.name, event["note"])
        elif "ended" in event:
            child.last_word = event["ended"]
        else:
            lengths = self.lengths[child.name]
            before = sum(list(lengths.values())[: list(lengths).index(event["stage"])])
            self.shown.update(child.name, event["stage"], before + event["done_ps"], event["ns_per_day"])

    def bury(self, child: _Child, run: Run) -> None:
        """Take in that a child has ended."""
        del self.children[child.name]
        child.process.wait()
        if not run.is_done:
            self.problems[child.name] = child.problem
            if child.complaint and not child.last_word:
                self.shown.say(child.complaint)
        self.shown.note(child.name, "done" if run.is_done else child.problem)
        self.shown.end(child.name, run.is_done)
        child.errors.close()
        if child.process.stdin is not None:
            child.process.stdin.close()

    def signal_all(self) -> None:
        """Let all children write a checkpoint and end."""
        for child in self.children.values():
            child.process.terminate()


def _advance(pool: _Pool, runs: Mapping[str, Run], stop: threading.Event) -> None:
    """Keep as many children running as there is room for, until all have ended; at a stop request none is added."""
    told = False
    try:
        while pool.children or (pool.waiting and not stop.is_set()):
            while pool.waiting and len(pool.children) < pool.shares.at_once and not stop.is_set():
                pool.start_next()
            if stop.is_set() and not told:
                told = True
                pool.signal_all()
            try:
                child, event = pool.said.get(timeout=0.2)
            except queue.Empty:
                continue
            if event is None:
                pool.bury(child, runs[child.name])
            else:
                pool.hear(child, event)
    finally:
        pool.signal_all()  # there is none left unless something broke here


def _tell_what_is_left(runs: Sequence[Run], problems: Mapping[str, str], is_stopped: bool) -> None:
    """Raise what `run_all` raises if a run is not done."""
    n_done = sum(run.is_done for run in runs)
    if is_stopped and n_done < len(runs):
        raise Interrupted(f"stopped; {n_done} of {len(runs)} runs are done, those that had begun have checkpoints")
    if problems:
        lines = "".join(f"\n  {name}: {problem}" for name, problem in problems.items())
        raise WorkFailed(
            f"{len(problems)} of {len(runs)} runs, the others are done; the same command tries again:{lines}"
        )


def run_all(
    runs: Sequence[Run], *, platform: str | None = None, at_once: int | None = None, console: Console | None = None
) -> list[Run]:
    """Bring runs to their ends, each in a process of its own, and return them; those that are done are left alone.

    It may be called from a notebook or a script without a guard. A run that fails, or whose process is killed, leaves
    the others running; the same call goes on with what is not done. Processes stop with a checkpoint when this one is
    told to, and when it dies.

    Parameters
    ----------
    runs : sequence of Run
        From `solvshell.folders.open_runs`.
    platform : str, optional
        OpenMM platform; the fastest that works if left out.
    at_once : int, optional
        How many run at once; the default and the spread over GPUs is that of `solvshell.md.devices.share_out`.
    console : Console, optional
        Where progress is shown.

    Raises
    ------
    InvalidInput
        If the platform does not work here, or less than one is to run at once.
    WorkFailed
        If some failed: which and why; all others are done.
    Interrupted
        If SIGINT or SIGTERM came; all runs have written checkpoints.
    """
    chosen = choose_platform(platform).getName()
    waiting = {name: run for name, run in _names(runs).items() if not run.is_done}
    shares = share_out(chosen, len(waiting), at_once, os.environ)
    totals = {name: sum(_lengths(run).values()) for name, run in waiting.items()}
    with stop_requests() as stop, Together(totals, console) as shown:
        if len(waiting) < len(runs):
            shown.say(f"{len(runs) - len(waiting)} of {len(runs)} runs are done already")
        if waiting:
            shown.say(f"platform {chosen}: {shares.words(len(waiting))}")
        pool = _Pool(waiting, chosen, shares, shown)
        _advance(pool, waiting, stop)
    _tell_what_is_left(runs, pool.problems, stop.is_set())
    return list(runs)
