"""Free energies between states from samples of each: MBAR, and how well neighboring states overlap."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from solvshell.analysis.statistics import statistical_inefficiency

#: Neighbors that share less are not connected well enough for an error to mean anything: Klimovich, Shirts and Mobley,
#: J. Comput. Aided Mol. Des. 29, 397 (2015), doi 10.1007/s10822-015-9840-9
LEAST_OVERLAP = 0.03

#: Of Newton's method: how often, how far in kT at once, and when it has arrived.
_MOST_STEPS, _LONGEST_STEP, _CONVERGED = 50, 2.0, 1e-6

#: One array (n_samples, n_states) per state, in time order: reduced potentials at all states of samples of this one.
Samples = Sequence[NDArray[np.float64]]


@dataclass(frozen=True)
class StateFreeEnergies:
    """Free energies in kT.

    Attributes
    ----------
    free_energy : ndarray, shape (n_states, n_states)
        ``[i, j]`` is that of state j above that of state i.
    stderr : ndarray, shape (n_states, n_states)
        Of them; the asymptotic one of MBAR, from samples that are independent in time.
    overlap : ndarray, shape (n_states - 1,)
        Of each state with the next, the smaller of both directions: the probability with which a sample of the one is
        taken for one of the other, if all states have as many samples. At most 0.5.
    n_independent : ndarray, shape (n_states,)
        Samples of each state that were used.
    """

    free_energy: NDArray[np.float64]
    stderr: NDArray[np.float64]
    overlap: NDArray[np.float64]
    n_independent: NDArray[np.int64]


def _towards_neighbor(samples: NDArray[np.float64], state: int) -> NDArray[np.float64]:
    """Return the reduced work to the next state (from the last: to the one before), whose memory decides."""
    neighbor = state + 1 if state + 1 < samples.shape[1] else state - 1
    return samples[:, neighbor] - samples[:, state]


def independent(samples: Samples) -> list[NDArray[np.float64]]:
    """Return every g-th sample of each state; g is the statistical inefficiency of the work to the next state."""
    kept = []
    for state, of_state in enumerate(samples):
        inefficiency = statistical_inefficiency(_towards_neighbor(of_state, state))
        kept.append(of_state[:: max(1, int(np.ceil(inefficiency)))])
    return kept


def _overlap(samples: Samples, free_energies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the overlap of each state with the next, as `StateFreeEnergies` defines it.

    That of pymbar depends on how many samples the states have, and seems poor where one of them has few.
    """
    rows = []
    for of_state in samples:
        belongs = free_energies - of_state
        belongs = np.exp(belongs - belongs.max(axis=1, keepdims=True))
        rows.append((belongs / belongs.sum(axis=1, keepdims=True)).mean(axis=0))
    overlap = np.array(rows)
    return np.minimum(np.diagonal(overlap, 1), np.diagonal(overlap, -1))


def solve(samples: Samples) -> StateFreeEnergies:
    """Return the free energies of all states from independent samples (MBAR, Shirts and Chodera, 2008).

    Where states share so little that MBAR finds no answer, there is none, and the overlap is zero.
    """
    logging.getLogger("pymbar").setLevel(logging.CRITICAL)  # it warns of what it could be made faster with
    from pymbar import MBAR
    from pymbar.utils import ParameterError

    reduced = np.concatenate(samples).T
    reduced = reduced - reduced.min(axis=0)  # a constant per sample changes nothing but the rounding
    counts = np.array([len(of_state) for of_state in samples])
    try:
        mbar = MBAR(reduced, counts, solver_protocol="robust", initialize="BAR")
        found = mbar.compute_free_energy_differences()
    except ParameterError:
        nothing = np.full((len(samples), len(samples)), np.nan)
        return StateFreeEnergies(nothing, nothing, np.zeros(len(samples) - 1), counts)
    return StateFreeEnergies(found["Delta_f"], found["dDelta_f"], _overlap(samples, found["Delta_f"][0]), counts)


def of_series(samples: Samples) -> StateFreeEnergies:
    """Return the free energies of all states from series that remember: of all samples, with independent ones' errors.

    What lies between independent samples is not worthless: energies of overlapping atoms forget themselves sooner than
    the rest. In 200 ps of DMC in each state the choice of every g-th sample alone made a scatter of 1 kJ/mol.
    """
    known = solve(independent(samples))
    return replace(known, free_energy=solve(samples).free_energy) if np.isfinite(known.free_energy).all() else known


def refined(reduced: NDArray[np.float64], counts: NDArray[np.int64], start: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the MBAR free energies in kT, zero for the first state, of samples much like those that gave a start.

    Newton's method on MBAR's equations: a few steps from nearby, where pymbar, which brings any start home, takes
    a hundred times longer. For the many resampled runs of a bootstrap.

    Parameters
    ----------
    reduced : ndarray, shape (n_samples, n_states)
        Of all samples, sorted by the state that they come from.
    counts : ndarray, shape (n_states,)
        Samples of each state.
    start : ndarray, shape (n_states,)

    Returns
    -------
    ndarray, shape (n_states,)
        Not numbers where a few steps did not suffice.
    """
    f = np.array(start, dtype=float)
    of_states = counts * np.exp(reduced.min(axis=1, keepdims=True) - reduced)
    for _ in range(_MOST_STEPS):
        p = of_states * np.exp(f - f.max())
        p /= p.sum(axis=1, keepdims=True)  # of a sample to be from a state
        found = p.sum(axis=0)
        # Not p.T @ p: BLAS would take a crowd of threads for so small a product, ten times slower on a busy machine.
        missing, hessian = counts - found, np.diag(found) - np.einsum("ij,ik->jk", p, p)
        step = np.zeros_like(f)
        step[1:] = np.linalg.lstsq(hessian[1:, 1:], missing[1:], rcond=None)[0]
        f += np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        if np.abs(step).max() < _CONVERGED:
            return f - f[0]
    return np.full(len(f), np.nan)


def part(samples: Samples, start: float, stop: float) -> list[NDArray[np.float64]]:
    """Return the samples of each state between two shares of its time, 0 to 1."""
    return [of_state[int(start * len(of_state)) : int(np.ceil(stop * len(of_state)))] for of_state in samples]
