"""A comparison as files: tables, figures, and one self-contained page."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from solvshell import figures as shared
from solvshell.analysis.cutoffs import Key
from solvshell.analysis.statistics import MIN_REPLICAS
from solvshell.box import describe_polymer
from solvshell.citations import run_facts
from solvshell.comparison import (
    energy_figures,
    energy_words,
    figures,
    rdf_figures,
    study_words,
    tables,
    words,
)
from solvshell.comparison.results import Comparison, compare_systems
from solvshell.comparison.sentences import sentences
from solvshell.comparison.study_claims import claim_table, claims_of, is_of_the_study
from solvshell.comparison.study_figure import plot_study
from solvshell.comparison.systems import differing_models, open_systems
from solvshell.errors import InvalidInput
from solvshell.files import write_atomically, write_json
from solvshell.joined.limits import limits_of
from solvshell.joined.recount import CUTOFF_STEP_ANGSTROM, Recount, recount
from solvshell.joined.systems import System
from solvshell.provenance import record_tables
from solvshell.report import page_end, page_template, save_and_embed
from solvshell.report_provenance import origin_rows
from solvshell.snapshot import plot_snapshot
from solvshell.study import CITATION, ENERGY_CLAIM, REMARK
from solvshell.viewer import Scene, scene_of_frame


def _write_table(path: Path, table: pd.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def _write_run_tables(systems: Sequence[System], recounts: dict[str, list[Recount]], out: Path) -> None:
    for system in systems:
        for index, one in enumerate(recounts[system.name]):
            folder = out / "runs" / system.slug
            if len(system.replicas) > 1:
                folder /= system.runs[index].path.resolve().name
            for name in ("peaks", "coordination", "shells", "speciation"):
                _write_table(folder / f"{name}.csv", getattr(one, name))


def _cutoffs(found: Comparison) -> dict[Key, float]:
    return {key: cutoff.angstrom for key, cutoff in found.cutoffs.items() if cutoff.angstrom is not None}


def _scenes(found: Comparison, recounts: dict[str, list[Recount]]) -> list[Scene]:
    """Return the box of the first replica of each system, to be turned by hand."""
    colors, cutoffs = figures.partner_colors(found), _cutoffs(found)
    return [
        scene_of_frame(recounts[system.name][0].read.last, cutoffs, colors, system.name) for system in found.systems
    ]


def _facts(found: Comparison) -> set[str]:
    """Return what a comparison has that is to be cited."""
    facts = {"analysis", "study"} if words.study_rows(found) else {"analysis"}
    return facts.union(*(run_facts(system.runs[0]) for system in found.systems))


def _snapshot(found: Comparison, system: System, recounts: list[Recount], colors: dict[str, str]) -> Any:
    ranked = list(recounts[0].shells.sort_values("fraction", ascending=False).composition)
    return plot_snapshot(recounts[0].read.last, _cutoffs(found), ranked, colors, system.name)


def _draw(found: Comparison, recounts: dict[str, list[Recount]], centers: list[str], out: Path) -> dict[str, str]:
    """Write the figures and return their SVG as data addresses."""
    colors = figures.partner_colors(found)
    drawn = {"rdf": rdf_figures.plot_rdfs(found), "peaks": figures.plot_peaks(found)}
    for system in found.systems:
        drawn[f"snapshot-{system.slug}"] = _snapshot(found, system, recounts[system.name], colors)
    for center in centers:
        drawn[f"budget-{center}"] = figures.plot_budget(found, center, colors)
        drawn[f"shells-{center}"] = figures.plot_shells(found, center)
        if found.energies.per_center:
            drawn[f"energies-{center}"] = energy_figures.plot_energies(found, center)
    convergence = tables.convergence_table(found)
    for system in found.systems:
        figure = shared.plot_convergence(convergence[convergence.system == system.name])
        if figure is not None:
            drawn[f"convergence-{system.slug}"] = figure
    reference_centers = rdf_figures.plot_reference_centers(found)
    if reference_centers is not None:
        drawn["reference_centers"] = reference_centers
    folder = out / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    return {name: save_and_embed(figure, name, folder) for name, figure in drawn.items()}


def _write_study(found: Comparison, recounts: dict[str, list[Recount]], out: Path) -> dict[str, Any] | None:
    """Write the study's figure from these runs, with its numbers and caption; return what the page shows of it."""
    if not is_of_the_study(found):
        return None
    claims = claims_of(found)
    boxes = {name: of_system[0].read.last for name, of_system in recounts.items()}
    address = save_and_embed(plot_study(found, claims, boxes), "study", out)
    _write_table(out / "study.csv", claim_table(claims))
    write_atomically(out / "study.md", study_words.page(found, claims, boxes))
    caption, verdicts = study_words.caption(found, claims, boxes), study_words.verdicts(found, claims)
    return {"figure": address, "caption": caption, "verdicts": verdicts}


