"""Make a GROMACS trajectory of LB-003, as somebody without solvshell would have it: OUT/lb003.gro and OUT/lb003.xtc.

    python make_gromacs_trajectory.py OUT [--n-salt N] [--equilibration PS] [--production PS]
    python make_gromacs_trajectory.py OUT --recipe NAME --parity-only

The box and its model come from solvshell; the topology is written from the openmm.System. Before anything moves, the
energies of one configuration are computed by both engines and written to OUT/parity.json; too large a difference ends
the script; with --parity-only that is all. It is a tool for tests and knows what our boxes have: harmonic bonds and
angles, periodic torsions, 1-4 interactions times 0.5, all molecules of a residue name alike but for polymer chains.
"""

import argparse
import copy
import json
import math
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import openmm
from openmm import unit

from solvshell.box import Box
from solvshell.build import build_box
from solvshell.recipe import load_recipe

#: the largest difference of a term between the engines, in parts of the sum of the absolute values of the terms
PARITY = 1e-5
N_FRAMES = 100
STEP_PS = 0.002

_PAIRS = """
cutoff-scheme = Verlet
coulombtype   = PME
rcoulomb      = 1.0
rvdw          = 1.0
"""
#: the plain model: no modifiers, no buffer, no tail, an Ewald sum that has converged
_SINGLE_POINT = f"""{_PAIRS}
integrator = md
nsteps     = 0
nstlist    = 1
rlist      = 1.0
verlet-buffer-tolerance = -1
coulomb-modifier = None
vdw-modifier     = None
ewald-rtol       = 1e-6
fourierspacing   = 0.06
pme-order        = 6
continuation     = yes
"""
_MINIMIZATION = f"""{_PAIRS}
integrator = steep
nsteps     = 2000
emtol      = 200
"""
_DYNAMICS = f"""{_PAIRS}
integrator  = md
dt          = {STEP_PS}
constraints = h-bonds
DispCorr    = EnerPres
tcoupl  = v-rescale
tc-grps = System
tau-t   = 0.5
ref-t   = 298.15
ld-seed = 2
pcoupl  = C-rescale
tau-p   = 2.0
ref-p   = 1.0
compressibility = 5e-5
"""
#: the terms of an energy file that make up a term of the model
_GROMACS_TERMS = {
    "bonds": ["Bond"],
    "angles": ["Angle"],
    "torsions": ["Proper Dih."],
    "lennard_jones": ["LJ-14", "LJ (SR)"],
    "coulomb": ["Coulomb-14", "Coulomb (SR)", "Coul. recip."],
}


def _terms(system: openmm.System, kind: str, n_atoms: int, span: range) -> Iterator[tuple[list[int], list[Any]]]:
    """Give the terms of one kind inside a molecule: atoms counted from 1, and parameters in nm, degrees and kJ/mol."""
    force = next(force for force in system.getForces() if hasattr(force, f"getNum{kind}s"))
    for index in range(getattr(force, f"getNum{kind}s")()):
        term = getattr(force, f"get{kind}Parameters")(index)
        if set(term[:n_atoms]) <= set(span):
            yield [atom - span.start + 1 for atom in term[:n_atoms]], [_plain(value) for value in term[n_atoms:]]


def _plain(value: Any) -> Any:
    if not unit.is_quantity(value):
        return value
    if value.unit.is_compatible(unit.degree):
        return value.value_in_unit(unit.degree)
    return value.value_in_unit_system(unit.md_unit_system)


def _section(name: str, rows: list[tuple[Any, ...]]) -> str:
    lines = [" ".join(f"{value:.9g}" if isinstance(value, float) else str(value) for value in row) for row in rows]
    return "\n".join([f"[ {name} ]", *lines, "\n"]) if rows else ""


def _molecule(system: openmm.System, name: str, atom_names: list[str], span: range) -> tuple[str, str]:
    """Return the atom types and the moleculetype of the molecule whose atoms have the indices of `span`."""
    masses = [_plain(system.getParticleMass(i)) for i in span]
    nonbonded = next(force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))
    particles = [[_plain(value) for value in nonbonded.getParticleParameters(i)] for i in span]
    types: list[tuple[Any, ...]] = []
    atoms: list[tuple[Any, ...]] = []
    for i, (atom, mass, (charge, sigma, epsilon)) in enumerate(zip(atom_names, masses, particles, strict=True), 1):
        types.append((f"{name}_{i}", mass, charge, "A", sigma, epsilon))
        atoms.append((i, f"{name}_{i}", 1, name, atom, i, charge, mass))
    exceptions = _terms(system, "Exception", 2, span)
    sections: dict[str, list[tuple[Any, ...]]] = {
        "moleculetype": [(name, 3)],
        "atoms": atoms,
        "pairs": [(*ij, 1) for ij, (charge, _, epsilon) in exceptions if charge or epsilon],
        "bonds": [(*ij, 1, r0, k) for ij, (r0, k) in _terms(system, "Bond", 2, span)],
        "angles": [(*ijk, 1, theta0, k) for ijk, (theta0, k) in _terms(system, "Angle", 3, span)],
        # Type 9 for impropers too: the angle of the four atoms in this order, as OpenMM takes it.
        "dihedrals": [(*ijkl, 9, phase, k, n) for ijkl, (n, phase, k) in _terms(system, "Torsion", 4, span)],
    }
    return _section("atomtypes", types), "".join(_section(title, rows) for title, rows in sections.items())


