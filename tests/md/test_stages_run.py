"""Stages that end when they have equilibrated, and of undisturbed dynamics, through the loop and its interruptions."""

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from short_runs import Notes, times_of
from small_boxes import liquid

from solvshell.errors import Interrupted
from solvshell.files import validate
from solvshell.md import simulate
from solvshell.md.checkpoints import load_position, numbered
from solvshell.md.equilibration import mean_volume, read_stage
from solvshell.protocol import Protocol
from solvshell.run import Run, open_run

STAGE = {
    "kind": "dynamics",
    "temperature": "298.15 K",
    "friction": "50 /ps",
    "log_interval": "0.01 ps",
    "frame_interval": "0.05 ps",
}


@pytest.fixture(scope="module")
def small_box_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "box"
    liquid().save(path)
    return path


def make_protocol(*stages: dict[str, Any]) -> Protocol:
    """Return some stages and 0.1 ps of production."""
    content = {
        "name": "test",
        "title": "for tests",
        "timestep": "2 fs",
        "checkpoint_interval": "0.4 ps",
        "stages": [{"kind": "minimize", "max_iterations": 100}, *({**STAGE, **stage} for stage in stages)],
    }
    content["stages"][-1] |= {"name": "production", "production": True, "duration": "0.1 ps"}
    return validate(Protocol, content, "test")


def until(energy: str) -> dict[str, Any]:
    """Return a stage of 2.4 ps at most, which is looked at after 0.6 ps and then every 0.2 ps."""
    criterion = {"minimum": "0.6 ps", "check_interval": "0.2 ps", "n_independent": 40, "energy": energy}
    return {"name": "equilibration", "duration": "2.4 ps", "until": criterion}


class StopEvery(Notes):
    """Sends SIGTERM to itself when the time of a run has grown by some ps."""

    def __init__(self, ps: float) -> None:
        super().__init__()
        self._ps, self._first = ps, -1.0

    def update(self, done_ps: float, ns_per_day: float) -> None:
        self._first = done_ps if self._first < 0 else self._first
        if done_ps - self._first >= self._ps:
            os.kill(os.getpid(), signal.SIGTERM)


def in_pieces(run: Run, ps: float, platform: str = "Reference") -> int:
    """Bring a run to its end in pieces, and return how many there were."""
    for n_pieces in range(1, 100):
        try:
            simulate(run, platform, StopEvery(ps))
            return n_pieces
        except Interrupted:
            continue
    raise AssertionError("no end")


def done_of(run: Run) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run.path / "done.json").read_text())
    return content


def without_speed(run: Run) -> pd.DataFrame:
    return pd.read_csv(run.log_path).drop(columns="ns_per_day")


def test_a_stage_ends_when_it_has_equilibrated_whatever_stops_it(small_box_path: Path, tmp_path: Path) -> None:
    protocol = make_protocol(until("10000 J/g"), {})
    run = simulate(open_run(tmp_path / "run", small_box_path, protocol, seed=1), "Reference", told := Notes())
    _, equilibration, production = done_of(run)["stages"]
    assert equilibration["equilibrated"] is True
    assert 0.6 <= equilibration["ps"] < 2.4
    assert round(equilibration["ps"] / 0.2, 6).is_integer()
    assert "equilibrated" in equilibration["words"]
    assert f"equilibration: {equilibration['ps']:g} ps: {equilibration['words']}" in told.text
    assert (production["ps"], production["equilibrated"], production["words"]) == (pytest.approx(0.1), None, None)
    rows = without_speed(run)
    assert rows[rows.stage == "equilibration"].time_ps.max() == pytest.approx(equilibration["ps"])
    assert len(rows) == round((equilibration["ps"] + 0.1) / 0.01)

    resumed = open_run(tmp_path / "resumed", small_box_path, protocol, seed=1)
    assert in_pieces(resumed, 0.17) > 2
    assert done_of(resumed)["stages"] == done_of(run)["stages"]
    pd.testing.assert_frame_equal(without_speed(resumed), rows)
    assert resumed.trajectory_path.read_bytes() == run.trajectory_path.read_bytes()


