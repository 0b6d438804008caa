"""What lies in forcefields/: sources, charges and names in the XML, and that OpenMM finds it."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from decimal import Decimal
from importlib import metadata
from pathlib import Path

import pytest
from openmm import app
from rdkit import Chem

from solvshell.build.forcefield import read_forcefield
from solvshell.data import forcefield_directory
from solvshell.species import catalogue

FOLDER = Path(forcefield_directory()) / "solvshell"
FILES = sorted(FOLDER.glob("*.xml"))
CATIONS = {"LI": 1, "NA": 1, "K": 1, "RB": 1, "CS": 1, "PYR": 1, "OTA": 4}
ANIONS = dict.fromkeys(["PF6", "NO3", "TFSI", "FSI", "BF4", "CLO4"], -1)
SOLVENTS = dict.fromkeys(["EC", "PC", "FEC", "DMC", "EMC", "DEC", "DOL", "DME"], 0)
FORMAL_CHARGES = CATIONS | ANIONS | SOLVENTS
FORCES = ("HarmonicBondForce", "HarmonicAngleForce", "PeriodicTorsionForce", "NonbondedForce")

by_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def root_of(path: Path) -> ET.Element:
    return ET.parse(path).getroot()


def with_includes(path: Path) -> list[ET.Element]:
    root = root_of(path)
    return [root, *(root_of(FOLDER / include.get("file", "")) for include in root.iterfind("Include"))]


def sourced(root: ET.Element) -> list[ET.Element]:
    """Return the elements that carry numbers: residues (charges) and all lines of the forces."""
    lines = [line for force in FORCES for line in root.iterfind(f"{force}/*")]
    return [*root.iterfind("Residues/Residue"), *(line for line in lines if line.tag != "UseAttributeFromResidue")]


def without_source(root: ET.Element) -> list[str]:
    """Return the elements with numbers that name no reference of their file."""
    references = {reference.get("id") for reference in root.iterfind("Info/Reference") if reference.text}
    sources = [(line, line.get("source", "").split()) for line in sourced(root)]
    return [f"{line.tag} {line.attrib}" for line, named in sources if not named or not references.issuperset(named)]


def test_the_files_of_lb003_are_there() -> None:
    assert {"lb003", "lithium", "hexafluorophosphate", "carbonates"} <= {path.stem for path in FILES}
    includes = {include.get("file") for include in root_of(FOLDER / "lb003.xml").iterfind("Include")}
    assert includes == {"lithium.xml", "hexafluorophosphate.xml", "carbonates.xml"}


def test_the_bundle_of_the_family_has_all_files() -> None:
    included = {include.get("file") for include in root_of(FOLDER / "electrolytes.xml").iterfind("Include")}
    with_residues = {path.name for path in FILES if root_of(path).find("Residues") is not None}
    assert included == with_residues


@by_file
def test_every_number_has_a_source_and_every_reference_is_used(path: Path) -> None:
    root = root_of(path)
    assert without_source(root) == []
    references = {reference.get("id"): reference.text or "" for reference in root.iterfind("Info/Reference")}
    assert {source for line in sourced(root) for source in line.get("source", "").split()} == references.keys()
    assert all(len(text) > 10 for text in references.values())


@pytest.mark.parametrize("tag", ["Residue", "Bond", "Angle", "Proper", "Improper", "Atom"])
def test_a_line_without_a_source_is_seen(tag: str) -> None:
    root = root_of(FOLDER / "carbonates.xml")
    line = next(line for line in sourced(root) if line.tag == tag)
    line.set("source", "hearsay")
    assert without_source(root) == [f"{tag} {line.attrib}"]
    del line.attrib["source"]
    assert without_source(root) == [f"{tag} {line.attrib}"]


@by_file
def test_nothing_with_numbers_escapes_the_sources(path: Path) -> None:
    """Types have a mass only, atoms of residues the charges of their residue, bonds of residues nothing."""
    root = root_of(path)
    seen = {*sourced(root), *root.iterfind("AtomTypes/Type"), *root.iterfind("Residues/Residue/Atom")}
    numbers = {"charge", "mass", "length", "angle", "k", "k1", "sigma", "epsilon", "coulomb14scale", "lj14scale"}
    others = [element for element in root.iter() if numbers & element.attrib.keys() and element not in seen]
    assert {element.tag for element in others} <= {"NonbondedForce"}


@by_file
def test_only_known_parts_and_no_code(path: Path) -> None:
    allowed = {"Info", "Include", "AtomTypes", "Residues", *FORCES}
    root = root_of(path)
    assert {part.tag for part in root} <= allowed
    assert not [element for element in root.iter() if "Script" in element.tag]
    assert not [element for element in root.iter() if "useDispersionCorrection" in element.attrib]


@by_file
def test_charges_of_residues_sum_exactly(path: Path) -> None:
    for residue in root_of(path).iterfind("Residues/Residue"):
        charge = sum((Decimal(atom.get("charge", "nan")) for atom in residue.findall("Atom")), Decimal())
        assert charge == charge.to_integral_value(), residue.get("name")
        assert charge == FORMAL_CHARGES[residue.get("name", "")]


def test_every_species_has_one_residue() -> None:
    residues = [residue.get("name", "") for path in FILES for residue in root_of(path).iterfind("Residues/Residue")]
    assert sorted(residues) == sorted(species.residue for species in catalogue().values())


@by_file
def test_types_and_classes_are_ours_and_known(path: Path) -> None:
    root = root_of(path)
    types = root.findall("AtomTypes/Type")
    names, classes = {kind.get("name", "") for kind in types}, {kind.get("class", "") for kind in types}
    assert len(names) == len(types)
    assert all(name.startswith("sv-") for name in names | classes)
    used = {atom.get("type") for atom in root.iterfind("Residues/Residue/Atom")}
    known = {kind.get("name") for part in with_includes(path) for kind in part.iterfind("AtomTypes/Type")}
    known_classes = {kind.get("class") for part in with_includes(path) for kind in part.iterfind("AtomTypes/Type")}
    assert used <= known
    assert names <= used or root.find("Residues") is None
    assert [atom.get("type") for atom in root.iterfind("NonbondedForce/Atom")] == [kind.get("name") for kind in types]
    for line in sourced(root):
        of_line = {value for key, value in line.attrib.items() if key.startswith("class")}
        assert of_line <= known_classes, line.attrib


def test_types_of_different_files_differ() -> None:
    names = [kind.get("name") for path in FILES for kind in root_of(path).iterfind("AtomTypes/Type")]
    assert len(set(names)) == len(names)


def classes_of(line: ET.Element) -> tuple[str, ...]:
    found = tuple(value for key, value in sorted(line.attrib.items()) if key.startswith("class"))
    return min(found, found[::-1])


def test_no_term_is_defined_twice() -> None:
    for tag in ("Bond", "Angle", "Proper"):
        lines = [line for path in FILES for line in root_of(path).iter(tag) if "class1" in line.attrib]
        found = [classes_of(line) for line in lines]
        assert len(set(found)) == len(found), tag
        assert len(found) > 10


def missing_terms(types: list[str], bonds: list[tuple[int, int]]) -> list[str]:
    return read_forcefield(["solvshell/electrolytes.xml"]).missing_terms(types, bonds)


def test_every_bond_angle_and_torsion_of_every_species_has_a_line() -> None:
    """OpenMM passes in silence over what has none; zero is a line with k 0."""
    residues = {r.get("name"): r for path in FILES for r in root_of(path).iterfind("Residues/Residue")}
    assert len(residues) == len(FORMAL_CHARGES)
    for name, residue in residues.items():
        atoms = [atom.get("name") for atom in residue.iterfind("Atom")]
        bonds = [
            (atoms.index(bond.get("atomName1")), atoms.index(bond.get("atomName2")))
            for bond in residue.iterfind("Bond")
        ]
        missing = missing_terms([atom.get("type", "") for atom in residue.iterfind("Atom")], bonds)
        trans = [f"sv-FP{letter} - sv-P - sv-FP{letter}" for letter in "abc"]
        assert missing == (trans if name == "PF6" else []), name


SATURATED = "CCC[N+]1(CCC)CC[N+](CCC)(CCC)CC[N+](CCC)(CCC)CC[N+](CCC)(CCC)CC1"
UNITS = {
    "saturated": SATURATED,
    "partly reacted": "CC(C[N+](CC=C)(CC=C)CC[N+](CC=C)(CCC)CCC)CC(C)C[N+](C)(CC=C)CC",
    "ring of two allyls of one N": "CCC1C[N+](CC=C)(CC[N+](CCC)(CCC)CCC)CC1CC(C)C[N+](C)(C)C",
    "ring of a saturated N": "CC1C[N+](CCC)(CC[N+]2(CC=C)CC(C)C(CC)C2)CC1CCC",
    "poly(ethylene oxide)": "COCCOCCOCCOC",
    "propyl ether": "CCCOCCOCCC",
}


@pytest.mark.parametrize("smiles", UNITS.values(), ids=UNITS.keys())
def test_every_term_of_the_polymers_has_a_line(smiles: str) -> None:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))

    def kind(atom: Chem.Atom) -> str:
        unsaturated = [a.GetHybridization() == Chem.HybridizationType.SP2 for a in (atom, *atom.GetNeighbors())]
        if atom.GetSymbol() == "C":
            return "sv-CM" if unsaturated[0] else "sv-CT"
        if atom.GetSymbol() == "H":
            return "sv-HM" if any(unsaturated) else "sv-HC"
        return {"N": "sv-N4", "O": "sv-OS_eth"}[atom.GetSymbol()]

    bonds = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds()]
    assert missing_terms([kind(atom) for atom in mol.GetAtoms()], bonds) == []


def test_what_has_no_line_is_seen() -> None:
    """A double bond farther from N+ than an allyl's, and an ether beside N+, are not in the files."""
    assert "sv-CM - sv-CT - sv-CT" in missing_terms(["sv-CM", "sv-CT", "sv-CT"], [(0, 1), (1, 2)])
    assert "sv-NT - sv-CT - sv-OS" in missing_terms(["sv-N4", "sv-CT", "sv-OS_eth"], [(0, 1), (1, 2)])


