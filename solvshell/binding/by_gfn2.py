"""Clusters by GFN2-xTB."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from solvshell.binding.clusters import Cluster
from solvshell.binding.methods import (
    CONTINUUM,
    CUT_POLYMER,
    FIXED,
    GAS,
    RELAXED,
    Asked,
    Members,
    PartEnergy,
    kept,
    part_energies,
)
from solvshell.quantum import Array, geometry_inputs, gfn2, gfn2_inputs, optimize_gfn2
from solvshell.quantum.minima import CRITERIA, MAX_STEPS


@dataclass(frozen=True)
class Gfn2:
    """GFN2-xTB (Bannwarth et al., J. Chem. Theory Comput. 15 (2019) 1652); its continuum is ddCPCM."""

    @property
    def name(self) -> str:  # noqa: D102
        return "gfn2"

    @property
    def phases(self) -> tuple[str, ...]:  # noqa: D102
        return (GAS, CONTINUUM)

    def described(self, charge_scales: Collection[float]) -> str:  # noqa: D102
        return "GFN2-xTB by tblite; continuum: ddCPCM"

    def refuses(self, cluster: Cluster) -> str | None:  # noqa: D102
        return None if cluster.is_whole else CUT_POLYMER

    def jobs(self, parts: Sequence[Members]) -> list[list[Members]]:  # noqa: D102
        return [[part] for part in parts]

    def energies(self, cluster: Cluster, parts: Sequence[Members], asked: Asked) -> list[PartEnergy]:  # noqa: D102
        return [energy for part in parts for energy in _of_part(cluster, part, asked)]


def _of_part(cluster: Cluster, members: Members, asked: Asked) -> list[PartEnergy]:
    atoms, charge = cluster.atoms(members), cluster.charge(members)
    elements = [cluster.elements[atom] for atom in atoms]
    positions: dict[str, Array | None] = {FIXED: cluster.positions[atoms]}
    if asked.relax:
        positions[RELAXED] = _minimum(elements, cluster.positions[atoms], charge, asked)

    def energy(phase: str, geometry: str) -> float | None:
        place = positions[geometry]
        assert place is not None
        continuum = asked.dielectric if phase == CONTINUUM else None
        inputs = geometry_inputs(elements, place, charge) | gfn2_inputs(continuum)
        found = kept(asked.cache, "gfn2", inputs, "energy_kj_mol", lambda: gfn2(elements, place, charge, continuum)[0])
        return None if found is None else float(found)

    return list(part_energies(members, positions, asked.phases, energy))


def _minimum(elements: list[str], start: Array, charge: int, asked: Asked) -> Array | None:
    """Return the minimum in the gas phase, None if it is not found."""
    if len(elements) == 1:
        return start
    how = {"criteria": CRITERIA, "max_steps": MAX_STEPS}
    inputs = geometry_inputs(elements, start, charge) | gfn2_inputs(relaxed=True) | how
    found = kept(
        asked.cache,
        "gfn2-minimum",
        inputs,
        "minimum_angstrom",
        lambda: optimize_gfn2(elements, start, charge).tolist(),
    )
    return None if found is None else np.array(found)
