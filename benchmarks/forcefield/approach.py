"""Li⁺ coming to a rigid NO3⁻ and PF6⁻ in the gas phase: DFT with counterpoise against the force field.

    python benchmarks/forcefield/approach.py --cache runs/quantum --out docs/forcefield

writes approach.csv, approach.png, nitrate_variants.csv and approach.md. About ten minutes on one core. The anion keeps
the DFT shape of the free ion, so the energies are of interaction alone.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import openmm
import pandas as pd
from complexes import Complex, counterpoise, interaction, rough_shape
from markdown import markdown
from scipy.interpolate import CubicSpline

from solvshell.quantum import PAIR_LEVEL, Array, optimize_dft


@dataclass(frozen=True)
class Path1D:
    """A straight way of Li⁺ to an anion: the atoms whose mean position it leaves from, seen from the central atom."""

    name: str
    anion: str
    towards: tuple[int, ...]
    distances: tuple[float, ...]


#: Distances in Å from Li⁺ to the central atom, N or P.
PATHS = (
    Path1D("NO3 bidentate (C2v)", "NO3", (1, 2), (2.0, 2.1, 2.2, 2.3, 2.5, 2.8, 3.3, 4.0)),
    Path1D("NO3 monodentate (C2v)", "NO3", (1,), (2.65, 2.75, 2.85, 2.95, 3.05, 3.15, 3.3, 3.6, 4.0, 4.6)),
    Path1D("PF6 tridentate (C3v)", "PF6", (1, 3, 5), (2.2, 2.35, 2.45, 2.55, 2.7, 3.0, 3.5, 4.2)),
)


@dataclass(frozen=True)
class Variant:
    """A change of nitrate: σ of O in nm, ε of O in kJ/mol, charge of O in e (N takes the rest); None leaves it."""

    sigma: float | None = None
    epsilon: float | None = None
    charge: float | None = None

    def apply(self, group: Complex, system: openmm.System) -> openmm.System:
        """Change the first nitrate of a group, in place, and return the System."""
        (force,) = (f for f in system.getForces() if isinstance(f, openmm.NonbondedForce))
        n, *oxygens = group.fragments[group.species.index("NO3")]
        for i in oxygens:
            charge, sigma, epsilon = force.getParticleParameters(i)
            force.setParticleParameters(
                i,
                charge if self.charge is None else self.charge,
                sigma if self.sigma is None else self.sigma,
                epsilon if self.epsilon is None else self.epsilon,
            )
        if self.charge is not None:
            force.setParticleParameters(n, -1 - 3 * self.charge, *force.getParticleParameters(n)[1:])
        return system


VARIANTS = (
    Variant(),
    *(Variant(sigma=s) for s in (0.276, 0.281, 0.291, 0.296, 0.301, 0.306)),
    *(Variant(epsilon=e) for e in (0.44, 0.66, 1.2)),
    *(Variant(charge=q) for q in (-0.50, -0.55, -0.65, -0.70)),
    *(Variant(sigma=s, charge=q) for s in (0.291, 0.296) for q in (-0.65, -0.70)),
)


def _places(path: Path1D, anion: Array) -> Iterator[tuple[float, Array]]:
    direction = anion[list(path.towards)].mean(axis=0) - anion[0]
    for r in path.distances:
        yield r, np.vstack([anion[0] + r * direction / np.linalg.norm(direction), anion])


def scan(cache: Path) -> tuple[pd.DataFrame, dict[str, list[Array]]]:
    """Return the table of interaction energies, and the geometries of each path."""
    rows, places = [], {}
    for path in PATHS:
        group, alone = Complex(("Li", path.anion)), Complex((path.anion,))
        anion = optimize_dft(alone.elements, rough_shape(path.anion), -1, cache)
        places[path.name] = []
        for r, positions in _places(path, anion):
            contact = float(np.linalg.norm(positions[1:] - positions[0], axis=1)[list(path.towards)].min())
            row = {"path": path.name, "r_center_angstrom": r, "r_contact_angstrom": contact}
            row["dft_kj_mol"] = counterpoise(group, positions, cache)
            row["force_field_kj_mol"] = interaction(group, positions)
            print(row, flush=True)
            rows.append(row)
            places[path.name].append(positions)
    table = pd.DataFrame(rows)
    table["difference_kj_mol"] = table.force_field_kj_mol - table.dft_kj_mol
    return table, places


def well(r: Array, energy: Array) -> tuple[float, float]:
    """Return position and depth of the minimum of a curve, on a cubic spline through its points.

    Raises
    ------
    ValueError
        If the lowest point is at an end of the curve.
    """
    r = np.asarray(r)
    fine = np.linspace(r[0], r[-1], 2001)
    values = CubicSpline(r, energy)(fine)
    if values.argmin() in (0, len(fine) - 1):
        raise ValueError(f"no minimum between {r[0]:.2f} and {r[-1]:.2f} Å: extend the scan")
    return float(fine[values.argmin()]), float(values.min())


def compare_variants(table: pd.DataFrame, places: dict[str, list[Array]]) -> pd.DataFrame:
    """Return how each variant's wells with Li⁺ differ from DFT's: Li-O distance in Å and depth in kJ/mol."""
    rows, group = [], Complex(("Li", "NO3"))
    for variant in VARIANTS:
        system = variant.apply(group, group.system())
        row = {"sigma_o_nm": variant.sigma, "epsilon_o_kj_mol": variant.epsilon, "charge_o": variant.charge}
        for name in (path.name for path in PATHS if path.anion == "NO3"):
            points = table[table.path == name]
            energies = np.array([interaction(group, x, system) for x in places[name]])
            (r, depth), (r_dft, depth_dft) = (well(points.r_contact_angstrom, e) for e in (energies, points.dft_kj_mol))
            kind = name.split()[1]
            row |= {f"{kind}_r_minus_dft_angstrom": r - r_dft, f"{kind}_depth_minus_dft_kj_mol": depth - depth_dft}
        rows.append(row)
    return pd.DataFrame(rows)


def _draw(table: pd.DataFrame, path: Path) -> None:
    figure, panels = plt.subplots(1, len(PATHS), figsize=(10, 3.4), sharey=True, layout="constrained")
    for panel, way in zip(panels, PATHS, strict=True):
        points = table[table.path == way.name]
        panel.plot(points.r_center_angstrom, points.dft_kj_mol, "ko-", ms=4, lw=1, label=f"{PAIR_LEVEL}, counterpoise")
        panel.plot(
            points.r_center_angstrom, points.force_field_kj_mol, "C1s--", ms=4, lw=1, label="force field, full charges"
        )
        panel.set(title=way.name, xlabel=f"Li-{'N' if way.anion == 'NO3' else 'P'} distance (Å)")
    panels[0].set_ylabel("interaction energy (kJ/mol)")
    panels[0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=150)


def _wells(table: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for name, points in table.groupby("path", sort=False):
        (r, depth), (r_ff, depth_ff) = (
            well(points.r_contact_angstrom, points[column]) for column in ("dft_kj_mol", "force_field_kj_mol")
        )
        rows.append(
            {
                "path": name,
                "contact DFT, Å": f"{r:.2f}",
                "force field, Å": f"{r_ff:.2f}",
                "depth DFT, kJ/mol": f"{depth:.0f}",
                "force field, kJ/mol": f"{depth_ff:.0f}",
                "difference, kJ/mol": f"{depth_ff - depth:+.0f}",
            }
        )
    return pd.DataFrame(rows)


def _page(table: pd.DataFrame, variants: pd.DataFrame) -> str:
    names = {
        "sigma_o_nm": "σ O, nm",
        "epsilon_o_kj_mol": "ε O, kJ/mol",
        "charge_o": "charge O, e",
        "bidentate_r_minus_dft_angstrom": "bidentate: Li-O, Å",
        "bidentate_depth_minus_dft_kj_mol": "depth, kJ/mol",
        "monodentate_r_minus_dft_angstrom": "monodentate: Li-O, Å",
        "monodentate_depth_minus_dft_kj_mol": "depth, kJ/mol ",
    }
    return f"""# Li⁺ coming to nitrate and hexafluorophosphate

