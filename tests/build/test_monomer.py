"""From a SMILES and a linkage to a repeat unit, or to a line that says what is wrong."""

from collections import Counter
from typing import Any

import pytest
from polymers import DADMA, dadma, ota, peo, polymer, straight
from rdkit import Chem
from rdkit.Chem.rdMolDescriptors import CalcExactMolWt, CalcMolFormula

from solvshell.build.monomer import joint_of, read_monomer, repeat_unit
from solvshell.errors import InvalidInput

EXPLICIT_DADMA = {
    "monomer": "[CH2:1]=[CH:2]C[N+](C)(C)C[CH:3]=[CH2:4]",
    "architecture": None,
    "linkage": {"open": [[1, 2], [3, 4]], "close": [[2, 3]], "tail": 1, "head": 4},
}


def symbols(of: Any, *indices: int) -> list[str]:
    mol = read_monomer(of).mol
    return [f"{mol.GetAtomWithIdx(i).GetProp('name')}" for i in indices]


def test_the_monomer_is_that_of_the_mass_spectrum() -> None:
    monomer = read_monomer(ota())
    assert CalcMolFormula(monomer.mol) == "C32H56N4+4"
    assert CalcExactMolWt(monomer.mol) / monomer.formal_charge == pytest.approx(124.11, abs=0.005)
    assert monomer.formal_charge == 4
    assert monomer.mass == pytest.approx(32 * 12.011 + 56 * 1.008 + 4 * 14.007, abs=0.01)


def test_the_eight_allyls_react_with_their_ch2_first() -> None:
    monomer = read_monomer(ota())
    assert len(monomer.vinyls) == 8
    assert len({atom for vinyl in monomer.vinyls for atom in vinyl}) == 16
    for first, second in monomer.vinyls:
        hydrogens = [
            sum(n.GetSymbol() == "H" for n in monomer.mol.GetAtomWithIdx(i).GetNeighbors()) for i in (first, second)
        ]
        assert hydrogens == [2, 1]


def test_atoms_have_names_of_their_own_in_the_order_of_the_smiles() -> None:
    mol = read_monomer(ota()).mol
    names = [atom.GetProp("name") for atom in mol.GetAtoms()]
    assert len(set(names)) == 92
    heavy = [atom.GetSymbol() for atom in mol.GetAtoms() if atom.GetSymbol() != "H"]
    expected, seen = [], Counter[str]()
    for element in heavy:
        seen[element] += 1
        expected.append(f"{element}{seen[element]}")
    assert names[:36] == expected


def test_the_joint_of_vinyl_is_one_allyl() -> None:
    of = dadma(architecture="vinyl")
    joint = joint_of(of, read_monomer(of))
    assert (joint.open, joint.close) == (((0, 1),), ())
    assert symbols(of, joint.tail, joint.head) == ["C1", "C2"]


def test_the_joint_of_cyclo_is_two_allyls_of_one_nitrogen() -> None:
    of = dadma()
    joint = joint_of(of, read_monomer(of))
    carbons = [symbols(of, *pair) for pair in (*joint.open, *joint.close)]
    assert carbons == [["C1", "C2"], ["C7", "C8"], ["C2", "C7"]]
    assert symbols(of, joint.tail, joint.head) == ["C1", "C8"]


def test_cyclo_of_the_macrocycle_takes_allyls_of_the_same_nitrogen() -> None:
    of = ota(architecture="cyclo")
    monomer = read_monomer(of)
    joint = joint_of(of, monomer)
    assert len(Chem.GetShortestPath(monomer.mol, *joint.close[0])) == 5


def test_a_linkage_says_the_same_as_cyclo() -> None:
    by_name, by_hand = straight(dadma()), straight(dadma(**EXPLICIT_DADMA))
    assert Chem.MolToSmiles(by_name) == Chem.MolToSmiles(by_hand)
    assert CalcMolFormula(by_hand) == "C24H50N3+3"


def test_a_repeat_unit_lacks_one_neighbour_at_each_end() -> None:
    for of in (ota(), ota(architecture="cyclo"), dadma(), peo()):
        monomer = read_monomer(of)
        joint = joint_of(of, monomer)
        unit = repeat_unit(monomer, joint)
        assert unit.GetNumAtoms() == monomer.mol.GetNumAtoms()
        order = {
            i: sum(b.GetBondTypeAsDouble() for b in unit.GetAtomWithIdx(i).GetBonds())
            for i in range(unit.GetNumAtoms())
        }
        full = {"C": 4, "H": 1, "O": 2}
        open_ends = {i for i, found in order.items() if found != full.get(unit.GetAtomWithIdx(i).GetSymbol(), 4)}
        assert open_ends == {joint.tail, joint.head}


def test_oxirane_opens_to_poly_ethylene_oxide() -> None:
    mol = straight(peo(chain_length=3, end_groups=["H", "CH3"]))
    assert Chem.CanonSmiles(Chem.MolToSmiles(Chem.RemoveHs(mol))) == Chem.CanonSmiles("CCOCCOCCOC")


