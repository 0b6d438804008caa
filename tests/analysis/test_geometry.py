import mdtraj
import numpy as np
import pytest
from MDAnalysis.analysis.rdf import InterRDF
from MDAnalysis.lib.mdamath import triclinic_vectors
from synthetic import make_universe, on_sphere, only_ec, random_universe, species_file

from solvshell.analysis.geometry import FINE_PER_BIN, SolvationGeometry
from solvshell.analysis.pairs import bin_of
from solvshell.analysis.rdf import fine_counts
from solvshell.analysis.shells import first_shells
from solvshell.analysis.sites import select_sites
from solvshell.errors import InvalidInput


def run(universe, species=None, **options):
    sites = select_sites(universe, species or only_ec())
    geometry = SolvationGeometry.from_sites(sites, **options).run().results
    return geometry, [pair.rebinned(FINE_PER_BIN) for pair in fine_counts(geometry, sites)]


def inter_rdf(universe, pair):
    rdf = InterRDF(pair.center.atoms, pair.site.atoms, nbins=len(pair.r), range=(0, pair.edges[-1]))
    return rdf.run().results


def test_a_pair_across_the_boundary_has_its_distance():
    molecules = [("LI", ["LI"]), ("EC", ["C", "O"]), ("EC", ["C", "O"])]
    positions = [[0.5, 1, 1], [9, 9, 9], [28.495, 1, 1], [9, 20, 9], [0.5, 1, 4.205]]
    geometry, (pair,) = run(make_universe(molecules, positions))
    assert np.flatnonzero(pair.counts[0]).tolist() == [200, 320]
    rows = geometry.contacts
    assert rows.distance == pytest.approx([2.005, 3.205], abs=1e-5)
    assert rows.molecule.tolist() == [1, 2]
    assert rows.center.tolist() == rows.frame.tolist() == [0, 0]


def test_bins_are_those_of_numpy_histogram():
    edges = np.linspace(0, 12, 2401)
    rng = np.random.default_rng(0)
    distances = np.concatenate(
        [edges, np.nextafter(edges, 0)[1:], np.nextafter(edges, 13)[:-1], 12 * rng.random(50000)]
    )
    counts = np.bincount([bin_of(distance, edges) for distance in distances], minlength=2400)
    assert (counts == np.histogram(distances, bins=2400, range=(0, 12))[0]).all()


@pytest.mark.parametrize(("n_sites", "rounded"), [(8, 0), (400, 2e-4)])
def test_counts_equal_inter_rdf_in_every_bin(n_sites, rounded):
    # For many sites InterRDF searches a grid, for which coordinates move into the cell in single precision: 1e-6 Å.
    universe = random_universe(np.random.default_rng(1), 20, 30, n_sites, (45, 45, 45, 90, 90, 90), fluctuation=0.02)
    _, (pair,) = run(universe)
    theirs = inter_rdf(universe, pair).count
    assert pair.counts.sum() > 0
    assert np.abs(pair.counts.sum(axis=0) - theirs).sum() <= rounded * theirs.sum()


def test_g_equals_inter_rdf_and_mdtraj_at_constant_volume():
    universe = random_universe(np.random.default_rng(2), 5, 10, 40)
    _, (pair,) = run(universe)
    positions = np.array([ts.positions.copy() for ts in universe.trajectory])
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for name in universe.atoms.names:
        topology.add_atom(name, None, topology.add_residue("X", chain))
    trajectory = mdtraj.Trajectory(positions / 10, topology)
    trajectory.unitcell_lengths = np.full((5, 3), 3.0)
    trajectory.unitcell_angles = np.full((5, 3), 90.0)
    atom_pairs = topology.select_pairs("name LI", "name O")
    _, theirs = mdtraj.compute_rdf(trajectory, atom_pairs, (0, pair.edges[-1] / 10), n_bins=len(pair.r), opt=False)

    distances = mdtraj.compute_distances(trajectory, atom_pairs, opt=False).ravel() * 10
    nearest = np.round(distances / 0.01).astype(int)
    at_edge = nearest[np.abs(distances - nearest * 0.01) < 1e-4]
    clear = ~np.isin(np.arange(len(pair.r)), np.concatenate([at_edge - 1, at_edge]))
    assert clear.mean() > 0.9
    assert pair.g[clear] == pytest.approx(theirs[clear], rel=1e-6)
    assert pair.g == pytest.approx(inter_rdf(universe, pair).rdf, rel=1e-6)


