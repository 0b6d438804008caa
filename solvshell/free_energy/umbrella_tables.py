"""Tables and sentences of a free energy along a coordinate."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from solvshell.files import json_number, write_json
from solvshell.free_energy.states import LEAST_OVERLAP
from solvshell.free_energy.umbrella import COVERED_KT, Number, Profile
from solvshell.md.umbrella import read_tagged
from solvshell.run import Run
from solvshell.stages import Distance, Umbrella

_MEANS = {
    "resolved": "neighboring windows overlap",
    "one_series": "the way back has not been sampled yet: what the shell remembers is in no error",
    "too_few_samples": "a window has fewer than 10 independent samples: sample longer; no number to quote",
    "mean_not_covered": f"F(n) is not {COVERED_KT:g} kT above its lowest at both ends of the windows: the liquid has "
    "numbers beyond; put windows there; there is no mean and no work",
    "poor_overlap": f"neighboring windows share less than {100 * LEAST_OVERLAP:g} % of their samples: put windows "
    "between, or take softer springs; there is no curve",
}
#: Names of the columns of windows of a distance.
OF_DISTANCES = {
    "center": "center_angstrom",
    "spring_kj_mol": "spring_kj_mol_angstrom2",
    "mean": "mean_angstrom",
}


def _as_json(number: Number) -> dict[str, float | None]:
    return {"value": json_number(number.value), "stderr": json_number(number.stderr)}


def _name(stage: Umbrella) -> str:
    coordinate = stage.coordinate
    if isinstance(coordinate, Distance):
        return f"W(r) of {coordinate.center} and {coordinate.site} of {coordinate.partner}"
    return f"F(n) of one {coordinate.center} and {', '.join(coordinate.partners or ['all solvents and anions'])}"


def _tagged(run: Run, stage: Umbrella) -> dict[str, Any]:
    """Return the atoms of the coordinate; of a coordination number the center alone, since its sites are all."""
    tagged = read_tagged(run.path)
    return tagged.model_dump() if isinstance(stage.coordinate, Distance) else {"center_atom": tagged.center_atom}


def _well(table: pd.DataFrame) -> "pd.Series[float] | None":
    """Return the row where W(r) is lowest, among those that have an error; None if there are none."""
    known = table[table.stderr_kj_mol.notna()]
    return None if known.empty else known.loc[known.w_kj_mol.idxmin()]


def _summary(found: Profile, run: Run, stage: Umbrella) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "quantity": _name(stage),
        "status": found.status,
        "status_means": _MEANS[found.status],
        "run": "done" if run.is_done else "unfinished",
        "temperature_k": stage.temperature,
        "pressure_bar": stage.pressure,
        "ion_charge_scale": run.box.recipe.force_field.ion_charge_scale,
        "coordinate": stage.coordinate.model_dump(mode="json"),
        "relax_ps": stage.relax,
        "sample_ps": stage.sample,
        "tagged_atoms": _tagged(run, stage),
        "smallest_overlap": json_number(found.smallest_overlap),
        "least_overlap": LEAST_OVERLAP,
        "zero_from": json_number(found.zero[0]),
        "zero_to": json_number(found.zero[1]),
        "hysteresis_rms_kj_mol": json_number(found.hysteresis_kj_mol),
        "stderr_is": "the larger of the spread of resampled runs and half of the difference of the two series",
    }
    if found.mean_number is not None and found.work_kj_mol is not None:
        summary |= {
            "mean_coordination_number": _as_json(found.mean_number),
            "work_to_one_site_less_kj_mol": _as_json(found.work_kj_mol),
        }
    elif "w_kj_mol" in found.table and (well := _well(found.table)) is not None:
        summary["well"] = {key: json_number(well[key]) for key in ("r_angstrom", "w_kj_mol", "stderr_kj_mol")}
    return summary


def write_umbrella(found: Profile, run: Run, stage: Umbrella, folder: Path) -> None:
    """Write ``umbrella.csv`` (the curve), ``umbrella_windows.csv`` and ``summary.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    found.table.to_csv(folder / "umbrella.csv", index=False, float_format="%.6g")
    names = OF_DISTANCES if isinstance(stage.coordinate, Distance) else {}
    windows = found.windows.rename(columns=names)
    windows.to_csv(folder / "umbrella_windows.csv", index=False, float_format="%.6g")
    write_json(folder / "summary.json", _summary(found, run, stage))


def umbrella_lines(found: Profile, stage: Umbrella) -> list[str]:
    """Return what there is to say of it on a terminal."""
    lines = [f"{_name(stage)}: {found.status}, {_MEANS[found.status]}"]
    if found.mean_number is not None and found.work_kj_mol is not None:
        n, work = found.mean_number, found.work_kj_mol
        lines.append(
            f"  mean coordination number {n.value:.2f} +- {n.stderr:.2f}; work to one site less "
            f"{work.value:.1f} +- {work.stderr:.1f} kJ/mol"
        )
    elif "w_kj_mol" in found.table and (well := _well(found.table)) is not None:
        lines.append(
            f"  lowest at {well.r_angstrom:.2f} Å: {well.w_kj_mol:.1f} +- {well.stderr_kj_mol:.1f} kJ/mol, against "
            f"{found.zero[0]:.2f} to {found.zero[1]:.2f} Å"
        )
    overlap = f"smallest overlap {found.smallest_overlap:.2f}"
    fewest = f"fewest independent samples of a window {found.windows.n_independent.min():.0f}"
    back = f"outward and inward differ by {found.hysteresis_kj_mol:.1f} kJ/mol (root mean square)"
    known = [overlap, fewest, back] if np.isfinite(found.hysteresis_kj_mol) else [overlap, fewest]
    return [*lines, f"  {', '.join(known)}"]
