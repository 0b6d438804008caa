"""Runs in which molecules come and go, made by hand: what every command that reads their trajectory makes of them."""

import csv
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import pandas as pd
import pytest
from open_boxes import open_protocol
from openmm import app
from runs_by_hand import other_box
from scipy.spatial.transform import Rotation
from small_boxes import liquid

from solvshell.analysis import analyze_run
from solvshell.analysis.grand_canonical.attempts import MOVE_COLUMNS
from solvshell.analysis.limits import NOT_PHYSICAL, TIMES
from solvshell.analysis.sources import mean_counts, open_production, whole_trajectory
from solvshell.analysis.spatial.by_name import spatial_of_run
from solvshell.binding.of_run import clusters_of_run
from solvshell.binding.shells import first_shells_of
from solvshell.errors import InvalidInput
from solvshell.joined.analyze import analyze_runs
from solvshell.occupancy import occupancy_columns, ranges_text
from solvshell.run import Run, open_run

N_FRAMES, FRAME_PS, EDGE = 48, 0.04, 30.0
IONS = np.array([[0.0, 0.0, 0.0], [15.0, 15.0, 15.0]])  # ghosts lie where one Li does
OPEN = ("EC", "DMC")


def _molecules(run: Run) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """Return by residue name the atoms of each molecule and their places about its carbonyl O, or its first atom."""
    universe = mda.Universe(app.PDBxFile(str(run.topology_path)))
    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for residue in universe.residues:
        atoms, others = residue.atoms, found.setdefault(residue.resname, [])
        at = atoms.positions - atoms.positions[list(atoms.names).index("O2") if residue.resname in OPEN else 0]
        others.append((atoms.indices, others[0][1] if others else at))  # ghosts have no shape of their own
    return found


def _frame(
    rng: np.random.Generator, molecules: dict, there: dict[str, np.ndarray], n_atoms: int
) -> tuple[np.ndarray, int]:
    """One or two EC that are there hold each Li at 2 Å; all else that is there is spread 7.5 Å from both."""
    positions = np.zeros((n_atoms, 3))
    for name, of_species in molecules.items():
        for k, (atoms, shape) in enumerate(of_species):
            if name == "LI":
                positions[atoms] = IONS[k]
            elif there.get(name, np.ones(len(of_species), bool))[k]:
                positions[atoms] = np.append(rng.random(2) * EDGE, 7.5) + shape
    bound = rng.permutation(np.flatnonzero(there["EC"]))[: rng.integers(2, 5)]
    for i, k in enumerate(bound):
        direction = rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        atoms, shape = molecules["EC"][k]
        turn, _ = Rotation.align_vectors([direction], [shape.mean(axis=0)])  # the rest of it lies behind its O
        positions[atoms] = IONS[i % 2] + (2.0 + 0.05 * rng.normal()) * direction + turn.apply(shape)
    return positions, len(bound)


def open_run_by_hand(folder: Path, seed: int = 0) -> tuple[Run, np.ndarray, np.ndarray]:
    """Return the run, how many EC hold a Li in each frame, and how many EC and DMC are there, shape (n_frames, 2)."""
    liquid().save(folder / f"box-{seed}")
    run = open_run(folder / f"replica-{seed:02d}", folder / f"box-{seed}", open_protocol(), 0)
    other_box(run.path, seed)
    rng, molecules = np.random.default_rng(seed), _molecules(run)
    universe = mda.Universe(app.PDBxFile(str(run.topology_path)))
    rows, n_bound, n_there = [], [], []
    with mda.Writer(str(run.trajectory_path), len(universe.atoms)) as writer:
        for t in range(N_FRAMES):
            there = {name: rng.random(len(molecules[name])) < 0.4 for name in OPEN}
            there["EC"][:2] = True
            universe.atoms.positions, n = _frame(rng, molecules, there, len(universe.atoms))
            universe.dimensions = np.array([EDGE, EDGE, EDGE, 90, 90, 90])
            universe.trajectory.ts.time, universe.trajectory.ts.data["dt"] = t * FRAME_PS, FRAME_PS
            writer.write(universe.atoms)
            numbers = [int(there[name].sum()) for name in OPEN]
            texts = [ranges_text(there[name]) for name in OPEN]
            rows.append([t * FRAME_PS, EDGE**3 / 1000, "nan", *numbers, *texts])
            n_bound.append(n), n_there.append(numbers)
    with open(run.occupancy_path, "w", newline="") as file:
        csv.writer(file).writerows([occupancy_columns(list(OPEN)), *rows])
    move = [0, 0.02, "EC", "insertion", 2, EDGE**3 / 1000, 30.0, -9.0, "false", "rejected", "", 0.04, 0.1]
    pd.DataFrame([move], columns=MOVE_COLUMNS).to_csv(run.moves_path, index=False)
    log = {"stage": run.protocol.production.name, "time_ps": np.arange(N_FRAMES) * FRAME_PS, "temperature_k": 400.0}
    pd.DataFrame(log).to_csv(run.log_path, index=False)
    (run.path / "done.json").write_text("{}\n")
    return Run.load(run.path), np.array(n_bound), np.array(n_there)


