"""Chains as graphs: formulae, valences, rings and charges counted by RDKit on what was built, and residue templates."""

import copy
import re
from collections import Counter
from typing import Any

import pytest
from openmm import app
from polymers import count, dadma, network, ota, peo, rings_of_five_with_nitrogen, straight
from rdkit import Chem
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

from solvshell.build.forcefield import ForceFieldFiles
from solvshell.build.graph import PolymerModel
from solvshell.build.polymer import model_of, unit_model
from solvshell.errors import InvalidInput
from solvshell.polymer import Polymer
from solvshell.recipe import Model

ALL = {
    "vinyl": ota(),
    "cyclo": ota(architecture="cyclo"),
    "saturated": ota(unreacted="saturate"),
    "saturated-cyclo": ota(architecture="cyclo", unreacted="saturate"),
    "dadma": dadma(),
    "dadma-vinyl": dadma(architecture="vinyl"),
    "peo": peo(),
}
by_kind = pytest.mark.parametrize("of", ALL.values(), ids=ALL)


def built(of: Polymer, files: ForceFieldFiles) -> PolymerModel:
    return model_of(straight(of), of, files, Model())


def charge_of(residue: Any) -> float:
    return sum(float(atom.get("charge")) for atom in residue.findall("Atom"))


def bonds_between(mol: Chem.Mol, kind: Chem.BondType) -> int:
    return sum(bond.GetBondType() == kind for bond in mol.GetBonds())


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("architecture", ["vinyl", "cyclo"])
def test_a_chain_has_the_formula_of_its_monomers_and_two_hydrogens(n: int, architecture: str) -> None:
    mol = straight(ota(chain_length=n, architecture=architecture))
    assert CalcMolFormula(mol) == f"C{32 * n}H{56 * n + 2}N{4 * n}+{4 * n}"
    assert Chem.GetFormalCharge(mol) == 4 * n
    assert len(Chem.GetMolFrags(mol)) == 1
    assert not any(atom.GetNumRadicalElectrons() or atom.GetTotalNumHs() for atom in mol.GetAtoms()), "all explicit"


@by_kind
def test_every_valence_is_filled(of: Polymer) -> None:
    mol = straight(of)
    assert Chem.SanitizeMol(Chem.Mol(mol)) == Chem.SanitizeFlags.SANITIZE_NONE
    for atom in mol.GetAtoms():
        orders = sum(bond.GetBondTypeAsDouble() for bond in atom.GetBonds())
        assert orders == {"C": 4, "H": 1, "O": 2, "N": 4}[atom.GetSymbol()]


def test_the_c_c_of_a_chain_are_those_that_did_not_react() -> None:
    for n in (1, 2, 5):
        assert count(straight(ota(chain_length=n)), "C=C") == 7 * n
        assert count(straight(ota(chain_length=n, architecture="cyclo")), "C=C") == 6 * n
        assert count(straight(dadma(chain_length=n)), "C=C") == 0


def test_cyclo_has_one_pyrrolidinium_ring_per_unit_and_vinyl_none() -> None:
    pyrrolidinium = "[NX4+]1[CH2][CH][CH][CH2]1"
    for n in (1, 3):
        for of in (ota(chain_length=n, architecture="cyclo"), dadma(chain_length=n)):
            assert count(straight(of), pyrrolidinium) == n
            assert rings_of_five_with_nitrogen(straight(of)) == n
        assert rings_of_five_with_nitrogen(straight(ota(chain_length=n))) == 0
        assert rings_of_five_with_nitrogen(straight(dadma(chain_length=n, architecture="vinyl"))) == 0


def test_the_large_ring_is_kept() -> None:
    for architecture in ("vinyl", "cyclo"):
        mol = straight(ota(architecture=architecture))
        assert sum(len(ring) == 12 for ring in mol.GetRingInfo().AtomRings()) == 3


def test_vinyl_chains_grow_head_to_tail_along_carbons() -> None:
    # H-CH2-CH(R)-CH2-CH(R)-CH2-CH(R)-CH2-CH2(R), four arms R = CH2N+
    mol = straight(ota(chain_length=4))
    backbone = "[CH3][CHX4]([CH2][N+])[CH2][CHX4]([CH2][N+])[CH2][CHX4]([CH2][N+])[CH2][CH2][CH2][N+]"
    assert count(mol, backbone) == 1


