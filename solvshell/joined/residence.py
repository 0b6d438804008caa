"""Residence times of replicas together."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from solvshell.analysis.censored import Residence
from solvshell.analysis.residence import METHOD, METHODS, RESIDENCE_COLUMNS, PairResidence, ResidenceTimes
from solvshell.analysis.statistics import MIN_REPLICAS, RESOLVED_N_INDEPENDENT, confidence_interval
from solvshell.joined.averages import Value, from_series
from solvshell.joined.scatter import scatter
from solvshell.joined.tables import JOINED_COLUMNS, joined_columns

Pair = tuple[str, str, str]


def _own_value(one: Residence) -> Value:
    """Return the time of one replica; the departures are its samples."""
    return from_series(one.time_ps or np.nan, one.stderr_ps, one.n_departures)


def departures_over_time(replicas: Sequence[Residence]) -> dict[str, Any]:
    """Return the residence time of all replicas: the time bound in all of them over the departures from all.

    A replica from which nobody left counts with the time that was watched, where a mean of the times of the others
    would be too short. Of three replicas or more the standard error is that of this ratio over replicas: of the mean of
    ``(bound - tau departures) / <departures>``. Of fewer it is that within the runs, each weighing as many departures
    as it has. Without any departure there is no time.
    """
    n = np.array([one.n_departures for one in replicas], float)
    row: dict[str, Any] = {"n_replicas": len(replicas), "n_departures": int(n.sum())}
    if not n.any():
        watched = sum(one.bound_ps for one in replicas)
        return row | {"status": "not_resolved", "lower_bound_ps": watched / 3 if watched else None}
    values = [_own_value(one) for one in replicas if one.time_ps is not None]
    # that of each run knows how long a frame is, which bound time over departures does not
    bound = np.array([one.time_ps * one.n_departures if one.time_ps else one.bound_ps for one in replicas])
    time = float(bound.sum() / n.sum())
    if len(replicas) >= MIN_REPLICAS:
        stderr = float(np.std((bound - time * n) / n.mean(), ddof=1) / np.sqrt(len(n))) or None
        basis, n_samples = "replicas", float(len(replicas))
    else:
        own = [value.stderr for value in values]
        stderr = None if None in own else float(np.linalg.norm(n[n > 0] * np.array(own, float)) / n.sum())
        basis, n_samples = "one run", float(n.sum())
    low, high = (None, None) if stderr is None else confidence_interval(time, stderr, n_samples)
    spread = scatter(values) if len(values) == len(replicas) else None
    return row | {
        "mean": time,
        "stderr": stderr,
        "ci95_low": low if low is None else max(0.0, low),
        "ci95_high": high,
        "basis": basis,
        "between_over_within": spread and spread.between_over_within,
        "status": "resolved" if n.min() >= RESOLVED_N_INDEPENDENT else "not_resolved",
    }


def _by_method(replicas: Sequence[PairResidence]) -> list[dict[str, Any]]:
    """Return a row for each of the `METHODS`; means over the replicas but for the first of them."""
    met = [pair.exponential for pair in replicas if pair.exponential is not None]
    rows = []
    for place, method in enumerate(METHODS):
        if method == METHOD and met:
            rows.append({"method": method} | departures_over_time(met))
            continue
        times = [pair.times[place] for pair in replicas]
        known = [Value(time, stderr=stderr) for time, stderr in times if time is not None]
        missing = "resolved" if len(known) == len(times) else "not_resolved"
        n_departures = sum(one.n_departures for one in met)
        rows.append({"method": method, "n_departures": n_departures} | joined_columns(known, missing))
    return rows


def pairs_of(replicas: Sequence[ResidenceTimes]) -> Mapping[Pair, list[PairResidence]]:
    """Return what the replicas know of each center, partner and site."""
    found: dict[Pair, list[PairResidence]] = {}
    for replica in replicas:
        for pair in replica.pairs:
            found.setdefault((pair.center, pair.partner, pair.site), []).append(pair)
    return found


def joined_residence(replicas: Sequence[ResidenceTimes]) -> pd.DataFrame:
    """Return the residence times of all replicas; see `departures_over_time`.

    The other methods are means over the replicas that have a time; ``not_resolved`` says that one lacks it.
    """
    rows = [
        dict(zip(RESIDENCE_COLUMNS[:3], key, strict=True)) | row
        for key, pairs in pairs_of(replicas).items()
        for row in _by_method(pairs)
    ]
    columns = [*RESIDENCE_COLUMNS, *JOINED_COLUMNS, "n_departures", "lower_bound_ps"]
    numbers = ["time_ps", "stderr_ps", "ci95_low", "ci95_high", "between_over_within", "lower_bound_ps"]
    table = pd.DataFrame(rows).rename(columns={"mean": "time_ps", "stderr": "stderr_ps"})
    return table.reindex(columns=columns).astype(dict.fromkeys(numbers, float))
