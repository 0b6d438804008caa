"""How deep the first well of each W(r) is, and how high the barrier behind it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import beta, chi2

from solvshell.analysis.geometry import Contacts
from solvshell.analysis.peaks import Shell
from solvshell.analysis.potential_of_mean_force import independent_counts
from solvshell.analysis.rdf import PairCounts
from solvshell.analysis.shells import FirstShells
from solvshell.analysis.statistics import RESOLVED_N_INDEPENDENT, Bootstrap
from solvshell.units import kT_kj_mol

BARRIER_COLUMNS = [
    "center",
    "partner",
    "site",
    "quantity",
    "r_angstrom",
    "r_angstrom_stderr",
    "w_kt",
    "w_kt_stderr",
    "w_kj_mol",
    "w_kj_mol_stderr",
    "at_least_kt",
    "at_least_kj_mol",
    "n_independent",
    "status",
]
QUANTITIES = ("well", "barrier", "escape")
#: g is taken from the pairs within this of the peak, and of the first minimum, whose gap is wider, in Å.
WELL_HALF_ANGSTROM, BARRIER_HALF_ANGSTROM = 0.025, 0.1
_ONE_SIDED = 0.95
#: r and its error, W, its error and its lower bound in kT, independent counts, status
_Row = tuple[float | None, float | None, float, float, float, float, str]


@dataclass(frozen=True)
class _Windows:
    """g in two windows of r, that of the well and that of the barrier.

    Attributes
    ----------
    counts : numpy.ndarray, shape (2,)
        Pairs met.
    even : numpy.ndarray, shape (2,)
        Pairs that an even distribution would have.
    stderr : numpy.ndarray, shape (3,)
        Relative standard errors of g in the two, and that of their ratio, whose parts move together.
    """

    counts: np.ndarray
    even: np.ndarray
    stderr: np.ndarray

    @property
    def n_independent(self) -> np.ndarray:
        """The independent counts behind the two, and behind their ratio, shape (3,)."""
        counts = np.append(self.counts, self.counts.min())
        return independent_counts(counts, self.stderr)

    @property
    def _g_per_count(self) -> np.ndarray:
        """What one independent count adds to g, shape (2,)."""
        n_independent = self.n_independent[:2]
        per_count = np.divide(self.counts, n_independent, out=np.ones(2), where=n_independent > 0)
        return per_count / self.even

    @property
    def highest_barrier_g(self) -> float:
        """The largest g of the barrier that these few counts allow with 95 % confidence (Garwood 1936)."""
        most = chi2.ppf(_ONE_SIDED, 2 * (self.n_independent[1] + 1)) / 2
        return float(most * self._g_per_count[1])

    @property
    def highest_ratio(self) -> float:
        """The largest g of the barrier over that of the well that the counts of both allow with 95 % confidence.

        Of two Poisson counts, their sum given, one is binomial (Przyborowski and Wilenski, Biometrika 31 (1940) 313).
        """
        in_well, at_barrier = self.n_independent[:2]
        share = beta.ppf(_ONE_SIDED, at_barrier + 1, in_well)
        return float(share / (1 - share) * self._g_per_count[1] / self._g_per_count[0])


def _deviations(parts: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return relative deviations of parts (n, 2) from a whole (2,), and those of the ratio to first order: (n, 3)."""
    relative = parts / np.where(whole > 0, whole, np.nan) - 1
    return np.column_stack([relative, relative[:, 1] - relative[:, 0]])


def _between_centers(
    pair: PairCounts, contacts: Contacts, j: int, windows: Sequence[tuple[float, float]]
) -> np.ndarray:
    """Return the relative errors by which centers differ, shape (3,), as in `rdf_table`."""
    members = pair.center.members
    of_pair = (contacts.site == j) & (contacts.center >= members.start) & (contacts.center < members.stop)
    counts = np.column_stack([
        np.bincount(
            contacts.center[of_pair & (contacts.distance >= low) & (contacts.distance < high)] - members.start,
            minlength=members.stop - members.start,
        )
        for low, high in windows
    ])  # fmt: skip
    if len(counts) < 2:
        return np.zeros(3)
    return _deviations(counts, counts.mean(axis=0)).std(axis=0) / np.sqrt(len(counts) - 1)


