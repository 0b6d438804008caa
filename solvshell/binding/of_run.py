"""Binding energies of the shells of a run, and the files they go to."""

import json
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from solvshell.analysis.sources import mean_counts
from solvshell.analysis.typical.export import SAME_SHELL_ANGSTROM
from solvshell.binding.calculate import BindingEnergies, binding_energies
from solvshell.binding.clusters import PAIR, SHELL, Cluster
from solvshell.binding.cutting import clusters_of
from solvshell.binding.methods import CONTINUUM, GAS
from solvshell.binding.parts import whole
from solvshell.binding.request import check_request
from solvshell.binding.shells import first_shells_of
from solvshell.errors import InvalidInput
from solvshell.files import write_atomically, write_json
from solvshell.provenance import record_tables
from solvshell.quantum.dielectric import Dielectric, mixture_dielectric
from solvshell.run import Run

FOLDER, CLUSTERS = "binding", "clusters"
TABLES = ("binding", "desolvation", "means")


def _dielectric(run: Run, given: float | None) -> Dielectric:
    if given is not None:
        return Dielectric(given, "given")
    counts = mean_counts(run)
    solvents = {name: counts[name] for name, entry in run.box.recipe.entries.items() if entry.role == "solvent"}
    return mixture_dielectric(solvents)


def clusters_of_run(run: Run, n_compositions: int = 8, per_composition: int = 1) -> list[Cluster]:
    """Return typical shells and pairs of a run with the force field of its box: see `clusters_of`.

    The run is analyzed first if it has not been.

    Raises
    ------
    InvalidInput
        If a number is not allowed, or the run cannot be analyzed.
    """
    for name, number in (("n_compositions", n_compositions), ("per_composition", per_composition)):
        if number < 1:
            raise InvalidInput(f"{name}: {number} (allowed: 1 or more)")
    model = (run.sampled.system, run.box.recipe.force_field.ion_charge_scale)
    with first_shells_of(run) as (universe, shells):
        return clusters_of(universe, shells, n_compositions, per_composition, model)


def _xyz(cluster: Cluster, positions: np.ndarray, comment: str) -> str:
    lines = [str(len(cluster.elements)), comment]
    lines += [
        f"{element:<2} {x:12.6f} {y:12.6f} {z:12.6f}"
        for element, (x, y, z) in zip(cluster.elements, positions, strict=True)
    ]
    return "\n".join(lines) + "\n"


def _geometries(found: BindingEnergies) -> dict[str, str]:
    """Return the XYZ files of all clusters: as cut, and the minima by each method."""
    texts = {}
    for cluster in found.clusters:
        charge = f" charge={cluster.charge(whole(cluster))}" if cluster.is_whole else ""
        comment = f'kind={cluster.kind} composition="{cluster.composition}"{charge}'
        cut_from = f" frame={cluster.frame} center_index={cluster.center_index}"
        texts[f"{cluster.name}.xyz"] = _xyz(cluster, cluster.positions, comment + cut_from)
        for (name, method), positions in found.minima.items():
            if name == cluster.name:
                texts[f"{name}.{method}.xyz"] = _xyz(cluster, positions, f"{comment} minimum={method}")
    return texts


def write_binding(found: BindingEnergies, directory: Path) -> None:
    """Write ``binding.csv``, ``desolvation.csv``, ``means.csv``, ``summary.json`` and ``clusters/*.xyz``.

    Those of an earlier call are taken away.
    """
    clusters = directory / CLUSTERS
    clusters.mkdir(parents=True, exist_ok=True)
    texts = _geometries(found)
    for old in clusters.glob("*.xyz"):
        if old.name not in texts:
            old.unlink()
    for name, text in texts.items():
        write_atomically(clusters / name, text)
    for name in TABLES:
        table: pd.DataFrame = getattr(found, name)
        write_atomically(directory / f"{name}.csv", table.to_csv(index=False, float_format="%.3f", lineterminator="\n"))
    write_json(directory / "summary.json", found.settings)
    record_tables(directory, *(f"{name}.csv" for name in TABLES), "summary.json", f"{CLUSTERS}/*.xyz")


def _counts(found: BindingEnergies) -> dict[str, Any]:
    rows = found.binding
    return {
        "clusters": {kind: sum(cluster.kind == kind for cluster in found.clusters) for kind in (SHELL, PAIR)},
        "rows_by_status": {str(status): int(n) for status, n in rows["status"].value_counts().items()},
    }


def binding_of_run(
    run: Run,
    methods: Sequence[str] = ("ff",),
    directory: Path | str | None = None,
    *,
    phases: Sequence[str] = (GAS,),
    dielectric: float | None = None,
    n_compositions: int = 8,
    per_composition: int = 1,
    **settings: Any,
) -> BindingEnergies:
    """Return binding energies of typical shells and pairs of a run, and write them (to its ``binding`` if left out).

    Parameters
    ----------
    dielectric
        Constant of the continuum; that of the mixture of the run's solvents if left out, see `mixture_dielectric`.
    n_compositions, per_composition
        How many compositions of each center species, and how many clusters of each; see `clusters_of`.
    **settings
        Of `binding_energies`, such as ``relax=True`` or ``workers=4``.

    Raises
    ------
    InvalidInput, WorkFailed, Interrupted
        As `binding_energies`; or if the run cannot be analyzed or has only empty shells, or the constant of a solvent
        is not known.
    """
    run.check_has_production()
    check_request(methods, phases, settings.get("workers", 1), dielectric)
    continuum = _dielectric(run, dielectric) if CONTINUUM in phases else None
    clusters = clusters_of_run(run, n_compositions, per_composition)
    if not clusters:
        raise InvalidInput(f"{run.path}: no center has anything in its first shell: there is nothing to cut")
    constant = None if continuum is None else continuum.constant
    found = binding_energies(clusters, methods, phases=phases, dielectric=constant, **settings)
    about = {
        "version": version("solvshell"),
        "run": run.path.name,
        "box": run.box.recipe.name,
        "source": json.loads((run.analysis_path / "summary.json").read_text())["source"],  # its frames are used
        "n_compositions": n_compositions,
        "per_composition": per_composition,
        "same_shell_angstrom": SAME_SHELL_ANGSTROM,
        "dielectric_rule": None if continuum is None else continuum.rule,
    }
    found = replace(found, settings=about | found.settings | _counts(found))
    write_binding(found, Path(directory or run.path / FOLDER))
    return found
