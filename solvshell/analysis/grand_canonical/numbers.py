"""How many molecules there are: means with errors, and whether they are those of the reservoir's own bulk."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solvshell.analysis.statistics import Equilibration, Estimate, equilibration, is_constant, mean_with_error
from solvshell.occupancy import OccupancyTable
from solvshell.reservoir import Reservoir
from solvshell.units import PARTICLE_PER_NM3

#: An average from fewer accepted moves is not converged.
FEWEST_ACCEPTED = 50
#: A number agrees with that of the bulk within so many standard errors, if these are at most this share of it.
_SIGNIFICANCE, _LARGEST_ERROR = 3.0, 0.05
#: Where equilibrium may begin: at so many places, evenly over the run.
_BLOCKS = 64


@dataclass(frozen=True)
class Expected:
    """The number of molecules that the reservoir's own bulk has in this volume, and whether the run has it.

    The standard error is that which the errors of all activities bring into the number of the run, ``sum_s
    cov(N, N_s)^2 sigma(ln z_s)^2`` (fluctuation relation d<N>/d ln z_s = cov(N, N_s)), and not that of the run itself.
    `agreement` is ``passes``, ``differs`` or ``inconclusive``: passes if the difference is below three of the standard
    errors of both, and these are at most 5 % of the number. Inconclusive is no pass.
    """

    n: float
    stderr: float
    agreement: str


@dataclass(frozen=True)
class Molecules:
    """The molecules of one open species.

    Attributes
    ----------
    n, molarity, share : Estimate
        Number in the box, mol/L, and mole fraction among the open species.
    variance : float
        Of the number: what one kT of ln z more changes it by.
    n_start : int
        In the first frame of the run.
    n_accepted : int
        Accepted moves of the part of the run that was used.
    status : str
        ``resolved`` or ``not_converged``.
    reason : str
        Why it is not converged; empty otherwise.
    expected : Expected or None
        None where the run is of another composition than the reservoir's bulk.
    """

    n: Estimate
    molarity: Estimate
    share: Estimate
    variance: float
    n_start: int
    n_accepted: int
    status: str
    reason: str
    expected: Expected | None


def settled(occupancy: OccupancyTable) -> tuple[int, Equilibration]:
    """Return the first frame to use, and what was found: the numbers of all species and the volume must be steady."""
    starts = np.unique(np.linspace(0, len(occupancy), min(_BLOCKS, len(occupancy)) + 1).astype(int))
    series = [occupancy.counts(species).astype(float) for species in occupancy.present]
    found = equilibration([*series, occupancy.volume_nm3], starts)
    return int(starts[found.n_blocks]), found


def accepted_moves(n: int) -> str:
    """Return a number of accepted moves in words."""
    return f"{n} accepted move" + "s" * (n != 1)


def _why_not(n: Estimate, n_accepted: int, is_drifting: bool) -> str:
    if n_accepted < FEWEST_ACCEPTED:
        return f"{accepted_moves(n_accepted)}, fewer than {FEWEST_ACCEPTED}"
    if not n.is_resolved:
        return f"{n.n_independent:.0f} independent samples ({accepted_moves(n_accepted)})"
    return f"still drifting after half of the run ({accepted_moves(n_accepted)})" if is_drifting else ""


def _agreement(n: Estimate, expected: float, stderr: float) -> str:
    error = float(np.hypot(n.stderr or np.nan, stderr))
    if not error <= _LARGEST_ERROR * n.mean:
        return "inconclusive"
    return "passes" if abs(n.mean - expected) < _SIGNIFICANCE * error else "differs"


def bulk_density(species: str, reservoir: Reservoir) -> float:
    """Return the number density in nm^-3 at which the activity of a species is that of the reservoir's bulk.

    Not a number if the reservoir does not tell. An activity from a decoupling belongs to half a molecule less than the
    box had (`Activity.at_n`), and its density is that in the volume of the box without the molecule; at constant
    pressure half a molecule, taken for as large as the mean of all, comes back to that.
    """
    held = reservoir.species[species]
    if held.density is None:
        return float("nan")
    if held.at_n is None or held.n is None:
        return held.density
    n_all = sum(reservoir.medium.values())
    growth = (n_all - 0.5) / (n_all - 1) if reservoir.pressure is not None and n_all > 1 else 1.0
    return held.density * held.at_n / held.n / growth


def _expected(
    species: str, counts: Mapping[str, NDArray[np.int64]], volume_nm3: float, n: Estimate, reservoir: Reservoir
) -> Expected | None:
    """Return the number expected; None if the reservoir does not tell its own density."""
    density = bulk_density(species, reservoir)
    if np.isnan(density):
        return None
    changes = [
        float(np.cov(counts[species], counts[other])[0, 1]) * (reservoir.species[other].beta_mu_error or 0.0)
        for other in counts
    ]
    stderr = float(np.linalg.norm(changes))
    return Expected(density * volume_nm3, stderr, _agreement(n, density * volume_nm3, stderr))


def molecules(
    occupancy: OccupancyTable, n_accepted: Mapping[str, int], reservoir: Reservoir, *, is_bulk: bool
) -> dict[str, Molecules]:
    """Return how many molecules of each open species there are, from the frames after the start has settled.

    Parameters
    ----------
    occupancy : OccupancyTable
    n_accepted : mapping of str to int
        Accepted moves of each species since then.
    reservoir : Reservoir
    is_bulk : bool
        Whether the run is of the reservoir's own bulk.
    """
    first, found = settled(occupancy)
    counts = {species: occupancy.counts(species)[first:] for species in occupancy.present}
    volume = occupancy.volume_nm3[first:]
    total = np.maximum(sum(counts.values()), 1)
    result = {}
    for species, n_of_frames in counts.items():
        n = mean_with_error(n_of_frames.astype(float))
        reason = _why_not(n, n_accepted[species], found.clipped)
        expected = None
        if is_bulk and len(n_of_frames) > 1:
            expected = _expected(species, counts, float(volume.mean()), n, reservoir)
        if expected is not None and reason:
            expected = Expected(expected.n, expected.stderr, "inconclusive")
        result[species] = Molecules(
            n=n,
            molarity=mean_with_error(n_of_frames / volume * PARTICLE_PER_NM3),
            share=mean_with_error(n_of_frames / total),
            variance=0.0 if is_constant(n_of_frames) else float(n_of_frames.var(ddof=1)),
            n_start=int(occupancy.counts(species)[0]),
            n_accepted=n_accepted[species],
            status="not_converged" if reason else "resolved",
            reason=reason,
            expected=expected,
        )
    return result
