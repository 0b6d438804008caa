"""The excess chemical potential of TIP3P water, by `solvshell.md.alchemy` on a plain OpenMM System and MBAR."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import app, unit

from solvshell.free_energy.states import StateFreeEnergies, of_series
from solvshell.md.alchemy import Lambdas, alchemical_system, coupling_energies, lambda_parameters
from solvshell.units import kT_kj_mol

TEMPERATURE_K, PRESSURE_BAR = 298.15, 1.0
#: nm; of the cube that is filled with water before it finds its volume
EDGE, CUTOFF, SWITCH = 1.9, 0.85, 0.75
STEP_PS, RECORD_STEPS = 0.004, 25
#: dalton, taken from the oxygen: the steps may be long, and averages of positions are the same
HYDROGEN_MASS = 3.0
SETTLE_PS, RELAX_PS, SAMPLE_PS, N_PASSES = 60, 4, 36, 2
STATES = [
    *(Lambdas(charges, 1.0) for charges in (1.0, 0.85, 0.7, 0.5, 0.25, 0.0)),
    *(Lambdas(0.0, lennard_jones) for lennard_jones in (0.7, 0.45, 0.3, 0.2, 0.1, 0.0)),
]


@dataclass(frozen=True)
class Window:
    """What was recorded in a window, and where it ended.

    Attributes
    ----------
    energies : ndarray, shape (n_records, n_states)
        kJ/mol, of each state above the decoupled one.
    volumes : ndarray, shape (n_records,)
        nm3
    positions, vectors : ndarray
        nm
    """

    energies: NDArray[np.float64]
    volumes: NDArray[np.float64]
    positions: NDArray[np.float64]
    vectors: NDArray[np.float64]

    def save(self, path: Path) -> None:
        """Write it, whole or not at all."""
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, **vars(self))
        partial.rename(path)

    @classmethod
    def load(cls, path: Path) -> "Window":
        """Read what `save` wrote."""
        with np.load(path) as found:
            return cls(**found)


def water() -> tuple[openmm.System, NDArray[np.float64], NDArray[np.float64]]:
    """Return a System of rigid TIP3P water, a barostat as its last force, with positions and cell."""
    modeller = app.Modeller(app.Topology(), [] * unit.nanometer)
    field = app.ForceField("amber14/tip3p.xml")
    modeller.addSolvent(field, model="tip3p", boxSize=openmm.Vec3(EDGE, EDGE, EDGE) * unit.nanometer)
    system = field.createSystem(
        modeller.topology,
        nonbondedMethod=app.PME,
        nonbondedCutoff=CUTOFF,
        switchDistance=SWITCH,
        rigidWater=True,
        removeCMMotion=False,
    )
    for atom in modeller.topology.atoms():
        is_hydrogen = atom.element is app.element.hydrogen
        of_oxygen = system.getParticleMass(atom.index)._value - 2 * (HYDROGEN_MASS - 1.008)
        system.setParticleMass(atom.index, HYDROGEN_MASS if is_hydrogen else of_oxygen)
    system.addForce(openmm.MonteCarloBarostat(PRESSURE_BAR, TEMPERATURE_K, 25))
    positions = np.array(modeller.positions.value_in_unit(unit.nanometer))
    return system, positions, np.eye(3) * EDGE


def _context(seed: int, start: Window | None = None) -> openmm.Context:
    """Return one that begins where a window has ended, or in the packed water."""
    system, positions, vectors = water()
    system.getForces()[-1].setRandomNumberSeed(seed)
    integrator = openmm.LangevinMiddleIntegrator(TEMPERATURE_K, 1.0, STEP_PS)
    integrator.setRandomNumberSeed(seed)
    context = openmm.Context(alchemical_system(system, [[0, 1, 2]]), integrator)
    context.setPeriodicBoxVectors(*(vectors if start is None else start.vectors))
    context.setPositions(positions if start is None else start.positions)
    return context


def _window(context: openmm.Context, state: Lambdas, seed: int, relax_ps: float, sample_ps: float) -> Window:
    for name, value in lambda_parameters(state).items():
        context.setParameter(name, value)
    context.setVelocitiesToTemperature(TEMPERATURE_K, seed)
    integrator, energies, volumes = context.getIntegrator(), [], []
    integrator.step(round(relax_ps / STEP_PS))
    for _ in range(round(sample_ps / STEP_PS / RECORD_STEPS)):
        integrator.step(RECORD_STEPS)
        energies.append(coupling_energies(context, STATES))
        volumes.append(context.getState().getPeriodicBoxVolume()._value)
    end = context.getState(positions=True)
    positions, vectors = end.getPositions(asNumpy=True), end.getPeriodicBoxVectors(asNumpy=True)
    return Window(np.array(energies), np.array(volumes), positions._value, vectors._value)


def _settle(path: Path) -> None:
    if not path.exists():
        context = _context(1)
        openmm.LocalEnergyMinimizer.minimize(context, 10.0, 500)
        _window(context, STATES[0], 1, SETTLE_PS, RECORD_STEPS * STEP_PS).save(path)


def visits() -> list[int]:
    """Return the state of each window: from the plain model down to the decoupled one, back, and so on."""
    order = list(range(len(STATES)))
    return [state for each in range(N_PASSES) for state in (order if each % 2 == 0 else order[::-1])]


def paths(out: Path) -> list[Path]:
    """Return the files of the windows in the order of their visits."""
    return [out / "tip3p" / f"{index:03d}.npz" for index in range(len(visits()))]


def n_done(out: Path) -> int:
    """Return the number of windows of whole passes through the states that are there."""
    n_there = sum(path.exists() for path in paths(out))
    return n_there - n_there % len(STATES)


def run_water(out: Path) -> None:
    """Decouple one water; windows that are there already are kept."""
    (out / "tip3p").mkdir(parents=True, exist_ok=True)
    _settle(out / "tip3p" / "settled.npz")
    files = [out / "tip3p" / "settled.npz", *paths(out)]
    for seed, ((before, path), state) in enumerate(zip(pairwise(files), visits(), strict=True), 2):
        if not path.exists():
            context = _context(seed, Window.load(before))
            _window(context, STATES[state], seed, RELAX_PS, SAMPLE_PS).save(path)


def coupling(found: list[Window], of: list[int]) -> StateFreeEnergies:
    """Return the free energies of windows, given the state of each; from the last state to the first is coupling."""
    kT = kT_kj_mol(TEMPERATURE_K)
    samples = [
        np.concatenate([window.energies for window, other in zip(found, of, strict=True) if other == state]) / kT
        for state in range(len(STATES))
    ]
    return of_series(samples)
