"""Whether a run is what it was: what it began with, what it has written, and the tables made from it."""

from collections.abc import Iterator

from solvshell.box import CONTENT
from solvshell.errors import InvalidInput
from solvshell.md.checkpoints import Unusable, load_position, numbered
from solvshell.md.outputs import output_names
from solvshell.provenance import RECORD
from solvshell.run import Run, input_names, input_records
from solvshell.stages import steps_of
from solvshell.verify.notes import of_force_field, of_starts, of_versions
from solvshell.verify.recorded import Finding, Record, became_of_all, files_of, open_record
from solvshell.verify.tables import folders_of_tables, verify_tables
from solvshell.xtc import frame_heads

DONE = "done.json"


def _expected(run: Run) -> list[str]:
    """Return the files that a run began with, as far as its protocol, which may be damaged, tells."""
    try:
        return input_names(run.protocol)
    except InvalidInput:
        return ["protocol.yaml", *(f"box/{name}" for name in (*CONTENT, RECORD))]


def _inputs(run: Run, record: Record) -> Iterator[Finding]:
    """Yield what became of the box and the protocol that a run began with."""
    try:
        records = input_records(record)
    except InvalidInput as error:
        yield Finding(run.path / RECORD, "changed", str(error).partition("\n")[0])
        records = {}
    yield from became_of_all(run.path, records, _expected(run))
    box_record, opened = open_record(run.path / "box" / RECORD)
    if opened.is_bad and f"box/{RECORD}" not in records:
        yield opened
    yield from of_force_field(run.path / "box" / RECORD, box_record)


def _frames(run: Run, done: Record) -> Iterator[Finding]:
    """Yield whether production has its frames, equally spaced from 0: their headers are read, and no more."""
    path, stage, protocol = run.trajectory_path, run.protocol.stages[-1], run.protocol
    interval_ps = getattr(stage, "frame_interval", None)
    if interval_ps is None or not path.is_file():
        return
    interval, n_frames, end = steps_of(interval_ps, protocol.timestep), 0, 0
    for head in frame_heads(path):
        expected_ps = n_frames * interval_ps
        if head.step != n_frames * interval or abs(head.time_ps - expected_ps) > 1e-6 * max(1.0, expected_ps):
            where = f"step {head.step} at {head.time_ps:g} ps, expected {n_frames * interval} at {expected_ps:g} ps"
            yield Finding(path, "changed", f"frame {n_frames} is of {where}")
            return
        n_frames, end = n_frames + 1, head.end
    words, rest = f"{n_frames} frames, {interval_ps:g} ps apart", path.stat().st_size - end
    if not run.is_done:
        yield Finding(path, "unfinished", f"{words}, so far")
    elif "production_frames" not in done:
        yield Finding(path, "not recorded", f"{words}; how many there should be is not told")
    elif n_frames != done.get("production_frames") or rest:
        expected = f"{done.get('production_frames')} frames and nothing after them"
        yield Finding(path, "changed", f"{n_frames} whole frames and {rest} bytes, expected {expected}")
    else:
        yield Finding(path, "ok", words)


def _moves_so_far(run: Run) -> Iterator[Finding]:
    """Yield what a run that has not ended has recorded of molecules that came and went; nothing tells its hashes."""
    for path, what in ((run.occupancy_path, "frames"), (run.moves_path, "moves")):
        if path.is_file():
            n_rows = max(0, path.read_bytes().count(b"\n") - 1)  # the first line names the columns
            yield Finding(path, "unfinished", f"{n_rows} {what}, so far")
    for path in sorted(run.conformers_path.glob("*")):
        yield Finding(path, "unfinished", "is recorded when the run ends")


def _checkpoint(run: Run) -> Finding:
    """Return whether the last checkpoint could be gone on from."""
    folders = numbered(run.checkpoint_path)
    if not folders:
        return Finding(run.checkpoint_path, "missing" if run.is_done else "unfinished", "no checkpoint")
    last = folders[-1]
    try:
        at = load_position(last, run.path).at
    except Unusable as error:
        if "hashes" not in open_record(last / "progress.json")[0] and (last / "state.xml").is_file():
            return Finding(last, "not recorded", "by an older version")
        return Finding(last, "changed", str(error))
    stages = run.protocol.stages
    where = "the end" if at.stage >= len(stages) else f"step {at.step} of stage {stages[at.stage].name}"
    return Finding(last, "ok", f"good, at {where}")


def _outputs(run: Run) -> Iterator[Finding]:
    """Yield what became of what a run has written."""
    path, done = run.path / DONE, Record()
    if path.exists():
        done, sealed = open_record(path)
        yield sealed
        yield from files_of(path, done, "outputs", output_names(run))
    else:
        yield Finding(run.path, "unfinished", "the same 'solvshell run' goes on with it")
        if run.protocol.grand_canonical is not None:
            yield from _moves_so_far(run)
    yield from _frames(run, done)
    yield _checkpoint(run)
    yield from of_starts(run.path, open_record(run.path / RECORD)[0], done)


def verify_run(run: Run) -> Iterator[Finding]:
    """Yield what became of everything in the folder of a run."""
    record, sealed = open_record(run.path / RECORD)
    yield sealed
    yield from of_versions(run.path / RECORD, record)
    yield from _inputs(run, record)
    try:
        _ = run.protocol
    except InvalidInput as error:
        if (run.path / "protocol.yaml").is_file():  # else it is told already
            yield Finding(run.path / "protocol.yaml", "changed", str(error).partition("\n")[0])
        return
    yield from _outputs(run)
    for folder in folders_of_tables(run.path):
        yield from verify_tables(folder, run)
