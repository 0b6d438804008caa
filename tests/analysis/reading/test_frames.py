import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from MDAnalysis import Universe
from MDAnalysis.coordinates.XTC import XTCWriter
from openmm import Vec3, app, unit
from synthetic import CUBE, make_universe, only_ec

from solvshell.analysis.geometry import SolvationGeometry
from solvshell.analysis.reading.frames import as_universe, box_of, open_trajectory
from solvshell.analysis.shells import first_shells
from solvshell.analysis.sites import select_sites
from solvshell.errors import InvalidInput
from solvshell.species import SpeciesFile

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


@pytest.mark.parametrize("step", [1e-12, 1e-5, 1e6])
def test_a_time_step_of_another_unit_is_refused(gro, tmp_path, step):
    path = write(tmp_path / "traj.xtc", [0, step, 2 * step])
    given = re.escape(f"has a time step of {step:g} ps (allowed: 0.0001 to 100000 ps)")
    allowed = f"{given}; give the true one as timestep_ps"
    with pytest.raises(InvalidInput, match=rf"traj.xtc: {allowed}"):
        open_trajectory(gro, path)
    with pytest.raises(InvalidInput, match=rf"^timestep_ps: {allowed}"):
        open_trajectory(gro, path, timestep_ps=step)
    assert open_trajectory(gro, path, timestep_ps=1.0).trajectory[2].time == 2.0


def test_one_frame_is_enough_with_a_time_step(gro, tmp_path):
    assert open_trajectory(gro, write(tmp_path / "one.xtc", [0]), timestep_ps=1.0).trajectory.n_frames == 1


@pytest.mark.parametrize("name", ["one.xtc", "dump.lammpsdump", "dump.lammpstrj"])
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
def test_unequal_times_are_refused_where_shells_are_followed(gro, tmp_path, times):
    sites = select_sites(open_trajectory(gro, write(tmp_path / "traj.xtc", times)), only_ec())
    with pytest.raises(InvalidInput, match="equally spaced and increasing"):
        first_shells(SolvationGeometry.from_sites(sites).run().results, sites, {("Li", "EC", "carbonyl_o"): 2.8})


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


def test_a_given_cell_rules(gro, tmp_path):
    path = write(tmp_path / "traj.xtc", [0, 1], box=(0, 0, 0, 0, 0, 0))
    assert open_trajectory(gro, path, cell_angstrom=(20, 21, 22)).dimensions.tolist() == [20, 21, 22, 90, 90, 90]
    path = write(tmp_path / "traj.xtc", [0, 1])
    universe = open_trajectory(gro, path, cell_angstrom=np.array([20, 21, 22, 80, 70, 60.0]))
    assert [ts.dimensions.tolist() for ts in universe.trajectory] == [[20, 21, 22, 80, 70, 60]] * 2
    with pytest.raises(InvalidInput, match=r"traj.xtc: cell_angstrom: no cell has the angles 90, 90, 180"):
        open_trajectory(gro, path, cell_angstrom=(20, 20, 20, 90, 90, 180))


def two_frames(box=CUBE, n_frames=2):
    positions = np.random.default_rng(0).random((n_frames, 5, 3)) * 30
    return make_universe(MOLECULES, positions, box)


@pytest.mark.parametrize("box", [(30, 0, 30, 90, 90, 90), (30, 30, np.nan, 90, 90, 90), (30, 30, 30, 90, 90, 180)])
def test_a_cell_without_volume_is_refused(box):
    with pytest.raises(InvalidInput, match=r"^Universe: frame 0 has a unit cell without volume \(30, .*give cell_ang"):
        as_universe(two_frames(box))


def test_a_cell_that_is_lost_on_the_way_is_refused_by_the_pass():
    lost = np.array([CUBE, CUBE, (0, 0, 0, 0, 0, 0), CUBE])
    universe = as_universe(two_frames(lost, 4))
    with pytest.raises(InvalidInput, match=r"^trajectory: frame 2 has no unit cell; if it is constant, give cell_ang"):
        SolvationGeometry.from_sites(select_sites(universe, only_ec())).run()
    assert box_of(as_universe(universe, cell_angstrom=CUBE).trajectory[2]).tolist() == list(CUBE)


