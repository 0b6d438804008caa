import shlex
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from MDAnalysis import Universe
from MDAnalysis.lib.distances import apply_PBC
from rdkit import Chem
from synthetic import make_universe, species_file

from solvshell.analysis.geometry import SolvationGeometry
from solvshell.analysis.shells import first_shells
from solvshell.analysis.sites import select_sites
from solvshell.analysis.typical.export import EXPORT_COLUMNS, export_shells
from solvshell.errors import InvalidInput

BOX = np.array([20.0, 20.0, 20.0, 90.0, 90.0, 90.0], np.float32)
X, Y, Z = np.eye(3)
MOLECULES = [("LI", ["LI"])] * 2 + [("EC", ["C1", "O", "C2"])] * 4 + [("PF6", ["P", "F1", "F2"])]
LI = np.array([[0.3, 10, 10], [10, 10, 10]])  # the first one near a face
RADII = {("Li", "EC", "carbonyl_o"): 3.0, ("Li", "PF6", "f"): 3.0}


def ec(origin, direction, distance):
    """C1, O, C2 along a line: O is the nearest, then C1."""
    return [origin + direction * (distance + away) for away in (1.2, 0.0, 2.6)]


def pf6(origin, direction, distance, across):
    return [
        origin + direction * (distance + 1.6),
        origin + direction * distance,
        origin + direction * 3.7 + 1.6 * across,
    ]


#: Of the first Li: which EC, in which direction, at which distance. The third frame but one is the second, turned.
FIRST = [
    ((0, -X, 1.90), (1, Y, 2.00)),
    ((0, -X, 1.95), (1, Y, 2.05)),
    ((0, -X, 2.20), (1, Y, 2.30)),
    ((0, Z, 1.95), (3, -Y, 2.05)),
    ((1, -X, 1.90), (3, X, 2.00)),
]
#: Of the second Li: distances of EC 2 and PF6.
SECOND = [(2.0, 2.1), (2.1, 2.3), (1.8, 2.0), (1.9, 2.2), (2.1, 2.1)]


def two_shells(bonds=True):
    """A frame with nothing in the shells, then those above; everything wrapped."""
    far = np.array([[5.0, 3, 4 * i] for i in range(5)])
    frames = [np.concatenate([LI, *([ec(at, X, 0.0) for at in far[:4]]), pf6(far[4], X, 0.0, Y)])]
    for of_first, (to_ec, to_pf6) in zip(FIRST, SECOND, strict=True):
        molecules = {i: ec(LI[0], direction, distance) for i, direction, distance in of_first}
        molecules[2] = ec(LI[1], X, to_ec)
        (idle,) = set(range(4)) - set(molecules)
        molecules[idle] = ec(far[0], X, 0.0)
        frames.append(np.concatenate([LI, *(molecules[i] for i in range(4)), pf6(LI[1], -Y, to_pf6, X)]))
    positions = np.stack([apply_PBC(np.asarray(frame, np.float32), BOX) for frame in frames])
    universe = make_universe(MOLECULES, positions, BOX, timestep_ps=0.5)
    if bonds:
        universe.add_bonds([(first + i, first + j) for first in (2, 5, 8, 11) for i, j in ((0, 1), (0, 2))])
        universe.add_bonds([(14, 15), (14, 16)])
    return universe


def shells_of(universe, species=None, radii=RADII, first_frame=1):
    sites = select_sites(universe, species or species_file())
    return first_shells(SolvationGeometry.from_sites(sites).run().results, sites, radii, first_frame)


@pytest.fixture
def universe():
    return two_shells()


def comment_of(path):
    """The second line of an extended XYZ file as a dict."""
    return dict(word.split("=", 1) for word in shlex.split(path.read_text().splitlines()[1]))


