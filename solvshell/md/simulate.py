"""Box + protocol -> Run: the stages one after the other, resumable at any instant."""

import math
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import openmm

from solvshell.engine import (
    Snapshot,
    UnstableSimulation,
    advance,
    choose_platform,
    degrees_of_freedom,
    device_of,
    make_context,
    minimize,
    snapshot,
)
from solvshell.errors import Interrupted, InvalidInput, WorkFailed
from solvshell.files import write_json
from solvshell.md.checkpoints import Checkpoint, save_checkpoint, usable_checkpoints
from solvshell.md.dynamics import set_temperature, stage_integrator, stage_system
from solvshell.md.guards import locked, stop_requests
from solvshell.md.reporters import LOG_COLUMNS, FrameEncoder, OutputFile, log_row
from solvshell.md.windows import WindowSequence, file_name, start_kind
from solvshell.progress import Silent
from solvshell.provenance import provenance
from solvshell.run import Run
from solvshell.stages import Dynamics, Minimize, Windows, steps_of
from solvshell.units import DALTON_PER_NM3

#: times the target temperature: no liquid gets there, an exploding box passes it
_EXPLOSION = 5.0

_MOST_STEPS_AT_ONCE = 250

_OUTPUTS = ("equilibration.xtc", "trajectory.xtc", "log.csv")


@dataclass
class _Position:
    """Where the run stands: the next thing to do is `step` of stage `stage`, from `state`."""

    stage: int
    step: int
    state: openmm.State
    binary: bytes | None
    n_frames: int
    restarts: int
    lengths: Mapping[str, int]


@dataclass(frozen=True)
class _Every:
    """Numbers of time steps: of the whole stage, after which something is written, and to take at once."""

    total: int
    frame: int
    log: int
    save: int
    chunk: int


def _seeds(seed: int, stage: int, restarts: int) -> tuple[int, int, int]:
    """Return seeds of velocities, thermostat and barostat; OpenMM takes 0 as 'draw one', so none is 0."""
    words = np.random.SeedSequence(seed, spawn_key=(stage, restarts)).generate_state(3)
    velocities, thermostat, barostat = (int(word) % (2**31 - 2) + 1 for word in words)
    return velocities, thermostat, barostat


