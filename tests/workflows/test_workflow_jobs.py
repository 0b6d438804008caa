"""Which jobs a sample sheet and a config lead to, and with which commands."""

import csv
import re
import shutil
import zlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from campaigns import WORKFLOWS, Campaign, snakemake

from solvshell.folders import derived_seed

CONFIGS = sorted(WORKFLOWS.glob("config/*.yaml"))


def schema(name: str) -> dict[str, Any]:
    return yaml.safe_load((WORKFLOWS / f"schemas/{name}.schema.yaml").read_text())


def blocks() -> dict[str, str]:
    """Return the text of each rule that runs a command."""
    text = "\n".join(path.read_text() for path in sorted(WORKFLOWS.glob("rules/[!c]*.smk")))  # all but common
    text = re.sub(r"^#.*$", "", text, flags=re.M)
    starts = list(re.finditer(r"^(?:rule (\w+)|use rule \w+ as (\w+) with):$", text, re.M))
    ends = [start.start() for start in starts[1:]] + [len(text)]
    return {start[1] or start[2]: text[start.start() : end] for start, end in zip(starts, ends, strict=True)}


@pytest.mark.parametrize(("rule", "text"), blocks().items(), ids=list(blocks()))
def test_every_rule_says_what_it_needs(rule: str, text: str) -> None:
    wanted = ["log:", "benchmark:", "threads:", "gpu=", "mem_mb=", "runtime="]
    if rule != "exchange":  # which takes the rest from produce
        wanted += ["conda:", "shell:"]
        assert len(re.findall(r"\bsolvshell (?!\$)\w+ ", text.partition("shell:")[2])) == 1
    assert [word for word in wanted if f" {word}" not in text] == []


def test_there_are_the_ten_rules() -> None:
    known = schema("config")["properties"]["resources"]["propertyNames"]["enum"]
    assert sorted(blocks()) == sorted(known)


def test_lint_has_nothing_to_say(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path)
    campaign.write()
    said = campaign.snakemake("--lint")
    assert said.status == 0, said.text
    assert "Congratulations" in said.text


@pytest.mark.parametrize("config", CONFIGS, ids=[path.stem for path in CONFIGS])
def test_every_shipped_config_is_a_campaign(config: Path, tmp_path: Path) -> None:
    shutil.copytree(WORKFLOWS / "config", tmp_path / "config")
    said = snakemake(tmp_path, "--dry-run", "--configfile", str(tmp_path / "config" / config.name))
    assert said.status == 0, said.text
    sheet = tmp_path / yaml.safe_load(config.read_text())["samples"]
    with sheet.open() as lines:
        replicas = [int(line["replicas"]) for line in csv.DictReader(lines, delimiter="\t")]
    of_each_run = dict.fromkeys(("build", "equilibrate", "produce", "analyze", "energies"), sum(replicas))
    of_each_sample = dict.fromkeys(("join", "report"), len(replicas))
    n_jobs = sum(replicas) * len(of_each_run) + len(replicas) * len(of_each_sample) + 2
    assert said.counts == of_each_run | of_each_sample | {"compare": 1, "all": 1, "total": n_jobs}


def commands(folder: Path, sheet: str, **config: object) -> list[str]:
    campaign = Campaign(folder)
    campaign.write(sheet, **config)
    return campaign.dry_run().commands


def only(lines: list[str], *words: str) -> str:
    """Return the one command in which all of some words stand."""
    (line,) = [line for line in lines if all(word in line for word in words)]
    return line


def test_conditions_reach_the_commands_and_name_the_samples(tmp_path: Path) -> None:
    columns = "system\treplicas\tn_salt\ttemperature\tpolymer_fraction\tion_charge_scale\n"
    sheet = columns + "lb003\t2\t7\t\t\t0.75\nlb003_pota-no3\t1\t\t333.15\t0.1\t\n"
    said = commands(tmp_path, sheet, seed=5)
    build = only(said, "solvshell build lb003 ", "--replica 1")
    seed = derived_seed(5, zlib.crc32(b"lb003-n7-q0.75"))
    assert f"--seed {seed} --n-salt 7 --ion-charge-scale 0.75 --out results/lb003-n7-q0.75/boxes" in build
    gel = only(said, "solvshell build lb003_pota-no3")
    other = derived_seed(5, zlib.crc32(b"lb003_pota-no3-w0.1-333.15K"))
    assert f"--replica 0 --seed {other} --polymer-fraction 0.1 --out results/lb003_pota-no3-w0.1-333.15K/boxes" in gel
    run = only(said, "solvshell run results/lb003-n7-q0.75/boxes/replica-01 ", "--stop-before-production")
    assert f"--protocol quick --platform CPU --seed {derived_seed(seed, 1)} " in run
    assert "--out results/lb003-n7-q0.75/runs/replica-01 " in run
    assert run.replace("--stop-before-production ", "").replace(".equilibrate.", ".produce.") in said
    hot = [line for line in said if "--temperature '333.15 K'" in line]
    assert len(hot) == 2
    assert all("results/lb003_pota-no3-w0.1-333.15K/boxes/replica-00" in line for line in hot)
    assert sum("--stop-before-production" in line for line in hot) == 1


