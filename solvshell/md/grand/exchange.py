"""The context of a grand-canonical stage: begun, gone on with, and replaced by a larger one where it gets too small."""

import math
import threading
from collections.abc import Mapping

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import unit

from solvshell.errors import Interrupted, WorkFailed
from solvshell.grand_canonical import GrandCanonical
from solvshell.md.checkpoints import Exchanged
from solvshell.md.dynamics import stage_system
from solvshell.md.grand.conformers import Gas, Library
from solvshell.md.grand.libraries import make_libraries, read_libraries
from solvshell.md.grand.pool import Pool, pool_system
from solvshell.md.grand.pool_box import molecules_of, region_of, room_of
from solvshell.md.grand.real_part import RealPart
from solvshell.md.grand.sampler import Attempt, OpenSpecies, Sampler
from solvshell.md.grand.switching import INSTANTANEOUS, Schedule
from solvshell.md.grand.switching_time import measure_switching_time
from solvshell.md.session import Session
from solvshell.md.stage import stage_context, start_context
from solvshell.occupancy import Occupancy, mask_of, ranges_text
from solvshell.units import kT_kj_mol

#: idle molecules of a species in a context: so many, or this share of those that are there
_FEWEST_IDLE, _IDLE_SHARE = 4, 0.1


def idle_molecules(n_present: int) -> int:
    """Return how many idle molecules of a species a new context gets beside those that are there."""
    return max(_FEWEST_IDLE, math.ceil(_IDLE_SHARE * n_present))


