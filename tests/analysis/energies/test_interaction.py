from dataclasses import fields

import numpy as np
import pytest
from ewald_by_hand import KE, energies, images, psi
from MDAnalysis import Universe
from MDAnalysis.lib.mdamath import triclinic_box, triclinic_vectors
from small_boxes import gel
from synthetic import make_universe

from solvshell.analysis.energies.interaction import InteractionEnergies
from solvshell.analysis.energies.model import PairModel
from solvshell.errors import InvalidInput

LI, EC, PF6 = ["LI"], ["C", "O1", "O2"], ["P", "F1", "F2"]
MOLECULES = [("LI", LI)] * 3 + [("EC", EC)] * 6 + [("PF6", PF6)] * 4
CELLS = [
    (24.0, 24.0, 24.0, 90, 90, 90),
    (22.0, 25.0, 31.0, 90, 90, 90),
    (26.0, 26.0, 26.0, 60, 60, 90),
    (25.0, 27.0, 30.0, 75, 105, 65),
]


def model():
    """A switch, no tail, and bonds from the first atom of each molecule to its others."""
    rng = np.random.default_rng(5)
    charges = np.concatenate([[1.0] * 3, np.tile([0.8, -0.5, -0.3], 6), np.tile([0.4, -0.6, -0.8], 4)])
    links, first = [], 3
    for _ in range(10):
        links += [(first, first + 1), (first, first + 2)]
        first += 3
    n = len(charges)
    none = np.zeros((len(links), 3))
    return PairModel(charges, rng.uniform(1, 4, n), rng.uniform(0, 1, n), 10.0, 8.0, False, np.array(links), none)


def frames(n=3, cells=CELLS, seed=0):
    """Return a universe whose molecules lie at random and are cut by the walls, and the whole ones, by frame."""
    rng = np.random.default_rng(seed)
    boxes, wrapped, whole = [], [], []
    for box in [cell for cell in cells for _ in range(n)]:
        vectors = triclinic_vectors(box).astype(float)
        at = [rng.random(3) @ vectors + rng.normal(size=(len(names), 3)) for _, names in MOLECULES]
        positions = np.concatenate(at)
        positions += np.rint(rng.normal(size=positions.shape)) @ vectors
        boxes.append(box), wrapped.append(positions), whole.append((at, vectors))
    return make_universe(MOLECULES, wrapped, boxes), whole


def species(universe):
    return {"Li": universe.select_atoms("name LI")}, {
        name: universe.select_atoms(f"resname {name}") for name in ("EC", "PF6")
    }


def by_hand(whole):
    """Return distances (3, 13) and energies (3, 13, 3) of a frame; those of a Li+ with itself are not a number."""
    at, vectors = whole
    atoms = np.split(np.arange(33), np.cumsum([len(names) for _, names in MOLECULES])[:-1])
    distance, energy = np.full((3, 13), np.nan), np.full((3, 13, 3), np.nan)
    for c in range(3):
        for m in set(range(13)) - {c}:
            distance[c, m], energy[c, m] = energies((atoms[c], at[c]), (atoms[m], at[m]), vectors, model())
    return distance, energy


def test_all_pairs_have_the_energies_of_plain_sums_in_cells_of_any_shape():
    universe, whole = frames()
    found = InteractionEnergies(*species(universe), model(), capture_radius=9.0).run()
    of_species = np.repeat([0, 1, 2], [3, 6, 4])
    members, n_rows = found.results.members, 0
    for t in range(len(whole)):
        distance, energy = by_hand(whole[t])
        sums = np.stack([np.nansum(energy[:, of_species == k], axis=1) for k in range(3)], axis=1)
        assert found.results.whole_box[t] == pytest.approx(sums, rel=1e-5, abs=2e-3)
        rows = members.where(members.frame == t)
        assert list(zip(rows.center, rows.molecule, strict=True)) == list(zip(*np.nonzero(distance <= 9), strict=True))
        assert rows.distance == pytest.approx(distance[distance <= 9], rel=1e-5)
        assert np.stack([rows.lj, rows.bare, rows.ewald], 1) == pytest.approx(energy[distance <= 9], rel=1e-5, abs=2e-3)
        assert (rows.partner == of_species[rows.molecule]).all()
        n_rows += len(rows.frame)
    assert n_rows == len(members.frame) > 80


