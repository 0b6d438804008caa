import json

import numpy as np
import pandas as pd
import pytest
from synthetic import make_universe, on_sphere, only_ec, random_universe, shell_universe, species_file
from table_contract import COLUMNS

from solvshell.analysis import analyze, analyze_trajectory, write_tables
from solvshell.analysis.analyze import NO_SYSTEM
from solvshell.errors import InvalidInput, WorkFailed
from solvshell.report import write_report


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
    residence = exchanging.residence
    stay = residence[residence.method == "censored_exponential"].set_index("partner")
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
    assert summary["energies"] == {"available": False, "reason": NO_SYSTEM}
    assert not summary["flags"]["demonstration"]
    # Nobody ever leaves an EC shell, so the run says nothing about its number.
    assert "coordination Li-EC carbonyl_o" in summary["flags"]["unresolved"]
    assert "coordination Li-PF6 f" not in summary["flags"]["unresolved"]
    # Nobody ever leaves an EC shell: not equilibrated, however well the anion exchanges.
    assert summary["flags"]["not_equilibrated"]
    assert any("Li-EC carbonyl_o (at least" in note for note in summary["notes"])


def test_tables_have_the_columns_of_the_contract(exchanging, tmp_path):
    write_tables(exchanging, tmp_path / "tables")
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == sorted(
        [*(f"{n}.csv" for n in COLUMNS), "provenance.json", "summary.json"]
    )
    for name, columns in COLUMNS.items():
        assert (tmp_path / "tables" / f"{name}.csv").read_text().splitlines()[0] == columns
    assert json.loads((tmp_path / "tables" / "summary.json").read_text()) == exchanging.summary
    rdf = pd.read_csv(tmp_path / "tables" / "rdf.csv")
    assert rdf.r_angstrom.head(3).tolist() == [0.005, 0.015, 0.025]


def test_the_error_of_the_running_number_is_that_of_the_coordination_number(exchanging):
    numbers = exchanging.coordination.set_index("partner").loc["PF6"]
    rdf = exchanging.rdf[exchanging.rdf.partner == "PF6"].set_index("r_angstrom")
    behind = rdf.loc[3.005]
    assert behind.n == pytest.approx(numbers.cn_atoms_mean, abs=1e-6)
    assert behind.n_stderr == pytest.approx(numbers.cn_atoms_stderr, rel=0.4)
    assert (rdf.n_stderr[rdf.n == 0] == 0).all()


def test_an_analysis_says_in_one_line_what_it_has(exchanging):
    assert repr(exchanging).startswith(f"<Analysis of {exchanging.summary['frames']['used']} frames: rdf, peaks, ")
    assert len(repr(exchanging)) < 330
    assert "energies" not in repr(exchanging)  # which are empty: nobody gave a model


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


def two_shells(seed=7, n_frames=60):
    """Eight centers with 4 EC each at 1.95 Å, and an F in the shell of four of them; 50 more of either, far away."""
    rng = np.random.default_rng(seed)
    frames = np.array([ts.positions.copy() for ts in shell_universe(rng, n_frames, 5, n_bulk=100).trajectory])
    frames[:, 32:48:5] += [12.0, 0, 0]  # the fifth of the last four
    order = np.r_[:8, [i for i in range(8, 48) if i % 5 != 2], 48:98, [i for i in range(8, 48) if i % 5 == 2], 98:148]
    molecules = [("LI", ["LI"])] * 8 + [("EC", ["O"])] * 82 + [("PF6", ["F"])] * 58
    return make_universe(molecules, frames[:, order], (40, 40, 40, 90, 90, 90))