def _settings(found: Comparison, system: System) -> dict[str, Any]:
    """Return how the numbers of a system were made."""
    frames = [replica.summary["frames"] for replica in system.replicas]
    run = system.runs[0]
    return {
        "system": system.name,
        "title": system.recipe.title,
        "has_polymer": system.has_polymer,
        "folders": [str(one.path) for one in system.runs],
        "replicas": len(system.replicas),
        "n_atoms": run.box.n_atoms,
        "counts": run.box.counts,
        "per_center": {center: found.ratios(system, center) for center in found.centers if center in system.centers},
        "polymer": describe_polymer(run.box),
        "density_g_cm3": [replica.summary["thermodynamics"].get("density_g_cm3") for replica in system.replicas],
        "protocol": run.protocol.name,
        "ensemble": run.protocol.production.ensemble,
        "temperature_k": run.protocol.production.temperature,
        "frames_used": [one["used"] for one in frames],
        "frames_dropped": [one["dropped"] for one in frames],
        "timestep_ps": [one["timestep_ps"] for one in frames],
        "basis": "replicas" if len(system.replicas) >= MIN_REPLICAS else "one run",
        "flags": [replica.summary["flags"] for replica in system.replicas],
    }


def _other_ratios(found: Comparison) -> list[dict[str, str]]:
    """Return where controls have other ratios than the systems with polymer, in words."""
    return [
        {"system": system, "control": control, "center": center, "difference": said}
        for system, controls in found.controls.items()
        for control in controls
        for center in found.centers
        for said in words.ratio_words(found, system, control, center).values()
    ]


def _energies(found: Comparison) -> dict[str, Any]:
    rows, missing = tables.energy_table(found), found.energies.missing
    study = [
        {"system": row["system"], "partner": row["partner"], **row["said"]}
        for row in energy_words.study_energy_rows(found)
    ]
    told = {"available": len(rows) > 0, "missing": missing}
    return told | {"rows": tables.plain_records(rows), "study": {"claim": ENERGY_CLAIM, "verdicts": study}}


def _summary(found: Comparison) -> dict[str, Any]:
    return {
        "version": version("solvshell"),
        "reference": found.systems[0].name,
        "controls_without_polycation": found.controls,
        "other_ratios_of_controls": _other_ratios(found),
        "other_systems": found.others,
        "systems": [_settings(found, system) for system in found.systems],
        "limits": [{"limit": text, "systems": names} for text, names in limits_of(found.systems)],
        "differing_models": differing_models(found.systems),
        "cutoffs": [
            dict(zip(("center", "partner", "site"), key, strict=True)) | vars(cutoff)
            for key, cutoff in found.cutoffs.items()
        ],
        "cutoff_step_angstrom": CUTOFF_STEP_ANGSTROM,
        "peaks": tables.plain_records(tables.peak_table(found)),
        "coordination": {
            "sites": tables.plain_records(tables.coordination_table(found)),
            "total": tables.plain_records(tables.total_table(found)),
        },
        "shells": tables.plain_records(tables.shell_table(found)),
        "shell_shares": tables.plain_records(found.shares),
        "speciation": tables.plain_records(tables.speciation_table(found)),
        "convergence": tables.plain_records(tables.convergence_table(found)),
        "molecules": tables.plain_records(tables.molecule_table(found)),
        "sentences": sentences(found),
        "caveat": words.caveat(found),
        "study": {
            "citation": CITATION,
            "remark": REMARK,
            "verdicts": [
                dict(zip(("center", "partner", "site"), row["key"], strict=True))
                | {"system": row["system"], "verdict": row["verdict"]}
                for row in words.study_rows(found)
            ],
        },
        "energies": _energies(found),
    }


