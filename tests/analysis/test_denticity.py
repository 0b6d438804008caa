import numpy as np
import pytest
from shells_by_hand import make_shells, molecule_numbers

from solvshell.analysis.denticity import DENTICITY_COLUMNS, denticity_table

CARBONYL_O, F, TFSI_O, TFSI_F = range(4)
NUMBERS = {"NA": 1, "LI": 2, "EC": 2, "PF6": 2, "TFSI": 2}
MOLECULES = molecule_numbers(**NUMBERS)
LI_0, LI_1, NA_0 = range(3)
PF6, TFSI, EC = MOLECULES["PF6"], MOLECULES["TFSI"], MOLECULES["EC"]
# Frame 0: one PF6 with three F and one with one F at the same Li, a TFSI by O and F at the other and by one O at Na.
# Frame 1: a PF6 with two F at one Li and one F at the other. Frame 2: nobody.
ROWS = [
    *[(0, LI_0, PF6[1], F), (0, LI_0, PF6[0], F), (0, LI_0, PF6[1], F), (0, LI_0, EC[0], CARBONYL_O)],
    *[(0, LI_0, PF6[1], F), (0, LI_1, TFSI[0], TFSI_O), (0, LI_1, TFSI[0], TFSI_F), (0, NA_0, TFSI[0], TFSI_O)],
    *[(1, LI_0, PF6[0], F), (1, LI_0, PF6[0], F), (1, LI_1, PF6[0], F)],
]


def rows_of(table):
    return table.set_index(["center", "partner", "n_atoms"])


def test_atoms_of_all_sites_of_a_molecule_count_at_each_of_its_centers():
    table = denticity_table(make_shells(ROWS, 3, **NUMBERS))
    assert table.columns.tolist() == DENTICITY_COLUMNS
    rows = rows_of(table)
    assert rows.n.to_dict() == {
        **{("Li", "EC", 1): 1, ("Li", "PF6", 1): 2, ("Li", "PF6", 2): 1, ("Li", "PF6", 3): 1},
        **{("Li", "TFSI", 2): 1, ("Na", "TFSI", 1): 1},
    }
    assert rows.fraction.to_dict() == pytest.approx(
        {
            **{("Li", "EC", 1): 1, ("Li", "PF6", 1): 1 / 2, ("Li", "PF6", 2): 1 / 4, ("Li", "PF6", 3): 1 / 4},
            **{("Li", "TFSI", 2): 1, ("Na", "TFSI", 1): 1},
        }
    )
    assert rows.mean_per_center["Li", "PF6", 1] == pytest.approx(2 / 6)
    assert rows.mean_per_center["Na", "TFSI", 1] == pytest.approx(1 / 3)


def test_fractions_sum_to_one_and_means_to_the_coordination_number():
    rng = np.random.default_rng(0)
    frames, centers = rng.integers(0, 50, 2000), rng.integers(0, 3, 2000)
    rows = list(zip(frames, centers, rng.choice(PF6, 2000), np.full(2000, F), strict=True))
    table = denticity_table(make_shells(rows, 50, **NUMBERS))
    assert table.n_atoms.max() > 5
    assert table.groupby("center").fraction.sum().to_dict() == pytest.approx({"Li": 1, "Na": 1})
    atoms = (table.n_atoms * table.mean_per_center).groupby(table.center).sum()
    assert atoms.to_dict() == pytest.approx({"Li": (centers < 2).sum() / 100, "Na": (centers == 2).sum() / 50})


def test_a_fraction_that_never_changes_has_no_error_though_the_number_does():
    rng = np.random.default_rng(1)
    there = [(k, center) for k in range(100) for center in (LI_0, LI_1) if rng.random() < 0.5]
    rows = [(k, center, PF6[center], F) for k, center in there for _ in range(2)]
    row = rows_of(denticity_table(make_shells(rows, 100, **NUMBERS))).loc["Li", "PF6", 2]
    assert row.fraction == 1
    assert row.stderr is None or np.isnan(row.stderr)
    assert row.mean_per_center == pytest.approx(len(there) / 200)
    assert row.mean_per_center_stderr > 0


def test_the_error_of_a_fraction_of_independent_molecules_is_binomial():
    rng = np.random.default_rng(2)
    two = rng.random((4000, 2)) < 0.3
    rows = [(k, i, PF6[i], F) for k in range(4000) for i in range(2) for _ in range(1 + two[k, i])]
    row = rows_of(denticity_table(make_shells(rows, 4000, **NUMBERS))).loc["Li", "PF6", 2]
    assert row.fraction == pytest.approx(two.mean())
    assert row.stderr == pytest.approx(np.sqrt(0.3 * 0.7 / 8000), rel=0.1)


def test_partners_whose_shell_is_not_known_or_empty_have_no_rows():
    cutoffs = np.full((2, 4), 2.5)
    cutoffs[0, TFSI_F] = np.nan
    cutoffs[0, F] = 0
    rows = [row for row in ROWS if row[3] != F]
    table = denticity_table(make_shells(rows, 3, cutoffs=cutoffs, **NUMBERS))
    assert table[["center", "partner"]].to_numpy().tolist() == [["Li", "EC"], ["Na", "TFSI"]]
    assert denticity_table(make_shells([], 3, **NUMBERS)).empty
