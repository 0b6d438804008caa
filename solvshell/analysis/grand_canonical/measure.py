"""Moves and occupancy of a grand-canonical run -> its tables."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from solvshell.analysis.grand_canonical.attempts import Attempts, attempts, net_work_kt
from solvshell.analysis.grand_canonical.histograms import WORK_COLUMNS, work_histogram
from solvshell.analysis.grand_canonical.numbers import Molecules, bulk_density, molecules, settled
from solvshell.analysis.statistics import Estimate, mean_with_error
from solvshell.occupancy import OccupancyTable
from solvshell.reservoir import Reservoir
from solvshell.units import kT_kj_mol

#: Of ``grand_canonical.csv``; energies in kT unless the name says otherwise.
SPECIES_COLUMNS = [
    "species", "status", "n_accepted", "n_mean", "n_stderr", "n_independent", "n_variance", "n_start",
    "molarity_mol_l", "molarity_stderr", "share", "share_stderr", "share_reservoir",
    "n_in_region", "n_in_region_stderr",
    "n_expected", "n_expected_stderr", "agreement",
    "beta_mu", "activity_per_nm3", "adams_b", "fugacity_bar",
    "beta_mu_works", "beta_mu_works_stderr", "beta_mu_crossing", "beta_mu_crossing_stderr", "works_agree",
    "crooks_slope", "crooks_slope_stderr", "crooks", "n_shared",
    "mu_ex_kj_mol", "mu_ex_stderr", "mu_ex_reservoir_kj_mol", "mu_ex_reservoir_stderr",
    "insertions", "insertions_accepted", "insertion_acceptance", "insertion_acceptance_stderr",
    "deletions", "deletions_accepted", "deletion_acceptance", "deletion_acceptance_stderr",
    "acceptance", "acceptance_stderr", "gaussian_acceptance",
    "insertion_work_kt", "insertion_work_stderr", "deletion_work_kt", "deletion_work_stderr",
    "dissipation_kt", "dissipation_stderr",
    "exploded", "left_region", "empty", "switching_ps", "ps_per_accepted", "seconds_per_accepted",
]  # fmt: skip
NUMBER_COLUMNS = ["time_ps", "species", "n", "used"]

#: ln z by the works agrees with that imposed within so many standard errors, if these are at most so large (kT).
_SIGNIFICANCE, _LARGEST_ERROR_KT = 3.0, 0.3


@dataclass(frozen=True)
class GrandCanonical:
    """What a grand-canonical run tells.

    Attributes
    ----------
    species : pandas.DataFrame
        A row for each open species, `SPECIES_COLUMNS`; what the run cannot tell is empty.
    works : pandas.DataFrame
        Distributions of net works, see `work_histogram`.
    numbers : pandas.DataFrame
        Molecules of each species in each frame, and whether the frame was used.
    molecules : dict of str to Molecules
    pressure_bar, volume_nm3 : Estimate
    first_time_ps, last_time_ps : float
        Of the frames used.
    n_frames, n_used : int
    is_drifting : bool
        Whether the numbers still drift after half of the run.
    n_accepted : int
        The fewest of all species, on which the pressure and the composition rest.
    """

    species: pd.DataFrame
    works: pd.DataFrame
    numbers: pd.DataFrame
    molecules: dict[str, Molecules]
    pressure_bar: Estimate
    volume_nm3: Estimate
    first_time_ps: float
    last_time_ps: float
    n_frames: int
    n_used: int
    is_drifting: bool
    n_accepted: int


def _pair(estimate: Estimate | None) -> tuple[float, float]:
    """Return mean and standard error, not a number where there is none."""
    if estimate is None:
        return np.nan, np.nan
    return estimate.mean, np.nan if estimate.stderr is None else estimate.stderr


def _agree(offset_kt: float, stderr_kt: float) -> str:
    """Return whether ln z by the works is that which was imposed."""
    if not stderr_kt <= _LARGEST_ERROR_KT:
        return "inconclusive"
    return "agrees" if abs(offset_kt) < _SIGNIFICANCE * stderr_kt else "differs"


@dataclass(frozen=True)
class _Counted:
    """The molecules of a species where they come and go: number, its variance, and the mean volume in nm3."""

    n: Estimate
    variance: float
    volume_nm3: float


def _in_region(moves: pd.DataFrame) -> _Counted | None:
    """Return how many molecules a region has, as its own moves found it; None without a move."""
    if moves.empty:
        return None
    n = moves.n_before.to_numpy(float)
    return _Counted(mean_with_error(n), float(n.var()), float(moves.volume_nm3.mean()))


def _of_reservoir(species: str, reservoir: Reservoir, there: _Counted, moves: Attempts) -> list[object]:
    """Return the columns from ``beta_mu`` to ``mu_ex_reservoir_stderr``.

    ln z of the works is that of the numbers of molecules that the run happened to have: it moves with their mean by 1 /
    var(N), and mu_ex, at their density, by 1 / var(N) - 1 / N. So their error is in that of both.
    """
    held, works, kT = reservoir.species[species], moves.works, kT_kj_mol(reservoir.temperature)
    n, n_stderr = _pair(there.n)
    per_molecule = 1 / there.variance if there.variance else np.nan
    beta_mu = float(np.log(held.activity))
    stderr = float(np.hypot(works.stderr_kt, n_stderr * per_molecule))
    crossing_stderr = float(np.hypot(works.crossing_stderr_kt, n_stderr * per_molecule))
    mu_ex = kT * (beta_mu + works.free_energy_kt - np.log(n / there.volume_nm3)) if n else np.nan
    mu_ex_stderr = kT * np.hypot(works.stderr_kt, n_stderr * (per_molecule - 1 / n)) if n else np.nan
    return [
        beta_mu, held.activity, reservoir.adams_parameter(species, there.volume_nm3), reservoir.fugacity_bar(species),
        beta_mu + works.free_energy_kt, stderr, beta_mu + works.crossing_kt, crossing_stderr,
        _agree(works.free_energy_kt, stderr), works.slope, works.slope_stderr, works.status, works.n_shared,
        mu_ex, mu_ex_stderr, held.mu_ex, held.mu_ex_error,
    ]  # fmt: skip


def _shares_of_reservoir(reservoir: Reservoir, species: list[str]) -> dict[str, float]:
    """Return the mole fractions of species in the reservoir's bulk, not a number if it does not tell."""
    densities = {name: bulk_density(name, reservoir) for name in species}
    return {name: density / sum(densities.values()) for name, density in densities.items()}


