"""Bond lengths, angles and shapes of every molecule of the force field in vacuum, against GFN2-xTB and a few by DFT.

    python benchmarks/forcefield/geometry.py --work runs/forcefield --out docs/forcefield
    python benchmarks/forcefield/geometry.py --work runs/forcefield --out docs/forcefield --only EC DMC

Each minimum is the one next to the force field's. What was relaxed lies in `--work` and is not done again. Writes
geometry.csv, geometry-classes.csv and the tables of geometry.md; with `--only` it prints and writes nothing.
"""

import argparse
from collections.abc import Iterable, Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from MDAnalysis.analysis.rms import rmsd
from MDAnalysis.lib.distances import calc_angles, calc_bonds, calc_dihedrals
from pages import fill, table
from vacuum import Vacuum, molecule, names

from solvshell.quantum import MOLECULE_LEVEL, Array, Level, optimize_dft, optimize_gfn2

#: degrees; a torsion that turns farther has gone to another minimum
OTHER_CONFORMER = 40.0
#: small molecules, minutes each; the basis of the two that are not rigid is what so many heavy atoms allow
BY_DFT = dict.fromkeys(("NO3", "PF6", "BF4", "ClO4", "EC"), MOLECULE_LEVEL)
BY_DFT |= dict.fromkeys(("FSI", "TFSI"), Level(basis="def2-svp"))
_N_WORST = 14
_DIGITS = {"bond": 3, "angle": 1}
#: Å, degrees: deviations that no table needs to show
_SMALL = {"bond": 0.002, "angle": 0.2}


def internal_coordinates(vacuum: Vacuum) -> dict[str, np.ndarray]:
    """Return the atoms of all bonds and angles, and of all torsions of four heavy atoms: (n, 2), (n, 3), (n, 4)."""
    bonds = list(vacuum.template.bonds)
    neighbors: dict[int, list[int]] = {}
    for i, j in bonds:
        neighbors.setdefault(i, []).append(j)
        neighbors.setdefault(j, []).append(i)
    angles = [(i, j, k) for j, around in neighbors.items() for i, k in combinations(around, 2)]
    torsions = [
        (i, j, k, m)
        for j, k in bonds
        for i in neighbors[j]
        for m in neighbors[k]
        if len({i, j, k, m}) == 4 and all(vacuum.elements[atom] != "H" for atom in (i, j, k, m))
    ]
    found = {"bond": (bonds, 2), "angle": (angles, 3), "torsion": (torsions, 4)}
    return {kind: np.array(atoms, dtype=int).reshape(-1, n) for kind, (atoms, n) in found.items()}


def measured(kind: str, atoms: np.ndarray, positions: Array) -> np.ndarray:
    """Return the values of bonds in Å, of angles and torsions in degrees."""
    calculate = {"bond": calc_bonds, "angle": calc_angles, "torsion": calc_dihedrals}[kind]
    values = calculate(*(positions[column] for column in atoms.T))
    return values if kind == "bond" else np.degrees(values)


