"""The page of `md.py` from its results: pure text."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from md_choices import SHIPPED
from md_engines import ratio
from md_layer import overhead_percent

Rounds = Mapping[str, Sequence[float]]


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def median_and_range(values: Sequence[float]) -> str:
    """Return the median of the rounds, and least and most of them."""
    return f"{_number(statistics.median(values))} ({_number(min(values))}-{_number(max(values))})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; all columns but the first are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _head(made: Mapping[str, Any]) -> str:
    settings, versions = made["settings"], ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    mps = {None: "", True: " NVIDIA's multi-process service shares the device.", False: " Processes take turns (no MPS)."}
    grid = " x ".join(str(size) for size in settings["pme_grid_of_smallest"])
    text = f"""# Molecular dynamics of LB-003: {made["platform"]}

`python benchmarks/md.py --out benchmarks/results`, {made["date"]}, {made["device"]} ({made["processor"]},
{made["cores"]} cores), {versions}.{mps[made["mps"]]} {made["remark"]}

Everything that is compared ran in turn, {made["seconds"]:g} s at a time, in {made["rounds"]} rounds: medians, with least and
most in brackets; ratios are medians of the ratios within a round.

Settings of all runs unless said: constant volume, Langevin with {settings["friction_per_ps"]:g}/ps at 298.15 K, rigid bonds to
hydrogen, cutoff {settings["cutoff_nm"]:g} nm, Lennard-Jones switched from {settings["switch_nm"]} nm, PME tolerance
{settings["pme_tolerance"]:g} (alpha {settings["pme_alpha_per_nm"]:.4f}/nm; grid of the smallest box {grid}; splines of order 5),
precision: {settings["precision"]}. The largest box may be eight copies of the one before, which moves as any other."""
    if "GROMACS" in made["versions"]:
        text += """ GROMACS has the same cutoff, switch, Ewald parameter, grid, order of splines, step, masses, thermostat
(`sd`) and number of threads; its pair list is its own (buffer for a drift of 0.005 kJ/mol/ps per atom)."""
    return text + "\n"


def _speed(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = []
    for row in rows:
        found = row["ns_per_day"]
        line = [f"{row['atoms']:,}", row["step"], median_and_range(found["OpenMM"])]
        if "GROMACS" in found:
            line += [median_and_range(found["GROMACS"]), f"{ratio(found['GROMACS'], found['OpenMM']):.2f}"]
        lines.append(line)
    head = ["atoms", "step", "OpenMM, ns/day", "GROMACS, ns/day", "ratio"][: len(lines[0])]
    return "## One run\n\n" + table(head, lines)


def _together(found: Mapping[str, Any]) -> str:
    rounds: Rounds = found["ns_per_day"]
    alone = next(iter(rounds))
    lines = [
        [name, median_and_range(values), f"{ratio(list(values), list(rounds[alone])):.2f}"]
        for name, values in rounds.items()
    ]
    return f"## Several processes on the device, {found['atoms']:,} atoms each, 4 fs\n\n" + table(
        ["processes", "ns/day together", "of the first row"], lines
    )


def _layer(found: Mapping[str, Any]) -> str:
    rounds, pieces = found["ns_per_day"], found["ms_per_ps"]
    lost = [100 * (1 - ours / bare) for ours, bare in zip(rounds["simulate"], rounds["bare"], strict=True)]
    whole = sum(pieces.values())
    rows = [[name, f"{value:.3f}", f"{100 * value / whole:.3f}"] for name, value in pieces.items()]
    return f"""## What our layer costs, {found["atoms"]:,} atoms

`simulate` with the files of the protocol `standard` (frames, lines of the log, 1 bar) over {found["ps"]:g} ps:
{median_and_range(rounds["simulate"])} ns/day; `integrator.step` alone on the same system: {median_and_range(rounds["bare"])}.
Slower by {statistics.median(lost):.1f} % ({min(lost):.1f} to {max(lost):.1f}). By a profile of `simulate`, which divides the time
itself and does not compare two runs, {overhead_percent(pieces):.2f} % of a run is none of OpenMM's steps:

""" + table(["piece", "ms per simulated ps", "% of the run"], rows)


def _choices(found: Mapping[str, Any]) -> str:
    rounds, errors, elsewhere = found["ns_per_day"], found["force_error_percent"], found["elsewhere"]
    lines = []
    for name, values in rounds.items():
        error = elsewhere[name] or f"{errors[name]:.3f} %"
        lines.append([name, median_and_range(values), f"{ratio(values, rounds[SHIPPED]):.2f}", error])
    beside = f" GROMACS with its settings of the first table: {errors['GROMACS']:.3f} %." if "GROMACS" in errors else ""
    return f"""## Settings, {found["atoms"]:,} atoms

The error is the root-mean-square difference of the forces from those of the shipped model in double precision with a PME
tolerance of 1e-6, over the root-mean-square force, on one configuration. Of a cutoff it is what the model changes by.{beside}

""" + table(["setting", "ns/day", "of shipped", "error of forces"], lines)


_GROMACS_PARTS = {
    "direct sum": ("Force", "NB X/F buffer ops."),
    "pair list": ("Neighbor search",),
    "PME": ("PME mesh",),
    "bonded": (),
    "integration and constraints": ("Update", "Constraints"),
    "Total": ("Total",),
}


def _parts(found: Mapping[str, Any]) -> str:
    ours, theirs = found["OpenMM"], found.get("GROMACS")
    rows = []
    for name, value in ours.items():
        row = [name, f"{value:.3f}"]
        if theirs:
            counted = sum(theirs.get(part, 0.0) for part in _GROMACS_PARTS[name])
            row += [f"{counted:.3f}", f"{value / counted:.1f}"] if counted else ["in the line above", ""]
        rows.append(row)
    head = ["part", "OpenMM, ms", "GROMACS, ms", "ratio"][: len(rows[0])]
    note = " GROMACS counts bonded forces with the direct sum; the rest of its total is what it counts elsewhere." if theirs else ""
    return f"## A step in parts, {found['atoms']:,} atoms, one thread\n\n{note.strip()}\n\n" + table(head, rows)


def _memory(found: Mapping[str, Any]) -> str:
    on_gpu = "" if found["gpu_mib"] is None else f" and {found['gpu_mib']:,} MiB on the GPU"
    return f"""## Memory

`solvshell run` with {found["atoms"]:,} atoms: at most {found["peak_mib"]:,.0f} MiB{on_gpu}.
"""


_SECTIONS = {
    "speed": _speed, "together": _together, "layer": _layer, "choices": _choices, "parts": _parts, "memory": _memory,
}  # fmt: skip


def page(results: Mapping[str, Any]) -> str:
    """Return the page: what was made when and how, then the tables that were made."""
    sections = [make(results[name]) for name, make in _SECTIONS.items() if name in results]
    return "\n".join([_head(results["made"]), *sections])
