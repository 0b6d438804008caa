"""The files of GROMACS: topol.top, conf.gro, and two parameter files with the model's cutoffs."""

from collections.abc import Iterable

import numpy as np

from solvshell.box import Box
from solvshell.export.molecules import FUDGE_14, MoleculeKind, Molecules, molecules_of
from solvshell.recipe import Model

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
fourierspacing   = 0.06
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


def _type_name(kind: MoleculeKind, index: int) -> str:
    return f"{kind.name}_{index + 1}"


def _atom_types(kind: MoleculeKind) -> Iterable[tuple[object, ...]]:
    for index, atom in enumerate(kind.atoms):
        yield _type_name(kind, index), atom.mass, 0.0, "A", atom.sigma, atom.epsilon


def _from_1(atoms: Iterable[int]) -> tuple[int, ...]:
    return tuple(atom + 1 for atom in atoms)


def _molecule(kind: MoleculeKind) -> str:
    atoms = (
        (i + 1, _type_name(kind, i), atom.residue_number + 1, atom.residue, atom.name, i + 1, atom.charge, atom.mass)
        for i, atom in enumerate(kind.atoms)
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


def _topology(molecules: Molecules, title: str) -> str:
    kinds = molecules.kinds
    return "\n".join(
        [
            "; nm, kJ/mol, e; charges of ions as simulated\n",
            _section("defaults", [(1, 2, "yes", FUDGE_14, FUDGE_14)]),
            _section("atomtypes", (row for kind in kinds for row in _atom_types(kind))),
            *(_molecule(kind) for kind in kinds),
            _section("system", [(title,)]),
            _section("molecules", ((kind.name, count) for kind, count in molecules.blocks)),
        ]
    )


def _cell(vectors: np.ndarray) -> str:
    diagonal, (_, ab), (_, ac), (_, bc) = np.diag(vectors), (0, vectors[1, 0]), (0, vectors[2, 0]), (0, vectors[2, 1])
    skew = [0.0, 0.0, ab, 0.0, ac, bc] if np.any([ab, ac, bc]) else []
    return " ".join(f"{x:.8f}" for x in [*diagonal, *skew])


def configuration(box: Box, positions: np.ndarray) -> str:
    """Return positions (n_atoms, 3) in nm in a box as a .gro file with eight decimals."""
    lines = [box.recipe.title.replace("\n", " "), str(box.n_atoms)]
    for atom, xyz in zip(box.topology.atoms(), positions, strict=True):
        residue, number = (atom.residue.index + 1) % 100_000, (atom.index + 1) % 100_000
        coordinates = "".join(f"{x:13.8f}" for x in xyz)
        lines.append(f"{residue:5d}{atom.residue.name:<5}{atom.name:>5}{number:5d}{coordinates}")
    return "\n".join([*lines, _cell(box.box_vectors), ""])


def _cutoffs(model: Model, is_network: bool) -> str:
    lines = [
        "cutoff-scheme = Verlet",
        "coulombtype   = PME",
        f"rcoulomb      = {model.cutoff:g}",
        f"rvdw          = {model.cutoff:g}",
        *(["periodic-molecules = yes"] if is_network else []),
    ]
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
    model = box.recipe.force_field
    cutoffs = _cutoffs(model, box.is_network)
    modifier = "vdw-modifier  = None\n"
    if model.switch is not None:
        modifier = f"vdw-modifier  = Potential-switch\nrvdw-switch   = {model.switch:g}\n"
    tail = f"DispCorr      = {'EnerPres' if model.tail_correction else 'no'}\n"
    return {
        "topol.top": _topology(molecules_of(box), box.recipe.title.replace("\n", " ")),
        "conf.gro": configuration(box, box.positions),
        "npt.mdp": _NPT + cutoffs + modifier + tail,
        "point.mdp": _POINT.format(cutoff=model.cutoff) + cutoffs,
    }
