"""The pass over a trajectory, and a first look at what it gave."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from MDAnalysis.analysis.results import Results

from solvshell.analysis.cutoffs import Cutoff, Key, cutoff_matrix, cutoffs_by_pair
from solvshell.analysis.geometry import SolvationGeometry
from solvshell.analysis.peaks import Shell, first_shell
from solvshell.analysis.rdf import fine_counts
from solvshell.analysis.shells import FirstShells, ShellDefinition, first_shells, radii_matrix
from solvshell.analysis.sites import Sites
from solvshell.analysis.statistics import bootstrap_blocks
from solvshell.errors import InvalidInput

#: Samples enough for first peaks and cutoffs, by which equilibration is judged.
_FIRST_BOOTSTRAP = 100
#: A first minimum so near to the capture radius may lie behind it once the first frames are dropped, in Å.
_CAPTURE_MARGIN = 0.2


@dataclass(frozen=True)
class ShellOfCaller:
    """What a first shell is: radii of the caller in Å, which go before all others, or a rule in place of any radius."""

    radii: Mapping[Key, float]
    rule: Callable[..., np.ndarray] | None

    @property
    def described(self) -> str | dict[str, float]:
        """For the summary."""
        if self.rule is not None:
            return f"rule of the caller: {getattr(self.rule, '__qualname__', type(self.rule).__name__)}"
        return {f"{center}-{partner} {site}": r for (center, partner, site), r in self.radii.items()} or "first minima"


def _asked(shell: ShellDefinition | None, sites: Sites) -> ShellOfCaller:
    if shell is None:
        return ShellOfCaller({}, None)
    if isinstance(shell, Mapping):
        radii_matrix(shell, sites)  # refuses wrong ones before the trajectory is read
        return ShellOfCaller(shell, None)
    if not callable(shell):
        raise InvalidInput(f"shell: {shell!r} (allowed: radii by center, partner and site; or a function)")
    keys = [(center.name, site.partner, site.name) for center in sites.centers for site in sites.sites]
    return ShellOfCaller(dict.fromkeys(keys, np.inf), shell)


@dataclass(frozen=True)
class Look:
    """What reading gave, and a first look at all frames: peaks and cutoffs, by which equilibration is judged."""

    sites: Sites
    geometry: Results
    asked: ShellOfCaller
    farthest: float
    peak_shells: list[Shell]
    cutoffs: dict[Key, Cutoff]

    @property
    def n_blocks(self) -> int:
        """The blocks of frames in which pairs are counted."""
        return len(self.geometry.block_starts) - 1

    def shells_within(self, cutoffs: dict[Key, Cutoff], first_frame: int = 0) -> FirstShells:
        """Return the first shells within cutoffs, or by the rule of the caller, from a frame on."""
        definition = cutoff_matrix(self.sites, cutoffs) if self.asked.rule is None else self.asked.rule
        return first_shells(self.geometry, self.sites, definition, first_frame)


def _pass(sites: Sites, capture: float, r_max: float | None, how: dict[str, Any]) -> Results:
    geometry = SolvationGeometry.from_sites(sites, r_max=r_max, capture_radius=capture)
    try:
        geometry.run(**how)
    except (OSError, EOFError) as error:
        raise InvalidInput(f"trajectory: cannot be read to its end: {' '.join(str(error).split())}") from error
    limit = geometry.results.edges[-1]
    for site in sites.sites:
        if (given := max(site.given_cutoff_angstrom.values(), default=0)) > limit:
            field = f"partners.{site.partner}.cutoff_angstrom"
            raise InvalidInput(f"{field}: {given:g} Å (allowed: at most {limit:.2f} Å, where g(r) ends)")
    return geometry.results


def look_at(
    sites: Sites,
    shell: ShellDefinition | None,
    *,
    farthest: float,
    r_max: float | None,
    how: dict[str, Any],
    rng: np.random.Generator,
) -> Look:
    """Return one pass over a trajectory and a first look at it.

    Should a first shell end beyond the capture radius, the trajectory is read once more with a larger one.

    Parameters
    ----------
    shell
        As in `analyze`.
    farthest
        Where the first peak of a center lies at most, and up to where contacts are kept at least, in Å.
    how
        Of the pass: ``start``, ``backend`` ...
    """
    asked = _asked(shell, sites)
    given = [cutoff for site in sites.sites for cutoff in site.given_cutoff_angstrom.values()]
    finite = [radius for radius in asked.radii.values() if np.isfinite(radius)]
    geometry = _pass(sites, max([farthest, *given, *finite]), r_max, how)
    fine = fine_counts(geometry, sites)
    bootstrap = bootstrap_blocks(len(geometry.block_starts) - 1, 1, _FIRST_BOOTSTRAP, rng)
    peaks = [first_shell(pair, bootstrap, farthest) for pair in fine]
    cutoffs = cutoffs_by_pair(fine, peaks, asked.radii)
    of_minima = [cutoff.angstrom or 0.0 for cutoff in cutoffs.values() if cutoff.source == "first_minimum"]
    longest, captured = max(of_minima, default=0.0), geometry.capture_radius
    if longest > captured - _CAPTURE_MARGIN and captured < geometry.edges[-1]:
        geometry = _pass(sites, longest + 1.0, r_max, how)
    return Look(sites, geometry, asked, farthest, peaks, cutoffs)
