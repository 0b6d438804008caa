"""Pages about energies: what they say of tables made by hand, and of what is missing."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from energy_tables import energy_summary, energy_tables
from synthetic import make_universe, species_file

from solvshell.analysis import analyze, write_tables
from solvshell.analysis.findings import TABLES
from solvshell.errors import InvalidInput
from solvshell.files import write_json
from solvshell.protocol import load_protocol
from solvshell.report import write_report
from solvshell.report_clusters import read_clusters
from solvshell.report_energies import energy_tables as laid_out
from solvshell.report_energies import unit_tables
from solvshell.run import Run, open_run
from solvshell.shown import LATER_TABLES, read_analyzed


def text_of(page: Path) -> str:
    """The words of a page, without marks, pictures and settings."""
    html = re.sub(r"<style>.*?</style>|<pre>.*?</pre>", "", page.read_text(), flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html).replace("&#39;", "'").replace("&gt;", ">"))


@pytest.fixture(scope="module")
def analyzed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of a few random points around Li."""
    folder = tmp_path_factory.mktemp("analyzed")
    molecules = [*[("LI", ["LI"])] * 4, *[("PF6", ["F"])] * 4, *[("EC", ["O"])] * 30]
    positions = np.random.default_rng(0).random((20, len(molecules), 3)) * 14
    universe = make_universe(molecules, positions, (14, 14, 14, 90, 90, 90))
    partners = {
        "PF6": {"molecules": "resname PF6", "sites": {"f": "name F"}, "role": "anion", "cutoff_angstrom": 3.5},
        "EC": {"molecules": "resname EC", "sites": {"carbonyl_o": "name O"}, "cutoff_angstrom": 3.5},
    }
    write_tables(analyze(universe, species_file(partners=partners), n_bootstrap=20, temperature_k=298.0), folder)
    return folder


@pytest.fixture
def folder(analyzed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(analyzed, tmp_path / "tables"))


def with_energies(folder: Path) -> Path:
    for name, table in energy_tables().items():
        table.to_csv(folder / f"{name}.csv", index=False)
    summary = json.loads((folder / "summary.json").read_text())
    write_json(folder / "summary.json", summary | {"energies": energy_summary()})
    return folder


def with_barriers(folder: Path) -> Path:
    """Give Li and the oxygen of EC a well, and bounds of what was not sampled."""
    pair = {"center": "Li", "partner": "EC", "site": "carbonyl_o"}
    barriers = pd.read_csv(folder / "barriers.csv").astype({"status": object})
    mine = (barriers[list(pair)] == pd.Series(pair)).all(axis=1)
    numbers: dict[str, dict[str, Any]] = {
        "well": {"r_angstrom": 1.95, "w_kt": -4.0, "w_kt_stderr": 0.12, "status": "resolved"},
        "barrier": {"at_least_kt": 0.81, "status": "not_sampled"},
        "escape": {"at_least_kt": 4.92, "at_least_kj_mol": 12.2, "status": "not_sampled"},
    }
    for quantity, entries in numbers.items():
        barriers.loc[mine & (barriers.quantity == quantity), list(entries)] = list(entries.values())
    barriers.to_csv(folder / "barriers.csv", index=False)
    return folder


def page_of(folder: Path) -> str:
    write_report([folder], folder / "page.html")
    return text_of(folder / "page.html")


