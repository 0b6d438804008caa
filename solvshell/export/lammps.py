"""The files of LAMMPS: box.data, and two input scripts with the model's cutoffs."""

import math
from itertools import combinations_with_replacement

from solvshell.box import Box
from solvshell.export.atom_types import AtomTypes, atom_types
from solvshell.export.cutoffs import Cutoffs, cutoffs_of
from solvshell.export.lammps_data import ANGSTROM, KCAL, data_text
from solvshell.export.molecules import molecules_of
from solvshell.export.pairs import FUDGE_14

_MODEL = """units           real
atom_style      full
pair_style      {pair_style}
special_bonds   lj/coul 0.0 0.0 {fudge}
bond_style      harmonic
angle_style     harmonic
dihedral_style  charmm
kspace_style    pppm {accuracy}
read_data       box.data
{pair_coefficients}
"""
_NPT = """
neighbor        2.0 bin
timestep        1.0
velocity        all create 298.15 1 mom yes rot yes dist gaussian
fix             npt all npt temp 298.15 298.15 100.0 iso 0.98692 0.98692 1000.0
thermo_style    custom step temp press density pe ebond eangle edihed evdwl ecoul elong
thermo          500
dump            trajectory all custom 1000 trajectory.lammpstrj id mol type q xu yu zu
dump_modify     trajectory sort id
run             1000000
write_data      final.data
"""
_ABOUT_POINT = "# one energy, term by term; compare it with OpenMM's without switch and tail\n\n"
_POINT = """
thermo_style    custom ebond eangle edihed evdwl ecoul elong
thermo_modify   format float %.10f
run             0
"""


def _cut(cutoffs: Cutoffs, types: AtomTypes) -> tuple[str, list[str]]:
    """Return the pair style, and the coefficients, of Lennard-Jones that ends in a step."""
    tail = "yes" if cutoffs.tail_correction else "no"
    style = f"lj/cut/coul/long {cutoffs.cutoff / ANGSTROM:g}\npair_modify     mix arithmetic tail {tail}"
    return style, [
        f"{kind.number} {kind.number} {kind.epsilon / KCAL:.10g} {kind.sigma / ANGSTROM:.10g}  # {kind.name}"
        for kind in types.types
    ]


def _switched(cutoffs: Cutoffs, types: AtomTypes) -> tuple[str, list[str]]:
    """Return the same of Lennard-Jones with the model's switch: hybrid styles mix no pairs, so all are given."""
    cutoff, switch = cutoffs.cutoff / ANGSTROM, (cutoffs.switch or 0.0) / ANGSTROM
    style = f"hybrid/overlay lj/mdf {switch:g} {cutoff:g} coul/long {cutoff:g}"
    pairs = (
        (f"{a.number} {b.number}", math.sqrt(a.epsilon * b.epsilon) / KCAL, (a.sigma + b.sigma) / 2 / ANGSTROM)
        for a, b in combinations_with_replacement(types.types, 2)
    )
    return style, ["* * coul/long", *(f"{ij} lj/mdf {epsilon:.10g} {sigma:.10g}" for ij, epsilon, sigma in pairs)]


def _model(cutoffs: Cutoffs, types: AtomTypes, accuracy: str) -> str:
    """Return the styles nearest to the model: the switch where nothing has to be added for it."""
    is_switched = cutoffs.switch is not None and not cutoffs.tail_correction
    style, coefficients = (_switched if is_switched else _cut)(cutoffs, types)
    lines = "\n".join(f"pair_coeff      {line}" for line in coefficients)
    return _MODEL.format(pair_style=style, fudge=FUDGE_14, accuracy=accuracy, pair_coefficients=lines)


def _about(cutoffs: Cutoffs) -> str:
    """Return what the script has to say of the switch."""
    if cutoffs.switch is None or not cutoffs.tail_correction:
        return ""
    return (
        f"# The model switches Lennard-Jones off from {cutoffs.switch / ANGSTROM:g} A and adds the tail. LAMMPS has\n"
        "# this switch (lj/mdf; lj/charmm and lj/gromacs have others), but no tail for it: here Lennard-Jones ends\n"
        "# in a step, and the tail stands for all that is missing. docs/export.md has the difference.\n"
    )


def lammps_files(box: Box) -> dict[str, str]:
    """Return the files of a box for LAMMPS by their names: ``box.data``, ``in.lammps``, ``point.lammps``.

    Raises
    ------
    InvalidInput
        If the box's system is not a plain model, or has a torsion whose phase is no whole number of degrees.
    """
    cutoffs, molecules = cutoffs_of(box.system), molecules_of(box)
    types, title = atom_types(molecules), " ".join(box.recipe.title.split())
    plain = Cutoffs(cutoffs.cutoff, switch=None, tail_correction=False)
    npt = f"# {title}: 1 ns at 298.15 K and 1 bar\n{_about(cutoffs)}\n{_model(cutoffs, types, '1e-5')}{_NPT}"
    point = f"{_ABOUT_POINT}{_model(plain, types, '1e-8')}pair_modify     table 0\n{_POINT}"
    return {"box.data": data_text(box, molecules, types, title), "in.lammps": npt, "point.lammps": point}
