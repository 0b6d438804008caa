"""How long the interaction energies of Li+ with every molecule take, and whether they add up.

    python benchmarks/energies.py --folder runs/analysis --repeats 5 --out docs/results/energies_speed.md

The liquid is made in the folder if it is not there: some minutes on a CPU. Ours is timed against OpenMM with species
switched on and off, and against a rerun by GROMACS with energy groups, in turn in one process, on the same frames. The
closure is that of small boxes, built for it. Without `--out`, the page is printed.
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
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

import numba
import numpy as np
import openmm
import pandas as pd
from energy_peers import Found, GroupsOfGromacs, SwitchedInOpenMM, frames_of
from MDAnalysis import Universe
from memory import peak_mib
from trajectories import liquid

from solvshell.analysis.energies.closure import check_closure
from solvshell.analysis.energies.interaction import InteractionEnergies
from solvshell.analysis.energies.model import PairModel
from solvshell.analysis.reading.frames import open_trajectory
from solvshell.box import Box
from solvshell.build import build_box
from solvshell.recipe import load_recipe

PACKAGES = ("solvshell", "openmm", "MDAnalysis", "numpy", "numba")
N_FRAMES, N_FRAMES_OPENMM = 100, 5
#: What closes: a liquid, and one with nitrate and polymer; by which platform, with which tolerance.
CLOSED = {"lb003": 8, "lb003_pota-no3": 8}
EXACT, DEFAULT = 1e-7, 5e-4
OURS, ONE, OPENMM, GROMACS = "solvshell, two threads", "solvshell, one thread", "OpenMM, CPU", "GROMACS, rerun"


def energies_of(universe: Universe, box: Box) -> InteractionEnergies:
    """Return the pass, not run yet."""
    groups = {name: universe.select_atoms(f"resname {name}") for name in dict.fromkeys(universe.residues.resnames)}
    return InteractionEnergies({"LI": groups.pop("LI")}, groups, PairModel.from_system(box.system))


def timed(function: Callable[[], object]) -> tuple[float, float]:
    """Return wall and processor seconds of a call, those of all threads and finished children."""

    def clock() -> tuple[float, float]:
        used = os.times()
        return time.perf_counter(), time.process_time() + used.children_user + used.children_system

    began = clock()
    function()
    ended = clock()
    return ended[0] - began[0], ended[1] - began[1]


def _with_threads(n: int, function: Callable[[], object]) -> None:
    before = numba.config.NUMBA_NUM_THREADS
    numba.config.NUMBA_NUM_THREADS = n
    try:
        function()
    finally:
        numba.config.NUMBA_NUM_THREADS = before


def speed_table(universe: Universe, box: Box, folder: Path, repeats: int) -> tuple[list[str], Found, np.ndarray]:
    """Return the lines of a table, what GROMACS found, and the sums over all Li+ of ours, (n_frames, n_species, 3)."""
    ours = energies_of(universe, box)
    by_openmm, by_gromacs = SwitchedInOpenMM(box, universe), GroupsOfGromacs(box, folder / "gromacs")
    frames = frames_of(Path(universe.trajectory.filename), N_FRAMES, folder / "frames.xtc")
    contenders: dict[str, tuple[int, Callable[[], object]]] = {
        OURS: (N_FRAMES, lambda: _with_threads(2, lambda: ours.run(stop=N_FRAMES))),
        ONE: (N_FRAMES, lambda: _with_threads(1, lambda: ours.run(stop=N_FRAMES))),
        OPENMM: (N_FRAMES_OPENMM, lambda: by_openmm.run(N_FRAMES_OPENMM)),
        GROMACS: (N_FRAMES, lambda: by_gromacs.run(frames)),
    }
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for repeat in range(repeats + 1):  # a first round, which compiles, is left out
        for name, (n_frames, function) in contenders.items():
            wall, used = timed(function)
            if repeat:
                rates[name].append((n_frames / wall, used / n_frames))
    found = by_gromacs.run(frames)
    medians = {name: median(rate for rate, _ in values) for name, values in rates.items()}
    lines = [
        "| what | frames/s, median | best | processor, ms per frame | ours is faster by |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, values in rates.items():
        best, used = max(rate for rate, _ in values), median(used for _, used in values)
        lines.append(
            f"| {name} | {medians[name]:.3g} | {best:.3g} | {1e3 * used:.0f} | {medians[OURS] / medians[name]:.1f} |"
        )
    return lines, found, ours.results.whole_box.astype(float).sum(axis=1)


def parity_table(universe: Universe, theirs: Found, ours: np.ndarray) -> list[str]:
    """Return the lines of a table: Lennard-Jones of all Li+ with each species, means over the frames."""
    names = list(dict.fromkeys(universe.residues.resnames))
    lines = [
        "| Li⁺ with | solvshell, kJ/mol | GROMACS, kJ/mol | largest difference in a frame |",
        "| --- | --- | --- | --- |",
    ]
    for k, name in enumerate(names):
        mine = ours[:, k, 0] / (2 if name == "LI" else 1)  # pairs of Li+ are met from both sides
        difference = np.abs(mine - theirs.lj[:, k]).max()
        lines.append(f"| {name} | {mine.mean():.4f} | {theirs.lj[:, k].mean():.4f} | {difference:.1e} |")
    return lines


def sheared(box: Box) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions and the vectors in Å of a box in a triclinic cell."""
    vectors = box.box_vectors * 10
    length = vectors[0, 0]
    skewed = vectors + np.array([[0, 0, 0], [0.3 * length, 0, 0], [-0.2 * length, 0.25 * length, 0]])
    return box.positions * 10 @ np.linalg.inv(vectors) @ skewed, skewed


