import json

import numpy as np
import pandas as pd
import pytest
from synthetic import make_universe, on_sphere, only_ec, random_universe, shell_universe, species_file

from solvshell.analysis import analyze, analyze_trajectory, write_tables
from solvshell.errors import InvalidInput, WorkFailed

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


def exchanging_universe(rng, n_frames=400, n_centers=20, box=60.0, timestep_ps=1.0):
    """Each center has 4 EC around it, and 0 or 1 PF6 that comes and goes: bound 3 frames of 4, for 30 on average."""
    grid = (np.indices((3, 3, 3)).reshape(3, -1).T[:n_centers] + 0.5) * box / 3
    molecules = [("LI", ["LI"])] * n_centers + [("PF6", ["P", "F"])] * n_centers + [("EC", ["O"])] * 4 * n_centers
    bound = rng.random(n_centers) < 0.75
    frames = []
    for _ in range(n_frames):
        leave, come = rng.random(n_centers) < 1 / 30, rng.random(n_centers) < 1 / 10
        bound = np.where(bound, ~leave, come)
        radius = np.where(bound, rng.normal(1.9, 0.1, n_centers), rng.uniform(5, 9, n_centers))[:, None]
        direction = on_sphere(rng, (n_centers,))
        anions = np.stack([grid + direction * (radius + 1.5), grid + direction * radius], axis=1).reshape(-1, 3)
        solvents = grid[:, None] + rng.normal(2.0, 0.1, (n_centers, 4, 1)) * on_sphere(rng, (n_centers, 4))
        frames.append(np.concatenate([grid, anions, solvents.reshape(-1, 3)]))
    return make_universe(molecules, frames, (box, box, box, 90, 90, 90), timestep_ps)


@pytest.fixture(scope="module")
def exchanging():
    universe = exchanging_universe(np.random.default_rng(0))
    n = 400
    log = pd.DataFrame({"time_ps": np.arange(n) * 1.0, "temperature_k": np.random.default_rng(1).normal(298, 5, n)})
    return analyze(universe, species_file(), log=log, n_bootstrap=200, seed=1)


def test_numbers_are_those_of_the_model(exchanging):
    cn = exchanging.coordination.set_index("partner")
    assert cn.cn_atoms_mean["EC"] == pytest.approx(4)
    assert abs(cn.cn_atoms_mean["PF6"] - 0.75) < 3 * cn.cn_atoms_stderr["PF6"]
    assert cn.cn_atoms_stderr["PF6"] < 0.05
    total = exchanging.summary["coordination"]["total"]["Li"]
    assert abs(total["mean"] - 4.75) < 3 * total["stderr"]
    assert total["resolved"]
    stay = exchanging.residence.set_index("partner")
    assert abs(stay.time_ps["PF6"] - 30) < 3 * stay.stderr_ps["PF6"] + 3  # absences of one frame are bridged
    states = exchanging.speciation.set_index("state").fraction
    assert states["cip"] == pytest.approx(cn.cn_molecules_mean["PF6"])
    assert states.sum() == pytest.approx(1)
    assert states["agg"] == 0
    assert exchanging.shells.set_index("composition").fraction["PF61 EC4"] == pytest.approx(states["cip"])
    assert exchanging.peaks.status.tolist() == ["resolved", "resolved"]
    assert exchanging.peaks.cutoff_source.tolist() == ["first_minimum"] * 2


def test_summary_says_how_it_was_made_and_what_it_cannot_say(exchanging):
    summary = exchanging.summary
    assert summary["frames"]["used"] + summary["frames"]["dropped"] == summary["frames"]["n_frames"] == 400
    assert summary["composition"]["n_molecules"] == {"PF6": 20, "EC": 80}
    assert summary["composition"]["molarity_mol_l"]["Li"]["mean"] == pytest.approx(20 / 216 * 1.66054, rel=1e-4)
    mass = 20 * 6.94 + 20 * (30.97 + 19.0) + 80 * 16.0
    assert summary["thermodynamics"]["density_g_cm3"]["mean"] == pytest.approx(mass / 216 * 1.66054e-3, rel=1e-4)
    assert summary["thermodynamics"]["density_g_cm3"]["stderr"] is None
    temperature = summary["thermodynamics"]["temperature_k"]
    assert abs(temperature["mean"] - 298) < 4 * temperature["stderr"]
    assert summary["energies"]["available"] is False
    assert not summary["flags"]["demonstration"]
    assert summary["flags"]["unresolved"] == ["coordination Li-EC carbonyl_o"]
    # Nobody ever leaves an EC shell: not equilibrated, however well the anion exchanges.
    assert summary["flags"]["not_equilibrated"]
    assert any("Li-EC carbonyl_o (at least" in note for note in summary["notes"])


def test_tables_have_the_columns_of_the_contract(exchanging, tmp_path):
    write_tables(exchanging, tmp_path / "tables")
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == sorted(
        [*(f"{n}.csv" for n in COLUMNS), "summary.json"]
    )
    for name, columns in COLUMNS.items():
        assert (tmp_path / "tables" / f"{name}.csv").read_text().splitlines()[0] == columns
    assert json.loads((tmp_path / "tables" / "summary.json").read_text()) == exchanging.summary
    rdf = pd.read_csv(tmp_path / "tables" / "rdf.csv")
    assert rdf.r_angstrom.head(3).tolist() == [0.005, 0.015, 0.025]


