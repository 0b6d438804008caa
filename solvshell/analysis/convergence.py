"""Whether a run is long enough, and how much longer it must be for a wanted precision."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from solvshell.analysis.findings import pair_name
from solvshell.analysis.statistics import (
    MIN_REPLICAS,
    RESOLVED_N_INDEPENDENT,
    Estimate,
    confidence_interval,
    mean_with_error,
)
from solvshell.errors import InvalidInput

Status = Literal["enough", "longer", "cannot_tell", "doubtful"]

CONVERGENCE_COLUMNS = [
    "quantity",
    "center",
    "partner",
    "site",
    "value",
    "stderr",
    "wanted",
    "n_independent",
    "run_ps",
    "needed_ps",
    "status",
]
RUNNING_MEAN_COLUMNS = ["center", "time_ps", "mean", "stderr", "low", "high", "n_independent"]

#: Standard errors to reach, in Å and in atoms.
PEAK_ANGSTROM = 0.005
COORDINATION_NUMBER = 0.1

_KEYS = ["quantity", "center", "partner", "site"]
#: A running mean has so many frames, or means of neighbouring frames: its errors need no more.
_RUNNING_FRAMES = 1000


def _of_peaks(peaks: pd.DataFrame, wanted: float) -> pd.DataFrame:
    found = peaks[peaks["status"] != "no_shell"]
    stderr = found["peak_stderr_angstrom"]
    return found.assign(quantity="peak", value=found["peak_angstrom"], stderr=stderr, wanted=wanted)


def _of_coordination(coordination: pd.DataFrame, peaks: pd.DataFrame, wanted: float) -> pd.DataFrame:
    """Return the rows of coordination numbers, without those of partners that have no shell to be counted in."""
    pair = ["center", "partner", "site"]
    without = pd.MultiIndex.from_frame(peaks.loc[peaks["status"] == "no_shell", pair])
    uncounted = pd.MultiIndex.from_frame(coordination[pair]).isin(without) & coordination["cn_atoms_mean"].isna()
    found = coordination[~uncounted]
    value, stderr = found["cn_atoms_mean"], found["cn_atoms_stderr"]
    return found.assign(quantity="coordination", value=value, stderr=stderr, wanted=wanted)


def _of_total(total: Mapping[str, Estimate | None], wanted: float) -> pd.DataFrame:
    unknown = Estimate(np.nan, None, np.nan)
    estimates = [estimate or unknown for estimate in total.values()]
    return pd.DataFrame(
        {
            "quantity": "total_coordination",
            "center": list(total),
            "partner": None,
            "site": None,
            "value": [estimate.mean for estimate in estimates],
            "stderr": [estimate.stderr for estimate in estimates],
            "wanted": wanted,
            "n_independent": [estimate.n_independent for estimate in estimates],
        }
    )


def _judged(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with what they need: the error of a mean falls with the root of the time."""
    numbers = rows[["value", "stderr", "n_independent"]].astype(float)
    can_tell = (numbers["n_independent"] >= RESOLVED_N_INDEPENDENT) & (numbers["stderr"] > 0)
    needed = (rows["run_ps"] * (numbers["stderr"] / rows["wanted"]) ** 2).where(can_tell)
    enough = np.where(needed <= rows["run_ps"], "enough", "longer")
    judged = rows.assign(**numbers, needed_ps=needed, status=np.where(can_tell, enough, "cannot_tell"))
    return judged[CONVERGENCE_COLUMNS].reset_index(drop=True)


def convergence(
    peaks: pd.DataFrame,
    coordination: pd.DataFrame,
    total: Mapping[str, Estimate | None],
    run_ps: float,
    *,
    peak_angstrom: float = PEAK_ANGSTROM,
    coordination_number: float = COORDINATION_NUMBER,
) -> pd.DataFrame:
    """Return for each peak and coordination number whether the run is long enough for it, a row each.

    `needed_ps` = run_ps (stderr / wanted)^2 is the length of a run, equilibration not counted, after which the standard
    error would be the wanted one. `status` is
    ``enough``, ``longer``, or ``cannot_tell`` where there are fewer than ten independent samples or no error is known:
    then `needed_ps` is empty, and the run must be longer by ten over `n_independent` at least to tell. Partners without
    a shell have no rows.

    Parameters
    ----------
    peaks
        With `findings.PEAK_COLUMNS`, ``peak_stderr_angstrom`` and ``n_independent``, such as
        ``DataFrame(analysis.summary["peaks"])``.
    coordination
        With `coordination.COORDINATION_COLUMNS`.
    total
        The total coordination number by center species, from `coordination.total_coordination`.
    run_ps
        How long the frames behind the tables last.
    peak_angstrom, coordination_number
        The wanted standard errors.

    Raises
    ------
    InvalidInput
        If a wanted error or the length is not positive, or a column is missing.
    """
    wishes = {"peak_angstrom": peak_angstrom, "coordination_number": coordination_number, "run_ps": run_ps}
    for field, value in wishes.items():
        if not value > 0:
            raise InvalidInput(f"{field}: {value:g} (allowed: more than 0)")
    for column in ("peak_stderr_angstrom", "n_independent"):
        if column not in peaks:
            raise InvalidInput(f"peaks: has no column {column}; the peaks of summary.json have it")
    rows = [
        _of_peaks(peaks, peak_angstrom),
        _of_coordination(coordination, peaks, coordination_number),
        _of_total(total, coordination_number),
    ]
    columns = [*_KEYS, "value", "stderr", "wanted", "n_independent"]
    records = [record for table in rows for record in table[columns].itertuples(index=False)]
    return _judged(pd.DataFrame(records, columns=columns).assign(run_ps=run_ps))


