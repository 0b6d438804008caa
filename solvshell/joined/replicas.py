"""What each replica says of each number, and whether replicas agree."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from solvshell.analysis.cutoffs import Cutoff, Key
from solvshell.analysis.residence import METHOD, ResidenceTimes
from solvshell.joined.averages import Value, average, from_series
from solvshell.joined.numbers import (
    coordination_numbers,
    fraction_numbers,
    peak_numbers,
    shell_estimates,
    state_estimates,
    total_numbers,
)
from solvshell.joined.recount import Recount
from solvshell.joined.scatter import judged, scatter
from solvshell.joined.systems import System
from solvshell.shown import Shown

REPLICA_COLUMNS = ["quantity", "center", "of", "replica", "value", "stderr", "n_independent"]
#: Rarer shells say little about whether replicas agree, and would drown the rest.
COMMON_SHARE = 0.05
#: Quantity, center, and of what: ``("coordination", "Li", "EC carbonyl_o")``.
Name = tuple[str, str, str]


def _of_liquid(replica: Shown) -> Iterator[tuple[Name, Value]]:
    """Yield density and potential energy."""
    for name in ("density_g_cm3", "potential_kj_mol"):
        found = replica.summary["thermodynamics"].get(name)
        if found and found["mean"] is not None:
            value = from_series(found["mean"], found["stderr"], found["n_independent"], lowest=-np.inf)
            yield (name, "", ""), value


def _of_energies(replica: Shown) -> Iterator[tuple[Name, Value]]:
    """Yield the sums over the first shell (bare) and over the box (Ewald)."""
    if replica.without_energies:
        return
    for row in replica.tables["energy_sums"].itertuples():
        value = from_series(row.total_kj_mol, row.stderr_kj_mol, row.n_independent, lowest=-np.inf)
        yield (f"energy_{row.region}", str(row.center), row.coulomb), value


def _of_stays(residence: ResidenceTimes) -> Iterator[tuple[Name, Value]]:
    for pair in residence.pairs:
        one = pair.exponential
        if one is not None and one.time_ps is not None:
            value = from_series(one.time_ps, one.stderr_ps, one.n_departures)
            yield (f"residence_ps ({METHOD})", pair.center, f"{pair.partner} {pair.site}"), value


def _values(
    one: System, recount: Recount, cutoffs: dict[Key, Cutoff], residence: ResidenceTimes
) -> Iterator[tuple[Name, Value]]:
    """Yield every number that one replica, as a system of its own, has a value of."""
    (replica,) = one.replicas
    yield from _of_liquid(replica)
    tables = {
        "peak_angstrom": peak_numbers(one),
        "coordination": coordination_numbers([recount], cutoffs) | total_numbers([recount]),
        "shell": fraction_numbers([recount], shell_estimates(one.partners)),
        "state": fraction_numbers([recount], state_estimates),
    }
    for quantity, numbers in tables.items():
        for (center, *of), (_, values, _) in numbers.items():
            for value in values:
                yield (quantity, center, " ".join(of) or "all"), value
    yield from _of_stays(residence)
    yield from _of_energies(replica)


def values_of_replicas(
    system: System,
    recounts: Sequence[Recount],
    cutoffs: dict[Key, Cutoff],
    residences: Sequence[ResidenceTimes],
) -> dict[Name, dict[str, Value]]:
    """Return by number and replica what each replica says; only shells that make 5 % of the centers are among them."""
    found: dict[Name, dict[str, Value]] = {}
    for run, replica, recount, residence in zip(system.runs, system.replicas, recounts, residences, strict=True):
        one = replace(system, replicas=(replica,))
        for name, value in _values(one, recount, cutoffs, residence):
            found.setdefault(name, {})[run.path.name] = value
    for name, values in found.items():
        if name[0] == "shell":  # a replica without it has none of it, as in the table of shells
            found[name] = {run.path.name: values.get(run.path.name, Value(0.0)) for run in system.runs}
    return {
        name: values
        for name, values in found.items()
        if name[0] != "shell" or sum(value.mean for value in values.values()) >= COMMON_SHARE * len(recounts)
    }


def replica_table(values: dict[Name, dict[str, Value]]) -> pd.DataFrame:
    """Return every number of every replica, with its error from time blocks within the replica."""
    rows = [
        (*name, replica, value.mean, value.stderr, value.n_independent)
        for name, of_replicas in values.items()
        for replica, value in of_replicas.items()
    ]
    return pd.DataFrame(rows, columns=REPLICA_COLUMNS).astype(dict.fromkeys(REPLICA_COLUMNS[-3:], float))


def between_replicas(values: dict[Name, dict[str, Value]]) -> pd.DataFrame:
    """Return for each number the error between replicas, that within them, and whether the two agree; see `scatter`."""
    rows = []
    for (quantity, center, of), of_replicas in values.items():
        number, spread = average(list(of_replicas.values())), scatter(list(of_replicas.values()))
        row = {"quantity": quantity, "center": center, "of": of, "mean": number.mean, "stderr": number.stderr}
        rows.append(row | {"n_replicas": len(of_replicas), "p_value": np.nan} | (vars(spread) if spread else {}))
    return judged(pd.DataFrame(rows))
