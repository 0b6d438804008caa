import numpy as np
import pytest
from boxes_by_hand import Frame
from rdkit.Chem import GetPeriodicTable

from solvshell.analysis.presence import Presence
from solvshell.errors import InvalidInput
from solvshell.infrared.clusters import FREE, LITHIUM, POLYMER, cut_clusters

X, Y, Z = np.eye(3)
AT_FACE = np.array([0.5, 20.0, 9.0])
CROWDED = np.array([20.0, 8.0, 9.0])


@pytest.fixture
def frame(tmp_path):
    """A frame with a carbonate of each class.

    One Li⁺ at a face of the box has DMC across it and EC, and a PF6⁻ 5 Å away; another one has two PF6⁻ and EC, and
    shares one more EC with a third. A DMC is at an N⁺, to which a NO3⁻ is nearest.
    """
    made = Frame(tmp_path)
    made.put("LI", 0, "LI", AT_FACE, X).put("DMC", 0, "O2", AT_FACE - 1.9 * X, -X)
    made.put("EC", 0, "O2", AT_FACE + 2.0 * Y, Y).put("PF6", 0, "F1", AT_FACE - 5.0 * Z, -Z)
    made.put("LI", 1, "LI", CROWDED, X).put("PF6", 1, "F1", CROWDED - 2.0 * Z, -Z)
    made.put("PF6", 2, "F1", CROWDED + 2.0 * Z, Z).put("EC", 1, "O2", CROWDED + 1.9 * Y, Y)
    made.put("EC", 2, "O2", CROWDED + 1.9 * X, -Y).put("LI", 2, "LI", CROWDED + 3.8 * X, X)
    nitrogen = made.positions[made.residue("PBIS", 0).select_atoms("name N2")[0].index]
    outward = nitrogen - made.positions[made.universe.select_atoms("resname PBIS").indices].mean(axis=0)
    outward /= np.linalg.norm(outward)
    aside = np.cross(outward, X) / np.linalg.norm(np.cross(outward, X))
    made.put("DMC", 1, "O2", nitrogen + 4.5 * outward, outward)
    return made.put("NO3", 0, "N1", nitrogen + 4.5 * aside + 3 * outward, outward)


def found(frame, wanted=10):
    clusters = cut_clusters(frame.wrapped(), frame.entries, wanted)
    first = {name: frame.universe.select_atoms(f"resname {name}").residues[0].resindex for name in ("EC", "DMC")}
    by_class = {}
    for cluster in clusters:
        candidate = cluster.candidate
        number = frame.universe.atoms[candidate.oxygen].resindex - first[candidate.species]
        by_class.setdefault((candidate.kind, candidate.species), {})[int(number)] = cluster
    return by_class


def test_every_carbonate_is_in_its_class_and_those_that_cannot_be_neutral_or_bridge_are_in_none(frame):
    classes = {key: sorted(of_class) for key, of_class in found(frame).items()}
    assert classes == {
        (FREE, "EC"): [3, 4, 5],
        (LITHIUM, "EC"): [0],
        (FREE, "DMC"): [2, 3],
        (LITHIUM, "DMC"): [0],
        (POLYMER, "DMC"): [1],
    }


def test_ghosts_are_neither_cut_out_nor_neighbors(frame):
    universe = frame.wrapped()
    atoms = universe.atoms
    gone = [frame.residue("EC", 0), frame.residue("DMC", 2), frame.residue("EC", 4)]
    column = np.zeros(len(atoms), int)
    for k, ghost in enumerate(gone, 1):
        column[ghost.indices] = k
    presence = Presence(column, np.array([[True, False, False, False]]))
    for ghost in gone:  # where ghosts lie; here in the way of the free carbonates
        atoms[ghost.indices].positions = frame.residue("EC", 3).positions.mean(axis=0)
    clusters = cut_clusters(universe, frame.entries, 10, presence=presence)
    with_them = cut_clusters(universe, frame.entries, 10)
    absent = {atoms[ghost.indices[0]].resindex for ghost in gone}

    def who(found):
        return {atoms[cluster.candidate.oxygen].resindex for cluster in found}

    assert not who(clusters) & absent
    assert who(with_them) & absent
    free = [cluster for cluster in clusters if cluster.candidate.kind == FREE]
    assert free
    for cluster in free:
        distances = np.linalg.norm(cluster.positions - cluster.positions[cluster.bond[1]], axis=1)
        assert np.sort(distances)[1] > 1.0  # nothing lies on the carbonyl


