"""Caption of the study's figure from our runs, and what agrees with the study and what does not, number by number."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

import numpy as np
from MDAnalysis.lib.mdamath import triclinic_vectors

from solvshell.analysis.statistics import MIN_REPLICAS, RESOLVED_N_INDEPENDENT
from solvshell.comparison.energies import ALL
from solvshell.comparison.results import Comparison
from solvshell.comparison.study_claims import ANGSTROM, CHANGE, PEAK, PER_ION, PER_MOLECULE, SHIFT, Claim, is_layered
from solvshell.comparison.words import STATUS_WORDS, listed, signed
from solvshell.joined.limits import limits_of
from solvshell.joined.systems import System
from solvshell.snapshot import Frame
from solvshell.study import CITATION, REMARK, UNTESTED, Verdict, Word

_LABELS = {
    "lb003": "LB-003",
    "lb003_pota-no3": "LB-003 + POTA-NO₃",
    "lb003_lino3": "LB-003 + LiNO₃ (control)",
    "lb003_pyr13-no3": "LB-003 + PYR13-NO₃ (control)",
    "lb003_pota-pf6": "LB-003 + POTA-PF₆",
    "lb003_pota-tfsi": "LB-003 + POTA-TFSI",
}
#: Width of the paragraphs of a page.
_COLUMNS = 125
_PARTNERS = {"PF6": "PF₆⁻", ALL: "the whole first shell"}
#: What the claims of a kind are called.
_KINDS = {
    PEAK: "first peaks",
    SHIFT: "shifts of a first peak",
    PER_MOLECULE + CHANGE: "reductions of the energy with one molecule",
    PER_ION + CHANGE: "reductions of the energy with all molecules of a species",
}
_TITLES = {
    PEAK: "First peak of g(r), Å",
    SHIFT: "Shift of the first peak by the layer, Å",
    PER_MOLECULE + CHANGE: "Energy of Li⁺ with one molecule of its first shell: change by the layer, kJ/mol",
    PER_ION + CHANGE: "Energy of Li⁺ with all molecules of a species in its first shell: change by the layer, kJ/mol",
}
_CHANGES = {
    SHIFT: "shift of the first peak",
    PER_MOLECULE + CHANGE: "change of the energy with one molecule",
    PER_ION + CHANGE: "change of the energy with all of them",
}


def label(name: str) -> str:
    """Return how a system is called in the figure."""
    return _LABELS.get(name, name)


def _partner(claim: Claim) -> str:
    return _PARTNERS.get(claim.partner, claim.partner)


def _span(claim: Claim) -> str:
    """Return a number of ours with its interval; a word where there is none."""
    digits = 3 if claim.quantity in (PEAK, SHIFT) else 1
    if claim.ours is None:
        return STATUS_WORDS[claim.status] or "not in both"

    def said(value: float) -> str:
        return f"{value:.{digits}f}" if claim.quantity == PEAK else signed(value, digits)

    if claim.low is None or claim.high is None:
        return f"{said(claim.ours)} (no interval)"
    return f"{said(claim.ours)} ({said(claim.low)} to {said(claim.high)})"


def _printed(claim: Claim) -> str:
    if claim.study is None:
        return "reduced"
    return f"{claim.study:.2f}" if claim.quantity == PEAK else signed(claim.study, 2)


# --- the caption ---


def _nanoseconds(system: System) -> str:
    """Return how long the parts of the runs are that were used, such as ``4 × 2.0 ns``."""
    frames = [replica.summary["frames"] for replica in system.replicas]
    lengths = [(one["last_time_ps"] - one["first_time_ps"]) / 1000 for one in frames]
    shortest, longest = (f"{length:.3g}" for length in (min(lengths), max(lengths)))
    return f"{len(lengths)} × {shortest if shortest == longest else f'{shortest} to {longest}'} ns"


def _edge(frame: Frame) -> float:
    """Return the edge in nm of a cube as large as a box."""
    return float(np.abs(np.linalg.det(triclinic_vectors(frame.box).astype(float))) ** (1 / 3)) / 10


def _runs(found: Comparison, boxes: Mapping[str, Frame]) -> str:
    said = []
    for system in found.systems:
        run = system.runs[0]
        production = run.protocol.production
        size = f"{run.box.n_atoms:,} atoms, {run.box.counts['Li']} Li⁺, box of {_edge(boxes[system.name]):.2f} nm"
        how = f"{production.ensemble} at {production.temperature:g} K by the protocol {run.protocol.name}"
        name = label(system.name)
        said.append(
            f"{name}{'' if name == system.name else f' ({system.name})'}: {_nanoseconds(system)}, {size}, {how}"
        )
    return f"Runs, what was used of them: {'; '.join(said)}."


def _errors(found: Comparison) -> str:
    few = [label(one.name) for one in found.systems if len(one.replicas) < MIN_REPLICAS]
    many = len(few) < len(found.systems)
    said = f"from the scatter of {MIN_REPLICAS} or more independently packed replicas (Student; differences: Welch)"
    blocks = "from time blocks within the runs, which do not know how boxes scatter"
    if not few:
        return f"Intervals of 95 % come {said}."
    return f"Intervals of 95 % come {f'{said}; those of {listed(few)} ' if many else ''}{blocks}."


def _range(values: Sequence[float]) -> str:
    low, high = (f"{value:.0f}" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def _samples(claims: Sequence[Claim]) -> str:
    kinds = {"first peaks": (PEAK,), "energies": (PER_MOLECULE, PER_ION)}
    said = []
    for name, quantities in kinds.items():
        known = [one.n_independent for one in claims if one.quantity in quantities and one.n_independent is not None]
        if known:
            said.append(f"{name} {_range(known)}")
    if not said:
        return ""
    return (
        f"Independent samples in the replica that has the fewest, over all systems: {', '.join(said)}; fewer than "
        f"{RESOLVED_N_INDEPENDENT} are not converged."
    )


def _not_converged(found: Comparison) -> str:
    said = [f"{text[0].lower()}{text[1:]}: {', '.join(names)}" for text, names in limits_of(found.systems)]
    return f"What these runs cannot say: {'; '.join(said)}." if said else ""


def caption(found: Comparison, claims: Sequence[Claim], boxes: Mapping[str, Frame]) -> list[str]:
    """Return the caption of the figure in paragraphs: what is drawn, from which runs, with which errors.

    Parameters
    ----------
    boxes
        By name of the system, the frame that is drawn, or whose box is told.
    """
    scales = sorted({f"{one.recipe.force_field.ion_charge_scale:g}" for one in found.systems})
    drawn = (
        f"Fig. 2 d–h of {CITATION}, from our own runs (the letters are the study's). d, e: last frame of the first "
        "replica without and with the layer, which here is a homogeneous gel without an interface. f, h: g(r) of Li⁺ "
        "with F of PF₆⁻ and with the carbonyl O of EC, DMC and EMC (the study names the molecules; these sites are "
        "taken to be meant), drawn with a smoothing of 0.03 Å, bands: 95 % "
        "intervals; below, the first peaks (dots, 95 % intervals) beside those that the study printed (open diamonds). "
        "g: energy of Li⁺ with the molecules of its first shell, Lennard-Jones and Coulomb at the nearest image with "
        f"ion charges × {listed(scales)}: with one molecule, and with all of a species; below, the change against "
        f"{label(found.systems[0].name)}, above zero is weaker. Open bars: fewer than {RESOLVED_N_INDEPENDENT} "
        "independent samples in a replica. An interval that ends at a frame goes on beyond it. The study prints no "
        "number for its energies."
    )
    parts = [drawn, _runs(found, boxes), f"{_errors(found)} {_samples(claims)}".strip(), _not_converged(found)]
    return [part for part in parts if part]


# --- what agrees ---


def _in_all(claims: Sequence[Claim]) -> str:
    """Return how many of all claims have become each word."""
    judged = [claim.verdict.word for claim in claims if claim.verdict]
    words = [(judged.count(word), word) for word in get_args(Word)]
    said = listed([f"{n} {_plural(word, n)}" for n, word in words])
    return (
        f"Of {len(judged)} comparisons with the study (its first peaks, the shifts between them, and its one claim on "
        f"energies, for each partner in two readings), {said}."
    )


def _counted(claims: Sequence[Claim]) -> Iterator[str]:
    """Yield for each kind of claim how many agree, disagree and cannot be resolved, and which."""
    for quantity, kind in _KINDS.items():
        judged = [claim for claim in claims if claim.quantity == quantity and claim.verdict]
        words = [(word, _which(judged, word)) for word in get_args(Word)]
        said = [f"{len(which)} {_plural(word, len(which))} ({listed(which)})" for word, which in words if which]
        if judged:
            yield f"of {len(judged)} {kind}, {listed(said)}"


def _plural(word: str, n: int) -> str:
    return word if n == 1 else {"agrees": "agree", "disagrees": "disagree"}.get(word, word)


def _which(judged: Sequence[Claim], word: str) -> list[str]:
    """Return with whom, and by what number, claims have become such a word."""
    mine = [claim for claim in judged if claim.verdict and claim.verdict.word == word]
    several = len({claim.system for claim in judged}) > 1
    names = [f"{_partner(claim)} in {label(claim.system)}" if several else _partner(claim) for claim in mine]
    return [f"{name} {_span(claim)}" for name, claim in zip(names, mine, strict=True)]


def _sums(claims: Sequence[Claim]) -> str:
    """Return how the energy with the whole first shell changes in each system."""
    mine = [one for one in claims if one.quantity == PER_ION + CHANGE and one.partner == ALL]
    if not mine:
        return ""
    said = listed([f"{_span(claim)} in {label(claim.system)}" for claim in mine])
    return (
        "The energy of Li⁺ with its whole first shell, of which the study says nothing, changes in kJ/mol (above zero: "
        f"weaker) by {said}."
    )


def _attributed(claims: Sequence[Claim]) -> Iterator[str]:
    """Yield what the controls say of changes that exclude zero, once for all of which it is the same."""
    told: dict[str, list[str]] = {}
    for claim in claims:
        if claim.attribution and claim.low is not None and claim.high is not None and not claim.low <= 0 <= claim.high:
            unit = "Å" if claim.unit == ANGSTROM else "kJ/mol"
            what = f"{_partner(claim)} in {label(claim.system)}, {_CHANGES[claim.quantity]} {_span(claim)} {unit}"
            told.setdefault(claim.attribution, []).append(what)
    for attribution, changes in told.items():
        yield f"{'; '.join(changes)}: {attribution}."


def verdicts(found: Comparison, claims: Sequence[Claim]) -> list[str]:
    """Return in paragraphs what agrees with the study, what does not, what cannot be told, and whose doing it is."""
    paragraphs = []
    if not any(is_layered(system) for system in found.systems):
        paragraphs.append(
            "The study's system with the layer (POTA-NO₃) is not in this comparison: none of its 4 shifts is tested."
        )
    judged = sum(claim.verdict is not None for claim in claims)
    paragraphs.append(
        f"{_in_all(claims)} In parts: {'; '.join(_counted(claims))}. Of {judged} intervals of 95 % about "
        f"{max(1, round(judged / 20))} misses by chance."
    )
    paragraphs.append(_sums(claims))
    if attributed := list(_attributed(claims)):
        paragraphs += ["Nothing is attributed to the polymer that a control without polycation shows too:", *attributed]
    paragraphs += [REMARK, f"Not tested by these boxes: {UNTESTED}."]
    return [paragraph for paragraph in paragraphs if paragraph]


def _in_full(verdict: Verdict) -> str:
    """Return a verdict as a sentence that begins with its word."""
    said = verdict.said.removeprefix("cannot resolve it: ").removeprefix("contradicts it: ")
    return said if said.startswith(verdict.word) else f"{verdict.word}: {said}"


def claim_lines(claims: Sequence[Claim]) -> list[str]:
    """Return the claims of the study as lines of Markdown tables, one table for each kind."""
    lines = []
    for quantity, title in _TITLES.items():
        judged = [claim for claim in claims if claim.quantity == quantity and claim.verdict]
        if not judged:
            continue
        lines += [
            f"### {title}",
            "",
            "| | system | the study | ours (95 %) | verdict |",
            "| --- | --- | --- | --- | --- |",
        ]
        for claim in judged:
            assert claim.verdict is not None
            said = "; ".join([_in_full(claim.verdict), *(f"{label(name)} shows it too" for name in claim.shown_by)])
            cells = [_partner(claim), label(claim.system), _printed(claim), _span(claim), said]
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return lines


def _wrapped(paragraph: str) -> list[str]:
    return [textwrap.fill(paragraph, _COLUMNS, break_long_words=False, break_on_hyphens=False), ""]


def page(found: Comparison, claims: Sequence[Claim], boxes: Mapping[str, Frame]) -> str:
    """Return caption, verdicts and tables as one page of Markdown."""
    lines = ["![The study's Fig. 2 d-h from our own runs](study.png)", ""]
    for paragraph in caption(found, claims, boxes):
        lines += _wrapped(paragraph)
    lines += ["## What agrees with the study and what does not", ""]
    for paragraph in verdicts(found, claims):
        lines += _wrapped(paragraph)
    return "\n".join([*lines, *claim_lines(claims)]).rstrip() + "\n"
