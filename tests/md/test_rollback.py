"""A step that explodes is gone back from once, with half the time step; what is looked at to see one."""

import copy
import importlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import openmm
import pytest
from short_runs import Notes, assert_complete, short_protocol, times_of
from small_boxes import liquid

from solvshell.engine import Snapshot, UnstableSimulation
from solvshell.errors import WorkFailed
from solvshell.files import validate
from solvshell.md import simulate
from solvshell.md.checkpoints import numbered
from solvshell.md.stability import Watch
from solvshell.protocol import Protocol
from solvshell.run import Run, open_run
from solvshell.stages import Dynamics
from solvshell.units import BOLTZMANN_KJ_MOL_K

# The package's name for it is a module's, too.
stage_module = importlib.import_module("solvshell.md.stage")


@pytest.fixture(scope="module")
def small_box_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "box"
    liquid().save(path)
    return path


class Collisions:
    """Puts an atom onto another in place of some calls of `advance`, and keeps the time steps that were used."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at_ps: Sequence[float]) -> None:
        self._left, self._advance = list(at_ps), stage_module.advance
        self.steps: list[tuple[float, float]] = []
        monkeypatch.setattr(stage_module, "advance", self)

    def __call__(self, context: openmm.Context, n_steps: int) -> None:
        state = context.getState(positions=True)
        time_ps = state.getTime().value_in_unit(openmm.unit.picosecond)
        is_production = context.getSystem().getNumForces() and self._left and time_ps >= self._left[0] - 1e-6
        if is_production:
            self._left.pop(0)
            positions = state.getPositions(asNumpy=True)
            positions[-1] = positions[0] + np.array([0.01, 0, 0]) * openmm.unit.nanometer
            context.setPositions(positions)
        self.steps.append((time_ps, context.getIntegrator().getStepSize()._value))
        self._advance(context, n_steps)


def no_equilibration() -> Protocol:
    """Return a protocol of production alone, so that times are those of production."""
    content = short_protocol().model_dump(mode="json")
    content["stages"].pop(1)
    return validate(Protocol, content, "test")


def assert_complete_production(run: Run) -> dict[str, object]:
    np.testing.assert_allclose(times_of(run, run.trajectory_path), 0.02 * np.arange(11), atol=1e-6)
    assert len(run.log_path.read_text().splitlines()) == 1 + 20
    done: dict[str, object] = json.loads((run.path / "done.json").read_text())
    assert done["production_frames"] == 11
    return done


def test_one_explosion_is_gone_back_from(small_box_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It happens at 0.1 ps: from the checkpoint at 0.08 ps to that at 0.12 ps the step is halved, then full again."""
    run = open_run(tmp_path / "run", small_box_path, no_equilibration(), seed=4)
    collisions = Collisions(monkeypatch, [0.1])
    simulate(run, "Reference", told := Notes())
    assert "production: unstable, about step" in told.text
    assert "back to 0.08 ps, and on to 0.12 ps with half the time step" in told.text
    done = assert_complete_production(run)
    assert done["restarts_with_fresh_noise"] == 1
    (rollback,) = done["rollbacks"]
    assert (rollback["stage"], rollback["from_step"], rollback["to_step"]) == ("production", 40, 60)
    assert run.provenance["rollbacks"] == done["rollbacks"]
    halved = {time for time, step in collisions.steps if step == 0.001}
    assert min(halved) == pytest.approx(0.08)
    assert max(halved) < 0.12 - 1e-6
    assert {step for time, step in collisions.steps if time > 0.12 - 1e-6} == {0.002}