def test_a_triple_bond_becomes_a_double_one() -> None:
    linkage = {"open": [[1, 2]], "tail": 1, "head": 2}
    of = polymer(name="PAC", monomer="[CH:1]#[CH:2]", linkage=linkage, sites={"c": ["C1"]}, chain_length=2)
    assert Chem.MolToSmiles(Chem.RemoveHs(straight(of))) == "C=CC=C"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"monomer": "C=C["}, r"polymer.monomer: 'C=C\[' is not the SMILES of one molecule"),
        ({"monomer": "C=CC.[Cl-]"}, r"polymer.monomer: 'C=CC.\[Cl-\]' is not the SMILES of one molecule"),
        ({"monomer": "C(C)(C)(C)(C)C"}, "polymer.monomer: .* is not the SMILES of one molecule"),
        ({"sites": {"n": ["N1", "N2"]}}, r"polymer.sites.n: no atom N2 in the monomer \(C1, C2, C3, N1"),
        ({"sites": {"n": ["C"]}}, "polymer.sites.n: no atom C in the monomer"),
    ],
)
def test_a_wrong_monomer_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{message}"):
        read_monomer(dadma(**changes))


@pytest.mark.parametrize(
    ("monomer", "architecture", "message"),
    [
        ("CC[N+](C)(C)C", "vinyl", "polymer.architecture: vinyl needs a CH2=CH group, which the monomer lacks"),
        ("CC=CC[N+](C)(C)C", "vinyl", "polymer.architecture: vinyl needs a CH2=CH group"),
        ("C=CC[N+](C)(C)C", "cyclo", r"polymer.architecture: cyclo needs two allyls on one N\+, which the monomer"),
        ("C=CC[N+](C)(C)CC[N+](C)(C)CC=C", "cyclo", "polymer.architecture: cyclo needs two allyls on one"),
        ("C=CCN(C)CC=C", "cyclo", "polymer.architecture: cyclo needs two allyls on one"),
    ],
)
def test_a_monomer_that_cannot_do_what_its_architecture_needs(monomer: str, architecture: str, message: str) -> None:
    of = dadma(monomer=monomer, architecture=architecture)
    with pytest.raises(InvalidInput, match=f"^{message}"):
        joint_of(of, read_monomer(of))


def linked(monomer: str = EXPLICIT_DADMA["monomer"], **linkage: Any) -> Any:  # type: ignore[assignment]
    whole = EXPLICIT_DADMA["linkage"] | linkage  # type: ignore[operator]
    return dadma(monomer=monomer, architecture=None, linkage=whole)


@pytest.mark.parametrize(
    ("of", "message"),
    [
        (linked(tail=9), r"polymer.linkage.tail: no atom numbered 9 in the monomer \(numbers there: 1, 2, 3, 4\)"),
        (linked(open=[[1, 2], [3, 7]]), "polymer.linkage.open: no atom numbered 7"),
        (linked(close=[[2, 8]]), "polymer.linkage.close: no atom numbered 8"),
        (linked(DADMA), r"polymer.linkage.open: no atom numbered 1 in the monomer \(numbers there: none\)"),
        (linked(open=[[1, 3], [2, 4]]), "polymer.linkage.open: C1 and C7 of the monomer are not bonded"),
        (linked(open=[[1, 2], [3, 4], [2, 3]]), "polymer.linkage.open: C2 and C7 of the monomer are not bonded"),
        (linked(close=[[1, 2]]), "polymer.linkage.close: C1 and C2 of the monomer are bonded already"),
        (linked(close=[]), r"polymer.linkage: open, close, tail and head do not balance at C2 \(\+1\), C7 \(\+1\)"),
        (linked(close=[[2, 2]]), "polymer.linkage.close: "),
        (
            linked("[CH2:1]=[CH:2]C[N+](C)(C)C[CH:2]=[CH2:1]", open=[[1, 2]], close=[], tail=1, head=2),
            "polymer.monomer: 2 atoms are numbered 1",
        ),
        (linked(tail=2), r"polymer.linkage: .* do not balance at C1 \(\+1\), C2 \(-1\)"),
        (linked(tail=1, head=1), r"polymer.linkage: .* do not balance at C1 \(-1\), C8 \(\+1\)"),
        # a bond of two atoms that lie in no ring
        (
            linked("C=CC[N+](C)(C)[CH2:1][CH3:2]", open=[[1, 2]], close=[], tail=1, head=2),
            "polymer.linkage.open: the unit falls apart; a ring, or a multiple bond, is opened",
        ),
    ],
)
def test_a_wrong_linkage_is_refused(of: Any, message: str) -> None:
    monomer = read_monomer(of)
    with pytest.raises(InvalidInput, match=f"^{message}"):
        repeat_unit(monomer, joint_of(of, monomer))
