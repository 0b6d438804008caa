"""Interaction energies of all centers in some frames of an analysis, ready to be averaged."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

#: The last axis of the arrays.
LJ, BARE, EWALD = 0, 1, 2
COULOMB = {"bare": BARE, "ewald": EWALD}


@dataclass(frozen=True)
class Species:
    """A center or partner species.

    `charge` is that of a molecule in the model, in e, and `n_plus` its number of ammonium nitrogens: means over them.
    """

    name: str
    n_molecules: int
    charge: float
    n_plus: float = 0.0

    @property
    def is_ion(self) -> bool:
        """Whether its molecules are charged."""
        return abs(self.charge) > 1e-3


@dataclass(frozen=True)
class ShellMembers:
    """The molecules in first shells: one row for each frame, center and molecule, in kJ/mol, shape (n_rows,).

    `partner` is an index into `Energies.partners`, `energies` (n_rows, 3) are LJ, bare and Ewald Coulomb.
    """

    frame: np.ndarray
    center: np.ndarray
    partner: np.ndarray
    energies: np.ndarray


@dataclass(frozen=True)
class Energies:
    """Interaction energies in kJ/mol of all centers.

    Attributes
    ----------
    centers : tuple of Species
        The centers are numbered species by species.
    partners : tuple of Species
        All species of the box, those of the centers first.
    charge_scale : float or None
        By which the charges of ions are scaled in the model; None if that is not known.
    n_molecules : numpy.ndarray, shape (n_frames, n_partners)
        How many molecules of each partner there are in each frame: the same unless they come and go.
    whole_box : numpy.ndarray, shape (n_frames, n_centers, n_partners, 3)
        With all molecules of a partner species: LJ, bare Coulomb, Ewald Coulomb.
    own_images : numpy.ndarray, shape (n_frames, n_centers)
        The Coulomb energy of a center with its own images and the background: q^2 xi of an ion of one atom.
    tail : numpy.ndarray, shape (n_frames, n_center_species, n_partners)
        The LJ energy beyond the cutoff, per center.
    members : ShellMembers
        The molecules in first shells.
    has_shell : numpy.ndarray, shape (n_center_species, n_partners)
        Whether a partner has a first shell whose end is known.
    is_incomplete : numpy.ndarray, shape (n_center_species,)
        Whether a first shell of a partner lacks its end, so that sums over all shells cannot be made.
    """

    centers: tuple[Species, ...]
    partners: tuple[Species, ...]
    charge_scale: float | None
    n_molecules: np.ndarray
    whole_box: np.ndarray
    own_images: np.ndarray
    tail: np.ndarray
    members: ShellMembers
    has_shell: np.ndarray
    is_incomplete: np.ndarray

    @property
    def n_frames(self) -> int:
        """How many frames there are."""
        return len(self.whole_box)

    def of_center(self, i: int) -> slice:
        """Return the centers of one species, by its index."""
        first = sum(species.n_molecules for species in self.centers[:i])
        return slice(first, first + self.centers[i].n_molecules)

    def full_charge_factors(self, i: int) -> np.ndarray | None:
        """Return by what the Coulomb energies of a center species grow at full charges, shape (n_partners,), or None.

        By 1 / scale with neutral molecules, by 1 / scale^2 with ions: only ions are scaled.
        """
        if self.charge_scale is None:
            return None
        n_ions = np.array([self.centers[i].is_ion + partner.is_ion for partner in self.partners])
        return np.asarray(self.charge_scale ** -n_ions.astype(float))

    def _place(self) -> tuple[np.ndarray, tuple[int, int, int]]:
        shape = self.whole_box.shape[:3]
        return np.ravel_multi_index((self.members.frame, self.members.center, self.members.partner), shape), shape

    @cached_property
    def in_shell(self) -> np.ndarray:
        """The sums over the molecules in first shells, shape (n_frames, n_centers, n_partners, 3)."""
        place, shape = self._place()
        sums = [np.bincount(place, of_kind, minlength=int(np.prod(shape))) for of_kind in self.members.energies.T]
        return np.stack(sums, axis=-1).reshape(*shape, 3)

    @cached_property
    def n_in_shell(self) -> np.ndarray:
        """How many molecules are in first shells, shape (n_frames, n_centers, n_partners)."""
        place, shape = self._place()
        return np.bincount(place, minlength=int(np.prod(shape))).reshape(shape)
