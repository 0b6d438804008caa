import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cut_by_hand import PLACES, TOUCHING, turned
from MDAnalysis import Universe, Writer
from openmm import app
from small_boxes import liquid

from solvshell.analysis import analyze_run
from solvshell.analysis.shells import shell_table
from solvshell.binding import clusters_of_run
from solvshell.binding.shells import first_shells_of
from solvshell.cli import main
from solvshell.protocol import load_protocol
from solvshell.quantum.dielectric import mixture_dielectric
from solvshell.run import Run, open_run

N_FRAMES, EDGE = 40, 60.0


def place(universe, positions, shell, center, rng):
    """Put molecules around a center, each with its coordinating atom at about 2 Å and the rest behind it."""
    for residue, direction in zip(shell, PLACES, strict=False):
        atoms = residue.atoms
        oxygen = atoms.select_atoms(f"name {TOUCHING[residue.resname]}").indices[0]
        wanted = direction + rng.normal(0, 0.06, 3)
        positions[atoms.indices] = center + wanted + turned(positions[atoms.indices] - positions[oxygen], wanted)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two Li+, each with an own PF6 and EC, and every other frame a DMC; DOL far from both."""
    folder = tmp_path_factory.mktemp("binding")
    liquid().save(folder / "box")
    run = open_run(folder / "run", folder / "box", load_protocol("quick"), 0)
    universe = Universe(app.PDBxFile(str(run.topology_path)))
    of_species = {name: universe.select_atoms(f"resname {name}").residues for name in ("PF6", "EC", "DMC", "DOL")}
    rng = np.random.default_rng(4)
    box = 10 * liquid().positions
    with Writer(str(run.trajectory_path), len(box)) as writer:
        for frame in range(N_FRAMES):
            positions = box.copy()
            for name, z in (("DMC", 30), ("DOL", 45)):
                for i, residue in enumerate(of_species[name]):
                    atoms = residue.atoms.indices
                    positions[atoms] += np.array([30.0 * i, 15, z]) - positions[atoms].mean(axis=0)
            for i, lithium in enumerate(universe.select_atoms("resname LI").indices):
                center = positions[lithium] = np.array([30.0 * i + 0.5, 0.5, 0.5])
                inside = ("PF6", "EC", "DMC") if frame % 2 else ("PF6", "EC")
                place(universe, positions, [of_species[name][i] for name in inside], center, rng)
            universe.atoms.positions = positions % EDGE
            universe.dimensions = [EDGE, EDGE, EDGE, 90, 90, 90]
            universe.trajectory.ts.time, universe.trajectory.ts.data["dt"] = frame * 0.2, 0.2
            writer.write(universe.atoms)
    log = pd.DataFrame({"stage": run.protocol.production.name, "time_ps": np.arange(N_FRAMES) * 0.2})
    log.assign(temperature_k=298.0).to_csv(run.log_path, index=False)
    (run.path / "done.json").write_text("{}\n")
    return run


def test_the_shells_are_those_of_the_analysis_and_a_run_without_one_is_analyzed(run):
    assert not run.analysis_path.exists()
    with first_shells_of(run) as (_, shells):
        again = shell_table(shells)[0]
    written = pd.read_csv(run.analysis_path / "shells.csv")
    assert written.composition.tolist() == again.composition.tolist()
    assert again.fraction.tolist() == pytest.approx(written.fraction.tolist(), rel=1e-5)
    assert analyze_run(run).shells.composition.tolist() == again.composition.tolist()
    assert set(again.composition[:2]) == {"PF61 EC1", "PF61 EC1 DMC1"}


def test_shells_and_pairs_are_whole_molecules_with_the_parameters_of_the_box(run):
    """They lie across the faces of the box."""
    clusters = {cluster.name: cluster for cluster in clusters_of_run(run)}
    assert set(clusters) == {"Li-01-PF61_EC1-1", "Li-02-PF61_EC1_DMC1-1", "Li-PF6-1", "Li-EC-1", "Li-DMC-1"} or set(
        clusters
    ) == {"Li-01-PF61_EC1_DMC1-1", "Li-02-PF61_EC1-1", "Li-PF6-1", "Li-EC-1", "Li-DMC-1"}
    (shell,) = (cluster for cluster in clusters.values() if cluster.composition == "PF61 EC1 DMC1")
    assert shell.species == ("Li", "PF6", "EC", "DMC")
    assert shell.sizes == (1, 7, 10, 12)
    assert shell.charges == (1, -1, 0, 0)
    assert shell.charge_scale == 0.8
    assert all(1.6 < r < 2.5 for r in shell.contacts(shell.positions))
    for atoms in shell.molecules:
        place = shell.positions[list(atoms)]
        assert np.linalg.norm(place - place.mean(axis=0), axis=1).max() < 4
    masses = {"Li": 6.94, "P": 30.97, "F": 19.0, "C": 12.01, "O": 16.0, "H": 1.008}
    of_system = [shell.system.getParticleMass(i)._value for i in range(30)]
    assert of_system == pytest.approx([masses[element] for element in shell.elements], abs=0.02)
    pair = clusters["Li-EC-1"]
    assert (pair.kind, pair.composition, pair.sizes, pair.touching) == ("pair", "EC1", (1, 10), (5,))


def test_a_single_pair_is_at_the_median_and_more_are_at_quantiles(run):
    distances = sorted(r for frame in every_frame(run, "EC", "O2") for r in frame)
    assert len(distances) == 2 * N_FRAMES
    (one,) = (c for c in clusters_of_run(run) if c.name == "Li-EC-1")
    assert one.contacts(one.positions)[0] == pytest.approx(np.median(distances), abs=0.01)
    four = [c for c in clusters_of_run(run, per_composition=4) if c.kind == "pair" and c.species[1] == "EC"]
    assert [c.contacts(c.positions)[0] for c in four] == pytest.approx(distances[10::20], abs=2e-3)


def every_frame(run, residue, name):
    universe = Universe(app.PDBxFile(str(run.topology_path)), str(run.trajectory_path))
    lithium = universe.select_atoms("resname LI")
    sites = universe.select_atoms(f"resname {residue} and name {name}")
    for _ in universe.trajectory:
        apart = sites.positions.astype(float) - lithium.positions
        yield np.linalg.norm(apart - EDGE * np.round(apart / EDGE), axis=1)


def test_the_command_writes_tables_geometries_and_every_setting(run, tmp_path, capsys):
    out = tmp_path / "out"
    command = ["binding", str(run.path), "--relax", "--cache", str(tmp_path), "--out", str(out)]
    assert main(command) == 0
    assert "shell 1 PF6 + 1 EC" in capsys.readouterr().out
    rows = pd.read_csv(out / "binding.csv")
    assert len(rows) == 5 * 2 * 2  # clusters, full and scaled charges, fixed and relaxed
    assert (rows.binding_kj_mol < 0).all()
    assert (rows.status == "ok").all()
    wide = rows.pivot_table(index=["cluster", "method"], columns="geometry", values="binding_kj_mol")
    assert (wide.relaxed < wide.fixed).all()
    assert len(pd.read_csv(out / "desolvation.csv")) == 2 * 2 * (2 * (2 + 3) + 3 * 2)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["methods"]["ff_scaled"].endswith("charges of ions x 0.8")
    assert summary["methods"]["ff_full"].endswith("charges of ions x 1")
    assert summary["clusters"] == {"shell": 2, "pair": 3}
    assert summary["source"]["trajectory_bytes"] == str(run.trajectory_path.stat().st_size)
    assert summary["same_shell_angstrom"] == 0.1
    assert summary["dielectric_constant"] is None
    names = {path.name for path in (out / "clusters").iterdir()}
    assert {"Li-EC-1.xyz", "Li-EC-1.ff_full.xyz", "Li-EC-1.ff_scaled.xyz"} < names
    assert len(names) == 5 * 3
    cut = Universe(str(out / "clusters" / "Li-EC-1.xyz"))
    assert cut.atoms.elements.tolist()[0] == "Li"
    (pair,) = (cluster for cluster in clusters_of_run(run) if cluster.name == "Li-EC-1")
    assert cut.atoms.positions == pytest.approx(pair.positions, abs=1e-5)

    assert main([*command[:2], "--n-compositions", "1", *command[3:]]) == 0
    assert len(list((out / "clusters").iterdir())) == 4


def test_the_continuum_is_that_of_the_mixture_and_says_how(run, tmp_path):
    pytest.importorskip("tblite", reason="needs the extra qm")
    pytest.importorskip("geometric", reason="needs the extra qm")
    command = ["binding", str(run.path), "--method", "gfn2", "--phase", "gas", "continuum", "--n-compositions", "1"]
    assert main([*command, "--cache", str(tmp_path / "cache"), "--out", str(tmp_path)]) == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    expected = mixture_dielectric({"EC": 2, "DMC": 2, "DOL": 2})
    assert summary["dielectric_constant"] == expected.constant
    assert summary["dielectric_rule"] == expected.rule
    rows = pd.read_csv(tmp_path / "binding.csv").pivot_table(index="cluster", columns="phase", values="binding_kj_mol")
    assert (rows.gas < 1.5 * rows.continuum).all()  # the bare ion gains more of the continuum than the cluster


def test_the_example_of_the_page(run, monkeypatch, capsys):
    monkeypatch.chdir(run.path.parent)
    page = Path(__file__).parents[2] / "docs" / "binding.md"
    (example,) = re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
    names = {"__name__": "__main__"}
    exec(example, names)
    assert len(names["found"].binding) == 5 * 2 * 2
    assert "ff_full" in capsys.readouterr().out
    assert (run.path / "binding" / "means.csv").is_file()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--per-composition", "0"], "per_composition: 0 (allowed: 1 or more)"),
        (["--method", "mp2"], "method: mp2 (allowed: ff, gfn2, dft)"),
        (["--phase", "continuum"], "phase: continuum is not for method ff (allowed: gas)"),
    ],
)
def test_wrong_requests_are_one_line(run, options, words, capsys):
    assert main(["binding", str(run.path), *options]) == 2
    assert words in capsys.readouterr().err


def test_a_folder_that_is_no_run_is_refused(tmp_path, capsys):
    assert main(["binding", str(tmp_path)]) == 2
    assert "not a run folder" in capsys.readouterr().err
    assert isinstance(Run(tmp_path), Run)
