"""One energy of a box by each engine, term by term, from the files that solvshell.export writes; all in kJ/mol."""

import copy
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import app, unit

from solvshell.box import Box

TERMS = ("bonds", "angles", "torsions", "lennard_jones", "coulomb")
Terms = dict[str, float]

_KCAL = 4.184
#: what an energy file calls the parts of a term
_GROMACS = {
    "bonds": ["Bond"],
    "angles": ["Angle"],
    "torsions": ["Proper Dih."],
    "lennard_jones": ["LJ-14", "LJ (SR)", "Disper. corr."],
    "coulomb": ["Coulomb-14", "Coulomb (SR)", "Coul. recip."],
}
_LAMMPS = {
    "bonds": ["E_bond"],
    "angles": ["E_angle"],
    "torsions": ["E_dihed"],
    "lennard_jones": ["E_vdwl"],
    "coulomb": ["E_coul", "E_long"],
}


def run(folder: Path, *command: str, answers: str = "", threads: int = 1) -> str:
    """Run a program in a folder and return what it printed; raise with that if it fails."""
    program = shutil.which(command[0]) or command[0]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(
        [program, *command[1:]], cwd=folder, input=answers, capture_output=True, text=True, env=environment
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def shaken(box: Box, seed: int = 1, width: float = 0.005) -> Box:
    """Return a box whose atoms are moved by `width` nm: in a minimised one a wrong improper would hardly show."""
    noise = np.random.default_rng(seed).normal(scale=width, size=box.positions.shape)
    return placed(box, np.round(box.positions + noise, 8))


def placed(box: Box, positions: NDArray[np.float64], box_vectors: NDArray[np.float64] | None = None) -> Box:
    """Return a box with other positions (nm), and another cell if one is given."""
    system = openmm.System()
    for _ in range(box.n_atoms):
        system.addParticle(1.0)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform("Reference"))
    context.setPeriodicBoxVectors(*(box.box_vectors if box_vectors is None else box_vectors))
    context.setPositions(positions)
    return replace(box, state=context.getState(positions=True))


def openmm_terms(
    system: openmm.System,
    positions: NDArray[np.float64],
    box_vectors: NDArray[np.float64],
    *,
    switch: float | None = None,
    tail: bool = False,
) -> Terms:
    """Return the terms by OpenMM's Reference platform: an Ewald tolerance of 1e-7, a switch and a tail if asked."""
    system = copy.deepcopy(system)
    groups = {openmm.HarmonicBondForce: 1, openmm.HarmonicAngleForce: 2, openmm.PeriodicTorsionForce: 3}
    for force in system.getForces():
        force.setForceGroup(groups.get(type(force), 4))
    (nonbonded,) = (force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))
    nonbonded.setEwaldErrorTolerance(1e-7)
    nonbonded.setUseDispersionCorrection(tail)
    nonbonded.setUseSwitchingFunction(switch is not None)
    nonbonded.setSwitchingDistance(switch or 0.0)
    charges_only = copy.deepcopy(nonbonded)
    charges_only.setForceGroup(5)
    for i in range(nonbonded.getNumParticles()):
        charges_only.setParticleParameters(i, nonbonded.getParticleParameters(i)[0], 1.0, 0.0)
    for i in range(nonbonded.getNumExceptions()):
        charges_only.setExceptionParameters(i, *nonbonded.getExceptionParameters(i)[:3], 1.0, 0.0)
    system.addForce(charges_only)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform("Reference"))
    context.setPeriodicBoxVectors(*box_vectors)
    context.setPositions(positions)
    bonds, angles, torsions, both, coulomb = (
        context.getState(energy=True, groups={group}).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)
        for group in range(1, 6)
    )
    return dict(zip(TERMS, (bonds, angles, torsions, both - coulomb, coulomb), strict=True))


def box_terms(box: Box, *, switch: float | None = None, tail: bool = False) -> Terms:
    """Return the terms of a box by OpenMM itself."""
    return openmm_terms(box.system, box.positions, box.box_vectors, switch=switch, tail=tail)


def _summed(values: Terms, parts: dict[str, list[str]], factor: float = 1.0) -> Terms:
    return {term: factor * sum(values.get(name, 0.0) for name in names) for term, names in parts.items()}


