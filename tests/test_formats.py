"""The same frames in files of every engine, in objects of two packages, wrapped in every way: the same tables."""

import copy
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
import pytest
import small_boxes
import yaml
from MDAnalysis import Universe, Writer
from MDAnalysis.coordinates.memory import MemoryReader
from MDAnalysis.lib.formats.libdcd import DCDFile
from numpy.testing import assert_allclose
from openmm import Vec3, app, unit
from pandas.testing import assert_frame_equal

from solvshell.analysis import Analysis, analyze_trajectory, open_trajectory
from solvshell.analysis.reading.frames import LONGEST_STEP_PS, SHORTEST_STEP_PS
from solvshell.cli import main
from solvshell.errors import InvalidInput
from solvshell.export import export_box
from solvshell.files import validate
from solvshell.species import Partner, SpeciesFile

STEP_PS = 2.0
N_FRAMES = 6
BY_GRAPH = {
    "centers": {"Li": {"species": "Li"}},
    "partners": {name: {"species": name} for name in ("PF6", "EC", "DMC", "DOL")},
}
Files = tuple[Path, Path]


@dataclass(frozen=True)
class Frames:
    """Positions (n_frames, n_atoms, 3) and a cell (6,), in Å; whole hundredths, which the coarsest format keeps."""

    positions: np.ndarray
    cell: np.ndarray

    def universe(self, topology: Path) -> Universe:
        """Return these frames with a topology, to write from."""
        universe = Universe(str(topology))
        cells = np.tile(self.cell, (len(self.positions), 1)).astype(np.float32)
        universe.load_new(self.positions.astype(np.float32), format=MemoryReader, dimensions=cells, dt=STEP_PS)
        return universe


@cache
def frames() -> Frames:
    """Return six frames of two Li+ that sit at a carbonyl O, an F or an ether O each."""
    box = small_boxes.liquid()
    rng = np.random.default_rng(1)
    base = 10 * box.positions + rng.normal(scale=0.02, size=(N_FRAMES, *box.positions.shape))
    names = [atom.name for atom in box.topology.atoms()]
    touched = [i for i, name in enumerate(names) if name in ("O2", "F1")]
    for frame in base:
        for lithium in (0, 1):
            direction = rng.normal(size=3)
            frame[lithium] = frame[rng.choice(touched)] + 1.95 * direction / np.linalg.norm(direction)
    lengths = np.round(10 * np.diag(box.box_vectors), 2)
    return Frames(np.round(base, 2), np.array([*lengths, 90, 90, 90]))


def _written(folder: Path, topology: Path, suffix: str) -> Files:
    universe = frames().universe(topology)
    path = folder / f"traj.{suffix}"
    with Writer(str(path), universe.atoms.n_atoms, dt=STEP_PS) as writer:
        for _ in universe.trajectory:
            writer.write(universe.atoms)
    return topology, path


def _exported(engine: str, topology: str, suffix: str) -> Callable[[Path], Files]:
    def write(folder: Path) -> Files:
        export_box(small_boxes.liquid(), engine, folder / engine)
        return _written(folder, folder / engine / topology, suffix)

    return write


def _amber(folder: Path) -> Files:
    pytest.importorskip("parmed")
    return _exported("amber", "box.prmtop", "nc")(folder)


def _lammps_dump(folder: Path) -> Files:
    topology, _ = _exported("lammps", "box.data", "xtc")(folder)
    path = folder / "traj.lammpstrj"
    bounds = "".join(f"0 {length}\n" for length in frames().cell[:3])
    text = ""
    for i, positions in enumerate(frames().positions):
        text += (
            f"ITEM: TIMESTEP\n{1000 * i}\nITEM: NUMBER OF ATOMS\n{len(positions)}\nITEM: BOX BOUNDS pp pp pp\n{bounds}"
        )
        rows = [f"{j + 1} 1 {x:.2f} {y:.2f} {z:.2f}\n" for j, (x, y, z) in enumerate(positions)]
        text += "ITEM: ATOMS id type xu yu zu\n" + "".join(rows[::-1])  # LAMMPS sorts only where it is told to
    path.write_text(text)
    return topology, path


def _openmm_topology(residue: str | None = None) -> app.Topology:
    topology = copy.deepcopy(small_boxes.liquid().topology)
    topology.setPeriodicBoxVectors(np.diag(frames().cell[:3] / 10) * unit.nanometer)
    for atom in topology.residues():
        atom.name = residue or atom.name
    return topology


