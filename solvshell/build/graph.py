"""The graph of a polymer: units joined, ends closed, C=C kept or saturated; then a topology of residues."""

import hashlib
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from openmm import app
from rdkit import Chem

from solvshell.build.forcefield import Template
from solvshell.build.monomer import Joint, Monomer, repeat_unit
from solvshell.build.typing import TypingRules, type_atoms

_SINGLE = Chem.BondType.SINGLE


def bond_order(mol: Chem.Mol, a: int, b: int) -> int:
    """Return the order of the bond between two atoms, 0 without one."""
    bond = mol.GetBondBetweenAtoms(a, b)
    return 0 if bond is None else int(bond.GetBondTypeAsDouble())


def add_atom(mol: Chem.RWMol, element: str, at: int) -> int:
    """Bond a new atom to atom `at`, in its unit and with a name of its own there; return its index."""
    unit = mol.GetAtomWithIdx(at).GetIntProp("unit")
    names = {atom.GetProp("name") for atom in mol.GetAtoms() if atom.GetIntProp("unit") == unit}
    number = next(n for n in range(1, mol.GetNumAtoms() + 2) if f"{element}{n}" not in names)
    atom = Chem.Atom(element)
    atom.SetNoImplicit(True)
    index = mol.AddAtom(atom)
    mol.GetAtomWithIdx(index).SetProp("name", f"{element}{number}")
    mol.GetAtomWithIdx(index).SetIntProp("unit", unit)
    mol.AddBond(at, index, _SINGLE)
    return index


def close_end(mol: Chem.RWMol, at: int, group: str = "H") -> None:
    """Close an open valence with a hydrogen or a methyl."""
    if group == "H":
        add_atom(mol, "H", at)
        return
    carbon = add_atom(mol, "C", at)
    for _ in range(3):
        add_atom(mol, "H", carbon)


def saturate(mol: Chem.RWMol) -> None:
    """Hydrogenate every C=C, in place."""
    for a, b in mol.GetSubstructMatches(Chem.MolFromSmarts("[#6]=[#6]")):
        mol.GetBondBetweenAtoms(a, b).SetBondType(_SINGLE)
        for end in (a, b):
            add_atom(mol, "H", end)


def finished(mol: Chem.RWMol) -> tuple[Chem.Mol, list[int]]:
    """Return the molecule checked by RDKit (valences), its atoms sorted by unit, and where each atom was before."""
    units = [atom.GetIntProp("unit") for atom in mol.GetAtoms()]
    order = [int(i) for i in np.argsort(units, kind="stable")]
    ordered = Chem.RenumberAtoms(mol.GetMol(), order)
    for atom in ordered.GetAtoms():
        atom.SetAtomMapNum(0)
    Chem.SanitizeMol(ordered)
    return ordered, order


@dataclass(frozen=True)
class ChainGraph:
    """A chain: its molecule, and the atoms by which unit k is joined to the one before and to the one after."""

    mol: Chem.Mol
    entries: tuple[int, ...]
    exits: tuple[int, ...]


def chain_graph(
    monomer: Monomer, joint: Joint, flipped: Sequence[bool], end_groups: tuple[str, str], keep_vinyls: bool
) -> ChainGraph:
    """Return the graph of a chain; a flipped unit enters the chain with its head."""
    unit = repeat_unit(monomer, joint)
    if not keep_vinyls:
        saturate(unit)
    chain = Chem.RWMol()
    entries, exits = [], []
    for number, is_flipped in enumerate(flipped):
        first = chain.GetNumAtoms()
        chain.InsertMol(unit.GetMol())
        for atom in list(chain.GetAtoms())[first:]:
            atom.SetIntProp("unit", number)
        tail, head = first + joint.tail, first + joint.head
        entries.append(head if is_flipped else tail)
        exits.append(tail if is_flipped else head)
        if number > 0:
            chain.AddBond(exits[-2], entries[-1], _SINGLE)
    close_end(chain, entries[0], end_groups[0])
    close_end(chain, exits[-1], end_groups[1])
    mol, order = finished(chain)
    place = {before: now for now, before in enumerate(order)}
    return ChainGraph(mol, tuple(place[i] for i in entries), tuple(place[i] for i in exits))


