"""The files of LAMMPS: box.data, and two input scripts with the model's cutoffs."""

from solvshell.box import Box
from solvshell.export.atom_types import AtomTypes, atom_types
from solvshell.export.cutoffs import Cutoffs, cutoffs_of
from solvshell.export.lammps_data import ANGSTROM, KCAL, data_text
from solvshell.export.molecules import molecules_of
from solvshell.export.pairs import FUDGE_14

_MODEL = """units           real
atom_style      full
{pair_style}
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


def _styles(cutoffs: Cutoffs) -> tuple[str, str]:
    """Return the pair style nearest to the model, and what to say between the types and their coefficients."""
    cutoff = cutoffs.cutoff / ANGSTROM
    if cutoffs.switch is None or cutoffs.tail_correction:
        tail = "yes" if cutoffs.tail_correction else "no"
        return f"pair_style      lj/cut/coul/long {cutoff:g}\npair_modify     mix arithmetic tail {tail}", ""
    switch = cutoffs.switch / ANGSTROM
    style = f"hybrid/overlay lj/mdf {switch:g} {cutoff:g} coul/long {cutoff:g}"
    return f"pair_style      {style}\npair_modify     mix arithmetic", "lj/mdf "


def _model(cutoffs: Cutoffs, types: AtomTypes, accuracy: str) -> str:
    pair_style, prefix = _styles(cutoffs)
    rows = [
        f"pair_coeff      {kind.number} {kind.number} {prefix}{kind.epsilon / KCAL:.10g} {kind.sigma / ANGSTROM:.10g}"
        f"  # {kind.name}"
        for kind in types.types
    ]
    if prefix:
        rows.append("pair_coeff      * * coul/long")
    return _MODEL.format(pair_style=pair_style, fudge=FUDGE_14, accuracy=accuracy, pair_coefficients="\n".join(rows))


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