def _windows(fine: PairCounts, shell: Shell, bootstrap: Bootstrap, captured: FirstShells, reach: float) -> _Windows:
    assert shell.peak is not None
    assert shell.first_minimum is not None
    places = ((shell.peak, WELL_HALF_ANGSTROM), (shell.first_minimum, BARRIER_HALF_ANGSTROM))
    inside = np.array([np.abs(fine.r - r) <= half for r, half in places], float)
    blocks = fine.counts @ inside.T
    samples = bootstrap.resample(blocks) / bootstrap.resample(fine.density)[:, None]
    stderr = bootstrap.stderr(_deviations(samples, blocks.sum(axis=0) / fine.density.sum()))
    limits = [(r - half, r + half) for r, half in places]
    if fine.site.coordinating and not fine.center.reference and limits[1][1] <= reach:
        j = next(j for j, site in enumerate(captured.sites.sites) if site is fine.site)
        stderr = np.fmax(stderr, _between_centers(fine, captured.contacts, j, limits))
    return _Windows(blocks.sum(axis=0), inside @ fine.even, stderr)


def _rows(shell: Shell, windows: _Windows) -> Iterator[_Row]:
    """Yield what is known of each quantity."""
    places = ((shell.peak, shell.stderr), (shell.first_minimum, shell.first_minimum_stderr), (None, None))
    with np.errstate(divide="ignore"):
        well, barrier = -np.log(windows.counts / windows.even)
    values = well, barrier, barrier - well
    bounds = np.nan, -np.log(windows.highest_barrier_g), -np.log(windows.highest_ratio)
    for r, W, bound, stderr, n in zip(places, values, bounds, windows.stderr, windows.n_independent, strict=True):
        if n >= RESOLVED_N_INDEPENDENT:
            yield (*r, W, stderr, np.nan, n, "resolved")
        else:
            yield (*r, np.nan, np.nan, bound, n, "not_sampled")


def barrier_table(
    fine: Sequence[PairCounts],
    peak_shells: Sequence[Shell],
    bootstraps: Sequence[Bootstrap],
    captured: FirstShells,
    capture_radius: float,
    temperature: float | None = None,
) -> pd.DataFrame:
    """Return well, barrier and escape of each W(r) = -kT ln g(r), with standard errors.

    ``well``
        W at the first peak, from the pairs within 0.025 Å of it.
    ``barrier``
        W at the first minimum behind it, before the second shell, from the pairs within 0.1 Å.
    ``escape``
        W of the barrier less that of the well: what a center must gain to lose the site.

    Errors are those of the block bootstrap or those by which centers differ, the larger, and the error of ``escape``
    knows how its two parts move together. Where fewer than 10 independent counts are in a window, the status is
    ``not_sampled`` and `at_least_kt` what they exclude: W is above it with 95 % confidence (Poisson). That of an escape
    knows how few counts its well has, too. A pair without a resolved first peak has the status of that and no numbers.

    Parameters
    ----------
    peak_shells, bootstraps
        One for each pair.
    captured, capture_radius
        As in `rdf_table`.
    temperature
        In K; without it the columns in kJ/mol are empty.
    """
    kT = np.nan if temperature is None else kT_kj_mol(temperature)
    rows: list[tuple[object, ...]] = []
    for pair, shell, bootstrap in zip(fine, peak_shells, bootstraps, strict=True):
        if shell.status == "resolved":
            found = list(_rows(shell, _windows(pair, shell, bootstrap, captured, capture_radius)))
        else:
            found = [(None, None, np.nan, np.nan, np.nan, 0.0, shell.status)] * len(QUANTITIES)
        for quantity, (r, r_stderr, W, stderr, bound, n, status) in zip(QUANTITIES, found, strict=True):
            in_kj_mol = (W * kT, stderr * kT, bound, bound * kT)
            rows.append((*pair.key, quantity, r, r_stderr, W, stderr, *in_kj_mol, n, status))
    return pd.DataFrame(rows, columns=BARRIER_COLUMNS)
