"""The estimators of the liquids against processes whose answer is known."""

import liquids
import numpy as np
import pytest
from scipy.signal import lfilter

from solvshell.units import BOLTZMANN_KJ_MOL_K


def test_self_diffusion_of_brownian_motion() -> None:
    diffusion = 0.002  # nm2/ps
    steps = np.random.default_rng(1).normal(scale=np.sqrt(2 * diffusion), size=(800, 200, 3))
    found = liquids.self_diffusion(np.arange(800.0), np.cumsum(steps, axis=0))
    assert found.error is not None
    assert found.error < 0.1
    assert found.value == pytest.approx(2.0, abs=4 * found.error)


def test_viscosity_of_a_pressure_with_one_relaxation_time() -> None:
    """For <P(0)P(t)> = s2 exp(-t/tau) it is V/kT s2 tau."""
    step, tau, deviation, volume, temperature = 0.01, 0.5, 500.0, 12.0, 300.0
    decay = np.exp(-step / tau)
    noise = np.random.default_rng(2).normal(scale=deviation * np.sqrt(1 - decay**2), size=(6, 60_000))
    xx, yy, zz, xy, xz, yz = lfilter([1], [1, -decay], noise, axis=1)
    # (xx - yy)/2 has half the variance of xx; in a liquid it has that of xy.
    tensor = np.array([np.sqrt(2) * xx, np.sqrt(2) * yy, np.sqrt(2) * zz, xy, xz, yz])
    kt_joule = BOLTZMANN_KJ_MOL_K * 1e3 / liquids.AVOGADRO * temperature
    exact = volume * 1e-27 / kt_joule * (deviation * 1e5) ** 2 * tau * 1e-12 * 1e3  # mPa s
    found = liquids.viscosity(step, tensor, volume, temperature)
    assert found.error is not None
    assert found.error < 0.15 * exact
    assert found.value == pytest.approx(exact, abs=3.5 * found.error)


def test_finite_size_correction_of_water() -> None:
    """Yeh and Hummer 2004: kT 2.837297 / (6 pi eta L); by hand for 0.85 mPa s, 2.5 nm, 298.15 K."""
    found = liquids.finite_size_correction(298.15, liquids.Value(0.85, 0.085), 2.5)
    by_hand = 1.380649e-23 * 298.15 * 2.837297 / (6 * np.pi * 0.85e-3 * 2.5e-9) * 1e9
    assert found.value == pytest.approx(by_hand, rel=1e-6)
    assert found.error == pytest.approx(found.value / 10)


def test_a_molecule_in_vacuum_has_half_kt_for_each_flexible_freedom() -> None:
    """PF6- has no torsion, no 1-4 pair and no rigid bond: 15 nearly harmonic vibrations, 7.5 kT."""
    found = liquids.gas_energy("PF6", 298.15, runs=4, time_ps=50)
    expected = 7.5 * BOLTZMANN_KJ_MOL_K * 298.15
    assert found.error is not None
    assert found.value == pytest.approx(expected, rel=0.06)