def _openmm(suffix: str, trajectory: str, residue: str | None = None) -> Callable[[Path], Files]:
    def write(folder: Path) -> Files:
        topology = _openmm_topology(residue)
        writer = {"pdb": app.PDBFile, "cif": app.PDBxFile}[suffix]
        with open(folder / f"top.{suffix}", "w") as file:
            writer.writeFile(topology, frames().positions[0] * unit.angstrom, file)
        path = folder / f"traj.{trajectory}"
        lengths = Vec3(*(frames().cell[:3] / 10)) * unit.nanometer
        if trajectory == "dcd":
            with open(path, "wb") as file:
                dcd = app.DCDFile(file, topology, STEP_PS * unit.picosecond)
                for positions in frames().positions:
                    dcd.writeModel(positions * unit.angstrom, unitCellDimensions=lengths)
        else:
            xtc = app.XTCFile(str(path), topology, STEP_PS * unit.picosecond)
            for positions in frames().positions:
                xtc.writeModel(positions * unit.angstrom, unitCellDimensions=lengths)
        return folder / f"top.{suffix}", path

    return write


def _xyz(folder: Path) -> Files:
    symbols = [atom.element.symbol for atom in small_boxes.liquid().topology.atoms()]
    path = folder / "traj.xyz"
    path.write_text(
        "".join(
            f"{len(symbols)}\nframe\n"
            + "".join(f"{s} {x:.2f} {y:.2f} {z:.2f}\n" for s, (x, y, z) in zip(symbols, positions, strict=True))
            for positions in frames().positions
        )
    )
    return path, path


WRITERS: dict[str, Callable[[Path], Files]] = {
    "gromacs gro xtc": _exported("gromacs", "conf.gro", "xtc"),
    "gromacs gro trr": _exported("gromacs", "conf.gro", "trr"),
    "lammps data xtc": _exported("lammps", "box.data", "xtc"),
    "lammps data dump": _lammps_dump,
    "amber prmtop nc": _amber,
    "openmm pdb dcd": _openmm("pdb", "dcd"),
    "openmm cif xtc": _openmm("cif", "xtc"),
    "openmm pdb xtc, UNL": _openmm("pdb", "xtc", "UNL"),
    "xyz": _xyz,
}
WITHOUT = {"lammps data dump": {"timestep_ps": STEP_PS}, "xyz": {"timestep_ps": STEP_PS, "cell_angstrom": None}}


def _settings(name: str) -> dict[str, Any]:
    given = dict(WITHOUT.get(name, {}))
    if "cell_angstrom" in given:
        given["cell_angstrom"] = frames().cell[:3].tolist()
    return given


def tables(*trajectory: Any, species: dict[str, Any] | None = None, **settings: Any) -> Analysis:
    """Analyze with few bootstrap samples."""
    wanted = None if species is None else validate(SpeciesFile, species, "species")
    return analyze_trajectory(*trajectory, species=wanted, n_bootstrap=20, **settings)


@pytest.fixture(scope="module")
def reference() -> Analysis:
    """The tables of a Universe made by hand with the names and the bonds of our own topology."""
    universe = Universe(small_boxes.liquid().topology, frames().positions.astype(np.float32), format=MemoryReader)
    cells = np.tile(frames().cell, (N_FRAMES, 1)).astype(np.float32)
    universe.load_new(frames().positions.astype(np.float32), format=MemoryReader, dimensions=cells, dt=STEP_PS)
    found = tables(universe, species=BY_GRAPH)
    assert found.coordination.cn_atoms_mean.sum() > 0.5
    assert set(found.rdf.partner) == {"PF6", "EC", "DMC", "DOL"}
    return found


def assert_same(found: Analysis, expected: Analysis) -> None:
    for name in ("coordination", "shells", "speciation", "residence"):
        assert_frame_equal(getattr(found, name), getattr(expected, name), check_exact=False, rtol=1e-5, atol=1e-8)
    keys = ["center", "partner", "site", "r_angstrom"]
    ours, theirs = (table.rdf.set_index(keys).n for table in (found, expected))
    assert_allclose(ours.to_numpy(), theirs.to_numpy(), atol=0.2)  # a pair on the edge of a bin is in either
    assert np.mean(ours.to_numpy() != theirs.to_numpy()) < 0.05
    assert found.summary["frames"]["timestep_ps"] == pytest.approx(STEP_PS, rel=1e-4)
    assert found.summary["composition"] == expected.summary["composition"]


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_tables(name: str, reference: Analysis, tmp_path: Path) -> None:
    files = WRITERS[name](tmp_path)
    assert_same(tables(*files, species=BY_GRAPH | _settings(name)), reference)


