import numpy as np
import pytest

from solvshell.quantum import normal_modes, numeric_hessian, only, tracked_mode

LIGHT = 2.99792458e10  # cm/s
SPRINGS = ((0, 1, 9000.0, 1.2), (1, 2, 3000.0, 1.4), (2, 3, 2500.0, 1.4), (3, 4, 700.0, 1.1))
MASSES = np.array([15.999, 12.011, 15.999, 12.011, 1.008])
CHAIN = np.array([[0.0, 0, 0], [1.2, 0, 0], [2.0, np.sqrt(1.4**2 - 0.8**2), 0], [3.4, 0.0, 0.0], [4.1, 0.5, 0.6]])


def springs(x):
    """Energy in kJ/mol and gradient of a chain whose bonds are springs at their lengths in `CHAIN`."""
    energy, gradient = 0.0, np.zeros_like(x)
    for i, j, k, _ in SPRINGS:
        along = x[j] - x[i]
        r, r0 = np.linalg.norm(along), np.linalg.norm(CHAIN[j] - CHAIN[i])
        energy += k / 2 * (r - r0) ** 2
        gradient[j] += k * (r - r0) * along / r
        gradient[i] -= k * (r - r0) * along / r
    return energy, gradient


def wavenumber(k, mass):
    """In 1/cm, of k in kJ/mol/Å² and a mass in Da."""
    return np.sqrt(k * 100 / mass) * 1e12 / (2 * np.pi * LIGHT)


def test_a_spring_between_two_masses_has_the_wavenumber_of_the_reduced_mass():
    masses, x = np.array([12.011, 15.999]), np.array([[0.0, 0, 0], [1.2, 0, 0]])

    def spring(x):
        along = x[1] - x[0]
        r = np.linalg.norm(along)
        pull = 9000 * (r - 1.2) * along / r
        return 4500 * (r - 1.2) ** 2, np.array([-pull, pull])

    expected = wavenumber(9000, masses.prod() / masses.sum())
    found, _ = normal_modes(numeric_hessian(spring, x, 1e-4), masses)
    assert found[-1] == pytest.approx(expected, rel=1e-6)
    assert np.abs(found[:-1]).max() < 1e-2 * expected
    guess = np.array([[np.sqrt(masses[1]), 0, 0], [-np.sqrt(masses[0]), 0, 0]])
    assert tracked_mode(spring, x, masses, guess, 1e-4) == pytest.approx((expected, 1.0), rel=1e-6)
    # one end at a wall that does not move
    assert normal_modes(numeric_hessian(only([1], spring, x), x[[1]], 1e-4), masses[[1]])[0][-1] == pytest.approx(
        wavenumber(9000, masses[1]), rel=1e-6
    )


def test_a_tracked_mode_is_the_one_of_all_that_is_most_like_the_guess_for_fewer_gradients():
    calls = []

    def counted(x):
        calls.append(x)
        return springs(x)

    hessian = numeric_hessian(counted, CHAIN, 1e-4)
    wavenumbers, modes = normal_modes(hessian, MASSES)
    guess = np.zeros_like(CHAIN)
    guess[0], guess[1] = [np.sqrt(MASSES[1]), 0, 0], [-np.sqrt(MASSES[0]), 0, 0]
    shares = (modes.T @ guess.ravel() / np.linalg.norm(guess)) ** 2
    full = len(calls)
    found, share = tracked_mode(counted, CHAIN, MASSES, guess, 1e-4)
    assert found == pytest.approx(wavenumbers[shares.argmax()], abs=0.2)
    assert share == pytest.approx(shares.max(), abs=1e-3)
    assert 0.5 < share < 0.999  # the guess is not the mode itself
    assert len(calls) - full < full / 2


def test_at_a_minimum_of_some_atoms_the_others_stand_still():
    off = CHAIN.copy()
    off[4] += [0.3, 0.0, 0.0]
    _, slope = springs(off)
    energy, of_two = only([0, 1], springs, off)(off[[0, 1]])
    assert energy == springs(off)[0]
    assert np.array_equal(of_two, slope[[0, 1]])
    assert np.abs(of_two).max() == 0.0
    assert np.abs(slope).max() > 1
