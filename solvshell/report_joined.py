"""What a page says of replicas and of temperatures: the joined tables, and each replica in short."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from solvshell import figures
from solvshell.citations import run_facts
from solvshell.errors import InvalidInput
from solvshell.folders import runs_of, temperatures_of
from solvshell.joined.join import JOINED_TABLES
from solvshell.joined.long_enough import long_enough
from solvshell.joined.temperatures import SERIES_TABLES, fit_words
from solvshell.report_provenance import origin_rows
from solvshell.report_views import NO_VIEWS, views_of
from solvshell.run import Run
from solvshell.shown import read_analyzed, read_table

_QUANTITIES = {
    "density_g_cm3": "density",
    "potential_kj_mol": "potential energy",
    "peak_angstrom": "peak",
    "energy_first_shell": "energy with the first shell",
    "energy_whole_box": "energy with the box",
    "energy_lj_tail": "Lennard-Jones beyond the cutoff",
    "residence_ps (censored_exponential)": "mean of residence times",
}
Section = dict[str, Any]
Drawn = dict[str, Figure | None]


@dataclass(frozen=True)
class JoinedShown:
    """The joined tables of a folder as a page reads them."""

    folder: Path
    tables: dict[str, pd.DataFrame]
    summary: dict[str, Any]
    run: Run


def _read(path: Path, names: tuple[str, ...]) -> JoinedShown:
    folder = path / "analysis"
    missing = [name for name in (*(f"{name}.csv" for name in names), "summary.json") if not (folder / name).is_file()]
    if missing:
        raise InvalidInput(f"{path}: not analyzed, {', '.join(missing)} missing (make them with 'solvshell analyze')")
    try:
        summary = json.loads((folder / "summary.json").read_text())
    except ValueError as error:
        raise InvalidInput(f"{folder / 'summary.json'}: cannot be read ({error}); analyze it again") from None
    return JoinedShown(folder, {name: read_table(folder / f"{name}.csv") for name in names}, summary, runs_of(path)[0])


def _label(quantity: str, center: str, of: str) -> str:
    """Return a row of ``replicas.csv`` in words: ``coordination Li–O(C=O) of EC``."""
    partner, _, site = of.rpartition(" ")
    known = _QUANTITIES.get(quantity, quantity)
    if not center:
        return known
    if quantity == "shell":
        return f"share of {center} with {figures.shell_name(of)}"
    if quantity == "state":
        return f"share of {center} in {of.upper()}"
    if quantity.startswith("energy"):
        return f"{known}, {center}"
    return f"{known} {figures.pair_name(center, partner, site) if partner else f'all around {center}'}"


def _labelled(table: pd.DataFrame) -> pd.DataFrame:
    table = table.fillna({"center": "", "of": ""})
    return table.assign(label=[_label(row.quantity, row.center, row.of) for row in table.itertuples()])


def _numbers(shown: JoinedShown) -> pd.DataFrame:
    """Return the coordination numbers, the total of each center last, as their figure wants them."""
    found = shown.tables["coordination"].dropna(subset=["cn_atoms_mean"])
    rows = [
        (f"{row.partner} {row.site}", figures.pair_name(row.center, row.partner, row.site), row.cn_atoms_mean,
         row.ci95_low, row.ci95_high)
        for row in found.itertuples()
    ]  # fmt: skip
    for center, total in shown.summary["coordination"]["total"].items():
        if total["mean"] is not None:
            limits = [float("nan") if total[key] is None else total[key] for key in ("ci95_low", "ci95_high")]
            rows.append(("all", f"all around {center}", total["mean"], *limits))
    return pd.DataFrame(rows, columns=["of", "label", "mean", "ci95_low", "ci95_high"])


def _replica_rdfs(shown: JoinedShown) -> dict[str, pd.DataFrame]:
    folders = {one["name"]: Path(one["folder"]) / "analysis" / "rdf.csv" for one in shown.summary["replicas"]}
    return {name: read_table(path) for name, path in folders.items() if path.is_file()}


def _drawn(shown: JoinedShown) -> Drawn:
    tables = shown.tables
    partners = list(dict.fromkeys(tables["coordination"].partner))
    return {
        "replica_rdfs": figures.plot_replica_rdfs(tables["rdf"], _replica_rdfs(shown), tables["coordination"]),
        "replica_numbers": figures.plot_replica_numbers(tables["replicas"].fillna({"of": ""}), _numbers(shown)),
        "between_replicas": figures.plot_between_replicas(_labelled(tables["between_replicas"])),
        "shells": figures.plot_shells(tables["shells"], tables["speciation"], partners),
    }


def _of_replicas(shown: JoinedShown) -> list[dict[str, Any]]:
    """Return for each replica its frames, the sum of its shell, and its flags."""
    totals = shown.tables["replicas"].query("quantity == 'coordination' and of == 'all'")
    rows = []
    for one in shown.summary["replicas"]:
        own = totals[totals.replica == one["name"]]
        numbers = [f"{figures.number(row.value, row.stderr)} around {row.center}" for row in own.itertuples()]
        marks = ("demonstration", "not_equilibrated", "no_plateau", "short_draws")
        flags = [name.replace("_", " ") for name in marks if one["flags"].get(name)]
        rows.append(one | {"numbers": ", ".join(numbers), "marks": ", ".join(flags)})
    return rows


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def _section(shown: JoinedShown, page: str, title: str, **more: Any) -> Section:
    tables = {name: _records(table) for name, table in shown.tables.items()}
    common = {"title": title, "page": page, "folder": shown.folder, "run": shown.run, "views": NO_VIEWS}
    facts = run_facts(shown.run) | {"analysis", "residence"}
    common |= {"origin": origin_rows(shown.run), "facts": facts}
    return common | {"summary": shown.summary, "tables": tables} | more


def _of_folder(path: Path, extra: str = "") -> tuple[Section, Drawn]:
    shown = _read(path, JOINED_TABLES)
    joined = {one["name"] for one in shown.summary["replicas"]}
    replicas = [read_analyzed(run.path) for run in runs_of(path) if run.path.name in joined]
    views, judged = views_of(replicas[0]), long_enough(replicas)
    energies = shown.tables["energies"].query("quantity == 'per_center' and region == 'first_shell'")
    section = _section(
        shown,
        "joined.html",
        shown.run.box.recipe.title + extra,
        replicas=_of_replicas(shown),
        between=_records(_labelled(shown.tables["between_replicas"])),
        energies=_records(energies[energies.coulomb == "bare"]),
        residence=_records(shown.tables["residence"].query("method == 'censored_exponential'")),
        views=views,
        convergence=_records(judged),
    )
    return section, _drawn(shown) | {"snapshot": views.picture, "convergence": figures.plot_convergence(judged)}


def joined_sections(path: Path) -> Iterator[tuple[Section, Drawn]]:
    """Yield what a page says of a folder of replicas or temperatures, and its figures, not yet written.

    Raises
    ------
    InvalidInput
        If it has not been analyzed.
    """
    temperatures = temperatures_of(path)
    if not temperatures:
        yield _of_folder(path)
        return
    shown = _read(path, SERIES_TABLES)
    for name in ("center", "partner", "site", "note", "basis", "status", "limits"):
        for table in shown.tables.values():
            if name in table:
                table[name] = table[name].fillna("")
    fits = [row | {"words": fit_words(row)} for row in _records(shown.tables["arrhenius"])]
    title = f"{shown.run.box.recipe.title}, {len(shown.summary['temperatures'])} temperatures"
    drawn: Drawn = {"temperatures": figures.plot_temperatures(shown.tables["temperatures"], shown.tables["arrhenius"])}
    yield _section(shown, "temperatures.html", title, fits=fits), drawn
    for kelvin, inner in temperatures.items():
        if not (inner / "protocol.yaml").is_file() and f"{kelvin:g}" in shown.summary["temperatures"]:
            yield _of_folder(inner, f", {kelvin:g} K")
