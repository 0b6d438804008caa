"""W(r) of points drawn from a known potential, and of counts made by hand."""

import numpy as np
import pytest
from known_potential import expected, known_universe
from synthetic import make_universe, only_ec, random_universe

from solvshell.analysis.barriers import BARRIER_COLUMNS, barrier_table
from solvshell.analysis.geometry import SolvationGeometry
from solvshell.analysis.peaks import Shell, first_shell
from solvshell.analysis.potential_of_mean_force import POTENTIAL_COLUMNS, potential_of_mean_force
from solvshell.analysis.rdf import PairCounts, fine_counts
from solvshell.analysis.shells import captured_shells
from solvshell.analysis.sites import select_sites
from solvshell.analysis.statistics import bootstrap_blocks, bootstrap_run

KT_300 = 8.314462618e-3 * 300


def looked_at(universe):
    """Return the pair counts, a bootstrap of single blocks, all contacts and how far these go."""
    sites = select_sites(universe, only_ec())
    geometry = SolvationGeometry.from_sites(sites).run().results
    (fine,) = fine_counts(geometry, sites)
    bootstrap = bootstrap_blocks(len(fine.density), 1, 300, np.random.default_rng(0))
    return fine, bootstrap, captured_shells(geometry, sites), geometry.capture_radius


@pytest.fixture(scope="module")
def drawn():
    """One Li and its 30 sites in 4000 frames, and the ln of the mean of exp(-W)."""
    universe, ln_mean = known_universe(np.random.default_rng(5))
    return looked_at(universe), ln_mean


def test_a_known_potential_is_found(drawn):
    (fine, bootstrap, captured, reach), ln_mean = drawn
    table = potential_of_mean_force([fine], [bootstrap], captured, reach, 300.0)
    assert table.columns.tolist() == POTENTIAL_COLUMNS
    known = table[table.enough_counts]
    assert len(known) > 100
    truth = np.array([expected(r - 0.025, r + 0.025, ln_mean) for r in known.r_angstrom])
    deviations = (known.w_kt - truth) / known.w_kt_stderr
    assert abs(deviations.mean()) < 0.3
    assert deviations.std() == pytest.approx(1, abs=0.15)
    assert known.w_kj_mol.to_numpy() == pytest.approx(known.w_kt.to_numpy() * KT_300)
    assert known.w_kj_mol_stderr.to_numpy() == pytest.approx(known.w_kt_stderr.to_numpy() * KT_300)


def test_so_are_its_well_and_its_barrier(drawn):
    (fine, bootstrap, captured, reach), ln_mean = drawn
    shell = first_shell(fine, bootstrap)
    table = barrier_table([fine], [shell], [bootstrap], captured, reach, 300.0)
    assert table.columns.tolist() == BARRIER_COLUMNS
    assert set(table.status) == {"resolved"}
    rows = table.set_index("quantity")
    well, barrier, escape = (rows.loc[name] for name in ("well", "barrier", "escape"))
    assert well.r_angstrom == pytest.approx(2.0, abs=0.02)
    assert barrier.r_angstrom == pytest.approx(2.8, abs=3 * barrier.r_angstrom_stderr)
    in_well = expected(well.r_angstrom - 0.025, well.r_angstrom + 0.025, ln_mean)
    in_barrier = expected(barrier.r_angstrom - 0.1, barrier.r_angstrom + 0.1, ln_mean)
    for row, truth in ((well, in_well), (barrier, in_barrier), (escape, in_barrier - in_well)):
        assert row.w_kt == pytest.approx(truth, abs=3 * row.w_kt_stderr)
        assert row.w_kt_stderr < 0.1
        assert row.w_kj_mol == pytest.approx(row.w_kt * KT_300)
        assert row.n_independent >= 100
    assert escape.w_kt == pytest.approx(4.5, abs=0.2)  # that of the potential, averaged over bins
    assert rows.at_least_kt.isna().all()


def test_an_error_counts_the_independent_pairs():
    fine, bootstrap, captured, reach = looked_at(random_universe(np.random.default_rng(1), 400, 10, 100))
    table = potential_of_mean_force([fine], [bootstrap], captured, reach)
    counts = fine.rebinned(10).counts.sum(axis=0)
    far = counts > 1000
    assert table.n_independent[far].median() == pytest.approx(np.median(counts[far]), rel=0.15)
    assert (table.n_independent <= counts).all()
    assert (table.w_kt_stderr[far] ** -2.0 >= table.n_independent[far] - 1e-6).all()
    assert table.w_kj_mol.isna().all()


def test_pairs_that_hardly_move_count_less():
    rng = np.random.default_rng(2)
    still = rng.random((40, 110, 3)) * 30
    molecules = [("LI", ["LI"])] * 10 + [("EC", ["O"])] * 100
    fine, _, captured, reach = looked_at(make_universe(molecules, np.repeat(still, 10, axis=0)))
    bootstrap = bootstrap_run(len(fine.density), 400, 10.0, 300, rng)
    table = potential_of_mean_force([fine], [bootstrap], captured, reach)
    counts = fine.rebinned(10).counts.sum(axis=0)
    ratio = (table.n_independent / np.maximum(counts, 1))[counts > 1000].median()
    assert ratio == pytest.approx(0.1, rel=0.4)


def test_empty_bins_have_no_work(drawn):
    (fine, bootstrap, captured, reach), _ = drawn
    table = potential_of_mean_force([fine], [bootstrap], captured, reach)
    empty = fine.rebinned(10).counts.sum(axis=0) == 0
    assert empty[:3].all()
    assert table.loc[empty, ["w_kt", "w_kt_stderr", "w_kj_mol"]].isna().all(axis=None)
    assert (table.n_independent[empty] == 0).all()
    assert not table.enough_counts[empty].any()


