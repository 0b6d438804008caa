"""What a comparison says in sentences; each is made from its numbers."""

from collections.abc import Callable, Sequence
from typing import Any

from solvshell.comparison.differences import Difference
from solvshell.comparison.results import Comparison
from solvshell.comparison.rows import Row, Witness
from solvshell.figures import SITE_NAMES
from solvshell.joined.limits import has_short_draws
from solvshell.joined.systems import System
from solvshell.study import PEAKS, verdict

STATUS_WORDS = {
    "no_shell": "no shell",
    "too_few_samples": "too few samples",
    "absent": "not in the box",
    "none_seen": "none seen",
    "resolved": "",
    "not_resolved": "not resolved",
    "not_converged": "not converged",
}
#: A ratio of a control that is farther from that of the system, as a share of it, is said beside the attribution.
RATIO_TOLERANCE = 0.10


def signed(value: float, digits: int = 3) -> str:
    """Return a number with its sign, and a true minus."""
    return f"{value:+.{digits}f}".replace("-", "−")


def interval(change: Difference, digits: int = 3, scale: float = 1.0) -> str:
    """Return a difference with its 95 % interval."""
    if change.low is None or change.high is None:
        return f"{signed(scale * change.value, digits)} (no interval)"
    value, low, high = (signed(scale * number, digits) for number in (change.value, change.low, change.high))
    return f"{value} ({low} to {high})"


