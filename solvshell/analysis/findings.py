"""What an analysis found, and what is behind each row: the input of the summary."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from solvshell.analysis.peaks import Shell
from solvshell.analysis.residence import METHOD, ResidenceTimes
from solvshell.analysis.statistics import RESOLVED_N_INDEPENDENT, Estimate


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
    n_draws: int
    draws_shorter_than_memory: bool
    seed: int


@dataclass(frozen=True)
class Findings:
    """The tables, and what is behind their rows, in the order of the rows; None stands for what the run cannot say."""

    peaks: pd.DataFrame
    first_shells: list[Shell]
    of_peaks: list[float]
    coordination: pd.DataFrame
    total_coordination: dict[str, Estimate | None]
    shells: pd.DataFrame
    of_shells: list[Estimate]
    shell_shares: list[dict[str, Any]]
    speciation: pd.DataFrame
    of_speciation: list[Estimate | None]
    residence: ResidenceTimes
    exchange: pd.DataFrame
    clusters: pd.DataFrame
    population: pd.DataFrame
    denticity: pd.DataFrame
    bridging: pd.DataFrame
    mean_angles: pd.DataFrame
    coordination_free_energy: pd.DataFrame
    convergence: pd.DataFrame


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


def peak_rows(found: Findings) -> list[dict[str, Any]]:
    """Return the rows of the summary for first peaks."""
    extra = [
        {key: getattr(shell, key) for key in ("g_peak", "n_counts", "peak_with")}
        | samples(n_independent, known=shell.status != "too_few_samples")
        for shell, n_independent in zip(found.first_shells, found.of_peaks, strict=True)
    ]
    return rows_with(found.peaks, extra)


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
