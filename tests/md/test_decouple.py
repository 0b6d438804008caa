"""The `decouple` stage: what it refuses, what it records, and that a run goes on where it was killed."""

import importlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import openmm
import pandas as pd
import pytest
from small_boxes import liquid

from solvshell.cli import main
from solvshell.errors import InvalidInput
from solvshell.files import to_yaml, validate
from solvshell.free_energy.decoupling import decoupling_of_run
from solvshell.free_energy.transfer import transfer_free_energy
from solvshell.md import simulate
from solvshell.protocol import Protocol, load_protocol
from solvshell.run import open_run

stage_module = importlib.import_module("solvshell.md.stage")

N_STATES = 5
PER_VISIT = 4


def make_protocol(pressure: str | None = "1 bar", **changes: Any) -> Protocol:
    """Return five states, visited down and up, each for 0.04 ps of which 0.032 ps are recorded in four rows."""
    stage = {
        "kind": "decouple",
        "name": "decoupling",
        "temperature": "298.15 K",
        "pressure": pressure,
        "friction": "50 /ps",
        "molecules": ["Li", "PF6"],
        "charges": [1, 0.5, 0],
        "lennard_jones": [1, 0.4, 0],
        "relax": "0.008 ps",
        "sample": "0.032 ps",
        "record_interval": "0.008 ps",
        "log_interval": "0.02 ps",
        **changes,
    }
    content = {
        "name": "test",
        "title": "short",
        "timestep": "2 fs",
        "checkpoint_interval": "0.02 ps",
        "stages": [{"kind": "minimize", "max_iterations": 30}, stage],
    }
    return validate(Protocol, content, "test")


@pytest.fixture
def small_box_path(tmp_path: Path) -> Path:
    liquid().save(tmp_path / "box")
    return tmp_path / "box"


def assert_complete(records: pd.DataFrame) -> None:
    """Every window has its rows once, at its times; the decoupled state is the zero of energy."""
    n_windows = 2 * N_STATES
    assert list(records.window) == [window for window in range(n_windows) for _ in range(PER_VISIT)]
    within = np.tile(0.008 * np.arange(2, 2 + PER_VISIT), n_windows)
    np.testing.assert_allclose(records.time_ps, 0.04 * records.window + within, atol=1e-9)
    assert list(records.columns[2:]) == ["volume_nm3", *(f"energy_{i}_kj_mol" for i in range(N_STATES))]
    assert (records[f"energy_{N_STATES - 1}_kj_mol"] == 0).all()
    assert np.isfinite(records).all(axis=None)


def test_a_run_visits_all_states_and_gives_a_number(small_box_path: Path, tmp_path: Path) -> None:
    """The way there and back; what is bound strongly is cheap to couple, and a transfer into itself is free."""
    run = simulate(open_run(tmp_path / "run", small_box_path, make_protocol(), seed=2), "CPU")
    records = pd.read_csv(run.path / "decouple.csv")
    assert_complete(records)
    first, middle = records[records.window == 0], records[records.window.between(N_STATES - 1, N_STATES)]
    assert (first.energy_0_kj_mol < -100).all()
    assert middle.energy_0_kj_mol.mean() > first.energy_0_kj_mol.mean()
    found = decoupling_of_run(run)
    assert found.status in ("too_few_samples", "poor_overlap")
    assert found.states.n_recorded.tolist() == [2 * PER_VISIT] * N_STATES
    assert main(["analyze", str(run.path)]) == 0
    steps = pd.read_csv(run.analysis_path / "decoupling.csv")
    assert steps.status.iloc[-1] == found.status
    moved = transfer_free_energy(run, run)
    assert moved.status == found.status
    assert np.isnan(moved.as_they_are_kj_mol) or moved.as_they_are_kj_mol == 0


