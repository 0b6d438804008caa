"""Tables and sentences of an excess chemical potential."""

from pathlib import Path
from typing import Any

import numpy as np

from solvshell.files import json_number, write_json
from solvshell.free_energy.decoupling import Decoupling

_MEANS = {
    "resolved": "neighboring states overlap, and the ways down and up agree",
    "drifting": "the ways down and up disagree by more than 3 standard errors: sample longer; no number to quote",
    "too_few_samples": "a state has fewer than 10 independent samples: sample longer; no number to quote",
    "poor_overlap": "neighboring states share less than 3 % of their samples: put states between; there is no number",
}


def _finite_size(found: Decoupling) -> str:
    """Return what the images of the set do to its number: that it is neutral removes a background, and not these."""
    medium = "the medium is that of the composition without the set"
    if not found.own_images_kj_mol:
        return f"none corrected: the set has no ions; {medium}"
    if found.is_screened:
        return f"none corrected: other ions of the box screen the images of the set's ions; {medium}"
    return (
        f"not corrected: no other ion of the box screens the images of the set's ions, so that "
        f"{found.own_images_kj_mol:.1f} kJ/mol over the dielectric constant of the medium, which depend on the size of "
        f"the box, are in the number; {medium}"
    )


def _summary(found: Decoupling) -> dict[str, Any]:
    return {
        "quantity": f"excess chemical potential of {' + '.join(found.molecules)} together",
        "status": found.status,
        "status_means": _MEANS[found.status],
        "mu_ex_kj_mol": json_number(found.mu_ex_kj_mol),
        "stderr_kj_mol": json_number(found.stderr_kj_mol),
        "first_half_kj_mol": json_number(found.first_half_kj_mol),
        "second_half_kj_mol": json_number(found.second_half_kj_mol),
        "reference": "ideal gas of the same flexible molecules at the same concentrations",
        "kt_ln_concentration_kj_mol": json_number(found.ideal_kj_mol),
        "concentration_reference": "1 mol/L of each species, the set counted, in the volume below",
        "volume_nm3": found.volume_nm3,
        "volume_is": "<V^-m>^(-1/m) over the decoupled state, m molecules: <V^m>^(1/m) of the box without the set",
        "temperature_k": found.temperature,
        "pressure_bar": found.pressure,
        "smallest_overlap": json_number(found.smallest_overlap),
        "n_independent_smallest": found.n_independent,
        "ion_charge_scale": found.ion_charge_scale,
        "stderr_is": "the larger of that of MBAR and that of the difference of the ways down and up, step by step",
        "finite_size": _finite_size(found),
        "own_images_kj_mol": found.own_images_kj_mol,
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
        f"  way down {found.first_half_kj_mol:.1f}, way up {found.second_half_kj_mol:.1f} kJ/mol",
        f"  smallest overlap {found.smallest_overlap:.2f}, fewest independent samples {found.n_independent}; "
        f"kT ln(c / 1 mol/L) of the set {found.ideal_kj_mol:+.1f} kJ/mol",
        f"  charges of ions x {found.ion_charge_scale:g}; finite size {_finite_size(found)}",
    ]