def _row(
    species: str,
    reservoir: Reservoir,
    found: Molecules,
    moves: Attempts,
    volume_nm3: float,
    share_reservoir: float,
    in_region: _Counted | None,
) -> list[object]:
    there, back, expected = moves.insertions, moves.deletions, found.expected
    counted = in_region or _Counted(found.n, found.variance, volume_nm3)
    return [
        species, found.status, found.n_accepted, *_pair(found.n), found.n.n_independent, found.variance, found.n_start,
        *_pair(found.molarity), *_pair(found.share), share_reservoir, *_pair(in_region.n if in_region else None),
        *((expected.n, expected.stderr, expected.agreement) if expected else (np.nan, np.nan, "")),
        *_of_reservoir(species, reservoir, counted, moves),
        there.n, there.n_accepted, *_pair(there.acceptance), back.n, back.n_accepted, *_pair(back.acceptance),
        *_pair(moves.acceptance), moves.gaussian_acceptance, *_pair(there.work_kt), *_pair(back.work_kt),
        moves.dissipation_kt, moves.dissipation_stderr_kt, moves.n_exploded, moves.n_left_region, moves.n_empty,
        moves.switching_ps, moves.ps_per_accepted, moves.seconds_per_accepted,
    ]  # fmt: skip


def _numbers(occupancy: OccupancyTable, first: int) -> pd.DataFrame:
    used = np.arange(len(occupancy)) >= first
    tables = [
        pd.DataFrame({"time_ps": occupancy.time_ps, "species": species, "n": occupancy.counts(species), "used": used})
        for species in occupancy.present
    ]
    return pd.concat(tables, ignore_index=True)[NUMBER_COLUMNS]


def grand_canonical(
    moves: pd.DataFrame,
    occupancy: OccupancyTable,
    reservoir: Reservoir,
    *,
    is_bulk: bool = False,
    has_region: bool = False,
) -> GrandCanonical:
    """Return what a grand-canonical run tells of its molecules and of its moves.

    Frames and moves of the start, before the numbers of molecules are steady, are left out of all numbers: see
    `solvshell.analysis.statistics.equilibration`.

    Parameters
    ----------
    moves : pandas.DataFrame
        From `read_moves`.
    occupancy : OccupancyTable
        Of two frames at least.
    reservoir : Reservoir
        At least of the species that came and went.
    is_bulk : bool
        Whether the run is of the reservoir's own bulk, so that its numbers of molecules are known.
    has_region : bool
        Whether molecules came and went in a part of the box: then its own numbers are told too.
    """
    first, found = settled(occupancy)
    start_ps = float(occupancy.time_ps[first])
    used = moves[moves.time_ps >= start_ps] if first else moves
    by_species = {name: used[used.species == name] for name in occupancy.present}
    n_accepted = {name: int(rows.accepted.sum()) for name, rows in by_species.items()}
    numbers = molecules(occupancy, n_accepted, reservoir, is_bulk=is_bulk)
    volume = mean_with_error(occupancy.volume_nm3[first:])
    shares = _shares_of_reservoir(reservoir, list(by_species))
    rows, works = [], []
    for name, own in by_species.items():
        in_region = _in_region(own) if has_region else None
        of_moves = attempts(own, reservoir.temperature)
        rows.append(_row(name, reservoir, numbers[name], of_moves, volume.mean, shares[name], in_region))
        works.append(work_histogram(name, net_work_kt(own), (own.kind == "insertion").to_numpy()))
    filled = [table for table in works if len(table)]
    return GrandCanonical(
        species=pd.DataFrame(rows, columns=SPECIES_COLUMNS),
        works=pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=WORK_COLUMNS),
        numbers=_numbers(occupancy, first),
        molecules=numbers,
        pressure_bar=mean_with_error(occupancy.pressure_bar[first:]),
        volume_nm3=volume,
        first_time_ps=start_ps,
        last_time_ps=float(occupancy.time_ps[-1]),
        n_frames=len(occupancy),
        n_used=len(occupancy) - first,
        is_drifting=found.clipped,
        n_accepted=min(n_accepted.values()),
    )
