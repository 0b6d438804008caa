"""From a trajectory to tables: one pass, then functions."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from MDAnalysis import Universe
from MDAnalysis.analysis.results import Results

from solvshell.analysis.angles import angle_table, mean_angle_table
from solvshell.analysis.bridging import bridging_table
from solvshell.analysis.clusters import cluster_table, find_clusters, population_matrix
from solvshell.analysis.convergence import CONVERGENCE_COLUMNS, RUNNING_MEAN_COLUMNS, convergence, running_mean
from solvshell.analysis.coordination import coordination_table, total_coordination, total_per_center
from solvshell.analysis.coordination_free_energy import coordination_free_energy
from solvshell.analysis.cutoffs import cutoff_of, find_cutoffs
from solvshell.analysis.denticity import denticity_table
from solvshell.analysis.exchange import exchange_table
from solvshell.analysis.findings import Findings, Settings
from solvshell.analysis.geometry import CAPTURE_ANGSTROM, SolvationGeometry
from solvshell.analysis.peaks import Shell, first_shell, independent_frames
from solvshell.analysis.rdf import PairCounts, fine_counts, rdf_table
from solvshell.analysis.residence import residence_times
from solvshell.analysis.shells import (
    FirstShells,
    ShellDefinition,
    first_shells,
    shell_shares,
    shell_table,
    speciation_table,
)
from solvshell.analysis.sites import Sites, select_sites
from solvshell.analysis.statistics import (
    Equilibration,
    bootstrap_blocks,
    equilibration,
    is_constant,
    statistical_inefficiency,
)
from solvshell.analysis.summary import summarize
from solvshell.errors import InvalidInput
from solvshell.files import write_atomically, write_json
from solvshell.species import SpeciesFile

PEAK_COLUMNS = [
    "center",
    "partner",
    "site",
    "peak_angstrom",
    "ci95_low",
    "ci95_high",
    "first_minimum_angstrom",
    "cutoff_angstrom",
    "cutoff_source",
    "status",
]

#: Samples enough for first cutoffs, by which equilibration is judged.
_FIRST_BOOTSTRAP = 100
UNKNOWN_DYNAMICS = "dynamics of the source unknown: residence times are taken as they come"


@dataclass(frozen=True)
class Analysis:
    """The tables of one trajectory, and `summary`: the same numbers and every setting, as plain JSON values.

    `first_shells` is what the tables from `coordination` on are counted from; functions of one's own can start there.
    """

    rdf: pd.DataFrame
    peaks: pd.DataFrame
    coordination: pd.DataFrame
    shells: pd.DataFrame
    speciation: pd.DataFrame
    residence: pd.DataFrame
    residence_decays: pd.DataFrame
    exchange: pd.DataFrame
    clusters: pd.DataFrame
    population: pd.DataFrame
    denticity: pd.DataFrame
    bridging: pd.DataFrame
    angles: pd.DataFrame
    coordination_free_energy: pd.DataFrame
    convergence: pd.DataFrame
    running_means: pd.DataFrame
    first_shells: FirstShells
    summary: dict[str, Any]


#: The tables of an `Analysis`, which are files of these names.
TABLES = tuple(field.name for field in fields(Analysis) if field.name not in ("first_shells", "summary"))


def _pass(sites: Sites, capture: float, r_max: float | None, how: dict[str, Any]) -> Results:
    geometry = SolvationGeometry.from_sites(sites, r_max=r_max, capture_radius=capture)
    try:
        geometry.run(**how)
    except (OSError, EOFError) as error:
        raise InvalidInput(f"trajectory: cannot be read to its end: {' '.join(str(error).split())}") from error
    limit = geometry.results.edges[-1]
    for site in sites.sites:
        if (given := max(site.given_cutoff_angstrom.values(), default=0)) > limit:
            field = f"partners.{site.partner}.cutoff_angstrom"
            raise InvalidInput(f"{field}: {given:g} Å (allowed: at most {limit:.2f} Å, where g(r) ends)")
    return geometry.results


def _about_means(total: np.ndarray, sites: Sites) -> np.ndarray:
    """Return numbers (n_frames, n_centers) about the mean of each species: that species differ is no memory."""
    return np.hstack([total[:, center.members] - total[:, center.members].mean() for center in sites.centers])


def _settled(geometry: Results, shells: FirstShells) -> tuple[Equilibration, float]:
    """Return what to drop from the start, and the statistical inefficiency of the rest, in frames.

    That is the one of the volume or the total coordination number, whichever remembers longer. A constant volume
    remembers nothing; numbers that never change may remember all the run.
    """
    total = _about_means(total_per_center(shells), shells.sites)
    dropped = equilibration([geometry.volumes, total.mean(axis=1)], geometry.block_starts)
    kept = slice(geometry.block_starts[dropped.n_blocks], None)
    fluctuating = [total[kept]] + ([] if is_constant(geometry.volumes[kept]) else [geometry.volumes[kept]])
    return dropped, max(statistical_inefficiency(series) for series in fluctuating)


def _peak_table(fine: list[PairCounts], shells: list[Shell]) -> pd.DataFrame:
    rows = []
    for pair, shell in zip(fine, shells, strict=True):
        ci95 = shell.ci95 or (None, None)
        numbers = (shell.peak, *ci95, shell.first_minimum, *cutoff_of(pair, shell), shell.status)
        rows.append((pair.center.name, pair.site.partner, pair.site.name, *numbers))
    return pd.DataFrame(rows, columns=PEAK_COLUMNS)


def _peak_samples(
    fine: list[PairCounts], found: list[Shell], captured: FirstShells, total: np.ndarray, capture: float
) -> list[float]:
    samples = []
    for (_, j), pair, shell in zip(captured.sites.pairs, fine, found, strict=True):
        own = total if pair.center.reference else total[:, pair.center.members]
        samples.append(independent_frames(pair, shell, captured.of_pair(pair.center, j), capture, own))
    return samples


def _running_means(shells: FirstShells) -> pd.DataFrame:
    """Return the running means of the total coordination numbers that can be counted."""
    total = total_per_center(shells)
    means = [
        running_mean(total[:, center.members], shells.timestep_ps, center.name)
        for center, incomplete in zip(shells.sites.centers, shells.is_incomplete, strict=True)
        if not incomplete
    ]
    return pd.concat(means, ignore_index=True) if means else pd.DataFrame(columns=RUNNING_MEAN_COLUMNS)


def write_tables(analysis: Analysis, directory: Path) -> None:
    """Write the tables as ``rdf.csv``, ``peaks.csv``, ... and the summary as ``summary.json``."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in TABLES:
        table: pd.DataFrame = getattr(analysis, name)
        write_atomically(directory / f"{name}.csv", table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    write_json(directory / "summary.json", analysis.summary)


def analyze(
    universe: Universe,
    species: SpeciesFile,
    *,
    log: pd.DataFrame | None = None,
    source: dict[str, str] | None = None,
    dynamics: str | None = None,
    r_max: float | None = None,
    n_bootstrap: int = 500,
    seed: int = 0,
    shell: ShellDefinition | None = None,
    temperature_k: float | None = None,
    backend: str = "serial",
    n_workers: int = 1,
    verbose: bool = False,
) -> Analysis:
    """Return the solvation of the centers in a trajectory.

    Cutoffs are found twice: on all frames, to know the total coordination number, whose equilibration (with that of the
    volume) says which frames to drop; and again on the rest, which gives all results. Should a first shell end
    beyond the capture radius, the trajectory is read once more with a larger one.

    Parameters
    ----------
    universe
        From `open_trajectory`.
    species
        What to look at.
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
        What a first shell is, in place of the first minima of g(r): radii in Å by center, partner and site, or a
        function of contacts and sites that returns a mask; see `first_shells`.
    temperature_k
        For free energies in kJ/mol; that of the species file if left out, and in kT alone where that has none.
    backend, n_workers
        Of the pass: ``serial``, ``multiprocessing`` or ``dask``.
    verbose
        Show a progress bar.

    Raises
    ------
    InvalidInput
        If selections, cutoffs or the trajectory are wrong.
    WorkFailed
        If no partner has a first shell.
    """
    rng = np.random.default_rng(seed)
    temperature_k = temperature_k or species.temperature_k
    how = {"verbose": verbose, "backend": backend, "n_workers": n_workers}
    sites = select_sites(universe, species)
    farthest = species.capture_angstrom or CAPTURE_ANGSTROM
    given = [cutoff for site in sites.sites for cutoff in site.given_cutoff_angstrom.values()]
    capture = max([farthest, *given])
    geometry = _pass(sites, capture, r_max, how)
    n_blocks = len(geometry.block_starts) - 1
    fine = fine_counts(geometry, sites)
    bootstrap = bootstrap_blocks(n_blocks, 1, min(n_bootstrap, _FIRST_BOOTSTRAP), rng)
    cutoffs = find_cutoffs(fine, [first_shell(pair, bootstrap, farthest) for pair in fine], sites)
    longest = float(np.nan_to_num(cutoffs).max())
    if shell is None and longest > capture - 0.2:
        capture = longest + 1.0
        geometry = _pass(sites, capture, r_max, how)

    equilibrated, inefficiency = _settled(geometry, first_shells(geometry, sites, cutoffs if shell is None else shell))
    first_block = equilibrated.n_blocks
    first_frame = int(geometry.block_starts[first_block])
    fine = fine_counts(geometry, sites, first_block)
    # A draw should be longer than the memory of the liquid.
    in_blocks = inefficiency / (len(geometry.volumes) / n_blocks)
    bootstrap = bootstrap_blocks(n_blocks - first_block, int(np.ceil(2 * in_blocks)), n_bootstrap, rng, in_blocks)
    found = [first_shell(pair, bootstrap, farthest) for pair in fine]
    cutoffs = find_cutoffs(fine, found, sites)

    shells = first_shells(geometry, sites, cutoffs if shell is None else shell, first_frame)
    captured = first_shells(geometry, sites, lambda contacts, _: slice(None), first_frame)
    rdf = rdf_table(fine, bootstrap)
    peaks = _peak_table(fine, found)
    coordination = coordination_table(shells)
    of_peaks = _peak_samples(fine, found, captured, _about_means(total_per_center(shells), sites), capture)
    shell_fractions, of_shells = shell_table(shells)
    speciation, of_states = speciation_table(shells)
    clusters = find_clusters(shells)
    settings = Settings(
        source=source or {},
        dynamics=dynamics or UNKNOWN_DYNAMICS,
        timestep_ps=shells.timestep_ps,
        first_frame=first_frame,
        no_plateau=equilibrated.clipped,
        capture_radius_angstrom=capture,
        r_max_angstrom=float(geometry.edges[-1]),
        n_bootstrap=n_bootstrap,
        n_blocks=n_blocks - first_block,
        n_draws=bootstrap.n_draws,
        draws_shorter_than_memory=bootstrap.shorter_than_asked,
        seed=seed,
    )
    total = total_coordination(shells)
    run_ps = (shells.n_frames - 1) * shells.timestep_ps
    findings = Findings(
        peaks=peaks,
        first_shells=found,
        of_peaks=of_peaks,
        coordination=coordination,
        total_coordination=total,
        shells=shell_fractions,
        of_shells=of_shells,
        shell_shares=shell_shares(shells),
        speciation=speciation,
        of_speciation=of_states,
        residence=residence_times(shells, rng),
        exchange=exchange_table(shells),
        clusters=cluster_table(clusters),
        population=population_matrix(clusters).to_dataframe(),
        denticity=denticity_table(shells),
        bridging=bridging_table(shells),
        mean_angles=mean_angle_table(shells),
        coordination_free_energy=coordination_free_energy(shells, temperature_k),
        convergence=(
            convergence(peaks.assign(n_independent=of_peaks), coordination, total, run_ps)
            if run_ps > 0
            else pd.DataFrame(columns=CONVERGENCE_COLUMNS)
        ),
    )
    return Analysis(
        rdf=rdf,
        peaks=peaks,
        coordination=coordination,
        shells=shell_fractions,
        speciation=speciation,
        residence=findings.residence.to_dataframe(),
        residence_decays=findings.residence.decays(),
        exchange=findings.exchange,
        clusters=findings.clusters,
        population=findings.population,
        denticity=findings.denticity,
        bridging=findings.bridging,
        angles=angle_table(shells),
        coordination_free_energy=findings.coordination_free_energy,
        convergence=findings.convergence,
        running_means=_running_means(shells),
        first_shells=shells,
        summary=summarize(universe, sites, geometry, log, settings, findings),
    )