def closures(folder: Path) -> pd.DataFrame:
    """Return the closure of the small boxes by each platform and tolerance."""
    platforms = [("Reference", EXACT), ("Reference", DEFAULT), ("CPU", EXACT), ("CPU", DEFAULT)]
    known = [openmm.Platform.getPlatform(i).getName() for i in range(openmm.Platform.getNumPlatforms())]
    platforms += [("CUDA", tolerance) for tolerance in (EXACT, DEFAULT) if "CUDA" in known]
    tables = []
    for name, n_salt in CLOSED.items():
        if not (folder / name).exists():
            build_box(load_recipe(name), seed=1, n_salt=n_salt).save(folder / name)
        box = Box.load(folder / name)
        residues = np.array([atom.residue.name for atom in box.topology.atoms()])
        species = {residue: np.flatnonzero(residues == residue) for residue in dict.fromkeys(residues)}
        for cell, (positions, vectors) in {
            "cubic": (box.positions * 10, box.box_vectors * 10),
            "triclinic": sheared(box),
        }.items():
            for platform, tolerance in platforms if cell == "cubic" else platforms[::2][:2]:
                table = check_closure(box.system, positions, vectors, species, platform=platform, tolerance=tolerance)
                by = {"system": f"{name}, {cell}", "n_atoms": box.n_atoms, "platform": platform, "tolerance": tolerance}
                tables.append(table.assign(**by))
    return pd.concat(tables, ignore_index=True)


