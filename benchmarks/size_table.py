"""What was found in each packing of each size of box, as one table."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from box_sizes import Size, boxes
from energy_systems import FRAME_PS, collect
from gromacs import Gromacs
from packings import Found, Sizes, compare_sizes

from solvshell.analysis import analyze_run
from solvshell.analysis.statistics import equilibration, mean_with_error
from solvshell.figures import pair_name
from solvshell.xtc import whole_frames

#: Å; the same shells in all boxes, ending where g(r) is near zero
SHELLS = {("Li", "PF6", "f"): 2.85, **{("Li", name, "carbonyl_o"): 3.4 for name in ("EC", "DMC", "EMC")}}
#: left out of each stage at constant pressure: five times what the barostat takes, as the stage before was too dense
SETTLING_PS = 10
#: Less of a box at its mean volume is not looked at.
LEAST_PS = 50
COLUMNS = ["quantity", "n_salt", "box", "value", "stderr"]
_SUMS = {
    ("first_shell", "bare"): "energy of Li⁺, first shell, bare, kJ/mol",
    ("whole_box", "ewald"): "energy of Li⁺, whole box, Ewald, kJ/mol",
}
Row = tuple[str, float, float]


def at_pressure(folder: Path, term: str, stage: str) -> np.ndarray:
    """Return a term of the energy file of a stage at constant pressure, without its equilibration."""
    time, values = Gromacs(folder / "gromacs").energies(stage, term)
    series = values[time >= SETTLING_PS]
    starts = np.linspace(0, len(series), 41).astype(int)
    return series[starts[equilibration([series], starts).n_blocks] :]


def volumes(folder: Path, stage: str = "density") -> np.ndarray:
    """Return the volumes in nm³ of a stage at constant pressure."""
    return at_pressure(folder, "Volume", stage)


def density(folder: Path, stage: str = "density") -> Found:
    """Return the density in g/cm³ of a stage at constant pressure."""
    found = mean_with_error(at_pressure(folder, "Density", stage) / 1000)
    return Found(found.mean, found.stderr)


def _structure(folder: Path) -> Iterator[Row]:
    table = pd.read_csv(folder / "convergence.csv")
    for row in table[table.quantity == "peak"].itertuples():
        if (row.center, row.partner, row.site) in SHELLS:
            yield f"peak {pair_name(row.center, row.partner, row.site)}, Å", row.value, row.stderr
    for row in table[table.quantity == "total_coordination"].itertuples():
        yield "atoms in the first shell", row.value, row.stderr
    for row in pd.read_csv(folder / "coordination.csv").itertuples():
        yield f"{row.partner} in the first shell", row.cn_molecules_mean, row.cn_molecules_stderr
    for row in pd.read_csv(folder / "speciation.csv").itertuples():
        yield f"share of {row.state.upper()}", row.fraction, row.stderr


def _energies(folder: Path) -> Iterator[Row]:
    for row in pd.read_csv(folder / "energy_sums.csv").itertuples():
        if (row.region, row.coulomb) in _SUMS:
            yield _SUMS[row.region, row.coulomb], row.total_kj_mol, row.stderr_kj_mol
    table = pd.read_csv(folder / "energies.csv")
    chosen = (table.quantity == "per_molecule") & (table.region == "first_shell") & (table.coulomb == "bare")
    for row in table[chosen].itertuples():
        yield f"energy with each {row.partner} in the first shell, bare, kJ/mol", row.total_kj_mol, row.stderr_kj_mol


def _of_box(name: str, size: Size, out: Path) -> list[tuple[object, ...]]:
    """Return the rows of a box; its analysis is made if it is not there."""
    run = collect(name, out)  # without an analysis where there is more than before
    if not (run.analysis_path / "summary.json").exists():
        analyze_run(run, shell=SHELLS)
    at_pressure = density(out / name)
    first: Row = ("density, g/cm³", at_pressure.value, at_pressure.stderr or np.nan)
    found = [first, *_structure(run.analysis_path), *_energies(run.analysis_path)]
    return [(quantity, size.n_salt, name, value, stderr) for quantity, value, stderr in found]


def sampled_ps(name: str, out: Path) -> float:
    """Return how long a box has been sampled at its mean volume, 0 where that has not begun."""
    trajectory = out / name / "gromacs" / "production.xtc"
    return FRAME_PS * (whole_frames(trajectory)[0] - 1) if trajectory.exists() else 0.0


def measured(out: Path) -> pd.DataFrame:
    """Return the numbers of all boxes that have been sampled so far, if not too short: COLUMNS."""
    done = [(name, size) for name, size, _ in boxes() if sampled_ps(name, out) >= LEAST_PS]
    rows = [row for name, size in done for row in _of_box(name, size, out)]
    return pd.DataFrame(rows, columns=COLUMNS)


def by_size(table: pd.DataFrame) -> dict[str, Sizes]:
    """Return each quantity at each size, in the order of the table; without those that too few packings have."""
    found = {}
    for quantity, rows in table.groupby("quantity", sort=False):
        several = {
            int(n): [Found(value, stderr) for value, stderr in zip(some["value"], some["stderr"], strict=True)]
            for n, some in rows.groupby("n_salt")
        }
        if rows.dropna(subset="value").groupby("n_salt").size().gt(1).any():
            found[str(quantity)] = compare_sizes(several)
    return found
