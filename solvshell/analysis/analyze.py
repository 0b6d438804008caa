"""From a trajectory to tables: one pass, then functions."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from MDAnalysis import Universe
from MDAnalysis.analysis.results import Results

from solvshell.analysis.coordination import coordination_table, total_coordination, total_per_center
from solvshell.analysis.findings import Findings, Settings
from solvshell.analysis.geometry import CAPTURE_ANGSTROM, Contacts, SolvationGeometry
from solvshell.analysis.peaks import Shell, first_shell, independent_frames
from solvshell.analysis.rdf import PairCounts, fine_counts, rdf_table
from solvshell.analysis.residence import METHOD, RESIDENCE_COLUMNS, Residence, residence_time
from solvshell.analysis.shells import shell_shares, shell_table, speciation_table, within_cutoffs
from solvshell.analysis.sites import Center, Sites, select_sites
from solvshell.analysis.statistics import (
    Bootstrap,
    Equilibration,
    bootstrap_blocks,
    equilibration,
    is_constant,
    statistical_inefficiency,
)
from solvshell.analysis.summary import summarize
from solvshell.errors import InvalidInput, WorkFailed
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

UNKNOWN_DYNAMICS = "dynamics of the source unknown: residence times are taken as they come"


@dataclass(frozen=True)
class Analysis:
    """The tables of one trajectory, and `summary`: the same numbers and every setting, as plain JSON values."""

    rdf: pd.DataFrame
    peaks: pd.DataFrame
    coordination: pd.DataFrame
    shells: pd.DataFrame
    speciation: pd.DataFrame
    residence: pd.DataFrame
    summary: dict[str, Any]


def _cutoff(pair: PairCounts, shell: Shell) -> tuple[float | None, str | None]:
    if pair.center.reference or not pair.site.coordinating:
        return None, None
    if pair.site.given_cutoff_angstrom is not None:
        return pair.site.given_cutoff_angstrom, "given"
    typical = pair.site.typical_cutoff_angstrom.get(pair.center.name)
    if shell.status == "too_few_samples" and typical is not None:
        return typical, "typical"
    return shell.first_minimum, None if shell.first_minimum is None else "first_minimum"


def _cutoffs(fine: list[PairCounts], shells: list[Shell], sites: Sites) -> np.ndarray:
    """Return the cutoffs in Å, shape (n_center_species, n_sites).

    0 where nothing is counted, at a partner without shell or a reference site; not a number where there are too few
    samples to say where the shell ends. Reference centers have none.
    """
    found = [(pair, shell) for pair, shell in zip(fine, shells, strict=True) if not pair.center.reference]
    cutoffs = np.zeros(len(found))
    for i, (pair, shell) in enumerate(found):
        unknown = pair.site.coordinating and shell.status == "too_few_samples"
        cutoffs[i] = _cutoff(pair, shell)[0] or (np.nan if unknown else 0)
    if (cutoffs == 0).all() and all(shell.status == "no_shell" for _, shell in found):
        raise WorkFailed("no partner has a first shell around any center: check the sites of the species file")
    return cutoffs.reshape(len(sites.centers), len(sites.sites))


def _pass(sites: Sites, capture: float, r_max: float | None, verbose: bool) -> Results:
    geometry = SolvationGeometry(sites, r_max=r_max, capture_radius=capture)
    try:
        geometry.run(verbose=verbose)
    except (OSError, EOFError) as error:
        raise InvalidInput(f"trajectory: cannot be read to its end: {' '.join(str(error).split())}") from error
    for site in sites.sites:
        if (site.given_cutoff_angstrom or 0) > geometry.results.edges[-1]:
            field, limit = f"partners.{site.partner}.cutoff_angstrom", geometry.results.edges[-1]
            raise InvalidInput(
                f"{field}: {site.given_cutoff_angstrom:g} Å (allowed: at most {limit:.2f} Å, where g(r) ends)"
            )
    return geometry.results


def _shells(fine: list[PairCounts], bootstrap: Bootstrap) -> list[Shell]:
    return [first_shell(pair, bootstrap) for pair in fine]


def _settled(geometry: Results, sites: Sites, cutoffs: np.ndarray) -> tuple[Equilibration, int]:
    """Return what to drop from the start, and how many frames a draw of the bootstrap should hold.

    That is twice the statistical inefficiency of the volume or the total coordination number, whichever remembers
    longer. A constant volume remembers nothing; numbers that never change may remember all the run.
    """
    n_frames = len(geometry.volumes)
    total = total_per_center(within_cutoffs(geometry.contacts, sites, cutoffs), sites, n_frames).astype(float)
    dropped = equilibration([geometry.volumes, total.mean(axis=1)], geometry.block_starts)
    kept = slice(geometry.block_starts[dropped.n_blocks], None)
    fluctuating = [total[kept]] + ([] if is_constant(geometry.volumes[kept]) else [geometry.volumes[kept]])
    return dropped, int(np.ceil(2 * max(statistical_inefficiency(series) for series in fluctuating)))


def _kept(contacts: Contacts, first_frame: int) -> Contacts:
    kept = contacts.where(contacts.frame >= first_frame)
    return replace(kept, frame=kept.frame - first_frame)


def _peak_table(fine: list[PairCounts], shells: list[Shell]) -> pd.DataFrame:
    rows = []
    for pair, shell in zip(fine, shells, strict=True):
        ci95 = shell.ci95 or (None, None)
        numbers = (shell.peak, *ci95, shell.first_minimum, *_cutoff(pair, shell), shell.status)
        rows.append((pair.center.name, pair.site.partner, pair.site.name, *numbers))
    return pd.DataFrame(rows, columns=PEAK_COLUMNS)


def _of_pair(contacts: Contacts, center: Center, j: int) -> Contacts:
    of_center = (contacts.center >= center.members.start) & (contacts.center < center.members.stop)
    return contacts.where(of_center & (contacts.site == j))


def _peak_samples(
    fine: list[PairCounts], shells: list[Shell], captured: Contacts, sites: Sites, capture: float, total: np.ndarray
) -> list[float]:
    samples = []
    for (_, j), pair, shell in zip(sites.pairs, fine, shells, strict=True):
        contacts = _of_pair(captured, pair.center, j)
        own = total if pair.center.reference else total[:, pair.center.members]
        samples.append(independent_frames(pair, shell, contacts, capture, own))
    return samples


def _residence(
    contacts: Contacts, sites: Sites, n_frames: int, timestep_ps: float
) -> tuple[pd.DataFrame, list[Residence | None]]:
    rows, stays = [], []
    for center in sites.centers:
        for j, site in enumerate(sites.sites):
            if site.coordinating:
                stay = residence_time(_of_pair(contacts, center, j), n_frames, timestep_ps)
                times = (stay.time_ps, stay.stderr_ps) if stay else (None, None)
                rows.append((center.name, site.partner, site.name, METHOD, *times))
                stays.append(stay)
    return pd.DataFrame(rows, columns=RESIDENCE_COLUMNS), stays


def write_tables(analysis: Analysis, directory: Path) -> None:
    """Write the tables as ``rdf.csv``, ``peaks.csv``, ... and the summary as ``summary.json``."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("rdf", "peaks", "coordination", "shells", "speciation", "residence"):
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
    sites = select_sites(universe, species)
    capture = max([CAPTURE_ANGSTROM, *(site.given_cutoff_angstrom or 0 for site in sites.sites)])
    geometry = _pass(sites, capture, r_max, verbose)
    n_blocks = len(geometry.block_starts) - 1
    fine = fine_counts(geometry, sites)
    cutoffs = _cutoffs(fine, _shells(fine, bootstrap_blocks(n_blocks, 1, n_bootstrap, rng)), sites)
    longest = float(np.nan_to_num(cutoffs).max())
    if longest > capture - 0.2:
        capture = longest + 1.0
        geometry = _pass(sites, capture, r_max, verbose)

    equilibrated, draw_frames = _settled(geometry, sites, cutoffs)
    first_block = equilibrated.n_blocks
    first_frame = int(geometry.block_starts[first_block])
    n_frames = len(geometry.volumes) - first_frame
    frames_per_block = len(geometry.volumes) / n_blocks
    fine = fine_counts(geometry, sites, first_block)
    blocks_per_draw = int(np.ceil(draw_frames / frames_per_block))
    bootstrap = bootstrap_blocks(n_blocks - first_block, blocks_per_draw, n_bootstrap, rng)
    shells = _shells(fine, bootstrap)
    cutoffs = _cutoffs(fine, shells, sites)

    captured = _kept(geometry.contacts, first_frame)
    contacts = within_cutoffs(captured, sites, cutoffs)
    times = geometry.times
    timestep_ps = float(times[1] - times[0]) if len(times) > 1 else float(universe.trajectory.dt)
    rdf = rdf_table(fine, bootstrap)
    peaks = _peak_table(fine, shells)
    coordination = coordination_table(contacts, sites, cutoffs, n_frames)
    of_peaks = _peak_samples(fine, shells, captured, sites, capture, total_per_center(contacts, sites, n_frames))
    shell_fractions, of_shells = shell_table(contacts, sites, cutoffs, geometry.frames[first_frame:])
    speciation, of_states = speciation_table(contacts, sites, cutoffs, n_frames)
    residence, stays = _residence(contacts, sites, n_frames, timestep_ps)
    settings = Settings(
        source=source or {},
        dynamics=dynamics or UNKNOWN_DYNAMICS,
        timestep_ps=timestep_ps,
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
    findings = Findings(
        peaks, shells, of_peaks, coordination, total_coordination(contacts, sites, cutoffs, n_frames), shell_fractions,
        of_shells, shell_shares(contacts, sites, cutoffs, n_frames), speciation, of_states, residence, stays,
    )  # fmt: skip
    summary = summarize(universe, sites, geometry, log, settings, findings)
    return Analysis(rdf, peaks, coordination, shell_fractions, speciation, residence, summary)