def test_a_flipped_unit_gives_head_to_head_and_tail_to_tail() -> None:
    of = dadma(chain_length=4, architecture="vinyl")
    one, flipped = straight(of), straight(of, [False, True, False, False])
    head_to_head = "[CHX4]([CH2][N+])[CHX4][CH2][N+]"
    assert count(one, head_to_head) == 0
    assert count(flipped, head_to_head) == 1
    assert CalcMolFormula(one) == CalcMolFormula(flipped)
    tail_to_tail = "[CHX4][CH2X4;!$(C[N+])][CH2X4;!$(C[N+])][CHX4]"
    assert (count(one, tail_to_tail), count(flipped, tail_to_tail)) == (0, 1)


def test_a_chain_built_backwards_is_the_same_molecule() -> None:
    of = dadma(chain_length=3, architecture="vinyl")
    assert Chem.MolToSmiles(straight(of)) == Chem.MolToSmiles(straight(of, [True] * 3))


@pytest.mark.parametrize(
    ("ends", "formula"), [(["H", "H"], "C24H50N3+3"), (["CH3", "H"], "C25H52N3+3"), (["CH3", "CH3"], "C26H54N3+3")]
)
def test_end_groups_close_the_chain(ends: list[str], formula: str) -> None:
    assert CalcMolFormula(straight(dadma(end_groups=ends))) == formula


def test_each_end_group_is_at_its_end() -> None:
    # the oxygen is the head
    assert Chem.MolToSmiles(Chem.RemoveHs(straight(peo(chain_length=2, end_groups=["CH3", "H"])))) == "CCCOCCO"
    assert Chem.MolToSmiles(Chem.RemoveHs(straight(peo(chain_length=2, end_groups=["H", "CH3"])))) == "CCOCCOC"


def test_saturated_chains_have_propyls_in_place_of_allyls() -> None:
    mol = straight(ota(unreacted="saturate", chain_length=3))
    assert bonds_between(mol, Chem.BondType.DOUBLE) == 0
    assert CalcMolFormula(mol) == f"C96H{3 * (56 + 2 * 7) + 2}N12+12"
    assert count(mol, "[CH3][CH2][CH2][N+]") == 3 * 7


@by_kind
def test_atoms_lie_unit_by_unit_with_names_of_their_own(of: Polymer) -> None:
    mol = straight(of)
    units = [atom.GetIntProp("unit") for atom in mol.GetAtoms()]
    assert units == sorted(units)
    assert set(units) == {0, 1, 2}
    names = Counter((atom.GetIntProp("unit"), atom.GetProp("name")) for atom in mol.GetAtoms())
    assert set(names.values()) == {1}
    elements = {re.sub(r"\d+$", "", atom.GetProp("name")) == atom.GetSymbol() for atom in mol.GetAtoms()}
    assert elements == {True}


@by_kind
def test_sites_keep_their_names_in_every_unit(of: Polymer) -> None:
    wanted = {name for names in of.sites.values() for name in names}
    mol = straight(of)
    for unit in range(3):
        elements = {
            atom.GetProp("name"): atom.GetSymbol() for atom in mol.GetAtoms() if atom.GetIntProp("unit") == unit
        }
        assert {elements[name] for name in wanted} <= {"N", "O"}


@by_kind
def test_the_force_field_has_every_term(of: Polymer, family_files: ForceFieldFiles) -> None:
    typed = built(of, family_files)
    assert family_files.missing_terms(typed.types, typed.whole.bonds) == []


@pytest.mark.parametrize("chain_length", [1, 2, 3, 6])
def test_equal_units_share_a_template(chain_length: int, family_files: ForceFieldFiles) -> None:
    typed = built(dadma(chain_length=chain_length), family_files)
    n_kinds = min(chain_length, 3)
    assert len(typed.residues.findall("Residues/Residue")) == n_kinds
    assert len(typed.template_names) == chain_length
    assert len(set(typed.template_names)) == n_kinds
    assert len(set(typed.template_names[1:-1])) <= 1
    assert {r.get("name") for r in typed.residues.iter("Residue")} == set(typed.template_names)