def _units(mol: Chem.Mol) -> list[list[Chem.Atom]]:
    units: dict[int, list[Chem.Atom]] = {}
    for atom in mol.GetAtoms():
        units.setdefault(atom.GetIntProp("unit"), []).append(atom)
    return [units[number] for number in sorted(units)]


@dataclass(frozen=True)
class PolymerModel:
    """A polymer in the terms of a force field.

    Attributes
    ----------
    residues : xml.etree.ElementTree.Element
        Residue templates, one for each kind of unit: types, unscaled charges, bonds, external bonds.
    template_names : tuple of str
        The template of each unit.
    whole : Template
        All atoms in the order of the molecule, as one.
    """

    mol: Chem.Mol
    name: str
    types: tuple[str, ...]
    residues: ET.Element
    template_names: tuple[str, ...]
    whole: Template

    def add_to(self, topology: app.Topology) -> dict[app.topology.Residue, str]:
        """Append the polymer as a chain with a residue for each unit; return the residues' templates."""
        chain = topology.addChain()
        atoms: list[app.topology.Atom] = []
        templates = {}
        for number, unit in enumerate(_units(self.mol)):
            residue = topology.addResidue(self.name, chain)
            templates[residue] = self.template_names[number]
            for atom in unit:
                element = app.Element.getBySymbol(atom.GetSymbol())
                atoms.append(topology.addAtom(atom.GetProp("name"), element, residue))
        for bond in self.mol.GetBonds():
            topology.addBond(atoms[bond.GetBeginAtomIdx()], atoms[bond.GetEndAtomIdx()])
        return templates


def _residue(unit: list[Chem.Atom], types: Sequence[str], charges: Sequence[float]) -> ET.Element:
    residue = ET.Element("Residue")
    inside = {atom.GetIdx(): atom.GetProp("name") for atom in unit}
    for i, name in inside.items():
        ET.SubElement(residue, "Atom", name=name, type=types[i], charge=repr(charges[i]))
    for atom in unit:
        for neighbor in atom.GetNeighbors():
            i, j = atom.GetIdx(), neighbor.GetIdx()
            if j not in inside:
                ET.SubElement(residue, "ExternalBond", atomName=inside[i])
            elif i < j:
                ET.SubElement(residue, "Bond", atomName1=inside[i], atomName2=inside[j])
    return residue


def polymer_model(mol: Chem.Mol, name: str, rules: TypingRules, masses: dict[str, float]) -> PolymerModel:
    """Return the residue templates of a polymer, typed by rules.

    Parameters
    ----------
    mol : rdkit.Chem.Mol
        Explicit hydrogens, sorted by unit, with the properties ``unit`` and ``name``.
    masses : dict of str to float
        Mass of each atom type in dalton.
    """
    typed = type_atoms(mol, rules)
    root = ET.Element("ForceField")
    residues = ET.SubElement(root, "Residues")
    template_names = []
    for unit in _units(mol):
        residue = _residue(unit, typed.types, typed.charges)
        # Named by its content, so that equal units of all chains share one template.
        template_names.append(f"{name}-{hashlib.sha256(ET.tostring(residue)).hexdigest()[:16]}")
        residue.set("name", template_names[-1])
        residue.set("ion", "true" if Chem.GetFormalCharge(mol) else "false")
        if template_names[-1] not in template_names[:-1]:
            residues.append(residue)
    whole = Template(
        name=name,
        atom_names=tuple(atom.GetProp("name") for atom in mol.GetAtoms()),
        elements=tuple(atom.GetSymbol() for atom in mol.GetAtoms()),
        masses=tuple(masses[kind] for kind in typed.types),
        charges=typed.charges,
        bonds=tuple((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds()),
    )
    return PolymerModel(mol, name, typed.types, root, tuple(template_names), whole)