def gromacs_energies(folder: Path, settings: str = "point.mdp", program: str = "gmx_d") -> Terms:
    """Return all that an energy file of GROMACS has, in double precision if left so, by its own names."""
    quiet = (program, "-quiet", "-nobackup")
    run(folder, *quiet, "grompp", "-f", settings, "-c", "conf.gro", "-p", "topol.top", "-o", "point.tpr")
    run(folder, *quiet, "mdrun", "-deffnm", "point", "-ntmpi", "1", "-ntomp", "1", "-pin", "off")
    answers = "\n".join(str(number) for number in range(1, 30)) + "\n\n"
    run(folder, *quiet, "energy", "-f", "point.edr", "-o", "point.xvg", "-dp", answers=answers)
    lines = (folder / "point.xvg").read_text().splitlines()
    legends = [line.split('"')[1] for line in lines if line.startswith("@ s") and " legend " in line]
    return dict(zip(legends, map(float, lines[-1].split()[1:]), strict=True))


def gromacs_terms(folder: Path, settings: str = "point.mdp", program: str = "gmx_d") -> Terms:
    """Return the terms by GROMACS."""
    return summed(gromacs_energies(folder, settings, program))


def summed(energies: Terms) -> Terms:
    """Return the terms of an energy file of GROMACS; a missing dispersion correction is none."""
    return _summed(energies, _GROMACS)


def full_model(folder: Path, engine: str) -> str:
    """Write and return the name of a parameter file for one energy with the model's own switch and tail."""
    if engine == "gromacs":
        point, npt = ((folder / name).read_text().splitlines() for name in ("point.mdp", "npt.mdp"))
        own = [line for line in npt if line.startswith(("vdw-modifier", "rvdw-switch", "DispCorr"))]
        lines = [*(line for line in point if not line.startswith("vdw-modifier")), *own]
        (folder / "full.mdp").write_text("\n".join([*lines, ""]))
        return "full.mdp"
    point, npt = ((folder / name).read_text() for name in ("point.lammps", "in.lammps"))
    own = npt[: npt.index("neighbor")].replace("pppm 1e-5", "pppm 1e-8")
    (folder / "full.lammps").write_text(own + point[point.index("pair_modify     table") :])
    return "full.lammps"


def lammps_terms(folder: Path, script: str = "point.lammps") -> Terms:
    """Return the terms by LAMMPS."""
    printed = run(folder, "lmp", "-in", script, "-log", "none")
    found = re.search(r"^(E_bond.*)\n(.*)$", printed, re.MULTILINE)
    assert found is not None, printed
    return _summed(dict(zip(found[1].split(), map(float, found[2].split()), strict=True)), _LAMMPS, _KCAL)


def amber_terms(folder: Path, cutoff: float = 1.0) -> Terms:
    """Return the terms of the AMBER files as OpenMM reads them, with a cutoff in nm."""
    restart = app.AmberInpcrdFile(str(folder / "box.rst7"))
    topology = app.AmberPrmtopFile(str(folder / "box.prmtop"), periodicBoxVectors=restart.boxVectors)
    system = topology.createSystem(nonbondedMethod=app.PME, nonbondedCutoff=cutoff * unit.nanometer)
    positions, cell = (
        np.array(values.value_in_unit(unit.nanometer)) for values in (restart.positions, restart.boxVectors)
    )
    return openmm_terms(system, positions, cell)


def absolute_sum(terms: Terms) -> float:
    """Return what differences between engines are relative to: the sum of the absolute terms."""
    return sum(abs(energy) for energy in terms.values())


def largest_difference(ours: Terms, theirs: Terms) -> float:
    """Return the largest difference of a term, in parts of the sum of the absolute terms."""
    return max(abs(theirs[term] - ours[term]) for term in ours) / absolute_sum(ours)


def parity_table(by_engine: dict[str, Terms]) -> list[Sequence[object]]:
    """Return a row for each engine but the first and each term.

    The engine, the term, the first engine's energy, this one's, and their difference in parts of the sum of the
    absolute terms and of the term itself.
    """
    (_, ours), *others = by_engine.items()
    total = absolute_sum(ours)
    return [
        (engine, term, ours[term], theirs[term], (theirs[term] - ours[term]) / total, theirs[term] / ours[term] - 1)
        for engine, theirs in others
        for term in ours
    ]
