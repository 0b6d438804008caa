"""Neat solvents and electrolytes against experiment: density, heat of vaporization, viscosity, self-diffusion.

    python benchmarks/liquids.py run EC DMC --out liquids-runs       # minutes each; without names: all
    python benchmarks/liquids.py table --out liquids-runs            # docs/forcefield/liquids.{md,csv,png}

GROMACS does the runs from the files of `solvshell export`: 2 fs, bonds to H rigid, real masses; transport at constant
volume. What was computed is kept in --out, and a stopped run goes on. Heat of vaporization: <U of a molecule in
vacuum> - <U of the liquid> / N + RT, no correction for polarization. Viscosity: Green-Kubo from the pressure tensor.
Self-diffusion: mean square displacement of the centers of mass, plus kT 2.837297 / (6 pi eta L) (Yeh and Hummer, J.
Phys. Chem. B 2004, 108, 15873) with the viscosity of the model itself.
"""

import argparse
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import openmm
import pandas as pd
import yaml
from gromacs import STEP_PS, Gromacs, as_run
from openmm import app
from solutions import settle

from solvshell.analysis.statistics import mean_with_error
from solvshell.box import Box
from solvshell.build import build_box
from solvshell.build.forcefield import create_system, read_forcefield
from solvshell.build.molecules import add_molecule, make_molecule
from solvshell.files import write_json
from solvshell.recipe import Model, Recipe
from solvshell.species import find_species
from solvshell.units import BOLTZMANN_KJ_MOL_K

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs" / "forcefield"
EXPERIMENT = Path(__file__).parent / "experiment.yaml"
SOLVENTS = {
    "EC": 313.15,
    "DMC": 298.15,
    "EMC": 298.15,
    "DEC": 298.15,
    "DOL": 298.15,
    "DME": 298.15,
    "PC": 298.15,
    "FEC": 298.15,
}
SOLUTIONS = {"lb003": "lb003_0.80", "ls002": "ls002"}
MODEL = Model(files=["solvshell/electrolytes.xml"])
N_ATOMS = 1200
EQUILIBRATION_PS, DENSITY_PS, TRANSPORT_PS = 100, 250, 400
#: of the pressure tensor: 10 fs resolve the vibrations of the angles
PRESSURE_STEPS = 5
#: the mean square displacement is fitted between these lags, and the Green-Kubo integral is read between those
FIT_PS, PLATEAU_PS = (20.0, 150.0), (8.0, 16.0)
YEH_HUMMER = 2.837297
PASCAL_PER_BAR = 1e5
AVOGADRO = 6.02214076e23


@dataclass(frozen=True)
class Value:
    """A number with its standard error."""

    value: float
    error: float | None


def _steps(time_ps: float) -> int:
    return round(time_ps / STEP_PS)


def _neat_box(name: str) -> Box:
    species = find_species(name)
    files = read_forcefield(MODEL.files)
    n = math.ceil(N_ATOMS / len(files.templates()[species.residue].atom_names))
    content = {
        "name": name.lower(),
        "title": f"neat {name}",
        "composition": {"counts": {name: n}},
        "force_field": MODEL.model_dump(mode="json"),
        "packing": {"density": "0.8 g/cm3"},
    }
    return build_box(Recipe.model_validate(content), seed=1)


def _box(name: str, folder: Path) -> Box:
    if not folder.exists():
        _neat_box(name).save(folder)
    return Box.load(folder)


def _mean(values: np.ndarray) -> Value:
    estimate = mean_with_error(values)
    return Value(estimate.mean, estimate.stderr)


def gas_energy(name: str, temperature: float, runs: int = 4, time_ps: float = 500.0) -> Value:
    """Return the mean potential energy in kJ/mol of a molecule in vacuum, from runs of different starts."""
    files = read_forcefield(MODEL.files)
    means = []
    for seed in range(1, runs + 1):
        molecule = make_molecule(name, find_species(name), files, MODEL, seed)
        topology = app.Topology()
        add_molecule(topology, topology.addChain(), molecule.template)
        # Rigid bonds to hydrogen, as in the liquid, whose energy has no such term either.
        system = as_run(create_system(topology, files, MODEL, periodic=False), constraints="h_bonds")
        integrator = openmm.LangevinMiddleIntegrator(temperature, 5.0, STEP_PS)
        integrator.setRandomNumberSeed(seed)
        context = openmm.Context(system, integrator, openmm.Platform.getPlatform("Reference"))
        context.setPositions(molecule.positions)
        context.applyConstraints(1e-6)
        context.setVelocitiesToTemperature(temperature, seed)
        integrator.step(_steps(20))
        energies = []
        for _ in range(int(time_ps * 10)):
            integrator.step(_steps(0.1))
            energies.append(context.getState(energy=True).getPotentialEnergy()._value)
        means.append(np.mean(energies))
    return Value(float(np.mean(means)), float(np.std(means, ddof=1) / np.sqrt(runs)))