def test_coordinates_that_are_no_numbers_are_refused():
    universe = two_frames()
    universe.atoms[3].position = [0, np.nan, 0]
    with pytest.raises(InvalidInput, match=r"^Universe: frame 0 has coordinates that are not numbers"):
        as_universe(universe)


def test_a_universe_is_not_changed_by_what_is_put_in_place():
    universe = two_frames()
    changed = as_universe(universe, timestep_ps=4.0, cell_angstrom=(20, 20, 20))
    assert [(ts.time, ts.dimensions[0]) for ts in changed.trajectory] == [(0, 20), (4, 20)]
    assert [(ts.time, ts.dimensions[0]) for ts in universe.trajectory] == [(0, 30), (1, 30)]
    for first, second in zip(universe.trajectory, changed.trajectory, strict=True):
        assert first.positions.tolist() == second.positions.tolist()


@pytest.mark.parametrize("given", [{}, {"timestep_ps": 4.0}])
def test_frames_in_memory_are_not_there_twice(given):
    universe = two_frames()
    frames = as_universe(universe, **given).trajectory.coordinate_array
    assert np.shares_memory(frames, universe.trajectory.coordinate_array)


def test_a_universe_is_not_changed_by_what_is_added_to_its_topology():
    universe = two_frames()
    own = as_universe(universe)
    own.add_bonds([(1, 2)])
    own.atoms[:1].residues.resnames = "X"
    assert own.select_atoms("bonded index 1").n_atoms == 1
    assert not hasattr(universe, "bonds")
    assert universe.residues.resnames[0] == "LI"


def test_transformations_that_hold_atoms_of_the_universe_see_them_move(gro, tmp_path):
    """As those of MDAnalysis do: a copy of the frames would leave its atoms where they were."""
    path = tmp_path / "traj.xtc"
    with XTCWriter(str(path), 5) as writer:
        frames = two_frames()
        for _ in frames.trajectory:
            writer.write(frames.atoms)
    universe = Universe(str(gro), str(path))

    def to_the_ion(ts):
        ts.positions -= universe.atoms[0].position
        return ts

    universe.trajectory.add_transformations(to_the_ion)
    assert [ts.positions[0].tolist() for ts in as_universe(universe).trajectory] == [[0, 0, 0]] * 2


@pytest.mark.parametrize("kind", ["files", "Universe", "mdtraj"])
def test_ions_in_capitals_have_a_mass(gro, tmp_path, kind):
    """MDAnalysis knows no LI, and mdtraj takes the LI of a .gro for a virtual site."""
    files = str(gro), str(write(tmp_path / "traj.xtc", [0, 2]))
    if kind == "files":
        found = as_universe(*files)
    elif kind == "Universe":
        given = Universe(*files)
        found = as_universe(given)
        assert given.atoms.masses[0] == 0
    else:
        mdtraj = pytest.importorskip("mdtraj")
        found = as_universe(mdtraj.load(files[1], top=files[0]))
    assert found.atoms.masses == pytest.approx([6.941, 12.011, 15.999, 12.011, 15.999], abs=1e-2)


def test_a_universe_with_files_is_changed_by_transformations_if_it_has_none(gro, tmp_path):
    path = write(tmp_path / "traj.xtc", [0, 2])
    universe = Universe(str(gro), str(path))
    assert [ts.time for ts in as_universe(universe, timestep_ps=3.0).trajectory] == [0, 3]
    assert [ts.time for ts in universe.trajectory] == [0, 2]
    universe.trajectory.add_transformations(lambda ts: ts)
    assert as_universe(universe).trajectory is universe.trajectory
    with pytest.raises(InvalidInput, match="Universe: has transformations, after which neither timestep_ps nor cell"):
        as_universe(universe, timestep_ps=3.0)


