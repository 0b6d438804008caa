"""Whether replicas differ by more than each of them says of its own error."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from solvshell.joined.averages import Value

#: Replicas differ where chance alone does so in less than this share of all such findings.
SIGNIFICANCE = 0.05
SCATTER_COLUMNS = [
    "quantity", "center", "of", "mean", "stderr", "within_stderr", "between_over_within", "f", "df_between",
    "df_within", "p_value", "p_adjusted", "n_replicas", "status",
]  # fmt: skip


@dataclass(frozen=True)
class Scatter:
    """How replicas scatter against their own errors.

    `within_stderr` is the standard error of the mean that the errors within the replicas say. `f` is the square of
    `between_over_within`, 1 on average where they are right.
    """

    within_stderr: float
    between_over_within: float
    f: float
    df_between: int
    df_within: float
    p_value: float


def scatter(values: Sequence[Value]) -> Scatter | None:
    """Return how the means of replicas scatter against their own errors; None where these are not known.

    One-way analysis of variance of K replicas that know their own errors s_i: ``F = Var(means) / <s_i^2>`` with K - 1
    degrees of freedom above, and below those of Satterthwaite, ``(sum s_i^2)^2 / sum(s_i^4 / (n_i - 1))``, n_i being
    the independent samples behind s_i (two at least).
    """
    known = [(value.stderr, value.n_independent) for value in values if value.stderr and value.n_independent]
    if len(values) < 2 or len(known) < len(values):
        return None
    squares = np.array([stderr for stderr, _ in known]) ** 2
    degrees = np.maximum(1.0, np.array([n_independent for _, n_independent in known]) - 1)
    f = float(np.var([value.mean for value in values], ddof=1) / squares.mean())
    df_between, df_within = len(values) - 1, float(squares.sum() ** 2 / (squares**2 / degrees).sum())
    within = float(np.sqrt(squares.sum())) / len(values)
    return Scatter(within, math.sqrt(f), f, df_between, df_within, float(stats.f.sf(f, df_between, df_within)))


def judged(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the table with p-values adjusted for how many numbers were looked at, and a word for each.

    ``scatter``: replicas differ by more than their errors. Of all that are called so, chance makes 5 % on average
    (Benjamini and Hochberg 1995). ``agree``: they do not, as far as one can see. ``cannot_tell``: an error is missing.
    """
    p_values = rows.p_value.to_numpy(float)
    known = ~np.isnan(p_values)
    adjusted = np.full(len(rows), np.nan)
    if known.any():
        adjusted[known] = stats.false_discovery_control(p_values[known])
    status = np.where(known, np.where(adjusted < SIGNIFICANCE, "scatter", "agree"), "cannot_tell")
    return rows.assign(p_adjusted=adjusted, status=status).reindex(columns=SCATTER_COLUMNS)


def verdict(judged_rows: pd.DataFrame) -> str:
    """Return in a sentence what replicas say of each other."""
    known = judged_rows[judged_rows.status != "cannot_tell"]
    if known.empty:
        return "whether replicas differ by more than their own errors cannot be told: no number has such errors"
    apart = known[known.status == "scatter"]
    if apart.empty:
        return (
            f"replicas differ by no more than their own errors, as far as can be told ({len(known)} numbers; between "
            f"over within at most {known.between_over_within.max():.1f})"
        )
    worst = apart.loc[apart.between_over_within.idxmax()]
    name = " ".join(part for part in (worst.quantity, worst.center, worst.of) if part)
    return (
        f"replicas differ by more than their own errors in {len(apart)} of {len(known)} numbers (most in {name}: "
        f"{worst.between_over_within:.1f} times): runs are too short against what they remember, or stuck in how they "
        "were packed; take the errors between replicas, longer runs, or more replicas"
    )
