import numpy as np
import pytest
from shells_by_hand import make_shells, molecule_numbers
from synthetic import make_universe, species_file

from solvshell.analysis.angles import ANGLE_COLUMNS, MEAN_ANGLE_COLUMNS, angle_table, mean_angle_table
from solvshell.analysis.geometry import SolvationGeometry
from solvshell.analysis.shells import first_shells
from solvshell.analysis.sites import select_sites

CARBONYL_O, F, TFSI_O, TFSI_F = range(4)
NUMBERS = {"LI": 2, "EC": 2, "NA": 1, "PF6": 1, "TFSI": 1}
EC, PF6, TFSI = (molecule_numbers(**NUMBERS)[name] for name in ("EC", "PF6", "TFSI"))


def test_the_angle_of_a_constructed_li_o_c():
    bond, angle = 1.2, np.radians(138)
    o = np.array([10.0, 10, 10])
    li = o + np.array([2.0, 0, 0])
    c = o + bond * np.array([np.cos(angle), np.sin(angle), 0])
    universe = make_universe([("LI", ["LI"]), ("EC", ["C", "O"])], [[li, c, o]])
    partners = {"EC": species_file().partners["EC"].model_dump()}
    sites = select_sites(universe, species_file(partners=partners))
    geometry = SolvationGeometry.from_sites(sites).run()
    shells = first_shells(geometry.results, sites, {("Li", "EC", "carbonyl_o"): 3.0})
    mean = mean_angle_table(shells)
    assert mean.mean_degrees[0] == pytest.approx(138, abs=1e-3)
    table = angle_table(shells)
    assert table[table.density > 0].angle_degrees.tolist() == [137.5]


def test_center_species_and_sites_are_apart_and_what_has_no_angle_is_left_out():
    cosines = np.cos(np.radians([100.0, 130, 150, 170, 90]))
    rows = [
        *[(0, 0, EC[0], CARBONYL_O, cosines[0]), (0, 1, EC[1], CARBONYL_O, cosines[1])],
        *[(1, 0, EC[0], CARBONYL_O, cosines[2]), (1, 2, EC[1], CARBONYL_O, cosines[3])],
        *[(1, 0, TFSI[0], TFSI_O, cosines[4]), (1, 0, PF6[0], F, np.nan)],
    ]
    table = mean_angle_table(make_shells(rows, 2, **NUMBERS))
    assert table.columns.tolist() == MEAN_ANGLE_COLUMNS
    found = table.set_index(["center", "partner", "site"])
    assert found.mean_degrees.to_dict() == pytest.approx(
        {("Li", "EC", "carbonyl_o"): 380 / 3, ("Li", "TFSI", "o"): 90, ("Na", "EC", "carbonyl_o"): 170}, abs=1e-4
    )
    assert found.n.tolist() == [3, 1, 1]


def test_directions_without_preference_have_a_density_of_one_half():
    rng = np.random.default_rng(0)
    cosines = rng.uniform(-1, 1, (2000, 2, 2))
    rows = [(k, i, EC[j], CARBONYL_O, c) for (k, i, j), c in np.ndenumerate(cosines)]
    table = angle_table(make_shells(rows, 2000, **NUMBERS))
    assert table.columns.tolist() == ANGLE_COLUMNS
    well = table[table.stderr > 0]
    assert len(well) == 36
    assert np.abs((well.density - 0.5) / well.stderr).max() < 4
    assert well.stderr[18] == pytest.approx(np.sqrt(0.5 / (8000 * np.radians(5))), rel=0.1)
    edges = np.cos(np.radians(np.arange(0, 181, 5)))
    assert (table.density * -np.diff(edges)).sum() == pytest.approx(1)


def test_the_error_of_the_mean_is_that_of_independent_angles():
    rng = np.random.default_rng(1)
    angles = rng.normal(140, 10, (1500, 2))
    rows = [(k, i, EC[i], CARBONYL_O, np.cos(np.radians(a))) for (k, i), a in np.ndenumerate(angles)]
    table = mean_angle_table(make_shells(rows, 1500, **NUMBERS))
    assert table.mean_degrees[0] == pytest.approx(angles.mean(), abs=1e-3)
    assert table.stderr[0] == pytest.approx(10 / np.sqrt(3000), rel=0.1)


def test_a_cosine_beyond_one_by_rounding_is_an_angle():
    rows = [(0, 0, EC[0], CARBONYL_O, -1.0000001), (1, 0, EC[0], CARBONYL_O, 1.0000001)]
    shells = make_shells(rows, 2, **NUMBERS)
    assert mean_angle_table(shells).mean_degrees[0] == pytest.approx(90)
    table = angle_table(shells)
    assert table[table.density > 0].angle_degrees.tolist() == [2.5, 177.5]


def test_without_angles_there_are_no_rows():
    shells = make_shells([(0, 0, PF6[0], F)], 1, **NUMBERS)
    assert angle_table(shells).empty
    assert mean_angle_table(shells).empty
