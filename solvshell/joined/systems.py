"""A system: an analyzed run, or the analyzed replicas of a folder, read and checked."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from solvshell.analysis.sources import mean_counts
from solvshell.box import box_hash
from solvshell.errors import InvalidInput
from solvshell.folders import replicas_of, temperatures_of
from solvshell.run import Run
from solvshell.shown import Shown, read_analyzed
from solvshell.species import REFERENCE_CENTER_SITE

UNFINISHED = "not finished"


@dataclass(frozen=True)
class System:
    """One system: its name on the page, the folder given, and its replicas (one if the folder is a run).

    `left_out` says by the name of a replica why it is not among them.
    """

    name: str
    folder: Path
    replicas: tuple[Shown, ...]
    left_out: dict[str, str] = field(default_factory=dict)

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
        counts = mean_counts(self.runs[0])
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


def check_boxes(runs: Iterable[Run]) -> None:
    """Raise if a run has the box of another: a copy or a restart is no second box.

    One box may be run at several temperatures.
    """
    boxes: dict[tuple[str, float], Path] = {}
    for run in runs:
        box = box_hash(run.path / "box"), run.protocol.production.temperature
        if box in boxes:
            raise InvalidInput(
                f"{run.path}: its box is that of {boxes[box]}; a copy, or a restart with other velocities, is no "
                "second box (build one with another --seed)"
            )
        boxes[box] = run.path


def check_alike(runs: Sequence[Run]) -> None:
    """Raise if runs are no replicas of one system: of other recipes, protocols or numbers of molecules."""
    first = runs[0]
    for run in runs[1:]:
        if run.box.recipe != first.box.recipe:
            raise InvalidInput(f"{run.path}: holds another recipe than {first.path}; replicas share one")
        if run.protocol != first.protocol:
            raise InvalidInput(f"{run.path}: was run with another protocol than {first.path}; replicas share one")
        if run.box.counts != first.box.counts:
            raise InvalidInput(
                f"{run.path}: holds other numbers of molecules than {first.path}; replicas have the same"
            )


def system_of(folder: Path, runs: Sequence[Run], left_out: dict[str, str] | None = None) -> System:
    """Return the system of analyzed runs, whose name is that of their recipe.

    Raises
    ------
    InvalidInput
        If a run ends in windows or is not analyzed, or runs differ in recipe or protocol.
    """
    for run in runs:
        run.check_has_production()
    check_alike(runs)
    replicas = tuple(read_analyzed(run.path) for run in runs)
    return System(runs[0].box.recipe.name, folder, replicas, left_out or {})


def open_system(folder: Path) -> System:
    """Return the system of a run, or of the replicas of a folder that are finished; of all if none is.

    Raises
    ------
    InvalidInput
        If the folder is neither, a run is not analyzed, or replicas are not alike.
    """
    if not folder.is_dir():
        raise InvalidInput(f"{folder}: no such folder; give a run, or a folder of replica runs")
    if not (folder / "protocol.yaml").is_file() and (temperatures := temperatures_of(folder)):
        one = next(iter(temperatures.values()))
        raise InvalidInput(f"{folder}: holds several temperatures; give one of them, such as {one}")
    inside = [] if (folder / "protocol.yaml").is_file() else replicas_of(folder)
    runs = [Run.load(path) for path in inside or [folder]]
    used = [run for run in runs if run.is_done] or runs
    return system_of(folder, used, {run.path.name: UNFINISHED for run in runs if run not in used})


def check_distinct(systems: Sequence[System]) -> None:
    """Raise if a run is given twice, or has the box of another at the same temperature."""
    seen: dict[Path, Path] = {}
    for system in systems:
        for run in system.runs:
            path = run.path.resolve()
            if path in seen:
                raise InvalidInput(f"{system.folder}: given twice (also as {seen[path]}); give different runs")
            seen[path] = system.folder
    check_boxes(run for system in systems for run in system.runs)
