"""From a run to the table of its C=O stretches: clusters, calculations in processes, files."""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from solvshell.analysis.sources import mean_counts, open_production, whole_trajectory
from solvshell.errors import InvalidInput
from solvshell.files import write_atomically, write_json
from solvshell.infrared.clusters import (
    AT_LITHIUM,
    AT_NITROGEN,
    FREE_OF_LITHIUM,
    N_AROUND,
    N_CARBONS,
    Cluster,
    cut_clusters,
)
from solvshell.infrared.shifts import cluster_table, shift_table
from solvshell.infrared.stretch import MAX_STEPS, Stretch, carbonyl_stretch
from solvshell.progress import Tally
from solvshell.provenance import record_tables
from solvshell.quantum.cache import user_cache
from solvshell.quantum.dielectric import Dielectric, check_dielectric, mixture_dielectric
from solvshell.quantum.extra import needed
from solvshell.run import Run, trajectory_source
from solvshell.workers import in_processes

FOLDER = "infrared"


@dataclass(frozen=True)
class Infrared:
    """The tables, `summary` (the same shifts and every setting), and the folder they lie in."""

    clusters: pd.DataFrame
    shifts: pd.DataFrame
    summary: dict[str, Any]
    directory: Path

    def headline(self) -> list[str]:
        """Return a line for each shift, and one for the frames."""
        source = self.summary["source"]
        frames = f"  frames {source['first_frame']} to {source['n_frames'] - 1}: {source['frames']}"
        return [
            frames,
            *(
                f"  C=O of {row.species}, {row.kind} against free: {row.shift_per_cm:+.1f} ± "
                f"{row.stderr_per_cm:.1f} 1/cm ({row.n} and {row.n_free} clusters, {row.n_left_out} left out)"
                for row in self.shifts.rename(columns={"class": "kind"}).itertuples()
            ),
        ]


def _xyz(cluster: Cluster, stretch: Stretch, row: dict[str, Any]) -> str:
    """Return an extended XYZ file of the cluster; its columns say which atoms are the carbonate."""
    words = " ".join(f'{key}="{value}"' for key, value in row.items() if key != "file" and not pd.isna(value))
    head = f"Properties=species:S:1:pos:R:3:carbonate:I:1 charge=0 {words}"
    lines = [
        f"{element:<2} {x:12.6f} {y:12.6f} {z:12.6f} {int(i in cluster.carbonate)}"
        for i, (element, (x, y, z)) in enumerate(zip(cluster.elements, stretch.positions, strict=True))
    ]
    return "\n".join([str(len(lines)), head, *lines]) + "\n"


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{k: None if pd.isna(v) else v for k, v in row.items()} for row in table.to_dict("records")]


def _first_frame(run: Run) -> tuple[int, str]:
    """Return the first frame that is used, and why."""
    path = run.analysis_path / "summary.json"
    if not path.is_file():
        return 0, "the whole trajectory: the run has not been analyzed, so that frames of equilibration are not known"
    frames = json.loads(path.read_text())["frames"]
    return frames.get("start", 0) + frames["dropped"] * frames.get("step", 1), "from the first that the analysis uses"


def _summary(dielectric: Dielectric, clusters: pd.DataFrame, shifts: pd.DataFrame) -> dict[str, Any]:
    return {
        "method": "GFN2-xTB",
        "wavenumbers": "harmonic GFN2-xTB, not scaled: shifts are meant, not numbers to read off a spectrum",
        "continuum": {"model": "ddCPCM", "dielectric_constant": dielectric.constant, "rule": dielectric.rule},
        "geometry": "the carbonate relaxed, its neighbors as in the trajectory",
        "classes": {
            "lithium": f"carbonyl O within {AT_LITHIUM:g} Å of one Li+: Li+, all it touches, the nearest anion if none",
            "polymer": f"carbonyl O within {AT_NITROGEN:g} Å of N+, no Li+ within {FREE_OF_LITHIUM:g} Å: N+ with its "
            f"carbons up to {N_CARBONS} bonds away, capped with H, the nearest anion and solvent molecule",
            "free": f"neither: with the {N_AROUND} nearest solvent molecules",
        },
        "max_steps": MAX_STEPS,
        "status": clusters.groupby(["class", "species", "status"]).size().reset_index(name="n").to_dict("records"),
        "shifts": _records(shifts),
    }


