"""From force-field XML to an `openmm.System`: the plain model of a box, with every bonded term and real masses."""

import copy
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

import openmm
from openmm import app, unit

from solvshell.data import forcefield_directory
from solvshell.errors import InvalidInput
from solvshell.recipe import Model


@dataclass(frozen=True)
class Template:
    """A residue of the force field: atoms in order, with unscaled charges in e and masses in dalton."""

    name: str
    atom_names: tuple[str, ...]
    elements: tuple[str, ...]
    masses: tuple[float, ...]
    charges: tuple[float, ...]
    bonds: tuple[tuple[int, int], ...]
    ion: bool | None = None

    @property
    def charge(self) -> int:
        """Formal charge in e."""
        return round(sum(self.charges))

    @property
    def is_ion(self) -> bool:
        """Whether its charges are scaled: it has a formal charge, or is a unit of a polymer that has."""
        return self.charge != 0 if self.ion is None else self.ion

    @property
    def molar_mass(self) -> float:
        """Molar mass in g/mol."""
        return sum(self.masses)


@dataclass(frozen=True)
class ForceFieldFiles:
    """Parsed force-field XML, includes resolved: the files that were read and their trees."""

    paths: tuple[Path, ...]
    roots: tuple[ET.Element, ...]

    def templates(self) -> dict[str, Template]:
        """Return the residue templates by name."""
        types = {kind.get("name"): kind for root in self.roots for kind in root.iterfind("AtomTypes/Type")}
        return {
            residue.get("name", ""): _template(residue, types)
            for root in self.roots
            for residue in root.iterfind("Residues/Residue")
        }

    def masses(self) -> dict[str, float]:
        """Return the mass in dalton of each atom type."""
        types = (kind for root in self.roots for kind in root.iterfind("AtomTypes/Type"))
        return {kind.get("name", ""): float(kind.get("mass", "nan")) for kind in types}

    def missing_terms(self, types: Sequence[str], bonds: Sequence[tuple[int, int]]) -> list[str]:
        """Return the bonds, angles and proper torsions of a molecule for which no file has a line, by their classes.

        OpenMM passes over them in silence. A term that is zero on purpose is a line whose constants are zero.
        """
        class_of = {kind.get("name"): kind.get("class") for r in self.roots for kind in r.iterfind("AtomTypes/Type")}
        lines: dict[str, set[tuple[str, ...]]] = {"Bond": set(), "Angle": set(), "Proper": set()}
        for root in self.roots:
            for line in (line for force in root for line in force if line.tag in lines and "class1" in line.attrib):
                classes = tuple(line.get(f"class{n}", "") for n in range(1, 5) if f"class{n}" in line.attrib)
                lines[line.tag] |= {classes, classes[::-1]}
        classes_of_atoms = [class_of[kind] or "" for kind in types]
        paths = _paths(len(types), bonds)
        missing = {
            " - ".join(min(found, found[::-1]))
            for tag, n_atoms in (("Bond", 2), ("Angle", 3), ("Proper", 4))
            for found in {tuple(classes_of_atoms[i] for i in path) for path in paths[n_atoms]}
            if not any(all(a in ("", b) for a, b in zip(line, found, strict=True)) for line in lines[tag])
        }
        return sorted(missing, key=lambda text: (len(text), text))

    def with_residues(self, root: ET.Element) -> "ForceFieldFiles":
        """Return the same force field with more residue templates."""
        return replace(self, roots=(*self.roots, root))


def _paths(n_atoms: int, bonds: Sequence[tuple[int, int]]) -> dict[int, list[tuple[int, ...]]]:
    """Return the bonded paths of two, three and four atoms, each in one direction at least."""
    neighbors: list[list[int]] = [[] for _ in range(n_atoms)]
    for i, j in bonds:
        neighbors[i].append(j)
        neighbors[j].append(i)
    twos: list[tuple[int, ...]] = [(i, j) for i in range(n_atoms) for j in neighbors[i]]
    threes = [(*path, k) for path in twos for k in neighbors[path[-1]] if k not in path]
    fours = [(*path, k) for path in threes for k in neighbors[path[-1]] if k not in path]
    return {2: twos, 3: threes, 4: fours}


def _template(residue: ET.Element, types: dict[str | None, ET.Element]) -> Template:
    atoms = residue.findall("Atom")
    names = [atom.get("name", "") for atom in atoms]
    for atom in atoms:
        if atom.get("type") not in types:
            raise InvalidInput(
                f"force_field.files: residue {residue.get('name')} names no type of the files at {atom.get('name')}"
            )
        if atom.get("charge") is None:
            raise InvalidInput(f"force_field.files: residue {residue.get('name')} has no charge at {atom.get('name')}")
    kinds = [types[atom.get("type")] for atom in atoms]
    return Template(
        name=residue.get("name", ""),
        atom_names=tuple(names),
        elements=tuple(kind.get("element", "") for kind in kinds),
        masses=tuple(float(kind.get("mass", "nan")) for kind in kinds),
        charges=tuple(float(atom.get("charge", "nan")) for atom in atoms),
        bonds=tuple(
            (names.index(bond.get("atomName1", "")), names.index(bond.get("atomName2", "")))
            for bond in residue.findall("Bond")
        ),
        ion={"true": True, "false": False}.get(residue.get("ion", "")),
    )


