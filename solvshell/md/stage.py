"""One stage of dynamics or windows, from the step where it stands to its end."""

import time
from collections.abc import Callable

import openmm

from solvshell.engine import Snapshot, UnstableSimulation, advance, degrees_of_freedom, make_context, snapshot
from solvshell.errors import Interrupted
from solvshell.md.checkpoints import Finished
from solvshell.md.dynamics import scaled_to, set_temperature, stage_integrator, stage_system
from solvshell.md.equilibration import Verdict, judge, mean_volume, read_stage
from solvshell.md.grid import grid_of
from solvshell.md.session import Session
from solvshell.md.stability import Watch
from solvshell.md.windows import WindowSequence, start_kind
from solvshell.stages import Dynamics, MovingStage, Windows

#: steps; even a fast device is asked now and then whether it is to stop
_MOST_AT_ONCE = 1000
#: s; a signal is seen within about this time
_PATIENCE = 1.0


def _set_velocities(context: openmm.Context, state: openmm.State, stage: MovingStage, seed: int) -> None:
    try:
        context.setVelocities(state.getVelocities())
        context.applyConstraints(1e-6)
    except openmm.OpenMMException:  # a minimised state has no velocities
        context.applyConstraints(1e-6)
        context.setVelocitiesToTemperature(stage.temperature, seed)


def _place(session: Session, stage: MovingStage, context: openmm.Context) -> None:
    """Set cell, positions and velocities from the portable state; at the start of a stage as the stage wants them."""
    state = session.saved.state
    positions, cell = state.getPositions(), state.getPeriodicBoxVectors()
    if session.at.step == 0 and isinstance(stage, Dynamics) and stage.volume_of is not None:
        volume_nm3 = mean_volume(read_stage(session.run.log_path, stage.volume_of))
        session.progress.note(f"  {stage.name}: at {volume_nm3:.4f} nm3, the mean of {stage.volume_of}")
        positions, cell = scaled_to(session.box, state, volume_nm3)
    context.setPeriodicBoxVectors(*cell)
    context.setPositions(positions)
    _set_velocities(context, state, stage, session.seeds()[0])
    if session.at.step > 0 and stage.thermostat == "nose_hoover":
        context.setState(state)  # with the chain
    context.setStepCount(session.at.step)
    context.setTime(session.at.step * session.protocol.timestep)


def stage_context(session: Session, stage: MovingStage, plain: openmm.System) -> openmm.Context:
    """Return a context of a stage in which nothing is at its place yet."""
    _, thermostat, barostat = session.seeds()
    system = stage_system(plain, session.protocol, stage, barostat)
    context = make_context(system, stage_integrator(session.protocol, stage, thermostat), session.platform)
    session.note_device(context)
    return context


def start_context(
    session: Session, stage: MovingStage, plain: openmm.System, place: Callable[[openmm.Context], None]
) -> openmm.Context:
    """Return a context where the run stands: by the binary checkpoint, or else as `place` sets it."""
    context = stage_context(session, stage, plain)
    if session.saved.binary is None:
        place(context)
        return context
    if (written_by := session.saved.at.signature) == session.signature:
        context.loadCheckpoint(session.saved.binary)
        return context
    session.progress.note(
        f"the checkpoint was written by {written_by}, this is {session.signature}: going on from its portable state, "
        "with fresh noise"
    )
    session.without_binary()
    return start_context(session, stage, plain, place)