def _write(found: Infrared, clusters: list[Cluster], stretches: list[Stretch]) -> None:
    directory = found.directory
    folder = directory / "clusters"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.xyz"):
        old.unlink()
    for cluster, stretch, row in zip(clusters, stretches, found.clusters.to_dict("records"), strict=True):
        write_atomically(directory / row["file"], _xyz(cluster, stretch, row))
    for name, table in (("infrared", found.clusters), ("shifts", found.shifts)):
        write_atomically(directory / f"{name}.csv", table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    write_json(directory / "summary.json", found.summary)
    record_tables(directory, "infrared.csv", "shifts.csv", "summary.json", "clusters/*.xyz")


def measure_infrared(
    run: Run,
    *,
    species: tuple[str, ...] | None = None,
    wanted: int = 10,
    dielectric: float | None = None,
    workers: int = 1,
    cache: Path | None = None,
    directory: Path | None = None,
    console: Console | None = None,
) -> Infrared:
    """Return the C=O stretches of carbonates in a run by GFN2-xTB, and write them to ``RUN/infrared``.

    What was computed stays in the cache: a command that was stopped goes on, and another number of workers or clusters
    computes nothing twice. The tables do not depend on the number of workers. Frames that the analysis leaves out at
    the start are left out here too; a run that has not been analyzed gives all of its frames.

    Parameters
    ----------
    species
        Which carbonates; all of the box if left out.
    wanted
        Clusters of each class and species, of different molecules and frames.
    dielectric
        Of the continuum; that of the solvent mixture if left out, estimated by `mixture_dielectric`.
    workers
        Processes, of one thread each.
    cache
        Folder of what has been computed; that of the user if left out.
    directory
        Of the files; ``RUN/infrared`` if left out.
    console
        Where progress is shown.

    Raises
    ------
    InvalidInput
        If numbers are out of range, or the box has no such carbonate.
    WorkFailed
        If the extra `qm` is missing, or a process is killed.
    """
    if wanted < 1:
        raise InvalidInput(f"clusters: at least 1, got {wanted}")
    if dielectric is not None:
        check_dielectric(dielectric)
    run.check_has_production()
    for module in ("tblite.interface", "geometric.engine"):
        needed(module)
    if dielectric is None:
        entries = run.box.recipe.entries
        solvents = {name: n for name, n in mean_counts(run).items() if entries[name].role == "solvent"}
        continuum = mixture_dielectric(solvents)
    else:
        continuum = Dielectric(dielectric, "as given")
    first, why = _first_frame(run)
    with whole_trajectory(run) as trajectory:
        universe, presence = open_production(run, trajectory)
        clusters = cut_clusters(universe, run.box.recipe.entries, wanted, species, first, presence)
        source = {
            "trajectory": run.trajectory_path.name,
            **trajectory_source(trajectory),
            "first_frame": first,
            "n_frames": len(universe.trajectory),
            "frames": why,
        }
    compute = partial(carbonyl_stretch, dielectric=continuum.constant, cache=cache or user_cache() / "quantum")
    stretches = in_processes(compute, clusters, workers, Tally("clusters", len(clusters), console))
    table = cluster_table(clusters, stretches)
    shifts = shift_table(table)
    summary = {"source": source, **_summary(continuum, table, shifts)}
    found = Infrared(table, shifts, summary, directory or run.path / FOLDER)
    _write(found, clusters, stretches)
    return found
