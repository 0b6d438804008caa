"""Shape and vibrations of one nitrate: DFT, force field, and bonded constants that bring the second onto the first.

    python benchmarks/forcefield/nitrate.py --cache runs/quantum --out docs/forcefield

writes nitrate_frequencies.csv and nitrate.md. A few minutes on one core.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openmm
import pandas as pd
import yaml
from complexes import Complex, energy_function, rough_shape
from markdown import markdown
from scipy.optimize import least_squares

from solvshell.quantum import (
    PAIR_LEVEL,
    Array,
    dft_hessian,
    gfn2_function,
    normal_modes,
    numeric_hessian,
    optimize,
    optimize_dft,
)

NITRATE = Complex(("NO3",))
MASSES = np.array(NITRATE.templates[0].masses)
MODES = ("in-plane bend", "out of plane", "symmetric stretch", "antisymmetric stretch")
#: of reference values with their sources
EXPERIMENT = Path(__file__).parents[1] / "experiment.yaml"


@dataclass(frozen=True)
class Bonded:
    """Bonded constants of nitrate in the units of the force-field file: nm, kJ/mol/nm², kJ/mol/rad², kJ/mol."""

    length: float
    bond: float
    angle: float
    improper: float

    def apply(self, system: openmm.System) -> openmm.System:
        """Put the constants into the System of one nitrate, in place, and return it."""
        for force in system.getForces():
            if isinstance(force, openmm.HarmonicBondForce):
                for i in range(force.getNumBonds()):
                    force.setBondParameters(i, *force.getBondParameters(i)[:2], self.length, self.bond)
            elif isinstance(force, openmm.HarmonicAngleForce):
                for i in range(force.getNumAngles()):
                    *atoms, angle, _ = force.getAngleParameters(i)
                    force.setAngleParameters(i, *atoms, angle, self.angle)
            elif isinstance(force, openmm.PeriodicTorsionForce):
                for i in range(force.getNumTorsions()):
                    *atoms, periodicity, phase, _ = force.getTorsionParameters(i)
                    force.setTorsionParameters(i, *atoms, periodicity, phase, self.improper)
        return system


#: OPLS-2009IL, from which the force field took all but its improper (2009IL/ITP/NO3*.itp of orlandoacevedo/IL).
OPLS_2009IL = Bonded(length=0.1256, bond=530698.56, angle=1011.022, improper=12.552)


def shipped() -> Bonded:
    """Return the constants that the force field has now."""
    system = NITRATE.system()  # has to outlive its forces
    bond, angle, torsion = (
        next(force for force in system.getForces() if isinstance(force, kind))
        for kind in (openmm.HarmonicBondForce, openmm.HarmonicAngleForce, openmm.PeriodicTorsionForce)
    )
    length, stiffness = (value._value for value in bond.getBondParameters(0)[2:])
    return Bonded(length, stiffness, angle.getAngleParameters(0)[-1]._value, torsion.getTorsionParameters(0)[-1]._value)


def frequencies(positions: Array, hessian: Array) -> dict[str, float]:
    """Return the harmonic frequencies in 1/cm of a planar XY3 molecule, atom X first, named by their motion.

    Degenerate pairs are averaged.
    """
    values, vectors = normal_modes(hessian, MASSES)
    wavenumbers = values[6:]
    arms = positions[1:] - positions[0]
    normal = np.cross(arms[0], arms[1]) / np.linalg.norm(np.cross(arms[0], arms[1]))
    breathing = np.vstack([np.zeros(3), arms]).ravel()
    out = np.array([np.sum((mode.reshape(4, 3) @ normal) ** 2) for mode in vectors[:, 6:].T]).argmax()
    breathe = np.abs(vectors[:, 6:].T @ breathing).argmax()
    pairs = np.sort(np.delete(wavenumbers, [out, breathe]))
    found = (pairs[:2].mean(), wavenumbers[out], wavenumbers[breathe], pairs[2:].mean())
    return dict(zip(MODES, map(float, found), strict=True))


def _bond_length(positions: Array) -> float:
    return float(np.linalg.norm(positions[1:] - positions[0], axis=1).mean())


def of_forcefield(bonded: Bonded) -> dict[str, float]:
    """Return N-O length in Å and frequencies in 1/cm of one nitrate with these constants.

    Its minimum is flat and has every bond at r0: no pair of its atoms has a nonbonded energy.
    """
    evaluate = energy_function(bonded.apply(NITRATE.system()))
    angles = np.radians([0, 120, 240])
    ring = 10 * bonded.length * np.column_stack([np.cos(angles), np.sin(angles), np.zeros(3)])
    minimum = np.vstack([np.zeros(3), ring])
    assert np.abs(evaluate(minimum)[1]).max() < 0.01
    return {"N-O": _bond_length(minimum), **frequencies(minimum, numeric_hessian(evaluate, minimum))}


def of_dft(cache: Path) -> dict[str, float]:
    """Return N-O length in Å and frequencies in 1/cm at the level of the pairs."""
    minimum = optimize_dft(NITRATE.elements, rough_shape("NO3"), -1, cache)
    hessian = dft_hessian(NITRATE.elements, minimum, -1, cache)
    return {"N-O": _bond_length(minimum), **frequencies(minimum, hessian)}


def of_gfn2() -> dict[str, float]:
    """Return N-O length in Å and frequencies in 1/cm of GFN2-xTB."""
    evaluate = gfn2_function(NITRATE.elements, -1)
    minimum = optimize(NITRATE.elements, rough_shape("NO3"), evaluate)
    return {"N-O": _bond_length(minimum), **frequencies(minimum, numeric_hessian(evaluate, minimum))}


def fit(target: dict[str, float]) -> Bonded:
    """Return the constants that come nearest to a length and four frequencies, in relative least squares.

    One bond constant serves two stretches: the form fixes their ratio at 1.79, so it meets neither.
    """
    start = shipped()

    def constants(logs: Array) -> Bonded:
        bond, angle, improper = np.exp(logs) * (start.bond, start.angle, start.improper)
        return Bonded(target["N-O"] / 10, bond, angle, improper)

    def misses(logs: Array) -> Array:
        found = of_forcefield(constants(logs))
        return np.log([found[mode] / target[mode] for mode in MODES])

    return constants(least_squares(misses, np.zeros(3), diff_step=1e-3, xtol=1e-6).x)


def _page(table: pd.DataFrame, fitted: dict[str, Bonded]) -> str:
    constants = pd.DataFrame(
        {
            "": name,
            "r0, nm": f"{b.length:.4f}",
            "bond k, kJ/mol/nm²": f"{b.bond:.0f}",
            "angle k, kJ/mol/rad²": f"{b.angle:.1f}",
            "improper k1, kJ/mol": f"{b.improper:.2f}",
        }
        for name, b in fitted.items()
    )
    shown = table.round(0).astype(object)
    shown["N-O"] = table["N-O"].map("{:.3f}".format)
    return f"""# Nitrate alone

