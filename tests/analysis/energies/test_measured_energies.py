"""Interaction energies through the whole analysis: boxes whose numbers are known, and Systems of others."""

import sys
from dataclasses import replace

import numpy as np
import openmm
import pandas as pd
import pytest
from MDAnalysis import Universe
from MDAnalysis.coordinates.memory import MemoryReader
from openmm import unit
from small_boxes import liquid
from synthetic import make_universe, species_file
from table_contract import COLUMNS

from solvshell.analysis import SolvationGeometry, analyze, analyze_trajectory, first_shells, write_tables
from solvshell.analysis.energies.closure import check_closure
from solvshell.analysis.energies.measure import _shells_of_centers
from solvshell.errors import InvalidInput
from solvshell.species import select_species

#: kJ/mol Å of two unit charges, and the constant of a simple cubic lattice (Madelung; Wigner).
KE, XI = 1389.35458, -2.837297
BOX, CUTOFF = 80.0, 10.0
NAMES = ["LI", "P", "F", "C", "O", "C", "O"]
CHARGES = np.array([0.8, 0.4, -1.2, 0.5, -0.5, 0.5, -0.5])
SIGMA = np.array([1.5, 3.5, 3.0, 3.4, 3.0, 3.4, 3.0])
EPSILON = np.array([0.5, 0.8, 0.25, 0.4, 0.7, 0.4, 0.7])
MOLECULES = [("LI", ["LI"]), ("PF6", ["P", "F"]), ("EC", ["C", "O"]), ("EC", ["C", "O"])]
#: Li+ with an anion to its right, an EC above it, and one that is far away.
POSITIONS = 20.0 + np.array(
    [[0, 0, 0], [3.6, 0, 0], [2.0, 0, 0], [0, 3.3, 0], [0, 2.1, 0], [0, 0, -6.2], [0, 0, -5.0]], dtype=float
)


def pair_system(charges=CHARGES, tail=True, bonds=((1, 2), (3, 4), (5, 6)), box=BOX):
    """The molecules of `MOLECULES`, with pairs inside a molecule excluded."""
    system, force = openmm.System(), openmm.NonbondedForce()
    for charge, sigma, epsilon in zip(charges, SIGMA, EPSILON, strict=True):
        system.addParticle(10.0)
        force.addParticle(charge, sigma * unit.angstrom, epsilon * unit.kilojoule_per_mole)
    for i, j in bonds:
        force.addException(i, j, 0.0, 1.0, 0.0)
    system.setDefaultPeriodicBoxVectors(*np.diag([box / 10] * 3))
    force.setNonbondedMethod(openmm.NonbondedForce.PME)
    force.setCutoffDistance(CUTOFF * unit.angstrom)
    force.setUseDispersionCorrection(tail)
    system.addForce(force)
    return system


def moved():
    """The anion and the nearer EC are 0.2 Å farther away."""
    later = POSITIONS.copy()
    later[1:3, 0] += 0.2
    later[3:5, 1] += 0.2
    return later


def two_frames():
    """As they stand, and moved; the walls cut the anion in the second frame."""
    frames = [POSITIONS, np.mod(moved() + np.array([BOX - 22.5, 0, 0]), BOX)]
    return make_universe(MOLECULES, frames, (BOX, BOX, BOX, 90, 90, 90))


def given_cutoffs():
    content = species_file().model_dump(mode="json")
    for partner in content["partners"].values():
        partner["cutoff_angstrom"] = 3.0
    return species_file().model_validate(content)


def by_hand(atoms: list[int], positions: np.ndarray = POSITIONS) -> np.ndarray:
    """Return LJ, bare and Ewald energy of the Li+, the first atom, with others; LB mixing; terms in r^2 / L^2 kept."""
    r = np.linalg.norm(positions[atoms] - positions[0], axis=1)
    qq, x = CHARGES[0] * CHARGES[atoms], ((SIGMA[0] + SIGMA[atoms]) / 2 / r) ** 6
    lj = 4 * np.sqrt(EPSILON[0] * EPSILON[atoms]) * (x**2 - x)
    shift = XI / BOX + 2 * np.pi * r**2 / (3 * BOX**3)
    return np.array([(lj * (r < CUTOFF)).sum(), KE * (qq / r).sum(), KE * (qq * (1 / r + shift)).sum()])


@pytest.fixture(scope="module")
def known():
    return analyze(two_frames(), given_cutoffs(), system=pair_system(), n_bootstrap=20)


def values(table: pd.DataFrame, *names: str) -> np.ndarray:
    row = table.set_index(list(table.columns[: len(names)])).loc[names]
    return row[["lj_kj_mol", "coulomb_kj_mol", "total_kj_mol"]].to_numpy(float)


