"""Li+ in solution: contacts against experiment, and what the scaling of ion charges does to them.

    python benchmarks/solutions.py run lb003_0.80 ec_litfsi --out solution-runs      # without names: all
    python benchmarks/solutions.py table --out solution-runs                         # docs/forcefield/solutions.*

lb003_0.75 ... lb003_1.00 are LB-003 with that `ion_charge_scale`; ec_litfsi is 10 mol% LiTFSI in EC, of which a neutron
study has the Li-O distance; lb003_no3 is LB-003 with NO3- for PF6- (far beyond the solubility of LiNO3),
ls002 is LiTFSI with some LiNO3 in ethers; the others, about 1 mol/L, hold the species beyond the study.
GROMACS runs the exported boxes after an anneal at 400 K, the analysis of `solvshell analyze` measures them.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import yaml
from gromacs import HEAVY_STEP_PS, STEP_PS, Gromacs

from solvshell.analysis import analyze_trajectory
from solvshell.analysis.statistics import mean_with_error
from solvshell.box import Box
from solvshell.build import build_box
from solvshell.files import write_json
from solvshell.recipe import Recipe, load_recipe
from solvshell.species import select_species

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs" / "forcefield"
EXPERIMENT = Path(__file__).parent / "experiment.yaml"
SCALES = (0.75, 0.80, 0.90, 1.00)
HOT_PS, COOL_PS, DENSITY_PS, PRODUCTION_PS, FRAME_PS = 40, 40, 200, 400, 0.5
CONTACT_ANGSTROM = 3.0
FORCE_FIELD = {"files": ["solvshell/electrolytes.xml"]}


@dataclass(frozen=True)
class Solution:
    """A box to be run: how to build it, and at what temperature in K."""

    build: Callable[[], Box]
    temperature: float = 298.15


def _from_counts(name: str, title: str, counts: dict[str, int]) -> Callable[[], Box]:
    content = {"name": name, "title": title, "composition": {"counts": counts}, "force_field": FORCE_FIELD}
    return lambda: build_box(Recipe.model_validate(content), seed=1)


def _lb003(scale: float) -> Callable[[], Box]:
    recipe = load_recipe("lb003")
    model = recipe.force_field.model_copy(update={"ion_charge_scale": scale})
    return lambda: build_box(recipe.model_copy(update={"force_field": model}), seed=1, n_salt=8)


SOLUTIONS = {
    **{f"lb003_{scale:.2f}": Solution(_lb003(scale)) for scale in SCALES},
    "ec_litfsi": Solution(
        _from_counts("ec_litfsi", "10 mol% LiTFSI in EC", {"Li": 11, "TFSI": 11, "EC": 99}), temperature=313.15
    ),
    "lb003_no3": Solution(
        _from_counts("lb003_no3", "LB-003 with NO3- for PF6-", {"Li": 8, "NO3": 8, "EC": 38, "DMC": 30, "EMC": 24})
    ),
    "ls002": Solution(lambda: build_box(load_recipe("ls002"), seed=1, n_salt=12)),
    "pc_lifsi": Solution(_from_counts("pc_lifsi", "LiFSI in PC", {"Li": 8, "FSI": 8, "PC": 90})),
    "pc_libf4": Solution(_from_counts("pc_libf4", "LiBF4 in PC", {"Li": 8, "BF4": 8, "PC": 90})),
    "pc_liclo4": Solution(_from_counts("pc_liclo4", "LiClO4 in PC", {"Li": 8, "ClO4": 8, "PC": 90})),
    "fec_lipf6": Solution(_from_counts("fec_lipf6", "LiPF6 in EC and FEC", {"Li": 8, "PF6": 8, "EC": 70, "FEC": 40})),
}


def settle(name: str, out: Path, threads: int = 1) -> tuple[Box, Gromacs, str]:
    """Build a solution, anneal it and bring it to its density; return its box, its runs, the name of the last stage.

    What is there already is kept; ``density.json`` has the density with its error.
    """
    folder, solution = out / name, SOLUTIONS[name]
    if not (folder / "box").exists():
        solution.build().save(folder / "box")
    box = Box.load(folder / "box")
    runs = Gromacs.of(box, folder / "gromacs", threads)
    cold = {"ref_t": solution.temperature, "nstenergy": 100, "nstxout_compressed": 0}
    hot = {**cold, "ref_t": 400, "gen_temp": 400}
    first, then, last = (round(time / STEP_PS) for time in (HOT_PS, COOL_PS, DENSITY_PS))
    annealed = runs.stage("hot", runs.minimized(), goes_on=False, nsteps=first, **hot)
    cooled = runs.stage("cool", annealed, nsteps=then, **cold)
    settled = runs.stage("density", cooled, nsteps=last, **cold)
    (density,) = runs.energies(settled, "Density")[1:]
    write_json(folder / "density.json", asdict(mean_with_error(density / 1000)))
    return box, runs, settled


def run(name: str, out: Path, threads: int) -> None:
    """Settle, sample and analyze a solution."""
    box, runs, settled = settle(name, out, threads)
    temperature = SOLUTIONS[name].temperature
    sampling = {"heavy": True, "ref_t": temperature, "gen_temp": temperature, "nstenergy": 100}
    frames = {"nstxout_compressed": round(FRAME_PS / HEAVY_STEP_PS)}
    start, steps = runs.at_mean_volume(settled), round(PRODUCTION_PS / HEAVY_STEP_PS)
    runs.stage("production", start, goes_on=False, nsteps=steps, **(sampling | frames))
    topology, trajectory = runs.folder / "conf.gro", runs.folder / "production.xtc"
    analyze_trajectory(topology, trajectory, select_species(box.recipe.entries), out / name / "analysis")


def _pairs(folder: Path) -> pd.DataFrame:
    """Return peak and coordination number of each coordinating site of a solution."""
    peaks, numbers = (pd.read_csv(folder / "analysis" / f"{table}.csv") for table in ("peaks", "coordination"))
    return numbers.merge(peaks, on=["center", "partner", "site"], suffixes=("", "_of_peak"))


def _state(folder: Path, state: str) -> tuple[float, float]:
    table = pd.read_csv(folder / "analysis" / "speciation.csv").set_index("state")
    return (table.fraction.get(state, np.nan), table.stderr.get(state, np.nan)) if len(table) else (np.nan, np.nan)


def _row(name: str, folder: Path) -> dict[str, object]:
    density = json.loads((folder / "density.json").read_text())
    box = Box.load(folder / "box")
    pairs = _pairs(folder)
    anions = {name for name, species in box.recipe.entries.items() if species.role == "anion"}
    # The N of an imide has its first maximum beyond the contact of its O: it is no contact of its own.
    touching = pairs[~(pairs.peak_angstrom > CONTACT_ANGSTROM)]
    of_solvents, of_anions = (touching[touching.partner.isin(anions) == anion] for anion in (False, True))
    neutral = of_solvents[of_solvents.status == "resolved"]
    weight = neutral.cn_atoms_mean / neutral.cn_atoms_mean.sum()
    error = (neutral.ci95_high - neutral.ci95_low) / 3.92
    states = {state: _state(folder, state) for state in ("ssip", "cip", "agg")}
    return {
        "solution": name,
        "ion_charge_scale": box.recipe.force_field.ion_charge_scale,
        "density_g_cm3": density["mean"],
        "density_stderr": density["stderr"],
        "li_o_solvent_peak_angstrom": (weight * neutral.peak_angstrom).sum(),
        "li_o_stderr": np.sqrt(((weight * error) ** 2).sum()),
        "cn_solvents": of_solvents.cn_atoms_mean.sum(),
        "cn_solvents_stderr": np.sqrt((of_solvents.cn_atoms_stderr**2).sum()),
        "cn_anions": of_anions.cn_atoms_mean.sum(),
        "cn_anions_stderr": np.sqrt((of_anions.cn_atoms_stderr**2).sum()),
        **{state: fraction for state, (fraction, _) in states.items()},
        **{f"{state}_stderr": stderr for state, (_, stderr) in states.items()},
    }


def _figure(rows: pd.DataFrame, path: Path) -> None:
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    rows = rows[rows.solution.str.match(r"lb003_[01]\.")]
    figure, axes = plt.subplots(1, 4, figsize=(13, 3.3), layout="constrained")
    panels = [
        ("density, g/cm³", {"": ("density_g_cm3", "density_stderr")}),
        ("Li–O(C=O) peak, Å", {"": ("li_o_solvent_peak_angstrom", "li_o_stderr")}),
        ("coordination number", {"C=O": ("cn_solvents", "cn_solvents_stderr"), "F": ("cn_anions", "cn_anions_stderr")}),
        ("share of Li⁺", {state: (state, f"{state}_stderr") for state in ("ssip", "cip", "agg")}),
    ]
    for axis, (title, lines) in zip(axes, panels, strict=True):
        for label, (value, error) in lines.items():
            axis.errorbar(rows.ion_charge_scale, rows[value], rows[error], fmt="o-", capsize=3, label=label.upper())
        axis.set_title(title)
        axis.set_xlabel("ion charge scale")
        if len(lines) > 1:
            axis.legend()
    figure.savefig(path, dpi=150)


_PAGE = """# Li⁺ in solution

