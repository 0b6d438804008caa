"""Charges that reproduce the electrostatic potential of each solvent and anion, beside those of the force field.

    python benchmarks/forcefield/charges.py --cache runs/charges --out docs/forcefield
    python benchmarks/forcefield/charges.py --cache runs/charges --out docs/forcefield --only EC FEC

The protocol: conformers relaxed with GFN2-xTB; the potential of B3LYP/6-31G* (density fitting) on a CHELPG grid; one
least-squares fit to all conformers, and for the linear carbonates to all molecules, at once: total charges, equal
charges of like atoms and some fixed charges are its constraints. What is in `--cache` is not computed again.
Writes charges.csv, charges-fits.csv and the tables of charges.md; with `--only` it prints and writes nothing.
"""

import argparse
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from MDAnalysis.lib.distances import calc_dihedrals
from pages import fill, table
from pyscf import dft, gto
from pyscf.data.nist import AU2DEBYE, BOHR
from vacuum import Vacuum, molecule

from solvshell.quantum import Array, cached, optimize_gfn2

FUNCTIONAL, BASIS = "b3lyp", "6-31g*"
SPACING, SHELL = 0.4, 2.8
#: Å; Breneman and Wiberg's for H to F, Bondi's for what is heavier
RADII = {"H": 1.45, "B": 1.92, "C": 1.5, "N": 1.7, "O": 1.7, "F": 1.7, "P": 1.8, "S": 1.8, "Cl": 1.75}
#: degrees; a torsion that turned farther in the relaxation has gone to another conformer
OTHER_CONFORMER = 40.0
_BLOCK = 1000

Torsions = Mapping[tuple[str, str, str, str], float]


@dataclass(frozen=True)
class Fit:
    """Molecules that are fitted at once: of each the labels of its atoms in order; like labels have one charge.

    The charges of `fixed` labels, in e, are given.
    """

    labels: Mapping[str, str]
    fixed: Mapping[str, float] = field(default_factory=dict)

    def of(self, name: str) -> list[str]:
        """Return the label of each atom."""
        repeated = re.findall(r"(\w+)(?:\*(\d+))?", self.labels[name])
        return [label for label, times in repeated for _ in range(int(times or 1))]


FITS = (
    Fit(
        {
            "DMC": "CM OS C O OS CM H*6",
            "EMC": "CT CE OS C O OS CM HT*3 H*5",
            "DEC": "CT CE OS C O OS CE CT HT*3 H*4 HT*3",
        },
        fixed={"H": 0.03, "CT": -0.18, "HT": 0.06},
    ),
    Fit({"EC": "CE CE OS C O OS H*4"}),
    Fit({"PC": "CE CH OS C O OS CT H*2 HH HT*3"}),
    Fit({"FEC": "CE CF OF C O OS F H*2 HF"}),
    Fit({"DOL": "CT*2 OS CO OS H*4 HO*2"}),
    Fit({"DME": "CM OS CT CT OS CM HM*3 HT*4 HM*3"}),
    Fit({"PF6": "P F*6"}),
    Fit({"NO3": "N O*3"}),
    Fit({"TFSI": "N S*2 O*4 C*2 F*6"}),
    Fit({"FSI": "N S*2 O*4 F*2"}),
    Fit({"BF4": "B F*4"}),
    Fit({"ClO4": "Cl O*4"}),
)
#: FEC is EC with F for an H: of each of its labels that of EC
EC_OF_FEC = {"CE": "CE", "CF": "CE", "OF": "OS", "C": "C", "O": "O", "OS": "OS", "F": "H", "H": "H", "HF": "H"}
#: how each conformer starts; molecules that are not here have one
CONFORMERS: dict[str, dict[str, Torsions]] = {
    "DMC": {
        "cis-cis": {("O2", "C2", "O1", "C1"): 0, ("O2", "C2", "O3", "C3"): 0},
        "cis-trans": {("O2", "C2", "O1", "C1"): 0, ("O2", "C2", "O3", "C3"): 175},
    },
    "EMC": {"anti": {("C1", "C2", "O1", "C3"): 175}, "gauche": {("C1", "C2", "O1", "C3"): 85}},
    "DEC": {"anti": {("C1", "C2", "O1", "C3"): 175, ("C5", "C4", "O3", "C3"): 175}},
    "DME": {
        name: {("C1", "O1", "C2", "C3"): 175, ("O1", "C2", "C3", "O2"): middle, ("C2", "C3", "O2", "C4"): last}
        for name, middle, last in (("ttt", 175, 175), ("tgt", 70, 175), ("tgg'", 70, -85))
    },
    "TFSI": {
        "trans": {("C1", "S1", "N1", "S2"): 95, ("C2", "S2", "N1", "S1"): 95},
        "cis": {("C1", "S1", "N1", "S2"): 75, ("C2", "S2", "N1", "S1"): -150},
    },
    "FSI": {
        "trans": {("F1", "S1", "N1", "S2"): 60, ("F2", "S2", "N1", "S1"): 60},
        "cis": {("F1", "S1", "N1", "S2"): 75, ("F2", "S2", "N1", "S1"): -150},
    },
}


