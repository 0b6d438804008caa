"""The C=O stretch of a carbonate in a cluster: the carbonate relaxed among its neighbors, then its mode tracked."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rdkit.Chem import GetPeriodicTable

from solvshell.infrared.clusters import AT_LITHIUM, AT_NITROGEN, LITHIUM, Cluster
from solvshell.quantum import (
    Array,
    Gradient,
    NotConverged,
    geometry_inputs,
    gfn2_function,
    gfn2_inputs,
    only,
    optimize,
    tracked_mode,
)
from solvshell.quantum.cache import cached

OK, NOT_CONVERGED, LEFT = "ok", "not_converged", "left"
#: Steps of the relaxation, after which a cluster is given up.
MAX_STEPS = 100


@dataclass(frozen=True)
class Stretch:
    """What became of a cluster.

    Attributes
    ----------
    status
        ``ok``; ``not_converged``, without a frequency; or ``left``: the carbonate is no longer at the Li⁺ or N⁺.
    positions
        With the carbonate at its minimum, or where its relaxation was given up, (n_atoms, 3) in Å.
    wavenumber
        Of the mode with the most C=O stretch, harmonic, in 1/cm.
    share
        How much of that mode is the stretch of C=O: the square of its projection, 1 for nothing else.
    bond_angstrom, neighbor_angstrom
        C=O, and the carbonyl O to the Li⁺ or N⁺.
    """

    status: str
    positions: Array
    wavenumber: float | None = None
    share: float | None = None
    bond_angstrom: float | None = None
    neighbor_angstrom: float | None = None


def stretching(positions: Array, masses: Array, carbon: int, oxygen: int) -> Array:
    """Return the stretch of a bond, mass-weighted (n, 3): its atoms move along it, their center of mass at rest."""
    along = positions[oxygen] - positions[carbon]
    along = along / np.linalg.norm(along)
    local = np.zeros_like(positions)
    local[carbon], local[oxygen] = np.sqrt(masses[oxygen]) * along, -np.sqrt(masses[carbon]) * along
    return local


def _computed(cluster: Cluster, dielectric: float) -> dict[str, Any]:
    atoms = list(cluster.carbonate)
    elements = [cluster.elements[atom] for atom in atoms]
    positions = cluster.positions.copy()

    def relax(continuum: float | None) -> Gradient:
        moving = only(atoms, gfn2_function(cluster.elements, 0, continuum), cluster.positions)
        positions[atoms] = optimize(elements, positions[atoms], moving, max_steps=MAX_STEPS, loose=True)
        return moving

    with suppress(NotConverged):  # a start that is near the minimum, ten times as quick as in the continuum
        relax(None)
    try:
        moving = relax(dielectric)
        masses = np.array([GetPeriodicTable().GetAtomicWeight(element) for element in elements])
        guess = stretching(positions[atoms], masses, *(atoms.index(atom) for atom in cluster.bond))
        wavenumber, share = tracked_mode(moving, positions[atoms], masses, guess)
    except NotConverged as error:
        if error.positions is not None:
            positions[atoms] = error.positions
        return {"status": NOT_CONVERGED, "last_angstrom": positions.tolist()}
    return {"status": OK, "last_angstrom": positions.tolist(), "wavenumber": wavenumber, "share": share}


def _distance(positions: Array, one: int, other: int) -> float:
    return float(np.linalg.norm(positions[one] - positions[other]))


def carbonyl_stretch(cluster: Cluster, dielectric: float, cache: Path) -> Stretch:
    """Return the C=O stretch of the carbonate of a cluster by GFN2-xTB in a continuum, from the cache if it is known.

    The carbonate is relaxed among its neighbors, which stand as the trajectory has them, and its atoms alone are moved
    for the second derivatives, as if all others were infinitely heavy.

    Parameters
    ----------
    dielectric
        Dielectric constant of the continuum, ddCPCM: see `gfn2_function`.
    cache
        Folder of what has been computed.
    """
    inputs = {
        **geometry_inputs(cluster.elements, cluster.positions, 0),
        "carbonate": list(cluster.carbonate),
        "bond": list(cluster.bond),
        **gfn2_inputs(dielectric, relaxed=True),
        "relaxed": "carbonate",
        "max_steps": MAX_STEPS,
    }
    found = cached(cache, "stretch", inputs, lambda: _computed(cluster, dielectric))
    positions = np.array(found["last_angstrom"])
    if found["status"] == NOT_CONVERGED:
        return Stretch(NOT_CONVERGED, positions)
    oxygen = cluster.bond[1]
    away = None if cluster.neighbor is None else _distance(positions, cluster.neighbor, oxygen)
    farthest = AT_LITHIUM if cluster.candidate.kind == LITHIUM else AT_NITROGEN
    status = LEFT if away is not None and away > farthest else OK
    return Stretch(status, positions, found["wavenumber"], found["share"], _distance(positions, *cluster.bond), away)
