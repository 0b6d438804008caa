"""The numbers of a system: by key what each replica says, and whether that is enough."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from solvshell.analysis.cutoffs import Cutoff, Key
from solvshell.analysis.statistics import RESOLVED_N_INDEPENDENT, Estimate
from solvshell.joined.averages import Value, from_series
from solvshell.joined.recount import CUTOFF_STEP_ANGSTROM, Recount
from solvshell.joined.systems import System

#: By key (center, partner, site; or center, composition ...): status, the values of the replicas, and what else
#: belongs to the row.
Numbers = dict[tuple[str, ...], tuple[str, list[Value], dict[str, Any]]]


def resolved(n_independent: Iterable[float]) -> str:
    """Return the status of a number of which there are so many independent samples in each replica."""
    return "resolved" if all(n >= RESOLVED_N_INDEPENDENT for n in n_independent) else "not_resolved"


def _of_pairs(rows: Iterable[dict[str, Any]]) -> dict[tuple[str, ...], dict[str, Any]]:
    return {(row["center"], row["partner"], row["site"]): row for row in rows}


def _peak(row: dict[str, Any]) -> Value:
    names = ("peak_angstrom", "ci95_low", "ci95_high", "peak_stderr_angstrom", "n_independent")
    return Value(*(row[name] for name in names))


def peak_numbers(system: System) -> Numbers:
    """Return the first peaks of the replicas, each found in its own g(r)."""
    found: Numbers = {}
    of_replicas = [_of_pairs(replica.summary["peaks"]) for replica in system.replicas]
    for key in dict.fromkeys(key for peaks in of_replicas for key in peaks):
        rows = [peaks[key] for peaks in of_replicas if key in peaks]
        values = [_peak(row) for row in rows if row["status"] == "resolved"]
        statuses = [row["status"] for row in rows]
        status = "resolved" if values else "no_shell" if set(statuses) == {"no_shell"} else "too_few_samples"
        found[key] = (status, values, {})
    return found


def _value(estimate: Estimate, highest: float = math.inf) -> Value:
    return from_series(estimate.mean, estimate.stderr, estimate.n_independent, highest)


def coordination_numbers(recounts: list[Recount], cutoffs: dict[Key, Cutoff]) -> Numbers:
    """Return the coordination numbers of the replicas, and what moving the cutoff changes of them."""
    found: Numbers = {}
    tables = [recount.coordination.set_index(["center", "partner", "site"]) for recount in recounts]
    for key in tables[0].index:
        cutoff = cutoffs[key]
        if cutoff.angstrom is None:
            found[key] = (cutoff.status, [], {"cutoff_angstrom": None})
            continue
        rows = [table.loc[key] for table in tables]
        values = [from_series(row.cn_atoms_mean, row.cn_atoms_stderr, row.n_independent) for row in rows]
        here, before, behind = np.mean([recount.moved[key] for recount in recounts], axis=0)
        extra = {
            "cutoff_angstrom": cutoff.angstrom,
            "n_independent": min(row.n_independent for row in rows),
            "d_cn_d_cutoff_per_angstrom": (behind - before) / (2 * CUTOFF_STEP_ANGSTROM),
            "cn_change_cutoff_minus": before - here,
            "cn_change_cutoff_plus": behind - here,
        }
        found[key] = (resolved(row.n_independent for row in rows), values, extra)
    return found


def total_numbers(recounts: list[Recount]) -> Numbers:
    """Return the sum over all partners for each center; none where a cutoff is missing."""
    found: Numbers = {}
    for center in recounts[0].total:
        estimates = [recount.total[center] for recount in recounts]
        known = [estimate for estimate in estimates if estimate is not None]
        status = resolved(estimate.n_independent for estimate in known) if known else "too_few_samples"
        n_independent = min((estimate.n_independent for estimate in known), default=None)
        found[(center,)] = (status, [_value(estimate) for estimate in known], {"n_independent": n_independent})
    return found


def _in_order(composition: str, order: Sequence[str]) -> str:
    """Return a shell composition with its partners in one order for all systems."""
    if composition == "none":
        return composition
    words = composition.split()
    named = [max((name for name in order if word.startswith(name)), key=len) for word in words]
    return " ".join(word for _, word in sorted(zip(map(order.index, named), words, strict=True)))


def fraction_numbers(
    recounts: list[Recount], estimates_of: Callable[[Recount], dict[tuple[str, ...], Estimate]]
) -> Numbers:
    """Return the shares of the centers; one that a replica does not have is 0 there, without an error of its own."""
    tables = [estimates_of(recount) for recount in recounts]
    found: Numbers = {}
    for key in dict.fromkeys(key for table in tables for key in table):
        values = [_value(table[key], 1.0) if key in table else Value(0.0) for table in tables]
        seen = [table[key] for table in tables if key in table]
        n_independent = min(share.n_independent for share in seen)
        resolved = "resolved" if all(share.is_resolved_share for share in seen) else "not_resolved"
        status = resolved if any(value.mean for value in values) else "none_seen"
        found[key] = (status, values, {"n_independent": n_independent})
    return found


def shell_estimates(order: Sequence[str]) -> Callable[[Recount], dict[tuple[str, ...], Estimate]]:
    """Return how to read the shares of shell compositions, their partners in one order."""

    def of(recount: Recount) -> dict[tuple[str, ...], Estimate]:
        rows = zip(recount.shells.itertuples(), recount.of_shells, strict=True)
        return {(str(row.center), _in_order(str(row.composition), order)): estimate for row, estimate in rows}

    return of


def state_estimates(recount: Recount) -> dict[tuple[str, ...], Estimate]:
    """Return the shares of SSIP, CIP and AGG."""
    rows = zip(recount.speciation.itertuples(), recount.of_speciation, strict=True)
    return {(str(row.center), str(row.state)): estimate for row, estimate in rows if estimate is not None}
