"""A unit of a polycation against a simple cation: energies per unit charge, per N+ and per contact molecule."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from solvshell.analysis.energies.measured import COULOMB, LJ, Energies
from solvshell.analysis.energies.numbers import CHARGE_SCALE, NUMBERS, number_table, numbers
from solvshell.analysis.energies.per_species import FIRST_SHELL, WHOLE_BOX, Row

UNIT_COLUMNS = ["center", "partner", "per", "region", "coulomb", "divisor", *NUMBERS, CHARGE_SCALE]
PER_CHARGE, PER_SITE, PER_CONTACT = "unit_charge", "n_plus", "contact_molecule"


def _rows(energies: Energies, i: int, j: int) -> Iterator[Row]:
    """Yield the rows of one center species and one partner, without their names."""
    center, members, factors = energies.centers[i], energies.of_center(i), energies.full_charge_factors(i)
    charge = abs(center.charge) / (energies.charge_scale or 1.0)
    fixed = {PER_CHARGE: (charge, charge), PER_SITE: (center.n_plus, center.n_plus)}
    regions = {WHOLE_BOX: energies.whole_box[:, members, j]}
    if energies.has_shell[i, j]:
        regions = {FIRST_SHELL: energies.in_shell[:, members, j]} | regions
    n_in_shell = energies.n_in_shell[:, members, j]
    for region, values in regions.items():
        divisors: dict[str, tuple[float, float | np.ndarray]] = {per: n for per, n in fixed.items() if n[0] > 0}
        if region == FIRST_SHELL:
            divisors[PER_CONTACT] = float(n_in_shell.mean()), n_in_shell
        for per, (divisor, n) in divisors.items():
            for name, kind in COULOMB.items():
                coulomb = values[..., kind]
                full = None if factors is None else factors[j] * coulomb
                yield per, region, name, divisor, *numbers(values[..., LJ], coulomb, full, n)


def unit_table(of_centers: Energies, of_units: Sequence[Energies]) -> pd.DataFrame:
    """Return the interaction energies of simple cations and of the units of polycations, made comparable.

    A unit is as large as its charge, so that it is never compared as a whole: what a center has with all molecules of a
    species (``whole_box``, or ``first_shell``) is divided by its formal charge number (``unit_charge``) and, of a unit,
    by its ammonium nitrogens (``n_plus``); ``contact_molecule`` is the mean over the molecules of the first shell.
    `divisor` says by how much. The first shell of a unit is made of the molecules with a site nearer to one of its
    nitrogens than the first minimum of that g(r). The charge number is the charge in the model over the charge scale,
    where that is known. Without units there are no rows.

    Parameters
    ----------
    of_centers
        Of simple cations.
    of_units
        Of the units of each polycation.
    """
    rows = [
        (center.name, partner.name, *row)
        for energies in ((of_centers, *of_units) if of_units else ())
        for i, center in enumerate(energies.centers)
        for j, partner in enumerate(energies.partners)
        for row in _rows(energies, i, j)
    ]
    return number_table(rows, UNIT_COLUMNS, of_centers.charge_scale)
