"""A box as kinds of molecules: what other engines want in place of OpenMM's lists of all terms."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import app, unit
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from solvshell.box import Box
from solvshell.errors import InvalidInput
from solvshell.export.cutoffs import nonbonded_of
from solvshell.export.pairs import pairs_14

_PLAIN = (
    openmm.HarmonicBondForce,
    openmm.HarmonicAngleForce,
    openmm.PeriodicTorsionForce,
    openmm.NonbondedForce,
    openmm.CMMotionRemover,
)


@dataclass(frozen=True)
class Atom:
    """An atom as simulated (ion charges scaled): dalton, e, nm, kJ/mol; `residue_number` counts within its molecule."""

    name: str
    residue: str
    residue_number: int
    element: str
    mass: float
    charge: float
    sigma: float
    epsilon: float


@dataclass(frozen=True)
class Term:
    """A bonded term: its atoms, counted from 0 within the molecule, and its parameters.

    Bond: r0 (nm), k (kJ/mol/nm^2), E = k/2 (r - r0)^2. Angle: theta0 (degrees), k (kJ/mol/rad^2). Torsion: n, phase
    (degrees), k (kJ/mol), E = k (1 + cos(n phi - phase)); impropers too, whose dihedral angle is that of the atoms as
    they stand.
    """

    atoms: tuple[int, ...]
    parameters: tuple[float, ...]


@dataclass(frozen=True)
class MoleculeKind:
    """All that one kind of molecule is; `pairs` are the atoms three bonds apart, which interact times `FUDGE_14`."""

    name: str
    atoms: tuple[Atom, ...]
    bonds: tuple[Term, ...]
    angles: tuple[Term, ...]
    torsions: tuple[Term, ...]
    pairs: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Molecules:
    """The kinds of molecules of a box, and the runs of equal molecules in the order of its atoms: (kind, how many)."""

    kinds: tuple[MoleculeKind, ...]
    blocks: tuple[tuple[MoleculeKind, int], ...]

    def atoms(self) -> Iterator[Atom]:
        """Give all atoms in their order."""
        for kind, count in self.blocks:
            for _ in range(count):
                yield from kind.atoms

    def spans(self) -> Iterator[tuple[MoleculeKind, int]]:
        """Give each molecule's kind and the index of its first atom."""
        first = 0
        for kind, count in self.blocks:
            for _ in range(count):
                yield kind, first
                first += len(kind.atoms)


def _number(value: Any) -> float:
    if not unit.is_quantity(value):
        return value
    if value.unit.is_compatible(unit.degree):
        # OpenMM keeps radians; their noise is below a microdegree.
        return round(float(value.value_in_unit(unit.degree)), 6)
    return value.value_in_unit_system(unit.md_unit_system)


def _refuse_what_is_not_plain(system: openmm.System) -> None:
    for force in system.getForces():
        if not isinstance(force, _PLAIN):
            raise InvalidInput(f"export: the system has a {type(force).__name__}, which other engines would not know")
    if system.getNumConstraints():
        raise InvalidInput("export: the system has constraints; a plain model has a bond in the place of each")
    nonbonded = nonbonded_of(system)
    if nonbonded.getNumParticleParameterOffsets() or nonbonded.getNumExceptionParameterOffsets():
        raise InvalidInput("export: the system has charges or Lennard-Jones parameters that change with a parameter")


def _spans(topology: app.Topology) -> list[range]:
    """Return the atoms of each molecule, which follow each other: fragments that interleave count as one molecule.

    In a network units that did not react with it lie between those that did.
    """
    n_atoms = topology.getNumAtoms()
    i, j = np.array([[atom.index for atom in bond] for bond in topology.bonds()], dtype=int).reshape(-1, 2).T
    _, fragment = connected_components(coo_array((np.ones(len(i)), (i, j)), shape=(n_atoms, n_atoms)), directed=False)
    last = np.zeros(n_atoms, dtype=int)
    last[fragment] = np.arange(n_atoms)  # of equal indices the last assignment stays
    reach = np.maximum.accumulate(last[fragment])
    ends = np.flatnonzero(reach == np.arange(n_atoms)) + 1
    return [range(start, end) for start, end in zip([0, *ends], ends, strict=False)]


