"""Whether the replicas of a system are long enough, together."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from solvshell.analysis.convergence import convergence_of_replicas, with_doubts
from solvshell.analysis.statistics import MIN_REPLICAS
from solvshell.shown import Shown


def long_enough(replicas: Sequence[Shown]) -> pd.DataFrame:
    """Return what analyzed replicas are long enough for, as `convergence_of_replicas` has it, with their doubts.

    A replica that is not equilibrated, or has no plateau, makes the numbers of all doubtful: what none of them has seen
    is not in their scatter. That errors within the runs are lower bounds counts where these are the errors.
    """
    of_runs = [replica.summary["flags"] for replica in replicas]
    flags: dict[str, Any] = {name: any(one.get(name) for one in of_runs) for name in ("not_equilibrated", "no_plateau")}
    if len(replicas) < MIN_REPLICAS:
        flags["short_draws"] = {pair for one in of_runs for pair in one.get("short_draws", [])}
    return with_doubts(convergence_of_replicas([replica.tables["convergence"] for replica in replicas]), flags)
