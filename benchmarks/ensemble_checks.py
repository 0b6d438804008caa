"""What samples say of the ensemble they are from: by `physical_validation` where it has the check."""

from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from itertools import pairwise

import numpy as np
import physical_validation as pv
from ensemble_look import bodies, rigid_bonds, squared_forces_and_laplacians
from ensemble_samples import LOG_PS, Samples, masses_of, system_of
from numpy.typing import NDArray
from physical_validation.util import ensemble as pv_ensemble
from physical_validation.util import trajectory as pv_trajectory
from pymbar.timeseries import statistical_inefficiency

from solvshell.box import Box
from solvshell.units import AVOGADRO, BOLTZMANN_KJ_MOL_K, kT_kj_mol

#: kJ/mol of one bar nm^3
BAR_NM3 = 1e-25 * AVOGADRO

Estimate = tuple[float, float]
"""A value and its standard error."""

#: kJ/mol, nm, ps, bar: those of OpenMM too
UNITS = pv.data.UnitData.units("GROMACS")


def mean(values: NDArray[np.float64]) -> Estimate:
    """Return the mean of a time series; its error counts independent values only."""
    independent = len(values) / statistical_inefficiency(values)
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(independent))


def data(seen: Samples, kinetic: NDArray[np.float64] | None = None) -> pv.data.SimulationData:
    """Return samples as `physical_validation` takes them."""
    case, n_atoms = seen.case, seen.positions.shape[1]
    at_rest = 0 if case.thermostat == "langevin_middle" else 3
    kind = "NVT" if case.pressure is None else "NPT"
    volume = {"volume": float(seen.volume.mean())} if case.pressure is None else {"pressure": case.pressure}
    return pv.data.SimulationData(
        units=UNITS,
        system=pv.data.SystemData(
            natoms=n_atoms,
            nconstraints=3 * n_atoms - seen.degrees - at_rest,
            ndof_reduction_tra=at_rest,
            ndof_reduction_rot=0,
        ),
        ensemble=pv.data.EnsembleData(kind, natoms=n_atoms, temperature=case.temperature, **volume),
        observables=pv.data.ObservableData(
            kinetic_energy=seen.kinetic if kinetic is None else kinetic,
            potential_energy=seen.potential,
            volume=seen.volume,
        ),
    )


@dataclass(frozen=True)
class Kinetic:
    """Temperatures in K by mean and width of the kinetic energy, and how many standard errors they are off."""

    mean: Estimate
    width: Estimate
    off: tuple[float, float]


def kinetic(seen: Samples, values: NDArray[np.float64]) -> Kinetic:
    """Return what a time series of kinetic energies says of the temperature."""
    off = pv.kinetic_energy.distribution(data(seen, values), verbosity=0, bootstrap_seed=1)
    average, error = mean(values)
    scale = 2 / (seen.degrees * BOLTZMANN_KJ_MOL_K)
    squares, squares_error = mean((values - average) ** 2)
    width = np.sqrt(2 * squares / seen.degrees) / BOLTZMANN_KJ_MOL_K
    return Kinetic(
        (average * scale, error * scale), (float(width), float(width * squares_error / squares / 2)), tuple(off)
    )


def configurational_temperature(seen: Samples, box: Box, whole_molecules: bool) -> Estimate:
    """Return T in K from forces alone: on whole molecules, or on the atoms without rigid bonds."""
    force, laplacian = squared_forces_and_laplacians(seen, box, bodies(box, whole_molecules))
    ratio = force.mean() / laplacian.mean()
    _, error = mean(force - ratio * laplacian)
    return float(ratio / BOLTZMANN_KJ_MOL_K), float(error / laplacian.mean() / BOLTZMANN_KJ_MOL_K)


@dataclass(frozen=True)
class Pair:
    """Two distributions compared; `ratio` is the slope of the logarithm of their quotient over the exact one."""

    between: str
    suggested: str
    n: tuple[int, int]
    ratio: Estimate
    sigmas: float


def _quantity(seen: Samples, by_pressure: bool) -> NDArray[np.float64]:
    if by_pressure:
        return seen.volume
    return seen.potential + (BAR_NM3 * seen.case.pressure * seen.volume if seen.case.pressure is not None else 0)


