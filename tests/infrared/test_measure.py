import json

import pandas as pd
import pytest
from boxes_by_hand import packed
from MDAnalysis import Universe
from openmm import app

pytest.importorskip("tblite", reason="needs the extra qm")
pytest.importorskip("geometric", reason="needs the extra qm")

from solvshell.cli import main
from solvshell.files import to_yaml
from solvshell.infrared import measure_infrared
from solvshell.infrared.clusters import cut_clusters
from solvshell.infrared.stretch import OK, Stretch
from solvshell.protocol import load_protocol
from solvshell.run import Run


def one_stretch(cluster, **_):
    """A stretch that takes no time, in a process of its own."""
    return Stretch(OK, cluster.positions, 1800.0, 1.0)


@pytest.fixture
def run(tmp_path):
    """A run of two frames, both of them the packed box."""
    path = tmp_path / "run"
    packed().save(path / "box")
    (path / "protocol.yaml").write_text(to_yaml(load_protocol("quick")))
    (path / "done.json").write_text("{}")
    edges = 10 * packed().volume_nm3 ** (1 / 3)
    universe = Universe.empty(packed().n_atoms, trajectory=True)
    universe.atoms.positions = 10 * packed().positions
    universe.dimensions = [edges, edges, edges, 90, 90, 90]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("warnings.warn", lambda *_, **__: None)
        from MDAnalysis.coordinates.XTC import XTCWriter

        with XTCWriter(str(path / "trajectory.xtc"), n_atoms=packed().n_atoms) as writer:
            for frame in (0, 1):
                universe.trajectory.ts.time, universe.trajectory.ts.frame = float(frame), frame
                writer.write(universe)
    return Run.load(path)


@pytest.mark.slow
def test_the_number_of_workers_changes_nothing_and_a_second_time_is_read(run, tmp_path, capsys):
    one = measure_infrared(run, species=("EC",), wanted=1, cache=tmp_path / "one", directory=tmp_path / "a")
    two = measure_infrared(run, species=("EC",), wanted=1, workers=2, cache=tmp_path / "two", directory=tmp_path / "b")
    pd.testing.assert_frame_equal(one.clusters, two.clusters, check_exact=True)
    assert len(one.clusters) >= 1
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "one").iterdir()}
    command = ["infrared", str(run.path), "--species", "EC", "--clusters", "1", "--cache", str(tmp_path / "one")]
    assert main(command) == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "one").iterdir()} == stamps
    written = pd.read_csv(run.path / "infrared" / "infrared.csv")
    assert written["wavenumber_harmonic_gfn2"].tolist() == pytest.approx(
        one.clusters["wavenumber_harmonic_gfn2"].tolist(), rel=1e-5, nan_ok=True
    )
    summary = json.loads((run.path / "infrared" / "summary.json").read_text())
    assert 30 < summary["continuum"]["dielectric_constant"] < 70
    assert summary["source"]["first_frame"] == 0
    for name in written["file"]:
        lines = (run.path / "infrared" / name).read_text().splitlines()
        assert len(lines) == int(lines[0]) + 2
        assert sum(line.endswith(" 1") for line in lines[2:]) == 10  # EC


def analyzed(run, dropped):
    run.analysis_path.mkdir()
    (run.analysis_path / "summary.json").write_text(json.dumps({"frames": {"start": 0, "step": 1, "dropped": dropped}}))


@pytest.mark.slow
def test_frames_that_the_analysis_drops_are_not_used(run, tmp_path):
    """Both frames are the same, so that the second time nothing is computed."""
    both = measure_infrared(run, species=("EC",), wanted=1, cache=tmp_path)
    assert both.clusters["frame"].unique().tolist() == [0]
    analyzed(run, dropped=1)
    second = measure_infrared(run, species=("EC",), wanted=1, cache=tmp_path)
    assert second.clusters["frame"].unique().tolist() == [1]
    source = second.summary["source"]
    assert (source["first_frame"], source["n_frames"]) == (1, 2)
    assert source["trajectory_bytes"] == str(run.trajectory_path.stat().st_size)
    assert second.headline()[0] == "  frames 1 to 1: from the first that the analysis uses"


def test_clusters_are_cut_from_the_first_frame_on_that_may_be_used(run):
    universe = Universe(app.PDBxFile(str(run.topology_path)), str(run.trajectory_path))
    for first in (0, 1):
        found = cut_clusters(universe, run.box.recipe.entries, 1, ("EC",), first)
        assert {cluster.candidate.frame for cluster in found} == {first}


def test_a_stop_says_that_the_same_command_goes_on(run, tmp_path, monkeypatch, capsys):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("solvshell.progress.Tally.advance", stopped)
    monkeypatch.setattr("solvshell.infrared.measure.carbonyl_stretch", one_stretch)
    assert main(["infrared", str(run.path), "--species", "EC", "--clusters", "1", "--cache", str(tmp_path)]) == 3
    assert "what was computed is kept; the same command goes on from here" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--clusters", "0"], "clusters: at least 1, got 0"),
        (["--dielectric", "1"], "dielectric: 1 (allowed for a continuum: above 1)"),
        (["--species", "DME"], "species: DME is no carbonate"),
        (["another", "--out", "out"], "--out: for one RUN"),
        (["--workers", "0"], "workers: at least 1, got 0"),
    ],
)
def test_wrong_options_are_refused_in_one_line(run, options, message, capsys):
    assert main(["infrared", str(run.path), *options]) == 2
    assert message in capsys.readouterr().err
