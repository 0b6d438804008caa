"""The tables of a system of replicas: those of one run, with errors from how replicas differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from solvshell.analysis.coordination import COORDINATION_COLUMNS
from solvshell.analysis.cutoffs import Cutoff, Key
from solvshell.analysis.findings import PEAK_COLUMNS
from solvshell.analysis.rdf import RDF_COLUMNS, rdf_table
from solvshell.analysis.shells import SHELL_COLUMNS, SPECIATION_COLUMNS
from solvshell.analysis.statistics import MIN_REPLICAS
from solvshell.joined.averages import Average, Value, average, from_series
from solvshell.joined.numbers import (
    Numbers,
    coordination_numbers,
    fraction_numbers,
    peak_numbers,
    shell_estimates,
    state_estimates,
)
from solvshell.joined.recount import Pass, Pooled, Recount
from solvshell.joined.scatter import scatter
from solvshell.joined.systems import System

_PAIR = ("center", "partner", "site")
#: What every joined number has besides its mean and its standard error.
JOINED_COLUMNS = ["ci95_low", "ci95_high", "n_replicas", "basis", "between_over_within", "status"]


def joined_columns(values: Sequence[Value], status: str = "", *, is_share: bool = False) -> dict[str, Any]:
    """Return `JOINED_COLUMNS` of the values of replicas, and ``mean`` and ``stderr``; empty without values."""
    number = average(values) if values else Average(np.nan, None, None, (), None)
    low, high = number.low, number.high
    if is_share:
        low, high = None if low is None else max(0.0, low), None if high is None else min(1.0, high)
    spread = scatter(values)
    return {
        "mean": number.mean,
        "stderr": number.stderr,
        "ci95_low": low,
        "ci95_high": high,
        "n_replicas": len(values),
        "basis": number.basis,
        "between_over_within": spread and spread.between_over_within,
        "status": status,
    }


def _table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Return rows as a table whose numbers are floats where some are missing."""
    table = pd.DataFrame(list(rows)).reindex(columns=[*dict.fromkeys(columns)])
    empty = [name for name in table if table[name].isna().all() and name not in ("basis", "status", "cutoff_source")]
    return table.astype(dict.fromkeys(empty, float))


def _own_errors(passes: Sequence[Pass], tables: Sequence[pd.DataFrame], key: Key, n_bins: int) -> tuple[Any, Any]:
    """Return the standard errors of pooled g(r) and n(r) that those of the runs say, in quadrature."""
    pairs = [one.pairs[key] for one in passes]
    found = []
    for error, parts in (
        ("g_stderr", [pair.density.sum() for pair in pairs]),
        ("n_stderr", [pair.n_center_frames for pair in pairs]),
    ):
        own = [table[(table[list(_PAIR)] == list(key)).all(axis=1)][error].to_numpy(float)[:n_bins] for table in tables]
        found.append(np.linalg.norm([part / sum(parts) * one for part, one in zip(parts, own, strict=True)], axis=0))
    return found[0], found[1]


def joined_rdf(system: System, passes: Sequence[Pass], pooled: Mapping[Key, Pooled]) -> pd.DataFrame:
    """Return g(r) and n(r) of all replicas: sums of counts over sums of even counts, up to the end of the shortest.

    Errors are those of a bootstrap that draws replicas first, then their time blocks; of fewer than three replicas,
    those of the runs.
    """
    tables = []
    for key, one in pooled.items():
        table = rdf_table([one.pair], one.bootstrap)
        having = [(p, r.tables["rdf"]) for p, r in zip(passes, system.replicas, strict=True) if key in p.pairs]
        if len(having) < MIN_REPLICAS:
            own = _own_errors([p for p, _ in having], [rdf for _, rdf in having], key, len(table))
            table = table.assign(g_stderr=own[0], n_stderr=own[1])
        basis = "replicas" if len(having) >= MIN_REPLICAS else "one run"
        tables.append(table.assign(n_replicas=len(having), basis=basis))
    return pd.concat(tables, ignore_index=True)[[*RDF_COLUMNS, "n_replicas", "basis"]]


