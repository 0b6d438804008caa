"""The data file of LAMMPS: cell, atoms and terms of a box, with their types."""

from collections.abc import Callable, Iterable, Sequence

from solvshell.box import Box
from solvshell.errors import InvalidInput
from solvshell.export.atom_types import AtomTypes
from solvshell.export.molecules import MoleculeKind, Molecules, Term

KCAL = 4.184  # kJ
ANGSTROM = 0.1  # nm

#: K of LAMMPS has the factor 1/2 in it
_COEFFICIENTS: dict[str, Callable[[tuple[float, ...]], tuple[float, ...]]] = {
    "Bond": lambda p: (p[1] / 2 / KCAL * ANGSTROM**2, p[0] / ANGSTROM),
    "Angle": lambda p: (p[1] / 2 / KCAL, p[0]),
    # No weight: special_bonds has the 1-4 interactions.
    "Dihedral": lambda p: (p[2] / KCAL, int(p[0]), round(p[1]), 0.0),
}


def _section(title: str, rows: Iterable[Sequence[object]]) -> str:
    lines = [" ".join(f"{value:.10g}" if isinstance(value, float) else str(value) for value in row) for row in rows]
    return "\n".join([f"{title}\n", *lines, "\n"]) if lines else ""


def _terms(kind: MoleculeKind) -> dict[str, tuple[Term, ...]]:
    """Return the terms by the name of LAMMPS; an improper is a dihedral of its atoms as they stand, as in OpenMM."""
    return {"Bond": kind.bonds, "Angle": kind.angles, "Dihedral": kind.torsions}


def _term_types(molecules: Molecules) -> dict[str, dict[tuple[float, ...], int]]:
    """Return the number of each distinct set of parameters, by the name of the terms."""
    found: dict[str, dict[tuple[float, ...], int]] = {name: {} for name in _COEFFICIENTS}
    for kind in molecules.kinds:
        for name, terms in _terms(kind).items():
            for term in terms:
                found[name].setdefault(term.parameters, len(found[name]) + 1)
    for _, phase, _ in found["Dihedral"]:
        if phase != round(phase):
            raise InvalidInput(f"export: LAMMPS wants the phase of a torsion in whole degrees, got {phase:g}")
    return found


def _header(box: Box, title: str, counts: dict[str, int], types: dict[str, int]) -> str:
    (ax, _, _), (bx, by, _), (cx, cy, cz) = box.box_vectors / ANGSTROM
    sides = ((ax, "x"), (by, "y"), (cz, "z"))
    lines = [
        f"{title}; made by solvshell\n",
        *(f"{count} {name.lower()}s" for name, count in counts.items()),
        *(f"{count} {name.lower()} types" for name, count in types.items()),
        *(f"0.0 {length:.10f} {axis}lo {axis}hi" for length, axis in sides),
        *([f"{bx:.10f} {cx:.10f} {cy:.10f} xy xz yz"] if any((bx, cx, cy)) else []),
    ]
    return "\n".join([*lines, "\n"])


def data_text(box: Box, molecules: Molecules, types: AtomTypes, title: str) -> str:
    """Return the data file of a box, which begins with its title; atom style full, molecules whole.

    Raises
    ------
    InvalidInput
        If a torsion's phase is no whole number of degrees.
    """
    atoms, term_types = list(molecules.atoms()), _term_types(molecules)
    terms: dict[str, list[tuple[int, ...]]] = {name: [] for name in _COEFFICIENTS}
    for kind, first in molecules.spans():
        for name, found in _terms(kind).items():
            for term in found:
                numbers = (first + i + 1 for i in term.atoms)
                terms[name].append((len(terms[name]) + 1, term_types[name][term.parameters], *numbers))
    molecule_of = [n for n, (kind, _) in enumerate(molecules.spans(), 1) for _ in kind.atoms]
    rows = (
        (i, molecule, types.of(atom).number, atom.charge, *(float(x) for x in xyz / ANGSTROM))
        for i, (molecule, atom, xyz) in enumerate(zip(molecule_of, atoms, box.positions, strict=True), 1)
    )
    counts = {"Atom": len(atoms)} | {name: len(found) for name, found in terms.items()}
    n_types = {"Atom": len(types.types)} | {name: len(found) for name, found in term_types.items()}
    return "".join(
        [
            _header(box, title, counts, n_types),
            _section("Masses", ((kind.number, kind.mass, "#", kind.name) for kind in types.types)),
            *(
                _section(f"{name} Coeffs", ((number, *_COEFFICIENTS[name](p)) for p, number in found.items()))
                for name, found in term_types.items()
            ),
            _section("Atoms # full", rows),
            *(_section(f"{name}s", found) for name, found in terms.items()),
        ]
    )