@by_kind
def test_inner_units_have_two_bonds_outside_and_ends_one(of: Polymer, family_files: ForceFieldFiles) -> None:
    typed = built(of, family_files)
    templates = {r.get("name"): r for r in typed.residues.iter("Residue")}
    outside = [len(templates[name].findall("ExternalBond")) for name in typed.template_names]
    assert outside == [1, 2, 1]
    one = built(of.model_copy(update={"chain_length": 1}), family_files)
    assert [len(r.findall("ExternalBond")) for r in one.residues.iter("Residue")] == [0]


@pytest.mark.parametrize("kind", ["vinyl", "cyclo", "saturated", "saturated-cyclo"])
def test_every_unit_has_the_charge_of_its_monomer(kind: str, family_files: ForceFieldFiles) -> None:
    typed = built(ALL[kind], family_files)
    for residue in typed.residues.iter("Residue"):
        assert charge_of(residue) == pytest.approx(4, abs=1e-9)
    assert sum(typed.whole.charges) == pytest.approx(12, abs=1e-9)


def test_the_mass_is_that_of_the_elements(family_files: ForceFieldFiles) -> None:
    typed = built(ota(chain_length=2), family_files)
    assert typed.whole.molar_mass == pytest.approx(64 * 12.011 + 114 * 1.008 + 8 * 14.007, abs=0.01)


@by_kind
def test_the_topology_has_a_residue_for_each_unit(of: Polymer, family_files: ForceFieldFiles) -> None:
    typed = built(of, family_files)
    topology = app.Topology()
    templates = typed.add_to(topology)
    assert [residue.name for residue in topology.residues()] == [of.name] * 3
    assert tuple(templates[residue] for residue in topology.residues()) == typed.template_names
    assert [atom.element.symbol for atom in topology.atoms()] == [atom.GetSymbol() for atom in typed.mol.GetAtoms()]
    assert topology.getNumBonds() == typed.mol.GetNumBonds()
    between = [bond for bond in topology.bonds() if bond[0].residue is not bond[1].residue]
    assert sorted(
        (min(a.residue.index, b.residue.index), max(a.residue.index, b.residue.index)) for a, b in between
    ) == [
        (0, 1),
        (1, 2),
    ]


def test_the_monomer_of_a_network_is_one_unit(family_files: ForceFieldFiles) -> None:
    typed = unit_model(network(), family_files, Model())
    assert CalcMolFormula(typed.mol) == "C32H56N4+4"
    assert typed.whole.charge == 4


def test_a_network_needs_two_groups_that_react(family_files: ForceFieldFiles) -> None:
    with pytest.raises(InvalidInput, match=r"^polymer.architecture: a network needs two CH2=CH .* monomer has 1$"):
        unit_model(network(monomer="C=CC[N+](C)(C)C", sites={"n": ["N1"]}), family_files, Model())


@pytest.mark.parametrize(
    ("force", "classes", "message"),
    [
        ("HarmonicBondForce", ("sv-N4", "sv-CT"), "sv-CT - sv-N4"),
        ("HarmonicAngleForce", ("sv-CT", "sv-N4", "sv-CT"), "sv-CT - sv-N4 - sv-CT"),
    ],
)
def test_a_term_that_is_missing_is_named(
    force: str, classes: tuple[str, ...], message: str, family_files: ForceFieldFiles
) -> None:
    files = copy.deepcopy(family_files)
    class_of = {kind.get("name"): kind.get("class") for root in files.roots for kind in root.iterfind("AtomTypes/Type")}
    wanted = [class_of[name] for name in classes]
    removed = 0
    for root in files.roots:
        for part in root.iterfind(force):
            for line in list(part):
                found = [line.get(f"class{n}") for n in range(1, len(wanted) + 1)]
                if wanted in (found, found[::-1]):
                    part.remove(line)
                    removed += 1
    assert removed == 1
    expected = " - ".join(str(class_of[name]) for name in message.split(" - "))
    with pytest.raises(InvalidInput, match=rf"^force_field.files: no term for {expected} of polymer PDAD$"):
        unit_model(dadma(), files, Model())


def test_a_torsion_without_a_line_is_named(family_files: ForceFieldFiles) -> None:
    files = copy.deepcopy(family_files)
    for root in files.roots:
        for part in root.iterfind("PeriodicTorsionForce"):
            for line in list(part):
                part.remove(line)
    with pytest.raises(
        InvalidInput, match=r"^force_field.files: no term for (\S+ - \S+ - \S+ - [^ ;]+(; )?){5} \.\.\. of"
    ):
        unit_model(ota(), files, Model())
