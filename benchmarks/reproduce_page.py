"""The page of the study's figure from a finished campaign: figure, verdicts, small tables, and where they come from.

    python benchmarks/reproduce_page.py workflows/results/reproduce/comparison --command "snakemake ..."

reads that comparison and the runs that it was made from, and writes ``docs/results/reproduce.md`` and what it needs in
``docs/results/reproduce/``. Trajectories stay where they are.
"""

import argparse
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from solvshell.comparison.study_words import label
from solvshell.errors import InvalidInput
from solvshell.figures import SITE_NAMES
from solvshell.files import write_atomically, write_json
from solvshell.provenance import read_record
from solvshell.run import Run

TABLES = ("study", "peaks", "coordination", "energies", "speciation", "shells", "convergence")
#: What a record says of the machine besides its platform; the seal is that of the whole record.
_PRIVATE = frozenset({"host", "machine", "seal"})
_FOLDERS = re.compile(r"""(?<![^\s'"=])/(?:[^\s/'"]+/)+""")


@dataclass(frozen=True)
class Sample:
    """A system of the comparison with its runs and the summaries of their analyses."""

    name: str
    runs: tuple[Run, ...]
    summaries: tuple[dict[str, Any], ...]

    @property
    def folder(self) -> str:
        """Name of a folder for it."""
        return re.sub(r"[^\w.-]+", "-", self.name).strip("-")

    @property
    def ns(self) -> list[float]:
        """How long the part of each run is that was used."""
        frames = [summary["frames"] for summary in self.summaries]
        return [(one["last_time_ps"] - one["first_time_ps"]) / 1000 for one in frames]

    @property
    def starts(self) -> list[dict[str, Any]]:
        """All starts of all runs."""
        return [start for run in self.runs for start in run.provenance["starts"]]


def samples_of(comparison: Path) -> list[Sample]:
    """Return the systems of a comparison, found from its record of what it was made from.

    Raises
    ------
    InvalidInput
        If the folder is no comparison of the study's systems, or a run of it is not there or not finished.
    """
    if not (comparison / "study.csv").is_file():
        raise InvalidInput(f"{comparison}: holds no study.csv; give a comparison of lb003 with lb003_pota-no3")
    made_from = [comparison / path for path in read_record(comparison / "provenance.json")["made_from"]]
    samples, rest = [], iter(made_from)
    for system in read_record(comparison / "summary.json")["systems"]:
        paths = [next(rest).resolve() for _ in range(system["replicas"])]
        runs = tuple(Run.load(path.parents[1]) for path in paths)
        if unfinished := [str(run.path) for run in runs if not run.is_done]:
            raise InvalidInput(f"{unfinished[0]}: not finished; the page is made of finished runs")
        samples.append(Sample(system["system"], runs, tuple(read_record(path) for path in paths)))
    return samples


def public(content: Any) -> Any:
    """Return a record without the name of the machine, and with the last parts of absolute paths only."""
    if isinstance(content, Mapping):
        return {key: public(value) for key, value in content.items() if key not in _PRIVATE}
    if isinstance(content, list):
        return [public(value) for value in content]
    return _FOLDERS.sub("", content) if isinstance(content, str) else content


def records(comparison: Path, samples: Sequence[Sample]) -> dict[str, Any]:
    """Return what made each box and each run, with seeds, versions, platforms and the hashes of all files."""
    return public({
        "comparison": read_record(comparison / "provenance.json"),
        "samples": {
            sample.name: {
                run.path.name: {
                    "box": read_record(run.path / "box" / "provenance.json"),
                    "run": run.provenance,
                    "done": read_record(run.path / "done.json"),
                    "analysis": summary["source"] | {"version": summary["version"]},
                }
                for run, summary in zip(sample.runs, sample.summaries, strict=True)
            }
            for sample in samples
        },
    })  # fmt: skip


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]]


