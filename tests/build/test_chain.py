"""Chains in space: laid out without overlaps, relaxed to good bonds and angles, and the same for the same seed."""

from collections.abc import Callable

import numpy as np
import pytest
from openmm import app
from polymers import dadma, ota, peo
from rdkit import Chem
from rdkit.Chem.rdMolDescriptors import CalcMolFormula
from scipy.spatial.distance import pdist, squareform

from solvshell.build.chain import lay_chains
from solvshell.build.forcefield import ForceFieldFiles, create_system
from solvshell.build.geometry import broken_geometry
from solvshell.build.polymer import PolymerMolecule, make_chain
from solvshell.errors import InvalidInput
from solvshell.polymer import Polymer
from solvshell.recipe import Model

Make = Callable[..., PolymerMolecule]


@pytest.fixture(scope="module")
def make(family_files: ForceFieldFiles) -> Make:
    def of(polymer: Polymer, seed: int = 1, max_extent: float = np.inf) -> PolymerMolecule:
        return make_chain(polymer, family_files, Model(), seed, max_extent)

    return of


def steps_apart(molecule: PolymerMolecule) -> np.ndarray:
    """Return the number of bonds between every two atoms, 4 standing for more than 3."""
    n = len(molecule.positions)
    bonded = np.eye(n, dtype=bool)
    for i, j in molecule.model.whole.bonds:
        bonded[i, j] = bonded[j, i] = True
    steps = np.full((n, n), 4)
    within = np.eye(n, dtype=bool)
    steps[within] = 0
    for k in (1, 2, 3):
        within = (within.astype(float) @ bonded) > 0
        steps[within & (steps == 4)] = k
    return steps


def check_sound(molecule: PolymerMolecule, files: ForceFieldFiles) -> None:
    topology = app.Topology()
    templates = molecule.model.add_to(topology)
    system = create_system(
        topology, files.with_residues(molecule.model.residues), Model(), periodic=False, templates=templates
    )
    assert broken_geometry(system, molecule.positions) == {}
    distance = squareform(pdist(molecule.positions))
    assert distance[steps_apart(molecule) == 4].min() > 0.17, "atoms that are not neighbors in the molecule overlap"


SOUND = {
    "dadma": dadma(chain_length=3),
    "dadma-vinyl": dadma(chain_length=3, architecture="vinyl"),
    "dadma-saturated": dadma(chain_length=2, architecture="vinyl", unreacted="saturate"),
    "head-to-head": dadma(chain_length=6, head_to_head=0.5),
    "one-unit": dadma(chain_length=1),
    "peo": peo(chain_length=10),
    "methyl-ends": dadma(chain_length=2, end_groups=["CH3", "CH3"]),
    "ota-tetramer": ota(chain_length=4),
}


@pytest.mark.parametrize("of", SOUND.values(), ids=SOUND)
def test_a_relaxed_chain_is_sound(of: Polymer, make: Make, family_files: ForceFieldFiles) -> None:
    molecule = make(of)
    assert molecule.positions.shape == (len(molecule.model.whole.elements), 3)
    assert np.isfinite(molecule.positions).all()
    np.testing.assert_allclose(molecule.positions.mean(axis=0), 0, atol=1e-9)
    check_sound(molecule, family_files)


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_methyl_ends_relax_whatever_the_seed(seed: int, make: Make, family_files: ForceFieldFiles) -> None:
    check_sound(make(peo(chain_length=4), seed), family_files)


def test_eight_units_of_cyclo_find_room(make: Make, family_files: ForceFieldFiles) -> None:
    molecule = make(dadma(chain_length=8))
    assert CalcMolFormula(molecule.model.mol) == "C64H130N8+8"
    check_sound(molecule, family_files)


def test_the_same_seed_gives_the_same_chain_bit_for_bit(make: Make) -> None:
    for of in (dadma(), dadma(architecture="vinyl", head_to_head=0.5)):
        first, again, other = make(of, 5), make(of, 5), make(of, 6)
        assert np.array_equal(first.positions, again.positions)
        assert first.extent == again.extent
        assert first.positions.shape != other.positions.shape or not np.allclose(first.positions, other.positions)


def test_a_seed_draws_which_units_are_head_to_head() -> None:
    of = dadma(chain_length=10, architecture="vinyl", head_to_head=0.5)
    found = [Chem.MolToSmiles(next(lay_chains(of, seed)).graph.mol) for seed in (1, 1, 2, 3)]
    assert found[0] == found[1]
    assert len(set(found)) == 3


def test_a_layout_has_the_bonds_of_its_graph() -> None:
    for of in (dadma(chain_length=5), ota(chain_length=2), dadma(chain_length=5, head_to_head=1.0)):
        chain = next(lay_chains(of, 1))
        for bond in chain.graph.mol.GetBonds():
            i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
            hydrogen = "H" in (bond.GetBeginAtom().GetSymbol(), bond.GetEndAtom().GetSymbol())
            length = np.linalg.norm(chain.positions[i] - chain.positions[j])
            assert (0.06 < length < 0.13) if hydrogen else (0.12 < length < 0.17), (i, j, length)


def test_the_extent_is_the_largest_distance_along_the_backbone(make: Make) -> None:
    chain = next(lay_chains(dadma(chain_length=4), 1))
    joints = sorted({*chain.graph.entries, *chain.graph.exits})
    assert len(joints) == 8
    far = max(np.linalg.norm(chain.positions[i] - chain.positions[j]) for i in joints for j in joints)
    assert chain.extent == pytest.approx(far)
    molecule = make(dadma(chain_length=4))
    assert molecule.backbone_extent <= molecule.extent == pytest.approx(pdist(molecule.positions).max())


def test_a_chain_that_reaches_too_far_is_refused(make: Make) -> None:
    message = r"^polymer.chain_length: a chain of 6 units reaches over (\d\.\d\d) nm or more; .*allows 0.30 nm"
    with pytest.raises(InvalidInput, match=message):
        make(dadma(chain_length=6), max_extent=0.3)


def test_a_conformation_within_the_limit_is_taken(make: Make) -> None:
    free = make(dadma(chain_length=6), 1).backbone_extent
    limit = 0.999 * free
    held = make(dadma(chain_length=6), 1, max_extent=limit)
    assert held.backbone_extent <= limit


def test_chains_are_atactic() -> None:
    """Every unit is drawn with its own handedness: conformers come with their mirror images."""
    chain = next(lay_chains(dadma(chain_length=12), 3))
    handed = []
    for unit in range(12):
        atoms = {a.GetProp("name"): a.GetIdx() for a in chain.graph.mol.GetAtoms() if a.GetIntProp("unit") == unit}
        c1, c2, c3, c7 = (chain.positions[atoms[name]] for name in ("C1", "C2", "C3", "C7"))
        handed.append(np.linalg.det([c1 - c2, c3 - c2, c7 - c2]) > 0)
    assert 2 <= sum(handed) <= 10
