"""What is said of a grand-canonical run: its part of ``summary.json``, and lines for a terminal made from that."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from solvshell.analysis.findings import records
from solvshell.analysis.grand_canonical.measure import GrandCanonical
from solvshell.analysis.grand_canonical.numbers import FEWEST_ACCEPTED
from solvshell.analysis.statistics import Estimate
from solvshell.analysis.summary import plain
from solvshell.grand_canonical import GrandCanonical as Stage

NOT_CONVERGED = "not converged"
#: What each number is, and where its formula comes from.
FORMULAS = {
    "acceptance": "min(1, z V exp(-beta W) / (N + 1)) and min(1, N exp(-beta W) / (z V)) with the work W of a switch, "
    "z = rho exp(beta mu_ex): Adams, Mol. Phys. 29, 307 (1975); Nilmeier et al., PNAS 108, E1009 (2011)",
    "net work": "w = -ln of that ratio; then ln(P_insertion(w) / P_deletion(-w)) = w, all N together: Crooks, Phys. "
    "Rev. E 60, 2721 (1999)",
    "beta_mu_works": "ln z + F, with F of the net works by the acceptance ratio method: Bennett, J. Comput. Phys. 22, "
    "245 (1976); F is 0 where box and reservoir are in equilibrium",
    "beta_mu_crossing": "ln z + the w at which both distributions are equal; crooks_slope is that of the logarithm of "
    "their ratio; both by logistic regression: Shirts et al., Phys. Rev. Lett. 91, 140601 (2003)",
    "gaussian_acceptance": "erfc(sqrt(W_d) / 2) of Gaussian works with the dissipation W_d in each direction",
    "mu_ex_kj_mol": "kT (beta_mu_works - ln(<N> / <V>))",
    "n_expected_stderr": "sqrt(sum_s cov(N, N_s)^2 sigma(ln z_s)^2)",
    "agreement": "passes if the difference is below 3 standard errors of both and these are at most 5 % of the number; "
    "inconclusive is no pass",
}


def _quantity(estimate: Estimate, status: str) -> dict[str, Any]:
    return asdict(estimate) | {"status": status}


def summary_part(found: GrandCanonical, stage: Stage, why_no_bulk: str) -> dict[str, Any]:
    """Return what ``summary.json`` says of a grand-canonical run: numbers, settings, formulas; plain JSON values.

    Parameters
    ----------
    found : GrandCanonical
    stage : solvshell.grand_canonical.GrandCanonical
        That made the run.
    why_no_bulk : str
        Why the run is not of the reservoir's own bulk; empty if it is.
    """
    reasons = {name: one.reason for name, one in found.molecules.items()}
    status = NOT_CONVERGED.replace(" ", "_") if any(reasons.values()) else "resolved"
    reservoir = stage.reservoir
    part = {
        "ensemble": stage.ensemble,
        "temperature_k": stage.temperature,
        "species": [row | {"reason": reasons[row["species"]]} for row in records(found.species)],
        "pressure_bar": _quantity(found.pressure_bar, status) | {"reservoir": reservoir.pressure},
        "volume_nm3": asdict(found.volume_nm3),
        "status": status,
        "n_accepted": found.n_accepted,
        "not_converged_below_accepted": FEWEST_ACCEPTED,
        "no_bulk_since": why_no_bulk or None,
        "frames": {
            "n_frames": found.n_frames,
            "used": found.n_used,
            "first_time_ps": found.first_time_ps,
            "last_time_ps": found.last_time_ps,
            "still_drifting": found.is_drifting,
        },
        "formulas": FORMULAS,
    }
    return plain(part) | {"settings": stage.model_dump(mode="json")}


def _said(value: float | None, stderr: float | None, digits: int = 2) -> str:
    if value is None:
        return "no number"
    return f"{value:.{digits}f}" + ("" if stderr is None else f" +- {stderr:.{digits}f}")


def _numbers(row: Mapping[str, Any]) -> str:
    """Return how many molecules there are; an average that is not converged has no error that means anything."""
    if row["status"] != "resolved":
        so_far = f"{_said(row['n_mean'], None, 1)} molecules so far, {row['n_start']} at the start"
        return f"{row['species']}: {NOT_CONVERGED}, {row['reason']}: {so_far}"
    molarity = f"{_said(row['molarity_mol_l'], row['molarity_stderr'])} mol/L"
    n = f"{_said(row['n_mean'], row['n_stderr'], 1)} molecules"
    return f"{row['species']}: {n} ({molarity}), {row['n_start']} at the start; {row['n_accepted']} accepted moves"


def _moves(row: Mapping[str, Any]) -> str:
    n = row["insertions"] + row["deletions"]
    dissipation = f"dissipation {_said(row['dissipation_kt'], row['dissipation_stderr'])} kT"
    if not row["insertions_accepted"] + row["deletions_accepted"]:
        return f"none of {n} moves accepted, {dissipation}"
    stderr = row["acceptance_stderr"]
    accepted = f"{_said(100 * row['acceptance'], stderr and 100 * stderr, 1)} % of {n} moves accepted"
    mark = "" if row["n_accepted"] >= FEWEST_ACCEPTED else f" ({NOT_CONVERGED}: {row['n_accepted']} accepted moves)"
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
        return f"  pressure: {NOT_CONVERGED}, {n_accepted} accepted moves: {so_far}"
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
