"""The systems of a comparison: folders of analyzed runs, or of replicas of them, read and checked."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from solvshell.box import box_hash
from solvshell.errors import InvalidInput
from solvshell.run import Run
from solvshell.shown import Shown, is_outdated, read_analyzed
from solvshell.species import REFERENCE_CENTER_SITE

_SMALL_BOX = "A chain reaches to its own periodic image, within the cutoff: a small-box artefact"
_LIMITS = {
    "demonstration": "A demonstration, not a measurement",
    "not_equilibrated": "Coordination and pairing not equilibrated: too short for the exchange of neighbours",
    "no_plateau": "No plateau found, the second half is used",
    "short_draws": "Intervals of peaks are lower bounds: the run is too short for blocks longer than its memory",
    "unresolved": "Not resolved, see the page of the run",
    "unfinished": "Not finished when it was analyzed",
    "outdated": "The trajectory has changed since; the frames analyzed then are used",
}


@dataclass(frozen=True)
class System:
    """One system: its name on the page, the folder given, and its replicas (one if the folder is a run)."""

    name: str
    folder: Path
    replicas: tuple[Shown, ...]

    @property
    def runs(self) -> list[Run]:
        """The run of each replica."""
        return [replica.run for replica in self.replicas if replica.run is not None]

    @property
    def recipe(self) -> Any:
        """The recipe of all replicas."""
        return self.runs[0].box.recipe

    @property
    def polymers(self) -> set[str]:
        """The polymers in the box."""
        return {name for name, entry in self.recipe.entries.items() if entry.role == "polymer"}

    @property
    def has_polymer(self) -> bool:
        """Whether there is a polymer in the box."""
        return bool(self.polymers)

    @property
    def has_polycation(self) -> bool:
        """Whether there is a polymer, or a cation with more than one N+ (the monomer of one)."""
        return self.has_polymer or any(
            len(entry.sites.get(REFERENCE_CENTER_SITE, [])) > 1 for entry in self.recipe.entries.values()
        )

    @property
    def counter_ion(self) -> str | None:
        """The counter-ion of the polymer in the box."""
        return self.recipe.polymer.counter_ion if self.recipe.polymer else None

    @property
    def solvents(self) -> set[str]:
        """The solvents in the box."""
        return {name for name, entry in self.recipe.entries.items() if entry.role == "solvent"}

    def per_center(self, center: str, names: Iterable[str]) -> float | None:
        """Return how many molecules of these species there are for each ion of a center."""
        counts = self.runs[0].box.counts
        if not counts.get(center):
            return None
        return sum(counts.get(name, 0) for name in names) / counts[center]

    @cached_property
    def partners(self) -> list[str]:
        """The partners around the centers, in the order of the recipe."""
        return list(self.replicas[0].summary["composition"]["n_molecules"])

    @property
    def centers(self) -> list[str]:
        """The centers whose coordination was counted."""
        return list(self.replicas[0].summary["coordination"]["total"])

    @property
    def slug(self) -> str:
        """The name as a file name."""
        return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in self.name).strip("-")

    @cached_property
    def peaks(self) -> list[pd.DataFrame]:
        """The first peaks of each replica, by center, partner and site."""
        return [replica.tables["peaks"].set_index(["center", "partner", "site"]) for replica in self.replicas]


def _run_folders(folder: Path) -> list[Path]:
    """Return the runs of a folder: itself, or its replicas."""
    replicas = sorted(path for path in folder.glob("replica-*") if path.is_dir())
    if replicas and not (folder / "protocol.yaml").is_file():
        return replicas
    Run.load(folder)
    return [folder]


def _open(folder: Path) -> System:
    if not folder.is_dir():
        raise InvalidInput(f"{folder}: no such folder; give a run, or a folder of replica runs")
    for path in _run_folders(folder):
        Run.load(path).check_has_production()
    replicas = tuple(read_analyzed(path) for path in _run_folders(folder))
    for path, replica in zip(_run_folders(folder), replicas, strict=True):
        if replica.run is None:
            raise InvalidInput(
                f"{path}: not a run folder (make one with 'solvshell run'), nor one of runs replica-00, ..."
            )
    system = System("", folder, replicas)
    for run in system.runs[1:]:
        if run.box.recipe != system.recipe:
            raise InvalidInput(f"{run.path}: holds another recipe than {system.runs[0].path}; replicas share one")
    return replace(system, name=system.recipe.name)


def _check_distinct(systems: Sequence[System]) -> None:
    """Raise if a run is given twice, or has the box of another: a copy or a restart is no second box."""
    seen: dict[Path, Path] = {}
    boxes: dict[str, Path] = {}
    for system in systems:
        for run in system.runs:
            path = run.path.resolve()
            if path in seen:
                raise InvalidInput(f"{system.folder}: given twice (also as {seen[path]}); give different runs")
            seen[path] = system.folder
            box = box_hash(run.path / "box")
            if box in boxes:
                raise InvalidInput(
                    f"{run.path}: its box is that of {boxes[box]}; a copy, or a restart with other velocities, is no "
                    "second box (build one with another --seed)"
                )
            boxes[box] = run.path


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
    systems = _named([_open(folder) for folder in folders])
    _check_distinct(systems)
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


def _detail(system: System, flagged: list[bool], words: str = "") -> str:
    """Return the name of a system with how many of its replicas are meant."""
    share = f"{sum(flagged)} of {len(flagged)} replicas" if len(flagged) > 1 else ""
    detail = ", ".join(part for part in (words, share) if part)
    return f"{system.name} ({detail})" if detail else system.name


def limits_of(systems: Sequence[System]) -> list[tuple[str, list[str]]]:
    """Return what the runs cannot say, most important first, each with the systems that it concerns."""
    notes: dict[str, list[str]] = {_SMALL_BOX: [], **{text: [] for text in _LIMITS.values()}}
    for system in systems:
        polymers = [run.box.provenance.get("polymer") or {} for run in system.runs]
        reaching = [bool(polymer.get("feels_its_image")) for polymer in polymers]
        if any(reaching):
            notes[_SMALL_BOX].append(_detail(system, reaching, _extent(polymers[reaching.index(True)])))
        summaries = [replica.summary for replica in system.replicas]
        n_centers = f"{sum(summaries[0]['composition']['n_centers'].values())} centers"
        n_unresolved = f"{max(len(summary['flags']['unresolved']) for summary in summaries)} numbers"
        details = {"demonstration": n_centers, "unresolved": n_unresolved}
        for limit, text in _LIMITS.items():
            flagged = [_is_limited(replica, limit) for replica in system.replicas]
            if any(flagged):
                notes[text].append(_detail(system, flagged, details.get(limit, "")))
    return [(text, names) for text, names in notes.items() if names]


def _extent(polymer: dict[str, Any]) -> str:
    """Return how far the longest chain reaches, beside its box."""
    extents, length = polymer.get("extent_nm"), polymer.get("expected_length_nm")
    known = [f"extent {max(extents):.2f} nm"] if extents else []
    return ", ".join([*known, f"box {length:.2f} nm"] if length else known)


def has_short_draws(system: System) -> bool:
    """Return whether intervals of a system are lower bounds, its runs being too short for longer blocks."""
    return any(_is_limited(replica, "short_draws") for replica in system.replicas)


def _is_limited(replica: Shown, limit: str) -> bool:
    if limit == "unfinished":
        return replica.summary["source"].get("run") == "unfinished"
    if limit == "outdated":
        return is_outdated(replica)
    return bool(replica.summary["flags"][limit])


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
