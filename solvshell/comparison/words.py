"""What a comparison says in sentences; each is made from its numbers."""

from collections.abc import Iterator
from typing import Any

from solvshell.comparison.differences import Difference
from solvshell.comparison.results import Comparison, Row
from solvshell.comparison.systems import limits_of
from solvshell.figures import SITE_NAMES
from solvshell.study import PEAKS, verdict

STATUS_WORDS = {
    "no_shell": "no shell",
    "too_few_samples": "too few samples",
    "absent": "not in the box",
    "none_seen": "none seen",
    "resolved": "",
    "not_resolved": "not resolved",
}


def signed(value: float, digits: int = 3) -> str:
    """Return a number with its sign, and a true minus."""
    return f"{value:+.{digits}f}".replace("-", "−")


def interval(change: Difference, digits: int = 3, scale: float = 1.0) -> str:
    """Return a difference with its 95 % interval."""
    if change.low is None or change.high is None:
        return f"{signed(scale * change.value, digits)} (no interval)"
    value, low, high = (signed(scale * number, digits) for number in (change.value, change.low, change.high))
    return f"{value} ({low} to {high})"


def _list(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _partner(row: Row) -> str:
    _, partner, site = row.key
    return f"{partner} {SITE_NAMES.get(site, site)} {interval(row.change, 2)}" if row.change else partner


def caveat(found: Comparison) -> str:
    """Return why the sentences of a comparison are to be taken with care; empty if nothing is known against them."""
    flags = [replica.summary["flags"] for system in found.systems for replica in system.replicas]
    said = []
    if any(row.change and row.change.basis == "one run" for row in found.coordination):
        said.append("the intervals are those of one run each and do not know how different boxes scatter")
    if any(flag["not_equilibrated"] for flag in flags):
        said.append("the runs are not equilibrated")
    if any(flag["demonstration"] for flag in flags):
        said.append("a box is a demonstration")
    return f"With care: {_list(said)}." if said else ""


def budget_sentence(found: Comparison, system: str, center: str) -> str:
    """Return which partners lost and gained contacts beyond the error, and what that says about the sum."""
    rows = [row for row in found.coordination if row.system == system and row.key[0] == center]
    total = next((row for row in found.totals if row.system == system and row.key == (center,)), None)
    sure = [row for row in rows if row.change and row.change.excludes_zero]
    lost = [_partner(row) for row in sure if row.change and row.change.value < 0]
    gained = [_partner(row) for row in sure if row.change and row.change.value > 0]
    said = []
    if lost:
        said.append(f"has lost contacts with {_list(lost)}")
    if gained:
        said.append(f"has gained contacts with {_list(gained)}")
    reference = found.systems[0].name
    text = f"Against {reference}, {center} in {system} " + (
        " and ".join(said) if said else "has neither lost nor gained contacts with any partner beyond the error"
    )
    if total and total.change:
        beyond = "" if total.change.excludes_zero else ", not beyond the error"
        text += f"; the sum over all partners changes by {interval(total.change, 2)}{beyond}"
    elif unknown := [row.key[1] for row in rows if row.status == "too_few_samples"]:
        text += f"; the sum is not known, for too few samples of {_list(unknown)}"
    return f"{text}."


def sentences(found: Comparison) -> list[str]:
    """Return the sentence of each system besides the reference."""
    return [
        budget_sentence(found, system.name, center)
        for center in found.centers
        for system in found.systems[1:]
        if center in system.centers
    ]


def summary_lines(found: Comparison) -> Iterator[str]:
    """Yield the lines to see first: what was lost and gained, and how far to trust it."""
    for sentence in sentences(found):
        yield f"  {sentence}"
    if caveat(found):
        yield f"  {caveat(found)}"
    for text, names in limits_of(found.systems):
        yield f"  note: {text[0].lower()}{text[1:]}: {', '.join(names)}"


def study_rows(found: Comparison) -> list[dict[str, Any]]:
    """Return the study's peaks and shifts beside ours, for the systems that are the study's."""
    ours = {(row.system, row.key): row for row in found.peaks}
    with_study = {row.system for row in found.peaks if row.extra and row.extra.get("study_angstrom")}
    names = [system.name for system in found.systems[1:] if system.has_polymer and system.name in with_study]
    rows = []
    for key, study in PEAKS.items():
        of_reference = ours.get((found.systems[0].name, key))
        if of_reference is None or not (of_reference.extra or {}).get("study_angstrom"):
            continue
        for system in names:
            row = ours[system, key]
            change = row.change
            rows.append(
                {
                    "key": key,
                    "system": system,
                    "reference": of_reference,
                    "ours": row,
                    "study": study,
                    "verdict": verdict(study, change.low, change.high)
                    if change
                    else "says nothing: one of its peaks is missing",
                }
            )
    return rows


def basis_words(change: Difference | None) -> str:
    """Return what a difference rests on."""
    if change is None:
        return ""
    if change.basis == "one run":
        return "one run"
    if change.p_value is None or change.df is None:
        return "replicas"
    return f"p = {change.p_value:.2g} ({change.df:.1f} d.f.)"
