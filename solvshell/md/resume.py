"""Where a run stands: the newest checkpoint that can be gone on from, and never the beginning in place of one."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from solvshell.errors import InvalidInput
from solvshell.md.checkpoints import Checkpoint, Position, Unusable, load_position, numbered
from solvshell.md.outputs import last_outputs
from solvshell.run import Run


def _beginning(run: Run, outputs: Sequence[str], signature: str) -> Position:
    """Return the box as the place to start from; refuse if there are outputs that no checkpoint knows."""
    written = [name for name in outputs if (path := run.path / name).exists() and path.stat().st_size > 0]
    if written:
        raise InvalidInput(
            f"{run.checkpoint_path}: has no checkpoint, but there is something in {', '.join(written)}; nothing was "
            "changed. Put the checkpoints back from a copy, or give another --out to start anew"
        )
    lengths = dict.fromkeys(outputs, 0)
    start = Checkpoint(
        stage=0, step=0, finished=(), lengths=lengths, n_frames=0, signature=signature, restarts=0, halved_until=0,
        hashes={},
    )  # fmt: skip
    return Position(start, run.box.state, None)


def _loses_a_stage(run: Run, at: Checkpoint) -> bool:
    """Return whether going back to a checkpoint would start anew, or drop production that has begun."""
    has_produced = any((run.path / name).exists() and (run.path / name).stat().st_size for name in last_outputs(run))
    return at.is_beginning or (has_produced and at.stage < len(run.protocol.stages) - 1)


def _newest_usable(run: Run, note: Callable[[str], None]) -> Position:
    """Return the newest checkpoint that is good; say which ones are not.

    One of long before is none: what was written since would be lost without a question.
    """
    problems: list[str] = []
    for path in reversed(numbered(run.checkpoint_path)):
        try:
            found = load_position(path, run.path)
        except Unusable as error:
            problems.append(f"{path.name}: {error}")
            continue
        if problems and _loses_a_stage(run, found.at):
            problems.append(f"{path.name}: is good, but of stage {run.protocol.stages[found.at.stage].name}")
            break
        for problem in problems:
            note(f"checkpoint {problem}; taking one before it")
        return found
    raise InvalidInput(
        f"{run.checkpoint_path}: no checkpoint can be used without losing a stage ({'; '.join(problems)}); nothing was "
        "changed. Put the files back from a copy, or give another --out to start anew"
    )


def _failures_from(run: Run, at: Checkpoint) -> int:
    """Return how often the simulation has exploded between a checkpoint and the next."""
    start = {"stage": run.protocol.stages[at.stage].name, "from_step": at.step}
    return sum(known.items() >= start.items() for known in run.provenance.get("rollbacks", []))


def _why_fresh_noise(found: Position, signature: str, n_failures: int) -> str | None:
    """Return why the noise of a checkpoint cannot or should not go on, or None; a stage begins with its own."""
    if n_failures:
        return "led to an explosion"
    if found.at.step == 0:
        return None
    if found.at.signature != signature:
        return f"was written by {found.at.signature}, this is {signature}"
    if found.binary is None:
        return "has no binary part that is as it was written"
    return None


def find_position(run: Run, outputs: Sequence[str], signature: str, note: Callable[[str], None]) -> Position:
    """Return where a run stands.

    Parameters
    ----------
    run : Run
    outputs : sequence of str
        Names of the files that grow.
    signature : str
        OpenMM version and platform: of another one only the portable state is used.
    note : callable
        Shows a line.

    Raises
    ------
    InvalidInput
        If something was written, and no checkpoint of it can be used.
    """
    if not numbered(run.checkpoint_path):
        return _beginning(run, outputs, signature)
    found = _newest_usable(run, note)
    at = found.at
    if at.stage == len(run.protocol.stages):
        return found
    note(f"resuming at {at.step * run.protocol.timestep:g} ps of stage {run.protocol.stages[at.stage].name}")
    n_failures = _failures_from(run, at)
    why = _why_fresh_noise(found, signature, n_failures)
    if why is None:
        return found
    note(f"the checkpoint {why}: going on from its portable state, with fresh noise")
    return replace(found, at=at.model_copy(update={"restarts": at.restarts + 1 + n_failures}), binary=None)
