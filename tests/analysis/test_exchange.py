import numpy as np
import pytest
from scipy.stats import gamma, poisson
from shells_by_hand import make_shells, molecule_numbers
from stays_by_hand import markov, shells_of

from solvshell.analysis.exchange import (
    EVENT_COLUMNS,
    EXCHANGE_COLUMNS,
    RATE_COLUMNS,
    exchange_table,
    exchanges,
    shell_events,
)
from solvshell.errors import InvalidInput

NUMBERS = {"LI": 2, "NA": 1, "EC": 3, "PF6": 2, "TFSI": 1}
MOLECULES = molecule_numbers(**NUMBERS)
EC, PF6, TFSI = MOLECULES["EC"], MOLECULES["PF6"], MOLECULES["TFSI"]


def shells_with(*stays, n_frames=100, first_frame=0, **changes):
    """Stays are (center, molecule, site, first frame, last frame)."""
    rows = [(frame, *stay[:3]) for stay in stays for frame in range(stay[3], stay[4] + 1)]
    return make_shells(rows, n_frames, changes.get("cutoffs"), first_frame, **NUMBERS)


def rates(shells, **settings):
    table = exchange_table(shells, **settings)
    return {tuple(row[:3]): row[3:] for row in table.itertuples(index=False)}


def test_a_known_exchange_at_a_known_time():
    shells = shells_with((1, EC[2], 0, 0, 49), (1, PF6[1], 1, 52, 99), (0, EC[0], 0, 0, 99), first_frame=1000)
    events = shell_events(shells)
    assert list(events) == EVENT_COLUMNS
    assert events.to_numpy().tolist() == [
        [50.0, 1050, "Li", 1, EC[2], "EC", "departure"],
        [52.0, 1052, "Li", 1, PF6[1], "PF6", "arrival"],
    ]
    found = exchanges(shells)
    assert list(found) == EXCHANGE_COLUMNS
    assert found.to_numpy().tolist() == [[50.0, 1050, "Li", 1, "EC", EC[2], "PF6", PF6[1], 2.0]]


def test_the_newcomer_may_come_first():
    found = exchanges(shells_with((0, EC[0], 0, 0, 49), (0, EC[1], 0, 47, 99)))
    assert found[["time_ps", "leaving_molecule", "entering_molecule", "delay_ps"]].to_numpy().tolist() == [
        [50.0, EC[0], EC[1], -3.0]
    ]


@pytest.mark.parametrize(("window_ps", "n"), [(7.0, 2), (8.0, 1)])
def test_within_the_window_it_is_an_exchange_and_beyond_the_number_changes(window_ps, n):
    found = exchanges(shells_with((0, EC[0], 0, 0, 49), (0, PF6[0], 1, 58, 99)), window_ps)
    assert len(found) == n
    if n == 2:
        assert found[["leaving", "entering"]].to_numpy().tolist() == [["EC", "none"], ["none", "PF6"]]
        assert found[["leaving_molecule", "entering_molecule"]].to_numpy().tolist() == [[EC[0], -1], [-1, PF6[0]]]
        assert found["time_ps"].tolist() == [50, 58]
        assert found["delay_ps"].isna().all()


def test_another_center_or_the_same_molecule_is_no_counterpart():
    elsewhere = shells_with((0, EC[0], 0, 0, 49), (1, EC[1], 0, 50, 99))
    assert exchanges(elsewhere)[["leaving", "entering"]].to_numpy().tolist() == [["EC", "none"], ["none", "EC"]]
    back = shells_with((0, EC[0], 0, 0, 49), (0, EC[0], 0, 53, 99))
    assert exchanges(back)[["leaving", "entering"]].to_numpy().tolist() == [["EC", "none"], ["none", "EC"]]


def test_the_nearest_in_time_are_matched_first_and_each_once():
    shells = shells_with(
        (0, EC[0], 0, 0, 49), (0, EC[1], 0, 0, 51),  # leave at 50 and 52
        (0, PF6[0], 1, 53, 99), (0, PF6[1], 1, 55, 99),  # come at 53 and 55
    )  # fmt: skip
    found = exchanges(shells)
    assert found[["leaving_molecule", "entering_molecule", "delay_ps"]].to_numpy().tolist() == [
        [EC[0], PF6[1], 5.0],
        [EC[1], PF6[0], 1.0],
    ]
    # With a window of 4 ps the first to leave finds nobody: its nearest is taken.
    assert exchanges(shells, 4.0)["entering_molecule"].tolist() == [-1, PF6[0], PF6[1]]