@pytest.mark.parametrize("name", ["OTA", "PYR"])
def test_charges_of_ammonium_follow_the_group_rule(name: str) -> None:
    """N+ has 0.12; a carbon beside it -0.17, its H 0.13; each carbon 0.13 for each carbon neighbor beside N+."""
    (residue,) = (r for r in root_of(FOLDER / "ammonium.xml").iterfind("Residues/Residue") if r.get("name") == name)
    found = {atom.get("name"): Decimal(atom.get("charge", "nan")) for atom in residue.iterfind("Atom")}
    kinds = {atom.get("name"): atom.get("type") for atom in residue.iterfind("Atom")}
    around: dict[str | None, list[str | None]] = {atom: [] for atom in found}
    for bond in residue.iterfind("Bond"):
        first, second = bond.get("atomName1"), bond.get("atomName2")
        around[first].append(second)
        around[second].append(first)
    alpha = {atom for atom in found if kinds[atom] == "sv-CT" and "sv-N4" in [kinds[other] for other in around[atom]]}
    per_hydrogen = {"sv-CT": Decimal("0.06"), "sv-CM": Decimal("0.115")}

    def expected(atom: str | None) -> Decimal:
        if kinds[atom] == "sv-N4":
            return Decimal("0.12")
        if kinds[atom] in ("sv-HC", "sv-HM"):
            (carbon,) = around[atom]
            return Decimal("0.13") if carbon in alpha else per_hydrogen[kinds[carbon] or ""]
        n_hydrogens = sum(kinds[other] in ("sv-HC", "sv-HM") for other in around[atom])
        own = Decimal("-0.17") if atom in alpha else -n_hydrogens * per_hydrogen[kinds[atom] or ""]
        return own + Decimal("0.13") * len(alpha & set(around[atom]))

    assert found == {atom: expected(atom) for atom in found}
    assert len(alpha) == {"OTA": 16, "PYR": 4}[name]


