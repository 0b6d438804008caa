"""Works there and back: the free energy between them, where they cross, and whether they belong together.

Crooks, Phys. Rev. E 60, 2721 (1999): the distributions of the works of a switch and of its reverse, each begun in
equilibrium, obey ln(P_forward(w) / P_reverse(-w)) = w - F in units of kT, however fast the switch is. Given a value w,
the odds that it comes from a forward switch are n_forward / n_reverse times that ratio. So F is what logistic
regression with the slope 1 finds, which is the acceptance ratio method of Bennett, J. Comput. Phys. 22, 245 (1976), see
Shirts et al., Phys. Rev. Lett. 91, 140601 (2003). With a free slope it tells two things more, without bins: the slope
itself, which is 1 if theory and program are right, and where the distributions cross, which is at F.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import erfc, expit

from solvshell.analysis.statistics import RESOLVED_N_INDEPENDENT, statistical_inefficiency

#: A slope that is known less well is no test of 1.
LARGEST_SLOPE_ERROR = 0.2
#: Standard errors beyond which the slope is not 1.
_SIGNIFICANCE = 3.0
#: kT on either side of F; works beyond decide nothing, since their odds are as good as certain.
_WINDOW_KT = 30.0
_MOST_STEPS, _ARRIVED = 50, 1e-9


@dataclass(frozen=True)
class Crooks:
    """What works of both directions say, in kT. Not numbers where the directions share too little.

    Attributes
    ----------
    free_energy_kt, stderr_kt : float
        F by the acceptance ratio method; the error knows how long works remember each other.
    crossing_kt, crossing_stderr_kt : float
        Where the distributions of forward works and of minus the reverse works cross.
    slope, slope_stderr : float
        Of ln(P_forward(w) / P_reverse(-w)) against w.
    n_shared : float
        Works of either direction that could as well be of the other, those that remember each other counted once.
    status : str
        ``consistent``: the slope is 1 within three standard errors; ``inconsistent``; or ``inconclusive``: fewer than
        10 works shared, or a slope whose error is above 0.2.
    """

    free_energy_kt: float = np.nan
    stderr_kt: float = np.nan
    crossing_kt: float = np.nan
    crossing_stderr_kt: float = np.nan
    slope: float = np.nan
    slope_stderr: float = np.nan
    n_shared: float = 0.0
    status: str = "inconclusive"


def _free_energy(signed: NDArray[np.float64], is_forward: NDArray[np.bool_], log_odds: float) -> float:
    """Return F from the works of forward switches and minus those of reverse ones: the root of Bennett's equation."""
    finite = signed[np.isfinite(signed)]
    ends = (float(finite.min()) - abs(log_odds) - _WINDOW_KT, float(finite.max()) + abs(log_odds) + _WINDOW_KT)

    def unbalanced(free_energy: float) -> float:
        return float((is_forward - expit(log_odds + signed - free_energy)).sum())

    return float(brentq(unbalanced, *ends, xtol=1e-10, maxiter=1000))


def _line(
    centered: NDArray[np.float64], is_forward: NDArray[np.bool_], log_odds: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the line a + b w of the logarithm of the ratio by maximum likelihood, and the inverse of its information.

    Newton's method; not numbers if it does not arrive, as where the directions do not overlap.
    """
    columns = np.stack([np.ones_like(centered), centered])
    found = np.array([0.0, 1.0])
    for _ in range(_MOST_STEPS):
        p = expit(log_odds + found @ columns)
        information = np.einsum("it,jt,t->ij", columns, columns, p * (1 - p))
        if not np.linalg.cond(information) < 1e12:
            break
        step = np.linalg.solve(information, columns @ (is_forward - p))
        found = found + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < _ARRIVED:
            return found, np.linalg.inv(information)
    return np.full(2, np.nan), np.full((2, 2), np.nan)


def _status(slope: float, stderr: float) -> str:
    if not stderr <= LARGEST_SLOPE_ERROR:
        return "inconclusive"
    return "consistent" if abs(slope - 1) < _SIGNIFICANCE * stderr else "inconsistent"


def crooks(work_kt: NDArray[np.float64], is_forward: NDArray[np.bool_]) -> Crooks:
    """Return the free energy between works there and back, and whether they belong together.

    Parameters
    ----------
    work_kt : ndarray, shape (n_switches,)
        In the order of time, each in its own direction. Infinite for a switch that failed or could not be made from the
        other side: it counts among those that were tried.
    is_forward : ndarray of bool, shape (n_switches,)
    """
    n_forward, n_reverse = int(is_forward.sum()), int((~is_forward).sum())
    signed = np.where(is_forward, work_kt, -work_kt)
    if not (np.isfinite(signed[is_forward]).any() and np.isfinite(signed[~is_forward]).any()):
        return Crooks()
    log_odds = float(np.log(n_forward / n_reverse))
    free_energy = _free_energy(signed, is_forward, log_odds)
    p = expit(log_odds + signed - free_energy)
    inefficiency = max(1.0, statistical_inefficiency(is_forward - p))
    n_shared = float((1 - p)[is_forward].sum()) / inefficiency
    if n_shared < RESOLVED_N_INDEPENDENT:
        return Crooks(n_shared=n_shared)
    # the counts of both directions are given, not drawn: Shirts et al., equation 10
    known = 1 / n_forward + 1 / n_reverse
    variance = inefficiency * max(1 / float((p * (1 - p)).sum()) - known, 0.0)
    near = np.abs(signed - free_energy) < _WINDOW_KT
    (a, b), covariance = _line(signed[near] - free_energy, is_forward[near], log_odds)
    covariance = inefficiency * (covariance - np.diag([known, 0.0]))
    slope_stderr = float(np.sqrt(covariance[1, 1]))
    gradient = np.array([-1 / b, a / b**2])  # of -a / b
    return Crooks(
        free_energy_kt=free_energy,
        stderr_kt=float(np.sqrt(variance)),
        crossing_kt=free_energy - float(a / b),
        crossing_stderr_kt=float(np.sqrt(max(gradient @ covariance @ gradient, 0.0)))
        if np.isfinite(slope_stderr)
        else np.nan,
        slope=float(b),
        slope_stderr=slope_stderr,
        n_shared=n_shared,
        status=_status(float(b), slope_stderr),
    )


def gaussian_acceptance(dissipation_kt: float) -> float:
    """Return the share of moves that is accepted where both directions cost the same: erfc(sqrt(W_d) / 2).

    W_d is the work above the free energy in kT, the same in both directions, of Gaussian works whose variance is then
    2 W_d by Crooks' relation: it is the mean of min(1, exp(-w)) over them.
    """
    return float(erfc(np.sqrt(max(dissipation_kt, 0.0)) / 2))