def _distinct(values: Iterator[str]) -> str:
    return ", ".join(dict.fromkeys(values))


def _made(comparison: Path, samples: Sequence[Sample], command: str) -> Iterator[str]:
    """Yield the command, the versions, the platforms and the time of the runs."""
    starts = [start for sample in samples for start in sample.starts]
    versions = _distinct(
        f"solvshell {start['versions']['solvshell']}, OpenMM {start['versions']['openmm']}" for start in starts
    )
    checkouts = [start["checkout"] for start in starts if "checkout" in start]
    commits = _distinct(f"{one['commit'][:12]}{' with changes' * one['is_changed']}" for one in checkouts)
    devices = _distinct(f"{start['platform']} ({start['device']})" for start in starts)
    dates = sorted(read_record(run.path / "done.json")["finished"][:10] for sample in samples for run in sample.runs)
    when = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    total = sum(sum(sample.ns) for sample in samples)
    n_runs = sum(len(sample.runs) for sample in samples)
    yield from ("Made by", "", "```bash", command)
    shown = shlex.quote(command)
    yield from (f"cd .. && python benchmarks/reproduce_page.py {public(str(comparison))} --command {shown}", "```", "")
    analyzed = read_record(comparison / "provenance.json").get("checkout", {}).get("commit", "unknown")[:12]
    yield (
        f"{n_runs} runs with {total:.3g} ns used in all, ended {when}; {versions}"
        f"{f', commit {commits}' if commits else ''} (compared: {analyzed}); platform {devices}."
    )
    smallest = [sample for sample in samples if sample.runs[0].box.recipe.n_salt == sample.runs[0].box.recipe.smallest]
    if smallest:
        names = ", ".join(label(sample.name) for sample in smallest)
        yield f"The boxes are the smallest that their recipes allow ({names}): their size is a caveat of its own."
    yield ""


def _runs(samples: Sequence[Sample]) -> Iterator[str]:
    rows = []
    for sample in samples:
        run, polymer = sample.runs[0], sample.runs[0].box.provenance.get("polymer") or {}
        counts = ", ".join(f"{count} {name}" for name, count in run.box.counts.items())
        density = [one["thermodynamics"]["density_g_cm3"]["mean"] for one in sample.summaries]
        rows.append([
            label(sample.name), f"{len(sample.runs)} × {min(sample.ns):.3g}", f"{run.box.n_atoms:,}", counts,
            f"{100 * polymer['mass_fraction']:.1f} %" if "mass_fraction" in polymer else "",
            ", ".join(f"{value:.3f}" for value in density if value is not None),
            run.protocol.name, ", ".join(str(one.provenance["seed"]) for one in sample.runs),
        ])  # fmt: skip
    yield from ("## The runs", "")
    head = ["system", "replicas × ns used", "atoms", "in the box", "polymer by mass", "g/cm³", "protocol", "seeds"]
    yield from _table(head, rows)
    yield ""


def _read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def _interval(value: float, low: float, high: float, digits: int, *, sign: bool = False) -> str:
    if pd.isna(value):
        return ""
    said = [f"{number:{'+' if sign else ''}.{digits}f}".replace("-", "−") for number in (value, low, high)]
    return said[0] if pd.isna(low) else f"{said[0]} ({said[1]} to {said[2]})"


def _coordination(comparison: Path) -> Iterator[str]:
    """Yield the coordination numbers of Li+ and their changes; what has few samples is marked."""
    table = _read(comparison / "coordination.csv")
    rows = []
    for row in table[table.center == "Li"].itertuples():
        if row.status in ("absent", "no_shell"):
            continue
        mark = "" if row.status == "resolved" else " *"
        rows.append([
            f"{row.partner} {SITE_NAMES.get(row.site, row.site)}", label(row.system),
            _interval(row.cn_atoms_mean, row.ci95_low, row.ci95_high, 2) + mark,
            _interval(row.difference, row.difference_ci95_low, row.difference_ci95_high, 2, sign=True),
            "" if pd.isna(row.n_independent) else f"{row.n_independent:.0f}",
        ])  # fmt: skip
    yield from ("## Atoms in the first shell of Li⁺", "")
    yield from _table(["atoms of", "system", "number (95 %)", "change (95 %)", "independent samples"], rows)
    yield from ("", "\\* fewer than 10 independent samples in a replica: not resolved.", "")


