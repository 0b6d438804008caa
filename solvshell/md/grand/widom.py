"""The excess chemical potential by Widom's insertions: enough for gases, where a molecule finds room by chance."""

from dataclasses import dataclass

import numpy as np
import openmm

from solvshell.engine import advance
from solvshell.md.grand.averages import ratio
from solvshell.md.grand.sampler import Sampler
from solvshell.units import kT_kj_mol

#: Fewer insertions that make the average are too few to tell it.
FEWEST_INSERTIONS = 50
#: ... and so are fewer independent frames.
_FEWEST_FRAMES = 10


@dataclass(frozen=True)
class WidomEstimate:
    """An excess chemical potential.

    Attributes
    ----------
    species : str
    mu_ex_kj_mol, stderr_kj_mol : float
        Of a molecule that is put to those that are there: the test molecule is none of them.
    counts : dict of str to int
        The composition at which it is taken: molecules of each open species that are there.
    n_insertions : int
        Insertions tried.
    n_effective : float
        How many of them make the average: (sum w)^2 / sum w^2 of their Boltzmann factors w (Kish).
    n_independent : float
        Independent frames among those that molecules were put into.
    """

    species: str
    mu_ex_kj_mol: float
    stderr_kj_mol: float
    counts: dict[str, int]
    n_insertions: int
    n_effective: float
    n_independent: float

    @property
    def _problems(self) -> list[str]:
        problems = []
        if self.n_effective < FEWEST_INSERTIONS:
            problems.append(f"fewer than {FEWEST_INSERTIONS} insertions make the average")
        if self.n_independent < _FEWEST_FRAMES:
            problems.append(f"{self.n_independent:.3g} independent frames, fewer than {_FEWEST_FRAMES}")
        return problems

    @property
    def status(self) -> str:
        """``ok``, or ``not converged`` if fewer than 50 insertions or 10 independent frames make the average.

        A few insertions that dominate are the luckiest of those tried, not the most important of those possible: mu_ex
        is too high then, by more than its error.
        """
        return "not converged" if self._problems else "ok"

    def __str__(self) -> str:
        where = ", ".join(f"{n} {species}" for species, n in self.counts.items())
        return (
            f"mu_ex of {self.species} in {where}: {self.mu_ex_kj_mol:.3f} +- {self.stderr_kj_mol:.3f} kJ/mol, "
            f"{self.status}{': ' * bool(self._problems)}{'; '.join(self._problems)} "
            f"({self.n_effective:.0f} of {self.n_insertions} insertions make the average)"
        )


def widom(
    context: openmm.Context,
    sampler: Sampler,
    species: str,
    *,
    temperature: float,
    n_frames: int,
    insertions: int,
    steps: int,
) -> WidomEstimate:
    """Return mu_ex = -kT ln(<V exp(-beta dU)> / <V>) from instantaneous insertions, none of which is kept.

    At constant volume V drops out (Widom, J. Chem. Phys. 39, 2808 (1963); Shing and Chung, J. Phys. Chem. 91, 1674
    (1987)). The error is from the scatter of frames, which knows how long the system remembers.

    Parameters
    ----------
    context : openmm.Context
        That of the sampler, equilibrated; its dynamics are advanced, the molecules that are there stay.
    sampler : Sampler
    species : str
        One of the open species, with an instantaneous schedule.
    temperature : float
        In K.
    n_frames, insertions, steps : int
        Frames, insertions into each of them, time steps between two of them; without steps (one molecule alone: all
        frames are alike) frames are blocks of insertions.

    Raises
    ------
    ValueError
        If the schedule of the species has dynamics, or there are fewer than two frames.
    """
    if sampler.open_species[species].schedule.n_steps:
        raise ValueError(f"{species}: Widom's insertions are instantaneous, its schedule has dynamics")
    if n_frames < 2 or insertions < 1:
        raise ValueError(f"at least two frames and an insertion into each, got {n_frames} and {insertions}")
    kT = kT_kj_mol(temperature)
    factors, volumes = np.empty((n_frames, insertions)), np.empty(n_frames)
    for frame in range(n_frames):
        if steps:
            advance(context, steps)
        attempts = [sampler.dry_switch(species, "insertion") for _ in range(insertions)]
        factors[frame] = np.exp([-attempt.work_kj_mol / kT for attempt in attempts])
        volumes[frame] = attempts[0].volume_nm3
    weights = factors * volumes[:, None]
    mean = ratio(weights.mean(axis=1), volumes)
    is_met = mean.mean > 0
    return WidomEstimate(
        species=species,
        mu_ex_kj_mol=-kT * float(np.log(mean.mean)) if is_met else float("inf"),
        stderr_kj_mol=kT * mean.stderr / mean.mean if is_met else float("nan"),
        counts=sampler.occupancy.counts,
        n_insertions=factors.size,
        n_effective=float(weights.sum() ** 2 / (weights**2).sum()) if is_met else 0.0,
        n_independent=mean.n_independent,
    )