def test_sums_by_distance_are_those_of_the_pairs():
    universe, _ = frames(n=20)
    found = InteractionEnergies(*species(universe), model(), capture_radius=12.0).run()
    rows, by = found.results.members, found.results.by_distance
    assert by.n_molecules.shape == (64, 1, 3, 120)
    blocks = np.searchsorted(found.results.block_starts, rows.frame, side="right") - 1
    for values, sums in ((None, by.n_molecules), (rows.lj, by.lj), (rows.bare, by.bare), (rows.ewald, by.ewald)):
        for k in range(3):
            mine = rows.partner == k
            where = [blocks[mine], rows.distance[mine]]
            weights = None if values is None else values[mine].astype(float)
            expected = np.histogram2d(*where, bins=[np.arange(65), by.edges], weights=weights)[0]
            assert sums[:, 0, k] == pytest.approx(expected, rel=1e-5, abs=1e-2)


def test_distances_are_those_of_coordinating_atoms():
    universe, whole = frames()
    oxygen = universe.select_atoms("resname EC and name O2")
    found = InteractionEnergies(*species(universe), model(), coordinating={"EC": oxygen}, capture_radius=8.0).run()
    rows = found.results.members.where(found.results.members.partner == 1)
    distance = []
    for at, vectors in whole:
        ways = np.array([at[m][2] - at[c][0] for c in range(3) for m in range(3, 9)])
        distance.append(np.linalg.norm(ways[:, None] + images(vectors), axis=2).min(axis=1))
    distance = np.concatenate(distance)
    assert rows.distance == pytest.approx(distance[distance <= 8], rel=1e-5)
    assert len(rows.distance) > 20


def test_bare_energies_do_not_depend_on_the_box_and_those_of_ewald_do():
    rng = np.random.default_rng(3)
    positions = np.concatenate([rng.normal(size=(len(names), 3)) + rng.uniform(-4, 4, 3) for _, names in MOLECULES])
    lengths = (30.0, 60.0)
    universe = make_universe(MOLECULES, [positions] * 2, [(length,) * 3 + (90,) * 3 for length in lengths])
    found = InteractionEnergies(*species(universe), model()).run()
    lj, bare, ewald = np.moveaxis(found.results.whole_box.astype(float), -1, 0)
    assert bare[0] == pytest.approx(bare[1], rel=1e-5)
    assert lj[0] == pytest.approx(lj[1], rel=1e-5)
    xi = -2.837297 * KE / np.array(lengths)
    assert found.results.xi == pytest.approx(xi)
    assert found.results.self_energy == pytest.approx(np.repeat(xi / 2, 3).reshape(2, 3))
    # Two ions near each other are shifted by q q' xi, up to what their distance in parts of the box, squared, adds.
    assert found.charges == pytest.approx([1, 0, -1])
    shift = (ewald - bare)[..., 2] / (4 * found.charges[2])
    assert shift[1] == pytest.approx(np.full(3, xi[1]), rel=0.02)
    assert (np.abs(shift[0] / xi[0] - 1) > np.abs(shift[1] / xi[1] - 1)).all()


def test_the_self_energy_of_a_molecule_is_that_of_its_charges_with_their_images():
    universe, whole = frames(n=1)
    pf6 = {"PF6": universe.select_atoms("resname PF6")}
    others = {name: universe.select_atoms(f"resname {name}") for name in ("LI", "EC")}
    found = InteractionEnergies(pf6, others, model()).run().results.self_energy
    charges = model().charges[-3:]
    for t, (at, vectors) in enumerate(whole):
        xi = psi([[1e-3, 0, 0]], vectors)[0] - 1e3
        expected = []
        for x in at[-4:]:
            pairs = [(i, j) for i in range(3) for j in range(i)]
            smooth = [psi(x[i] - x[j], vectors)[0] - 1 / np.linalg.norm(x[i] - x[j]) for i, j in pairs]
            products = [charges[i] * charges[j] for i, j in pairs]
            expected.append(KE * (charges @ charges * xi / 2 + np.dot(products, smooth)))
        assert found[t] == pytest.approx(expected, rel=1e-5)


def _residues(box):
    universe = Universe(box.topology, box.positions * 10)
    universe.dimensions = triclinic_box(*box.box_vectors * 10)
    return universe