Made by `python benchmarks/forcefield/nitrate.py --cache runs/quantum --out docs/forcefield`. Harmonic frequencies in
1/cm by central differences of gradients (0.005 Å), N-O in Å; DFT is {PAIR_LEVEL} in the gas phase. `experiment` holds
the fundamentals of aqueous nitrate and N-O in molten LiNO₃ (benchmarks/experiment.yaml). Degenerate pairs are averaged.

{markdown(shown.reset_index(names=""), digits=0)}

Constants in the units of the force-field file. `fit` rows are least squares of the logarithms of the four frequencies;
r0 is the length of DFT. In this form (one bond constant, no coupling of bonds) the ratio of antisymmetric to symmetric
stretch is {table.loc["force field, shipped", MODES[3]] / table.loc["force field, shipped", MODES[2]]:.2f},
in DFT {table.loc["DFT", MODES[3]] / table.loc["DFT", MODES[2]]:.2f}: a fit splits the difference.

{markdown(constants)}
"""


def of_experiment() -> dict[str, float]:
    """Return the fundamentals of aqueous nitrate in 1/cm; they are anharmonic, and not of the bare ion."""
    found = yaml.safe_load(EXPERIMENT.read_text())["nitrate"]["frequencies_1_cm"]
    antisymmetric = (found["nu3_low"]["value"] + found["nu3_high"]["value"]) / 2
    return dict(
        zip(MODES, (found["nu4"]["value"], found["nu2"]["value"], found["nu1"]["value"], antisymmetric), strict=True)
    )


def main() -> None:
    """Write the table of frequencies and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path("runs/quantum"), help="folder of finished calculations")
    parser.add_argument("--out", type=Path, default=Path("docs/forcefield"))
    args = parser.parse_args()

    dft = of_dft(args.cache)
    print("DFT", dft, flush=True)
    aims = {"DFT": dft, "experiment": {"N-O": dft["N-O"], **of_experiment()}}
    fitted = {
        "OPLS-2009IL": OPLS_2009IL,
        "shipped": shipped(),
        **{f"fit to {name}": fit(aim) for name, aim in aims.items()},
    }
    rows = {**aims, "GFN2-xTB": of_gfn2(), **{f"force field, {name}": of_forcefield(b) for name, b in fitted.items()}}
    table = pd.DataFrame(rows).T
    table.loc["experiment", "N-O"] = yaml.safe_load(EXPERIMENT.read_text())["nitrate"]["n_o_bond_angstrom"]["value"]
    args.out.mkdir(parents=True, exist_ok=True)
    table.round(4).to_csv(args.out / "nitrate_frequencies.csv", index_label="method")
    (args.out / "nitrate.md").write_text(_page(table, fitted), encoding="utf-8")
    print(table.to_string(), *fitted.items(), sep="\n")


if __name__ == "__main__":
    main()
