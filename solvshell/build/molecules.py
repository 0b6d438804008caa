"""One good geometry for each species: RDKit makes it, the force field relaxes it, and it is checked."""

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import app
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from solvshell.build.forcefield import ForceFieldFiles, Template, create_system
from solvshell.build.geometry import broken_geometry
from solvshell.data import forcefield_directory
from solvshell.engine import choose_platform, make_context, minimize
from solvshell.errors import InvalidInput, WorkFailed
from solvshell.recipe import Model
from solvshell.species import Species, catalogue


@dataclass(frozen=True)
class Molecule:
    """A species with its residue template and relaxed positions (n_atoms, 3) in nm."""

    name: str
    template: Template
    positions: NDArray[np.float64]


def add_molecule(topology: app.Topology, chain: app.topology.Chain, template: Template) -> None:
    """Append one molecule to a chain of an OpenMM topology, in place."""
    residue = topology.addResidue(template.name, chain)
    atoms = [
        topology.addAtom(name, app.Element.getBySymbol(element), residue)
        for name, element in zip(template.atom_names, template.elements, strict=True)
    ]
    for first, second in template.bonds:
        topology.addBond(atoms[first], atoms[second])


def _checked_graph(name: str, species: Species, template: Template) -> Chem.Mol:
    keep_hydrogens = Chem.SmilesParserParams()
    keep_hydrogens.removeHs = False  # type: ignore[assignment]
    mol = Chem.MolFromSmiles(species.smiles, keep_hydrogens)
    if mol is None:
        raise InvalidInput(f"species {name}: RDKit cannot read the SMILES {species.smiles!r}")
    mol = Chem.RenumberAtoms(mol, sorted(range(mol.GetNumAtoms()), key=lambda i: mol.GetAtomWithIdx(i).GetAtomMapNum()))
    elements = tuple(atom.GetSymbol() for atom in mol.GetAtoms())
    bonds = {frozenset((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())) for bond in mol.GetBonds()}
    charge = Chem.GetFormalCharge(mol)
    if elements != template.elements or bonds != {frozenset(bond) for bond in template.bonds}:
        raise InvalidInput(
            f"species {name}: its SMILES and the residue template {template.name} are different molecules"
        )
    if charge != template.charge or abs(sum(template.charges) - charge) > 1e-9:
        raise InvalidInput(f"species {name}: charges sum to {sum(template.charges):g} e, the SMILES has {charge}")
    return mol


def embed(name: str, mol: Chem.Mol, seed: int) -> NDArray[np.float64]:
    """Return a conformer (n_atoms, 3) in nm."""
    if mol.GetNumAtoms() == 1:
        return np.zeros((1, 3))
    parameters = rdDistGeom.ETKDGv3()
    parameters.randomSeed = seed  # type: ignore[assignment]
    parameters.useRandomCoords = True  # type: ignore[assignment]
    if rdDistGeom.EmbedMolecule(mol, parameters) != 0:
        raise WorkFailed(f"species {name}: RDKit finds no conformer")
    return np.asarray(mol.GetConformer().GetPositions()) / 10


def _relax(system: openmm.System, positions: NDArray[np.float64]) -> NDArray[np.float64]:
    context = make_context(system, openmm.VerletIntegrator(0.001), choose_platform("Reference"))
    context.setPositions(positions)
    minimize(context, tolerance=1.0)
    return context.getState(positions=True).getPositions(asNumpy=True)._value


def _residues(path: Path) -> set[str | None]:
    return {residue.get("name") for residue in ET.parse(path).iterfind("Residues/Residue")}


def _lacking(name: str, residue: str, files: ForceFieldFiles, model: Model) -> str:
    """Return what to do about a species that the files lack."""
    known = [other for other, entry in catalogue().items() if entry.residue in files.templates()]
    shipped = sorted(Path(forcefield_directory()).glob("solvshell/*.xml"))
    having = [f"solvshell/{path.name}" for path in shipped if residue in _residues(path)]
    advice = f"; {name} is in {', '.join(having)}" if having else ""
    return (
        f"force_field.files: no residue template {residue!r} for species {name} in {', '.join(model.files)} "
        f"(it has: {', '.join(known) or 'no species'}){advice}"
    )


def make_molecule(name: str, species: Species, files: ForceFieldFiles, model: Model, seed: int = 1) -> Molecule:
    """Return a species with a relaxed and checked geometry.

    The conformer of RDKit, or the geometry that the species states, is relaxed in vacuum and checked: bonds, angles
    and 1-3 distances. PF6 is why: RDKit knows no octahedron, and since the template has an angle term for cis pairs
    only (trans are F1/F2, F3/F4, F5/F6), two fluorines in one place cost nothing.

    Raises
    ------
    InvalidInput
        If the force field has no template of the species (the message says which shipped file has), or another
        molecule under its name.
    WorkFailed
        If the relaxed geometry is not that of the force field's bonds and angles.
    """
    templates = files.templates()
    if species.residue not in templates:
        raise InvalidInput(_lacking(name, species.residue, files, model))
    template = templates[species.residue]
    mol = _checked_graph(name, species, template)
    topology = app.Topology()
    add_molecule(topology, topology.addChain(), template)
    system = create_system(topology, files, model, periodic=False)

    start = np.array(species.geometry_angstrom) / 10 if species.geometry_angstrom else embed(name, mol, seed)
    positions = _relax(system, start)
    for atom, problem in broken_geometry(system, positions).items():
        raise WorkFailed(f"species {name}: the relaxed geometry has {problem} at atom {template.atom_names[atom]}")
    return Molecule(name, template, positions - positions.mean(axis=0))
