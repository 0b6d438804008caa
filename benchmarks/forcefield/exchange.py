"""What Li⁺ prefers in its shell: exchange of one EC of Li(EC)4+ for an anion or DMC, by force field, GFN2-xTB and DFT.

    python benchmarks/forcefield/exchange.py --cache runs/quantum --out docs/forcefield

writes exchange.csv and exchange.md. About an hour on one core; finished calculations are kept in the cache, so the same
command goes on where it was stopped.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from complexes import Complex, contacts, energy_function, rough_shape
from markdown import markdown
from rigid import arrangements
from vacuum import PRODUCTION_SCALE

from solvshell.quantum import CLUSTER_LEVEL, COARSE_BASIS, GEOMETRY_LEVEL, Array, cached, dft_energy, gfn2, optimize_dft

DRAWN_OUT = 0.1  # Å
DIELECTRIC_CONSTANT = 20.0
METHODS = ("force field", "GFN2", "DFT")


@dataclass(frozen=True)
class Cluster:
    """Molecules at positions (n_atoms, 3) in Å."""

    group: Complex
    positions: Array

    def energy(self, method: str, cache: Path) -> float:
        """Return the energy in kJ/mol in the gas phase at full charges."""
        elements, charge = self.group.elements, self.group.charge
        if method == "force field":
            return energy_function(self.group.system())(self.positions)[0]
        if method == "GFN2":
            return gfn2(elements, self.positions, charge)[0]
        return dft_energy(elements, self.positions, charge, cache, level=CLUSTER_LEVEL, coarse=self.group.outer())

    def continuum(self) -> float:
        """Return what the continuum adds to the energy, in kJ/mol, by GFN2-xTB."""
        elements, charge = self.group.elements, self.group.charge
        solvated = gfn2(elements, self.positions, charge, continuum=DIELECTRIC_CONSTANT)[0]
        return solvated - gfn2(elements, self.positions, charge)[0]


def shape(name: str, cache: Path) -> Array:
    """Return the DFT shape of a molecule alone."""
    molecule = Complex((name,))
    return optimize_dft(molecule.elements, rough_shape(name), molecule.charge, cache, GEOMETRY_LEVEL)


def _clusters(partner: str, cache: Path) -> list[Cluster]:
    group = Complex(("Li", "EC", "EC", "EC", partner))
    shapes = [shape(name, cache) for name in group.species[1:]]

    def seek() -> dict:
        found = arrangements(group, shapes, PRODUCTION_SCALE)
        return {"found": [positions.tolist() for positions in found.values()]}

    inputs = {"species": group.species, "shapes": [np.round(s, 4).tolist() for s in shapes], "scale": PRODUCTION_SCALE}
    found = cached(cache, "arrangements", inputs, seek)["found"]
    return [Cluster(group, np.array(positions)) for positions in found]


def _drawn_out(cluster: Cluster, by: float) -> Cluster:
    """Return the cluster with its last molecule farther from Li⁺ by some Å."""
    positions, atoms = cluster.positions.copy(), list(cluster.group.fragments[-1])
    away = positions[atoms].mean(axis=0) - positions[0]
    positions[atoms] += by * away / np.linalg.norm(away)
    return Cluster(cluster.group, positions)


def _by_methods(cluster: Cluster, reference: Cluster, cache: Path) -> dict[str, object]:
    """Return the energy in kJ/mol of Li(EC)4+ + X -> Li(EC)3X + EC by every method, all molecules rigid."""
    partner = cluster.group.species[-1]
    after = (cluster, Cluster(Complex(("EC",)), shape("EC", cache)))
    before = (reference, Cluster(Complex((partner,)), shape(partner, cache)))
    near = contacts(cluster.group, cluster.positions, to=[4])
    row: dict[str, object] = {"partner": partner, "contacts_angstrom": " ".join(f"{r:.2f}" for r in near)}
    row["continuum_kj_mol"] = sum(c.continuum() for c in after) - sum(c.continuum() for c in before)
    for method in METHODS:
        energy = sum(c.energy(method, cache) for c in after) - sum(c.energy(method, cache) for c in before)
        row[f"{method}_kj_mol"] = energy
        print(partner, row["contacts_angstrom"], method, round(energy, 1), flush=True)
    return row


def _preferences(table: pd.DataFrame) -> pd.DataFrame:
    """Return what Li⁺ prefers: each arrangement against EC, and those of NO3⁻ against PF6⁻."""
    energies = [f"{method}_kj_mol" for method in METHODS]
    nothing = pd.Series(0.0, index=energies)
    pairs = [(row, None) for _, row in table.iterrows()]
    anions = table[table.partner == "PF6"].drop_duplicates("partner")
    pairs += [(n, a) for _, a in anions.iterrows() for _, n in table[table.partner == "NO3"].iterrows()]
    rows = []
    for first, second in pairs:
        force_field, xtb, dft = first[energies] - (nothing if second is None else second[energies])
        rows.append(
            {
                "Li⁺ takes": f"{first.partner} ({first.contacts_angstrom} Å)",
                "rather than": "EC" if second is None else second.partner,
                **dict(zip(METHODS, (force_field, xtb, dft), strict=True)),
                "force field minus DFT": force_field - dft,
                "GFN2 minus DFT": xtb - dft,
            }
        )
    return pd.DataFrame(rows)


def _page(table: pd.DataFrame, reference: Cluster) -> str:
    columns = ["partner", "contacts_angstrom", *(f"{method}_kj_mol" for method in METHODS)]
    wet = table[columns].set_axis(["X", "contacts with X, Å", *METHODS], axis=1)
    for method in METHODS:
        wet[method] += table.continuum_kj_mol
    shell = " ".join(f"{r:.2f}" for r in contacts(reference.group, reference.positions))
    return f"""# Exchange of one EC in the shell of Li⁺

