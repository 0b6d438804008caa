"""Does 4 fs with heavy hydrogens hold up? Density and energy drift against 2 fs with real masses, on the same box.

    python benchmarks/timestep.py --out runs/timestep --density-ps 400 --nve-ps 40

Prints a Markdown table. The runs are ordinary resumable runs: the same command goes on where it was stopped.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from pymbar import timeseries
from rich.console import Console

from solvshell.build import build_box
from solvshell.engine import degrees_of_freedom
from solvshell.files import validate
from solvshell.md import simulate
from solvshell.md.dynamics import stage_system
from solvshell.progress import progress_on
from solvshell.protocol import Protocol
from solvshell.recipe import load_recipe
from solvshell.run import Run, open_run
from solvshell.units import kT_kj_mol

SCHEMES = {"4 fs, hydrogen 3 Da": ("4 fs", "3 Da"), "2 fs, real masses": ("2 fs", None)}
TEMPERATURE = 298.15


def protocol(timestep: str, hydrogen_mass: str | None, density_ps: float, nve_ps: float) -> Protocol:
    """Return: relax, measure the density at constant pressure, then run free at constant energy."""
    common = {"kind": "dynamics", "temperature": f"{TEMPERATURE} K", "frame_interval": "2 ps", "log_interval": "0.2 ps"}
    stages = [
        {"kind": "minimize"},
        {**common, "name": "warm-up", "duration": "4 ps", "friction": "5 /ps"},
        {**common, "name": "equilibration", "duration": "80 ps", "pressure": "1 bar"},
        {**common, "name": "density", "duration": f"{density_ps} ps", "pressure": "1 bar"},
        {**common, "name": "nve", "duration": f"{nve_ps} ps", "thermostat": "none", "production": True},
    ]
    content = {
        "name": "timestep",
        "title": timestep,
        "timestep": timestep,
        "hydrogen_mass": hydrogen_mass,
        "checkpoint_interval": "20 ps",
        "stages": stages,
    }
    return validate(Protocol, content, "benchmarks/timestep.py")


def density(log: pd.DataFrame) -> tuple[float, float, float]:
    """Return mean, standard error and number of independent values of the density in g/cm3."""
    values = log.loc[log.stage == "density", "density_g_cm3"].to_numpy()
    independent = len(values) / timeseries.statistical_inefficiency(values)
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(independent)), float(independent)


def drift(run: Run, log: pd.DataFrame) -> tuple[float, float]:
    """Return the drift of the total energy, kT per degree of freedom per ns: mean and standard error of ten slopes."""
    nve = log[log.stage == "nve"]
    energy = (nve.potential_kj_mol + nve.kinetic_kj_mol).to_numpy()
    system = stage_system(run.box.system, run.protocol, run.protocol.production, seed=1)
    scale = 1000 / (kT_kj_mol(TEMPERATURE) * degrees_of_freedom(system))
    slopes = [
        np.polyfit(time, block, 1)[0] * scale
        for time, block in zip(np.array_split(nve.time_ps.to_numpy(), 10), np.array_split(energy, 10), strict=True)
    ]
    return float(np.mean(slopes)), float(np.std(slopes, ddof=1) / np.sqrt(len(slopes)))


def main() -> None:
    """Run both schemes and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--n-salt", type=int, default=8)
    parser.add_argument("--density-ps", type=float, default=400)
    parser.add_argument("--nve-ps", type=float, default=40)
    arguments = parser.parse_args()
    box_path = arguments.out / "box"
    if not box_path.exists():
        build_box(load_recipe("lb003"), seed=7, n_salt=arguments.n_salt).save(box_path)
    rows = []
    for index, (title, (timestep, hydrogen_mass)) in enumerate(SCHEMES.items()):
        how = protocol(timestep, hydrogen_mass, arguments.density_ps, arguments.nve_ps)
        run = simulate(
            open_run(arguments.out / f"run-{index}", box_path, how, seed=index), progress=progress_on(Console())
        )
        log = pd.read_csv(run.log_path)
        mean, error, n = density(log)
        slope, slope_error = drift(run, log)
        temperature = log.loc[log.stage == "density", "temperature_k"].mean()
        speed = log.loc[log.stage == "density", "ns_per_day"].iloc[-1]
        rows.append(
            f"| {title} | {mean:.4f} +- {error:.4f} (n = {n:.0f}) | {temperature:.1f} "
            f"| {slope:.3f} +- {slope_error:.3f} | {speed:.0f} |"
        )
    print("| scheme | density, g/cm3 | T, K | NVE drift, kT per degree of freedom per ns | ns/day here |")
    print("| --- | --- | --- | --- | --- |")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