def test_radii_of_the_caller_are_those_that_are_reported():
    shell = {("Li", "EC", "carbonyl_o"): 1.95}
    analysis = analyze(two_shells(), species_file(), n_bootstrap=50, shell=shell)
    peaks = analysis.peaks.set_index("partner")
    assert peaks.cutoff_source.to_dict() == {"PF6": "first_minimum", "EC": "caller"}
    assert peaks.cutoff_angstrom["EC"] == 1.95 < peaks.first_minimum_angstrom["EC"]
    numbers = analysis.coordination.set_index("partner")
    assert numbers.cutoff_angstrom.to_dict() == peaks.cutoff_angstrom.to_dict()
    assert numbers.cn_atoms_mean["EC"] == pytest.approx(2, abs=0.2)
    # A pair that is not named has its own first shell still.
    assert numbers.cn_atoms_mean["PF6"] == pytest.approx(0.5, abs=0.02)
    assert analysis.speciation.fraction.tolist() == pytest.approx([0.5, 0.5, 0], abs=0.02)
    assert analysis.summary["settings"]["shell"] == {"Li-EC carbonyl_o": 1.95}


def test_a_rule_of_the_caller_has_no_radius():
    def three_nearest(contacts, sites):
        return contacts.distance < 1.95

    analysis = analyze(two_shells(), species_file(), n_bootstrap=50, shell=three_nearest)
    assert set(analysis.peaks.cutoff_source) == {"caller"}
    assert analysis.peaks.cutoff_angstrom.isna().all()
    assert analysis.coordination.set_index("partner").cn_atoms_mean["EC"] == pytest.approx(2, abs=0.2)
    assert "three_nearest" in analysis.summary["settings"]["shell"]
    few = analyze(rare_anion_universe(), species_file(), n_bootstrap=50, shell=three_nearest).summary
    assert few["flags"]["incomplete"] == []
    assert "Li-PF6 f: too few samples for a first shell; counted by the rule of the caller" in few["notes"]


def test_a_shell_of_the_caller_needs_none_in_the_liquid_and_may_be_wide():
    universe = random_universe(np.random.default_rng(6), 60, 10, 100)
    key = ("Li", "EC", "carbonyl_o")
    analysis = analyze(universe, only_ec(), n_bootstrap=50, shell={key: 6.0})
    assert analysis.peaks.status[0] == "no_shell"
    cn = analysis.coordination.iloc[0]
    assert cn.cn_atoms_mean == pytest.approx(100 * 4 / 3 * np.pi * 6**3 / 30**3, abs=4 * cn.cn_atoms_stderr)
    assert analysis.summary["settings"]["capture_radius_angstrom"] == 6.0
    by_rule = analyze(universe, only_ec(), n_bootstrap=50, shell=lambda contacts, _: contacts.distance < 4.0)
    assert by_rule.coordination.cn_atoms_mean[0] == pytest.approx(100 * 4 / 3 * np.pi * 4**3 / 30**3, rel=0.1)
    for wrong in ({("Li", "DMC", "o"): 3.0}, "EC", {}):
        with pytest.raises(InvalidInput, match=r"^shell: "):
            analyze(universe, only_ec(), shell=wrong)


def test_a_part_of_the_frames_is_analyzed_as_if_it_were_all():
    universe = exchanging_universe(np.random.default_rng(22), n_frames=300)
    some = analyze(universe, species_file(), n_bootstrap=50, start=40, stop=280, step=3)
    positions = [universe.trajectory[i].positions.copy() for i in range(40, 280, 3)]
    molecules = [(residue.resname, list(residue.atoms.names)) for residue in universe.residues]
    alone = analyze(make_universe(molecules, positions, (60, 60, 60, 90, 90, 90), 3.0), species_file(), n_bootstrap=50)
    for name in ("rdf", "coordination", "speciation"):
        pd.testing.assert_frame_equal(getattr(some, name), getattr(alone, name))
    frames = some.summary["frames"]
    assert (frames["n_frames"], frames["timestep_ps"], frames["first_time_ps"] % 3) == (80, 3.0, 1.0)
    assert (frames["start"], frames["stop"], frames["step"]) == (40, 278, 3)
    first = some.first_shells.frames[0]
    assert some.shells.example_frame.isin(range(first, 280, 3)).all()