def test_matching_is_that_of_taking_the_nearest_one_by_one():
    bound = markov(np.random.default_rng(0), 400, (2, 12), 15, 15)
    shells = shells_of(bound)
    events = shell_events(shells)
    found = exchanges(shells, window_ps=6.0)
    free = {kind: events[events["event"] == kind].to_dict("records") for kind in ("departure", "arrival")}
    expected = []
    while True:
        near = [
            (abs(a["time_ps"] - d["time_ps"]), d["center_idx"], d["time_ps"], d["molecule"], a["time_ps"], i, j)
            for i, d in enumerate(free["departure"])
            for j, a in enumerate(free["arrival"])
            if d["center_idx"] == a["center_idx"]
            and d["molecule"] != a["molecule"]
            and abs(a["time_ps"] - d["time_ps"]) <= 6
        ]
        if not near:
            break
        *_, i, j = min(near)
        leaving, entering = free["departure"].pop(i), free["arrival"].pop(j)
        if 2 + 6 <= leaving["time_ps"] <= 400 - 2 - 6:
            expected.append((leaving["time_ps"], leaving["center_idx"], leaving["molecule"], entering["molecule"]))
    matched = found[(found["leaving"] != "none") & (found["entering"] != "none")]
    assert len(matched) > 200
    columns = ["time_ps", "center_idx", "leaving_molecule", "entering_molecule"]
    assert sorted(expected) == sorted(matched[columns].itertuples(index=False, name=None))


def test_flickers_and_a_changed_grip_are_no_events():
    flicker = [(0, EC[0], 0, 0, 30), (0, EC[0], 0, 32, 99)]
    grip = [(1, TFSI[0], 2, 0, 40), (1, TFSI[0], 3, 41, 99)]
    assert shell_events(shells_with(*flicker, *grip)).empty


def test_the_ends_of_the_run_are_no_events():
    shells = shells_with((0, EC[0], 0, 0, 98), (0, EC[1], 0, 1, 99), (0, EC[2], 0, 2, 97))
    assert shell_events(shells)[["frame", "molecule", "event"]].to_numpy().tolist() == [
        [2, EC[2], "arrival"],
        [98, EC[2], "departure"],
    ]


def test_changes_whose_counterpart_may_lie_beyond_the_run_are_left_out():
    # Tolerance 2 and window 5: what happens from frame 7 to frame 93 can be told.
    for leaves, counted in ((6, False), (7, True), (93, True), (94, False)):
        found = exchanges(shells_with((0, EC[0], 0, 0, leaves - 1)))
        assert len(found) == counted
        found = exchanges(shells_with((0, EC[0], 0, leaves, 99)))
        assert len(found) == counted


def test_rates_have_the_interval_of_garwood():
    shells = shells_with(
        (0, EC[0], 0, 0, 29), (0, PF6[0], 1, 30, 99),
        (1, EC[1], 0, 0, 39), (1, PF6[1], 1, 41, 59), (1, EC[1], 0, 61, 99),
        (2, EC[2], 0, 0, 49), (2, TFSI[0], 2, 51, 99),
    )  # fmt: skip
    table = exchange_table(shells)
    assert list(table) == RATE_COLUMNS
    found = rates(shells)
    watched_ns = 2 * 87e-3  # two Li, frames 7 to 93
    n, rate, low, high = found["Li", "EC", "PF6"]
    assert (n, rate) == (2, pytest.approx(2 / watched_ns))
    assert poisson.sf(1, low * watched_ns) == pytest.approx(0.025)
    assert poisson.cdf(2, high * watched_ns) == pytest.approx(0.025)
    assert found["Li", "PF6", "EC"][0] == 1
    n, rate, low, high = found["Li", "EC", "none"]
    assert (n, rate, low) == (0, 0, 0)
    assert poisson.cdf(0, high * watched_ns) == pytest.approx(0.025)
    assert found["Na", "EC", "TFSI"][:2] == (1, pytest.approx(1 / 87e-3))
    assert sum(row[0] for row in found.values()) == 4
    assert len(found) == 2 * (4 * 4 - 1)


