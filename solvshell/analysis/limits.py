"""What a run cannot say: flags for programs, notes for readers."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from solvshell.analysis.findings import Findings, Settings, Tables, pair_name, peak_rows, records, residence_rows
from solvshell.analysis.grand_canonical.lines import grand_canonical_lines
from solvshell.analysis.sites import Sites
from solvshell.analysis.statistics import RESOLVED_N_INDEPENDENT

DEMONSTRATION_BELOW_CENTERS = 16
RESIDENCE_TIMES_PER_RUN = 10
#: of a source: stages that were to last until they had equilibrated, and had not
CEILING = "not_equilibrated"
#: of a source: what says that its frames are not those that the run wrote
CHANGED = "changed"
#: The tables that have no numbers where molecules come and go, and why.
TIMES = ("residence", "residence_decays", "exchange")
NOT_PHYSICAL = (
    "molecules come and go, between frames and outside of time: residence times and rates of exchange are not physical "
    "and left out; all else is counted from the molecules that are there in each frame"
)


def _longest_stays(found: Findings, run_ps: float) -> list[str]:
    """Return the pairs whose residence time is more than a tenth of the run."""
    pairs = []
    for pair in found.residence.pairs:
        stay = pair.exponential
        if stay is not None:
            time_ps = stay.time_ps or stay.lower_bound_ps or 0.0
            if stay.n_departures == 0 or time_ps * RESIDENCE_TIMES_PER_RUN > run_ps:
                sign = "" if stay.n_departures else "at least "
                pairs.append(f"{pair.center}-{pair.partner} {pair.site} ({sign}{time_ps:.3g} ps)")
    return pairs


def _pairs_of(tables: Tables, status: str) -> list[str]:
    """Return the coordinating pairs that have this status and no cutoff."""
    counted = {pair_name(row) for row in records(tables.coordination)}
    rows = (row for row in records(tables.peaks) if row["status"] == status and pd.isna(row["cutoff_source"]))
    return [pair_name(row) for row in rows if pair_name(row) in counted]


def _unresolved(sites: Sites, thermodynamics: dict[str, Any], tables: Tables, found: Findings) -> list[str]:
    """Return the quantities with too few samples; but not a fixed volume, nor a partner without a shell."""
    no_shell = _pairs_of(tables, "no_shell")
    names = [name for name, value in thermodynamics.items() if not value["resolved"] and value["stderr"] is not None]
    names += [f"peak {pair_name(row)}" for row in peak_rows(tables, found) if not row["resolved"]]
    for name, total in found.total_coordination.items():
        if total is None or not total.is_resolved:
            names.append(f"total coordination of {name}")
    for row in records(tables.coordination):
        if not row["n_independent"] >= RESOLVED_N_INDEPENDENT and pair_name(row) not in no_shell:
            names.append(f"coordination {pair_name(row)}")
    whole = None not in found.total_coordination.values()
    if not whole or not all(share.is_resolved_share for share in found.of_shells):
        names.append("shell compositions")
    for row, state in zip(records(tables.speciation), found.of_speciation, strict=True):
        if state is None or not state.is_resolved_share:
            seen = " (none seen)" if state is not None and state.mean == 0 else ""
            names.append(f"{row['state']} of {row['center']}{seen}")
    for row in [] if sites.presence else residence_rows(found):
        if not row["resolved"] and pair_name(row) not in no_shell:
            names.append(f"residence {pair_name(row)}")
    return names


def _counted_within(row: dict[str, Any]) -> str:
    """Return how the contacts of a pair are counted all the same."""
    who = {
        "given": "given",
        "typical": f"typical of {row['center']} and such sites",
        "caller": "of the caller",
    }.get(row["cutoff_source"])
    if who is None:
        return ""
    if pd.isna(row["cutoff_angstrom"]):
        return "; counted by the rule of the caller"
    return f"; counted within {row['cutoff_angstrom']:g} Å, {who}"


def _absences(tables: Tables, found: Findings, incomplete: list[str]) -> list[str]:
    """Return what is left out because a shell, or its end, is not known."""
    notes = []
    if incomplete:
        left_out = ["total coordination", "shell compositions"]
        if any(state is None for state in found.of_speciation):
            left_out.append("ion pair states")
        contacts, last = "its contacts" if len(incomplete) == 1 else "their contacts", left_out.pop()
        notes.append(
            f"too few samples for a first shell, so no cutoff for {', '.join(incomplete)}: {contacts} are not counted; "
            f"{', '.join(left_out)} and {last} would be wrong and are left out"
        )
    for row in records(tables.peaks):
        if row["status"] == "too_few_samples" and pair_name(row) not in incomplete:
            notes.append(f"{pair_name(row)}: too few samples for a first shell{_counted_within(row)}")
    if tables.speciation.empty:
        notes.append("no anions: no ion pair states")
    return notes


def _notes(sites: Sites, tables: Tables, found: Findings, flags: dict[str, Any], run_ps: float) -> list[str]:
    notes = []
    if flags["demonstration"]:
        notes.append(f"demonstration: {sites.n_centers} centers, fewer than {DEMONSTRATION_BELOW_CENTERS}")
    if flags["not_physical"]:
        notes.append(NOT_PHYSICAL)
    if flags["no_plateau"]:
        notes.append("no plateau found; the second half is used")
    if flags["not_equilibrated"]:
        shorter = f"the run of {run_ps:.6g} ps is shorter than ten residence times of "
        notes.append("coordination and pairing not equilibrated: " + shorter + ", ".join(_longest_stays(found, run_ps)))
    if flags["unresolved"]:
        limit = f"n_independent, or visits of the rarer state, below {RESOLVED_N_INDEPENDENT}"
        notes.append(f"not resolved by this run ({limit}): " + ", ".join(flags["unresolved"]))
    if flags["short_draws"]:
        notes.append(
            "the run is short against what the liquid remembers: errors of g(r) and intervals of peaks are lower "
            f"bounds for {', '.join(flags['short_draws'])}"
        )
    return notes + _absences(tables, found, flags["incomplete"])


def limits(
    sites: Sites,
    settings: Settings,
    tables: Tables,
    found: Findings,
    thermodynamics: dict[str, Any],
    run_ps: float,
) -> tuple[dict[str, Any], list[str]]:
    """Return the flags and the notes of an analysis.

    ``demonstration``, ``not_equilibrated`` and ``no_plateau`` are true or false; ``incomplete`` lists the pairs whose
    contacts cannot be counted, ``short_draws`` those whose errors of g(r) are lower bounds, ``unresolved`` the
    quantities with too few independent samples, ``not_physical`` the tables left empty because molecules come and go.

    Parameters
    ----------
    thermodynamics
        Quantities of the summary by name.
    run_ps
        How long the frames used last.
    """
    flags = {
        "demonstration": sites.n_centers < DEMONSTRATION_BELOW_CENTERS,
        "not_equilibrated": bool(_longest_stays(found, run_ps)),
        "no_plateau": settings.no_plateau,
        "incomplete": _pairs_of(tables, "too_few_samples"),
        "short_draws": [pair_name(row) for row in peak_rows(tables, found) if row["draws_shorter_than_memory"]],
        "not_physical": list(TIMES) if sites.presence else [],
        "unresolved": _unresolved(sites, thermodynamics, tables, found),
    }
    notes = _notes(sites, tables, found, flags, run_ps)
    if CHANGED in settings.source:
        notes.append(f"{settings.source[CHANGED]} ('solvshell verify' tells more)")
    if CEILING in settings.source:
        notes.append(f"production began although a stage before it ended at its ceiling: {settings.source[CEILING]}")
    return flags, notes


def _energy_lines(energies: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each sum of the interaction energies of a center, or why there is none."""
    if not energies["available"]:
        yield f"  note: no interaction energies: {energies['reason']}"
        return
    scale = energies["charge_scale"]
    charges = "charges as the model has them" if scale is None else f"charges of ions x {scale:g}"
    said = {"first_shell_bare": "the molecules of its first shell (bare", "whole_box_ewald": "all of the box (Ewald"}
    for name, words in said.items():
        for center, total in energies["combining_energy_kj_mol"][name].items():
            error = "" if total["stderr"] is None else f" +- {total['stderr']:.0f}"
            mark = "" if total["resolved"] else ", not resolved"
            yield f"  {center} with {words}, {charges}): {total['mean']:.0f}{error} kJ/mol{mark}"
    shifts = ", ".join(f"{pair} {shift:+.0f}" for pair, shift in energies["charged_pair_constant_kj_mol"].items())
    if shifts:
        yield f"  in this box the Ewald energy of a single pair is shifted, in kJ/mol: {shifts}"


