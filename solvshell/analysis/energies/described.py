"""What the summary says of interaction energies: every setting, and what the numbers mean."""

from typing import Any

import pandas as pd

from solvshell.analysis.energies.passes import Liquid, Pass
from solvshell.analysis.energies.per_species import FIRST_SHELL, WHOLE_BOX
from solvshell.analysis.statistics import RESOLVED_N_INDEPENDENT

BARE = (
    "bare: the sum of q q'/r with the molecule whole at its nearest image; it does not depend on the box, and is what "
    "is compared between systems"
)
EWALD = (
    "ewald: the energy in the periodic box, exact for sums over all molecules; of one charged pair it is shifted by "
    "the constant given here, which depends on the box, so that single pairs are never compared between boxes"
)
COMBINING = (
    "the combining energy of the study is not defined there; both sums per center are given: over the first shell with "
    "bare Coulomb energies, and over the whole box with those of Ewald, the Li-Li and polycation rows included, and "
    "the images of the center itself (own_images_kj_mol, twice the self_energy), without which it would depend on the "
    "size of the box. Its zero is the mean potential of the box, to which neutral molecules add by their density and "
    "quadrupole: that part of a difference between two liquids is a convention"
)
TAIL = "the LJ energy beyond the cutoff is the rows of region lj_tail, and in no other row"
SCALED = (
    "charges of ions are scaled by {scale:g} in this model; the full columns are the same configurations with the "
    "Coulomb energy of ion and solvent over {scale:g}, of two ions over {scale:g}^2: not an ensemble average"
)
UNKNOWN_SCALE = "charges as the model has them; whether they are scaled is not known, so the full columns are empty"


def _pair_constants(one: Pass) -> dict[str, float]:
    """Return q q' xi for each charged pair of a center and a species, in kJ/mol, a mean over the frames."""
    xi = float(one.found.results.xi.mean())
    energies = one.energies
    return {
        f"{center.name}-{partner.name}": center.charge * partner.charge * xi
        for center in energies.centers
        for partner in energies.partners
        if center.is_ion and partner.is_ion
    }


def _frames(one: Pass) -> dict[str, int]:
    frames = one.found.results.frames
    step = int(frames[1] - frames[0]) if len(frames) > 1 else 1
    return {"used": len(frames), "first": int(frames[0]), "step": step}


def _self_energies(one: Pass) -> dict[str, float]:
    of_itself, energies = one.found.results.self_energy, one.energies
    return {center.name: float(of_itself[:, energies.of_center(i)].mean()) for i, center in enumerate(energies.centers)}


def _sums(sums: pd.DataFrame, region: str) -> dict[str, dict[str, Any]]:
    """Return the sum of each center species over a region, as the summary has quantities."""
    return {
        str(row.center): {
            "mean": row.total_kj_mol,
            "stderr": row.stderr_kj_mol,
            "n_independent": row.n_independent,
            "resolved": bool(row.n_independent >= RESOLVED_N_INDEPENDENT),
        }
        for row in sums[sums.region == region].itertuples()
    }


def _units(of_units: list[Pass]) -> dict[str, Any]:
    found = {}
    for one in of_units:
        (unit,), partners = one.energies.centers, one.energies.partners
        without = [p.name for p, has in zip(partners, one.energies.has_shell[0], strict=True) if not has]
        found[unit.name] = {
            "frames": _frames(one),
            "n_units": unit.n_molecules,
            "charge": unit.charge,
            "n_plus_per_unit": unit.n_plus,
            "contacts_within_angstrom": {
                f"{center}-{partner} {site}": r for (center, partner, site), r in one.shells.radii_angstrom.items()
            },
            "without_contacts": without,
            "charged_pair_constant_kj_mol": _pair_constants(one),
            "self_energy_kj_mol": _self_energies(one),
        }
    return found


def described(
    liquid: Liquid, of_centers: Pass, of_units: list[Pass], tables: dict[str, pd.DataFrame]
) -> dict[str, Any]:
    """Return the entry of the summary for interaction energies.

    Parameters
    ----------
    of_centers, of_units
        The pass over the simple cations, and one for each polycation.
    tables
        By name.
    """
    model, scale = liquid.model, liquid.charge_scale
    return {
        "available": True,
        "frames": _frames(of_centers),
        "cutoff_angstrom": model.cutoff,
        "switch_angstrom": model.switch,
        "tail_correction": model.tail,
        "charge_scale": scale,
        "charges": {species.name: round(species.charge, 6) + 0.0 for species in of_centers.energies.partners},
        "definitions": {
            "bare": BARE,
            "ewald": EWALD,
            "combining_energy": COMBINING,
            "lj_tail": TAIL,
            "charges": UNKNOWN_SCALE if scale is None else SCALED.format(scale=scale),
        },
        "charged_pair_constant_kj_mol": _pair_constants(of_centers),
        "self_energy_kj_mol": _self_energies(of_centers),
        "combining_energy_kj_mol": {
            "first_shell_bare": _sums(tables["energy_sums"], FIRST_SHELL),
            "whole_box_ewald": _sums(tables["energy_sums"], WHOLE_BOX),
        },
        "units": _units(of_units),
        "rows": [{str(key): value for key, value in row.items()} for row in tables["energies"].to_dict("records")],
    }
