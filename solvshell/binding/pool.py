"""Energies of many parts by several processes, one thread each; what was computed before comes from the cache."""

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass

from solvshell.binding.clusters import Cluster
from solvshell.binding.methods import Asked, Members, Method, PartEnergy
from solvshell.errors import Interrupted, WorkFailed
from solvshell.progress import Tally

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Job:
    """Parts of one cluster for one method."""

    cluster: Cluster
    method: Method
    parts: tuple[Members, ...]

    def run(self, asked: Asked) -> list[PartEnergy]:
        """Return the energies."""
        return self.method.energies(self.cluster, self.parts, asked)


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


def _end(workers: set[multiprocessing.process.BaseProcess]) -> None:
    for worker in workers:
        worker.terminate()


def run_jobs(jobs: Sequence[Job], asked: Asked, workers: int, tally: Tally) -> list[list[PartEnergy]]:
    """Return the energies of each job, in their order; each is kept in the cache as soon as it is computed.

    Processes are spawned, one of them too, so that results do not depend on how many there are. A script that calls
    this needs the guard ``if __name__ == "__main__":``.

    Raises
    ------
    Interrupted
        At Ctrl-C; what was computed is in the cache.
    WorkFailed
        If a process dies, as for want of memory.
    """
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    with (
        _one_thread(),
        tally,
        ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_signals_to_the_parent) as pool,
    ):
        futures: list[Future[list[PartEnergy]]] = [pool.submit(job.run, asked) for job in jobs]
        try:
            for done in as_completed(futures):
                done.result()
                tally.advance()
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            _end(set(multiprocessing.active_children()) - others)
            if isinstance(error, KeyboardInterrupt):
                raise Interrupted("stopped; what was computed is kept") from None
            if isinstance(error, BrokenProcessPool):
                raise WorkFailed("a process died, perhaps for want of memory; try fewer --workers") from None
            raise
    return [future.result() for future in futures]
