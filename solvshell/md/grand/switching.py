"""A switch: one molecule is coupled to the rest, or uncoupled, in jumps of lambda with dynamics between them."""

import threading
from dataclasses import dataclass

import openmm

from solvshell.engine import UnstableSimulation, advance
from solvshell.errors import Interrupted
from solvshell.md.alchemy import Lambdas
from solvshell.md.grand.slots import Slots

#: kJ/mol, some 10^4 kT: dynamics from there is an explosion, which corrupts the memory of OpenMM's Reference platform.
#: Not quite symmetric: the reverse of a path that would have won all of it back later on is not given up. The bias is
#: that of such paths, of which there are none to speak of.
_HOPELESS = 1e5

#: share of the way on which Lennard-Jones is switched; charges follow, so that none ever sits on a soft site
_STERIC_SHARE = 0.6


@dataclass(frozen=True)
class Schedule:
    """How a molecule is switched: `n_jumps` jumps of lambda, and between two of them `steps_per_block` time steps.

    It begins and ends with a jump: the way of a deletion is that of an insertion, reversed. One jump is the
    instantaneous move.
    """

    n_jumps: int
    steps_per_block: int

    def __post_init__(self) -> None:
        if self.n_jumps < 1 or self.steps_per_block < 0:
            raise ValueError(f"a schedule has jumps and steps, got {self.n_jumps} and {self.steps_per_block}")

    @property
    def n_steps(self) -> int:
        """Time steps of a switch."""
        return (self.n_jumps - 1) * self.steps_per_block

    @classmethod
    def lasting(cls, time_ps: float, timestep_ps: float, steps_per_block: int = 10) -> "Schedule":
        """Return the schedule that lasts as nearly as possible for a time; of one jump if that is none."""
        return cls(1 + round(time_ps / (timestep_ps * steps_per_block)), steps_per_block)


#: no dynamics at all
INSTANTANEOUS = Schedule(1, 0)


def lambdas_at(share: float, has_charges: bool) -> Lambdas:
    """Return how strongly a molecule is coupled after a share, 0 to 1, of the way from the gas."""
    if not has_charges:
        return Lambdas(0.0, share)
    return Lambdas(max(0.0, (share - _STERIC_SHARE) / (1 - _STERIC_SHARE)), min(1.0, share / _STERIC_SHARE))


def switch(
    context: openmm.Context,
    slots: Slots,
    species: str,
    schedule: Schedule,
    is_insertion: bool,
    stop: threading.Event | None = None,
) -> float:
    """Switch the slot of a species on (off, if it is a deletion), and return the work of the jumps in kJ/mol.

    W = sum U(x; next lambda) - U(x; this lambda) at the jumps. Heat that the thermostat takes up is no work; that the
    integrator is not exact is the error of ordinary dynamics. One thing comes on top: LangevinMiddle makes the two half
    kicks of a step at once, so that the half kick before a jump has the force after it. The way back has it the other
    way round: an error of second order in the change of the force, which many small jumps make small.

    Raises
    ------
    UnstableSimulation
        If atoms fly apart, or are about to: the work so far is beyond any that is accepted.
    Interrupted
        If `stop` was set.
    """
    shares = [jump / schedule.n_jumps for jump in range(schedule.n_jumps + 1)]
    way = [lambdas_at(share, slots.has_charges(species)) for share in (shares if is_insertion else reversed(shares))]
    work = 0.0
    slots.couple(species, way[0])
    for jump, lambdas in enumerate(way[1:], start=1):
        work += slots.jump(species, lambdas)
        if jump < schedule.n_jumps:
            if stop is not None and stop.is_set():
                raise Interrupted("stopped within a switch")
            if work > _HOPELESS:
                raise UnstableSimulation(f"a switch has cost {work:.3g} kJ/mol")
            advance(context, schedule.steps_per_block)
    return work