@pytest.mark.parametrize("bonds", [True, False])
def test_the_typical_shell_of_each_composition(tmp_path, bonds):
    universe = two_shells(bonds)
    table = export_shells(universe, shells_of(universe), tmp_path / "shells")
    assert table.columns.tolist() == EXPORT_COLUMNS
    assert table["composition"].tolist() == ["EC2", "PF61 EC1"]
    assert table["rank"].tolist() == [1, 2]
    assert table["fraction"].tolist() == [0.5, 0.5]
    assert table["n_instances"].tolist() == [5, 5]
    # The medians are 1.95 and 2.05 Å, and 2.0 and 2.1 Å; frame 0 is the empty one.
    assert table["frame"].tolist() == [2, 1]
    assert table["time_ps"].tolist() == [1.0, 0.5]
    assert table["center_index"].tolist() == [0, 1]
    assert [set(numbers.split()) for numbers in table["molecules"]] == [{"2", "3"}, {"4", "6"}]
    assert table["n_atoms"].tolist() == [7, 7]
    # What is called EC here is of another formula than the shipped one, so that its charge is not known.
    assert table["charge"].isna().all()
    assert universe.trajectory.frame == 0

    lone = Universe(str(tmp_path / "shells" / table["file"][0]))
    assert lone.atoms.elements.tolist() == ["Li", "C", "O", "C", "C", "O", "C"]
    wanted = [0 * X, *(-X * away for away in (3.15, 1.95, 4.55)), *(Y * away for away in (3.25, 2.05, 4.65))]
    assert lone.atoms.positions == pytest.approx(np.array(wanted), abs=1e-4)
    comment = comment_of(tmp_path / "shells" / table["file"][0])
    assert comment["composition"] == "EC2"
    assert comment["center"] == "Li"
    assert comment["distances_angstrom"] == "1.950 2.050"
    assert comment["frame"] == "2"
    assert comment["pbc"] == "F F F"
    assert comment["Properties"] == "species:S:1:pos:R:3"
    assert "charge" not in comment
    assert "Lattice" not in comment

    pair = Universe(str(tmp_path / "shells" / table["file"][1]))
    assert pair.atoms.elements.tolist() == ["Li", "P", "F", "F", "C", "O", "C"]
    assert pair.atoms.positions[:4] == pytest.approx(np.array([0 * X, -3.7 * Y, -2.1 * Y, 1.6 * X - 3.7 * Y]), abs=1e-4)


def test_files_read_back(universe, tmp_path):
    table = export_shells(universe, shells_of(universe), tmp_path)
    for name in table["file"]:
        xyz = Chem.MolFromXYZFile(str(tmp_path / name))
        pdb = Chem.MolFromPDBFile(str((tmp_path / name).with_suffix(".pdb")), removeHs=False, sanitize=False)
        assert xyz.GetNumAtoms() == pdb.GetNumAtoms() == 7
        assert [a.GetSymbol() for a in xyz.GetAtoms()] == [a.GetSymbol() for a in pdb.GetAtoms()]
        assert xyz.GetConformer().GetPositions() == pytest.approx(pdb.GetConformer().GetPositions(), abs=1e-3)
    text = (tmp_path / table["file"][0]).with_suffix(".pdb").read_text()
    assert "CRYST1" not in text
    assert text.startswith("TITLE     Li EC2, frame 2, charge unknown\n")
    pdb = Universe(str((tmp_path / table["file"][0]).with_suffix(".pdb")))
    assert pdb.residues.resnames.tolist() == ["LI", "EC", "EC"]
    assert pdb.atoms.names.tolist() == ["LI", "C1", "O", "C2", "C1", "O", "C2"]
    assert pdb.dimensions is None
    assert {tuple(pair) for pair in pdb.bonds.indices} == {(1, 2), (1, 3), (4, 5), (4, 6)}
    assert {path.name for path in tmp_path.iterdir()} == {
        "index.csv", *table["file"], *(name.replace(".xyz", ".pdb") for name in table["file"])
    }  # fmt: skip
    again = pd.read_csv(tmp_path / "index.csv", dtype={"charge": "Int64"})
    pd.testing.assert_frame_equal(again, table, check_exact=False)


