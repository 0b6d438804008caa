"""Potential of mean force of an ion pair in the solvents of LB-003: how strongly Li+ holds NO3- and PF6- in the liquid.

    python benchmarks/ion_pairs.py run NO3 PF6 --out pair-runs
    python benchmarks/ion_pairs.py table --out pair-runs                 # docs/forcefield/ion_pairs.*

Umbrella sampling in the distance Li-N or Li-P by GROMACS (constant volume after 1 bar, 3 Da hydrogens, 4 fs, Langevin
dynamics), windows one after the other from contact outward and again inward; MBAR (pymbar) joins them. W(r) = F(r) +
2 kT ln r is zero at `ALIGN_NM`. The association constant is 4 pi int r^2 exp(-W/kT) dr up to `CONTACT_NM`. Errors are
half of the difference of the two series.
"""

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from gromacs import HEAVY_STEP_PS, STEP_PS, Gromacs
from numpy.typing import NDArray
from pymbar import MBAR
from scipy.special import logsumexp

from solvshell.box import Box
from solvshell.build import build_box
from solvshell.recipe import Recipe
from solvshell.units import BOLTZMANN_KJ_MOL_K

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs" / "forcefield"
CENTERS = {"NO3": "N1", "PF6": "P1", "TFSI": "N1"}
SOLVENTS = {"EC": 38, "DMC": 30, "EMC": 24}
TEMPERATURE = 298.15
#: distance in nm and spring in kJ/mol/nm2: dense and stiff across the barrier of the contact pair
WINDOWS = [
    *((float(r), 6000.0) for r in np.round(np.arange(0.20, 0.63, 0.03), 2)),
    *((float(r), 2000.0) for r in np.round(np.arange(0.67, 1.0, 0.06), 2)),
]
MEETING_PS, RELAX_PS, SAMPLE_PS, RECORD_PS = 120, 10, 75, 0.1
BINS_NM = np.arange(0.16, 1.01, 0.01)
ALIGN_NM = (0.93, 0.97)  # below half the box, 1.15 nm
CONTACT_NM = 0.45  # the top of the barrier of NO3-; PF6- has none to speak of
PER_MOLAR = 0.6022140857  # 1 nm^3 = 0.602 L/mol


def _box(anion: str, folder: Path) -> Box:
    if not folder.exists():
        content = {
            "name": f"li-{anion.lower()}",
            "title": f"one Li+ and one {anion}- in EC:DMC:EMC",
            "composition": {"counts": {"Li": 1, anion: 1, **SOLVENTS}},
            "force_field": {"files": ["solvshell/electrolytes.xml"]},
        }
        build_box(Recipe.model_validate(content), seed=1).save(folder)
    return Box.load(folder)


def _write_groups(runs: Gromacs, box: Box, anion: str) -> None:
    atoms = list(box.topology.atoms())
    groups = {
        "System": [atom.index + 1 for atom in atoms],
        "CATION": [atom.index + 1 for atom in atoms if atom.residue.name == "LI"],
        "ANION": [atom.index + 1 for atom in atoms if atom.residue.name == anion and atom.name == CENTERS[anion]],
    }
    text = "".join(f"[ {name} ]\n" + "\n".join(map(str, members)) + "\n" for name, members in groups.items())
    (runs.folder / "index.ndx").write_text(text)


def _umbrella(distance_nm: float, spring: float) -> dict[str, object]:
    lines: dict[str, object] = {
        "pull": "yes", "pull_ngroups": 2, "pull_ncoords": 1, "pull_group1_name": "CATION", "pull_group2_name": "ANION",
        "pull_coord1_type": "umbrella", "pull_coord1_geometry": "distance", "pull_coord1_groups": "1 2",
        "pull_coord1_init": distance_nm, "pull_coord1_k": spring, "pull_nstxout": round(RECORD_PS / HEAVY_STEP_PS),
        "pull_nstfout": 0,
    }  # fmt: skip
    return lines


