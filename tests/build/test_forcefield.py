"""Reading force-field files: includes, what is refused, and templates."""

from pathlib import Path

import pytest

from solvshell.build.forcefield import ForceFieldFiles, read_forcefield
from solvshell.data import forcefield_directory
from solvshell.errors import InvalidInput

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
    assert list(templates) == ["LI", "PF6", "EC", "DMC", "EMC", "DEC"]
    assert [template.charge for template in templates.values()] == [1, -1, 0, 0, 0, 0]
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
