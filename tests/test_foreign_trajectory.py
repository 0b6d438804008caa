"""A trajectory that GROMACS made: LB-003 in data/gromacs_lb003, analyzed through the command line."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import pandas as pd
import pytest
import yaml
from MDAnalysis.analysis.rdf import InterRDF
from MDAnalysis.coordinates.XTC import XTCWriter
from openmm import XmlSerializer
from small_boxes import gromacs_lb003
from table_contract import COLUMNS

from solvshell.cli import main

DATA = Path(__file__).parent / "data" / "gromacs_lb003"
GRO, XTC, SPECIES = DATA / "lb003.gro", DATA / "lb003.xtc", DATA / "species.yaml"
CARBONATES = ["EC", "DMC", "EMC"]


def analyze(out: Path, **changed: Path | int | float) -> int:
    files = {"topology": GRO, "trajectory": XTC, "species": SPECIES, "out": out} | changed
    return main(["analyze", *(word for option, path in files.items() for word in (f"--{option}", str(path)))])


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "system.xml").write_text(XmlSerializer.serialize(gromacs_lb003()))
    assert analyze(folder / "tables", system=folder / "system.xml") == 0
    return folder / "tables"


@pytest.fixture(scope="module")
def summary(tables: Path) -> dict:
    return json.loads((tables / "summary.json").read_text())


def test_workers_and_a_shorter_range_give_the_same_shells(tables, tmp_path):
    assert analyze(tmp_path / "out", **{"workers": 2, "r-max": 7.5}) == 0
    for name in ("coordination", "residence"):
        assert (tmp_path / "out" / f"{name}.csv").read_text() == (tables / f"{name}.csv").read_text()
    assert pd.read_csv(tmp_path / "out" / "rdf.csv").r_angstrom.max() == pytest.approx(7.495)
    assert pd.read_csv(tables / "rdf.csv").r_angstrom.max() > 11


def test_some_of_the_frames(tmp_path):
    assert analyze(tmp_path / "out", start=10, stop=-1, step=3) == 0
    frames = json.loads((tmp_path / "out" / "summary.json").read_text())["frames"]
    read = range(101)[10:-1:3]
    assert frames["n_frames"] == len(read) == 30
    assert frames["timestep_ps"] == 30.0
    assert frames["last_time_ps"] == 10.0 * read[-1]


def test_no_frame_at_all_is_refused(tmp_path, capsys):
    assert "start, stop, step: leave no frame" in refused(capsys, tmp_path / "out", start=500)


def rows_of(tables: Path, name: str, column: str = "site", value: str = "carbonyl_o") -> pd.DataFrame:
    table = pd.read_csv(tables / f"{name}.csv")
    return table[table[column] == value].set_index("partner")


def test_the_tables_have_the_columns_of_the_contract(tables):
    beside = {"provenance.json", "summary.json", "shells"}
    assert {path.name for path in tables.iterdir()} == {f"{name}.csv" for name in COLUMNS} | beside
    for name, columns in COLUMNS.items():
        header, *rows = (tables / f"{name}.csv").read_text(encoding="utf-8").splitlines()
        assert header == columns
        assert rows or name == "energy_units"  # of which there are none


def test_li_touches_carbonyl_oxygens_where_it_should(tables):
    peaks = rows_of(tables, "peaks")
    resolved = peaks[peaks["status"] == "resolved"]
    assert len(resolved) >= 2
    assert resolved["peak_angstrom"].between(1.85, 2.10).all()
    assert (resolved["ci95_low"] <= resolved["peak_angstrom"]).all()
    assert (resolved["peak_angstrom"] <= resolved["ci95_high"]).all()
    assert resolved["first_minimum_angstrom"].between(2.2, 4.0).all()


def test_li_has_a_first_shell_of_plausible_size(tables, summary):
    coordination = pd.read_csv(tables / "coordination.csv")
    assert list(coordination["partner"]) == ["PF6", *CARBONATES]
    assert set(coordination["site"]) == {"f", "carbonyl_o"}
    assert 3.5 < coordination["cn_atoms_mean"].sum() < 6
    total = summary["coordination"]["total"]["Li"]["mean"]
    assert total == pytest.approx(coordination["cn_atoms_mean"].sum(), rel=1e-4)


def test_anions_in_contact_are_not_said_to_have_no_shell(tables, summary):
    """More than half of the frames have an F beside a Li+: too few samples perhaps, but no absence of ion pairs."""
    universe = mda.Universe(GRO, XTC)
    pairs = universe.select_atoms("resname PF6 and name F* and around 2.6 resname LI", updating=True)
    touched = [len(pairs) > 0 for _ in universe.trajectory[summary["frames"]["dropped"] :]]
    assert np.mean(touched) > 0.5
    assert rows_of(tables, "peaks", value="f").loc["PF6", "status"] != "no_shell"


def test_the_parts_sum_to_one(tables):
    speciation = pd.read_csv(tables / "speciation.csv")
    assert set(speciation["state"]) == {"ssip", "cip", "agg"}
    assert speciation["fraction"].sum() == pytest.approx(1, abs=1e-5)
    assert pd.read_csv(tables / "shells.csv")["fraction"].sum() == pytest.approx(1, abs=1e-4)


def test_composition_and_times_are_those_of_the_files(summary):
    universe = mda.Universe(GRO, XTC)
    assert summary["frames"]["n_frames"] == len(universe.trajectory)
    assert summary["frames"]["timestep_ps"] == pytest.approx(universe.trajectory.dt)
    counted = {name: len(universe.select_atoms(f"resname {name}").residues) for name in ["PF6", *CARBONATES]}
    assert summary["composition"]["n_molecules"] == counted
    assert summary["composition"]["n_centers"] == {"Li": counted["PF6"]}
    assert summary["flags"]["demonstration"]


def test_li_is_held_by_its_first_shell_and_the_box_gives_some_of_it_back(tables, summary):
    energies = pd.read_csv(tables / "energies.csv").set_index(["partner", "quantity", "region", "coulomb"])
    each = energies.total_kj_mol.xs(("per_molecule", "first_shell", "bare"), level=[1, 2, 3])
    assert each[CARBONATES].between(-130, -60).all()
    # Nothing is subtracted from what two charges of 0.8 have at contact, and of them Ewald takes a third away.
    assert -330 < each["PF6"] < -230
    constant = summary["energies"]["charged_pair_constant_kj_mol"]["Li-PF6"]
    side = 10 * summary["thermodynamics"]["volume_nm3"]["mean"] ** (1 / 3)
    assert constant == pytest.approx(0.64 * 2.837297 / side * 1389.35, rel=1e-3)
    pair = energies.xs(("PF6", "per_molecule", "first_shell")).coulomb_kj_mol
    assert pair["ewald"] - pair["bare"] == pytest.approx(constant, rel=0.1)
    sums = summary["energies"]["combining_energy_kj_mol"]
    assert sums["first_shell_bare"]["Li"]["mean"] < -400
    assert sums["whole_box_ewald"]["Li"]["stderr"] > 0
    assert energies.full_total_kj_mol.isna().all()  # a System does not say how its charges were scaled


def test_energies_are_left_out_as_asked(tables, tmp_path, capsys):
    options = ["--no-energies", "--system", str(tables.parent / "system.xml"), "--out", str(tmp_path)]
    assert main(["analyze", "--topology", str(GRO), "--trajectory", str(XTC), "--species", str(SPECIES), *options]) == 0
    assert "no interaction energies: left out, as asked" in capsys.readouterr().out
    assert json.loads((tmp_path / "summary.json").read_text())["energies"]["available"] is False
    assert (tmp_path / "energies.csv").read_text() == COLUMNS["energies"] + "\n"


def test_a_system_of_other_atoms_or_no_system_at_all_is_refused(tables, tmp_path, capsys):
    other = gromacs_lb003().__copy__()
    other.addParticle(1.0)
    (tmp_path / "other.xml").write_text(XmlSerializer.serialize(other))
    said = refused(capsys, tmp_path / "out", system=tmp_path / "other.xml")
    assert "system: has 1165 particles, the trajectory 1164 atoms" in said
    assert "cannot be read" in refused(capsys, tmp_path / "out", system=SPECIES)


def test_the_volume_is_that_of_a_liquid(summary):
    molar_mass = {"PF6": 6.941 + 144.962, "EC": 88.062, "DMC": 90.078, "EMC": 104.105}
    mass = sum(molar_mass[name] * count for name, count in summary["composition"]["n_molecules"].items())
    assert 1.15 < mass * 1.66054e-3 / summary["thermodynamics"]["volume_nm3"]["mean"] < 1.30


def test_the_density_is_that_of_a_liquid(summary):
    assert 1.15 < summary["thermodynamics"]["density_g_cm3"]["mean"] < 1.30


@pytest.mark.parametrize(("partner", "site"), [*((name, "carbonyl_o") for name in CARBONATES), ("PF6", "f")])
def test_g_of_r_is_that_of_mdanalysis(tables, summary, partner, site):
    """Ours is normalized by <1/V>, that of InterRDF by 1/<V>: the same counts, and a constant factor between them."""
    rdf = pd.read_csv(tables / "rdf.csv")
    ours = rdf[(rdf["partner"] == partner) & (rdf["site"] == site)]
    n_bins, width = len(ours), 0.01
    universe = mda.Universe(GRO, XTC)
    li = universe.select_atoms("resname LI")
    partners = universe.select_atoms(f"resname {partner} and name {'F*' if site == 'f' else 'O2'}")
    assert ours["r_angstrom"].to_numpy() == pytest.approx((np.arange(n_bins) + 0.5) * width)
    dropped = summary["frames"]["dropped"]
    reference = InterRDF(li, partners, nbins=n_bins, range=(0, n_bins * width)).run(start=dropped)

    volumes = np.array([ts.volume for ts in universe.trajectory[dropped:]])
    shells = 4 / 3 * np.pi * np.diff((np.arange(n_bins + 1) * width) ** 3)
    counts = ours["g"].to_numpy() * shells * len(li) * len(partners) * (1 / volumes).sum()
    total = reference.results.count.sum()
    assert total > 1_000
    # A pair that lies on a bin edge to within the last bit counts in either bin.
    assert np.abs(counts - reference.results.count).sum() < max(4, 2e-5 * total)
    factor = (1 / volumes).mean() * volumes.mean()
    assert 1 < factor < 1.01
    differs = np.rint(counts) != reference.results.count
    assert (ours["g"].to_numpy() * factor)[~differs] == pytest.approx(reference.results.rdf[~differs], rel=1e-5)


def rewrite(
    path: Path,
    *,
    n_dropped: int = 0,
    change: Callable[[mda.coordinates.timestep.Timestep], None] = lambda ts: None,
) -> Path:
    """Write three frames of the trajectory, each changed, without the last atoms."""
    universe = mda.Universe(GRO, XTC)
    atoms = universe.atoms[: len(universe.atoms) - n_dropped]
    with XTCWriter(str(path), len(atoms)) as writer:
        for ts in universe.trajectory[:3]:
            change(ts)
            writer.write(atoms)
    return path


def without_cell(ts: mda.coordinates.timestep.Timestep) -> None:
    ts.dimensions = None


def at_once(ts: mda.coordinates.timestep.Timestep) -> None:
    ts.time = 0.0


def backwards(ts: mda.coordinates.timestep.Timestep) -> None:
    ts.time = -4.0 * ts.frame


BAD_TRAJECTORIES = {
    "another length": ({"n_dropped": 7}, r"trajectory .*bad\.xtc: .*number of atoms"),
    "no unit cell": ({"change": without_cell}, r"trajectory .*bad\.xtc: frame 0 has no unit cell"),
    "zero time step": ({"change": at_once}, r"trajectory .*bad\.xtc: has a time step of 0 ps; .*timestep_ps"),
    "times that go back": ({"change": backwards}, r"trajectory .*bad\.xtc: has a time step of -4 ps; .*timestep_ps"),
}

BAD_SPECIES = {
    "unknown key": ("partners.EC.radius", 3.0, r"partners\.EC\.radius: unknown key"),
    "unknown key at the top": ("centres", {"Li": "resname LI"}, r"centres: unknown key"),
    "nothing selected": ("centers.Li", "resname NA", r"centers\.Li: 'resname NA' matches no atom"),
    "no molecules": ("partners.EC.molecules", "resname PC", r"partners\.EC\.molecules: 'resname PC' matches no atom"),
    "no site": ("partners.EC.sites.carbonyl_o", "name OX", r"partners\.EC\.sites\.carbonyl_o: 'name OX' matches no"),
    "no selection": ("centers.Li", "resname LI and (", r"centers\.Li: 'resname LI and \('"),
    "unknown role": ("partners.PF6.role", "salt", r"partners\.PF6\.role: .*'anion'.*got 'salt'"),
    "cutoff too long": ("partners.EC.cutoff_angstrom", 40.0, r"partners\.EC\.cutoff_angstrom: 40 Å \(allowed: at most"),
    "negative time step": ("timestep_ps", -1.0, r"timestep_ps: .*greater than 0.*got -1"),
}


def refused(capsys: pytest.CaptureFixture[str], out: Path, **changed: Path | int) -> str:
    """Analyze bad input and return the one line that says what was wrong."""
    assert analyze(out, **changed) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert not out.exists()
    return captured.err


@pytest.mark.parametrize("case", BAD_TRAJECTORIES)
def test_a_bad_trajectory_is_refused(case, tmp_path, capsys):
    changes, message = BAD_TRAJECTORIES[case]
    path = rewrite(tmp_path / "bad.xtc", **changes)
    assert re.search(message, refused(capsys, tmp_path / "out", trajectory=path))


@pytest.mark.parametrize("case", BAD_SPECIES)
def test_a_bad_species_file_is_refused(case, tmp_path, capsys):
    field, value, message = BAD_SPECIES[case]
    species = yaml.safe_load(SPECIES.read_text())
    *parents, last = field.split(".")
    part = species
    for key in parents:
        part = part[key]
    part[last] = value
    path = tmp_path / "species.yaml"
    path.write_text(yaml.safe_dump(species))
    assert re.search(message, refused(capsys, tmp_path / "out", species=path))


@pytest.mark.parametrize("option", ["topology", "trajectory", "species"])
def test_a_missing_file_is_refused(option, tmp_path, capsys):
    path = tmp_path / "absent"
    assert re.search(
        rf"{re.escape(str(path))}: no such file", refused(capsys, tmp_path / "out", **{option: path}), re.I
    )


@pytest.mark.parametrize("option", ["topology", "trajectory"])
def test_a_file_of_another_kind_is_refused(option, tmp_path, capsys):
    line = refused(capsys, tmp_path / "out", **{option: SPECIES})
    assert re.search(rf"{option} .*species\.yaml: cannot be read", line)


def test_a_time_step_in_the_species_file_mends_a_trajectory_without_times(tmp_path):
    species = yaml.safe_load(SPECIES.read_text()) | {"timestep_ps": 4.0}
    (tmp_path / "species.yaml").write_text(yaml.safe_dump(species))
    path = rewrite(tmp_path / "mended.xtc", change=at_once)
    assert analyze(tmp_path / "out", trajectory=path, species=tmp_path / "species.yaml") == 0
    frames = json.loads((tmp_path / "out" / "summary.json").read_text())["frames"]
    assert (frames["timestep_ps"], frames["n_frames"]) == (4.0, 3)