def convergence_of_replicas(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the convergence of a system from that of its replicas.

    From three replicas on, `stderr` is that of the mean over the replicas, from their scatter; with fewer, the errors
    of the runs in quadrature, which know nothing of the scatter between boxes. `run_ps`, `needed_ps` and
    `n_independent` are sums over the replicas: what is missing may be simulated as longer or as more replicas, but
    where boxes differ more than each of them changes, only more of them will do. A quantity that a replica does not
    have, or has no error of where there are fewer than three, cannot tell.

    Parameters
    ----------
    tables
        From `convergence`, one of each replica.
    """
    rows = []
    for key, found in pd.concat(tables).groupby(_KEYS, sort=False, dropna=False):
        known = found.dropna(subset=["value"])
        n_known = len(known)
        if n_known >= MIN_REPLICAS:
            stderr = float(known["value"].sem())
        else:
            stderr = float(np.linalg.norm(known["stderr"]) / n_known) if n_known else np.nan
        enough_known = stderr if n_known == len(tables) else np.nan
        sums = known[["n_independent", "run_ps"]].sum()
        numbers = (known["value"].mean(), enough_known, found["wanted"].iloc[0], *sums)
        rows.append((*key, *numbers))
    columns = [*_KEYS, "value", "stderr", "wanted", "n_independent", "run_ps"]
    return _judged(pd.DataFrame(rows, columns=columns))


def with_doubts(judged: pd.DataFrame, flags: Mapping[str, Any]) -> pd.DataFrame:
    """Return the rows with ``doubtful`` in place of ``enough`` where flags say that the standard error is too small.

    A run without a plateau has not shown that any of its numbers is steady, and one that is not equilibrated has not
    seen its coordination numbers change; ``short_draws`` are the pairs whose peaks have lower bounds for errors.

    Parameters
    ----------
    judged
        From `convergence` or `convergence_of_replicas`.
    flags
        Those of the summary, see `solvshell.analysis.limits.limits`; what is left out is taken as false.
    """
    is_peak = judged["quantity"] == "peak"
    bounds = set(flags.get("short_draws") or ())
    is_bound = np.array([pair_name(row) in bounds for row in judged.to_dict("records")], dtype=bool)
    doubts = (is_peak & is_bound) | (~is_peak & bool(flags.get("not_equilibrated"))) | bool(flags.get("no_plateau"))
    return judged.assign(status=judged["status"].mask(doubts & (judged["status"] == "enough"), "doubtful"))


def running_mean(series: np.ndarray, timestep_ps: float, center: str, n_times: int = 50) -> pd.DataFrame:
    """Return the mean of a number from the start up to each of some times, with its 95 % interval.

    Its error is that of `mean_with_error` for what was seen until then; empty where nothing had changed yet.

    Parameters
    ----------
    series
        Shape (n_frames, n_centers) or (n_frames,), such as the coordination number of the centers of one species from
        `coordination.total_per_center`.
    timestep_ps
        Between frames.
    center
        The name for the column.
    """
    n_frames = len(series)
    ends = np.unique(np.linspace(0, n_frames, min(n_times, n_frames) + 1).astype(int)[1:])
    size = max(1, n_frames // _RUNNING_FRAMES)
    per_frame = series.reshape(n_frames, -1).mean(axis=1)
    means = np.cumsum(per_frame)[ends - 1] / ends
    blocks = np.add.reduceat(series, np.arange(0, n_frames, size), axis=0, dtype=float) / size
    rows = []
    for end, mean in zip(ends, means, strict=True):
        estimate = mean_with_error(blocks[: max(1, end // size)])
        low, high = np.nan, np.nan
        if estimate.stderr is not None:
            low, high = confidence_interval(mean, estimate.stderr, estimate.n_independent)
        rows.append((center, end * timestep_ps, mean, estimate.stderr, low, high, estimate.n_independent))
    return pd.DataFrame(rows, columns=RUNNING_MEAN_COLUMNS).astype({"stderr": float})
