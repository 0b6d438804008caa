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

from solvshell.data import forcefield_directory
from solvshell.species import catalogue

FOLDER = Path(forcefield_directory()) / "solvshell"
FILES = sorted(FOLDER.glob("*.xml"))
FORMAL_CHARGES = {"LI": 1, "PF6": -1, "EC": 0, "DMC": 0, "EMC": 0}
FORCES = ("HarmonicBondForce", "HarmonicAngleForce", "PeriodicTorsionForce", "NonbondedForce")

by_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def root_of(path: Path) -> ET.Element:
    return ET.parse(path).getroot()


def sourced(root: ET.Element) -> list[ET.Element]:
    """Return the elements that carry numbers: residues (charges) and all lines of the forces."""
    lines = [line for force in FORCES for line in root.iterfind(f"{force}/*")]
    return [*root.iterfind("Residues/Residue"), *(line for line in lines if line.tag != "UseAttributeFromResidue")]


def test_the_files_of_lb003_are_there() -> None:
    assert {"lb003", "lithium", "hexafluorophosphate", "carbonates"} <= {path.stem for path in FILES}
    includes = {include.get("file") for include in root_of(FOLDER / "lb003.xml").iterfind("Include")}
    assert includes == {"lithium.xml", "hexafluorophosphate.xml", "carbonates.xml"}


@by_file
def test_every_number_has_a_source_and_every_reference_is_used(path: Path) -> None:
    root = root_of(path)
    references = {reference.get("id"): reference.text for reference in root.iterfind("Info/Reference")}
    used: set[str] = set()
    for line in sourced(root):
        sources = line.get("source", "").split()
        assert sources, f"no source: {line.tag} {line.attrib}"
        assert set(sources) <= references.keys(), line.attrib
        used |= set(sources)
    assert used == references.keys()
    assert all(text and len(text) > 10 for text in references.values())


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
        charge = sum(Decimal(atom.get("charge", "nan")) for atom in residue.findall("Atom"))
        assert charge == charge.to_integral_value(), residue.get("name")
        if residue.get("name") in FORMAL_CHARGES:
            assert charge == FORMAL_CHARGES[residue.get("name", "")]


def test_every_species_has_one_residue() -> None:
    residues = [residue.get("name") for path in FILES for residue in root_of(path).iterfind("Residues/Residue")]
    assert sorted(residues) == sorted(species.residue for species in catalogue().values())


@by_file
def test_types_and_classes_are_ours_and_known(path: Path) -> None:
    root = root_of(path)
    types = root.findall("AtomTypes/Type")
    names, classes = {kind.get("name", "") for kind in types}, {kind.get("class", "") for kind in types}
    assert len(names) == len(types)
    assert all(name.startswith("sv-") for name in names | classes)
    assert {atom.get("type") for atom in root.iterfind("Residues/Residue/Atom")} == names
    assert [atom.get("type") for atom in root.iterfind("NonbondedForce/Atom")] == [kind.get("name") for kind in types]
    for line in sourced(root):
        of_line = {value for key, value in line.attrib.items() if key.startswith("class")}
        assert of_line <= classes, line.attrib


def test_types_of_different_files_differ() -> None:
    names = [kind.get("name") for path in FILES for kind in root_of(path).iterfind("AtomTypes/Type")]
    assert len(set(names)) == len(names)


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
            assert float(kind.get("mass", "nan")) == pytest.approx(expected, abs=6e-4)


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
    assert found["files"] == ["lithium.xml", "hexafluorophosphate.xml", "carbonates.xml", "lb003.xml"]
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
