"""Every shipped recipe at its smallest size: neutral, stable at 4 fs for 100 ps, its density with an error.

    python benchmarks/systems.py --out systems-survey --table docs/results/systems.md [RECIPE ...]

Boxes and runs are kept in --out and resumed. A network runs without rigid bonds, at 2 fs.
"""

import argparse
from datetime import date
from pathlib import Path

import numpy as np
import openmm
import pandas as pd

from solvshell import __version__
from solvshell.analysis.statistics import Estimate, equilibration, mean_with_error
from solvshell.box import Box, describe_polymer
from solvshell.build import build_box
from solvshell.data import recipe_directory
from solvshell.md import simulate
from solvshell.protocol import Protocol, load_protocol
from solvshell.recipe import load_recipe
from solvshell.run import open_run

_HEAD = f"""# Every shipped recipe at its smallest size

Made by `python benchmarks/systems.py --out systems-survey --table docs/results/systems.md` ({date.today()},
solvshell {__version__}, OpenMM {openmm.version.version}): protocol `survey`, 100 ps of production at 298.15 K and 1 bar
after 48 ps of compression, anneal at 400 K and cooling. The density is that of the plateau, which begins in the first
half or is the second half; `change within` is from its first half to its second, and says where 100 ps are too short.
Errors are standard errors within one run; they do not know how different packings scatter, nor, for a gel, what relaxes
more slowly than the run.

"""


def _box(name: str, folder: Path) -> Box:
    if not folder.exists():
        recipe = load_recipe(name)
        key = "n_salt" if recipe.composition.salt else "n_molecules"
        build_box(recipe, seed=1, say=print, **{key: recipe.smallest}).save(folder)
    return Box.load(folder)


def _protocol(box: Box) -> Protocol:
    survey = load_protocol("survey")
    if not box.is_network:
        return survey
    return survey.model_copy(update={"name": "survey-network", "timestep": 0.002, "constraints": "none"})


def _charge(box: Box) -> float:
    nonbonded = next(force for force in box.system.getForces() if isinstance(force, openmm.NonbondedForce))
    return sum(nonbonded.getParticleParameters(i)[0]._value for i in range(box.n_atoms))


def _plateau(density: np.ndarray) -> tuple[Estimate, str]:
    """Return the mean density of the plateau, and how it changes from the first half of that to the second."""
    starts = np.linspace(0, len(density), 33).astype(int)
    settled = equilibration([density], starts)
    kept = density[starts[settled.n_blocks] :]
    first, second = (mean_with_error(half) for half in np.array_split(kept, 2))
    change = second.mean - first.mean
    error = np.hypot(first.stderr or 0.0, second.stderr or 0.0)
    mark = " **not settled**" if settled.clipped or abs(change) > 2 * error else ""
    return mean_with_error(kept), f"{change:+.3f} ± {error:.3f}{mark}"


def _row(name: str, out: Path) -> str:
    box = _box(name, out / name / "box")
    protocol = _protocol(box)
    run = open_run(out / name / "run", out / name / "box", protocol)
    simulate(run)
    log = pd.read_csv(run.log_path)
    log = log[log.stage == "production"]
    density, drift = _plateau(log.density_g_cm3.to_numpy())
    temperature = mean_with_error(log.temperature_k.to_numpy())
    counts = ", ".join(f"{count} {species}" for species, count in box.counts.items())
    step = f"{1000 * protocol.timestep:g} fs, {'rigid' if protocol.constraints == 'h_bonds' else 'flexible'} X-H"
    return (
        f"| {name} | {counts} | {box.n_atoms} | {_charge(box):+.0e} | {step} | {temperature.mean:.1f} | "
        f"{density.mean:.3f} ± {density.stderr or np.nan:.3f} | {drift} | {'; '.join(describe_polymer(box))} |"
    )


def main() -> None:
    """Build, run and tabulate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="*", help="shipped recipes (default: all)")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--table", type=Path, help="Markdown file")
    arguments = parser.parse_args()
    names = arguments.recipe or sorted(path.stem for path in recipe_directory().glob("*.yaml"))
    head = [
        "| recipe | in the box | atoms | charge / e | step | T / K | density / g cm⁻³ | change within | polymer |",
        "| --- | --- | ---: | ---: | --- | ---: | ---: | --- | --- |",
    ]
    rows = [_row(name, arguments.out) for name in names]
    print("\n".join([*head, *rows]))
    if arguments.table:
        missing = sorted({path.stem for path in recipe_directory().glob("*.yaml")} - set(names))
        rest = f"\nNot run for this table: {', '.join(missing)}.\n" if missing else ""
        arguments.table.write_text(_HEAD + "\n".join([*head, *rows]) + "\n" + rest)


if __name__ == "__main__":
    main()
