# What the config and the sample sheet say, checked before any job starts.
import re
import shlex
import zlib
from difflib import get_close_matches
from pathlib import Path

from jsonschema import ValidationError
from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

from solvshell import campaign
from solvshell.errors import InvalidInput
from solvshell.folders import derived_seed, replica_name


def in_one_line(error):
    """Return what a schema objects to: the field, what was given, what is allowed."""
    field = "".join(f"{key}." for key in error.absolute_path)
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        unknown = next(key for key in error.instance if key not in known)
        meant = get_close_matches(unknown, known, n=1)
        hint = f", did you mean {meant[0]}?" if meant else ""
        return f"{field}{unknown}: unknown{hint} (known: {', '.join(known)})"
    if error.validator == "required":
        missing = next(key for key in error.schema["required"] if key not in error.instance)
        return f"{field}{missing}: missing"
    return f"{field.removesuffix('.')}: {error.message}" if field else error.message


def check(content, schema, where):
    """Refuse what does not fit a schema, by one line instead of the whole schema; fill in the defaults."""
    try:
        validate(content, schema)
    except WorkflowError as error:
        why = error.__context__
        raise WorkflowError(f"{where}: {in_one_line(why) if isinstance(why, ValidationError) else error}") from None


def read_samples():
    """Return the samples of the sheet by their names."""
    lines = campaign.read_sheet(Path(config["samples"]))
    for number, line in enumerate(lines, 1):
        check(line, "../schemas/samples.schema.yaml", f"{config['samples']}: sample {number}")
    return campaign.samples_of(config, lines)


#: threads, memory (MB) and time (minutes) of each rule
USUAL = {
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
}
check(config, "../schemas/config.schema.yaml", "config")
config.update(campaign.with_whole_numbers(config))
RESULTS = config["results"].rstrip("/")
BOX = f"{RESULTS}/{{sample}}/boxes/{{replica}}"
RUN = f"{RESULTS}/{{sample}}/runs/{{replica}}"
EQUILIBRATED = f"{RESULTS}/{{sample}}/equilibrated/{{replica}}"
JOINED = f"{RESULTS}/{{sample}}/runs/analysis/summary.json"
try:
    SAMPLES = read_samples()
except InvalidInput as error:
    raise WorkflowError(str(error))
OPEN = [name for name, sample in SAMPLES.items() if sample.reservoir is not None]
if config.setdefault("reference", next(iter(SAMPLES))) not in SAMPLES:
    raise WorkflowError(f"config: reference: one of {', '.join(SAMPLES)}, got {config['reference']}")
COMPARISONS = campaign.comparisons(SAMPLES, config["reference"]) if config["compare"] else {}


def any_of(names):
    """Return a pattern that matches one of some names, and nothing where there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    sample=any_of(SAMPLES),
    replica=r"replica-\d\d+",
    reservoir=any_of(config["reservoirs"]),


def of_replicas(path, wildcards):
    """Return a file of each replica of a sample."""
    replicas = map(replica_name, range(SAMPLES[wildcards.sample].replicas))
    return expand(path, sample=wildcards.sample, replica=replicas)


def replica_index(wildcards):
    return int(wildcards.replica.removeprefix("replica-"))


def seed_of(name):
    """Return the seed of what has a name: two samples of one recipe share no packing, and no noise."""
    return derived_seed(config["seed"], zlib.crc32(name.encode()))


def options(given):
    """Return options as a part of a command line, without those that are not given."""
    pairs = [(f"--{name.replace('_', '-')}", str(value)) for name, value in given.items() if value is not None]
    return shlex.join(word for pair in pairs for word in pair)


def need(rule, key):
    """Return the threads, memory (MB) or time (minutes) of a rule: the usual, or what the config says instead."""
    usual = dict(zip(("threads", "mem_mb", "runtime"), USUAL[rule]))
    return config["resources"].get(rule, usual).get(key, usual[key])


def build_options(wildcards):
    """Return what is other than the recipe says."""
    sample = SAMPLES[wildcards.sample]
    return options({key: getattr(sample, key) for key in ("n_salt", "polymer_fraction", "ion_charge_scale")})


def reservoir_options(wildcards):
    """Return how a bulk is measured."""
    usual = {"replicas": 3, "platform": config.get("platform"), "seed": seed_of(f"reservoir {wildcards.reservoir}")}
    given = {key: value for key, value in config["reservoirs"][wildcards.reservoir].items() if key != "system"}
    return options(usual | given)


def reservoir_of(wildcards):
    """Return the file of the reservoir of a sample if that is measured here; one that is given is no output of a rule."""
    name = SAMPLES[wildcards.sample].reservoir
    is_measured = name is not None and not isinstance(config["reservoirs"][name], str)
    return f"{RESULTS}/reservoirs/{name}.yaml" if is_measured else []


def run_options(wildcards, input):
    """Return how a box is run; its seed is the one that `solvshell run` gives a replica of a folder."""
    sample = SAMPLES[wildcards.sample]
    given = config["reservoirs"].get(sample.reservoir)
    return options(
        {
            "protocol": config["protocol" if sample.reservoir is None else "exchange_protocol"],
            "temperature": None if sample.temperature is None else f"{sample.temperature} K",
            "reservoir": given if isinstance(given, str) else input.get("reservoir") or None,
            "platform": config.get("platform"),
            "seed": derived_seed(seed_of(wildcards.sample), replica_index(wildcards)),
        }
    )


def campaign_pages():
    """Return what a campaign is run for."""
    pages = [f"{RESULTS}/{name}/report.html" for name in SAMPLES]
    return pages + [f"{RESULTS}/{name}/index.html" for name in COMPARISONS]