@dataclass(frozen=True)
class Potential:
    """The potential around one conformer: atoms and points in bohr, potential and dipole in atomic units."""

    name: str
    conformer: str
    atoms: Array
    points: Array
    potential: Array
    dipole: Array


def _indices(vacuum: Vacuum, torsion: Sequence[str]) -> tuple[int, ...]:
    return tuple(vacuum.template.atom_names.index(name) for name in torsion)


def _upright(positions: Array) -> Array:
    """Return the positions around their center along their principal axes: the grid has an orientation."""
    centered = positions - positions.mean(axis=0)
    axes = np.linalg.svd(centered, full_matrices=True)[2]
    return centered @ axes.T


def _relaxed(vacuum: Vacuum, torsions: Torsions) -> Array:
    """Return the GFN2-xTB minimum in Å next to these torsions."""
    held = {_indices(vacuum, torsion): float(angle) for torsion, angle in torsions.items()}
    _, start = vacuum.relaxed(vacuum.minimum() if not held else vacuum.starts[0], vacuum.scales[0], held)
    relaxed = optimize_gfn2(vacuum.elements, start, vacuum.template.charge)
    for atoms, angle in held.items():
        now = np.degrees(calc_dihedrals(*(relaxed[atom] for atom in atoms)))
        if abs((now - angle + 180) % 360 - 180) > OTHER_CONFORMER:
            raise ValueError(f"{vacuum.name}: a torsion went from {angle:.0f} to {now:.0f} degrees")
    return _upright(relaxed)


def conformers(vacuum: Vacuum, cache: Path) -> Iterator[tuple[str, Array]]:
    """Yield name and positions in Å of each conformer."""
    for name, torsions in CONFORMERS.get(vacuum.name, {"": {}}).items():
        inputs = {"conformer": name, "torsions": {"-".join(atoms): angle for atoms, angle in torsions.items()}}

        def compute(torsions: Torsions = torsions) -> dict:
            return {"positions_angstrom": _relaxed(vacuum, torsions).tolist()}

        yield name, np.array(cached(cache, f"conformer-{vacuum.name}", inputs, compute)["positions_angstrom"])


