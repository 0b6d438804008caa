import json
from dataclasses import replace

import numpy as np
import pytest
from shells_by_hand import make_shells, molecule_numbers
from stays_by_hand import contacts_of, markov, shells_of
from synthetic import make_universe

from solvshell.analysis.residence import DECAY_COLUMNS, METHODS, RESIDENCE_COLUMNS, residence_times
from solvshell.analysis.shells import FirstShells
from solvshell.analysis.sites import select_sites
from solvshell.analysis.stays import continuous_stays
from solvshell.species import SpeciesFile


def of_first_pair(shells, seed=0):
    return residence_times(shells, np.random.default_rng(seed)).pairs[0]


def times_of(pair):
    return dict(zip(METHODS, pair.times, strict=True))


@pytest.fixture(scope="module")
def repeated():
    """Times and errors by each method of 40 short runs of 25 centers, away for 20 times their stay of 40 frames."""
    found = {method: [] for method in METHODS}
    for seed in range(40):
        rng = np.random.default_rng(seed)
        bound = markov(rng, 400, (25, 30), 40, 800)
        for method, time in times_of(of_first_pair(shells_of(bound, 2.0), seed)).items():
            found[method].append(time)
    return {method: np.array(times) for method, times in found.items()}


@pytest.mark.parametrize("method", METHODS)
def test_all_methods_agree_with_the_rates_of_a_two_state_process(repeated, method):
    times, errors = repeated[method].T
    leave, come = 1 - np.exp(-1 / 40), 1 - np.exp(-1 / 800)
    # C(t) relaxes by leaving and by coming.
    expected = -2 / np.log(1 - leave - come) if method.startswith("intermittent") else 80
    off = (times - expected) / errors
    assert abs(np.mean(off)) < 0.5
    assert np.std(off) == pytest.approx(1, abs=0.3)
    assert np.mean(errors) < 0.1 * expected


def test_a_run_of_two_residence_times_is_not_biased_where_completed_stays_are():
    bound = markov(np.random.default_rng(1), 100, (40, 60), 50, 1000)
    pair = of_first_pair(shells_of(bound))
    stays = continuous_stays(contacts_of(bound))
    completed = (stays.first > 0) & (stays.last < 99)
    naive = (stays.last - stays.first + 1)[completed]
    assert naive.mean() < 35
    for method in ("censored_exponential", "continuous_biexponential"):
        time, error = times_of(pair)[method]
        assert abs(time - 50) < 3 * error
        assert error < 5


@pytest.mark.parametrize(("residence_times_long", "given"), [(2, 0.0), (4, 0.5), (6, 1.0)])
def test_an_integral_is_that_of_a_run_long_enough_and_not_of_one_that_fell_soon(residence_times_long, given):
    found = []
    for seed in range(60):
        bound = markov(np.random.default_rng(seed), 50 * residence_times_long, (20, 20), 50, 950)
        found.append(times_of(of_first_pair(shells_of(bound), seed))["continuous_integral"])
    times, errors = np.array(found, float).T
    share = np.isfinite(times).mean()
    assert share == pytest.approx(given, abs=0.2 if given == 0.5 else 0.04)
    if share > 0.1:
        # Those of four residence times are the quick half.
        assert np.nanmedian(times) == pytest.approx(50 if given == 1 else 46, rel=0.05)
        assert np.mean(np.abs(times - 50) < 2 * errors) / share > 0.75 + 0.1 * given


def test_errors_know_that_stays_as_long_as_the_run_are_few():
    # 8 molecules a run of one residence time: about 5 leave. Blocks of frames alone would not see it.
    off = []
    for seed in range(40):
        bound = markov(np.random.default_rng(seed), 200, (8, 20), 200, 3800)
        pair = of_first_pair(shells_of(bound), seed)
        if pair.continuous.area.fit is not None:
            mean = pair.continuous.area.fit.mean_ps
            # The logarithm of so uncertain a time is closer to normal.
            off.append(np.log(mean.mean / 200) / (mean.stderr / mean.mean))
    assert len(off) > 30
    assert np.std(off) < 1.5


def test_two_kinds_of_stays_make_two_exponentials():
    rng = np.random.default_rng(2)
    bound = np.concatenate([markov(rng, 2000, (40, 20), 4, 196), markov(rng, 2000, (40, 4), 80, 720)], axis=2)
    fit = of_first_pair(shells_of(bound)).continuous.area.fit
    # Per center 20 x 4 / 200 = 0.4 bound moments of the quick kind, 4 x 80 / 800 = 0.4 of the slow one.
    for number, expected in ((fit.share_fast, 0.5), (fit.fast_ps, 4), (fit.slow_ps, 80), (fit.mean_ps, 42)):
        assert abs(number.mean - expected) < 3 * number.stderr
        assert number.stderr < 0.15 * expected


def test_a_flicker_shortens_what_is_continuous_alone():
    rng = np.random.default_rng(3)
    bound = markov(rng, 1000, (30, 20), 100, 1900)
    bound &= rng.random(bound.shape) > 0.03
    times = times_of(of_first_pair(shells_of(bound)))
    assert times["continuous_integral"][0] == pytest.approx(1 / (0.03 + 0.01), rel=0.15)
    assert times["censored_exponential"][0] == pytest.approx(100, rel=0.15)
    assert times["intermittent_integral"][0] == pytest.approx(95, rel=0.15)


