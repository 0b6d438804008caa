"""Li⁺ and its partners as one group of molecules in vacuum: elements, fragments, the force field's energy.

Positions are arrays (n_atoms, 3) in Å, energies kJ/mol, gradients kJ/mol/Å, as in `solvshell.quantum`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import openmm
from openmm import app
from rdkit import Chem
from vacuum import forcefield_files

from solvshell.build.forcefield import Template, create_system
from solvshell.build.molecules import add_molecule, embed
from solvshell.engine import choose_platform, make_context
from solvshell.quantum import PAIR_LEVEL, Array, Gradient, Level, dft_energy
from solvshell.recipe import Model
from solvshell.species import find_species


@cache
def rough_shape(name: str) -> Array:
    """Return a first shape of a species, by RDKit or the catalog: what DFT minima start from knows no force field."""
    species = find_species(name)
    if species.geometry_angstrom:
        return np.array(species.geometry_angstrom)
    keep_hydrogens = Chem.SmilesParserParams()
    keep_hydrogens.removeHs = False
    mol = Chem.MolFromSmiles(species.smiles, keep_hydrogens)
    order = sorted(range(mol.GetNumAtoms()), key=lambda i: mol.GetAtomWithIdx(i).GetAtomMapNum())
    return 10 * embed(name, Chem.RenumberAtoms(mol, order), seed=1)


def energy_function(system: openmm.System) -> Gradient:
    """Return the function from positions to energy and gradient of a System."""
    context = make_context(system, openmm.VerletIntegrator(0.001), choose_platform("Reference"))

    def evaluate(positions: Array) -> tuple[float, Array]:
        context.setPositions(np.asarray(positions) / 10)
        state = context.getState(energy=True, forces=True)
        return state.getPotentialEnergy()._value, -state.getForces(asNumpy=True)._value / 10

    return evaluate


@dataclass(frozen=True)
class Complex:
    """Molecules in vacuum, their atoms one after another in the order of `species`."""

    species: tuple[str, ...]

    @cached_property
    def templates(self) -> tuple[Template, ...]:
        """Residue templates of the molecules."""
        known = forcefield_files().templates()
        return tuple(known[find_species(name).residue] for name in self.species)

    @property
    def elements(self) -> tuple[str, ...]:
        """Element symbols of all atoms."""
        return tuple(element for template in self.templates for element in template.elements)

    @property
    def charges(self) -> tuple[int, ...]:
        """Formal charge of each molecule in e."""
        return tuple(template.charge for template in self.templates)

    @property
    def charge(self) -> int:
        """Formal charge of the whole in e."""
        return sum(self.charges)

    @property
    def fragments(self) -> tuple[range, ...]:
        """Atom indices of each molecule."""
        ends = np.cumsum([0, *(len(template.elements) for template in self.templates)])
        return tuple(range(start, end) for start, end in pairwise(ends.tolist()))

    def sites(self, molecule: int) -> list[int]:
        """Return the atoms by which a molecule can touch a cation: its O and F."""
        return [i for i in self.fragments[molecule] if self.elements[i] in ("O", "F")]

    def coordinating(self, molecule: int) -> list[int]:
        """Return those of its O and F by which the catalog says that it coordinates."""
        sites = find_species(self.species[molecule]).sites
        named = {atom for atoms in sites.values() for atom in atoms}
        atoms = zip(self.fragments[molecule], self.templates[molecule].atom_names, strict=True)
        return [i for i, name in atoms if name in named and self.elements[i] in ("O", "F")]

    def outer(self) -> list[int]:
        """Return the atoms of the molecules that neither coordinate nor sit between two that do."""
        found: list[int] = []
        for m, (template, atoms) in enumerate(zip(self.templates, self.fragments, strict=True)):
            coordinating = {i - atoms.start for i in self.coordinating(m)}
            found += [
                atoms.start + i
                for i in range(len(atoms))
                if i not in coordinating
                and sum(j in coordinating for bond in template.bonds if i in bond for j in bond if j != i) < 2
                and len(atoms) > 1
            ]
        return found

    def system(self, scale: float = 1.0) -> openmm.System:
        """Return a System without cutoff whose ions have their charges scaled."""
        topology = app.Topology()
        for template in self.templates:
            add_molecule(topology, topology.addChain(), template)
        return create_system(topology, forcefield_files(), Model(ion_charge_scale=scale), periodic=False)


def contacts(group: Complex, positions: Array, within: float = 2.6, to: Sequence[int] | None = None) -> list[float]:
    """Return the distances from Li⁺, the first atom, to O and F of the other molecules, below `within`, sorted."""
    others = [site for m in to or range(1, len(group.species)) for site in group.sites(m)]
    distances = np.linalg.norm(positions[others] - positions[0], axis=1)
    return sorted(float(r) for r in distances if r < within)


def interaction(group: Complex, positions: Array, system: openmm.System | None = None) -> float:
    """Return the force field's interaction energy of Li⁺, the first molecule, with the rest, in kJ/mol.

    At full charges, or as another `system` of the group has it.
    """
    evaluate = energy_function(system or group.system())
    apart = positions.copy()
    apart[0] += 1e7
    return evaluate(positions)[0] - evaluate(apart)[0]


def counterpoise(group: Complex, positions: Array, cache: Path, level: Level = PAIR_LEVEL) -> float:
    """Return the interaction energy of Li⁺, the first molecule, with the rest by DFT, both in the whole basis."""
    rest = list(range(1, len(group.elements)))
    whole = dft_energy(group.elements, positions, group.charge, cache, level=level)
    lithium = dft_energy(group.elements, positions, 1, cache, ghosts=rest, level=level)
    others = dft_energy(group.elements, positions, group.charge - 1, cache, ghosts=[0], level=level)
    return whole - lithium - others
