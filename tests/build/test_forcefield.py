"""Reading force-field files: includes, what is refused, and templates."""

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import openmm
import pytest
from openmm import app, unit

from solvshell.build.forcefield import ForceFieldFiles, create_system, read_forcefield
from solvshell.build.molecules import add_molecule
from solvshell.data import forcefield_directory
from solvshell.engine import is_network
from solvshell.errors import InvalidInput
from solvshell.recipe import Model

MINIMAL = """
<ForceField>
  {extra}
  <AtomTypes><Type name="he" class="he" element="He" mass="4.0026"/></AtomTypes>
  <Residues><Residue name="HE"><Atom name="HE1" type="he" charge="0.0"/></Residue></Residues>
  <NonbondedForce coulomb14scale="0.5" lj14scale="0.5" {attribute}>
    <UseAttributeFromResidue name="charge"/>
    <Atom type="he" sigma="0.26" epsilon="0.08"/>
  </NonbondedForce>
</ForceField>
"""


def write(path: Path, extra: str = "", attribute: str = "") -> str:
    path.write_text(MINIMAL.format(extra=extra, attribute=attribute))
    return str(path)


def test_templates_of_lb003(lb003_files: ForceFieldFiles) -> None:
    templates = lb003_files.templates()
    assert {name: template.charge for name, template in templates.items()} == {
        "LI": 1, "PF6": -1, "EC": 0, "PC": 0, "FEC": 0, "DMC": 0, "EMC": 0, "DEC": 0,
    }  # fmt: skip
    dmc = templates["DMC"]
    assert dmc.elements == ("C", "O", "C", "O", "O", "C", "H", "H", "H", "H", "H", "H")
    assert dmc.atom_names[:4] == ("C1", "O1", "C2", "O2")
    assert dmc.charges[:4] == (0.14, -0.375, 0.8, -0.51)
    assert dmc.bonds[:3] == ((0, 1), (1, 2), (2, 3))
    assert dmc.molar_mass == pytest.approx(90.078)
    assert templates["LI"].bonds == ()
    assert templates["PF6"].molar_mass == pytest.approx(144.962)


def test_includes_are_read_once_and_before_the_file_that_asks(lb003_files: ForceFieldFiles) -> None:
    names = ["lithium.xml", "hexafluorophosphate.xml", "alkanes.xml", "carbonates.xml", "lb003.xml"]
    assert [path.name for path in lb003_files.paths] == names
    twice = read_forcefield(["solvshell/lb003.xml", "solvshell/lithium.xml"])
    assert [path.name for path in twice.paths] == names
    assert not [root for root in twice.roots if root.findall("Include")]


def test_own_files_are_found_by_path_and_include_shipped_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = write(tmp_path / "he.xml", extra='<Include file="solvshell/lithium.xml"/><Include file="other.xml"/>')
    (tmp_path / "other.xml").write_text("<ForceField/>")
    expected = ["lithium.xml", "other.xml", "he.xml"]
    files = read_forcefield([own])
    assert [path.name for path in files.paths] == expected
    assert set(files.templates()) == {"LI", "HE"}
    monkeypatch.chdir(tmp_path)
    assert [path.name for path in read_forcefield(["he.xml"]).paths] == expected


@pytest.mark.parametrize(
    ("extra", "attribute"),
    [
        ("<Script>open('owned', 'w')</Script>", ""),
        ("<InitializationScript>open('owned', 'w')</InitializationScript>", ""),
        ("", """useDispersionCorrection="open('owned', 'w')" """),
    ],
)
def test_code_in_a_file_is_refused(extra: str, attribute: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = write(tmp_path / "he.xml", extra, attribute)
    with pytest.raises(InvalidInput, match=r"force_field.files: .*he\.xml holds a <Script>, or .*; refused"):
        read_forcefield([own])
    (tmp_path / "outer.xml").write_text('<ForceField><Include file="he.xml"/></ForceField>')
    with pytest.raises(InvalidInput, match=r"he\.xml holds a <Script>"):
        read_forcefield(["outer.xml"])
    assert not (tmp_path / "owned").exists()


def test_a_script_that_is_shipped_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("solvshell.build.forcefield.forcefield_directory", lambda: str(tmp_path))
    write(tmp_path / "he.xml", extra="<Script>pass</Script>")
    assert set(read_forcefield(["he.xml"]).templates()) == {"HE"}


def test_a_plain_dispersion_setting_is_no_code(tmp_path: Path) -> None:
    own = write(tmp_path / "he.xml", attribute='useDispersionCorrection="False"')
    assert set(read_forcefield([own]).templates()) == {"HE"}


def test_a_file_that_is_not_there_is_refused_with_those_shipped() -> None:
    with pytest.raises(
        InvalidInput, match=r"force_field.files: no file 'solvshell/lb004.xml' \(shipped: .*solvshell/lb003.xml"
    ):
        read_forcefield(["solvshell/lb004.xml"])


def test_a_file_that_is_no_xml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("<ForceField>")
    with pytest.raises(InvalidInput, match=r"force_field.files: .*a\.xml is not valid XML: no element found"):
        read_forcefield([str(tmp_path / "a.xml")])


def test_files_are_found_without_entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: pytest.fail("entry points were asked"))
    (path,) = read_forcefield(["solvshell/lithium.xml"]).paths
    assert path == (Path(forcefield_directory()) / "solvshell" / "lithium.xml").resolve()


