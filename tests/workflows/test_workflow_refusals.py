"""What is wrong in a config or a sheet is refused before any job starts: field, what was given, what is allowed."""

import re
from pathlib import Path
from typing import Any

import pytest
from campaigns import Campaign


def refusal(folder: Path, sheet: str | None, config: dict[str, Any]) -> str:
    campaign = Campaign(folder)
    campaign.write(**({} if sheet is None else {"sheet": sheet}), **config)
    said = campaign.snakemake("--cores", "1")
    assert said.status == 1
    assert "Job stats" not in said.text
    assert not (folder / "results").exists()
    return said.refusal


@pytest.mark.parametrize(
    ("sheet", "problem"),
    [
        ("", "samples.tsv: no samples; below the names of the columns stands one in each line"),
        ("# nothing yet\n\nsystem\treplicas\n", "samples.tsv: no samples"),
        ("system  replicas\nlb003  4\n", "samples.tsv: one column, 'system  replicas'; columns are separated by tabs"),
        ("system\tsystem\nlb003\tlb003\n", "samples.tsv: system: a column that stands there twice"),
        ("system\treplicas\nlb003\t1\t7\n", "samples.tsv: sample 1: 3 cells in 2 columns"),
        (
            "system\treplica\nlb003\t1\n",
            "samples.tsv: sample 1: replica: unknown, did you mean replicas? (known: system",
        ),
        (
            "system\treplicas\tpressure\nlb003\t1\t1\n",
            "samples.tsv: sample 1: pressure: unknown (known: system, replicas",
        ),
        ("system\treplicas\nlb003\t1\nec\t0\n", "samples.tsv: sample 2: replicas: 0 is less than the minimum of 1"),
        ("system\treplicas\nlb003\t1\nec\n", "samples.tsv: sample 2: replicas: missing"),
        ("system\treplicas\nlb003\t1.5\n", "samples.tsv: sample 1: replicas: 1.5 is not of type 'integer'"),
        ("system\treplicas\nlb003\tfour\n", "samples.tsv: sample 1: replicas: 'four' is not of type 'integer'"),
        ("system\treplicas\ttemperature\nlb003\t1\tnan\n", "sample 1: temperature: 'nan' is not of type 'number'"),
        ("system\treplicas\ttemperature\nlb003\t1\t-5\n", "sample 1: temperature: -5 is less than or equal to the"),
        ("system\treplicas\tion_charge_scale\nlb003\t1\t1.2\n", "sample 1: ion_charge_scale: 1.2 is greater than the"),
        ("system\treplicas\nlb004\t1\n", "sample 1: recipe 'lb004': no such file, and no shipped recipe of that name"),
        ("system\treplicas\tn_salt\nlb003\t1\t6\n", "sample 1: n_salt: at least 7 for lb003, got 6"),
        ("system\treplicas\tpolymer_fraction\nlb003\t1\t0.1\n", "sample 1: polymer_fraction: lb003 has no polymer"),
        (
            "system\treplicas\treservoir\nlb003\t1\tbulk\n",
            "sample 1: reservoir: of those in the config (none are), got",
        ),
        ("system\treplicas\ttemperature\nlb003\t1\t298.15\nlb003\t1\t\n", "sample 2: lb003, which is lb003-298.15K,"),
        ("system\treplicas\nlb003\t1\nlb003\t2\n", "sample 2: lb003 stands there twice; raise its replicas instead"),
    ],
)
def test_a_wrong_sheet(sheet: str, problem: str, tmp_path: Path) -> None:
    assert problem in refusal(tmp_path, sheet, {})


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"protokol": "quick"}, "config: protokol: unknown, did you mean protocol? (known: samples, results, protocol"),
        ({"seed": "one"}, "config: seed: 'one' is not of type 'integer'"),
        ({"gpu": 2}, "config: gpu: 2 is greater than the maximum of 1"),
        ({"platform": "cuda"}, "config: platform: 'cuda' is not one of ['CUDA', 'HIP', 'OpenCL', 'CPU', 'Reference']"),
        ({"binding": ["xtb"]}, "config: binding.0: 'xtb' is not one of ['ff', 'gfn2', 'dft']"),
        ({"samples": "nowhere.tsv"}, "samples: nowhere.tsv: no such file; it is looked for in the working directory"),
        ({"results": "/elsewhere"}, "config: results: '/elsewhere' does not match"),
        ({"protocol": "quik"}, "config: protocol 'quik': no such file, and no shipped protocol of that name (shipped:"),
        ({"protocol": "umbrella"}, "config: protocol umbrella ends in windows"),
        ({"protocol": "temperatures"}, "config: protocol: a series of temperatures; give the sheet a column 'temperat"),
        ({"reference": "lb003"}, "config: reference: one of lb003-n7, lb003_pota-no3-n8, got lb003"),
        ({"resources": {"produce": {"cores": 4}}}, "config: resources.produce.cores: unknown (known: threads, mem_mb"),
        ({"resources": {"equilibrat": {}}}, "config: resources: 'equilibrat' is not one of ['build', 'equilibrate'"),
        ({"reservoirs": {"bulk": {}}}, "config: reservoirs.bulk.system: missing"),
        ({"reservoirs": {"bulk": {"system": "lb004"}}}, "config: recipe 'lb004': no such file"),
        ({"reservoirs": {"bulk": "bulk.yaml"}}, "config: bulk.yaml: "),
        ({"seed": 1.5}, "config: seed: 1.5 is not of type 'integer'"),
        (
            {"reservoirs": {"bulk": {"system": "lb003", "protocol": "quick"}}},
            "config: reservoirs.bulk.protocol: one that ends in decouple, got quick",
        ),
    ],
)
def test_a_wrong_config(config: dict[str, Any], problem: str, tmp_path: Path) -> None:
    assert problem in refusal(tmp_path, None, config)


def test_a_protocol_that_exchanges_nothing(tmp_path: Path) -> None:
    sheet = "system\treplicas\treservoir\nlb003\t1\tbulk\n"
    config = {"reservoirs": {"bulk": {"system": "lb003"}}, "exchange_protocol": "quick"}
    wanted = "config: exchange_protocol: one that ends in a stage of kind grand_canonical, got quick"
    assert refusal(tmp_path, sheet, config) == wanted


def test_a_temperature_beside_a_reservoir(tmp_path: Path) -> None:
    """Nothing is measured for hours that cannot be used."""
    sheet = "system\treplicas\ttemperature\treservoir\nlb003\t1\t333.15\tbulk\n"
    wanted = "samples.tsv: sample 1: temperature: not beside a reservoir, which has its own; give an exchange_protocol"
    assert refusal(tmp_path, sheet, {"reservoirs": {"bulk": {"system": "lb003"}}}).startswith(wanted)


def test_a_key_of_the_command_line_is_looked_at_too(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path)
    campaign.write()
    said = campaign.snakemake("--dry-run", "--config", "temperature=333")
    assert said.status == 1
    assert re.match(r"config: temperature: unknown \(known", said.refusal)
