"""How long a molecule stays with a center."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from solvshell.analysis.censored import Residence, exponential_residence
from solvshell.analysis.decays import Resampled, bound_moments, decay_functions, thinned_lags
from solvshell.analysis.exponentials import Area, area_of
from solvshell.analysis.shells import FirstShells
from solvshell.analysis.sites import Center, Site, Sites
from solvshell.analysis.statistics import bootstrap_blocks
from solvshell.analysis.stays import Stays, continuous_stays, tolerance_frames

RESIDENCE_COLUMNS = ["center", "partner", "site", "method", "time_ps", "stderr_ps"]
DECAY_COLUMNS = [
    "center", "partner", "site", "time_ps", "continuous", "continuous_stderr", "intermittent", "intermittent_stderr",
]  # fmt: skip
METHOD = "censored_exponential"
METHODS = (
    METHOD,
    "continuous_integral",
    "intermittent_integral",
    "continuous_biexponential",
    "intermittent_biexponential",
)
_MAX_BLOCKS = 32


@dataclass(frozen=True)
class Decay:
    """A correlation function, shape (n_lags,), its exponentials and its integral; `area.reason` says what is missing.

    `chance` is the level to which it falls, above which the exponentials and the integral are taken. `n_departures` is
    the number of visits whose ends, or flickers, it is made from.
    """

    values: np.ndarray
    stderr: np.ndarray
    chance: float
    n_departures: int
    area: Area


@dataclass(frozen=True)
class PairResidence:
    """Residence of the molecules of one site at one center species: three views of the same stays.

    All are None where there was no contact.
    """

    center: str
    partner: str
    site: str
    exponential: Residence | None
    continuous: Decay | None
    intermittent: Decay | None

    @property
    def times(self) -> list[tuple[float | None, float | None]]:
        """Time and standard error in ps by each of the `METHODS`."""
        decays = (self.continuous, self.intermittent)
        integrals = [decay and decay.area.integral_ps for decay in decays]
        means = [decay and decay.area.fit and decay.area.fit.mean_ps for decay in decays]
        by_decay = [(found.mean, found.stderr) if found else (None, None) for found in (*integrals, *means)]
        first = self.exponential
        return [(first.time_ps, first.stderr_ps) if first else (None, None), *by_decay]

    def to_dict(self) -> dict[str, Any]:
        """Return all that is known apart from the curves, as plain values."""
        found: dict[str, Any] = {"center": self.center, "partner": self.partner, "site": self.site}
        found["exponential"] = asdict(self.exponential) if self.exponential else None
        for name, decay in (("continuous", self.continuous), ("intermittent", self.intermittent)):
            found[name] = decay and {"n_departures": decay.n_departures, "chance": decay.chance} | asdict(decay.area)
        return found


@dataclass(frozen=True)
class ResidenceTimes:
    """Residence of all pairs of a center species and a coordinating site; the decays are at `lags_ps` (n_lags,)."""

    pairs: tuple[PairResidence, ...]
    lags_ps: np.ndarray

    def to_dataframe(self) -> pd.DataFrame:
        """Return the times by each of the `METHODS`, empty where the run cannot tell."""
        rows = [
            (pair.center, pair.partner, pair.site, method, *time)
            for pair in self.pairs
            for method, time in zip(METHODS, pair.times, strict=True)
        ]
        return pd.DataFrame(rows, columns=RESIDENCE_COLUMNS).astype({"time_ps": float, "stderr_ps": float})

    def decays(self) -> pd.DataFrame:
        """Return S(t) and C(t) of the pairs that met, one row per lag."""
        tables = []
        for pair in self.pairs:
            if pair.continuous and pair.intermittent:
                decays = (pair.continuous, pair.intermittent)
                curves = [curve for decay in decays for curve in (decay.values, decay.stderr)]
                columns = (pair.center, pair.partner, pair.site, self.lags_ps, *curves)
                tables.append(pd.DataFrame(dict(zip(DECAY_COLUMNS, columns, strict=True))))
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=DECAY_COLUMNS)


def _pair_residence(
    center: Center, site: Site, stays: Stays, shells: FirstShells, lags: np.ndarray, rng: np.random.Generator,
    n_samples: int,
) -> PairResidence:  # fmt: skip
    exponential = exponential_residence(stays, shells.n_frames, shells.timestep_ps)
    if exponential is None:
        return PairResidence(center.name, site.partner, site.name, None, None, None)
    n_blocks = min(_MAX_BLOCKS, shells.n_frames)
    borders = np.linspace(0, shells.n_frames, n_blocks + 1).astype(int)
    moments = bound_moments(stays, lags, borders, len(center.atoms))
    molecules = np.unique(site.molecule_idx)
    others = len(molecules) - np.isin(center.molecule_idx, molecules)
    # A draw should be longer than the memory of the liquid, which is two residence times.
    memory_ps = 2 * (exponential.time_ps or exponential.lower_bound_ps or 0.0)
    run_ps = shells.n_frames * shells.timestep_ps
    blocks_per_draw = int(np.ceil(n_blocks * min(1.0, memory_ps / run_ps))) if run_ps else 1
    by_blocks = bootstrap_blocks(n_blocks, blocks_per_draw, n_samples, rng)
    ways = (by_blocks, bootstrap_blocks(len(center.atoms), 1, n_samples, rng))
    continuous, intermittent, excess, chance = decay_functions(moments, np.outer(others, np.diff(borders)), ways)
    lags_ps = lags * shells.timestep_ps

    def decay(curve: Resampled, above_chance: Resampled, level: float, n_departures: int) -> Decay:
        area = area_of(lags_ps, above_chance, n_departures)
        return Decay(curve.values, curve.stderr, level, n_departures, area)

    # The flickers of one visit come in bursts and are one sample.
    visits = stays.visits(tolerance_frames(shells.timestep_ps))
    n_left = len(np.unique(visits[stays.last < shells.n_frames - 1]))
    return PairResidence(
        center.name, site.partner, site.name, exponential,
        decay(continuous, continuous, 0.0, n_left),
        decay(intermittent, excess, float(chance.values[0]), exponential.n_departures),
    )  # fmt: skip


def _no_times(sites: Sites) -> ResidenceTimes:
    pairs = tuple(
        PairResidence(center.name, site.partner, site.name, None, None, None)
        for center in sites.centers
        for site in sites.sites
        if site.coordinating
    )
    return ResidenceTimes(pairs, np.zeros(0))


def residence_times(shells: FirstShells, rng: np.random.Generator, n_samples: int = 200) -> ResidenceTimes:
    """Return how long molecules stay with the centers, for each center species and coordinating site.

    By three views of the same stays. `censored_exponential` is that of `exponential_residence`. `continuous_...` belong
    to S(t), which ends with the first frame of absence and so depends on the time between frames; `intermittent_...` to
    C(t), which forgives absences of any length: see `decays`. Their `..._integral` is the area under the decay, their
    `..._biexponential` the area under two exponentials fitted to it: see `exponentials.area_of`. A molecule counts once
    however many of its atoms touch.

    Standard errors of the decays are from a bootstrap of blocks of frames, or of the centers, whichever is larger.

    Where molecules come and go there are no times: they vanish between frames, and switching is outside of time.

    Parameters
    ----------
    shells
        First shells in equally spaced frames.
    rng, n_samples
        For the bootstrap.
    """
    if shells.sites.presence is not None:
        return _no_times(shells.sites)
    lags = thinned_lags(shells.n_frames)
    every = continuous_stays(shells.contacts)
    pairs = []
    for center in shells.sites.centers:
        of_center = (every.center >= center.members.start) & (every.center < center.members.stop)
        for j, site in enumerate(shells.sites.sites):
            if site.coordinating:
                stays = every.where(of_center & (every.group == j))
                stays = replace(stays, center=stays.center - center.first)
                pairs.append(_pair_residence(center, site, stays, shells, lags, rng, n_samples))
    return ResidenceTimes(tuple(pairs), lags * shells.timestep_ps)