def test_frames_are_mended_without_a_look_at_threads(gro, tmp_path, monkeypatch):
    """MDAnalysis limits threads around each call of its own transformations, which takes longer than to read it."""
    path = write(tmp_path / "traj.xtc", [0, 2, 4])
    universe = open_trajectory(gro, path, timestep_ps=3.0, cell_angstrom=(20, 21, 22))

    def refuse(*_, **__):
        raise AssertionError("threads were looked at")

    monkeypatch.setattr("threadpoolctl.ThreadpoolController.__init__", refuse)
    assert [(ts.time, ts.dimensions[1]) for ts in universe.trajectory] == [(0, 21), (3, 21), (6, 21)]


def test_what_is_no_trajectory_is_refused(gro, tmp_path):
    path = write(tmp_path / "traj.xtc", [0, 1])
    with pytest.raises(
        InvalidInput, match=r"expected two paths, an MDAnalysis Universe or an mdtraj.Trajectory, got a"
    ):
        as_universe(np.zeros((2, 5, 3)))
    with pytest.raises(InvalidInput, match=r"topology .*conf.gro: a trajectory is missing"):
        as_universe(str(gro))
    with pytest.raises(InvalidInput, match=r"trajectory .*traj.xtc: the Universe given has frames already"):
        as_universe(two_frames(), path)
    with pytest.raises(InvalidInput, match="Universe: has no trajectory"):
        as_universe(Universe.empty(3))
    assert as_universe(str(gro), str(path)).trajectory.n_frames == 2


def mdtraj_frames(times=(0.0, 2.0, 4.0), cell=True):
    mdtraj = pytest.importorskip("mdtraj")
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    ion = topology.add_residue("LI", chain)
    topology.add_atom("LI", mdtraj.element.lithium, ion)
    for _ in range(2):
        residue = topology.add_residue("EC", chain)
        carbon = topology.add_atom("C", mdtraj.element.carbon, residue)
        topology.add_bond(carbon, topology.add_atom("O", mdtraj.element.oxygen, residue))
    xyz = np.arange(15 * len(times), dtype=np.float32).reshape(-1, 5, 3) / 100
    lengths, angles = (np.tile([3.0, 3.5, 4.0], (len(times), 1)), np.tile([90.0, 80, 70], (len(times), 1)))
    given = {"unitcell_lengths": lengths, "unitcell_angles": angles} if cell else {}
    return mdtraj.Trajectory(xyz, topology, time=np.array(times), **given)


def test_mdtraj_is_in_nm_and_keeps_all_that_it_knows():
    universe = as_universe(mdtraj_frames())
    assert universe.atoms.names.tolist() == ["LI", "C", "O", "C", "O"]
    assert universe.atoms.elements.tolist() == ["Li", "C", "O", "C", "O"]
    assert universe.residues.resnames.tolist() == ["LI", "EC", "EC"]
    assert universe.bonds.indices.tolist() == [[1, 2], [3, 4]]
    assert [ts.time for ts in universe.trajectory] == [0, 2, 4]
    assert universe.trajectory[1].positions[0] == pytest.approx([1.5, 1.6, 1.7])
    assert universe.trajectory[1].dimensions == pytest.approx([30, 35, 40, 90, 80, 70])


def test_mdtraj_without_times_or_cell_is_refused_with_the_cure():
    with pytest.raises(InvalidInput, match=r"mdtraj.Trajectory: frames must be equally spaced in time; give timestep"):
        as_universe(mdtraj_frames(times=(0, 1, 5)))
    with pytest.raises(InvalidInput, match=r"mdtraj.Trajectory: has no time step"):
        as_universe(mdtraj_frames(times=(0,)))
    with pytest.raises(InvalidInput, match=r"mdtraj.Trajectory: has a time step of 0 ps"):
        as_universe(mdtraj_frames(times=(0, 0, 0)))
    with pytest.raises(InvalidInput, match=r"mdtraj.Trajectory: frame 0 has no unit cell"):
        as_universe(mdtraj_frames(cell=False))
    mended = as_universe(mdtraj_frames(times=(0, 1, 5), cell=False), timestep_ps=0.5, cell_angstrom=(30, 30, 30))
    assert [(ts.time, ts.dimensions[0]) for ts in mended.trajectory] == [(0, 30), (0.5, 30), (1, 30)]


