"""Where a run stands: the newest checkpoint that can be gone on from, and never the beginning in place of one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NoReturn

from solvshell.errors import InvalidInput
from solvshell.md.checkpoints import KEPT, Checkpoint, Position, Unusable, load_position, numbered, remove_checkpoint
from solvshell.run import Run
from solvshell.stages import steps_of


def _beginning(run: Run, outputs: Sequence[str]) -> Position:
    """Return the box as the place to start from; refuse if there are outputs that no checkpoint knows."""
    written = [name for name in outputs if (path := run.path / name).exists() and path.stat().st_size > 0]
    if written:
        raise InvalidInput(
            f"{run.checkpoint_path}: has no checkpoint, but there is something in {', '.join(written)}; nothing was "
            "changed. Put the checkpoints back from a copy, or give another --out to start anew"
        )
    lengths = dict.fromkeys(outputs, 0)
    start = Checkpoint(
        stage=0, step=0, finished=(), lengths=lengths, n_frames=0, signature="", restarts=0, halved_until=0, hashes={},
    )  # fmt: skip
    return Position(start, run.box.state, None)


def _place(run: Run, at: Checkpoint) -> str:
    return f"{at.step * run.protocol.timestep:g} ps of stage {run.protocol.stages[at.stage].name}"


def _refuse(run: Run, bad: Mapping[str, str], last_good: tuple[str, Checkpoint] | None) -> NoReturn:
    reasons = "; ".join(f"{name}: {reason}" for name, reason in bad.items())
    by_hand = ""
    if last_good is not None:
        name, at = last_good
        by_hand = f"; or remove {', '.join(bad)} to lose all since {name}, at {_place(run, at)}, and go on from there"
    raise InvalidInput(
        f"{run.checkpoint_path}: none of the newest checkpoints can be used ({reasons}); nothing was changed. Put the "
        f"files back from a copy, or give another --out to start anew{by_hand}"
    )


def _newest_usable(run: Run, note: Callable[[str], None]) -> Position:
    """Return the newest checkpoint that is good; remove the damaged ones after it, and say so.

    They must not stay: outputs that are cut now and grow again would fit them one day, with other content. The
    beginning, or one of long before, is not taken: much that is good would be lost without a question.
    """
    paths, bad = numbered(run.checkpoint_path), {}
    for path in reversed(paths):
        try:
            found = load_position(path, run.path)
        except Unusable as error:
            bad[path.name] = str(error)
            continue
        if bad and (found.at.is_beginning or int(path.name) <= int(paths[-1].name) - KEPT):
            _refuse(run, bad, (path.name, found.at))
        for name, reason in bad.items():
            note(f"checkpoint {name}: {reason}; removed, taking one before it")
            remove_checkpoint(run.checkpoint_path / name)
        return found
    _refuse(run, bad, None)


def _failures_from(run: Run, at: Checkpoint) -> int:
    """Return how often the simulation has exploded between a checkpoint and the next."""
    here = {"stage": run.protocol.stages[at.stage].name, "from_step": at.step}
    return sum(known.items() >= here.items() for known in run.provenance.get("rollbacks", []))


def _next_save(run: Run, at: Checkpoint) -> int:
    every = steps_of(run.protocol.checkpoint_interval, run.protocol.timestep)
    return (at.step // every + 1) * every


def find_position(run: Run, outputs: Sequence[str], note: Callable[[str], None]) -> Position:
    """Return where a run stands; what is damaged of its newest checkpoints is removed.

    Parameters
    ----------
    run : Run
    outputs : sequence of str
        Names of the files that grow.
    note : callable
        Shows a line.

    Raises
    ------
    InvalidInput
        If something was written, and none of its newest checkpoints can be used; nothing is changed then.
    """
    if not numbered(run.checkpoint_path):
        return _beginning(run, outputs)
    found = _newest_usable(run, note)
    at = found.at
    if at.stage == len(run.protocol.stages):
        return found
    note(f"resuming at {_place(run, at)}")
    if n_failures := _failures_from(run, at):
        note("it led to an explosion: going on from its portable state, with fresh noise and half the time step")
        changes = {"restarts": at.restarts + 1 + n_failures, "halved_until": _next_save(run, at)}
    elif found.binary is None and at.step > 0:
        note("it has no binary part that is as it was written: going on from its portable state, with fresh noise")
        changes = {"restarts": at.restarts + 1}
    else:
        return found
    return replace(found, at=at.model_copy(update=changes), binary=None)
