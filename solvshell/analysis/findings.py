"""What an analysis found, and what is behind each row: the input of the summary."""

from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

import pandas as pd

from solvshell.analysis.energies.distributions import DISTANCE_COLUMNS, DISTRIBUTION_COLUMNS
from solvshell.analysis.energies.per_species import ENERGY_COLUMNS, SUM_COLUMNS
from solvshell.analysis.energies.polymer_units import UNIT_COLUMNS
from solvshell.analysis.energies.shell_compositions import SHELL_ENERGY_COLUMNS
from solvshell.analysis.peaks import Shell
from solvshell.analysis.residence import METHOD, ResidenceTimes
from solvshell.analysis.statistics import RESOLVED_N_INDEPENDENT, Bootstrap, Estimate

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


@dataclass(frozen=True)
class Settings:
    """How the numbers were made."""

    source: dict[str, str]
    dynamics: str
    timestep_ps: float
    first_frame: int
    no_plateau: bool
    capture_radius_angstrom: float
    r_max_angstrom: float
    n_bootstrap: int
    n_blocks: int
    seed: int
    shell: str | dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Tables:
    """The tables of an analysis, each of which is a file of its name; those of energies are empty without a model."""

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
    potential_of_mean_force: pd.DataFrame
    barriers: pd.DataFrame
    exchange_free_energy: pd.DataFrame
    convergence: pd.DataFrame
    running_means: pd.DataFrame
    energies: pd.DataFrame = field(default_factory=partial(pd.DataFrame, columns=ENERGY_COLUMNS))
    energy_sums: pd.DataFrame = field(default_factory=partial(pd.DataFrame, columns=SUM_COLUMNS))
    energy_distribution: pd.DataFrame = field(default_factory=partial(pd.DataFrame, columns=DISTRIBUTION_COLUMNS))
    energy_distance: pd.DataFrame = field(default_factory=partial(pd.DataFrame, columns=DISTANCE_COLUMNS))
    energy_shells: pd.DataFrame = field(default_factory=partial(pd.DataFrame, columns=SHELL_ENERGY_COLUMNS))
    energy_units: pd.DataFrame = field(default_factory=partial(pd.DataFrame, columns=UNIT_COLUMNS))


TABLES = tuple(field.name for field in fields(Tables))


@dataclass(frozen=True)
class PeakSamples:
    """How well a run knows one g(r): the draws of its bootstrap, and what these rest on.

    `inefficiency_frames` is the statistical inefficiency by which frames are drawn together, `n_independent` the
    independent samples behind the peak.
    """

    bootstrap: Bootstrap
    inefficiency_frames: float
    n_independent: float


@dataclass(frozen=True)
class Findings:
    """What is behind the rows of the tables, in the order of the rows; None stands for what the run cannot say."""

    peak_shells: list[Shell]
    of_peaks: list[PeakSamples]
    total_coordination: dict[str, Estimate | None]
    of_shells: list[Estimate]
    shell_shares: list[dict[str, Any]]
    of_speciation: list[Estimate | None]
    residence: ResidenceTimes
    mean_angles: pd.DataFrame
    largest_cluster: Estimate | None


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as dictionaries."""
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def rows_with(table: pd.DataFrame, extra: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of a table, each with its extra entries."""
    return [row | more for row, more in zip(records(table), extra, strict=True)]


def pair_name(row: dict[str, Any]) -> str:
    """Return how a pair is named in flags and notes: ``Li-EC carbonyl_o``."""
    return f"{row['center']}-{row['partner']} {row['site']}"


def samples(n_independent: float | None, *, known: bool = True) -> dict[str, Any]:
    """Return the entries that every quantity carries: its independent samples, and whether they are enough."""
    enough = n_independent is not None and n_independent >= RESOLVED_N_INDEPENDENT
    return {"n_independent": n_independent, "resolved": known and enough}


def samples_of_share(share: Estimate | None) -> dict[str, Any]:
    """Return the same of a share, which must have been visited often enough too."""
    if share is None:
        return samples(None)
    return {"n_independent": share.n_independent, "resolved": share.is_resolved_share}


def peak_rows(tables: Tables, found: Findings) -> list[dict[str, Any]]:
    """Return the rows of the summary for first peaks."""
    extra = [
        {key: getattr(shell, key) for key in ("g_peak", "n_counts", "peak_with", "first_minimum_stderr")}
        | {"peak_stderr_angstrom": shell.stderr}
        | {"inefficiency_frames": of_peak.inefficiency_frames, "n_draws": of_peak.bootstrap.n_draws}
        | {"draws_shorter_than_memory": of_peak.bootstrap.shorter_than_asked}
        | samples(of_peak.n_independent, known=shell.status != "too_few_samples")
        for shell, of_peak in zip(found.peak_shells, found.of_peaks, strict=True)
    ]
    return rows_with(tables.peaks, extra)


def residence_rows(found: Findings) -> list[dict[str, Any]]:
    """Return the rows of the summary for residence times; the independent samples are the departures."""
    rows = []
    for pair in found.residence.pairs:
        stay, everything = pair.exponential, pair.to_dict()
        rows.append(
            {key: everything.pop(key) for key in ("center", "partner", "site")}
            | {"method": METHOD}
            | (everything.pop("exponential") or {"time_ps": None, "stderr_ps": None})
            | everything
            | samples(stay.n_departures if stay else 0)
        )
    return rows