def one_for_one(seed, memory, n_frames=1000, start_without=False):
    """Eight centers with four places each, 30 % taken by F and the others by O; 15 % of the places are empty.

    A place forgets after `memory` frames whose it is, and in every frame whether it is empty: the total number of
    neighbors remembers nothing.
    """
    rng = np.random.default_rng(seed)
    grid = (np.indices((2, 2, 2)).reshape(3, -1).T * 20.0 + 10)[:, None]
    places = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
    shape = (n_frames, 8, 4)
    drawn, forgets = rng.random(shape) < 0.3, rng.random(shape) < -np.expm1(-1 / memory)
    drawn[0] &= not start_without
    forgets[0] = True
    last = np.maximum.accumulate(np.where(forgets, np.arange(n_frames)[:, None, None], 0), axis=0)
    anion = np.take_along_axis(drawn, last, axis=0)
    near = np.where(rng.random(shape) < 0.15, 5.5, rng.normal(2.0, 0.08, shape))
    far = rng.uniform(8, 9, shape)
    oxygen, fluorine = (
        (grid + places * np.where(is_near, near, far)[..., None]).reshape(n_frames, 32, 3)
        for is_near in (~anion, anion)
    )
    positions = np.concatenate([np.tile(grid[:, 0], (n_frames, 1, 1)), oxygen, fluorine], axis=1)
    molecules = [("LI", ["LI"])] * 8 + [("EC", ["O"])] * 32 + [("PF6", ["F"])] * 32
    return make_universe(molecules, positions, (40, 40, 40, 90, 90, 90))


@pytest.mark.parametrize("memory", [20, 50, 150])
def test_errors_of_g_know_an_anion_that_takes_the_place_of_a_solvent(memory):
    heights, errors, flags = [], [], []
    for seed in range(20):
        analysis = analyze(one_for_one(seed, memory), species_file(), n_bootstrap=100, r_max=8)
        near = analysis.rdf[(analysis.rdf.partner == "PF6") & ((analysis.rdf.r_angstrom - 2).abs() < 0.05)]
        heights.append(near.g.mean())
        errors.append(near.g_stderr.median())
        flags.append("Li-PF6 f" in analysis.summary["flags"]["short_draws"])
    ratio = np.std(heights, ddof=1) / np.mean(errors)
    assert 0.6 < ratio < 1.35
    if memory == 150:  # the run is less than ten independent samples long
        assert all(flags)


def test_a_start_without_anions_is_dropped_though_the_number_of_neighbors_is_the_same():
    dropped = [
        [
            analyze(one_for_one(seed, 50, start_without=without), species_file(), n_bootstrap=20, r_max=8).summary[
                "frames"
            ]["dropped"]
            for seed in range(10)
        ]
        for without in (True, False)
    ]
    assert np.count_nonzero(dropped[0]) >= 6
    assert np.mean(dropped[0]) > 3 * np.mean(dropped[1])


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
    source = analysis.summary["source"]
    assert (source["topology"], source["trajectory"]) == ("conf.gro", "traj.xtc")
    assert analysis.coordination.cn_atoms_mean[0] == pytest.approx(4)


def rare_anion_universe(seed=7, n_frames=60):
    """Eight centers with 4 EC each, and one F that touches one center in every frame: a peak, but too few pairs."""
    rng = np.random.default_rng(seed)
    frames = np.array([ts.positions.copy() for ts in shell_universe(rng, n_frames, 4, n_bulk=100).trajectory])
    frames[:, 90] = 10 + rng.normal(1.9, 0.05, (n_frames, 1)) * on_sphere(rng, (n_frames,))
    molecules = [("LI", ["LI"])] * 8 + [("EC", ["O"])] * 82 + [("PF6", ["F"])] * 50
    return make_universe(molecules, frames, (40, 40, 40, 90, 90, 90))