def test_a_unit_of_a_chain_meets_all_molecules_but_its_own_chain():
    box = gel()
    universe = _residues(box)
    model = PairModel.from_system(box.system)
    units = universe.select_atoms("resname PDAD")
    others = {name: universe.select_atoms(f"resname {name}") for name in ("NO3", "DME")}
    found = InteractionEnergies({"PDAD": units}, others, model, capture_radius=20.0).run()
    chain = units.residues.resindices
    assert found.molecule_of_center.tolist() == chain.tolist()
    rows = found.results.members
    met = [set(rows.molecule[rows.center == c]) for c in range(6)]
    everything = set(range(len(universe.residues)))
    assert met == [everything - set(chain[:3])] * 3 + [everything - set(chain[3:])] * 3
    in_chains = InteractionEnergies({"PDAD": units}, others, model, molecules_are="fragments", capture_radius=20.0)
    assert in_chains.run().results.whole_box[..., [0, 2]].sum() == pytest.approx(
        found.results.whole_box[..., [0, 2]].sum(), rel=1e-5
    )
    tails = model.tails(np.repeat([1, 2, 0], [24, 96, 154])) / found.results.volumes[0]
    assert found.results.tail[0, 0] == pytest.approx(tails[0] / 6)
    assert found.n_molecules.tolist() == [6, 6, 6]
    assert in_chains.n_molecules.tolist() == [2, 6, 6]


@pytest.mark.parametrize(
    "backend", [{"n_workers": 2, "backend": "multiprocessing"}, {"n_workers": 3, "backend": "dask"}]
)
def test_all_workers_together_find_the_same(backend):
    universe, _ = frames(n=5)
    one = InteractionEnergies(*species(universe), model()).run(start=1, step=2).results
    some = InteractionEnergies(*species(universe), model()).run(start=1, step=2, **backend).results
    assert one.whole_box.shape == (10, 3, 3, 3)
    for name in ("whole_box", "self_energy", "tail", "xi", "volumes", "frames", "times", "block_starts"):
        assert np.array_equal(one[name], some[name])
    for field in fields(one.members):
        assert np.array_equal(getattr(one.members, field.name), getattr(some.members, field.name))
    for field in fields(one.by_distance):
        assert getattr(one.by_distance, field.name) == pytest.approx(getattr(some.by_distance, field.name))


def test_centers_are_numbered_by_species_in_the_order_of_their_atoms():
    universe, _ = frames(n=1)
    ec = universe.select_atoms("resname EC")[::-1]
    found = InteractionEnergies(
        {"PF6": universe.select_atoms("resname PF6"), "EC": ec}, {"Li": universe.select_atoms("name LI")}, model()
    ).run()
    assert found.partners == ("PF6", "EC", "Li")
    assert found.molecule_of_center.tolist() == [9, 10, 11, 12, 8, 7, 6, 5, 4, 3]
    assert found.species_of_center.tolist() == [0] * 4 + [1] * 6
    back = InteractionEnergies(*species(universe), model()).run().results.whole_box
    # Both ways the same pairs: Li+ with EC.
    assert found.results.whole_box[:, 4:, 2].sum(axis=1) == pytest.approx(back[:, :, 1].sum(axis=1), rel=1e-5)


def test_species_must_divide_the_universe():
    universe, _ = frames(n=1)
    centers, partners = species(universe)
    wrong = {
        "partners: 18 of 33 atoms are in no species": {"PF6": partners["PF6"]},
        "All: shares atoms with another species": {"All": universe.atoms},
        "EC: has parts of molecules": {
            "EC": partners["EC"] + universe.select_atoms("name F1"),
            "PF6": universe.select_atoms("name P F2"),
        },
        "centers: none, or one of them is named among the partners": {**partners, "Li": centers["Li"]},
    }
    for message, groups in wrong.items():
        with pytest.raises(InvalidInput, match=message):
            InteractionEnergies(centers, groups, model())
    with pytest.raises(InvalidInput, match=r"model: of 33 atoms \(allowed: 1, as the universe has\)"):
        InteractionEnergies({"Li": make_universe([("LI", LI)], [[0, 0, 0]]).atoms}, {}, model())
    loose = make_universe([("LI", LI * 3), *MOLECULES[3:]], [np.zeros((33, 3))])
    with pytest.raises(InvalidInput, match="atom 1 is in one molecule with 2 others, to some of which no bonds lead"):
        InteractionEnergies(*species(loose), model())


def test_frames_must_be_wide_enough_and_of_numbers():
    universe, _ = frames(n=1, cells=[(30.0, 30.0, 19.0, 90, 90, 90)])
    with pytest.raises(InvalidInput, match=r"in frame 0 images are 19 Å apart \(allowed: at least twice the cutoff"):
        InteractionEnergies(*species(universe), model()).run()
    universe, _ = frames(n=1, cells=CELLS[:1])
    universe.trajectory.get_array()[0, 7] = np.nan
    with pytest.raises(InvalidInput, match="frame 0 has coordinates that are not finite numbers"):
        InteractionEnergies(*species(universe), model()).run()
    with pytest.raises(InvalidInput, match="leave no frame"):
        InteractionEnergies(*species(universe), model()).run(start=1)
