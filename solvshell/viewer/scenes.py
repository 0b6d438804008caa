"""What a viewer shows: atoms, each with its look, the cell or the contacts, and what the colors mean."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from MDAnalysis.lib.mdamath import triclinic_box

from solvshell.box import Box
from solvshell.figures import partner_colors, shell_name
from solvshell.figures.typical import (
    CENTER_COLOR,
    CENTER_RADIUS,
    ELEMENT_LOOKS,
    OTHER_LOOK,
    read_typical_shell,
)
from solvshell.snapshot import (
    CENTER_RADIUS as BOX_CENTER_RADIUS,
)
from solvshell.snapshot import (
    FAINT,
    OTHER_RADIUS,
    RADII,
    Frame,
    cell_edges,
    contacts_of,
    emphasis,
    species_colors,
    whole_residues,
)
from solvshell.spheres import flat, half_bonds

#: As 3Dmol.js takes styles, selections and shapes.
Style = dict[str, Any]
#: In a box of more heavy atoms the solvents that touch no center are left away, or a browser is slow.
MOST_ATOMS = 20_000
_STICK, _THIN_STICK = 0.12, 0.06
_EDGE: Style = {"radius": 0.05, "color": "#999999"}
_CONTACT: Style = {"radius": 0.05, "color": "#555555", "dashed": True, "dashLength": 0.15, "gapLength": 0.12}
_ELEMENT_NAMES = {
    "H": "hydrogen", "B": "boron", "C": "carbon", "N": "nitrogen", "O": "oxygen", "F": "fluorine", "P": "phosphorus",
    "S": "sulfur", "Cl": "chlorine",
}  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """Atoms with their looks, as 3Dmol.js takes them; made of plain text and numbers, so that it goes into any page.

    Attributes
    ----------
    title : str
        What a chooser calls it.
    model : str
        For ``viewer.addModel(model, "mol2")``: positions in Å, elements and bonds.
    styles : tuple of (dict, dict)
        For ``viewer.setStyle(selection, style)``, in turn; every atom has one.
    cylinders : tuple of dict
        For ``viewer.addCylinder``: the edges of the cell, contacts, bonds that end at a face of the cell.
    legend : tuple of (str, str)
        What is shown in which color, ``("PF6", "#D55E00")``.
    n_atoms : int
        Atoms in the model.
    """

    title: str
    model: str
    styles: tuple[tuple[Style, Style], ...]
    cylinders: tuple[Style, ...]
    legend: tuple[tuple[str, str], ...]
    n_atoms: int


def _point(position: np.ndarray) -> dict[str, float]:
    return {axis: round(float(value), 2) for axis, value in zip("xyz", position, strict=True)}


def _cylinders(lines: Iterable[np.ndarray], looks: Mapping[str, Any]) -> list[Style]:
    """Return the lines, each (2, 3) in Å, as 3Dmol.js takes cylinders."""
    return [{"start": _point(start), "end": _point(end), **looks} for start, end in lines]


def _model(
    positions: np.ndarray, elements: Sequence[str], bonds: np.ndarray, styles: Sequence[Style]
) -> tuple[str, tuple[tuple[Style, Style], ...]]:
    """Return atoms as a MOL2 file whose types, such as ``O.k2``, tell element and style; and which have which style."""
    kinds = {json.dumps(style, sort_keys=True): style for style in styles}
    place = {text: f"k{number}" for number, text in enumerate(kinds)}
    types = [f"{el}.{place[json.dumps(style, sort_keys=True)]}" for el, style in zip(elements, styles, strict=True)]
    atoms = [
        f"{number} {element} {x:.2f} {y:.2f} {z:.2f} {of_type}"
        for number, (element, (x, y, z), of_type) in enumerate(zip(elements, positions, types, strict=True), 1)
    ]
    ends = [f"{number} {a + 1} {b + 1} 1" for number, (a, b) in enumerate(bonds, 1)]
    head = ["@<TRIPOS>MOLECULE", "scene", f"{len(atoms)} {len(ends)}", "SMALL", "NO_CHARGES"]
    text = "\n".join([*head, "@<TRIPOS>ATOM", *atoms, "@<TRIPOS>BOND", *ends, ""])
    of_kind = {name: sorted({one for one in types if one.endswith(f".{name}")}) for name in place.values()}
    return text, tuple(({"atom": of_kind[name]}, kinds[text]) for text, name in place.items())


def _box_styles(frame: Frame, strong: np.ndarray, balls: np.ndarray, colors: Mapping[str, str]) -> list[Style]:
    styles = []
    for name, element, is_strong, is_ball in zip(frame.species, frame.elements, strong, balls, strict=True):
        is_center = frame.roles.get(name) == "center"
        color = colors.get(name, FAINT) if is_strong or is_center else FAINT
        style: Style = {"stick": {"radius": _STICK if is_strong else _THIN_STICK, "color": color}}
        if is_ball:
            radius = BOX_CENTER_RADIUS if is_center else RADII.get(element, OTHER_RADIUS)
            style["sphere"] = {"radius": radius, "color": color}
        styles.append(style)
    return styles


def _box_legend(frame: Frame, colors: Mapping[str, str]) -> list[tuple[str, str]]:
    present = dict.fromkeys(frame.species)
    names = [name for name in sorted(frame.roles, key=lambda name: frame.roles[name] != "center") if name in present]
    words = {name: f"{name}, in a shell" if frame.roles[name] == "solvent" else name for name in names}
    return [*((words[name], colors.get(name, FAINT)) for name in names), ("other molecules", FAINT)]


def scene_of_frame(
    frame: Frame,
    cutoffs: Mapping[tuple[str, str, str], float],
    colors: Mapping[str, str],
    title: str = "the box",
) -> Scene:
    """Return a box as `solvshell.snapshot.plot_snapshot` draws it: ions, their first shells and polymers stand out.

    Without hydrogens. Each molecule and each repeat unit is whole; a bond between units through a face of the cell ends
    there as two stubs. Of more than `MOST_ATOMS` heavy atoms those that do not stand out are left away.

    Parameters
    ----------
    frame
        From `solvshell.snapshot.frame_of`.
    cutoffs
        Å by center, partner and site, where there is one.
    colors
        By name of the partner.
    """
    colors = species_colors(frame, colors)
    strong, balls = emphasis(frame, contacts_of(frame, dict(cutoffs)))
    positions, shown = whole_residues(frame), frame.elements != "H"
    if np.count_nonzero(shown) > MOST_ATOMS:
        shown &= strong | balls
    atoms = np.flatnonzero(shown)
    part, strong, balls, positions = frame.of(atoms), strong[atoms], balls[atoms], positions[atoms]
    halves = half_bonds(positions, part.bonds, frame.box)
    is_cut = ~np.isclose(halves[:, 0, 1], halves[:, 1, 1], atol=1e-3).all(axis=1)
    styles = _box_styles(part, strong, balls, colors)
    cylinders = _cylinders(cell_edges(frame.box), _EDGE)
    for (a, b), stubs in zip(part.bonds[is_cut], halves[is_cut], strict=True):
        cylinders += _cylinders(stubs[:1], styles[a]["stick"]) + _cylinders(stubs[1:], styles[b]["stick"])
    model = _model(positions, part.elements.tolist(), part.bonds[~is_cut], styles)
    return Scene(title, *model, tuple(cylinders), tuple(_box_legend(part, colors)), len(atoms))


def _frame_of_box(box: Box) -> Frame:
    atoms = list(box.topology.atoms())
    entries = box.recipe.entries
    by_residue = {entry.residue: name for name, entry in entries.items()}
    species = np.array([by_residue.get(atom.residue.name, "") for atom in atoms], dtype=object)
    names = np.array([atom.name for atom in atoms], dtype=object)
    return Frame(
        positions=10 * box.positions,
        box=triclinic_box(*(10 * box.box_vectors)).astype(np.float32),
        bonds=np.array([(bond[0].index, bond[1].index) for bond in box.topology.bonds()], dtype=int).reshape(-1, 2),
        elements=np.array([atom.element.symbol for atom in atoms], dtype=object),
        molecule=np.array([atom.residue.index for atom in atoms]),
        species=species,
        roles={name: "center" if entry.center else str(entry.role) for name, entry in entries.items()},
        sites={
            (name, site): np.flatnonzero((species == name) & np.isin(names, of_site))
            for name, entry in entries.items()
            if not entry.center
            for site, of_site in entry.sites.items()
        },
    )


def scene_of_box(box: Box, title: str = "the box as built") -> Scene:
    """Return a box as it was built: ions, polymers and what touches a center stand out.

    Molecules touch within the typical cutoffs of the shipped species; the numbers of an analysis have cutoffs of
    their own.
    """
    entries = box.recipe.entries
    cutoffs = {
        (center, name, site): entry.typical_cutoff_angstrom[center]
        for center, of_center in entries.items()
        for name, entry in entries.items()
        for site in entry.sites
        if of_center.center and not entry.center and center in entry.typical_cutoff_angstrom
    }
    partners = [name for name, entry in entries.items() if not entry.center]
    return scene_of_frame(_frame_of_box(box), cutoffs, partner_colors(partners), title)


def scene_of_shell(path: Path | str, partners: Iterable[str] = ()) -> Scene:
    """Return a typical shell: an XYZ file from the folder ``shells`` beside the tables of an analysis.

    Elements have their own colors, the center is purple, contacts are dashed.

    Parameters
    ----------
    partners
        Their names, where some of them end in a digit and are no shipped species.
    """
    shell = read_typical_shell(path)
    looks = [ELEMENT_LOOKS.get(element, OTHER_LOOK) for element in shell.elements]
    looks[0] = (CENTER_COLOR, CENTER_RADIUS)
    sticks = [_THIN_STICK if element == "H" else _STICK for element in shell.elements]
    styles = [
        {"sphere": {"radius": radius, "color": color}, "stick": {"radius": stick, "color": color}}
        for (color, radius), stick in zip(looks, sticks, strict=True)
    ]
    positions = shell.positions @ flat(shell.positions)
    contacts = _cylinders((positions[[0, atom]] for atom in shell.touching), _CONTACT)
    pairs = zip(shell.elements[1:], looks[1:], strict=True)
    colors = {_ELEMENT_NAMES.get(element, element): color for element, (color, _) in pairs}
    center = shell.said["center"]
    return Scene(
        f"{center}: {shell_name(shell.said['composition'], partners)}",
        *_model(positions, shell.elements, shell.bonds, styles),
        tuple(contacts),
        ((center, CENTER_COLOR), *colors.items()),
        len(shell.elements),
    )