def test_a_stage_that_does_not_equilibrate_goes_on_at_its_ceiling(small_box_path: Path, tmp_path: Path) -> None:
    second = {"name": "second", "duration": "0.1 ps"}
    run = open_run(tmp_path / "run", small_box_path, make_protocol(until("0.0001 J/g"), second, {}), seed=1)
    simulate(run, "Reference", told := Notes())
    stage = done_of(run)["stages"][1]
    assert (stage["ps"], stage["equilibrated"]) == (pytest.approx(2.4), False)
    assert "which is the longest it may take; going on" in told.text
    assert run.is_done


def test_the_clock_of_the_equilibration_knows_how_long_a_stage_was(small_box_path: Path, tmp_path: Path) -> None:
    second = {"name": "second", "duration": "0.1 ps"}
    run = open_run(tmp_path / "run", small_box_path, make_protocol(until("10000 J/g"), second, {}), seed=1)
    in_pieces(run, 0.57)
    length = done_of(run)["stages"][1]["ps"]
    assert length < 2.4
    expected = 0.05 * np.arange(1, round((length + 0.1) / 0.05) + 1)
    np.testing.assert_allclose(times_of(run, run.equilibration_path), expected, atol=1e-6)
    np.testing.assert_allclose(times_of(run, run.trajectory_path), [0, 0.05, 0.1], atol=1e-6)


@pytest.mark.parametrize("thermostat", ["nose_hoover", "none"])
def test_undisturbed_dynamics_start_at_the_mean_volume_and_resume_to_the_byte(
    small_box_path: Path, tmp_path: Path, thermostat: str
) -> None:
    dense = {"name": "dense", "duration": "0.4 ps", "pressure": "3000 bar"}
    protocol = make_protocol(dense, {"thermostat": thermostat, "volume_of": "dense"})
    run = simulate(open_run(tmp_path / "run", small_box_path, protocol, seed=1), "Reference", told := Notes())
    rows = without_speed(run)
    volumes = rows[rows.stage == "production"].volume_nm3
    mean = mean_volume(read_stage(run.log_path, "dense"))
    np.testing.assert_allclose(volumes, mean, rtol=1e-6)
    assert mean != pytest.approx(rows[rows.stage == "dense"].volume_nm3.iloc[-1], rel=1e-4)
    assert "nm3, the mean of dense" in told.text

    # At constant pressure the barostat's step is learned anew after a stop: production alone is compared to the byte.
    stopped = open_run(tmp_path / "stopped", small_box_path, protocol, seed=1)
    with pytest.raises(Interrupted):
        simulate(stopped, "Reference", StopInProduction(0.03))
    elsewhere = Run(shutil.copytree(stopped.path, tmp_path / "elsewhere"))
    (numbered(elsewhere.checkpoint_path)[-1] / "context.chk").unlink()  # the portable state knows the chain as well
    for resumed in (stopped, elsewhere):
        simulate(resumed, "Reference")
        assert resumed.trajectory_path.read_bytes() == run.trajectory_path.read_bytes()
        pd.testing.assert_frame_equal(without_speed(resumed), rows)


class StopInProduction(StopEvery):
    """Sends SIGTERM in production only."""

    def __init__(self, ps: float) -> None:
        super().__init__(ps)
        self._is_production = False

    def start(self, name: str, total_ps: float, done_ps: float = 0.0) -> None:
        self._is_production = name == "production"

    def update(self, done_ps: float, ns_per_day: float) -> None:
        if self._is_production:
            super().update(done_ps, ns_per_day)


def test_nothing_drifts_as_a_whole(small_box_path: Path, tmp_path: Path) -> None:
    protocol = make_protocol({"name": "warm", "duration": "0.2 ps"}, {"thermostat": "nose_hoover"})
    run = simulate(open_run(tmp_path / "run", small_box_path, protocol, seed=1), "Reference")
    momenta = []
    masses = np.array([run.box.system.getParticleMass(i)._value for i in range(run.box.n_atoms)])
    for path in numbered(run.checkpoint_path)[-2:]:  # of the start of production, and of its end
        velocities = load_position(path, run.path).state.getVelocities(asNumpy=True)._value
        momenta.append(np.linalg.norm(masses @ velocities))
    assert momenta[0] > 1
    assert momenta[1] < 0.02