def test_a_shell_of_too_few_samples_is_not_an_empty_one(tmp_path):
    analysis = analyze(rare_anion_universe(), species_file(), n_bootstrap=50)
    assert analysis.peaks.set_index("partner").status.to_dict() == {"PF6": "too_few_samples", "EC": "resolved"}
    summary = analysis.summary
    assert analysis.speciation.state.tolist() == ["ssip", "cip", "agg"]
    assert analysis.speciation[["fraction", "stderr"]].isna().all(axis=None)
    nothing = {"fraction": None, "stderr": None, "n_independent": None, "resolved": False}
    assert summary["speciation"][0] == {"center": "Li", "state": "ssip"} | nothing
    absent = {"mean": None, "stderr": None, "n_independent": None, "resolved": False}
    assert summary["coordination"]["total"] == {"Li": absent}
    assert analysis.coordination.set_index("partner").cn_atoms_mean["EC"] == pytest.approx(4)
    assert analysis.shells.empty
    assert summary["shells"] == summary["shell_shares"] == []
    assert summary["flags"]["incomplete"] == ["Li-PF6 f"]
    for quantity in (
        "total coordination of Li", "coordination Li-PF6 f", "peak Li-PF6 f", "residence Li-PF6 f",
        "shell compositions", "ssip of Li",
    ):  # fmt: skip
        assert quantity in summary["flags"]["unresolved"]
    (note,) = (note for note in summary["notes"] if "no cutoff" in note)
    assert note == (
        "too few samples for a first shell, so no cutoff for Li-PF6 f: its contacts are not counted; total "
        "coordination, shell compositions and ion pair states would be wrong and are left out"
    )
    write_tables(analysis, tmp_path)
    assert (tmp_path / "shells.csv").read_text() == COLUMNS["shells"] + "\n"
    assert (tmp_path / "speciation.csv").read_text().splitlines()[1:] == ["Li,ssip,,", "Li,cip,,", "Li,agg,,"]


@pytest.mark.parametrize(
    ("field", "cutoff", "what"),
    [("cutoff_angstrom", 2.8, "given"), ("typical_cutoff_angstrom", {"Li": 2.8}, "typical of Li")],
)
def test_a_given_or_typical_cutoff_needs_no_shell(field, cutoff, what):
    given = species_file().model_dump()
    given["partners"]["PF6"][field] = cutoff
    analysis = analyze(rare_anion_universe(), species_file().model_validate(given), n_bootstrap=50)
    assert analysis.peaks.status[0] == "too_few_samples"
    assert analysis.speciation.fraction.tolist() == pytest.approx([7 / 8, 1 / 8, 0])
    assert analysis.summary["coordination"]["total"]["Li"]["mean"] == pytest.approx(4 + 1 / 8)
    assert analysis.summary["flags"]["incomplete"] == []
    assert analysis.peaks.cutoff_source[0] == what.split()[0]
    (note,) = (note for note in analysis.summary["notes"] if note.startswith("Li-PF6 f"))
    assert f"counted within 2.8 Å, {what}" in note


def test_a_typical_cutoff_gives_way_to_the_first_minimum():
    species = species_file().model_dump()
    species["partners"]["EC"]["typical_cutoff_angstrom"] = {"Li": 9.0}
    analysis = analyze(rare_anion_universe(), species_file().model_validate(species), n_bootstrap=50)
    assert analysis.peaks.set_index("partner").cutoff_source["EC"] == "first_minimum"


