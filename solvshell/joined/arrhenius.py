"""ln k against 1/T: a straight line with the errors of the points."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from solvshell.units import kT_kj_mol

#: A straight line through fewer points leaves nothing to judge it by.
FEWEST_TEMPERATURES = 3
#: A line is not straight where points scatter about it as chance does in less than this share of the cases.
SIGNIFICANCE = 0.05
ARRHENIUS_COLUMNS = [
    "center", "partner", "site", "quantity", "meaning", "energy_kj_mol", "stderr_kj_mol", "intercept",
    "intercept_stderr", "chi2", "df", "p_value", "n_temperatures", "lowest_k", "highest_k", "status", "note",
]  # fmt: skip


@dataclass(frozen=True)
class ArrheniusFit:
    """Energy in kJ/mol and intercept of ``ln k = intercept - energy / (R T)``, with chi^2 of the points about the line.

    `p_value` is how often chance alone gives a larger chi^2 where the errors are right and the line is straight.
    """

    energy_kj_mol: float
    stderr_kj_mol: float
    intercept: float
    intercept_stderr: float
    chi2: float
    df: int
    p_value: float

    @property
    def is_straight(self) -> bool:
        """Whether the points scatter about the line by no more than their errors."""
        return self.p_value >= SIGNIFICANCE


def arrhenius_fit(kelvin: np.ndarray, ln_k: np.ndarray, stderr: np.ndarray) -> ArrheniusFit:
    """Return the weighted least-squares line of ln k against 1/(R T).

    Weights are 1/stderr^2 and the errors of the line follow from them alone: they are not scaled by how well it fits,
    which chi^2 says. Of a rate the energy is that of activation (Arrhenius), of an equilibrium constant the enthalpy
    (van 't Hoff).

    Parameters
    ----------
    kelvin, ln_k, stderr
        Shape (n_temperatures,), three or more.

    Raises
    ------
    ValueError
        If there are fewer than three points, or an error is not above 0.
    """
    if len(kelvin) < FEWEST_TEMPERATURES or not (stderr > 0).all():
        raise ValueError(f"stderr: {stderr} (expected: {FEWEST_TEMPERATURES} or more, all above 0)")
    x = -1 / np.array([kT_kj_mol(one) for one in kelvin])
    weights = 1 / stderr**2
    x_mean, y_mean = (float(np.average(values, weights=weights)) for values in (x, ln_k))
    spread = float((weights * (x - x_mean) ** 2).sum())
    energy = float((weights * (x - x_mean) * (ln_k - y_mean)).sum()) / spread
    intercept = y_mean - energy * x_mean
    chi2 = float((weights * (ln_k - intercept - energy * x) ** 2).sum())
    intercept_stderr = float(np.sqrt(1 / weights.sum() + x_mean**2 / spread))
    df = len(kelvin) - 2
    return ArrheniusFit(
        energy, 1 / float(np.sqrt(spread)), intercept, intercept_stderr, chi2, df, float(stats.chi2.sf(chi2, df))
    )
