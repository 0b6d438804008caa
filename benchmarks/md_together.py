"""Several processes on one device, as replicas of a run are: what they give together."""

import multiprocessing
from contextlib import AbstractContextManager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Self

import openmm
from md_engines import HEAVY, Contender, make_moving, timed

from solvshell.box import Box
from solvshell.engine import choose_platform


@dataclass(frozen=True)
class Order:
    """To run for some seconds with some threads, beginning together with the others at the barrier."""

    threads: int
    seconds: float


def _work(box_path: Path, platform: str, orders: Connection, barriers: dict[int, Barrier]) -> None:
    """Serve orders until None comes; contexts are kept, so that starting them is not timed again."""
    box, chosen = Box.load(box_path), choose_platform(platform)
    contexts: dict[int, openmm.Context] = {}
    while (order := orders.recv()) is not None:
        n_together, wanted = order
        if wanted.threads not in contexts:
            contexts[wanted.threads] = make_moving(box, HEAVY, chosen, wanted.threads)
        barriers[n_together].wait(timeout=600)
        orders.send(timed(contexts[wanted.threads], wanted.seconds))


class Crew(AbstractContextManager["Crew"]):
    """Processes that each keep the same box ready and run it at the same time."""

    def __init__(self, box_path: Path, platform: str, sizes: list[int]) -> None:
        spawn = multiprocessing.get_context("spawn")  # a GPU cannot be used from a fork
        self._barriers = {size: spawn.Barrier(size) for size in sizes}  # they live as long as their maker holds them
        self._orders: list[Connection] = []
        self._processes = []
        for _ in range(max(sizes)):
            mine, theirs = spawn.Pipe()
            process = spawn.Process(target=_work, args=(box_path, platform, theirs, self._barriers), daemon=True)
            process.start()
            theirs.close()
            self._orders.append(mine)
            self._processes.append(process)

    def pids(self) -> list[int]:
        """Return the numbers of the processes."""
        return [process.pid or 0 for process in self._processes]

    def contender(self, n_together: int, threads: int) -> Contender:
        """Return what gives the ns/day of some of the processes, each with some threads, together."""

        def together(seconds: float) -> float:
            some = self._orders[:n_together]
            for orders in some:
                orders.send((n_together, Order(threads, seconds)))
            return sum(orders.recv() for orders in some)

        return together

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for orders in self._orders:
            orders.send(None)
        for process in self._processes:
            process.join()