SHELL = Shell("resolved", 2.0, (1.99, 2.01), 10.0, 3.0, 5000, {}, 0.005, 0.1)


def with_gap(drawn, counts_of_gap, n_blocks=64):
    """The counts of a well at 2 Å and a gap around 3 Å with so many pairs, by block (n_blocks,)."""
    (pair, _, captured, _), _ = drawn
    edges = np.arange(0, 8.0001, 0.005)
    counts = np.zeros((n_blocks, len(edges) - 1), int)
    counts[:, 396:404] = 40
    counts[:, 600] = counts_of_gap
    return PairCounts(pair.center, pair.site, counts, np.full(n_blocks, 1.0), edges, 1000), captured


@pytest.mark.parametrize(("mean_counts", "n_trials"), [(0.5, 150), (4.0, 150)])
def test_what_a_gap_without_counts_excludes_is_true_in_95_of_100_runs(drawn, mean_counts, n_trials):
    rng = np.random.default_rng(3)
    bounds = []
    for _ in range(n_trials):
        pair, captured = with_gap(drawn, rng.poisson(mean_counts / 64, 64))
        bootstrap = bootstrap_blocks(64, 1, 100, rng)
        rows = barrier_table([pair], [SHELL], [bootstrap], captured, 0.0).set_index("quantity")
        even = pair.even[np.abs(pair.r - 3.0) <= 0.1].sum()
        if rows.status["barrier"] == "not_sampled":
            assert rows.loc["barrier", ["w_kt", "w_kt_stderr"]].isna().all()
            of_well = rows.at_least_kt["barrier"] - rows.at_least_kt["escape"]
            assert of_well == pytest.approx(rows.w_kt["well"], abs=1e-3)  # a well of 20,000 counts
            bounds.append(rows.at_least_kt["barrier"] <= -np.log(mean_counts / even))
    assert len(bounds) > 0.8 * n_trials
    assert np.mean(bounds) >= 0.93


@pytest.mark.parametrize("n_visits", [3, 8])
def test_what_an_escape_exceeds_is_true_in_95_of_100_runs_though_the_well_was_met_a_few_times(drawn, n_visits):
    rng = np.random.default_rng(4)
    per_visit, mean_of_gap, bounds = 200, 3.0, []
    for _ in range(150):
        pair, captured = with_gap(drawn, rng.poisson(mean_of_gap / 64, 64))
        pair.counts[:, 396:404] = 0
        pair.counts[:, 400] = per_visit * rng.poisson(n_visits / 64, 64)
        bootstrap = bootstrap_blocks(64, 1, 100, rng)
        rows = barrier_table([pair], [SHELL], [bootstrap], captured, 0.0).set_index("quantity")
        if rows.status["well"] == "not_sampled" and pair.counts[:, 400].any():
            well, gap = (pair.even[np.abs(pair.r - r) <= half].sum() for r, half in ((2.0, 0.025), (3.0, 0.1)))
            truth = np.log(per_visit * n_visits / well) - np.log(mean_of_gap / gap)
            bounds.append(rows.at_least_kt["escape"] <= truth)
    assert len(bounds) > 80
    assert np.mean(bounds) >= 0.95


def test_no_count_at_all_excludes_three_pairs(drawn):
    pair, captured = with_gap(drawn, np.zeros(64, int))
    bootstrap = bootstrap_blocks(64, 1, 100, np.random.default_rng(0))
    rows = barrier_table([pair], [SHELL], [bootstrap], captured, 0.0, 300.0).set_index("quantity")
    even = pair.even[np.abs(pair.r - 3.0) <= 0.1].sum()
    assert rows.at_least_kt["barrier"] == pytest.approx(-np.log(-np.log(0.05) / even))
    assert rows.at_least_kj_mol["barrier"] == pytest.approx(rows.at_least_kt["barrier"] * KT_300)
    assert rows.n_independent["barrier"] == 0


def test_centers_that_never_exchange_make_the_error_of_a_well(drawn):
    """Four Li have two sites at 2 Å and four have none, in every frame: no block of frames sees that."""
    rng = np.random.default_rng(0)
    grid = (np.indices((2, 2, 2)).reshape(3, -1).T + 0.5) * 15
    bulk = rng.random((100, 200, 3)) * 30
    near = (
        np.repeat(grid[:4], 2, axis=0) + np.tile([[2.0, 0, 0], [-2.0, 0, 0]], (4, 1)) + rng.normal(0, 0.02, (100, 8, 3))
    )
    positions = np.concatenate([np.broadcast_to(grid, (100, 8, 3)), near, bulk], axis=1)
    fine, bootstrap, captured, reach = looked_at(make_universe([("LI", ["LI"])] * 8 + [("EC", ["O"])] * 208, positions))
    rows = barrier_table([fine], [SHELL], [bootstrap], captured, reach).set_index("quantity")
    # 0 and 2, four times each: a mean of 1 with a standard deviation of 1 among 8
    assert rows.n_independent["well"] == pytest.approx(7, rel=0.05)
    assert rows.status["well"] == "not_sampled"


def test_a_pair_without_a_shell_says_so(drawn):
    (fine, bootstrap, captured, reach), _ = drawn
    table = barrier_table([fine], [Shell("no_shell")], [bootstrap], captured, reach, 300.0)
    assert table.status.tolist() == ["no_shell"] * 3
    assert table[["r_angstrom", "w_kt", "w_kj_mol", "at_least_kt"]].isna().all(axis=None)
