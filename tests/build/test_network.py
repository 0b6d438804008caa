"""Chain growth: what may react, what is counted, and which way a network spans; then a small real one in its box."""

from collections import Counter

import numpy as np
import pytest
from openmm import HarmonicBondForce, NonbondedForce
from polymers import DADMA, OTA, count, dadma, network, ota, rings_of_five_with_nitrogen
from rdkit import Chem
from rdkit.Chem import rdDistGeom
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

from solvshell.box import Box
from solvshell.build import build_box
from solvshell.build.geometry import broken_geometry
from solvshell.build.graph import finished
from solvshell.build.monomer import read_monomer
from solvshell.build.network import (
    CAPTURE_NM,
    Network,
    describe,
    grow,
    place_units,
    saturate_rest,
    spanning_directions,
    stretched_bonds,
)
from solvshell.files import validate
from solvshell.recipe import Recipe

Bonds = list[tuple[int, int]]


def stay(network: Network, move: bool) -> Bonds:
    """Relax nothing and find nothing wrong."""
    return []


def quiet(network: Network) -> None:
    """Say nothing."""


def bath(of: str, n: int, side: float, seed: int = 1) -> Network:
    """Return n monomers at random places of a cube, each in a random conformation; they may overlap."""
    unit = read_monomer(network(of, sites={"n": ["N1"]})).mol
    rng = np.random.default_rng(seed)
    mol = Chem.Mol(unit)
    rdDistGeom.EmbedMultipleConfs(mol, 4, randomSeed=seed)
    positions = []
    for _ in range(n):
        conformer = mol.GetConformer(int(rng.integers(4))).GetPositions() / 10
        positions.append(conformer - conformer.mean(axis=0) + rng.random(3) * side)
    return Network(place_units(unit, n), np.concatenate(positions))


def grown(of: str = OTA, n: int = 6, side: float = 1.6, conversion: float = 0.7, seed: int = 1) -> Network:
    made = bath(of, n, side, seed)
    grow(made, conversion, np.full(3, side), stay, quiet)
    return made


SYSTEMS = [(OTA, 6, 1.6), (DADMA, 16, 1.6), (OTA, 1, 3.0)]
by_system = pytest.mark.parametrize(("of", "n", "side"), SYSTEMS, ids=["ota", "dadma", "one-ota"])


@by_system
def test_every_intermediate_is_a_molecule_of_the_same_charge(of: str, n: int, side: float) -> None:
    made = bath(of, n, side)
    charge, seen = Chem.GetFormalCharge(made.mol), []

    def check(network: Network, move: bool) -> Bonds:
        mol, order = finished(network.mol)  # sanitises
        assert sorted(order) == list(range(mol.GetNumAtoms()))
        assert len(network.positions) == mol.GetNumAtoms()
        assert Chem.GetFormalCharge(mol) == charge
        assert not any(atom.GetNumRadicalElectrons() or atom.GetTotalNumHs() for atom in mol.GetAtoms())
        for atom in mol.GetAtoms():
            orders = sum(bond.GetBondTypeAsDouble() for bond in atom.GetBonds())
            assert orders == {"C": 4, "H": 1, "N": 4}[atom.GetSymbol()]
        names = Counter((a.GetIntProp("unit"), a.GetProp("name")) for a in mol.GetAtoms())
        assert set(names.values()) == {1}
        seen.append(mol.GetNumAtoms())
        return []

    grow(made, 0.8, np.full(3, side), check, quiet)
    assert len(seen) > 2


@by_system
def test_atoms_are_kept_and_every_chain_adds_two_hydrogens(of: str, n: int, side: float) -> None:
    before = Counter(atom.GetSymbol() for atom in bath(of, n, side).mol.GetAtoms())
    made = grown(of, n, side)
    after = Counter(atom.GetSymbol() for atom in made.mol.GetAtoms())
    assert len(made.ends) > 0
    assert after - before == Counter({"H": 2 * len(made.ends)})
    assert before - after == Counter()


