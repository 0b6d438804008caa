"""How much of something each center has in each frame."""

import numpy as np

from solvshell.analysis.shells import FirstShells
from solvshell.analysis.sites import Center, Sites


def coordinating_sites(sites: Sites, partner: str) -> np.ndarray:
    """Return which sites are coordinating ones of a partner, shape (n_sites,)."""
    return np.array([site.coordinating and site.partner == partner for site in sites.sites])


def has_known_shell(cutoffs: np.ndarray) -> bool:
    """Return whether all cutoffs are known and at least one has a shell within it."""
    return bool((cutoffs >= 0).all() and (cutoffs > 0).any())


def tally(place: np.ndarray, shells: FirstShells, center: Center, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the rows (or the sum of their weights) at each center of one species, shape (n_frames, n_members).

    Parameters
    ----------
    place
        ``frame n_centers + center`` of each row, in 64 bits.
    """
    n_centers = shells.sites.n_centers
    total = np.bincount(place, weights, minlength=shells.n_frames * n_centers).reshape(shells.n_frames, n_centers)
    return total[:, center.members].astype(float)
