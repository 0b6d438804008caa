"""Values on a grid, with the atoms among them, as a Gaussian cube file."""

import numpy as np
from scipy.constants import physical_constants

BOHR_ANGSTROM = physical_constants["Bohr radius"][0] * 1e10
_PER_LINE = 6


def _rows(values: np.ndarray) -> str:
    """Return one row along z: six numbers a line, the last line shorter."""
    words = [f"{value:13.5E}" for value in values]
    return "\n".join("".join(words[i : i + _PER_LINE]) for i in range(0, len(words), _PER_LINE))


def cube_text(
    values: np.ndarray, first_voxel: np.ndarray, spacing: np.ndarray, numbers: np.ndarray, atoms: np.ndarray, title: str
) -> str:
    """Return a grid as the text of a Gaussian cube file, whose lengths are in Bohr.

    Two lines of comment; number of atoms and first point; points and step along each axis; atomic number, charge (here
    the atomic number) and position of each atom; then the values, z fastest, each row along z on lines of its own
    (https://gaussian.com/cubegen).

    Parameters
    ----------
    values
        Shape (n_x, n_y, n_z).
    first_voxel
        Center of the first voxel in Å, shape (3,).
    spacing
        Steps in Å, shape (3,).
    numbers
        Atomic numbers, shape (n_atoms,).
    atoms
        Positions in Å, shape (n_atoms, 3).
    title
        What the values are, in one line.
    """

    def line(number: int, vector: np.ndarray) -> str:
        return f"{number:5d}" + "".join(f"{x:12.6f}" for x in np.asarray(vector) / BOHR_ANGSTROM)

    head = [title, "z fastest; lengths in Bohr", line(len(atoms), first_voxel)]
    head += [line(n, step) for n, step in zip(values.shape, np.diag(spacing), strict=True)]
    for number, position in zip(numbers, atoms, strict=True):
        words = line(number, position)
        head.append(f"{words[:5]}{float(number):12.6f}{words[5:]}")
    rows = [_rows(row) for row in values.reshape(-1, values.shape[2])]
    return "\n".join([*head, *rows]) + "\n"