def test_further_shells_are_of_other_molecules_and_of_another_geometry(universe, tmp_path):
    """Frames 1 and 3 are the stay of frame 2; frame 4 has its distances with other molecules; frame 5 differs."""
    table = export_shells(universe, shells_of(universe), tmp_path, per_composition=3)
    of_solvent = table[table["composition"] == "EC2"]
    assert of_solvent["frame"].tolist() == [2, 5]
    assert of_solvent["instance"].tolist() == [1, 2]
    assert of_solvent["file"].tolist() == ["Li-01-EC2-1.xyz", "Li-01-EC2-2.xyz"]
    # The other Li keeps its neighbors in all frames.
    assert (table["composition"] == "PF61 EC1").sum() == 1


def test_another_pattern_of_contacts_is_another_shell(universe, tmp_path):
    """PF6 by both F in two of the frames: less frequent, so the second."""
    positions = universe.trajectory.timeseries(order="fac").copy()
    positions[4:, 16] = LI[1] - 2.1 * Y + 1.0 * X
    universe.load_new(positions, dimensions=BOX, dt=0.5)
    table = export_shells(universe, shells_of(universe), tmp_path, per_composition=3)
    of_pair = table[table["composition"] == "PF61 EC1"]
    assert of_pair["frame"].tolist()[:1] == [1]
    assert of_pair["frame"].tolist()[1:] in ([4], [5])
    assert [len(text.split()) for text in of_pair["distances_angstrom"]] == [2, 3]


def test_an_index_takes_the_files_of_an_earlier_one_away(universe, tmp_path):
    shells = shells_of(universe)
    export_shells(universe, shells, tmp_path, per_composition=3)
    (tmp_path / "mine.xyz").write_text("")
    table = export_shells(universe, shells, tmp_path, n_compositions=1)
    assert table["file"].tolist() == ["Li-01-EC2-1.xyz"]
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"mine.xyz", "index.csv", "Li-01-EC2-1.xyz", "Li-01-EC2-1.pdb"}


def test_charges_of_shipped_species(tmp_path):
    """Li with NO3: 1 - 1."""
    molecules = [("LI", ["LI"]), ("NO3", ["N", "O1", "O2", "O3"])]
    positions = [[5.0, 5, 5], [7.8, 5, 5], [6.9, 5.9, 5], [6.9, 4.1, 5], [9.0, 5, 5]]
    universe = make_universe(molecules, [positions] * 2, BOX)
    species = species_file(partners={"NO3": {"molecules": "resname NO3", "sites": {"o": "name O*"}, "role": "anion"}})
    table = export_shells(universe, shells_of(universe, species, {("Li", "NO3", "o"): 3.0}, 0), tmp_path)
    assert table["charge"].tolist() == [0]
    assert table["fraction"].tolist() == [1.0]
    comment = comment_of(tmp_path / table["file"][0])
    assert comment["charge"] == "0"
    assert "stderr" not in comment  # of a share that never changes
    assert "charge +0" in (tmp_path / "Li-01-NO31-1.pdb").read_text()


def chain(bonds):
    """Li at the middle unit of a chain of three, which runs across the face of the box, and an ammonium N in it."""
    molecules = [("LI", ["LI"]), *[("POL", ["C1", "O", "C2"])] * 3]
    units = [[[0.5 + 3 * i, 10, 10], [0.5 + 3 * i, 11.2, 10], [2.0 + 3 * i, 10, 10]] for i in (-1, 0, 1)]
    positions = np.concatenate([[[0.5, 13.2, 10]], *units]).astype(np.float32)
    universe = make_universe(molecules, [apply_PBC(positions, BOX)] * 2, BOX)
    if bonds:
        universe.add_bonds([(1, 2), (1, 3), (3, 4), (4, 5), (4, 6), (6, 7), (7, 8), (7, 9)])
    return universe


