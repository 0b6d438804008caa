"""A folder of runs -> the tables of each run, and the joined ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from solvshell.analysis.sources import STOPPED, analyze_run, asked
from solvshell.errors import InvalidInput, WorkFailed
from solvshell.folders import is_folder_of_several, runs_of, temperatures_of
from solvshell.joined.join import JoinedAnalysis, join
from solvshell.joined.recount import recount
from solvshell.joined.systems import UNFINISHED, System, check_alike, check_boxes, system_of
from solvshell.joined.temperatures import TemperatureSeries, temperature_series
from solvshell.run import Run
from solvshell.shown import is_outdated, read_analyzed

Say = Callable[[str], None]


def is_analyzed(run: Run, **settings: Any) -> bool:
    """Return whether the tables of a run are those that `analyze_run` with these settings would make again."""
    if not (run.analysis_path / "summary.json").is_file():
        return False
    try:
        shown = read_analyzed(run.path)
    except InvalidInput:  # of another version, or damaged
        return False
    source, energies = shown.summary["source"], shown.summary["energies"]
    return (
        run.is_done
        and (source.get("run"), source.get("asked")) == ("done", asked(**settings))
        and shown.summary["version"] == version("solvshell")
        and energies.get("reason") != STOPPED
        and not is_outdated(shown)
    )


@dataclass(frozen=True)
class _Analyzed:
    """Which runs have been analyzed, and by name why others have not; `failed` are those whose analysis failed."""

    used: list[Run]
    left_out: dict[str, str]
    failed: dict[str, str]


def _analyze_each(folder: Path, runs: Sequence[Run], broken: dict[str, str], say: Say, **settings: Any) -> _Analyzed:
    done = [run for run in runs if run.is_done]
    left_out = {run.path.name: UNFINISHED for run in runs if not run.is_done}
    if not done:
        why = next(iter(broken.values()), None) or "none of its runs is finished; 'solvshell run' goes on with them"
        raise InvalidInput(f"{folder}: {why}")
    failed = dict(broken)
    for place, run in enumerate(done, 1):
        if is_analyzed(run, **settings):
            say(f"{run.path}: analyzed already")
            continue
        say(f"{run.path}: is being analyzed, {place} of {len(done)}")
        try:
            analyze_run(run, **settings)
        except (InvalidInput, WorkFailed, OSError) as error:
            failed[run.path.name] = str(error)
    used = [run for run in done if run.path.name not in failed]
    if not used:
        raise WorkFailed(f"{folder}: none of its finished runs could be analyzed: {next(iter(failed.values()))}")
    return _Analyzed(used, left_out | failed, failed)


def _checked(runs: Sequence[Run]) -> tuple[list[Run], dict[str, str]]:
    """Return the runs that are replicas of one system, and by name why others cannot be read."""
    good, broken = [], {}
    for run in runs:
        try:
            _ = run.protocol, run.box
        except InvalidInput as error:
            broken[run.path.name] = str(error)
            continue
        run.check_has_production()
        good.append(run)
    check_alike(good)
    check_boxes(good)
    return good, broken


def _joined(folder: Path, runs: Sequence[Run], say: Say, **settings: Any) -> JoinedAnalysis:
    found = _analyze_each(folder, *_checked(runs), say, **settings)
    system = system_of(folder, found.used, found.left_out)
    cutoffs, recounts = recount([system])
    return join(system, cutoffs, recounts[system.name], found.failed)


def _series(folder: Path, temperatures: dict[float, Path], say: Say, **settings: Any) -> TemperatureSeries:
    """Return the joined tables of each temperature, within cutoffs common to all, and what changes with it."""
    of_temperatures = {kelvin: _checked(runs_of(inner)) for kelvin, inner in temperatures.items()}
    firsts = [runs[0] for runs, _ in of_temperatures.values() if runs]
    for run in firsts[1:]:
        if run.box.recipe != firsts[0].box.recipe:
            raise InvalidInput(f"{run.path}: holds another recipe than {firsts[0].path}; a series has one")
    systems: dict[float, System] = {}
    failed: dict[float, dict[str, str]] = {}
    left_out: dict[str, str] = {}
    for kelvin, (runs, broken) in of_temperatures.items():
        inner = temperatures[kelvin]
        if not any(run.is_done for run in runs):
            left_out[inner.name] = next(iter(broken.values()), UNFINISHED)
            continue
        found = _analyze_each(inner, runs, broken, say, **settings)
        systems[kelvin] = replace(system_of(inner, found.used, found.left_out), name=inner.name)
        failed[kelvin] = found.failed
    if not systems:
        raise InvalidInput(f"{folder}: no temperature has a finished run; 'solvshell run' goes on with them")
    cutoffs, recounts = recount(list(systems.values()))
    joined = {kelvin: join(one, cutoffs, recounts[one.name], failed[kelvin]) for kelvin, one in systems.items()}
    return temperature_series(folder, joined, recounts, left_out)


def analyze_runs(
    runs: Path | str | Sequence[Run],
    directory: Path | str | None = None,
    *,
    say: Say = lambda line: None,
    **settings: Any,
) -> JoinedAnalysis | TemperatureSeries:
    """Return the joined tables of replicas, or of a series of temperatures, each of which may have replicas.

    Each run is analyzed as by `analyze_run`, unless its tables are there already with the same settings and its
    trajectory has not changed. Runs that are not finished, or whose analysis fails, are named in `left_out` of the
    summary and the others used. There is one cutoff for each pair, from the g(r) of all runs together.

    Parameters
    ----------
    runs
        A folder of replicas ``replica-00`` ..., or of temperatures ``278.15K`` ...; or replicas.
    directory
        Of the joined tables; ``analysis`` in the folder if left out. Of runs that are no folder they are not written
        without one.
    say
        Called with a line on what is being done.
    **settings
        Of `analyze_run`. A `shell` of one's own is not among them.

    Raises
    ------
    InvalidInput
        If no run is finished, two have one box, or recipes, protocols or numbers of molecules differ.
    WorkFailed
        If no run can be analyzed.
    """
    if "shell" in settings:
        raise InvalidInput("shell: replicas are counted within the first minima of their common g(r); leave it out")
    if not isinstance(runs, Path | str):
        found: JoinedAnalysis | TemperatureSeries = _joined(Path(), list(runs), say, **settings)
    else:
        folder = Path(runs)
        directory = directory or folder / "analysis"
        temperatures = temperatures_of(folder)
        if not is_folder_of_several(folder) and runs_of(folder):
            raise InvalidInput(f"{folder}: is one run; analyze_run is for it, and a folder of runs is needed here")
        if temperatures:
            found = _series(folder, temperatures, say, **settings)
        else:
            found = _joined(folder, runs_of(folder), say, **settings)
    if directory is not None:
        found.write(Path(directory))
    return found
