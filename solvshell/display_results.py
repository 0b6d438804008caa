"""How results look in Jupyter: what stands first in an analysis, in joined replicas and in a comparison."""

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from solvshell.display import NOTHING, Table, card
from solvshell.figures.names import number, pair_name, shell_name

if TYPE_CHECKING:
    import pandas as pd

    from solvshell.analysis.analyze import Analysis
    from solvshell.comparison.results import Comparison
    from solvshell.comparison.rows import Row
    from solvshell.joined.join import JoinedAnalysis

#: shells that are shown of each center
_MOST_SHELLS = 5
_LIMITS = "What this cannot tell"


def _is_known(value: Any) -> bool:
    return value is not None and not math.isnan(value)


def _range(row: Mapping[str, Any]) -> str:
    known = _is_known(row["ci95_low"]) and _is_known(row["ci95_high"])
    return f"{row['ci95_low']:.3f} to {row['ci95_high']:.3f}" if known else NOTHING


def _fixed(value: Any, digits: int) -> str:
    return f"{value:.{digits}f}" if _is_known(value) else NOTHING


def _records(table: "pd.DataFrame") -> list[dict[str, Any]]:
    return table.to_dict("records")


def _first_shells(analysis: "Analysis | JoinedAnalysis") -> Table:
    """Return peak and coordination number of each site, with what the number rests on."""
    peaks = {(row["center"], row["partner"], row["site"]): row for row in _records(analysis.peaks)}
    rows = []
    for row in _records(analysis.coordination):
        key = row["center"], row["partner"], row["site"]
        atoms = number(row["cn_atoms_mean"], row["cn_atoms_stderr"])
        molecules = number(row["cn_molecules_mean"], row["cn_molecules_stderr"])
        peak = (_fixed(peaks[key]["peak_angstrom"], 3), _range(peaks[key]), _fixed(row["cutoff_angstrom"], 2))
        rows.append((pair_name(*key), *peak, atoms, molecules, _fixed(row["n_independent"], 0)))
    head = ("pair", "peak / Å", "95 %", "cutoff / Å", "n(atoms)", "n(molecules)", "independent samples")
    return Table(head, rows, "First shells: coordination numbers n ± standard error")


def _share(name: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    return name, number(row["fraction"], row["stderr"])


def _shares(analysis: "Analysis | JoinedAnalysis") -> Table:
    """Return the states of pairing, then the most frequent shells."""
    partners = list(dict.fromkeys(analysis.coordination["partner"]))
    rows = [_share(f"{row['center']}, {row['state'].upper()}", row) for row in _records(analysis.speciation)]
    for center, of_center in analysis.shells.groupby("center", sort=False):
        for row in _records(of_center.head(_MOST_SHELLS)):
            rows.append(_share(f"{center}, {shell_name(row['composition'], partners)}", row))
    return Table(("state or shell", "share of centers"), rows, f"Pairing, and the {_MOST_SHELLS} most frequent shells")


def _liquid(thermodynamics: Mapping[str, Any]) -> Iterable[str]:
    for name, unit in (("temperature_k", "K"), ("density_g_cm3", "g/cm³")):
        if known := thermodynamics.get(name):
            yield f"{number(known['mean'], known['stderr'])} {unit}"


def _totals(totals: Mapping[str, Any]) -> Iterable[str]:
    for center, total in totals.items():
        if _is_known(total["mean"]):
            yield f"{number(total['mean'], total['stderr'])} atoms around {center}, all partners"


def _warning(flags: Mapping[str, Any]) -> str:
    said = {"demonstration": "a demonstration, no measurement", "not_equilibrated": "not equilibrated"}
    return ", ".join(words for name, words in said.items() if flags.get(name))


def analysis_html(analysis: "Analysis") -> str:
    """Return what stands first in the analysis of one trajectory."""
    summary = analysis.summary
    frames = summary["frames"]
    used = f"{frames['used']} of {frames['n_frames']} frames, {frames['last_time_ps'] - frames['first_time_ps']:g} ps"
    facts = (
        used,
        _warning(summary["flags"]),
        *_liquid(summary["thermodynamics"]),
        *_totals(summary["coordination"]["total"]),
    )
    return card("Analysis", facts, _first_shells(analysis), _shares(analysis), notes=summary["notes"], of_notes=_LIMITS)


def joined_html(joined: "JoinedAnalysis") -> str:
    """Return what stands first in the joined analysis of replicas."""
    summary = joined.summary
    n, of_errors = (
        len(joined.system.replicas),
        "between replicas" if summary["basis"] == "replicas" else "within the runs",
    )
    facts = (
        f"{n} replica{'s' * (n > 1)}", f"errors {of_errors}", _warning(summary["flags"]),
        *_liquid(summary["thermodynamics"]), *_totals(summary["coordination"]["total"]),
    )  # fmt: skip
    notes = [*(f"left out: {name} ({why})" for name, why in summary["left_out"].items()), *summary["notes"]]
    return card(
        f"Replicas of {summary['system']}", facts, _first_shells(joined), _shares(joined), notes=notes, of_notes=_LIMITS
    )


def _compared(found: "Comparison", rows: Iterable["Row"], names: Mapping[tuple[str, ...], str]) -> list[list[str]]:
    """Return a line for each quantity: its number in each system, and the differences to the first with intervals."""
    from solvshell.comparison.words import STATUS_WORDS, interval

    lines: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        line = lines.setdefault(row.key, [names[row.key]])
        known = None if row.status in ("no_shell", "absent") else row.number  # 0 in the differences of others
        line.append(STATUS_WORDS[row.status] if known is None else number(known.mean, known.stderr))
        if row.system != found.systems[0].name:
            line.append(interval(row.change, 2) if row.change else NOTHING)
    return list(lines.values())


def comparison_html(found: "Comparison") -> str:
    """Return the numbers of each system side by side, with their differences to the first."""
    from solvshell.comparison.sentences import sentences
    from solvshell.comparison.words import caveat
    from solvshell.joined.limits import limits_of

    names = {row.key: pair_name(row.key[0], row.key[1], row.key[2]) for row in found.coordination}
    names |= {row.key: f"{row.key[0]}, all partners" for row in found.totals}
    names |= {row.key: f"{row.key[0]}, {row.key[1].upper()}" for row in found.speciation}
    first, *others = (system.name for system in found.systems)
    head = ("", first, *(cell for name in others for cell in (name, "difference (95 %)")))
    coordination = _compared(found, [*found.coordination, *found.totals], names)
    pairing = _compared(found, found.speciation, names)
    return card(
        "Comparison",
        [caveat(found)],
        Table(head, coordination, "Coordination numbers (atoms) ± standard error"),
        Table(head, pairing, "Shares of SSIP, CIP and AGG ± standard error"),
        notes=[*sentences(found), *(f"{text}: {', '.join(of)}" for text, of in limits_of(found.systems))],
        of_notes="In words, and the limits",
    )