SHELL = {("Li", "EC", "carbonyl_o"): 3.0}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    run, n_bound, n_there = open_run_by_hand(tmp_path_factory.mktemp("open"))
    return run, n_bound, n_there, analyze_run(run, shell=SHELL, n_bootstrap=50)


def test_an_analysis_counts_the_molecules_that_are_there(made):
    _, n_bound, n_there, found = made
    used = slice(found.summary["frames"]["dropped"], None)
    ec = found.coordination.set_index(["partner", "site"]).loc["EC", "carbonyl_o"]
    assert ec.cn_molecules_mean == pytest.approx(n_bound[used].mean() / 2)
    assert found.summary["composition"]["n_molecules"]["EC"] == pytest.approx(n_there[used, 0].mean(), rel=1e-5)
    assert found.summary["flags"]["not_physical"] == list(TIMES)
    assert NOT_PHYSICAL in found.summary["notes"]
    assert "outside of time" in found.summary["residence_dynamics"]


def test_energies_are_of_the_molecules_that_are_there(made):
    _, n_bound, n_there, found = made
    assert found.summary["energies"]["available"]
    used = slice(found.summary["frames"]["dropped"], None)
    rows = found.energies.set_index(["partner", "quantity", "region", "coulomb"]).total_kj_mol
    for j, name in enumerate(OPEN):
        many = rows[name, "per_center", "whole_box", "bare"] / rows[name, "per_molecule", "whole_box", "bare"]
        assert many == pytest.approx(n_there[used, j].mean(), rel=1e-4)
    in_shell = rows["EC", "per_center", "first_shell", "bare"] / rows["EC", "per_molecule", "first_shell", "bare"]
    assert in_shell == pytest.approx(n_bound[used].mean() / 2, rel=1e-4)
    assert abs(rows["EC", "per_molecule", "first_shell", "bare"]) < 500  # no ghost on the ion


def test_typical_shells_and_clusters_are_of_the_molecules_that_are_there(made):
    run, n_bound, _, found = made
    index = pd.read_csv(run.analysis_path / "shells" / "index.csv")
    assert len(index)
    assert (index.distances_angstrom.astype(str).str.split().map(lambda words: float(words[0])) > 1.5).all()
    with first_shells_of(run) as (_, shells):
        assert len(shells.contacts.frame) == n_bound[found.summary["frames"]["dropped"] :].sum()
        assert shells.sites.open_partners == ["EC", "DMC"]
    clusters = clusters_of_run(run, 2, 1)
    for cluster in clusters:
        distances = np.linalg.norm(cluster.positions[:, None] - cluster.positions, axis=2)
        assert distances[np.triu_indices(len(distances), 1)].min() > 0.01  # ghosts are points
        assert cluster.system is not None
        assert cluster.system.getNumParticles() == len(cluster.positions)


def test_mean_numbers_and_densities_are_over_all_frames(made):
    run, _, n_there, _ = made
    counts = mean_counts(run)
    assert counts["EC"] == pytest.approx(n_there[:, 0].mean())
    assert counts["Li"] == 2
    around = spatial_of_run(run, "EC", "Li", r_max=6.0)
    assert around.n_molecules == pytest.approx(n_there[:, 0].mean())


def test_a_run_that_goes_on_is_read_as_far_as_both_files_go(tmp_path):
    run, _, n_there = open_run_by_hand(tmp_path)
    (run.path / "done.json").unlink()
    lines = run.occupancy_path.read_text().splitlines(keepends=True)
    run.occupancy_path.write_text("".join(lines[:-3]) + lines[-3][:7])
    with whole_trajectory(run) as trajectory:
        universe, presence = open_production(run, trajectory)
        assert len(universe.trajectory) == len(presence.is_present) == N_FRAMES - 3
        assert presence.is_present[-1, 1:].sum() == n_there[N_FRAMES - 4].sum()
    (run.path / "done.json").write_text("{}\n")
    with whole_trajectory(run) as trajectory, pytest.raises(InvalidInput, match="of 45 frames"):
        open_production(run, trajectory)


def test_replicas_are_joined(tmp_path):
    numbers = [open_run_by_hand(tmp_path / "runs", seed) for seed in range(2)]
    for seed in range(2):
        (tmp_path / "runs" / f"box-{seed}").rename(tmp_path / f"box-{seed}")
    joined = analyze_runs(tmp_path / "runs", n_bootstrap=50)
    n_ec = [run_numbers[0] for _, _, run_numbers in ((a, b, c.mean(axis=0)) for a, b, c in numbers)]
    dropped = [
        pd.read_json(run.analysis_path / "summary.json", typ="series")["frames"]["dropped"] for run, *_ in numbers
    ]
    if not any(dropped):
        assert joined.summary["composition"]["n_molecules"]["EC"] == pytest.approx(np.mean(n_ec), rel=1e-5)
    ec = joined.coordination.set_index(["partner", "site"]).loc["EC", "carbonyl_o"]
    assert ec.cn_molecules_mean == pytest.approx(np.mean([n.mean() / 2 for _, n, _ in numbers]), rel=0.1)
    assert joined.residence.time_ps.isna().all()
    assert joined.summary["flags"]["not_physical"]
    assert any("outside of time" in note for note in joined.summary["notes"])