class Exchange:
    """What comes and goes in a stage.

    Attributes
    ----------
    real : RealPart
        What there is without ghosts.
    """

    real: RealPart
    _pool: Pool
    _sampler: Sampler
    _context: openmm.Context

    def __init__(self, session: Session, stage: GrandCanonical) -> None:
        self._session, self._stage, self._box = session, stage, session.box
        self._of_box = {name: molecules_of(session.box, name) for name in stage.species}
        self._room, self._region = room_of(stage, session.box), region_of(stage, session.box)
        ordinary = stage_system(session.box.system, session.protocol, stage, seed=1)
        self._gases = {
            name: Gas(ordinary, rows[0].tolist(), session.box.positions[rows[0]]) for name, rows in self._of_box.items()
        }
        self._generator = np.random.default_rng(session.sequence(0))
        self._n_attempts = 0
        self._schedules: dict[str, Schedule] = {}
        self._libraries: Mapping[str, Library] = {}
        self._hashes: Mapping[str, str] = {}

    # -- what there is

    @property
    def n_attempts(self) -> int:
        """How many moves have been tried."""
        return self._n_attempts

    @property
    def occupancy(self) -> Occupancy:
        """Which molecules are there."""
        return self._sampler.occupancy

    @property
    def lacks_room(self) -> str | None:
        """A species of which no idle molecule is left; or None."""
        return self._sampler.lacks_room

    def _in_context(self) -> dict[str, int]:
        return {name: len(rows) for name, rows in self._pool.molecules.items()}

    def _note(self) -> None:
        """Let the next checkpoint know where the exchange stands."""
        exchanged = Exchanged(
            n_attempts=self._n_attempts,
            present={name: ranges_text(mask) for name, mask in self.occupancy.present.items()},
            in_context=self._in_context(),
            schedules={name: (known.n_jumps, known.steps_per_block) for name, known in self._schedules.items()},
            conformers=self._hashes,
            generator=dict(self._generator.bit_generator.state),
        )
        self._session.move(exchanged=exchanged)

    # -- contexts

    def _system(self, in_context: Mapping[str, int]) -> openmm.System:
        """Return the plain model with so many molecules of each species; the pool is its pool from now on."""
        kT = None if self._stage.pressure is None else kT_kj_mol(self._stage.temperature)
        system, self._pool = pool_system(self._box.system, self._of_box, in_context, kT)
        return system

    def _arranged(
        self, positions: NDArray[np.float64], cell: NDArray[np.float64], known: Mapping[str, NDArray[np.int64]]
    ) -> NDArray[np.float64]:
        """Return positions for the atoms of the pool, where those that are `known` stay; others lie anywhere."""
        arranged = np.zeros((self._pool.n_atoms, 3))
        arranged[: self._box.n_atoms] = positions[: self._box.n_atoms]
        for name, rows in self._pool.molecules.items():
            n_known = len(known[name])
            arranged[rows[:n_known]] = positions[known[name]]
            for row in [*rows[n_known:], self._pool.slots[name]]:
                arranged[row] = self._generator.random(3) @ cell + self._libraries[name].draw(self._generator)
        return arranged

    def _place(self, context: openmm.Context) -> None:
        """Set what the portable state knows; velocities that it does not know are drawn later, without overlaps."""
        state, step = self._session.saved.state, self._session.at.step
        positions = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
        cell = state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.nanometer)
        is_new = self._session.at.exchanged is None
        context.setPeriodicBoxVectors(*cell)
        context.setPositions(self._arranged(positions, cell, self._of_box) if is_new else positions)
        context.applyConstraints(1e-6)
        if not is_new:
            context.setVelocities(state.getVelocities())
        context.setStepCount(step)
        context.setTime(step * self._session.protocol.timestep)

    def _open(self, context: openmm.Context, occupancy: Occupancy) -> None:
        """Let molecules come and go in a context in which all of the pool are still there."""
        self._context, stage = context, self._stage
        species = [
            OpenSpecies(
                name=name,
                activity=stage.reservoir.species[name].activity,
                schedule=self._schedules.get(name, INSTANTANEOUS),
                region=self._region,
                weight=stage.weights.get(name, 1.0),
            )
            for name in stage.species
        ]
        self._sampler = Sampler(
            context, self._pool, species, self._libraries, stage.temperature, occupancy, self._generator
        )
        files = self._session.run.sampled
        self.real = RealPart(context, self._pool, self._gases, files, self._box.n_atoms, stage.temperature)

    def _draw_velocities(self) -> None:
        self._context.setVelocitiesToTemperature(self._stage.temperature, self._session.seeds()[0])

    # -- the start

    def _begin(self) -> None:
        """Start from the box as the stage before has left it, all of whose molecules are there."""
        self._libraries = make_libraries(self._session, self._stage, self._gases)
        self._hashes = {name: library.sha256 for name, library in self._libraries.items()}
        times, timestep = self._stage.switching_times or {}, self._session.protocol.timestep
        self._schedules = {name: Schedule.lasting(time_ps, timestep) for name, time_ps in times.items()}
        n_of_box = {name: len(rows) for name, rows in self._of_box.items()}
        in_context = {name: min(self._room[name], n + idle_molecules(n)) for name, n in n_of_box.items()}
        context = start_context(self._session, self._stage, self._system(in_context), self._place)
        occupancy = Occupancy({name: np.ones(n, bool) for name, n in n_of_box.items()})
        self._open(context, occupancy.resized(in_context))
        self._draw_velocities()
        self._save()

    def _go_on(self, at: Exchanged) -> None:
        self._libraries, self._hashes = read_libraries(self._session.run, at.conformers), at.conformers
        self._schedules = {name: Schedule(*known) for name, known in at.schedules.items()}
        self._n_attempts = at.n_attempts
        self._generator.bit_generator.state = at.generator
        context = start_context(self._session, self._stage, self._system(at.in_context), self._place)
        self._open(context, Occupancy({name: mask_of(at.present[name], n) for name, n in at.in_context.items()}))

    def _save(self) -> None:
        self._note()
        state = self._context.getState(positions=True, velocities=True)
        self._session.save(state, self._context.createCheckpoint())

    def start(self) -> openmm.Context:
        """Return a context where the run stands; switching times that are not known yet have been measured.

        Raises
        ------
        Interrupted
            If a signal came.
        InvalidInput
            If the conformers of the run are damaged.
        """
        if self._session.at.exchanged is None:
            self._begin()
        else:
            self._go_on(self._session.at.exchanged)
        for name in self._stage.species:
            if name not in self._schedules:
                self._schedules[name] = measure_switching_time(
                    self._session, self._stage, self._context, self._sampler, name
                )
                self._save()
        return self._context

    # -- on the way

    def enlarge(self, species: str) -> openmm.Context:
        """Return another context, with more idle molecules of a species, that goes on where this one is.

        Raises
        ------
        WorkFailed
            If the files of the run have no room for more.
        """
        session, known, n = self._session, self._pool.molecules, len(self._pool.molecules[species])
        if n >= (room := self._room[species]):
            raise WorkFailed(
                f"{n} {species} are there, and the files of this run have room for {room}: begin a new run with more "
                f"of it in the protocol, such as 'room: {{{species}: {2 * room}}}'"
            )
        state, occupancy = self._context.getState(positions=True), self.occupancy
        positions = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
        cell = state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.nanometer)
        session.move(restarts=session.at.restarts + 1)
        in_context = {**self._in_context(), species: min(room, n + idle_molecules(n))}
        context = stage_context(session, self._stage, self._system(in_context))
        context.setPeriodicBoxVectors(*cell)
        context.setPositions(self._arranged(positions, cell, known))
        context.setStepCount(session.at.step)
        context.setTime(session.at.step * session.protocol.timestep)
        self._open(context, occupancy.resized(in_context))
        self._draw_velocities()
        self._note()
        session.progress.note(f"  {self._stage.name}: place for {in_context[species]} {species}")
        return context

    def attempt(self, stop: threading.Event) -> Attempt:
        """Try one move.

        Raises
        ------
        Interrupted
            If `stop` was set in the midst of it: all is as before, the noise of the thermostat too.
        """
        before = self._context.createCheckpoint()
        try:
            attempt = self._sampler.attempt(stop)
        except Interrupted:
            self._context.loadCheckpoint(before)
            raise
        self._n_attempts += 1
        self._note()
        return attempt
