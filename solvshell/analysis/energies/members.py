"""What the pass over interaction energies finds of single molecules: those near the centers, and all by distance."""

from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class Members:
    """The molecules around the centers within the capture radius: one row for each frame, center and molecule.

    All of shape (n_rows,), sorted by frame, then center, then molecule; a row takes 32 bytes.

    Attributes
    ----------
    frame
        Counts the frames analyzed.
    center
        Counts the centers of all species.
    molecule
        Its number in the universe, as contacts have it: of its residue or fragment.
    partner
        The species of the molecule: an index into `InteractionEnergies.partners`.
    distance
        From the center to the nearest coordinating atom, in Å.
    lj, bare, ewald
        Lennard-Jones and Coulomb energy of center and molecule, in kJ/mol.
    """

    frame: np.ndarray
    center: np.ndarray
    molecule: np.ndarray
    partner: np.ndarray
    distance: np.ndarray
    lj: np.ndarray
    bare: np.ndarray
    ewald: np.ndarray

    def where(self, mask: np.ndarray | slice) -> "Members":
        """Return the rows of a mask, of indices, or of a slice."""
        return Members(*(getattr(self, field.name)[mask] for field in fields(self)))


@dataclass(frozen=True)
class ByDistance:
    """Molecules and their energies by the distance of the nearest coordinating atom, summed over centers and frames.

    Attributes
    ----------
    edges : numpy.ndarray, shape (n_bins + 1,)
        In Å.
    n_molecules : numpy.ndarray, shape (n_blocks, n_center_species, n_partners, n_bins)
        How many molecules were met in each of some blocks of whole frames.
    lj, bare, ewald : numpy.ndarray, of the same shape
        The sums of their energies in kJ/mol.
    """

    edges: np.ndarray
    n_molecules: np.ndarray
    lj: np.ndarray
    bare: np.ndarray
    ewald: np.ndarray
