"""What a comparison says about interaction energies; each sentence is made from its numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

from solvshell.comparison.differences import Difference
from solvshell.comparison.energies import ALL, EnergyRows
from solvshell.comparison.results import Comparison
from solvshell.comparison.rows import Row
from solvshell.comparison.words import control_words, interval, listed
from solvshell.joined.systems import System
from solvshell.study import ENERGY_PARTNERS, is_studied

_DIGITS = 1


def _said(row: Row, change: Difference | None) -> str:
    return f"{row.key[1]} {interval(change, _DIGITS)}" if change else row.key[1]


def held(change: Difference) -> str:
    """Return whether a center is held less or more strongly, as far as a difference of energies can tell."""
    if change.low is None or change.high is None:
        return "may be held less or more strongly"
    if not change.excludes_zero:
        return "is held neither less nor more strongly beyond the error"
    return "is held less strongly" if change.value > 0 else "is held more strongly"


def _of(rows: Sequence[Row], system: str, center: str) -> list[Row]:
    return [row for row in rows if row.system == system and row.key[0] == center and row.change]


def _scale_words(energies: EnergyRows) -> str:
    """Return what the charges of all systems are."""
    scales = {one.summary["energies"]["charge_scale"] for system in energies.systems for one in system.replicas}
    if len(scales) != 1 or None in scales:
        return "bare energies with the charges of each model"
    return f"bare energies with ion charges × {scales.pop():g}"


def energy_sentence(found: Comparison, system: str, center: str) -> str:
    """Return whether the first shell holds a center less strongly, with whom that changes, and what controls say."""
    energies = found.energies
    rows = _of(energies.per_center, system, center)
    total = next((row.change for row in rows if row.key[1] == ALL), None)
    parts = [row for row in rows if row.key[1] != ALL]
    sure = [row for row in parts if row.change and row.change.excludes_zero]
    where = f"Against {found.systems[0].name}, {center} in {system}"
    if total:
        text = f"{where} {held(total)} by its first shell as a whole: {interval(total, _DIGITS)} kJ/mol per {center}"
    else:
        text = f"{where}: the energy with the whole first shell is not known, as a partner lacks a cutoff"
    lost = [_said(row, row.change) for row in sure if row.change and row.change.value > 0]
    gained = [_said(row, row.change) for row in sure if row.change and row.change.value < 0]
    if lost:
        text += f"; it has lost energy with {listed(lost)}"
    if gained:
        text += f"; it has gained energy with {listed(gained)}"
    if not sure:
        text += "; it has neither lost nor gained energy with any partner beyond the error"
    changed = [row for row in _of(energies.per_molecule, system, center) if row.change and row.change.excludes_zero]
    if changed:
        text += f"; one molecule of the first shell changes by {listed([_said(row, row.change) for row in changed])}"
    else:
        text += "; one molecule of the first shell holds it as before, within the error"
    if controls := control_words(found, system, center, sure, _said):
        text += f"; of these changes, {'; '.join(controls)}"
    return f"{text} ({_scale_words(energies)}; above zero is weaker)."


def energy_sentences(found: Comparison) -> list[str]:
    """Return the sentence of each system besides the reference that has energies."""
    return [
        energy_sentence(found, system.name, center)
        for center in found.centers
        for system in found.energies.systems[1:]
        if center in system.centers
    ]


def _verdict(change: Difference | None) -> str:
    if change is None:
        return "says nothing: not in both boxes, or no cutoff"
    if change.low is None or change.high is None:
        return "cannot tell: no interval"
    if not change.excludes_zero:
        return "cannot tell: holds zero"
    return "reduced too" if change.value > 0 else "the other way: bound more strongly"


def study_energy_rows(found: Comparison) -> list[dict[str, Any]]:
    """Return what the study claims of the energy with each of its partners beside our differences, for its systems."""
    energies = found.energies
    if not energies.systems or not is_studied(found.systems[0].partners, polymer=False):
        return []
    systems = [one for one in energies.systems[1:] if _is_studied(one)]

    def change(rows: Sequence[Row], system: str, partner: str) -> Difference | None:
        return next((row.change for row in rows if row.system == system and row.key == ("Li", partner)), None)

    rows: list[dict[str, Any]] = []
    for system in systems:
        for partner in ENERGY_PARTNERS:
            one = change(energies.per_molecule, system.name, partner)
            whole = change(energies.per_center, system.name, partner)
            verdicts = {"per_molecule": _verdict(one), "per_center": _verdict(whole)}
            rows.append({"system": system.name, "partner": partner, "molecule": one, "center": whole, "said": verdicts})
    return rows


def _is_studied(system: System) -> bool:
    return system.has_polymer and is_studied(set(system.partners) - system.polymers, polymer=True)


def missing_words(missing: Mapping[str, str]) -> list[str]:
    """Return which systems have no energies, and why."""
    return [f"{name}: {reason}" for name, reason in missing.items()]
