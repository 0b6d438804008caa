"""The summary of an analysis: every number with its independent samples, every setting, and what the run cannot say."""

from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
from MDAnalysis import Universe
from MDAnalysis.analysis.results import Results

from solvshell.analysis import peaks as peak_settings
from solvshell.analysis.geometry import BIN_ANGSTROM
from solvshell.analysis.peaks import Shell
from solvshell.analysis.residence import BRIDGED_PS, Residence
from solvshell.analysis.sites import Sites
from solvshell.analysis.statistics import RESOLVED_N_INDEPENDENT, Estimate, mean_with_error
from solvshell.units import DALTON_PER_NM3, PARTICLE_PER_NM3

DEMONSTRATION_BELOW_CENTERS = 16
RESIDENCE_TIMES_PER_RUN = 10
_NM3_PER_A3 = 1e-3


@dataclass(frozen=True)
class Settings:
    """How the numbers were made."""

    source: dict[str, str]
    timestep_ps: float
    first_frame: int
    capture_radius_angstrom: float
    r_max_angstrom: float
    n_bootstrap: int
    n_blocks: int
    n_draws: int
    seed: int


@dataclass(frozen=True)
class Findings:
    """The tables, and the estimates behind their rows, in the order of the rows."""

    peaks: pd.DataFrame
    first_shells: list[Shell]
    coordination: pd.DataFrame
    total_coordination: dict[str, Estimate]
    shells: pd.DataFrame
    of_shells: list[Estimate]
    shell_shares: list[dict[str, Any]]
    speciation: pd.DataFrame
    of_speciation: list[Estimate]
    residence: pd.DataFrame
    of_residence: list[Residence | None]


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: no numpy types, not-a-number is None, floats with six digits."""
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return None if value is None or value is pd.NaT else str(value)


def _quantity(estimate: Estimate) -> dict[str, Any]:
    return asdict(estimate) | {"resolved": estimate.is_resolved}


def _scaled(estimate: Estimate, factor: float) -> Estimate:
    stderr = None if estimate.stderr is None else estimate.stderr * factor
    return Estimate(estimate.mean * factor, stderr, estimate.n_independent)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def _rows(table: pd.DataFrame, extra: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row | more for row, more in zip(_records(table), extra, strict=True)]


def _n_independent(estimates: list[Estimate]) -> list[dict[str, Any]]:
    return [{"n_independent": e.n_independent, "resolved": e.is_resolved} for e in estimates]


def _thermodynamics(
    universe: Universe, geometry: Results, log: pd.DataFrame | None, settings: Settings
) -> dict[str, Any]:
    volumes = geometry.volumes[settings.first_frame :]
    result: dict[str, Any] = {"volume_nm3": _quantity(mean_with_error(volumes * _NM3_PER_A3))}
    masses = getattr(universe.atoms, "masses", np.zeros(1))
    if (masses > 0).all():
        density = mean_with_error(masses.sum() * DALTON_PER_NM3 / (volumes * _NM3_PER_A3))
        result["density_g_cm3"] = _quantity(density)
    if log is not None:
        kept = log[log["time_ps"] >= geometry.times[settings.first_frame]]
        for column in ("temperature_k", "potential_kj_mol", "kinetic_kj_mol"):
            if column in kept and len(kept):
                result[column] = _quantity(mean_with_error(kept[column].to_numpy(float)))
    return result


def _composition(sites: Sites, geometry: Results, settings: Settings) -> dict[str, Any]:
    inverse_nm3 = mean_with_error(1 / (geometry.volumes[settings.first_frame :] * _NM3_PER_A3))
    return {
        "n_centers": {center.name: len(center.atoms) for center in sites.centers},
        "n_molecules": sites.n_molecules,
        "molarity_mol_l": {
            center.name: _quantity(_scaled(inverse_nm3, len(center.atoms) * PARTICLE_PER_NM3))
            for center in sites.centers
        },
    }


def _pair(row: dict[str, Any]) -> str:
    return f"{row['center']}-{row['partner']} {row['site']}"


def _longest_stays(found: Findings, run_ps: float) -> list[str]:
    """Return the pairs whose residence time is more than a tenth of the run."""
    pairs = []
    for row, stay in zip(_records(found.residence), found.of_residence, strict=True):
        if stay is not None:
            time_ps = stay.time_ps or stay.lower_bound_ps or 0.0
            if stay.n_departures == 0 or time_ps * RESIDENCE_TIMES_PER_RUN > run_ps:
                sign = "" if stay.n_departures else "at least "
                pairs.append(f"{_pair(row)} ({sign}{time_ps:.3g} ps)")
    return pairs


def _unresolved(thermodynamics: dict[str, Any], found: Findings) -> list[str]:
    """Return the quantities with too few samples; but not a fixed volume, nor a state that never occurs."""
    names = [name for name, value in thermodynamics.items() if not value["resolved"] and value["stderr"] is not None]
    names += [f"total coordination of {name}" for name, e in found.total_coordination.items() if not e.is_resolved]
    for row in _records(found.coordination):
        if row["n_independent"] is not None and row["n_independent"] < RESOLVED_N_INDEPENDENT:
            names.append(f"coordination {_pair(row)}")
    for row, estimate in zip(_records(found.speciation), found.of_speciation, strict=True):
        if not estimate.is_resolved and estimate.mean > 0:
            names.append(f"{row['state']} of {row['center']}")
    return names


def _notes(sites: Sites, found: Findings, flags: dict[str, Any], run_ps: float) -> list[str]:
    notes = []
    if flags["demonstration"]:
        notes.append(f"demonstration: {sites.n_centers} centers, fewer than {DEMONSTRATION_BELOW_CENTERS}")
    if flags["not_equilibrated"]:
        shorter = f"the run of {run_ps:.6g} ps is shorter than ten residence times of "
        notes.append("coordination and pairing not equilibrated: " + shorter + ", ".join(_longest_stays(found, run_ps)))
    if flags["unresolved"]:
        limit = f"n_independent below {RESOLVED_N_INDEPENDENT}"
        notes.append(f"not resolved by this run ({limit}): " + ", ".join(flags["unresolved"]))
    for row in _records(found.peaks):
        if row["status"] == "too_few_samples":
            counted = "" if row["cutoff_source"] == "given" else ", no contact is counted"
            notes.append(f"{_pair(row)}: too few samples for a first shell{counted}")
    if found.speciation.empty:
        notes.append("no anions: no ion pair states")
    return notes


def summarize(
    universe: Universe,
    sites: Sites,
    geometry: Results,
    log: pd.DataFrame | None,
    settings: Settings,
    found: Findings,
) -> dict[str, Any]:
    """Return everything that `analyze` found as plain JSON values; numbers that do not exist are None."""
    n_frames = len(geometry.volumes)
    n_used = n_frames - settings.first_frame
    run_ps = n_used * settings.timestep_ps
    thermodynamics = _thermodynamics(universe, geometry, log, settings)
    flags = {
        "demonstration": sites.n_centers < DEMONSTRATION_BELOW_CENTERS,
        "not_equilibrated": bool(_longest_stays(found, run_ps)),
        "unresolved": _unresolved(thermodynamics, found),
    }
    residence = [asdict(stay) if stay else {} for stay in found.of_residence]
    shells = [{key: getattr(shell, key) for key in ("g_peak", "n_counts", "peak_with")} for shell in found.first_shells]
    return _plain(
        {
            "version": version("solvshell"),
            "source": settings.source,
            "notes": _notes(sites, found, flags, run_ps),
            "flags": flags,
            "frames": {
                "n_frames": n_frames,
                "used": n_used,
                "dropped": settings.first_frame,
                "first_time_ps": geometry.times[settings.first_frame],
                "last_time_ps": geometry.times[-1],
                "timestep_ps": settings.timestep_ps,
            },
            "settings": {
                "bin_angstrom": BIN_ANGSTROM,
                "window_angstrom": peak_settings.WINDOW_ANGSTROM,
                "smoothing_angstrom": peak_settings.SMOOTHING_ANGSTROM,
                "farthest_peak_angstrom": peak_settings.FARTHEST_PEAK_ANGSTROM,
                "bridged_ps": max(BRIDGED_PS, 2 * settings.timestep_ps),
                **{
                    key: value
                    for key, value in asdict(settings).items()
                    if key not in ("source", "timestep_ps", "first_frame")
                },
            },
            "thermodynamics": thermodynamics,
            "composition": _composition(sites, geometry, settings),
            "peaks": _rows(found.peaks, shells),
            "coordination": {
                "sites": _records(found.coordination),
                "total": {name: _quantity(estimate) for name, estimate in found.total_coordination.items()},
            },
            "shells": _rows(found.shells, _n_independent(found.of_shells)),
            "shell_shares": found.shell_shares,
            "speciation": _rows(found.speciation, _n_independent(found.of_speciation)),
            "residence": _rows(found.residence, residence),
            "energies": {"available": False, "reason": "interaction energies are not computed by this version"},
        }
    )
