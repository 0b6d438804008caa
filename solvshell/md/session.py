"""A run while a process brings it forward: its files, its platform, where it stands and can go back to."""

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import openmm

from solvshell.engine import UnstableSimulation, device_of, precision_of
from solvshell.md.checkpoints import Finished, Position, numbered, save_checkpoint
from solvshell.md.outputs import Outputs
from solvshell.progress import Silent
from solvshell.provenance import RECORD, platform_settings, provenance, write_record
from solvshell.run import Run


def _signature_of(context: openmm.Context) -> str:
    """Return what a binary checkpoint depends on: OpenMM reads one of another device wrongly, without a word."""
    platform = context.getPlatform()
    parts = (platform.getName(), device_of(context), *precision_of(platform).values())
    return f"OpenMM {openmm.version.version} {', '.join(dict.fromkeys(parts))}"


class Session:
    """What stages share.

    Attributes
    ----------
    at : Checkpoint
        Where the run stands now.
    saved : Position
        Where it stood at the last checkpoint.
    signature : str
        What its binary checkpoints depend on; empty as long as nothing has been computed.
    """

    def __init__(
        self,
        run: Run,
        platform: openmm.Platform,
        progress: Silent,
        stop: threading.Event,
        outputs: Outputs,
        position: Position,
    ) -> None:
        self.run, self.protocol, self.box = run, run.protocol, run.box
        self.platform, self.progress, self.stop, self.outputs = platform, progress, stop, outputs
        self.at, self.saved = position.at, position
        self.device = self.signature = ""
        self._seed = int(run.provenance["seed"])
        if not numbered(run.checkpoint_path):
            self.save(position.state, None)
        outputs.begin_log()

    @property
    def stage_name(self) -> str:
        """Name of the present stage."""
        return self.protocol.stages[self.at.stage].name

    @property
    def has_moved_on(self) -> bool:
        """Whether there is anything that the last checkpoint does not know."""
        return (self.at.step, self.at.exchanged) != (self.saved.at.step, self.saved.at.exchanged)

    @property
    def rollbacks(self) -> list[dict[str, Any]]:
        """What the record of the run tells of explosions."""
        known: list[dict[str, Any]] = self.run.provenance.get("rollbacks", [])
        return known

    def move(self, **changes: Any) -> None:
        """Say where the run stands now."""
        self.at = self.at.model_copy(update=changes)

    def seeds(self) -> tuple[int, int, int]:
        """Return seeds of velocities, thermostat and barostat; OpenMM takes 0 as 'draw one', so none is 0."""
        sequence = np.random.SeedSequence(self._seed, spawn_key=(self.at.stage, self.at.restarts))
        velocities, thermostat, barostat = (int(word) % (2**31 - 2) + 1 for word in sequence.generate_state(3))
        return velocities, thermostat, barostat

    def sequence(self, *key: int) -> np.random.SeedSequence:
        """Return where random numbers begin that belong to the present stage, whatever interrupts it."""
        return np.random.SeedSequence(self._seed, spawn_key=(self.at.stage, 0, *key))

    def save(self, state: openmm.State, binary: bytes | None) -> None:
        """Write a checkpoint of the present step."""
        self.move(lengths=self.outputs.sync(), signature=self.signature)
        save_checkpoint(self.run.checkpoint_path, self.at, state, binary)
        self.saved = Position(self.at, state, binary)

    def finish_stage(self, finished: Finished, state: openmm.State) -> None:
        """Go on to the next stage, from a state."""
        self.move(stage=self.at.stage + 1, step=0, halved_until=0, finished=(*self.at.finished, finished))
        self.save(state, None)

    def without_binary(self) -> None:
        """Go on from the portable state of the last checkpoint, with fresh noise."""
        self.move(restarts=self.at.restarts + 1)
        self.saved = replace(self.saved, at=self.at, binary=None)

    def note_device(self, context: openmm.Context) -> None:
        """Show and record, once for each start, what the run runs on."""
        if self.device:
            return
        self.device, self.signature = device_of(context), _signature_of(context)
        self.progress.note(
            f"platform {self.platform.getName()} ({self.device}), {self.box.n_atoms} atoms, "
            f"protocol {self.protocol.name}"
        )
        settings = platform_settings(context)
        where = {"stage": self.at.stage, "step": self.at.step}
        on = {"platform": self.platform.getName(), "device": self.device, "settings": settings}
        self.record("starts", provenance(**where, **on))

    def roll_back(self, error: UnstableSimulation, next_save: int) -> None:
        """Go back to the last checkpoint, and on from there with half the time step to the next one.

        Raises
        ------
        UnstableSimulation
            If that has been tried: what led to the last checkpoint were half steps, or it has just been gone back to.
        """
        here = self.saved.at
        if here.halved_until and here.step <= here.halved_until:
            raise UnstableSimulation(f"{error}, and half the time step did not get the run past it") from None
        timestep = self.protocol.timestep
        self.progress.note(
            f"  {self.stage_name}: unstable, {error}; back to {here.step * timestep:g} ps, and on to "
            f"{next_save * timestep:g} ps with half the time step"
        )
        entry = {"stage": self.stage_name, "from_step": here.step, "to_step": next_save, "reason": str(error)}
        self.record("rollbacks", entry)
        self.outputs.cut(here.lengths)
        self.outputs.begin_log()
        self.at = here.model_copy(update={"halved_until": next_save})
        self.without_binary()

    def record(self, key: str, entry: dict[str, Any]) -> None:
        """Add an entry to a list in the record of the run."""
        before = self.run.provenance
        write_record(self.run.path / RECORD, {**before, key: [*before.get(key, []), entry]})
