"""A box as a picture: ions, their first shells and the polymer stand out from everything else."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from MDAnalysis import Universe
from MDAnalysis.lib.distances import apply_PBC, capped_distance, minimize_vectors
from MDAnalysis.lib.mdamath import triclinic_vectors

from solvshell.figures import STYLE, new_figure, shell_name
from solvshell.species import SpeciesFile
from solvshell.spheres import SLABS, THIN, Strokes, draw, fit_axes, flat, half_bonds, project

#: Radii of the spheres in Å: small enough to look between them; that of other elements, and of a center.
RADII = {"H": 0.18, "C": 0.30, "N": 0.34, "O": 0.36, "F": 0.34, "P": 0.50, "S": 0.50}
OTHER_RADIUS = 0.35
CENTER_RADIUS = 0.75
FAINT = "#c9ced3"
CENTER_COLOR = "#7b3294"
#: What lies nearer to the ion that is shown is drawn faintly.
_AROUND_ANGSTROM = 7.0
#: What is longer than this, in Å, is cut by the nearest images and not drawn.
_LONGEST_BOND = 3.0


@dataclass(frozen=True)
class Frame:
    """One frame of a trajectory with all that a picture of it needs.

    Attributes
    ----------
    positions : numpy.ndarray, shape (n_atoms, 3)
        In Å, as they come: wrapped or not.
    box : numpy.ndarray, shape (6,)
    bonds : numpy.ndarray, shape (n_bonds, 2)
    elements : numpy.ndarray of str, shape (n_atoms,)
    molecule : numpy.ndarray, shape (n_atoms,)
        Residue of each atom: a molecule, an ion or a repeat unit.
    species : numpy.ndarray of str, shape (n_atoms,)
        Name of the center or partner, empty for others.
    roles : dict
        ``center``, or the role of the partner, by name.
    sites : dict
        Atoms of the coordinating sites by partner and site.
    """

    positions: np.ndarray
    box: np.ndarray
    bonds: np.ndarray
    elements: np.ndarray
    molecule: np.ndarray
    species: np.ndarray
    roles: dict[str, str]
    sites: dict[tuple[str, str], np.ndarray]

    def of(self, atoms: np.ndarray) -> "Frame":
        """Return the frame with some of its atoms only, by index, and the bonds between them."""
        place = np.full(len(self.positions), -1)
        place[atoms] = np.arange(len(atoms))
        bonds = place[self.bonds]
        sites = {key: place[of_site] for key, of_site in self.sites.items()}
        return Frame(
            self.positions[atoms], self.box, bonds[(bonds >= 0).all(axis=1)], self.elements[atoms],
            self.molecule[atoms], self.species[atoms], self.roles, {key: at[at >= 0] for key, at in sites.items()},
        )  # fmt: skip


def frame_of(universe: Universe, species: SpeciesFile, atoms: np.ndarray | None = None) -> Frame:
    """Return the current frame of a universe, or some atoms of it, by index: those that are no ghosts."""
    names = np.full(len(universe.atoms), "", dtype=object)
    sites = {}
    for name, partner in species.partners.items():
        molecules = universe.select_atoms(partner.molecules)
        names[molecules.indices] = name
        for site, selection in partner.sites.items():
            sites[name, site] = molecules.select_atoms(selection).indices
    for name, selection in species.centers.items():
        names[universe.select_atoms(selection).indices] = name
    roles = {name: str(partner.role) for name, partner in species.partners.items()}
    bonds = universe.bonds.indices if hasattr(universe, "bonds") else np.zeros((0, 2), int)
    elements = universe.atoms.elements if hasattr(universe.atoms, "elements") else universe.atoms.types
    frame = Frame(
        universe.atoms.positions.astype(float),
        universe.dimensions.copy(),
        np.asarray(bonds),
        np.array([str(element).capitalize() for element in elements], dtype=object),
        universe.atoms.resindices,
        names,
        roles | dict.fromkeys(species.centers, "center"),
        sites,
    )
    return frame if atoms is None else frame.of(atoms)


def whole_residues(frame: Frame) -> np.ndarray:
    """Return positions with each residue whole, around its first atom, and its centroid in the box.

    Not whole molecules: those of a network have no end. A chain is drawn unit by unit, where each of them lies.
    """
    _, first, residue = np.unique(frame.molecule, return_index=True, return_inverse=True)
    anchors = frame.positions[first][residue]
    positions = anchors + minimize_vectors(frame.positions - anchors, box=frame.box)
    sizes = np.bincount(residue)
    centroids = np.stack([np.bincount(residue, weights=along) for along in positions.T], axis=1) / sizes[:, None]
    within = apply_PBC(centroids.astype(np.float32), frame.box).astype(float)
    return positions + (within - centroids)[residue]


def contacts_of(frame: Frame, cutoffs: dict[tuple[str, str, str], float]) -> np.ndarray:
    """Return the pairs of a center and an atom in its first shell, shape (n, 2)."""
    found = [np.zeros((0, 2), int)]
    for (center, partner, site), cutoff in cutoffs.items():
        centers, atoms = np.flatnonzero(frame.species == center), frame.sites.get((partner, site))
        if atoms is not None and len(centers):
            pairs = capped_distance(
                frame.positions[centers], frame.positions[atoms], cutoff, box=frame.box, return_distances=False
            )
            apart = frame.molecule[centers[pairs[:, 0]]] != frame.molecule[atoms[pairs[:, 1]]]
            found.append(np.stack([centers[pairs[:, 0]], atoms[pairs[:, 1]]], axis=1)[apart])
    return np.concatenate(found)


def _compositions(frame: Frame, contacts: np.ndarray) -> dict[int, str]:
    """Return the composition of the shell of each center, as the table of shells writes it."""
    partners = [name for name, role in frame.roles.items() if role != "center"]
    shells = {}
    for center in np.flatnonzero([frame.roles.get(name) == "center" for name in frame.species]):
        atoms = contacts[contacts[:, 0] == center, 1]
        molecules = {frame.molecule[atom]: frame.species[atom] for atom in atoms}
        numbers = Counter(molecules.values())
        shells[int(center)] = " ".join(f"{name}{numbers[name]}" for name in partners if numbers[name]) or "none"
    return shells


def _chosen(compositions: dict[int, str], ranked: Sequence[str]) -> int:
    """Return the center whose shell is the most frequent of those that this frame holds."""
    rank = {name: place for place, name in enumerate(ranked)}
    return min(compositions, key=lambda center: (rank.get(compositions[center], len(rank)), center))


def _strokes(
    frame: Frame, positions: np.ndarray, strong: np.ndarray, spheres: np.ndarray, colors: dict[str, str], thick: float
) -> Strokes:
    """Return what to draw: bonds of `strong` atoms in the color of their species, all other bonds thin and light.

    Parameters
    ----------
    strong, spheres
        Masks (n_atoms,) of the atoms whose bonds stand out, and of those that are balls.
    """
    heavy = frame.elements != "H"
    bonds = frame.bonds[(heavy | strong)[frame.bonds].all(axis=1)]
    rgb = np.array([to_rgb(colors.get(name, FAINT)) for name in frame.species]).reshape(-1, 3)
    ends = bonds.reshape(-1)
    of_bond = strong[ends]
    hydrogen = (frame.elements[bonds] == "H").any(axis=1).repeat(2)
    at = np.flatnonzero(spheres)
    radii = np.array([RADII.get(element, OTHER_RADIUS) for element in frame.elements[at]])
    centers = np.array([frame.roles.get(name) == "center" for name in frame.species[at]], dtype=bool)
    return Strokes(
        half_bonds(positions, bonds, frame.box).reshape(-1, 2, 3),
        np.where(of_bond[:, None], rgb[ends], to_rgb(FAINT)),
        np.where(of_bond, np.where(hydrogen, 0.4 * thick, thick), THIN),
        positions[at],
        rgb[at],
        np.where(centers, CENTER_RADIUS, radii),
    )


def emphasis(frame: Frame, contacts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the masks (n_atoms,) of the atoms whose bonds stand out in a box, and of those that are balls."""
    touching = np.isin(frame.molecule, frame.molecule[contacts[:, 1]])
    role = np.array([frame.roles.get(name, "") for name in frame.species], dtype=object)
    strong = (touching | (role == "anion") | (role == "polymer")) & (frame.elements != "H")
    return strong, (role == "center") | (strong & (frame.elements != "C"))