@by_system
def test_conversion_is_the_share_of_double_bonds_that_are_gone(of: str, n: int, side: float) -> None:
    initial = n * (8 if of == OTA else 2)
    made = grown(of, n, side)
    left = sum(bond.GetBondType() == Chem.BondType.DOUBLE for bond in made.mol.GetBonds())
    assert made.n_initial == initial
    assert made.conversion == pytest.approx(1 - left / initial)
    assert left == initial - sum(end.length for end in made.ends), "every C=C reacts in one chain, once"


def test_the_conversion_asked_for_is_reached_and_not_passed() -> None:
    for conversion in (0.25, 0.5, 0.75):
        made = grown(n=8, conversion=conversion)
        assert made.conversion == pytest.approx(conversion, abs=1.01 / made.n_initial)
        assert made.conversion <= conversion + 1e-9


@by_system
def test_new_bonds_are_counted_within_and_between_units(of: str, n: int, side: float) -> None:
    made = grown(of, n, side)
    unit = read_monomer(network(of, sites={"n": ["N1"]})).mol
    n_heavy = sum(atom.GetSymbol() != "H" for atom in unit.GetAtoms())
    inside = n * sum("H" not in (b.GetBeginAtom().GetSymbol(), b.GetEndAtom().GetSymbol()) for b in unit.GetBonds())
    heavy = Chem.RemoveHs(finished(made.mol)[0])
    assert heavy.GetNumAtoms() == n * n_heavy
    between = sum(b.GetBeginAtom().GetIntProp("unit") != b.GetEndAtom().GetIntProp("unit") for b in heavy.GetBonds())
    assert made.between == between
    assert made.within == heavy.GetNumBonds() - inside - between
    # a chain of k C=C has k - 1 bonds between them
    assert made.within + made.between == sum(end.length - 1 for end in made.ends)


@pytest.mark.parametrize("seed", range(4))
@by_system
def test_pyrrolidinium_rings_are_counted_and_no_other_small_ring_is_made(
    of: str, n: int, side: float, seed: int
) -> None:
    made = grown(of, n, side, seed=seed, conversion=0.9)
    mol, _ = finished(made.mol)
    sizes = Counter(len(ring) for ring in Chem.GetSymmSSSR(mol))
    assert made.rings == rings_of_five_with_nitrogen(mol) == sizes[5]
    assert count(mol, "[NX4+]1[CH2][CHX4][CHX4][CH2]1") == made.rings
    assert min(size for size in [*sizes, 99] if size != 5) >= 8


def test_rings_of_five_are_made_at_all() -> None:
    assert sum(grown(DADMA, 16, 1.6, seed=seed).rings for seed in range(4)) > 3


@pytest.mark.parametrize(("attacked", "reacts"), [(0, False), (1, True)])
def test_the_other_allyl_of_a_nitrogen_is_attacked_at_its_ch_only(attacked: int, reacts: bool) -> None:
    """Near the CH of one allyl lies the CH2 of the other, which would close a ring of six, or its CH: one of five."""
    monomer = read_monomer(network(DADMA))
    (_, radical), other = monomer.vinyls
    n_atoms = monomer.mol.GetNumAtoms()
    positions = 5.0 * np.stack([np.arange(n_atoms), np.zeros(n_atoms), np.zeros(n_atoms)], axis=1)
    positions[other[attacked]] = positions[radical] + [0.0, 0.2, 0.0]
    made = Network(place_units(monomer.mol, 1), positions)
    grow(made, 1.0, np.full(3, 1000.0), stay, quiet)
    assert (made.conversion, made.rings) == ((1.0, 1) if reacts else (0.0, 0))


def test_a_bond_outside_a_ring_of_five_is_at_a_ch2() -> None:
    """The radical stays at the CH: two CH are bonded in a ring of five only."""
    made = grown(DADMA, 16, 1.6, conversion=0.9)
    mol, _ = finished(made.mol)
    for bond in mol.GetBonds():
        a, b = bond.GetBeginAtom(), bond.GetEndAtom()
        if {a.GetSymbol(), b.GetSymbol()} == {"C"} and not bond.IsInRingSize(5):
            degrees = [sum(n.GetSymbol() == "C" for n in atom.GetNeighbors()) for atom in (a, b)]
            assert min(degrees) <= 2


