"""From umbrella windows back to the potential that the samples came from."""

import ion_pairs
import numpy as np
import pytest
from scipy.integrate import trapezoid

from solvshell.units import BOLTZMANN_KJ_MOL_K

KT = BOLTZMANN_KJ_MOL_K * ion_pairs.TEMPERATURE


def well(r_nm: np.ndarray) -> np.ndarray:
    """Return a contact pair 8 kJ/mol deep at 0.3 nm behind a barrier of 6 at 0.42 nm, zero far out."""
    return -8 * np.exp(-(((r_nm - 0.3) / 0.04) ** 2)) + 6 * np.exp(-(((r_nm - 0.42) / 0.04) ** 2))


def windows(n: int = 2000) -> list[np.ndarray]:
    """Return independent distances of each window, drawn from r^2 exp(-(W + umbrella)/kT)."""
    rng, r = np.random.default_rng(3), np.linspace(0.1, 1.4, 13_001)
    samples = []
    for distance, spring in ion_pairs.WINDOWS:
        density = r**2 * np.exp(-(well(r) + spring / 2 * (r - distance) ** 2) / KT)
        samples.append(rng.choice(r, size=n, p=density / density.sum()))
    return samples


def test_the_profile_is_the_potential() -> None:
    w = ion_pairs.profile(windows())
    middles = (ion_pairs.BINS_NM[1:] + ion_pairs.BINS_NM[:-1]) / 2
    inside = (middles > 0.22) & (middles < 0.98)
    assert np.abs(w - well(middles))[inside].max() < 1.0
    assert np.sqrt(np.mean((w - well(middles))[inside] ** 2)) < 0.35


def test_the_association_constant_is_the_integral_over_contact() -> None:
    r = np.linspace(0.1, ion_pairs.CONTACT_NM, 4001)
    exact = trapezoid(4 * np.pi * r**2 * np.exp(-well(r) / KT), r) * ion_pairs.PER_MOLAR
    assert ion_pairs.association(ion_pairs.profile(windows())) == pytest.approx(exact, rel=0.15)