def closure_tables(found: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Return the lines of two tables: the largest deviations, and each species by Reference at its best."""
    worst = [
        "| box | atoms | platform | tolerance | largest deviation, Coulomb | Lennard-Jones |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for (system, n_atoms, platform, tolerance), rows in found.groupby(
        ["system", "n_atoms", "platform", "tolerance"], sort=False
    ):
        largest = rows.groupby("term")["deviation"].apply(lambda values: values.abs().max())
        worst.append(
            f"| {system} | {n_atoms} | {platform} | {tolerance:g} | {largest['coulomb']:.1e} | "
            f"{largest['lennard_jones']:.1e} |"
        )
    each = [
        "| box | species | term | between molecules | within | tail | sum | OpenMM | deviation |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    exact = found[(found["platform"] == "Reference") & (found["tolerance"] == EXACT)]
    for row in exact.itertuples():
        numbers = " | ".join(f"{value:.3f}" for value in (row.between, row.within, row.tail, row.sum, row.openmm))
        each.append(f"| {row.system} | {row.species} | {row.term} | {numbers} | {row.deviation:.1e} |")
    return worst, each


def without_cuda(found: pd.DataFrame) -> list[str]:
    """Return what to say where no GPU was at hand."""
    if "CUDA" in set(found["platform"]):
        return []
    return [
        _paragraph(
            "No row by CUDA, in mixed precision, has been measured: this machine has no GPU. The command of this page "
            "adds them where OpenMM finds one."
        )
    ]


def memory_lines(folder: Path) -> list[str]:
    """Return the lines of a table of largest resident sizes, of a process each."""
    lines = ["| frames | before, MiB | the pass, MiB |", "| --- | --- | --- |"]
    for n_frames in (100, 1001):
        command = [sys.executable, __file__, "--folder", str(folder), "--memory", str(n_frames)]
        m = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        lines.append(f"| {n_frames:,} | {m['before']:.0f} | {m['pass']:.0f} |")
    return lines


def memory_of(folder: Path, n_frames: int) -> dict[str, float]:
    """Return the largest resident size of this process before and after a pass, in MiB."""
    run = liquid(folder)
    ours = energies_of(open_trajectory(run.topology_path, run.trajectory_path), run.box)
    ours.run(stop=1)  # compiles
    before = peak_mib()
    ours.run(stop=n_frames)
    return {"before": before, "pass": peak_mib()}


def _paragraph(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def speed_page(folder: Path, repeats: int) -> str:
    """Return the page."""
    run = liquid(folder)
    universe = open_trajectory(run.topology_path, run.trajectory_path)
    with tempfile.TemporaryDirectory() as scratch:
        speed, theirs, ours = speed_table(universe, run.box, Path(scratch), repeats)
        gromacs = GroupsOfGromacs(run.box, Path(scratch) / "gromacs").version()
    found = closures(folder / "closure")
    worst, each = closure_tables(found)
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    parts = [
        "# How long interaction energies take, and whether they add up",
        _paragraph(
            f"`python benchmarks/energies.py --folder runs/analysis --repeats {repeats}`, "
            f"{datetime.now(UTC):%-d %B %Y}, {os.cpu_count()} cores, {versions}, {gromacs}."
        ),
        _paragraph(
            f"LB-003, {len(universe.atoms):,} atoms, 50 Li⁺, XTC. Ours finds Lennard-Jones, bare and Ewald Coulomb "
            "energy of every Li⁺ with every molecule, the reading included. OpenMM finds totals of all Li⁺ with each "
            "species: one context, charges and epsilons times global parameters, 9 energies for each of the two terms "
            "and frame; for single Li⁺ it would be 50 times as many, for single molecules thousands. The rerun of "
            "GROMACS gives totals too, and its Coulomb part ends at the cutoff. Both have two threads. What is "
            f"compiled at first use is compiled; all in turn, {repeats} times, {N_FRAMES} frames each "
            f"({N_FRAMES_OPENMM} by OpenMM). Other work may share the machine, so the best of them and the processor "
            "time stand beside the median."
        ),
        "\n".join(speed),
        "## Memory",
        _paragraph(
            "Largest resident size of a process: before the pass it is that of the libraries and the topology. Results "
            "take 12 bytes for each frame, center and species, and 32 for each molecule within the capture radius."
        ),
        "\n".join(memory_lines(folder)),
        "## The same Lennard-Jones energies as GROMACS",
        _paragraph(
            "All Li⁺ with each species, mean over the frames; the switch of the model is GROMACS' Potential-switch. "
            "GROMACS runs in mixed precision."
        ),
        "\n".join(parity_table(universe, theirs, ours)),
        "## Closure",
        _paragraph(
            "The sum over all pairs of a species, what its molecules have within, and the tail, against what OpenMM's "
            "energy loses without the species (`solvshell.analysis.energies.closure.check_closure`); deviations in "
            "parts of the sum of absolute terms, the largest over species. The tests ask for 1e-5 by the Reference "
            "platform with an Ewald tolerance of 1e-7; 5e-4 is OpenMM's default, at which PME itself is what deviates, "
            "as are other platforms by their precision. In large triclinic cells the Reference platform misses a few "
            "pairs near the cutoff, which shows in Lennard-Jones: its CPU platform has them, and so has a plain sum "
            "over all pairs (`tests/analysis/energies/test_interaction.py`)."
        ),
        "\n".join(worst),
        *without_cuda(found),
        "By the Reference platform at 1e-7, in kJ/mol:",
        "\n".join(each),
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Print or write a page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs/analysis"), help="where the liquid is kept")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--memory", type=int, metavar="FRAMES", help="print the memory of a pass, as JSON")
    parser.add_argument("--out", type=Path, help="the page")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", module="MDAnalysis")
    if arguments.memory:
        print(json.dumps(memory_of(arguments.folder, arguments.memory)))
    elif arguments.out:
        arguments.out.write_text(speed_page(arguments.folder, arguments.repeats))
    else:
        print(speed_page(arguments.folder, arguments.repeats))


if __name__ == "__main__":
    main()
