"""A protocol is read whole, or refused with the name of the field that is wrong."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pydantic import BaseModel

from solvshell.data import protocol_directory
from solvshell.errors import InvalidInput
from solvshell.files import to_yaml, validate
from solvshell.folders import temperatures_of
from solvshell.grand_canonical import GrandCanonical, Slab, Sphere
from solvshell.protocol import Protocol, load_protocol, load_protocols
from solvshell.stages import Dynamics, Minimize, Umbrella, Until, steps_of

SHIPPED = sorted(path.stem for path in protocol_directory().glob("*.yaml"))


def content() -> dict[str, Any]:
    return {
        "name": "test",
        "title": "for tests",
        "timestep": "2 fs",
        "checkpoint_interval": "1 ps",
        "stages": [
            {"kind": "minimize"},
            {
                "kind": "dynamics",
                "name": "equilibration",
                "duration": "4 ps",
                "temperature": "298.15 K",
                "pressure": "1 bar",
                "frame_interval": "2 ps",
                "log_interval": "0.2 ps",
            },
            {
                "kind": "dynamics",
                "name": "production",
                "production": True,
                "duration": "0.01 ns",
                "temperature": "298.15 K",
                "frame_interval": "200 fs",
                "log_interval": "0.1 ps",
            },
        ],
    }


def test_shipped_protocols_are_there() -> None:
    assert {"demo", "standard", "long", "anneal", "temperatures", "dynamics", "quick"} <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_protocol_opens_with_a_comment_that_explains_it(name: str) -> None:
    text = (protocol_directory() / f"{name}.yaml").read_text()
    comment = text.partition("\nname: ")[0].splitlines()
    assert len(comment) >= 2
    assert all(line.startswith("# ") for line in comment)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_protocol_loads_and_survives_being_written(name: str, tmp_path: Path) -> None:
    reservoir = tmp_path / "reservoir.yaml"
    reservoir.write_text("{name: by hand, temperature: 298.15 K, species: {EC: {activity: 1 /nm3}}}")
    for folder, protocol in load_protocols(name, reservoir if name.startswith("grand-canonical") else None).items():
        assert protocol.name == name
        last = protocol.windows or protocol.production
        assert last is protocol.stages[-1]
        assert folder in {None, f"{last.temperature:g}K"}
        assert folder or last.temperature == 298.15
        (tmp_path / "protocol.yaml").write_text(to_yaml(protocol))
        assert load_protocol(tmp_path / "protocol.yaml") == protocol


def test_times_are_in_ps_and_ensembles_follow_from_the_fields() -> None:
    protocol = validate(Protocol, content(), "here")
    minimize, equilibration, production = protocol.stages
    assert isinstance(minimize, Minimize)
    assert isinstance(equilibration, Dynamics)
    assert isinstance(production, Dynamics)
    assert protocol.timestep == 0.002
    assert (production.duration, production.frame_interval, production.log_interval) == (10.0, 0.2, 0.1)
    assert (equilibration.ensemble, production.ensemble) == ("NPT", "NVT")
    assert production.model_copy(update={"thermostat": "none"}).ensemble == "NVE"
    assert production.friction == 1.0


@pytest.mark.parametrize(
    ("time", "timestep", "steps"), [(0.3, 0.1, 3), (20_000.0, 0.004, 5_000_000), (0.004, 0.004, 1), (1.0, 0.0005, 2000)]
)
def test_steps_of_a_time(time: float, timestep: float, steps: int) -> None:
    assert steps_of(time, timestep) == steps


@pytest.mark.parametrize(("time", "timestep"), [(0.001, 0.004), (0.006, 0.004), (0.0040001, 0.004), (1e-9, 0.004)])
def test_a_time_that_is_no_whole_number_of_steps_is_refused(time: float, timestep: float) -> None:
    with pytest.raises(ValueError, match=f"{time:g} ps is not a whole number of time steps of {timestep:g} ps"):
        steps_of(time, timestep)


def stage(index: int, **changes: object) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        content["stages"][index] |= changes

    return change


def top(**changes: object) -> Callable[[dict[str, Any]], None]:
    return lambda content: content.update(changes)


def twice(index: int) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["stages"].insert(index, content["stages"][index])


UMBRELLA = {
    "kind": "umbrella",
    "name": "pull",
    "temperature": "300 K",
    "coordinate": {
        "kind": "distance",
        "center": "Li",
        "partner": "PF6",
        "site": "p",
        "windows": [
            {"at": ["3 A", "0.35 nm"], "spring": "60 kJ/mol/A2"},
            {"at": ["5 A"], "spring": "500 kJ/mol/nm2"},
        ],
    },
    "approach": "2 ps",
    "relax": "1 ps",
    "sample": "3 ps",
    "record_interval": "0.1 ps",
    "log_interval": "0.2 ps",
}


def umbrella(**changes: object) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        content["stages"][-1] = UMBRELLA | changes

    return change


def distance(**changes: object) -> Callable[[dict[str, Any]], None]:
    return umbrella(coordinate=UMBRELLA["coordinate"] | changes)  # type: ignore[operator]


def test_windows_go_out_and_back_and_their_times_add_up() -> None:
    wanted = content()
    umbrella()(wanted)
    protocol = validate(Protocol, wanted, "here")
    stage = protocol.stages[-1]
    assert isinstance(stage, Umbrella)
    assert protocol.windows is stage
    outward = [(pytest.approx(0.3), 6000.0), (0.35, 6000.0), (pytest.approx(0.5), 500.0)]
    assert stage.visits == [*outward, *reversed(outward)]
    assert stage.duration == 2 + 6 * (1 + 3)
    with pytest.raises(InvalidInput, match=r"ends in windows \(pull\), not in production: it offers a free energy"):
        _ = protocol.production


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (umbrella(record_interval="0.4 ps"), "stages.2.record_interval: 0.4 ps does not divide the sample"),
        (umbrella(relax="0.5 fs"), "stages.2.relax: 0.0005 ps is not a whole number of time steps"),
        (umbrella(approach="1.001 ps"), "stages.2.approach: 1.001 ps is not a whole number of time steps"),
        (umbrella(production=True), "stages.2.umbrella.production: unknown key"),
        (umbrella(kind="pull"), "stages.2: Input tag 'pull' found"),
        (distance(kind="angle"), "stages.2.umbrella.coordinate: Input tag 'angle' found"),
        (distance(site=None), "stages.2.umbrella.coordinate.distance.site: Input should be a valid string"),
        (
            distance(windows=[{"at": ["3 A"], "spring": "60 kJ/mol"}]),
            "stages.2.umbrella.coordinate.distance.windows.0.spring: unit 'kJ/mol'",
        ),
        (
            distance(windows=[{"at": ["3 A", "3 A"], "spring": "60 kJ/mol/A2"}]),
            "stages.2.umbrella: coordinate.windows: 0.3 stands twice in a row",
        ),
        (
            distance(windows=[{"at": ["3 A"], "spring": "60 kJ/mol/A2"}]),
            "stages.2.umbrella: coordinate.windows: at least two, got 1",
        ),
        (
            lambda content: content["stages"].insert(1, UMBRELLA),
            r"stages.1 \(pull\): kind umbrella belongs to the last stage only",
        ),
    ],
)
def test_wrong_windows_are_refused_with_their_field(change: Callable[[dict[str, Any]], None], message: str) -> None:
    wrong = content()
    change(wrong)
    with pytest.raises(InvalidInput, match=rf"^here\.yaml: {message}"):
        validate(Protocol, wrong, "here.yaml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (top(step="2 fs"), "step: unknown key"),
        (stage(1, duration_ps=4), r"stages.1.dynamics.duration_ps: unknown key"),
        (stage(0, kind="anneal"), "stages.0: Input tag 'anneal' found"),
        (stage(0, pressure="1 bar"), "stages.0.minimize.pressure: unknown key"),
        (stage(0, tolerance="10 kJ/mol"), "stages.0.minimize.tolerance: unit 'kJ/mol'"),
        (stage(0, max_iterations=0), "stages.0.minimize.max_iterations: Input should be greater than 0, got 0"),
        (top(timestep="2"), "timestep: '2' has no unit"),
        (top(timestep="6 fs"), "timestep: at most 5 fs, got 6 fs"),
        (top(hydrogen_mass="4 Da"), "hydrogen_mass: from 1 to 3.5 Da, got 4 Da"),
        (top(timestep="0 fs"), "timestep: '0 fs' must be greater than 0 ps"),
        (top(constraints="all"), "constraints: Input should be 'h_bonds' or 'none', got 'all'"),
        (top(hydrogen_mass="-3 Da"), "hydrogen_mass: '-3 Da' must be greater than 0 dalton"),
        (top(stages=[]), "stages: List should have at least 1 item"),
        (
            top(stages=[{"kind": "minimize"}]),
            r"stages: the last one \(minimize\) must be dynamics with 'production: true'",
        ),
        (
            top(checkpoint_interval="1001 fs"),
            "checkpoint_interval: 1.001 ps is not a whole number of time steps of 0.002",
        ),
        (stage(1, temperature="25 C"), "stages.1.dynamics.temperature: unit 'C'"),
        (stage(1, temperature="0 K"), "stages.1.dynamics.temperature: '0 K' must be greater than 0 K"),
        (stage(1, duration=4), "stages.1.dynamics.duration: 4 has no unit"),
        (stage(1, duration="4001 fs"), "stages.1.duration: 4.001 ps is not a whole number of time steps of 0.002 ps"),
        (stage(1, frame_interval="1 fs"), "stages.1.frame_interval: 0.001 ps is not a whole number of time steps"),
        (stage(2, log_interval="3 fs"), "stages.2.log_interval: 0.003 ps is not a whole number of time steps"),
        (stage(1, frame_interval="3 ps"), "stages.1.frame_interval: 3 ps does not divide the duration"),
        (stage(1, production=True), r"stages.1 \(equilibration\): 'production: true' belongs to the last stage only"),
        (stage(2, production=False), r"stages: the last one \(production\) must be dynamics with 'production: true'"),
        (twice(1), "stages: names must differ, got minimize, equilibration, equilibration, production"),
        (stage(1, name="a b"), "stages.1.dynamics.name: String should match pattern"),
        (stage(1, name="../up"), "stages.1.dynamics.name: String should match pattern"),
        (stage(1, thermostat="none"), "stages.1.dynamics: thermostat: none is for undisturbed .* 'pressure'"),
        (stage(2, thermostat="none", ramp_to="400 K"), "stages.2.dynamics: thermostat: none .* 'ramp_to'"),
        (stage(2, ramp_to="400 K"), "stages.2.dynamics: production runs at one temperature; 'ramp_to'"),
        (
            stage(2, thermostat="berendsen"),
            "stages.2.dynamics.thermostat: Input should be 'langevin_middle', 'nose_hoover' or 'none'",
        ),
        (stage(2, friction="1 ps"), "stages.2.dynamics.friction: unit 'ps'"),
        (stage(1, duration="5 us"), r"stages: 5 us before the last stage are more steps .* most are 4\.29 us at this"),
        (stage(2, duration="4.3 us"), r"stages: 4\.3 us in the last stage are more steps than a trajectory can tell"),
    ],
)
def test_a_wrong_protocol_is_refused_with_its_field(change: Callable[[dict[str, Any]], None], message: str) -> None:
    wrong = content()
    change(wrong)
    with pytest.raises(InvalidInput, match=rf"^here\.yaml: {message}"):
        validate(Protocol, wrong, "here.yaml")


UNTIL = {"minimum": "1 ps", "check_interval": "0.4 ps", "n_independent": 10}


def lasting(**changes: object) -> Callable[[dict[str, Any]], None]:
    return stage(1, until=UNTIL | changes)


def both(*changes: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        for one in changes:
            one(content)

    return change


def test_a_stage_may_last_until_it_has_equilibrated_and_the_next_take_its_mean_volume() -> None:
    wanted = content()
    both(lasting(energy="2 kJ/kg"), stage(2, volume_of="equilibration", thermostat="nose_hoover"))(wanted)
    _, equilibration, production = validate(Protocol, wanted, "here").stages
    assert isinstance(equilibration, Dynamics)
    assert isinstance(production, Dynamics)
    assert equilibration.until is not None
    assert (equilibration.until.minimum, equilibration.until.check_interval, equilibration.duration) == (1.0, 0.4, 4.0)
    assert (equilibration.until.density, equilibration.until.energy) == (0.005, 2.0)
    assert (production.volume_of, production.ensemble) == ("equilibration", "NVT")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lasting(minimum="5 ps"), r"stages.1.dynamics: until.minimum: at most the duration, .* \(4 ps\), got 5 ps"),
        (lasting(minimum="1.1 ps"), "stages.1.log_interval: 0.2 ps does not divide the until.minimum"),
        (lasting(check_interval="0.3 ps"), "stages.1.log_interval: 0.2 ps does not divide the until.check_interval"),
        (lasting(check_interval="1 fs"), "stages.1.until.check_interval: 0.001 ps is not a whole number of time steps"),
        (lasting(n_independent=9), "stages.1.dynamics.until.n_independent: .* greater than or equal to 10, got 9"),
        (
            lasting(n_independent=11),
            "stages.1.dynamics: log_interval: 0.2 ps makes 20 rows in 4 ps, half of which may be dropped; "
            "until.n_independent asks for 11",
        ),
        (lasting(density="1 kg"), "stages.1.dynamics.until.density: unit 'kg'"),
        (lasting(energy="1 kJ/mol"), "stages.1.dynamics.until.energy: unit 'kJ/mol'"),
        (lasting(drift=1), "stages.1.dynamics.until.drift: unknown key"),
        (stage(1, until={}), "stages.1.dynamics.until.minimum: missing"),
        (both(lasting(), stage(1, ramp_to="400 K")), "stages.1.dynamics: until: nothing is in equilibrium while"),
        (stage(2, until=UNTIL), "stages.2.dynamics: until: equilibrates; production has a fixed duration"),
        (stage(0, until=UNTIL), "stages.0.minimize.until: unknown key"),
        (umbrella(until=UNTIL), "stages.2.umbrella.until: unknown key"),
        (stage(1, volume_of="equilibration"), "stages.1.dynamics: volume_of: is for constant volume; 'pressure'"),
        (
            stage(2, volume_of="warm-up"),
            r"stages.2.volume_of: an earlier stage at constant pressure \(equilibration\), got warm-up",
        ),
        (
            stage(2, volume_of="production"),
            r"stages.2.volume_of: an earlier stage at constant pressure \(equilibration\), got production",
        ),
        (
            both(stage(1, pressure=None), stage(2, volume_of="equilibration")),
            r"stages.2.volume_of: an earlier stage at constant pressure \(there is none\), got equilibration",
        ),
        (
            both(stage(1, temperature="300 K"), stage(2, volume_of="equilibration")),
            "stages.2.volume_of: equilibration is not at 298.15 K all the time",
        ),
        (
            both(stage(1, ramp_to="400 K"), stage(2, volume_of="equilibration")),
            "stages.2.volume_of: equilibration is not at 298.15 K all the time",
        ),
        (stage(1, thermostat="nose_hoover"), "stages.1.dynamics: thermostat: nose_hoover is for .* 'pressure'"),
        (umbrella(thermostat="nose_hoover"), "stages.2.umbrella.thermostat: unknown key"),
        (stage(1, temperature="each"), "stages.1.temperature: each is for a file with 'temperatures'"),
        (stage(1, ramp_to="each"), "stages.1.ramp_to: each is for a file with 'temperatures'"),
        (top(temperatures=["300 K"]), "temperatures: no stage has 'temperature: each'"),
        (
            both(top(temperatures=["300 K", "310 K", "300.0 K"]), stage(1, temperature="each")),
            "temperatures: all different, got 300K, 310K, 300K",
        ),
        (both(top(temperatures=[]), stage(1, temperature="each")), "temperatures: List should have at least 1 item"),
        (both(top(temperatures=["27 C"]), stage(1, temperature="each")), "temperatures.0: unit 'C'"),
        (
            both(top(temperatures=["300 K"]), stage(1, temperature="each"), stage(2, volume_of="equilibration")),
            "stages.2.volume_of: equilibration is not at 298.15 K all the time",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_field(
    change: Callable[[dict[str, Any]], None], message: str, tmp_path: Path
) -> None:
    wrong = content()
    change(wrong)
    path = tmp_path / "here.yaml"
    path.write_text(yaml.safe_dump(wrong))
    with pytest.raises(InvalidInput, match=rf"here\.yaml: {message}"):
        load_protocols(path)


def test_a_series_makes_a_plain_protocol_for_each_temperature(tmp_path: Path) -> None:
    wanted = content()
    both(
        top(temperatures=["310 K", "278.15 K", "300 K"]),
        stage(1, temperature="400 K", ramp_to="each"),
        stage(2, temperature="each"),
    )(wanted)
    path = tmp_path / "series.yaml"
    path.write_text(yaml.safe_dump(wanted))
    found = load_protocols(path)
    assert list(found) == ["278.15K", "300K", "310K"]
    for (folder, protocol), temperature in zip(found.items(), (278.15, 300.0, 310.0), strict=True):
        equilibration = protocol.stages[1]
        assert isinstance(equilibration, Dynamics)
        assert (equilibration.temperature, equilibration.ramp_to) == (400.0, temperature)
        assert protocol.production.temperature == temperature
        (tmp_path / f"{folder}.yaml").write_text(to_yaml(protocol))
        assert load_protocols(tmp_path / f"{folder}.yaml") == {None: protocol}
    with pytest.raises(InvalidInput, match="a series of 3 temperatures, where one protocol is expected"):
        load_protocol(path)


def test_another_temperature_moves_what_is_at_the_last_one_and_leaves_the_anneal() -> None:
    gel = load_protocol("gel")
    warm = gel.at_temperature(333.15)
    assert warm.name == "gel-333.15K"
    assert warm.production.temperature == 333.15
    before = [(stage.temperature, stage.ramp_to) for stage in gel.stages if isinstance(stage, Dynamics)]
    after = [(stage.temperature, stage.ramp_to) for stage in warm.stages if isinstance(stage, Dynamics)]
    assert (400.0, 298.15) in before
    moved = {298.15: 333.15}
    assert after == [(moved.get(start, start), moved.get(end, end)) for start, end in before]
    assert validate(Protocol, yaml.safe_load(to_yaml(warm)), "here") == warm


def test_another_temperature_is_below_that_of_the_anneal() -> None:
    gel = load_protocol("gel")
    assert gel.at_temperature(399.0).production.temperature == 399.0
    for kelvin in (400, 420):
        wanted = f"temperature: below the 400 K of the anneal of protocol gel (stage soft-start), got {kelvin} K"
        with pytest.raises(InvalidInput, match=re.escape(wanted)):
            gel.at_temperature(kelvin)
    assert load_protocol("quick").at_temperature(420.0).production.temperature == 420.0  # which anneals nothing


def test_the_folders_of_a_series_are_those_that_are_found_again(tmp_path: Path) -> None:
    for folder in load_protocols("temperatures"):
        (tmp_path / str(folder)).mkdir()
    assert list(temperatures_of(tmp_path)) == [278.15, 298.15, 318.15, 338.15, 358.15]


@pytest.mark.parametrize("seed", range(20))
def test_times_survive_any_unit_and_being_written(seed: int, tmp_path: Path) -> None:
    """Durations of 1 to 10^7 steps, in fs, ps, ns or us, are that many steps, before and after a round trip."""
    rng = np.random.default_rng(seed)
    timestep = float(rng.choice([0.5, 1.0, 2.0, 2.5, 4.0]))  # fs
    log, frame = (int(10 ** rng.uniform(0, 3)) for _ in range(2))
    steps = frame * int(10 ** rng.uniform(0, 4))
    wanted = content() | {"timestep": f"{timestep} fs"}
    for key, number in (("log_interval", log), ("frame_interval", frame), ("duration", steps)):
        unit, factor = [("fs", 1.0), ("ps", 1e-3), ("ns", 1e-6), ("us", 1e-9)][rng.integers(4)]
        wanted["stages"][2][key] = f"{number * timestep * factor:.12g} {unit}"
    protocol = validate(Protocol, wanted, "here")
    (tmp_path / "protocol.yaml").write_text(to_yaml(protocol))
    again = load_protocol(tmp_path / "protocol.yaml")
    assert again == protocol
    for stage in (protocol.production, again.production):
        found = [
            steps_of(time, protocol.timestep) for time in (stage.log_interval, stage.frame_interval, stage.duration)
        ]
        assert found == [log, frame, steps]


def test_a_protocol_that_is_not_there() -> None:
    with pytest.raises(InvalidInput, match=r"protocol 'fast': no such file, .*shipped: .*demo, .*standard"):
        load_protocol("fast")


def test_a_protocol_file_that_is_empty(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text(yaml.safe_dump(None))
    with pytest.raises(InvalidInput, match=r"empty.yaml: is empty"):
        load_protocol(tmp_path / "empty.yaml")


PAGE = Path(__file__).parents[1] / "docs" / "protocols.md"


def test_the_page_of_protocols_names_all_that_are_shipped() -> None:
    text = PAGE.read_text()
    families = {name.removesuffix("-quick") for name in SHIPPED}
    assert not {name for name in families if f"| `{name}`" not in text and f", `{name}`" not in text}


@pytest.mark.parametrize("model", [Protocol, Minimize, Dynamics, Until, GrandCanonical, Slab, Sphere])
def test_the_page_of_protocols_tells_every_key(model: type[BaseModel]) -> None:
    tables = PAGE.read_text().partition("## Every key")[2]
    told = {
        key for row in re.findall(r"^\| (`.*?) \|", tables, flags=re.MULTILINE) for key in re.findall(r"`(\w+)`", row)
    }
    assert set(model.model_fields) - {"kind"} <= told


def test_the_example_of_the_page_is_a_protocol() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    protocol = validate(Protocol, yaml.safe_load(example), "docs/protocols.md")
    assert protocol.name == "mine"
    assert protocol.production.duration == 1000