def centers_of_mass(box: Box, topology: Path, trajectory: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return times (ps) and unwrapped centers (n_frames, n_molecules, 3) in nm of a liquid of equal molecules."""
    universe = mda.Universe(topology, trajectory)
    n_molecules = sum(1 for _ in box.topology.residues())
    masses = np.array([box.system.getParticleMass(i)._value for i in range(box.n_atoms)]).reshape(n_molecules, -1)
    weights = (masses / masses.sum(axis=1, keepdims=True))[..., None]
    times, centers = [], []
    for frame in universe.trajectory:
        length = frame.dimensions[:3].astype(float)
        atoms = frame.positions.astype(float).reshape(n_molecules, -1, 3)
        offset = atoms - atoms[:, :1]
        whole = atoms[:, :1] + offset - length * np.round(offset / length)
        center = (weights * whole).sum(axis=1)
        if centers:
            center -= length * np.round((center - centers[-1]) / length)
        times.append(frame.time)
        centers.append(center)
    return np.array(times), np.array(centers) / 10


def self_diffusion(times: np.ndarray, centers: np.ndarray) -> Value:
    """Return the self-diffusion coefficient in 1e-9 m2/s in the box as it is, its error from the molecules."""
    lags = np.arange(int(FIT_PS[0]), int(FIT_PS[1]) + 1)
    step = times[1] - times[0]
    shifts = np.unique(np.round(lags / step).astype(int))
    squares = np.array([((centers[s:] - centers[:-s]) ** 2).sum(axis=2).mean(axis=0) for s in shifts])
    slopes = np.polyfit(shifts * step, squares, 1)[0] / 6  # nm2/ps of each molecule
    return Value(1e3 * slopes.mean(), 1e3 * slopes.std(ddof=1) / np.sqrt(len(slopes)))


def viscosity(step_ps: float, pressures: np.ndarray, volume_nm3: float, temperature: float) -> Value:
    """Return the viscosity in mPa s by Green-Kubo from the pressure tensor in bar: xx, yy, zz, xy, xz, yz.

    The mean over five components of the traceless tensor and the quarters of the run. A component is zero on average by
    symmetry, and the mean of the run is not taken off: that would bias the integral.
    """
    xx, yy, zz, xy, xz, yz = pressures
    components = [xy, xz, yz, (xx - yy) / 2, (yy - zz) / 2]
    prefactor = volume_nm3 * 1e-27 / (BOLTZMANN_KJ_MOL_K * 1e3 / AVOGADRO * temperature) * PASCAL_PER_BAR**2
    first, last = (round(time / step_ps) for time in PLATEAU_PS)
    plateaus = []
    for component in components:
        for part in np.array_split(component, 4):
            power = np.abs(np.fft.rfft(part, 2 * len(part))) ** 2
            correlation = np.fft.irfft(power)[:last] / (len(part) - np.arange(last))
            correlation[0] /= 2  # trapezoids
            plateaus.append((np.cumsum(correlation) * step_ps)[first:].mean())
    values = np.array(plateaus) * prefactor * 1e-12 * 1e3
    return Value(values.mean(), values.std(ddof=1) / np.sqrt(len(values)))


def finite_size_correction(temperature: float, eta: Value, length_nm: float) -> Value:
    """Return what a cubic box takes from a self-diffusion coefficient, in 1e-9 m2/s, with a viscosity in mPa s."""
    kt_joule = BOLTZMANN_KJ_MOL_K * 1e3 / AVOGADRO * temperature
    correction = 1e9 * kt_joule * YEH_HUMMER / (6 * math.pi * eta.value * 1e-3 * length_nm * 1e-9)
    return Value(correction, correction * (eta.error or 0.0) / eta.value)


def run_neat(name: str, out: Path, threads: int) -> dict[str, object]:
    """Return what a neat liquid has."""
    temperature = SOLVENTS[name]
    box = _box(name, out / name / "box")
    runs = Gromacs.of(box, out / name / "gromacs", threads)
    at = {"ref_t": temperature, "gen_temp": temperature, "nstenergy": 100}
    npt = {**at, "nstxout_compressed": 0}
    equilibrated = runs.stage("equilibration", runs.minimized(), goes_on=False, nsteps=_steps(EQUILIBRATION_PS), **npt)
    liquid = runs.stage("density", equilibrated, nsteps=_steps(DENSITY_PS), **npt)
    _, potential, density = runs.energies(liquid, "Potential", "Density")
    n = sum(1 for _ in box.topology.residues())
    start = runs.at_mean_volume(liquid)
    nvt = {**at, "pcoupl": None, "tau_t": 2.0, "nstenergy": PRESSURE_STEPS, "nstcalcenergy": PRESSURE_STEPS}
    warm = runs.stage("warm", start, goes_on=False, nsteps=_steps(20), nstxout_compressed=0, **nvt)
    transport = runs.stage("transport", warm, nsteps=_steps(TRANSPORT_PS), **nvt)
    tensor = runs.energies(transport, *(f"Pres-{axes}" for axes in ("XX", "YY", "ZZ", "XY", "XZ", "YZ")))
    folder = runs.folder
    length = mda.Universe(folder / "transport.gro").dimensions[0] / 10
    eta = viscosity(tensor[0, 1] - tensor[0, 0], tensor[1:], length**3, temperature)
    diffusion = self_diffusion(*centers_of_mass(box, folder / "transport.gro", folder / "transport.xtc"))
    kt = BOLTZMANN_KJ_MOL_K * temperature
    correction = finite_size_correction(temperature, eta, length)
    gas = gas_energy(name, temperature)
    in_liquid = _mean(potential / n)
    vaporization = gas.value - in_liquid.value + kt
    return {
        "n_molecules": n,
        "n_atoms": box.n_atoms,
        "temperature_k": temperature,
        "box_nm": float(length),
        "density_g_cm3": asdict(_scaled(_mean(density), 1e-3)),
        "heat_of_vaporization_kj_mol": asdict(Value(vaporization, math.hypot(gas.error or 0, in_liquid.error or 0))),
        "viscosity_mpa_s": asdict(eta),
        "self_diffusion_in_box": asdict(diffusion),
        "finite_size_correction": asdict(correction),
        "self_diffusion_1e-9_m2_s": asdict(
            Value(diffusion.value + correction.value, math.hypot(diffusion.error or 0, correction.error or 0))
        ),
    }


def _scaled(value: Value, factor: float) -> Value:
    return Value(value.value * factor, None if value.error is None else value.error * factor)


def run_solution(name: str, out: Path, threads: int) -> dict[str, object]:
    """Return the density of an electrolyte: a box of benchmarks/solutions.py, shared with it in the same --out."""
    box, _, _ = settle(SOLUTIONS[name], out, threads)
    density = json.loads((out / SOLUTIONS[name] / "density.json").read_text())
    return {
        "counts": box.counts,
        "n_atoms": box.n_atoms,
        "temperature_k": 298.15,
        "density_g_cm3": asdict(Value(density["mean"], density["stderr"])),
    }


PROPERTIES = {
    "density_g_cm3": "density, g/cm³",
    "heat_of_vaporization_kj_mol": "heat of vaporization, kJ/mol",
    "viscosity_mpa_s": "viscosity, mPa s",
    "self_diffusion_1e-9_m2_s": "self-diffusion, 10⁻⁹ m²/s",
}
_PAGE = """# Liquids of the force field, as they come, against experiment

Made by `python benchmarks/liquids.py run` and `python benchmarks/liquids.py table` (GROMACS from exported files; 2
fs, bonds to H rigid, real masses, about {atoms} atoms: {equilibration} ps left out, {neat} ps at constant pressure,
{transport} ps at constant volume; electrolytes as in solutions.md). Errors are standard errors within one run.
Deviations are model / experiment - 1,
not corrected where the temperatures differ. The thermostat of the transport runs is a weak velocity rescaling (2 ps),
not compared with constant energy; the Green-Kubo integral is read between 8 and 16 ps, early for EC, whose viscosity is
then a lower bound. `recalled`: the value was not read in its source for this project, see
benchmarks/experiment.yaml.

![Model over experiment](liquids.png)

"""


def _rows(out: Path) -> pd.DataFrame:
    """Return a row for each liquid and property."""
    known = yaml.safe_load(EXPERIMENT.read_text())
    references = {**known["liquids"], **known["solutions"]}
    rows = []
    for name in [*SOLVENTS, *SOLUTIONS]:
        path = out / name / "results.json"
        if not path.exists():
            continue
        found = json.loads(path.read_text())
        for key in (key for key in PROPERTIES if key in found):
            reference = references.get(name, {}).get(key) or {}
            value, measured = found[key]["value"], reference.get("value")
            rows.append(
                {
                    "liquid": name,
                    "property": key,
                    "temperature_k": found["temperature_k"],
                    "model": value,
                    "stderr": found[key]["error"],
                    "experiment": measured,
                    "experiment_temperature_k": reference.get("temperature_k", found["temperature_k"]),
                    "deviation_percent": 100 * (value / measured - 1) if measured else None,
                    "source": reference.get("source"),
                    "derived": reference.get("derived"),
                    "source_read": reference.get("read"),
                }
            )
    return pd.DataFrame(rows)


def _cell(row: "pd.Series[object]") -> str:
    digits = {"density_g_cm3": 4, "heat_of_vaporization_kj_mol": 1}.get(str(row.property), 2)
    model = f"{row.model:.{digits}f}" + (f" ± {row.stderr:.{digits}f}" if pd.notna(row.stderr) else "")
    if pd.isna(row.experiment):
        return model
    elsewhere = f" at {row.experiment_temperature_k:g} K" if row.experiment_temperature_k != row.temperature_k else ""
    mark = "" if row.source_read else " (recalled)"
    return f"{model} / {row.experiment:g}{elsewhere}{mark}: **{row.deviation_percent:+.1f} %**"


def _figure(rows: pd.DataFrame, path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(PROPERTIES), figsize=(13, 3.4), layout="constrained")
    for axis, (key, title) in zip(axes, PROPERTIES.items(), strict=True):
        part = rows[(rows.property == key) & rows.experiment.notna()]
        ratio, error = part.model / part.experiment, part.stderr / part.experiment
        axis.errorbar(range(len(part)), ratio, error, fmt="o", capsize=3)
        axis.axhline(1, color="0.5", linewidth=1)
        axis.set_xticks(range(len(part)), part.liquid, rotation=60)
        axis.set_title(title.split(",")[0])
        axis.margins(x=0.1)
    axes[0].set_ylabel("model / experiment")
    figure.savefig(path, dpi=150)


def write_table(out: Path) -> None:
    """Write the table, the page and the figure of what has been run."""
    rows = _rows(out)
    DOCS.mkdir(parents=True, exist_ok=True)
    rows.to_csv(DOCS / "liquids.csv", index=False, float_format="%.6g")
    _figure(rows, DOCS / "liquids.png")
    cells = rows.assign(cell=rows.apply(_cell, axis=1)).set_index(["liquid", "property"]).cell
    lines = ["| liquid | T, K | " + " | ".join(PROPERTIES.values()) + " |", "|---|---|" + "---|" * len(PROPERTIES)]
    for name, group in rows.groupby("liquid", sort=False):
        values = (cells.get((name, key), "") for key in PROPERTIES)
        lines.append(f"| {name} | {group.temperature_k.iloc[0]:g} | " + " | ".join(values) + " |")
    sources = rows.dropna(subset=["source"]).drop_duplicates(["liquid", "property"])
    cited = [
        f"- {row.liquid}, {PROPERTIES[row.property].split(',')[0]}: {row.source}"
        + (f"; derived: {row.derived}" if pd.notna(row.derived) else "")
        for row in sources.itertuples()
    ]
    times = {"neat": DENSITY_PS, "transport": TRANSPORT_PS, "equilibration": EQUILIBRATION_PS}
    head = _PAGE.format(**times, atoms=N_ATOMS)
    page = head + "\n".join(lines) + "\n\nmodel ± standard error / experiment: deviation.\n\n## Experimental values\n\n"
    (DOCS / "liquids.md").write_text(page + "\n".join(cited) + "\n")
    print("\n".join(lines))


def main() -> None:
    """Run liquids, or tabulate them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "table"])
    parser.add_argument("liquid", nargs="*", help=f"of {', '.join([*SOLVENTS, *SOLUTIONS])} (default: all)")
    parser.add_argument("--out", type=Path, required=True, help="folder of boxes and runs; kept and resumed")
    parser.add_argument("--threads", type=int, default=1, help="of GROMACS (default: %(default)s)")
    arguments = parser.parse_args()
    if unknown := set(arguments.liquid) - {*SOLVENTS, *SOLUTIONS}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if arguments.what == "table":
        return write_table(arguments.out)
    for name in arguments.liquid or [*SOLVENTS, *SOLUTIONS]:
        path = arguments.out / name / "results.json"
        if not path.exists():
            result = (run_solution if name in SOLUTIONS else run_neat)(name, arguments.out, arguments.threads)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, result)
        print(name, json.dumps(json.loads(path.read_text())), flush=True)


if __name__ == "__main__":
    main()