def test_whole_numbers_may_be_written_as_others_are(tmp_path: Path) -> None:
    """As pandas and spreadsheets do in a column with an empty cell, and JSON Schema allows."""
    said = commands(tmp_path, "system\treplicas\tn_salt\nlb003\t2.0\t8.0\nlb003\t1.0\t\n", seed=1.0)
    build = only(said, "results/lb003-n8/boxes", "solvshell build lb003 --replica 1 ")
    assert f"--seed {derived_seed(1, zlib.crc32(b'lb003-n8'))} --n-salt 8 " in build


def test_samples_are_compared_at_their_own_temperature_the_reference_first(tmp_path: Path) -> None:
    sheet = (
        "system\treplicas\ttemperature\nlb003\t1\t\nlb003_lino3\t1\t\nlb003\t1\t333\nlb003_lino3\t1\t333\nec\t1\t280\n"
    )
    said = [line for line in commands(tmp_path, sheet, reference="lb003_lino3") if "solvshell compare" in line]
    assert len(said) == 2
    assert "results/lb003_lino3/runs results/lb003/runs --out results/comparison " in only(said, "comparison ")
    hot = only(said, "comparison-333K ")
    assert "results/lb003_lino3-333K/runs results/lb003-333K/runs" in hot


def test_pages_that_are_not_wanted_are_not_made(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path)
    campaign.write(compare=False, binding=[])
    assert {"compare", "energies"}.isdisjoint(campaign.dry_run().counts)


def test_a_sample_with_a_reservoir_exchanges_molecules_with_it(tmp_path: Path) -> None:
    sheet = "system\treplicas\treservoir\nlb003\t2\tbulk\nlb003\t1\t\n"
    reservoir = {"system": "lb003", "n_salt": 50, "replicas": 5}
    campaign = Campaign(tmp_path)
    campaign.write(sheet, reservoirs={"bulk": reservoir}, resources={"reservoir": {"threads": 3}})
    said = campaign.dry_run("--cores", "4")
    assert {rule: said.counts[rule] for rule in ("reservoir", "equilibrate", "exchange", "produce")} == {
        "reservoir": 1,
        "equilibrate": 3,
        "exchange": 2,
        "produce": 1,
    }
    measured = only(said.commands, "solvshell reservoir lb003 ", "--at-once 3 --out results/reservoirs/bulk.yaml")
    seed = derived_seed(0, zlib.crc32(b"reservoir bulk"))
    assert f"--replicas 5 --platform CPU --seed {seed} --n-salt 50" in measured
    boxes = {re.search(r"--seed (\d+) --out", line)[1] for line in said.commands if "solvshell build lb003 " in line}
    assert len(boxes) == 2  # one for each sample: boxes alike are refused as copies
    open_runs = [line for line in said.commands if "--reservoir results/reservoirs/bulk.yaml" in line]
    assert len(open_runs) == 4
    assert all("lb003-open-bulk/" in line and "--protocol grand-canonical " in line for line in open_runs)


def write_reservoir(path: Path) -> None:
    held = {"name": "by hand", "temperature": "298.15 K", "species": {"EC": {"activity": "1e-9 /nm3"}}}
    path.write_text(yaml.safe_dump(held))


def test_a_reservoir_may_be_a_file(tmp_path: Path) -> None:
    write_reservoir(tmp_path / "bulk.yaml")
    campaign = Campaign(tmp_path)
    campaign.write("system\treplicas\treservoir\nlb003\t1\tbulk\n", reservoirs={"bulk": "bulk.yaml"})
    said = campaign.dry_run()
    assert "reservoir" not in said.counts
    assert sum("--reservoir bulk.yaml" in line for line in said.commands) == 2


@pytest.mark.parametrize("options", [[], ["--config", "gpu=0"]], ids=["gpu", "no_gpu"])
def test_the_local_profile_is_one_of_this_snakemake(options: list[str], tmp_path: Path) -> None:
    campaign = Campaign(tmp_path)
    campaign.write(gpu=1)
    said = campaign.dry_run("--profile", str(WORKFLOWS / "profiles/local"), *options)
    assert f"Using profile {WORKFLOWS / 'profiles/local'}" in said.text
    assert said.counts == campaign.dry_run().counts


