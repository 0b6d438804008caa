"""Small liquids that exchange molecules with a reservoir: TIP3P water of OpenMM, and dimethyl carbonate of ours."""

from dataclasses import dataclass

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import app, unit

from solvshell.build import build_box
from solvshell.engine import choose_platform, minimize, precision_of
from solvshell.files import validate
from solvshell.md.dynamics import stage_system
from solvshell.md.grand.conformers import random_rotation
from solvshell.protocol import load_protocol
from solvshell.recipe import Recipe

TEMPERATURE_K = 298.15
#: nm3 of a molecule: between those of TIP3P water that grand (30.345 A3) and loch (30.543 A3) give at 1 bar
WATER_NM3, WATER_CUTOFF = 0.0304, 0.68
#: nm3 of a DMC at 1.07 g/cm3, docs/results/systems.md
DMC_NM3 = 0.1398


@dataclass(frozen=True)
class Liquid:
    """Molecules of one species in a cube.

    Attributes
    ----------
    species : str
    system : openmm.System
        With constraints and masses of its dynamics, and no barostat.
    molecules : ndarray of int, shape (n_molecules, n_atoms_of_one)
    positions : ndarray, shape (n_atoms, 3)
        nm; minimised.
    edge_nm, timestep_ps : float
    """

    species: str
    system: openmm.System
    molecules: NDArray[np.int64]
    positions: NDArray[np.float64]
    edge_nm: float
    timestep_ps: float

    @property
    def box_vectors(self) -> NDArray[np.float64]:
        """Shape (3, 3), nm."""
        return np.eye(3) * self.edge_nm


def _lattice(n: int, edge: float) -> NDArray[np.float64]:
    """Return n points of a simple cubic lattice."""
    side = round(np.ceil(n ** (1 / 3)))
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    return (grid[np.linspace(0, len(grid) - 1, n).round().astype(int)] + 0.5) * edge / side


def _minimized(system: openmm.System, positions: NDArray[np.float64]) -> NDArray[np.float64]:
    platform = choose_platform("CPU")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform, precision_of(platform))
    context.setPositions(positions)
    minimize(context, tolerance=10.0, max_iterations=300)
    return np.asarray(context.getState(positions=True).getPositions(asNumpy=True)._value)


def water(n: int, volume_nm3: float, seed: int) -> Liquid:
    """Return rigid TIP3P water (Jorgensen et al., J. Chem. Phys. 79, 926 (1983)), 2 fs."""
    topology, edge = app.Topology(), volume_nm3 ** (1 / 3)
    chain = topology.addChain()
    for _ in range(n):
        residue = topology.addResidue("HOH", chain)
        oxygen, *hydrogens = (topology.addAtom(name, app.Element.getBySymbol(name[0]), residue) for name in WATER)
        for hydrogen in hydrogens:
            topology.addBond(oxygen, hydrogen)
    topology.setPeriodicBoxVectors(np.eye(3) * edge * unit.nanometer)
    system = app.ForceField("amber14/tip3p.xml").createSystem(
        topology, nonbondedMethod=app.PME, nonbondedCutoff=WATER_CUTOFF, rigidWater=True, removeCMMotion=False
    )
    generator, shape = np.random.default_rng(seed), np.array(list(WATER.values()))
    positions = np.concatenate([point + shape @ random_rotation(generator).T for point in _lattice(n, edge)])
    molecules = np.arange(3 * n).reshape(n, 3)
    return Liquid("HOH", system, molecules, _minimized(system, positions), edge, 0.002)


#: nm
WATER = {"O": (0, 0, 0), "H1": (0.09572, 0, 0), "H2": (-0.02399, 0.09266, 0)}


def dmc(n: int, seed: int) -> Liquid:
    """Return dimethyl carbonate with the shipped force field, constraints and masses: 4 fs."""
    edge = (n * DMC_NM3) ** (1 / 3)
    content = {
        "name": "dmc",
        "title": "dimethyl carbonate",
        "composition": {"counts": {"DMC": n}},
        "force_field": {"files": ["solvshell/electrolytes.xml"], "cutoff": "0.8 nm", "switch": "0.7 nm"},
        "packing": {"density": "0.9 g/cm3"},
    }
    box = build_box(validate(Recipe, content, "dmc"), seed=seed)
    protocol = load_protocol("standard")
    system = stage_system(box.system, protocol, protocol.production.model_copy(update={"pressure": None}), 1)
    molecules = np.array([[atom.index for atom in residue.atoms()] for residue in box.topology.residues()])
    centers = box.positions[molecules].mean(axis=1, keepdims=True)
    shrunk = box.positions[molecules] + (edge / box.box_vectors[0, 0] - 1) * centers
    system.setDefaultPeriodicBoxVectors(*(np.eye(3) * edge))
    positions = _minimized(system, shrunk.reshape(-1, 3))
    return Liquid("DMC", system, molecules, positions, edge, protocol.timestep)