Made by `python benchmarks/forcefield/exchange.py --cache runs/quantum --out docs/forcefield`. Energies in kJ/mol of

Li(EC)₄⁺ + X → Li(EC)₃X + EC

* Every method has the same geometries: rigid molecules in the shape of their own {GEOMETRY_LEVEL} minimum,
  arranged around Li⁺ by the force field with charges × {PRODUCTION_SCALE:g}, where Li-O is that of the liquid
  (Li(EC)₄⁺: {shell} Å). GFN2-xTB's minima would not do: its Li-O is too short (binding.md).
* All charges are full. Gas phase first; then what a continuum of dielectric constant {DIELECTRIC_CONSTANT:g} adds, the
  same for all methods (ddCPCM by GFN2-xTB), so that it changes no difference between them.
* DFT: {CLUSTER_LEVEL}; {COARSE_BASIS} on the atoms that neither coordinate nor sit between two that do. No
  counterpoise.
* NO₃⁻ is asked in its two arrangements, and again {DRAWN_OUT:g} Å farther out: what a change of geometry does.

In the gas phase; a negative error: the force field prefers the first too much.

{markdown(_preferences(table), digits=0)}

In the continuum, where the errors are the same:

{markdown(wet, digits=0)}
"""


def _asked(cache: Path) -> Iterator[Cluster]:
    yield from (nitrate := _clusters("NO3", cache))
    yield from _clusters("PF6", cache)
    yield from _clusters("DMC", cache)
    yield from (_drawn_out(cluster, DRAWN_OUT) for cluster in nitrate)


def main() -> None:
    """Write the table and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path("runs/quantum"), help="folder of finished calculations")
    parser.add_argument("--out", type=Path, default=Path("docs/forcefield"))
    args = parser.parse_args()

    args.out.mkdir(parents=True, exist_ok=True)
    reference = _clusters("EC", args.cache)[0]
    print("Li(EC)4+", contacts(reference.group, reference.positions), flush=True)
    rows = []
    for cluster in _asked(args.cache):
        rows.append(_by_methods(cluster, reference, args.cache))
        table = pd.DataFrame(rows)
        table.round(2).to_csv(args.out / "exchange.csv", index=False)
        (args.out / "exchange.md").write_text(_page(table, reference), encoding="utf-8")


if __name__ == "__main__":
    main()
