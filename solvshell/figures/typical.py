"""A typical shell as a picture, from the XYZ file that `analyze` writes."""

import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from rdkit.Chem import GetPeriodicTable

from solvshell.spheres import SLABS, Strokes, draw, fit_axes, flat, half_bonds, project

CENTER_COLOR = "#7b3294"
#: Colors and radii in Å of elements as chemists know them; the balls are small enough to look between them.
ELEMENT_LOOKS = {
    "H": ("#e6e6e6", 0.16), "C": ("#6b6b6b", 0.28), "N": ("#0072B2", 0.34), "O": ("#C8171E", 0.36),
    "F": ("#009E73", 0.34), "P": ("#F28E1C", 0.46), "S": ("#F0E442", 0.46), "B": ("#CC79A7", 0.40),
    "Cl": ("#56B4E9", 0.46),
}  # fmt: skip
OTHER_LOOK = ("#999999", 0.40)
CENTER_RADIUS = 0.7
#: Atoms are bonded within so many times the sum of their covalent radii.
_BONDED = 1.25
#: The file has distances with three digits.
_SAME_ANGSTROM = 0.002
_NO_BOX = np.array([1e4, 1e4, 1e4, 90, 90, 90], dtype=np.float32)


@dataclass(frozen=True)
class TypicalShell:
    """The elements and positions (n_atoms, 3) in Å of a center, which comes first, and its shell; what the file says.

    `touching` are the atoms within the cutoffs.
    """

    elements: list[str]
    positions: np.ndarray
    said: dict[str, str]

    @property
    def touching(self) -> np.ndarray:
        """The atoms whose distances from the center are those that the file lists."""
        listed = np.array(self.said["distances_angstrom"].split(), float)
        distances = np.linalg.norm(self.positions - self.positions[0], axis=1)
        return np.flatnonzero((np.abs(distances[:, None] - listed) < _SAME_ANGSTROM).any(axis=1))

    @property
    def bonds(self) -> np.ndarray:
        """Pairs of bonded atoms, shape (n_bonds, 2), by their distances; the center has none."""
        radii = np.array([GetPeriodicTable().GetRcovalent(element) for element in self.elements])
        distances = np.linalg.norm(self.positions[:, None] - self.positions, axis=2)
        bonded = np.triu(distances < _BONDED * (radii[:, None] + radii), 1)
        bonded[0] = False
        return np.argwhere(bonded)


def read_typical_shell(path: Path | str) -> TypicalShell:
    """Return the shell in an extended XYZ file from `solvshell.analysis.typical.export.export_shells`."""
    n_atoms, comment, *atoms = Path(path).read_text(encoding="utf-8").splitlines()
    said = dict(word.split("=", 1) for word in shlex.split(comment))
    words = [line.split() for line in atoms[: int(n_atoms)]]
    positions = np.array([word[1:4] for word in words], float)
    return TypicalShell([word[0].capitalize() for word in words], positions, said)


def draw_typical_shell(axes: Axes, path: Path | str) -> Axes:
    """Draw a center and the molecules of its shell in the colors of their elements; dashed lines are contacts.

    Oxygen is red, carbon gray, fluorine green, phosphorus orange, nitrogen blue, sulfur yellow; the center purple.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    path : pathlib.Path or str
        An XYZ file from the folder ``shells`` beside the tables.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    Give the axes and the path of the first file that ``shells/index.csv`` lists.
    """
    shell = read_typical_shell(path)
    positions = shell.positions @ flat(shell.positions)
    looks = [ELEMENT_LOOKS.get(element, OTHER_LOOK) for element in shell.elements]
    looks[0] = (CENTER_COLOR, CENTER_RADIUS)
    rgb = np.array([to_rgb(color) for color, _ in looks])
    radii = np.array([radius for _, radius in looks])
    ends = shell.bonds.reshape(-1)
    light = (np.array(shell.elements)[shell.bonds] == "H").any(axis=1).repeat(2)
    lines = half_bonds(positions, shell.bonds, _NO_BOX).reshape(-1, 2, 3)
    for atom in shell.touching:
        away = positions[atom] - positions[0]
        away /= np.linalg.norm(away)
        seen = project(np.stack([positions[0] + radii[0] * away, positions[atom] - radii[atom] * away]))
        axes.plot(seen[:, 0], seen[:, 1], color="0.35", linewidth=0.9, linestyle=(0, (2, 2)), zorder=SLABS)
    draw(axes, Strokes(lines, rgb[ends], np.where(light, 1.0, 2.2), positions, rgb, radii))
    fit_axes(axes, positions, 0.8)
    return axes