def test_clusters_are_whole_across_the_box_and_hold_what_they_should(frame):
    classes = found(frame)
    at_lithium = classes[LITHIUM, "DMC"][0]
    assert at_lithium.molecules == ("DMC", "Li", "EC", "PF6")
    carbon, oxygen = at_lithium.bond
    lithium = at_lithium.neighbor
    assert [at_lithium.elements[atom] for atom in (carbon, oxygen, lithium)] == ["C", "O", "Li"]
    distance = np.linalg.norm(at_lithium.positions - at_lithium.positions[lithium], axis=1)
    assert distance[oxygen] == pytest.approx(1.9, abs=1e-3)
    assert distance[list(at_lithium.elements).index("P")] == pytest.approx(5.0 + 1.6, abs=0.1)
    assert distance.max() < 9.0
    carbonate = at_lithium.positions[list(at_lithium.carbonate)]
    assert sorted(at_lithium.elements[atom] for atom in at_lithium.carbonate) == sorted("CCC" + "OOO" + "HHHHHH")
    assert np.linalg.norm(carbonate - carbonate.mean(axis=0), axis=1).max() < 4
    bond = np.linalg.norm(at_lithium.positions[carbon] - at_lithium.positions[oxygen])
    assert 1.15 < bond < 1.3
    assert len(classes[FREE, "EC"][3].molecules) == 4


def test_one_ammonium_is_cut_from_the_polymer_with_its_anion(frame):
    (at_polymer,) = found(frame)[POLYMER, "DMC"].values()
    assert at_polymer.molecules[:2] == ("DMC", "PBIS")
    assert at_polymer.molecules[3] == "NO3"
    assert at_polymer.elements[at_polymer.neighbor] == "N"
    distance = at_polymer.positions[at_polymer.neighbor] - at_polymer.positions[at_polymer.bond[1]]
    assert np.linalg.norm(distance) == pytest.approx(4.5, abs=1e-3)
    assert at_polymer.elements.count("N") == 2  # that of the nitrate is the other
    # three methyls and the two carbons on the way to the other ammonium; EC and DMC have three each
    assert at_polymer.elements.count("C") == 3 + 2 + 3 + 3


def test_all_clusters_have_closed_shells_and_no_atoms_on_each_other(frame):
    number = GetPeriodicTable().GetAtomicNumber
    for of_class in found(frame).values():
        for cluster in of_class.values():
            assert sum(map(number, cluster.elements)) % 2 == 0
            apart = np.linalg.norm(cluster.positions[:, None] - cluster.positions, axis=2)
            assert apart[~np.eye(len(apart), dtype=bool)].min() > 0.9


def test_no_molecule_comes_twice_before_all_have_come_once(frame):
    one = frame.wrapped().trajectory.coordinate_array
    frame.universe.load_new(np.repeat(one, 8, axis=0), dimensions=np.repeat(frame.universe.dimensions[None], 8, axis=0))
    clusters = cut_clusters(frame.universe, frame.entries, 5, ("EC",))
    free = [cluster.candidate for cluster in clusters if cluster.candidate.kind == FREE]
    assert sorted(np.unique([c.oxygen for c in free], return_counts=True)[1]) == [1, 2, 2]
    assert len({c.frame for c in free}) == 5


def test_a_species_that_is_no_carbonate_is_refused(frame):
    with pytest.raises(InvalidInput, match="species: PF6 is no carbonate of the box \\(its carbonates: EC, DMC\\)"):
        cut_clusters(frame.wrapped(), frame.entries, 1, ("PF6",))
