"""The nearest minimum of an energy, by geomeTRIC."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from solvshell.quantum.extra import NotConverged, needed
from solvshell.quantum.units import BOHR_ANGSTROM, HARTREE_KJ_MOL, Array, Gradient
from solvshell.quantum.xtb import gfn2

MAX_STEPS = 300
#: When a geometry is converged, in the words of geomeTRIC: as Gaussian has it.
CRITERIA = "GAU"

_SILENT_LOG = """[loggers]
keys=root
[handlers]
keys=none
[formatters]
keys=
[logger_root]
level=CRITICAL
handlers=none
[handler_none]
class=logging.NullHandler
args=()
"""


def _settings(folder: Path, dihedrals: Sequence[tuple[int, int, int, int]]) -> dict[str, Any]:
    """Return what geomeTRIC is told beside the energy: files in a folder of its own, no log, what is held."""
    log = folder / "log.ini"
    log.write_text(_SILENT_LOG)
    settings = {"input": f"{folder}/molecule.xyz", "prefix": f"{folder}/run", "logIni": str(log)}
    if dihedrals:
        lines = [f"dihedral {' '.join(str(atom + 1) for atom in four)}" for four in dihedrals]
        constraints = folder / "constraints.txt"
        constraints.write_text("\n".join(["$freeze", *lines, ""]))
        settings["constraints"] = str(constraints)
    return settings


def optimize(
    elements: Sequence[str],
    positions: Array,
    gradient: Gradient,
    dihedrals: Sequence[tuple[int, int, int, int]] = (),
    max_steps: int = MAX_STEPS,
    *,
    loose: bool = False,
) -> Array:
    """Return the positions of the minimum that geomeTRIC reaches downhill, with the named dihedrals held as they are.

    Parameters
    ----------
    gradient : callable
        Returns energy (kJ/mol) and gradient (kJ/mol/Å) at positions (Å).
    dihedrals : sequence of four atom indices, from 0
    max_steps : int
        After so many steps it is given up.
    loose : bool
        Forces of 3e-4 hartree/bohr, root mean square, are enough where steps or energies have become small; otherwise
        converged is what Gaussian calls so, of all forces and steps.

    Raises
    ------
    NotConverged
        If the steps are used up; it has the last positions.
    """
    engine = needed("geometric.engine")
    molecule = needed("geometric.molecule").Molecule()
    run_optimizer = needed("geometric.optimize").run_optimizer
    ran_out = needed("geometric.errors").GeomOptNotConvergedError
    molecule.elem = list(elements)
    molecule.xyzs = [np.asarray(positions, dtype=float)]
    last = molecule.xyzs[0]

    class Function(engine.Engine):  # type: ignore[misc, name-defined]
        def calc_new(self, coords: Array, dirname: str) -> dict[str, Any]:
            nonlocal last
            last = coords.reshape(-1, 3) * BOHR_ANGSTROM
            energy, slope = gradient(last)
            return {"energy": energy / HARTREE_KJ_MOL, "gradient": slope.ravel() * BOHR_ANGSTROM / HARTREE_KJ_MOL}

    with tempfile.TemporaryDirectory() as folder:
        settings = _settings(Path(folder), dihedrals)
        try:
            progress = run_optimizer(
                customengine=Function(molecule),
                maxiter=max_steps,
                convergence_set=CRITERIA,
                qccnv=loose,
                **settings,
            )
        except ran_out:
            raise NotConverged(f"geometry: no minimum after {max_steps} steps", last) from None
    return np.array(progress.xyzs[-1])


def optimize_gfn2(
    elements: Sequence[str],
    positions: Array,
    charge: int,
    dihedrals: Sequence[tuple[int, int, int, int]] = (),
    max_steps: int = MAX_STEPS,
) -> Array:
    """Return the positions of the nearest GFN2-xTB minimum in the gas phase, with the named dihedrals held.

    Every energy starts from nothing, so that the way down is the same to the last digit wherever it begins: minima are
    starts of what is kept in a cache. See `optimize`.
    """
    return optimize(elements, positions, lambda x: gfn2(elements, x, charge), dihedrals, max_steps)
