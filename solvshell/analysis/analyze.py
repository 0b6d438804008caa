"""From a trajectory to tables: one pass, then functions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from MDAnalysis import Universe

from solvshell.analysis.angles import angle_table, mean_angle_table
from solvshell.analysis.barriers import barrier_table
from solvshell.analysis.bridging import bridging_table
from solvshell.analysis.clusters import cluster_table, find_clusters, largest_cluster, population_matrix
from solvshell.analysis.convergence import CONVERGENCE_COLUMNS, RUNNING_MEAN_COLUMNS, convergence, running_mean
from solvshell.analysis.coordination import coordination_table, total_coordination, total_per_center
from solvshell.analysis.coordination_free_energy import coordination_free_energy
from solvshell.analysis.cutoffs import Cutoff, Key, cutoffs_by_pair
from solvshell.analysis.denticity import denticity_table
from solvshell.analysis.energies.measure import MOST_FRAMES, EnergyModel, energy_model, measure_energies
from solvshell.analysis.exchange import exchange_table
from solvshell.analysis.exchange_free_energy import exchange_free_energy
from solvshell.analysis.findings import PEAK_COLUMNS, TABLES, Findings, PeakSamples, Settings, Tables
from solvshell.analysis.geometry import CAPTURE_ANGSTROM
from solvshell.analysis.look import Look, look_at
from solvshell.analysis.memory import peak_samples, settled
from solvshell.analysis.peaks import Shell, first_shell
from solvshell.analysis.potential_of_mean_force import potential_of_mean_force
from solvshell.analysis.presence import Presence
from solvshell.analysis.rdf import PairCounts, fine_counts, rdf_table
from solvshell.analysis.reading.recognize import recognize
from solvshell.analysis.residence import residence_times
from solvshell.analysis.shells import (
    FirstShells,
    ShellDefinition,
    captured_shells,
    shell_shares,
    shell_table,
    speciation_table,
)
from solvshell.analysis.sites import select_sites
from solvshell.analysis.summary import plain, summarize
from solvshell.analysis.typical.export import FOLDER
from solvshell.errors import InvalidInput, WorkFailed
from solvshell.files import write_atomically, write_json
from solvshell.provenance import record_tables
from solvshell.species import SpeciesFile

if TYPE_CHECKING:
    import openmm

NO_SYSTEM = "no model is known: give the openmm.System of the trajectory (--system system.xml, or system=...)"
UNKNOWN_DYNAMICS = "dynamics of the source unknown: residence times are taken as they come"


@dataclass(frozen=True, repr=False)
class Analysis(Tables):
    """The tables of one trajectory, and `summary`: the same numbers and every setting, as plain JSON values.

    `first_shells` is what the tables from `coordination` on are counted from; functions of one's own can start there.
    """

    first_shells: FirstShells
    summary: dict[str, Any]

    def __repr__(self) -> str:
        filled = [name for name in TABLES if len(getattr(self, name))]
        return f"<Analysis of {self.first_shells.n_frames} frames: {', '.join(filled)}, first_shells, summary>"

    def _repr_html_(self) -> str:
        from solvshell.display_results import analysis_html  # which knows figures

        return analysis_html(self)


def _peak_table(fine: list[PairCounts], peak_shells: list[Shell], cutoffs: dict[Key, Cutoff]) -> pd.DataFrame:
    rows = []
    for pair, shell in zip(fine, peak_shells, strict=True):
        cutoff = cutoffs[pair.key]
        angstrom = cutoff.angstrom if cutoff.angstrom is not None and np.isfinite(cutoff.angstrom) else None
        ci95 = shell.ci95 or (None, None)
        rows.append((*pair.key, shell.peak, *ci95, shell.first_minimum, angstrom, cutoff.source, shell.status))
    return pd.DataFrame(rows, columns=PEAK_COLUMNS)


def _running_means(shells: FirstShells) -> pd.DataFrame:
    """Return the running means of the total coordination numbers that can be counted."""
    total = total_per_center(shells)
    means = [
        running_mean(total[:, center.members], shells.timestep_ps, center.name)
        for center, incomplete in zip(shells.sites.centers, shells.is_incomplete, strict=True)
        if not incomplete
    ]
    return pd.concat(means, ignore_index=True) if means else pd.DataFrame(columns=RUNNING_MEAN_COLUMNS)


def _convergence(peaks: pd.DataFrame, coordination: pd.DataFrame, found: Findings, shells: FirstShells) -> pd.DataFrame:
    run_ps = (shells.n_frames - 1) * shells.timestep_ps
    if run_ps <= 0:
        return pd.DataFrame(columns=CONVERGENCE_COLUMNS)
    known = peaks.assign(
        peak_stderr_angstrom=[shell.stderr for shell in found.peak_shells],
        n_independent=[of_peak.n_independent for of_peak in found.of_peaks],
    )
    return convergence(known, coordination, found.total_coordination, run_ps)


def _count(
    look: Look,
    first_block: int,
    samples: Sequence[PeakSamples],
    rng: np.random.Generator,
    temperature_k: float | None,
) -> tuple[Tables, Findings, FirstShells]:
    """Return all tables, what is behind their rows, and the first shells they are counted from."""
    fine = fine_counts(look.geometry, look.sites, first_block)
    bootstraps = [sample.bootstrap for sample in samples]
    peak_shells = [first_shell(*both, look.farthest) for both in zip(fine, bootstraps, strict=True)]
    cutoffs = cutoffs_by_pair(fine, peak_shells, look.asked.radii)
    first_frame = int(look.geometry.block_starts[first_block])
    shells = look.shells_within(cutoffs, first_frame)
    captured = captured_shells(look.geometry, look.sites, first_frame), look.geometry.capture_radius
    peaks, coordination = _peak_table(fine, peak_shells, cutoffs), coordination_table(shells)
    clusters = find_clusters(shells)
    shell_fractions, of_shells = shell_table(shells)
    speciation, of_speciation = speciation_table(shells)
    found = Findings(
        peak_shells=peak_shells,
        of_peaks=list(samples),
        total_coordination=total_coordination(shells),
        of_shells=of_shells,
        shell_shares=shell_shares(shells),
        of_speciation=of_speciation,
        residence=residence_times(shells, rng),
        mean_angles=mean_angle_table(shells),
        largest_cluster=largest_cluster(clusters),
    )
    tables = Tables(
        rdf=rdf_table(fine, bootstraps, *captured),
        peaks=peaks,
        coordination=coordination,
        shells=shell_fractions,
        speciation=speciation,
        residence=found.residence.to_dataframe(),
        residence_decays=found.residence.decays(),
        exchange=exchange_table(shells),
        clusters=cluster_table(clusters),
        population=population_matrix(clusters).to_dataframe(),
        denticity=denticity_table(shells),
        bridging=bridging_table(shells),
        angles=angle_table(shells),
        coordination_free_energy=coordination_free_energy(shells, temperature_k),
        potential_of_mean_force=potential_of_mean_force(fine, bootstraps, *captured, temperature_k),
        barriers=barrier_table(fine, peak_shells, bootstraps, *captured, temperature_k),
        exchange_free_energy=exchange_free_energy(shells, look.geometry.volumes[first_frame:], temperature_k),
        convergence=_convergence(peaks, coordination, found, shells),
        running_means=_running_means(shells),
    )
    return tables, found, shells


def write_tables(analysis: Analysis, directory: Path) -> None:
    """Write the tables as ``rdf.csv``, ``peaks.csv``, ..., the summary as ``summary.json``, and what made them."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in TABLES:
        table: pd.DataFrame = getattr(analysis, name)
        write_atomically(directory / f"{name}.csv", table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    write_json(directory / "summary.json", analysis.summary)
    record_tables(directory, *(f"{name}.csv" for name in TABLES), "summary.json", f"{FOLDER}/*")


def without_energies(analysis: Analysis, reason: str) -> Analysis:
    """Return an analysis whose summary says why it has no interaction energies."""
    return replace(analysis, summary=analysis.summary | {"energies": {"available": False, "reason": reason}})


def add_energies(
    analysis: Analysis, universe: Universe, species: SpeciesFile, model: EnergyModel, **how: Any
) -> Analysis:
    """Return an analysis with the interaction energies of its frames; or with the reason why they cannot be told.

    Parameters
    ----------
    universe, species
        Those that were analyzed.
    model
        From `energy_model`.
    **how
        Of the pass: ``backend``, ``n_workers``, ``verbose``.
    """
    species = recognize(universe, species)
    try:
        found = measure_energies(universe, species, analysis.first_shells, analysis.peaks, model, **how)
    except (InvalidInput, WorkFailed, MemoryError) as error:  # all other tables are right all the same
        return without_energies(analysis, str(error) or "not enough memory; use fewer frames")
    return replace(analysis, **found.tables, summary=analysis.summary | {"energies": plain(found.summary)})


def analyze(
    universe: Universe,
    species: SpeciesFile,
    *,
    presence: Presence | None = None,
    log: pd.DataFrame | None = None,
    source: dict[str, str] | None = None,
    dynamics: str | None = None,
    r_max: float | None = None,
    n_bootstrap: int = 500,
    seed: int = 0,
    shell: ShellDefinition | None = None,
    temperature_k: float | None = None,
    start: int | None = None,
    stop: int | None = None,
    step: int | None = None,
    backend: str = "serial",
    n_workers: int = 1,
    verbose: bool = False,
    system: "openmm.System | None" = None,
    energy_frames: int = MOST_FRAMES,
) -> Analysis:
    """Return the solvation of the centers in a trajectory.

    Peaks and cutoffs are found twice: on all frames, to know the coordination numbers with each partner, whose
    equilibration (with that of the volume) says which frames to drop; and again on the rest, which gives all results.
    Should a first shell end beyond the capture radius, the trajectory is read once more with a larger one.

    Parameters
    ----------
    universe
        From `open_trajectory`.
    species
        What to look at.
    presence
        Which molecules are there in each frame, where some come and go.
    log
        The run's log of the same production time (``time_ps``, ``temperature_k``, ...), for the temperature.
    source
        Names for the summary, such as ``{"topology": ..., "trajectory": ...}``.
    dynamics
        What moved the atoms, and so whether residence times are physical: a phrase for the summary and the page.
    r_max
        Upper end of g(r) in Å; half the box and at most 12 Å if left out.
    n_bootstrap, seed
        Samples of the block bootstrap and the seed of its generator.
    shell
        What a first shell is: radii in Å by center, partner and site, where a pair that is not named ends at the first
        minimum of its g(r) still; or a function of contacts and sites that returns a mask, for all pairs. See
        `first_shells`.
    temperature_k
        For free energies in kJ/mol; that of the species file if left out, and in kT alone where that has none.
    start, stop, step
        Which frames to read, as in a slice; all if left out.
    backend, n_workers
        Of the pass: ``serial``, ``multiprocessing`` or ``dask``.
    verbose
        Show a progress bar, on the serial backend.
    system
        The model behind the trajectory, for interaction energies.
    energy_frames
        How many frames these use at most.

    Raises
    ------
    InvalidInput
        If selections, cutoffs or the trajectory are wrong.
    WorkFailed
        If no partner has a first shell, and none a cutoff of other origin.
    """
    model = None if system is None else energy_model(universe, system, n_frames=energy_frames)
    rng = np.random.default_rng(seed)
    # MDAnalysis has no progress bar of several workers, and raises.
    how = {
        "verbose": verbose and backend == "serial",
        "backend": backend,
        "n_workers": n_workers,
        "start": start,
        "stop": stop,
        "step": step,
    }
    sites = select_sites(universe, recognize(universe, species), presence)
    look = look_at(sites, shell, farthest=species.capture_angstrom or CAPTURE_ANGSTROM, r_max=r_max, how=how, rng=rng)
    dropped = settled(look)
    first_frame = int(look.geometry.block_starts[dropped.n_blocks])
    rough = look.shells_within(look.cutoffs, first_frame)
    samples = peak_samples(look, rough, dropped.n_blocks, n_bootstrap, seed)
    temperature_k = temperature_k or species.temperature_k
    tables, found, shells = _count(look, dropped.n_blocks, samples, rng, temperature_k)
    settings = Settings(
        source=source or {},
        dynamics=dynamics or UNKNOWN_DYNAMICS,
        timestep_ps=shells.timestep_ps,
        first_frame=first_frame,
        no_plateau=dropped.clipped,
        capture_radius_angstrom=look.geometry.capture_radius,
        r_max_angstrom=float(look.geometry.edges[-1]),
        n_bootstrap=n_bootstrap,
        n_blocks=look.n_blocks - dropped.n_blocks,
        seed=seed,
        shell=look.asked.described,
    )
    summary = summarize(universe, sites, look.geometry, log, settings, tables, found)
    analysis = without_energies(Analysis(**vars(tables), first_shells=shells, summary=summary), NO_SYSTEM)
    if model is None:
        return analysis
    return add_energies(analysis, universe, species, model, backend=backend, n_workers=n_workers, verbose=verbose)
