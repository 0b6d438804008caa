"""The energy of an ion in rock salt, which is Madelung's in a box of any size."""

import numpy as np
import pytest
from synthetic import make_universe

from solvshell.analysis.energies.model import PairModel
from solvshell.analysis.energies.passes import Liquid, Shells, run_pass
from solvshell.analysis.energies.per_species import sum_table
from solvshell.analysis.energies.units import _no_contacts

KE = 1389.35458
#: Y. Sakamoto, J. Chem. Phys. 28 (1958) 164
MADELUNG = 1.74756459463318
NEIGHBOR, SCALE = 2.82, 0.8


def rock_salt(n: int):
    """Return the sums of both kinds of ions in a cube of n x n x n of them, with scaled charges."""
    points = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    signs = 1 - 2 * (points.sum(axis=1) % 2)
    molecules = [(name, [name]) for name in np.where(signs > 0, "LI", "F")]
    universe = make_universe(molecules, [points * NEIGHBOR], (n * NEIGHBOR,) * 3 + (90,) * 3)
    none = np.empty((0, 2), int), np.empty((0, 3))
    model = PairModel(SCALE * signs, np.full(n**3, 2.0), np.zeros(n**3), 5.0, None, False, *none)
    groups = {"Li": universe.select_atoms("name LI"), "F": universe.select_atoms("name F")}
    no_shells = Shells(np.array([0]), _no_contacts(), np.zeros((2, 2), bool), np.array([True, True]))
    found = run_pass(Liquid(groups, {}, "residues", model, SCALE, {}), ("Li", "F"), no_shells)
    return sum_table(found.energies).query("region == 'whole_box'").set_index("center")


@pytest.mark.parametrize("n", [4, 6])
def test_the_sum_over_the_whole_box_is_that_of_madelung_in_any_supercell(n):
    sums = rock_salt(n)
    full = -KE * MADELUNG / NEIGHBOR  # -860.99 kJ/mol, the site energy of a full charge
    for ion in ("Li", "F"):
        assert sums.coulomb_kj_mol[ion] == pytest.approx(SCALE**2 * full, rel=1e-5)
        assert sums.full_coulomb_kj_mol[ion] == pytest.approx(full, rel=1e-5)
        assert sums.own_images_kj_mol[ion] == pytest.approx(KE * SCALE**2 * -2.837297 / (n * NEIGHBOR), rel=1e-5)
