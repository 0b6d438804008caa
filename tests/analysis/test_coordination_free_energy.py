import numpy as np
import pytest
from shells_by_hand import make_shells, molecule_numbers

from solvshell.analysis.coordination_free_energy import COORDINATION_FREE_ENERGY_COLUMNS, coordination_free_energy

CARBONYL_O, F, TFSI_O, TFSI_F = range(4)
NUMBERS = {"LI": 1, "NA": 1, "EC": 6, "PF6": 2, "TFSI": 2}
MOLECULES = molecule_numbers(**NUMBERS)
EC, PF6 = MOLECULES["EC"], MOLECULES["PF6"]
LI, NA = range(2)


def shells_of(n_ec, n_f=None, **more):
    """A Li with so many EC, and so many F of one PF6, in each frame; Na has none."""
    rows = [(k, LI, EC[i], CARBONYL_O) for k, n in enumerate(n_ec) for i in range(n)]
    rows += [(k, LI, PF6[0], F) for k, n in enumerate(n_f or []) for _ in range(n)]
    return make_shells(rows, len(n_ec), **more, **NUMBERS)


def rows_of(table, center="Li", partner="all"):
    return table[(table.center == center) & (table.partner == partner)].set_index("n")


def test_each_number_costs_the_logarithm_of_how_rarely_it_occurs():
    table = coordination_free_energy(shells_of([4, 5, 4, 3, 4, 5, 4, 4]), 300.0)
    assert table.columns.tolist() == COORDINATION_FREE_ENERGY_COLUMNS
    rows = rows_of(table)
    assert rows.probability.to_dict() == {3: 1 / 8, 4: 5 / 8, 5: 2 / 8}
    assert rows.free_energy_kt.to_dict() == pytest.approx({3: np.log(5), 4: 0, 5: np.log(5 / 2)})
    assert rows.free_energy_kj_mol[3] == pytest.approx(8.314462618e-3 * 300 * np.log(5))
    assert rows.free_energy_kj_mol_stderr[5] == pytest.approx(8.314462618e-3 * 300 * rows.free_energy_kt_stderr[5])
    assert rows.free_energy_kt_stderr[4] == 0


def test_the_total_counts_atoms_of_all_partners_and_each_partner_its_own():
    table = coordination_free_energy(shells_of([4, 4, 3, 3], [0, 1, 2, 3]))
    assert rows_of(table).probability.to_dict() == {4: 0.25, 5: 0.5, 6: 0.25}
    assert rows_of(table, partner="EC").probability.to_dict() == {3: 0.5, 4: 0.5}
    assert rows_of(table, partner="PF6").probability.to_dict() == dict.fromkeys(range(4), 0.25)
    assert rows_of(table, center="Na").probability.to_dict() == {0: 1}
    assert table.free_energy_kj_mol.isna().all()


def test_a_number_that_never_changes_costs_nothing_and_has_no_error_of_its_probability():
    rows = rows_of(coordination_free_energy(shells_of([4] * 20), 300.0))
    assert rows.free_energy_kt.to_dict() == {4: 0}
    assert rows.probability_stderr.isna().all()
    assert rows.n_independent[4] == 1


def test_the_error_of_two_states_knows_that_one_grows_at_the_cost_of_the_other():
    n = np.random.default_rng(0).choice([4, 5], p=[0.6, 0.4], size=5000)
    rows = rows_of(coordination_free_energy(shells_of(n)))
    p = rows.probability
    assert rows.free_energy_kt_stderr[5] == pytest.approx(np.sqrt(1 / (5000 * p[4] * p[5])), rel=0.1)
    assert rows.free_energy_kt_stderr[5] > 1.5 * rows.probability_stderr[5] / p[5]


def test_what_is_not_known_has_no_rows():
    cutoffs = np.full((2, 4), 2.5)
    cutoffs[0, F] = np.nan
    cutoffs[0, [TFSI_O, TFSI_F]] = 0
    table = coordination_free_energy(shells_of([4, 5], cutoffs=cutoffs))
    found = table[["center", "partner"]].drop_duplicates().to_numpy().tolist()
    assert found == [["Li", "EC"], ["Na", "all"], ["Na", "EC"], ["Na", "PF6"], ["Na", "TFSI"]]
    assert coordination_free_energy(shells_of([], cutoffs=np.full((2, 4), np.nan))).empty
