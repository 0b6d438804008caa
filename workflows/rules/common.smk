# What the config and the sample sheet say, checked before any job starts.
import csv
import math
import re
import shlex
import zlib
from difflib import get_close_matches
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

from solvshell.data import find, protocol_directory
from solvshell.errors import InvalidInput
from solvshell.files import yaml_content
from solvshell.folders import derived_seed, replica_name
from solvshell.protocol import load_protocols
from solvshell.recipe import load_recipe
from solvshell.reservoir import load_reservoir


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
        raise WorkflowError(f"{where}: {in_one_line(error.__context__)}") from None


def as_number(text):
    """Return the number that a cell of the sheet holds, or its text."""
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        if math.isfinite(value):
            return value
    return text


def read_sheet(path):
    """Return the lines of the sample sheet as dictionaries of what they state; `#` begins a line of comment."""
    if not Path(path).is_file():
        raise WorkflowError(f"samples: {path}: no such file; it is looked for in the working directory")
    content = Path(path).read_text(encoding="utf-8-sig")
    lines = [line for line in content.splitlines() if line.strip() and not line.startswith("#")]
    header, *rows = csv.reader(lines, delimiter="\t") if lines else [[]]
    columns = [name.strip() for name in header]
    if not rows:
        raise WorkflowError(f"{path}: no samples; below the names of the columns stands one in each line")
    if len(columns) == 1:
        raise WorkflowError(f"{path}: one column, {columns[0]!r}; columns are separated by tabs")
    if twice := [name for name in columns if columns.count(name) > 1]:
        raise WorkflowError(f"{path}: {twice[0]}: a column that stands there twice")
    sheet = []
    for number, row in enumerate(rows, 1):
        if len(row) > len(columns):
            raise WorkflowError(f"{path}: sample {number}: {len(row)} cells in {len(columns)} columns")
        cells = {name: cell.strip() for name, cell in zip(columns, row)}
        sheet.append({name: as_number(cell) for name, cell in cells.items() if cell})
    return sheet


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
    """Refuse a sample whose system, size, polymer or reservoir there is not."""
    recipe = load_recipe(line["system"])
    if "polymer_fraction" in line:
        if recipe.polymer is None:
            raise InvalidInput(f"polymer_fraction: {line['system']} has no polymer")
        recipe = recipe.with_polymer_fraction(line["polymer_fraction"])
    if line.get("n_salt", recipe.smallest) < recipe.smallest:
        raise InvalidInput(f"n_salt: at least {recipe.smallest} for {line['system']}, got {line['n_salt']}")
    if "reservoir" in line and line["reservoir"] not in config["reservoirs"]:
        known = ", ".join(config["reservoirs"]) or "none are"
        raise InvalidInput(f"reservoir: of those in the config ({known}), got {line['reservoir']}")


def read_samples():
    """Return the lines of the sheet by the names of the samples."""
    samples = {}
    for number, line in enumerate(read_sheet(config["samples"]), 1):
        where = f"{config['samples']}: sample {number}"
        check(line, "../schemas/samples.schema.yaml", where)
        try:
            check_sample(line)
        except InvalidInput as error:
            raise WorkflowError(f"{where}: {error}")
        name = name_of(line)
        if name in samples:
            raise WorkflowError(f"{where}: {name} stands there twice; raise its replicas instead")
        samples[name] = line
    return samples


def check_closed():
    """Refuse a protocol that is none for closed boxes at one temperature."""
    protocols = load_protocols(config["protocol"])
    if len(protocols) > 1:
        raise InvalidInput("protocol: a series of temperatures; give the sheet a column 'temperature' instead")
    protocols[None].production


def check_open():
    """Refuse a protocol in which nothing is exchanged; the whole of it can only be read with its reservoir."""
    name = config["exchange_protocol"]
    content = yaml_content(find(name, protocol_directory(), "protocol"))
    if "grand_canonical" not in [stage.get("kind") for stage in content.get("stages", [])]:
        raise InvalidInput(f"exchange_protocol: one with a stage of kind grand_canonical, got {name}")


def check_reservoir(name, given):
    """Refuse a reservoir that there is not, or whose protocol measures none."""
    if isinstance(given, str):
        load_reservoir(Path(given))
        return
    load_recipe(given["system"])
    protocol = given.get("protocol", "decouple-solvent")
    for one in load_protocols(protocol).values():
        if one.stages[-1].kind != "decouple":
            raise InvalidInput(f"reservoirs.{name}.protocol: one that ends in decouple, got {protocol}")


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
RESULTS = config["results"].rstrip("/")
SAMPLES = read_samples()
OPEN = [name for name, line in SAMPLES.items() if "reservoir" in line]
BOX = f"{RESULTS}/{{sample}}/boxes/{{replica}}"
RUN = f"{RESULTS}/{{sample}}/runs/{{replica}}"
EQUILIBRATED = f"{RESULTS}/{{sample}}/equilibrated/{{replica}}"
JOINED = f"{RESULTS}/{{sample}}/runs/analysis/summary.json"
try:
    if len(OPEN) < len(SAMPLES):
        check_closed()
    if OPEN:
        check_open()
    for name, given in config["reservoirs"].items():
        check_reservoir(name, given)
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
    return options({key: sample.get(key) for key in ("n_salt", "polymer_fraction", "ion_charge_scale")})


def reservoir_options(wildcards):
    """Return how a bulk is measured."""
    usual = {"replicas": 3, "platform": config.get("platform"), "seed": seed_of(f"reservoir {wildcards.reservoir}")}
    given = {key: value for key, value in config["reservoirs"][wildcards.reservoir].items() if key != "system"}
    return options(usual | given)


def reservoir_of(wildcards):
    """Return the file of the reservoir of a sample, if it has one: measured here, or given in the config."""
    name = SAMPLES[wildcards.sample].get("reservoir")
    if name is None:
        return []
    given = config["reservoirs"][name]
    return given if isinstance(given, str) else f"{RESULTS}/reservoirs/{name}.yaml"


def run_options(wildcards, input):
    """Return how a box is run; its seed is the one that `solvshell run` gives a replica of a folder."""
    sample = SAMPLES[wildcards.sample]
    return options(
        {
            "protocol": config["exchange_protocol" if "reservoir" in sample else "protocol"],
            "temperature": f"{sample['temperature']} K" if "temperature" in sample else None,
            "reservoir": input.get("reservoir") or None,
            "platform": config.get("platform"),
            "seed": derived_seed(seed_of(wildcards.sample), replica_index(wildcards)),
        }
    )


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


def campaign_pages():
    """Return what a campaign is run for."""
    pages = [f"{RESULTS}/{name}/report.html" for name in SAMPLES]
    return pages + [f"{RESULTS}/{name}/index.html" for name in comparisons()]