def cell_edges(box: np.ndarray) -> np.ndarray:
    """Return the edges of a cell in Å, shape (12, 2, 3)."""
    vectors = triclinic_vectors(box).astype(float)
    corners = np.array([(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)]) @ vectors
    # corners that differ in one of the three
    return np.array([(corners[i], corners[j]) for i in range(8) for j in range(i + 1, 8) if (i ^ j) in (1, 2, 4)])


def species_colors(frame: Frame, colors: Mapping[str, str]) -> dict[str, str]:
    """Return the color of each center and partner by name: those given, and purple centers."""
    return {name: CENTER_COLOR for name, role in frame.roles.items() if role == "center"} | dict(colors)


def draw_box(axes: Axes, frame: Frame, contacts: np.ndarray, colors: dict[str, str], thick: float = 1.6) -> None:
    """Draw a box with its ions, the molecules of their first shells and the polymer standing out.

    Parameters
    ----------
    contacts
        From `contacts_of`.
    colors
        By name of the center or partner; what has none is gray.
    thick
        Width in points of the bonds that stand out.
    """
    positions, edges = whole_residues(frame), cell_edges(frame.box)
    strong, spheres = emphasis(frame, contacts)
    seen = project(edges)
    axes.add_collection(LineCollection(list(seen[..., :2]), colors="0.6", linewidths=0.7, zorder=-1))
    draw(axes, _strokes(frame, positions, strong, spheres, colors, thick))
    fit_axes(axes, np.concatenate([edges.reshape(-1, 3), positions]), 1.0)


