"""A box as kinds of molecules: what other engines want in place of OpenMM's lists of all terms."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import openmm
from openmm import unit
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from solvshell.box import Box
from solvshell.errors import InvalidInput

#: of Lennard-Jones and of Coulomb between atoms three bonds apart
FUDGE_14 = 0.5
_KNOWN = (
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
    (degrees), k (kJ/mol), E = k (1 + cos(n phi - phase)); impropers too, whose dihedral angle is that of the atoms as they
    stand.
    """

    atoms: tuple[int, ...]
    parameters: tuple[float, ...]


@dataclass(frozen=True)
class MoleculeKind:
    """All that one kind of molecule is; `pairs` are the atoms three bonds apart that interact, times `FUDGE_14`."""

    name: str
    atoms: tuple[Atom, ...]
    bonds: tuple[Term, ...]
    angles: tuple[Term, ...]
    torsions: tuple[Term, ...]
    pairs: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Molecules:
    """The kinds of molecules of a box, and the runs of equal molecules in the order of its atoms: (kind, how many)."""

    kinds: tuple[MoleculeKind, ...]
    blocks: tuple[tuple[MoleculeKind, int], ...]


def _number(value: Any) -> float:
    if not unit.is_quantity(value):
        return value
    if value.unit.is_compatible(unit.degree):
        return value.value_in_unit(unit.degree)
    return value.value_in_unit_system(unit.md_unit_system)


def _terms(system: openmm.System, force_kind: type, name: str, n_atoms: int) -> Iterator[Term]:
    for force in (force for force in system.getForces() if isinstance(force, force_kind)):
        for index in range(getattr(force, f"getNum{name}s")()):
            values = getattr(force, f"get{name}Parameters")(index)
            yield Term(tuple(values[:n_atoms]), tuple(_number(value) for value in values[n_atoms:]))


def _particles(system: openmm.System) -> list[tuple[float, ...]]:
    """Return (charge, sigma, epsilon) of each particle."""
    (force,) = (force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))
    return [tuple(_number(value) for value in force.getParticleParameters(i)) for i in range(force.getNumParticles())]


def _spans(n_atoms: int, bonds: Sequence[tuple[int, ...]]) -> list[range]:
    """Return the atoms of each molecule, which must follow each other."""
    i, j = np.array(bonds, dtype=int).reshape(-1, 2).T
    n, molecule = connected_components(coo_array((np.ones(len(i)), (i, j)), shape=(n_atoms, n_atoms)), directed=False)
    groups = [list(group) for _, group in groupby(range(n_atoms), lambda atom: molecule[atom])]
    if len(groups) != n:
        raise InvalidInput("export: the atoms of a molecule do not follow each other")
    return [range(group[0], group[-1] + 1) for group in groups]


def _within_three_bonds(n_atoms: int, bonds: Sequence[Term]) -> set[tuple[int, ...]]:
    neighbors: list[set[int]] = [set() for _ in range(n_atoms)]
    for bond in bonds:
        i, j = bond.atoms
        neighbors[i].add(j)
        neighbors[j].add(i)
    found: set[tuple[int, ...]] = set()
    for start in range(n_atoms):
        reached = {start}
        for _ in range(3):
            reached |= {j for i in reached for j in neighbors[i]}
        found |= {(start, j) for j in reached if j > start}
    return found


def _pairs(
    kind: str, atoms: Sequence[Atom], bonds: Sequence[Term], exceptions: Sequence[Term]
) -> list[tuple[int, ...]]:
    """Return the 1-4 pairs.

    Raises
    ------
    InvalidInput
        If an exception is not what other engines derive from the bonds, the mixing rule and the 1-4 factor.
    """
    pairs = []
    for term in exceptions:
        (first, second), (charge, sigma, epsilon) = (atoms[i] for i in term.atoms), term.parameters
        if charge == 0 and epsilon == 0:
            continue
        usual = FUDGE_14 * first.charge * second.charge, FUDGE_14 * np.sqrt(first.epsilon * second.epsilon)
        mixed = epsilon == 0 or np.isclose(sigma, (first.sigma + second.sigma) / 2, rtol=1e-6)
        if not (mixed and np.allclose((charge, epsilon), usual, rtol=1e-6, atol=1e-9)):
            raise InvalidInput(f"export: {first.name} and {second.name} of {kind} have a 1-4 interaction of their own")
        pairs.append(tuple(sorted(term.atoms)))
    if {tuple(sorted(term.atoms)) for term in exceptions} != _within_three_bonds(len(atoms), bonds):
        raise InvalidInput(f"export: {kind} excludes other pairs than those up to three bonds apart")
    return sorted(pairs)


def _names(groups: Sequence[tuple[Any, ...]]) -> list[str]:
    """Return a name for each distinct molecule: that of its residues, numbered where two kinds share it."""
    residues = [atoms[0].residue for atoms, *_ in groups]
    return [
        name if residues.count(name) == 1 else f"{name}_{residues[: n + 1].count(name)}"
        for n, name in enumerate(residues)
    ]


def molecules_of(box: Box) -> Molecules:
    """Return the kinds of molecules of a box with all their terms, and how they follow each other.

    Raises
    ------
    InvalidInput
        If its system is not the plain model of a box: another force, or exceptions that no bond explains.
    """
    system = box.system
    for force in system.getForces():
        if not isinstance(force, _KNOWN):
            raise InvalidInput(f"export: the system has a {type(force).__name__}, which other engines would not know")
    topology_bonds = [tuple(atom.index for atom in bond) for bond in box.topology.bonds()]
    spans = _spans(box.n_atoms, topology_bonds)
    molecule = np.repeat(np.arange(len(spans)), [len(span) for span in spans])

    def by_molecule(force_kind: type, name: str, n_atoms: int) -> list[list[Term]]:
        found: list[list[Term]] = [[] for _ in spans]
        for term in _terms(system, force_kind, name, n_atoms):
            number = molecule[term.atoms[0]]
            found[number].append(Term(tuple(i - spans[number].start for i in term.atoms), term.parameters))
        return found

    particles, atoms = _particles(system), list(box.topology.atoms())
    bonds = by_molecule(openmm.HarmonicBondForce, "Bond", 2)
    angles = by_molecule(openmm.HarmonicAngleForce, "Angle", 3)
    torsions = by_molecule(openmm.PeriodicTorsionForce, "Torsion", 4)
    exceptions = by_molecule(openmm.NonbondedForce, "Exception", 2)

    def content(number: int) -> tuple[tuple[Any, ...], ...]:
        span = spans[number]
        first_residue = atoms[span.start].residue.index
        members = tuple(
            Atom(
                atoms[i].name,
                atoms[i].residue.name,
                atoms[i].residue.index - first_residue,
                atoms[i].element.symbol,
                _number(system.getParticleMass(i)),
                *particles[i],
            )
            for i in span
        )
        return members, *(tuple(terms[number]) for terms in (bonds, angles, torsions, exceptions))

    contents = [content(number) for number in range(len(spans))]
    distinct = list(dict.fromkeys(contents))
    kinds = {
        group: MoleculeKind(name, *group[:4], tuple(_pairs(name, group[0], group[1], group[4])))
        for group, name in zip(distinct, _names(distinct), strict=True)
    }
    blocks = [(kinds[group], len(list(run))) for group, run in groupby(contents)]
    return Molecules(tuple(kinds.values()), tuple(blocks))
