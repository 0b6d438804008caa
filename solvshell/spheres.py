"""Bonds and balls drawn by matplotlib: orthographic, sorted by depth, fading with it."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection, LineCollection
from MDAnalysis.lib.distances import minimize_vectors

#: Depth is cut into so many slabs, each drawn over those behind it.
SLABS = 48
#: Width of the lines of what only fills the box, in points.
THIN = 0.5
#: The camera looks down along the third axis, turned so that no two faces of a cubic box coincide.
_TURN = (24.0, -32.0)


@dataclass(frozen=True)
class Strokes:
    """Half bonds (n, 2, 3) and spheres (m, 3) in Å with their colors, line widths in points and radii in Å."""

    lines: np.ndarray
    line_colors: np.ndarray
    widths: np.ndarray
    spheres: np.ndarray
    sphere_colors: np.ndarray
    radii: np.ndarray


def half_bonds(positions: np.ndarray, bonds: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Return each bond as two halves (n_bonds, 2, 2, 3), each from its atom towards the nearest image of the other.

    So a bond through a face of the box ends there as two stubs, and never runs across the box.
    """
    start, end = positions[bonds[:, 0]], positions[bonds[:, 1]]
    if len(bonds) == 0:
        return np.zeros((0, 2, 2, 3))
    along = minimize_vectors(end - start, box=box) / 2
    return np.stack([np.stack([start, start + along], axis=1), np.stack([end, end - along], axis=1)], axis=1)


def _fade(color: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Mix colors (n, 3) with white by depth (n,), 0 in front and 1 at the back."""
    share = 0.55 * depth[:, None]
    return color * (1 - share) + share


def _camera() -> np.ndarray:
    x, y = np.deg2rad(_TURN)
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    return about_x @ about_y


def project(points: np.ndarray) -> np.ndarray:
    """Return points (..., 3) as seen: right, up, and towards the eye."""
    return points @ _camera().T


def flat(points: np.ndarray) -> np.ndarray:
    """Return the rotation (3, 3) after which points (n, 3) are seen from where they are broadest."""
    axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=True)[2].T
    axes[:, 2] *= np.linalg.det(axes)  # a rotation, not a mirror
    return axes @ _camera()


def draw(axes: Axes, strokes: Strokes) -> None:
    """Draw bonds and spheres from the back to the front, in slabs of depth, orthographically."""
    lines, spheres = project(strokes.lines), project(strokes.spheres)
    depths = np.concatenate([lines[..., 2].mean(axis=1), spheres[:, 2]])
    if len(depths) == 0:
        return
    far, near = depths.min(), max(depths.max(), depths.min() + 1e-9)
    depth = (near - depths) / (near - far)
    slab = np.minimum((SLABS * (1 - depth)).astype(int), SLABS - 1)
    n = len(lines)
    line_colors, sphere_colors = _fade(strokes.line_colors, depth[:n]), _fade(strokes.sphere_colors, depth[n:])
    strong = strokes.widths > THIN
    slab[:n][~strong] = -1  # what is faint stands behind all else, or its lines cut the ions
    for k in range(-1, SLABS):
        mine = slab[:n] == k
        axes.add_collection(
            LineCollection(
                list(lines[mine, :, :2]), colors=line_colors[mine], linewidths=strokes.widths[mine], zorder=2 * k,
                capstyle="round", rasterized=True,
            )
        )  # fmt: skip
        mine = slab[n:] == k
        at, size = spheres[mine, :2], 2 * strokes.radii[mine]
        # A light spot makes a disc a ball.
        for offset, scale, color, edge in ((0.0, 1.0, sphere_colors[mine], "0.25"), (0.28, 0.35, "white", "none")):
            shift = offset * strokes.radii[mine][:, None] * np.array([-1, 1])
            axes.add_collection(
                EllipseCollection(
                    scale * size, scale * size, np.zeros(len(size)), units="xy", offsets=at + shift,
                    offset_transform=axes.transData, facecolors=color, edgecolors=edge, linewidths=0.3,
                    alpha=None if offset == 0 else 0.55, zorder=2 * k + 1, rasterized=True,
                )
            )  # fmt: skip


def fit_axes(axes: Axes, points: np.ndarray, margin: float) -> None:
    """Make the axes hold points (..., 3) with a margin in Å, and hide them."""
    seen = project(points)[..., :2].reshape(-1, 2)
    low, high = seen.min(axis=0) - margin, seen.max(axis=0) + margin
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    axes.set_anchor("N")
    axes.set_axis_off()
