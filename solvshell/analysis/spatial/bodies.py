"""Molecules of one kind as bodies: whole, superposed on one of them, in a frame of their own."""

from dataclasses import dataclass, replace

import numpy as np
from MDAnalysis import Universe
from MDAnalysis.core.groups import AtomGroup
from MDAnalysis.lib.distances import minimize_vectors

from solvshell.analysis.presence import Presence
from solvshell.analysis.reading.frames import box_of
from solvshell.analysis.sites import MoleculesAre, molecules_of
from solvshell.errors import InvalidInput

#: Atoms within this distance of one line, in Å, do not say how a molecule is turned.
_FLATTEST = 0.1
_HEAVIER_THAN_HYDROGEN = 3.5  # Da; hydrogens of a run with long steps weigh 3


@dataclass(frozen=True)
class Bodies:
    """The molecules of a kind.

    Attributes
    ----------
    molecules : numpy.ndarray, shape (n_molecules, n_atoms)
        Their atoms, by index in the universe.
    molecule_idx : numpy.ndarray, shape (n_molecules,)
        The numbers of the molecules.
    fit : numpy.ndarray, shape (n_fit,)
        Which of the n_atoms are superposed.
    """

    molecules: np.ndarray
    molecule_idx: np.ndarray
    fit: np.ndarray

    def there(self, presence: Presence | None, frame: int) -> "Bodies":
        """Return those that are there in a frame of the trajectory."""
        if presence is None:
            return self
        present = presence.of(self.molecules[:, 0], frame)
        return replace(self, molecules=self.molecules[present], molecule_idx=self.molecule_idx[present])


def _fit_atoms(molecule: AtomGroup, selection: str | None) -> np.ndarray:
    """Return the places of the atoms to superpose, in a molecule."""
    if selection is not None:
        try:
            fit = np.flatnonzero(np.isin(molecule.indices, molecule.select_atoms(selection).indices))
        except Exception as error:  # a parser of free text: SelectionError, ValueError, AttributeError, ...
            raise InvalidInput(f"fit_atoms: {selection!r} is not a selection of this topology: {error}") from error
    else:
        heavy = getattr(molecule, "masses", np.full(len(molecule), np.inf)) > _HEAVIER_THAN_HYDROGEN
        fit = np.flatnonzero(heavy)
    if len(fit) < 3:
        which = "heavy atoms" if selection is None else f"atoms of {selection!r}"
        raise InvalidInput(f"fit_atoms: {len(fit)} {which} in a molecule; an orientation takes three or more")
    return fit


def bodies_of(reference: AtomGroup, fit_atoms: str | None, molecules_are: MoleculesAre) -> Bodies:
    """Return the molecules that atoms make up, if they are of one kind and say how they are turned, else raise.

    Parameters
    ----------
    reference
        All their atoms.
    fit_atoms
        Selection, inside a molecule, of the atoms to superpose; all heavy ones if None.
    molecules_are
        ``residues`` or ``fragments``.
    """
    if len(reference) == 0:
        raise InvalidInput("reference: holds no atom")
    number = molecules_of(reference, molecules_are)
    atoms = reference[np.argsort(number, kind="stable")]
    found, sizes = np.unique(number, return_counts=True)
    if (sizes != sizes[0]).any():
        raise InvalidInput(
            f"reference: molecules of {sizes.min()} and of {sizes.max()} atoms; they must be of one kind"
        )
    names = getattr(atoms, "names", None)
    if names is not None and (names.reshape(len(found), -1) != names[: sizes[0]]).any():
        raise InvalidInput("reference: the atoms of its molecules differ in names or order; they must be of one kind")
    return Bodies(atoms.indices.reshape(len(found), -1), found, _fit_atoms(atoms[: sizes[0]], fit_atoms))


def rotations_onto(bodies: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return for each body the rotation R of least squares, so that body @ R lies on the reference (Kabsch 1976).

    Parameters
    ----------
    bodies
        Shape (n_molecules, n_fit, 3), their centroids at the origin.
    reference
        Shape (n_fit, 3), likewise.
    """
    u, _, vt = np.linalg.svd(np.swapaxes(bodies, 1, 2) @ reference)
    u[:, :, 2] *= np.sign(np.linalg.det(u @ vt))[:, None]
    return u @ vt


def rmsd(bodies: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return the root mean square distance of each body's atoms from those of the reference, shape (n_molecules,)."""
    return np.sqrt(((bodies - reference) ** 2).sum(axis=2).mean(axis=1))


def _axes(fit: np.ndarray) -> np.ndarray:
    """Return the rotation that turns the longest axis of points to x and the shortest to z, so that fit @ R is turned.

    The first point off each axis has a positive coordinate.
    """
    _, extents, vt = np.linalg.svd(fit, full_matrices=False)
    if extents[1] < _FLATTEST:
        raise InvalidInput("fit_atoms: lie on one line, which leaves the molecule free to turn about it")
    turned = fit @ vt.T
    signs = [column[np.abs(column).argmax() if abs(column[0]) < _FLATTEST else 0] for column in turned.T[:2]]
    rotation = vt.T * np.sign([*signs, 1.0])
    rotation[:, 2] = np.cross(rotation[:, 0], rotation[:, 1])
    return rotation


def whole_bodies(universe: Universe, body: Bodies, box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the centroids of the superposed atoms (n_molecules, 3), and all atoms around them, in this frame."""
    positions = universe.atoms.positions[body.molecules].astype(float)
    first = positions[:, body.fit[:1]]
    from_first = minimize_vectors((positions - first).reshape(-1, 3), box=box).reshape(positions.shape)
    centroid = from_first[:, body.fit].mean(axis=1, keepdims=True)
    return (first + centroid)[:, 0], from_first - centroid


def typical_geometry(universe: Universe, body: Bodies) -> tuple[AtomGroup, np.ndarray]:
    """Return the molecule of the present frame that is nearest to the mean of all, and its atoms along its axes."""
    _, whole = whole_bodies(universe, body, box_of(universe.trajectory.ts))
    bodies = whole[:, body.fit]
    mean = bodies[0]
    for _ in range(3):
        turned = bodies @ rotations_onto(bodies, mean)
        mean = turned.mean(axis=0)
    chosen = int(rmsd(turned, mean).argmin())
    return universe.atoms[body.molecules[chosen]], whole[chosen] @ _axes(bodies[chosen])
