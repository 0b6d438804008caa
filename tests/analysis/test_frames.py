from pathlib import Path

import numpy as np
import pytest
from MDAnalysis import Universe
from MDAnalysis.coordinates.XTC import XTCWriter
from openmm import Vec3, app, unit
from synthetic import make_universe, only_ec

from solvshell.analysis.frames import open_trajectory
from solvshell.analysis.geometry import SolvationGeometry
from solvshell.analysis.sites import select_sites
from solvshell.errors import InvalidInput

MOLECULES = [("LI", ["LI"]), ("EC", ["C", "O"]), ("EC", ["C", "O"])]


def write(path: Path, times, molecules=MOLECULES, box=(30, 30, 30, 90, 90, 90)):
    n_atoms = sum(len(atoms) for _, atoms in molecules)
    positions = np.random.default_rng(0).random((1, n_atoms, 3)) * 30
    universe = make_universe(molecules, positions, box)
    if path.suffix == ".gro":
        universe.atoms.write(path)
        return path
    with XTCWriter(str(path), n_atoms) as writer:
        for time in times:
            universe.trajectory.ts.time = time
            writer.write(universe)
    return path


@pytest.fixture
def gro(tmp_path):
    return write(tmp_path / "conf.gro", [])


def test_gromacs_files_keep_names_cell_and_times(gro, tmp_path):
    universe = open_trajectory(gro, write(tmp_path / "traj.xtc", [0, 2, 4]))
    assert universe.atoms.names.tolist() == ["LI", "C", "O", "C", "O"]
    assert universe.dimensions[:3] == pytest.approx([30, 30, 30])
    assert [ts.time for ts in universe.trajectory] == [0, 2, 4]


def test_cif_keeps_residues_and_bonds(tmp_path):
    topology = app.Topology()
    chain = topology.addChain()
    for name, atoms in MOLECULES:
        residue = topology.addResidue(name, chain)
        elements = {"LI": app.element.lithium, "C": app.element.carbon, "O": app.element.oxygen}
        added = [topology.addAtom(atom, elements[atom], residue) for atom in atoms]
        if len(added) == 2:
            topology.addBond(*added)
    topology.setPeriodicBoxVectors([Vec3(3, 0, 0), Vec3(0, 3, 0), Vec3(0, 0, 3)] * unit.nanometer)
    with open(tmp_path / "topology.cif", "w") as file:
        app.PDBxFile.writeFile(topology, np.zeros((5, 3)) * unit.nanometer, file, keepIds=True)
    universe = open_trajectory(tmp_path / "topology.cif", write(tmp_path / "traj.xtc", [0, 1]))
    assert universe.residues.resnames.tolist() == ["LI", "EC", "EC"]
    assert len(universe.bonds) == 2
    assert universe.atoms.masses == pytest.approx([6.94, 12.01, 16.0, 12.01, 16.0], abs=0.01)


def test_a_given_time_step_rules(gro, tmp_path):
    universe = open_trajectory(gro, write(tmp_path / "traj.xtc", [0, 0, 0]), timestep_ps=0.5)
    assert [ts.time for ts in universe.trajectory] == [0, 0.5, 1.0]


@pytest.mark.parametrize("times", [[0, 0, 0], [5, 4, 3]])
def test_a_time_step_that_is_not_positive_is_refused(gro, tmp_path, times):
    with pytest.raises(InvalidInput, match=r"time step of (0|-1) ps; give a positive timestep_ps"):
        open_trajectory(gro, write(tmp_path / "traj.xtc", times))


@pytest.mark.parametrize("name", ["one.xtc", "dump.lammpsdump"])
def test_no_time_step_is_refused(gro, tmp_path, name):
    path = tmp_path / name
    if name == "one.xtc":
        write(path, [0])
    else:
        frame = "ITEM: TIMESTEP\n{}\nITEM: NUMBER OF ATOMS\n5\nITEM: BOX BOUNDS pp pp pp\n0 30\n0 30\n0 30\n"
        atoms = "ITEM: ATOMS id type x y z\n" + "".join(f"{i} 1 {i} 1 1\n" for i in range(1, 6))
        path.write_text("".join(frame.format(step) + atoms for step in (0, 100)))
        assert len(open_trajectory(gro, path, timestep_ps=2.0).trajectory) == 2
    with pytest.raises(InvalidInput, match="has no time step"):
        open_trajectory(gro, path)


@pytest.mark.parametrize("times", [[0, 1, 3], [0, 1, 1], [0, 1, 0.5]])
def test_unequal_times_are_refused_by_the_pass(gro, tmp_path, times):
    universe = open_trajectory(gro, write(tmp_path / "traj.xtc", times))
    with pytest.raises(InvalidInput, match="equally spaced and increasing"):
        SolvationGeometry.from_sites(select_sites(universe, only_ec())).run()


def test_late_times_in_single_precision_are_equal_enough(gro, tmp_path):
    universe = open_trajectory(gro, write(tmp_path / "traj.xtc", 1e6 + 0.4 * np.arange(20)))
    assert SolvationGeometry.from_sites(select_sites(universe, only_ec())).run().n_frames == 20


def test_a_topology_of_another_length_is_refused(gro, tmp_path):
    path = write(tmp_path / "traj.xtc", [0, 1], molecules=MOLECULES[:2])
    with pytest.raises(InvalidInput, match=r"number of atoms 5 .*Number of atoms 3"):
        open_trajectory(gro, path)


def test_no_unit_cell_is_refused(gro, tmp_path):
    path = write(tmp_path / "traj.xtc", [0, 1], box=(0, 0, 0, 0, 0, 0))
    with pytest.raises(InvalidInput, match="no unit cell"):
        open_trajectory(gro, path)


def test_missing_unreadable_and_empty_files_are_refused(gro, tmp_path):
    traj = write(tmp_path / "traj.xtc", [0, 1])
    with pytest.raises(InvalidInput, match=r"topology .*absent.gro: no such file"):
        open_trajectory(tmp_path / "absent.gro", traj)
    with pytest.raises(InvalidInput, match=r"trajectory .*absent.xtc: no such file"):
        open_trajectory(gro, tmp_path / "absent.xtc")
    for name, content in (("text.xtc", "no trajectory"), ("empty.xtc", ""), ("what.xyzzy", "1")):
        (tmp_path / name).write_text(content)
        with pytest.raises(InvalidInput, match="cannot be read"):
            open_trajectory(gro, tmp_path / name)


def test_guesses_are_silent_and_warnings_stay_on_elsewhere(gro, tmp_path, recwarn):
    open_trajectory(gro, write(tmp_path / "traj.xtc", [0, 1]))
    assert not [warning for warning in recwarn if "guess" in str(warning.message).lower()]
    with pytest.warns(UserWarning, match="no information for attr"):
        Universe.empty(1, trajectory=True).atoms.write(tmp_path / "x.pdb")
