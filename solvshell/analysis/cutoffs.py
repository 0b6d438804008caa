"""Where the first shell of each pair ends, and who says so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from solvshell.analysis.peaks import Shell, Status
from solvshell.analysis.rdf import PairCounts
from solvshell.analysis.sites import Sites
from solvshell.errors import WorkFailed

#: Center, partner and site by name.
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Cutoff:
    """The end of the first shell of one pair.

    Attributes
    ----------
    angstrom
        None where there is no shell, or too few samples to say where it ends; infinite where a rule of the caller
        decides instead.
    source
        Who says so: ``caller`` (a shell of one's own), ``given`` (the species file), ``first_minimum`` (g(r)), or
        ``typical`` (of such sites, where there are too few samples).
    status
        Of the first peak.
    """

    angstrom: float | None
    source: str | None
    status: Status

    @property
    def is_unknown(self) -> bool:
        """Whether there are too few samples to say where the shell ends."""
        return self.angstrom is None and self.status == "too_few_samples"


def cutoff_of(pair: PairCounts, shell: Shell, asked: float = 0.0) -> Cutoff:
    """Return the cutoff of a pair: that of the caller if there is one, or given, or the first minimum, or typical."""
    if pair.center.reference or not pair.site.coordinating:
        return Cutoff(None, None, shell.status)
    if asked > 0:
        return Cutoff(asked, "caller", shell.status)
    if (given := pair.site.given_cutoff_angstrom.get(pair.center.name)) is not None:
        return Cutoff(given, "given", shell.status)
    typical = pair.site.typical_cutoff_angstrom.get(pair.center.name)
    if shell.status == "too_few_samples" and typical is not None:
        return Cutoff(typical, "typical", shell.status)
    return Cutoff(shell.first_minimum, None if shell.first_minimum is None else "first_minimum", shell.status)


def cutoffs_by_pair(
    fine: Sequence[PairCounts], shells: Sequence[Shell], asked: Mapping[Key, float] | None = None
) -> dict[Key, Cutoff]:
    """Return the cutoff of each pair, in the order of the pairs; see `cutoff_of`.

    Parameters
    ----------
    fine, shells
        Pair counts, and the first shell in each of them.
    asked
        Radii of the caller in Å. A pair that is not named has its own cutoff.

    Raises
    ------
    WorkFailed
        If no partner has a first shell, and none a cutoff of other origin.
    """
    cutoffs = {
        pair.key: cutoff_of(pair, shell, (asked or {}).get(pair.key, 0.0))
        for pair, shell in zip(fine, shells, strict=True)
    }
    of_centers = [cutoffs[pair.key] for pair in fine if not pair.center.reference]
    if all(cutoff.status == "no_shell" and cutoff.angstrom is None for cutoff in of_centers):
        raise WorkFailed("no partner has a first shell around any center: check the sites of the species file")
    return cutoffs


def cutoff_matrix(sites: Sites, cutoffs: Mapping[Key, Cutoff]) -> np.ndarray:
    """Return cutoffs in Å as `FirstShells` has them, shape (n_center_species, n_sites).

    0 where nothing is counted, at a partner without shell or a reference site; not a number where there are too few
    samples to say where the shell ends.
    """
    matrix = np.zeros((len(sites.centers), len(sites.sites)))
    for i, center in enumerate(sites.centers):
        for j, site in enumerate(sites.sites):
            if site.coordinating:
                cutoff = cutoffs[center.name, site.partner, site.name]
                matrix[i, j] = np.nan if cutoff.is_unknown else cutoff.angstrom or 0.0
    return matrix


def find_cutoffs(fine: Sequence[PairCounts], shells: Sequence[Shell], sites: Sites) -> np.ndarray:
    """Return the cutoffs of the first shells in g(r), as `cutoff_matrix`."""
    return cutoff_matrix(sites, cutoffs_by_pair(fine, shells))
