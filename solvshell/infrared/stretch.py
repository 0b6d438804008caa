"""The C=O stretch of a carbonate in a cluster: the carbonate relaxed among its neighbors, then its mode tracked."""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rdkit.Chem import GetPeriodicTable

from solvshell.infrared.clusters import AT_LITHIUM, AT_NITROGEN, LITHIUM, Cluster
from solvshell.quantum import Array, NotConverged, geometry_inputs, gfn2_function, only, optimize, tracked_mode
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
    elements, atoms = cluster.elements, list(cluster.carbonate)
    of_carbonate = [elements[atom] for atom in atoms]
    positions = cluster.positions.copy()
    status, found = NOT_CONVERGED, {}
    try:
        # In the gas phase first, ten times as quick; the continuum moves it little.
        for continuum in (None, dielectric):
            moving = only(atoms, gfn2_function(elements, 0, continuum), cluster.positions)
            positions[atoms] = optimize(of_carbonate, positions[atoms], moving, max_steps=MAX_STEPS, loose=True)
        masses = np.array([GetPeriodicTable().GetAtomicWeight(element) for element in of_carbonate])
        carbon, oxygen = (atoms.index(atom) for atom in cluster.bond)
        guess = stretching(positions[atoms], masses, carbon, oxygen)
        found["wavenumber"], found["share"] = tracked_mode(moving, positions[atoms], masses, guess)
        status = OK
    except NotConverged as error:
        if error.positions is not None:
            positions[atoms] = error.positions
    return {"status": status, "last_angstrom": positions.tolist(), **found}


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
        "method": f"GFN2-xTB, tblite {version('tblite')}, geomeTRIC {version('geometric')}",
        "continuum": f"ddCPCM, {dielectric:g}",
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