@by_file
def test_1_4_scales_and_charges_from_residues(path: Path) -> None:
    for force in root_of(path).iterfind("NonbondedForce"):
        assert (force.get("coulomb14scale"), force.get("lj14scale")) == ("0.5", "0.5")
        assert [part.get("name") for part in force.iterfind("UseAttributeFromResidue")] == ["charge"]
        assert not [atom for atom in force.iterfind("Atom") if "charge" in atom.attrib]


def test_masses_are_those_of_the_elements() -> None:
    for path in FILES:
        for kind in root_of(path).iterfind("AtomTypes/Type"):
            expected = app.Element.getBySymbol(kind.get("element", "")).mass._value
            # OpenMM's boron has 10.8117, everybody else's 10.811
            assert float(kind.get("mass", "nan")) == pytest.approx(expected, abs=8e-4)


def test_the_ester_oxygen_torsion_is_the_carbonates_own() -> None:
    """The ester's O-C-O-C term (V1 19.5 kJ/mol) would forbid every cis-trans carbonate."""
    (torsion,) = (
        line
        for line in root_of(FOLDER / "carbonates.xml").iterfind("PeriodicTorsionForce/Proper")
        if [line.get(f"class{i}") for i in (1, 2, 3, 4)] == ["sv-OSC", "sv-C_2", "sv-OSC", "sv-CT"]
    )
    assert (torsion.get("periodicity1"), torsion.get("k1"), torsion.get("periodicity2")) == ("2", "10.46", None)


