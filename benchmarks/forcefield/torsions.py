"""Energy profiles of torsions: the force field against GFN2-xTB and a density functional.

    python benchmarks/forcefield/torsions.py --work runs/forcefield --out docs/forcefield
    python benchmarks/forcefield/torsions.py --work runs/forcefield --out docs/forcefield --only DMC DME

GFN2-xTB relaxes all but the torsion, every 15°; the force field relaxes what GFN2-xTB has left, with the torsion held;
a density functional gives single points on the geometries of GFN2-xTB, every 30° and at the minima of either. What is
in `--work` is not computed again. Writes torsions.csv, torsions-profiles.csv, torsions.png and the tables of
torsions.md; with `--only` it computes and prints, and writes nothing.
"""

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from geometry import measured
from pages import fill, table
from vacuum import Vacuum, molecule

from solvshell.quantum import MOLECULE_LEVEL, Array, Level, cached, dft_energy, gfn2, optimize_gfn2

ANGLES = np.arange(0, 181, 15)
DFT_STEP = 30
#: where a larger basis takes minutes for each point
SMALL_BASIS = Level(basis="def2-svp")
LEVELS = dict.fromkeys(("EMC", "DME", "ATMA", "BTMAE", "TFSI"), SMALL_BASIS)
#: columns of a profile, their names and their lines
METHODS = {
    "dft": ("DFT", {"color": "black", "marker": "o", "linestyle": "none"}),
    "gfn2": ("GFN2-xTB", {"color": "tab:gray", "linestyle": "--"}),
    "force_field": ("force field", {"color": "tab:blue", "linestyle": "-"}),
    "force_field_full": ("force field, ions × 1", {"color": "tab:orange", "linestyle": ":"}),
}


@dataclass(frozen=True)
class Scan:
    """One torsion by the names of its atoms, from 0° to 180°: the mirror image has the other half.

    Those of `anti` are held at 180° along it, where they would go to another conformer halfway.
    """

    molecule: str
    title: str
    atoms: str
    anti: tuple[str, ...] = ()


SCANS = (
    Scan("DMC", "DMC O-C-O-C", "O3 C2 O1 C1"),
    Scan("EMC", "EMC O-C-O-C(ethyl)", "O3 C3 O1 C2", ("C3 O1 C2 C1",)),
    Scan("EMC", "EMC C-O-C-C", "C3 O1 C2 C1"),
    Scan("DME", "DME O-C-C-O", "O1 C2 C3 O2", ("C1 O1 C2 C3", "C4 O2 C3 C2")),
    Scan("ATMA", "ATMA N-C-C=C", "N1 C3 C2 C1"),
    Scan("BTMAE", "BTMAE N-C-C-N", "N1 C4 C5 N2"),
    Scan("TFSI", "TFSI C-S-N-S", "C1 S1 N1 S2"),
)


def _indices(vacuum: Vacuum, names: str) -> tuple[int, int, int, int]:
    i, j, k, m = (vacuum.template.atom_names.index(name) for name in names.split())
    return i, j, k, m


def _angle(atoms: tuple[int, ...], positions: Array) -> float:
    return float(measured("torsion", np.array([atoms]), positions)[0])


def walk(vacuum: Vacuum, scan: Scan) -> dict[int, Array]:
    """Return the geometries of the force field along a torsion, each from its neighbor on the side of the minimum."""
    atoms, scale = _indices(vacuum, scan.atoms), vacuum.scales[0]
    straight = {_indices(vacuum, names): 180.0 for names in scan.anti}
    start = vacuum.relaxed(vacuum.minimum(), scale, straight)[1]
    here = _angle(atoms, start)
    if here < 0:
        start, here = start * [-1.0, 1.0, 1.0], -here
    found: dict[int, Array] = {}
    nearest = int(np.abs(ANGLES - here).argmin())
    for side in (ANGLES[nearest:], ANGLES[nearest::-1]):
        positions = start
        for angle in side:
            positions = vacuum.relaxed(positions, scale, straight | {atoms: float(angle)})[1]
            found[int(angle)] = positions
    return dict(sorted(found.items()))


def _point(vacuum: Vacuum, scan: Scan, angle: int, start: Array, work: Path) -> dict:
    """Return the geometry of GFN2-xTB and the energies of both, in kJ/mol, at one angle."""
    held_atoms, charge = [_indices(vacuum, names) for names in (scan.atoms, *scan.anti)], vacuum.template.charge

    def compute() -> dict:
        positions = optimize_gfn2(vacuum.elements, start, charge, held_atoms)
        held = {atoms: _angle(atoms, positions) for atoms in held_atoms}
        production, full = vacuum.scales[0], vacuum.scales[-1]
        return {
            "positions": positions.tolist(),
            "gfn2": gfn2(vacuum.elements, positions, charge)[0],
            "force_field": vacuum.relaxed(positions, production, held)[0],
            "force_field_full": vacuum.relaxed(positions, full, held)[0],
        }

    inputs = asdict(scan) | {"angle": angle}
    return cached(work, f"torsion-{scan.molecule}", inputs, compute)


def minima_of(angles: np.ndarray, energies: np.ndarray) -> list[int]:
    """Return the places of the lowest points of a profile whose ends are mirrors."""
    mirrored = np.concatenate([energies[1:2], energies, energies[-2:-1]])
    return [i for i in range(len(angles)) if mirrored[i + 1] < min(mirrored[i], mirrored[i + 2])]


