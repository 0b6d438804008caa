"""Tables -> figures and one self-contained page. It only shows what `analyze` wrote: no number is made here."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from matplotlib.figure import Figure

from solvshell import figures, report_tables
from solvshell.analysis.analyze import UNKNOWN_DYNAMICS
from solvshell.analysis.exchange import WINDOW_PS
from solvshell.analysis.findings import TABLES
from solvshell.analysis.sources import SHELLS
from solvshell.errors import InvalidInput
from solvshell.files import write_atomically
from solvshell.run import Run


@dataclass(frozen=True)
class Shown:
    """One analyzed run or trajectory: where it came from, its tables, its summary, its log."""

    title: str
    folder: Path
    tables: dict[str, pd.DataFrame]
    summary: dict[str, Any]
    run: Run | None
    log: pd.DataFrame | None


def _read_table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def _read_file(path: Path, read: Callable[[Path], Any]) -> Any:
    try:
        return read(path)
    except ValueError as error:  # pandas and json both say it so
        raise InvalidInput(f"{path}: cannot be read ({error}); make it again with 'solvshell analyze'") from None


def read_analyzed(path: Path | str) -> Shown:
    """Return the tables and the summary of an analyzed run, or of a folder of tables.

    Raises
    ------
    InvalidInput
        If the folder has not been analyzed.
    """
    path = Path(path)
    if not path.is_dir():
        raise InvalidInput(f"{path}: no such folder")
    run = Run.load(path) if (path / "protocol.yaml").is_file() else None
    folder = run.analysis_path if run else path
    missing = [
        name for name in (*(f"{table}.csv" for table in TABLES), "summary.json") if not (folder / name).is_file()
    ]
    if missing:
        raise InvalidInput(f"{path}: not analyzed, {', '.join(missing)} missing (make them with 'solvshell analyze')")
    summary = _read_file(folder / "summary.json", lambda file: json.loads(file.read_text()))
    files = [summary["source"][name] for name in ("topology", "trajectory") if name in summary["source"]]
    return Shown(
        title=run.box.recipe.title if run else ", ".join(files) or path.resolve().name,
        folder=folder,
        tables={name: _read_file(folder / f"{name}.csv", _read_table) for name in TABLES},
        summary=summary,
        run=run,
        log=pd.read_csv(run.log_path) if run else None,
    )


def save_and_embed(figure: Figure, name: str, folder: Path) -> str:
    """Write a figure (SVG, PNG) and return its SVG as a data address."""
    figures.save_figure(figure, name, str(folder))
    return "data:image/svg+xml;base64," + base64.b64encode((folder / f"{name}.svg").read_bytes()).decode()


def page_template(name: str) -> jinja2.Template:
    """Return a template of a page, with the filters and functions that pages share."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("solvshell", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["pair"] = lambda row: figures.pair_name(row["center"], row["partner"], row["site"])
    environment.filters["quantity"] = figures.quantity_name
    environment.globals |= {"number": figures.number, "shell_name": figures.shell_name}
    return environment.get_template(name)


def _typical_shells(shown: Shown, partners: Sequence[str]) -> Figure | None:
    index = report_tables.typical_shells(shown.folder, shown.summary)
    return None if index is None else figures.plot_typical_shells(index, shown.folder / SHELLS, partners)


def _log(shown: Shown) -> Figure | None:
    if shown.log is None or shown.run is None:
        return None
    dropped_ps = shown.summary["frames"]["first_time_ps"]
    return figures.plot_log(shown.log, dropped_ps, shown.run.protocol.production.name)


