"""Insertions and deletions, one after the other, in a context whose ordinary dynamics others advance."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Literal

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import unit

from solvshell.engine import UnstableSimulation
from solvshell.errors import Interrupted
from solvshell.md.grand.conformers import Library
from solvshell.md.grand.moves import log_deletion, log_insertion
from solvshell.md.grand.pool import Pool
from solvshell.md.grand.regions import Region, WholeBox
from solvshell.md.grand.slots import FULL, OFF, Slots
from solvshell.md.grand.switching import Schedule, switch
from solvshell.occupancy import Occupancy
from solvshell.units import kT_kj_mol

_Array = NDArray[np.float64]
_Index = NDArray[np.int64]

Kind = Literal["insertion", "deletion"]
Outcome = Literal["accepted", "rejected", "exploded", "left_region", "empty", "undone"]


@dataclass(frozen=True)
class OpenSpecies:
    """A species whose molecules come and go.

    Attributes
    ----------
    name : str
    activity : float
        In nm^-3.
    schedule : Schedule
        Of its switches.
    region : Region
        Where molecules are inserted and deleted.
    weight : float
        How often it is tried, relative to others.
    """

    name: str
    activity: float
    schedule: Schedule
    region: Region = field(default_factory=WholeBox)
    weight: float = 1.0


@dataclass(frozen=True)
class Attempt:
    """What became of one move.

    Attributes
    ----------
    species, kind, outcome : str
    n_before : int
        Molecules of the species in its region before the move.
    volume_nm3 : float
        Of that region.
    work_kj_mol : float
        Infinite if the switch failed; not a number if there was none to be deleted.
    log_acceptance : float
        Logarithm of the acceptance ratio; minus infinity where the way back could not have been proposed.
    accepted : bool
    molecule : int
        Of the pool, that has appeared or gone; -1 if none.
    switching_ps, seconds : float
    """

    species: str
    kind: Kind
    n_before: int
    volume_nm3: float
    work_kj_mol: float
    log_acceptance: float
    accepted: bool
    outcome: Outcome
    molecule: int
    switching_ps: float
    seconds: float


@dataclass(frozen=True)
class _Before:
    """An instant that can be gone back to."""

    positions: _Array
    velocities: _Array
    box_vectors: _Array
    time_ps: float
    step: int


def _outcome(work: float, log_ratio: float, accepted: bool, may_accept: bool) -> Outcome:
    if math.isnan(work):
        return "empty"
    if math.isinf(work):
        return "exploded"
    if math.isinf(log_ratio):
        return "left_region"
    if not may_accept:
        return "undone"
    return "accepted" if accepted else "rejected"


class Sampler:
    """Makes grand-canonical moves in the context of a `pool_system`.

    Between moves the context is one of ordinary dynamics, with a whole number of molecules. Velocities are drawn anew
    before and after every switch that has dynamics, whatever its outcome, which makes the move exact without a time
    reversal of positions and velocities together (Nilmeier et al., 2011).

    Parameters
    ----------
    context : openmm.Context
        With positions, in which all molecules of the pool are still real.
    pool : Pool
    open_species : sequence of OpenSpecies
    libraries : mapping of str to Library
        Conformers of the gas by species.
    temperature : float
        In K.
    occupancy : Occupancy
        Which molecules are real.
    generator : numpy.random.Generator
    """

    def __init__(
        self,
        context: openmm.Context,
        pool: Pool,
        open_species: Sequence[OpenSpecies],
        libraries: Mapping[str, Library],
        temperature: float,
        occupancy: Occupancy,
        generator: np.random.Generator,
    ) -> None:
        self._context, self._pool, self._libraries = context, pool, libraries
        self.open_species = {species.name: species for species in open_species}
        self._temperature, self._kT = temperature, kT_kj_mol(temperature)
        self._generator = generator
        self.slots = Slots(context, pool, occupancy)

    @property
    def occupancy(self) -> Occupancy:
        """Which molecules are real."""
        return self.slots.occupancy

    @property
    def lacks_room(self) -> str | None:
        """A species without an idle molecule, for which a pool with more of them is needed; or None."""
        return next((name for name in self.open_species if self.occupancy.first_idle(name) is None), None)

    # -- instants

    def _now(self) -> _Before:
        state = self._context.getState(positions=True, velocities=True)
        return _Before(
            positions=state.getPositions(asNumpy=True)._value,
            velocities=state.getVelocities(asNumpy=True)._value,
            box_vectors=np.asarray(state.getPeriodicBoxVectors(asNumpy=True)._value),
            time_ps=state.getTime()._value,
            step=state.getStepCount(),
        )

    def _draw_velocities(self) -> None:
        """Draw all velocities; no molecules overlap at present, for which OpenMM's half step would be an explosion."""
        self._context.setVelocitiesToTemperature(self._temperature, int(self._generator.integers(1, 2**31 - 1)))

    # -- molecules in the region

    def _centers(self, positions: _Array, species: str, molecules: _Index) -> _Array:
        return np.asarray(positions[self._pool.molecules[species][molecules]].mean(axis=1))

    def _members(self, species: OpenSpecies, positions: _Array, cell: _Array) -> _Index:
        """Return the molecules that are real and in the region of their species."""
        real = np.flatnonzero(self.occupancy.present[species.name])
        centers = self._centers(positions, species.name, real)
        return real[species.region.contains(centers, cell, positions)]

    def _slot_is_inside(self, species: OpenSpecies, positions: _Array, cell: _Array) -> bool:
        center = positions[self._pool.slots[species.name]].mean(axis=0)
        return bool(species.region.contains(center[None], cell, positions)[0])

    def _exchange(self, positions: _Array, species: str, molecule: int) -> None:
        """Let a molecule of the pool and the slot change places: atoms at the very same place have no finite energy."""
        slot, of_pool = self._pool.slots[species], self._pool.molecules[species][molecule]
        positions[slot], positions[of_pool] = positions[of_pool], positions[slot]

    # -- the two ways

    def _insert(self, species: OpenSpecies, before: _Before, stop: Event | None) -> tuple[float, float]:
        """Switch a molecule on at a random place; return the work and the logarithm of the acceptance ratio."""
        name, region, cell = species.name, species.region, before.box_vectors
        positions = before.positions.copy()
        center = region.draw(self._generator, cell, positions)
        positions[self._pool.slots[name]] = center + self._libraries[name].draw(self._generator)
        self._context.setPositions(positions)
        volume = region.volume(cell, positions)
        work = self._switch(species, True, stop)
        if not math.isfinite(work):
            return work, -math.inf
        if isinstance(region, WholeBox):
            return work, log_insertion(work / self._kT, species.activity, volume, self.occupancy.count(name) + 1)
        positions = self._now().positions
        if not self._slot_is_inside(species, positions, cell):
            return work, -math.inf
        n_after = len(self._members(species, positions, cell)) + 1
        return work, log_insertion(work / self._kT, species.activity, volume, n_after)

    def _delete(
        self, species: OpenSpecies, molecule: int, n_before: int, before: _Before, stop: Event | None
    ) -> tuple[float, float]:
        """Switch a molecule off; return the work and the logarithm of the acceptance ratio."""
        name, cell = species.name, before.box_vectors
        positions = before.positions.copy()
        self._exchange(positions, name, molecule)
        self._context.setPositions(positions)
        self.slots.couple(name, FULL)
        self.slots.set_present(name, molecule, False)
        volume = species.region.volume(cell, positions)
        work = self._switch(species, False, stop)
        if not math.isfinite(work):
            return work, -math.inf
        if not isinstance(species.region, WholeBox) and not self._slot_is_inside(species, self._now().positions, cell):
            return work, -math.inf
        return work, log_deletion(work / self._kT, species.activity, volume, n_before)

    def _switch(self, species: OpenSpecies, is_insertion: bool, stop: Event | None) -> float:
        """Return the work in kJ/mol; infinite if atoms flew apart."""
        self.slots.begin(species.name)
        if species.schedule.n_steps:
            self._draw_velocities()
        try:
            work = switch(self._context, self.slots, species.name, species.schedule, is_insertion, stop)
        except UnstableSimulation:
            return math.inf
        # Not every platform says so: pairs of atoms that are nowhere may count as too far apart to interact.
        return work if np.isfinite(self._now().positions).all() else math.inf

    # -- outcomes

    def _keep_insertion(self, species: OpenSpecies) -> int:
        """Hand what is in the slot over to an idle molecule, which becomes real."""
        name = species.name
        molecule = self.occupancy.first_idle(name)
        if molecule is None:
            raise ValueError(f"{name}: no idle molecule; a larger pool is needed before a move is tried")
        positions = self._now().positions
        self._exchange(positions, name, molecule)
        self.slots.couple(name, OFF)
        self.slots.set_present(name, molecule, True)
        self._context.setPositions(positions)
        if not species.schedule.n_steps:
            self._draw_velocities()
        return molecule

    def _undo(self, species: OpenSpecies, deleted: int | None, before: _Before) -> None:
        """Put back all as it was, but for the velocities."""
        self.slots.couple(species.name, OFF)
        if deleted is not None:
            self.slots.set_present(species.name, deleted, True)
        self._context.setPositions(before.positions)

    def _end(self, species: OpenSpecies, before: _Before) -> None:
        """Leave a switch: its time has not passed."""
        self._context.setTime(before.time_ps)
        self._context.setStepCount(before.step)
        self.slots.rest()
        if species.schedule.n_steps:
            self._draw_velocities()

    def _decide(
        self, species: OpenSpecies, deleted: int | None, before: _Before, log_ratio: float, may_accept: bool
    ) -> int | None:
        """Accept the move, or put back all; return the molecule that has appeared or gone, or None."""
        if not may_accept or math.log(1.0 - self._generator.random()) >= log_ratio:
            self._undo(species, deleted, before)
            return None
        return self._keep_insertion(species) if deleted is None else deleted

    def _try(self, species: OpenSpecies, kind: Kind, stop: Event | None, may_accept: bool) -> Attempt:
        began, before = time.perf_counter(), self._now()
        members = self._members(species, before.positions, before.box_vectors)
        deleted = int(self._generator.choice(members)) if kind == "deletion" and len(members) else None
        work, log_ratio, changed = math.nan, -math.inf, None
        if is_possible := kind == "insertion" or deleted is not None:
            try:
                if deleted is None:
                    work, log_ratio = self._insert(species, before, stop)
                else:
                    work, log_ratio = self._delete(species, deleted, len(members), before, stop)
            except Interrupted:
                self._undo(species, deleted, before)
                self._end(species, before)
                self._context.setVelocities(before.velocities)
                raise
            changed = self._decide(species, deleted, before, log_ratio, may_accept)
            self._end(species, before)
        timestep_ps = self._context.getIntegrator().getStepSize().value_in_unit(unit.picosecond)
        return Attempt(
            species=species.name,
            kind=kind,
            n_before=len(members),
            volume_nm3=species.region.volume(before.box_vectors, before.positions),
            work_kj_mol=work,
            log_acceptance=log_ratio,
            accepted=changed is not None,
            outcome=_outcome(work, log_ratio, changed is not None, may_accept),
            molecule=-1 if changed is None else changed,
            switching_ps=species.schedule.n_steps * timestep_ps if is_possible else 0.0,
            seconds=time.perf_counter() - began,
        )

    def attempt(self, stop: Event | None = None) -> Attempt:
        """Try one move of a random species: insertion or deletion, with equal probability.

        Raises
        ------
        Interrupted
            If `stop` was set in the midst of it: all is as before, the random numbers of the generator too.
        """
        drawn_from = self._generator.bit_generator.state
        weights = np.array([species.weight for species in self.open_species.values()])
        species = list(self.open_species.values())[self._generator.choice(len(weights), p=weights / weights.sum())]
        kind: Kind = "insertion" if self._generator.random() < 0.5 else "deletion"
        try:
            return self._try(species, kind, stop, may_accept=True)
        except Interrupted:
            self._generator.bit_generator.state = drawn_from
            raise

    def dry_switch(self, species: str, kind: Kind, stop: Event | None = None) -> Attempt:
        """Make a move that is undone in any case, for its work.

        Raises
        ------
        Interrupted
            If `stop` was set in the midst of it.
        """
        return self._try(self.open_species[species], kind, stop, may_accept=False)
