from dataclasses import replace

import numpy as np
import pytest
from synthetic import make_universe, on_sphere, only_ec, random_universe, shell_universe

from solvshell.analysis.geometry import FINE_PER_BIN, SolvationGeometry
from solvshell.analysis.peaks import _fit_peaks, first_shell
from solvshell.analysis.rdf import fine_counts, rdf_table
from solvshell.analysis.sites import select_sites
from solvshell.analysis.statistics import bootstrap_blocks


def pairs_of(universe):
    sites = select_sites(universe, only_ec())
    geometry = SolvationGeometry.from_sites(sites).run().results
    (fine,) = fine_counts(geometry, sites)
    return fine, bootstrap_blocks(len(fine.density), 1, 300, np.random.default_rng(0))


def test_random_points_have_g_one_and_no_shell():
    fine, bootstrap = pairs_of(random_universe(np.random.default_rng(0), 100, 20, 200, fluctuation=0.03))
    table = rdf_table([fine], bootstrap)
    far = table[table.r_angstrom > 6]
    deviation = (far.g - 1) / far.g_stderr
    assert abs(deviation.mean()) < 0.2
    assert deviation.std() == pytest.approx(1, abs=0.15)
    density = fine.density.sum() / fine.n_center_frames
    assert far.n.to_numpy() == pytest.approx(density * 4 / 3 * np.pi * far.r_angstrom.to_numpy() ** 3, rel=0.02)
    assert first_shell(fine, bootstrap).status == "no_shell"


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_never_a_shell(seed):
    rng = np.random.default_rng(100 + seed)
    n_frames, n_sites = (40, 40) if seed % 2 else (200, 100)
    assert first_shell(*pairs_of(random_universe(rng, n_frames, 4, n_sites))).status == "no_shell"


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4, 5])
def test_points_that_hardly_move_are_not_resolved_as_a_shell(seed):
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 0.05, (1600, 68, 3))
    positions = (rng.random((1, 68, 3)) * 30 + np.cumsum(steps, axis=0)) % 30
    fine, _ = pairs_of(make_universe([("LI", ["LI"])] * 8 + [("EC", ["O"])] * 60, positions))
    bootstrap = bootstrap_blocks(len(fine.density), 8, 200, rng)
    assert first_shell(fine, bootstrap).status in ("no_shell", "too_few_samples")


def test_the_peak_is_the_maximum_of_g_not_of_the_counts():
    r = np.arange(1.5, 2.5, 0.01) + 0.005
    even = r**2
    g = np.exp(-((r - 1.95) ** 2) / (2 * 0.12**2))
    top = np.array([np.abs(r - 1.97).argmin()])
    assert _fit_peaks(r, 1e5 * g[None] * even, even, top, 0.1)[0] == pytest.approx(1.95, abs=1e-6)


def test_a_known_shell_is_found():
    fine, bootstrap = pairs_of(shell_universe(np.random.default_rng(1), 200, 4))
    shell = first_shell(fine, bootstrap)
    assert shell.status == "resolved"
    # The maximum of g is not that of r^2 g: for a Gaussian number of neighbours it lies 2 width^2 / distance nearer.
    expected = (1.95 + np.sqrt(1.95**2 - 8 * 0.08**2)) / 2
    assert 1.95 - expected > 0.006
    low, high = shell.ci95
    assert low < expected < high
    assert high - low < 0.02
    assert shell.peak == pytest.approx(expected, abs=0.004)
    assert 2.4 < shell.first_minimum < 3.9
    pair = fine.rebinned(FINE_PER_BIN)
    assert np.interp(shell.first_minimum, pair.r, pair.n) == pytest.approx(4.0)
    assert set(shell.peak_with) == {"bin_halved", "bin_doubled", "window_halved", "window_doubled"}
    assert list(shell.peak_with.values()) == pytest.approx([expected] * 4, abs=0.02)


def test_the_interval_of_the_peak_holds_the_true_one_as_often_as_it_says():
    expected = (1.95 + np.sqrt(1.95**2 - 8 * 0.08**2)) / 2
    shells = [first_shell(*pairs_of(shell_universe(np.random.default_rng(s), 60, 4, n_bulk=20))) for s in range(30)]
    assert sum(shell.ci95[0] < expected < shell.ci95[1] for shell in shells) >= 25


def test_a_repelled_partner_has_no_shell():
    fine, bootstrap = pairs_of(shell_universe(np.random.default_rng(2), 100, 0))
    shell = first_shell(fine, bootstrap)
    assert shell.status == "no_shell"
    assert shell.peak is shell.first_minimum is shell.ci95 is None


