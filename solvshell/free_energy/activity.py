"""The activity of a species, from molecules of it that were decoupled.

Between boxes with N and with N - 1 molecules of a species at constant pressure

    exp(-(G(N) - G(N - 1)) / kT) = <V>_(N-1) exp(-mu_ex / kT) / (N Lambda^3),

since the decoupled state is the box of N - 1 with one free molecule in its volume; <V>_(N-1) is 1 / <1/V> over that
state. Hence z = exp(mu / kT) / Lambda^3 = N / <V>_(N-1) exp(mu_ex / kT) is exact for the step from N - 1 to N, whatever
N is, and is the activity of the bulk with N - 1/2 of them up to terms of order 1 / N^2. At constant volume the same
holds with F and V. Of ideal molecules it is p / kT, or N / V.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from solvshell.analysis.statistics import MIN_REPLICAS
from solvshell.errors import WorkFailed
from solvshell.free_energy.decoupling import STATUSES, Decoupling
from solvshell.free_energy.states import LEAST_OVERLAP
from solvshell.reservoir import Activity
from solvshell.units import kT_kj_mol, text


def _mean(values: Iterable[float], own_errors: Iterable[float]) -> tuple[float, float]:
    """Return the mean of replicas and its error: the larger of what their own say and, from three on, their scatter."""
    found = np.array([*values])
    own = np.linalg.norm([*own_errors]) / len(found)
    scatter = found.std(ddof=1) / np.sqrt(len(found)) if len(found) >= MIN_REPLICAS else 0.0
    return float(found.mean()), float(max(own, scatter))


def _refuse_poor_overlap(found: Decoupling) -> None:
    if found.status != "poor_overlap":
        return
    worst = int(found.states.overlap_with_next.idxmin())
    two = found.states.iloc[[worst, worst + 1]]
    states = " and ".join(f"charges {s.charges:g}, lennard_jones {s.lennard_jones:g}" for s in two.itertuples())
    raise WorkFailed(
        f"{found.molecules[0]}: no activity, since two states ({states}) share {100 * found.smallest_overlap:.1f} % of "
        f"their samples, less than {100 * LEAST_OVERLAP:g} %: sample longer, or put a state between in the protocol"
    )


def activity_of(replicas: Sequence[Decoupling]) -> Activity:
    """Return the activity of a species from replicas of its decoupling: the mean of ln z, with its error.

    Parameters
    ----------
    replicas : sequence of Decoupling
        Of one molecule each, in boxes of the same composition.

    Raises
    ------
    WorkFailed
        If states of one of them do not overlap.
    """
    for found in replicas:
        _refuse_poor_overlap(found)
    (name,), kT = replicas[0].molecules, kT_kj_mol(replicas[0].temperature)
    n = int(replicas[0].composition.set_index("species").n_with_set[name])
    log_density = [float(np.log(n / found.volume_nm3)) for found in replicas]
    log_z, log_z_error = _mean(
        (density + found.mu_ex_kj_mol / kT for density, found in zip(log_density, replicas, strict=True)),
        (np.hypot(found.stderr_kj_mol / kT, found.volume_stderr_nm3 / found.volume_nm3) for found in replicas),
    )
    mu_ex, mu_ex_error = _mean(*zip(*((found.mu_ex_kj_mol, found.stderr_kj_mol) for found in replicas), strict=True))
    content = {
        "activity": text(float(np.exp(log_z)), "concentration"),
        "beta_mu_error": log_z_error,
        "mu_ex": text(mu_ex, "potential"),
        "mu_ex_error": text(mu_ex_error, "energy") if mu_ex_error else None,
        "density": text(float(np.exp(np.mean(log_density))), "concentration"),
        "n": n,
        "at_n": n - 0.5,
        "status": max((found.status for found in replicas), key=STATUSES.index),
    }
    return Activity.model_validate(content)