def chelpg_points(elements: Sequence[str], positions: Array) -> Array:
    """Return the points of a cubic grid that lie outside every atom and not farther than the shell from one, in Å."""
    low, high = positions.min(axis=0) - SHELL, positions.max(axis=0) + SHELL
    axes = [np.arange(first, last + SPACING, SPACING) for first, last in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    distances = np.linalg.norm(grid[:, None] - positions[None], axis=2)
    outside = (distances > [RADII[element] for element in elements]).all(axis=1)
    return grid[outside & (distances.min(axis=1) <= SHELL)]


def _density(elements: Sequence[str], positions: Array, charge: int) -> tuple[gto.Mole, dft.rks.RKS]:
    atoms = list(zip(elements, positions.tolist(), strict=True))
    mol = gto.M(atom=atoms, charge=charge, basis=BASIS, unit="Angstrom", verbose=0)
    mean_field = dft.RKS(mol, xc=FUNCTIONAL).density_fit()
    mean_field.kernel()
    if not mean_field.converged:
        raise ValueError(f"B3LYP does not converge for {elements}")
    return mol, mean_field


def _potential(mol: gto.Mole, density: Array, points: Array) -> Array:
    nuclei, charges = mol.atom_coords(), mol.atom_charges()
    found = (charges / np.linalg.norm(points[:, None] - nuclei[None], axis=2)).sum(axis=1)
    for block in range(0, len(points), _BLOCK):
        integrals = mol.intor("int1e_grids", grids=points[block : block + _BLOCK])
        found[block : block + _BLOCK] -= np.einsum("pij,ij->p", integrals, density)
    return found


def potential_around(vacuum: Vacuum, conformer: str, positions: Array, cache: Path) -> Potential:
    """Return the potential of one conformer (Å), from the cache if it has been made before."""
    points = chelpg_points(vacuum.elements, positions)
    key = repr((vacuum.elements, positions.round(3).tolist(), FUNCTIONAL, BASIS, SPACING, SHELL, sorted(RADII.items())))
    path = cache / f"{vacuum.name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"
    if not path.exists():
        print(f"  {vacuum.name} {conformer}: {len(points)} points", flush=True)
        mol, mean_field = _density(vacuum.elements, positions, vacuum.template.charge)
        values = _potential(mol, mean_field.make_rdm1(), points / BOHR)
        cache.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part.npz")
        dipole = mean_field.dip_moment(unit="AU", verbose=0)
        np.savez(partial, atoms=positions, points=points, potential=values, dipole=dipole)
        partial.rename(path)
    stored = np.load(path)
    return Potential(
        vacuum.name, conformer, stored["atoms"] / BOHR, stored["points"] / BOHR, stored["potential"], stored["dipole"]
    )


def _inverse_distances(around: Potential) -> Array:
    return 1 / np.linalg.norm(around.points[:, None] - around.atoms[None], axis=2)


def fitted(fit: Fit, potentials: Sequence[Potential], charges: Mapping[str, int]) -> dict[str, float]:
    """Return the charge in e of each label: least squares over all points, with the total charge of each molecule."""
    labels = sorted({label for name in fit.labels for label in fit.of(name)})
    members = {
        name: np.array([[one == label for label in labels] for one in fit.of(name)], float) for name in fit.labels
    }
    free = np.array([label not in fit.fixed for label in labels])
    given = np.array([fit.fixed.get(label, 0.0) for label in labels])
    matrix, target = np.zeros((len(labels), len(labels))), np.zeros(len(labels))
    for around in potentials:
        design = _inverse_distances(around) @ members[around.name]
        matrix += design.T @ design
        target += design.T @ (around.potential - design @ given)
    totals = np.array([members[name].sum(axis=0) for name in fit.labels])
    owed = np.array([charges[name] for name in fit.labels]) - totals @ given
    # Lagrange multipliers; totals may depend on each other, hence least squares.
    held = totals[:, free]
    whole = np.block([[matrix[np.ix_(free, free)], held.T], [held, np.zeros((len(held), len(held)))]])
    solution = np.linalg.lstsq(whole, np.concatenate([target[free], owed]), rcond=1e-12)[0]
    given[free] = solution[: free.sum()]
    return dict(zip(labels, given.tolist(), strict=True))


def quality(around: Potential, charges: Array) -> tuple[float, float]:
    """Return how well charges (e) do: relative root mean square error of the potential, and dipole in debye."""
    error = around.potential - _inverse_distances(around) @ charges
    dipole = np.linalg.norm(charges @ around.atoms) * AU2DEBYE
    return float(np.sqrt((error**2).sum() / (around.potential**2).sum())), float(dipole)


def compare(fit: Fit, cache: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the charges of each kind of atom, and how well both sets of charges do for each conformer."""
    vacua = {name: molecule(name) for name in fit.labels}
    potentials = [
        potential_around(vacuum, conformer, positions, cache)
        for vacuum in vacua.values()
        for conformer, positions in conformers(vacuum, cache)
    ]
    found = fitted(fit, potentials, {name: vacuum.template.charge for name, vacuum in vacua.items()})
    of_atoms = [
        {"species": name, "atom": atom, "label": label, "fit_e": found[label], "force_field_e": charge}
        for name, vacuum in vacua.items()
        for atom, label, charge in zip(vacuum.template.atom_names, fit.of(name), vacuum.template.charges, strict=True)
    ]
    of_conformers = []
    for around in potentials:
        vacuum = vacua[around.name]
        row = {"species": around.name, "conformer": around.conformer, "points": len(around.points)}
        row["dipole_qm_debye"] = float(np.linalg.norm(around.dipole) * AU2DEBYE)
        of_fit = np.array([found[label] for label in fit.of(around.name)])
        for kind, charges in (("fit", of_fit), ("force_field", np.array(vacuum.template.charges))):
            row[f"rrms_{kind}"], row[f"dipole_{kind}_debye"] = quality(around, charges)
        of_conformers.append(row)
    return pd.DataFrame(of_atoms), pd.DataFrame(of_conformers)


def fluorinated(atoms: pd.DataFrame) -> pd.DataFrame:
    """Return the charges of FEC by the rule: those of EC in the force field, plus the difference of the two fits."""
    of_ec = atoms[atoms["species"] == "EC"].drop_duplicates("label").set_index("label")
    of_fec = atoms[atoms["species"] == "FEC"].copy()
    like = of_ec.loc[of_fec["label"].map(EC_OF_FEC)]
    of_fec["rule_e"] = like["force_field_e"].to_numpy() + of_fec["fit_e"].to_numpy() - like["fit_e"].to_numpy()
    return of_fec


def _kinds(atoms: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each kind of atom, with the names of its atoms."""
    columns = ["species", "label", *atoms.columns[3:]]
    return atoms.groupby(columns, sort=False)["atom"].agg(", ".join).reset_index()


def _charges_table(kinds: pd.DataFrame, last: str, title: str) -> str:
    rows = [[k["species"], k["atom"], f"{k['fit_e']:.3f}", f"{k[last]:.3f}"] for _, k in kinds.iterrows()]
    return table(["species", "atoms", "fit", title], rows)


def _fits_table(fits: pd.DataFrame) -> str:
    header = ["species", "conformer", "rrms, fit", "rrms, force field", "dipole/D, B3LYP", "fit", "force field"]
    neutral = ~fits["species"].isin(["PF6", "NO3", "TFSI", "FSI", "BF4", "ClO4"])
    rows = []
    for is_neutral, (_, one) in zip(neutral, fits.iterrows(), strict=True):
        dipoles = [f"{one[f'dipole_{kind}debye']:.2f}" for kind in ("qm_", "fit_", "force_field_")]
        rrms = [f"{one[f'rrms_{kind}']:.3f}" for kind in ("fit", "force_field")]
        # the dipole of an ion depends on the origin
        rows.append([one["species"], one["conformer"], *rrms, *(dipoles if is_neutral else ["-"] * 3)])
    return table(header, rows)


def write(atoms: pd.DataFrame, fits: pd.DataFrame, out: Path) -> None:
    """Write the tables, and put them into the page."""
    atoms.round(5).to_csv(out / "charges.csv", index=False)
    fits.round(4).to_csv(out / "charges-fits.csv", index=False)
    fec = _charges_table(_kinds(fluorinated(atoms)), "rule_e", "rule")
    charges = _charges_table(_kinds(atoms), "force_field_e", "force field")
    fill(out / "charges.md", charges=charges, fits=_fits_table(fits), fec=fec)


def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path("runs/charges"), help="folder of finished potentials")
    parser.add_argument("--out", type=Path, default=Path("docs/forcefield"), help="folder of the page and its tables")
    parser.add_argument("--only", nargs="+", metavar="SPECIES", help="print these, write nothing")
    args = parser.parse_args()
    chosen = [fit for fit in FITS if not args.only or fit.labels.keys() & set(args.only)]
    found = [compare(fit, args.cache) for fit in chosen]
    atoms, fits = (pd.concat(frames, ignore_index=True) for frames in zip(*found, strict=True))
    print(_kinds(atoms).round(4).to_string(index=False), fits.round(3).to_string(index=False), sep="\n")
    if not args.only:
        write(atoms, fits, args.out)


if __name__ == "__main__":
    main()
