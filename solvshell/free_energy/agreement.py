"""Whether two W(r) agree: that of springs and that of counts, say, whose bins all move together."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from MDAnalysis import Universe
from numpy.typing import NDArray
from scipy.stats import chi2

from solvshell.analysis.geometry import CAPTURE_ANGSTROM, FINE_BIN_ANGSTROM
from solvshell.analysis.look import look_at
from solvshell.analysis.memory import peak_samples, settled
from solvshell.analysis.potential_of_mean_force import BIN_ANGSTROM, ENOUGH_COUNTS, independent_counts
from solvshell.analysis.rdf import PairCounts, fine_counts
from solvshell.analysis.reading.recognize import recognize
from solvshell.analysis.sites import select_sites
from solvshell.analysis.statistics import Bootstrap
from solvshell.errors import InvalidInput
from solvshell.species import SpeciesFile

AGREEMENT_COLUMNS = ["r_angstrom", "first_kt", "second_kt", "difference_kt", "difference_kt_stderr"]
_N_SAMPLES = 500


@dataclass(frozen=True)
class Curve:
    """W(r) in bins, up to a constant.

    Attributes
    ----------
    r_angstrom : numpy.ndarray, shape (n_bins,)
        The middle of each bin.
    w_kt : numpy.ndarray, shape (n_bins,)
    samples_kt : numpy.ndarray, shape (n_samples, n_bins)
        The same from resampled data: how each bin scatters, and which bins scatter together.
    n_independent : numpy.ndarray, shape (n_bins,)
        Independent counts in each bin.
    """

    r_angstrom: NDArray[np.float64]
    w_kt: NDArray[np.float64]
    samples_kt: NDArray[np.float64]
    n_independent: NDArray[np.float64]

    def where(self, bins: NDArray[np.bool_]) -> "Curve":
        """Return some of the bins."""
        return Curve(self.r_angstrom[bins], self.w_kt[bins], self.samples_kt[:, bins], self.n_independent[bins])

    def zero_over(self, low: float, high: float) -> "Curve":
        """Return the curve, and each of its samples, less its mean over some bins, which so has no error."""
        bins = (self.r_angstrom > low) & (self.r_angstrom < high)
        if not bins.any():
            raise InvalidInput(f"align: no bin with {ENOUGH_COUNTS} independent counts from {low:g} to {high:g} Å")
        zeros = self.samples_kt[:, bins].mean(axis=1, keepdims=True)
        return Curve(self.r_angstrom, self.w_kt - self.w_kt[bins].mean(), self.samples_kt - zeros, self.n_independent)


@dataclass(frozen=True)
class Agreement:
    """How two curves agree.

    Attributes
    ----------
    table : pandas.DataFrame
        `AGREEMENT_COLUMNS`, the bins that were compared, both curves zero on average over `aligned`.
    aligned : tuple of float
        In Å.
    chi_squared_per_bin : float
        Mean of (difference / standard error)^2; 1 is expected.
    n_free : float
        As many independent differences scatter like that mean: fewer than bins, which move together.
    p_value : float
        How often curves that are the same would differ more.
    """

    table: pd.DataFrame
    aligned: tuple[float, float]
    chi_squared_per_bin: float
    n_free: float
    p_value: float

    @property
    def largest_kt(self) -> float:
        """The largest difference of a bin."""
        return float(self.table.difference_kt.abs().max())

    def __str__(self) -> str:
        """In one line."""
        return (
            f"{len(self.table)} bins from {self.table.r_angstrom.min():.2f} to {self.table.r_angstrom.max():.2f} Å, "
            f"aligned over {self.aligned[0]:g}-{self.aligned[1]:g} Å: chi^2 per bin {self.chi_squared_per_bin:.2f} of "
            f"{self.n_free:.1f} free, p = {self.p_value:.2f}, largest difference {self.largest_kt:.2f} kT"
        )


def curve_of_counts(fine: PairCounts, bootstrap: Bootstrap) -> Curve:
    """Return -ln g(r) of the bins that have counts, in bins of `potential_of_mean_force`.

    A sample without a count in a bin has the W of one count there: a bin with enough of them has no such sample.
    """
    pair = fine.rebinned(round(BIN_ANGSTROM / FINE_BIN_ANGSTROM))
    counts = pair.counts.sum(axis=0)
    met = counts > 0
    of_samples = np.maximum(bootstrap.resample(pair.counts[:, met].astype(float)), 1.0)
    density = bootstrap.resample(pair.density)
    W = -np.log(pair.g[met])
    deviations = -np.log(of_samples / density[:, None] / pair.shell_volume[met]) - W
    n_independent = independent_counts(counts[met], bootstrap.stderr(deviations))
    # Samples of few draws scatter too little, by a factor that is known.
    return Curve(pair.r[met], W, W + deviations * bootstrap.widening, n_independent)


def counted_potential(universe: Universe, species: SpeciesFile, pair: tuple[str, str, str], *, seed: int = 0) -> Curve:
    """Return -ln g(r) of one center, partner and site of a trajectory; frames are dropped as `analyze` drops them.

    Raises
    ------
    InvalidInput
        If there is no such pair, or the trajectory or the selections are wrong.
    """
    sites = select_sites(universe, recognize(universe, species))
    rng = np.random.default_rng(seed)
    look = look_at(sites, None, farthest=species.capture_angstrom or CAPTURE_ANGSTROM, r_max=None, how={}, rng=rng)
    first_block = settled(look).n_blocks
    shells = look.shells_within(look.cutoffs, int(look.geometry.block_starts[first_block]))
    samples = peak_samples(look, shells, first_block, _N_SAMPLES, seed)
    for fine, sample in zip(fine_counts(look.geometry, sites, first_block), samples, strict=True):
        if fine.key == pair:
            return curve_of_counts(fine, sample.bootstrap)
    known = ", ".join(str(fine.key) for fine in fine_counts(look.geometry, sites))
    raise InvalidInput(f"pair: {pair} has no g(r) (known: {known})")


def _in_both(first: Curve, second: Curve, longest: float) -> tuple[Curve, Curve]:
    """Return the bins that both know well, up to a distance."""
    curves = []
    for curve in (first, second):
        known = np.isfinite(curve.samples_kt).all(axis=0) & (curve.n_independent >= ENOUGH_COUNTS)
        curves.append(curve.where(known & (curve.r_angstrom < longest)))
    a, b = (np.round(curve.r_angstrom / FINE_BIN_ANGSTROM).astype(int) for curve in curves)
    return curves[0].where(np.isin(a, b)), curves[1].where(np.isin(b, a))


def agreement(first: Curve, second: Curve, align: tuple[float, float], longest: float) -> Agreement:
    """Return how two W(r) of independent data agree where both have 100 independent counts in a bin.

    Both are zero on average over the bins of `align`. With the covariance C of the differences, the mean of their
    squares over C_ii has the mean 1 and the variance 2 sum_ij C_ij^2 / (C_ii C_jj) / n^2 if the curves are the same,
    and is taken to be chi^2 distributed with the number of degrees of freedom that has it (Satterthwaite 1946). C is
    never inverted: a bootstrap of few draws knows too little for that.

    Parameters
    ----------
    align
        From where to where, in Å: bins whose middles lie between.
    longest
        Half of the shortest box length in Å; bins beyond are left out.

    Raises
    ------
    InvalidInput
        If the curves share fewer than three bins, or none within `align`.
    """
    first, second = _in_both(first, second, longest)
    if len(first.r_angstrom) < 3:
        raise InvalidInput(f"agreement: the curves share {len(first.r_angstrom)} bins (at least three are needed)")
    first, second = first.zero_over(*align), second.zero_over(*align)
    difference = first.w_kt - second.w_kt
    covariance = np.cov(first.samples_kt, rowvar=False) + np.cov(second.samples_kt, rowvar=False)
    stderr = np.sqrt(np.diag(covariance))
    scatters = stderr > 0  # not so a single bin within `align`, which is zero in all samples
    errors = np.where(scatters, stderr, 1.0)
    per_bin = float(np.mean((difference / errors)[scatters] ** 2))
    n_free = np.count_nonzero(scatters) ** 2 / float(((covariance / np.outer(errors, errors)) ** 2).sum())
    columns = (first.r_angstrom, first.w_kt, second.w_kt, difference, stderr)
    return Agreement(
        table=pd.DataFrame(dict(zip(AGREEMENT_COLUMNS, columns, strict=True))),
        aligned=align,
        chi_squared_per_bin=per_bin,
        n_free=n_free,
        p_value=float(chi2.sf(per_bin * n_free, n_free)),
    )
