"""A run whose answer is known: Poisson numbers of molecules, works of known cost and dissipation; and what is none."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from exchange_by_hand import FEW, KINDS, KT, VOLUME, Kind, exchange, reservoir_of

from solvshell.analysis.grand_canonical import gaussian_acceptance, grand_canonical
from solvshell.analysis.grand_canonical.attempts import net_work_kt, read_moves
from solvshell.analysis.grand_canonical.numbers import bulk_density
from solvshell.errors import InvalidInput
from solvshell.reservoir import Activity
from solvshell.units import PARTICLE_PER_NM3


@pytest.fixture(scope="module")
def long_run():
    """A run of two species."""
    return exchange(20_000, seed=1)


@pytest.fixture(scope="module")
def found(long_run):
    """What is told of it."""
    return grand_canonical(*long_run, reservoir_of(), is_bulk=True)


def test_numbers_are_poisson(found) -> None:
    for row in found.species.itertuples():
        mean = KINDS[row.species].mean_n
        assert row.n_stderr < 0.05 * mean
        assert row.n_mean == pytest.approx(mean, abs=3.5 * row.n_stderr)
        assert row.n_variance == pytest.approx(mean, rel=0.2)
        assert row.molarity_mol_l == pytest.approx(row.n_mean / VOLUME * PARTICLE_PER_NM3)
        assert row.status == "resolved"
        assert row.agreement == "passes"
        assert row.n_expected == pytest.approx(mean)
        assert row.share == pytest.approx(row.share_reservoir, abs=3.5 * row.share_stderr)


def test_works_give_the_activity_that_was_imposed(found) -> None:
    for row in found.species.itertuples():
        kind = KINDS[row.species]
        assert row.beta_mu == pytest.approx(np.log(kind.activity))
        assert row.adams_b == pytest.approx(np.log(kind.activity * VOLUME))
        assert row.fugacity_bar == pytest.approx(kind.activity * KT / 0.0602214076)
        assert row.beta_mu_works_stderr < 0.06
        assert row.beta_mu_works == pytest.approx(row.beta_mu, abs=3.5 * row.beta_mu_works_stderr)
        assert row.beta_mu_crossing == pytest.approx(row.beta_mu, abs=3.5 * row.beta_mu_crossing_stderr)
        assert row.works_agree == "agrees"
        assert row.crooks == "consistent"
        assert row.mu_ex_kj_mol == pytest.approx(KT * kind.free_energy, abs=3.5 * row.mu_ex_stderr)


def test_moves_are_accepted_as_gaussian_works_are(found) -> None:
    for row in found.species.itertuples():
        kind = KINDS[row.species]
        assert row.dissipation_kt == pytest.approx(kind.dissipation, abs=3.5 * row.dissipation_stderr + 0.05)
        assert row.insertion_work_kt == pytest.approx(
            kind.free_energy + kind.dissipation, abs=3.5 * row.insertion_work_stderr
        )
        assert row.deletion_work_kt == pytest.approx(
            -kind.free_energy + kind.dissipation, abs=3.5 * row.deletion_work_stderr
        )
        assert row.acceptance == pytest.approx(gaussian_acceptance(kind.dissipation), abs=0.02)
        assert row.gaussian_acceptance == pytest.approx(gaussian_acceptance(kind.dissipation), abs=0.03)
        assert abs(row.insertions_accepted - row.deletions_accepted) < 60
        assert row.ps_per_accepted == pytest.approx(5.0 / row.acceptance)
        assert row.seconds_per_accepted == pytest.approx(0.1 / row.acceptance)
        assert row.switching_ps == 5.0


def test_distributions_cross_with_the_slope_1(found) -> None:
    for name, table in found.works.groupby("species"):
        well_known = table[table.log_ratio_stderr < 0.3]
        assert len(well_known) > 5
        pulls = (well_known.log_ratio - well_known.work_kt) / well_known.log_ratio_stderr
        assert np.abs(pulls).max() < 4.5, name
        assert (table.insertion_density * table.width_kt).sum() == pytest.approx(1, abs=0.01)


def test_errors_of_numbers_hold_the_truth_as_often_as_they_should() -> None:
    pulls = []
    for seed in range(16):
        rows = grand_canonical(*exchange(4000, seed, FEW), reservoir_of(FEW)).species
        truth = rows.species.map(lambda name: FEW[name].mean_n)
        log_z = (rows.beta_mu_works - rows.beta_mu) / rows.beta_mu_works_stderr
        mu_ex = (rows.mu_ex_kj_mol - rows.mu_ex_reservoir_kj_mol) / rows.mu_ex_stderr
        pulls += list(zip((rows.n_mean - truth) / rows.n_stderr, log_z, mu_ex, strict=True))
    rms = np.sqrt(np.mean(np.square(pulls), axis=0))
    assert np.all((rms > 0.6) & (rms < 1.4)), rms


def test_the_start_is_left_out() -> None:
    found = grand_canonical(*exchange(12_000, seed=3, start={"EC": 110}), reservoir_of())
    row = found.species.set_index("species").loc["EC"]
    assert row.n_start == 110
    assert 300 < found.first_time_ps < 6000
    assert found.n_used < found.n_frames
    assert row.n_mean == pytest.approx(KINDS["EC"].mean_n, abs=3.5 * row.n_stderr)
    assert row.insertions + row.deletions < 6000
    assert not found.numbers[found.numbers.time_ps < found.first_time_ps].used.any()


def test_a_box_that_is_too_full_is_told_by_its_works() -> None:
    """ln z of the box as it is: F + ln(N / V), long before the number has come down."""
    kinds = {"EC": Kind(8.0, 1.4, 1.0)}
    moves, occupancy = exchange(300, seed=4, kinds=kinds, start={"EC": 115})
    found = grand_canonical(moves, occupancy, reservoir_of(kinds), is_bulk=True)
    (row,) = found.species.itertuples()
    n_on_the_way = moves[moves.time_ps >= found.first_time_ps].n_before.mean()
    assert n_on_the_way > 1.3 * kinds["EC"].mean_n
    assert row.beta_mu_works == pytest.approx(1.4 + np.log(n_on_the_way / VOLUME), abs=3.5 * row.beta_mu_works_stderr)
    assert row.works_agree != "agrees"
    assert row.agreement == "inconclusive"
    assert row.status == "not_converged"


@pytest.mark.parametrize(("n_accepted", "status"), [(49, "not_converged"), (50, "resolved")])
def test_fewer_than_50_accepted_moves_are_not_converged(n_accepted: int, status: str) -> None:
    """A number that changes back and forth, of which there are many independent samples."""
    rng = np.random.default_rng(5)
    kinds = {"EC": KINDS["EC"]}
    moves, occupancy = exchange(400, seed=5, kinds=kinds)
    accepted = np.zeros(len(moves), bool)
    accepted[rng.permutation(len(moves))[:n_accepted]] = True
    moves = moves.assign(accepted=accepted, outcome=np.where(accepted, "accepted", "rejected"))
    n = 40 + rng.integers(-2, 3, size=len(occupancy))
    occupancy = replace(occupancy, present={"EC": np.arange(120) < n[:, None]})
    found = grand_canonical(moves, occupancy, reservoir_of(kinds), is_bulk=True)
    (row,) = found.species.itertuples()
    assert (row.n_accepted, row.status) == (n_accepted, status)
    assert found.molecules["EC"].reason == ("" if status == "resolved" else "49 accepted moves, fewer than 50")
    assert (row.agreement == "inconclusive") == (status == "not_converged")


def test_fifty_moves_to_and_fro_are_no_ten_independent_samples() -> None:
    """A number that has crept up and down once remembers all the run."""
    kinds = {"EC": KINDS["EC"]}
    moves, occupancy = exchange(800, seed=6, kinds=kinds)
    n = np.round(60 + 15 * np.sin(np.linspace(0, 2 * np.pi, len(occupancy)))).astype(int)
    occupancy = replace(occupancy, present={"EC": np.arange(120) < n[:, None]})
    found = grand_canonical(moves, occupancy, reservoir_of(kinds))
    assert found.n_accepted >= 50
    assert found.species.status[0] == "not_converged"
    assert "independent samples" in found.molecules["EC"].reason


def test_a_number_known_to_more_than_5_percent_is_inconclusive_and_one_far_off_differs(long_run) -> None:
    moves, occupancy = long_run
    uncertain = grand_canonical(moves, occupancy, reservoir_of(beta_mu_error=0.1), is_bulk=True).species
    # d<N> = N d ln z of an ideal gas: an error of 0.1 kT is one of 10 %
    assert list(uncertain.agreement) == ["inconclusive", "inconclusive"]
    np.testing.assert_allclose(uncertain.n_expected_stderr / uncertain.n_mean, 0.1, rtol=0.4)
    denser = {name: replace(kind, activity=1.4 * kind.activity) for name, kind in KINDS.items()}
    other = grand_canonical(moves, occupancy, reservoir_of(denser), is_bulk=True).species
    assert set(other.agreement) == {"differs"}
    assert set(grand_canonical(moves, occupancy, reservoir_of()).species.agreement) == {""}


def test_an_activity_belongs_to_half_a_molecule_less_than_was_decoupled(long_run) -> None:
    measured = reservoir_of(n=10, at_n=9.5)
    rows = grand_canonical(*long_run, measured, is_bulk=True).species
    np.testing.assert_allclose(rows.n_expected, [0.95 * KINDS[name].mean_n for name in rows.species])


def test_half_a_molecule_less_takes_its_room_with_it() -> None:
    """Ten molecules of 0.2 nm3 each at constant pressure: the density of the liquid is 5 / nm3."""
    without_one = {"EC": Activity.model_construct(activity=1.0, density=10 / (9 * 0.2), n=10, at_n=9.5)}
    decoupled = reservoir_of().model_copy(update={"species": without_one, "medium": {"EC": 10}})
    assert bulk_density("EC", decoupled) == pytest.approx(5.0)
    at_one_volume = {"EC": Activity.model_construct(activity=1.0, density=10 / 2.0, n=10, at_n=9.5)}
    decoupled = decoupled.model_copy(update={"species": at_one_volume, "pressure": None})
    assert bulk_density("EC", decoupled) == pytest.approx(9.5 / 2.0)


def test_moves_that_were_impossible_are_counted_and_cost(tmp_path: Path) -> None:
    kinds = {"EC": Kind(1.0, 0.0, 0.1)}
    moves, occupancy = exchange(3000, seed=8, kinds=kinds)
    exploded = (moves.kind == "insertion") & (moves.outcome == "rejected") & (moves.move % 3 == 0)
    gone = (moves.kind == "deletion") & (moves.outcome == "rejected") & (moves.move % 5 == 0)
    moves.loc[exploded, ["outcome", "work_kj_mol", "log_acceptance"]] = ["exploded", np.inf, -np.inf]
    moves.loc[gone, "outcome"] = "left_region"
    (row,) = grand_canonical(moves, occupancy, reservoir_of(kinds), has_region=True).species.itertuples()
    assert (row.exploded, row.left_region) == (exploded.sum(), gone.sum())
    np.testing.assert_array_equal(np.isinf(net_work_kt(moves)), exploded | gone | (moves.outcome == "empty"))
    assert np.isfinite(row.insertion_work_kt)
    assert row.n_in_region == pytest.approx(moves.n_before.mean())
    assert row.adams_b == pytest.approx(np.log(VOLUME))
    quarter = moves.assign(volume_nm3=VOLUME / 4)
    (row,) = grand_canonical(quarter, occupancy, reservoir_of(kinds), has_region=True).species.itertuples()
    assert row.adams_b == pytest.approx(np.log(VOLUME / 4))
    by_works = row.beta_mu_works - np.log(row.n_in_region / (VOLUME / 4))
    assert row.mu_ex_kj_mol == pytest.approx(KT * by_works)


def test_a_run_without_accepted_moves_says_so() -> None:
    moves, occupancy = exchange(40, seed=9)
    moves = moves.assign(accepted=False, outcome="rejected", log_acceptance=-50.0)
    still = {name: np.arange(120) < np.full((len(occupancy), 1), 30) for name in KINDS}
    found = grand_canonical(moves, replace(occupancy, present=still), reservoir_of(), is_bulk=True)
    assert set(found.species.status) == {"not_converged"}
    assert np.isinf(found.species.ps_per_accepted).all()
    assert found.species.beta_mu_works.isna().all()
    assert set(found.species.agreement) == {"inconclusive"}
    nothing = grand_canonical(moves[:0], replace(occupancy, present=still), reservoir_of())
    assert list(nothing.species.insertions) == [0, 0]
    assert nothing.works.empty


def test_moves_are_read_as_they_were_written(tmp_path: Path) -> None:
    moves, _ = exchange(400, seed=10, kinds={"NA": Kind(0.05, 0.0, 1.0)})  # few molecules: deletions of none
    path = tmp_path / "moves.csv"
    moves.to_csv(path, index=False)
    with path.open("a") as file:
        file.write("400,401.0,NA,inser")  # the run is writing it
    read = read_moves(path)
    assert (read.outcome == "empty").any()
    pd.testing.assert_frame_equal(read[moves.columns], moves, check_dtype=False)
    path.write_text("move,time_ps\n0,1.0\n")
    with pytest.raises(InvalidInput, match=r"moves\.csv: not the moves of a run \(species, kind, n_before"):
        read_moves(path)
    with pytest.raises(InvalidInput, match=r"none\.csv: cannot be read \(No such file"):
        read_moves(tmp_path / "none.csv")
