"""What the runs of systems cannot say."""

from collections.abc import Sequence
from typing import Any

from solvshell.analysis.limits import CEILING, CHANGED
from solvshell.joined.systems import System
from solvshell.shown import Shown, is_outdated

_SMALL_BOX = "A chain reaches to its own periodic image, within the cutoff: a small-box artefact"
_LEFT_OUT = "Replicas left out"
#: of a system: a stage that was to last until it had equilibrated had not in one of its runs
AT_CEILING = "at_ceiling"
_LIMITS = {
    "demonstration": "A demonstration, not a measurement",
    "not_equilibrated": "Coordination and pairing not equilibrated: too short for the exchange of neighbours",
    CHANGED: "The trajectory was changed after the run had written it: 'solvshell verify' tells more",
    AT_CEILING: "Production began although a stage before it ended at its ceiling",
    "not_physical": "Molecules come and go, outside of time: no residence times and no rates of exchange",
    "no_plateau": "No plateau found, the second half is used",
    "short_draws": "Intervals of peaks are lower bounds: the run is too short for blocks longer than its memory",
    "unresolved": "Not resolved, see the page of the run",
    "unfinished": "Not finished when it was analyzed",
    "outdated": "The trajectory has changed since; the frames analyzed then are used",
}


def _detail(system: System, flagged: list[bool], words: str = "") -> str:
    """Return the name of a system with how many of its replicas are meant."""
    share = f"{sum(flagged)} of {len(flagged)} replicas" if len(flagged) > 1 else ""
    detail = ", ".join(part for part in (words, share) if part)
    return f"{system.name} ({detail})" if detail else system.name


def limits_of(systems: Sequence[System]) -> list[tuple[str, list[str]]]:
    """Return what the runs cannot say, most important first, each with the systems that it concerns."""
    notes: dict[str, list[str]] = {_SMALL_BOX: [], **{text: [] for text in _LIMITS.values()}, _LEFT_OUT: []}
    for system in systems:
        notes[_LEFT_OUT] += [f"{system.name} {name}, {reason}" for name, reason in system.left_out.items()]
        polymers = [run.box.provenance.get("polymer") or {} for run in system.runs]
        reaching = [bool(polymer.get("feels_its_image")) for polymer in polymers]
        if any(reaching):
            notes[_SMALL_BOX].append(_detail(system, reaching, _extent(polymers[reaching.index(True)])))
        summaries = [replica.summary for replica in system.replicas]
        n_centers = f"{sum(summaries[0]['composition']['n_centers'].values())} centers"
        n_unresolved = f"{max(len(summary['flags']['unresolved']) for summary in summaries)} numbers"
        details = {"demonstration": n_centers, "unresolved": n_unresolved}
        for limit, text in _LIMITS.items():
            flagged = [_is_limited(replica, limit) for replica in system.replicas]
            if any(flagged):
                notes[text].append(_detail(system, flagged, details.get(limit, "")))
    return [(text, names) for text, names in notes.items() if names]


def notes_of(systems: Sequence[System]) -> list[str]:
    """Return the same as lines for a summary."""
    return [f"{text[0].lower()}{text[1:]}: {', '.join(names)}" for text, names in limits_of(systems)]


def _extent(polymer: dict[str, Any]) -> str:
    """Return how far the longest chain reaches, beside its box."""
    extents, length = polymer.get("extent_nm"), polymer.get("expected_length_nm")
    known = [f"extent {max(extents):.2f} nm"] if extents else []
    return ", ".join([*known, f"box {length:.2f} nm"] if length else known)


def has_short_draws(system: System) -> bool:
    """Return whether intervals of a system are lower bounds, its runs being too short for longer blocks."""
    return any(_is_limited(replica, "short_draws") for replica in system.replicas)


def began_at_ceiling(system: System) -> bool:
    """Return whether a run of a system went on from a stage that had not equilibrated."""
    return any(_is_limited(replica, AT_CEILING) for replica in system.replicas)


def _is_limited(replica: Shown, limit: str) -> bool:
    if limit == "unfinished":
        return replica.summary["source"].get("run") == "unfinished"
    if limit in (AT_CEILING, CHANGED):
        return bool(replica.summary["source"].get({AT_CEILING: CEILING}.get(limit, limit)))
    if limit == "outdated":
        return is_outdated(replica)
    return bool(replica.summary["flags"].get(limit))  # analyses of before a flag was thought of lack it
