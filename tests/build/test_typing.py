"""Types and charges by rules: they give back the templates that are written out, and refuse what they do not know."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from polymers import OTA, dadma, ota, peo, straight
from rdkit import Chem

from solvshell.build.forcefield import ForceFieldFiles
from solvshell.build.typing import TypingRules, read_typing, type_atoms
from solvshell.data import forcefield_directory
from solvshell.errors import InvalidInput
from solvshell.files import validate
from solvshell.recipe import Model
from solvshell.species import find_species

PATH = Path(forcefield_directory()) / Model().typing
SOURCE = {"references": {"x": "a test"}}


@pytest.fixture(scope="module")
def rules() -> TypingRules:
    return read_typing(Model().typing)


def content() -> dict[str, Any]:
    return yaml.safe_load(PATH.read_text())


def in_template_order(name: str) -> Chem.Mol:
    keep = Chem.SmilesParserParams()
    keep.removeHs = False
    mol = Chem.MolFromSmiles(find_species(name).smiles, keep)
    order = sorted(range(mol.GetNumAtoms()), key=lambda i: mol.GetAtomWithIdx(i).GetAtomMapNum())
    return Chem.RenumberAtoms(mol, order)


def explicit(smiles: str) -> Chem.Mol:
    return Chem.AddHs(Chem.MolFromSmiles(smiles))


@pytest.mark.parametrize("name", ["OTA", "PYR13", "DME"])
def test_the_rules_give_back_the_residue_templates(
    name: str, rules: TypingRules, family_files: ForceFieldFiles
) -> None:
    residue = find_species(name).residue
    (template,) = (r for root in family_files.roots for r in root.iterfind(f"Residues/Residue[@name='{residue}']"))
    atoms = template.findall("Atom")
    typed = type_atoms(in_template_order(name), rules)
    assert list(typed.types) == [atom.get("type") for atom in atoms]
    assert list(typed.charges) == [float(atom.get("charge", "nan")) for atom in atoms]


@pytest.mark.parametrize(
    ("smiles", "charge"),
    [
        ("CC[N+](C)(C)C", 1),
        ("C=CC[N+]1(CC=C)CCCC1", 1),
        (OTA, 4),
        ("CCOCCOC", 0),
        ("C[N+](C)(C)CC[N+](C)(C)C", 2),
        ("C[N+](C)(C)COC", 1),
        ("C=C", 0),
        ("CC(C)(C)C=CC", 0),
    ],
)
def test_nothing_is_created_or_lost(smiles: str, charge: int, rules: TypingRules) -> None:
    assert sum(type_atoms(explicit(smiles), rules).charges) == pytest.approx(charge, abs=1e-12)


@pytest.mark.parametrize("of", [ota(), ota(architecture="cyclo"), ota(unreacted="saturate"), dadma(), peo()])
def test_a_chain_has_its_formal_charge(of: Any, rules: TypingRules) -> None:
    mol = straight(of)
    assert sum(type_atoms(mol, rules).charges) == pytest.approx(Chem.GetFormalCharge(mol), abs=1e-9)


def test_charges_of_tetramethylammonium_by_hand(rules: TypingRules) -> None:
    # each carbon takes 0.22 from N+ and gives 0.13 to each hydrogen
    typed = type_atoms(explicit("C[N+](C)(C)C"), rules)
    expected = {"N": 1 - 4 * 0.22, "C": 0.22 - 3 * 0.13, "H": 0.13}
    elements = [atom.GetSymbol() for atom in explicit("C[N+](C)(C)C").GetAtoms()]
    assert list(typed.charges) == pytest.approx([expected[element] for element in elements], abs=1e-12)


@pytest.mark.parametrize(("smiles", "atom"), [("CS", "S bonded to C, H"), ("C=O", "C bonded to H, H, O"), ("N", "N")])
def test_an_atom_without_a_rule_is_refused(smiles: str, atom: str, rules: TypingRules) -> None:
    with pytest.raises(
        InvalidInput, match=rf"^polymer.monomer: no atom type for {atom}.*; the typing rules know \[CX4\]"
    ):
        type_atoms(explicit(smiles), rules)


def test_the_last_rule_wins() -> None:
    types = [
        {"type": "any", "smarts": "*", "source": "x"},
        {"type": "last", "smarts": "[#1]", "source": "x"},
    ]
    charges = [
        {"smarts": "[C:1][#1:2]", "charge": 0.5, "source": "x"},
        {"smarts": "[CX4:1][#1:2]", "charge": 0.1, "source": "x"},
    ]
    mol = explicit("C")
    for order, hydrogen, charge in ((1, "last", 0.1), (-1, "any", 0.5)):
        rules = validate(TypingRules, SOURCE | {"types": types[::order], "charges": charges[::order]}, "x")
        typed = type_atoms(mol, rules)
        assert typed.types == ("any", *[hydrogen] * 4)
        assert typed.charges == pytest.approx((-4 * charge, *[charge] * 4))


def test_every_bond_of_a_symmetric_match_moves_its_charge() -> None:
    """Both carbons of N-C-C-N give and take: a match must be tried in both directions."""
    rule = {"smarts": "[N+][C:1][C:2]", "charge": 0.13, "source": "x"}
    kinds = {"types": [{"type": "any", "smarts": "*", "source": "x"}], "charges": [rule]}
    mol = Chem.MolFromSmiles("C[N+](C)(C)CC[N+](C)(C)C")
    assert type_atoms(mol, validate(TypingRules, SOURCE | kinds, "x")).charges == pytest.approx(
        (0, 1, 0, 0, 0, 0, 1, 0, 0, 0)
    )
    one_sided = Chem.MolFromSmiles("C[N+](C)(C)CC")
    assert type_atoms(one_sided, validate(TypingRules, SOURCE | kinds, "x")).charges[-2:] == pytest.approx(
        (-0.13, 0.13)
    )


def test_a_large_molecule_is_typed_to_its_last_atom(rules: TypingRules) -> None:
    # RDKit returns 1000 matches unless it is asked for more
    mol = straight(peo(chain_length=400))
    assert mol.GetNumAtoms() > 2000
    assert sum(type_atoms(mol, rules).charges) == pytest.approx(0, abs=1e-9)


def test_every_shipped_rule_has_a_source_that_is_used() -> None:
    rules = content()
    used = {rule["source"] for rule in rules["types"] + rules["charges"]}
    assert used == rules["references"].keys()


def test_every_shipped_type_is_in_the_force_field(rules: TypingRules, family_files: ForceFieldFiles) -> None:
    assert {rule.type for rule in rules.types} <= family_files.masses().keys()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"smarts": "[CX4"}, r"types.0.smarts: RDKit cannot read '\[CX4'"),
        ({"source": "hearsay"}, r"'\[CX4\]' has the source 'hearsay', which is not among the references"),
        ({"kind": 1}, "types.0.kind: unknown key"),
    ],
)
def test_a_wrong_type_rule_is_refused(changes: dict[str, Any], message: str) -> None:
    wrong = content()
    wrong["types"][0] |= changes
    with pytest.raises(InvalidInput, match=rf"^typing\.yaml: .*{message}"):
        validate(TypingRules, wrong, "typing.yaml")


@pytest.mark.parametrize("smarts", ["[CX4][#1:2]", "[CX4:1][#1:1]", "[CX4:1][#1:3]", "[CX4][#1]", "[CX4:1][C:2][C:2]"])
def test_a_charge_rule_needs_its_two_atoms(smarts: str) -> None:
    wrong = content()
    wrong["charges"][0]["smarts"] = smarts
    with pytest.raises(InvalidInput, match=r"charges.0: .* must number two atoms, :1 and :2"):
        validate(TypingRules, wrong, "typing.yaml")
