"""A frame of carbonates whose classes are known: molecules of a packed box, moved to where they are wanted."""

from functools import cache

import numpy as np
from MDAnalysis import Universe
from MDAnalysis.coordinates.memory import MemoryReader
from MDAnalysis.lib.distances import apply_PBC
from scipy.spatial.transform import Rotation

from solvshell.analysis.reading.formats import open_topology
from solvshell.box import Box
from solvshell.build import build_box
from solvshell.files import validate
from solvshell.recipe import Recipe

EDGE = 40.0
CELL = np.array([EDGE, EDGE, EDGE, 90, 90, 90], np.float32)
COUNTS = {"Li": 3, "PF6": 3, "EC": 6, "DMC": 4}
POLYMER = {
    "name": "PBIS",
    "title": "two ammoniums in each unit",
    "monomer": "C=CC[N+](C)(C)CC[N+](C)(C)C",
    "sites": {"n_plus": ["N1", "N2"]},
    "architecture": "vinyl",
    "chain_length": 2,
    "chains": 1,
    "counter_ion": "NO3",
}


@cache
def packed() -> Box:
    content = {
        "name": "carbonates",
        "title": "for tests",
        "composition": {"counts": COUNTS},
        "polymer": POLYMER,
        "force_field": {"files": ["solvshell/electrolytes.xml"], "cutoff": "0.4 nm", "switch": None},
        "packing": {"density": "0.6 g/cm3"},
    }
    return build_box(validate(Recipe, content, "carbonates"), seed=1)


class Frame:
    """The molecules far from each other, and those that are moved."""

    def __init__(self, tmp_path) -> None:
        packed().save(tmp_path / "box")
        self.universe: Universe = open_topology(tmp_path / "box" / "topology.cif")
        self.entries = packed().recipe.entries
        self.positions = 10 * packed().positions.astype(float)
        chain = self.universe.select_atoms("resname PBIS").indices
        self._center(chain, np.array([20.0, 20.0, 31.0]))
        for i, residue in enumerate(self.universe.residues[:-2]):  # a grid of 13 Å, below the chain
            self._center(residue.atoms.indices, 13.3 * np.array([i % 3, i // 3 % 3, i // 9]) + 2.0)

    def _center(self, atoms, place):
        self.positions[atoms] += place - self.positions[atoms].mean(axis=0)

    def residue(self, name, number):
        return self.universe.select_atoms(f"resname {name}").residues[number].atoms

    def put(self, name, number, atom, at, away):
        """Move a molecule so that one of its atoms stands at a place and the rest lies in a direction."""
        atoms = self.residue(name, number)
        place = self.positions[atoms.indices]
        place = place - place[list(atoms.names).index(atom)]
        if len(place) > 1:
            place = Rotation.align_vectors([away], [place.mean(axis=0)])[0].apply(place)
        self.positions[atoms.indices] = place + at
        return self

    def wrapped(self):
        """Return the universe with all atoms inside the cell, and molecules broken at its faces."""
        inside = apply_PBC(self.positions.astype(np.float32), CELL)
        self.universe.load_new(inside[None], format=MemoryReader, dimensions=CELL[None])
        return self.universe
