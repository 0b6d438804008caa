"""Compare the engines: one energy of a box, term by term, from the exported files; writes docs/results/engines.md.

    python tests/parity.py [--out PAGE.md] [RECIPE ...]

Atoms are shaken by 0.005 nm. Differences are relative to the sum of the absolute terms and, stricter, to the term.
"""

import argparse
import copy
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import openmm
from engines import (
    TERMS,
    Terms,
    absolute_sum,
    amber_terms,
    box_terms,
    full_model,
    gromacs_energies,
    gromacs_terms,
    lammps_terms,
    placed,
    shaken,
    summed,
)

from solvshell.box import Box
from solvshell.build import build_box
from solvshell.export import export_box
from solvshell.recipe import load_recipe

RECIPES = ("lb003", "ls002", "lb003_pota-no3")
_ROOT = Path(__file__).parent.parent
_LIQUID = Path(__file__).parent / "data" / "gromacs_lb003"


def built(recipe: str) -> Box:
    """Return a box of 8 formula units of salt, or the smallest."""
    wanted = load_recipe(recipe)
    return build_box(wanted, seed=1, n_salt=max(8, wanted.smallest))


def by_engine(box: Box, folder: Path, cutoff: float = 1.0) -> dict[str, Terms]:
    """Return the terms of a box without switch and tail by OpenMM and by each engine that can have it."""
    for engine in ("gromacs", "lammps"):
        export_box(box, engine, folder / engine)
    found = {
        "OpenMM": box_terms(box),
        "GROMACS": gromacs_terms(folder / "gromacs"),
        "GROMACS, mixed precision": gromacs_terms(folder / "gromacs", program="gmx"),
        "LAMMPS": lammps_terms(folder / "lammps"),
    }
    if not box.is_network:
        export_box(box, "amber", folder / "amber")
        found["AMBER files, by OpenMM"] = amber_terms(folder / "amber", cutoff)
    return found


def liquid_frames(box: Box, n: int) -> list[Box]:
    """Return a box of LB-003 as it is in n frames of the shipped trajectory: a liquid at 298 K and 1 bar."""
    universe = mda.Universe(_LIQUID / "lb003.gro", _LIQUID / "lb003.xtc")
    assert [atom.name for atom in box.topology.atoms()] == universe.atoms.names.tolist(), "another composition"
    frames = universe.trajectory[:: len(universe.trajectory) // n][:n]
    return [placed(box, frame.positions.astype(float) / 10, np.diag(frame.dimensions[:3] / 10.0)) for frame in frames]


def without_tail(box: Box) -> Box:
    """Return a box whose model has its switch and no tail."""
    system = copy.deepcopy(box.system)
    for force in system.getForces():
        if isinstance(force, openmm.NonbondedForce):
            force.setUseDispersionCorrection(False)
    return replace(box, system=system)


def switched(box: Box, folder: Path) -> dict[str, Terms]:
    """Return the terms with the model's switch and no tail: all three engines have it."""
    plain, found = without_tail(box), {"OpenMM": box_terms(box, switch=box.recipe.force_field.switch)}
    for engine, name, terms in (("gromacs", "GROMACS", gromacs_terms), ("lammps", "LAMMPS", lammps_terms)):
        export_box(plain, engine, folder / engine)
        found[name] = terms(folder / engine, full_model(folder / engine, engine))
    return found


def with_tail(box: Box, folder: Path) -> dict[str, float]:
    """Return Lennard-Jones with switch and tail as the files for long runs have it (kJ/mol), and pressure (bar)."""
    for engine in ("gromacs", "lammps"):
        export_box(box, engine, folder / engine)
    gromacs, lammps = (full_model(folder / engine, engine) for engine in ("gromacs", "lammps"))
    switch = gromacs_energies(folder / "gromacs", gromacs)
    step = folder / "gromacs" / "step.mdp"
    step.write_text((folder / "gromacs" / "point.mdp").read_text() + "DispCorr = EnerPres\n")
    return {
        "openmm": box_terms(box, switch=box.recipe.force_field.switch, tail=True)["lennard_jones"],
        "gromacs": summed(switch)["lennard_jones"],
        "lammps": lammps_terms(folder / "lammps", lammps)["lennard_jones"],
        "pressure": gromacs_energies(folder / "gromacs", step.name)["Pressure"] - switch["Pressure"],
    }


def _table(found: dict[str, Terms]) -> list[str]:
    (_, ours), *others = found.items()
    total = absolute_sum(ours)
    lines = [
        "| engine | term | OpenMM, kJ/mol | engine, kJ/mol | of the sum | of the term |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for engine, theirs in others:
        for term in TERMS:
            difference = theirs[term] - ours[term]
            energies = f"{ours[term]:.4f} | {theirs[term]:.4f}"
            name = term.replace("_", "-").replace("lennard-jones", "Lennard-Jones").replace("coulomb", "Coulomb")
            lines.append(
                f"| {engine} | {name} | {energies} | {difference / total:.1e} | {difference / ours[term]:.1e} |"
            )
    return lines


def _tail_lines(rows: Sequence[dict[str, float]]) -> list[str]:
    def spread(values: Sequence[float]) -> str:
        return f"{np.mean(values):+.2f} (of one frame ± {np.std(values, ddof=1):.2f})"

    gromacs, lammps = ([row[engine] - row["openmm"] for row in rows] for engine in ("gromacs", "lammps"))
    pressure = [row["pressure"] for row in rows]
    return [
        f"LB-003 as a liquid, {len(rows)} frames. Lennard-Jones with the model's switch and tail is "
        f"{np.mean([row['openmm'] for row in rows]):.1f} kJ/mol in OpenMM.\n",
        "| | difference from OpenMM |",
        "|---|---|",
        f"| GROMACS, Potential-switch and `DispCorr = EnerPres` | {spread(gromacs)} kJ/mol |",
        f"| LAMMPS as in `in.lammps`: a step and its tail | {spread(lammps)} kJ/mol |",
        f"| pressure by GROMACS: of a step and its tail, less that of switch and tail | {spread(pressure)} bar |",
    ]


def main() -> None:
    """Compare, print, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="*", default=RECIPES)
    parser.add_argument("--out", type=Path, default=_ROOT / "docs" / "results" / "engines.md")
    arguments = parser.parse_args()
    lines = [
        "# Energies by each engine\n",
        "`python tests/parity.py` wrote this page: small boxes, atoms shaken by 0.005 nm; OpenMM's Reference with",
        "an Ewald tolerance of 1e-7; GROMACS in double precision unless said. No switch, no tail, cutoff 1.0 nm.",
        "Differences are given in parts of the sum of the absolute terms, and of the term itself.\n",
    ]
    with tempfile.TemporaryDirectory() as name:
        for recipe in arguments.recipe:
            box = built(recipe)
            found = by_engine(shaken(box), Path(name) / recipe)
            lines += [f"## {box.recipe.title}\n", f"{box.n_atoms} atoms.\n", *_table(found), ""]
        liquid = liquid_frames(built("lb003"), 10)
        lines += ["## With the switch, without the tail\n", "LB-003 as a liquid. All three have the same switch.\n"]
        lines += [*_table(switched(liquid[0], Path(name) / "switched")), "", "## With switch and tail\n"]
        lines += _tail_lines([with_tail(frame, Path(name) / f"tail{n}") for n, frame in enumerate(liquid)])
    text = "\n".join([*lines, ""])
    arguments.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