def turned(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return second less first, of angles in degrees, from -180 to 180."""
    return (second - first + 180) % 360 - 180


def _label(vacuum: Vacuum, atoms: Iterable[int]) -> str:
    return "-".join(vacuum.template.atom_names[atom] for atom in atoms)


def _class(vacuum: Vacuum, atoms: Iterable[int]) -> str:
    classes = tuple(vacuum.classes[atom] for atom in atoms)
    return "-".join(min(classes, classes[::-1]))


def terms(vacuum: Vacuum, geometries: dict[str, Array]) -> pd.DataFrame:
    """Return one row for each bond and angle: atoms, class, and its value in each geometry."""
    of_kind = []
    coordinates = internal_coordinates(vacuum)
    for kind in ("bond", "angle"):
        atoms = coordinates[kind]
        values = {name: measured(kind, atoms, positions) for name, positions in geometries.items()}
        labels = {"atoms": [_label(vacuum, one) for one in atoms], "class": [_class(vacuum, one) for one in atoms]}
        of_kind.append(pd.DataFrame({"kind": kind, **labels, **values}))
    return pd.concat(of_kind, ignore_index=True)


def compare(vacuum: Vacuum, positions: Array, reference: Array) -> dict[str, object]:
    """Return what the table says of one molecule: mean and largest deviations, RMSD, the torsion that turned most."""
    heavy = np.array([element != "H" for element in vacuum.elements])
    row: dict[str, object] = {"heavy_rmsd_angstrom": rmsd(positions[heavy], reference[heavy], superposition=True)}
    values = terms(vacuum, {"here": positions, "there": reference})
    for kind, of_kind in values.assign(deviation=values.here - values.there).groupby("kind", sort=False):
        worst = of_kind.loc[of_kind.deviation.abs().idxmax()]
        row[f"{kind}_mean_abs"] = of_kind.deviation.abs().mean()
        row[f"{kind}_worst"], row[f"{kind}_worst_atoms"] = worst.deviation, worst.atoms
    torsions = internal_coordinates(vacuum)["torsion"]
    turns = turned(*(measured("torsion", torsions, where) for where in (reference, positions)))
    most = int(np.abs(turns).argmax()) if len(turns) else None
    row["torsion_worst"] = np.nan if most is None else turns[most]
    row["torsion_worst_atoms"] = "" if most is None else _label(vacuum, torsions[most])
    return row


def _save(path: Path, found: dict[str, Array]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path.with_suffix(".part.npz"), **found)
    path.with_suffix(".part.npz").rename(path)


def minima(vacuum: Vacuum, work: Path) -> dict[str, Array]:
    """Return the minima of one molecule: `scale 0.8`, `scale 1` (of charges), `gfn2` and, for a few, `dft`.

    All start from the lowest one of the force field at the scale of production. What is on disk is not done again.
    """
    path = work / f"geometry-{vacuum.name}.npz"
    if not path.exists():
        lowest = vacuum.minimum()
        relaxed = {f"scale {scale:g}": vacuum.relaxed(lowest, scale)[1] for scale in vacuum.scales}
        _save(path, relaxed | {"gfn2": optimize_gfn2(vacuum.elements, lowest, vacuum.template.charge)})
    with np.load(path) as stored:
        found = dict(stored)
    if vacuum.name in BY_DFT and "dft" not in found:
        start, level = found[f"scale {vacuum.scales[0]:g}"], BY_DFT[vacuum.name]
        found["dft"] = optimize_dft(vacuum.elements, start, vacuum.template.charge, work, level)
        _save(path, found)
    return found


def _comparisons(vacuum: Vacuum, found: dict[str, Array]) -> Iterator[dict[str, object]]:
    references = {"gfn2": "GFN2-xTB"} | ({"dft": str(BY_DFT[vacuum.name])} if vacuum.name in BY_DFT else {})
    for key, reference in references.items():
        for scale in vacuum.scales:
            known = {"molecule": vacuum.name, "title": vacuum.title, "ion_charge_scale": scale}
            yield known | {"reference": reference} | compare(vacuum, found[f"scale {scale:g}"], found[key])


def _torsion(row: pd.Series) -> str:
    if not row.torsion_worst_atoms:
        return "-"
    text = f"{row.torsion_worst:+.0f}° {row.torsion_worst_atoms}"
    return f"**{text}**" if abs(row.torsion_worst) > OTHER_CONFORMER else text


def _summary(rows: pd.DataFrame) -> str:
    header = ["molecule", "charges ×", "bonds, Å: mean; worst", "angles, °: mean; worst", "heavy-atom RMSD, Å"]
    cells = [
        [
            row.molecule,
            f"{row.ion_charge_scale:g}",
            f"{row.bond_mean_abs:.3f}; {row.bond_worst:+.3f} {row.bond_worst_atoms}",
            f"{row.angle_mean_abs:.1f}; {row.angle_worst:+.1f} {row.angle_worst_atoms}",
            f"{row.heavy_rmsd_angstrom:.3f}",
            _torsion(row),
        ]
        for _, row in rows.iterrows()
    ]
    return table([*header, "torsion that turns most"], cells)


def by_class(values: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Return the means of each class of bonds and angles over the molecules that have a reference, worst first."""
    known = values.dropna(subset=[reference]).assign(deviation=lambda known: known.force_field - known[reference])
    grouped = known.groupby(["kind", "class"], as_index=False).agg(
        n=("deviation", "size"),
        force_field=("force_field", "mean"),
        gfn2=("gfn2", "mean"),
        dft=("dft", "mean"),
        deviation=("deviation", "mean"),
        largest=("deviation", lambda of_class: of_class.loc[of_class.abs().idxmax()]),
        molecules=("molecule", lambda of_class: " ".join(dict.fromkeys(of_class))),
    )
    order = grouped.deviation.abs().sort_values(ascending=False).index
    return grouped.loc[order].sort_values("kind", ascending=False, kind="stable")


def _worst(classes: pd.DataFrame, kind: str, columns: dict[str, str]) -> str:
    digits = _DIGITS[kind]
    off = classes[(classes.kind == kind) & (classes.deviation.abs() > _SMALL[kind])]
    cells = [
        [
            row["class"],
            *(f"{row[column]:.{digits}f}" for column in columns),
            f"{row.deviation:+.{digits}f}; {row.largest:+.{digits}f}",
            row.molecules,
        ]
        for _, row in off.head(_N_WORST).iterrows()
    ]
    unit = "Å" if kind == "bond" else "°"
    return table([f"{kind}, {unit}", *columns.values(), "deviation: mean; largest", "in"], cells)


def write(rows: pd.DataFrame, values: pd.DataFrame, out: Path) -> None:
    """Write both CSV files and the tables of the page."""
    rows.to_csv(out / "geometry.csv", index=False, float_format="%.4f")
    gfn2, dft = by_class(values, "gfn2"), by_class(values, "dft")
    gfn2.to_csv(out / "geometry-classes.csv", index=False, float_format="%.4f")
    two = {"force_field": "force field", "gfn2": "GFN2-xTB"}
    three = two | {"dft": "DFT"}
    is_gfn2 = rows.reference == "GFN2-xTB"
    fill(
        out / "geometry.md",
        molecules=_summary(rows[is_gfn2]),
        bonds=_worst(gfn2, "bond", two),
        angles=_worst(gfn2, "angle", two),
        dft_molecules=_summary(rows[~is_gfn2]),
        dft_bonds=_worst(dft, "bond", three),
        dft_angles=_worst(dft, "angle", three),
    )


def main() -> None:
    """Relax what is not relaxed yet, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of the relaxed geometries")
    parser.add_argument("--out", type=Path, required=True, help="folder of the page and the tables")
    parser.add_argument("--only", nargs="+", help="print these molecules and write nothing")
    arguments = parser.parse_args()
    rows, values = [], []
    for name in arguments.only or names():
        vacuum = molecule(name)
        found = minima(vacuum, arguments.work)
        of_molecule = pd.DataFrame(_comparisons(vacuum, found))
        rows.append(of_molecule)
        print(_summary(of_molecule).split("\n", 2)[2], flush=True)
        geometries = {"force_field": found[f"scale {vacuum.scales[0]:g}"], "gfn2": found["gfn2"]}
        geometries["dft"] = found.get("dft", np.full_like(found["gfn2"], np.nan))
        values.append(terms(vacuum, geometries).assign(molecule=name))
    if not arguments.only:
        write(pd.concat(rows, ignore_index=True), pd.concat(values, ignore_index=True), arguments.out)


if __name__ == "__main__":
    main()