def _draw_shell(axes: Axes, frame: Frame, contacts: np.ndarray, center: int, colors: dict[str, str]) -> None:
    """Draw one center and the molecules of its shell, each whole at its nearest image, among the faint others."""
    touching = contacts[contacts[:, 0] == center, 1]
    origin = frame.positions[center]
    anchors = {int(frame.molecule[atom]): int(atom) for atom in touching}
    positions = minimize_vectors(frame.positions - origin, box=frame.box)
    for molecule, atom in anchors.items():
        members = frame.molecule == molecule
        positions[members] = positions[atom] + minimize_vectors(
            frame.positions[members] - frame.positions[atom], box=frame.box
        )
    shell = np.isin(frame.molecule, list(anchors)) | (np.arange(len(positions)) == center)
    bonds = frame.bonds[np.linalg.norm(np.diff(positions[frame.bonds], axis=1)[:, 0], axis=1) < _LONGEST_BOND]
    positions = positions @ flat(positions[shell])
    near = shell | (np.linalg.norm(positions, axis=1) < _AROUND_ANGSTROM)
    part = replace(frame, positions=positions, bonds=bonds).of(np.flatnonzero(near))
    for atom in touching:
        ends = project(np.stack([positions[center], positions[atom]]))
        axes.plot(ends[:, 0], ends[:, 1], color="0.35", linewidth=0.9, linestyle=(0, (2, 2)), zorder=SLABS)
    draw(axes, _strokes(part, positions[near], shell[near], shell[near], colors, 2.6))
    fit_axes(axes, positions[shell], 1.6)


def legend_handles(frame: Frame, colors: dict[str, str]) -> list[Line2D]:
    """Return what a legend of a box shows: its centers, anions, polymers, and the solvents in shells."""
    present = dict.fromkeys(frame.species)
    handles = []
    for name, role in sorted(frame.roles.items(), key=lambda item: item[1] != "center"):
        if name in present:
            color = colors.get(name, FAINT)
            label = f"{name}, in a shell" if role == "solvent" else name
            kind: dict[str, Any] = {"marker": "o", "linestyle": "none", "markersize": 7 if role == "center" else 5}
            handles.append(Line2D([], [], color=color, label=label, **kind))
    return [*handles, Line2D([], [], color=FAINT, linewidth=1, label="other solvent")]


def plot_snapshot(
    frame: Frame,
    cutoffs: dict[tuple[str, str, str], float],
    ranked: Sequence[str],
    colors: dict[str, str],
    title: str,
) -> Figure:
    """Return a picture of a box, and of one center with its first shell.

    Orthographic, sorted by depth, fading with it; without the hydrogens in the box.

    Parameters
    ----------
    frame
        From `frame_of`.
    cutoffs
        Å by center, partner and site, where there is one.
    ranked
        Shell compositions, the most frequent first: the center shown has the first of them that the frame holds.
    colors
        By name of the partner.
    title
        Of the system.
    """
    colors = species_colors(frame, colors)
    contacts = contacts_of(frame, cutoffs)
    compositions = _compositions(frame, contacts)
    partners = [name for name, role in frame.roles.items() if role != "center"]
    with mpl.rc_context(STYLE):
        figure = new_figure(7.6, 4.2)
        left, right = figure.subplots(1, 2, width_ratios=(1.2, 1))
        draw_box(left, frame, contacts, colors)
        left.set_title(title)
        chosen = _chosen(compositions, ranked)
        _draw_shell(right, frame, contacts, chosen, colors)
        right.set_title(f"one {frame.species[chosen]}: {shell_name(compositions[chosen], partners)}")
        figure.legend(
            handles=legend_handles(frame, colors),
            loc="outside lower center",
            ncols=9,
            fontsize=8,
            columnspacing=1.2,
            handletextpad=0.4,
        )
    return figure
