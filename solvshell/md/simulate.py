"""Box + protocol -> Run: the stages one after the other, resumable at any instant."""

from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import openmm

from solvshell.engine import UnstableSimulation, choose_platform, make_context, minimize
from solvshell.errors import Interrupted, WorkFailed
from solvshell.grand_canonical import GrandCanonical
from solvshell.md.checkpoints import Finished
from solvshell.md.grand.loop import ExchangeLoop
from solvshell.md.grand.switching import Schedule
from solvshell.md.guards import locked, stop_requests
from solvshell.md.outputs import Outputs, output_names
from solvshell.md.resume import find_position
from solvshell.md.session import Session
from solvshell.md.stage import StageLoop
from solvshell.progress import Silent
from solvshell.provenance import write_record
from solvshell.run import Run, output_hashes
from solvshell.stages import Minimize, MovingStage


def _minimize(session: Session, stage: Minimize) -> None:
    context = make_context(session.box.system, openmm.VerletIntegrator(0.001), session.platform)
    session.note_device(context)
    context.setPeriodicBoxVectors(*session.saved.state.getPeriodicBoxVectors())
    context.setPositions(session.saved.state.getPositions())
    energy = minimize(context, stage.tolerance, stage.max_iterations or 0, session.stop)
    if session.stop.is_set():  # whatever it has reached is dropped
        raise Interrupted(f"stopped in stage {stage.name}")
    session.progress.note(f"  {stage.name}: {energy:.1f} kJ/mol")
    finished = Finished(name=stage.name, steps=0, equilibrated=None, words=None)
    session.finish_stage(finished, context.getState(positions=True))


def _loop(session: Session, stage: MovingStage) -> StageLoop:
    return ExchangeLoop(session, stage) if isinstance(stage, GrandCanonical) else StageLoop(session, stage)


def _advance(session: Session, stage: MovingStage) -> None:
    """Bring a stage of dynamics to its end; an explosion is gone back from once."""
    while True:
        loop = _loop(session, stage)
        try:
            loop.run()
        except UnstableSimulation as error:
            session.roll_back(error, loop.grid.next_save(session.saved.at.step))
            del loop  # and its context, before the next one is made
        else:
            return


def _advance_to(session: Session, end: int) -> None:
    """Do the stages before the one of a given number."""
    while session.at.stage < end:
        stage = session.protocol.stages[session.at.stage]
        if session.stop.is_set():
            raise Interrupted(f"stopped before stage {stage.name}")
        if isinstance(stage, Minimize):
            _minimize(session, stage)
        else:
            _advance(session, stage)


def _exchange(session: Session) -> dict[str, Any]:
    """Return what ``done.json`` says of molecules that came and went; nothing of a run without."""
    exchanged, timestep = session.at.exchanged, session.protocol.timestep
    if exchanged is None:
        return {}
    schedules = {name: Schedule(*known) for name, known in exchanged.schedules.items()}
    switches = {
        name: {"switching_ps": round(known.n_steps * timestep, 9), "n_jumps": known.n_jumps}
        for name, known in schedules.items()
    }
    return {"exchange": {"n_attempts": exchanged.n_attempts, "switches": switches, "conformers": exchanged.conformers}}


def _write_done(session: Session) -> None:
    timestep = session.protocol.timestep
    stages = [
        {
            "name": stage.name,
            "ps": round(stage.steps * timestep, 9),
            "equilibrated": stage.equilibrated,
            "words": stage.words,
        }
        for stage in session.at.finished
    ]
    done = {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "production_frames": session.at.n_frames,
        "platform": session.platform.getName(),
        "device": session.run.provenance["starts"][-1]["device"],
        "restarts_with_fresh_noise": session.at.restarts,
        "rollbacks": session.rollbacks,
        "stages": stages,
        **_exchange(session),
        "outputs": output_hashes(session.run),
    }
    write_record(session.run.path / "done.json", done)


def _bring_forward(
    run: Run, platform: openmm.Platform, shown: Silent, stack: ExitStack, *, stop_before_production: bool
) -> None:
    stop = stack.enter_context(stop_requests())
    position = find_position(run, output_names(run), shown.note)
    outputs = stack.enter_context(Outputs(run, position.at.lengths))
    session = Session(run, platform, shown, stop, outputs, position)
    try:
        _advance_to(session, len(run.protocol.stages) - stop_before_production)
    except UnstableSimulation as error:
        raise UnstableSimulation(
            f"{run.path}: the simulation exploded in stage {session.stage_name}, {error}. What was written up to the "
            "last checkpoint stands; look at the box, lower the time step, or add a gentler first stage"
        ) from None
    except WorkFailed as error:
        raise WorkFailed(
            f"{run.path}: stage {session.stage_name}: {error}. What was written up to the last checkpoint stands"
        ) from None
    if not stop_before_production:
        _write_done(session)


def simulate(
    run: Run, platform: str | None = None, progress: Silent | None = None, *, stop_before_production: bool = False
) -> Run:
    """Bring a run to its end from wherever it stands, and return it.

    Parameters
    ----------
    run : Run
        From `solvshell.run.open_run`.
    platform : str, optional
        CUDA, HIP, OpenCL, CPU or Reference; the fastest that works if left out.
    progress : Silent, optional
        Shows how far it is.
    stop_before_production : bool
        Do the stages before the last one only; a call without it goes on.

    Raises
    ------
    InvalidInput
        If the platform does not work here, another process is running the same folder, or none of its checkpoints can
        be used.
    UnstableSimulation
        If the simulation exploded, with half the time step too: stage and step are told, everything before the last
        checkpoint is kept.
    Interrupted
        If SIGINT or SIGTERM came; a checkpoint has been written.
    WorkFailed
        If a file could not be written (a full device), or OpenMM failed.
    """
    if run.is_done:
        return run
    chosen = choose_platform(platform)
    try:
        with locked(run), progress or Silent() as shown, ExitStack() as stack:
            if not run.is_done:  # by another process, while this one waited to start
                _bring_forward(run, chosen, shown, stack, stop_before_production=stop_before_production)
    except OSError as error:
        raise WorkFailed(
            f"{run.path}: cannot write{' ' * bool(error.filename)}{error.filename or ''} ({error.strerror}). What was "
            "written up to the last checkpoint stands; make room and give the same command again"
        ) from None
    return run
