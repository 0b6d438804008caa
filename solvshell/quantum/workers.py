"""Many independent calculations at once, each on one thread, so that the number of processes changes no result."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from typing import TypeVar

from solvshell.errors import InvalidInput, WorkFailed

Item = TypeVar("Item")
Result = TypeVar("Result")

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@contextmanager
def _one_thread_in_children() -> Iterator[None]:
    """Set what numerical libraries read when a process starts; ours have started already."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(_ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def in_processes(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int = 1
) -> Iterator[tuple[int, Result]]:
    """Yield the number of an item and what the function returns for it, as they come.

    Every item is calculated in a fresh process of one thread, also with one worker. If it stops early (an error in one
    of them, Ctrl-C), the others are ended.

    Parameters
    ----------
    function
        A function of a module.
    items
        What it is called with; sent to the processes.
    workers
        How many processes at once.

    Raises
    ------
    InvalidInput
        If there are less than one worker.
    WorkFailed
        If a process is killed, as for memory.
    """
    if workers < 1:
        raise InvalidInput(f"workers: at least 1, got {workers}")
    before = set(active_children())
    with _one_thread_in_children():
        pool = ProcessPoolExecutor(max_workers=workers, mp_context=get_context("spawn"))
        numbers = {pool.submit(function, item): i for i, item in enumerate(items)}
        try:
            for future in as_completed(numbers):
                yield numbers[future], future.result()
        except BrokenProcessPool:
            raise WorkFailed("a worker process was killed; is there enough memory? Try fewer workers") from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in set(active_children()) - before:
                child.terminate()
