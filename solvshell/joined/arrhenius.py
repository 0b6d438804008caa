"""ln k against 1/T: a straight line, its errors from those of the points, and whether the points lie on it."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from solvshell.units import kT_kj_mol

#: A straight line through fewer points leaves nothing to judge it by.
FEWEST_TEMPERATURES = 3
#: A line is not straight where points scatter about it as chance does in less than this share of the cases.
SIGNIFICANCE = 0.05
ARRHENIUS_COLUMNS = [
    "center", "partner", "site", "quantity", "meaning", "energy_kj_mol", "stderr_kj_mol", "ci95_low", "ci95_high", "df",
    "intercept", "intercept_stderr", "lack_of_fit", "p_value", "n_temperatures", "n_left_out", "lowest_k", "highest_k",
    "basis", "status", "note",
]  # fmt: skip


@dataclass(frozen=True)
class ArrheniusFit:
    """Energy in kJ/mol and intercept of ``ln k = intercept - energy / (R T)``, and how well the line fits.

    The 95 % interval is that of the energy: Student's, with `df` degrees of freedom. `lack_of_fit` is the sum of the
    squares about the line over what the errors of the points lead one to expect, and `p_value` how often chance alone
    makes it larger where the line is straight.
    """

    energy_kj_mol: float
    stderr_kj_mol: float
    ci95_low: float
    ci95_high: float
    df: float
    intercept: float
    intercept_stderr: float
    lack_of_fit: float
    p_value: float

    @property
    def is_straight(self) -> bool:
        """Whether the points scatter about the line by no more than their errors."""
        return self.p_value >= SIGNIFICANCE


def _satterthwaite(variances: np.ndarray, df: np.ndarray) -> float:
    """Return the degrees of freedom of a sum of variances (Biometrics Bulletin 2, 110, 1946); inf if all are known."""
    unknown = float((variances**2 / df).sum())
    return float(variances.sum() ** 2) / unknown if unknown else np.inf


def _tail(lack_of_fit: float, df: int, df_errors: float) -> float:
    """Return how often chance gives a larger lack of fit."""
    if np.isinf(df_errors):
        return float(stats.chi2.sf(lack_of_fit * df, df))
    return float(stats.f.sf(lack_of_fit, df, df_errors))


def arrhenius_fit(
    kelvin: np.ndarray, ln_k: np.ndarray, stderr: np.ndarray, n_replicas: np.ndarray, is_scatter: np.ndarray
) -> ArrheniusFit:
    """Return the least-squares line of ln k against 1/(R T).

    Of a rate the energy is that of activation (Arrhenius), of an equilibrium constant the enthalpy (van 't Hoff). The
    errors of the line follow from those of the points alone: they are not scaled by how well it fits.

    Errors within runs count as known: weights are 1/stderr^2, and lack of fit is chi^2. An error from the scatter of a
    handful of replicas is itself uncertain, and its square no weight: the line would follow the temperature whose
    replicas happen to agree. With such errors a temperature weighs as many replicas as it has, the energy is a sum of
    independent means with the interval of Welch and Satterthwaite, for which errors may change with temperature, and
    lack of fit is the F* of Brown and Forsythe (Technometrics 16, 129, 1974) with a line in place of a common mean.

    Parameters
    ----------
    kelvin, ln_k, stderr, n_replicas
        Shape (n_temperatures,), three or more.
    is_scatter
        Whether the error is that of the scatter of the replicas, shape (n_temperatures,).

    Raises
    ------
    ValueError
        If there are fewer than three points, or an error is not above 0.
    """
    if len(kelvin) < FEWEST_TEMPERATURES or not (stderr > 0).all():
        raise ValueError(f"stderr: {stderr} (expected: {FEWEST_TEMPERATURES} or more, all above 0)")
    x = -1 / np.array([kT_kj_mol(one) for one in kelvin])
    weights = np.asarray(n_replicas, float) if is_scatter.any() else 1 / stderr**2
    df = np.where(is_scatter, n_replicas - 1.0, np.inf)
    x_mean = np.average(x, weights=weights)
    of_energy = weights * (x - x_mean) / (weights * (x - x_mean) ** 2).sum()  # the share of each ln k in it
    of_intercept = weights / weights.sum() - of_energy * x_mean
    energy, intercept = float((of_energy * ln_k).sum()), float((of_intercept * ln_k).sum())
    variances = (of_energy * stderr) ** 2
    error, error_df = float(np.sqrt(variances.sum())), _satterthwaite(variances, df)
    half = error * float(stats.t.ppf(0.975, error_df))
    expected = weights * (1 - of_intercept - of_energy * x) * stderr**2
    lack_of_fit = float((weights * (ln_k - intercept - energy * x) ** 2).sum() / expected.sum())
    return ArrheniusFit(
        energy, error, energy - half, energy + half, error_df, intercept, float(np.linalg.norm(of_intercept * stderr)),
        lack_of_fit, _tail(lack_of_fit, len(x) - 2, _satterthwaite(expected, df)),
    )  # fmt: skip
