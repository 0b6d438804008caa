"""One pass for all pairs and the contact table, against one pass per pair with the packages people use.

    python benchmarks/analysis.py RUN [--repeats 5]

Prints a Markdown table of medians; all three are measured in turn, in the same process, on the same files.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import mdtraj
from MDAnalysis.analysis.rdf import InterRDF

from solvshell.analysis import open_trajectory
from solvshell.analysis.geometry import SolvationGeometry
from solvshell.analysis.sites import select_sites
from solvshell.run import Run
from solvshell.species import select_species

N_BINS, R_MAX = 1000, 10.0


def contenders(run: Run) -> dict[str, Callable[[], object]]:
    """Return what to time: each reads the trajectory from disk and counts all pairs of the run up to 10 Å."""
    sites = select_sites(
        open_trajectory(run.topology_path, run.trajectory_path), select_species(run.box.recipe.entries)
    )
    centers, partners = sites.centers[0].atoms.indices, [site.atoms.indices for site in sites.sites]
    topology = mdtraj.Topology.from_openmm(run.box.topology)

    def ours() -> None:
        universe = open_trajectory(run.topology_path, run.trajectory_path)
        SolvationGeometry(select_sites(universe, select_species(run.box.recipe.entries)), r_max=R_MAX).run()

    def inter_rdf() -> None:
        universe = open_trajectory(run.topology_path, run.trajectory_path)
        for atoms in partners:
            InterRDF(universe.atoms[centers], universe.atoms[atoms], N_BINS, (0, R_MAX)).run()

    def mdtraj_rdf() -> None:
        trajectory = mdtraj.load_xtc(str(run.trajectory_path), top=topology)
        for atoms in partners:
            pairs = [(i, j) for i in centers for j in atoms]
            mdtraj.compute_rdf(trajectory, pairs, r_range=(0, R_MAX / 10), n_bins=N_BINS)

    return {
        f"solvshell, all {len(partners)} pairs and contacts": ours,
        "MDAnalysis InterRDF, one pair after the other": inter_rdf,
        "mdtraj compute_rdf, one pair after the other": mdtraj_rdf,
    }


def main() -> None:
    """Time the contenders in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    functions = contenders(Run.load(arguments.run))
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(arguments.repeats):
        for name, function in functions.items():
            began = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - began)
    ours = median(next(iter(times.values())))
    print("| what | median of", arguments.repeats, "/ s | ratio |\n| --- | --- | --- |")
    for name, values in times.items():
        print(f"| {name} | {median(values):.2f} | {median(values) / ours:.1f} |")


if __name__ == "__main__":
    main()
