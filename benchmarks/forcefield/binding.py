"""Li⁺ with one molecule in the gas phase: binding energies and contacts by force field, GFN2-xTB and DFT.

    python benchmarks/forcefield/binding.py --cache runs/quantum --out docs/forcefield

writes binding.csv and binding.md. About an hour on one core; finished calculations are kept in the cache, so the same
command goes on where it was stopped.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from complexes import Complex, contacts, counterpoise, interaction
from markdown import markdown
from pairs import conformers, pair_minima, relaxed
from vacuum import PRODUCTION_SCALE

from solvshell.quantum import GEOMETRY_LEVEL, PAIR_LEVEL, Array, dft_energy, gfn2, optimize_dft, optimize_gfn2

SPECIES = ("NO3", "EC", "PF6", "DMC", "EMC", "DEC", "DOL", "DME", "TFSI")
_N_STARTS = 3  # of the force field's minima, for GFN2-xTB


def _by_forcefield(name: str, scale: float) -> dict[str, object]:
    group = Complex(("Li", name))
    energy, positions = pair_minima(name, scale)[0]
    alone = relaxed(Complex((name,)).system(scale), conformers(name))[0][0]
    key = f"force_field_{scale:g}"
    return {f"{key}_kj_mol": energy - alone, f"{key}_contacts": contacts(group, positions)}


def _gfn2_minimum(name: str) -> Array:
    group = Complex(("Li", name))
    starts = [positions for _, positions in pair_minima(name)[:_N_STARTS]]
    minima = [optimize_gfn2(group.elements, start, group.charge) for start in starts]
    return min(minima, key=lambda minimum: gfn2(group.elements, minimum, group.charge)[0])


def _free_conformer(name: str) -> Array:
    return relaxed(Complex((name,)).system(), conformers(name))[0][1]


def _by_gfn2(name: str) -> dict[str, object]:
    group, molecule = Complex(("Li", name)), Complex((name,))
    bound = _gfn2_minimum(name)
    alone = min(
        gfn2(molecule.elements, optimize_gfn2(molecule.elements, start, molecule.charge), molecule.charge)[0]
        for start in (_free_conformer(name), bound[1:])
    )
    lithium = gfn2(("Li",), np.zeros((1, 3)), 1)[0]
    energy = gfn2(group.elements, bound, group.charge)[0] - alone - lithium
    return {"gfn2_kj_mol": energy, "gfn2_contacts": contacts(group, bound)}


def dft_minima(name: str, cache: Path) -> tuple[Array, Array]:
    """Return positions of the DFT minima of Li⁺ with a molecule, Li⁺ first, and of the molecule alone.

    Downhill from GFN2-xTB's minimum of the pair and from the force field's lowest conformer of the molecule.
    """
    group, molecule = Complex(("Li", name)), Complex((name,))
    bound = optimize_dft(group.elements, _gfn2_minimum(name), group.charge, cache, GEOMETRY_LEVEL)
    free = optimize_dft(molecule.elements, _free_conformer(name), molecule.charge, cache, GEOMETRY_LEVEL)
    return bound, free


def _by_dft(name: str, cache: Path) -> dict[str, object]:
    group, molecule = Complex(("Li", name)), Complex((name,))
    bound, free = dft_minima(name, cache)
    attraction = counterpoise(group, bound, cache)
    deformation = dft_energy(molecule.elements, bound[1:], molecule.charge, cache) - dft_energy(
        molecule.elements, free, molecule.charge, cache
    )
    return {
        "dft_kj_mol": attraction + deformation,
        "dft_interaction_kj_mol": attraction,
        "dft_deformation_kj_mol": deformation,
        "dft_contacts": contacts(group, bound),
        "force_field_interaction_at_dft_kj_mol": interaction(group, bound),
    }


def bind(name: str, cache: Path) -> dict[str, object]:
    """Return binding energies (kJ/mol, negative is bound) and contacts (Å) of Li⁺ with one species by every method."""
    return {
        "species": name,
        **_by_dft(name, cache),
        **_by_gfn2(name),
        **_by_forcefield(name, 1.0),
        **_by_forcefield(name, PRODUCTION_SCALE),
    }


def _text(row: dict[str, object]) -> dict[str, object]:
    return {
        key: " ".join(f"{r:.2f}" for r in value) if isinstance(value, list) else value for key, value in row.items()
    }


def _page(table: pd.DataFrame) -> str:
    energies = pd.DataFrame(
        {
            "Li⁺ with": table.species,
            "DFT": table.dft_kj_mol,
            "GFN2": table.gfn2_kj_mol,
            "force field": table.force_field_1_kj_mol,
            "minus DFT": table.force_field_1_kj_mol - table.dft_kj_mol,
            "charges × 0.8": table["force_field_0.8_kj_mol"],
            "interaction, DFT": table.dft_interaction_kj_mol,
            "force field, same geometry": table.force_field_interaction_at_dft_kj_mol,
            "minus DFT ": table.force_field_interaction_at_dft_kj_mol - table.dft_interaction_kj_mol,
        }
    )
    distances = pd.DataFrame(
        {
            "Li⁺ with": table.species,
            "DFT": table.dft_contacts,
            "GFN2": table.gfn2_contacts,
            "force field": table.force_field_1_contacts,
            "charges × 0.8": table["force_field_0.8_contacts"],
        }
    )
    return f"""# Li⁺ with one molecule, in the gas phase

Made by `python benchmarks/forcefield/binding.py --cache runs/quantum --out docs/forcefield`. Energies in kJ/mol,
negative is bound; no zero-point energy.

* Binding energies (the first five columns of numbers) are those of relaxed parts: each method at its own lowest
  minimum of the pair, less Li⁺ and the molecule at that method's own minimum. The force field's is the lowest from
  many starts; GFN2 goes downhill from its three lowest, DFT from GFN2's.
* The last three columns are interaction energies of fixed parts: the pair less its parts, all as they are in the pair
  at the DFT minimum. Force field and DFT have the same geometry, so the difference owes nothing to bond lengths.
* DFT: {PAIR_LEVEL} with density fitting at minima of {GEOMETRY_LEVEL}, counterpoise corrected; the deformation of the
  molecule is taken in its own basis. Full charges unless `× 0.8`, where ions are scaled (a neutral partner is not).

{markdown(energies, digits=0)}

Contacts below 2.6 Å, Li-O or Li-F in Å:

{markdown(distances)}
"""


def main() -> None:
    """Write the table and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path("runs/quantum"), help="folder of finished calculations")
    parser.add_argument("--out", type=Path, default=Path("docs/forcefield"))
    args = parser.parse_args()

    args.out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    for name in SPECIES:
        rows.append(_text(bind(name, args.cache)))
        print(rows[-1], flush=True)
        table = pd.DataFrame(rows)
        table.round(3).to_csv(args.out / "binding.csv", index=False)
        (args.out / "binding.md").write_text(_page(table), encoding="utf-8")


if __name__ == "__main__":
    main()
