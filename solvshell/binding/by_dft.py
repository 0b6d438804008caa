"""Small clusters by a density functional, counterpoise corrected."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

from solvshell.binding.clusters import Cluster
from solvshell.binding.methods import (
    CONTINUUM,
    CUT_POLYMER,
    FIXED,
    GAS,
    RELAXED,
    TOO_LARGE,
    Asked,
    Members,
    PartEnergy,
    or_none,
    part_energies,
)
from solvshell.quantum import GEOMETRY_LEVEL, PAIR_LEVEL, Array, Level, dft_energy, optimize_dft

#: Atoms of the largest cluster: Li+ with one molecule, or with two small anions.
LARGEST_CLUSTER = 20


@dataclass(frozen=True)
class Dft:
    """A density functional at minima of a smaller basis; its continuum is IEF-PCM.

    Counterpoise (Boys and Bernardi 1970): each part has the basis of the whole cluster, at the places that it has in
    the cluster. A relaxed part, at its own minimum, has its own basis, and the gain that the cluster's basis brings it
    at the cluster's minimum. What the continuum adds is of each part in its own basis.
    """

    level: Level = PAIR_LEVEL
    geometry_level: Level = GEOMETRY_LEVEL
    largest_cluster: int = LARGEST_CLUSTER

    @property
    def name(self) -> str:  # noqa: D102
        return "dft"

    @property
    def phases(self) -> tuple[str, ...]:  # noqa: D102
        return (GAS, CONTINUUM)

    def described(self, charge_scales: Collection[float]) -> str:  # noqa: D102
        where = f"minima by {self.geometry_level}; counterpoise corrected; continuum: IEF-PCM"
        return f"{self.level} by PySCF, {where}; clusters of at most {self.largest_cluster} atoms"

    def refuses(self, cluster: Cluster) -> str | None:  # noqa: D102
        if not cluster.is_whole:
            return CUT_POLYMER
        return TOO_LARGE if len(cluster.elements) > self.largest_cluster else None

    def jobs(self, parts: Sequence[Members]) -> list[list[Members]]:  # noqa: D102
        return [list(parts)]  # all of them want the minimum of the whole

    def energies(self, cluster: Cluster, parts: Sequence[Members], asked: Asked) -> list[PartEnergy]:  # noqa: D102
        of_cluster = _OfCluster(self, cluster, asked)
        return [energy for part in parts for energy in of_cluster.part(part)]


class _OfCluster:
    """The energies of parts of one cluster."""

    def __init__(self, method: Dft, cluster: Cluster, asked: Asked) -> None:
        self._method, self._cluster, self._asked = method, cluster, asked
        self._whole: Members = tuple(range(len(cluster.sizes)))
        self._minimum = self._relaxed(self._whole) if asked.relax else None

    def _relaxed(self, members: Members) -> Array | None:
        atoms = self._cluster.atoms(members)
        start = self._cluster.positions[atoms]
        if len(atoms) == 1:
            return start
        elements, charge = [self._cluster.elements[atom] for atom in atoms], self._cluster.charge(members)
        return or_none(lambda: optimize_dft(elements, start, charge, self._asked.cache, self._method.geometry_level))

    def _own(self, members: Members, positions: Array, continuum: float | None = None) -> float:
        """Return the energy of a part in its own basis."""
        elements = [self._cluster.elements[atom] for atom in self._cluster.atoms(members)]
        charge, cache = self._cluster.charge(members), self._asked.cache
        return dft_energy(elements, positions, charge, cache, continuum=continuum, level=self._method.level)

    def _in_basis_of_whole(self, members: Members, whole: Array) -> float:
        """Return the energy of a part where it stands in the cluster, whose other atoms lend their basis."""
        elements, atoms = self._cluster.elements, set(self._cluster.atoms(members))
        ghosts = [i for i in range(len(elements)) if i not in atoms]
        charge, cache = self._cluster.charge(members), self._asked.cache
        return dft_energy(elements, whole, charge, cache, ghosts=ghosts, level=self._method.level)

    def _gas(self, members: Members, geometry: str, own: Array) -> float | None:
        if geometry == FIXED:
            return self._in_basis_of_whole(members, self._cluster.positions)
        if self._minimum is None:
            return None
        stretched = self._minimum[self._cluster.atoms(members)]
        gain = self._in_basis_of_whole(members, self._minimum) - self._own(members, stretched)
        return self._own(members, own) + gain

    def _energy(self, members: Members, positions: dict[str, Array | None], phase: str, geometry: str) -> float | None:
        own = positions[geometry]
        assert own is not None
        gas = or_none(lambda: self._gas(members, geometry, own))
        if gas is None or phase == GAS:
            return gas
        wet = or_none(lambda: self._own(members, own, self._asked.dielectric) - self._own(members, own))
        return None if wet is None else gas + wet

    def part(self, members: Members) -> list[PartEnergy]:
        positions: dict[str, Array | None] = {FIXED: self._cluster.positions[self._cluster.atoms(members)]}
        if self._asked.relax:
            positions[RELAXED] = self._minimum if members == self._whole else self._relaxed(members)
        return list(part_energies(members, positions, self._asked.phases, partial(self._energy, members, positions)))
