"""Universes made by hand, whose answers are known."""

import numpy as np
from MDAnalysis import Universe
from MDAnalysis.coordinates.memory import MemoryReader

from solvshell.species import SpeciesFile

CUBE = (30.0, 30.0, 30.0, 90.0, 90.0, 90.0)
MASSES = {"LI": 6.94, "NA": 22.99, "CS": 132.9, "N": 14.01, "P": 30.97, "F": 19.0, "O": 16.0, "C": 12.01}


def make_universe(molecules, positions, box=CUBE, timestep_ps=1.0):
    """Molecules are (residue name, atom names); positions (n_frames, n_atoms, 3) and box (6,) or (n_frames, 6) in Å."""
    names = [name for _, atoms in molecules for name in atoms]
    residue_of_atom = np.repeat(np.arange(len(molecules)), [len(atoms) for _, atoms in molecules])
    universe = Universe.empty(len(names), len(molecules), atom_resindex=residue_of_atom, trajectory=False)
    universe.add_TopologyAttr("names", names)
    universe.add_TopologyAttr("resnames", [name for name, _ in molecules])
    universe.add_TopologyAttr("resids", np.arange(len(molecules)) + 1)
    universe.add_TopologyAttr("masses", [MASSES[name.rstrip("0123456789")] for name in names])
    positions = np.asarray(positions, dtype=np.float32).reshape(-1, len(names), 3)
    boxes = None if box is None else np.broadcast_to(np.asarray(box, dtype=np.float32), (len(positions), 6)).copy()
    universe.load_new(positions, format=MemoryReader, dimensions=boxes, dt=timestep_ps)
    return universe


def species_file(**changes):
    """Li among PF6 (anion) and EC."""
    content = {
        "centers": {"Li": "name LI"},
        "partners": {
            "PF6": {"molecules": "resname PF6", "sites": {"f": "name F*"}, "role": "anion"},
            "EC": {"molecules": "resname EC", "sites": {"carbonyl_o": "name O"}},
        },
    }
    return SpeciesFile.model_validate(content | changes)


def random_universe(rng, n_frames, n_centers, n_sites, box=CUBE, fluctuation=0.0):
    """Points without any order, in a cubic box whose length fluctuates by a share."""
    molecules = [("LI", ["LI"])] * n_centers + [("EC", ["O"])] * n_sites
    boxes = np.tile(np.asarray(box, float), (n_frames, 1))
    boxes[:, :3] *= 1 + fluctuation * rng.uniform(-1, 1, size=(n_frames, 1))
    positions = rng.random((n_frames, len(molecules), 3)) * boxes[:, None, :3]
    return make_universe(molecules, positions, boxes)


def on_sphere(rng, size):
    """Directions without preference, shape (*size, 3)."""
    directions = rng.normal(size=(*size, 3))
    return directions / np.linalg.norm(directions, axis=-1, keepdims=True)


def shell_universe(rng, n_frames, n_in_shell, distance=1.95, width=0.08, n_bulk=200, box=40.0, n_centers=8):
    """Centers on a grid with n_in_shell O each at a normally distributed distance, and bulk O beyond 4 Å of all."""
    grid = (np.indices((2, 2, 2)).reshape(3, -1).T[:n_centers] + 0.5) * box / 2
    n_shell = n_centers * n_in_shell
    molecules = [("LI", ["LI"])] * n_centers + [("EC", ["O"])] * (n_shell + n_bulk)
    frames = []
    for _ in range(n_frames):
        radii = rng.normal(distance, width, size=(n_centers, n_in_shell, 1))
        shell = (grid[:, None] + radii * on_sphere(rng, (n_centers, n_in_shell))).reshape(-1, 3)
        bulk = rng.random((3 * n_bulk, 3)) * box
        apart = np.abs(bulk[:, None] - grid)
        apart = np.linalg.norm(np.minimum(apart, box - apart), axis=2).min(axis=1)
        frames.append(np.concatenate([grid, shell, bulk[apart > 4.0][:n_bulk]]))
    return make_universe(molecules, frames, (box, box, box, 90, 90, 90))


def only_ec():
    """Li and EC, without anions."""
    return species_file(partners={"EC": {"molecules": "resname EC", "sites": {"carbonyl_o": "name O"}}})