def leaving_molecules(leaves, n_frames=2000):
    """Each center of Li has as many EC, which are there until they leave for good: frames by center."""
    bound = np.ones((n_frames, len(leaves), len(leaves[0])), dtype=bool)
    for (i, j), frame in np.ndenumerate(leaves):
        bound[frame:, i, j] = False
    return shells_of(bound)


def test_bursts_widen_the_interval():
    # Eight leave one of four centers, one in each block of time: the variance over the mean of the centers is 8.
    leaves = np.full((4, 8), 2000)
    leaves[2] = np.arange(8) * 248 + 100
    n, rate, low, high = rates(leaving_molecules(leaves))["Li", "EC", "none"]
    watched_ns = 4 * 1.987
    assert (n, rate) == (8, pytest.approx(8 / watched_ns))
    # One burst of eight: that of a count of one.
    assert (low, high) == pytest.approx((gamma.ppf(0.025, 1) * 8 / watched_ns, gamma.ppf(0.975, 2) * 8 / watched_ns))
    # Two leave each center: as even as can be.
    leaves[[0, 0, 1, 1, 3, 3], range(2, 8)] = leaves[2, 2:]
    leaves[2, 2:] = 2000
    assert rates(leaving_molecules(leaves))["Li", "EC", "none"][2:] == pytest.approx(
        (gamma.ppf(0.025, 8) / watched_ns, gamma.ppf(0.975, 9) / watched_ns)
    )


@pytest.mark.parametrize("spread", [False, True])
def test_the_interval_holds_the_rate_of_centers_that_differ(spread):
    held, held_by_poisson = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        rate = rng.gamma(1.0, 1.0, (10, 1)) if spread else np.ones((10, 1))
        bound = markov(rng, 400, (10, 10), 100 / rate, 900 / rate)
        n, at, low, high = rates(shells_of(bound), window_ps=0.0)["Li", "EC", "none"]
        # One bound molecule per center leaves 10 times per ns on average; back within two frames is not gone.
        held.append(low < 10 < high)
        per_ns = n / at
        held_by_poisson.append(gamma.ppf(0.025, n) / per_ns < 10 < gamma.ppf(0.975, n + 1) / per_ns)
    assert np.mean(held) > 0.82
    assert (np.mean(held_by_poisson) > 0.82) != spread


def test_the_rate_of_a_two_state_process():
    bound = markov(np.random.default_rng(1), 3000, (10, 30), 200, 2800)
    n, _, low, high = rates(shells_of(bound), window_ps=0.0)["Li", "EC", "none"]
    # 30 x 200 / 3000 = 2 bound molecules leave once in 200 ps each, of which those back after one frame are no events.
    expected = 2 * 1000 / 200
    assert n > 200
    assert low < expected < high
    assert high / low == pytest.approx(np.exp(4 / np.sqrt(n)), rel=0.05)


def test_partners_without_a_shell_have_no_row_and_an_unknown_cutoff_no_number():
    cutoffs = np.array([[2.5, 2.5, 0, 0], [2.5, np.nan, 2.5, 2.5]])
    shells = shells_with((0, EC[0], 0, 0, 49), (2, EC[1], 0, 0, 49), cutoffs=cutoffs)
    found = rates(shells)
    assert {key[1] for key in found if key[0] == "Li"} == {"EC", "PF6", "none"}
    assert found["Li", "EC", "none"][0] == 1
    assert exchange_table(shells).query("center == 'Na'")[RATE_COLUMNS[3:]].isna().all(axis=None)
    assert set(shell_events(shells)["center"]) == {"Li"}


@pytest.mark.parametrize("n_frames", [1, 2, 10])
def test_a_short_run_has_no_rates(n_frames):
    shells = shells_with((0, EC[0], 0, 0, n_frames - 1), n_frames=n_frames)
    assert exchange_table(shells)[RATE_COLUMNS[3:]].isna().all(axis=None)
    assert exchanges(shells).empty


def test_nobody():
    shells = shells_with()
    assert shell_events(shells).empty
    assert exchanges(shells).empty
    assert exchange_table(shells)["n"].eq(0).all()


def test_a_negative_window_is_refused():
    with pytest.raises(InvalidInput, match="window_ps: -1 \\(allowed: zero or more\\)"):
        exchanges(shells_with(), -1.0)
