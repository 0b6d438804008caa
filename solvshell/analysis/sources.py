"""The two places a trajectory comes from: a run of ours, finished or not, and anybody's files."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from MDAnalysis import Universe

from solvshell.analysis.analyze import (
    NO_SYSTEM,
    Analysis,
    add_energies,
    analyze,
    without_energies,
    write_tables,
)
from solvshell.analysis.energies.measure import MOST_FRAMES, EnergyModel, energy_model
from solvshell.analysis.grand_canonical.of_run import write_grand_canonical
from solvshell.analysis.limits import CEILING, CHANGED
from solvshell.analysis.presence import Presence, presence_of, refuse_ghosts
from solvshell.analysis.reading.find_species import find_species_in
from solvshell.analysis.reading.frames import as_universe, open_trajectory
from solvshell.analysis.typical.export import FOLDER, export_shells
from solvshell.errors import InvalidInput
from solvshell.files import read_openmm_xml, read_yaml, validate
from solvshell.occupancy import OccupancyTable, read_occupancy
from solvshell.protocol import Protocol
from solvshell.provenance import read_record
from solvshell.run import Run, trajectory_source
from solvshell.species import SpeciesFile, select_species
from solvshell.xtc import frame_heads

if TYPE_CHECKING:
    import mdtraj
    import openmm

LEFT_OUT = "left out, as asked"
STOPPED = "stopped before it came to them; the same analysis again makes them"
_SAMPLING = "sampling dynamics, not physical time"
_OPEN = "grand-canonical sampling: molecules come and go outside of time, not physical time"


def _written(analysis: Analysis, universe: Universe, directory: Path) -> Analysis:
    """Write tables and typical shells, and return the analysis with a word on the latter in its summary."""
    try:
        files = export_shells(universe, analysis.first_shells, directory / FOLDER)
        shells = {"available": True, "folder": FOLDER, "n_files": 2 * len(files)}
    except InvalidInput as error:  # no elements, a polymer without bonds: the tables are right all the same
        shells = {"available": False, "reason": str(error)}
    analysis = replace(analysis, summary=analysis.summary | {"shell_files": shells})
    write_tables(analysis, directory)
    return analysis


def _analyzed(
    universe: Universe, species: SpeciesFile, model: EnergyModel | str, directory: Path | None, **settings: Any
) -> Analysis:
    """Return an analysis with its energies, and write it before they are begun and when they are there.

    Parameters
    ----------
    model
        For the energies; or a word why there are none.
    """
    reason = model if isinstance(model, str) else STOPPED
    analysis = without_energies(analyze(universe, species, **settings), reason)
    if directory is not None:
        analysis = _written(analysis, universe, directory)
    if isinstance(model, EnergyModel):
        how = {key: settings[key] for key in ("backend", "n_workers", "verbose") if key in settings}
        analysis = add_energies(analysis, universe, species, model, **how)
        if directory is not None:
            write_tables(analysis, directory)
    return analysis


def _names(topology: Any, trajectory: Any) -> dict[str, str]:
    if trajectory is None:
        return {"topology": type(topology).__name__, "trajectory": "the same"}
    names = {"topology": Path(topology).name, "trajectory": Path(trajectory).name}
    return names | (trajectory_source(Path(trajectory)) if Path(trajectory).is_file() else {})


def _given(timestep_ps: float | None, cell_angstrom: Sequence[float] | None) -> dict[str, str]:
    """Return notes of what stands in place of the times and the cell of the trajectory."""
    notes = {} if timestep_ps is None else {"time_step": f"{timestep_ps:g} ps as given, whatever the trajectory says"}
    if cell_angstrom is not None:
        lengths = ", ".join(f"{number:g}" for number in cell_angstrom)
        notes["cell"] = f"{lengths} as given, whatever the trajectory says"
    return notes


def _species_file(species: SpeciesFile | Mapping[str, Any] | Path | str | None) -> SpeciesFile | None:
    if species is None or isinstance(species, SpeciesFile):
        return species
    if isinstance(species, Path | str):
        return read_yaml(Path(species), SpeciesFile)
    return validate(SpeciesFile, species, "species")


@contextmanager
def _frame_kept(topology: Any) -> Iterator[None]:
    """Bring a Universe back to the frame at which its owner left it."""
    if not (isinstance(topology, Universe) and hasattr(topology, "trajectory")):
        yield
        return
    frame = topology.trajectory.frame
    try:
        yield
    finally:
        topology.trajectory[frame]


def analyze_trajectory(
    topology: "Path | str | Universe | mdtraj.Trajectory",
    trajectory: Path | str | None = None,
    species: SpeciesFile | Mapping[str, Any] | Path | str | None = None,
    directory: Path | str | None = None,
    *,
    timestep_ps: float | None = None,
    cell_angstrom: Sequence[float] | None = None,
    allow_unknown: bool = False,
    system: "openmm.System | Path | str | None" = None,
    energies: bool = True,
    energy_frames: int = MOST_FRAMES,
    **settings: Any,
) -> Analysis:
    """Return the solvation in a trajectory of any origin, and write its tables to `directory` if one is given.

    Parameters
    ----------
    topology, trajectory
        Two paths; or a Universe or an ``mdtraj.Trajectory``, and no `trajectory`. A Universe is left as it was, at its
        frame too; bonds and masses that it lacks are those of a universe of the analysis, which shares its frames.
    species
        What to look at: a species file, its path, or its content. If left out, all species of the catalogue are found
        by their molecular graph.
    directory
        Folder of the tables, and of the typical shells of the most frequent compositions as XYZ and PDB.
    timestep_ps, cell_angstrom
        As in a species file, over which they rule.
    allow_unknown
        Leave out molecules that the catalogue does not know, where `species` is left out; the summary names them.
    system
        The model behind the trajectory, for interaction energies: an ``openmm.System`` or the path of its XML.
    energies, energy_frames
        Whether to make interaction energies where there is a `system`, and from how many frames at most.
    **settings
        Of `analyze`, such as ``start=1000``, ``r_max=10.0`` or ``backend="multiprocessing", n_workers=4``.

    Raises
    ------
    InvalidInput
        If the files or the selections are wrong, or the system has another number of atoms.
    """
    species = _species_file(species)
    if isinstance(system, Path | str):
        system = read_openmm_xml(Path(system), "System")
    if species is not None:
        timestep_ps = timestep_ps or species.timestep_ps
        cell_angstrom = cell_angstrom or species.cell_angstrom
    with _frame_kept(topology):
        universe = as_universe(topology, trajectory, timestep_ps=timestep_ps, cell_angstrom=cell_angstrom)
        refuse_ghosts(universe)
        selections, notes = find_species_in(universe, species, allow_unknown=allow_unknown)
        source = {**_names(topology, trajectory), "run": "foreign", **notes, **_given(timestep_ps, cell_angstrom)}
        model: EnergyModel | str = LEFT_OUT if not energies else NO_SYSTEM
        if energies and system is not None:
            model = energy_model(universe, system, n_frames=energy_frames)
        folder = None if directory is None else Path(directory)
        return _analyzed(universe, selections, model, folder, source=source, **settings)


def _n_occupancies(run: Run) -> int:
    return run.occupancy_path.read_bytes().count(b"\n") - 1 if run.occupancy_path.exists() else 0


def _whole_frames(run: Run) -> tuple[int, int]:
    """Return how many whole frames the trajectory begins with whose occupancy, if any, is known, and their bytes."""
    heads = list(frame_heads(run.trajectory_path)) if run.trajectory_path.exists() else []
    if run.protocol.grand_canonical is not None:
        heads = heads[: _n_occupancies(run)]  # read last, it is the longer of the two, or lacks a frame
    return len(heads), heads[-1].end if heads else 0


@contextmanager
def whole_trajectory(run: Run) -> Iterator[Path]:
    """Give a trajectory of whole frames that nobody writes to: that of the run if it is done, else a copy so far.

    Raises
    ------
    InvalidInput
        If production has fewer than two frames so far, or the run has none, since it ends in windows.
    """
    run.check_has_production()
    if run.is_done:
        yield run.trajectory_path
        return
    n_frames, n_bytes = _whole_frames(run)
    if n_frames < 2:
        raise InvalidInput(
            f"{run.path}: production has {n_frames} frames so far; the same 'solvshell run' goes on with it"
        )
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / run.trajectory_path.name
        shutil.copyfile(run.trajectory_path, copy)
        os.truncate(copy, n_bytes)
        yield copy


def _occupancy(run: Run) -> OccupancyTable | None:
    stage = run.protocol.grand_canonical
    if stage is None:
        return None
    return read_occupancy(run.occupancy_path, {name: run.sampled.counts[name] for name in stage.species})


def mean_counts(run: Run) -> dict[str, float]:
    """Return the molecules of each species in a run; of those that come and go the mean over all frames."""
    occupancy = _occupancy(run)
    of_open = {} if occupancy is None else {name: float(occupancy.counts(name).mean()) for name in occupancy.present}
    return run.box.counts | of_open


def open_production(run: Run, trajectory: Path) -> tuple[Universe, Presence | None]:
    """Return the production of a run, and which molecules are there in each frame; None if none comes or goes.

    Parameters
    ----------
    trajectory
        From `whole_trajectory`.

    Raises
    ------
    InvalidInput
        If the occupancy is not that of the trajectory.
    """
    universe = open_trajectory(run.topology_path, trajectory)
    occupancy = _occupancy(run)
    if occupancy is None:
        return universe, None
    return universe, presence_of(
        universe, occupancy, {name: run.box.recipe.entries[name].residue for name in occupancy.present}
    )


def _read_log(run: Run) -> pd.DataFrame:
    whole_lines = run.log_path.read_text().rpartition("\n")[0]
    log = pd.read_csv(StringIO(whole_lines))
    return log[log["stage"] == run.protocol.production.name]


def _dynamics(protocol: Protocol) -> str:
    """Return what moved the atoms in production, and whether times of it are physical.

    They are with real masses and without the random kicks and the friction of Langevin dynamics: at constant energy, or
    with a Nose-Hoover chain, which both keep the volume.
    """
    if protocol.grand_canonical is not None:
        return _OPEN
    stage = protocol.production
    thermostat = {
        "none": "no thermostat",
        "nose_hoover": f"Nose-Hoover dynamics with collision frequency {stage.friction:g} /ps",
        "langevin_middle": f"Langevin dynamics with friction {stage.friction:g} /ps",
    }[stage.thermostat]
    masses = "real masses" if protocol.hydrogen_mass is None else f"hydrogens of {protocol.hydrogen_mass:g} Da"
    is_physical = stage.thermostat != "langevin_middle" and protocol.hydrogen_mass is None
    return f"{thermostat}, {masses}" + ("" if is_physical else f", {_SAMPLING}")


def asked(*, energies: bool = True, energy_frames: int = MOST_FRAMES, **settings: Any) -> str:
    """Return what is asked of `analyze_run` in a phrase, the same where the same numbers come of it."""
    how = {"verbose", "backend", "n_workers"}
    given = {"energies": energies, "energy_frames": energy_frames, **settings}
    return ", ".join(f"{key}={given[key]}" for key in sorted(given) if key not in how and given[key] is not None)


def _equilibration(run: Run) -> dict[str, str]:
    """Return the stages that lasted to their ceiling without equilibrating, for the source of a summary; none: {}."""
    stages = read_record(run.path / "done.json").get("stages", []) if run.is_done else []
    words = [f"{stage['name']}: {stage['words']}" for stage in stages if stage["equilibrated"] is False]
    return {CEILING: "; ".join(words)} if words else {}


def _trajectory(run: Run, trajectory: Path) -> dict[str, str]:
    """Return what the source of a summary says of the trajectory, and whether it is another than the run wrote."""
    found = trajectory_source(trajectory)
    done = read_record(run.path / "done.json") if run.is_done else {}
    written = done.get("outputs", {}).get(run.trajectory_path.name, {}).get("sha256")
    is_other = written is not None and written != found["trajectory_sha256"]
    return found | (
        {CHANGED: f"{run.trajectory_path.name} was changed after the run had written it"} if is_other else {}
    )


def analyze_run(
    run: Run,
    directory: Path | str | None = None,
    *,
    energies: bool = True,
    energy_frames: int = MOST_FRAMES,
    **settings: Any,
) -> Analysis:
    """Return the solvation in the production of a run, and write its tables (to the run's ``analysis`` if left out).

    An unfinished run is analyzed as far as it is, and its summary says so. The typical shells of the most frequent
    compositions are written beside the tables as XYZ and PDB: see `export_shells`. Where molecules come and go, there
    are their own tables too: see `solvshell.analysis.grand_canonical`.

    Parameters
    ----------
    energies, energy_frames
        Whether to make interaction energies, with the model of the box, and from how many frames at most.
    **settings
        Of `analyze`, such as ``start=1000``, ``r_max=10.0`` or ``backend="multiprocessing", n_workers=4``.

    Raises
    ------
    InvalidInput
        If production has not begun, or the box has no simple cation to center on.
    """
    entries = run.box.recipe.entries
    if not any(entry.center for entry in entries.values()):
        raise InvalidInput(f"{run.path}: no simple cation (such as Li) to center on among {', '.join(entries)}")
    folder = Path(directory or run.analysis_path)
    with whole_trajectory(run) as trajectory:
        source = {
            "topology": run.topology_path.name,
            "trajectory": run.trajectory_path.name,
            **_trajectory(run, trajectory),
            "run": "done" if run.is_done else "unfinished",
            **_equilibration(run),
            "asked": asked(energies=energies, energy_frames=energy_frames, **settings),
        }
        universe, presence = open_production(run, trajectory)
        scale = run.box.recipe.force_field.ion_charge_scale
        analysis = _analyzed(
            universe,
            select_species(entries),
            energy_model(universe, run.sampled.system, scale, energy_frames) if energies else LEFT_OUT,
            folder,
            presence=presence,
            log=_read_log(run),
            source=source,
            dynamics=_dynamics(run.protocol),
            temperature_k=run.protocol.production.temperature,
            **settings,
        )
    if run.protocol.grand_canonical is None:
        return analysis
    return replace(analysis, summary=write_grand_canonical(run, folder, analysis.summary))
