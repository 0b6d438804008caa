"""Free energy along the coordinate of an `umbrella` stage: W(r) of a pair, or F(n) of one Li+ and all its sites."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from solvshell.analysis.statistics import RESOLVED_N_INDEPENDENT
from solvshell.errors import InvalidInput
from solvshell.free_energy.agreement import Curve
from solvshell.free_energy.springs import Estimates, Springs, Unbiased, estimates, springs_of
from solvshell.free_energy.states import LEAST_OVERLAP, solve
from solvshell.run import Run
from solvshell.stages import Umbrella
from solvshell.units import kT_kj_mol

DISTANCE_COLUMNS = ["r_angstrom", "w_kj_mol", "stderr_kj_mol", "outward_kj_mol", "inward_kj_mol", "n_independent"]
NUMBER_COLUMNS = ["coordination_number", "f_kj_mol", *DISTANCE_COLUMNS[2:]]
WINDOW_COLUMNS = [
    "window",
    "series",
    "center",
    "spring_kj_mol",
    "mean",
    "overlap_with_next",
    "inefficiency",
    "n_recorded",
    "n_independent",
]

SERIES = ("outward", "inward")
#: Width of bins, and half of the range over which the zero of a curve is averaged: in Å, and of a coordination number.
DISTANCE_BIN, NUMBER_BIN = 0.05, 0.1
DISTANCE_ZERO, NUMBER_ZERO = 0.25, 0.1
#: kT; as high must F(n) be at both ends for the windows to hold all of the numbers that the liquid has
COVERED_KT = 3.0


@dataclass(frozen=True)
class Number:
    """A number with its standard error."""

    value: float
    stderr: float


@dataclass(frozen=True)
class Profile:
    """The free energy along a coordinate.

    Attributes
    ----------
    table : pandas.DataFrame
        `DISTANCE_COLUMNS`: W(r) = F(r) + 2 kT ln r; or `NUMBER_COLUMNS`: F(n). Without rows where windows do not
        overlap.
    windows : pandas.DataFrame
        `WINDOW_COLUMNS`, one row for each visit, in Å and kJ/mol/Å2 or, of a number, kJ/mol. `inefficiency` is records
        per independent one, `overlap_with_next` that of both series together.
    curve : Curve, optional
        W(r) for a comparison with another.
    zero : tuple of float
        The range over which the curve is zero on average: around the last window within half the box, or around the
        mean number n.
    smallest_overlap : float
    status : str
        ``resolved``; ``one_series`` (the way back is not done yet), ``too_few_samples`` (a window has fewer than ten
        independent ones), ``poor_overlap`` (no curve), ``mean_not_covered`` (F(n) is not 3 kT above its lowest at both
        ends, so that the liquid has numbers beyond the windows: neither mean nor work).
    hysteresis_kj_mol : float
        Root mean square difference of the two series over the bins that have an error.
    mean_number, work_kj_mol : Number, optional
        Of a coordination number: its mean n without springs, and F(n - 1) - F(n).
    """

    table: pd.DataFrame
    windows: pd.DataFrame
    curve: Curve | None
    zero: tuple[float, float]
    smallest_overlap: float
    status: str
    hysteresis_kj_mol: float
    mean_number: Number | None = None
    work_kj_mol: Number | None = None


def _window_table(springs: Springs, overlap: NDArray[np.float64], kT: float) -> pd.DataFrame:
    n, n_visits = len(springs.centers), len(springs.visits)
    order = [*range(n), *reversed(range(n))][:n_visits]
    n_recorded = np.array([len(visit) for visit in springs.visits])
    columns = [
        range(n_visits),
        [SERIES[visit // n] for visit in range(n_visits)],
        springs.centers[order],
        kT * springs.constants[order],
        [visit.mean() for visit in springs.visits],
        np.append(overlap, np.nan)[order],
        springs.inefficiencies,
        n_recorded,
        n_recorded / springs.inefficiencies,
    ]
    return pd.DataFrame(dict(zip(WINDOW_COLUMNS, columns, strict=True)))


def _status(springs: Springs, overlap: NDArray[np.float64], windows: pd.DataFrame) -> str:
    if overlap.min() < LEAST_OVERLAP:
        return "poor_overlap"
    if windows.n_independent.min() < RESOLVED_N_INDEPENDENT:
        return "too_few_samples"
    return "one_series" if len(springs.series) == 1 else "resolved"


def _zero(springs: Springs, found: Estimates, longest: float) -> tuple[float, float]:
    if not springs.is_distance:
        return found.together.mean - NUMBER_ZERO, found.together.mean + NUMBER_ZERO
    within = springs.centers[springs.centers + DISTANCE_ZERO <= longest]
    if not len(within):
        raise InvalidInput(f"umbrella: all windows lie beyond half the box, {longest:.1f} Å; take a larger box")
    return within.max() - DISTANCE_ZERO, within.max() + DISTANCE_ZERO


def _counts(springs: Springs, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the independent samples of each series in each bin, shape (n_series, n_bins)."""
    of_visits = np.array(
        [
            np.histogram(visit, edges)[0] / inefficiency
            for visit, inefficiency in zip(springs.visits, springs.inefficiencies, strict=True)
        ]
    )
    return of_visits.reshape(-1, len(springs.centers), len(edges) - 1).sum(axis=1)


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isfinite(values), values, np.nan)


