"""Many independent calculations in several processes of one thread each, so that their number changes no result."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from solvshell.errors import Interrupted, InvalidInput, WorkFailed
from solvshell.progress import Tally

Item = TypeVar("Item")
Result = TypeVar("Result")

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def n_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let processes that start now have one thread each: sums over several differ in the last digits."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _leave_signals_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def in_processes(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int, tally: Tally | None = None
) -> list[Result]:
    """Return what a function of a module returns for each item, in their order.

    Processes are spawned, one of them too, so that results do not depend on how many there are. A script that calls
    this needs the guard ``if __name__ == "__main__":``.

    Parameters
    ----------
    workers
        How many processes at once.
    tally
        Counts the items that are done.

    Raises
    ------
    InvalidInput
        If there is less than one worker.
    Interrupted
        At Ctrl-C; what the function has put on disk is kept.
    WorkFailed
        If a process dies, as for want of memory.
    """
    if workers < 1:
        raise InvalidInput(f"workers: at least 1, got {workers}")
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    with (
        _one_thread(),
        tally or Tally("", len(items)),
        ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_signals_to_the_parent) as pool,
    ):
        futures: list[Future[Result]] = [pool.submit(function, item) for item in items]
        try:
            for done in as_completed(futures):
                done.result()
                if tally is not None:
                    tally.advance()
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in set(multiprocessing.active_children()) - others:
                child.terminate()
            if isinstance(error, KeyboardInterrupt):
                raise Interrupted("stopped; what was computed is kept") from None
            if isinstance(error, BrokenProcessPool):
                raise WorkFailed("a process died, perhaps for want of memory; try fewer --workers") from None
            raise
    return [future.result() for future in futures]