def _members(box: Box, spans: Sequence[range]) -> list[tuple[Atom, ...]]:
    """Return the atoms of each molecule."""
    atoms, force = list(box.topology.atoms()), nonbonded_of(box.system)

    def member(i: int, first: int) -> Atom:
        residue = atoms[i].residue
        charge, sigma, epsilon = (_number(value) for value in force.getParticleParameters(i))
        mass, number = _number(box.system.getParticleMass(i)), residue.index - atoms[first].residue.index
        return Atom(atoms[i].name, residue.name, number, atoms[i].element.symbol, mass, charge, sigma, epsilon)

    return [tuple(member(i, span.start) for i in span) for span in spans]


def _molecule_of(spans: Sequence[range]) -> NDArray[np.int_]:
    """Return the number of each atom's molecule."""
    return np.repeat(np.arange(len(spans)), [len(span) for span in spans])


def _bonded(topology: app.Topology, spans: Sequence[range]) -> list[tuple[tuple[int, ...], ...]]:
    """Return the bonds of each molecule as its topology has them."""
    molecule, found = _molecule_of(spans), [list[tuple[int, ...]]() for _ in spans]
    for bond in topology.bonds():
        number = molecule[bond[0].index]
        found[number].append(tuple(sorted(atom.index - spans[number].start for atom in bond)))
    return [tuple(sorted(bonds)) for bonds in found]


def _by_molecule(system: openmm.System, spans: Sequence[range], name: str, n_atoms: int) -> list[tuple[Term, ...]]:
    """Return the terms called `name`, such as ``Bond``, of each molecule, in an order that equal molecules share."""
    molecule, found = _molecule_of(spans), [list[Term]() for _ in spans]
    for force in (force for force in system.getForces() if hasattr(force, f"get{name}Parameters")):
        for index in range(getattr(force, f"getNum{name}s")()):
            values = getattr(force, f"get{name}Parameters")(index)
            numbers = set(molecule[values[:n_atoms]])
            if len(numbers) > 1:
                raise InvalidInput(f"export: {name.lower()} {index} joins molecules that the topology does not bond")
            number = numbers.pop()
            atoms = tuple(i - spans[number].start for i in values[:n_atoms])
            parameters = tuple(_number(value) for value in values[n_atoms:])
            found[number].append(Term(tuple(sorted(atoms)) if n_atoms == 2 else atoms, parameters))
    return [tuple(sorted(terms, key=lambda term: (term.atoms, term.parameters))) for terms in found]


def _names(residues: Sequence[str]) -> list[str]:
    """Return a name for each kind of molecule: that of its first residue, numbered where kinds share it."""
    return [
        name if residues.count(name) == 1 else f"{name}_{residues[: n + 1].count(name)}"
        for n, name in enumerate(residues)
    ]


def _kind(
    name: str, atoms: tuple[Atom, ...], terms: Sequence[tuple[Term, ...]], bonded: Sequence[tuple[int, ...]]
) -> MoleculeKind:
    bonds, angles, torsions, exceptions = terms
    if [term.atoms for term in bonds] != list(bonded):
        raise InvalidInput(f"export: {name} has a bond without a term, or a term without a bond")
    particles = [(atom.charge, atom.sigma, atom.epsilon) for atom in atoms]
    try:
        pairs = pairs_14(particles, bonded, {(term.atoms[0], term.atoms[1]): term.parameters for term in exceptions})
    except InvalidInput as error:
        raise InvalidInput(f"export: {name}: {error}") from None
    return MoleculeKind(name, atoms, bonds, angles, torsions, pairs)


def molecules_of(box: Box) -> Molecules:
    """Return the kinds of molecules of a box with all their terms, and how they follow each other.

    Raises
    ------
    InvalidInput
        If its system is not the plain model of a box: another force, constraints, or exceptions that no bond explains.
    """
    _refuse_what_is_not_plain(box.system)
    spans = _spans(box.topology)
    kinds_of_terms = (("Bond", 2), ("Angle", 3), ("Torsion", 4), ("Exception", 2))
    terms = zip(*(_by_molecule(box.system, spans, name, n) for name, n in kinds_of_terms), strict=True)
    contents = list(zip(_members(box, spans), terms, _bonded(box.topology, spans), strict=True))
    distinct = list(dict.fromkeys(contents))
    names = _names([members[0].residue for members, *_ in distinct])
    kinds = {content: _kind(name, *content) for content, name in zip(distinct, names, strict=True)}
    blocks = [(kinds[content], len(list(run))) for content, run in groupby(contents)]
    return Molecules(tuple(kinds.values()), tuple(blocks))
