"""Energies of many parts by several processes, one thread each; what was computed before comes from the cache."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from solvshell.binding.clusters import Cluster
from solvshell.binding.methods import Asked, Members, Method, PartEnergy
from solvshell.progress import Tally
from solvshell.workers import in_processes


@dataclass(frozen=True)
class Job:
    """Parts of one cluster for one method."""

    cluster: Cluster
    method: Method
    parts: tuple[Members, ...]

    def run(self, asked: Asked) -> list[PartEnergy]:
        """Return the energies."""
        return self.method.energies(self.cluster, self.parts, asked)


def run_jobs(jobs: Sequence[Job], asked: Asked, workers: int, tally: Tally) -> list[list[PartEnergy]]:
    """Return the energies of each job, in their order; each is kept in the cache as soon as it is computed.

    Raises as `in_processes`.
    """
    return in_processes(partial(Job.run, asked=asked), jobs, workers, tally)