@pytest.mark.parametrize("name", ["gromacs gro xtc", "openmm pdb xtc, UNL", "xyz", "lammps data dump"])
def test_without_a_species_file_all_are_found(name: str, reference: Analysis, tmp_path: Path) -> None:
    files = WRITERS[name](tmp_path)
    found = tables(*files, **_settings(name))
    assert_same(found, reference)
    assert found.summary["source"]["species"] == "found by molecular graph: Li, PF6, EC, DMC, DOL"
    assert ("bonds" in found.summary["source"]) == (name.startswith(("gromacs", "xyz")))


def test_types_of_lammps_select_the_same(reference: Analysis, tmp_path: Path) -> None:
    """Type 1 is Li, 3 F, 7 carbonyl O: carbonates are told apart by their molecule numbers alone."""
    files = WRITERS["lammps data xtc"](tmp_path)
    types = {"centers": {"Li": "type 1"}, "partners": {}}
    residues = {"PF6": "resid 3:4", "EC": "resid 5:6", "DMC": "resid 7:8", "DOL": "resid 9:10"}
    sites = {"PF6": {"f": "type 3"}, "EC": {"carbonyl_o": "type 7"}, "DMC": {"carbonyl_o": "type 7"}}
    sites["DOL"] = {"ether_o": "type 9"}
    for name, selection in residues.items():
        role = "anion" if name == "PF6" else "solvent"
        types["partners"][name] = {
            "molecules": selection, "sites": sites[name], "role": role, "typical_cutoff_angstrom": {"Li": 3.0},
        }  # fmt: skip
    found = tables(*files, species=types)
    assert_frame_equal(found.coordination, reference.coordination, check_exact=False, rtol=1e-5)
    assert_frame_equal(found.speciation, reference.speciation, check_exact=False, rtol=1e-5)


def test_an_mdtraj_trajectory_gives_the_same_tables(reference: Analysis, tmp_path: Path) -> None:
    mdtraj = pytest.importorskip("mdtraj")
    topology, trajectory = WRITERS["openmm pdb xtc, UNL"](tmp_path)
    loaded = mdtraj.load(str(trajectory), top=str(topology))
    assert_same(tables(loaded, species=BY_GRAPH), reference)
    assert loaded.time[1] == STEP_PS


def test_a_fragment_is_a_residue_where_residues_are_right(tmp_path: Path) -> None:
    files = WRITERS["gromacs gro xtc"](tmp_path)
    plain = {"centers": {"Li": "name LI"}, "partners": {"EC": {"molecules": "resname EC", "sites": {"o": "name O2"}}}}
    plain["partners"]["EC"]["cutoff_angstrom"] = 3.0
    found = {kind: tables(*files, species=plain | {"molecules_are": kind}) for kind in ("residues", "fragments")}
    assert_frame_equal(found["residues"].coordination, found["fragments"].coordination)
    assert_frame_equal(found["residues"].rdf, found["fragments"].rdf)
    assert "bonds" not in found["residues"].summary["source"]
    assert found["fragments"].summary["source"]["bonds"] == "guessed from elements and distances in the first frame"


def test_xyz_without_a_cell_or_times_is_refused_with_the_cure(tmp_path: Path) -> None:
    files = _xyz(tmp_path)
    with pytest.raises(InvalidInput, match=r"traj.xyz: has no time step; give a positive timestep_ps"):
        tables(*files)
    with pytest.raises(InvalidInput, match=r"frame 0 has no unit cell; if it is constant, give cell_angstrom"):
        tables(*files, timestep_ps=STEP_PS)


def test_residues_of_xyz_are_no_molecules(tmp_path: Path) -> None:
    plain = {"centers": {"Li": "name Li"}, "partners": {"O": {"molecules": "not name Li", "sites": {"o": "name O"}}}}
    with pytest.raises(
        InvalidInput, match=r"partners.O: every pair .* lies inside one molecule; molecules_are is residues"
    ):
        tables(*_xyz(tmp_path), species=plain | _settings("xyz"))


