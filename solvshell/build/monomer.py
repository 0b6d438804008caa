"""From the SMILES of a monomer and its linkage to a repeat unit with two open valences."""

from collections import Counter
from dataclasses import dataclass

from rdkit import Chem, rdBase

from solvshell.errors import InvalidInput
from solvshell.polymer import Polymer

#: what reacts in chain growth, its CH2 first
VINYL = "[CH2X3]=[CHX3]"
#: two allyls of one nitrogen: =CH2, =CH of the one, =CH, =CH2 of the other
DIALLYL = "[CH2X3]=[CHX3][CH2X4][NX4+][CH2X4][CHX3]=[CH2X3]"


@dataclass(frozen=True)
class Joint:
    """A linkage in atom indices: bonds that lose an order, bonds that are made, and the two open ends."""

    open: tuple[tuple[int, int], ...]
    close: tuple[tuple[int, int], ...]
    tail: int
    head: int


@dataclass(frozen=True)
class Monomer:
    """A monomer with explicit hydrogens; each atom has the properties ``unit`` (0) and ``name``."""

    mol: Chem.Mol
    formal_charge: int

    @property
    def mass(self) -> float:
        """Molar mass in g/mol."""
        return sum(atom.GetMass() for atom in self.mol.GetAtoms())

    @property
    def vinyls(self) -> tuple[tuple[int, int], ...]:
        """The C=C that react, CH2 first, in the order of the SMILES."""
        return tuple(sorted(self.mol.GetSubstructMatches(Chem.MolFromSmarts(VINYL))))


def name_atoms(mol: Chem.Mol) -> None:
    """Name atoms by element and number (C1, C2, N1, ...) in the order of the SMILES, in place."""
    seen: Counter[str] = Counter()
    for atom in mol.GetAtoms():
        seen[atom.GetSymbol()] += 1
        atom.SetProp("name", f"{atom.GetSymbol()}{seen[atom.GetSymbol()]}")
        atom.SetIntProp("unit", 0)


def read_monomer(polymer: Polymer) -> Monomer:
    """Return the monomer of a polymer.

    Raises
    ------
    InvalidInput
        If the SMILES is none, or a site names an atom that is not there.
    """
    with rdBase.BlockLogs():  # RDKit prints what it cannot parse
        mol = Chem.MolFromSmiles(polymer.monomer)
    if mol is None or len(Chem.GetMolFrags(mol)) != 1:
        raise InvalidInput(f"polymer.monomer: {polymer.monomer!r} is not the SMILES of one molecule")
    mol = Chem.AddHs(mol)
    name_atoms(mol)
    names = [atom.GetProp("name") for atom in mol.GetAtoms()]
    for site, atoms in polymer.sites.items():
        if absent := [name for name in atoms if name not in names]:
            heavy = [name for name in names if not name.startswith("H")]
            raise InvalidInput(f"polymer.sites.{site}: no atom {', '.join(absent)} in the monomer ({', '.join(heavy)})")
    return Monomer(mol, Chem.GetFormalCharge(mol))


def _numbered(monomer: Monomer, number: int, field: str) -> int:
    given = Counter(atom.GetAtomMapNum() for atom in monomer.mol.GetAtoms() if atom.GetAtomMapNum())
    if given[number] > 1:
        raise InvalidInput(f"polymer.monomer: {given[number]} atoms are numbered {number}; a number names one atom")
    numbers = {atom.GetAtomMapNum(): atom.GetIdx() for atom in monomer.mol.GetAtoms() if atom.GetAtomMapNum()}
    if number not in numbers:
        there = ", ".join(map(str, sorted(numbers))) or "none"
        raise InvalidInput(
            f"polymer.linkage.{field}: no atom numbered {number} in the monomer (numbers there: {there})"
        )
    return numbers[number]


def _by_architecture(polymer: Polymer, monomer: Monomer) -> Joint:
    if polymer.architecture == "vinyl":
        if not monomer.vinyls:
            raise InvalidInput("polymer.architecture: vinyl needs a CH2=CH group, which the monomer lacks")
        tail, head = monomer.vinyls[0]
        return Joint(((tail, head),), (), tail, head)
    found = monomer.mol.GetSubstructMatch(Chem.MolFromSmarts(DIALLYL))
    if not found:
        raise InvalidInput("polymer.architecture: cyclo needs two allyls on one N+, which the monomer lacks")
    tail, ring, _, _, _, other_ring, head = found
    return Joint(((tail, ring), (other_ring, head)), ((ring, other_ring),), tail, head)


def joint_of(polymer: Polymer, monomer: Monomer) -> Joint:
    """Return how the units of a chain are joined.

    Raises
    ------
    InvalidInput
        If the linkage names an atom that is not there, or the monomer lacks what its architecture needs.
    """
    if polymer.linkage is None:
        return _by_architecture(polymer, monomer)
    linkage = polymer.linkage
    pairs = {
        field: tuple((_numbered(monomer, a, field), _numbered(monomer, b, field)) for a, b in getattr(linkage, field))
        for field in ("open", "close")
    }
    ends = (_numbered(monomer, linkage.tail, "tail"), _numbered(monomer, linkage.head, "head"))
    return Joint(pairs["open"], pairs["close"], *ends)


def repeat_unit(monomer: Monomer, joint: Joint) -> Chem.RWMol:
    """Return the monomer with the bonds of a linkage opened and closed; the tail and the head lack one neighbour each.

    Raises
    ------
    InvalidInput
        If a bond to open is not there, one to close is, or other valences than those of tail and head are left open.
    """
    unit = Chem.RWMol(monomer.mol)
    for atom in unit.GetAtoms():
        atom.SetNoImplicit(True)
    Chem.Kekulize(unit, clearAromaticFlags=True)
    valences: Counter[int] = Counter()

    def name(i: int) -> str:
        return f"{unit.GetAtomWithIdx(i).GetProp('name')}"

    for a, b in joint.open:
        bond = unit.GetBondBetweenAtoms(a, b)
        if bond is None:
            raise InvalidInput(f"polymer.linkage.open: {name(a)} and {name(b)} of the monomer are not bonded")
        order = int(bond.GetBondTypeAsDouble())
        if order == 1:
            unit.RemoveBond(a, b)
        else:
            bond.SetBondType(Chem.BondType.SINGLE if order == 2 else Chem.BondType.DOUBLE)
        valences.update((a, b))
    for a, b in joint.close:
        if a == b:
            raise InvalidInput(f"polymer.linkage.close: {name(a)} cannot be bonded to itself")
        if unit.GetBondBetweenAtoms(a, b) is not None:
            raise InvalidInput(f"polymer.linkage.close: {name(a)} and {name(b)} of the monomer are bonded already")
        unit.AddBond(a, b, Chem.BondType.SINGLE)
        valences.subtract((a, b))
    valences.subtract((joint.tail, joint.head))
    wrong = [f"{name(i)} ({n:+d})" for i, n in valences.items() if n != 0]
    if wrong:
        raise InvalidInput(
            f"polymer.linkage: open, close, tail and head do not balance at {', '.join(wrong)}: every bond "
            "that is opened leaves one valence at each end, which is closed within the unit or is the tail or the head"
        )
    if len(Chem.GetMolFrags(unit)) != 1:
        raise InvalidInput("polymer.linkage.open: the unit falls apart; a ring, or a multiple bond, is opened")
    return unit