def pair(one: Samples, two: Samples) -> Pair:
    """Compare the distributions of two samples that differ in temperature or in pressure.

    By the maximum likelihood of `physical_validation`. Its `ensemble.check` returns no slope, thins the rows out, which
    is as if half of them had not been sampled, and draws histograms, for which there are too few then.
    """
    by_pressure = one.case.temperature == two.case.temperature
    suggested = pv.ensemble.estimate_interval(data(one), verbosity=0)
    kT = kT_kj_mol(one.case.temperature)
    if by_pressure:
        exact = BAR_NM3 * (one.case.pressure - two.case.pressure) / kT
        between, advice = f"{one.case.pressure:g} and {two.case.pressure:g} bar", f"{suggested['dP']:.0f} bar"
    else:
        exact = 1 / kT - 1 / kT_kj_mol(two.case.temperature)
        between, advice = f"{one.case.temperature:g} and {two.case.temperature:g} K", f"{suggested['dT']:.0f} K"
    first, second = (pv_trajectory.equilibrate(_quantity(seen, by_pressure)) for seen in (one, two))
    inefficiency = [statistical_inefficiency(values) for values in (first, second)]
    offset = pv_ensemble.pymbar_bar(-exact * first, exact * second)["Delta_f"]
    fitted, errors = pv_ensemble.do_max_likelihood_fit(
        first, second, *inefficiency, init_params=np.array([offset, exact]), verbose=False
    )
    ratio = (float(fitted[1] / exact), float(abs(errors[1] / exact)))
    n = (round(len(first) / inefficiency[0]), round(len(second) / inefficiency[1]))
    return Pair(between, advice, n, ratio, abs(ratio[0] - 1) / ratio[1])


def equipartition(seen: Samples, box: Box) -> Iterator[tuple[str, list[Estimate], float]]:
    """Yield each species, its temperatures by translation, rotation and inner motion, and the farthest one in sigma."""
    system = system_of(box, seen.case)
    residues = list(box.topology.residues())
    first = [next(residue.atoms()).index for residue in residues]
    simulation = data(seen)
    simulation.system.mass = masses_of(system)
    simulation.system.molecule_idx = np.array(first)
    simulation.system.nconstraints_per_molecule = np.histogram(rigid_bonds(system)[:, 0], [*first, box.n_atoms])[0]
    simulation.trajectory = pv.data.TrajectoryData(seen.positions, seen.velocities)
    names = [residue.name for residue in residues]
    species = list(dict.fromkeys(names))
    groups = [[i for i, name in enumerate(names) if name == one] for one in species]
    with redirect_stdout(StringIO()):
        off = pv.kinetic_energy.equipartition(simulation, molec_groups=groups, verbosity=0, bootstrap_seed=1)
    n_kinds = [5] + [2 if box.counts and len(list(residues[g[0]].atoms())) == 1 else 5 for g in groups]
    ends = np.cumsum([0, *n_kinds])
    for name, group, (begin, end) in zip(["all", *species], [range(len(names)), *groups], pairwise(ends), strict=True):
        kinds = [_group_temperature(simulation, group, kind) for kind in ("translational", "rotational", "internal")]
        yield name, kinds, float(np.max(off[begin:end]))


def _group_temperature(simulation: pv.data.SimulationData, group: list[int] | range, kind: str) -> Estimate:
    degrees = sum(simulation.system.ndof_per_molecule[i][kind] for i in group)
    if degrees < 1:
        return float("nan"), float("nan")
    energies = np.array(
        [frame[kind][list(group)].sum() for frame in simulation.observables.kinetic_energy_per_molecule]
    )
    scale = 2 / (degrees * BOLTZMANN_KJ_MOL_K)
    average, error = mean(energies)
    return average * scale, error * scale


def drift(seen: Samples) -> tuple[Estimate, float]:
    """Return the slope of the total energy in kT per degree of freedom per ns, and the scatter about it in kT."""
    energy = (seen.potential + seen.kinetic) / (kT_kj_mol(seen.case.temperature) * seen.degrees)
    time = 1e-3 * LOG_PS * np.arange(len(energy))
    slope, offset = np.polyfit(time, energy, 1)
    rest = energy - slope * time - offset
    error = rest.std(ddof=2) / (time.std() * np.sqrt(len(time) / statistical_inefficiency(rest)))
    return (float(slope), float(error)), float(rest.std())
