"""The whole pipeline on a small real box, and its g(r) against packages that nobody here wrote."""

import json
import os
import re
import shutil
from pathlib import Path

import MDAnalysis as mda
import mdtraj
import numpy as np
import pandas as pd
import pytest
from MDAnalysis.analysis.rdf import InterRDF
from MDAnalysis.analysis.results import Results
from openmm import app
from page_addresses import addresses
from table_contract import COLUMNS

from solvshell.analysis import open_trajectory
from solvshell.analysis.geometry import SolvationGeometry
from solvshell.analysis.rdf import fine_counts
from solvshell.analysis.sites import Sites, select_sites
from solvshell.cli import main
from solvshell.run import Run
from solvshell.species import select_species


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a demo with the quick protocol: 12 ps, constant pressure."""
    out = tmp_path_factory.mktemp("demo")
    assert main(["demo", "--protocol", "quick", "--out", str(out)]) == 0
    return out


def test_the_demo_ends_with_a_comparison_of_the_two_boxes(demo: Path) -> None:
    page = (demo / "report.html").read_text()
    assert page == (demo / "comparison" / "index.html").read_text()
    assert "lb003_pota-no3 against lb003" in page
    assert "a chain feels its own image" in page
    sources = addresses(page)
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    # The recipe states the molarity of the electrolyte, not that of the gel.
    assert "from the recipe" not in (demo / "lb003_pota-no3" / "report.html").read_text()
    box = Run.load(demo / "lb003_pota-no3" / "run").box
    assert box.counts == {"Li": 8, "PF6": 8, "NO3": 16, "EC": 38, "DMC": 30, "EMC": 24, "POTA": 4}
    coordination = pd.read_csv(demo / "comparison" / "coordination.csv")
    assert set(coordination.partner) == {"PF6", "NO3", "EC", "DMC", "EMC", "POTA"}
    peaks = pd.read_csv(demo / "lb003_pota-no3" / "run" / "analysis" / "peaks.csv")
    assert set(peaks.center) == {"Li", "POTA"}  # N+ has a g(r), but nothing is counted around it


@pytest.fixture(scope="module")
def run(demo: Path) -> Run:
    return Run.load(demo / "lb003" / "run")


def test_the_demo_writes_what_it_promises(demo: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.is_done
    for name, columns in COLUMNS.items():
        text = (run.analysis_path / f"{name}.csv").read_bytes().decode("utf-8")
        assert text.splitlines()[0] == columns
        assert "\r" not in text
    for name in ("rdf", "coordination", "shells", "log"):
        assert (run.analysis_path / "figures" / f"{name}.svg").stat().st_size > 1000
        assert (run.analysis_path / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    before = (run.path / "trajectory.xtc").stat().st_mtime_ns
    assert main(["demo", "--protocol", "quick", "--out", str(demo)]) == 0  # all done already
    assert (run.path / "trajectory.xtc").stat().st_mtime_ns == before
    assert str(demo / "report.html") in capsys.readouterr().out


def test_typical_shells_lie_beside_the_tables(run: Run) -> None:
    index = pd.read_csv(run.analysis_path / "shells" / "index.csv")
    assert set(index.composition) <= set(pd.read_csv(run.analysis_path / "shells.csv").composition)
    for row in index.itertuples():
        lines = (run.analysis_path / "shells" / str(row.file)).read_text().splitlines()
        assert int(lines[0]) == row.n_atoms == len(lines) - 2
        assert lines[2].split() == ["Li", "0.00000", "0.00000", "0.00000"]
        assert f"charge={row.charge:d}" in lines[1]


def test_a_spatial_distribution_of_a_run(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["spatial", str(run.path), "--around", "EC", "--of", "Li"]
    assert main([*words, "--spacing", "0.5", "--out", str(tmp_path / "li.dx")]) == 0
    assert "times the bulk" in capsys.readouterr().out
    assert main([*words, "--out", str(tmp_path / "li.vtk")]) == 2
    assert "ends on '.vtk' (allowed: .dx, .cube)" in capsys.readouterr().err


def test_the_page_stands_alone_and_says_what_it_is(demo: Path) -> None:
    page = (demo / "lb003" / "report.html").read_text()
    assert "A demonstration, not a measurement." in page
    assert "numbers are not resolved by this run" in page
    sources = addresses(page)
    assert len(sources) == len(list((demo / "lb003" / "run" / "analysis" / "figures").glob("*.svg")))
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)


def test_the_page_has_the_box_to_turn_and_cites_what_this_run_used(demo: Path) -> None:
    keys = {}
    for name in ("lb003", "lb003_pota-no3"):
        page = demo / name / "report.html"
        box, shells = re.findall(r'<script type="application/json">(.*?)</script>', page.read_text(), re.S)
        assert [scene["title"] for scene in json.loads(box)] == ["the box"]
        assert json.loads(shells)[0]["title"].startswith("Li: ")
        keys[name] = set(re.findall(r"^@\w+{(.*),$", page.with_suffix(".bib").read_text(), re.M))
    assert {"openmm", "langevin-middle", "monte-carlo-barostat", "kumar-seminario", "3dmol"} <= keys["lb003"]
    assert not keys["lb003"] & {"nose-hoover-chains", "mbar", "gcmc", "clp", "opls-2009il", "source-study"}
    assert keys["lb003_pota-no3"] - keys["lb003"] == {"clp", "opls-2009il", "opls-2009il-revisited"}
    assert "{source-study," in (demo / "comparison" / "index.bib").read_text()


def test_the_summary_has_every_number_and_setting(run: Run) -> None:
    summary = json.loads((run.analysis_path / "summary.json").read_text())
    assert summary["energies"]["available"] is True
    assert summary["energies"]["charge_scale"] == 0.8
    assert summary["flags"]["demonstration"] is True
    temperature = summary["thermodynamics"]["temperature_k"]
    assert temperature["mean"] == pytest.approx(298, abs=25)
    assert temperature["n_independent"] > 0
    coordination = pd.read_csv(run.analysis_path / "coordination.csv")
    total = summary["coordination"]["total"]["Li"]["mean"]
    assert coordination.cn_atoms_mean.sum() == pytest.approx(total, rel=1e-4)
    speciation = pd.read_csv(run.analysis_path / "speciation.csv")
    assert speciation.fraction.sum() == pytest.approx(1, abs=1e-5)


def test_coordination_is_the_running_number_at_the_cutoff(run: Run) -> None:
    """Two routes to one number: contacts counted ion by ion, and the integral of g(r) with the <1/V> it was made of.

    They differ by the covariance of volume and counts, and by half a bin at the cutoff.
    """
    rdf = pd.read_csv(run.analysis_path / "rdf.csv")
    for row in pd.read_csv(run.analysis_path / "coordination.csv").dropna().itertuples():
        pair = rdf[(rdf.center == row.center) & (rdf.partner == row.partner) & (rdf.site == row.site)]
        assert np.interp(row.cutoff_angstrom, pair.r_angstrom, pair.n) == pytest.approx(row.cn_atoms_mean, abs=0.03)


def _geometry(run: Run) -> tuple[Sites, Results]:
    universe = open_trajectory(run.topology_path, run.trajectory_path)
    sites = select_sites(universe, select_species(run.box.recipe.entries))
    return sites, SolvationGeometry.from_sites(sites).run().results


def test_pair_counts_and_g_are_those_of_interrdf(run: Run) -> None:
    """Equal counts in every bin; InterRDF divides by 1/<V> where we divide by <1/V>, so its g is ours by <V><1/V>."""
    sites, ours = _geometry(run)
    theirs = mda.Universe(app.PDBxFile(str(run.topology_path)), str(run.trajectory_path))
    centers = theirs.select_atoms("resname LI")
    factor = ours.volumes.mean() * (1 / ours.volumes).mean()
    assert factor > 1 + 1e-6  # the box breathes
    for pair in fine_counts(ours, sites):
        atoms, n_bins = theirs.atoms[pair.site.atoms.indices], len(pair.r)
        peer = InterRDF(centers, atoms, n_bins, (0, pair.edges[-1])).run().results
        counts = pair.counts.sum(axis=0)
        assert counts.sum() > 1000
        assert np.abs(counts - peer.count).sum() <= 1e-5 * counts.sum()
        same = (counts == peer.count) & (counts > 0)
        np.testing.assert_allclose(pair.g[same] * factor, peer.rdf[same], rtol=1e-6)


def test_g_is_that_of_mdtraj_at_constant_pressure(run: Run) -> None:
    """Both divide by <1/V>; mdtraj computes in single precision, so a few pairs change bins: compare 0.05 Å bins."""
    sites, ours = _geometry(run)
    trajectory = mdtraj.load_xtc(str(run.trajectory_path), top=mdtraj.Topology.from_openmm(run.box.topology))
    pair = next(pair for pair in fine_counts(ours, sites) if pair.site.partner == "EC").rebinned(10)
    atoms = trajectory.topology.select_pairs("resname LI", "resname EC and name O2")
    _, theirs = mdtraj.compute_rdf(trajectory, atoms, r_range=(0, pair.edges[-1] / 10), n_bins=len(pair.r))
    moved = np.abs(pair.g - theirs) * pair.even.sum(axis=0)
    assert moved.max() <= 3.001
    assert moved.sum() <= 1e-3 * pair.counts.sum()


README = Path(__file__).parent.parent / "README.md"


def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 14
    exec(compile(code, str(README), "exec"), {"__name__": "readme"})
    assert (tmp_path / "lb003" / "report.html").is_file()


def test_an_unfinished_run_is_analyzed_as_far_as_it_is(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    half = tmp_path / "half"
    shutil.copytree(run.path, half)
    (half / "done.json").unlink()
    size = run.trajectory_path.stat().st_size
    os.truncate(half / "trajectory.xtc", int(0.8 * size))  # in the middle of a frame
    log = (half / "log.csv").read_text()
    (half / "log.csv").write_text(log[: int(0.95 * len(log))])
    assert main(["analyze", str(half)]) == 0
    summary = json.loads((half / "analysis" / "summary.json").read_text())
    assert summary["source"]["run"] == "unfinished"
    assert 30 <= summary["frames"]["n_frames"] < 41
    assert main(["report", str(half), "--out", str(tmp_path / "half.html")]) == 0
    assert "The trajectory has changed since it was analyzed" in (tmp_path / "half.html").read_text()
    assert "The run was not finished when it was analyzed" in (tmp_path / "half.html").read_text()
    os.truncate(half / "trajectory.xtc", 5000)
    assert main(["analyze", str(half)]) == 2
    assert "production has 1 frames so far" in capsys.readouterr().err


def test_the_demo_refuses_a_box_of_another_recipe(
    box_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(box_path, tmp_path / "lb003" / "box")  # 6 formula units, not 8
    assert main(["demo", "--protocol", "quick", "--out", str(tmp_path)]) == 2
    assert "holds a box of another recipe" in capsys.readouterr().err


def test_reports_that_cannot_be_made(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(run.path, broken)
    (broken / "trajectory.xtc").unlink()  # tables from a cluster, without the trajectory
    assert main(["report", str(broken), "--out", str(tmp_path / "page.html")]) == 0
    (broken / "analysis" / "peaks.csv").write_text("")
    assert main(["report", str(broken), "--out", str(tmp_path / "page.html")]) == 2
    assert main(["report", str(run.path), "--out", str(tmp_path)]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert "peaks.csv: cannot be read" in errors[0]
    assert "not the name of a page" in errors[1]
