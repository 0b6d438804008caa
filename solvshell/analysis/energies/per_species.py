"""The interaction energy of a center with each species, per molecule and per center, and the sums over all of them."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from solvshell.analysis.energies.measured import COULOMB, EWALD, LJ, Energies
from solvshell.analysis.energies.numbers import CHARGE_SCALE, NUMBERS, number_table, numbers

ENERGY_COLUMNS = ["center", "partner", "quantity", "region", "coulomb", *NUMBERS, CHARGE_SCALE]
SUM_COLUMNS = ["center", "region", "coulomb", "own_images_kj_mol", *NUMBERS, CHARGE_SCALE]

FIRST_SHELL, WHOLE_BOX, TAIL = "first_shell", "whole_box", "lj_tail"
PER_MOLECULE, PER_CENTER = "per_molecule", "per_center"

Row = tuple[str | float | None, ...]


def _rows_of_pair(energies: Energies, i: int, j: int) -> Iterator[Row]:
    """Yield the rows of one center species and one partner, without their names."""
    members, partner, factors = energies.of_center(i), energies.partners[j], energies.full_charge_factors(i)
    n_others = energies.n_molecules[:, j] - (partner.name == energies.centers[i].name)
    regions: dict[str, tuple[np.ndarray, np.ndarray | float]] = {}
    if energies.has_shell[i, j]:
        regions[FIRST_SHELL] = energies.in_shell[:, members, j], energies.n_in_shell[:, members, j]
    whole_box = energies.whole_box[:, members, j]
    of_frames = np.broadcast_to(n_others[:, None], whole_box.shape[:2])
    regions[WHOLE_BOX] = whole_box, float(n_others[0]) if np.ptp(n_others) == 0 else of_frames
    for quantity in (PER_MOLECULE, PER_CENTER):
        for region, (values, n) in regions.items():
            if quantity == PER_MOLECULE and not n_others.any():
                continue
            for name, kind in COULOMB.items():
                lj, coulomb, per = values[..., LJ], values[..., kind], n if quantity == PER_MOLECULE else 1.0
                full = None if factors is None else factors[j] * coulomb
                yield quantity, region, name, *numbers(lj, coulomb, full, per)
    tail = energies.tail[:, i, j]
    yield PER_CENTER, TAIL, "none", *numbers(tail, np.zeros_like(tail), None)


def energy_table(energies: Energies) -> pd.DataFrame:
    """Return the interaction energy of each center species with each species of the box, in kJ/mol.

    Rows are disjoint, without totals. ``per_molecule`` is the mean over molecules: over those in first shells, or over
    all in the box; ``per_center`` is the mean over centers of the sum over molecules. ``first_shell`` rows exist where
    a partner has a shell whose end is known. ``coulomb`` says how the Coulomb part is taken: ``bare``, the sum of
    q q'/r with the molecule whole at its nearest image, which does not depend on the box; ``ewald``, the periodic pair
    function, exact for sums over the box, and for one charged pair shifted by a constant of the box. The LJ energy
    beyond the cutoff is a row of its own, region ``lj_tail``, and in no other.
    """
    rows = [
        (center.name, partner.name, *row)
        for i, center in enumerate(energies.centers)
        for j, partner in enumerate(energies.partners)
        for row in _rows_of_pair(energies, i, j)
    ]
    return number_table(rows, ENERGY_COLUMNS, energies.charge_scale)


def _summed(energies: Energies, i: int, values: np.ndarray, kind: int) -> tuple[float | None, ...]:
    """Return the numbers of the sum over partners of energies (n_frames, n_members, n_partners, 3)."""
    coulomb, factors = values[..., kind], energies.full_charge_factors(i)
    full = None if factors is None else coulomb @ factors
    return numbers(values[..., LJ].sum(axis=2), coulomb.sum(axis=2), full)


def sum_table(energies: Energies) -> pd.DataFrame:
    """Return the sums over all species of what `energy_table` has per center: the energy of a center in its liquid.

    The two that the "combining energy" of the study may mean are there, with errors that know how partners move
    together: over the first shell with the bare Coulomb energy, and over the whole box with that of Ewald (without the
    LJ tail, which follows). The latter holds what the center has with its own images, q^2 xi of an ion of one atom,
    which is no pair of two molecules and given as `own_images_kj_mol`: only with it is the Coulomb energy q_i phi_i of
    the potential at the center, which does not depend on the size of the box, and of which half, summed over all ions,
    is the energy of the box. A center species of which the end of a shell is not known has no sum over the first shell.
    """
    rows: list[Row] = []
    for i, center in enumerate(energies.centers):
        members = energies.of_center(i)
        if not energies.is_incomplete[i]:
            of_shell = _summed(energies, i, energies.in_shell[:, members], COULOMB["bare"])
            rows.append((center.name, FIRST_SHELL, "bare", 0.0, *of_shell))
        whole_box, own_images = energies.whole_box[:, members].copy(), energies.own_images[:, members]
        whole_box[:, :, i, EWALD] += own_images  # an image of a center is one of its species
        of_box = _summed(energies, i, whole_box, EWALD)
        rows.append((center.name, WHOLE_BOX, "ewald", float(own_images.mean()), *of_box))
        tail = energies.tail[:, i].sum(axis=1)
        rows.append((center.name, TAIL, "none", 0.0, *numbers(tail, np.zeros_like(tail), None)))
    return number_table(rows, SUM_COLUMNS, energies.charge_scale)
