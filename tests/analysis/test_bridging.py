import numpy as np
import pytest
from shells_by_hand import make_shells, molecule_numbers

from solvshell.analysis.bridging import BRIDGING_COLUMNS, bridging_table

CARBONYL_O, F, TFSI_O, TFSI_F = range(4)
NUMBERS = {"NA": 1, "LI": 2, "EC": 2, "PF6": 2, "TFSI": 2}
MOLECULES = molecule_numbers(**NUMBERS)
PF6, TFSI, EC = MOLECULES["PF6"], MOLECULES["TFSI"], MOLECULES["EC"]
LI_0, LI_1, NA_0 = range(3)
# Frame 0: a PF6 with two F at one Li, the other between Li and Na. Frame 1: a TFSI between three. Frame 2: nobody.
ROWS = [
    *[(0, LI_0, PF6[1], F), (0, LI_1, PF6[0], F), (0, LI_0, PF6[1], F), (0, NA_0, PF6[0], F)],
    *[(1, LI_0, TFSI[1], TFSI_O), (1, LI_1, TFSI[1], TFSI_F), (1, NA_0, TFSI[1], TFSI_O), (1, LI_0, PF6[0], F)],
]


def test_centers_of_all_species_count_once_each():
    table = bridging_table(make_shells(ROWS, 3, **NUMBERS))
    assert table.columns.tolist() == BRIDGING_COLUMNS
    rows = table.set_index(["partner", "n_centers"])
    assert rows.n.to_dict() == {("PF6", 1): 2, ("PF6", 2): 1, ("TFSI", 3): 1}
    assert rows.fraction.to_dict() == pytest.approx({("PF6", 1): 2 / 3, ("PF6", 2): 1 / 3, ("TFSI", 3): 1})


def test_the_error_of_a_share_of_independent_molecules_is_binomial():
    two = np.random.default_rng(0).random((3000, 2)) < 0.3
    rows = [(k, i, EC[j], CARBONYL_O) for (k, j), between in np.ndenumerate(two) for i in range(1 + between)]
    row = bridging_table(make_shells(rows, 3000, **NUMBERS)).set_index("n_centers").loc[2]
    assert row.fraction == pytest.approx(two.mean())
    assert row.stderr == pytest.approx(np.sqrt(0.3 * 0.7 / 6000), rel=0.1)


def test_what_is_not_known_has_no_rows():
    cutoffs = np.full((2, 4), 2.5)
    cutoffs[1, F] = np.nan
    table = bridging_table(make_shells(ROWS, 3, cutoffs=cutoffs, **NUMBERS))
    assert table.partner.tolist() == ["TFSI"]
    assert bridging_table(make_shells([], 3, **NUMBERS)).empty
