"""What a comparison found: a row for each number of each system, with its difference to the reference."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from solvshell.analysis.cutoffs import Cutoff, Key
from solvshell.analysis.statistics import Estimate
from solvshell.comparison.differences import (
    Value,
    from_series,
)
from solvshell.comparison.energies import EnergyRows, compare_energies
from solvshell.comparison.free_energies import FreeEnergyRows, compare_free_energies
from solvshell.comparison.recount import CUTOFF_STEP_ANGSTROM, Recount
from solvshell.comparison.rows import Numbers, Row, attributed, differences, resolved
from solvshell.comparison.systems import System, controls_of
from solvshell.study import study_peak

_ROLES = ("anion", "cation", "solvent", "polymer")


@dataclass(frozen=True)
class Comparison:
    """All rows, the reference first; `shares` are tidy already."""

    systems: list[System]
    cutoffs: dict[Key, Cutoff]
    peaks: list[Row]
    coordination: list[Row]
    totals: list[Row]
    shells: list[Row]
    speciation: list[Row]
    shares: pd.DataFrame
    energies: EnergyRows
    free_energies: FreeEnergyRows

    @property
    def controls(self) -> dict[str, list[str]]:
        """The controls of each system with polymer, if the reference has none."""
        if self.systems[0].has_polymer:
            return {}
        return {
            system.name: [control.name for control in controls_of(system, self.systems)]
            for system in self.systems[1:]
            if system.has_polymer
        }

    @property
    def others(self) -> list[str]:
        """The systems besides the reference that have no polymer and are a control for none: nothing is attributed."""
        controls = {name for names in self.controls.values() for name in names}
        return [system.name for system in self.systems[1:] if not system.has_polymer and system.name not in controls]

    @property
    def counter_ions(self) -> list[str]:
        """The counter-ions of all polymers."""
        return list(dict.fromkeys(system.counter_ion for system in self.systems if system.counter_ion))

    def ratios(self, system: System, center: str) -> dict[str, float | None]:
        """Return how many solvent molecules and counter-ions of polymers there are for each ion of a center."""
        of_ions = {name: system.per_center(center, [name]) for name in self.counter_ions}
        return {"solvent": system.per_center(center, system.solvents), **of_ions}

    @property
    def centers(self) -> list[str]:
        """The centers of the reference that another system has too."""
        others = {center for system in self.systems[1:] for center in system.centers}
        return [center for center in self.systems[0].centers if center in others]

    @property
    def partner_order(self) -> list[str]:
        """All partners of all systems, anions first and polymers last."""
        return _partner_order(self.systems)


def _partner_order(systems: Sequence[System]) -> list[str]:
    roles = {name: entry.role for system in systems for name, entry in system.recipe.entries.items()}
    partners = dict.fromkeys(partner for system in systems for partner in system.partners)
    return sorted(partners, key=lambda name: _ROLES.index(roles[name]))


def _known(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def _peak_numbers(system: System) -> Numbers:
    found: Numbers = {}
    for key in dict.fromkeys(key for table in system.peaks for key in table.index):
        rows = [table.loc[key] for table in system.peaks if key in table.index]
        values = [Value(row.peak_angstrom, row.ci95_low, row.ci95_high) for row in rows if row.status == "resolved"]
        statuses = [str(row.status) for row in rows]
        status = "resolved" if values else "no_shell" if set(statuses) == {"no_shell"} else "too_few_samples"
        center, partner, site = key
        study = study_peak(center, partner, site, set(system.partners) - system.polymers, polymer=system.has_polymer)
        found[key] = (status, values, {"study_angstrom": study})
    return found


def _value(estimate: Estimate, highest: float = math.inf) -> Value:
    return from_series(estimate.mean, estimate.stderr, estimate.n_independent, highest)


def _coordination_numbers(recounts: list[Recount], cutoffs: dict[Key, Cutoff]) -> Numbers:
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


def _total_numbers(recounts: list[Recount]) -> Numbers:
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


def _fraction_numbers(
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


def _with_unseen(numbers: list[Numbers], systems: Sequence[System]) -> list[Numbers]:
    """Return the shares of all systems with 0 for what a system never had, where its shells were counted at all."""
    keys = dict.fromkeys(key for one in numbers for key in one)
    filled = []
    for system, one in zip(systems, numbers, strict=True):
        counted = {key[0] for key in one}
        nobody = [Value(0.0)] * len(system.replicas)
        unseen: Numbers = {key: ("none_seen", nobody, {}) for key in keys if key[0] in counted and key not in one}
        filled.append({**one, **unseen})
    return filled


def _shell_estimates(order: Sequence[str]) -> Callable[[Recount], dict[tuple[str, ...], Estimate]]:
    def of(recount: Recount) -> dict[tuple[str, ...], Estimate]:
        rows = zip(recount.shells.itertuples(), recount.of_shells, strict=True)
        return {(str(row.center), _in_order(str(row.composition), order)): estimate for row, estimate in rows}

    return of


def _state_estimates(recount: Recount) -> dict[tuple[str, ...], Estimate]:
    rows = zip(recount.speciation.itertuples(), recount.of_speciation, strict=True)
    return {(str(row.center), str(row.state)): estimate for row, estimate in rows if estimate is not None}


def _shares(systems: Sequence[System], recounts: dict[str, list[Recount]]) -> pd.DataFrame:
    """Return shell share, bulk share and their ratio, averaged over the replicas of each system."""
    tables = []
    for system in systems:
        shares = pd.concat([recount.shares for recount in recounts[system.name]])
        means = shares.groupby(["center", "partner"], sort=False).mean().reset_index()
        tables.append(means.assign(system=system.name)[["system", *means.columns]])
    return pd.concat(tables, ignore_index=True)


def compare_systems(
    systems: list[System], cutoffs: dict[Key, Cutoff], recounts: dict[str, list[Recount]]
) -> Comparison:
    """Return everything that differs between systems and the first of them, with its error."""
    order = _partner_order(systems)
    of_systems = [recounts[system.name] for system in systems]

    def shares(of: Callable[[Recount], dict[tuple[str, ...], Estimate]]) -> list[Row]:
        numbers = _with_unseen([_fraction_numbers(one, of) for one in of_systems], systems)
        return differences(systems, numbers, absent_is_zero=False)

    def rows(numbers: list[Numbers], *, absent_is_zero: bool) -> list[Row]:
        found = differences(systems, numbers, absent_is_zero=absent_is_zero)
        centers = list(dict.fromkeys(row.key[0] for row in found))
        if found and len(found[0].key) > 1:
            found.sort(key=lambda row: (centers.index(row.key[0]), order.index(row.key[1])))
        return attributed(found, systems)

    return Comparison(
        systems,
        cutoffs,
        rows([_peak_numbers(system) for system in systems], absent_is_zero=False),
        rows([_coordination_numbers(one, cutoffs) for one in of_systems], absent_is_zero=True),
        rows([_total_numbers(one) for one in of_systems], absent_is_zero=False),
        shares(_shell_estimates(order)),
        shares(_state_estimates),
        _shares(systems, recounts),
        compare_energies(systems, cutoffs, order),
        compare_free_energies(systems, order),
    )