def topology_text(box: Box) -> str:
    """Return a box's model as a GROMACS topology."""
    polymer = box.recipe.polymer.name if box.recipe.polymer else None
    blocks, molecules = [], []
    for (name, chain), group in groupby(box.topology.residues(), lambda r: (str(r.name), r.chain.index)):
        residues = list(group)
        molecule = residues if name == polymer else residues[:1]
        atoms = [atom for residue in molecule for atom in residue.atoms()]
        span = range(atoms[0].index, atoms[-1].index + 1)
        kind = f"{name}{chain}" if name == polymer else name
        molecules.append(_molecule(box.system, kind, [atom.name for atom in atoms], span))
        blocks.append((kind, len(residues) // len(molecule)))
    return "\n".join(
        [
            _section("defaults", [(1, 2, "yes", 0.5, 0.5)]),
            *(types for types, _ in molecules),
            *(molecule for _, molecule in molecules),
            _section("system", [(box.recipe.name,)]),
            _section("molecules", blocks),
        ]
    )


def gro_text(box: Box, positions: np.ndarray) -> str:
    """Return positions in nm as a .gro file with eight decimals."""
    lines = [box.recipe.name, str(box.n_atoms)]
    for atom, xyz in zip(box.topology.atoms(), positions, strict=True):
        molecule, number = atom.residue.index + 1, atom.index + 1
        coordinates = "".join(f"{x:13.8f}" for x in xyz)
        lines.append(f"{molecule % 100000:5d}{atom.residue.name:<5}{atom.name:>5}{number % 100000:5d}{coordinates}")
    lines.append(" ".join(f"{x:.8f}" for x in np.diag(box.box_vectors)))
    return "\n".join([*lines, ""])


def openmm_energies(box: Box, positions: np.ndarray) -> dict[str, float]:
    """Return the terms of the plain model in kJ/mol: Reference platform, no switch, no tail."""
    system = copy.deepcopy(box.system)
    groups = {openmm.HarmonicBondForce: 1, openmm.HarmonicAngleForce: 2, openmm.PeriodicTorsionForce: 3}
    for force in system.getForces():
        force.setForceGroup(groups.get(type(force), 4))
        if isinstance(force, openmm.NonbondedForce):
            nonbonded = force
    nonbonded.setUseSwitchingFunction(False)
    nonbonded.setUseDispersionCorrection(False)
    nonbonded.setEwaldErrorTolerance(1e-6)
    charges_only = copy.deepcopy(nonbonded)
    charges_only.setForceGroup(5)
    for i in range(nonbonded.getNumParticles()):
        charges_only.setParticleParameters(i, nonbonded.getParticleParameters(i)[0], 1.0, 0.0)
    for i in range(nonbonded.getNumExceptions()):
        charges_only.setExceptionParameters(i, *nonbonded.getExceptionParameters(i)[:3], 1.0, 0.0)
    system.addForce(charges_only)
    integrator, platform = openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform("Reference")
    context = openmm.Context(system, integrator, platform)
    context.setPeriodicBoxVectors(*box.box_vectors)
    context.setPositions(positions)
    bonds, angles, torsions, both, coulomb = (
        _plain(context.getState(energy=True, groups={group}).getPotentialEnergy()) for group in range(1, 6)
    )
    return dict(zip(_GROMACS_TERMS, (bonds, angles, torsions, both - coulomb, coulomb), strict=True))


def gmx(folder: Path, *arguments: str, answers: str = "") -> None:
    """Run a GROMACS command in a folder and raise with its output if it fails."""
    command = [shutil.which("gmx") or "gmx", "-nobackup", *arguments]
    done = subprocess.run(command, cwd=folder, input=answers, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"gmx {' '.join(arguments)}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}")


def simulate(folder: Path, name: str, settings: str, before: str, *, goes_on: bool = False) -> None:
    """Run a stage from the last configuration of the one before; its files are called `name`."""
    (folder / f"{name}.mdp").write_text(settings)
    checkpoint = ["-t", f"{before}.cpt"] if goes_on else []
    gmx(folder, "grompp", "-f", f"{name}.mdp", "-c", f"{before}.gro", "-p", "topol.top", "-o", name, *checkpoint)
    gmx(folder, "mdrun", "-deffnm", name, "-ntmpi", "1", "-ntomp", "2")


def gromacs_energies(folder: Path) -> dict[str, float]:
    """Return the terms in kJ/mol of start.gro."""
    simulate(folder, "point", _SINGLE_POINT, "start")
    names = [name for terms in _GROMACS_TERMS.values() for name in terms]
    answers = "\n".join(name.replace(" ", "-") for name in names) + "\n\n"
    gmx(folder, "energy", "-f", "point.edr", "-o", "point.xvg", "-dp", answers=answers)
    lines = (folder / "point.xvg").read_text().splitlines()
    legends = [line.split('"')[1] for line in lines if " legend " in line and line.startswith("@ s")]
    values = dict(zip(legends, map(float, lines[-1].split()[1:]), strict=True))
    return {term: sum(values[name] for name in parts) for term, parts in _GROMACS_TERMS.items()}


def check_parity(box: Box, folder: Path) -> dict[str, dict[str, float]]:
    """Return each term by both engines and its difference in parts of the sum of the absolute terms.

    The atoms are shaken by 0.005 nm first: in a minimised box a wrong improper would hardly show.
    """
    shaken = box.positions + np.random.default_rng(1).normal(scale=0.005, size=box.positions.shape)
    shaken = np.round(shaken, 8)
    (folder / "start.gro").write_text(gro_text(box, shaken))
    ours, theirs = openmm_energies(box, shaken), gromacs_energies(folder)
    total = sum(abs(energy) for energy in ours.values())
    parity = {
        term: {"openmm": ours[term], "gromacs": theirs[term], "difference": (theirs[term] - ours[term]) / total}
        for term in ours
    }
    for term, row in parity.items():
        print(f"{term:<14} {row['openmm']:14.4f} {row['gromacs']:14.4f} kJ/mol {row['difference']:10.1e}", flush=True)
    return parity


def make_trajectory(folder: Path, equilibration_ps: float, production_ps: float) -> None:
    """Run start.gro to lb003.gro and lb003.xtc, with whole molecules."""
    simulate(folder, "minimized", _MINIMIZATION, "start")
    steps, production_steps = (math.ceil(time / STEP_PS) for time in (equilibration_ps, production_ps))
    velocities = "gen-vel = yes\ngen-temp = 298.15\ngen-seed = 1\n"
    simulate(folder, "npt", f"{_DYNAMICS}{velocities}nsteps = {steps}\n", "minimized")
    output = f"nsteps = {production_steps}\nnstxout-compressed = {production_steps // N_FRAMES}\ncontinuation = yes\n"
    simulate(folder, "production", f"{_DYNAMICS}{output}", "npt", goes_on=True)
    whole = ("trjconv", "-f", "production.xtc", "-s", "production.tpr", "-pbc", "mol")
    gmx(folder, *whole, "-o", "lb003.xtc", answers="System\n")
    gmx(folder, *whole, "-o", "lb003.gro", "-dump", "0", answers="System\n")


def main() -> None:
    """Build, compare, run, keep three files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--recipe", default="lb003")
    parser.add_argument("--parity-only", action="store_true")
    parser.add_argument("--n-salt", type=int, default=8)
    parser.add_argument("--equilibration", type=float, default=400.0, help="in ps")
    parser.add_argument("--production", type=float, default=1000.0, help="in ps")
    arguments = parser.parse_args()

    arguments.out.mkdir(parents=True, exist_ok=True)
    recipe = load_recipe(arguments.recipe)
    box = build_box(recipe, seed=1, n_salt=max(arguments.n_salt, recipe.smallest))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "topol.top").write_text(topology_text(box))
        parity = check_parity(box, folder)
        (arguments.out / "parity.json").write_text(json.dumps(parity, indent=2) + "\n")
        if any(abs(row["difference"]) > PARITY for row in parity.values()):
            raise SystemExit(f"the energies of the two engines differ by more than {PARITY:g} of their sum")
        if arguments.parity_only:
            return
        make_trajectory(folder, arguments.equilibration, arguments.production)
        for result in ("lb003.gro", "lb003.xtc"):
            shutil.copy(folder / result, arguments.out)


if __name__ == "__main__":
    main()
