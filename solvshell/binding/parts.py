"""Which parts of a cluster have to be computed, and the energies that are sums of theirs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from solvshell.binding.clusters import Cluster
from solvshell.binding.methods import OK, Members, PartEnergy

ANY, CHAIN = "any", "chain"


@dataclass(frozen=True)
class Step:
    """A molecule that leaves: ``any`` one out of the whole shell, or one after another in a ``chain``, farthest first.

    `before` are the molecules of the cluster while it is there, the center among them.
    """

    order: str
    leaves: int
    before: Members

    @property
    def after(self) -> Members:
        """What stays behind."""
        return tuple(member for member in self.before if member != self.leaves)


def whole(cluster: Cluster) -> Members:
    """Return all molecules of a cluster."""
    return tuple(range(len(cluster.sizes)))


def _nearest_first(cluster: Cluster) -> list[int]:
    """Return the molecules of the shell by their shortest contact."""
    away = np.linalg.norm(cluster.positions - cluster.positions[0], axis=1)
    touching = set(cluster.touching)
    shortest = {
        member: min(away[atom] for atom in cluster.molecules[member] if atom in touching)
        for member in whole(cluster)[1:]
    }
    return sorted(shortest, key=lambda member: shortest[member])


def steps_of(cluster: Cluster) -> list[Step]:
    """Return each molecule that leaves the whole shell, and the chain down to the bare center."""
    everything = whole(cluster)
    steps = [Step(ANY, member, everything) for member in everything[1:]]
    left = everything
    for member in reversed(_nearest_first(cluster)):
        steps.append(Step(CHAIN, member, left))
        left = steps[-1].after
    return steps


def parts_of(cluster: Cluster) -> list[Members]:
    """Return the parts whose energies are wanted, each once: the whole, each molecule, and what steps leave behind."""
    singles = [(member,) for member in whole(cluster)]
    return list(dict.fromkeys([whole(cluster), *singles, *(step.after for step in steps_of(cluster))]))


#: The energies of parts of one cluster by one method in one phase and geometry.
Energies = Mapping[Members, PartEnergy]


def _sum(energies: Energies, terms: Iterator[tuple[int, Members]]) -> tuple[float | None, str]:
    """Return a sum of energies and its status: that of the first part without an energy."""
    total = 0.0
    for sign, members in terms:
        found = energies[members]
        if found.kj_mol is None:
            return None, found.status
        total += sign * found.kj_mol
    return total, OK


def binding(cluster: Cluster, energies: Energies) -> tuple[float | None, str]:
    """Return E(cluster) - sum of E(molecule) in kJ/mol, negative if bound, and its status."""
    singles = ((-1, (member,)) for member in whole(cluster))
    return _sum(energies, iter([(1, whole(cluster)), *singles]))


def desolvation(step: Step, energies: Energies) -> tuple[float | None, str]:
    """Return E(after) + E(molecule) - E(before) in kJ/mol, positive if it costs energy, and its status."""
    return _sum(energies, iter([(1, step.after), (1, (step.leaves,)), (-1, step.before)]))