def test_at_constant_pressure_inter_rdf_differs_by_mean_v_times_mean_inverse_v():
    universe = random_universe(np.random.default_rng(3), 40, 10, 40, fluctuation=0.1)
    geometry, (pair,) = run(universe)
    assert geometry.edges[-1] < 13.6  # half the smallest box met
    factor = geometry.volumes.mean() * (1 / geometry.volumes).mean()
    assert factor > 1.01
    filled = pair.counts.sum(axis=0) > 0
    assert (pair.g * factor)[filled] == pytest.approx(inter_rdf(universe, pair).rdf[filled], rel=1e-6)


def test_bins_end_at_half_the_smallest_box_met():
    boxes = [[30, 30, 30, 90, 90, 90], [20.5, 30, 30, 90, 90, 90], [30, 30, 30, 90, 90, 90]]
    universe = make_universe([("LI", ["LI"]), ("EC", ["O"])], np.ones((3, 2, 3)), boxes)
    geometry, _ = run(universe)
    assert geometry.edges[-1] == pytest.approx(10.25)
    assert geometry.counts.shape[-1] == len(geometry.edges) - 1


def test_triclinic_distances_equal_those_to_all_images():
    rng = np.random.default_rng(4)
    box = np.array([24, 26, 28, 65, 75, 80], dtype=float)
    vectors = triclinic_vectors(box).astype(float)
    positions = rng.random((4, 35, 3)) @ vectors
    _, (pair,) = run(make_universe([("LI", ["LI"])] * 5 + [("EC", ["O"])] * 30, positions, box))
    images = (np.indices((5, 5, 5)).reshape(3, -1).T - 2) @ vectors
    apart = positions[:, :5, None, None] - positions[:, None, 5:, None] + images
    slow = np.histogram(np.linalg.norm(apart, axis=-1).ravel(), bins=pair.edges)[0]
    assert slow.sum() > 100
    assert np.abs(pair.counts.sum(axis=0) - slow).sum() <= 2  # single precision at an edge
    narrowest = min(np.linalg.det(vectors) / np.linalg.norm(np.cross(vectors[i], vectors[i - 1])) for i in range(3))
    assert pair.edges[-1] == pytest.approx(min(narrowest / 2, 12), abs=0.01)


def test_pairs_inside_one_molecule_are_left_out():
    molecules = [("LEC", ["LI", "O"]), ("LEC", ["LI", "O"])]
    species = species_file(partners={"EC": {"molecules": "resname LEC", "sites": {"o": "name O"}}})
    positions = [[5, 5, 5], [7, 5, 5], [15, 5, 5], [12, 5, 5]]
    geometry, (pair,) = run(make_universe(molecules, positions), species)
    assert pair.counts.sum() == 2
    assert np.flatnonzero(pair.counts[0]).tolist() == [700, 800]
    assert pair.density[0] == pytest.approx(2 / 27000)
    assert len(geometry.contacts.frame) == 0


def test_two_center_species_and_two_partners_do_not_mix():
    molecules = [("LI", ["LI"]), ("NA", ["NA"]), ("PF6", ["P", "F"]), ("EC", ["C", "O"]), ("EC", ["C", "O"])]
    x = [1.995, 20.005, 9, 4, 9, 17, 9, 23.5]
    positions = np.stack([x, np.ones(8), np.ones(8)], axis=1)
    positions[[2, 4, 6], 1] = 15
    species = species_file(centers={"Li": "name LI", "Na": "name NA"})
    geometry, pairs = run(make_universe(molecules, positions), species)
    found = {(pair.center.name, pair.site.name): np.flatnonzero(pair.counts[0]).tolist() for pair in pairs}
    assert found == {
        ("Li", "f"): [200],
        ("Li", "carbonyl_o"): [849],
        ("Na", "f"): [],
        ("Na", "carbonyl_o"): [300, 349],
    }
    rows = geometry.contacts
    assert list(zip(rows.center, rows.molecule, rows.site, strict=True)) == [(0, 2, 0), (1, 3, 1), (1, 4, 1)]


def test_reference_sites_have_a_g_but_no_contacts():
    partner = {"molecules": "resname PF6", "sites": {"f": "name F"}, "reference_sites": {"p": "name P"}}
    universe = make_universe([("LI", ["LI"]), ("PF6", ["P", "F"])], [[1, 1, 1], [4, 1, 1], [3, 1, 1]])
    geometry, (f, p) = run(universe, species_file(partners={"PF6": partner}))
    assert (f.counts.sum(), p.counts.sum()) == (1, 1)
    assert geometry.contacts.site.tolist() == [0]


