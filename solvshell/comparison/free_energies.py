"""Free energies of systems side by side: the way out of a well of W(r), and exchanges of one molecule of a shell."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from solvshell.comparison.exchange_free_energy import EXCHANGE_COLUMNS, exchange_differences
from solvshell.comparison.rows import Row, attributed, differences
from solvshell.joined.averages import Value, from_series
from solvshell.joined.numbers import Numbers, resolved
from solvshell.joined.systems import System
from solvshell.shown import Shown


@dataclass(frozen=True)
class FreeEnergyRows:
    """Free energies.

    Attributes
    ----------
    escape : list of Row
        From the well of W(r) to its barrier in kT, by center, partner and site. Where a run has not sampled the
        barrier, `extra` says what it exceeds.
    exchange : pandas.DataFrame
        Of one molecule of a first shell for another, see `exchange_differences`.
    """

    escape: list[Row]
    exchange: pd.DataFrame


NO_FREE_ENERGIES = FreeEnergyRows([], pd.DataFrame(columns=EXCHANGE_COLUMNS))


@dataclass(frozen=True)
class _Found:
    """One free energy of one run; without a value there is a bound at most."""

    key: tuple[str, ...]
    value: Value | None
    n_independent: float
    at_least_kt: float | None = None


def _escapes(replica: Shown) -> Iterator[_Found]:
    barriers = replica.tables["barriers"].merge(replica.tables["coordination"][["center", "partner", "site"]])
    for row in barriers[barriers.quantity == "escape"].itertuples():
        key = (row.center, row.partner, row.site)
        if row.status == "resolved":
            value = from_series(row.w_kt, row.w_kt_stderr, row.n_independent, lowest=-math.inf)
            yield _Found(key, value, row.n_independent)
        elif not math.isnan(row.at_least_kt):
            yield _Found(key, None, row.n_independent, row.at_least_kt)


def _numbers(system: System) -> Numbers:
    of_keys: dict[tuple[str, ...], list[_Found]] = {}
    for replica in system.replicas:
        for one in _escapes(replica):
            of_keys.setdefault(one.key, []).append(one)
    numbers: Numbers = {}
    for key, found in of_keys.items():
        values = [one.value for one in found if one.value is not None]
        bounds = [one.at_least_kt for one in found if one.at_least_kt is not None]
        extra = {"at_least_kt": min(bounds)} if bounds and not values else {}
        numbers[key] = (resolved(one.n_independent for one in found) if values else "not_resolved", values, extra)
    return numbers


def compare_free_energies(systems: list[System], order: Sequence[str]) -> FreeEnergyRows:
    """Return the free energies of systems, with their differences to the first; none if an analysis is too old.

    Parameters
    ----------
    order
        Of the partners.
    """
    if not all("barriers" in replica.tables for system in systems for replica in system.replicas):
        return NO_FREE_ENERGIES

    escape = differences(systems, [_numbers(system) for system in systems], absent_is_zero=False)
    escape.sort(key=lambda row: (row.key[0], order.index(row.key[1]), row.key[2]))
    of_systems = {
        system.name: [replica.tables["exchange_free_energy"] for replica in system.replicas] for system in systems
    }
    return FreeEnergyRows(attributed(escape, systems), exchange_differences(of_systems))