def listed(parts: Sequence[str]) -> str:
    """Return words as a list: ``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _partner(row: Row, change: Difference | None) -> str:
    _, partner, site = row.key
    return f"{partner} {SITE_NAMES.get(site, site)} {interval(change, 2)}" if change else partner


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
    return f"With care: {listed(said)}." if said else ""


def _named(found: Comparison, name: str) -> System:
    return next(system for system in found.systems if system.name == name)


def ratio_words(found: Comparison, system: str, control: str, center: str) -> dict[str, str]:
    """Return where a control has other ratios to the center than a system with polymer, and what follows from that.

    By ``solvent`` or the name of the counter-ion; empty where all ratios agree.
    """
    one, other = _named(found, system), _named(found, control)
    ours, theirs = found.ratios(one, center), found.ratios(other, center)
    said = {}
    for name in ("solvent", str(one.counter_ion)):
        own, its = ours.get(name), theirs.get(name)
        if not own or its is None or abs(its - own) <= RATIO_TOLERANCE * own:
            continue
        if name == "solvent":
            effect = f"{'loses' if its < own else 'gains'} solvent by stoichiometry alone"
        else:
            effect = f"meets {'less' if its < own else 'more'} {name} by stoichiometry alone"
        said[name] = f"its {name} : {center} ratio is {its:.1f} against {own:.1f}, so that it {effect}"
    return said


def missing_control(found: Comparison, system: str) -> str:
    """Return why there is no control for a system with polymer, and which one to give; empty if there is one."""
    if found.controls.get(system, ["unknown"]):
        return ""
    reference, ion = found.systems[0], _named(found, system).counter_ion
    if reference.has_polycation:
        return f"{reference.name} has a polycation itself: a difference to it says nothing about one"
    if ion is None:
        return "its polymer has no counter-ion: there is nothing to tell it from"
    if ion in reference.recipe.entries:
        return f"{ion}, the counter-ion of its polymer, is in {reference.name} too, so that no box is a control for it"
    text = f"what its polycation does and what its {ion} does cannot be told apart here: no control without polycation"
    if ion == "NO3":
        return f"{text}. Give lb003_lino3 or, with the ratios of the gel, lb003_pyr13-no3 as a further system"
    return f"{text}. Give the same electrolyte with {ion} and a monovalent cation as a further system"


def _answer(witness: Witness) -> str:
    name = witness.control
    if witness.answer == "cannot tell":
        return f"{name}, without polycation, cannot tell"
    if witness.answer == "not shown":
        return f"not shown without polycation by {name}"
    if witness.is_less:
        return f"a smaller change of the same sign without polycation ({name})"
    if witness.is_more:
        return f"a larger change of the same sign without polycation ({name})"
    return f"a change of the same sign without polycation, not told apart in size ({name})"


def _witness(found: Comparison, row: Row, witness: Witness, digits: int) -> str:
    """Return what a control says about a change, with its number, the difference to it, and its other ratios."""
    said = _answer(witness)
    if witness.change:
        said += f": {interval(witness.change, digits)} there"
        if witness.beyond:
            said += f", polymer − control {interval(witness.beyond, digits)}"
    ratios = ratio_words(found, row.system, witness.control, row.key[0])
    partner = row.key[1] if len(row.key) > 1 else None
    system = _named(found, row.system)
    about = "solvent" if partner in system.solvents else partner
    fitting = [ratios[about]] if about in ratios else [] if about == "solvent" else list(ratios.values())
    return f"{said} ({listed(fitting)})" if fitting else said


def attribution(found: Comparison, row: Row, digits: int = 3) -> str | None:
    """Return whether a change of a system with polymer is seen without polycation; None where that is no question."""
    if row.witnesses is None or row.change is None:
        return None
    if row.change.low is None or row.change.high is None:
        return "no interval"
    if not row.change.excludes_zero:
        return "no shift beyond the error"
    if not row.witnesses:
        return missing_control(found, row.system)
    return "; ".join(_witness(found, row, witness, digits) for witness in row.witnesses)


def control_words(
    found: Comparison, system: str, center: str, rows: list[Row], said_of: Callable[[Row, Difference | None], str]
) -> list[str]:
    """Return what each control says about the changes of a sentence, and its other ratios."""
    said = []
    for name in found.controls.get(system, []):
        answers: dict[str, list[str]] = {}
        for row in rows:
            for witness in row.witnesses or ():
                if witness.control == name:
                    answers.setdefault(_verb(witness), []).append(said_of(row, witness.change))
        parts = [f"{verb} {listed(partners)}" for verb, partners in answers.items()]
        ratios = list(ratio_words(found, system, name, center).values())
        if parts:
            but = f" (but {', and '.join(ratios)})" if ratios else ""
            said.append(f"{name}, without polycation, {', and '.join(parts)}{but}")
    return said


def _verb(witness: Witness) -> str:
    if witness.answer == "cannot tell":
        return "cannot tell for"
    if witness.answer == "not shown":
        return "does not show that of"
    size = "a smaller one" if witness.is_less else "a larger one" if witness.is_more else "the same"
    return f"shows {size} for"


def budget_sentence(found: Comparison, system: str, center: str) -> str:
    """Return which partners lost and gained contacts in these boxes, what the controls say, and the sum."""
    rows = [row for row in found.coordination if row.system == system and row.key[0] == center]
    total = next((row for row in found.totals if row.system == system and row.key == (center,)), None)
    sure = [row for row in rows if row.change and row.change.excludes_zero]
    lost = [_partner(row, row.change) for row in sure if row.change and row.change.value < 0]
    gained = [_partner(row, row.change) for row in sure if row.change and row.change.value > 0]
    unknown = [row.key[1] for row in rows if row.change and (row.change.low is None or row.change.high is None)]
    said = []
    if lost:
        said.append(f"has lost contacts with {listed(lost)}")
    if gained:
        said.append(f"has gained contacts with {listed(gained)}")
    if not said and len(unknown) == sum(row.change is not None for row in rows) > 0:
        said.append("may have lost or gained contacts")
    elif not said:
        having = " that has an interval" if unknown else ""
        said.append(f"has neither lost nor gained contacts with any partner{having} beyond the error")
    text = f"In these boxes, against {found.systems[0].name}, {center} in {system} {' and '.join(said)}"
    if unknown:
        text += f"; there is no interval for {listed(unknown)}"
    controls = control_words(found, system, center, sure, _partner)
    if controls:
        text += f"; of these changes, {'; '.join(controls)}"
    elif sure and _named(found, system).has_polymer and missing_control(found, system):
        text += "; without a control it cannot be told whether the polycation does that"
    if total and total.change:
        known = total.change.low is not None and not total.change.excludes_zero
        text += f"; the sum over all partners changes by {interval(total.change, 2)}"
        text += ", not beyond the error" if known else ""
    elif few := [row.key[1] for row in rows if row.status == "too_few_samples"]:
        text += f"; the sum is not known, for too few samples of {listed(few)}"
    return f"{text}."


def study_rows(found: Comparison) -> list[dict[str, Any]]:
    """Return the study's peaks and shifts beside ours, for the systems that are the study's."""
    ours = {(row.system, row.key): row for row in found.peaks}
    with_study = {row.system for row in found.peaks if row.extra and row.extra.get("study_angstrom")}
    systems = [system for system in found.systems[1:] if system.has_polymer and system.name in with_study]
    rows = []
    for key, study in PEAKS.items():
        of_reference = ours.get((found.systems[0].name, key))
        if of_reference is None or not (of_reference.extra or {}).get("study_angstrom"):
            continue
        for system in systems:
            row = ours[system.name, key]
            change = row.change
            rows.append(
                {
                    "key": key,
                    "system": system.name,
                    "reference": of_reference,
                    "ours": row,
                    "study": study,
                    "verdict": verdict(study, change.low, change.high, doubts([found.systems[0], system], change.basis))
                    if change
                    else "says nothing: one of its peaks is missing",
                }
            )
    return rows


def doubts(systems: Sequence[System], basis: str | None) -> list[str]:
    """Return why the interval of a number of one system, or of a difference of two, may be too narrow.

    Draws from one run that are shorter than its memory are no matter where the replicas are the sample.
    """
    if basis != "one run":
        return []
    found = ["our interval is that of one run each and does not know how boxes scatter"]
    if any(has_short_draws(system) for system in systems):
        found.append("the intervals are lower bounds (a run is too short for blocks longer than its memory)")
    return found


def waiting(systems: Sequence[System]) -> list[str]:
    """Return that neighbours have not changed places often enough, where that is so in one of the systems."""
    flags = [replica.summary["flags"]["not_equilibrated"] for system in systems for replica in system.replicas]
    return ["neighbours have not changed places often enough for coordination to be equilibrated"] if any(flags) else []


def basis_words(change: Difference | None) -> str:
    """Return what a difference rests on."""
    if change is None:
        return ""
    if change.basis == "one run":
        return "one run"
    if change.p_value is None or change.df is None:
        return "replicas"
    return f"p = {change.p_value:.2g} ({change.df:.1f} d.f.)"
