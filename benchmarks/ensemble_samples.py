"""Samples of LB-003 by the integrators and barostats that runs use, at one temperature, pressure and time step each."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openmm
from numpy.typing import NDArray

from solvshell.box import Box
from solvshell.build import build_box
from solvshell.engine import advance, choose_platform, degrees_of_freedom, make_context, minimize
from solvshell.files import read_openmm_xml, validate, write_atomically
from solvshell.md.dynamics import scaled_to, stage_integrator, stage_system
from solvshell.protocol import Protocol
from solvshell.recipe import Recipe, load_recipe

TEMPERATURE, WARMER = 298.15, 316.15
PRESSURE, PRESSED = 1.0, 700.0
WARMER_SMALL, PRESSED_SMALL = 333.15, 1400.0

LOG_PS, LOOK_PS = 0.1, 1.0
PIECE_PS = 20.0


@dataclass(frozen=True)
class Case:
    """One way of sampling."""

    timestep_fs: float = 4.0
    hydrogen_mass: str | None = "3 Da"
    thermostat: str = "langevin_middle"
    temperature: float = TEMPERATURE
    pressure: float | None = PRESSURE
    barostat_every: int = 25

    @property
    def steps_of_log(self) -> int:
        """Number of time steps between rows."""
        return round(1000 * LOG_PS / self.timestep_fs)


def _cases(warmer: float, pressed: float) -> dict[str, Case]:
    """Return the cases; `warm` and `pressed` are compared with those that are not."""
    return {
        "npt": Case(),
        "npt-warm": Case(temperature=warmer),
        "npt-pressed": Case(pressure=pressed),
        "nvt": Case(pressure=None),
        "nvt-warm": Case(pressure=None, temperature=warmer),
        "nose-hoover": Case(pressure=None, thermostat="nose_hoover"),
        "nose-hoover-warm": Case(pressure=None, thermostat="nose_hoover", temperature=warmer),
        "npt-often": Case(barostat_every=5),
        "npt-rarely": Case(barostat_every=100),
        "npt-2fs": Case(timestep_fs=2.0, hydrogen_mass=None),
        "npt-1fs": Case(timestep_fs=1.0, hydrogen_mass=None),
        "nve-4fs": Case(thermostat="none", pressure=None),
        "nve-2fs": Case(thermostat="none", pressure=None, timestep_fs=2.0, hydrogen_mass=None),
        "nve-1fs": Case(thermostat="none", pressure=None, timestep_fs=1.0, hydrogen_mass=None),
    }


CASES: Mapping[str, Mapping[str, Case]] = {
    "lb003": _cases(WARMER, PRESSED),
    "small": _cases(WARMER_SMALL, PRESSED_SMALL),
}


def _small() -> Recipe:
    """Return LB-003 in small: its molecules and proportions, and a cutoff that lets the cell be a fifth."""
    content = {
        "name": "small",
        "title": "LB-003 in small, for distributions",
        "composition": {"counts": {"Li": 2, "PF6": 2, "EC": 9, "DMC": 8, "EMC": 6}},
        "force_field": load_recipe("lb003").force_field.model_dump() | {"cutoff": "0.6 nm", "switch": "0.5 nm"},
        "packing": {"density": "1.0 g/cm3"},
    }
    return validate(Recipe, content, "small")


def box_of(name: str, out: Path) -> Box:
    """Return a box, built if it is not there yet."""
    path = out / name / "box"
    if not path.exists():
        box = build_box(_small(), seed=7) if name == "small" else build_box(load_recipe("lb003"), seed=7, n_salt=8)
        box.save(path)
    return Box.load(path)


def how(case: Case) -> Protocol:
    """Return a case as a protocol of one stage."""
    stage = {
        "kind": "dynamics",
        "name": "sample",
        "duration": "1 ns",
        "temperature": f"{case.temperature} K",
        "thermostat": case.thermostat,
        "frame_interval": "1 ps",
        "log_interval": "1 ps",
        "production": True,
    }
    if case.pressure is not None:
        stage["pressure"] = f"{case.pressure} bar"
    content = {
        "name": "ensembles",
        "title": "one stage",
        "timestep": f"{case.timestep_fs} fs",
        "hydrogen_mass": case.hydrogen_mass,
        "checkpoint_interval": "1 ns",
        "stages": [stage],
    }
    return validate(Protocol, content, "benchmarks/ensemble_samples.py")


def system_of(box: Box, case: Case) -> openmm.System:
    """Return the system that a run of this case has."""
    protocol = how(case)
    system = stage_system(box.system, protocol, protocol.production, seed=1)
    for force in system.getForces():
        if isinstance(force, openmm.MonteCarloBarostat):
            force.setFrequency(case.barostat_every)
    return system


def masses_of(system: openmm.System) -> NDArray[np.float64]:
    """Return the mass of each atom in dalton."""
    return np.array([system.getParticleMass(i)._value for i in range(system.getNumParticles())])


def _context(box: Box, case: Case, seed: int) -> openmm.Context:
    protocol = how(case)
    integrator = stage_integrator(protocol, protocol.production, seed)
    return make_context(system_of(box, case), integrator, choose_platform("CPU"))


def _equilibrated(box: Box, folder: Path) -> tuple[openmm.State, float]:
    """Return a state at the reference point, and the mean volume there in nm^3; kept in the folder."""
    path = folder / "start.xml"
    if not path.exists():
        context = _context(box, Case(), seed=1)
        context.setPeriodicBoxVectors(*box.box_vectors)
        context.setPositions(box.positions)
        minimize(context, 10.0)
        context.setVelocitiesToTemperature(TEMPERATURE, 1)
        advance(context, 15000)
        volumes = []
        for _ in range(400):
            advance(context, 25)
            volumes.append(context.getState().getPeriodicBoxVolume()._value)
        state = context.getState(positions=True, velocities=True)
        write_atomically(folder / "volume.json", json.dumps(float(np.mean(volumes))))
        write_atomically(path, openmm.XmlSerializer.serialize(state))
    return read_openmm_xml(path, "State"), json.loads((folder / "volume.json").read_text())


def _begin(box: Box, case: Case, folder: Path, context: openmm.Context) -> None:
    """Bring a new context to the start of a case: molecules moved to the mean volume if it is to be constant."""
    state, volume = _equilibrated(box, folder.parent)
    positions, vectors = scaled_to(box, state, volume if case.pressure is None else state.getPeriodicBoxVolume()._value)
    context.setPeriodicBoxVectors(*vectors)
    context.setPositions(positions)
    if case.hydrogen_mass == Case.hydrogen_mass:
        context.setVelocities(state.getVelocities())
    else:  # those of heavy hydrogens would be too slow
        context.setVelocitiesToTemperature(case.temperature, 1)
    context.applyVelocityConstraints(1e-6)


def _piece(context: openmm.Context, case: Case) -> dict[str, NDArray[np.float64]]:
    """Advance by one piece and return its rows: U, K and V often, positions and velocities seldom."""
    rows, positions, velocities = [], [], []
    for row in range(1, round(PIECE_PS / LOG_PS) + 1):
        advance(context, case.steps_of_log)
        state = context.getState(positions=True, velocities=True, energy=True)
        rows.append(
            [state.getPotentialEnergy()._value, state.getKineticEnergy()._value, state.getPeriodicBoxVolume()._value]
        )
        if row % round(LOOK_PS / LOG_PS) == 0:
            positions.append(state.getPositions(asNumpy=True)._value.astype(np.float32))
            velocities.append(state.getVelocities(asNumpy=True)._value.astype(np.float32))
    return {
        "rows": np.array(rows),
        "positions": np.array(positions),
        "velocities": np.array(velocities),
    }


def sample(box_name: str, case_name: str, out: Path, ps: float) -> None:
    """Add pieces to a case until it is so long; the same command goes on where it was stopped."""
    box, case = box_of(box_name, out), CASES[box_name][case_name]
    folder = out / box_name / case_name
    folder.mkdir(parents=True, exist_ok=True)
    while (n_pieces := len(list(folder.glob("piece-*.npz")))) * PIECE_PS < ps:
        context = _context(box, case, seed=n_pieces + 1)
        if n_pieces == 0:
            _begin(box, case, folder, context)
        else:
            context.setState(read_openmm_xml(folder / "state.xml", "State"))
        piece = _piece(context, case)
        state = context.getState(positions=True, velocities=True, integratorParameters=True)
        with open(folder / ".piece", "wb") as file:
            np.savez_compressed(file, **piece)
        write_atomically(folder / "state.xml", openmm.XmlSerializer.serialize(state))
        os.replace(folder / ".piece", folder / f"piece-{n_pieces:03d}.npz")
        print(f"{box_name} {case_name}: {(n_pieces + 1) * PIECE_PS:g} ps", flush=True)


@dataclass(frozen=True)
class Samples:
    """What a case gave.

    Attributes
    ----------
    potential, kinetic, volume : ndarray
        Every `LOG_PS`: kJ/mol, kJ/mol (as OpenMM reports it), nm^3.
    positions, velocities : ndarray, shape (n, n_atoms, 3)
        Every `LOOK_PS`; nm and nm/ps.
    """

    case: Case
    degrees: int
    potential: NDArray[np.float64]
    kinetic: NDArray[np.float64]
    volume: NDArray[np.float64]
    positions: NDArray[np.float32]
    velocities: NDArray[np.float32]


def samples(box_name: str, case_name: str, out: Path) -> Samples | None:
    """Return what has been sampled of a case, without its first piece; None if that is nothing."""
    paths = sorted((out / box_name / case_name).glob("piece-*.npz"))[1:]
    if not paths:
        return None
    pieces = [np.load(path) for path in paths]
    joined = {key: np.concatenate([piece[key] for piece in pieces]) for key in ("rows", "positions", "velocities")}
    case = CASES[box_name][case_name]
    degrees = degrees_of_freedom(system_of(box_of(box_name, out), case))
    return Samples(case, degrees, *joined["rows"].T, joined["positions"], joined["velocities"])
