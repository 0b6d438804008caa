"""What `solvshell analyze` makes of a run that ends in windows."""

from pathlib import Path

from solvshell.errors import InvalidInput
from solvshell.free_energy.decoupling import decoupling_of_run
from solvshell.free_energy.decoupling_tables import decoupling_lines, write_decoupling
from solvshell.free_energy.umbrella import umbrella_of_run
from solvshell.free_energy.umbrella_tables import umbrella_lines, write_umbrella
from solvshell.md.windows import file_name
from solvshell.provenance import record_tables
from solvshell.run import Run
from solvshell.stages import Decouple, Umbrella, Windows


def _record(run: Run, stage: Windows, folder: Path) -> None:
    sampled = run.path / file_name(stage)
    record_tables(folder, f"{stage.kind}*.csv", "summary.json", f"{stage.kind}.json", made_from=[sampled])


def analyze_windows(run: Run, folder: Path) -> list[str]:
    """Write the tables of the free energy that the windows of a run offer, and return what to say of it.

    Raises
    ------
    InvalidInput
        If the run does not end in windows, or has not sampled all of them yet.
    """
    stage = run.protocol.stages[-1]
    if isinstance(stage, Decouple):
        found = decoupling_of_run(run)
        write_decoupling(found, folder)
        _record(run, stage, folder)
        return decoupling_lines(found)
    if isinstance(stage, Umbrella):
        profile = umbrella_of_run(run)
        write_umbrella(profile, run, stage, folder)
        _record(run, stage, folder)
        return umbrella_lines(profile, stage)
    raise InvalidInput(f"{run.path}: its protocol ({run.protocol.name}) does not end in windows")
