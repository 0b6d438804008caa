"""What a comparison found: a row for each number of each system, with its difference to the reference."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pandas as pd

from solvshell.analysis.cutoffs import Cutoff, Key
from solvshell.analysis.statistics import Estimate
from solvshell.comparison.energies import EnergyRows, compare_energies
from solvshell.comparison.free_energies import FreeEnergyRows, compare_free_energies
from solvshell.comparison.rows import Row, attributed, differences
from solvshell.comparison.systems import controls_of
from solvshell.joined.averages import Value
from solvshell.joined.molecules import molecule_numbers
from solvshell.joined.numbers import (
    Numbers,
    coordination_numbers,
    fraction_numbers,
    peak_numbers,
    shell_estimates,
    state_estimates,
    total_numbers,
)
from solvshell.joined.recount import Recount
from solvshell.joined.systems import System
from solvshell.study import study_peak

_ROLES = ("anion", "cation", "solvent", "polymer")


@dataclass(frozen=True)
class Comparison:
    """All rows, the reference first; `shares` are tidy already.

    `molecules` are the numbers of molecules that come and go, by species and quantity.
    """

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
    molecules: list[Row] = field(default_factory=list)

    def __repr__(self) -> str:
        first, *others = (system.name for system in self.systems)
        return f"<Comparison of {', '.join(others)} with {first}>"

    def _repr_html_(self) -> str:
        from solvshell.display_results import comparison_html  # which knows comparisons

        return comparison_html(self)

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


def _peak_numbers(system: System) -> Numbers:
    """Return the first peaks of the replicas, with those of the study."""
    partners = set(system.partners) - system.polymers
    found: Numbers = {}
    for (center, partner, site), (status, values, _) in peak_numbers(system).items():
        study = study_peak(center, partner, site, partners, polymer=system.has_polymer)
        found[center, partner, site] = (status, values, {"study_angstrom": study})
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
        numbers = _with_unseen([fraction_numbers(one, of) for one in of_systems], systems)
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
        rows([coordination_numbers(one, cutoffs) for one in of_systems], absent_is_zero=True),
        rows([total_numbers(one) for one in of_systems], absent_is_zero=False),
        shares(shell_estimates(order)),
        shares(state_estimates),
        _shares(systems, recounts),
        compare_energies(systems, cutoffs, order),
        compare_free_energies(systems, order),
        differences(systems, [molecule_numbers(system) for system in systems], absent_is_zero=False),
    )
