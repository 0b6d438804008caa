r"""What a small change of the energy does to a liquid, from configurations without it.

To first order in a change ΔU of the energy an average changes by :math:`-\beta\,\mathrm{cov}(A, \Delta U)`. Of the
volume at constant pressure this is :math:`-\beta\,\mathrm{var}(V)\, b` with the slope b of ΔU against V, and
:math:`\beta\,\mathrm{var}(V) = \kappa V`: the change has the liquid feel a pressure of -b at its old volume, which
its compressibility κ turns into a density. The slope holds the virial of the change as well as how the liquid answers.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from solvshell.units import BOLTZMANN_KJ_MOL_K

BAR_PER_KJ_MOL_NM3 = 16.6053907
N_BLOCKS = 10

Series = NDArray[np.float64]


def _blocks(replicas: Sequence[Series]) -> list[Series]:
    """Return blocks of rows, each less the mean of its own replica: packings differ in more than fluctuates."""
    per_replica = max(1, N_BLOCKS // len(replicas))
    return [block for rows in replicas for block in np.array_split(rows - rows.mean(axis=0), per_replica)]


def _jackknife(estimate: Callable[[Series], float], replicas: Sequence[Series]) -> tuple[float, float]:
    """Return an estimate from the rows of all replicas and its error from leaving out one block after the other."""
    blocks = _blocks(replicas)
    without = [estimate(np.concatenate(blocks[:i] + blocks[i + 1 :])) for i in range(len(blocks))]
    error = np.sqrt((len(blocks) - 1) * np.var(without))
    return estimate(np.concatenate(blocks)), float(error)


def response(replicas: Sequence[tuple[Series, Series]], temperature: float) -> tuple[float, float]:
    """Return how an average changes, with its error, from (observable, ΔU in kJ/mol) of the frames of each replica."""
    beta = 1 / (BOLTZMANN_KJ_MOL_K * temperature)
    rows = [np.column_stack(pair) for pair in replicas]
    return _jackknife(lambda both: -beta * float(np.mean(both[:, 0] * both[:, 1])), rows)


def pressure_shift(replicas: Sequence[tuple[Series, Series]]) -> tuple[float, float]:
    """Return the pressure in bar that a change adds, with its error, from (volume in nm³, ΔU in kJ/mol) at 1 bar."""
    rows = [np.column_stack(pair) for pair in replicas]

    def slope(both: Series) -> float:
        return float(-BAR_PER_KJ_MOL_NM3 * np.sum(both[:, 0] * both[:, 1]) / np.sum(both[:, 0] ** 2))

    return _jackknife(slope, rows)


def compressibility(volumes: Sequence[Series], temperature: float) -> tuple[float, float]:
    """Return var(V) / (kT V) in 1/bar, from volumes in nm³ at constant pressure, with its error between replicas."""
    kT = BOLTZMANN_KJ_MOL_K * temperature
    found = [np.var(v) / (kT * np.mean(v)) / BAR_PER_KJ_MOL_NM3 for v in volumes]
    return float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(len(found)))
