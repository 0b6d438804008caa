"""Runs long enough for the energies of Li+ with and without the polymer: small boxes, sampled by GROMACS.

    python benchmarks/energy_systems.py make lb003 lb003_pota-no3 --out energy-systems

A box of 8 salt of each recipe is annealed at 400 K and brought to 1 bar (2 fs, real masses), then sampled at its mean
volume (4 fs, 3 Da hydrogens, Langevin dynamics). What is there already is kept, and what was stopped goes on.
"""

import argparse
from pathlib import Path

from gromacs import HEAVY_STEP_PS, STEP_PS, Gromacs

from solvshell.box import Box
from solvshell.build import build_box
from solvshell.recipe import load_recipe

SYSTEMS = ("lb003", "lb003_pota-no3", "lb003_lino3")
N_SALT, TEMPERATURE = 8, 298.15
HOT_PS, COOL_PS, DENSITY_PS, SAMPLE_PS, FRAME_PS, LOG_PS = 200, 60, 300, 3000, 1, 0.4


def settle(box: Box, folder: Path) -> tuple[Gromacs, str]:
    """Anneal a box and bring it to its density; return its GROMACS runs and the configuration at the mean volume."""
    runs = Gromacs.of(box, folder)
    cold = {"ref_t": TEMPERATURE, "nstenergy": 100, "nstxout_compressed": 0}
    hot, cool, density = (round(time / STEP_PS) for time in (HOT_PS, COOL_PS, DENSITY_PS))
    annealed = runs.stage(
        "hot", runs.minimized(), goes_on=False, nsteps=hot, **(cold | {"ref_t": 400, "gen_temp": 400})
    )
    settled = runs.stage("density", runs.stage("cool", annealed, nsteps=cool, **cold), nsteps=density, **cold)
    return runs, runs.at_mean_volume(settled)


def make(name: str, out: Path) -> None:
    """Build, settle and sample a system."""
    if not (out / name / "box").exists():
        build_box(load_recipe(name), seed=1, n_salt=N_SALT, say=print).save(out / name / "box")
    runs, start = settle(Box.load(out / name / "box"), out / name / "gromacs")
    sampling = {"ref_t": TEMPERATURE, "gen_temp": TEMPERATURE, "nsteps": round(SAMPLE_PS / HEAVY_STEP_PS)}
    every = {"nstxout_compressed": round(FRAME_PS / HEAVY_STEP_PS), "nstenergy": round(LOG_PS / HEAVY_STEP_PS)}
    runs.stage("production", start, goes_on=False, heavy=True, **(sampling | every))


def main() -> None:
    """Make the runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["make"])
    parser.add_argument("system", nargs="*", help=f"of {', '.join(SYSTEMS)} (default: all)")
    parser.add_argument("--out", type=Path, required=True, help="folder of boxes and runs; kept and resumed")
    arguments = parser.parse_args()
    if unknown := set(arguments.system) - set(SYSTEMS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    for name in arguments.system or SYSTEMS:
        make(name, arguments.out)
        print(f"{name}: done", flush=True)


if __name__ == "__main__":
    main()