def test_a_box_of_four_molecules_by_hand(known):
    pf6, near, far = ((by_hand(atoms) + by_hand(atoms, moved())) / 2 for atoms in ([1, 2], [3, 4], [5, 6]))
    for partner, shell, box, n in (("PF6", pf6, pf6, 1), ("EC", near, near + far, 2)):
        for kind, name in ((1, "bare"), (2, "ewald")):
            found = {
                (quantity, region): values(known.energies, "Li", partner, quantity, region, name)
                for quantity in ("per_molecule", "per_center")
                for region in ("first_shell", "whole_box")
            }
            in_shell, in_box = ([e[0], e[kind], e[0] + e[kind]] for e in (shell, box))
            tolerance = {"abs": 2e-3}  # of the terms in r^4 that are left out
            assert found["per_center", "first_shell"] == pytest.approx(in_shell, **tolerance)
            assert found["per_molecule", "first_shell"] == pytest.approx(in_shell, **tolerance)
            assert found["per_center", "whole_box"] == pytest.approx(in_box, **tolerance)
            assert found["per_molecule", "whole_box"] == pytest.approx(np.array(in_box) / n, **tolerance)
    in_shells = known.energies.query("region == 'first_shell'").partner
    assert set(in_shells) == {"PF6", "EC"}  # no Li+ is a contact of another
    nobody = values(known.energies, "Li", "Li", "per_center", "whole_box", "ewald")
    assert nobody.tolist() == [0, 0, 0]
    sums = [values(known.energy_sums, "Li", *region) for region in (("first_shell", "bare"), ("whole_box", "ewald"))]
    assert sums[0][2] == pytest.approx((pf6 + near)[:2].sum(), abs=2e-3)
    own_images = KE * CHARGES[0] ** 2 * XI / BOX
    assert sums[1][2] == pytest.approx((pf6 + near + far)[[0, 2]].sum() + own_images, abs=2e-3)


def test_the_tail_is_that_of_a_homogeneous_liquid_and_in_no_other_row(known):
    x = (SIGMA[0] + SIGMA) / 2
    beyond = 4 * np.sqrt(EPSILON[0] * EPSILON) * (x**12 / (9 * CUTOFF**9) - x**6 / (3 * CUTOFF**3))
    each = 4 * np.pi * beyond / BOX**3 * 7 / 8  # N / (N + 1), as OpenMM has it
    for partner, atoms in (("PF6", [1, 2]), ("EC", [3, 4, 5, 6])):
        found = values(known.energies, "Li", partner, "per_center", "lj_tail", "none")
        assert found == pytest.approx([each[atoms].sum(), 0, each[atoms].sum()], rel=1e-5)
    without = analyze(two_frames(), given_cutoffs(), system=pair_system(tail=False), n_bootstrap=20)
    assert (without.energies.query("region == 'lj_tail'").total_kj_mol == 0).all()
    others = "region != 'lj_tail'"
    pd.testing.assert_frame_equal(without.energies.query(others), known.energies.query(others))
    assert without.summary["energies"]["tail_correction"] is False


def test_the_summary_says_what_the_numbers_are(known):
    found = known.summary["energies"]
    assert found["available"] is True
    assert found["frames"] == {"used": 2, "first": 0, "step": 1}
    assert (found["cutoff_angstrom"], found["switch_angstrom"], found["charge_scale"]) == (10, None, None)
    assert found["charges"] == pytest.approx({"Li": 0.8, "PF6": -0.8, "EC": 0.0}, abs=1e-9)
    # q q' (-2.837) / L: what the Ewald energy of a charged pair is shifted by in this box
    constants = {"Li-Li": KE * 0.64 * XI / BOX, "Li-PF6": -KE * 0.64 * XI / BOX}
    assert found["charged_pair_constant_kj_mol"] == pytest.approx(constants, rel=1e-5)
    assert found["self_energy_kj_mol"] == pytest.approx({"Li": KE * 0.64 * XI / BOX / 2}, rel=1e-5)
    total = found["combining_energy_kj_mol"]["first_shell_bare"]["Li"]["mean"]
    assert total == pytest.approx(values(known.energy_sums, "Li", "first_shell", "bare")[2], rel=1e-5)
    assert len(found["rows"]) == len(known.energies)
    assert known.energies.filter(like="full_").isna().all(axis=None)  # nobody said how charges are scaled


