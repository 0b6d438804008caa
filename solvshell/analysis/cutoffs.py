"""Where the first shell of each pair ends."""

import numpy as np

from solvshell.analysis.peaks import Shell
from solvshell.analysis.rdf import PairCounts
from solvshell.analysis.sites import Sites
from solvshell.errors import WorkFailed


def cutoff_of(pair: PairCounts, shell: Shell) -> tuple[float | None, str | None]:
    """Return the cutoff of a pair in Å and its source: ``given``, ``typical`` or ``first_minimum``; None without."""
    if pair.center.reference or not pair.site.coordinating:
        return None, None
    given = pair.site.given_cutoff_angstrom.get(pair.center.name)
    if given is not None:
        return given, "given"
    typical = pair.site.typical_cutoff_angstrom.get(pair.center.name)
    if shell.status == "too_few_samples" and typical is not None:
        return typical, "typical"
    return shell.first_minimum, None if shell.first_minimum is None else "first_minimum"


def find_cutoffs(fine: list[PairCounts], shells: list[Shell], sites: Sites) -> np.ndarray:
    """Return the cutoffs in Å, shape (n_center_species, n_sites); see `FirstShells`.

    0 where nothing is counted, at a partner without shell or a reference site; not a number where there are too few
    samples to say where the shell ends. Reference centers have none.

    Raises
    ------
    WorkFailed
        If no partner has a first shell.
    """
    found = [(pair, shell) for pair, shell in zip(fine, shells, strict=True) if not pair.center.reference]
    cutoffs = np.zeros(len(found))
    for i, (pair, shell) in enumerate(found):
        unknown = pair.site.coordinating and shell.status == "too_few_samples"
        cutoffs[i] = cutoff_of(pair, shell)[0] or (np.nan if unknown else 0)
    if (cutoffs == 0).all() and all(shell.status == "no_shell" for _, shell in found):
        raise WorkFailed("no partner has a first shell around any center: check the sites of the species file")
    return cutoffs.reshape(len(sites.centers), len(sites.sites))