def test_the_growing_ends_are_where_the_last_carbon_of_a_chain_is() -> None:
    made = grown()
    for end in made.ends:
        assert made.mol.GetBondBetweenAtoms(end.carbon, end.cap) is not None
        assert made.mol.GetAtomWithIdx(end.cap).GetSymbol() == "H"
        assert made.mol.GetAtomWithIdx(end.cap).GetDegree() == 1
        assert end.length >= 2, "a chain starts with its first bond"


def test_no_carbon_reacts_twice() -> None:
    made = grown(conversion=0.9)
    for atom in finished(made.mol)[0].GetAtoms():
        if atom.GetSymbol() == "C":
            assert atom.GetDegree() in (3, 4)
            assert sum(n.GetSymbol() != "H" for n in atom.GetNeighbors()) <= 3, "no quaternary carbon"


def test_the_description_of_a_network() -> None:
    made = grown(n=8)
    found = describe(made, np.full(3, 1.6))
    lengths = [end.length for end in made.ends]
    assert found["c_c_initial"] == 64
    assert found["chains"] == len(lengths)
    assert found["chain_ends_capped_with_h"] == 2 * len(lengths)
    assert found["kinetic_chain_length"] == pytest.approx(np.mean(lengths))
    assert found["share_within_units"] + found["share_between_units"] == pytest.approx(1)
    assert found["share_within_units"] == pytest.approx(made.within / sum(n - 1 for n in lengths))
    assert sum(size * n for size, n in found["units_in_parts"].items()) == 8
    fragments = Chem.GetMolFrags(finished(made.mol)[0], asMols=True)
    parts = [len({atom.GetIntProp("unit") for atom in fragment.GetAtoms()}) for fragment in fragments]
    assert found["largest_part"] == pytest.approx(max(parts) / 8)
    assert found["gel_fraction"] == (found["largest_part"] if found["spans"] else 0)


def test_the_same_network_grows_again() -> None:
    first, again = grown(), grown()
    assert Chem.MolToSmiles(first.mol) == Chem.MolToSmiles(again.mol)
    np.testing.assert_array_equal(first.positions, again.positions)


def test_units_too_far_apart_do_not_react() -> None:
    side = 20.0
    made = bath(DADMA, 2, side)
    half = len(made.positions) // 2
    made.positions[:half] += 5.0 - made.positions[:half].mean(axis=0)
    made.positions[half:] += 5.0 + 2.5 - made.positions[half:].mean(axis=0)
    grow(made, 1.0, np.full(3, side), stay, quiet)
    assert made.between == 0


def test_units_react_across_the_faces_of_the_cell() -> None:
    """Two units far apart in space and near through the boundary."""
    side = 6.0
    made = bath(DADMA, 2, side)
    half = len(made.positions) // 2
    made.positions[:half] += np.array([0.1, 3.0, 3.0]) - made.positions[:half].mean(axis=0)
    made.positions[half:] += np.array([5.8, 3.0, 3.0]) - made.positions[half:].mean(axis=0)
    grow(made, 1.0, np.full(3, side), stay, quiet)
    assert made.between > 0
    bonded = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in made.mol.GetBonds()]
    assert max(np.linalg.norm(made.positions[a] - made.positions[b]) for a, b in bonded) > side / 2
    for a, b in bonded:
        vector = made.positions[a] - made.positions[b]
        vector -= side * np.round(vector / side)
        assert np.linalg.norm(vector) <= CAPTURE_NM[-1] + 1e-9