def test_distributions_and_shells_of_the_box_by_hand(known):
    of_pf6 = known.energy_distribution.query("partner == 'PF6' and n > 0")
    energies = [by_hand([1, 2], positions)[:2].sum() for positions in (POSITIONS, moved())]
    assert of_pf6.energy_kj_mol.tolist() == sorted(5 * np.floor(np.array(energies) / 5) + 2.5)
    assert of_pf6.density.tolist() == [0.1, 0.1]
    (shell,) = known.energy_shells.composition.unique()
    assert shell == "PF61 EC1"
    parts = known.energy_shells.set_index("partner").total_kj_mol
    assert parts["all"] == pytest.approx(parts["PF6"] + parts["EC"])
    assert parts["PF6"] == pytest.approx(values(known.energies, "Li", "PF6", "per_center", "first_shell", "bare")[2])
    distance = known.energy_distance.query("partner == 'EC' and n > 0")
    assert distance.n.sum() == 4
    far = distance.set_index("r_angstrom").iloc[-1]
    assert (far.name, far.n) == (pytest.approx(5.05), 2)
    assert far[["lj_kj_mol", "bare_kj_mol", "ewald_kj_mol"]].tolist() == pytest.approx(by_hand([5, 6]), abs=2e-3)


def test_shells_of_two_compositions_have_energies_of_their_own():
    without = POSITIONS.copy()
    without[3:5, 1] += 3.0  # the nearer EC leaves
    universe = make_universe(MOLECULES, [POSITIONS, without, without], (BOX, BOX, BOX, 90, 90, 90))
    table = analyze(universe, given_cutoffs(), system=pair_system(), n_bootstrap=20).energy_shells
    rows = table.set_index(["composition", "partner"])
    assert rows.n.to_dict() == {("PF61", "all"): 2, ("PF61", "PF6"): 2} | {
        ("PF61 EC1", partner): 1 for partner in ("all", "PF6", "EC")
    }
    pf6, ec = (by_hand(atoms)[:2].sum() for atoms in ([1, 2], [3, 4]))
    expected = {("PF61", "all"): pf6, ("PF61 EC1", "all"): pf6 + ec, ("PF61 EC1", "EC"): ec}
    for names, energy in expected.items():
        row = rows.loc[names]
        assert row.total_kj_mol == pytest.approx(energy, abs=1e-3)
        assert row.lj_kj_mol + row.coulomb_kj_mol == pytest.approx(row.total_kj_mol)


@pytest.mark.parametrize(("f", "has"), [(0.0, False), (np.nan, False), (3.0, True), (np.inf, True)])
def test_a_partner_has_a_shell_where_its_end_is_known(f, has):
    universe = two_frames()
    geometry = SolvationGeometry(
        {"Li": universe.select_atoms("name LI")},
        {"PF6": {"f": universe.select_atoms("name F")}, "EC": {"o": universe.select_atoms("name O")}},
    ).run()
    shells = first_shells(geometry.results, geometry.sites, np.array([[f if np.isfinite(f) else 3.0, 2.5]]))
    shells = replace(shells, cutoffs=np.array([[f, 2.5]]))
    found = _shells_of_centers(shells, ["Li", "PF6", "EC"])
    assert found.has_shell.tolist() == [[False, has, True]]
    assert found.is_incomplete.tolist() == [np.isnan(f)]


def universe_of(box, positions):
    """The molecules of a box in frames, in Å."""
    universe = Universe(box.topology, to_guess=())
    lengths = 10 * np.diag(box.box_vectors)
    cells = np.tile(np.append(lengths, [90, 90, 90]), (len(positions), 1)).astype(np.float32)
    return universe.load_new(np.asarray(positions, np.float32), format=MemoryReader, dimensions=cells, dt=1.0)


def test_whole_box_rows_add_up_to_what_openmm_loses_without_the_species():
    box = liquid()
    positions = box.positions * 10
    universe = universe_of(box, [positions, positions + np.array([1.0, 2.0, 3.0])])
    species = select_species(box.recipe.entries)
    partners = {name: partner.model_copy(update={"cutoff_angstrom": 3.0}) for name, partner in species.partners.items()}
    found = analyze(universe, species.model_copy(update={"partners": partners}), system=box.system, n_bootstrap=20)
    rows = found.energies.query("region == 'whole_box' and quantity == 'per_center' and coulomb == 'ewald'")
    assert rows.partner.tolist() == ["Li", *partners]
    own = np.where(rows.partner == "Li", 0.5, 1.0)  # pairs of two Li+ are met from both sides
    atoms = {"Li": universe.select_atoms("resname LI").indices}
    closure = check_closure(box.system, positions, 10 * box.box_vectors, atoms, tolerance=1e-4).set_index("term")
    for term, column in (("lennard_jones", "lj_kj_mol"), ("coulomb", "coulomb_kj_mol")):
        assert 2 * (own * rows[column]).sum() == pytest.approx(closure.loc[term, "between"], rel=1e-5)
        assert abs(closure.loc[term, "deviation"]) < 1e-3  # of OpenMM at this tolerance; test_closure asks for more
    tail = found.energies.query("region == 'lj_tail'").lj_kj_mol.to_numpy()
    assert 2 * (own * tail).sum() == pytest.approx(closure.loc["lennard_jones", "tail"], rel=1e-5)


