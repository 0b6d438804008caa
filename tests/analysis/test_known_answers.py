"""Configurations made by hand, through the whole analysis: positions in, numbers out."""

import numpy as np
import pytest
from MDAnalysis.lib.distances import apply_PBC
from synthetic import make_universe, species_file

from solvshell.analysis import SolvationGeometry, first_shells
from solvshell.analysis.angles import mean_angle_table
from solvshell.analysis.clusters import cluster_table, find_clusters
from solvshell.analysis.coordination import coordination_table, total_coordination
from solvshell.analysis.coordination_free_energy import coordination_free_energy
from solvshell.analysis.denticity import denticity_table
from solvshell.analysis.exchange import exchanges
from solvshell.analysis.residence import residence_times
from solvshell.analysis.shells import shell_table, speciation_table
from solvshell.analysis.sites import select_sites

TETRAHEDRON = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
TRICLINIC = np.array([30.0, 31.0, 32.0, 75.0, 80.0, 100.0], dtype=np.float32)
RADII = {("Li", "EC", "carbonyl_o"): 2.5, ("Li", "PF6", "f"): 2.5}
MOLECULES = [("LI", ["LI"]), ("PF6", ["P", "F"]), *[("EC", ["C", "O"])] * 5]


def shells_of(frames):
    """Every atom wrapped on its own into a triclinic cell, in whose corner the Li is."""
    wrapped = [apply_PBC(np.asarray(frame, dtype=np.float32), TRICLINIC) for frame in frames]
    universe = make_universe(MOLECULES, wrapped, TRICLINIC)
    geometry = SolvationGeometry.from_sites(select_sites(universe, species_file())).run()
    return first_shells(geometry.results, geometry.sites, RADII)


def frame(near=(0, 1, 2, 3), anion_at=12.0):
    """Four of five EC stand at the corners of a tetrahedron around Li, C=O pointing at it; PF6 lies on the x axis."""
    atoms = [[0, 0, 0], [anion_at + 1.5, 0.5, 0], [anion_at, 0.5, 0]]
    corners = iter(TETRAHEDRON)
    for k in range(5):
        direction, far = (next(corners), 0.0) if k in near else (np.array([0, 0, 1.0]), 7.0)
        atoms += [direction * (3.15 + far), direction * (1.95 + far)]
    return atoms


def test_a_perfect_tetrahedron():
    shells = shells_of([frame()] * 3)
    numbers = coordination_table(shells).set_index("partner")
    assert numbers.cn_atoms_mean.to_dict() == {"PF6": 0, "EC": 4}
    assert total_coordination(shells)["Li"].mean == 4
    assert shell_table(shells)[0][["composition", "fraction"]].to_numpy().tolist() == [["EC4", 1]]
    assert speciation_table(shells)[0].fraction.tolist() == [1, 0, 0]
    assert denticity_table(shells).query("partner == 'EC'").n_atoms.tolist() == [1]
    angles = mean_angle_table(shells).set_index("partner")
    assert angles.mean_degrees["EC"] == pytest.approx(180, abs=0.1)
    free_energy = coordination_free_energy(shells).query("partner == 'all'")
    assert free_energy[["n", "probability", "free_energy_kt"]].to_numpy().tolist() == [[4, 1, 0]]
    assert shells.contacts.distance == pytest.approx(1.95, abs=1e-5)


def test_a_contact_ion_pair():
    shells = shells_of([frame(anion_at=1.9)])
    assert speciation_table(shells)[0].fraction.tolist() == [0, 1, 0]
    assert shell_table(shells)[0].composition.tolist() == ["PF61 EC4"]
    assert cluster_table(find_clusters(shells)).composition.tolist() == ["Li1 PF61"]


def test_a_known_exchange_at_a_known_time():
    shells = shells_of([frame()] * 30 + [frame(near=(0, 1, 2, 4))] * 30)
    (row,) = exchanges(shells).itertuples()
    assert (row.leaving, row.entering, row.frame, row.time_ps) == ("EC", "EC", 30, 30.0)
    assert (row.leaving_molecule, row.entering_molecule) == (5, 6)
    ec = next(pair for pair in residence_times(shells, np.random.default_rng(0)).pairs if pair.partner == "EC")
    assert ec.exponential.n_departures == 1
    assert total_coordination(shells)["Li"].mean == 4
