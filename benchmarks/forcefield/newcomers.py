"""Short runs of solutions of the species beyond the study: FSI, BF4, ClO4 in PC, and LiPF6 in EC:FEC.

    python benchmarks/forcefield/newcomers.py run --out runs/newcomers            # minutes each; or some: run LiFSI
    python benchmarks/forcefield/newcomers.py table --out runs/newcomers          # docs/forcefield/newcomers.{md,csv}

About 1 mol/L, ions scaled as recipes do by default. GROMACS from the files of `solvshell export`, at 1 bar: 60 ps at
400 K, 30 ps and then 150 ps at 298.15 K, 4 fs with 3 Da hydrogens. To see that contacts are sane and where the first
shell of Li+ ends; nothing here is converged.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from markdown import markdown
from pages import fill

sys.path.insert(0, str(Path(__file__).parents[1]))
from gromacs import HEAVY_STEP_PS, Gromacs

import solvshell as sv
from solvshell.analysis import Analysis
from solvshell.analysis.statistics import mean_with_error
from solvshell.recipe import Recipe
from solvshell.species import select_species

SOLUTIONS = {
    "LiFSI": {"Li": 8, "FSI": 8, "PC": 90},
    "LiBF4": {"Li": 8, "BF4": 8, "PC": 90},
    "LiClO4": {"Li": 8, "ClO4": 8, "PC": 90},
    "LiPF6": {"Li": 8, "PF6": 8, "EC": 70, "FEC": 40},
}
HOT_PS, COOL_PS, PRODUCTION_PS, FRAME_PS = 60, 30, 150, 0.4
#: Å; where a run shows no minimum of its own, the typical cutoffs of the catalog count to here
TYPICAL_CUTOFF = 3.0


def _recipe(name: str) -> Recipe:
    return Recipe.model_validate(
        {
            "name": name,
            "title": f"{name} in {' and '.join(list(SOLUTIONS[name])[2:])}",
            "composition": {"counts": SOLUTIONS[name]},
            "force_field": {"files": ["solvshell/electrolytes.xml"]},
            "packing": {"density": "0.9 g/cm3"},
        }
    )


def _steps(time_ps: float) -> int:
    return round(time_ps / HEAVY_STEP_PS)


def run(name: str, out: Path, threads: int) -> None:
    """Build and run a solution as far as it is not there yet."""
    folder = out / name
    if not (folder / "box").exists():
        sv.build_box(_recipe(name), seed=1, say=print).save(folder / "box")
    runs = Gromacs.of(sv.Box.load(folder / "box"), folder / "gromacs", threads)
    at = {"heavy": True, "nstenergy": 100, "nstxout_compressed": _steps(FRAME_PS)}
    start = runs.minimized()
    hot = runs.stage("hot", start, goes_on=False, nsteps=_steps(HOT_PS), ref_t=400, gen_temp=400, **at)
    cool = runs.stage("cool", hot, nsteps=_steps(COOL_PS), **at)
    runs.stage("production", cool, nsteps=_steps(PRODUCTION_PS), **at)


def _row(analysis: Analysis, peak: "pd.Series[object]") -> dict[str, object]:
    """Return what one site of a partner has around Li+."""
    of_pair = [
        (table.partner == peak.partner) & (table.site == peak.site) for table in (analysis.rdf, analysis.coordination)
    ]
    rdf, coordination = (
        table[rows] for table, rows in zip((analysis.rdf, analysis.coordination), of_pair, strict=True)
    )
    near = (rdf.r_angstrom - TYPICAL_CUTOFF).abs() < 0.1
    return {
        "partner": peak.partner,
        "site": peak.site,
        "peak_angstrom": peak.peak_angstrom,
        "first_minimum_angstrom": peak.first_minimum_angstrom,
        "g_at_3_angstrom": rdf.g[near].mean(),
        "atoms_within_3_angstrom": float(np.interp(TYPICAL_CUTOFF, rdf.r_angstrom, rdf.n)),
        "cn_molecules": coordination.cn_molecules_mean.squeeze() if len(coordination) else np.nan,
        "stderr": coordination.cn_molecules_stderr.squeeze() if len(coordination) else np.nan,
    }


def found(name: str, out: Path) -> pd.DataFrame:
    """Return density and contacts of a solution, one row for each site around Li+."""
    folder = out / name / "gromacs"
    box = sv.Box.load(out / name / "box")
    _, density = Gromacs(folder).energies("production", "Density")
    estimate = mean_with_error(density / 1000)
    species = select_species(box.recipe.entries)
    analysis = sv.analyze_trajectory(folder / "production.gro", folder / "production.xtc", species)
    rows = pd.DataFrame([_row(analysis, peak) for peak in analysis.peaks.itertuples(index=False)])
    rows.insert(0, "solution", f"{box.recipe.title}")
    rows.insert(1, "density_g_cm3", estimate.mean)
    rows.insert(2, "density_stderr", estimate.stderr)
    return rows


def write(out: Path, docs: Path) -> None:
    """Write the table of all solutions."""
    rows = pd.concat([found(name, out) for name in SOLUTIONS if (out / name / "gromacs/production.gro").exists()])
    rows.to_csv(docs / "newcomers.csv", index=False, float_format="%.4f")
    fill(docs / "newcomers.md", contacts=markdown(rows, digits=2))
    print(rows.to_string())


def main() -> None:
    """Run, or tabulate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "table"])
    parser.add_argument("solution", nargs="*", help=f"of {', '.join(SOLUTIONS)} (default: all)")
    parser.add_argument("--out", type=Path, default=Path("runs/newcomers"), help="folder of boxes and runs; resumed")
    parser.add_argument("--docs", type=Path, default=Path("docs/forcefield"))
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    if unknown := set(arguments.solution) - SOLUTIONS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if arguments.what == "table":
        return write(arguments.out, arguments.docs)
    for name in arguments.solution or SOLUTIONS:
        print(name, flush=True)
        run(name, arguments.out, arguments.threads)


if __name__ == "__main__":
    main()