MODULE = """
module solvshell:
    snakefile: {snakefile!r}
    config: {config!r}
    prefix: "electrolyte"

use rule * from solvshell as electrolyte_*

rule mine:
    default_target: True
    input: rules.electrolyte_all.input
"""


def test_the_workflow_is_a_module_of_another_one(tmp_path: Path) -> None:
    """Only results lie below its prefix: recipes, protocols, the sheet and given reservoirs are where they were."""
    Campaign(tmp_path).write("system\treplicas\tn_salt\treservoir\nlb003\t1\t7\t\nlb003\t1\t7\tbulk\nlb003\t1\t\tnew\n")
    write_reservoir(tmp_path / "bulk.yaml")
    reservoirs = {"bulk": "bulk.yaml", "new": {"system": "lb003"}}
    config = {"samples": "samples.tsv", "protocol": "quick", "reservoirs": reservoirs}
    own = tmp_path / "Snakefile"
    own.write_text(MODULE.format(snakefile=str(WORKFLOWS / "Snakefile"), config=config))
    said = snakemake(tmp_path, "--dry-run", "--printshellcmds", snakefile=own)
    assert said.status == 0, said.text
    assert said.counts["electrolyte_produce"] == 1
    assert said.counts["electrolyte_exchange"] == 2
    assert "--reservoir bulk.yaml " in only(said.commands, "lb003-n7-open-bulk", "--stop-before")
    measured = "electrolyte/results/reservoirs/new.yaml"
    assert f"--reservoir {measured} " in only(said.commands, "lb003-open-new", "--stop-before")
    assert said.counts["mine"] == 1
    paths = re.findall(r"\S*results/\S*", "\n".join(said.commands))
    assert [path for path in paths if not path.startswith("electrolyte/results/")] == []
    assert "--out electrolyte/results/lb003-n7/runs/replica-00" in only(said.commands, "lb003-n7/", "--stop-before")


def finish(campaign: Campaign) -> None:
    """Make the outputs of a campaign, empty, and have Snakemake take them for its own."""
    said = campaign.snakemake("--summary")
    paths = re.findall(r"^(results/\S+)\t", said.text, re.M)
    assert paths
    for path in paths:
        place = campaign.folder / path
        if re.search(r"boxes/replica-\d+$", path):
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
    assert campaign.snakemake("--touch", "--cores", "1").status == 0


def test_one_more_replica_makes_only_what_depends_on_it(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path)
    campaign.write()
    finish(campaign)
    assert "Nothing to be done" in campaign.dry_run().text
    campaign.write("system\treplicas\tn_salt\nlb003\t2\t7\nlb003_pota-no3\t1\t8\n")
    said = campaign.dry_run()
    of_the_replica = dict.fromkeys(("build", "equilibrate", "produce", "analyze", "energies"), 1)
    assert said.counts == of_the_replica | {"join": 1, "report": 1, "compare": 1, "all": 1, "total": 9}
    runs = [line for line in said.commands if re.search(r"solvshell (build|run|binding)", line)]
    assert all("replica-01" in line or "--replica 1 " in line for line in runs)
    assert not any("solvshell report results/lb003_pota-no3-n8" in line for line in said.commands)


def test_one_more_sample_leaves_the_others_alone(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path)
    campaign.write()
    finish(campaign)
    campaign.write("system\treplicas\tn_salt\nlb003\t1\t7\nlb003_lino3\t1\t8\nlb003_pota-no3\t1\t8\n")
    said = campaign.dry_run()
    assert sum("lb003_lino3-n8" in line for line in said.commands) == 8
    assert said.counts["total"] == 9


def test_the_page_of_the_config_knows_every_key_and_column() -> None:
    page = (WORKFLOWS / "config/README.md").read_text()
    rows = re.findall(r"^\| (`.+?) \|", page, re.M)
    told = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}
    config = schema("config")["properties"]
    known = {*config, *config["reservoirs"]["additionalProperties"]["properties"], *schema("samples")["properties"]}
    assert told == known


def test_the_example_of_the_page_is_a_sheet_and_names_its_samples(tmp_path: Path) -> None:
    page = (WORKFLOWS / "config/README.md").read_text()
    sheet = re.findall(r"^```\n(system\t.*?)^```$", page, re.M | re.S)[0]
    names = re.findall(r"`([^`]+)`", page.partition("the lines above are ")[2].partition(".\n")[0])
    campaign = Campaign(tmp_path)
    campaign.write(sheet, reservoirs={"bulk": {"system": "lb003"}})
    said = campaign.dry_run().commands
    assert sorted(names) == sorted(re.findall(r"solvshell report results/(\S+)/runs", "\n".join(said)))
