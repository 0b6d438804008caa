"""A run in which molecules come and go: what it writes, and that it goes on where it was stopped as if it never was."""

import csv
import importlib
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import MDAnalysis as mda
import numpy as np
import openmm
import pandas as pd
import pytest
from open_boxes import (
    COUNTS,
    DENSE,
    DURATION,
    Calls,
    assert_complete,
    counts_by_moves,
    few_conformers,
    kill,
    moves_of,
    open_protocol,
    save_gas,
    stage_module,
    thin_gas,
)
from openmm import app
from rich.console import Console
from short_runs import Notes

from solvshell.cli import main
from solvshell.engine import UnstableSimulation
from solvshell.errors import Interrupted, InvalidInput, WorkFailed
from solvshell.files import to_yaml
from solvshell.md import simulate
from solvshell.md.checkpoints import numbered, read_checkpoint
from solvshell.md.grand import libraries
from solvshell.md.grand.pool_box import molecules_of
from solvshell.occupancy import read_occupancy
from solvshell.progress import Lines
from solvshell.run import Run, open_run


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    few_conformers(monkeypatch)


@pytest.fixture(scope="module")
def gas_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_gas(tmp_path_factory.mktemp("gas") / "box")


@pytest.fixture(scope="module")
def whole(gas_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run that was never stopped, on the platform whose numbers come out the same every time."""
    with pytest.MonkeyPatch.context() as patch:
        few_conformers(patch)
        path = tmp_path_factory.mktemp("whole") / "run"
        return simulate(open_run(path, gas_path, open_protocol(reservoir=DENSE), seed=7), "Reference")


def test_a_run_tells_what_came_and_went(whole: Run) -> None:
    done = assert_complete(whole)
    moves = moves_of(whole)
    assert {row["kind"] for row in moves} == {"insertion", "deletion"}
    assert {row["species"] for row in moves} == set(COUNTS)
    n_accepted = sum(row["accepted"] == "true" for row in moves)
    assert n_accepted >= 6
    assert n_accepted == sum(row["outcome"] == "accepted" for row in moves)
    assert {float(row["switching_ps"]) for row in moves if row["outcome"] != "empty"} == {0.04}
    assert done["exchange"]["switches"]["EC"] == {"switching_ps": 0.04, "n_jumps": 3}
    assert done["restarts_with_fresh_noise"] > 0  # larger contexts


def test_absent_molecules_lie_at_the_origin(whole: Run) -> None:
    room = {name: whole.sampled.counts[name] for name in COUNTS}
    table = read_occupancy(whole.occupancy_path, room)
    universe = mda.Universe(app.PDBxFile(str(whole.topology_path)), str(whole.trajectory_path))
    for frame in universe.trajectory:
        for name in COUNTS:
            is_there = frame.positions[molecules_of(whole.sampled, name)].any(axis=(1, 2))
            assert (is_there == table.present[name][frame.frame]).all()


def test_the_log_is_of_those_that_are_there(whole: Run) -> None:
    """The density follows the numbers of molecules, and the temperature is that of the gas, ghosts or not."""
    log = pd.read_csv(whole.log_path)
    mass = {name: thin_gas().system for name in COUNTS}
    of_one = {
        name: sum(system.getParticleMass(int(atom))._value for atom in molecules_of(thin_gas(), name)[0])
        for name, system in mass.items()
    }
    for row in log.itertuples():
        counts = counts_by_moves(whole, row.time_ps)
        expected = sum(n * of_one[name] for name, n in counts.items()) / 12.0 * 1.66053907e-3
        assert row.density_g_cm3 == pytest.approx(expected, rel=1e-4)
    assert 250 < log.temperature_k.mean() < 550


def test_stopped_anywhere_it_comes_out_the_same(
    whole: Run, gas_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By signals at random moments, also in switches: moves, works, occupancy, random numbers, and even frames."""
    rng = np.random.default_rng(2)
    run = open_run(tmp_path / "run", gas_path, open_protocol(reservoir=DENSE), seed=7)
    calls, stops = Calls(monkeypatch), []
    while not run.is_done:
        calls.acts = {calls.n + int(rng.integers(1, 20)): kill}
        try:
            simulate(run, "Reference")
        except Interrupted as error:
            stops.append(str(error))
    assert any("within a move" in stop for stop in stops)
    assert any(stop.endswith("of stage exchange") for stop in stops)
    assert_complete(run)
    assert moves_of(run) == moves_of(whole)
    for path in (run.occupancy_path, run.trajectory_path, run.conformers_path / "DMC.npz"):
        assert path.read_bytes() == (whole.path / path.relative_to(run.path)).read_bytes()
    last, expected = (read_checkpoint(numbered(one.checkpoint_path)[-1]).exchanged for one in (run, whole))
    assert last is not None
    assert last == expected


def test_a_signal_does_not_wait_for_a_long_switch(
    gas_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run(tmp_path / "run", gas_path, open_protocol(switching_time="400 ps"), seed=1)
    calls = Calls(monkeypatch)
    calls.acts = {30: kill}
    with pytest.raises(Interrupted, match=r"stopped at 0\.02 ps of stage exchange, within a move"):
        simulate(run, "CPU")
    assert calls.n == 30  # not one of the 20,000 pieces of the switch that were still to come
    at = read_checkpoint(numbered(run.checkpoint_path)[-1])
    assert at.exchanged is not None
    assert (at.step, at.exchanged.n_attempts) == (10, 0)


@pytest.mark.slow
def test_killed_processes_leave_what_the_next_completes(gas_path: Path, tmp_path: Path) -> None:
    """Killed where nothing can be said any more, at three moments."""
    protocol = open_protocol(reservoir=DENSE, switching_time="0.4 ps")
    run = open_run(tmp_path / "run", gas_path, protocol, seed=3)
    with pytest.MonkeyPatch.context() as patch:
        Calls(patch).acts = {1: kill}  # with conformers that take no time
        with pytest.raises(Interrupted):
            simulate(run, "CPU")
    (tmp_path / "protocol.yaml").write_text(to_yaml(protocol))
    command = [sys.executable, "-m", "solvshell.cli", "run", str(gas_path), "--out", str(run.path), "--platform", "CPU"]
    command += ["--protocol", str(tmp_path / "protocol.yaml")]
    for _ in range(2):
        size = run.moves_path.stat().st_size if run.moves_path.exists() else 0
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            if run.moves_path.exists() and run.moves_path.stat().st_size > size + 300:
                break
            time.sleep(0.02)
        process.kill()
        process.wait()
    assert not run.is_done
    with open(run.moves_path, "a") as file:
        file.write("9,0.18,EC,inse")
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert_complete(run)


def test_another_platform_goes_on_with_fresh_noise(
    gas_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run(tmp_path / "run", gas_path, open_protocol(), seed=5)
    calls = Calls(monkeypatch)
    calls.acts = {30: kill}
    with pytest.raises(Interrupted):
        simulate(run, "Reference")
    before = moves_of(run)
    simulate(run, "CPU", told := Notes())
    assert "going on from its portable state, with fresh noise" in told.text
    assert 0 < len(before) < len(moves_of(run))
    assert moves_of(run)[: len(before)] == before
    assert assert_complete(run)["restarts_with_fresh_noise"] >= 1


def test_an_explosion_of_ordinary_dynamics_is_gone_back_from(
    gas_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the molecules and the random numbers of the checkpoint; what was tried since is tried anew."""
    run = open_run(tmp_path / "run", gas_path, open_protocol(reservoir=DENSE), seed=7)
    real, left = stage_module.advance, [1]

    def advance(context: openmm.Context, n_steps: int) -> None:
        if left and context.getState().getTime()._value > 0.27:
            left.pop()
            raise UnstableSimulation("for a test")
        real(context, n_steps)

    monkeypatch.setattr(stage_module, "advance", advance)
    simulate(run, "CPU", told := Notes())
    assert "unstable, about step 140 (0.28 ps): for a test; back to 0.2 ps" in told.text
    (rollback,) = assert_complete(run)["rollbacks"]
    assert rollback["from_step"] == 100


def test_a_switch_that_explodes_is_a_rejected_move(
    gas_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run(tmp_path / "run", gas_path, open_protocol(), seed=7)

    def explode() -> None:
        raise UnstableSimulation("for a test")

    Calls(monkeypatch, ["switches"]).acts = {3: explode}
    simulate(run, "CPU")
    exploded = [row for row in moves_of(run) if row["outcome"] == "exploded"]
    assert {(row["work_kj_mol"], row["accepted"], row["molecule"]) for row in exploded} == {("inf", "false", "-1")}
    assert assert_complete(run)["rollbacks"] == []


def test_files_without_room_for_another_molecule_end_a_run(gas_path: Path, tmp_path: Path) -> None:
    """They do not leave anything out silently."""
    protocol = open_protocol(reservoir=DENSE, room={"EC": 3, "DMC": 4})
    run = open_run(tmp_path / "run", gas_path, protocol, seed=7)
    with pytest.raises(
        WorkFailed, match=r"(3 EC|4 DMC) are there, and the files of this run have room for \1?.*room: {"
    ):
        simulate(run, "CPU")
    assert not run.is_done


@pytest.mark.parametrize("damage", ["changed", "cut", "missing", "another"])
def test_damaged_conformers_are_refused(
    damage: str, gas_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run(tmp_path / "run", gas_path, open_protocol(), seed=5)
    Calls(monkeypatch).acts = {10: kill}
    with pytest.raises(Interrupted):
        simulate(run, "CPU")
    path = run.conformers_path / "DMC.npz"
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "another":
        library = libraries.Library.load(path)
        libraries.Library(library.positions[:-1]).save(path)
    else:
        path.write_bytes(content[:-200] if damage == "cut" else content[:900] + b"\x7f" + content[901:])
    with pytest.raises(InvalidInput, match=r"DMC\.npz"):
        simulate(run, "CPU")


# -- the switching time


def test_the_switching_time_is_measured_told_and_kept(
    gas_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one species after the other: one that is known is not measured again after a stop."""
    module = importlib.import_module("solvshell.md.grand.switching_time")
    monkeypatch.setattr(module, "_BETWEEN", 0.004)
    run = open_run(tmp_path / "run", gas_path, open_protocol(switching_time="auto"), seed=5)
    real, species = module.tune, []

    def tune(switch: Any, *how: float) -> Any:
        species.append(len(species))
        if len(species) == 2:
            kill()
        return real(switch, *how)

    monkeypatch.setattr(module, "tune", tune)
    with pytest.raises(Interrupted, match="before the switching time of DMC was known"):
        simulate(run, "CPU")
    at = read_checkpoint(numbered(run.checkpoint_path)[-1])
    assert at.exchanged is not None
    assert list(at.exchanged.schedules) == ["EC"]
    simulate(run, "CPU", told := Notes())
    assert len(species) == 3
    assert "exchange, DMC: 48 of 48 switches of 0 ps dissipate " in told.text
    assert "0 s left of this trial" in told.text
    assert "exchange: DMC is " in told.text
    assert "exchange: EC is " not in told.text
    done = assert_complete(run)
    known = {entry["species"]: entry for entry in run.provenance["switching"]}
    for name in COUNTS:
        assert known[name]["switching_ps"] == done["exchange"]["switches"][name]["switching_ps"]
        assert known[name]["n_switches"] >= 48
        assert known[name]["dissipation_kt"] < 2.9
    used = {(row["species"], float(row["switching_ps"])) for row in moves_of(run) if row["outcome"] != "empty"}
    assert used == {(name, known[name]["switching_ps"]) for name in COUNTS}


# -- regions, pressure, other commands


def test_molecules_come_and_go_in_a_slab(gas_path: Path, tmp_path: Path) -> None:
    region = {"kind": "slab", "axis": "y", "between": [0.1, 0.6]}
    run = open_run(tmp_path / "run", gas_path, open_protocol(region=region, open=["EC"]), seed=5)
    simulate(run, "CPU")
    assert {row["species"] for row in moves_of(run)} == {"EC"}
    assert {float(row["volume_nm3"]) for row in moves_of(run)} == {6.0}
    with open(run.occupancy_path, newline="") as file:
        assert list(next(csv.reader(file))) == ["time_ps", "volume_nm3", "pressure_bar", "n_EC", "present_EC"]


def test_what_a_network_holds_together_may_swell(tmp_path: Path) -> None:
    """A box that says of itself that it does, so thin that a barostat at work is seen at once."""
    box = replace(thin_gas(), provenance={**thin_gas().provenance, "polymer": {"spans": ["a", "b", "c"]}})
    box.save(tmp_path / "box")
    run = open_run(tmp_path / "run", tmp_path / "box", open_protocol(pressure="25 bar"), seed=5)
    simulate(run, "CPU")
    assert_complete(run)
    volumes = pd.read_csv(run.occupancy_path).volume_nm3
    assert volumes.nunique() > 3
    assert volumes.min() > 8
    assert volumes.max() < 18


def test_verify_knows_the_files_of_such_a_run(whole: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(whole.path, tmp_path / "run")
    assert main(["verify", str(tmp_path / "run")]) == 0
    with open(tmp_path / "run" / "moves.csv", "a") as file:
        file.write("21,0.42,EC,deletion,1,12,,-inf,false,empty,-1,0,0.1\n")
    (tmp_path / "run" / "pool" / "topology.cif").unlink()
    capsys.readouterr()
    assert main(["verify", str(tmp_path / "run")]) == 1
    told = "".join(capsys.readouterr()).replace("\n", "")
    assert "moves.csv" in told
    assert "pool/topology.cif" in told


def test_progress_tells_numbers_acceptance_and_cost(gas_path: Path, tmp_path: Path) -> None:
    """Beside how far the stage is, and at its end."""
    run = open_run(tmp_path / "run", gas_path, open_protocol(open=["EC"], switching_time="0 ps"), seed=7)
    file = StringIO()
    simulate(run, "CPU", Lines(Console(file=file, width=400)))
    words, rows = file.getvalue().splitlines()[-1], moves_of(run)
    assert re.search(r"ns/day, \d+ s left; \d+ EC; EC (not tried yet|\d+ of \d+ accepted)", file.getvalue())
    assert f"{counts_by_moves(run, DURATION)['EC']} EC; " in words
    n_accepted = sum(row["accepted"] == "true" for row in rows)
    assert f"EC {n_accepted} of {len(rows)} accepted" in words
    assert "for an accepted move" in words


def test_another_reservoir_is_another_run(whole: Run, gas_path: Path) -> None:
    with pytest.raises(InvalidInput, match="holds a run with another reservoir"):
        open_run(whole.path, gas_path, open_protocol(), seed=7)
