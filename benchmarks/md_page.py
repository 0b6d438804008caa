"""The page of `md.py` from its results: pure text."""

import statistics
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from md_choices import SHIPPED
from md_engines import ratio
from md_layer import overhead_percent

_MPS = {None: "", True: " NVIDIA's multi-process service shares the device.", False: " Processes take turns (no MPS)."}

_GROMACS = (
    " GROMACS has the same cutoff, switch, Ewald parameter, grid, order of splines, step, masses, thermostat (`sd`) "
    "and number of threads; its pair list is its own (a buffer for an energy drift of 0.005 kJ/mol/ps per atom)."
)

_COUNTED_BY_GROMACS = {
    "direct sum with pair list": ("Neighbor search", "Force", "NB X/F buffer ops."),
    "PME": ("PME mesh",),
    "bonded": (),
    "integration and constraints": ("Update", "Constraints"),
    "Total": ("Total",),
}


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def median_and_range(values: Sequence[float]) -> str:
    """Return the median of the rounds, and least and most of them."""
    return f"{_number(statistics.median(values))} ({_number(min(values))}-{_number(max(values))})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; all columns but the first are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _section(title: str, words: str, *tables: str) -> str:
    paragraph = [textwrap.fill(words, 118) + "\n"] if words else []
    return "\n".join([f"## {title}\n", *paragraph, *tables])


def _head(made: Mapping[str, Any]) -> str:
    settings, versions = made["settings"], ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    grid = " x ".join(str(size) for size in settings["pme_grid_of_smallest"])
    switch = f"switched from {settings['switch_nm']:g} nm" if settings["switch_nm"] else "not switched"
    where = (
        f"`{made['command']}`, {made['date']}, {made['device']} ({made['processor']}, {made['cores']} cores), "
        f"{versions}.{_MPS[made['mps']]} {made['remark']}"
    )
    how = (
        f"Everything that is compared ran in turn, {made['seconds']:g} s at a time, in {made['rounds']} rounds: "
        "medians, with least and most in brackets. Ratios are medians of the ratios within a round."
    )
    settings_of_all = (
        "Settings of all runs unless said: constant volume, 298.15 K by Langevin with "
        f"{settings['friction_per_ps']:g}/ps, rigid bonds to hydrogen, cutoff {settings['cutoff_nm']:g} nm, "
        f"Lennard-Jones {switch}, PME tolerance "
        f"{settings['pme_tolerance']:g} (alpha {settings['pme_alpha_per_nm']:.4f}/nm; grid of the smallest box {grid}; "
        f"splines of order 5), precision: {settings['precision']}. A box of more than 100 LiPF6 is eight periodic "
        "copies of a smaller one, which then move freely."
    ) + (_GROMACS if "GROMACS" in made["versions"] else "")
    paragraphs = [textwrap.fill(text, 118) for text in (where, how, settings_of_all)]
    return "\n\n".join([f"# How fast molecular dynamics of LB-003 goes: {made['platform']}", *paragraphs, ""])


