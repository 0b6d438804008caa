"""The moves of a run: the rows of ``moves.csv``, and what those of one species cost and came to."""

import math
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from solvshell.analysis.grand_canonical.crooks import Crooks, crooks, gaussian_acceptance
from solvshell.analysis.statistics import Estimate, mean_with_error
from solvshell.errors import InvalidInput
from solvshell.occupancy import MOVE_COLUMNS
from solvshell.units import kT_kj_mol

#: Of moves that could be accepted; the others have no counterpart.
_POSSIBLE = ("accepted", "rejected")
_NUMBERS = ("time_ps", "n_before", "volume_nm3", "work_kj_mol", "log_acceptance", "switching_ps", "seconds")
#: Standard deviation of a Gaussian whose median absolute deviation is 1, and of its median of n over that of its mean.
_BY_MEDIAN, _OF_MEDIAN = 1.4826, np.sqrt(np.pi / 2)


@dataclass(frozen=True)
class Tried:
    """The moves of one direction.

    `acceptance` is the share accepted, None where none was tried; `work_kt` the mean work of switches that came to
    their end, None without.
    """

    n: int
    n_accepted: int
    acceptance: Estimate | None
    work_kt: Estimate | None


@dataclass(frozen=True)
class Attempts:
    """The moves of one species.

    Attributes
    ----------
    insertions, deletions : Tried
    acceptance : Estimate or None
        Of both directions together.
    dissipation_kt, dissipation_stderr_kt : float
        W_d: half of what a switch there and one back cost together, by the medians, which for Gaussian works are the
        means and which an insertion on top of an atom does not spoil. Half of d ln z / dN is in it.
    gaussian_acceptance : float
        That this dissipation would let through.
    works : Crooks
        Of the works less what the acceptance allows, ``w = beta W - ln(z V / (N + 1))`` of insertions and
        ``beta W - ln(N / (z V))`` of deletions: F is what ln z of the box as it is lies above that of the reservoir.
    n_exploded, n_left_region, n_empty : int
        Switches that failed, whose molecule ended outside the region, and deletions without a molecule.
    switching_ps : float
        Mean duration of a switch.
    ps_per_accepted, seconds_per_accepted : float
        Switching time and wall time for each accepted move; infinite without.
    """

    insertions: Tried
    deletions: Tried
    acceptance: Estimate | None
    dissipation_kt: float
    dissipation_stderr_kt: float
    gaussian_acceptance: float
    works: Crooks
    n_exploded: int
    n_left_region: int
    n_empty: int
    switching_ps: float
    ps_per_accepted: float
    seconds_per_accepted: float

    @property
    def n_accepted(self) -> int:
        """Accepted moves of both directions."""
        return self.insertions.n_accepted + self.deletions.n_accepted


def read_moves(path: Path) -> pd.DataFrame:
    """Return the moves of a run, one row each; a last line that is not whole is left out.

    Raises
    ------
    InvalidInput
        If the file is missing, or is no table of moves.
    """
    try:
        whole_lines = path.read_text(encoding="utf-8").rpartition("\n")[0]
        moves = pd.read_csv(StringIO(whole_lines), keep_default_na=False, na_values={name: [""] for name in _NUMBERS})
        missing = [name for name in MOVE_COLUMNS if name not in moves]
        if missing:
            raise ValueError(f"{', '.join(missing)} missing")
        is_accepted = moves.outcome == "accepted"
        return moves.astype(dict.fromkeys(_NUMBERS, float)).assign(accepted=is_accepted)
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise InvalidInput(f"{path}: not the moves of a run ({error})") from None


def net_work_kt(moves: pd.DataFrame) -> NDArray[np.float64]:
    """Return w of each move: minus the logarithm of what it was accepted with; infinite where it could not be."""
    possible = moves.outcome.isin(_POSSIBLE).to_numpy()
    return np.where(possible, -moves.log_acceptance.to_numpy(float), np.inf)


def _tried(moves: pd.DataFrame, temperature: float) -> Tried:
    accepted = moves.accepted.to_numpy(bool)
    works = moves.work_kj_mol.to_numpy(float) / kT_kj_mol(temperature)
    works = works[np.isfinite(works)]
    return Tried(
        len(moves),
        int(accepted.sum()),
        mean_with_error(accepted.astype(float)) if len(moves) else None,
        mean_with_error(works) if len(works) else None,
    )


def _median(works: NDArray[np.float64]) -> tuple[float, float]:
    """Return the median of works, some infinite, with its standard error as that of Gaussian ones."""
    middle = float(np.median(works)) if len(works) else np.nan
    if not np.isfinite(middle):
        return middle, np.nan
    deviation = _BY_MEDIAN * float(np.median(np.abs(works - middle)))
    return middle, float(_OF_MEDIAN * deviation / np.sqrt(len(works)))


def attempts(moves: pd.DataFrame, temperature: float) -> Attempts:
    """Return what the moves of one species, in the order of time, cost and came to.

    Works at different numbers of molecules are pooled without a correction. The net work w holds the ideal part of its
    own N and V, and a stationary run tries insertions and deletions at the same N, each N as often as it occurs: then
    P_insertion(w) / P_deletion(-w) = exp(w) exactly, summed over all N. In a run that is not stationary, F is to first
    order ln z of the box at the N that it has, less the ln z imposed: insertions see half a molecule more, deletions
    half a molecule less.

    Parameters
    ----------
    moves : pandas.DataFrame
        Rows of `read_moves`.
    temperature : float
        In K.
    """
    is_insertion = (moves.kind == "insertion").to_numpy()
    w = net_work_kt(moves)
    medians = [_median(w[rows & (moves.outcome != "empty").to_numpy()]) for rows in (is_insertion, ~is_insertion)]
    dissipation = sum(middle for middle, _ in medians) / 2
    n_accepted = int(moves.accepted.sum())
    switching_ps, seconds = float(moves.switching_ps.sum()), float(moves.seconds.sum())
    outcomes = moves.outcome.value_counts()
    return Attempts(
        insertions=_tried(moves[is_insertion], temperature),
        deletions=_tried(moves[~is_insertion], temperature),
        acceptance=mean_with_error(moves.accepted.to_numpy(float)) if len(moves) else None,
        dissipation_kt=dissipation,
        dissipation_stderr_kt=math.hypot(*(error for _, error in medians)) / 2,
        gaussian_acceptance=gaussian_acceptance(dissipation) if np.isfinite(dissipation) else np.nan,
        works=crooks(w, is_insertion),
        n_exploded=int(outcomes.get("exploded", 0)),
        n_left_region=int(outcomes.get("left_region", 0)),
        n_empty=int(outcomes.get("empty", 0)),
        switching_ps=switching_ps / len(moves) if len(moves) else np.nan,
        ps_per_accepted=switching_ps / n_accepted if n_accepted else np.inf,
        seconds_per_accepted=seconds / n_accepted if n_accepted else np.inf,
    )
