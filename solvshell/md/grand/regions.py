"""Where molecules come and go: the whole box, a slab or a sphere. A molecule is where the mean of its atoms is.

Cells are of any shape and may change theirs: a slab is stated in fractions of the cell, a sphere may follow an atom.
Positions are those of OpenMM before it wraps them, so that each molecule is in one piece.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from solvshell.errors import InvalidInput

Array = NDArray[np.float64]


class Region(Protocol):
    """A part of the cell; `box_vectors` are the rows of a matrix (3, 3), `positions` (n_atoms, 3) those of now, nm."""

    def volume(self, box_vectors: Array, positions: Array) -> float:
        """Return its volume in nm3."""

    def contains(self, centers: Array, box_vectors: Array, positions: Array) -> NDArray[np.bool_]:
        """Return which points, shape (n, 3), are inside, whichever periodic image they are."""

    def draw(self, generator: np.random.Generator, box_vectors: Array, positions: Array) -> Array:
        """Return a point inside, shape (3,), all equally likely."""


@dataclass(frozen=True)
class WholeBox:
    """All of the cell."""

    def volume(self, box_vectors: Array, positions: Array) -> float:
        """Return the volume of the cell in nm3."""
        return float(abs(np.linalg.det(box_vectors)))

    def contains(self, centers: Array, box_vectors: Array, positions: Array) -> NDArray[np.bool_]:
        """Return that all are."""
        return np.ones(len(centers), bool)

    def draw(self, generator: np.random.Generator, box_vectors: Array, positions: Array) -> Array:
        """Return a point of the cell."""
        return np.asarray(generator.random(3) @ box_vectors)


@dataclass(frozen=True)
class Slab:
    """What lies between two planes that two of the box vectors span.

    Attributes
    ----------
    axis : int
        0, 1 or 2: the third box vector, along which `low` and `high` are fractions of the cell, `low` included.

    Raises
    ------
    InvalidInput
        Unless 0 <= low < high <= 1.
    """

    axis: int
    low: float
    high: float

    def __post_init__(self) -> None:
        if self.axis not in (0, 1, 2):
            raise InvalidInput(f"region: axis: 0, 1 or 2, got {self.axis}")
        if not 0 <= self.low < self.high <= 1:
            raise InvalidInput(
                f"region: between: two fractions of the cell, the smaller first, got {self.low:g} and {self.high:g}"
            )

    def volume(self, box_vectors: Array, positions: Array) -> float:
        """Return its volume in nm3."""
        return (self.high - self.low) * float(abs(np.linalg.det(box_vectors)))

    def contains(self, centers: Array, box_vectors: Array, positions: Array) -> NDArray[np.bool_]:
        """Return which points are between the planes or their images."""
        fraction = (centers @ np.linalg.inv(box_vectors))[:, self.axis]
        fraction = fraction - np.floor(fraction)
        fraction[fraction == 1] = 0  # of what was rounded up: -1e-20
        return np.asarray((self.low <= fraction) & (fraction < self.high))

    def draw(self, generator: np.random.Generator, box_vectors: Array, positions: Array) -> Array:
        """Return a point between the planes."""
        fractions = generator.random(3)
        fractions[self.axis] = self.low + (self.high - self.low) * fractions[self.axis]
        return np.asarray(fractions @ box_vectors)


@dataclass(frozen=True)
class Sphere:
    """What is nearer to a center than `radius` (nm).

    Attributes
    ----------
    center : int or tuple of three floats
        An atom, with which the sphere moves, or a point in fractions of the cell.

    Raises
    ------
    InvalidInput
        If the radius is not positive; later, if the sphere does not fit into the cell: then it would meet its own
        images, and what is inside would be inside twice.
    """

    center: int | tuple[float, float, float]
    radius: float

    def __post_init__(self) -> None:
        if not self.radius > 0:
            raise InvalidInput(f"region: radius: greater than 0 nm, got {self.radius:g}")

    def _fits(self, box_vectors: Array) -> None:
        narrowest = 1 / np.linalg.norm(np.linalg.inv(box_vectors), axis=0).max()
        if 2 * self.radius > narrowest:
            raise InvalidInput(
                f"region: radius: at most half of the distance of opposite faces of the cell, {narrowest / 2:.3f} nm, "
                f"got {self.radius:g}"
            )

    def _center(self, box_vectors: Array, positions: Array) -> Array:
        if isinstance(self.center, int):
            return np.asarray(positions[self.center])
        return np.asarray(self.center) @ box_vectors

    def volume(self, box_vectors: Array, positions: Array) -> float:
        """Return its volume in nm3."""
        self._fits(box_vectors)
        return float(4 / 3 * np.pi * self.radius**3)

    def contains(self, centers: Array, box_vectors: Array, positions: Array) -> NDArray[np.bool_]:
        """Return which points have an image inside.

        A point inside is less than half of a cell away along each box vector, since the sphere fits: of its images,
        the one that rounding finds.
        """
        self._fits(box_vectors)
        fractions = (centers - self._center(box_vectors, positions)) @ np.linalg.inv(box_vectors)
        nearest = (fractions - np.round(fractions)) @ box_vectors
        return np.asarray((nearest**2).sum(axis=1) < self.radius**2)

    def draw(self, generator: np.random.Generator, box_vectors: Array, positions: Array) -> Array:
        """Return a point inside."""
        self._fits(box_vectors)
        direction = generator.normal(size=3)
        distance = self.radius * generator.random() ** (1 / 3)
        return self._center(box_vectors, positions) + distance * direction / np.linalg.norm(direction)
