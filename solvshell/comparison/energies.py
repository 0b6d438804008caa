"""Interaction energies of systems side by side, with their differences to the reference.

Bare energies with first shells are compared, and in the whole box those of Ewald with uncharged species and the sum
over all, own images included. The Ewald energy with a charged species holds a constant of the box, so that it has
no difference here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from solvshell.analysis.cutoffs import Cutoff, Key
from solvshell.comparison.rows import Row, attributed, differences
from solvshell.joined.averages import Value, from_series
from solvshell.joined.numbers import Numbers, resolved
from solvshell.joined.shell_energies import ShellEnergy, row_of, shell_energy
from solvshell.joined.systems import System

#: The partner of the sum over all.
ALL = "all"
#: Molecules with less charge than this, in e, are neutral.
_NEUTRAL = 1e-3
#: Status, values of the replicas, and what else belongs to a row.
_Numbers = tuple[str, list[Value], dict[str, Any]]


@dataclass(frozen=True)
class EnergyRows:
    """Energies in kJ/mol by center and partner, the sum over all partners last.

    Attributes
    ----------
    systems : list of System
        Those that have energies; the reference is the first.
    per_center : list of Row
        With the molecules of the first shell, bare.
    per_molecule : list of Row
        With one of them.
    whole_box : list of Row
        With all molecules of the box, Ewald.
    missing : dict
        By name of a system, why it has none.
    """

    systems: list[System]
    per_center: list[Row]
    per_molecule: list[Row]
    whole_box: list[Row]
    missing: dict[str, str]


def _missing(systems: Sequence[System]) -> dict[str, str]:
    reasons = {s.name: [r.without_energies for r in s.replicas if r.without_energies] for s in systems}
    return {name: found[0] for name, found in reasons.items() if found}


def _sums(system: System, center: str, region: str, effects: Sequence[float]) -> _Numbers:
    """Return the sum over all partners in each replica, moved by the effect of the common cutoffs."""
    rows = [row_of(one.tables["energy_sums"], center=center, region=region) for one in system.replicas]
    known = [(row, effect) for row, effect in zip(rows, effects, strict=True) if row is not None]
    values = [
        from_series(row.total_kj_mol + effect, row.stderr_kj_mol, row.n_independent, lowest=-math.inf)
        for row, effect in known
    ]
    n_independent = min((float(row.n_independent) for row, _ in known), default=0.0)
    status = resolved([n_independent]) if known else "too_few_samples"
    return status, values, {"n_independent": n_independent, "cutoff_effect_kj_mol": sum(effects) / len(effects)}


def _of_partner(found: list[ShellEnergy]) -> tuple[_Numbers, _Numbers]:
    """Return the numbers of one partner per center and per molecule."""
    n_independent = min(one.n_independent for one in found)
    effects = [one.effect for one in found if one.effect is not None]
    effect = sum(effects) / len(effects) if effects else None
    extra, status = {"n_independent": n_independent}, resolved([n_independent])
    ones = [one.one for one in found if one.one is not None]
    return (
        (status, [one.all for one in found], extra | {"cutoff_effect_kj_mol": effect}),
        (status if ones else "none_seen", ones, extra),
    )


def _shells(system: System, cutoffs: Mapping[Key, Cutoff]) -> tuple[Numbers, Numbers]:
    """Return the numbers of first shells per center and per molecule."""
    per_center: Numbers = {}
    per_molecule: Numbers = {}
    for center in system.centers:
        effects = [0.0] * len(system.replicas)
        for partner in system.partners:
            keys = [key for key in cutoffs if key[:2] == (center, partner)]
            counted = [key for key in keys if cutoffs[key].angstrom is not None]
            if not counted:
                status = cutoffs[keys[0]].status if keys else "no_shell"
                per_center[center, partner] = per_molecule[center, partner] = (status, [], {})
                continue
            found = [shell_energy(one, center, partner, counted, cutoffs) for one in system.replicas]
            effects = [effect + (one.effect or 0.0) for effect, one in zip(effects, found, strict=True)]
            per_center[center, partner], per_molecule[center, partner] = _of_partner(found)
        per_center[center, ALL] = _sums(system, center, "first_shell", effects)
    return per_center, per_molecule


def _boxes(system: System) -> Numbers:
    """Return the numbers of the whole box, Ewald; `charged` says whether they hold a constant of the box."""
    found: Numbers = {}
    charges = system.replicas[0].summary["energies"]["charges"]
    for center in system.centers:
        for partner, charge in charges.items():
            where = {"center": center, "partner": partner, "quantity": "per_center", "region": "whole_box"}
            rows = [row_of(one.tables["energies"], coulomb="ewald", **where) for one in system.replicas]
            known = [row for row in rows if row is not None]
            values = [
                from_series(row.total_kj_mol, row.stderr_kj_mol, row.n_independent, lowest=-math.inf) for row in known
            ]
            n_independent = min((float(row.n_independent) for row in known), default=0.0)
            extra = {"n_independent": n_independent, "charged": abs(charge) > _NEUTRAL}
            found[center, partner] = (resolved([n_independent]), values, extra)
        status, values, extra = _sums(system, center, "whole_box", [0.0] * len(system.replicas))
        found[center, ALL] = (status, values, {"n_independent": extra["n_independent"], "charged": False})
    return found


def compare_energies(systems: list[System], cutoffs: Mapping[Key, Cutoff], order: Sequence[str]) -> EnergyRows:
    """Return the interaction energies of all systems, with their differences to the first and what controls say.

    Parameters
    ----------
    cutoffs
        Those common to all systems.
    order
        Of the partners.
    """
    missing = _missing(systems)
    having = [system for system in systems if system.name not in missing]
    if systems[0].name in missing or len(having) < 2:
        return EnergyRows([], [], [], [], missing)
    charges = [name for system in having for name in system.replicas[0].summary["energies"]["charges"]]
    places = [*dict.fromkeys([*having[0].centers, *order, *charges]), ALL]

    def rows(numbers: list[Numbers], *, absent_is_zero: bool) -> list[Row]:
        found = differences(having, numbers, absent_is_zero=absent_is_zero)
        found.sort(key=lambda row: (row.key[0], places.index(row.key[1])))
        return attributed(found, having)

    shells = [_shells(system, cutoffs) for system in having]
    boxes = [_boxes(system) for system in having]
    charged = {key for one in boxes for key, (_, _, extra) in one.items() if extra["charged"]}
    return EnergyRows(
        systems=having,
        per_center=rows([per_center for per_center, _ in shells], absent_is_zero=True),
        per_molecule=rows([per_molecule for _, per_molecule in shells], absent_is_zero=False),
        whole_box=[
            replace(row, change=None, witnesses=None) if row.key in charged else row
            for row in rows(boxes, absent_is_zero=True)
        ],
        missing=missing,
    )
