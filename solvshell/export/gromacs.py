"""The files of GROMACS: topol.top, conf.gro, and two parameter files with the model's cutoffs."""

from collections.abc import Iterable

import numpy as np
from openmm import app

from solvshell.box import Box
from solvshell.export.atom_types import AtomTypes, atom_types
from solvshell.export.cutoffs import Cutoffs, cutoffs_of
from solvshell.export.molecules import MoleculeKind, Molecules, molecules_of
from solvshell.export.pairs import FUDGE_14

#: no modifier, no buffer, no tail, an Ewald sum that has converged: for comparing single energies with other engines
_POINT = """; one energy, term by term; compare it with OpenMM's without switch and tail
integrator       = md
nsteps           = 0
continuation     = yes
nstlist          = 1
verlet-buffer-tolerance = -1
rlist            = {cutoff:g}
vdw-modifier     = None
coulomb-modifier = None
ewald-rtol       = 1e-6
fourierspacing   = {spacing:g}
pme-order        = 6
"""
_NPT = """; 1 ns at 298.15 K and 1 bar; change what you like but the cutoffs, which belong to the model
integrator   = md
dt           = 0.002
nsteps       = 500000
constraints  = h-bonds
gen-vel      = yes
gen-temp     = 298.15
tcoupl       = v-rescale
tc-grps      = System
tau-t        = 0.5
ref-t        = 298.15
pcoupl       = C-rescale
tau-p        = 2.0
ref-p        = 1.0
compressibility = 5e-5
nstenergy    = 500
nstxout-compressed = 500
ewald-rtol   = 1e-5
"""


def _section(title: str, rows: Iterable[tuple[object, ...]]) -> str:
    lines = [" ".join(f"{value:.9g}" if isinstance(value, float) else str(value) for value in row) for row in rows]
    return "\n".join([f"[ {title} ]", *lines, "\n"]) if lines else ""


def _atom_types(types: AtomTypes) -> Iterable[tuple[object, ...]]:
    for kind in types.types:
        atomic_number = app.Element.getBySymbol(kind.element).atomic_number
        yield kind.name, atomic_number, kind.mass, 0.0, "A", kind.sigma, kind.epsilon


def _from_1(atoms: Iterable[int]) -> tuple[int, ...]:
    return tuple(atom + 1 for atom in atoms)


def _molecule(kind: MoleculeKind, types: AtomTypes) -> str:
    atoms = (
        (i, types.of(atom).name, atom.residue_number + 1, atom.residue, atom.name, i, atom.charge, atom.mass)
        for i, atom in enumerate(kind.atoms, 1)
    )
    # Type 9 for impropers too: the dihedral angle of the four atoms as they stand, as OpenMM takes it.
    torsions = ((*_from_1(term.atoms), 9, *term.parameters[1:], term.parameters[0]) for term in kind.torsions)
    return "".join(
        [
            _section("moleculetype", [(kind.name, 3)]),
            _section("atoms", atoms),
            _section("pairs", ((*_from_1(pair), 1) for pair in kind.pairs)),
            _section("bonds", ((*_from_1(term.atoms), 1, *term.parameters) for term in kind.bonds)),
            _section("angles", ((*_from_1(term.atoms), 1, *term.parameters) for term in kind.angles)),
            _section("dihedrals", torsions),
        ]
    )


def _title(box: Box) -> str:
    return " ".join(box.recipe.title.replace(";", ",").split()) or box.recipe.name  # one line, no comment


def _topology(molecules: Molecules, title: str) -> str:
    types = atom_types(molecules)
    return "\n".join(
        [
            "; nm, kJ/mol, e; charges of ions as simulated\n",
            _section("defaults", [(1, 2, "yes", FUDGE_14, FUDGE_14)]),
            _section("atomtypes", _atom_types(types)),
            *(_molecule(kind, types) for kind in molecules.kinds),
            _section("system", [(title,)]),
            _section("molecules", ((kind.name, count) for kind, count in molecules.blocks)),
        ]
    )


def _cell(vectors: np.ndarray) -> str:
    (ax, _, _), (bx, by, _), (cx, cy, cz) = vectors
    skew = [0.0, 0.0, bx, 0.0, cx, cy] if np.any([bx, cx, cy]) else []
    return " ".join(f"{x:.8f}" for x in [ax, by, cz, *skew])


def _configuration(box: Box) -> str:
    """Return the positions of a box as a .gro file; readers find the eight decimals by the distance of the points."""
    lines = [_title(box), str(box.n_atoms)]
    for atom, xyz in zip(box.topology.atoms(), box.positions, strict=True):
        residue, number = (atom.residue.index + 1) % 100_000, (atom.index + 1) % 100_000
        coordinates = "".join(f"{x:13.8f}" for x in xyz)
        lines.append(f"{residue:5d}{atom.residue.name:<5.5}{atom.name:>5.5}{number:5d}{coordinates}")
    return "\n".join([*lines, _cell(box.box_vectors), ""])


def _settings(cutoffs: Cutoffs, is_network: bool) -> str:
    lines = [
        "cutoff-scheme = Verlet",
        "coulombtype   = PME",
        f"rcoulomb      = {cutoffs.cutoff:g}",
        f"rvdw          = {cutoffs.cutoff:g}",
        *(["periodic-molecules = yes"] if is_network else []),
    ]
    return "\n".join([*lines, ""])


def _long_range(cutoffs: Cutoffs) -> str:
    lines = [f"DispCorr      = {'EnerPres' if cutoffs.tail_correction else 'no'}"]
    if cutoffs.switch is None:
        lines += ["vdw-modifier  = None"]
    else:
        lines += ["vdw-modifier  = Potential-switch", f"rvdw-switch   = {cutoffs.switch:g}"]
    return "\n".join([*lines, ""])


def gromacs_files(box: Box) -> dict[str, str]:
    """Return the files of a box for GROMACS by their names: ``topol.top``, ``conf.gro``, ``npt.mdp``, ``point.mdp``.

    The model is the box's own: harmonic bonds and angles, periodic torsions, 1-4 interactions times 0.5,
    Lorentz-Berthelot mixing. GROMACS' potential switch is the polynomial of OpenMM.

    Raises
    ------
    InvalidInput
        If the box's system is not a plain model.
    """
    cutoffs = cutoffs_of(box.system)
    settings = _settings(cutoffs, box.is_network)
    return {
        "topol.top": _topology(molecules_of(box), _title(box)),
        "conf.gro": _configuration(box),
        "npt.mdp": _NPT + settings + _long_range(cutoffs),
        "point.mdp": _POINT.format(cutoff=cutoffs.cutoff, spacing=0.06 * cutoffs.cutoff) + settings,
    }
