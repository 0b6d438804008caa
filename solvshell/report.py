"""Tables -> figures and one self-contained page. It only shows what `analyze` wrote: no number is made here."""

import base64
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from matplotlib.figure import Figure

from solvshell import (
    figures,
    report_clusters,
    report_energies,
    report_grand,
    report_joined,
    report_tables,
    report_windows,
)
from solvshell.analysis.analyze import UNKNOWN_DYNAMICS
from solvshell.analysis.convergence import with_doubts
from solvshell.analysis.exchange import WINDOW_PS
from solvshell.analysis.grand_canonical.of_run import is_alone
from solvshell.analysis.typical.export import FOLDER
from solvshell.citations import UNKNOWN_PARAMETERS, bibtex, citations, cluster_facts, run_facts
from solvshell.errors import InvalidInput
from solvshell.files import write_atomically
from solvshell.folders import is_folder_of_several, runs_of
from solvshell.report_provenance import origin_rows
from solvshell.report_views import NO_VIEWS, views_of
from solvshell.run import Run
from solvshell.shown import Shown, is_outdated, read_analyzed
from solvshell.viewer import scene_html, viewer_script


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
    environment.globals |= {"number": figures.number, "shell_name": figures.shell_name, "scene_html": scene_html}
    return environment.get_template(name)


def page_end(facts: set[str], page: Path, has_views: bool) -> dict[str, Any]:
    """Return what stands at the end of a page: what to cite, also written as BibTeX beside it, and what views need."""
    cited = citations(facts | ({"views"} if has_views else set()))
    page.parent.mkdir(parents=True, exist_ok=True)
    file = page.with_suffix(".bib")
    write_atomically(file, bibtex(cited))
    return {
        "cited": cited,
        "parameters_unknown": UNKNOWN_PARAMETERS in facts,
        "bibtex": bibtex(cited),
        "bib_name": file.name,
        "viewer": viewer_script() if has_views else "",
    }


def _typical_shells(shown: Shown, partners: Sequence[str]) -> Figure | None:
    index = report_tables.typical_shells(shown.folder, shown.summary)
    return None if index is None else figures.plot_typical_shells(index, shown.folder / FOLDER, partners)


def _log(shown: Shown) -> Figure | None:
    if shown.log is None or shown.run is None:
        return None
    dropped_ps = shown.summary["frames"]["first_time_ps"]
    return figures.plot_log(shown.log, dropped_ps, shown.run.protocol.production.name)


def _drawn_energies(shown: Shown, partners: Sequence[str]) -> dict[str, Figure | None]:
    """Return the figures of the tables that an analysis of an earlier version does not have."""
    tables = shown.tables
    names = ("potential_of_mean_force", "exchange_free_energy", "energies", "energy_shells")
    drawn: dict[str, Figure | None] = dict.fromkeys(names)
    if "barriers" in tables:
        colors = figures.partner_colors(partners)
        potential, exchange = tables["potential_of_mean_force"], tables["exchange_free_energy"]
        drawn["potential_of_mean_force"] = figures.plot_potential_of_mean_force(
            potential, tables["barriers"], tables["coordination"], colors
        )
        drawn["exchange_free_energy"] = figures.plot_exchange_free_energy(exchange, colors)
    if not shown.without_energies:
        colors = figures.partner_colors([*partners, *tables["energies"].partner])
        distribution = tables["energy_distribution"]
        drawn["energies"] = figures.plot_energies(tables["energies"], tables["energy_sums"], distribution, colors)
        drawn["energy_shells"] = figures.plot_energy_shells(
            tables["energy_distance"], tables["energy_shells"], distribution, partners, colors
        )
    return drawn


def _judged(shown: Shown) -> pd.DataFrame:
    return with_doubts(shown.tables["convergence"], shown.summary["flags"])


def _drawn(shown: Shown) -> dict[str, Figure | None]:
    """Return all figures that a page may have; those that say nothing here are None."""
    tables, summary = shown.tables, shown.summary
    rdf, coordination = tables["rdf"], tables["coordination"]
    partners = list(dict.fromkeys(coordination.partner))
    colors = figures.partner_colors(partners)
    return {
        "convergence": figures.plot_convergence(_judged(shown)),
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
        **_drawn_energies(shown, partners),
    }


def _draw(drawn: dict[str, Figure | None], folder: Path) -> dict[str, str]:
    """Write figures and return their SVG as data addresses; older ones of no use now go."""
    folder.mkdir(exist_ok=True)
    embedded = {}
    for name, figure in drawn.items():
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


def _energy_section(shown: Shown) -> dict[str, Any]:
    """Return what the page says about energies and free energies."""
    tables = shown.tables
    told: dict[str, Any] = {
        "without_energies": shown.without_energies,
        "energies": [],
        "energy_units": [],
        "barriers": [],
    }
    if not shown.without_energies:
        told["energies"] = report_energies.energy_tables(tables["energies"], tables["energy_sums"])
        told["energy_units"] = report_energies.unit_tables(tables["energy_units"])
    if "barriers" in tables:
        told["barriers"] = report_energies.barrier_rows(tables["barriers"], tables["coordination"])
    return told


