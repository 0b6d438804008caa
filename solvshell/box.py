"""The Box: a recipe made into molecules, with the model that says how they interact. A folder on disk."""

import errno
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import app, unit

from solvshell.engine import is_network
from solvshell.errors import InvalidInput
from solvshell.files import read_openmm_xml, read_yaml, sha256, to_yaml, write_atomically
from solvshell.provenance import RECORD, file_record, write_record
from solvshell.recipe import Recipe
from solvshell.units import DALTON_PER_NM3, PARTICLE_PER_NM3

#: cutoffs; a narrower cell, in which a molecule nearly meets itself, is not built and not run at constant pressure
LEAST_WIDTH = 2.2

#: What decides what a simulation gives.
CONTENT = ("recipe.yaml", "topology.cif", "system.xml", "state.xml")
_FILES = (*CONTENT, RECORD)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder that becomes ``path`` when the block ends well, and vanishes otherwise."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        try:
            os.rename(temporary, path)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            raise InvalidInput(f"{path}: was made by another process meanwhile") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@dataclass(frozen=True)
class Box:
    """A box of molecules.

    Attributes
    ----------
    recipe : Recipe
        With the size that was built.
    topology : openmm.app.Topology
    system : openmm.System
        The plain model: all bonded terms, real masses, no constraints, no barostat, no thermostat.
    state : openmm.State
        Positions and periodic cell.
    provenance : dict
        Versions, hashes of the force field, seed, counts before rounding.
    """

    recipe: Recipe
    topology: app.Topology
    system: openmm.System
    state: openmm.State
    provenance: dict[str, Any]

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {name}" for name, count in self.counts.items())
        return f"<Box {self.recipe.name}: {counts}; {self.n_atoms} atoms>"

    def _repr_html_(self) -> str:
        from solvshell.display import box_html  # which knows boxes

        return box_html(self)

    @property
    def positions(self) -> NDArray[np.float64]:
        """Positions in nm, shape (n_atoms, 3)."""
        return np.asarray(self.state.getPositions(asNumpy=True).value_in_unit(unit.nanometer))

    @property
    def box_vectors(self) -> NDArray[np.float64]:
        """Periodic cell in nm, shape (3, 3)."""
        return np.asarray(self.state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.nanometer))

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return int(self.topology.getNumAtoms())

    @cached_property
    def counts(self) -> dict[str, int]:
        """Number of molecules of each species; of a polymer its repeat units."""
        residues = Counter(residue.name for residue in self.topology.residues())
        return {name: residues[entry.residue] for name, entry in self.recipe.entries.items()}

    @cached_property
    def mass(self) -> float:
        """Mass of all atoms in dalton."""
        return sum(self.system.getParticleMass(i).value_in_unit(unit.dalton) for i in range(self.n_atoms))

    @property
    def volume_nm3(self) -> float:
        """Volume of the cell as built."""
        return float(abs(np.linalg.det(self.box_vectors)))

    @property
    def density_g_cm3(self) -> float:
        """Density as built."""
        return self.mass * DALTON_PER_NM3 / self.volume_nm3

    def molality(self, species: str) -> float:
        """Return the amount in mol per kg of solvents of a species."""
        solvents = {entry.residue for entry in self.recipe.entries.values() if entry.role == "solvent"}
        atoms = [atom.index for atom in self.topology.atoms() if atom.residue.name in solvents]
        mass = sum(self.system.getParticleMass(i).value_in_unit(unit.dalton) for i in atoms)
        return 1000 * self.counts[species] / mass

    def molarity(self, species: str) -> float:
        """Return the concentration in mol per litre of solution of a species as built."""
        return self.counts[species] * PARTICLE_PER_NM3 / self.volume_nm3

    @property
    def is_network(self) -> bool:
        """Whether bonds cross the periodic boundary, so that no molecule is whole."""
        return is_network(self.system)

    def _topology_text(self) -> str:
        """Return the topology as mmCIF without the day it was written on: the same box is the same file."""
        file = StringIO()
        app.PDBxFile.writeFile(self.topology, self.positions * 10, file, keepIds=True)
        return re.sub(r"^# Created with .*\n", "", file.getvalue(), count=1, flags=re.MULTILINE)

    def save(self, path: Path) -> None:
        """Write the box as a folder, whole or not at all; its record tells the hash of each file.

        Raises
        ------
        InvalidInput
            If the folder exists, and is not empty.
        """
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise InvalidInput(f"{path}: exists; give another folder for the box, or remove this one")
        with whole_folder(path) as folder:
            write_atomically(folder / "recipe.yaml", to_yaml(self.recipe))
            write_atomically(folder / "topology.cif", self._topology_text())
            write_atomically(folder / "system.xml", openmm.XmlSerializer.serialize(self.system))
            write_atomically(folder / "state.xml", openmm.XmlSerializer.serialize(self.state))
            files = {name: file_record(folder / name) for name in CONTENT}
            write_record(folder / RECORD, self.provenance | {"files": files})

    @classmethod
    def load(cls, path: Path) -> "Box":
        """Return the box of a folder.

        Raises
        ------
        InvalidInput
            If the folder is no box.
        """
        if not path.is_dir():
            raise InvalidInput(f"{path}: no such folder; make a box with 'solvshell build'")
        missing = [name for name in _FILES if not (path / name).is_file()]
        if missing:
            raise InvalidInput(
                f"{path}: not a box folder, {', '.join(missing)} missing (make one with 'solvshell build')"
            )
        return cls(
            recipe=read_yaml(path / "recipe.yaml", Recipe),
            topology=app.PDBxFile(str(path / "topology.cif")).topology,
            system=read_openmm_xml(path / "system.xml", "System"),
            state=read_openmm_xml(path / "state.xml", "State"),
            provenance=json.loads((path / RECORD).read_text()),
        )


def box_hash(path: Path) -> str:
    """Return one hash of the content of a box folder that decides what a simulation of it gives."""
    return "-".join(sha256(path / name)[:12] for name in CONTENT)


def describe_polymer(box: Box) -> list[str]:
    """Return what there is to know of the polymer of a box, a line each; none without a polymer."""
    polymer, found = box.recipe.polymer, box.provenance.get("polymer")
    if polymer is None or not found:
        return []
    lines = [f"{polymer.name} with its counter-ions: {100 * found['mass_fraction']:.1f} % of the mass"]
    if not polymer.is_network:
        reach = f"{max(found['backbone_extent_nm']):.2f} nm, with side groups {max(found['extent_nm']):.2f} nm"
        lines.append(f"{polymer.chain_length} units in each chain; the backbones reach over up to {reach}")
        if found["feels_its_image"]:
            lines.append(
                f"a chain feels its own image in a box of {found['expected_length_nm']:.2f} nm: a small-box artefact"
            )
        return lines
    return [
        *lines,
        f"{100 * found['conversion']:.0f} % of {found['c_c_initial']} C=C reacted (asked: "
        f"{100 * found['conversion_asked']:.0f} %), {100 * found['share_between_units']:.0f} % of the new bonds lie "
        f"between units, {found['pyrrolidinium_rings']} pyrrolidinium rings",
        f"{100 * found['largest_part']:.0f} % of the units in the largest part; bonded to its own image along "
        f"{', '.join(found['spans']) or 'no axis'}; kinetic chain length {found['kinetic_chain_length']:.1f}",
    ]
