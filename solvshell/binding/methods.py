"""What gives the parts of a cluster an energy, as all methods have it in common.

Every number of the tables is a sum of energies of parts of a cluster: some of its molecules, at the places that they
have in it (``fixed``), or at the minimum that lies downhill from there for this part alone (``relaxed``). In a
continuum a relaxed part keeps the geometry of its minimum in the gas phase.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from solvshell.binding.clusters import Cluster
from solvshell.quantum import Array, NotConverged, cached

GAS, CONTINUUM = "gas", "continuum"
FIXED, RELAXED = "fixed", "relaxed"
OK, NOT_CONVERGED, TOO_LARGE, CUT_POLYMER = "ok", "not_converged", "too_large", "cut_polymer"
#: Of clusters that a method does not take.
REFUSED = (TOO_LARGE, CUT_POLYMER)

#: Some of the molecules of a cluster, by their numbers.
Members = tuple[int, ...]
Value = TypeVar("Value")


@dataclass(frozen=True)
class Asked:
    """What is computed of a part.

    Attributes
    ----------
    phases
        ``gas``, ``continuum``.
    relax
        Minima too.
    dielectric
        Constant of the continuum; None if there is none.
    cache
        Folder of what was computed before.
    """

    phases: tuple[str, ...]
    relax: bool
    dielectric: float | None
    cache: Path

    @property
    def geometries(self) -> tuple[str, ...]:
        """``fixed``, and ``relaxed`` if asked."""
        return (FIXED, RELAXED) if self.relax else (FIXED,)


@dataclass(frozen=True)
class PartEnergy:
    """The energy of a part, None unless its status is ``ok``; `positions` of a minimum in Å."""

    members: Members
    phase: str
    geometry: str
    kj_mol: float | None
    status: str
    positions: Array | None = field(default=None, repr=False)


class Method(Protocol):
    """A way to an energy; `phases` are those in which it is defined."""

    @property
    def name(self) -> str:
        """As the tables have it."""

    @property
    def phases(self) -> tuple[str, ...]:
        """In which it is defined."""

    def described(self, charge_scales: Collection[float]) -> str:
        """Return what it is, for the summary."""

    def refuses(self, cluster: Cluster) -> str | None:
        """Return the status of a cluster that it does not take."""

    def jobs(self, parts: Sequence[Members]) -> list[list[Members]]:
        """Return parts in groups that are computed one after another."""

    def energies(self, cluster: Cluster, parts: Sequence[Members], asked: Asked) -> list[PartEnergy]:
        """Return the energies of parts in all phases and geometries."""


def or_none(compute: Callable[[], Value]) -> Value | None:
    """Return what is computed, or None if it does not converge."""
    try:
        return compute()
    except NotConverged:
        return None


def kept(cache: Path, name: str, inputs: dict[str, Any], key: str, compute: Callable[[], Any]) -> Any:
    """Return a value from the cache folder, or computed; what did not converge is None, kept under these inputs."""
    return cached(cache, name, inputs, lambda: {key: or_none(compute)})[key]


def part_energies(
    members: Members,
    positions: Mapping[str, Array | None],
    phases: Sequence[str],
    energy: Callable[[str, str], float | None],
) -> Iterator[PartEnergy]:
    """Yield the energies of a part.

    Parameters
    ----------
    positions
        By geometry; None where a minimum was not found.
    energy
        From phase and geometry to kJ/mol, None where it does not converge.
    """
    for geometry, place in positions.items():
        minimum = place if geometry == RELAXED else None
        for phase in phases:
            kj_mol = None if place is None else energy(phase, geometry)
            yield PartEnergy(members, phase, geometry, kj_mol, NOT_CONVERGED if kj_mol is None else OK, minimum)