def _caveats(comparison: Path) -> Iterator[str]:
    """Yield what is to be kept in mind besides the limits of the runs, which the caption tells."""
    yield from ("## Further caveats", "", "What the runs themselves cannot say stands in the caption.", "")
    for one in read_record(comparison / "summary.json")["other_ratios_of_controls"]:
        yield f"- {one['control']} as a control for {one['system']}: {one['difference']}."
    yield "- A homogeneous gel stands for the study's layer: there is no interface, no electrode and no field."
    yield (
        "- Seeds and commit are those of the records in provenance.json. Later versions of the workflow give each "
        "system seeds of its own, so that the command above now packs other boxes of the same recipes."
    )
    yield "- The study states neither its polymer content nor its force field; ours are assumptions, in the recipes."
    yield ""


def _files(samples: Sequence[Sample]) -> Iterator[str]:
    tables = ", ".join(f"[{name}.csv](reproduce/{name}.csv)" for name in TABLES)
    inputs = [(label(one.name), f"reproduce/{one.folder}") for one in samples]
    recipes = ", ".join(f"{name} [recipe]({at}/recipe.yaml), [protocol]({at}/protocol.yaml)" for name, at in inputs)
    yield from ("## Files", "", f"- Tables: {tables}; the figure as [SVG](reproduce/study.svg).", f"- {recipes}.")
    yield (
        "- [provenance.json](reproduce/provenance.json): of each box, run and analysis the command, versions, seed, "
        "platform, and the size and SHA-256 of every file, trajectories included."
    )


def page(comparison: Path, samples: Sequence[Sample], command: str) -> str:
    """Return the page as Markdown."""
    study = (comparison / "study.md").read_text(encoding="utf-8").replace("](study.png)", "](reproduce/study.png)")
    lines = [
        "# The study's Fig. 2 d–h from our own runs",
        "",
        *_made(comparison, samples, command),
        *study.rstrip().splitlines(),
        "",
        *_coordination(comparison),
        *_runs(samples),
        *_caveats(comparison),
        *_files(samples),
    ]
    return "\n".join(lines) + "\n"


def write_page(comparison: Path, docs: Path, command: str) -> Path:
    """Write the page and its folder, and return its path; what lay in the folder before is replaced.

    Raises
    ------
    InvalidInput
        As `samples_of`.
    """
    samples = samples_of(comparison)
    folder = docs / "reproduce"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("study.svg", "study.png", *(f"{table}.csv" for table in TABLES)):
        shutil.copyfile(comparison / name, folder / name)
    for sample in samples:
        (folder / sample.folder).mkdir()
        shutil.copyfile(sample.runs[0].path / "box" / "recipe.yaml", folder / sample.folder / "recipe.yaml")
        shutil.copyfile(sample.runs[0].path / "protocol.yaml", folder / sample.folder / "protocol.yaml")
    write_json(folder / "provenance.json", records(comparison, samples))
    write_atomically(docs / "reproduce.md", page(comparison, samples, command))
    return docs / "reproduce.md"


def main() -> None:
    """Write the page of a comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comparison", type=Path, help="the folder of the finished comparison")
    parser.add_argument("--docs", type=Path, default=Path(__file__).parents[1] / "docs" / "results")
    parser.add_argument("--command", required=True, help="what made the campaign, to stand on the page")
    given = parser.parse_args()
    try:
        print(write_page(given.comparison, given.docs, given.command))
    except InvalidInput as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