def headline(summary: dict[str, Any]) -> Iterator[str]:
    """Yield the lines to see first: what was found, the main numbers, and what they cannot say."""
    composition, frames = summary["composition"], summary["frames"]
    centers = ", ".join(f"{n} {name}" for name, n in composition["n_centers"].items())
    numbers = {name: f"{n:.1f}" if isinstance(n, float) else n for name, n in composition["n_molecules"].items()}
    partners = ", ".join(f"{n} {name}" for name, n in numbers.items())
    used = f"{frames['used']} of {frames['n_frames']} frames used, {frames['timestep_ps']:g} ps apart"
    yield f"  centers: {centers}; partners: {partners}; {used}"
    density = summary["thermodynamics"].get("density_g_cm3")
    if density and density["stderr"] is not None:
        yield f"  density {density['mean']:.4f} +- {density['stderr']:.4f} g/cm3"
    for center, total in summary["coordination"]["total"].items():
        if total["mean"] is not None and total["stderr"] is not None:
            marks = [
                ", not resolved" * (not total["resolved"]),
                ", not equilibrated" * summary["flags"]["not_equilibrated"],
            ]
            yield f"  {total['mean']:.2f} +- {total['stderr']:.2f} atoms around {center}, all partners{''.join(marks)}"
    if "grand_canonical" in summary:
        yield from grand_canonical_lines(summary["grand_canonical"])
    yield from _energy_lines(summary["energies"])
    if summary["source"].get("run") == "unfinished":
        yield "  note: the run is not finished"
    for note in summary["notes"]:
        if note.startswith("not resolved"):
            n_unresolved = len(summary["flags"]["unresolved"])
            yield f"  note: {n_unresolved} numbers are not resolved by this run (summary.json lists them)"
        else:
            yield f"  note: {note}"