def _chunk(chunk: int, total: int, ramps: bool) -> int:
    """Return how many steps to take at once: few enough to see a signal soon, and to ramp a temperature smoothly."""
    most = min(_MOST_STEPS_AT_ONCE, max(1, total // 100)) if ramps else _MOST_STEPS_AT_ONCE
    return next(steps for steps in range(min(chunk, most), 0, -1) if chunk % steps == 0)


class _Simulation:
    """The state that lives while a run advances: files, platform, position."""

    def __init__(self, run: Run, platform: openmm.Platform, progress: Silent, stop: threading.Event) -> None:
        self.run, self.protocol, self.box = run, run.protocol, run.box
        self.platform, self.progress, self.stop = platform, progress, stop
        self.seed = int(run.provenance["seed"])
        self.encoder = FrameEncoder(self.box.topology)
        self.signature = f"OpenMM {openmm.version.version} {platform.getName()}"
        self.device = ""
        self.outputs: tuple[str, ...] = _OUTPUTS
        if self.protocol.windows is not None:
            self.outputs = (*_OUTPUTS, file_name(self.protocol.windows))
        self.at = self._find_position()
        self.files: dict[str, OutputFile] = {}

    def _find_position(self) -> _Position:
        for saved in usable_checkpoints(self.run.checkpoint_path, self.run.path):
            found = saved.checkpoint
            try:
                state = saved.state()
            except InvalidInput as error:
                self.progress.note(f"{error}; taking the checkpoint before")
                continue
            binary = saved.binary() if found.signature == self.signature else None
            self.progress.note(
                f"resuming at {found.step * self.protocol.timestep:g} ps of stage {self._stage_name(found.stage)}"
            )
            return _Position(
                stage=found.stage,
                step=found.step,
                state=state,
                binary=binary,
                n_frames=found.n_frames,
                restarts=found.restarts + (binary is None and found.step > 0),
                lengths=dict(found.lengths),
            )
        if any((self.run.path / name).exists() for name in self.outputs):
            self.progress.note("no checkpoint fits the files; starting from the box")
        lengths = dict.fromkeys(self.outputs, 0)
        return _Position(stage=0, step=0, state=self.box.state, binary=None, n_frames=0, restarts=0, lengths=lengths)

    def _note_device(self, context: openmm.Context) -> None:
        """Show and record, once for each start, what the run runs on."""
        if self.device:
            return
        self.device = device_of(context)
        self.progress.note(
            f"platform {self.platform.getName()} ({self.device}), {self.box.n_atoms} atoms, "
            f"protocol {self.protocol.name}"
        )
        start = provenance(
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            stage=self.at.stage,
            step=self.at.step,
            platform=self.platform.getName(),
            device=self.device,
        )
        before = self.run.provenance
        write_json(self.run.path / "provenance.json", {**before, "starts": [*before["starts"], start]})

    def _stage_name(self, index: int) -> str:
        return self.protocol.stages[index].name if index < len(self.protocol.stages) else "the end"

    def open_files(self, stack: ExitStack) -> None:
        for name in self.outputs:
            self.files[name] = stack.enter_context(OutputFile(self.run.path / name, self.at.lengths[name]))
        if self.at.lengths["log.csv"] == 0:
            self.files["log.csv"].append((",".join(LOG_COLUMNS) + "\n").encode())

    def checkpoint(self, state: openmm.State, binary: bytes | None) -> None:
        lengths = {name: file.sync() for name, file in self.files.items()}
        now = Checkpoint(self.at.stage, self.at.step, lengths, self.at.n_frames, self.signature, self.at.restarts)
        save_checkpoint(self.run.checkpoint_path, now, state, binary)

    def finish_stage(self, state: openmm.State) -> None:
        self.at.stage, self.at.step, self.at.state, self.at.binary = self.at.stage + 1, 0, state, None
        self.checkpoint(state, None)

    # -- stages

    def minimize(self, stage: Minimize) -> None:
        context = make_context(self.box.system, openmm.VerletIntegrator(0.001), self.platform)
        self._note_device(context)
        context.setPeriodicBoxVectors(*self.at.state.getPeriodicBoxVectors())
        context.setPositions(self.at.state.getPositions())
        energy = minimize(context, stage.tolerance, stage.max_iterations or 0)
        self.progress.note(f"  {stage.name}: {energy:.1f} kJ/mol")
        self.finish_stage(context.getState(positions=True))

    def _start_context(self, stage: Dynamics | Windows, plain: openmm.System) -> openmm.Context:
        velocities, thermostat, barostat = _seeds(self.seed, self.at.stage, self.at.restarts)
        system = stage_system(plain, self.protocol, stage, barostat)
        context = make_context(system, stage_integrator(self.protocol, stage, thermostat), self.platform)
        self._note_device(context)
        if self.at.binary is not None:
            try:
                context.loadCheckpoint(self.at.binary)
                return context
            except openmm.OpenMMException:
                self.at.restarts += 1
                self.at.binary = None
                self.progress.note("  the binary checkpoint is of another device; going on from the portable state")
                return self._start_context(stage, plain)
        state = self.at.state
        context.setPeriodicBoxVectors(*state.getPeriodicBoxVectors())
        context.setPositions(state.getPositions())
        try:
            context.setVelocities(state.getVelocities())
            context.applyConstraints(1e-6)
        except openmm.OpenMMException:  # a minimised state has no velocities
            context.applyConstraints(1e-6)
            context.setVelocitiesToTemperature(stage.temperature, velocities)
        context.setStepCount(self.at.step)
        context.setTime(self.at.step * self.protocol.timestep)
        return context

    def _write(
        self, stage: Dynamics | Windows, now: Snapshot, before_ps: float, frame: bool, log: bool, ns_per_day: float
    ) -> None:
        time_ps = self.at.step * self.protocol.timestep
        if frame:
            name = "trajectory.xtc" if stage.production else "equilibration.xtc"
            at_ps = time_ps if stage.production else before_ps + time_ps
            step = self.at.step if stage.production else round(at_ps / self.protocol.timestep)
            self.files[name].append(self.encoder.encode(now.positions, now.box_vectors, step, at_ps))
            self.at.n_frames += stage.production
        if log:
            density = self.box.mass * DALTON_PER_NM3 / now.volume_nm3
            self.files["log.csv"].append(log_row(stage.name, self.at.step, time_ps, now, density, ns_per_day))

    def _check(self, stage: Dynamics | Windows, now: Snapshot) -> None:
        if now.temperature > _EXPLOSION * stage.temperature:
            raise UnstableSimulation(f"the temperature is {now.temperature:.3g} K at step {self.at.step}")

    def _windows(self, stage: Windows) -> WindowSequence:
        kind = start_kind(stage, self.run, self.at.state, is_new=self.at.step == 0)
        windows = WindowSequence(stage, kind, self.protocol.timestep)
        if self.at.step == 0:
            self.files[windows.file_name].append(windows.header)
        return windows

    def _every(self, stage: Dynamics | Windows, windows: WindowSequence | None) -> _Every:
        timestep = self.protocol.timestep
        total, log, save = (
            steps_of(time, timestep) for time in (stage.duration, stage.log_interval, self.protocol.checkpoint_interval)
        )
        frame = total + 1 if stage.frame_interval is None else steps_of(stage.frame_interval, timestep)
        all_of_them = [total, log, save, *(windows.intervals if windows else [])]
        if stage.frame_interval is not None:
            all_of_them.append(frame)
        chunk = _chunk(math.gcd(*all_of_them), total, ramps=stage.ramp_to is not None)
        return _Every(total, frame, log, save, chunk)

    def _prepare(
        self, stage: Dynamics | Windows, windows: WindowSequence | None, context: openmm.Context, every: _Every
    ) -> None:
        """Set what changes before the next chunk."""
        if stage.ramp_to is not None:
            done = (self.at.step + every.chunk / 2) / every.total
            set_temperature(context, stage.temperature + done * (stage.ramp_to - stage.temperature))
        if windows is not None:
            windows.prepare(context, self.at.step, every.chunk)

    def dynamics(self, stage: Dynamics | Windows) -> None:
        """Advance a stage to its end; windows are set at their starts, and what they measure is recorded."""
        timestep = self.protocol.timestep
        windows = self._windows(stage) if isinstance(stage, Windows) else None
        every = self._every(stage, windows)
        before_ps = sum(s.duration for s in self.protocol.stages[: self.at.stage] if isinstance(s, Dynamics))
        context = self._start_context(stage, self.box.system if windows is None else windows.system(self.box.system))
        degrees = degrees_of_freedom(context.getSystem())
        self.progress.start(stage.name, stage.duration, self.at.step * timestep)
        if self.at.step == 0 and stage.production and stage.frame_interval is not None:
            self._write(stage, snapshot(context, degrees), before_ps, frame=True, log=False, ns_per_day=0.0)
        began, first = time.perf_counter(), self.at.step
        while self.at.step < every.total:
            self._prepare(stage, windows, context, every)
            advance(context, every.chunk)
            self.at.step += every.chunk
            speed = (self.at.step - first) * timestep * 1e-3 * 86400 / (time.perf_counter() - began)
            if windows is not None and (row := windows.row(context, self.at.step)) is not None:
                self.files[windows.file_name].append(row)
            is_frame, is_log = self.at.step % every.frame == 0, self.at.step % every.log == 0
            if is_frame or is_log:
                now = snapshot(context, degrees)
                self._check(stage, now)
                self._write(stage, now, before_ps, is_frame, is_log, speed)
            self.progress.update(self.at.step * timestep, speed)
            if self.stop.is_set() or (self.at.step % every.save == 0 and self.at.step < every.total):
                self.checkpoint(context.getState(positions=True, velocities=True), context.createCheckpoint())
            if self.stop.is_set():
                raise Interrupted(f"stopped at {self.at.step * timestep:g} ps of stage {stage.name}")
        self.finish_stage(context.getState(positions=True, velocities=True))

    def all_stages(self) -> None:
        while self.at.stage < len(self.protocol.stages):
            stage = self.protocol.stages[self.at.stage]
            if isinstance(stage, Minimize):
                self.minimize(stage)
            else:
                self.dynamics(stage)
            if self.stop.is_set() and self.at.stage < len(self.protocol.stages):
                raise Interrupted(f"stopped after stage {stage.name}")


def simulate(run: Run, platform: str | None = None, progress: Silent | None = None) -> Run:
    """Bring a run to its end from wherever it stands, and return it.

    Parameters
    ----------
    run : Run
        From `solvshell.run.open_run`.
    platform : str, optional
        CUDA, HIP, OpenCL, CPU or Reference; the fastest that works if left out.
    progress : Silent, optional
        Shows how far it is.

    Raises
    ------
    InvalidInput
        If the platform does not work here or another process is running the same folder.
    UnstableSimulation
        If the simulation exploded: stage and step are told, everything before the last checkpoint is kept.
    Interrupted
        If SIGINT or SIGTERM came; a checkpoint has been written.
    WorkFailed
        If a file could not be written (a full device).
    """
    if run.is_done:
        return run
    chosen = choose_platform(platform)
    with (
        locked(run),
        stop_requests() as stop,
        progress or Silent() as shown,
        ExitStack() as stack,
    ):
        if run.is_done:  # by another process, while this one waited to start
            return run
        simulation = _Simulation(run, chosen, shown, stop)
        try:
            simulation.open_files(stack)
            simulation.all_stages()
        except UnstableSimulation as error:
            stage = simulation._stage_name(simulation.at.stage)
            raise UnstableSimulation(
                f"{run.path}: the simulation exploded in stage {stage}: {error}. What was written up to the last "
                "checkpoint stands; look at the box, lower the time step, or add a gentler first stage"
            ) from None
        except OSError as error:
            raise WorkFailed(
                f"{run.path}: cannot write ({error.strerror}). What was written up to the last checkpoint stands; "
                "make room and give the same command again"
            ) from None
        write_json(
            run.path / "done.json",
            {
                "finished": datetime.now(UTC).isoformat(timespec="seconds"),
                "production_frames": simulation.at.n_frames,
                "platform": chosen.getName(),
                "device": simulation.device,
                "restarts_with_fresh_noise": simulation.at.restarts,
            },
        )
    return run
