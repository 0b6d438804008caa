import networkx as nx
import numpy as np
import pytest
from shells_by_hand import make_shells, molecule_numbers
from synthetic import make_universe, species_file

from solvshell.analysis import clusters as module
from solvshell.analysis.clusters import (
    CLUSTER_COLUMNS,
    POPULATION_COLUMNS,
    cluster_table,
    find_clusters,
    largest_cluster,
    population_matrix,
)
from solvshell.analysis.geometry import SolvationGeometry
from solvshell.analysis.shells import STATES, first_shells, ion_pair_states
from solvshell.analysis.sites import select_sites

CARBONYL_O, F, TFSI_O, TFSI_F = range(4)
NUMBERS = {"LI": 2, "EC": 2, "PF6": 2, "NA": 1, "TFSI": 2}
MOLECULES = molecule_numbers(**NUMBERS)
LI_0, LI_1, NA_0 = range(3)
PF6, TFSI = MOLECULES["PF6"], MOLECULES["TFSI"]


def hand_made(**changes):
    """A pair held twice and a triple of two species in frame 20; a chain of five ions in frame 21; all free in 22."""
    first = [(0, LI_0, PF6[1], F), (0, LI_0, PF6[1], F), (0, LI_1, TFSI[0], TFSI_O), (0, NA_0, TFSI[0], TFSI_F)]
    chain = [(1, LI_0, PF6[0], F), (1, NA_0, PF6[0], F), (1, NA_0, TFSI[1], TFSI_O), (1, LI_1, TFSI[1], TFSI_O)]
    solvents = [(k, i, MOLECULES["EC"][0], CARBONYL_O) for k in range(3) for i in (LI_0, LI_1)]
    return make_shells(first + chain + solvents, 3, first_frame=20, **{**NUMBERS, **changes})


def random_shells(rng, n_frames=40, p_bound=0.15):
    numbers = {"LI": 6, "EC": 3, "PF6": 5, "NA": 3, "TFSI": 4}
    molecules = molecule_numbers(**numbers)
    pairs = [(m, F) for m in molecules["PF6"]] + [(m, site) for m in molecules["TFSI"] for site in (TFSI_O, TFSI_F)]
    pairs += [(m, CARBONYL_O) for m in molecules["EC"]]
    bound = rng.random((n_frames, 9, len(pairs))) < p_bound * np.linspace(0, 1, n_frames)[:, None, None]
    return make_shells([(k, i, *pairs[j]) for k, i, j in np.argwhere(bound)], n_frames, **numbers)


def test_pairs_triples_and_larger_clusters_of_several_species():
    table = cluster_table(find_clusters(hand_made()))
    assert table.columns.tolist() == CLUSTER_COLUMNS
    assert table.composition.tolist() == [
        *("Li1", "Na1", "PF61", "TFSI1"),
        *("Li1 PF61", "Li1 Na1 TFSI1", "Li2 Na1 PF61 TFSI1"),
    ]
    rows = table.set_index("composition")
    assert rows.n.to_dict() == {
        **{"Li1": 2, "Na1": 1, "PF61": 1 + 1 + 2, "TFSI1": 1 + 1 + 2},
        **{"Li1 PF61": 1, "Li1 Na1 TFSI1": 1, "Li2 Na1 PF61 TFSI1": 1},
    }
    assert rows.mean_per_frame.to_dict() == pytest.approx((rows.n / 3).to_dict())
    assert rows.loc["Li2 Na1 PF61 TFSI1", ["n_centers", "n_anions"]].tolist() == [3, 2]
    assert rows.fraction_of_centers["Li2 Na1 PF61 TFSI1"] == pytest.approx(1 / 3)
    assert rows.fraction_of_centers["Li1 PF61"] == pytest.approx(1 / 9)
    assert rows.fraction_of_anions["Li1 Na1 TFSI1"] == pytest.approx(1 / 12)
    assert rows.fraction_of_centers["PF61"] == 0
    assert rows.example_frame.to_dict() == {
        **{"Li1": 22, "Na1": 22, "PF61": 20, "TFSI1": 20},
        **{"Li1 PF61": 20, "Li1 Na1 TFSI1": 20, "Li2 Na1 PF61 TFSI1": 21},
    }


