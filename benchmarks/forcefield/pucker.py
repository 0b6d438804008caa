"""How the rings of EC, PC and FEC bend: the force field against B3LYP/6-31G*, and what torsion F-C-O-C FEC would need.

    python benchmarks/forcefield/pucker.py --cache runs/pucker --out docs/forcefield

GFN2-xTB relaxes all but the torsion O-C-C-O, B3LYP gives single points there, and the force field relaxes with the same
torsion held. In FEC one sign brings F beside the plane of the ring (axial), the other into it. V1 of F-C-O-C is the
least-squares fit of B3LYP less force field without it. Writes pucker.csv, pucker.png and the table of newcomers.md.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from MDAnalysis.lib.distances import calc_dihedrals
from pages import fill
from vacuum import Vacuum, molecule

from solvshell.quantum import Array, Level, cached, dft_energy, optimize_gfn2

LEVEL = Level(functional="b3lyp", dispersion=None, basis="6-31g*")
RING, ANOMERIC = ("O1", "C2", "C1", "O3"), ("F1", "C2", "O1", "C3")
#: classes of F-C-O-C in the files
CLASSES = {"sv-FC", "sv-CT", "sv-OSC", "sv-C_2"}
#: degrees of O-C-C-O; EC is its own mirror image
ANGLES = {"EC": range(0, 25, 8), "PC": range(-32, 25, 8), "FEC": range(-32, 25, 8)}


def _atoms(vacuum: Vacuum, names: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(vacuum.template.atom_names.index(name) for name in names)


def _degrees(positions: Array, atoms: tuple[int, ...]) -> float:
    return float(np.degrees(calc_dihedrals(*(positions[atom] for atom in atoms))))


def _reference(vacuum: Vacuum, angle: int, cache: Path) -> tuple[Array, float]:
    """Return the geometry of GFN2-xTB with the ring held, and the energy of B3LYP there."""
    ring = _atoms(vacuum, RING)

    def compute() -> dict:
        _, start = vacuum.relaxed(vacuum.starts[0], 1.0, {ring: float(angle)})
        return {"positions": optimize_gfn2(vacuum.elements, start, 0, [ring]).tolist()}

    positions = np.array(cached(cache, f"pucker-{vacuum.name}", {"angle": angle}, compute)["positions"])
    return positions, dft_energy(vacuum.elements, positions, 0, cache, level=LEVEL)


def profile(name: str, cache: Path) -> pd.DataFrame:
    """Return the energies in kJ/mol, each from its lowest, by the torsion of the ring; for FEC with F-C-O-C."""
    vacuum = molecule(name)
    rows = []
    for angle in ANGLES[name]:
        positions, energy = _reference(vacuum, angle, cache)
        of_force_field, relaxed = vacuum.relaxed(positions, 1.0, {_atoms(vacuum, RING): float(angle)})
        row = {"species": name, "ring_degrees": angle, "b3lyp": energy, "force_field": of_force_field}
        rows.append(row | ({"f_c_o_c_degrees": _degrees(relaxed, _atoms(vacuum, ANOMERIC))} if name == "FEC" else {}))
        print(row, flush=True)
    found = pd.DataFrame(rows)
    for method in ("b3lyp", "force_field"):
        found[method] -= found[method].min()
    return found


def anomeric_v1(vacuum: Vacuum) -> float:
    """Return V1 of F-C-O-C in kJ/mol in the force field as it is."""
    lines = (line for root in vacuum.files.roots for line in root.iterfind("PeriodicTorsionForce/Proper"))
    (line,) = (line for line in lines if {line.get(f"class{n}") for n in range(1, 5)} == CLASSES)
    terms = {line.get(f"periodicity{n}"): float(line.get(f"k{n}", "0")) for n in range(1, 4)}
    return 2 * terms.get("1", 0.0)


def fitted(fec: pd.DataFrame, now: float) -> tuple[float, pd.Series]:
    """Return V1 of F-C-O-C in kJ/mol by the fit, and the energies without any V1."""
    shape = (1 + np.cos(np.radians(fec.f_c_o_c_degrees))) / 2
    without = fec.force_field - now * shape
    v1 = np.polyfit(shape, fec.b3lyp - without, 1)[0]
    return float(v1), without - without.min()


def _rms(energies: pd.Series, reference: pd.Series) -> float:
    difference = energies - reference
    return float((difference - difference.mean()).std(ddof=0))


def _figure(profiles: pd.DataFrame, path: Path) -> None:
    figure, axes = plt.subplots(1, 3, figsize=(9, 3), sharey=True, layout="constrained")
    for axis, (name, rows) in zip(axes, profiles.groupby("species", sort=False), strict=True):
        axis.plot(rows.ring_degrees, rows.b3lyp, "ko", label="B3LYP//GFN2-xTB")
        axis.plot(rows.ring_degrees, rows.force_field, "-", label="force field")
        axis.set_title(str(name))
        axis.set_xlabel("O-C-C-O, degrees")
    axes[0].set_ylabel("energy, kJ/mol")
    axes[2].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Scan, fit and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path("runs/pucker"), help="folder of finished calculations")
    parser.add_argument("--out", type=Path, default=Path("docs/forcefield"), help="folder of the page and its tables")
    args = parser.parse_args()
    profiles = {name: profile(name, args.cache) for name in ANGLES}
    fec, now = profiles["FEC"], anomeric_v1(molecule("FEC"))
    v1, fec["without_v1"] = fitted(fec, now)
    together = pd.concat(profiles.values(), ignore_index=True)
    rms = _rms(fec.force_field, fec.b3lyp)
    text = f"By the fit V1 would be {v1:.1f} kJ/mol; the files have {now:g}, and FEC is off by {rms:.1f} kJ/mol (rms)."
    print(text, together, sep="\n")
    together.to_csv(args.out / "pucker.csv", index=False, float_format="%.3f")
    _figure(together, args.out / "pucker.png")
    fill(args.out / "newcomers.md", pucker=text)


if __name__ == "__main__":
    main()