Made by `python benchmarks/forcefield/approach.py --cache runs/quantum --out docs/forcefield`. Gas phase, full charges;
the anion is rigid in the DFT shape of the free ion, so the energy is of interaction alone. DFT is {PAIR_LEVEL},
counterpoise corrected. `contact` is Li-O or Li-F. The points are in [approach.csv](approach.csv).

![Interaction energy against distance](approach.png)

{markdown(_wells(table))}

## What a change of nitrate would do

The two wells of Li-NO₃, force field minus DFT (a negative depth: too strong). Evaluated, not adopted; a dash is the
shipped value; N takes the rest of the charge -1.

{markdown(variants.rename(columns=names), digits=3)}
"""


def main() -> None:
    """Write the scans, the figure, the variants and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path("runs/quantum"), help="folder of finished calculations")
    parser.add_argument("--out", type=Path, default=Path("docs/forcefield"))
    args = parser.parse_args()

    table, places = scan(args.cache)
    variants = compare_variants(table, places)
    args.out.mkdir(parents=True, exist_ok=True)
    table.round(3).to_csv(args.out / "approach.csv", index=False)
    variants.round(3).to_csv(args.out / "nitrate_variants.csv", index=False)
    _draw(table, args.out / "approach.png")
    (args.out / "approach.md").write_text(_page(table, variants.round(3)), encoding="utf-8")
    print(_wells(table).to_string(), variants.round(3).to_string(), sep="\n")


if __name__ == "__main__":
    main()