def joined_peaks(system: System, pooled: Mapping[Key, Pooled], cutoffs: Mapping[Key, Cutoff]) -> pd.DataFrame:
    """Return the first peaks: means over those of the replicas; first minima and cutoffs of the pooled g(r).

    Where no replica has samples enough and all together do, the peak is that of the pooled g(r), and the basis says so.
    """
    rows = []
    for key, (status, values, _) in peak_numbers(system).items():
        shell, cutoff = pooled[key[0], key[1], key[2]].shell, cutoffs.get((key[0], key[1], key[2]))
        row = joined_columns(values, status)
        if not values and shell.status == "resolved" and shell.ci95:
            low, high = shell.ci95
            row |= {"mean": shell.peak, "stderr": shell.stderr, "ci95_low": low, "ci95_high": high}
            row |= {"status": "resolved", "basis": "pooled g(r)"}
        row |= {"peak_angstrom": row["mean"], "first_minimum_angstrom": shell.first_minimum}
        row |= {"cutoff_angstrom": cutoff and cutoff.angstrom, "cutoff_source": cutoff and cutoff.source}
        rows.append(dict(zip(_PAIR, key, strict=True)) | row)
    return _table(rows, [*PEAK_COLUMNS, "stderr", *JOINED_COLUMNS]).rename(columns={"stderr": "stderr_angstrom"})


def _molecules(recounts: Sequence[Recount], key: tuple[str, ...]) -> Average | None:
    tables = [recount.coordination.set_index(list(_PAIR)) for recount in recounts]
    rows = [table.loc[key] for table in tables]
    values = [from_series(row.cn_molecules_mean, row.cn_molecules_stderr, row.n_independent) for row in rows]
    return None if any(np.isnan(value.mean) for value in values) else average(values)


def joined_coordination(recounts: list[Recount], cutoffs: dict[Key, Cutoff]) -> pd.DataFrame:
    """Return the coordination numbers within the common cutoffs; the interval is that of the atoms."""
    rows = []
    for key, (status, values, extra) in coordination_numbers(recounts, cutoffs).items():
        row, molecules = joined_columns(values, status), _molecules(recounts, key)
        row |= {"cn_atoms_mean": row["mean"], "cn_atoms_stderr": row["stderr"], **extra}
        row |= {"n_independent": sum(value.n_independent or np.nan for value in values) if values else np.nan}
        if molecules is not None:
            row |= {"cn_molecules_mean": molecules.mean, "cn_molecules_stderr": molecules.stderr}
        rows.append(dict(zip(_PAIR, key, strict=True)) | row)
    return _table(rows, [*COORDINATION_COLUMNS, *JOINED_COLUMNS, "d_cn_d_cutoff_per_angstrom"])


@dataclass(frozen=True)
class _Seen:
    """How often a replica saw a composition, and where."""

    n: int
    replica: str
    frame: int


def _seen(system: System, recounts: Sequence[Recount]) -> dict[tuple[str, str], list[_Seen]]:
    """Return by center and composition which replicas saw it."""
    found: dict[tuple[str, str], list[_Seen]] = {}
    for run, recount in zip(system.runs, recounts, strict=True):
        for row in recount.shells.itertuples():
            seen = _Seen(int(row.n), run.path.name, int(row.example_frame))
            found.setdefault((str(row.center), str(row.composition)), []).append(seen)
    return found


def _shares(numbers: Numbers, names: Sequence[str]) -> list[dict[str, Any]]:
    rows = []
    for key, (status, values, _) in numbers.items():
        row = joined_columns(values, status, is_share=True)
        rows.append(dict(zip(names, key, strict=True)) | row | {"fraction": row["mean"]})
    return rows


def joined_shells(system: System, recounts: list[Recount]) -> pd.DataFrame:
    """Return the shares of shell compositions, the most frequent first; one that a replica lacks is 0 there."""
    rows = _shares(fraction_numbers(recounts, shell_estimates(system.partners)), ("center", "composition"))
    seen = _seen(system, recounts)
    for row in rows:
        found = seen[row["center"], row["composition"]]
        most = max(found, key=lambda one: one.n)
        row |= {"n": sum(one.n for one in found), "example_replica": most.replica, "example_frame": most.frame}
    table = _table(rows, [*SHELL_COLUMNS, "example_replica", *JOINED_COLUMNS])
    order = {center: place for place, center in enumerate(dict.fromkeys(table.center))}
    keys = pd.DataFrame({"center": table.center.map(order), "fraction": -table.fraction})
    return table.loc[keys.sort_values(["center", "fraction"], kind="stable").index].reset_index(drop=True)


def joined_speciation(recounts: list[Recount]) -> pd.DataFrame:
    """Return the shares of SSIP, CIP and AGG; empty numbers where contacts cannot be counted."""
    numbers: Numbers = {
        (str(row.center), str(row.state)): ("too_few_samples", [], {}) for row in recounts[0].speciation.itertuples()
    }
    rows = _shares(numbers | fraction_numbers(recounts, state_estimates), ("center", "state"))
    return _table(rows, [*SPECIATION_COLUMNS, *JOINED_COLUMNS])