def test_blocks_are_contiguous_and_hold_all_frames():
    universe = random_universe(np.random.default_rng(5), 150, 3, 20)
    geometry, (pair,) = run(universe)
    assert pair.counts.shape[0] == 64
    assert set(np.diff(geometry.block_starts)) == {2, 3}
    _, (first,) = run(random_universe(np.random.default_rng(5), 150, 3, 20))
    assert (pair.counts == first.counts).all()
    sites = select_sites(universe, only_ec())
    part = SolvationGeometry.from_sites(sites).run(stop=int(geometry.block_starts[7])).results
    assert (part.counts.sum(axis=0) == geometry.counts[:7].sum(axis=0)).all()


def test_a_frame_without_cell_is_refused():
    boxes = np.array([[30, 30, 30, 90, 90, 90], [0, 0, 0, 0, 0, 0]])
    universe = make_universe([("LI", ["LI"]), ("EC", ["O"])], np.ones((2, 2, 3)), boxes)
    with pytest.raises(InvalidInput, match="frame 1 has no unit cell"):
        run(universe)


def random_triclinic(rng, n_frames=10, n_centers=15, n_sites=300, angles=(70.0, 85.0, 110.0)):
    box = np.array([24.0, 26.0, 28.0, *angles], dtype=np.float32)
    molecules = [("LI", ["LI"])] * n_centers + [("EC", ["O"])] * n_sites
    positions = rng.random((n_frames, len(molecules), 3)) @ triclinic_vectors(box)
    return make_universe(molecules, positions, box)


@pytest.mark.parametrize("angles", [(70.0, 85.0, 110.0), (60.0, 60.0, 90.0), (90.0, 90.0, 60.0)])
def test_in_a_triclinic_cell_all_distances_are_those_of_inter_rdf(angles):
    universe = random_triclinic(np.random.default_rng(9), angles=angles)
    _, (pair,) = run(universe)
    theirs = inter_rdf(universe, pair)
    assert pair.edges[-1] > 9
    assert np.abs(pair.counts.sum(axis=0) - theirs.count).sum() <= 2e-4 * theirs.count.sum()
    assert pair.counts.sum() == pytest.approx(theirs.count.sum(), abs=1)


def test_atom_groups_go_in_and_everything_is_in_the_results():
    universe = random_universe(np.random.default_rng(10), 4, 5, 60)
    li, ec = universe.select_atoms("name LI"), universe.select_atoms("name O")
    geometry = SolvationGeometry({"Li": li}, {"EC": ec}, r_max=8.0, capture_radius=4.0).run(start=1, step=2)
    by_name, _ = run(universe, r_max=8.0, capture_radius=4.0)
    assert geometry.results.frames.tolist() == [1, 3]
    assert geometry.results.counts.sum(axis=0) == pytest.approx(by_name.counts[[1, 3]].sum(axis=0))
    table = geometry.results.contacts.to_dataframe(geometry.sites)
    assert table.distance_angstrom.between(0, 4).all()
    assert set(table.partner) == {"EC"}
    assert len(table) == (by_name.contacts.frame % 2 == 1).sum() > 0


@pytest.mark.parametrize("workers", [{"backend": "multiprocessing", "n_workers": 2, "n_parts": 3}])
def test_results_do_not_depend_on_who_counts(workers):
    universe = random_universe(np.random.default_rng(11), 100, 5, 60, fluctuation=0.05)
    sites = select_sites(universe, only_ec())
    alone = SolvationGeometry.from_sites(sites).run(start=3, step=1).results
    together = SolvationGeometry.from_sites(sites).run(start=3, step=1, **workers).results
    assert set(alone) == set(together)
    for name in alone:
        if name != "contacts":
            assert np.array_equal(alone[name], together[name]), name
    theirs = together.contacts.to_dataframe(sites)
    assert alone.contacts.to_dataframe(sites).equals(theirs)


def test_the_angle_is_that_at_the_oxygen_with_and_without_bonds():
    # O at the origin of a right angle, then straight; a boundary between Li and O.
    molecules = [("LI", ["LI"]), ("EC", ["C", "O"]), ("EC", ["C", "O"])]
    positions = [[29.5, 1, 1], [1.5, 2.2, 1], [1.5, 1, 1], [29.5, 1, 4.2], [29.5, 1, 3]]
    universe = make_universe(molecules, positions)
    assert run(universe)[0].contacts.cosine == pytest.approx([0, -1], abs=1e-6)
    universe.add_TopologyAttr("bonds", [(1, 2), (3, 4)])
    assert run(universe)[0].contacts.cosine == pytest.approx([0, -1], abs=1e-6)
    universe.add_bonds([(2, 3)])  # an O between two atoms has no one direction
    assert np.isnan(run(universe)[0].contacts.cosine[0])