def test_a_minimum_between_two_shells_lies_between_them():
    rng = np.random.default_rng(3)
    n_frames = 300
    inner = 10 + rng.normal(2.0, 0.15, (n_frames, 3, 1)) * on_sphere(rng, (n_frames, 3))
    outer = 10 + rng.normal(3.2, 0.25, (n_frames, 8, 1)) * on_sphere(rng, (n_frames, 8))
    positions = np.concatenate([np.full((n_frames, 1, 3), 10.0), inner, outer], axis=1)
    fine, bootstrap = pairs_of(make_universe([("LI", ["LI"])] + [("EC", ["O"])] * 11, positions))
    assert first_shell(fine, bootstrap).first_minimum == pytest.approx(2.5, abs=0.1)


def test_a_site_on_its_center_is_no_crash():
    """A virtual site, or the shell of a core: the peak is in the first bin."""
    rng = np.random.default_rng(8)
    frames = np.array([ts.positions.copy() for ts in shell_universe(rng, 60, 4).trajectory])
    for width in (0.0, 0.01):
        frames[:, 8:40:4] = frames[:, :8] + rng.normal(0, width, (60, 8, 3))
        molecules = [("LI", ["LI"])] * 8 + [("EC", ["O"])] * (frames.shape[1] - 8)
        shell = first_shell(*pairs_of(make_universe(molecules, frames, (40, 40, 40, 90, 90, 90))))
        assert shell.status in ("resolved", "too_few_samples")
        assert shell.peak is None or shell.peak < 0.05


def test_the_error_of_a_peak_is_narrower_than_its_interval_over_two_normal_widths():
    """The interval is Student's: eight draws make it wider by a fifth than their error."""
    fine, _ = pairs_of(shell_universe(np.random.default_rng(9), 64, 4))
    bootstrap = bootstrap_blocks(64, 8, 4000, np.random.default_rng(0))
    shell = first_shell(fine, bootstrap)
    half = (shell.ci95[1] - shell.ci95[0]) / 2
    assert half / shell.stderr == pytest.approx(2.365, rel=0.1)


def test_few_frames_are_too_few_samples():
    universe = shell_universe(np.random.default_rng(4), 5, 4)
    assert first_shell(*pairs_of(universe)).status == "too_few_samples"
    assert first_shell(*pairs_of(random_universe(np.random.default_rng(5), 3, 2, 10))).status == "too_few_samples"


def test_a_shell_that_only_one_block_has_seen_is_too_few_samples():
    rng = np.random.default_rng(6)
    shell = np.array([ts.positions.copy() for ts in shell_universe(rng, 30, 1, n_bulk=50).trajectory])
    bulk = np.array([ts.positions.copy() for ts in shell_universe(rng, 400, 0, n_bulk=58).trajectory])
    universe = make_universe(
        [("LI", ["LI"])] * 8 + [("EC", ["O"])] * 58, np.concatenate([bulk, shell]), (40, 40, 40, 90, 90, 90)
    )
    fine, _ = pairs_of(universe)
    bootstrap = bootstrap_blocks(len(fine.density), 8, 300, np.random.default_rng(0))
    assert first_shell(fine, bootstrap).status == "too_few_samples"


def test_sure_contacts_are_never_said_to_be_absent():
    """Some 50 pairs around 2 Å where an even distribution has 20: too few for a peak, too many for no shell."""
    rng = np.random.default_rng(4)
    fine, bootstrap = pairs_of(random_universe(rng, 60, 8, 60))

    def status(contacts):
        share = np.where(fine.r < 1.9, 0, np.where(fine.r < 2.2, contacts, np.where(fine.r < 3.2, 0.5, 1)))
        return first_shell(
            replace(fine, counts=rng.poisson(share * fine.density[:, None] * fine.shell_volume)), bootstrap
        ).status

    assert [status(0.5) for _ in range(5)] == ["no_shell"] * 5
    assert [status(2.5) for _ in range(5)] == ["too_few_samples"] * 5


def test_the_error_of_a_first_minimum_is_that_of_other_runs_of_the_same_liquid():
    # A second shell at 4 Å, so that the minimum has two sides; few counts, so that it scatters.
    def minimum(seed):
        rng = np.random.default_rng(seed)
        fine, bootstrap = pairs_of(random_universe(rng, 60, 20, 200))
        r = fine.r
        g = 8 * np.exp(-(((r - 2) / 0.2) ** 2)) + 2 * np.exp(-(((r - 4) / 0.5) ** 2)) + 0.2
        counts = rng.poisson(g * fine.density[:, None] * fine.shell_volume)
        shell = first_shell(replace(fine, counts=counts), bootstrap)
        return shell.first_minimum, shell.first_minimum_stderr

    found = [minimum(seed) for seed in range(30)]
    minima, errors = np.array([pair for pair in found if pair[0] is not None]).T
    assert len(minima) > 20
    assert 0.4 < np.sqrt(np.mean(errors**2)) / minima.std() < 2.5