def test_the_entry_point_gives_the_folder() -> None:
    entries = [entry for entry in metadata.entry_points(group="openmm.forcefielddir") if entry.name == "solvshell"]
    assert {entry.value for entry in entries} == {"solvshell.data:forcefield_directory"}
    assert (Path(entries[0].load()()) / "solvshell" / "lb003.xml").is_file()


def test_openmm_finds_lb003_by_name() -> None:
    assert {"LI", "PF6", "EC", "DMC", "EMC"} <= set(app.ForceField("solvshell/lb003.xml")._templates)


@by_file
def test_openmm_loads_each_file_alone(path: Path) -> None:
    residues = {residue.get("name") for part in with_includes(path) for residue in part.iterfind("Residues/Residue")}
    assert residues <= set(app.ForceField(f"solvshell/{path.name}")._templates)


def test_openmm_loads_files_together_that_include_the_same_file() -> None:
    together = app.ForceField(*(f"solvshell/{name}.xml" for name in ("ethers", "ammonium", "carbonates", "lithium")))
    assert set(together._templates) == {"DOL", "DME", "OTA", "PYR", "EC", "PC", "FEC", "DMC", "EMC", "DEC", "LI"}
    assert set(app.ForceField("solvshell/electrolytes.xml")._templates) == set(FORMAL_CHARGES)


DISCOVERY = """
import json
from openmm import app
from solvshell.build import build_box
from solvshell.build.forcefield import read_forcefield
from solvshell.doctor import forcefield_discovery
from solvshell.recipe import Recipe

found = {}
try:
    app.ForceField("solvshell/lb003.xml")
    found["openmm"] = "found"
except ValueError as error:
    found["openmm"] = str(error)
found["doctor"] = forcefield_discovery()
found["files"] = [path.name for path in read_forcefield(["solvshell/lb003.xml"]).paths]
recipe = Recipe.model_validate({
    "name": "tiny", "title": "tiny",
    "composition": {"counts": {"Li": 1, "PF6": 1, "EC": 4}},
    "force_field": {"cutoff": "0.4 nm", "switch": None},
})
found["counts"] = build_box(recipe).counts
print(json.dumps(found))
"""


@pytest.mark.parametrize("broken", [False, True])
def test_discovery_beside_a_broken_entry_point(broken: bool, tmp_path: Path) -> None:
    if broken:
        info = tmp_path / "broken-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[openmm.forcefielddir]\nbroken = broken_package:nowhere\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", DISCOVERY],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    # What does not go through entry points works in any case.
    assert found["files"] == ["lithium.xml", "hexafluorophosphate.xml", "alkanes.xml", "carbonates.xml", "lb003.xml"]
    assert found["counts"] == {"Li": 1, "PF6": 1, "EC": 4}
    assert Path(found["doctor"]["solvshell"]) == Path(forcefield_directory())
    if broken:
        assert found["doctor"]["broken"] == "broken: ModuleNotFoundError: No module named 'broken_package'"
        # OpenMM (8.6) reads all entry points in one try: the broken one, being first, hides ours. Once this fails,
        # OpenMM has become better and the doctor need not warn.
        assert 'Could not locate file "solvshell/lb003.xml"' in found["openmm"]
    else:
        assert "broken" not in found["doctor"]
        assert found["openmm"] == "found"