def run(anion: str, out: Path, threads: int) -> None:
    """Bring the pair together, run the windows outward, and then inward again."""
    box = _box(anion, out / anion / "box")
    runs = Gromacs.of(box, out / anion / "gromacs", threads)
    _write_groups(runs, box, anion)
    npt = {"nstenergy": 100, "nstxout_compressed": 0, "ref_t": TEMPERATURE}
    meeting = _umbrella(WINDOWS[0][0], 500.0)
    first = round(MEETING_PS / STEP_PS)
    before = runs.stage("meeting", runs.minimized(), goes_on=False, nsteps=first, **npt, **meeting)
    before = runs.at_mean_volume(before)
    sampling = {"heavy": True, "nstenergy": 500, "nstxout_compressed": 0, "ref_t": TEMPERATURE}
    steps, goes_on = round((RELAX_PS + SAMPLE_PS) / HEAVY_STEP_PS), False
    for series, windows in (("outward", WINDOWS), ("inward", WINDOWS[::-1])):
        for distance, spring in windows:
            window = _umbrella(distance, spring)
            name = _stage(series, distance)
            before = runs.stage(name, before, goes_on=goes_on, nsteps=steps, **sampling, **window)
            goes_on = True
            print(f"{anion}, {series}: {distance:.2f} nm", flush=True)


def _stage(series: str, distance_nm: float) -> str:
    return f"{series}_{distance_nm:.2f}"


def _distances(folder: Path, series: str) -> list[NDArray[np.float64]]:
    """Return the distances in nm of each window after its relaxation."""
    found = []
    for distance, _ in WINDOWS:
        time, r = np.loadtxt(folder / f"{_stage(series, distance)}.xvg", comments=["#", "@"])[:, :2].T
        found.append(r[time >= RELAX_PS])
    return found