def test_every_center_and_every_anion_is_in_one_cluster():
    table = cluster_table(find_clusters(random_shells(np.random.default_rng(0))))
    assert table.fraction_of_centers.sum() == pytest.approx(1)
    assert table.fraction_of_anions.sum() == pytest.approx(1)
    assert (table.n_centers * table.mean_per_frame).sum() == pytest.approx(9)
    assert (table.n_anions * table.mean_per_frame).sum() == pytest.approx(9)


@pytest.mark.parametrize("frames_at_once", [1, 7, 1000])
def test_random_graphs_have_the_components_of_networkx(monkeypatch, frames_at_once):
    monkeypatch.setattr(module, "FRAMES_AT_ONCE", frames_at_once)
    shells = random_shells(np.random.default_rng(1))
    found = find_clusters(shells)
    anions = found.ions.anion_molecules
    sizes = set()
    for frame, kind in enumerate(found.kind):
        graph = nx.Graph()
        graph.add_nodes_from(("center", i) for i in range(9))
        graph.add_nodes_from(("anion", m) for m in anions)
        contacts = shells.contacts.where(shells.contacts.frame == frame)
        for i, m, site in zip(contacts.center, contacts.molecule, contacts.site, strict=True):
            if site != CARBONYL_O:
                graph.add_edge(("center", int(i)), ("anion", int(m)))
        for component in nx.connected_components(graph):
            ions = [i if what == "center" else 9 + anions.tolist().index(i) for what, i in component]
            composition = np.bincount(found.ions.species[ions], minlength=4).tolist()
            assert found.kinds[kind[ions]].tolist() == [composition] * len(ions)
            sizes.add(len(component))
    assert {1, 2, 3} < sizes
    assert max(sizes) > 6


def test_the_centers_of_pairs_are_the_cips_and_free_centers_the_ssips():
    shells = random_shells(np.random.default_rng(2))
    found = find_clusters(shells)
    n, m = found.n_centers[found.kind[:, :9]], found.n_anions[found.kind[:, :9]]
    states = ion_pair_states(shells)
    assert ((n == 1) & (m == 0) == (states == STATES.index("ssip"))).all()
    assert ((n == 1) & (m == 1) == (states == STATES.index("cip"))).all()
    assert set(np.unique(states)) == {0, 1, 2}


def test_a_chain_of_ions_across_the_boundary_is_one_cluster():
    # Li - F P F - Li - F P F - of a box that is 14 Å long: the last F is 2 Å from the first Li
    chain = {"LI": [(13.0, 5, 5), (6.0, 5, 5)], "PF6": [(9.5, 5, 5), (2.5, 5, 5)]}
    p, half = np.array(chain["PF6"]), np.array([1.5, 0, 0])
    atoms = [*chain["LI"], *np.stack([p, p - half, p + half], axis=1).reshape(-1, 3)]
    away = np.array(atoms) + np.outer([0, 3, *[0] * 6], [0, 1, 0])  # the second Li leaves the chain
    molecules = [("LI", ["LI"])] * 2 + [("PF6", ["P", "F1", "F2"])] * 2
    universe = make_universe(molecules, [atoms, away], (14.0, 14.0, 14.0, 90, 90, 90))
    partners = {"PF6": species_file().partners["PF6"].model_dump()}
    sites = select_sites(universe, species_file(partners=partners))
    geometry = SolvationGeometry.from_sites(sites).run()
    table = cluster_table(find_clusters(first_shells(geometry.results, sites, {("Li", "PF6", "f"): 2.2})))
    assert table.set_index("composition").n.to_dict() == {"Li1": 1, "Li1 PF62": 1, "Li2 PF62": 1}


def test_the_population_matrix_counts_per_frame_and_per_cluster():
    population = population_matrix(find_clusters(hand_made()))
    counts = np.zeros((4, 3))
    counts[1, 0], counts[0, 1], counts[1, 1], counts[2, 1], counts[3, 2] = 3, 8, 1, 1, 1
    assert population.mean_per_frame == pytest.approx(counts / 3)
    assert population.probability == pytest.approx(counts / 14)
    table = population.to_dataframe()
    assert table.columns.tolist() == POPULATION_COLUMNS
    assert table[["n_centers", "n_anions"]].to_numpy().tolist() == [[0, 1], [1, 0], [1, 1], [2, 1], [3, 2]]
    assert table.probability.sum() == pytest.approx(1)


