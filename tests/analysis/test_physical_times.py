"""What an analysis says of the dynamics behind its times, and of an equilibration that did not come to its end."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from solvshell.analysis import limits, sources
from solvshell.protocol import Protocol, load_protocols
from solvshell.provenance import write_record


def words(name: str, **changes: object) -> str:
    """Return what is said of a shipped protocol whose production is changed."""
    (protocol, *_) = load_protocols(name).values()
    production = protocol.production.model_copy(update=changes)
    return sources._dynamics(protocol.model_copy(update={"stages": [*protocol.stages[:-1], production]}))


@pytest.mark.parametrize("name", ["dynamics", "dynamics-quick", "temperatures", "temperatures-quick"])
def test_times_of_the_protocols_for_dynamics_are_physical(name: str) -> None:
    assert words(name) == "Nose-Hoover dynamics with collision frequency 1 /ps, real masses"
    assert words(name, thermostat="none") == "no thermostat, real masses"


def test_times_of_langevin_dynamics_are_not() -> None:
    said = "Langevin dynamics with friction 1 /ps, real masses, sampling dynamics, not physical time"
    assert words("dynamics", thermostat="langevin_middle") == said


@pytest.mark.parametrize("name", ["standard", "gel", "network", "long", "anneal", "demo"])
@pytest.mark.parametrize("thermostat", ["langevin_middle", "nose_hoover", "none"])
def test_times_with_heavy_hydrogens_are_not(name: str, thermostat: str) -> None:
    assert words(name, thermostat=thermostat).endswith("hydrogens of 3 Da, sampling dynamics, not physical time")


@pytest.mark.parametrize("name", ["dynamics", "dynamics-quick", "temperatures", "temperatures-quick"])
def test_protocols_for_dynamics_produce_at_the_mean_volume_of_their_own_temperature(name: str) -> None:
    for protocol in load_protocols(name).values():
        assert isinstance(protocol, Protocol)
        assert protocol.timestep == 0.002
        before = protocol.stages[-2]
        assert getattr(before, "volume_of", None) == "equilibration"
        assert (before.ensemble, protocol.production.ensemble) == ("NVT", "NVT")
        assert before.temperature == protocol.production.temperature


def run_with(path: Path, *stages: dict[str, object]) -> SimpleNamespace:
    write_record(path / "done.json", {"stages": list(stages)})
    return SimpleNamespace(path=path, is_done=True)


def test_a_stage_that_ended_at_its_ceiling_is_in_the_source(tmp_path: Path) -> None:
    fixed = {"name": "warm-up", "equilibrated": None, "words": None}
    ended = {"name": "first", "equilibrated": True, "words": "equilibrated"}
    ceiling = {"name": "second", "equilibrated": False, "words": "not equilibrated: energy: 12 of 50"}
    assert sources._equilibration(run_with(tmp_path, fixed, ended)) == {}
    found = sources._equilibration(run_with(tmp_path, fixed, ended, ceiling))
    assert found == {limits.CEILING: "second: not equilibrated: energy: 12 of 50"}
    assert sources._equilibration(SimpleNamespace(path=tmp_path, is_done=False)) == {}