def profile(samples: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return W(r) in kJ/mol at the middles of `BINS_NM`, zero at `ALIGN_NM`, from each window's distances.

    All samples of all windows count alike: that they are correlated matters for errors, which come from two series.
    """
    kt = BOLTZMANN_KJ_MOL_K * TEMPERATURE
    r = np.concatenate(samples)
    counts = np.array([len(window) for window in samples])
    bias = np.array([spring / (2 * kt) * (r - distance) ** 2 for distance, spring in WINDOWS])
    free_energies = MBAR(bias, counts).f_k
    # The weight of a sample without any umbrella, from the mixture of all windows.
    unbiased = np.exp(-logsumexp(np.log(counts)[:, None] + free_energies[:, None] - bias, axis=0))
    density = np.histogram(r, BINS_NM, weights=unbiased)[0]
    middles = (BINS_NM[1:] + BINS_NM[:-1]) / 2
    with np.errstate(divide="ignore"):
        w = -kt * np.log(density / middles**2)
    aligned = (middles > ALIGN_NM[0]) & (middles < ALIGN_NM[1])
    return w - w[aligned].mean()


def association(w: NDArray[np.float64]) -> float:
    """Return the association constant in L/mol of pairs closer than `CONTACT_NM`."""
    middles = (BINS_NM[1:] + BINS_NM[:-1]) / 2
    inside = (middles < CONTACT_NM) & np.isfinite(w)
    kt = BOLTZMANN_KJ_MOL_K * TEMPERATURE
    integral = (4 * np.pi * middles**2 * np.exp(-w / kt))[inside].sum() * (BINS_NM[1] - BINS_NM[0])
    return float(integral * PER_MOLAR)


def _results(anion: str, out: Path) -> tuple[pd.DataFrame, dict[str, object]]:
    """Return W(r) of both series together and its numbers; an error is half of the difference of the series."""
    outward, inward = (_distances(out / anion / "gromacs", series) for series in ("outward", "inward"))
    together = [np.concatenate(pair) for pair in zip(outward, inward, strict=True)]
    w, *each = (profile(samples) for samples in (together, outward, inward))
    middles = (BINS_NM[1:] + BINS_NM[:-1]) / 2
    with np.errstate(invalid="ignore"):
        error = np.abs(each[0] - each[1]) / 2
    curve = pd.DataFrame({"anion": anion, "r_angstrom": 10 * middles, "w_kj_mol": w, "error_kj_mol": error})
    kt = BOLTZMANN_KJ_MOL_K * TEMPERATURE
    constant, *of_series = (association(series) for series in (w, *each))
    contact = np.isfinite(w) & (middles < CONTACT_NM)
    row = {
        "anion": anion,
        "minimum_angstrom": 10 * middles[contact][np.argmin(w[contact])],
        "w_minimum_kj_mol": w[contact].min(),
        "association_l_mol": constant,
        "outward_l_mol": of_series[0],
        "inward_l_mol": of_series[1],
        "association_free_energy_kj_mol": -kt * np.log(constant),
        "error_kj_mol": kt * abs(np.log(of_series[0] / of_series[1])) / 2,
    }
    return curve, row


_PAGE = """# Ion pairs in the solvents of LB-003

Made by `python benchmarks/ion_pairs.py run` and `python benchmarks/ion_pairs.py table`: one Li⁺ and one anion in
{solvents}, ion charges x 0.80, {windows} umbrella windows of {sample} ps from contact outward and again inward, MBAR.
Errors are half of the difference of the two series: they know what the shells of the ions remember, as far as two
series can tell. K counts pairs closer than {contact:.1f} Å, its standard state is 1 mol/L.

W(r) is zero at {align:.1f} Å, not at infinity. In a continuum of dielectric constant 20 the charges x 0.8 have -4.7
kJ/mol left there, and K lacks a factor of about 7, the same for both anions: compare the anions, not K with a measured
constant. In a box of 2.3 nm the forces at such distances are those of the periodic images too; no larger box was run.

![Potential of mean force](ion_pairs.png)

"""


def write_table(out: Path) -> None:
    """Write the curves, the table and the figure of what has been run."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    last = _stage("inward", WINDOWS[0][0])
    done = [anion for anion in CENTERS if (out / anion / "gromacs" / f"{last}.gro").exists()]
    results = [_results(anion, out) for anion in done]
    curves, rows = pd.concat([curve for curve, _ in results]), pd.DataFrame([row for _, row in results])
    DOCS.mkdir(parents=True, exist_ok=True)
    curves.replace([np.inf, -np.inf], np.nan).dropna().to_csv(DOCS / "ion_pairs.csv", index=False, float_format="%.4g")
    figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
    for anion, curve in curves.groupby("anion", sort=False):
        axis.errorbar(
            curve.r_angstrom, curve.w_kj_mol, curve.error_kj_mol, label=f"Li⁺-{CENTERS[anion][0]} of {anion}⁻"
        )
    axis.axhline(0, color="0.6", linewidth=1)
    axis.set_xlabel("r, Å")
    axis.set_ylabel("W(r), kJ/mol")
    axis.set_ylim(None, 25)
    axis.legend()
    figure.savefig(DOCS / "ion_pairs.png", dpi=150)
    lines = [
        "| anion | deepest at, Å | W there, kJ/mol | K, L/mol | outward, inward | -RT ln K, kJ/mol |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows.itertuples():
        series = f"{row.outward_l_mol:.2g}, {row.inward_l_mol:.2g}"
        free_energy = f"{row.association_free_energy_kj_mol:.1f} ± {row.error_kj_mol:.1f}"
        depth = f"{row.minimum_angstrom:.2f} | {row.w_minimum_kj_mol:.1f}"
        lines.append(f"| {row.anion} | {depth} | {row.association_l_mol:.2g} | {series} | {free_energy} |")
    words = {
        "solvents": ", ".join(f"{count} {name}" for name, count in SOLVENTS.items()),
        "sample": SAMPLE_PS,
        "windows": len(WINDOWS),
        "contact": 10 * CONTACT_NM,
        "align": 5 * sum(ALIGN_NM),
    }
    (DOCS / "ion_pairs.md").write_text(_PAGE.format(**words) + "\n".join([*lines, ""]))
    print("\n".join(lines))


def main() -> None:
    """Run ion pairs, or tabulate them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "table"])
    parser.add_argument("anion", nargs="*", default=["NO3", "PF6"], help=f"of {', '.join(CENTERS)} (default: NO3 PF6)")
    parser.add_argument("--out", type=Path, required=True, help="folder of boxes and runs; kept and resumed")
    parser.add_argument("--threads", type=int, default=1, help="of GROMACS (default: %(default)s)")
    arguments = parser.parse_args()
    if unknown := set(arguments.anion) - set(CENTERS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if arguments.what == "table":
        return write_table(arguments.out)
    for anion in arguments.anion:
        run(anion, arguments.out, arguments.threads)


if __name__ == "__main__":
    main()
