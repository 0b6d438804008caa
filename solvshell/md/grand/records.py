"""What a grand-canonical run writes of its frames and of its moves, a line each, and what moves have cost so far."""

import csv
import math
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from solvshell.md.grand.sampler import Attempt
from solvshell.occupancy import Occupancy, ranges_text
from solvshell.units import kT_kj_mol


def occupancy_row(time_ps: float, volume_nm3: float, pressure_bar: float, occupancy: Occupancy) -> bytes:
    """Return the line of ``occupancy.csv`` of a frame."""
    counts = [str(n) for n in occupancy.counts.values()]
    present = [ranges_text(mask) for mask in occupancy.present.values()]
    values = [f"{time_ps:.10g}", f"{volume_nm3:.6f}", f"{pressure_bar:.3f}", *counts, *present]
    return (",".join(values) + "\n").encode()


def move_row(number: int, time_ps: float, attempt: Attempt) -> bytes:
    """Return the line of ``moves.csv`` of an attempt; a work that there is none of is left empty."""
    values = (
        str(number),
        f"{time_ps:.10g}",
        attempt.species,
        attempt.kind,
        str(attempt.n_before),
        f"{attempt.volume_nm3:.6f}",
        "" if math.isnan(attempt.work_kj_mol) else f"{attempt.work_kj_mol:.9g}",
        f"{attempt.log_acceptance:.9g}",
        str(attempt.accepted).lower(),
        attempt.outcome,
        str(attempt.molecule),
        f"{attempt.switching_ps:.10g}",
        f"{attempt.seconds:.4g}",
    )
    return (",".join(values) + "\n").encode()


@dataclass
class _OfSpecies:
    """Of the moves of one species; works in kJ/mol by kind of move, infinite ones among them."""

    n: int = 0
    n_accepted: int = 0
    works: dict[str, list[float]] = field(default_factory=lambda: {"insertion": [], "deletion": []})

    def words(self, species: str, kT: float) -> str:
        """Return acceptance, and work in kJ/mol, as in ``moves.csv``, and dissipation in kT by medians."""
        if not self.n:
            return f"{species} not tried yet"
        text = f"{species} {self.n_accepted} of {self.n} accepted"
        if not all(self.works.values()):
            return text
        insertion, deletion = (float(np.median(self.works[kind])) for kind in ("insertion", "deletion"))
        if not math.isfinite(dissipation := (insertion + deletion) / 2):
            return text
        return f"{text}, W {insertion:.1f} kJ/mol in, {deletion:.1f} out, dissipated {dissipation / kT:.1f} kT"


class MoveTally:
    """What the moves of a stage have come to, by species: counted from ``moves.csv``, then along with it.

    Parameters
    ----------
    path : Path
        Of the file, as far as it is known to a checkpoint.
    temperature : float
        In K.
    """

    def __init__(self, path: Path, temperature: float) -> None:
        self._kT = kT_kj_mol(temperature)
        self._species: dict[str, _OfSpecies] = defaultdict(_OfSpecies)
        self._switching_ps = self._seconds = 0.0
        with open(path, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                work = math.nan if row["work_kj_mol"] == "" else float(row["work_kj_mol"])
                cost = float(row["switching_ps"]), float(row["seconds"])
                self._add(row["species"], row["kind"], work, row["accepted"] == "true", *cost)

    def _add(self, species: str, kind: str, work: float, accepted: bool, switching_ps: float, seconds: float) -> None:
        found = self._species[species]
        found.n += 1
        found.n_accepted += accepted
        if not math.isnan(work):
            found.works[kind].append(work)
        self._switching_ps += switching_ps
        self._seconds += seconds

    def add(self, attempt: Attempt) -> None:
        """Count one more."""
        cost = attempt.switching_ps, attempt.seconds
        self._add(attempt.species, attempt.kind, attempt.work_kj_mol, attempt.accepted, *cost)

    def words(self, occupancy: Occupancy) -> str:
        """Return how many molecules there are, and what the moves have come to and cost."""
        counts = ", ".join(f"{n} {name}" for name, n in occupancy.counts.items())
        moves = "; ".join(self._species[name].words(name, self._kT) for name in occupancy.counts)
        n_accepted = sum(found.n_accepted for found in self._species.values())
        cost = f"{self._switching_ps / n_accepted:.3g} ps and {self._seconds / n_accepted:.3g} s" if n_accepted else ""
        return "; ".join(part for part in (counts, moves, cost and f"{cost} for an accepted move") if part)