def _speed(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = []
    for row in rows:
        found = row["ns_per_day"]
        line = [f"{row['atoms']:,}", row["step"], median_and_range(found["OpenMM"])]
        if "GROMACS" in found:
            line += [median_and_range(found["GROMACS"]), f"{ratio(found['GROMACS'], found['OpenMM']):.2f}"]
        lines.append(line)
    head = ["atoms", "step", "OpenMM, ns/day", "GROMACS, ns/day", "GROMACS / OpenMM"][: len(lines[0])]
    return _section("One run", "", table(head, lines))


def _together(found: Mapping[str, Any]) -> str:
    rows = found["rows"]
    first = rows[0]["ns_per_day"]
    lines = []
    for row in rows:
        threads = [str(row["threads"])] if row["threads"] else []
        speed, gain = median_and_range(row["ns_per_day"]), f"{ratio(row['ns_per_day'], first):.2f}"
        lines.append([row["engine"], str(row["processes"]), *threads, speed, gain])
    threads = ["threads of each"] if rows[0]["threads"] else []
    head = ["engine", "processes", *threads, "ns/day of all", "of the first line"]
    return _section(f"Several processes, each with {found['atoms']:,} atoms, 4 fs", "", table(head, lines))


def _layer(found: Mapping[str, Any]) -> str:
    rounds, pieces = found["ns_per_day"], found["ms_per_ps"]
    lost = [100 * (1 - ours / bare) for ours, bare in zip(rounds["simulate"], rounds["bare"], strict=True)]
    whole = sum(pieces.values())
    words = (
        f"`simulate` with the files of the protocol `standard` (frames, log, 1 bar) over {found['ps']:g} ps: "
        f"{median_and_range(rounds['simulate'])} ns/day. `integrator.step` alone on the same system: "
        f"{median_and_range(rounds['bare'])}. Slower by {statistics.median(lost):.1f} % ({min(lost):.1f} to "
        f"{max(lost):.1f}). A profile of `simulate` divides its time without comparing two runs: "
        f"**{overhead_percent(pieces):.2f} %** is none of OpenMM's steps. A state is computed with its energy, which "
        "is one more evaluation of the forces."
    )
    rows = [[name, f"{value:.3f}", f"{100 * value / whole:.3f}"] for name, value in pieces.items()]
    return _section(
        f"What our layer costs, {found['atoms']:,} atoms", words, table(["piece", "ms per ps", "% of the run"], rows)
    )


def _choices(found: Mapping[str, Any]) -> str:
    rounds, errors, elsewhere = found["ns_per_day"], found["force_error_percent"], found["elsewhere"]
    lines = []
    for name, values in rounds.items():
        error = elsewhere[name] or f"{errors[name]:.3f} %"
        lines.append([name, median_and_range(values), f"{ratio(values, rounds[SHIPPED]):.2f}", error])
    words = (
        "The error is the root-mean-square difference of the forces from those of the shipped model in double "
        "precision with a PME tolerance of 1e-6, over the root-mean-square force, on one configuration. That of "
        "another cutoff or switch is how much the model changes."
    )
    if found["threads"]:
        words = "One thread; ns in a day of processor time, which other work changes little. " + words
    if "GROMACS" in errors:
        words += f" GROMACS with its settings of the first table: {errors['GROMACS']:.3f} %."
    head = ["setting", "ns/day", "of shipped", "error of forces"]
    return _section(f"Settings, {found['atoms']:,} atoms", words, table(head, lines))


def _parts(found: Mapping[str, Any]) -> str:
    theirs = found.get("GROMACS")
    rows = []
    for name, value in found["OpenMM"].items():
        row = [name, f"{value:.3f}"]
        if theirs:
            counted = sum(theirs.get(part, 0.0) for part in _COUNTED_BY_GROMACS[name])
            row += [f"{counted:.3f}", f"{value / counted:.1f}"] if counted else ["in the direct sum", ""]
        rows.append(row)
    head = ["part", "OpenMM, ms", "GROMACS, ms", "ratio"][: len(rows[0])]
    on = ", one thread" if found["threads"] else ""
    words = (
        "Processor time, which other work changes little. OpenMM: forces of PME and of bonds at one configuration, "
        "integration from a run with bonded forces alone, the rest is the direct sum. GROMACS: as it counts."
    )
    return _section(f"A step in parts, {found['atoms']:,} atoms, 4 fs{on}", words if theirs else "", table(head, rows))


def _memory(found: Mapping[str, Any]) -> str:
    on_gpu = "" if found["gpu_mib"] is None else f" and {found['gpu_mib']:,} MiB on the GPU"
    words = (
        f"`solvshell run` with {found['atoms']:,} atoms (box read, {found['ps']:g} ps, frames, checkpoints): at most "
        f"{found['peak_mib']:,.0f} MiB resident{on_gpu}."
    )
    return _section("Memory", words)


_SECTIONS = {
    "speed": _speed, "together": _together, "layer": _layer, "choices": _choices, "parts": _parts, "memory": _memory,
}  # fmt: skip


def page(results: Mapping[str, Any]) -> str:
    """Return the page: what was made when and how, then the tables that were made."""
    sections = [make(results[name]) for name, make in _SECTIONS.items() if name in results]
    return "\n".join([_head(results["made"]), *sections])
