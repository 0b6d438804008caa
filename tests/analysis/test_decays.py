import numpy as np
import pytest
from MDAnalysis.lib.correlations import autocorrelation
from stays_by_hand import contacts_of, markov

from solvshell.analysis.decays import bound_moments, decay_functions, thinned_lags
from solvshell.analysis.statistics import bootstrap_blocks
from solvshell.analysis.stays import continuous_stays


def moments(bound, lags, n_blocks=1):
    """Moments of bound (n_frames, n_centers, n_molecules), or of one center, and the first frames of the blocks."""
    bound = bound if bound.ndim == 3 else bound[:, None]
    borders = np.linspace(0, len(bound), n_blocks + 1).astype(int)
    return bound_moments(continuous_stays(contacts_of(bound)), np.asarray(lags), borders, bound.shape[1]), borders


def functions(bound, lags):
    """S(t) and C(t) of one center."""
    found, _ = moments(bound, lags)
    watched = found.watched[0, 0]
    return found.stayed[0, 0] / watched, found.bound[0, 0] / watched


@pytest.mark.parametrize("n_frames", [1, 2, 3, 10, 1000, 100_000])
def test_lags_reach_half_of_the_run_and_are_few(n_frames):
    lags = thinned_lags(n_frames)
    assert lags[0] == 0
    assert lags[-1] == min(max(1, n_frames // 2), n_frames - 1)
    assert (np.diff(lags) > 0).all()
    assert len(lags) <= 61


@pytest.mark.parametrize("share", [0.05, 0.5, 0.97])
def test_moments_are_those_of_a_dense_table_exactly(share):
    rng = np.random.default_rng(3)
    n_frames, n_blocks, lags = 47, 4, np.arange(0, 24)
    bound = rng.random((n_frames, 3, 4)) < share
    bound[:, 1, 2] = True
    bound[:, 2, 0] = False
    found, borders = moments(bound, lags, n_blocks)
    for block in range(n_blocks):
        for i, lag in enumerate(lags):
            origins = range(borders[block], min(borders[block + 1], n_frames - lag))
            now = bound[origins]
            after = bound[np.array(origins, dtype=int) + lag]
            stayed = np.array([bound[o : o + lag + 1].all(axis=0) for o in origins]).reshape(-1, 3, 4)
            assert (found.watched[:, block, i] == now.sum(axis=(0, 2))).all()
            assert (found.bound[:, block, i] == (now & after).sum(axis=(0, 2))).all()
            assert (found.stayed[:, block, i] == stayed.sum(axis=(0, 2))).all()


def test_the_numerator_of_c_is_the_autocorrelation_of_numpy():
    bound = markov(np.random.default_rng(4), 500, (6,), 10, 15)
    found, _ = moments(bound, np.arange(250))
    whole = sum(np.correlate(h, h, "full")[499:749] for h in bound.T.astype(float))
    np.testing.assert_allclose(found.bound[0, 0], whole, rtol=1e-12)


def test_survival_is_that_of_mdanalysis():
    # MDAnalysis takes the mean of ratios, one per origin: the same thing where as many are bound in every frame.
    rng = np.random.default_rng(5)
    bound = np.zeros((200, 30), dtype=bool)
    inside = np.arange(8)
    for frame in bound:
        frame[inside] = True
        leaving = rng.random(8) < 0.1
        inside[leaving] = rng.choice(np.setdiff1d(np.arange(30), inside), leaving.sum(), replace=False)
    lags, survival, _ = autocorrelation([set(np.flatnonzero(frame)) for frame in bound], tau_max=60)
    np.testing.assert_allclose(functions(bound, lags)[0], survival, rtol=1e-12)


def test_one_stay_in_the_middle():
    bound = np.zeros((20, 1), dtype=bool)
    bound[5:15] = True
    continuous, intermittent = functions(bound, [0, 1, 5, 7, 9, 10])
    # After five frames the last five moments have left; from frame 20 - 7 = 13 on nobody can be watched for seven.
    np.testing.assert_allclose(continuous, [1, 9 / 10, 5 / 10, 3 / 8, 1 / 6, 0])
    np.testing.assert_allclose(intermittent, continuous)


def test_a_stay_cut_by_both_ends_does_not_decay():
    continuous, intermittent = functions(np.ones((20, 1), dtype=bool), np.arange(11))
    assert (continuous == 1).all()
    assert (intermittent == 1).all()


def test_a_flicker_of_one_frame_ends_survival_and_not_what_is_intermittent():
    bound = np.ones((21, 1), dtype=bool)
    bound[10] = False
    continuous, intermittent = functions(bound, [1, 2, 8])
    np.testing.assert_allclose(continuous, [18 / 19, 16 / 18, 4 / 12])
    np.testing.assert_allclose(intermittent, [18 / 19, 17 / 18, 11 / 12])


def test_two_stays_make_a_trapezoid():
    bound = np.zeros((30, 1), dtype=bool)
    bound[2:5] = bound[9:14] = True
    found, _ = moments(bound, np.arange(15))
    own = [max(0, 3 - t) + max(0, 5 - t) for t in range(15)]
    between = [0, 0, 0, 0, 0, 1, 2, 3, 3, 3, 2, 1, 0, 0, 0]
    assert found.bound[0, 0].tolist() == np.add(own, between).tolist()


@pytest.fixture(scope="module")
def two_states():
    """Functions of pairs with known rates, drawn by blocks and by centers."""
    rng = np.random.default_rng(6)
    bound = markov(rng, 600, (30, 20), 20, 100)
    lags = thinned_lags(600)
    found, borders = moments(bound, lags, 16)
    ways = (bootstrap_blocks(16, 2, 400, rng), bootstrap_blocks(30, 1, 400, rng))
    return lags, decay_functions(found, np.outer(np.full(30, 20), np.diff(borders)), ways)


def test_the_functions_of_a_two_state_process(two_states):
    lags, (continuous, intermittent, excess, chance) = two_states
    early = (lags > 0) & (lags < 100)
    leave, come = 1 - np.exp(-1 / 20), 1 - np.exp(-1 / 100)
    p = come / (come + leave)
    decay = (1 - leave - come) ** lags
    for found, expected in ((continuous, np.exp(-lags / 20)), (intermittent, p + (1 - p) * decay), (excess, decay)):
        assert found.values[0] == 1
        off = (found.values - expected)[early] / found.stderr[early]
        assert np.abs(off).max() < 4
        assert 0.05 < np.abs(off).mean() < 2
    assert abs(chance.values[0] - p) < 3 * chance.stderr[0]
    assert chance.stderr[0] < 0.05 * p


def test_what_no_origin_can_tell_is_no_number():
    bound = np.zeros((20, 2), dtype=bool)
    bound[15:] = True
    found, _ = moments(bound[:, None], [0, 3, 8])
    ways = (bootstrap_blocks(1, 1, 10, np.random.default_rng(0)),) * 2
    continuous, *_ = decay_functions(found, np.array([[40]]), ways)
    assert continuous.values[:2].tolist() == [1, 1]
    assert np.isnan(continuous.values[2])
    assert np.isnan(continuous.stderr).all()