def test_mdtraj_is_not_imported_to_look_for_it():
    code = "import sys, solvshell.analysis as a; print('mdtraj' in sys.modules)\n"
    code += "try: a.as_universe(1)\nexcept ValueError: print('mdtraj' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def many(path, n_molecules, n_ions):
    """Write ions and molecules of two atoms, whose numbers of atoms and residues have no room in the format."""
    box = 400.0
    if path.suffix == ".gro":
        atoms = [("LI", ["LI"])] * n_ions + [("CO", ["C", "O"])] * n_molecules
        lines = [
            f"{(i + 1) % 100000:5d}{residue:<5}{name:>5}{0:5d}{0.1:8.3f}{0.1:8.3f}{(0.1 + 0.1 * j):8.3f}"
            for i, (residue, names) in enumerate(atoms)
            for j, name in enumerate(names)
        ]
        path.write_text("\n".join(["many", str(len(lines)), *lines, f"{box / 10:10.5f}" * 3, ""]))
        return path
    topology = app.Topology()
    chain = topology.addChain()
    for name, symbols in [("LI", ["Li"])] * n_ions + [("CO", ["C", "O"])] * n_molecules:
        residue = topology.addResidue(name, chain)
        added = [topology.addAtom(symbol, app.Element.getBySymbol(symbol), residue) for symbol in symbols]
        if len(added) == 2:
            topology.addBond(*added)
    topology.setPeriodicBoxVectors(np.diag([box / 10] * 3) * unit.nanometer)
    positions = np.zeros((topology.getNumAtoms(), 3)) + 1.3 * (np.arange(topology.getNumAtoms()) % 2)[:, None]
    writer = {".pdb": app.PDBFile, ".cif": app.PDBxFile}[path.suffix]
    with open(path, "w") as file:
        writer.writeFile(topology, positions * unit.angstrom, file)
    return path


def many_molecules(path, n_molecules, n_ions):
    many(path, n_molecules, n_ions)
    frame = path
    if path.suffix == ".cif":
        frame = path.with_suffix(".xtc")
        with XTCWriter(str(frame), n_ions + 2 * n_molecules) as writer:
            writer.write(Universe.empty(n_ions + 2 * n_molecules, trajectory=True))
    universe = open_trajectory(path, frame, timestep_ps=1.0, cell_angstrom=(400, 400, 400))
    assert len(universe.atoms) == n_ions + 2 * n_molecules
    content = {
        "centers": {"Li": "resname LI"},
        "partners": {"CO": {"molecules": "resname CO", "sites": {"o": "name O"}}},
    }
    sites = select_sites(universe, SpeciesFile.model_validate(content))
    assert len(np.unique(sites.centers[0].molecule_idx)) == n_ions
    assert (np.bincount(universe.atoms.resindices)[sites.sites[0].molecule_idx] == 2).all()
    return sites.n_molecules["CO"]


def test_more_residues_and_atoms_than_a_gro_has_numbers_for(tmp_path):
    assert many_molecules(tmp_path / "many.gro", 100_050, 20) == 100_050


def test_more_residues_than_a_pdb_has_numbers_for(tmp_path):
    """OpenMM numbers them with letters, which MDAnalysis reads as 1: all behind residue 9999 would be one."""
    path = tmp_path / "many.pdb"
    assert many_molecules(path, 10_050, 20) == 10_050
    assert " CO AA000 " in path.read_text()
    with pytest.warns(UserWarning, match="missing resid information"):
        assert len(Universe(str(path)).residues) < 10_070


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["pdb", "cif"])
def test_more_atoms_than_a_pdb_has_numbers_for(tmp_path, suffix):
    assert many_molecules(tmp_path / f"many.{suffix}", 50_050, 20) == 50_050


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