def _page(
    found: Comparison, addresses: dict[str, str], study_figure: dict[str, Any] | None, summary: dict[str, Any],
    scenes: list[Scene], page: Path,
) -> str:  # fmt: skip
    return page_template("compare.html").render(
        scenes=scenes,
        origins=[(system.name, origin_rows(system.runs[0])) for system in found.systems],
        **page_end(_facts(found), page, has_views=True),
        found=found,
        summary=summary,
        figures=addresses,
        centers=found.centers,
        study=words.study_rows(found),
        study_figure=study_figure,
        study_energies=energy_words.study_energy_rows(found),
        energy_claim=ENERGY_CLAIM,
        exchanges=tables.plain_records(found.free_energies.exchange),
        words=words,
        shell_name=lambda composition: shared.shell_name(composition, found.partner_order),
        pair_name=shared.pair_name,
        zip=zip,
    )


def _check_out(out: Path, folders: Sequence[Path]) -> None:
    if out.exists() and not out.is_dir():
        raise InvalidInput(f"--out: {out} is a file; give a folder")
    if taken := [folder for folder in folders if folder.resolve() in (out.resolve(), *out.resolve().parents)]:
        raise InvalidInput(f"--out: {out} is, or lies in, the system {taken[0]}; give another folder")


def write_comparison(folders: Sequence[Path], out: Path) -> Comparison:
    """Compare analyzed runs and write a page, figures and tables.

    Parameters
    ----------
    folders : sequence of Path
        Runs, or folders of replica runs; the first is the reference.
    out : Path
        Folder for ``index.html``, ``index.bib``, ``figures/``, the tables, and ``runs/`` with the tables of each run
        within the common cutoffs.

    Returns
    -------
    Comparison
        What was found.

    Raises
    ------
    InvalidInput
        If fewer than two systems are given, or one cannot be compared.
    """
    _check_out(out, folders)
    systems = open_systems(folders)
    cutoffs, recounts = recount(systems)
    found = compare_systems(systems, cutoffs, recounts)
    summary = _summary(found)
    _write_run_tables(systems, recounts, out)
    _write_table(out / "peaks.csv", tables.peak_table(found))
    _write_table(out / "coordination.csv", tables.coordination_table(found))
    _write_table(out / "shells.csv", tables.shell_table(found))
    _write_table(out / "speciation.csv", tables.speciation_table(found))
    _write_table(out / "energies.csv", tables.energy_table(found))
    _write_table(out / "exchange_free_energy.csv", found.free_energies.exchange)
    _write_table(out / "convergence.csv", tables.convergence_table(found))
    _write_table(out / "molecules.csv", tables.molecule_table(found))
    addresses = _draw(found, recounts, found.centers, out)
    study_figure = _write_study(found, recounts, out)
    write_json(out / "summary.json", summary)
    page = out / "index.html"
    write_atomically(page, _page(found, addresses, study_figure, summary, _scenes(found, recounts), page))
    made_from = [replica.folder / "summary.json" for system in systems for replica in system.replicas]
    written = ("*.csv", "summary.json", "index.html", "index.bib", "study.*", "figures/*", "runs/**/*.csv")
    record_tables(out, *written, made_from=made_from)
    return found