def test_a_dcd_of_lammps_is_refused_without_a_time_step(reference: Analysis, tmp_path: Path) -> None:
    """Its header has the time step of the script, in fs mostly, that of a DCD is in 48.9 fs; angles as cosines."""
    topology, _ = WRITERS["lammps data xtc"](tmp_path)
    path = tmp_path / "traj.dcd"
    a, b, c = frames().cell[:3]
    with DCDFile(str(path), "w") as file:
        n_atoms = frames().positions.shape[1]
        file.write_header("Written by LAMMPS", n_atoms, istart=0, nsavc=1000, delta=1.0, is_periodic=1)
        for positions in frames().positions:
            file.write(positions.astype(np.float32), np.array([a, 0.0, b, 0.0, 0.0, c]))
    with pytest.raises(InvalidInput, match=r"a DCD of LAMMPS does not say the unit of its times; give timestep_ps"):
        tables(topology, path, species=BY_GRAPH)
    assert_same(tables(topology, path, species=BY_GRAPH | {"timestep_ps": STEP_PS}), reference)


@pytest.mark.parametrize("triclinic", [False, True])
def test_wrapped_by_atom_or_molecule_or_not_at_all_is_the_same(triclinic: bool, tmp_path: Path) -> None:
    cell = np.array([*frames().cell[:3], 75, 80, 70]) if triclinic else frames().cell
    pdb, _ = _openmm("pdb", "xtc")(tmp_path)
    rng = np.random.default_rng(2)

    def universe(change: Callable[[Universe], None]) -> Universe:
        made = Frames(frames().positions, cell).universe(pdb)
        for ts in made.trajectory:
            change(made)
            assert made.trajectory.ts is ts
        return made

    def by_atom(made: Universe) -> None:
        made.atoms.wrap()

    def by_molecule(made: Universe) -> None:
        made.atoms.wrap(compound="residues", center="cog")

    def unwrapped(made: Universe) -> None:
        images = rng.integers(-3, 4, size=(len(made.residues), 3)) @ made.trajectory.ts.triclinic_dimensions
        made.atoms.positions = made.atoms.positions + images[made.atoms.resindices]

    found = [tables(universe(change)) for change in (by_atom, by_molecule, unwrapped)]
    spread = [np.ptp(universe(change).trajectory[1].positions) for change in (by_atom, unwrapped)]
    assert spread[1] > 2 * spread[0]
    for other in found[1:]:
        for name in ("coordination", "shells", "speciation"):
            assert_frame_equal(getattr(other, name), getattr(found[0], name), check_exact=False, rtol=1e-5)
        assert np.mean(other.rdf.n.to_numpy() != found[0].rdf.n.to_numpy()) < 0.05


def test_styles_of_lammps_data_are_read_by_their_name(tmp_path: Path) -> None:
    """Six columns are those of `charge` or of `molecular`, which MDAnalysis tells apart only if told."""
    path = tmp_path / "ions.data"
    text = (
        "ions\n\n2 atoms\n2 atom types\n\n0 30 xlo xhi\n0 30 ylo yhi\n0 30 zlo zhi\n\nMasses\n\n1 6.94\n2 19.0\n\n"
        "Atoms # {}\n\n1 {} 1.0 2.0 3.0\n2 {} 4.0 5.0 6.0\n"
    )
    dump = tmp_path / "ions.dump"
    frame = "ITEM: TIMESTEP\n{}\nITEM: NUMBER OF ATOMS\n2\nITEM: BOX BOUNDS pp pp pp\n0 30\n0 30\n0 30\n"
    dump.write_text("".join(frame.format(i) + "ITEM: ATOMS id type x y z\n1 1 1 1 1\n2 2 3 1 1\n" for i in (0, 1)))
    for style, atoms in (("charge", ("1 0.8", "2 -0.8")), ("molecular", ("7 1", "9 2")), ("atomic", ("1", "2"))):
        path.write_text(text.format(style, *atoms))
        universe = open_trajectory(path, dump, timestep_ps=1.0)
        assert universe.atoms.types.tolist() == ["1", "2"], style
        assert universe.atoms.masses.tolist() == [6.94, 19.0], style
        assert hasattr(universe.atoms, "charges") == (style == "charge")
    path.write_text(text.format("sphere", "1 1.0", "2 1.0"))
    with pytest.raises(
        InvalidInput, match=r"atom_style sphere \(known: atomic, charge, angle, bond, molecular, full\)"
    ):
        open_trajectory(path, dump, timestep_ps=1.0)


def command(files: Files, out: Path, *options: str) -> int:
    return main(["analyze", "--topology", str(files[0]), "--trajectory", str(files[1]), "--out", str(out), *options])


