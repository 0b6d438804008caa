"""A row for each number of each system, with its difference to the first system and what controls say about it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from solvshell.comparison.differences import NOTHING, Answer, Difference, answer, difference
from solvshell.comparison.systems import controls_of
from solvshell.joined.averages import Average, average
from solvshell.joined.numbers import Numbers
from solvshell.joined.systems import System


@dataclass(frozen=True)
class Witness:
    """What one control says about a change: its own change, and how far the system with polymer goes beyond it."""

    control: str
    answer: Answer
    change: Difference | None
    beyond: Difference | None

    @property
    def is_less(self) -> bool:
        """Whether the control changes in the same way, by less."""
        return (
            self.answer == "also"
            and self.change is not None
            and self.beyond is not None
            and self.beyond.excludes_zero
            and self.beyond.value * self.change.value > 0
        )

    @property
    def is_more(self) -> bool:
        """Whether the control changes in the same way, by more."""
        return self.answer == "also" and self.beyond is not None and self.beyond.excludes_zero and not self.is_less


@dataclass(frozen=True)
class Row:
    """One number of one system.

    `key` says of what: center, partner, site; or center, composition; or center, state. The status is a word where
    there is no number: ``no_shell``, ``too_few_samples`` or ``absent``; else ``resolved``, ``none_seen``, or
    ``not_resolved`` where a run has fewer than 10 independent samples of it. `n_used` of `n_replicas` gave a number.
    The witnesses are None where nothing is attributed: for a system without polymer, or without a change.
    """

    system: str
    key: tuple[str, ...]
    status: str
    number: Average | None
    change: Difference | None
    n_used: int
    n_replicas: int
    witnesses: tuple[Witness, ...] | None = None
    extra: dict[str, Any] | None = None


def differences(systems: Sequence[System], numbers: Sequence[Numbers], *, absent_is_zero: bool) -> list[Row]:
    """Return the rows of one quantity: of each system its average, and its difference to the first system.

    Parameters
    ----------
    numbers
        For each system by key: status, the values of its replicas, and what else belongs to the row.
    absent_is_zero
        Whether a key that a system lacks is 0 there, as contacts with a species that is not in its box.
    """
    rows = []
    for key in dict.fromkeys(key for one in numbers for key in one):
        averages: list[Average | None] = []
        for system, one in zip(systems, numbers, strict=True):
            status, values, extra = one.get(key, ("absent", [], {}))
            number = average(values) if values else NOTHING if absent_is_zero and status != "too_few_samples" else None
            averages.append(number)
            reference = averages[0]
            known = number is not None and reference is not None and len(averages) > 1
            change = difference(number, reference) if known and number and reference else None
            if change and number and reference and number.exact and reference.exact:
                change = None
            rows.append(Row(system.name, key, status, number, change, len(values), len(system.replicas), None, extra))
    return rows


def attributed(rows: list[Row], systems: Sequence[System]) -> list[Row]:
    """Return the rows with what the controls say about each change of a system with polymer.

    Not about contacts with the polymer itself, which no control can have.
    """
    if systems[0].has_polymer:  # then a difference to it says nothing about a polymer
        return rows
    found = {(row.system, row.key): row for row in rows}
    polymers = {name for system in systems for name in system.polymers}
    controls = {system.name: controls_of(system, systems) for system in systems[1:] if system.has_polymer}

    def witness(row: Row, name: str) -> Witness:
        its = found.get((name, row.key))
        assert row.change is not None
        # Not from the two changes: the reference is in both, and its error falls out.
        beyond = difference(row.number, its.number) if row.number and its and its.number else None
        change = its.change if its else None
        return Witness(name, answer(row.change, change), change, beyond)

    return [
        replace(row, witnesses=tuple(witness(row, control.name) for control in controls[row.system]))
        if row.change and row.system in controls and not polymers & set(row.key)
        else row
        for row in rows
    ]