def test_molecules_count_once_and_sites_apart():
    numbers = {"LI": 2, "NA": 1, "EC": 2, "PF6": 2, "TFSI": 1}
    molecule = molecule_numbers(**numbers)
    rows = [(frame, 0, molecule["PF6"][0], 1) for frame in range(10)]
    rows += [(frame, 0, molecule["PF6"][0], 1) for frame in range(0, 10, 2)]  # a second F
    rows += [(frame, 2, molecule["TFSI"][0], 2 + frame % 2) for frame in range(40)]  # Na; O and F by turns
    found = residence_times(make_shells(rows, 40, **numbers), np.random.default_rng(0))
    pairs = {(pair.center, pair.partner, pair.site): pair for pair in found.pairs}
    assert len(pairs) == 8
    assert pairs["Li", "PF6", "f"].exponential.n_departures == 1
    assert pairs["Li", "PF6", "f"].exponential.bound_ps == 10
    assert pairs["Na", "TFSI", "o"].continuous.n_departures == 1  # twenty flickers of one visit
    assert pairs["Na", "TFSI", "o"].intermittent.values[:3].tolist() == [1, 0, 1]
    assert pairs["Na", "TFSI", "o"].exponential.n_departures == 0
    assert pairs["Li", "EC", "carbonyl_o"].continuous is None
    chance = pairs["Li", "PF6", "f"].intermittent.chance
    assert chance == pytest.approx(10 / (2 * 2 * 40))  # bound frames; centers, molecules and frames


def test_the_chance_of_centers_inside_molecules_is_that_of_other_molecules():
    species = SpeciesFile.model_validate(
        {
            "centers": {"N": "name N"},
            "partners": {"TFSI": {"molecules": "resname TFSI", "sites": {"o": "name O"}, "role": "anion"}},
        }
    )
    sites = select_sites(make_universe([("TFSI", ["N", "O"])] * 5, np.zeros((1, 10, 3))), species)
    bound = np.zeros((40, 5, 5), dtype=bool)
    bound[:, 0, 1:] = True
    shells = FirstShells(sites, np.array([[3.0]]), contacts_of(bound), np.arange(40), 1.0)
    assert of_first_pair(shells).intermittent.chance == pytest.approx(4 / (5 * 4))


def test_the_table_says_what_is_known_and_is_empty_elsewhere():
    numbers = {"LI": 2, "NA": 1, "EC": 2, "PF6": 2, "TFSI": 1}
    ec = molecule_numbers(**numbers)["EC"][0]
    shells = make_shells([(frame, 0, ec, 0) for frame in range(30)], 30, **numbers)
    found = residence_times(shells, np.random.default_rng(0))
    table = found.to_dataframe()
    assert list(table) == RESIDENCE_COLUMNS
    assert table["method"].tolist() == list(METHODS) * 8
    assert table["time_ps"].isna().all()
    assert found.pairs[0].exponential.lower_bound_ps == pytest.approx(28 / 3)
    assert found.pairs[0].intermittent.area.reason == "nobody left"
    decays = found.decays()
    assert list(decays) == DECAY_COLUMNS
    assert set(decays["partner"]) == {"EC"}
    assert (decays["continuous"] == 1).all()
    assert decays["time_ps"].iloc[-1] == 15
    assert (
        residence_times(replace(shells, contacts=shells.contacts.where(slice(0))), np.random.default_rng(0))
        .decays()
        .empty
    )


def test_the_decays_in_the_table_are_those_of_a_dense_one():
    bound = markov(np.random.default_rng(5), 80, (4, 6), 6, 20)
    decays = residence_times(shells_of(bound, 0.5), np.random.default_rng(0)).decays()
    for row in decays.itertuples():
        lag = round(row.time_ps / 0.5)
        now = bound[: 80 - lag]
        stayed = np.array([bound[i : i + lag + 1].all(axis=0) for i in range(80 - lag)])
        assert row.continuous == stayed.sum() / now.sum()
        assert row.intermittent == (now & bound[lag:]).sum() / now.sum()


def test_everything_but_the_curves_is_plain_values():
    bound = markov(np.random.default_rng(6), 500, (10, 20), 20, 200)
    found = of_first_pair(shells_of(bound)).to_dict()
    assert json.loads(json.dumps(found)) == found
    assert found["continuous"]["fit"]["slow_ps"]["n_independent"] == found["continuous"]["n_departures"]
    assert found["exponential"]["n_departures"] == found["intermittent"]["n_departures"]


@pytest.mark.parametrize(("n_frames", "timestep_ps"), [(1, 0.0), (1, 1.0), (2, 1.0), (3, 1.0)])
def test_a_few_frames_are_a_result(n_frames, timestep_ps):
    bound = np.random.default_rng(7).random((n_frames, 3, 4)) < 0.5
    table = residence_times(shells_of(bound, timestep_ps), np.random.default_rng(0)).to_dataframe()
    assert len(table) == 8 * len(METHODS)


def test_long_runs_are_cheap_in_lags():
    bound = markov(np.random.default_rng(8), 20_000, (2, 3), 100, 200)
    found = residence_times(shells_of(bound), np.random.default_rng(0))
    assert len(found.lags_ps) <= 61
    assert (
        abs(found.pairs[0].continuous.area.integral_ps.mean - 100)
        < 3 * found.pairs[0].continuous.area.integral_ps.stderr
    )
