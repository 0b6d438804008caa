"""A system of analyzed replicas -> one set of tables."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from solvshell.analysis.cutoffs import Cutoff, Key
from solvshell.analysis.findings import records
from solvshell.analysis.grand_canonical.numbers import accepted_moves
from solvshell.analysis.residence import residence_times
from solvshell.analysis.statistics import MIN_REPLICAS
from solvshell.analysis.summary import plain
from solvshell.files import write_atomically, write_json
from solvshell.joined.energies import joined_energies
from solvshell.joined.limits import AT_CEILING, began_at_ceiling, notes_of
from solvshell.joined.molecules import molecule_numbers
from solvshell.joined.numbers import total_numbers
from solvshell.joined.recount import Recount, pooled_pair
from solvshell.joined.replicas import between_replicas, replica_table, values_of_replicas
from solvshell.joined.residence import joined_residence
from solvshell.joined.scatter import verdict
from solvshell.joined.systems import System
from solvshell.joined.tables import (
    joined_columns,
    joined_coordination,
    joined_peaks,
    joined_rdf,
    joined_shells,
    joined_speciation,
)
from solvshell.provenance import record_tables


@dataclass(frozen=True, kw_only=True)
class JoinedTables:
    """The joined tables, each of which is a file of its name."""

    rdf: pd.DataFrame
    peaks: pd.DataFrame
    coordination: pd.DataFrame
    shells: pd.DataFrame
    speciation: pd.DataFrame
    residence: pd.DataFrame
    energies: pd.DataFrame
    replicas: pd.DataFrame
    between_replicas: pd.DataFrame


JOINED_TABLES = tuple(field.name for field in fields(JoinedTables))


@dataclass(frozen=True, repr=False)
class JoinedAnalysis(JoinedTables):
    """The tables of a system of replicas, and `summary`: the same numbers and every setting, as plain JSON values.

    `failed` says by the name of a replica why its analysis failed.
    """

    system: System
    summary: dict[str, Any]
    failed: dict[str, str]

    def __repr__(self) -> str:
        return f"<JoinedAnalysis of {len(self.system.replicas)} replicas of {self.system.name}>"

    def _repr_html_(self) -> str:
        from solvshell.display_results import joined_html  # which knows figures

        return joined_html(self)

    def headline(self) -> Iterator[str]:
        """Yield the lines to see first."""
        yield from _headline(self.summary)

    def write(self, directory: Path) -> None:
        """Write the tables, ``summary.json``, and what they were made from."""
        directory.mkdir(parents=True, exist_ok=True)
        for name in JOINED_TABLES:
            write_table(directory / f"{name}.csv", getattr(self, name))
        write_json(directory / "summary.json", self.summary)
        made_from = [replica.folder / "summary.json" for replica in self.system.replicas]
        record_tables(directory, *(f"{name}.csv" for name in JOINED_TABLES), "summary.json", made_from=made_from)


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as all of ours are."""
    write_atomically(path, table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def _quantity(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "status"}


def _liquid(values: Mapping[tuple[str, str, str], dict[str, Any]]) -> dict[str, Any]:
    return {
        name: _quantity(joined_columns(list(of_replicas.values())))
        for (name, center, _), of_replicas in values.items()
        if not center
    }


def _replica(system: System, place: int) -> dict[str, Any]:
    """Return what the summary says of one replica."""
    replica, run = system.replicas[place], system.runs[place]
    summary = replica.summary
    frames = {key: summary["frames"][key] for key in ("n_frames", "used", "dropped", "timestep_ps")}
    flags = {key: bool(value) for key, value in summary["flags"].items()}
    return {"name": run.path.name, "folder": str(run.path), **frames, "flags": flags, "source": summary["source"]}


def _summary(system: System, tables: JoinedTables, cutoffs: Mapping[Key, Cutoff], values: Any, totals: Any) -> Any:
    flags = [replica.summary["flags"] for replica in system.replicas]
    first = system.replicas[0].summary
    agreement = verdict(tables.between_replicas)
    return {
        "version": version("solvshell"),
        "system": system.name,
        "folder": str(system.folder),
        "replicas": [_replica(system, place) for place in range(len(system.replicas))],
        "left_out": system.left_out,
        "basis": "replicas" if len(system.replicas) >= MIN_REPLICAS else "one run",
        "flags": {name: any(bool(one.get(name)) for one in flags) for name in flags[0]}
        | {AT_CEILING: began_at_ceiling(system)},
        "notes": notes_of([system]),
        "between_replicas": agreement,
        "cutoffs": [
            dict(zip(("center", "partner", "site"), key, strict=True)) | vars(cutoff) for key, cutoff in cutoffs.items()
        ],
        "thermodynamics": _liquid(values),
        "composition": {"n_centers": first["composition"]["n_centers"], "n_molecules": _n_molecules(system)},
        "temperature_k": system.runs[0].protocol.production.temperature,
        "peaks": records(tables.peaks),
        "coordination": {"sites": records(tables.coordination), "total": totals},
        "shells": records(tables.shells),
        "speciation": records(tables.speciation),
        "residence": records(tables.residence),
        "residence_dynamics": first["residence_dynamics"],
        "energies": {"available": len(tables.energies) > 0, "reason": next(_missing(system), None)},
        "molecules": _molecules(system),
    }  # fmt: skip


def _n_molecules(system: System) -> dict[str, float]:
    """Return the molecules of each partner; of those that come and go the mean over the replicas."""
    first, *others = (replica.summary["composition"]["n_molecules"] for replica in system.replicas)
    return {
        name: n if all(one[name] == n for one in others) else float(np.mean([n, *(one[name] for one in others)]))
        for name, n in first.items()
    }


def _molecules(system: System) -> list[dict[str, Any]]:
    """Return how many molecules of the open species there are, if any come and go."""
    return [
        {"species": species, "quantity": quantity, **joined_columns(values, status), **extra}
        for (species, quantity), (status, values, extra) in molecule_numbers(system).items()
    ]


def _missing(system: System) -> Iterator[str]:
    for run, replica in zip(system.runs, system.replicas, strict=True):
        if replica.without_energies:
            yield f"{run.path.name}: {replica.without_energies}"


def _interval(row: Mapping[str, Any]) -> str:
    if row["ci95_low"] is None:
        return ""
    return f" (95 %: {row['ci95_low']:.4g} to {row['ci95_high']:.4g})"


def _molecule_line(row: Mapping[str, Any]) -> str:
    if row["status"] != "resolved":
        return (
            f"{row['species']}: not converged, {accepted_moves(row['n_accepted'])}: {row['mean']:.1f} molecules so far"
        )
    error = "" if row["stderr"] is None else f" +- {row['stderr']:.1f}"
    return f"{row['species']}: {row['mean']:.1f}{error} molecules{_interval(row)}"


def _headline(summary: Mapping[str, Any]) -> Iterator[str]:
    names = [one["name"] for one in summary["replicas"]]
    word = "replica" if len(names) == 1 else "replicas"
    yield f"  {len(names)} {word} of {summary['system']} joined: {', '.join(names)}"
    for name, reason in summary["left_out"].items():
        yield f"  left out: {name} ({reason})"
    if summary["basis"] == "one run":
        yield f"  errors are those within the runs: {MIN_REPLICAS} replicas or more tell how boxes scatter"
    density = summary["thermodynamics"].get("density_g_cm3")
    if density and density["stderr"] is not None:
        yield f"  density {density['mean']:.4f} +- {density['stderr']:.4f} g/cm3"
    for row in summary["molecules"]:
        if row["quantity"] == "molecules":
            yield f"  {_molecule_line(row)}"
    for center, total in summary["coordination"]["total"].items():
        if total["mean"] is not None and total["stderr"] is not None:
            error = f"{total['mean']:.2f} +- {total['stderr']:.2f}"
            yield f"  {error} atoms around {center}, all partners{_interval(total)}"
    if len(names) > 1:
        yield f"  {summary['between_replicas']}"
    for note in summary["notes"]:
        if not note.startswith("replicas left out"):
            yield f"  note: {note}"


def join(
    system: System, cutoffs: dict[Key, Cutoff], recounts: list[Recount], failed: dict[str, str] | None = None
) -> JoinedAnalysis:
    """Return the joined tables of a system whose first shells were counted within common cutoffs.

    Parameters
    ----------
    cutoffs, recounts
        From `recount`.
    failed
        By the name of a replica that is not in the system, why its analysis failed.
    """
    rng = np.random.default_rng(0)
    passes = [recount.read for recount in recounts]
    pooled = {key: pooled_pair(passes, key, rng) for key in dict.fromkeys(key for one in passes for key in one.pairs)}
    residences = [residence_times(recount.counted, rng) for recount in recounts]
    values = values_of_replicas(system, recounts, cutoffs, residences)
    tables = JoinedTables(
        rdf=joined_rdf(system, passes, pooled),
        peaks=joined_peaks(system, pooled, cutoffs),
        coordination=joined_coordination(recounts, cutoffs),
        shells=joined_shells(system, recounts),
        speciation=joined_speciation(recounts),
        residence=joined_residence(residences),
        energies=joined_energies(system, cutoffs),
        replicas=replica_table(values),
        between_replicas=between_replicas(values),
    )
    totals = {
        center: joined_columns(found, status) for (center,), (status, found, _) in total_numbers(recounts).items()
    }
    summary = plain(_summary(system, tables, cutoffs, values, totals))
    return JoinedAnalysis(**vars(tables), system=system, summary=summary, failed=failed or {})
