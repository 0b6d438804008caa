"""The sentences at the head of a comparison, and the lines that a terminal shows of it."""

from collections.abc import Iterator

from solvshell.analysis.grand_canonical.numbers import accepted_moves
from solvshell.comparison.energy_words import energy_sentences
from solvshell.comparison.results import Comparison
from solvshell.comparison.words import budget_sentence, caveat, interval
from solvshell.joined.limits import limits_of


def sentences(found: Comparison) -> list[str]:
    """Return what each system besides the reference has lost and gained: contacts, then energy."""
    budgets = [
        budget_sentence(found, system.name, center)
        for center in found.centers
        for system in found.systems[1:]
        if center in system.centers
    ]
    return budgets + energy_sentences(found)


def _molecule_lines(found: Comparison) -> Iterator[str]:
    """Yield how many molecules of each open species every system has."""
    for row in found.molecules:
        if row.key[1] != "molecules" or row.number is None:
            continue
        number, mark = row.number, ""
        if row.status == "not_converged":
            mark = f", not converged: {accepted_moves((row.extra or {})['n_accepted'])}"
        error = "" if number.stderr is None or mark else f" +- {number.stderr:.1f}"
        change = "" if row.change is None or mark else f", {interval(row.change, 1)}"
        yield f"  {row.system}: {number.mean:.1f}{error} {row.key[0]}{change}{mark}"


def summary_lines(found: Comparison) -> Iterator[str]:
    """Yield the lines to see first: how far to trust it, and what was lost and gained."""
    if caveat(found):
        yield f"  {caveat(found)}"
    for sentence in sentences(found):
        yield f"  {sentence}"
    yield from _molecule_lines(found)
    for text, names in limits_of(found.systems):
        yield f"  note: {text[0].lower()}{text[1:]}: {', '.join(names)}"
