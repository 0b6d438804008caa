"""When a molecule was with a center: from contacts, which are moments, to stays, which are intervals."""

from dataclasses import dataclass, fields, replace

import numpy as np

from solvshell.analysis.geometry import Contacts

#: Excursions shorter than this (or than two frames) do not end a bridged stay.
BRIDGED_PS = 2.0


@dataclass(frozen=True)
class Stays:
    """Stays of a molecule with a center, shape (n_stays,), sorted by group, center, molecule and time.

    `group` is the site by which the molecule was held (or the group of sites asked for). The stay covers the frames
    from `first` to `last`, both included.
    """

    group: np.ndarray
    center: np.ndarray
    molecule: np.ndarray
    first: np.ndarray
    last: np.ndarray

    def where(self, mask: np.ndarray) -> "Stays":
        """Return the stays of a mask, shape (n_stays,), or of indices."""
        return Stays(*(getattr(self, field.name)[mask] for field in fields(self)))

    @property
    def follows(self) -> np.ndarray:
        """Whether each stay but the first belongs to the same group, center and molecule as the one before it."""
        columns = (self.group, self.center, self.molecule)
        return np.logical_and.reduce([column[1:] == column[:-1] for column in columns])

    def visits(self, tolerance: int) -> np.ndarray:
        """Return the number of the visit of each stay: absences of fewer than `tolerance` frames do not end a visit."""
        bridge = self.follows & (self.first[1:] - self.last[:-1] <= tolerance)
        return np.cumsum(np.append(False, ~bridge))[: len(self.first)]

    def bridged(self, tolerance: int) -> "Stays":
        """Return one stay for each visit."""
        visits = self.visits(tolerance)
        begins, ends = np.diff(visits, prepend=-1) != 0, np.diff(visits, append=-1) != 0
        return replace(self.where(begins), last=self.last[ends])


def tolerance_frames(timestep_ps: float) -> int:
    """Return how many frames of absence end a bridged stay: two, and as many as make `BRIDGED_PS`.

    A time step of zero, that of a single frame, makes two.
    """
    return max(2, int(np.ceil(BRIDGED_PS / timestep_ps - 1e-9))) if timestep_ps else 2


def continuous_stays(contacts: Contacts, group_of_site: np.ndarray | None = None) -> Stays:
    """Return the stays during which a molecule was with a center in every frame.

    A molecule that touches with several atoms of a site counts once.

    Parameters
    ----------
    contacts
        Within the cutoffs, in any order.
    group_of_site
        Shape (n_sites,): sites of one group count as one, so that a molecule that changes its grip has not left. Each
        site is its own group if left out.
    """
    group = contacts.site if group_of_site is None else group_of_site[contacts.site]
    if len(group) == 0:
        return Stays(*(np.empty(0, dtype=np.int64) for _ in fields(Stays)))
    # One number per contact, in which the frames of one group, center and molecule lie side by side and those of
    # different ones apart by more than a frame: one sort of integers, then every gap ends a stay.
    n_centers, n_molecules, stride = (int(a.max()) + 2 for a in (contacts.center, contacts.molecule, contacts.frame))
    key = group.astype(np.int64)
    for column, size in ((contacts.center, n_centers), (contacts.molecule, n_molecules), (contacts.frame, stride)):
        key *= size
        key += column
    key.sort()
    gaps = np.flatnonzero(np.diff(key) > 1)
    which, first = np.divmod(key[np.append(0, gaps + 1)], stride)
    last = key[np.append(gaps, len(key) - 1)] - which * stride
    of_group, molecule = np.divmod(which, n_molecules)
    return Stays(*np.divmod(of_group, n_centers), molecule, first, last)