def test_a_table_without_any_number_is_a_result(tmp_path):
    analysis = analyze(rare_anion_universe(n_frames=5), species_file(), n_bootstrap=50)
    assert set(analysis.peaks.status) == {"too_few_samples"}
    assert analysis.coordination.iloc[:, 3:].isna().all(axis=None)
    summary = analysis.summary
    assert summary["flags"]["incomplete"] == ["Li-PF6 f", "Li-EC carbonyl_o"]
    assert {"coordination Li-PF6 f", "coordination Li-EC carbonyl_o"} <= set(summary["flags"]["unresolved"])
    write_tables(analysis, tmp_path)
    assert (tmp_path / "coordination.csv").read_text().splitlines()[1] == "Li,PF6,f" + "," * 6


def test_a_partner_without_shell_is_a_result_not_an_absence():
    rng = np.random.default_rng(7)
    frames = np.array([ts.positions.copy() for ts in shell_universe(rng, 60, 4, n_bulk=100).trajectory])
    molecules = [("LI", ["LI"])] * 8 + [("EC", ["O"])] * 82 + [("PF6", ["F"])] * 50
    summary = analyze(
        make_universe(molecules, frames, (40, 40, 40, 90, 90, 90)), species_file(), n_bootstrap=50
    ).summary
    assert summary["flags"]["incomplete"] == []
    assert "coordination Li-PF6 f" not in summary["flags"]["unresolved"]
    assert "residence Li-PF6 f" not in summary["flags"]["unresolved"]
    assert summary["coordination"]["total"]["Li"]["mean"] == pytest.approx(4)


def test_peaks_and_residence_times_carry_their_samples(exchanging):
    peaks = {row["partner"]: row for row in exchanging.summary["peaks"]}
    used = exchanging.summary["frames"]["used"]
    # The distances of EC are drawn anew in every frame; an anion in the window of the peak comes and goes with its ion.
    assert peaks["EC"]["n_independent"] == pytest.approx(used, rel=0.1)
    assert peaks["EC"]["resolved"] is True
    assert peaks["PF6"]["n_independent"] < used / 3
    for row in exchanging.summary["residence"]:
        assert row["n_independent"] == row["n_departures"]
        assert row["resolved"] is (row["n_departures"] >= 10)
    assert "residence Li-EC carbonyl_o" in exchanging.summary["flags"]["unresolved"]
    assert "residence Li-PF6 f" not in exchanging.summary["flags"]["unresolved"]


def test_draws_shorter_than_the_memory_are_said_to_be():
    rng = np.random.default_rng(12)
    summary = analyze(exchanging_universe(rng, n_frames=120), species_file(), n_bootstrap=50).summary
    anion = next(row for row in summary["peaks"] if row["partner"] == "PF6")
    assert anion["n_draws"] == 8
    assert anion["draws_shorter_than_memory"] is True
    assert anion["inefficiency_frames"] > summary["frames"]["used"] / 16
    # The distances of EC are drawn anew in every frame: its g(r) is as well known as frames are many.
    assert summary["flags"]["short_draws"] == ["Li-PF6 f"]
    (note,) = (note for note in summary["notes"] if "short against what the liquid remembers" in note)
    assert note.endswith("for Li-PF6 f")


def test_a_constant_volume_does_not_lengthen_the_draws():
    rng = np.random.default_rng(13)
    n_frames = 300
    frames = np.array([ts.positions.copy() for ts in shell_universe(rng, n_frames, 4, n_bulk=50).trajectory])
    away = rng.random((n_frames, 8, 1)) < 0.3
    frames[:, 8:40:4] = np.where(away, [20.0, 20.0, 20.0], frames[:, 8:40:4])
    universe = make_universe([("LI", ["LI"])] * 8 + [("EC", ["O"])] * 82, frames, (40, 40, 40, 90, 90, 90))
    summary = analyze(universe, only_ec(), n_bootstrap=50).summary
    assert summary["peaks"][0]["n_draws"] > 20
    assert summary["flags"]["short_draws"] == []
    assert not any("memory" in note for note in summary["notes"])


