"""How long four g(r) take in the packages people use, and how long ours takes for all it tells; and in how much memory.

    python benchmarks/analysis.py --folder runs/analysis --repeats 7 --out docs/results/analysis_speed.md

The liquid is made in the folder if it is not there: some minutes on a CPU. All are measured in turn in one process, on
the same file. `--long` adds a trajectory of 100,000 frames, whose 3 GB are deleted afterwards. Without `--out`, a page
is printed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import textwrap
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median

import freud
import numpy as np
from peers import FREUD, GMX, INTER_RDF, MDTRAJ, Task, open_task, peers, read_alone, settings, with_gmx
from solvation_analysis.solute import Solute
from trajectories import R_MAX, SPECIES, liquid, repeat_frames

from solvshell.analysis import analyze
from solvshell.analysis.clusters import cluster_table, find_clusters
from solvshell.analysis.coordination import coordination_table
from solvshell.analysis.cutoffs import find_cutoffs
from solvshell.analysis.geometry import SolvationGeometry
from solvshell.analysis.peaks import first_shell
from solvshell.analysis.rdf import fine_counts, rdf_table
from solvshell.analysis.residence import residence_times
from solvshell.analysis.shells import (
    FirstShells,
    captured_shells,
    first_shells,
    shell_table,
    speciation_table,
)
from solvshell.analysis.sites import select_sites
from solvshell.analysis.statistics import bootstrap_blocks

PASS, EVERYTHING = "solvshell, the pass alone", "solvshell, all tables and the summary"
LISTED = "**solvshell, g(r) to residence**"
OFFERED = "solvshell, what solvation-analysis offers"
SOLUTE = "solvation-analysis Solute"
N_BOOTSTRAP = 500


def the_pass(task: Task) -> SolvationGeometry:
    """Count all pairs, and gather the contacts."""
    return SolvationGeometry.from_sites(select_sites(task.universe, SPECIES), r_max=R_MAX).run()


def g_to_residence(task: Task) -> FirstShells:
    """Find g(r), n(r), first shells, coordination, ion pairs and residence, with errors."""
    rng = np.random.default_rng(0)
    geometry = the_pass(task)
    results, sites = geometry.results, geometry.sites
    fine = fine_counts(results, sites)
    bootstrap = bootstrap_blocks(len(results.block_starts) - 1, 1, N_BOOTSTRAP, rng)
    cutoffs = find_cutoffs(fine, [first_shell(pair, bootstrap) for pair in fine], sites)
    shells = first_shells(results, sites, cutoffs)
    rdf_table(fine, bootstrap, captured_shells(results, sites), results.capture_radius)
    coordination_table(shells)
    speciation_table(shells)
    residence_times(shells, rng)
    return shells


def what_solute_offers(task: Task) -> None:
    """Find shell compositions and ion clusters too."""
    shells = g_to_residence(task)
    shell_table(shells)
    cluster_table(find_clusters(shells))


def everything(task: Task) -> None:
    """All that `solvshell analyze` does but writing: the pass and every table, after finding what to drop."""
    analyze(task.universe, SPECIES, r_max=R_MAX)


def solute(task: Task) -> None:
    """All that solvation-analysis offers, its own g(r) up to 7.5 Å among it; the cutoffs are given."""
    solvents = {site.partner: site.atoms for site in task.sites.sites}
    options = {"radii": dict.fromkeys(solvents, 2.8), "analysis_classes": "all", "networking_solvents": "PF6"}
    Solute.from_atoms(task.center, solvents, **options).run()


def freud_alone(task: Task) -> None:
    """Run freud with one thread."""
    freud.parallel.set_num_threads(1)
    FREUD.g(task)
    freud.parallel.set_num_threads(0)  # all


def contenders(task: Task) -> dict[str, Callable[[Task], object]]:
    """Return what to time, by name."""
    gmx = GMX in peers()
    return {
        "reading alone, MDAnalysis": read_alone,
        PASS: the_pass,
        LISTED: g_to_residence,
        OFFERED: what_solute_offers,
        EVERYTHING: everything,
        f"{FREUD.name} x 4": FREUD.g,
        f"{FREUD.name} x 4, one thread": freud_alone,
        **({GMX.name: GMX.g, f"{GMX.name}, first frame alone": lambda t: with_gmx(t, only_first=True)} if gmx else {}),
        f"{MDTRAJ.name} x 4": MDTRAJ.g,
        f"{INTER_RDF.name} x 4": INTER_RDF.g,
        SOLUTE: solute,
    }


def _clock() -> tuple[float, float]:
    """Return wall and processor seconds so far, those of all threads and finished children."""
    children = os.times()
    return time.perf_counter(), time.process_time() + children.children_user + children.children_system


def timings(task: Task, repeats: int) -> dict[str, list[tuple[float, float]]]:
    """Return wall and processor seconds of each contender and repeat; a first round, which compiles, is left out."""
    functions = contenders(task)
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in functions}
    for repeat in range(repeats + 1):
        for name, function in functions.items():
            began = _clock()
            function(task)
            ended = _clock()
            if repeat > 0:
                measured[name].append((ended[0] - began[0], ended[1] - began[1]))
    return measured


def speed_table(measured: dict[str, list[tuple[float, float]]]) -> list[str]:
    """Return the lines of a Markdown table; ratios are those of medians to ours, g(r) to residence."""
    ours = median(wall for wall, _ in measured[LISTED])
    lines = ["| what | median, s | least, s | processor, s | ratio |", "| --- | --- | --- | --- | --- |"]
    for name, values in measured.items():
        walls, used = zip(*values, strict=True)
        numbers = f"{median(walls):.2f} | {min(walls):.2f} | {median(used):.2f} | {median(walls) / ours:.2f}"
        lines.append(f"| {name} | {numbers} |")
    return lines


def memory_table(topology: Path, trajectory: Path, repetitions: list[int]) -> list[str]:
    """Return the lines of a Markdown table: a process for each length of the same trajectory repeated."""
    lines = [
        "| frames | contact rows | bytes each | table | before | the pass | everything | the pass, s | everything, s |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for times in repetitions:
        with tempfile.TemporaryDirectory(dir=trajectory.parents[1]) as folder:
            file = repeat_frames(trajectory, times, Path(folder) / "repeated.xtc") if times > 1 else trajectory
            command = [sys.executable, str(Path(__file__).with_name("memory.py")), str(topology), str(file)]
            m = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        table = m["n_rows"] * m["row_bytes"] / 2**20
        sizes = " | ".join(f"{size:.0f}" for size in (table, m["before"], m["pass"], m["everything"]))
        seconds = f"{m['pass_s']:.1f} | {m['everything_s']:.1f}"
        lines.append(f"| {m['n_frames']:,} | {m['n_rows']:,} | {m['row_bytes']} | {sizes} | {seconds} |")
    return lines


def _paragraph(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def speed_page(folder: Path, repeats: int, long: bool) -> str:
    """Return the page on speed and memory."""
    run = liquid(folder)
    task = open_task(run.topology_path, run.trajectory_path)
    n_pairs = ", ".join(f"{site.partner} ({len(site.atoms)})" for site in task.sites.sites)
    measured = timings(task, repeats)
    medians = {name: median(wall for wall, _ in values) for name, values in measured.items()}
    fastest = min((name for name in medians if " x 4" in name or name == GMX.name), key=medians.__getitem__)
    command = f"python benchmarks/analysis.py --folder runs/analysis --repeats {repeats}{' --long' * long}"
    parts = [
        "# How long the analysis takes",
        _paragraph(f"`{command}`, {settings()}"),
        _paragraph(
            f"LB-003, {len(task.universe.atoms):,} atoms, {len(task.universe.trajectory):,} frames (XTC); g(r) of "
            f"{len(task.center)} Li⁺ with four kinds of atoms: {n_pairs}, up to {R_MAX:g} Å in bins of 0.01 Å (freud "
            "0.02 Å). Topologies are read before the clock starts, and what is compiled at first use is compiled. "
            f"Every contender reads the trajectory from the disk's cache, all in turn, {repeats} times; other work may "
            "share the machine, so the least of them and the processor time (of all threads) stand beside the median. "
            "`gmx rdf` is a process of its own: the row of its first frame is what starting it takes."
        ),
        "\n".join(speed_table(measured)),
        _paragraph(
            f"The fastest g(r) alone, {fastest}, takes {medians[fastest] / medians[LISTED]:.1f} times as long as ours "
            "from g(r) to residence (first shells, coordination and ion pairs among it, with errors); "
            f"solvation-analysis takes {medians[SOLUTE] / medians[OFFERED]:.0f} times as long as ours for what it "
            "offers (shell compositions and ion clusters too). Ours counts in a thread beside the reading."
        ),
        "## Memory",
        _paragraph(
            "The same frames over and over, a process each; largest resident size in MiB. Before the pass it is that "
            "of the libraries and the topology; the table has the contacts within 5 Å."
        ),
        "\n".join(memory_table(run.topology_path, run.trajectory_path, [1, 10, *([100] if long else [])])),
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Print or write a page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs/analysis"), help="where the liquid is kept")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--long", action="store_true", help="100,000 frames too")
    parser.add_argument("--out", type=Path, help="the page")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", module="(MDAnalysis|solvation_analysis)")
    page = speed_page(arguments.folder, arguments.repeats, arguments.long)
    if arguments.out:
        arguments.out.write_text(page)
    else:
        print(page)


if __name__ == "__main__":
    main()