def test_one_solvent_is_decoupled_as_an_ion_pair_is(small_box_path: Path, tmp_path: Path) -> None:
    """The number of a neutral molecule has no images, its medium is one molecule short; overlap, error and status."""
    run = simulate(open_run(tmp_path / "run", small_box_path, make_protocol(molecules=["DMC"]), seed=4), "CPU")
    assert_complete(pd.read_csv(run.path / "decouple.csv"))
    assert main(["analyze", str(run.path)]) == 0
    told = json.loads((run.analysis_path / "decoupling.json").read_text())
    assert told["quantity"] == "excess chemical potential of DMC together"
    assert told["own_images_kj_mol"] == 0
    assert "the set has no ions" in told["finite_size"]
    composition = pd.read_csv(run.analysis_path / "decoupling_composition.csv").set_index("species")
    short = composition.n_with_set - composition.n_without_set
    assert short[short != 0].to_dict() == {"DMC": 1}
    assert composition.mol_per_l["DMC"] == pytest.approx(2 / 0.602214076 / told["volume_nm3"])
    convergence = pd.read_csv(run.analysis_path / "decoupling_convergence.csv")
    assert set(convergence.direction) == {"forward", "reverse"}
    states = pd.read_csv(run.analysis_path / "decoupling_states.csv")
    assert states.overlap_with_next[:-1].between(0, 0.5 + 1e-9).all()
    assert told["smallest_overlap"] == pytest.approx(states.overlap_with_next.min())
    assert told["status"] in ("too_few_samples", "poor_overlap")
    assert (told["mu_ex_kj_mol"] is None) == (told["status"] == "poor_overlap")
    if told["mu_ex_kj_mol"] is not None:
        assert told["stderr_kj_mol"] > 0


def test_on_one_platform_a_resumed_run_records_the_same_rows(
    small_box_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Constant volume, stopped inside a window: byte for byte the rows of a run that was never stopped."""
    protocol = make_protocol(pressure=None, molecules=["DMC"])
    whole = simulate(open_run(tmp_path / "whole", small_box_path, protocol, seed=3), "Reference")
    resumed = open_run(tmp_path / "resumed", small_box_path, protocol, seed=3)
    real, calls = stage_module.advance, []

    def advance_and_stop(context: openmm.Context, n_steps: int) -> None:
        real(context, n_steps)
        calls.append(n_steps)
        if sum(calls) >= 74:  # in the fourth window, after its first row and the last checkpoint
            raise KeyboardInterrupt

    monkeypatch.setattr(stage_module, "advance", advance_and_stop)
    with pytest.raises(KeyboardInterrupt):
        simulate(resumed, "Reference")
    before = (resumed.path / "decouple.csv").read_bytes()
    with pytest.raises(InvalidInput, match="has not sampled all states yet"):
        decoupling_of_run(resumed)
    monkeypatch.setattr(stage_module, "advance", real)
    simulate(resumed, "Reference")
    expected = (whole.path / "decouple.csv").read_bytes()
    assert 0 < len(before) < len(expected)
    assert expected.startswith(before)
    assert (resumed.path / "decouple.csv").read_bytes() == expected


def test_a_killed_process_leaves_rows_that_the_next_completes(small_box_path: Path, tmp_path: Path) -> None:
    protocol_path, run_path = tmp_path / "protocol.yaml", tmp_path / "run"
    protocol_path.write_text(to_yaml(make_protocol()))
    command = [sys.executable, "-m", "solvshell.cli", "run", str(small_box_path), "--protocol", str(protocol_path)]
    command += ["--out", str(run_path), "--platform", "CPU"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    path, deadline = run_path / "decouple.csv", time.monotonic() + 120
    while time.monotonic() < deadline and (not path.exists() or path.stat().st_size < 1500):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (run_path / "done.json").exists()
    with open(path, "ab") as file:
        file.write(b"3,0.13,1.4")  # what a kill in the middle of a write leaves
    run = simulate(open_run(run_path, small_box_path, make_protocol()), "CPU")
    assert_complete(pd.read_csv(run.path / "decouple.csv"))


def test_wrong_stages_are_refused(small_box_path: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"charges: lambdas fall from 1 to 0, got 0.9, 0"):
        make_protocol(charges=[0.9, 0])
    with pytest.raises(InvalidInput, match=r"lennard_jones: lambdas fall from 1 to 0, got 1, 0.5, 0.5, 0"):
        make_protocol(lennard_jones=[1, 0.5, 0.5, 0])
    with pytest.raises(InvalidInput, match="one of each species, got EC, EC"):
        make_protocol(molecules=["EC", "EC"])
    with pytest.raises(InvalidInput, match="nothing to approach"):
        make_protocol(approach="1 ps")
    charged = r"molecules: together they must be neutral, Li have \+0\.800 e; take an ion pair"
    for molecules, problem in ((["EMC"], r"no EMC to decouple in this box \(Li, PF6, EC"), (["Li"], charged)):
        with pytest.raises(InvalidInput, match=problem):
            open_run(tmp_path / "run", small_box_path, make_protocol(molecules=molecules))
        assert not (tmp_path / "run").exists()  # so that the same command does, once it is mended


@pytest.mark.parametrize("name", ["decouple", "decouple-quick"])
def test_shipped_protocols_decouple_the_salt(name: str) -> None:
    stage = load_protocol(name).windows
    assert stage is not None
    assert stage.kind == "decouple"
    assert stage.n_windows in (26, 36)