def test_a_run_without_plateau_says_so(exchanging):
    assert exchanging.summary["flags"]["no_plateau"] is False
    rng = np.random.default_rng(14)
    few, many = (
        np.array([ts.positions.copy() for ts in shell_universe(rng, n, k, n_bulk=b).trajectory])
        for n, k, b in ((240, 2, 66), (60, 4, 50))
    )
    frames = np.concatenate([few, many])
    frames[:, 8:16] = np.where(rng.random((300, 8, 1)) < 0.3, [20.0, 20.0, 20.0], frames[:, 8:16])
    universe = make_universe([("LI", ["LI"])] * 8 + [("EC", ["O"])] * 82, frames, (40, 40, 40, 90, 90, 90))
    summary = analyze(universe, only_ec(), n_bootstrap=50).summary
    assert summary["flags"]["no_plateau"] is True
    assert "no plateau found; the second half is used" in summary["notes"]
    assert 140 <= summary["frames"]["used"] <= 155


def test_the_dynamics_behind_residence_times_are_named():
    universe = shell_universe(np.random.default_rng(15), 20, 4)
    unknown = "dynamics of the source unknown: residence times are taken as they come"
    assert analyze(universe, only_ec(), n_bootstrap=50).summary["residence_dynamics"] == unknown
    known = analyze(universe, only_ec(), n_bootstrap=50, dynamics="NVE without repartitioning")
    assert known.summary["residence_dynamics"] == "NVE without repartitioning"


def test_a_run_lasts_from_its_first_frame_to_its_last():
    universe = shell_universe(np.random.default_rng(16), 31, 4)
    notes = analyze(universe, only_ec(), n_bootstrap=50).summary["notes"]
    assert any("the run of 30 ps is shorter" in note for note in notes)


def test_nothing_is_counted_at_reference_sites():
    universe = exchanging_universe(np.random.default_rng(17), n_frames=100)
    anion = {"molecules": "resname PF6", "sites": {"f": "name F"}, "reference_sites": {"p": "name P"}, "role": "anion"}
    analysis = analyze(universe, species_file(partners={"PF6": anion}), n_bootstrap=50)
    p = analysis.peaks.set_index("site").loc["p"]
    assert p.status == "resolved"
    assert p.first_minimum_angstrom > p.peak_angstrom > 3
    assert p[["cutoff_angstrom", "cutoff_source"]].isna().all()
    row = next(row for row in analysis.summary["peaks"] if row["site"] == "p")
    # There are no contacts of reference sites: the total coordination stands in.
    assert row["n_independent"] == analysis.summary["coordination"]["total"]["Li"]["n_independent"]


def test_one_center_alone_is_enough():
    analysis = analyze(shell_universe(np.random.default_rng(18), 100, 4, n_centers=1), only_ec(), n_bootstrap=50)
    assert analysis.coordination.cn_atoms_mean.tolist() == pytest.approx([4])
    assert analysis.shells.composition.tolist() == ["EC4"]
    assert analysis.summary["composition"]["n_centers"] == {"Li": 1}


def test_centers_of_two_species_are_analyzed_apart():
    rng = np.random.default_rng(19)
    frames = np.array([ts.positions.copy() for ts in shell_universe(rng, 100, 4, n_bulk=50).trajectory])
    # The first O of each of the last four centers goes away.
    frames[:, 8 + 16 : 8 + 32 : 4] = [20.0, 20.0, 20.0]
    molecules = [("LI", ["LI"])] * 4 + [("NA", ["NA"])] * 4 + [("EC", ["O"])] * 82
    species = only_ec().model_copy(update={"centers": {"Li": "name LI", "Na": "name NA"}})
    analysis = analyze(make_universe(molecules, frames, (40, 40, 40, 90, 90, 90)), species, n_bootstrap=50)
    assert analysis.coordination.set_index("center").cn_atoms_mean.to_dict() == pytest.approx({"Li": 4, "Na": 3})
    assert analysis.shells.composition.tolist() == ["EC4", "EC3"]
    assert set(analysis.summary["coordination"]["total"]) == {"Li", "Na"}


