"""A trajectory that GROMACS made: LB-003 in data/gromacs_lb003, analyzed through the command line."""

import json
from collections.abc import Callable
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import pandas as pd
import pytest
import yaml
from MDAnalysis.analysis.rdf import InterRDF
from MDAnalysis.coordinates.XTC import XTCWriter

from solvshell.cli import main

DATA = Path(__file__).parent / "data" / "gromacs_lb003"
GRO, XTC, SPECIES = DATA / "lb003.gro", DATA / "lb003.xtc", DATA / "species.yaml"
CARBONATES = ["EC", "DMC", "EMC"]
COLUMNS = {
    "rdf": "center,partner,site,r_angstrom,g,g_stderr,n",
    "peaks": "center,partner,site,peak_angstrom,ci95_low,ci95_high,first_minimum_angstrom,cutoff_angstrom,"
    "cutoff_source,status",
    "coordination": "center,partner,site,cn_atoms_mean,cn_atoms_stderr,cn_molecules_mean,cn_molecules_stderr,"
    "cutoff_angstrom,n_independent",
    "shells": "center,composition,fraction,stderr,n,example_frame",
    "speciation": "center,state,fraction,stderr",
    "residence": "center,partner,site,method,time_ps,stderr_ps",
}


def analyze(out: Path, **changed: Path) -> int:
    files = {"topology": GRO, "trajectory": XTC, "species": SPECIES, "out": out} | changed
    return main(["analyze", *(word for option, path in files.items() for word in (f"--{option}", str(path)))])


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("foreign") / "tables"
    assert analyze(out) == 0
    return out


@pytest.fixture(scope="module")
def summary(tables: Path) -> dict:
    return json.loads((tables / "summary.json").read_text())


def rows_of(tables: Path, name: str, column: str = "site", value: str = "carbonyl_o") -> pd.DataFrame:
    table = pd.read_csv(tables / f"{name}.csv")
    return table[table[column] == value].set_index("partner")


def test_the_tables_have_the_columns_of_the_contract(tables):
    assert {path.name for path in tables.iterdir()} == {f"{name}.csv" for name in COLUMNS} | {"summary.json"}
    for name, columns in COLUMNS.items():
        header, *rows = (tables / f"{name}.csv").read_text(encoding="utf-8").splitlines()
        assert header == columns
        assert rows


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


def test_the_parts_sum_to_one(tables):
    speciation = pd.read_csv(tables / "speciation.csv")
    assert set(speciation["state"]) == {"ssip", "cip", "agg"}
    assert speciation["fraction"].sum() == pytest.approx(1, abs=1e-5)
    assert pd.read_csv(tables / "shells.csv")["fraction"].sum() == pytest.approx(1, abs=1e-4)


def test_density_composition_and_times_are_those_of_the_files(summary):
    universe = mda.Universe(GRO, XTC)
    assert summary["frames"]["n_frames"] == len(universe.trajectory)
    assert summary["frames"]["timestep_ps"] == pytest.approx(universe.trajectory.dt)
    counted = {name: len(universe.select_atoms(f"resname {name}").residues) for name in ["PF6", *CARBONATES]}
    assert summary["composition"]["n_molecules"] == counted
    assert summary["composition"]["n_centers"] == {"Li": counted["PF6"]}
    assert 1.15 < summary["thermodynamics"]["density_g_cm3"]["mean"] < 1.30
    assert summary["flags"]["demonstration"]
    assert not summary["energies"]["available"]


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
    assert total > 10_000
    # A pair that lies on a bin edge to within the last bit counts in either bin.
    assert np.abs(counts - reference.results.count).sum() < max(4, 2e-5 * total)
    factor = (1 / volumes).mean() * volumes.mean()
    assert 1 < factor < 1.01
    differs = np.rint(counts) != reference.results.count
    assert (ours["g"].to_numpy() * factor)[~differs] == pytest.approx(reference.results.rdf[~differs], rel=1e-5)