Made by `python benchmarks/solutions.py run` and `python benchmarks/solutions.py table`: about 1200 atoms, {hot} ps at
400 K and {cool} ps at 298.15 K (EC with LiTFSI 313.15 K), {density} ps at 1 bar for the density (2 fs, real masses),
then {production} ps at the mean volume (4 fs, 3 Da hydrogens, Langevin dynamics); bonds to H rigid. One box each of 8
to 13 Li⁺, **a demonstration**: errors are standard errors within one run, and ions exchange too slowly for
coordination and pairing to be settled. Peaks are.

## Scale of the ion charges (LB-003)

![Density, Li-O peak, coordination and pairing against the scale](charge_scale.png)

{solutions}

## Contacts

{contacts}

## Experiment

{experiment}
"""


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def _solutions(rows: pd.DataFrame) -> str:
    head = [
        "solution",
        "scale",
        "density, g/cm³",
        "Li-O(solvent), Å",
        "CN solvent O",
        "CN anion atoms",
        "SSIP / CIP / AGG",
    ]
    body = [
        [
            row.solution,
            f"{row.ion_charge_scale:g}",
            f"{row.density_g_cm3:.4f} ± {row.density_stderr:.4f}",
            f"{row.li_o_solvent_peak_angstrom:.3f} ± {row.li_o_stderr:.3f}",
            f"{row.cn_solvents:.2f} ± {row.cn_solvents_stderr:.2f}",
            f"{row.cn_anions:.2f} ± {row.cn_anions_stderr:.2f}",
            f"{row.ssip:.2f} / {row.cip:.2f} / {row.agg:.2f}",
        ]
        for row in rows.itertuples()
    ]
    return _table(head, body)


def _contacts(pairs: pd.DataFrame) -> str:
    def peak(row: Any) -> str:
        found = f"{row.peak_angstrom:.3f} ({row.ci95_low:.3f}-{row.ci95_high:.3f})"
        return found if row.status == "resolved" else str(row.status).replace("_", " ")

    def number(mean: float, stderr: float) -> str:
        return f"{mean:.2f} ± {stderr:.2f}" if pd.notna(mean) else "-"

    body = [
        [
            row.solution,
            f"{row.partner}, {row.site}",
            peak(row),
            number(row.cn_atoms_mean, row.cn_atoms_stderr),
            number(row.cn_molecules_mean, row.cn_molecules_stderr),
        ]
        for row in pairs.itertuples()
    ]
    return _table(["solution", "partner, site", "peak, Å (95 %)", "atoms in the shell", "molecules"], body)


def _experiment() -> str:
    """Return what is measured of the structure, a line for each value."""
    measured = yaml.safe_load(EXPERIMENT.read_text())["structure"]
    return "\n".join(
        f"- {solution}, {quantity}: {entry['value']} ± {entry.get('error', '?')}; {entry['source']}"
        + ("" if entry["read"] else " (recalled)")
        for solution, quantities in measured.items()
        for quantity, entry in quantities.items()
    )


def write_table(out: Path) -> None:
    """Write the tables, the page and the figure of what has been run."""
    done = [name for name in SOLUTIONS if (out / name / "analysis" / "summary.json").exists()]
    rows = pd.DataFrame([_row(name, out / name) for name in done])
    pairs = pd.concat([_pairs(out / name).assign(solution=name) for name in done])
    columns = ["solution", "partner", "site", "status", "peak_angstrom", "ci95_low", "ci95_high", "cutoff_angstrom"]
    pairs = pairs[[*columns, "cn_atoms_mean", "cn_atoms_stderr", "cn_molecules_mean", "cn_molecules_stderr"]]
    DOCS.mkdir(parents=True, exist_ok=True)
    rows.to_csv(DOCS / "solutions.csv", index=False, float_format="%.5g")
    pairs.to_csv(DOCS / "solution_pairs.csv", index=False, float_format="%.5g")
    _figure(rows, DOCS / "charge_scale.png")
    times = {"hot": HOT_PS, "cool": COOL_PS, "density": DENSITY_PS, "production": PRODUCTION_PS}
    parts = {"solutions": _solutions(rows), "contacts": _contacts(pairs), "experiment": _experiment()}
    (DOCS / "solutions.md").write_text(_PAGE.format(**times, **parts))
    print(parts["solutions"], parts["contacts"], sep="\n\n")


def main() -> None:
    """Run solutions, or tabulate them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "table"])
    parser.add_argument("solution", nargs="*", help=f"of {', '.join(SOLUTIONS)} (default: all)")
    parser.add_argument("--out", type=Path, required=True, help="folder of boxes and runs; kept and resumed")
    parser.add_argument("--threads", type=int, default=1, help="of GROMACS (default: %(default)s)")
    arguments = parser.parse_args()
    if unknown := set(arguments.solution) - set(SOLUTIONS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if arguments.what == "table":
        return write_table(arguments.out)
    for name in arguments.solution or SOLUTIONS:
        run(name, arguments.out, arguments.threads)
        print(f"{name}: done", flush=True)


if __name__ == "__main__":
    main()
