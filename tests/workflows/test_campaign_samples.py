"""What a sheet and a config say: samples, their temperatures, what they are compared with; and what cannot be run."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from solvshell.campaign import Sample, comparisons, read_sheet, samples_of, with_whole_numbers
from solvshell.data import find, protocol_directory, recipe_directory
from solvshell.errors import InvalidInput

CONFIG = {"samples": "sheet", "protocol": "gel", "exchange_protocol": "grand-canonical", "reservoirs": {}}


def samples(*lines: dict[str, Any], **config: Any) -> dict[str, Sample]:
    return samples_of(CONFIG | config, [{"replicas": 1} | line for line in lines])


def test_whole_numbers_are_integers_however_a_spreadsheet_writes_them(tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.tsv"
    sheet.write_text("system\treplicas\tn_salt\ttemperature\nlb003\t2.0\t8.0\t3e2\nlb003\t1\t\t310.5\n003\t1\tinf\t\n")
    lines = read_sheet(sheet)
    assert repr(lines[0]) == "{'system': 'lb003', 'replicas': 2, 'n_salt': 8, 'temperature': 300}"
    assert lines[1] == {"system": "lb003", "replicas": 1, "temperature": 310.5}
    assert lines[2]["n_salt"] == "inf"  # which no schema takes for a number
    config = {"seed": 1.0, "gpu": True, "reservoirs": {"bulk": {"replicas": 3.0}}, "x": [2.0, 0.5, "1.0"]}
    whole = "{'seed': 1, 'gpu': True, 'reservoirs': {'bulk': {'replicas': 3}}, 'x': [2, 0.5, '1.0']}"
    assert repr(with_whole_numbers(config)) == whole


def test_an_empty_temperature_is_that_of_the_protocol() -> None:
    found = samples({"system": "lb003"}, {"system": "lb003_lino3", "temperature": 298.15}, {"system": "ec"})
    assert {name: sample.kelvin for name, sample in found.items()} == {
        "lb003": 298.15,
        "lb003_lino3-298.15K": 298.15,
        "ec": 298.15,
    }
    assert comparisons(found, "lb003") == {"comparison": ["lb003", "lb003_lino3-298.15K", "ec"]}


def test_samples_are_compared_with_what_is_the_reference_apart_from_the_temperature() -> None:
    gel, liquid = {"system": "lb003_pota-no3"}, {"system": "lb003", "n_salt": 8}
    hot = {"temperature": 333.15}
    found = samples(gel, gel | hot, liquid, liquid | hot, {"system": "ec", "temperature": 350})
    assert comparisons(found, "lb003-n8") == {
        "comparison": ["lb003-n8", "lb003_pota-no3"],
        "comparison-333.15K": ["lb003-n8-333.15K", "lb003_pota-no3-333.15K"],
    }
    assert comparisons(found, "lb003-n8-333.15K") == comparisons(found, "lb003-n8")
    assert list(comparisons(found, "ec-350K").values())[1] == ["lb003_pota-no3-333.15K", "lb003-n8-333.15K"]
    stated = samples(gel | hot, liquid | hot)
    assert list(comparisons(stated, "lb003_pota-no3-333.15K")) == ["comparison-333.15K"]


def test_an_open_and_a_closed_sample_of_one_temperature_are_compared() -> None:
    found = samples(
        {"system": "lb003"}, {"system": "lb003", "reservoir": "bulk"}, reservoirs={"bulk": {"system": "ec"}}
    )
    assert comparisons(found, "lb003") == {"comparison": ["lb003", "lb003-open-bulk"]}


def reservoir(folder: Path, temperature: str) -> str:
    """Write a reservoir by hand and return its path."""
    path = folder / "bulk.yaml"
    held = {"name": "by hand", "temperature": temperature, "species": {"EC": {"activity": "1e-9 /nm3"}}}
    path.write_text(yaml.safe_dump(held))
    return str(path)


OPEN = {"system": "lb003", "reservoir": "bulk"}
BULK = {"bulk": {"system": "lb003"}}


@pytest.mark.parametrize(
    ("line", "config", "problem"),
    [
        (
            OPEN | {"temperature": 298.15},
            {"reservoirs": BULK},
            "temperature: not beside a reservoir, which has its own; give an exchange_protocol at that temperature",
        ),
        (
            OPEN | {"ion_charge_scale": 0.75},
            {"reservoirs": BULK},
            "ion_charge_scale: 0.8 as in reservoir bulk, got 0.75",
        ),
        (
            {"system": "lb003", "temperature": 420},
            {},
            "temperature: below the 400 K of the anneal of protocol gel (stage soft-start), got 420 K",
        ),
    ],
)
def test_conditions_that_cannot_be_run(line: dict[str, Any], config: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        samples(line, **config)
    assert str(refused.value) == f"sheet: sample 1: {problem}"


def test_a_reservoir_of_another_temperature(tmp_path: Path) -> None:
    warm = reservoir(tmp_path, "310 K")
    with pytest.raises(InvalidInput) as refused:
        samples(OPEN, reservoirs={"bulk": warm})
    wanted = "sheet: sample 1: reservoir: bulk is of 310 K, the exchange_protocol is at 298.15 K"
    assert str(refused.value) == wanted
    assert list(samples({"system": "lb003"}, reservoirs={"bulk": warm})) == ["lb003"]  # which does not need it
    shipped = find("decouple-solvent", protocol_directory(), "protocol").read_text()
    (tmp_path / "warm.yaml").write_text(shipped.replace("298.15 K", "310 K"))
    with pytest.raises(InvalidInput) as refused:
        samples(OPEN, reservoirs={"bulk": {"system": "lb003", "protocol": str(tmp_path / "warm.yaml")}})
    assert str(refused.value) == wanted


def test_an_exchange_protocol_is_read_whole_where_its_reservoir_is_there(tmp_path: Path) -> None:
    given = {"bulk": reservoir(tmp_path, "298.15 K")}
    assert list(samples(OPEN, reservoirs=given)) == ["lb003-open-bulk"]
    shipped = find("grand-canonical", protocol_directory(), "protocol").read_text()
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(shipped.replace("move_interval: 4 ps", "move_interval: 3 ps"))
    with pytest.raises(InvalidInput, match=r"sheet: sample 1: .*move_interval: 3 ps does not divide the duration"):
        samples(OPEN, reservoirs=given, exchange_protocol=str(wrong))
    wrong.write_text(shipped.replace("temperature: 298.15 K", "temperature: 298.15"))
    with pytest.raises(InvalidInput, match=r"config: exchange_protocol: .*temperature: 298.15 has no unit"):
        samples(OPEN, reservoirs=given, exchange_protocol=str(wrong))


def test_two_samples_never_share_a_name_or_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        samples({"system": "lb003"}, {"system": "lb003", "temperature": 298.15})
    again = "lb003-298.15K, which is lb003, stands there twice; raise its replicas instead"
    assert str(refused.value) == f"sheet: sample 2: {again}"
    shipped = find("lb003", recipe_directory(), "recipe")
    for name in ("lb003", "comparison", "logs"):
        shutil.copy(shipped, tmp_path / f"{name}.yaml")
    mine = str(tmp_path / "lb003.yaml")
    with pytest.raises(
        InvalidInput, match="system: the samples of lb003 are called lb003 too; rename the recipe's file"
    ):
        samples({"system": "lb003"}, {"system": mine})
    for name in ("comparison", "logs"):
        with pytest.raises(InvalidInput, match=f"system: {name} is a folder of the campaign itself"):
            samples({"system": str(tmp_path / f"{name}.yaml")})