def bridged_universe(n_frames=40):
    """Four pairs of a Li and a Cs, 5 Å apart, and an F between both of the first, at the second Li, at the third Cs."""
    rng = np.random.default_rng(20)
    li = np.array([[12, 12, 12], [12, 42, 12], [42, 12, 42], [42, 42, 42]])
    x_of_f = np.array([1.9, -1.9, 8.1, 15.0])[:, None]
    still = np.concatenate([li, li + np.array([5, 0, 0]), li + x_of_f * [1, 0, 0]])
    moving = np.arange(len(still))[:, None] >= 8
    molecules = [("LI", ["LI"])] * 4 + [("CS", ["CS"])] * 4 + [("PF6", ["F"])] * 4
    frames = still + moving * rng.normal(0, 0.05, (n_frames, len(still), 3))
    return make_universe(molecules, frames, (60, 60, 60, 90, 90, 90))


def li_and_cs(typical):
    anion = {"molecules": "resname PF6", "sites": {"f": "name F"}, "role": "anion", "typical_cutoff_angstrom": typical}
    return species_file(centers={"Li": "name LI", "Cs": "name CS"}, partners={"PF6": anion})


def test_an_anion_between_two_kinds_of_centers_is_counted_by_the_cutoff_of_each():
    def states(typical):
        found = analyze(bridged_universe(), li_and_cs(typical), n_bootstrap=50)
        assert found.peaks.set_index("center").cutoff_angstrom.to_dict() == typical
        assert set(found.peaks.cutoff_source) == {"typical"}
        return found.speciation.groupby("center").fraction.apply(list).to_dict()

    # ssip, cip, agg
    assert states({"Li": 2.8, "Cs": 4.0}) == {"Li": [0.5, 0.25, 0.25], "Cs": [0.5, 0.25, 0.25]}
    assert states({"Li": 2.8, "Cs": 2.5}) == {"Li": [0.5, 0.5, 0], "Cs": [1, 0, 0]}


def test_a_cutoff_typical_of_li_says_nothing_of_cs():
    analysis = analyze(bridged_universe(), li_and_cs({"Li": 2.8}), n_bootstrap=50)
    assert analysis.summary["flags"]["incomplete"] == ["Cs-PF6 f"]
    assert analysis.coordination.set_index("center").cn_atoms_mean.dropna().to_dict() == {"Li": 0.5}
    assert analysis.speciation.fraction.isna().all()


def polymer_universe(n_frames=100):
    """Eight Li with 3 EC and a PF6 each; 50 repeat units far from Li, an EC at 6 Å from the N of each."""
    rng = np.random.default_rng(21)
    frames = np.array([ts.positions.copy() for ts in shell_universe(rng, n_frames, 4, n_bulk=100).trajectory])
    frames[:, 40:90] = frames[:, 90:] + rng.normal(6.0, 0.15, (n_frames, 50, 1)) * on_sphere(rng, (n_frames, 50))
    molecules = [("LI", ["LI"])] * 8 + [*[("EC", ["O"])] * 3, ("PF6", ["F"])] * 8 + [("EC", ["O"])] * 50
    return make_universe([*molecules, *[("POTA", ["N"])] * 50], frames, (40, 40, 40, 90, 90, 90))


def polymer_species(**changes):
    polymer = {"molecules": "resname POTA", "sites": {"n_plus": "name N"}, "role": "polymer"}
    partners = species_file().model_dump()["partners"] | {"POTA": polymer}
    return species_file(partners=partners, **changes)


@pytest.fixture(scope="module")
def with_polymer():
    return analyze(polymer_universe(), polymer_species(), n_bootstrap=50)


