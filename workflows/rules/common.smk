# What the config and the sample sheet say, checked before any job starts.
import re
from pathlib import Path

import pandas as pd
from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

from solvshell.box import CONTENT
from solvshell.data import find, protocol_directory
from solvshell.errors import InvalidInput
from solvshell.folders import derived_seed, replica_name
from solvshell.protocol import load_protocols
from solvshell.provenance import RECORD
from solvshell.recipe import load_recipe


def read_sheet(path):
    """Return the lines of the sample sheet as dictionaries of what they state, checked by the schema."""
    if not Path(path).is_file():
        raise WorkflowError(f"samples: {path}: no such file; it is looked for in the working directory")
    sheet = pd.read_csv(path, sep="\t", comment="#", skipinitialspace=True).dropna(how="all").convert_dtypes()
    if sheet.empty:
        raise WorkflowError(f"{path}: holds no samples")
    lines = [{key: value for key, value in line.items() if not pd.isna(value)} for line in sheet.to_dict("records")]
    for line in lines:
        validate(line, "../schemas/samples.schema.yaml", set_default=False)
    return lines


def name_of(line):
    """Return the name of a sample: its conditions, so that what is run under others never shares a folder."""
    parts = {
        "n_salt": "n{:d}",
        "polymer_fraction": "w{:g}",
        "ion_charge_scale": "q{:g}",
        "temperature": "{:g}K",
        "reservoir": "open-{}",
    }
    conditions = [text.format(line[key]) for key, text in parts.items() if key in line]
    return "-".join([Path(line["system"]).stem, *conditions])


def check_sample(line):
    """Refuse a sample whose system, polymer or reservoir is unknown."""
    recipe = load_recipe(line["system"])
    if "polymer_fraction" in line:
        recipe = recipe.with_polymer_fraction(line["polymer_fraction"])
    if line.get("n_salt", recipe.smallest) < recipe.smallest:
        raise InvalidInput(f"n_salt: at least {recipe.smallest} for {line['system']}, got {line['n_salt']}")
    if "reservoir" in line and line["reservoir"] not in config["reservoirs"]:
        known = ", ".join(config["reservoirs"]) or "none are"
        raise InvalidInput(f"reservoir: of those in the config ({known}), got {line['reservoir']}")


def check_protocols():
    """Refuse protocols that there are not; one that exchanges molecules can only be read with its reservoir."""
    if any("reservoir" not in line for line in SAMPLES.values()):
        protocols = load_protocols(config["protocol"])
        if len(protocols) > 1:
            raise InvalidInput("protocol: a series of temperatures; give the sheet a column 'temperature' instead")
    if OPEN:
        find(config["exchange_protocol"], protocol_directory(), "protocol")
    for reservoir in config["reservoirs"].values():
        load_recipe(reservoir["system"])
        find(reservoir["protocol"], protocol_directory(), "protocol")


def read_samples():
    """Return the lines of the sheet by the names of the samples."""
    samples = {}
    for number, line in enumerate(read_sheet(config["samples"]), 1):
        try:
            check_sample(line)
        except InvalidInput as error:
            raise WorkflowError(f"{config['samples']}: sample {number}: {error}")
        name = name_of(line)
        if name in samples:
            raise WorkflowError(f"{config['samples']}: sample {number}: {name} stands there twice; raise its replicas")
        samples[name] = line
    return samples


USUAL = {
    name: dict(zip(("threads", "mem_mb", "runtime"), numbers))
    for name, numbers in {
        "build": (1, 4000, 60),
        "reservoir": (2, 8000, 2880),
        "equilibrate": (2, 6000, 1440),
        "produce": (2, 6000, 2880),
        "exchange": (2, 6000, 5760),
        "analyze": (1, 6000, 240),
        "energies": (2, 6000, 240),
        "join": (1, 6000, 120),
        "report": (1, 4000, 60),
        "compare": (1, 6000, 120),
    }.items()
}
validate(config, "../schemas/config.schema.yaml")
RESULTS = config["results"].rstrip("/")
SAMPLES = read_samples()
RUN = f"{RESULTS}/{{sample}}/runs/{{replica}}"
BOX = [f"{RESULTS}/{{sample}}/boxes/{{replica}}/{name}" for name in (*CONTENT, RECORD)]
JOINED = f"{RESULTS}/{{sample}}/runs/analysis/summary.json"
OPEN = [name for name, line in SAMPLES.items() if "reservoir" in line]
try:
    check_protocols()
except InvalidInput as error:
    raise WorkflowError(f"config: {error}")
if config.setdefault("reference", next(iter(SAMPLES))) not in SAMPLES:
    raise WorkflowError(f"config: reference: one of {', '.join(SAMPLES)}, got {config['reference']}")


def any_of(names):
    """Return a pattern that matches one of some names, and nothing where there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    sample=any_of(SAMPLES),
    replica=r"replica-\d\d+",
    reservoir=any_of(config["reservoirs"]),


def of_replicas(path, wildcards):
    """Return a file of each replica of a sample."""
    replicas = map(replica_name, range(SAMPLES[wildcards.sample]["replicas"]))
    return expand(path, sample=wildcards.sample, replica=replicas)


def replica_index(wildcards):
    return int(wildcards.replica.removeprefix("replica-"))


def run_seed(wildcards):
    """Return the seed that `solvshell run` gives a replica of a folder."""
    return derived_seed(config["seed"], replica_index(wildcards))


def options(given, *, names):
    """Return what is given of some options as a part of a command line."""
    return " ".join(f"--{name.replace('_', '-')} '{given[name]}'" for name in names if given.get(name) is not None)


def need(name, key):
    """Return the threads, memory (MB) or time (minutes) of a rule: the usual, or what the config says instead."""
    return config["resources"].get(name, {}).get(key, USUAL[name][key])


def reservoir_of(wildcards):
    """Return the file of the reservoir of a sample, if it has one."""
    name = SAMPLES[wildcards.sample].get("reservoir")
    return [] if name is None else f"{RESULTS}/reservoirs/{name}.yaml"


def run_options(wildcards):
    """Return how a box is run."""
    sample = SAMPLES[wildcards.sample]
    protocol = config["exchange_protocol" if "reservoir" in sample else "protocol"]
    temperature = f"{sample['temperature']} K" if "temperature" in sample else None
    given = {
        "protocol": protocol,
        "temperature": temperature,
        "reservoir": reservoir_of(wildcards) or None,
        "platform": config.get("platform"),
        "seed": run_seed(wildcards),
    }
    return options(given, names=given)


def campaign_pages():
    """Return what a campaign is run for."""
    pages = [f"{RESULTS}/{name}/report.html" for name in SAMPLES]
    return pages + [f"{RESULTS}/{name}/index.html" for name in comparisons()]


def comparisons():
    """Return the samples of each comparison by the name of its folder: those of one temperature, reference first."""
    at = {}
    for name, line in SAMPLES.items():
        at.setdefault(line.get("temperature"), []).append(name)
    found = {}
    for temperature, names in at.items():
        if config["compare"] and len(names) > 1:
            folder = "comparison" if temperature is None else f"comparison-{temperature:g}K"
            found[folder] = sorted(names, key=lambda name: name != config["reference"])
    return found