def test_ions_that_never_exchange_are_one_sample():
    numbers = {"LI": 8, "PF6": 8, "EC": 1, "NA": 1, "TFSI": 1}
    anions = molecule_numbers(**numbers)["PF6"]
    found = find_clusters(make_shells([(k, i, anions[i], F) for k in range(50) for i in range(4)], 50, **numbers))
    row = cluster_table(found).set_index("composition").loc["Li1 PF61"]
    assert row.mean_per_frame == 4
    assert row.n_independent == pytest.approx(1, rel=0.01)
    assert row.mean_per_frame_stderr == pytest.approx(8 * np.sqrt(0.25 / 7), rel=0.01)
    assert row.fraction_of_centers_stderr == pytest.approx(row.mean_per_frame_stderr / 9)
    population = population_matrix(found)
    assert population.mean_per_frame_stderr[1, 1] == row.mean_per_frame_stderr
    # 4 pairs, 4 free Li, 4 free PF6, Na, TFSI
    assert population.probability_stderr[1, 1] == pytest.approx(row.mean_per_frame_stderr / 14)


def test_compositions_of_one_size_add_their_errors_in_quadrature():
    found = find_clusters(random_shells(np.random.default_rng(3)))
    table, population = cluster_table(found), population_matrix(found)
    pairs = table[(table.n_centers == 1) & (table.n_anions == 1)]
    assert len(pairs) == 4
    assert population.mean_per_frame[1, 1] == pytest.approx(pairs.mean_per_frame.sum())
    assert population.mean_per_frame_stderr[1, 1] == pytest.approx(np.linalg.norm(pairs.mean_per_frame_stderr))


def test_compositions_of_many_ions_of_many_species_are_exact():
    # As one number this cluster is larger than 2^53, where neighboring integers are one float.
    numbers = {"LI": 20_000, "NA": 20_000, "PF6": 20_000, "TFSI": 20_000, "EC": 1}
    pf6, tfsi = (molecule_numbers(**numbers)[name] for name in ("PF6", "TFSI"))
    star = [(0, i, pf6[0], F) for i in [*range(2001), 20_000]]
    found = find_clusters(make_shells([*star, (0, 0, tfsi[0], TFSI_O)], 1, **numbers))
    assert found.kinds.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [2001, 1, 1, 1]]


def test_the_largest_cluster_is_measured_by_its_centers():
    largest = largest_cluster(find_clusters(hand_made()))
    assert largest.mean == pytest.approx((2 / 3 + 1 + 1 / 3) / 3)


def test_what_cannot_be_counted_has_no_rows():
    shells = hand_made()
    unknown = shells.cutoffs.copy()
    unknown[1, TFSI_F] = np.nan
    solvents_unknown = shells.cutoffs.copy()
    solvents_unknown[0, CARBONYL_O] = np.nan
    lacking = find_clusters(make_shells([], 3, cutoffs=unknown, **NUMBERS))
    assert cluster_table(lacking).empty
    assert population_matrix(lacking).to_dataframe().empty
    assert largest_cluster(lacking) is None
    free = cluster_table(find_clusters(make_shells([], 3, cutoffs=solvents_unknown, **NUMBERS)))
    assert free.mean_per_frame.tolist() == [2, 1, 2, 2]
    assert free.mean_per_frame_stderr.isna().all()


def test_without_anions_there_are_no_clusters():
    universe = make_universe([("LI", ["LI"]), ("EC", ["C", "O"])], np.arange(9.0).reshape(1, 3, 3))
    partners = {"EC": species_file().partners["EC"].model_dump()}
    sites = select_sites(universe, species_file(partners=partners))
    geometry = SolvationGeometry.from_sites(sites).run()
    found = find_clusters(first_shells(geometry.results, sites, {("Li", "EC", "carbonyl_o"): 3.0}))
    assert cluster_table(found).empty
    assert largest_cluster(found) is None