def test_times_run_on_where_steps_are_halved(
    small_box_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In equilibration too, whose frames come from the same checkpoint on."""
    run = open_run(tmp_path / "run", small_box_path, short_protocol(), seed=4)
    Collisions(monkeypatch, [0.05])
    simulate(run, "Reference")
    assert [(known["stage"], known["from_step"]) for known in assert_complete(run)["rollbacks"]] == [
        ("equilibration", 20)
    ]


def test_an_explosion_before_the_first_checkpoint_leaves_a_whole_log(
    small_box_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a run that begins with dynamics: it goes back to the beginning, where the log has not even its header."""
    content = short_protocol().model_dump(mode="json")
    content["stages"].pop(0)
    run = open_run(tmp_path / "run", small_box_path, validate(Protocol, content, "test"), seed=4)
    Collisions(monkeypatch, [0.02])
    simulate(run, "Reference")
    assert [known["from_step"] for known in assert_complete(run)["rollbacks"]] == [0]


def test_a_second_explosion_on_the_way_is_the_end_and_the_run_can_be_resumed(
    small_box_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run(tmp_path / "run", small_box_path, no_equilibration(), seed=4)
    collisions = Collisions(monkeypatch, [0.1, 0.1])
    with pytest.raises(UnstableSimulation, match=r"exploded in stage production.*half the time step did not get"):
        simulate(run, "Reference")
    kept = run.trajectory_path.read_bytes()
    known = json.loads((numbered(run.checkpoint_path)[-1] / "progress.json").read_text())
    assert (known["step"], known["n_frames"]) == (40, 5)
    n_before = len(collisions.steps)
    simulate(run, "Reference", told := Notes())
    assert "it led to an explosion: going on from its portable state, with fresh noise and half" in told.text
    halved = {time for time, step in collisions.steps[n_before:] if step == 0.001}
    assert min(halved) == pytest.approx(0.08)  # to 0.12 ps: as the record of the explosion tells
    assert max(halved) < 0.12 - 1e-6
    done = assert_complete_production(run)
    assert done["restarts_with_fresh_noise"] == 2
    assert (
        run.trajectory_path.read_bytes()[: known["lengths"]["trajectory.xtc"]]
        == kept[: known["lengths"]["trajectory.xtc"]]
    )


def test_an_explosion_just_after_the_halved_stretch_is_the_end(
    small_box_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run(tmp_path / "run", small_box_path, no_equilibration(), seed=4)
    Collisions(monkeypatch, [0.1, 0.14])
    with pytest.raises(UnstableSimulation, match="half the time step did not get"):
        simulate(run, "Reference")


def test_a_later_explosion_is_another_one(
    small_box_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run(tmp_path / "run", small_box_path, no_equilibration(), seed=4)
    Collisions(monkeypatch, [0.05, 0.18])
    simulate(run, "Reference")
    rollbacks = assert_complete_production(run)["rollbacks"]
    assert [known["from_step"] for known in rollbacks] == [20, 80]


def test_a_pressure_that_makes_the_cell_too_narrow_ends_the_run(tmp_path: Path) -> None:
    """A box of 2.2 cutoffs and a little more, which is packed loosely."""
    system = copy.deepcopy(liquid().system)
    (force,) = (force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))
    force.setCutoffDistance(0.51)
    replace(liquid(), system=system).save(tmp_path / "box")
    content = no_equilibration().model_dump(mode="json") | {"checkpoint_interval": "5 ps"}
    content["stages"][1] |= {"pressure": "20000 bar", "duration": "20 ps", "log_interval": "0.1 ps"}
    run = open_run(tmp_path / "run", tmp_path / "box", validate(Protocol, content, "test"), seed=4)
    with pytest.raises(WorkFailed, match=r"wide along [abc], less than 2\.(2|05) cutoffs of 0\.51 nm.*larger --n-salt"):
        simulate(run, "CPU")


# -- what is looked at


def a_stage(**changes: object) -> Dynamics:
    content = {"kind": "dynamics", "name": "x", "temperature": "300 K", "duration": "1 ps"}
    content |= {"frame_interval": "1 ps", "log_interval": "1 ps"}
    return validate(Dynamics, content | changes, "test")


NOW = Snapshot(np.zeros((2, 3)), 0.89 * np.eye(3), -1000.0, 10.0, 300.0)


def test_temperature_and_energy_are_watched() -> None:
    watch = Watch(a_stage(), liquid().system, degrees=100)
    watch.check(NOW)
    watch.check(replace(NOW, temperature=1499.0))
    with pytest.raises(UnstableSimulation, match=r"the temperature is 1\.6e"):
        watch.check(replace(NOW, temperature=1600.0))
    jump = 5 * 300 * 100 * BOLTZMANN_KJ_MOL_K / 2
    watch.check(replace(NOW, potential_kj_mol=-1000 + 0.99 * jump))
    watch.check(NOW)
    with pytest.raises(UnstableSimulation, match="the potential energy has jumped by"):
        watch.check(replace(NOW, potential_kj_mol=-1000 + 1.01 * jump))


def test_a_ramp_is_measured_by_its_hotter_end() -> None:
    Watch(a_stage(temperature="10 K", ramp_to="300 K"), liquid().system, degrees=100).check(NOW)


def test_the_width_is_watched_at_constant_pressure() -> None:
    """A skewed cell: its shortest width is shorter than every edge. It may breathe, not be narrow on average."""

    def skewed(edge: float) -> Snapshot:
        return replace(NOW, box_vectors=np.array([[edge, 0, 0], [0, 0.9, 0], [0.4, 0, 0.95]]))

    slope = 0.95 / np.hypot(0.4, 0.95)
    np.testing.assert_allclose(skewed(0.9).widths_nm, [0.9 * slope, 0.9, 0.95])
    narrow, narrowest, wide = (skewed(cutoffs * 0.4 / slope) for cutoffs in (2.1, 2.04, 2.25))
    Watch(a_stage(), liquid().system, degrees=100).check(narrowest)
    watch = Watch(a_stage(pressure="1 bar"), liquid().system, degrees=100)
    for _ in range(40):
        for now in (wide, wide, narrow, wide):
            watch.check(now)
    with pytest.raises(WorkFailed, match=r"0\.816 nm wide along a, less than 2\.05 cutoffs of 0\.4 nm"):
        watch.check(narrowest)

    def stay_narrow() -> None:
        for _ in range(50):
            watch.check(narrow)

    with pytest.raises(WorkFailed, match=r"0\.8[78]\d nm wide along a, less than 2\.2 cutoffs of 0\.4 nm"):
        stay_narrow()