def profile(scan: Scan, work: Path) -> pd.DataFrame:
    """Return the energies in kJ/mol of all methods by angle; NaN where the density functional has no point."""
    vacuum = molecule(scan.molecule)
    points = [_point(vacuum, scan, angle, start, work) for angle, start in walk(vacuum, scan).items()]
    energies = pd.DataFrame(points)[["angle", "gfn2", "force_field", "force_field_full"]]
    level = LEVELS.get(scan.molecule, MOLECULE_LEVEL)
    wanted = set(ANGLES[ANGLES % DFT_STEP == 0])
    for method in ("gfn2", "force_field"):
        wanted |= {int(ANGLES[i]) for i in minima_of(ANGLES, energies[method].to_numpy())}
    by_angle = {}
    for point in points:
        if point["angle"] in wanted:
            positions = np.array(point["positions"])
            charge = vacuum.template.charge
            by_angle[point["angle"]] = dft_energy(vacuum.elements, positions, charge, work, level=level)
            print(f"{scan.title} {point['angle']}°", flush=True)
    energies["dft"] = energies.angle.map(by_angle)
    if len(vacuum.scales) == 1:
        energies["force_field_full"] = np.nan
    for method in METHODS:
        energies[method] -= energies[method].min()
    return energies.assign(torsion=scan.title, dft_level=str(level))[["torsion", "angle", *METHODS, "dft_level"]]


def deviation(energies: pd.DataFrame, method: str) -> tuple[float, float, int]:
    """Return the rms of a profile against the density functional, its largest deviation and where; kJ/mol and degrees.

    The profiles are shifted to equal means over the points that have both.
    """
    both = energies.dropna(subset=[method, "dft"])
    difference = both[method] - both.dft
    difference -= difference.mean()
    largest = difference.abs().idxmax()
    return float(np.sqrt((difference**2).mean())), float(difference[largest]), int(both.angle[largest])


def summarize(energies: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each method of a profile: rms, height of the profile, minima."""
    rows = []
    for method, (name, _) in METHODS.items():
        known = energies.dropna(subset=[method])
        if known.empty:
            continue
        values, angles = known[method].to_numpy(), known.angle.to_numpy()
        rms, largest, at = deviation(energies, method)
        rows.append(
            {
                "torsion": known.torsion.iloc[0],
                "method": known.dft_level.iloc[0] if method == "dft" else name,
                "rms_kj_mol": rms,
                "largest_kj_mol": largest,
                "largest_at_degrees": at,
                "highest_kj_mol": values.max(),
                "highest_at_degrees": int(angles[values.argmax()]),
                "minima": "; ".join(f"{angles[i]}°: {values[i]:.1f}" for i in minima_of(angles, values)),
            }
        )
    return pd.DataFrame(rows)


def _page_table(rows: pd.DataFrame) -> str:
    cells = [
        [
            row.torsion,
            row.method,
            f"{row.rms_kj_mol:.1f}",
            f"{row.largest_kj_mol:+.1f} at {row.largest_at_degrees}°",
            f"{row.highest_kj_mol:.1f} at {row.highest_at_degrees}°",
            row.minima,
        ]
        for row in rows.itertuples()
    ]
    return table(["torsion", "method", "rms", "largest deviation", "highest point", "minima"], cells)


def draw(profiles: list[pd.DataFrame], path: Path) -> None:
    """Draw one panel for each torsion."""
    figure, axes = plt.subplots(2, -(-len(profiles) // 2), figsize=(10, 4.8), sharex=True, layout="constrained")
    for axis, energies in zip(axes.flat, profiles, strict=False):
        for method, (name, line) in METHODS.items():
            known = energies.dropna(subset=[method])
            axis.plot(known.angle, known[method], label=name, **line)
        axis.set_title(energies.torsion.iloc[0], fontsize=10)
        axis.set_xticks(range(0, 181, 60))
    for spare in axes.flat[len(profiles) :]:
        spare.axis("off")
    handles = {label: line for axis in axes.flat for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    axes.flat[-1].legend(handles.values(), handles.keys(), loc="center", fontsize=9)
    figure.supxlabel("torsion, degrees")
    figure.supylabel("energy above the lowest point, kJ/mol")
    figure.savefig(path, dpi=150)


def main() -> None:
    """Compute what is not there yet, then write tables and figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of what was computed")
    parser.add_argument("--out", type=Path, required=True, help="folder of the page, the tables and the figure")
    parser.add_argument("--only", nargs="+", help="compute the torsions of these molecules and write nothing")
    arguments = parser.parse_args()
    scans = [scan for scan in SCANS if not arguments.only or scan.molecule in arguments.only]
    profiles = [profile(scan, arguments.work) for scan in scans]
    summary = pd.concat([summarize(energies) for energies in profiles], ignore_index=True)
    print(_page_table(summary))
    if not arguments.only:
        summary.to_csv(arguments.out / "torsions.csv", index=False, float_format="%.2f")
        pd.concat(profiles).to_csv(arguments.out / "torsions-profiles.csv", index=False, float_format="%.2f")
        draw(profiles, arguments.out / "torsions.png")
        fill(arguments.out / "torsions.md", torsions=_page_table(summary))


if __name__ == "__main__":
    main()