@pytest.mark.parametrize("molecules_are", ["residues", "fragments"])
def test_of_a_polymer_there_is_the_unit_that_touches_ended_by_hydrogens(tmp_path, molecules_are):
    universe = chain(bonds=True)
    partners = {"POL": {"molecules": "resname POL", "sites": {"o": "name O"}, "role": "polymer"}}
    species = species_file(partners=partners, molecules_are=molecules_are)
    table = export_shells(universe, shells_of(universe, species, {("Li", "POL", "o"): 2.5}, 0), tmp_path)
    assert table["composition"].tolist() == ["POL1"]
    assert table["cut_bonds"].tolist() == [2]
    assert table["n_atoms"].tolist() == [6]
    unit = Universe(str(tmp_path / table["file"][0]))
    assert unit.atoms.elements.tolist() == ["Li", "C", "O", "C", "H", "H"]
    assert unit.atoms.positions[:4] == pytest.approx(
        np.array([[0, 0, 0], [0, -3.2, 0], [0, -2, 0], [1.5, -3.2, 0]]), abs=1e-4
    )
    caps = sorted(unit.atoms.positions[4:].tolist())
    assert caps == [pytest.approx([-1.09, -3.2, 0], abs=1e-4), pytest.approx([1.5 + 1.09, -3.2, 0], abs=1e-4)]
    assert comment_of(tmp_path / table["file"][0])["cut_bonds"] == "2"


def test_a_center_inside_a_molecule_brings_it_along(tmp_path):
    """N at the face of the box, the Li of its shell across; N comes first, its own molecule is there."""
    molecules = [("AMM", ["C1", "N", "C2"]), ("LI", ["LI"])]
    universe = make_universe(molecules, [[[1.5, 5, 5], [0.2, 5, 5], [0.2, 6.5, 5], [18.0, 5, 5]]] * 2, BOX)
    species = species_file(
        centers={"N": "name N"}, partners={"LI": {"molecules": "resname LI", "sites": {"ion": "name LI"}}}
    )
    table = export_shells(universe, shells_of(universe, species, {("N", "LI", "ion"): 3.0}, 0), tmp_path)
    cluster = Universe(str(tmp_path / table["file"][0]))
    assert cluster.atoms.elements.tolist() == ["N", "C", "C", "Li"]
    assert cluster.atoms.positions == pytest.approx(
        np.array([[0, 0, 0], [1.3, 0, 0], [0, 1.5, 0], [-2.2, 0, 0]]), abs=1e-4
    )


def test_empty_shells_have_no_file(universe, tmp_path):
    table = export_shells(universe, shells_of(universe, radii={("Li", "EC", "carbonyl_o"): 1.0}), tmp_path)
    assert table.columns.tolist() == EXPORT_COLUMNS
    assert len(table) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["index.csv"]


def test_refusals(universe, tmp_path):
    shells = shells_of(universe)
    with pytest.raises(InvalidInput, match=r"per_composition: 0 \(allowed: 1 or more\)"):
        export_shells(universe, shells, tmp_path, per_composition=0)
    shifted = replace(shells, frames=shells.frames - 1)
    with pytest.raises(
        InvalidInput, match="frame 1 has 0 of the 2 contacts of EC carbonyl_o; the shells are of another"
    ):
        export_shells(universe, shifted, tmp_path)
    bare = chain(bonds=False)
    species = species_file(partners={"POL": {"molecules": "resname POL", "sites": {"o": "name O"}, "role": "polymer"}})
    of_chain = shells_of(bare, species, {("Li", "POL", "o"): 2.5}, 0)
    with pytest.raises(InvalidInput, match="has no bonds, without which no unit can be cut from the polymer POL"):
        export_shells(bare, of_chain, tmp_path)
    universe.atoms.masses = 3.0
    with pytest.raises(InvalidInput, match="the mass 3 of atom type"):
        export_shells(universe, shells, tmp_path)
    assert list(tmp_path.iterdir()) == []
