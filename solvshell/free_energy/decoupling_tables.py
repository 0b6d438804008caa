"""Tables and sentences of an excess chemical potential."""

from pathlib import Path
from typing import Any

import numpy as np

from solvshell.files import write_json
from solvshell.free_energy.decoupling import Decoupling

_MEANS = {
    "resolved": "neighbouring states overlap, and the ways down and up agree",
    "drifting": "the ways down and up disagree by more than 3 standard errors: sample longer; no number to quote",
    "too_few_samples": "a state has fewer than 10 independent samples: sample longer; no number to quote",
    "poor_overlap": "neighbouring states share less than 3 % of their samples: put states between; there is no number",
}


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _summary(found: Decoupling) -> dict[str, Any]:
    return {
        "quantity": f"excess chemical potential of {' + '.join(found.molecules)} together",
        "status": found.status,
        "status_means": _MEANS[found.status],
        "mu_ex_kj_mol": _number(found.mu_ex_kj_mol),
        "stderr_kj_mol": _number(found.stderr_kj_mol),
        "reference": "ideal gas of the same flexible molecules at the same concentrations",
        "kt_ln_concentration_kj_mol": _number(found.ideal_kj_mol),
        "concentration_reference": "1 mol/L of each species, the set counted, in the volume below",
        "volume_nm3": found.volume_nm3,
        "volume_is": "<V^-m>^(-1/m) over the decoupled state, m molecules: <V^m>^(1/m) of the box without the set",
        "temperature_k": found.temperature,
        "pressure_bar": found.pressure,
        "smallest_overlap": _number(found.smallest_overlap),
        "n_independent_smallest": found.n_independent,
        "finite_size": "none corrected: the set is neutral; the medium is that of the composition without the set",
        "composition": found.composition.to_dict("records"),
    }


def write_decoupling(found: Decoupling, folder: Path) -> None:
    """Write ``decoupling.csv`` (steps), ``decoupling_states.csv``, ``decoupling_convergence.csv`` and a JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in (
        ("decoupling", found.steps),
        ("decoupling_states", found.states),
        ("decoupling_convergence", found.convergence),
        ("decoupling_composition", found.composition),
    ):
        table.to_csv(folder / f"{name}.csv", index=False)
    write_json(folder / "decoupling.json", _summary(found))


def decoupling_lines(found: Decoupling) -> list[str]:
    """Return what there is to say of it on a terminal."""
    name = " + ".join(found.molecules)
    number = f"{found.mu_ex_kj_mol:.1f} +- {found.stderr_kj_mol:.1f} kJ/mol"
    return [
        f"excess chemical potential of {name}: {number if np.isfinite(found.mu_ex_kj_mol) else 'no number'}",
        f"  {found.status}: {_MEANS[found.status]}",
        f"  smallest overlap {found.smallest_overlap:.2f}, fewest independent samples {found.n_independent}; "
        f"kT ln(c / 1 mol/L) of the set {found.ideal_kj_mol:+.1f} kJ/mol",
    ]
