"""Types and charges of molecules that have no residue template: rules in SMARTS, read from the force field."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, field_validator, model_validator
from rdkit import Chem

from solvshell.data import forcefield_directory
from solvshell.errors import InvalidInput
from solvshell.files import read_yaml


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    smarts: str
    source: str

    @field_validator("smarts")
    @classmethod
    def _readable(cls, smarts: str) -> str:
        if Chem.MolFromSmarts(smarts) is None:
            raise ValueError(f"RDKit cannot read {smarts!r}")
        return smarts


class TypeRule(_Rule):
    """The first atom of each match has this type."""

    type: str


class ChargeRule(_Rule):
    """Over each bond matched, `charge` (in e) moves from the atom with number 1 to that with number 2."""

    charge: float

    @property
    def ends(self) -> tuple[int, int]:
        """The places of atoms 1 and 2 in a match."""
        numbers = [atom.GetAtomMapNum() for atom in Chem.MolFromSmarts(self.smarts).GetAtoms()]
        return numbers.index(1), numbers.index(2)

    @model_validator(mode="after")
    def _numbered(self) -> "ChargeRule":
        numbers = [atom.GetAtomMapNum() for atom in Chem.MolFromSmarts(self.smarts).GetAtoms()]
        if sorted(number for number in numbers if number) != [1, 2]:
            raise ValueError(f"{self.smarts!r} must number two atoms, :1 and :2")
        return self


class TypingRules(BaseModel):
    """How atoms get types and charges; in each list the last rule that matches wins."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    references: dict[str, str]
    types: list[TypeRule]
    charges: list[ChargeRule]

    @model_validator(mode="after")
    def _sourced(self) -> "TypingRules":
        for rule in [*self.types, *self.charges]:
            if rule.source not in self.references:
                raise ValueError(f"{rule.smarts!r} has the source {rule.source!r}, which is not among the references")
        return self


@dataclass(frozen=True)
class Typed:
    """Type and charge in e (unscaled) of each atom."""

    types: tuple[str, ...]
    charges: tuple[float, ...]


@cache
def read_typing(name: str) -> TypingRules:
    """Return typing rules by name below the shipped ``forcefields/``, or by path."""
    shipped = Path(forcefield_directory()) / name
    return read_yaml(shipped if shipped.is_file() else Path(name), TypingRules)


def _matches(mol: Chem.Mol, smarts: str) -> tuple[tuple[int, ...], ...]:
    return mol.GetSubstructMatches(Chem.MolFromSmarts(smarts), uniquify=False, maxMatches=100 * mol.GetNumAtoms())


def type_atoms(mol: Chem.Mol, rules: TypingRules) -> Typed:
    """Return types and charges of a molecule with explicit hydrogens.

    Charges are formal charges plus increments over bonds, so that they sum to the formal charge exactly.

    Raises
    ------
    InvalidInput
        If no rule types an atom.
    """
    types = [""] * mol.GetNumAtoms()
    for rule in rules.types:
        for match in _matches(mol, rule.smarts):
            types[match[0]] = rule.type
    for atom in mol.GetAtoms():
        if not types[atom.GetIdx()]:
            around = ", ".join(sorted(neighbor.GetSymbol() for neighbor in atom.GetNeighbors()))
            raise InvalidInput(
                f"polymer.monomer: no atom type for {atom.GetSymbol()} bonded to {around}; the typing rules know "
                f"{', '.join(dict.fromkeys(rule.smarts for rule in rules.types))}"
            )
    moved: dict[tuple[int, int], float] = {}
    for charge_rule in rules.charges:
        first, second = charge_rule.ends
        for match in _matches(mol, charge_rule.smarts):
            moved[match[first], match[second]] = charge_rule.charge
    charges = [float(atom.GetFormalCharge()) for atom in mol.GetAtoms()]
    for (donor, acceptor), charge in moved.items():
        charges[donor] -= charge
        charges[acceptor] += charge
    # Increments have three digits; what a sum of floats adds is noise.
    return Typed(tuple(types), tuple(round(charge, 6) for charge in charges))
