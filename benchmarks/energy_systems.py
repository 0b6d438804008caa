"""Runs long enough for the energies of Li+ with and without the polymer: small boxes, sampled by GROMACS.

    python benchmarks/energy_systems.py make lb003 lb003_pota-no3 --out energy-systems     # without names: all
    python benchmarks/energy_systems.py collect --out energy-systems
    python benchmarks/energy_systems.py table --out energy-systems                         # docs/results/energies.md

A box of 8 salt of each recipe is annealed at 400 K and brought to 1 bar (2 fs, real masses), then sampled at its mean
volume (4 fs, 3 Da hydrogens, Langevin dynamics). What is there already is kept, and what was stopped goes on. `collect`
puts what has been sampled so far into run folders, OUT/NAME/run, which every command of `solvshell` reads; `table`
does so too, analyzes them and writes the page.
"""

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from energy_page import System, page
from gromacs import HEAVY_STEP_PS, STEP_PS, Gromacs

from solvshell.analysis import analyze_run
from solvshell.box import Box
from solvshell.build import build_box
from solvshell.files import validate
from solvshell.protocol import Protocol
from solvshell.provenance import provenance, write_record
from solvshell.recipe import load_recipe
from solvshell.run import Run, open_run
from solvshell.units import DALTON_PER_NM3
from solvshell.xtc import whole_frames

PAGE = Path(__file__).parent.parent / "docs" / "results" / "energies.md"
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


def _protocol(n_frames: int) -> Protocol:
    """Return what the trajectory of so many frames was made by, as far as a protocol can say it."""
    title = "sampled by GROMACS after an anneal at 400 K and 1 bar; the folder holds this stage alone"
    sampling = {
        "kind": "dynamics", "name": "production", "production": True, "temperature": f"{TEMPERATURE} K",
        "duration": f"{FRAME_PS * (n_frames - 1)} ps", "frame_interval": f"{FRAME_PS} ps",
        "log_interval": f"{LOG_PS} ps",
    }  # fmt: skip
    content = {
        "name": "energy-systems", "title": title, "timestep": f"{HEAVY_STEP_PS} ps", "hydrogen_mass": "3 Da",
        "checkpoint_interval": f"{FRAME_PS} ps", "stages": [sampling],
    }  # fmt: skip
    return validate(Protocol, content, __file__)


def _log(runs: Gromacs, box: Box, configuration: str) -> pd.DataFrame:
    """Return the log of the production as our runs have it."""
    time, *terms = runs.energies("production", "Temperature", "Potential", "Kinetic-En.")
    edges = (runs.folder / f"{configuration}.gro").read_text().splitlines()[-1].split()
    volume = float(np.prod([float(edge) for edge in edges]))
    columns = {"stage": "production", "step": np.round(time / HEAVY_STEP_PS).astype(int), "time_ps": time}
    columns |= {"temperature_k": terms[0], "volume_nm3": volume, "density_g_cm3": box.mass * DALTON_PER_NM3 / volume}
    columns |= {"potential_kj_mol": terms[1], "kinetic_kj_mol": terms[2], "ns_per_day": np.nan}
    return pd.DataFrame(columns)


def collect(name: str, out: Path) -> Run:
    """Return what has been sampled of a system as a run folder, made again where there is more than it holds."""
    folder, run = out / name, Run(out / name / "run")
    runs = Gromacs(folder / "gromacs")
    sampled = runs.folder / "production.xtc"
    n_frames, n_bytes = whole_frames(sampled)
    if run.is_done and json.loads((run.path / "done.json").read_text())["production_frames"] == n_frames:
        return run
    shutil.rmtree(run.path, ignore_errors=True)
    open_run(run.path, folder / "box", _protocol(n_frames), seed=1)
    with open(sampled, "rb") as source, open(run.trajectory_path, "wb") as target:
        target.write(source.read(n_bytes))
    _log(runs, run.box, "density_mean").to_csv(run.log_path, index=False, float_format="%.8g")
    engine = runs.version()
    write_record(run.path / "provenance.json", run.provenance | {"starts": [provenance(platform=engine, device="CPU")]})
    write_record(run.path / "done.json", {"production_frames": n_frames, "platform": engine, "device": "CPU"})
    return run


def write_page(names: Sequence[str], out: Path) -> None:
    """Analyze what has been sampled of some systems, and write the page."""
    runs = {name: collect(name, out) for name in names}
    PAGE.write_text(page([System(name, run, analyze_run(run)) for name, run in runs.items()]))


def main() -> None:
    """Make the runs, collect them, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["make", "collect", "table"])
    parser.add_argument("system", nargs="*", help=f"of {', '.join(SYSTEMS)} (default: all)")
    parser.add_argument("--out", type=Path, required=True, help="folder of boxes and runs; kept and resumed")
    arguments = parser.parse_args()
    if unknown := set(arguments.system) - set(SYSTEMS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    sampled = [name for name in SYSTEMS if (arguments.out / name / "gromacs" / "production.xtc").exists()]
    if arguments.what == "table":
        return write_page(arguments.system or sampled, arguments.out)
    for name in arguments.system or SYSTEMS:
        (make if arguments.what == "make" else collect)(name, arguments.out)
        print(f"{name}: done", flush=True)


if __name__ == "__main__":
    main()