def test_a_conversion_that_is_not_reached_is_reported() -> None:
    side = 30.0
    made = bath(DADMA, 3, side)
    for unit in range(3):
        here = slice(unit * len(made.positions) // 3, (unit + 1) * len(made.positions) // 3)
        made.positions[here] += 10.0 * unit - made.positions[here].mean(axis=0)
    grow(made, 1.0, np.full(3, side), stay, quiet)
    found = describe(made, np.full(3, side))
    # each can only close its own ring
    assert found["share_between_units"] == 0
    left = sum(bond.GetBondType() == Chem.BondType.DOUBLE for bond in made.mol.GetBonds())
    assert found["conversion"] == pytest.approx(1 - left / 6)


def test_a_single_double_bond_never_reacts_alone() -> None:
    unit = read_monomer(dadma(monomer="C=CC[N+](C)(C)C")).mol
    made = Network(place_units(unit, 1), np.random.default_rng(1).random((unit.GetNumAtoms(), 3)))
    grow(made, 1.0, np.full(3, 5.0), stay, quiet)
    assert (made.conversion, made.ends) == (0.0, [])


def new_bonds(network: Network, known: set[frozenset[int]]) -> set[frozenset[int]]:
    carbons = (
        frozenset((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()))
        for bond in network.mol.GetBonds()
        if "H" not in (bond.GetBeginAtom().GetSymbol(), bond.GetEndAtom().GetSymbol())
    )
    return set(carbons) - known


@pytest.mark.parametrize("blame_all", [True, False])
def test_refused_bonds_are_undone_and_never_tried_again(blame_all: bool) -> None:
    made = bath(OTA, 6, 1.6)
    known = new_bonds(made, set())
    kept: set[frozenset[int]] = set()
    tried: list[frozenset[int]] = []
    rounds = 0

    def relax(network: Network, move: bool) -> Bonds:
        nonlocal rounds
        rounds += 1
        fresh = new_bonds(network, known) - kept
        assert not fresh & set(tried), "a refused bond was made again"
        if rounds % 2 == 0:
            kept.update(fresh)
            return []
        bad = fresh if blame_all else {min(fresh, key=sorted)} if fresh else set()
        tried.extend(bad)
        return [(min(bond), max(bond)) for bond in bad]

    grow(made, 0.8, np.full(3, 1.6), relax, quiet)
    assert len(tried) > 1
    assert not new_bonds(made, known) & set(tried)
    assert made.within + made.between == len(new_bonds(made, known))
    mol, _ = finished(made.mol)
    assert mol.GetNumAtoms() == len(made.positions) == 6 * 92 + 2 * len(made.ends)


def test_growth_ends_when_every_bond_is_refused() -> None:
    made = bath(OTA, 6, 1.6)
    before = Chem.MolToSmiles(made.mol)
    rounds = []

    def relax(network: Network, move: bool) -> Bonds:
        rounds.append(network)
        return [(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in network.mol.GetBonds()]

    grow(made, 0.8, np.full(3, 1.6), relax, quiet)
    assert len(rounds) < 100
    assert Chem.MolToSmiles(made.mol) == before
    assert made.conversion == 0
    assert made.refused


def test_what_is_left_is_saturated() -> None:
    made = grown(conversion=0.4)
    left = len(made.vinyls)
    n_atoms = made.mol.GetNumAtoms()
    saturate_rest(made)
    mol, _ = finished(made.mol)
    assert count(mol, "C=C") == 0
    assert mol.GetNumAtoms() == n_atoms + 2 * left == len(made.positions)


def test_units_are_placed_as_one_molecule_of_separate_parts() -> None:
    mol, _ = finished(place_units(read_monomer(ota()).mol, 3))
    assert CalcMolFormula(mol) == "C96H168N12+12"
    assert len(Chem.GetMolFrags(mol)) == 3
    assert [atom.GetIntProp("unit") for atom in mol.GetAtoms()] == [0] * 92 + [1] * 92 + [2] * 92


def carbons(positions: np.ndarray, bonds: Bonds) -> Network:
    mol = Chem.RWMol()
    for i in range(len(positions)):
        mol.AddAtom(Chem.Atom("C"))
        mol.GetAtomWithIdx(i).SetIntProp("unit", i)
    for a, b in bonds:
        mol.AddBond(a, b, Chem.BondType.SINGLE)
    return Network(mol, np.array(positions, dtype=float))


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_chain_bonded_to_its_own_image_spans_along_that_axis(axis: int, wrapped: bool) -> None:
    positions = np.full((10, 3), 0.5)
    positions[:, axis] = 0.15 * np.arange(10)
    if wrapped:
        positions[3:7] += [3.0, -1.5, 1.5]  # whole cells
    ring = [(i, (i + 1) % 10) for i in range(10)]
    assert spanning_directions(carbons(positions, ring), np.full(3, 1.5)) == ["xyz"[axis]]
    assert spanning_directions(carbons(positions, ring[:-1]), np.full(3, 1.5)) == []


def test_a_ring_across_the_boundary_does_not_span() -> None:
    angle = 2 * np.pi * np.arange(12) / 12
    circle = np.stack([0.3 * np.cos(angle), 0.3 * np.sin(angle), 0 * angle], axis=1)
    positions = np.mod(circle, 2.0)  # about a corner of the cell
    assert np.ptp(positions, axis=0)[0] > 1
    ring = [(i, (i + 1) % 12) for i in range(12)]
    assert spanning_directions(carbons(positions, ring), np.full(3, 2.0)) == []


def test_a_diagonal_chain_spans_along_both_axes() -> None:
    positions = np.zeros((10, 3))
    positions[:, :2] = 0.15 * np.arange(10)[:, None]
    ring = [(i, (i + 1) % 10) for i in range(10)]
    assert spanning_directions(carbons(positions, ring), np.full(3, 1.5)) == ["x", "y"]


def test_two_molecules_may_span_in_different_directions() -> None:
    one, other = np.full((10, 3), 0.2), np.full((10, 3), 0.9)
    one[:, 0] = other[:, 2] = 0.15 * np.arange(10)
    rings = [(i, (i + 1) % 10) for i in range(10)]
    bonds = rings + [(a + 10, b + 10) for a, b in rings]
    assert spanning_directions(carbons(np.concatenate([one, other]), bonds), np.full(3, 1.5)) == ["x", "z"]


def test_stretched_bonds_are_seen_at_the_nearest_image() -> None:
    made = carbons(np.array([[0.05, 0, 0], [1.95, 0, 0], [1.65, 0, 0], [1.65, 0.15, 0]]), [(0, 1), (1, 2), (2, 3)])
    assert stretched_bonds(made.mol, made.positions, np.full(3, 2.0)) == [(1, 2)]


def dadma_gel(**changes: object) -> Recipe:
    content = {
        "name": "gel",
        "title": "for tests",
        "composition": {"counts": {"NO3": 6, "DME": 6}},
        "polymer": network(DADMA, units=6, conversion=0.75).model_dump(mode="json", exclude_none=True),
        "force_field": {"files": ["solvshell/electrolytes.xml"], "cutoff": "0.5 nm", "switch": None},
        "packing": {"density": "0.9 g/cm3"},
    }
    content["polymer"].pop("counter_ion")  # type: ignore[attr-defined]
    return validate(Recipe, content | changes, "gel")


@pytest.fixture(scope="module")
def gel() -> Box:
    return build_box(dadma_gel(), seed=1)


def bonded_vectors(box: Box) -> np.ndarray:
    sides = np.diag(box.box_vectors)
    (force,) = (f for f in box.system.getForces() if isinstance(f, HarmonicBondForce))
    terms = [force.getBondParameters(i) for i in range(force.getNumBonds())]
    vectors = np.array([box.positions[i] - box.positions[j] for i, j, *_ in terms])
    return vectors - sides * np.round(vectors / sides)


def test_a_cured_box_takes_nearest_images_in_every_bonded_term(gel: Box) -> None:
    kinds = set()
    for force in gel.system.getForces():
        kinds.add(force.getName())
        if isinstance(force, NonbondedForce):
            assert force.getExceptionsUsePeriodicBoundaryConditions()
        else:
            assert force.usesPeriodicBoundaryConditions()
    assert kinds >= {"HarmonicBondForce", "HarmonicAngleForce", "PeriodicTorsionForce", "NonbondedForce"}


def test_a_cured_box_has_sound_bonds_shorter_than_half_its_side(gel: Box) -> None:
    sides = np.diag(gel.box_vectors)
    (force,) = (f for f in gel.system.getForces() if isinstance(f, HarmonicBondForce))
    equilibrium = np.array([force.getBondParameters(i)[2]._value for i in range(force.getNumBonds())])
    lengths = np.linalg.norm(bonded_vectors(gel), axis=1)
    np.testing.assert_allclose(lengths, equilibrium, rtol=0.10)
    assert lengths.max() < sides.min() / 2
    assert len(lengths) == gel.topology.getNumBonds()
    assert broken_geometry(gel.system, gel.positions, sides) == {}


def test_a_cured_box_is_neutral_and_says_what_it_is(gel: Box) -> None:
    (force,) = (f for f in gel.system.getForces() if isinstance(f, NonbondedForce))
    charges = [force.getParticleParameters(i)[0]._value for i in range(gel.n_atoms)]
    assert sum(charges) == pytest.approx(0, abs=1e-9)
    details = gel.provenance["polymer"]
    assert details["c_c_initial"] == 12
    assert details["conversion"] > 0
    assert details["conversion_asked"] == 0.75
    assert details["conversion"] <= 0.75
    residues = Counter(residue.name for residue in gel.topology.residues())
    assert residues == {"PDAD": 6, "NO3": 6, "DME": 6}
    n_monomers = 6 * 25 + 2 * details["chains"]
    assert gel.n_atoms == n_monomers + 6 * 4 + 6 * 16


def test_a_cured_box_has_the_charge_of_its_units_in_every_residue(gel: Box) -> None:
    (force,) = (f for f in gel.system.getForces() if isinstance(f, NonbondedForce))
    by_residue: Counter[int] = Counter()
    for atom in gel.topology.atoms():
        if atom.residue.name == "PDAD":
            by_residue[atom.residue.index] += force.getParticleParameters(atom.index)[0]._value
    assert list(by_residue.values()) == pytest.approx([0.8] * 6, abs=1e-9)


def test_a_conversion_out_of_reach_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    # too few to meet: only rings of five can close
    recipe = dadma_gel(
        composition={"counts": {"NO3": 1, "DME": 10}},
        polymer=network(DADMA, units=1, conversion=1.0, counter_ion=None).model_dump(mode="json", exclude_none=True),
    )
    monkeypatch.setattr("solvshell.build.network.CAPTURE_NM", (0.01,))
    lines: list[str] = []
    box = build_box(recipe, seed=1, say=lines.append)
    assert box.provenance["polymer"]["conversion"] == 0
    assert "  PDAD: asked for 100% of the C=C, reached 0%" in lines


@pytest.mark.slow
def test_a_small_network_of_the_macrocycle() -> None:
    """Three units at 50 %; the box is just large enough for its cutoff."""
    recipe = validate(
        Recipe,
        {
            "name": "ota",
            "title": "for tests",
            "composition": {"counts": {"NO3": 12, "DMC": 10}},
            "polymer": network(units=3, counter_ion=None).model_dump(mode="json", exclude_none=True),
            "force_field": {"files": ["solvshell/electrolytes.xml"], "cutoff": "0.6 nm", "switch": None},
            "packing": {"density": "0.9 g/cm3"},
        },
        "ota",
    )
    box = build_box(recipe, seed=2)
    sides = np.diag(box.box_vectors)
    assert broken_geometry(box.system, box.positions, sides) == {}
    assert box.provenance["polymer"]["conversion"] == pytest.approx(0.5, abs=0.1)
    assert np.linalg.norm(bonded_vectors(box), axis=1).max() < sides.min() / 2
