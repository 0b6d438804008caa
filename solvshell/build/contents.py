"""What goes into a box, before it is packed and after: numbers, topology, residue templates."""

import xml.etree.ElementTree as ET
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from openmm import app, unit

from solvshell.build.forcefield import ForceFieldFiles
from solvshell.build.molecules import Molecule, add_molecule
from solvshell.build.packing import pack
from solvshell.build.polymer import PolymerMolecule


@dataclass(frozen=True)
class Contents:
    """What goes into a box: small molecules and their numbers, and the chains (or monomers) of a polymer."""

    molecules: dict[str, Molecule]
    n: dict[str, int]
    polymers: list[PolymerMolecule]

    def packed(self, length: float, tolerance: float, seed: int) -> NDArray[np.float64]:
        """Return positions (n_atoms, 3) in nm, small molecules first."""
        structures, numbers = dict(self.molecules), dict(self.n)
        by_identity = {id(polymer): polymer for polymer in self.polymers}
        for index, (key, polymer) in enumerate(by_identity.items()):
            structures[f"polymer{index}"] = polymer.as_molecule(f"polymer{index}")
            numbers[f"polymer{index}"] = sum(id(other) == key for other in self.polymers)
        return pack(structures, numbers, length, tolerance, seed)

    def topology(self, length: float) -> tuple[app.Topology, dict[app.topology.Residue, str]]:
        """Return the topology, and the residue templates of the polymer's units."""
        topology = app.Topology()
        for name, count in self.n.items():
            chain = topology.addChain()
            for _ in range(count):
                add_molecule(topology, chain, self.molecules[name].template)
        templates: dict[app.topology.Residue, str] = {}
        for polymer in self.polymers:
            templates |= polymer.model.add_to(topology)
        topology.setPeriodicBoxVectors(np.eye(3) * length * unit.nanometer)
        return topology, templates

    def forcefield(self, files: ForceFieldFiles) -> ForceFieldFiles:
        """Return the force field with the residue templates of the polymer."""
        units = (
            residue for polymer in self.polymers for residue in polymer.model.residues.iterfind("Residues/Residue")
        )
        root = ET.Element("ForceField")
        ET.SubElement(root, "Residues").extend({residue.get("name"): residue for residue in units}.values())
        return files.with_residues(root)