def test_the_same_seed_gives_the_same_numbers(exchanging):
    universe = shell_universe(np.random.default_rng(3), 30, 4)
    first, again, other = (analyze(universe, only_ec(), n_bootstrap=50, seed=seed) for seed in (1, 1, 2))
    assert first.summary == again.summary
    assert first.rdf.equals(again.rdf)
    assert first.peaks.ci95_low[0] != other.peaks.ci95_low[0]


def test_a_small_box_without_anions_is_labelled(tmp_path):
    analysis = analyze(shell_universe(np.random.default_rng(4), 30, 4), only_ec(), n_bootstrap=50)
    assert analysis.summary["flags"]["demonstration"]
    assert "demonstration: 8 centers, fewer than 16" in analysis.summary["notes"]
    assert "no anions: no ion pair states" in analysis.summary["notes"]
    write_tables(analysis, tmp_path)
    assert (tmp_path / "speciation.csv").read_text() == COLUMNS["speciation"] + "\n"


def test_equilibration_is_dropped():
    rng = np.random.default_rng(5)
    few, many = (
        np.array([ts.positions.copy() for ts in shell_universe(rng, n, k, n_bulk=b).trajectory])
        for n, k, b in ((60, 2, 66), (240, 4, 50))
    )
    noise = rng.random((300, 8, 1, 1)) < 0.3  # one EC of each center comes and goes, so that the number is not constant
    frames = np.concatenate([few, many])
    frames[:, 8:16] = np.where(noise[:, :, 0], [20.0, 20.0, 20.0], frames[:, 8:16])
    universe = make_universe([("LI", ["LI"])] * 8 + [("EC", ["O"])] * 82, frames, (40, 40, 40, 90, 90, 90))
    frames = analyze(universe, only_ec(), n_bootstrap=50).summary["frames"]
    assert 55 <= frames["dropped"] <= 90
    assert frames["first_time_ps"] == frames["dropped"]


def test_no_shell_anywhere_is_an_error_and_a_given_cutoff_is_not():
    universe = random_universe(np.random.default_rng(6), 60, 10, 100)
    with pytest.raises(WorkFailed, match="no partner has a first shell"):
        analyze(universe, only_ec(), n_bootstrap=50)
    given = only_ec().model_dump()
    given["partners"]["EC"]["cutoff_angstrom"] = 6.0
    analysis = analyze(universe, only_ec().model_validate(given), n_bootstrap=50)
    row = analysis.peaks.iloc[0]
    assert (row.status, row.cutoff_angstrom, row.cutoff_source) == ("no_shell", 6.0, "given")
    assert row[["peak_angstrom", "ci95_low", "ci95_high", "first_minimum_angstrom"]].isna().all()
    cn = analysis.coordination.iloc[0]
    assert cn.cn_atoms_mean == pytest.approx(100 * 4 / 3 * np.pi * 6**3 / 30**3, abs=4 * cn.cn_atoms_stderr)
    given["partners"]["EC"]["cutoff_angstrom"] = 15.0
    with pytest.raises(InvalidInput, match=r"partners.EC.cutoff_angstrom: 15 Å \(allowed: at most 12.00 Å"):
        analyze(universe, only_ec().model_validate(given))


def test_one_partner_without_shell_counts_zero():
    species = species_file()
    rng = np.random.default_rng(7)
    solvated = np.array([ts.positions.copy() for ts in shell_universe(rng, 60, 4, n_bulk=100).trajectory])
    # The last 50 O become F of anions: bulk only, beyond 4 Å.
    molecules = [("LI", ["LI"])] * 8 + [("EC", ["O"])] * 82 + [("PF6", ["F"])] * 50
    analysis = analyze(make_universe(molecules, solvated, (40, 40, 40, 90, 90, 90)), species, n_bootstrap=50)
    assert analysis.peaks.set_index("partner").status.to_dict() == {"PF6": "no_shell", "EC": "resolved"}
    pf6 = analysis.coordination.set_index("partner").loc["PF6"]
    assert pf6[["cn_atoms_mean", "cutoff_angstrom"]].isna().all()
    assert not analysis.shells.composition.str.contains("PF6").any()
    assert analysis.speciation.fraction.tolist() == [1, 0, 0]


def test_a_shell_beyond_the_capture_radius_is_read_again():
    universe = shell_universe(np.random.default_rng(8), 40, 4, distance=4.4, width=0.15, n_bulk=0)
    analysis = analyze(universe, only_ec(), n_bootstrap=50)
    assert analysis.peaks.cutoff_angstrom[0] > 5
    assert analysis.summary["settings"]["capture_radius_angstrom"] > 5
    assert analysis.coordination.cn_atoms_mean[0] == pytest.approx(4)


def test_foreign_files_need_no_box(tmp_path):
    universe = shell_universe(np.random.default_rng(9), 20, 4)
    universe.atoms.write(tmp_path / "conf.gro")
    universe.atoms.write(tmp_path / "traj.xtc", frames="all")
    species = only_ec()
    analysis = analyze_trajectory(tmp_path / "conf.gro", tmp_path / "traj.xtc", species, tmp_path / "out")
    assert (tmp_path / "out" / "summary.json").is_file()
    assert analysis.summary["source"] == {"topology": "conf.gro", "trajectory": "traj.xtc"}
    assert analysis.coordination.cn_atoms_mean[0] == pytest.approx(4)