def _drawn(shown: Shown) -> dict[str, Figure | None]:
    """Return all figures that a page may have; those that say nothing here are None."""
    tables, summary = shown.tables, shown.summary
    rdf, coordination = tables["rdf"], tables["coordination"]
    partners = list(dict.fromkeys(coordination.partner))
    colors = figures.partner_colors(partners)
    return {
        "convergence": figures.plot_convergence(tables["convergence"]),
        "running_means": figures.plot_running_means(tables["running_means"]),
        "rdf": figures.plot_rdf(rdf, coordination, colors=colors),
        "other_rdf": figures.plot_other_rdf(rdf, coordination, colors),
        "coordination": figures.plot_coordination(coordination, summary["coordination"]["total"], colors),
        "binding": figures.plot_binding(tables["denticity"], tables["angles"], colors),
        "shells": figures.plot_shells(tables["shells"], tables["speciation"], partners),
        "typical_shells": _typical_shells(shown, partners),
        "clusters": figures.plot_clusters(
            tables["clusters"], tables["population"], [*summary["composition"]["n_centers"], *partners]
        ),
        "residence": figures.plot_residence(tables["residence_decays"], colors),
        "free_energy": figures.plot_free_energy(tables["coordination_free_energy"], colors),
        "log": _log(shown),
    }


def _draw(shown: Shown) -> dict[str, str]:
    """Write the figures beside the tables and return their SVG as data addresses; older ones of no use now go."""
    folder = shown.folder / "figures"
    folder.mkdir(exist_ok=True)
    embedded = {}
    for name, figure in _drawn(shown).items():
        if figure is not None:
            embedded[name] = save_and_embed(figure, name, folder)
        else:
            for suffix in (".svg", ".png"):
                (folder / f"{name}{suffix}").unlink(missing_ok=True)
    return embedded


def _wished_molarity(shown: Shown) -> float | None:
    """Return the molarity that the box should have; with additives or a polymer the recipe states none."""
    recipe = shown.run.box.recipe if shown.run else None
    if recipe is None or recipe.polymer or recipe.composition.additives:
        return None
    salt = recipe.composition.salt
    return salt.molarity if salt and salt.per == "solution" else None


def is_outdated(shown: Shown) -> bool:
    """Return whether the trajectory has grown since it was analyzed."""
    if shown.run is None or not shown.run.trajectory_path.exists():
        return False
    return int(shown.summary["source"]["trajectory_bytes"]) != shown.run.trajectory_path.stat().st_size


def _section(shown: Shown) -> dict[str, Any]:
    shells = report_tables.typical_shells(shown.folder, shown.summary)
    return {
        "title": shown.title,
        "folder": shown.folder,
        "figures": _draw(shown),
        "summary": shown.summary,
        "tables": {name: table.to_dict("records") for name, table in shown.tables.items()},
        "residence": report_tables.residence_rows(shown.tables["residence"], shown.summary["residence"]),
        "missing_times": report_tables.missing_times(shown.summary["residence"]),
        "cutoffs": report_tables.cutoff_rows(shown.tables["peaks"], shown.tables["coordination"]),
        "exchange": report_tables.exchange_matrices(shown.tables["exchange"]),
        "typical_shells": [] if shells is None else shells.to_dict("records"),
        "partners": list(shown.tables["coordination"].partner),
        "run": shown.run,
        "provenance": shown.run.provenance if shown.run else None,
        "outdated": is_outdated(shown),
        "wished_molarity": _wished_molarity(shown),
    }


def write_report(runs: Sequence[Path | str], page: Path | str) -> None:
    """Write one self-contained HTML page about analyzed runs, and their figures (SVG, PNG) beside their tables.

    Parameters
    ----------
    runs : sequence of Path or str
        Folders of runs, or of tables from a foreign trajectory.
    page : Path or str
        The HTML file, whose name ends so.

    Raises
    ------
    InvalidInput
        If a folder has not been analyzed, or the page has another name.
    """
    page = Path(page)
    if page.is_dir() or page.suffix.lower() not in (".html", ".htm"):
        raise InvalidInput(f"{page}: not the name of a page; give a file such as report.html")
    sections = [_section(read_analyzed(path)) for path in runs]
    words = {"exchange_window_ps": WINDOW_PS, "unknown_dynamics": UNKNOWN_DYNAMICS}
    page.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(page, page_template("report.html").render(sections=sections, **words))