def _facts(shown: Shown, clusters: dict[str, dict[str, Any] | None]) -> set[str]:
    """Return what a section has that is to be cited."""
    facts = {"analysis"} | (run_facts(shown.run) if shown.run else set()) | cluster_facts(clusters)
    has_times = bool(shown.summary["residence"]) and not shown.summary["flags"].get("not_physical")
    return facts | ({"residence"} if has_times else set())


def _section(shown: Shown) -> dict[str, Any]:
    shells = report_tables.typical_shells(shown.folder, shown.summary)
    partners = list(shown.tables["coordination"].partner)
    clusters, grand = report_clusters.read_clusters(shown.run), report_grand.read_grand(shown.run)
    drawn = _drawn(shown) | report_clusters.draw_clusters_of(clusters, partners) | report_grand.draw_grand(grand)
    views = views_of(shown)
    drawn["snapshot"] = views.picture
    return {
        "title": shown.title,
        "page": None,
        "folder": shown.folder,
        "figures": _draw(drawn, shown.folder / "figures"),
        "clusters": report_clusters.cluster_sections(clusters),
        "grand": grand and grand.part,
        "summary": shown.summary,
        "tables": {name: table.to_dict("records") for name, table in shown.tables.items()},
        "convergence": _judged(shown).to_dict("records"),
        "residence": report_tables.residence_rows(shown.tables["residence"], shown.summary["residence"]),
        "missing_times": report_tables.missing_times(shown.summary["residence"]),
        "cutoffs": report_tables.cutoff_rows(shown.tables["peaks"], shown.tables["coordination"]),
        "exchange": report_tables.exchange_matrices(shown.tables["exchange"]),
        "typical_shells": [] if shells is None else shells.to_dict("records"),
        "partners": partners,
        "run": shown.run,
        "provenance": shown.run.provenance if shown.run else None,
        "origin": origin_rows(shown.run) if shown.run else [],
        "views": views,
        "facts": _facts(shown, clusters),
        "outdated": is_outdated(shown),
        "wished_molarity": _wished_molarity(shown),
        **_energy_section(shown),
    }


def _of_alone(run: Run) -> dict[str, Any]:
    """Return what all sections have, for a run whose section is of a kind of its own."""
    return {"facts": run_facts(run), "views": NO_VIEWS, "origin": origin_rows(run)}


def _of_run(path: Path) -> tuple[dict[str, Any], report_windows.WindowsShown | None]:
    """Return what the page says of one run or folder of tables, and what it is if it ends in windows."""
    run = Run.load(path) if (path / "protocol.yaml").is_file() else None
    if run is not None and run.protocol.windows is not None:
        shown = report_windows.read_windows(run)
        (address,) = _draw({"free_energy": shown.figure()}, run.analysis_path / "figures").values()
        return report_windows.windows_section(shown, address) | _of_alone(run), shown
    grand = report_grand.read_grand(run)
    if grand is not None and grand.is_alone:
        addresses = _draw(report_grand.draw_grand(grand), grand.run.analysis_path / "figures")
        return report_grand.section_alone(grand, addresses) | _of_alone(grand.run), None
    return _section(read_analyzed(path)), None


def _each(path: Path) -> list[Path]:
    """Return the runs of a folder if they have no shells to count, and so no joined tables; else what is given."""
    if not is_folder_of_several(path):
        return [path]
    runs = runs_of(path)
    return [run.path for run in runs] if any(run.protocol.windows or is_alone(run) for run in runs) else [path]


def _sections(paths: Sequence[Path | str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what the page says of each run, and the transfer free energies between those that decoupled molecules."""
    sections: list[dict[str, Any]] = []
    of_windows = []
    for path in (path for given in paths for path in _each(Path(given))):
        if is_folder_of_several(path):
            for section, drawn in report_joined.joined_sections(path):
                sections.append(section | {"figures": _draw(drawn, section["folder"] / "figures")})
            continue
        section, windows = _of_run(path)
        sections.append(section)
        of_windows += [] if windows is None else [windows]
    return sections, report_windows.transfers(of_windows)


def write_report(runs: Sequence[Path | str], page: Path | str) -> None:
    """Write one self-contained HTML page about analyzed runs, and their figures (SVG, PNG) beside their tables.

    Parameters
    ----------
    runs : sequence of Path or str
        Folders of runs, or of tables from a foreign trajectory. A run that ends in windows has a page of its own kind,
        and so have folders of replicas or of temperatures.
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
    sections, transfers = _sections(runs)
    words = {"exchange_window_ps": WINDOW_PS, "unknown_dynamics": UNKNOWN_DYNAMICS, "version": version("solvshell")}
    has_views = any(section["views"].boxes or section["views"].shells for section in sections)
    cited = page_end(set().union(*(section["facts"] for section in sections)), page, has_views)
    write_atomically(
        page, page_template("report.html").render(sections=sections, transfers=transfers, **words, **cited)
    )