def test_several_workers_write_the_same_files(tmp_path):
    rng = np.random.default_rng(0)
    frames = [POSITIONS + rng.normal(0, 0.05, POSITIONS.shape) for _ in range(100)]
    universe = make_universe(MOLECULES, frames, (BOX, BOX, BOX, 90, 90, 90))
    for folder, workers in (("one", {}), ("three", {"backend": "multiprocessing", "n_workers": 3})):
        found = analyze(universe, given_cutoffs(), system=pair_system(), n_bootstrap=20, **workers)
        write_tables(found, tmp_path / folder)
    written = {file.name for file in (tmp_path / "one").iterdir()} - {"provenance.json"}  # which tells the time
    assert len(written) == len(COLUMNS) + 1
    for name in written:
        assert (tmp_path / "one" / name).read_text() == (tmp_path / "three" / name).read_text()


def test_a_stride_changes_nothing_but_the_frames():
    rng = np.random.default_rng(0)
    frames = [POSITIONS + rng.normal(0, 0.05, POSITIONS.shape) for _ in range(12)]
    universe = make_universe(MOLECULES, frames, (BOX, BOX, BOX, 90, 90, 90))
    few = analyze(universe, given_cutoffs(), system=pair_system(), n_bootstrap=20, energy_frames=5)
    assert few.summary["energies"]["frames"] == {"used": 4, "first": 0, "step": 3}
    chosen = analyze(universe, given_cutoffs(), system=pair_system(), n_bootstrap=20, step=3)
    pd.testing.assert_frame_equal(few.energies, chosen.energies)
    pd.testing.assert_frame_equal(few.energy_shells, chosen.energy_shells)
    all_frames = analyze(universe, given_cutoffs(), n_bootstrap=20)
    pd.testing.assert_frame_equal(few.coordination, all_frames.coordination)


def test_molecules_that_nobody_named_are_others():
    content = given_cutoffs().model_dump(mode="json")
    content["partners"].pop("EC")
    found = analyze(two_frames(), given_cutoffs().model_validate(content), system=pair_system(), n_bootstrap=20)
    assert found.energies.partner.unique().tolist() == ["Li", "PF6", "others"]
    whole = analyze(two_frames(), given_cutoffs(), system=pair_system(), n_bootstrap=20)
    names = ("per_center", "whole_box", "ewald")
    assert values(found.energies, "Li", "others", *names) == pytest.approx(values(whole.energies, "Li", "EC", *names))


def custom_force():
    system = pair_system()
    force = openmm.CustomNonbondedForce("0")
    for _ in NAMES:
        force.addParticle()
    system.addForce(force)
    return system


@pytest.mark.parametrize(
    ("system", "reason"),
    [(None, "no model is known"), (custom_force(), "CustomNonbondedForce"), (pair_system(bonds=()), "molecules_are")],
)
def test_without_a_pair_model_all_other_tables_are_there(system, reason, tmp_path):
    found = analyze_trajectory(two_frames(), species=given_cutoffs(), directory=tmp_path, system=system, n_bootstrap=20)
    assert found.summary["energies"]["available"] is False
    assert reason in found.summary["energies"]["reason"]
    assert (tmp_path / "energies.csv").read_text() == COLUMNS["energies"] + "\n"
    assert len(pd.read_csv(tmp_path / "coordination.csv")) == 2


def test_a_system_of_another_number_of_atoms_is_refused_before_anything_is_read(tmp_path):
    other = pair_system()
    other.addParticle(1.0)
    with pytest.raises(InvalidInput, match=r"^system: has 8 particles, the trajectory 7 atoms"):
        analyze_trajectory(two_frames(), species=given_cutoffs(), directory=tmp_path, system=other)
    assert not list(tmp_path.iterdir())


def test_a_failure_in_the_energies_loses_no_other_table(tmp_path, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["solvshell.analysis.analyze"], "measure_energies", stopped)
    with pytest.raises(KeyboardInterrupt):
        analyze_trajectory(two_frames(), species=given_cutoffs(), directory=tmp_path, system=pair_system())
    assert len(pd.read_csv(tmp_path / "coordination.csv")) == 2
    assert "stopped before it came to them" in (tmp_path / "summary.json").read_text()
