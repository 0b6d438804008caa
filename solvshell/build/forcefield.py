"""From force-field XML to an `openmm.System`: the plain model of a box, with every bonded term and real masses."""

import copy
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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

    @property
    def charge(self) -> int:
        """Formal charge in e."""
        return round(sum(self.charges))

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
    ions = {name for name, template in files.templates().items() if template.charge != 0}
    sources = []
    for root in files.roots:
        scaled = copy.deepcopy(root)
        for residue in scaled.iterfind("Residues/Residue"):
            if residue.get("name") in ions:
                for atom in residue.findall("Atom"):
                    atom.set("charge", repr(scale * float(atom.get("charge", "nan"))))
        sources.append(StringIO(ET.tostring(scaled, encoding="unicode")))
    return app.ForceField(*sources)


def create_system(topology: app.Topology, files: ForceFieldFiles, model: Model, periodic: bool = True) -> openmm.System:
    """Return the plain System of a topology: no constraints, no barostat, no thermostat, real masses.

    Charges of ions (residues with a formal charge) are scaled by ``model.ion_charge_scale``. With ``periodic=False``
    the molecules are in vacuum, without any cutoff.
    """
    forcefield = _with_scaled_ions(files, model.ion_charge_scale)
    plain = {"constraints": None, "rigidWater": False, "removeCMMotion": False}
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
    return system
