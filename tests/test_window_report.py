"""Pages of runs that end in windows: free energies that are known, of samples made by hand."""

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from solvshell.errors import InvalidInput
from solvshell.files import write_json
from solvshell.free_energy.of_run import analyze_windows
from solvshell.protocol import load_protocol
from solvshell.report import write_report
from solvshell.run import Run, open_run
from solvshell.shown import read_analyzed
from solvshell.stages import Decouple
from solvshell.units import kT_kj_mol


def text_of(page: Path) -> str:
    html = re.sub(r"<style>.*?</style>|<pre>.*?</pre>", "", page.read_text(), flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html).replace("&#39;", "'"))


def decoupled(run: Run, depth_kt: float, seed: int) -> Run:
    """Give a run samples of springs whose stiffness falls by exp(2 depth): it costs `depth_kt` to couple the set."""
    stage = run.protocol.stages[-1]
    assert isinstance(stage, Decouple)
    n = len(stage.states)
    k, kT, rng = np.exp(2 * depth_kt * np.linspace(1, 0, n)), kT_kj_mol(stage.temperature), np.random.default_rng(seed)
    rows = []
    for window, state in enumerate(stage.visits):
        x = rng.normal(size=200) / np.sqrt(k[state])
        energies = 0.5 * kT * (k - k[-1]) * x[:, None] ** 2
        rows += [(window, 40.0, *row) for row in energies]
    names = ["window", "volume_nm3", *(f"energy_{i}_kj_mol" for i in range(n))]
    pd.DataFrame(rows, columns=names).to_csv(run.path / "decouple.csv", index=False)
    analyze_windows(run, run.analysis_path)
    return run


@pytest.fixture
def runs(box_path: Path, tmp_path: Path) -> list[Run]:
    """Two runs of other boxes in which the set costs 3 kT and 1 kT."""
    found = []
    for index, depth in enumerate((3.0, 1.0)):
        box = Path(shutil.copytree(box_path, tmp_path / f"box-{index}"))
        run = open_run(tmp_path / f"run-{index}", box, load_protocol("decouple-quick"), index)
        found.append(decoupled(run, depth, index))
    return found


def test_decoupling_and_transfer_have_their_known_numbers(runs: list[Run], tmp_path: Path) -> None:
    write_report([run.path for run in runs], tmp_path / "page.html")
    said = text_of(tmp_path / "page.html")
    numbers = [float(one) for one in re.findall(r"(\S+) ± \S+ kJ/mol, excess chemical potential", said)]
    kT = kT_kj_mol(298.15)
    assert numbers == pytest.approx([3 * kT, kT], abs=0.3)
    assert said.count("Excess chemical potential of Li + PF6 together") == 2
    (transfer,) = re.findall(r"(−\S+) ± \S+ −\S+ ± \S+ resolved", said)
    assert float(transfer.replace("−", "-")) == pytest.approx(-2 * kT, abs=0.4)
    assert "how salt partitions, not how hard Li⁺ desolvates" in said
    assert (runs[0].analysis_path / "figures" / "free_energy.svg").is_file()


def test_a_run_of_windows_is_no_liquid_to_compare(runs: list[Run]) -> None:
    with pytest.raises(InvalidInput, match=r"decouple-quick\) ends in windows, so that it offers a free energy"):
        read_analyzed(runs[0].path)


def test_windows_must_be_analyzed(runs: list[Run], tmp_path: Path) -> None:
    (runs[0].analysis_path / "decoupling.csv").unlink()
    with pytest.raises(InvalidInput, match=r"not analyzed, decoupling\.csv missing"):
        write_report([runs[0].path], tmp_path / "page.html")


def test_a_curve_along_springs(box_path: Path, tmp_path: Path) -> None:
    run = open_run(tmp_path / "run", box_path, load_protocol("umbrella-quick"), 1)
    folder = run.analysis_path
    folder.mkdir(parents=True)
    curve = {"r_angstrom": [2.0, 3.0], "w_kj_mol": [-12.0, 3.0], "stderr_kj_mol": 1.0, "outward_kj_mol": [-13.0, 2.0]}
    pd.DataFrame(curve | {"inward_kj_mol": [-11.0, 4.0], "n_independent": 30.0}).to_csv(
        folder / "umbrella.csv", index=False
    )
    window = {"window": [0], "series": "outward", "center_angstrom": 2.0, "mean_angstrom": 2.04}
    window |= {"spring_kj_mol_angstrom2": 500.0}
    window |= {"overlap_with_next": 0.21, "inefficiency": 3.0, "n_recorded": 100, "n_independent": 33.0}
    pd.DataFrame(window).to_csv(folder / "umbrella_windows.csv", index=False)
    summary = {
        "quantity": "W(r) of Li and carbonyl_o of EC", "status": "too_few_samples", "status_means": "sample longer",
        "temperature_k": 298.15, "ion_charge_scale": 0.8, "zero_from": 7.5, "zero_to": 8.0, "smallest_overlap": 0.21,
        "least_overlap": 0.03, "hysteresis_rms_kj_mol": 1.7,
        "well": {"r_angstrom": 2.0, "w_kj_mol": -12.0, "stderr_kj_mol": 1.0},
    }  # fmt: skip
    write_json(folder / "summary.json", summary)
    write_report([run.path], tmp_path / "page.html")
    said = text_of(tmp_path / "page.html")
    assert "Sample longer." in said
    assert "spring / kJ mol⁻¹ Å⁻²" in said
    assert "Lowest at 2 Å: −12.0 ± 1.0 kJ/mol" in said
    assert "Charges of ions are × 0.8 of the full ones" in said
    assert "the ways outward and inward differ by 1.7 kJ/mol" in said
    assert "0 outward 2 500 2.04 0.21 100 33.0" in said
