"""Lines for a terminal of a grand-canonical run, made from its part of ``summary.json``."""

from collections.abc import Iterator, Mapping
from typing import Any

from solvshell.analysis.grand_canonical.numbers import FEWEST_ACCEPTED, accepted_moves

_NOT_CONVERGED = "not converged"
_LARGE = 1e4


def _said(value: float | None, stderr: float | None, digits: int = 2) -> str:
    if value is None:
        return "no number"
    if abs(value) >= _LARGE:  # of atoms that overlap
        return f"{value:.1g}"
    return f"{value:.{digits}f}" + ("" if stderr is None else f" +- {stderr:.{digits}f}")


def _numbers(row: Mapping[str, Any]) -> str:
    """Return how many molecules there are; an average that is not converged has no error that means anything."""
    if row["status"] != "resolved":
        so_far = f"{_said(row['n_mean'], None, 1)} molecules so far, {row['n_start']} at the start"
        return f"{row['species']}: {_NOT_CONVERGED}, {row['reason']}: {so_far}"
    molarity = f"{_said(row['molarity_mol_l'], row['molarity_stderr'])} mol/L"
    n = f"{_said(row['n_mean'], row['n_stderr'], 1)} molecules"
    return f"{row['species']}: {n} ({molarity}), {row['n_start']} at the start; {accepted_moves(row['n_accepted'])}"


def _moves(row: Mapping[str, Any]) -> str:
    n = row["insertions"] + row["deletions"]
    dissipation = f"dissipation {_said(row['dissipation_kt'], row['dissipation_stderr'])} kT"
    if not row["insertions_accepted"] + row["deletions_accepted"]:
        return f"none of {n} moves accepted, {dissipation}"
    stderr = row["acceptance_stderr"]
    accepted = f"{_said(100 * row['acceptance'], stderr and 100 * stderr, 1)} % of {n} moves accepted"
    mark = "" if row["n_accepted"] >= FEWEST_ACCEPTED else f" ({_NOT_CONVERGED}: {accepted_moves(row['n_accepted'])})"
    each = f"{row['switching_ps']:.3g} ps each"
    cost = f"{row['ps_per_accepted']:.3g} ps and {row['seconds_per_accepted']:.3g} s for an accepted one"
    exploded = f", {row['exploded']} exploded" if row["exploded"] else ""
    left = f", {row['left_region']} left the region" if row["left_region"] else ""
    return f"{accepted}{mark}, {dissipation}, {each}: {cost}{exploded}{left}"


def _works(row: Mapping[str, Any]) -> str:
    imposed = f"ln z {row['beta_mu']:.2f} imposed"
    if row["beta_mu_works"] is None:
        return f"{imposed}; works of both directions share too little to tell it"
    found = f"{_said(row['beta_mu_works'], row['beta_mu_works_stderr'])} by the works ({row['works_agree']})"
    crossing = _said(row["beta_mu_crossing"], row["beta_mu_crossing_stderr"])
    slope = f"slope {_said(row['crooks_slope'], row['crooks_slope_stderr'])} ({row['crooks']})"
    return f"{imposed}, {found}, which cross at {crossing}, {slope}"


def _pressure(pressure: Mapping[str, Any], n_accepted: int) -> str:
    beside = "" if pressure["reservoir"] is None else f" (reservoir {pressure['reservoir']:g} bar)"
    if pressure["status"] != "resolved":
        so_far = f"{_said(pressure['mean'], None, 0)} bar so far{beside}"
        return f"  pressure: {_NOT_CONVERGED}, {accepted_moves(n_accepted)}: {so_far}"
    return f"  pressure {_said(pressure['mean'], pressure['stderr'], 0)} bar{beside}"


def grand_canonical_lines(part: Mapping[str, Any]) -> Iterator[str]:
    """Yield what there is to say on a terminal of a run's part of the summary."""
    frames = part["frames"]
    yield (
        f"  {part['ensemble']} at {part['temperature_k']:g} K, reservoir {part['settings']['reservoir']['name']}: "
        f"{frames['used']} of {frames['n_frames']} frames used, from {frames['first_time_ps']:g} ps on"
    )
    for row in part["species"]:
        yield f"  {_numbers(row)}"
        yield f"    {_moves(row)}"
        yield f"    {_works(row)}"
        if row["n_expected"] is not None:
            expected = _said(row["n_expected"], row["n_expected_stderr"], 1)
            yield f"    {expected} expected of the reservoir's own bulk: {row['agreement']}"
    if part["no_bulk_since"]:
        yield f"  no test against the reservoir's own bulk: {part['no_bulk_since']}"
    yield _pressure(part["pressure_bar"], part["n_accepted"])