def test_more_residues_leave_the_files_as_they_were(lb003_files: ForceFieldFiles) -> None:
    root = ET.fromstring('<ForceField><Residues><Residue name="NEW"/></Residues></ForceField>')
    more = lb003_files.with_residues(root)
    assert "NEW" in more.templates()
    assert "NEW" not in lb003_files.templates()
    assert more.paths == lb003_files.paths


def test_every_type_has_the_mass_of_its_element(family_files: ForceFieldFiles) -> None:
    for root in family_files.roots:
        for kind in root.iterfind("AtomTypes/Type"):
            expected = app.Element.getBySymbol(kind.get("element")).mass._value
            # OpenMM's boron weighs 10.8117.
            assert family_files.masses()[kind.get("name", "")] == pytest.approx(expected, abs=1e-3)


TERMS = """
<ForceField>
  <AtomTypes>
    <Type name="a" class="A" element="C" mass="12.011"/><Type name="b" class="B" element="C" mass="12.011"/>
  </AtomTypes>
  <HarmonicBondForce><Bond class1="A" class2="B" length="0.1" k="1"/></HarmonicBondForce>
  <HarmonicAngleForce><Angle class1="A" class2="B" class3="A" angle="2" k="1"/></HarmonicAngleForce>
  <PeriodicTorsionForce>{torsion}</PeriodicTorsionForce>
</ForceField>
"""
WILDCARD = '<Proper class1="" class2="B" class3="A" class4="" periodicity1="1" phase1="0" k1="0"/>'


def terms(torsion: str = "") -> ForceFieldFiles:
    return ForceFieldFiles((Path("own.xml"),), (ET.fromstring(TERMS.format(torsion=torsion)),))


@pytest.mark.parametrize(
    ("types", "torsion", "missing"),
    [
        ("ab", "", []),
        ("aba", "", []),
        ("abb", "", ["B - B", "A - B - B"]),
        ("bab", "", ["B - A - B"]),
        ("abab", WILDCARD, ["B - A - B"]),
        ("abab", "", ["B - A - B", "A - B - A - B"]),
        ("aa", "", ["A - A"]),
    ],
)
def test_terms_that_no_line_has_are_named_once(types: str, torsion: str, missing: list[str]) -> None:
    bonds = [(i, i + 1) for i in range(len(types) - 1)]
    assert terms(torsion).missing_terms(types, bonds) == missing


def test_the_shipped_molecules_lack_the_trans_angles_of_pf6_only(family_files: ForceFieldFiles) -> None:
    residues = [residue for root in family_files.roots for residue in root.iterfind("Residues/Residue")]
    missing = {}
    for residue in residues:
        name, types = residue.get("name", ""), [atom.get("type", "") for atom in residue.findall("Atom")]
        missing[name] = family_files.missing_terms(types, family_files.templates()[name].bonds)
    trans = missing.pop("PF6")
    assert [line.split(" - ")[0] == line.split(" - ")[2] for line in trans] == [True] * 3
    assert not any(missing.values())


def test_bonded_terms_of_a_network_take_the_nearest_image(lb003_files: ForceFieldFiles) -> None:
    topology = app.Topology()
    add_molecule(topology, topology.addChain(), lb003_files.templates()["EMC"])
    topology.setPeriodicBoxVectors(3 * np.eye(3) * unit.nanometer)
    for network in (False, True):
        system = create_system(topology, lb003_files, Model(), network=network)
        for force in system.getForces():
            if isinstance(force, openmm.NonbondedForce):
                assert force.getExceptionsUsePeriodicBoundaryConditions() is network
            else:
                assert force.usesPeriodicBoundaryConditions() is network
        assert is_network(system) is network
