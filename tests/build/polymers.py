"""Polymers for tests: the macrocycle of the study, two small monomers, and their molecules."""

from typing import Any

from rdkit import Chem

from solvshell.build.graph import chain_graph
from solvshell.build.monomer import joint_of, read_monomer
from solvshell.files import validate
from solvshell.polymer import Polymer

OTA = "C=CC[N+]1(CC=C)CC[N+](CC=C)(CC=C)CC[N+](CC=C)(CC=C)CC[N+](CC=C)(CC=C)CC1"
DADMA = "C=CC[N+](C)(C)CC=C"
ANY = {"title": "test", "chain_length": 3, "chains": 1}


def polymer(**content: Any) -> Polymer:
    """Return a polymer as a recipe would read it: what is None is left out."""
    return validate(Polymer, {key: value for key, value in (ANY | content).items() if value is not None}, "test")


def ota(**changes: Any) -> Polymer:
    sites = {"n_plus": ["N1", "N2", "N3", "N4"]}
    default = {"name": "POTA", "monomer": OTA, "architecture": "vinyl", "counter_ion": "NO3", "sites": sites}
    return polymer(**(default | changes))


def dadma(**changes: Any) -> Polymer:
    default = {"name": "PDAD", "monomer": DADMA, "architecture": "cyclo", "counter_ion": "NO3"}
    return polymer(**(default | {"sites": {"n_plus": ["N1"]}} | changes))


def peo(**changes: Any) -> Polymer:
    """Return poly(ethylene oxide) by opening the oxirane; a methyl at its oxygen, since there is no type for OH."""
    linkage = {"open": [[1, 3]], "tail": 1, "head": 3}
    default = {"name": "PEO", "monomer": "[CH2:1]1[CH2:2][O:3]1", "linkage": linkage, "end_groups": ["H", "CH3"]}
    return polymer(**(default | {"sites": {"o": ["O1"]}} | changes))


def network(of: str = OTA, **changes: Any) -> Polymer:
    """Return a network of a monomer."""
    default = {"architecture": "network", "conversion": 0.5, "chain_length": None, "chains": None, "units": 4}
    return (ota if of == OTA else dadma)(**(default | changes))


def straight(of: Polymer, flipped: list[bool] | None = None) -> Chem.Mol:
    """Return the molecule of a chain whose units all have the same direction, or the given ones."""
    monomer = read_monomer(of)
    flipped = flipped or [False] * of.molecule_units
    return chain_graph(monomer, joint_of(of, monomer), flipped, of.end_groups, of.unreacted == "keep").mol


def count(mol: Chem.Mol, smarts: str) -> int:
    return len(mol.GetSubstructMatches(Chem.MolFromSmarts(smarts), maxMatches=10000))


def rings_of_five_with_nitrogen(mol: Chem.Mol) -> int:
    """Count pyrrolidinium rings by the atoms of all rings, not by a path."""
    Chem.FastFindRings(mol)
    rings = [r for r in Chem.GetSymmSSSR(mol) if len(r) == 5]
    return sum(any(mol.GetAtomWithIdx(i).GetSymbol() == "N" for i in ring) for ring in rings)
