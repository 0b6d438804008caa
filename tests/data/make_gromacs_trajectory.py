"""Make a GROMACS trajectory of LB-003, as somebody without solvshell would have it: OUT/lb003.gro and OUT/lb003.xtc.

    python make_gromacs_trajectory.py OUT [--n-salt N] [--equilibration PS] [--production PS]

The box, its topology and its model come from solvshell. Before anything moves, one energy is computed by OpenMM and by
GROMACS in mixed precision, and written to OUT/parity.json; too large a difference ends the script.
"""

import argparse
import json
import math
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent))
from engines import Terms, absolute_sum, box_terms, gromacs_terms, largest_difference, run, shaken

from solvshell.build import build_box
from solvshell.export import export_box
from solvshell.recipe import load_recipe

#: the largest difference of a term between the engines, in parts of the sum of the absolute values of the terms
PARITY = 1e-5
N_FRAMES = 100
STEP_PS = 0.002
N_THREADS = 2

_PAIRS = """
cutoff-scheme = Verlet
coulombtype   = PME
rcoulomb      = 1.0
rvdw          = 1.0
"""
_MINIMIZATION = f"""{_PAIRS}
integrator = steep
nsteps     = 2000
emtol      = 200
"""
_DYNAMICS = f"""{_PAIRS}
integrator  = md
dt          = {STEP_PS}
constraints = h-bonds
DispCorr    = EnerPres
tcoupl  = v-rescale
tc-grps = System
tau-t   = 0.5
ref-t   = 298.15
ld-seed = 2
pcoupl  = C-rescale
tau-p   = 2.0
ref-p   = 1.0
compressibility = 5e-5
"""


def gmx(folder: Path, *arguments: str, answers: str = "") -> None:
    """Run a GROMACS command in a folder."""
    run(folder, "gmx", "-quiet", "-nobackup", *arguments, answers=answers, threads=N_THREADS)


def simulate(folder: Path, name: str, settings: str, before: str, *, goes_on: bool = False) -> None:
    """Run a stage from the last configuration of the one before; its files are called `name`."""
    (folder / f"{name}.mdp").write_text(settings)
    checkpoint = ["-t", f"{before}.cpt"] if goes_on else []
    gmx(folder, "grompp", "-f", f"{name}.mdp", "-c", f"{before}.gro", "-p", "topol.top", "-o", name, *checkpoint)
    gmx(folder, "mdrun", "-deffnm", name, "-ntmpi", "1", "-ntomp", str(N_THREADS))


def parity_of(ours: Terms, theirs: Terms) -> dict[str, dict[str, float]]:
    """Return each term by both engines, and its difference in parts of the sum of the absolute terms."""
    total = absolute_sum(ours)
    return {
        term: {"openmm": ours[term], "gromacs": theirs[term], "difference": (theirs[term] - ours[term]) / total}
        for term in ours
    }


def make_trajectory(folder: Path, equilibration_ps: float, production_ps: float) -> None:
    """Run conf.gro to lb003.gro and lb003.xtc, with whole molecules."""
    simulate(folder, "minimized", _MINIMIZATION, "conf")
    steps, production_steps = (math.ceil(time / STEP_PS) for time in (equilibration_ps, production_ps))
    velocities = "gen-vel = yes\ngen-temp = 298.15\ngen-seed = 1\n"
    simulate(folder, "npt", f"{_DYNAMICS}{velocities}nsteps = {steps}\n", "minimized")
    output = f"nsteps = {production_steps}\nnstxout-compressed = {production_steps // N_FRAMES}\ncontinuation = yes\n"
    simulate(folder, "production", f"{_DYNAMICS}{output}", "npt", goes_on=True)
    whole = ("trjconv", "-f", "production.xtc", "-s", "production.tpr", "-pbc", "mol")
    gmx(folder, *whole, "-o", "lb003.xtc", answers="System\n")
    gmx(folder, *whole, "-o", "lb003.gro", "-dump", "0", answers="System\n")


def main() -> None:
    """Build, compare, run, keep three files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--n-salt", type=int, default=8)
    parser.add_argument("--equilibration", type=float, default=400.0, help="in ps")
    parser.add_argument("--production", type=float, default=1000.0, help="in ps")
    arguments = parser.parse_args()

    arguments.out.mkdir(parents=True, exist_ok=True)
    box = shaken(build_box(load_recipe("lb003"), seed=1, n_salt=arguments.n_salt))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "lb003"
        export_box(box, "gromacs", folder)
        ours, theirs = box_terms(box), gromacs_terms(folder, program="gmx")
        (arguments.out / "parity.json").write_text(json.dumps(parity_of(ours, theirs), indent=2) + "\n")
        if largest_difference(ours, theirs) > PARITY:
            raise SystemExit(f"the energies of the two engines differ by more than {PARITY:g} of their sum")
        make_trajectory(folder, arguments.equilibration, arguments.production)
        for result in ("lb003.gro", "lb003.xtc"):
            shutil.copy(folder / result, arguments.out)


if __name__ == "__main__":
    main()
