"""Windows of a stage, one after the other: which window a step belongs to, what is set in it, what is recorded."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import openmm

from solvshell.box import Box
from solvshell.errors import InvalidInput
from solvshell.md.decouple import Decoupling, molecules_of
from solvshell.md.umbrella import candidates, check_reach, umbrella_sampling
from solvshell.run import Run
from solvshell.stages import Decouple, Umbrella, Windows, steps_of


class Kind(Protocol):
    """What one kind of windows adds to plain dynamics."""

    @property
    def columns(self) -> Sequence[str]:
        """Names of the values of a row, units included."""

    def system(self, plain: openmm.System) -> openmm.System:
        """Return the plain model with what the windows act through, as a copy."""

    def parameters(self, window: int, reached: float) -> Mapping[str, float]:
        """Return the context parameters of a window; `reached` grows from 0 to 1 on the approach to the first."""

    def values(self, context: openmm.Context, window: int) -> Sequence[float]:
        """Return what is recorded, in a context that is left as it was."""


def check_windows(stage: Windows, box: Box) -> None:
    """Refuse, before anything is run, a stage that a box is not made for: molecules, their charge, its width."""
    if isinstance(stage, Umbrella):
        candidates(box, stage.coordinate)
        check_reach(stage, box.box_vectors)
    if isinstance(stage, Decouple):
        molecules_of(box, stage)


def start_kind(stage: Windows, run: Run, state: openmm.State, is_new: bool) -> Kind:
    """Return the kind of a stage that starts at a state (`is_new`) or is resumed from one."""
    if isinstance(stage, Umbrella):
        return umbrella_sampling(stage, run, state, is_new)
    if isinstance(stage, Decouple):
        return Decoupling(stage, run.box)
    raise InvalidInput(f"stage {stage.name}: windows of kind {stage.kind} cannot be run")


def file_name(stage: Windows) -> str:
    """Return the name of the file that the rows of a stage go to."""
    return f"{stage.kind}.csv"


class WindowSequence:
    """The windows of a stage, counted in time steps from its start."""

    def __init__(self, stage: Windows, kind: Kind, timestep: float) -> None:
        self.file_name = file_name(stage)
        self._kind, self._timestep = kind, timestep
        self._approach = steps_of(stage.approach, timestep) if stage.approach is not None else 0
        self._relax, self._sample, self._record = (
            steps_of(value, timestep) for value in (stage.relax, stage.sample, stage.record_interval)
        )
        self._set: int | None = None

    @property
    def intervals(self) -> tuple[int, ...]:
        """Numbers of steps after which something may have to be done; 0 if there is no approach."""
        return (self._approach, self._relax, self._sample, self._record)

    @property
    def header(self) -> bytes:
        """The first line of the file."""
        return (",".join(["window", "time_ps", *self._kind.columns]) + "\n").encode()

    def system(self, plain: openmm.System) -> openmm.System:
        """Return the plain model with what the windows act through, as a copy."""
        return self._kind.system(plain)

    def is_approaching(self, step: int) -> bool:
        """Return whether the first window is not reached yet."""
        return step < self._approach

    def _window(self, step: int) -> int:
        """Return the window of the time step that follows `step`."""
        return max(step - self._approach, 0) // (self._relax + self._sample)

    def prepare(self, context: openmm.Context, step: int, n_steps: int) -> None:
        """Set the parameters for the next `n_steps`, where they differ from those before."""
        window, approaching = self._window(step), self.is_approaching(step)
        if window == self._set and not approaching:
            return
        reached = (step + n_steps / 2) / self._approach if approaching else 1.0
        for name, value in self._kind.parameters(window, reached).items():
            context.setParameter(name, value)
        self._set = None if approaching else window

    def row(self, context: openmm.Context, step: int) -> bytes | None:
        """Return the line of a step, or None where nothing is to be recorded."""
        if step <= self._approach:
            return None
        window = self._window(step - 1)
        sampled = step - self._approach - window * (self._relax + self._sample) - self._relax
        if sampled <= 0 or sampled % self._record:
            return None
        values = [f"{value:.9g}" for value in self._kind.values(context, window)]
        return (",".join([str(window), f"{step * self._timestep:.10g}", *values]) + "\n").encode()