class StageLoop:
    """A stage while it advances."""

    def __init__(self, session: Session, stage: MovingStage) -> None:
        self._session, self._stage = session, stage
        self._timestep = session.protocol.timestep
        self._windows = self._start_windows(stage) if isinstance(stage, Windows) else None
        self.grid = grid_of(stage, session.protocol, self._windows)
        self._context = self._start()
        self._degrees = degrees_of_freedom(self._context.getSystem())
        self._watch = Watch(stage, session.box.system, self._degrees)
        self._began, self._first = time.perf_counter(), session.at.step
        self._most, self._changed, self._factor = 1, -1, 1
        self._verdict: Verdict | None = None

    @property
    def _step(self) -> int:
        return self._session.at.step

    def _start(self) -> openmm.Context:
        """Return a context where the run stands."""
        session, stage, plain = self._session, self._stage, self._session.box.system
        system = self._windows.system(plain) if self._windows else plain
        return start_context(session, stage, system, lambda context: _place(session, stage, context))

    def _start_windows(self, stage: Windows) -> WindowSequence:
        kind = start_kind(stage, self._session.run, self._session.saved.state, is_new=self._step == 0)
        windows = WindowSequence(stage, kind, self._timestep)
        self._session.outputs.begin(windows.file_name, windows.header)
        return windows

    # -- forward

    def _set_parameters(self) -> None:
        """Set what is constant until the next step of the grid of changes, by the middle of this piece."""
        change, step = self.grid.change, self._step
        if not change or step // change == self._changed:
            return
        self._changed, first = step // change, step // change * change
        if self._windows is not None:
            self._windows.prepare(self._context, first, change)
        elif self._stage.ramp_to is not None:
            done = min(1.0, (first + change / 2) / self.grid.total)
            rise = self._stage.ramp_to - self._stage.temperature
            set_temperature(self._context, self._stage.temperature + done * rise)

    def _advance(self) -> None:
        """Take as many steps as there are to what comes next, but not for longer than a signal may wait."""
        halved = self._step < self._session.at.halved_until
        if (factor := 1 + halved) != self._factor:
            self._factor = factor
            self._context.getIntegrator().setStepSize(self._timestep / factor)
        n_steps = min(self.grid.steps_to_next(self._step), self._most)
        began = time.perf_counter()
        advance(self._context, n_steps * factor)
        took = time.perf_counter() - began
        if took > _PATIENCE:
            self._most = max(1, n_steps // 2)
        elif n_steps == self._most and took < _PATIENCE / 2:
            self._most = min(2 * self._most, _MOST_AT_ONCE)
        self._session.move(step=self._step + n_steps)

    def _exchange(self) -> None:
        """Let molecules come and go that should before anything of this step is written."""

    # -- what is written

    @property
    def _mass(self) -> float:
        """Mass of all that is there, in dalton."""
        return self._session.box.mass

    def _look(self) -> Snapshot:
        now = snapshot(self._context, self._degrees)
        self._watch.check(now)
        return now

    def _write_frame(self, now: Snapshot) -> None:
        session, production = self._session, self._stage.production
        step = self._step + (0 if production else session.at.steps_before)
        session.outputs.frame(now, production, step, step * self._timestep)
        session.move(n_frames=session.at.n_frames + production)

    def _write(self, ns_per_day: float) -> None:
        """Write what is due at this step, of a simulation that is still sane."""
        session, step = self._session, self._step
        if self._windows is not None and (row := self._windows.row(self._context, step)) is not None:
            session.outputs.row(self._windows.file_name, row)
        is_frame, is_log = self.grid.is_frame(step), self.grid.is_log(step)
        if is_frame or is_log or self.grid.is_save(step) or step == self.grid.total:
            now = self._look()
            if is_frame:
                self._write_frame(now)
            if is_log:
                session.outputs.log(self._stage.name, step, step * self._timestep, now, self._mass, ns_per_day)

    def _save(self) -> None:
        has_chain = self._stage.thermostat == "nose_hoover"
        state = self._context.getState(positions=True, velocities=True, integratorParameters=has_chain)
        self._session.save(state, self._context.createCheckpoint())

    def _stop_if_asked(self) -> None:
        session = self._session
        if not session.stop.is_set():
            return
        if session.has_moved_on:
            self._look()
            self._save()
        raise Interrupted(f"stopped at {self._step * self._timestep:g} ps of stage {self._stage.name}")

    # -- the end

    def _has_equilibrated(self) -> bool:
        """Return whether the criterion of `until` holds; whether it is looked at does not depend on interruptions."""
        until = self._stage.until if isinstance(self._stage, Dynamics) else None
        if until is None or not self.grid.is_check(self._step):
            return False
        self._session.outputs.flush_log()
        self._verdict = judge(until, read_stage(self._session.run.log_path, self._stage.name))
        return self._verdict.is_equilibrated

    def _finish(self) -> None:
        verdict, time_ps = self._verdict, self._step * self._timestep
        if verdict is not None:
            end = "" if verdict.is_equilibrated else ", which is the longest it may take; going on"
            self._session.progress.note(f"  {self._stage.name}: {time_ps:g} ps{end}: {verdict.words}")
        finished = Finished(
            name=self._stage.name,
            steps=self._step,
            equilibrated=None if verdict is None else verdict.is_equilibrated,
            words=None if verdict is None else verdict.words,
        )
        self._session.finish_stage(finished, self._context.getState(positions=True, velocities=True))

    def _end_step(self) -> None:
        """Do what is due at this step."""
        self._exchange()
        passed_ps = (self._step - self._first) * self._timestep
        ns_per_day = passed_ps * 1e-3 * 86400 / (time.perf_counter() - self._began)
        self._write(ns_per_day)
        self._session.progress.update(self._step * self._timestep, ns_per_day)

    def _to_the_end(self) -> None:
        while self._step < self.grid.total:
            self._stop_if_asked()
            self._set_parameters()
            self._advance()
            self._end_step()
            if self._has_equilibrated():
                break
            if self.grid.is_save(self._step):
                self._save()

    def run(self) -> None:
        """Bring the stage to its end.

        Raises
        ------
        Interrupted
            If a signal came; a checkpoint has been written.
        UnstableSimulation
            If atoms fly apart.
        """
        stage = self._stage
        self._session.progress.start(stage.name, stage.duration, self._step * self._timestep)
        try:
            if self._step == 0 and stage.production and stage.frame_interval is not None:
                self._write_frame(self._look())
            self._to_the_end()
        except UnstableSimulation as error:
            raise UnstableSimulation(f"about step {self._step} ({self._step * self._timestep:g} ps): {error}") from None
        self._finish()
