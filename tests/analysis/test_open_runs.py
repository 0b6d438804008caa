"""Runs in which molecules come and go, made by hand: what every command that reads their trajectory makes of them."""

import numpy as np
import pandas as pd
import pytest
from open_runs_by_hand import N_FRAMES, OPEN, open_run_by_hand

from solvshell.analysis import analyze_run, analyze_trajectory
from solvshell.analysis.limits import NOT_PHYSICAL, TIMES
from solvshell.analysis.sources import mean_counts, open_production, whole_trajectory
from solvshell.analysis.spatial.by_name import spatial_of_run
from solvshell.binding.of_run import clusters_of_run
from solvshell.binding.shells import first_shells_of
from solvshell.errors import InvalidInput
from solvshell.joined.analyze import analyze_runs
from solvshell.report import write_report

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


def test_the_page_has_no_times(made, tmp_path):
    run, *_ = made
    write_report([run.path], tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "rates of exchange are not physical" in page
    assert "Quote the time from departures" not in page
    assert ">nan<" not in page


def test_without_its_run_a_trajectory_with_ghosts_is_refused(made):
    run, _, n_there, _ = made
    n_ghosts = 2 * 24 - n_there[0].sum()
    with pytest.raises(InvalidInput, match=f"{n_ghosts} molecules are points"):
        analyze_trajectory(run.topology_path, run.trajectory_path)


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
