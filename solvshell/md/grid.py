"""The steps of a stage at which something happens: frames, rows, checkpoints, judgements, changes, moves."""

import math
from dataclasses import dataclass

from solvshell.grand_canonical import GrandCanonical
from solvshell.md.windows import WindowSequence
from solvshell.protocol import Protocol
from solvshell.stages import Dynamics, MovingStage, steps_of

#: steps; a spring grows, or a window is looked for, at least so often
_LONGEST_CHANGE = 250

#: a ramp of temperature is made of so many pieces at constant temperature
_RAMP_PIECES = 100


@dataclass(frozen=True)
class Grid:
    """Numbers of time steps: of the whole stage, and after which something happens again and again; 0 for never.

    `change` is for parameters of the context, `move` for molecules that come and go. `first_check` and `check` are for
    the criterion of `until`.
    """

    total: int
    frame: int
    log: int
    save: int
    change: int
    move: int
    first_check: int
    check: int

    def steps_to_next(self, step: int) -> int:
        """Return how many steps after `step` something happens."""
        every = [interval for interval in (self.frame, self.log, self.save, self.change, self.move) if interval]
        return min([self.total - step, *(interval - step % interval for interval in every)])

    def is_frame(self, step: int) -> bool:
        """Return whether a frame is due."""
        return self.frame > 0 and step % self.frame == 0

    def is_log(self, step: int) -> bool:
        """Return whether a row of the log is due."""
        return step % self.log == 0

    def is_save(self, step: int) -> bool:
        """Return whether a checkpoint is due; the end of the stage has its own."""
        return step % self.save == 0 and step < self.total

    def is_check(self, step: int) -> bool:
        """Return whether the stage is to be judged."""
        if not self.check:
            return False
        return step == self.total or (step >= self.first_check and (step - self.first_check) % self.check == 0)

    def next_save(self, step: int) -> int:
        """Return the step of the next checkpoint."""
        return min(self.total, (step // self.save + 1) * self.save)


def _change(stage: MovingStage, windows: WindowSequence | None, total: int) -> int:
    if windows is not None:
        common = math.gcd(*windows.intervals)
        return next(steps for steps in range(min(common, _LONGEST_CHANGE), 0, -1) if common % steps == 0)
    return 0 if stage.ramp_to is None else max(1, total // _RAMP_PIECES)


def grid_of(stage: MovingStage, protocol: Protocol, windows: WindowSequence | None) -> Grid:
    """Return the grid of a stage."""

    def steps(time: float | None) -> int:
        return 0 if time is None else steps_of(time, protocol.timestep)

    until = stage.until if isinstance(stage, Dynamics) else None
    total = steps(stage.duration)
    return Grid(
        total=total,
        frame=steps(stage.frame_interval),
        log=steps(stage.log_interval),
        save=steps(protocol.checkpoint_interval),
        change=_change(stage, windows, total),
        move=steps(stage.move_interval) if isinstance(stage, GrandCanonical) else 0,
        first_check=steps(until.minimum) if until else 0,
        check=steps(until.check_interval) if until else 0,
    )