def test_a_polymer_that_never_touches_li_has_no_shell(with_polymer):
    peak = with_polymer.peaks.set_index("partner").loc["POTA"]
    assert peak.status == "no_shell"
    assert peak[["peak_angstrom", "first_minimum_angstrom", "cutoff_angstrom", "cutoff_source"]].isna().all()
    assert with_polymer.coordination.set_index("partner").loc["POTA"].iloc[2:].isna().all()
    assert not with_polymer.shells.composition.str.contains("POTA").any()
    assert {row["partner"]: row["shell_share"] for row in with_polymer.summary["shell_shares"]}["POTA"] == 0
    assert with_polymer.speciation.fraction.tolist() == [0, 1, 0]
    assert with_polymer.summary["flags"]["incomplete"] == []


def test_a_reference_center_has_peaks_and_changes_nothing_else(with_polymer):
    analysis = analyze(
        polymer_universe(), polymer_species(reference_centers={"N+": "resname POTA and name N"}), n_bootstrap=50
    )
    for name in ("coordination", "shells", "speciation", "residence"):
        pd.testing.assert_frame_equal(getattr(analysis, name), getattr(with_polymer, name))
    for name in ("rdf", "peaks"):
        of_li = getattr(analysis, name).query("center == 'Li'")
        pd.testing.assert_frame_equal(of_li, getattr(with_polymer, name))
    same = analysis.summary.keys() - {"peaks", "barriers", "convergence", "flags", "notes"}
    assert {key: analysis.summary[key] for key in same} == {key: with_polymer.summary[key] for key in same}

    peaks = analysis.peaks.query("center == 'N+'").set_index("partner")
    assert peaks.index.tolist() == ["PF6", "EC"]  # its own species is left out
    ec = peaks.loc["EC"]
    assert ec.status == "resolved"
    assert ec.peak_angstrom == pytest.approx(6.0, abs=0.03)
    assert ec.first_minimum_angstrom > ec.peak_angstrom
    assert peaks[["cutoff_angstrom", "cutoff_source"]].isna().all(axis=None)
    row = next(row for row in analysis.summary["peaks"] if (row["center"], row["partner"]) == ("N+", "EC"))
    assert row["n_independent"] == analysis.summary["coordination"]["total"]["Li"]["n_independent"]


def test_so_far_a_peak_is_no_shell_of_a_center():
    species = polymer_species(centers={"Li": "name LI", "N+": "name N"})
    peaks = analyze(polymer_universe(), species, n_bootstrap=50).peaks
    assert peaks.set_index(["center", "partner"]).status["N+", "EC"] == "no_shell"


def test_few_samples_of_a_reference_center_leave_nothing_incomplete():
    species = polymer_species(reference_centers={"N+": "resname POTA and name N"})
    analysis = analyze(polymer_universe(n_frames=5), species, n_bootstrap=50)
    assert set(analysis.peaks.query("center == 'N+'").status) == {"too_few_samples"}
    flags = analysis.summary["flags"]
    assert flags["incomplete"] == ["Li-PF6 f", "Li-EC carbonyl_o", "Li-POTA n_plus"]
    assert "peak N+-EC carbonyl_o" in flags["unresolved"]
    assert "N+-EC carbonyl_o: too few samples for a first shell" in analysis.summary["notes"]


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("n_frames", [1, 2])
def test_a_frame_or_two_are_counted_and_nothing_is_said_of_errors(n_frames, tmp_path):
    universe = exchanging_universe(np.random.default_rng(2), n_frames=n_frames)
    radii = {("Li", "EC", "carbonyl_o"): 3.0, ("Li", "PF6", "f"): 3.0}
    analysis = analyze(universe, species_file(), shell=radii, n_bootstrap=20)
    assert analysis.coordination.set_index("partner").cn_atoms_mean["EC"] == 4
    assert analysis.speciation.fraction.sum() == pytest.approx(1)
    assert set(analysis.convergence.status) <= {"cannot_tell"}
    write_tables(analysis, tmp_path)
    write_report([tmp_path], tmp_path / "page.html")