def test_a_growing_table_counts_no_pair_twice():
    universe = random_universe(np.random.default_rng(12), 3, 60, 2000, (26, 26, 26, 90, 90, 90))
    geometry, (pair,) = run(universe, capture_radius=12.0)
    assert len(geometry.contacts.frame) > 4096 * 3
    near = geometry.contacts.distance <= pair.edges[-1]
    assert pair.counts.sum() == near.sum()
    assert pair.counts.sum(axis=0).sum() == inter_rdf(universe, pair).count.sum()


WRONG_GROUPS = {
    "updating": (lambda u: {"Li": u.select_atoms("name LI", updating=True)}, {}, "centers.Li: an updating AtomGroup"),
    "empty": (lambda u: {"Li": u.atoms[:0]}, {}, "centers.Li: the AtomGroup is empty"),
    "twice": (lambda u: {"Li": u.atoms[[0, 0]]}, {}, "centers.Li: some atoms of the AtomGroup occur twice"),
    "another": (lambda u: {"Li": u.copy().atoms[:1]}, {}, "partners.EC.any: an AtomGroup of another universe"),
    "anion": (lambda u: {"Li": u.atoms[:1]}, {"anions": ["PF6"]}, r"anions: 'PF6' is not one of the partners \(EC\)"),
    "none": (lambda u: {}, {}, "centers and partners: give at least one AtomGroup each"),
    "no mapping": (lambda u: u.atoms[:1], {}, r"centers: AtomGroup \(expected: AtomGroups by name\)"),
    "no group": (lambda u: {"Li": "name LI"}, {}, r"centers.Li: str \(expected: an AtomGroup\)"),
    "anion word": (lambda u: {"Li": u.atoms[:1]}, {"anions": "PF6"}, r"anions: 'PF6' \(expected: a list of names\)"),
    "molecules": (lambda u: {"Li": u.atoms[:1]}, {"molecules_are": "x"}, r"molecules_are: 'x' \(allowed: residues, f"),
}


@pytest.mark.parametrize(("centers", "more", "message"), WRONG_GROUPS.values(), ids=WRONG_GROUPS)
def test_wrong_groups_are_refused(centers, more, message):
    universe = random_universe(np.random.default_rng(13), 1, 5, 20)
    with pytest.raises(InvalidInput, match=message):
        SolvationGeometry(centers(universe), {"EC": universe.select_atoms("name O")}, **more)


@pytest.mark.parametrize("angles", [(90.0, 90.0, 90.0), (70.0, 85.0, 110.0)])
def test_a_grid_misses_nobody(angles):
    # Short reach in a large cell: only neighboring cells of a grid are searched; molecules lie outside of the cell too.
    universe = random_triclinic(np.random.default_rng(14), n_centers=40, n_sites=1500, angles=angles)
    universe.trajectory.coordinate_array += np.float32(1000.0)
    _, (near,) = run(universe, r_max=4.0)
    _, (far,) = run(universe)
    counted = near.counts.sum(axis=0)
    assert counted.sum() > 1000
    assert counted.tolist() == far.counts.sum(axis=0)[: len(counted)].tolist()


@pytest.mark.parametrize("atom", [0, 30])
def test_coordinates_that_are_no_numbers_are_refused_by_frame(atom):
    universe = random_universe(np.random.default_rng(15), 80, 5, 60)
    universe.trajectory.coordinate_array[70, atom, 1] = np.nan
    with pytest.raises(InvalidInput, match="trajectory: frame 70 has coordinates that are not finite numbers"):
        run(universe)


def test_no_contact_is_claimed_beyond_the_end_of_g():
    universe = random_universe(np.random.default_rng(16), 5, 5, 200, (9, 9, 9, 90, 90, 90))
    geometry, _ = run(universe)
    assert geometry.capture_radius == pytest.approx(4.5)
    assert geometry.contacts.distance.max() <= 4.5
    short, _ = run(universe, r_max=3.0)
    assert short.capture_radius == 3.0
    with pytest.raises(InvalidInput, match="shell: 4 Å is more than the capture radius of the pass, 3 Å"):
        first_shells(short, select_sites(universe, only_ec()), {("Li", "EC", "carbonyl_o"): 4.0})
    for wrong in (-1, 0, np.nan):
        with pytest.raises(InvalidInput, match="capture_radius: "):
            run(universe, capture_radius=wrong)


