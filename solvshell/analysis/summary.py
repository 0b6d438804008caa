"""The summary of an analysis: every number with its independent samples, every setting, and what the run cannot say."""

from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
from MDAnalysis import Universe
from MDAnalysis.analysis.results import Results

from solvshell.analysis import peaks as peak_settings
from solvshell.analysis.findings import (
    Findings,
    Settings,
    Tables,
    peak_rows,
    records,
    residence_rows,
    rows_with,
    samples_of_share,
)
from solvshell.analysis.geometry import BIN_ANGSTROM
from solvshell.analysis.limits import limits
from solvshell.analysis.presence import Presence
from solvshell.analysis.sites import Sites
from solvshell.analysis.statistics import Estimate, mean_with_error
from solvshell.analysis.stays import BRIDGED_PS
from solvshell.units import DALTON_PER_NM3, PARTICLE_PER_NM3

_NM3_PER_A3 = 1e-3


def plain(value: Any) -> Any:
    """Return a value as JSON has it: no numpy types, not-a-number is None, floats with six digits."""
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return None if value is None or value is pd.NaT else str(value)


def _quantity(estimate: Estimate | None) -> dict[str, Any]:
    if estimate is None:
        return {"mean": None, "stderr": None, "n_independent": None, "resolved": False}
    return asdict(estimate) | {"resolved": estimate.is_resolved}


def _scaled(estimate: Estimate, factor: float) -> Estimate:
    stderr = None if estimate.stderr is None else estimate.stderr * factor
    return Estimate(estimate.mean * factor, stderr, estimate.n_independent)


def _thermodynamics(
    universe: Universe, presence: Presence | None, geometry: Results, log: pd.DataFrame | None, settings: Settings
) -> dict[str, Any]:
    volumes = geometry.volumes[settings.first_frame :]
    result: dict[str, Any] = {"volume_nm3": _quantity(mean_with_error(volumes * _NM3_PER_A3))}
    masses = getattr(universe.atoms, "masses", np.zeros(1))
    if (masses > 0).all():
        frames = geometry.frames[settings.first_frame :]
        mass = masses.sum() if presence is None else presence.total(slice(None), masses, frames)
        density = mean_with_error(mass * DALTON_PER_NM3 / (volumes * _NM3_PER_A3))
        result["density_g_cm3"] = _quantity(density)
    if log is not None:
        first, last = geometry.times[settings.first_frame], geometry.times[-1] + settings.timestep_ps / 2
        kept = log[log["time_ps"].between(first, last)]
        for column in ("temperature_k", "potential_kj_mol", "kinetic_kj_mol"):
            if column in kept and len(kept):
                result[column] = _quantity(mean_with_error(kept[column].to_numpy(float)))
    return result


def _composition(sites: Sites, geometry: Results, settings: Settings) -> dict[str, Any]:
    volumes_nm3 = geometry.volumes[settings.first_frame :] * _NM3_PER_A3
    inverse_nm3 = mean_with_error(1 / volumes_nm3)
    molarity = {center.name: _scaled(inverse_nm3, len(center.atoms) * PARTICLE_PER_NM3) for center in sites.centers}
    numbers = dict(zip(sites.molecules, sites.molecules_in(geometry.frames[settings.first_frame :]), strict=True))
    of_open = {name: numbers[name] for name in sites.open_partners}
    molarity |= {name: mean_with_error(n / volumes_nm3 * PARTICLE_PER_NM3) for name, n in of_open.items()}
    return {
        "n_centers": {center.name: len(center.atoms) for center in sites.centers},
        "n_molecules": sites.n_molecules | {name: n.mean() for name, n in of_open.items()},
        "open": {name: _quantity(mean_with_error(n.astype(float))) for name, n in of_open.items()},
        "molarity_mol_l": {name: _quantity(estimate) for name, estimate in molarity.items()},
    }


def summarize(
    universe: Universe,
    sites: Sites,
    geometry: Results,
    log: pd.DataFrame | None,
    settings: Settings,
    tables: Tables,
    found: Findings,
) -> dict[str, Any]:
    """Return everything that `analyze` found as plain JSON values; numbers that do not exist are None."""
    n_frames = len(geometry.volumes)
    n_used = n_frames - settings.first_frame
    run_ps = (n_used - 1) * settings.timestep_ps
    thermodynamics = _thermodynamics(universe, sites.presence, geometry, log, settings)
    flags, notes = limits(sites, settings, tables, found, thermodynamics, run_ps)
    return plain(
        {
            "version": version("solvshell"),
            "source": settings.source,
            "notes": notes,
            "flags": flags,
            "frames": {
                "n_frames": n_frames,
                "used": n_used,
                "dropped": settings.first_frame,
                "first_time_ps": geometry.times[settings.first_frame],
                "last_time_ps": geometry.times[-1],
                "timestep_ps": settings.timestep_ps,
                "start": geometry.frames[0],
                "stop": geometry.frames[-1] + 1,
                "step": geometry.frames[1] - geometry.frames[0] if n_frames > 1 else 1,
            },
            "settings": {
                "bin_angstrom": BIN_ANGSTROM,
                "window_angstrom": peak_settings.WINDOW_ANGSTROM,
                "smoothing_angstrom": peak_settings.SMOOTHING_ANGSTROM,
                "farthest_peak_angstrom": peak_settings.FARTHEST_PEAK_ANGSTROM,
                "farthest_reference_peak_angstrom": peak_settings.FARTHEST_REFERENCE_PEAK_ANGSTROM,
                "bridged_ps": max(BRIDGED_PS, 2 * settings.timestep_ps),
                **{
                    key: value
                    for key, value in asdict(settings).items()
                    if key not in ("source", "dynamics", "timestep_ps", "first_frame", "no_plateau")
                },
            },
            "thermodynamics": thermodynamics,
            "composition": _composition(sites, geometry, settings),
            "peaks": peak_rows(tables, found),
            "coordination": {
                "sites": records(tables.coordination),
                "total": {name: _quantity(estimate) for name, estimate in found.total_coordination.items()},
            },
            "shells": rows_with(tables.shells, [samples_of_share(share) for share in found.of_shells]),
            "shell_shares": found.shell_shares,
            "speciation": rows_with(tables.speciation, [samples_of_share(share) for share in found.of_speciation]),
            "residence": residence_rows(found),
            "residence_dynamics": settings.dynamics,
            "exchange": records(tables.exchange),
            "clusters": records(tables.clusters),
            "largest_cluster_fraction_of_centers": _quantity(found.largest_cluster),
            "population": records(tables.population),
            "denticity": records(tables.denticity),
            "bridging": records(tables.bridging),
            "angles": records(found.mean_angles),
            "coordination_free_energy": records(tables.coordination_free_energy),
            "barriers": records(tables.barriers),
            "exchange_free_energy": records(tables.exchange_free_energy),
            "convergence": records(tables.convergence),
        }
    )
