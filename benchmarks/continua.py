"""Continuum models of tblite around ions and around a whole unit of a polycation with its anions.

    python benchmarks/continua.py gel-run

prints what each model makes of two ions 20 Å apart, where q²/εr is known, and of a unit cut from the first frame of
the run with as many of the nearest anions as it has N⁺, and how long an energy with its gradient takes. A minute.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from MDAnalysis.lib.distances import distance_array
from rdkit.Chem import GetPeriodicTable
from tblite.exceptions import TBLiteRuntimeError
from tblite.interface import Calculator

from solvshell.analysis.reading.frames import open_trajectory
from solvshell.analysis.typical.cutout import cut_around
from solvshell.infrared.clusters import Surroundings
from solvshell.quantum import Array
from solvshell.quantum.units import BOHR_ANGSTROM, HARTREE_KJ_MOL
from solvshell.run import Run

DIELECTRIC = 20.0
MODELS = {
    "gas": None,
    "ddCPCM": ("ddX-solvation", DIELECTRIC, "cpcm"),
    "gb": ("gb-solvation", DIELECTRIC, "p16"),
    "gbe": ("gbe-solvation", DIELECTRIC, "p16"),
}
APART = 20.0  # Å
COULOMB = 1389.3546  # kJ/mol Å


def energy(model: str, elements: tuple[str, ...], positions: Array, charge: int) -> tuple[float, float]:
    """Return the energy in kJ/mol and the seconds it takes when the density of a geometry next to it is known."""
    numbers = np.array([GetPeriodicTable().GetAtomicNumber(element) for element in elements])
    calculator = Calculator("GFN2-xTB", numbers, positions / BOHR_ANGSTROM, charge=charge)
    calculator.set("verbosity", 0)
    if MODELS[model] is not None:
        calculator.add(*MODELS[model])
    result = calculator.singlepoint()
    found = result.get("energy") * HARTREE_KJ_MOL
    calculator.update((positions + np.random.default_rng(1).normal(scale=0.005, size=positions.shape)) / BOHR_ANGSTROM)
    start = time.process_time()
    calculator.singlepoint(result)
    return found, time.process_time() - start


def unit_with_anions(run: Run) -> tuple[tuple[str, ...], Array]:
    """Return elements and positions of a unit of the polycation, capped with H, and the anions nearest to its N⁺."""
    universe = open_trajectory(run.topology_path, run.trajectory_path)
    around = Surroundings(universe, run.box.recipe.entries)
    unit = around.nitrogens.residues[1].atoms
    nitrogens = unit & around.nitrogens
    distances = distance_array(around.anions.positions, nitrogens.positions, box=universe.dimensions)
    members = {int(nitrogens.indices[0]): int(nitrogens.indices[0])}
    for i in np.argsort(distances.min(axis=1), kind="stable"):
        taken = universe.atoms[list(members)].resindices
        if around.anions.resindices[i] not in taken and len(members) <= len(nitrogens):
            members[int(around.anions.indices[i])] = int(nitrogens.indices[distances[i].argmin()])
    cut = cut_around(universe, members).universe.atoms
    return tuple(cut.elements.tolist()), cut.positions.astype(float)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run with a polycation")
    run = Run.load(parser.parse_args().run)
    apart, alone = np.array([[0.0, 0, 0], [0.0, 0, APART]]), np.zeros((1, 3))
    print(
        f"Li+ and Na+ {APART:g} Å apart, less both alone; kJ/mol; in the continuum {COULOMB / DIELECTRIC / APART:.1f}"
    )
    for model in MODELS:
        pair = energy(model, ("Li", "Na"), apart, 2)[0]
        print(f"  {model:<7} {pair - sum(energy(model, (element,), alone, 1)[0] for element in ('Li', 'Na')):8.1f}")
    elements, positions = unit_with_anions(run)
    print(f"a unit with its anions, {len(elements)} atoms: less its energy in the gas phase, kJ/mol; s of a gradient")
    gas, seconds = energy("gas", elements, positions, 0)
    print(f"  gas     {0:8.0f} {seconds:6.1f}")
    for model in list(MODELS)[1:]:
        try:
            found, seconds = energy(model, elements, positions, 0)
            print(f"  {model:<7} {found - gas:8.0f} {seconds:6.1f}", flush=True)
        except TBLiteRuntimeError as error:
            print(f"  {model:<7} {error}", flush=True)


if __name__ == "__main__":
    main()