def test_in_a_box_that_shrinks_contacts_end_where_all_frames_have_them():
    boxes = [(12.0, 12, 12, 90, 90, 90), (8.0, 8, 8, 90, 90, 90)]
    positions = np.array([[[0.0, 0, 0], [4.5, 0, 0]], [[0, 0, 0], [2, 0, 0]]])
    universe = make_universe([("LI", ["LI"]), ("EC", ["O"])], positions, boxes)
    geometry, _ = run(universe)
    assert geometry.capture_radius == pytest.approx(4.0)
    assert geometry.contacts.distance.tolist() == [2.0]


def test_centers_among_themselves_and_centers_of_mass_have_a_g_alone():
    positions = [[5, 5, 5], [8, 5, 5], [5, 8, 5], [5, 8, 7]]
    universe = make_universe([("LI", ["LI"]), ("LI", ["LI"]), ("EC", ["C", "O"])], positions)
    li, ec = universe.select_atoms("name LI"), universe.select_atoms("resname EC")
    geometry = SolvationGeometry(
        {"Li": li}, {"EC": ec.select_atoms("name O")}, reference_sites={"Li": li, "EC": {"com": ec}}
    ).run()
    rdf = geometry.rdf()
    at = rdf[rdf.g > 0].set_index(["partner", "site"]).r_angstrom.groupby(level=[0, 1]).apply(list)
    assert at["Li", "any"] == pytest.approx([3.005])
    com = 2 * 16.0 / (16.0 + 12.01)
    assert at["EC", "com"] == pytest.approx([np.hypot(3, com), np.sqrt(18 + com**2)], abs=0.01)
    assert geometry.results.contacts.site.tolist() == [0, 0]
    assert geometry.sites.n_molecules == {"EC": 1}


def test_a_pass_leaves_the_trajectory_where_it_was_until_it_runs():
    universe = random_universe(np.random.default_rng(17), 5, 5, 20)
    universe.trajectory[3]
    SolvationGeometry.from_sites(select_sites(universe, only_ec()))
    assert universe.trajectory.frame == 3


def test_uneven_times_are_no_matter_to_g_but_to_shells():
    universe = random_universe(np.random.default_rng(18), 10, 5, 60)
    sites = select_sites(universe, only_ec())
    geometry = SolvationGeometry.from_sites(sites).run(frames=[0, 1, 5])
    assert geometry.rdf().g.notna().all()
    with pytest.raises(InvalidInput, match="the time goes from 1 to 5 ps after frame 1 where the step is 1 ps"):
        first_shells(geometry.results, sites, {("Li", "EC", "carbonyl_o"): 4.0})


def test_errors_of_g_and_n_know_that_ions_differ_which_never_exchange():
    # Half of eight ions keep two neighbours, half keep four: each frame has three on average, without any scatter.
    rng = np.random.default_rng(19)
    grid = (np.indices((2, 2, 2)).reshape(3, -1).T + 0.5) * 20
    numbers = [2, 4] * 4
    frames = [
        np.concatenate([grid, *(at + 2.0 * on_sphere(rng, (n,)) for at, n in zip(grid, numbers, strict=True))])
        for _ in range(40)
    ]
    universe = make_universe([("LI", ["LI"])] * 8 + [("EC", ["O"])] * sum(numbers), frames, (40, 40, 40, 90, 90, 90))
    geometry = SolvationGeometry({"Li": universe.atoms[:8]}, {"EC": universe.atoms[8:]}).run()
    at = geometry.rdf().set_index("r_angstrom")
    inside = at.loc[2.5:3.0]
    assert inside.n.to_numpy() == pytest.approx(3)
    assert inside.n_stderr.to_numpy() == pytest.approx(1 / np.sqrt(7))


def test_an_atom_without_place_in_a_center_of_mass_is_refused_too():
    # The N is neither a site nor bonded to one: only the center of mass knows it.
    positions = np.tile([[1.0, 1, 1], [5, 5, 5], [6.2, 5, 5], [3.6, 5, 5]], (3, 1, 1))
    positions[2, 3, 0] = np.nan
    universe = make_universe([("LI", ["LI"]), ("EC", ["C", "O", "N"])], positions)
    ec = universe.select_atoms("resname EC")
    geometry = SolvationGeometry(
        {"Li": universe.atoms[:1]}, {"EC": ec.select_atoms("name O")}, reference_sites={"EC": {"com": ec}}
    )
    with pytest.raises(InvalidInput, match="trajectory: frame 2 has coordinates that are not finite numbers"):
        geometry.run()
