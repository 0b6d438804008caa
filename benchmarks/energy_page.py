"""The page of the energies of Li+ with and without the polymer, from analyzed run folders."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from solvshell import __version__
from solvshell.analysis import Analysis
from solvshell.analysis.statistics import RESOLVED_N_INDEPENDENT
from solvshell.comparison.differences import NOTHING, difference
from solvshell.comparison.exchange_free_energy import exchange_differences
from solvshell.figures import number, pair_name
from solvshell.joined.averages import Average, Value, average, from_series
from solvshell.run import Run

_HEAD = """# Energies of Li⁺ with and without the polymer

Made by `python benchmarks/energy_systems.py make --out OUT` and `python benchmarks/energy_systems.py table --out OUT`
({date}, solvshell {version}): small boxes, sampled by GROMACS at 298.15 K and constant volume after an anneal at
400 K and 1 bar, one packing each: **a demonstration**. Charges of ions are scaled by {scale}. ± is the standard error
within one run, * marks what has fewer than 10 independent samples of each Li⁺, changes are differences to {reference}
with their 95 % interval; Ewald energies with ions hold a constant of each box and have none.
What the numbers mean: [energies](../energies.md), [free energies](../free_energy.md).

"""
_SUMS = {
    ("first_shell", "bare"): "first shell, bare: the molecules in contact, each at its nearest image",
    ("whole_box", "ewald"): "whole box, Ewald: all other molecules and the images of Li⁺, with the periodic sum",
}
#: Molecules with less charge than this, in e, are neutral.
_NEUTRAL = 1e-3


@dataclass(frozen=True)
class System:
    """A system with what was found in it."""

    name: str
    run: Run
    analysis: Analysis


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]) + "\n"


def _cell(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "–"
    mark = "" if row["n_independent"] >= RESOLVED_N_INDEPENDENT else " *"
    return number(row["total_kj_mol"], row["stderr_kj_mol"]) + mark


def _with_interval(value: float, low: float, high: float) -> str:
    digits = max(0, 1 - int(np.floor(np.log10(high - low))))
    value_said, low_said, high_said = (f"{x:.{digits}f}".replace("-", "−") for x in (value, low, high))
    return f"{value_said} ({low_said} … {high_said})"


def _change(of_system: Average, of_reference: Average) -> str:
    change = difference(of_system, of_reference)
    if change.low is None or change.high is None:
        return number(change.value)
    return _with_interval(change.value, change.low, change.high)


def _average(row: Mapping[str, Any]) -> Average:
    value: Value = from_series(row["total_kj_mol"], row["stderr_kj_mol"], row["n_independent"], lowest=-float("inf"))
    return average([value])


def _only(table: pd.DataFrame, **wanted: str) -> Mapping[str, Any] | None:
    for key, value in wanted.items():
        table = table[table[key] == value]
    return None if table.empty else {str(name): value for name, value in table.iloc[0].items()}


def _number(system: System, table: str, **wanted: str) -> Average | None:
    """Return a number; a Li+ has nothing of a species that is not in the box, and that is exact."""
    row = _only(getattr(system.analysis, table), **wanted)
    if row is not None:
        return _average(row)
    is_absent = wanted.get("partner") not in set(system.analysis.energies.partner)
    return NOTHING if is_absent and wanted.get("quantity") == "per_center" else None


def _is_of_box(systems: list[System], **wanted: str) -> bool:
    """Return whether an energy holds a constant of the box: that of Ewald with charged molecules."""
    charges = [one.analysis.summary["energies"]["charges"].get(wanted.get("partner"), 0.0) for one in systems]
    return wanted["coulomb"] == "ewald" and max(map(abs, charges)) > _NEUTRAL


def _row(systems: list[System], table: str, label: str, **wanted: str) -> list[str]:
    """Return the cells of a number of all systems, and its differences to the first, if it is comparable."""
    cells = [_cell(_only(getattr(one.analysis, table), **wanted)) for one in systems]
    first, *others = (_number(one, table, **wanted) for one in systems)
    if _is_of_box(systems, **wanted):
        first = None
    changes = ["–" if one is None or first is None else _change(one, first) for one in others]
    return [label, *cells, *changes]


def _head(systems: list[System], what: str) -> list[str]:
    return [what, *(one.name for one in systems), *(f"{one.name}, change" for one in systems[1:])]


def _sums(systems: list[System]) -> str:
    rows = [
        _row(systems, "energy_sums", said, center="Li", region=region, coulomb=coulomb)
        for (region, coulomb), said in _SUMS.items()
    ]
    return "## Per Li⁺, all partners, kJ/mol\n\n" + _markdown(_head(systems, "sum"), rows)


def _by_partner(systems: list[System], title: str, **wanted: str) -> str:
    partners = dict.fromkeys(partner for one in systems for partner in one.analysis.energies.partner)
    rows = [_row(systems, "energies", partner, center="Li", partner=partner, **wanted) for partner in partners]
    met = [row for row in rows if set(row[1:]) != {"–"}]
    return f"## {title}, kJ/mol\n\n" + _markdown(_head(systems, "partner"), met)


def _barrier(row: Mapping[str, Any] | None) -> str:
    if row is None or row["status"] not in ("resolved", "not_sampled"):
        return "–" if row is None else str(row["status"]).replace("_", " ")
    if row["status"] == "resolved":
        return number(row["w_kj_mol"], row["w_kj_mol_stderr"])
    return "not sampled" if pd.isna(row["at_least_kj_mol"]) else f"> {row['at_least_kj_mol']:.1f}".replace("-", "−")


def _barriers(systems: list[System]) -> str:
    coordinating = dict.fromkeys(
        key
        for one in systems
        for key in one.analysis.coordination[["center", "partner", "site"]].itertuples(index=False, name=None)
    )
    rows = []
    for center, partner, site in coordinating:
        for quantity in ("well", "escape"):
            key = {"center": center, "partner": partner, "site": site, "quantity": quantity}
            cells = [_barrier(_only(one.analysis.barriers, **key)) for one in systems]
            rows.append([f"{pair_name(center, partner, site)}, {quantity}", *cells])
    said = "W(r) = −kT ln g(r) at the first peak, and from there to the first minimum; > is a 95 % lower bound.\n\n"
    return "## Well and escape, kJ/mol\n\n" + said + _markdown(["pair", *(one.name for one in systems)], rows)


def _exchange(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "–"
    return number(row["delta_g_kj_mol"], row["stderr"]) + ("" if row["status"] == "resolved" else " *")


def _exchange_change(row: Mapping[str, Any] | None) -> str:
    if row is None or pd.isna(row["difference_ci95_low"]):
        return "–"
    return _with_interval(row["difference"], row["difference_ci95_low"], row["difference_ci95_high"])


def _exchanges(systems: list[System]) -> str:
    found = exchange_differences({one.name: [one.analysis.exchange_free_energy] for one in systems})
    found = found[(found["shell"] == "any") & (found.concentrations == "free")]
    rows = []
    for (leaves, enters), table in found.groupby(["leaves", "enters"], sort=False):
        of_systems = [_only(table, system=one.name) for one in systems]
        rows.append([f"{leaves} → {enters}", *map(_exchange, of_systems), *map(_exchange_change, of_systems[1:])])
    said = "In any shell, with the concentrations of free molecules: below zero Li⁺ prefers what enters.\n\n"
    return "## Exchange free energies, kJ/mol\n\n" + said + _markdown(_head(systems, "exchange"), rows)


def _runs(systems: list[System]) -> str:
    rows = []
    for one in systems:
        frames, total = one.analysis.summary["frames"], one.analysis.summary["coordination"]["total"]["Li"]
        counts = ", ".join(f"{count} {name}" for name, count in one.run.box.counts.items())
        number_of_atoms = number(total["mean"], total["stderr"])
        rows.append([one.name, counts, f"{frames['used'] * frames['timestep_ps']:.0f}", number_of_atoms])
    return _markdown(["system", "in the box", "used, ps", "atoms around Li⁺"], rows)


def page(systems: list[System]) -> str:
    """Return the page; the first system is the reference."""
    shell = {"region": "first_shell", "coulomb": "bare"}
    box = {"region": "whole_box", "coulomb": "ewald"}
    parts = [
        _runs(systems),
        _sums(systems),
        _by_partner(systems, "Per Li⁺ and partner, first shell, bare", quantity="per_center", **shell),
        _by_partner(systems, "Per molecule in the first shell, bare", quantity="per_molecule", **shell),
        _by_partner(systems, "Per Li⁺ and partner, whole box, Ewald", quantity="per_center", **box),
        _barriers(systems),
        _exchanges(systems),
    ]
    scales = {one.run.box.recipe.force_field.ion_charge_scale for one in systems}
    scale = ", ".join(f"{scale:g}" for scale in sorted(scales))
    head = _HEAD.format(date=date.today(), version=__version__, reference=systems[0].name, scale=scale)
    return head + "\n".join(parts)
