"""Interaction energies of Li+ with each species in the ways people have: OpenMM's lambdas, energy groups of GROMACS."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openmm
from gromacs import Gromacs
from MDAnalysis import Universe
from openmm import unit

from solvshell.analysis.energies.model import nonbonded_of
from solvshell.box import Box
from solvshell.xtc import announced_length

THREADS = 2
#: In place of lines of npt.mdp: energies of every frame by groups, pairs found anew, and no tail.
_RERUN = {"DispCorr": "no", "nstlist": "1", "nstenergy": "1", "verlet-buffer-tolerance": "-1", "gen-vel": "no"}


def _with_lambdas(system: openmm.System, residues: np.ndarray) -> openmm.System:
    """Return the nonbonded part of a system, the charges and epsilons of each species times a global parameter each.

    As the OpenMM Cookbook does it in "Analyzing Energy Contributions".
    """
    scaled, force = openmm.System(), openmm.NonbondedForce()
    original = nonbonded_of(system)
    force.setNonbondedMethod(openmm.NonbondedForce.PME)
    force.setCutoffDistance(original.getCutoffDistance())
    force.setUseSwitchingFunction(original.getUseSwitchingFunction())
    force.setSwitchingDistance(original.getSwitchingDistance())
    force.setUseDispersionCorrection(False)
    for name in dict.fromkeys(residues):
        for kind in ("charge", "epsilon"):
            force.addGlobalParameter(f"{kind}_{name}", 1.0)
    for i, name in enumerate(residues):
        scaled.addParticle(1.0)
        charge, sigma, epsilon = original.getParticleParameters(i)
        force.addParticle(0.0, sigma, 0.0)
        force.addParticleParameterOffset(f"charge_{name}", i, charge, 0.0, 0.0)
        force.addParticleParameterOffset(f"epsilon_{name}", i, 0.0, 0.0, epsilon)
    for k in range(original.getNumExceptions()):
        i, j, charges, sigma, epsilon = original.getExceptionParameters(k)
        force.addException(i, j, 0.0, sigma, 0.0)
        force.addExceptionParameterOffset(f"charge_{residues[i]}", k, charges, 0.0, 0.0)
        force.addExceptionParameterOffset(f"epsilon_{residues[i]}", k, 0.0, 0.0, epsilon)
    scaled.addForce(force)
    return scaled


@dataclass(frozen=True)
class Found:
    """Energies of all Li+ with each species in kJ/mol, shape (n_frames, n_species), and the seconds they took."""

    lj: np.ndarray
    coulomb: np.ndarray
    seconds: float


class SwitchedInOpenMM:
    """One context, in which species are switched on alone and in pairs."""

    def __init__(self, box: Box, universe: Universe) -> None:
        self._universe = universe
        residues = np.array([atom.residue.name for atom in box.topology.atoms()])
        self._species = list(dict.fromkeys(residues))
        system = _with_lambdas(box.system, residues)
        platform = openmm.Platform.getPlatform("CPU")
        settings = {"Threads": str(THREADS)}
        self._context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform, settings)

    def _energy(self, kind: str, *names: str) -> float:
        for of in ("charge", "epsilon"):
            for name in self._species:
                self._context.setParameter(f"{of}_{name}", float(of == kind and name in names))
        energy = self._context.getState(energy=True).getPotentialEnergy()
        return float(energy.value_in_unit(unit.kilojoule_per_mole))

    def run(self, n_frames: int) -> Found:
        """Return the energies of the first frames: with each species both on, less each alone."""
        began, li = time.perf_counter(), self._species[0]
        found = np.zeros((2, n_frames, len(self._species)))
        for t, frame in enumerate(self._universe.trajectory[:n_frames]):
            self._context.setPeriodicBoxVectors(*(frame.triclinic_dimensions.astype(float) / 10))
            self._context.setPositions(frame.positions / 10)
            for row, kind in enumerate(("epsilon", "charge")):
                alone = {name: self._energy(kind, name) for name in self._species}
                found[row, t, 1:] = [
                    self._energy(kind, li, name) - alone[li] - alone[name] for name in self._species[1:]
                ]
                found[row, t, 0] = alone[li]
        return Found(*found, time.perf_counter() - began)


class GroupsOfGromacs:
    """`gmx mdrun -rerun` of the exported files with a group for each species."""

    def __init__(self, box: Box, folder: Path) -> None:
        self._runs = Gromacs.of(box, folder, THREADS)
        residues = np.array([atom.residue.name for atom in box.topology.atoms()])
        self._species = list(dict.fromkeys(residues))
        groups = {"System": np.arange(len(residues))} | {name: np.flatnonzero(residues == name) for name in residues}
        (folder / "groups.ndx").write_text(
            "".join(f"[ {name} ]\n" + "\n".join(map(str, atoms + 1)) + "\n" for name, atoms in groups.items())
        )
        own = _RERUN | {"energygrps": " ".join(self._species)}
        lines = (folder / "npt.mdp").read_text().splitlines()
        kept = [line for line in lines if line.partition("=")[0].strip() not in own]
        (folder / "rerun.mdp").write_text("\n".join([*kept, *(f"{key} = {value}" for key, value in own.items()), ""]))
        inputs = ("-f", "rerun.mdp", "-c", "conf.gro", "-p", "topol.top", "-n", "groups.ndx", "-o", "rerun.tpr")
        self._runs.gmx("grompp", *inputs, "-maxwarn", "1")

    def version(self) -> str:
        """Return the name and version of the program."""
        return self._runs.version()

    def run(self, trajectory: Path) -> Found:
        """Return the energies in the frames of a trajectory: Lennard-Jones, and Coulomb within the cutoff alone."""
        began = time.perf_counter()
        threads = ("-ntmpi", "1", "-ntomp", str(THREADS), "-pin", "off", "-nb", "cpu")
        self._runs.gmx("mdrun", "-deffnm", "rerun", "-rerun", str(trajectory.resolve()), *threads)
        seconds = time.perf_counter() - began
        li = self._species[0]
        terms = [f"{kind}-SR:{li}-{name}" for kind in ("LJ", "Coul") for name in self._species]
        _, *columns = self._runs.energies("rerun", *terms)
        lj, coulomb = np.array(columns).reshape(2, len(self._species), -1).transpose(0, 2, 1)
        return Found(lj, coulomb, seconds)


def frames_of(trajectory: Path, n_frames: int, target: Path) -> Path:
    """Write the first frames of an XTC file and return the target."""
    data, end = trajectory.read_bytes(), 0
    for _ in range(n_frames):
        end += announced_length(data[end : end + 128])
    target.write_bytes(data[:end])
    return target