def _edges(springs: Springs, longest: float) -> NDArray[np.float64]:
    width = DISTANCE_BIN if springs.is_distance else NUMBER_BIN
    values = np.concatenate(springs.visits)
    edges = width * np.arange(np.floor(values.min() / width), np.ceil(values.max() / width) + 1)
    return edges[edges <= longest] if springs.is_distance else edges


def _curves(
    springs: Springs, found: Estimates, zero: tuple[float, float], longest: float, kT: float
) -> tuple[pd.DataFrame, Curve, float]:
    """Return the table, the curve with its resampled runs, and the hysteresis."""
    edges = _edges(springs, longest)
    counts, middles = _counts(springs, edges), (edges[1:] + edges[:-1]) / 2

    def curve(unbiased: Unbiased) -> NDArray[np.float64]:
        return unbiased.curve(edges, zero)

    together, stderr = curve(found.together), found.spread(curve)
    outward, inward = [*(_finite(curve(series)) for series in found.series), np.full(len(middles), np.nan)][:2]
    columns = [middles, kT * together, kT * stderr, kT * outward, kT * inward, counts.sum(axis=0)]
    names = DISTANCE_COLUMNS if springs.is_distance else NUMBER_COLUMNS
    table = pd.DataFrame(dict(zip(names, columns, strict=True)))
    met = np.isfinite(together)
    deviations = np.array([curve(unbiased) for unbiased in found.resampled])[:, met] - together[met]
    # As wide as the error of the table, which may be the difference of the two series.
    spread = np.ma.masked_invalid(deviations).std(axis=0, ddof=1).filled(np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        wider = stderr[met] / spread
    deviations *= np.where(np.isfinite(wider), wider, found.widening)
    # Where curves are compared is for the counts of the other to say: this one is as good as its errors everywhere.
    always = np.full(np.count_nonzero(met), np.inf)
    of_bins = Curve(middles[met], together[met], together[met] + deviations, always)
    known = table[table.stderr_kj_mol.notna()]
    hysteresis = float(np.sqrt(((known.outward_kj_mol - known.inward_kj_mol) ** 2).mean()))
    return table[met].reset_index(drop=True), of_bins, hysteresis


def _is_covered(table: pd.DataFrame, kT: float) -> bool:
    """Return whether F(n) rises far enough at both ends; of each the lower of two bins, since the last has few."""
    f = table.f_kj_mol[table.stderr_kj_mol.notna()].to_numpy()
    ends = f[[0, 1, -2, -1]] if len(f) >= 4 else f
    return bool(len(f) and ends.min() - f.min() > COVERED_KT * kT)


def _work(found: Estimates, zero: tuple[float, float], kT: float) -> Number:
    """Return the work from the range of the zero to the same range with one site less."""

    def work(unbiased: Unbiased) -> NDArray[np.float64]:
        return kT * unbiased.curve(np.array(zero) - 1, zero)

    return Number(float(work(found.together)[0]), float(found.spread(work)[0]))


def _mean_number(found: Estimates) -> Number:
    stderr = found.spread(lambda unbiased: np.array([unbiased.mean]))
    return Number(found.together.mean, float(stderr[0]))


def umbrella_profile(records: pd.DataFrame, stage: Umbrella, longest_angstrom: float, seed: int = 0) -> Profile:
    """Return the free energy along the coordinate of an `umbrella` stage, by MBAR over its windows.

    Parameters
    ----------
    records : pandas.DataFrame
        ``window`` and, in the last column, the coordinate (a distance in Å), as ``umbrella.csv`` has them.
    stage : Umbrella
    longest_angstrom : float
        Half of the shortest box length: W(r) ends there.
    seed : int
        Of the bootstrap.

    Raises
    ------
    InvalidInput
        If not all windows have been visited, or all lie beyond half the box.
    """
    kT = kT_kj_mol(stage.temperature)
    springs = springs_of(records, stage)
    visited = sum(len(np.unique(visit)) > 1 for visit in springs.visits)
    if visited < len(springs.visits):
        raise InvalidInput(f"umbrella: {visited} of {len(springs.visits)} windows have been sampled so far")
    solved = solve([springs.reduced(values) for values in springs.of_springs(springs.visits)])
    windows = _window_table(springs, solved.overlap, kT)
    status, overlap = _status(springs, solved.overlap, windows), float(solved.overlap.min())
    if status == "poor_overlap":
        names = DISTANCE_COLUMNS if springs.is_distance else NUMBER_COLUMNS
        return Profile(pd.DataFrame(columns=names), windows, None, (np.nan, np.nan), overlap, status, np.nan)
    found = estimates(springs, solved.free_energy[0], np.random.default_rng(seed))
    zero = _zero(springs, found, longest_angstrom)
    table, curve, hysteresis = _curves(springs, found, zero, longest_angstrom, kT)
    if springs.is_distance:
        return Profile(table, windows, curve, zero, overlap, status, hysteresis)
    if not _is_covered(table, kT):
        return Profile(table, windows, None, zero, overlap, "mean_not_covered", hysteresis)
    numbers = (_mean_number(found), _work(found, zero, kT))
    return Profile(table, windows, None, zero, overlap, status, hysteresis, *numbers)


def _half_box_angstrom(run: Run, stage: Umbrella) -> float:
    """Return half of the shortest edge that the cubic box of a run had in a stage."""
    log = pd.read_csv(run.log_path)
    return 5 * float(log.volume_nm3[log.stage == stage.name].min()) ** (1 / 3)


def umbrella_of_run(run: Run) -> Profile:
    """Return the free energy along the coordinate of a run; of one that is not done yet, from the way outward alone.

    Raises
    ------
    InvalidInput
        If the protocol of the run ends in something else, or the way outward is not done yet.
    """
    stage = run.protocol.stages[-1]
    if not isinstance(stage, Umbrella):
        raise InvalidInput(f"{run.path}: its protocol ({run.protocol.name}) does not end in an umbrella stage")
    path = run.path / f"{stage.kind}.csv"
    if not path.is_file() or path.stat().st_size == 0:
        raise InvalidInput(f"{run.path}: has no window yet; the same 'solvshell run' goes on with it")
    try:
        return umbrella_profile(pd.read_csv(path), stage, _half_box_angstrom(run, stage))
    except InvalidInput as error:
        raise InvalidInput(f"{run.path}: {error}") from None