def test_the_command_finds_species_says_so_and_writes_a_file_to_go_on_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = _xyz(tmp_path)
    frame = ["--timestep-ps", "2", "--cell-angstrom", *(str(length) for length in frames().cell[:3])]
    species = tmp_path / "species.yaml"
    assert command(files, tmp_path / "found", *frame, "--write-species", str(species)) == 0
    said = capsys.readouterr().out
    assert "  species: found by molecular graph: Li, PF6, EC, DMC, DOL\n" in said
    assert "  bonds: guessed from elements and distances in the first frame\n" in said
    assert command(files, tmp_path / "given", *frame, "--species", str(species)) == 0
    for table in (tmp_path / "found").glob("*.csv"):
        assert table.read_text() == (tmp_path / "given" / table.name).read_text()


def test_the_command_refuses_unknown_molecules_unless_told_to_leave_them_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An EC whose carbonyl O has become a sulfur is no species of ours."""
    path, _ = _xyz(tmp_path)
    lines = path.read_text().splitlines()
    n_atoms = int(lines[0])
    names = [atom.name for atom in small_boxes.liquid().topology.atoms()]
    carbonyl = next(i for i, name in enumerate(names) if i > 15 and name == "O2")
    for first in range(0, len(lines), n_atoms + 2):
        row = first + 2 + carbonyl
        lines[row] = "S" + lines[row][1:]
    path.write_text("\n".join(lines) + "\n")
    frame = ["--timestep-ps", "2", "--cell-angstrom", *(str(length) for length in frames().cell[:3])]
    assert command((path, path), tmp_path / "out", *frame) == 2
    assert "topology: C3H4O2S x 1 of no shipped species; name them in a species file" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert command((path, path), tmp_path / "out", *frame, "--allow-unknown") == 0
    assert "  left out: C3H4O2S x 1\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--species", "x.yaml", "--allow-unknown"], "--allow-unknown: is for species that are to be found; --species"),
        (["--species", "x.yaml", "--write-species", "y"], "--write-species: is for species that are to be found"),
        (["--timestep-ps", "-1"], "options: timestep_ps: Input should be greater than 0, got -1"),
        (["--cell-angstrom", "10", "10"], "options: cell_angstrom: expected 3 lengths, or 3 lengths and"),
        (["--cell-angstrom", "9", "9", "9", "90", "90", "200"], "options: cell_angstrom: no cell has the angles"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(_xyz(tmp_path), tmp_path / "out", *options) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(which("gmx") is None, reason="GROMACS (gmx) is not installed")
def test_a_tpr_of_gromacs_gives_the_same_tables(reference: Analysis, tmp_path: Path) -> None:
    _, trajectory = WRITERS["gromacs gro xtc"](tmp_path)
    inputs = ["-f", "npt.mdp", "-c", "conf.gro", "-p", "topol.top", "-o", "topol.tpr", "-maxwarn", "5"]
    subprocess.run(["gmx", "-quiet", "grompp", *inputs], cwd=tmp_path / "gromacs", check=True, capture_output=True)
    found = tables(tmp_path / "gromacs" / "topol.tpr", trajectory)
    assert_same(found, reference)
    assert "bonds" not in found.summary["source"]


@pytest.mark.slow
@pytest.mark.skipif(which("lmp") is None, reason="LAMMPS (lmp) is not installed")
def test_a_run_of_lammps_is_read_with_its_own_files(tmp_path: Path) -> None:
    export_box(small_boxes.liquid(), "lammps", tmp_path / "lammps")
    script = tmp_path / "lammps" / "in.lammps"
    text = (
        script.read_text().replace("run             1000000", "run             100").replace("custom 1000", "custom 10")
    )
    script.write_text(text)
    subprocess.run(["lmp", "-in", "in.lammps"], cwd=tmp_path / "lammps", check=True, capture_output=True)
    found = tables(tmp_path / "lammps" / "box.data", tmp_path / "lammps" / "trajectory.lammpstrj", timestep_ps=0.01)
    assert found.summary["composition"]["n_molecules"] == dict.fromkeys(("PF6", "EC", "DMC", "DOL"), 2)
    assert found.summary["frames"]["n_frames"] == 11


def test_the_species_files_of_the_page_can_be_read() -> None:
    page = (Path(__file__).parent.parent / "docs" / "analysis_input.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    read = [validate(SpeciesFile, yaml.safe_load(block), "page") for block in blocks]
    assert [list(file.partners) for file in read] == [["EC", "PF6", "GVL"], ["PF6", "EC"], ["EC", "Li"]]
    fields = set(re.findall(r"`(\w+)`", page))
    assert set(SpeciesFile.model_fields) | set(Partner.model_fields) <= fields
    assert f"{SHORTEST_STEP_PS:f}".rstrip("0") in page
    assert f"{LONGEST_STEP_PS:.0f} ps" in page
