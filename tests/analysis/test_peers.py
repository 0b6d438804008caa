"""Ours against the packages people use, from the same files: InterRDF, mdtraj, freud, solvation-analysis."""

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from synthetic import make_universe, species_file

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from peers import CELLS, FREUD, INTER_RDF, MDTRAJ, Task, clear_bins, our_counts, random_task

from solvshell.analysis import open_trajectory
from solvshell.analysis.coordination import coordination_table
from solvshell.analysis.geometry import SolvationGeometry
from solvshell.analysis.shells import first_shells, speciation_table
from solvshell.analysis.sites import Sites, select_sites
from solvshell.files import read_yaml
from solvshell.species import SpeciesFile

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from solvation_analysis.solute import Solute

DATA = Path(__file__).parents[1] / "data" / "gromacs_lb003"
#: What freud says of its bins is in single precision, and so is the volume of a shell.
PRECISION = {INTER_RDF.name: 1e-9, MDTRAJ.name: 1e-6, FREUD.name: 1e-4}


@pytest.fixture(scope="module", params=CELLS)
def random_points(request, tmp_path_factory) -> Task:
    folder = tmp_path_factory.mktemp(request.param)
    return random_task(folder, CELLS[request.param], seed=5, n_frames=4, n_centers=20, n_sites=120)


@pytest.mark.parametrize("peer", [INTER_RDF, MDTRAJ, FREUD], ids=lambda peer: peer.name)
def test_counts_and_g_are_those_of_other_packages(random_points, peer):
    edges = peer.edges(random_points)
    counts, even = our_counts(random_points, edges)
    theirs = np.array(peer.g(random_points))
    clear = clear_bins(random_points, edges)
    assert clear.mean() > 0.9
    assert counts[clear].sum() > 0.9 * counts.sum() > 1000
    assert np.round(theirs * even)[clear].tolist() == counts[clear].tolist()
    assert theirs[clear] == pytest.approx((counts / even)[clear], rel=PRECISION[peer.name])


@pytest.fixture(scope="module")
def lb003() -> Sites:
    species = read_yaml(DATA / "species.yaml", SpeciesFile)
    return select_sites(open_trajectory(DATA / "lb003.gro", DATA / "lb003.xtc"), species)


def test_every_backend_gives_the_same(lb003):
    serial, *others = (
        SolvationGeometry.from_sites(lb003).run(backend=backend, **workers).results
        for backend, workers in [("serial", {}), ("multiprocessing", {"n_workers": 2}), ("dask", {"n_workers": 2})]
    )
    assert serial.counts.sum() > 1000
    assert len(serial.contacts.frame) > 1000
    for other in others:
        for name in ("counts", "edges", "block_starts", "times", "volumes", "frames"):
            assert np.array_equal(serial[name], other[name]), name
        for name, column in vars(serial.contacts).items():
            assert np.array_equal(column, getattr(other.contacts, name), equal_nan=name == "cosine"), name


def test_coordination_numbers_are_those_of_solvation_analysis(lb003):
    touching = [site for site in lb003.sites if site.coordinating]
    radii = {"PF6": 2.8, "EC": 2.9, "DMC": 2.6, "EMC": 2.75}
    solvents = {site.partner: site.atoms for site in touching}
    solute = Solute.from_atoms(lb003.centers[0].atoms, solvents, radii=radii, skip_rdf=True)
    solute.run()
    geometry = SolvationGeometry.from_sites(lb003).run().results
    cutoffs = {("Li", site.partner, site.name): radii[site.partner] for site in touching}
    table = coordination_table(first_shells(geometry, lb003, cutoffs)).set_index("partner")
    assert table["cn_molecules_mean"].to_dict() == pytest.approx(solute.coordination.coordination_numbers, rel=1e-12)
    assert (table["cn_molecules_mean"] > 0.1).all()


def test_ion_pairs_are_counted_per_ion_not_per_cluster():
    """One free ion, one pair, and a row of four ions with an anion between each two.

    The `solute_status` of solvation-analysis counts clusters: the row is one of six, and what is missing from the sum
    is called isolated. Its own `solvent_pairing`, the share of ions that touch an anion, is per ion and contradicts it.
    """
    x_li, x_f = [2, 10, 18, 22, 26, 30], [12, 20, 24, 28]
    universe = make_universe(
        [("LI", ["LI"])] * len(x_li) + [("PF6", ["F"])] * len(x_f),
        [[x, 1, 1] for x in x_li + x_f],
        (40, 40, 40, 90, 90, 90),
    )
    universe.add_TopologyAttr("types", universe.atoms.names)
    sites = select_sites(universe, species_file(partners={"PF6": {"molecules": "resname PF6", "role": "anion"}}))
    geometry = SolvationGeometry.from_sites(sites).run().results
    states, _ = speciation_table(first_shells(geometry, sites, {("Li", "PF6", "any"): 2.5}))
    ours = states.set_index("state")["fraction"].to_dict()
    assert ours == pytest.approx({"ssip": 1 / 6, "cip": 1 / 6, "agg": 4 / 6})

    analyses = {"analysis_classes": ["networking", "pairing"], "networking_solvents": "PF6"}
    anions = {"PF6": sites.sites[0].atoms}
    solute = Solute.from_atoms(sites.centers[0].atoms, anions, radii={"PF6": 2.5}, skip_rdf=True, **analyses)
    solute.run()
    status = {"isolated": 4 / 6, "paired": 1 / 6, "networked": 1 / 6}
    assert solute.networking.solute_status == pytest.approx(status)
    assert solute.pairing.solvent_pairing["PF6"] == pytest.approx(1 - ours["ssip"])