def _locate(name: str, beside: Path | None = None) -> Path:
    # By path, not through OpenMM's entry points: a broken entry point of another package would hide ours.
    folders = [*([beside] if beside else []), Path(forcefield_directory()), Path()]
    for folder in folders:
        if (folder / name).is_file():
            return (folder / name).resolve()
    shipped = sorted(f"solvshell/{path.name}" for path in Path(forcefield_directory()).glob("solvshell/*.xml"))
    raise InvalidInput(f"force_field.files: no file {name!r} (shipped: {', '.join(shipped)})")


def _holds_code(root: ET.Element) -> bool:
    # OpenMM executes scripts, and evaluates one attribute of nonbonded forces as Python.
    return any(
        element.tag in ("Script", "InitializationScript")
        or element.get("useDispersionCorrection", "True") not in ("True", "False")
        for element in root.iter()
    )


def _read_with_includes(path: Path) -> Iterator[tuple[Path, ET.Element]]:
    try:
        root = ET.parse(path).getroot()
    except ET.ParseError as error:
        raise InvalidInput(f"force_field.files: {path} is not valid XML: {error}") from None
    shipped = path.is_relative_to(Path(forcefield_directory()).resolve())
    if _holds_code(root) and not shipped:
        raise InvalidInput(
            f"force_field.files: {path} holds a <Script>, or a useDispersionCorrection other than True or False, which "
            "OpenMM would execute; refused"
        )
    for include in root.findall("Include"):
        yield from _read_with_includes(_locate(include.get("file", ""), beside=path.parent))
        root.remove(include)
    yield path, root


def read_forcefield(files: Sequence[str]) -> ForceFieldFiles:
    """Return the force field of a recipe.

    Parameters
    ----------
    files : sequence of str
        Names below the shipped ``forcefields/`` or paths.

    Raises
    ------
    InvalidInput
        If a file is missing, is no XML, or holds a script and is not shipped with this package.
    """
    found: dict[Path, ET.Element] = {}
    for name in files:
        for path, root in _read_with_includes(_locate(name)):
            found.setdefault(path, root)
    return ForceFieldFiles(tuple(found), tuple(found.values()))


def _with_scaled_ions(files: ForceFieldFiles, scale: float) -> app.ForceField:
    # Scaled in the templates, before a System is made: exceptions of ions then scale by the product, solvents stay.
    ions = {name for name, template in files.templates().items() if template.is_ion}
    sources = []
    for root in files.roots:
        scaled = copy.deepcopy(root)
        for residue in scaled.iterfind("Residues/Residue"):
            if residue.get("name") in ions:
                for atom in residue.findall("Atom"):
                    atom.set("charge", repr(scale * float(atom.get("charge", "nan"))))
        sources.append(StringIO(ET.tostring(scaled, encoding="unicode")))
    return app.ForceField(*sources)


def create_system(
    topology: app.Topology,
    files: ForceFieldFiles,
    model: Model,
    periodic: bool = True,
    templates: Mapping[app.topology.Residue, str] | None = None,
    network: bool = False,
) -> openmm.System:
    """Return the plain System of a topology: no constraints, no barostat, no thermostat, real masses.

    Charges of ions (residues with a formal charge) are scaled by ``model.ion_charge_scale``. With ``periodic=False``
    the molecules are in vacuum, without any cutoff. `templates` names those of residues that OpenMM need not find. In a
    `network` every bonded term and every exception takes the nearest periodic image.
    """
    forcefield = _with_scaled_ions(files, model.ion_charge_scale)
    plain = {
        "constraints": None,
        "rigidWater": False,
        "removeCMMotion": False,
        "residueTemplates": dict(templates or {}),
    }
    if not periodic:
        return forcefield.createSystem(topology, nonbondedMethod=app.NoCutoff, **plain)
    system = forcefield.createSystem(
        topology,
        nonbondedMethod=app.PME,
        nonbondedCutoff=model.cutoff * unit.nanometer,
        switchDistance=model.switch * unit.nanometer if model.switch is not None else None,
        ewaldErrorTolerance=model.pme_tolerance,
        useDispersionCorrection=model.tail_correction,
        **plain,
    )
    if network:
        for force in system.getForces():
            if isinstance(force, openmm.NonbondedForce):
                force.setExceptionsUsePeriodicBoundaryConditions(True)
            else:
                force.setUsesPeriodicBoundaryConditions(True)
    return system