@pytest.fixture(scope="module")
def said(analyzed: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a page says of tables made by hand."""
    folder = Path(shutil.copytree(analyzed, tmp_path_factory.mktemp("page") / "tables"))
    return page_of(with_barriers(with_energies(folder)))


def test_both_definitions_and_all_numbers_of_the_tables(said: str) -> None:
    assert "First shell (bare) : the Lennard-Jones energy and the sum of q q′/r" in said
    assert "Whole box (Ewald) : the same with all molecules of the box and all their periodic images" in said
    assert "are those of the model, 0.8 of the full ones" in said
    assert "two ions 0.64 of those of full charges" in said
    assert "EC 15.00 ± 0.10 −315.0 ± 2.0 −300.0 ± 2.0 15.00 ± 0.10 −322.0 ± 4.0 −307.0 ± 4.0" in said
    assert "the sum 20.00 ± 0.10 −445.0 ± 2.5 −425.0 ± 2.5 20.00 ± 0.10 −599.0 ± 5.0 −579.0 ± 5.0" in said
    assert "its own images −100.0 −100.0 the sum" in said
    assert "Li – – – 0.00 ± 0.10 −40.0 ± 3.0 −40.0 ± 3.0" in said
    assert "PF6 10.00 ± 0.10 −260.0 ± 1.0 −250.0 ± 1.0 −150.0 ± 1.0 +100" in said
    assert "Li–Li −100, Li–PF6 +100 kJ/mol" in said
    assert "Ewald energies of charged partners are never compared between boxes" in said


def test_full_charges_are_no_ensemble_average(said: str) -> None:
    assert "The same configurations at full charges: not an ensemble average" in said
    full = 10 - 260 / 0.64
    assert f"{full:.1f}".replace("-", "−") in said
    assert f"{5 - 105 / 0.8:.1f}".replace("-", "−") in said
    assert "divided by 0.8 (ion and neutral molecule) or 0.64 (two ions)" in said


def test_units_are_beside_simple_cations(said: str) -> None:
    assert "Li per unit charge POTA per unit charge POTA per contact molecule EC −100.0 ± 1.0 −115.0 ± 1.0" in said
    first, box = unit_tables(energy_tables()["energy_units"])
    assert (first["region"], box["region"]) == ("first_shell", "whole_box")
    assert unit_tables(energy_tables()["energy_units"].query("center == 'Li'")) == []


def test_cells_are_the_rows_of_the_tables() -> None:
    tables = energy_tables()
    (table,) = laid_out(tables["energies"], tables["energy_sums"])
    lithium, anion, _ = table["rows"]
    assert lithium["shell"] is None
    assert lithium["box"]["total_kj_mol"] == -40
    assert anion["shell"]["total_kj_mol"] == -125
    assert anion["molecule_ewald"]["total_kj_mol"] == -150
    assert table["sum"]["shell"]["total_kj_mol"] == -425
    assert table["sum"]["tail"]["total_kj_mol"] == -0.4


def test_a_page_without_energies_says_why(folder: Path) -> None:
    assert str(read_analyzed(folder).without_energies).startswith("no model is known: give the openmm.System")
    assert read_analyzed(with_energies(folder)).without_energies is None


@pytest.mark.parametrize("gone", [LATER_TABLES, {"potential_of_mean_force"}], ids=["all", "one"])
def test_an_analysis_of_an_earlier_version_is_shown_without_later_tables(folder: Path, gone: set[str]) -> None:
    for name in gone:
        (folder / f"{name}.csv").unlink()
    said = page_of(folder)
    assert "Interaction energies: not available (analyzed by an older version: analyze it again" in said
    assert "exchange free energies: not available (analyzed by an older version" in said
    assert set(read_analyzed(folder).tables) == set(TABLES) - LATER_TABLES
    (folder / "rdf.csv").unlink()
    with pytest.raises(InvalidInput, match=r"not analyzed, rdf\.csv missing"):
        read_analyzed(folder)


def test_barriers_and_bounds_are_in_the_table(said: str) -> None:
    assert re.search(r"Li–O\(C=O\) of EC −4\.00 ± 0\.12 1\.95 > 0\.8 \S+( ± \S+)? > 4\.9 > 12\.2", said)


def test_a_page_of_tables_says_nothing_of_clusters(said: str) -> None:
    assert "Clusters cut" not in said


# --- runs ---


@pytest.fixture
def run(box_path: Path, tmp_path: Path, analyzed: Path) -> Run:
    """A run folder with the tables of another trajectory."""
    run = open_run(tmp_path / "run", box_path, load_protocol("quick"), 1)
    shutil.copytree(analyzed, run.analysis_path)
    stage = run.protocol.production.name
    log = pd.DataFrame({"stage": stage, "time_ps": [0.0, 0.2], "temperature_k": 298.0, "density_g_cm3": 1.2})
    log.to_csv(run.log_path, index=False)
    return run


def test_clusters_of_a_run(run: Run) -> None:
    columns = ["quantity", "kind", "composition", "leaves", "method", "phase", "geometry"]
    columns += ["mean_kj_mol", "stderr_kj_mol", "n", "n_failed"]
    means = [("binding", "shell", "EC4", None, "gfn2", "gas", "fixed", -500.0, 4.0, 3, 1)]
    steps = {"composition": ["EC4"], "order": ["chain"], "n_before": [4], "leaves": ["EC"], "status": ["ok"]}
    steps |= {"method": ["gfn2"], "phase": ["gas"], "geometry": ["fixed"], "desolvation_kj_mol": [61.25]}
    (run.path / "binding").mkdir()
    pd.DataFrame(means, columns=columns).to_csv(run.path / "binding" / "means.csv", index=False)
    pd.DataFrame(steps).to_csv(run.path / "binding" / "desolvation.csv", index=False)
    write_json(
        run.path / "binding" / "summary.json", {"methods": {"gfn2": "tight binding"}, "dielectric_constant": 30.0}
    )
    clusters = {"class": ["free", "lithium"], "species": "EC", "status": "ok"}
    infrared = pd.DataFrame(clusters | {"wavenumber_harmonic_gfn2": [1770.0, 1740.0]})
    shifts = {"class": ["lithium"], "species": ["EC"], "shift_per_cm": [-30.0], "stderr_per_cm": [4.0]}
    (run.path / "infrared").mkdir()
    infrared.to_csv(run.path / "infrared" / "infrared.csv", index=False)
    pd.DataFrame(shifts | {"n": 1, "n_free": 1, "n_left_out": 2}).to_csv(
        run.path / "infrared" / "shifts.csv", index=False
    )
    write_report([run.path], run.path / "page.html")  # without the summary, which is written last
    said = text_of(run.path / "page.html")
    assert f"Shifts of the C=O stretch: not computed (make them with solvshell infrared {run.path} )" in said
    write_json(run.path / "infrared" / "summary.json", {"continuum": {"dielectric_constant": 32.1}})
    write_report([run.path], run.path / "page.html")
    said = text_of(run.path / "page.html")
    assert "binding 4 EC gfn2 gas fixed −500.0 ± 4.0 3, 1 failed" in said
    assert "4 EC 4 EC gfn2 gas fixed 61.25" in said
    assert "in a continuum of dielectric constant 30" in said
    assert "EC at Li⁺ −30.0 ± 4.0 1 1 2" in said
    assert "not computed" not in said
    assert (run.analysis_path / "figures" / "cluster_energies.svg").is_file()
    assert (run.analysis_path / "figures" / "infrared.svg").is_file()


def test_clusters_of_a_shorter_trajectory_are_named(run: Run) -> None:
    run.trajectory_path.write_bytes(b"123")
    (run.path / "binding").mkdir()
    for n_bytes, outdated in (("3", False), ("2", True)):
        write_json(run.path / "binding" / "summary.json", {"source": {"trajectory_bytes": n_bytes}})
        for name in ("means", "desolvation"):
            pd.DataFrame().to_csv(run.path / "binding" / f"{name}.csv")
        found = read_clusters(run)
        assert found["binding"] is not None
        assert found["binding"]["is_outdated"] is outdated
