"""The systems of a comparison: their names, which is a control for which, and how their models differ."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from solvshell.errors import InvalidInput
from solvshell.joined.systems import System, check_distinct, open_system


def _named(systems: Sequence[System]) -> list[System]:
    """Return the systems with names of their own: the folder is added where recipes share a name, then a number."""
    names = Counter(system.name for system in systems)
    told = [
        f"{system.name} ({system.folder.resolve().name})" if names[system.name] > 1 else system.name
        for system in systems
    ]
    again = Counter(told)
    numbers: Counter[str] = Counter()
    unique = []
    for name in told:
        numbers[name] += 1
        unique.append(f"{name} {numbers[name]}" if again[name] > 1 else name)
    return [replace(system, name=name) for system, name in zip(systems, unique, strict=True)]


def open_systems(folders: Sequence[Path]) -> list[System]:
    """Return the systems of folders, the reference first.

    Raises
    ------
    InvalidInput
        If there are fewer than two, one is no run or not analyzed, one is given twice, two runs have one box, or one
        system has no center in common with the reference.
    """
    if len(folders) < 2:
        raise InvalidInput(f"compare needs two systems or more, got {len(folders)}")
    systems = _named([open_system(folder) for folder in folders])
    check_distinct(systems)
    for system in systems[1:]:
        if not set(system.centers) & set(systems[0].centers):
            theirs, ours = ", ".join(system.centers), ", ".join(systems[0].centers)
            raise InvalidInput(f"{system.folder}: no center in common with {systems[0].folder} ({theirs} and {ours})")
    return systems


def controls_of(system: System, systems: Sequence[System]) -> list[System]:
    """Return the controls for a system with polymer: those that tell what its polycation does from what its anion does.

    A control has neither polymer nor polycation, the solvents of the system, and the polymer's counter-ion, which the
    reference (the first system, without polycation too) does not have. A counter-ion that the reference has is in all
    of them, and has no control.
    """
    reference, ion = systems[0], system.counter_ion
    if reference.has_polycation or ion is None or ion in reference.recipe.entries:
        return []
    return [
        other
        for other in systems[1:]
        if not other.has_polycation and ion in other.recipe.entries and other.solvents == system.solvents
    ]


def differing_models(systems: Sequence[System]) -> list[str]:
    """Return what differs between the systems apart from their content: force field or protocol."""
    notes = []
    reference = systems[0]
    for system in systems[1:]:
        if system.recipe.force_field.ion_charge_scale != reference.recipe.force_field.ion_charge_scale:
            notes.append(f"{system.name} and {reference.name} have different charge scales")
        a, b = (one.runs[0].protocol.production for one in (system, reference))
        if (a.ensemble, a.temperature) != (b.ensemble, b.temperature):
            notes.append(f"{system.name} and {reference.name} were run at different conditions")
    return notes
