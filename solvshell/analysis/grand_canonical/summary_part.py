"""What ``summary.json`` says of a grand-canonical run."""

from dataclasses import asdict
from typing import Any

from solvshell.analysis.findings import records
from solvshell.analysis.grand_canonical.measure import GrandCanonical
from solvshell.analysis.grand_canonical.numbers import FEWEST_ACCEPTED
from solvshell.analysis.statistics import Estimate
from solvshell.analysis.summary import plain
from solvshell.grand_canonical import GrandCanonical as Stage

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
    status = "not_converged" if any(reasons.values()) else "resolved"
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
