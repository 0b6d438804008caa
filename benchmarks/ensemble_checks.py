"""What samples say of the ensemble they are from: by `physical_validation` where it has the check."""

from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from itertools import pairwise

import numpy as np
import physical_validation as pv
from ensemble_samples import LOG_PS, Samples, how
from numpy.typing import NDArray
from physical_validation.util import ensemble as pv_ensemble
from physical_validation.util import trajectory as pv_trajectory
from pymbar.timeseries import statistical_inefficiency

from solvshell.box import Box
from solvshell.md.dynamics import stage_system
from solvshell.units import AVOGADRO, BOLTZMANN_KJ_MOL_K, DALTON_PER_NM3, kT_kj_mol

#: kJ/mol of one bar nm^3
BAR_NM3 = 1e-25 * AVOGADRO

Estimate = tuple[float, float]
"""A value and its standard error."""

UNITS = pv.data.UnitData(
    kb=BOLTZMANN_KJ_MOL_K,
    energy_str="kJ/mol",
    energy_conversion=1.0,
    length_str="nm",
    length_conversion=1.0,
    volume_str="nm^3",
    volume_conversion=1.0,
    temperature_str="K",
    temperature_conversion=1.0,
    pressure_str="bar",
    pressure_conversion=1.0,
    time_str="ps",
    time_conversion=1.0,
)


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


def configurational_temperature(seen: Samples) -> Estimate:
    """Return T in K from forces alone, over the atoms without rigid bonds; see `Looker`."""
    force, laplacian = seen.squared_force, seen.laplacian
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
    """Compare the distributions of two samples that differ in temperature or in pressure."""
    by_pressure = one.case.temperature == two.case.temperature
    suggested = pv.ensemble.estimate_interval(data(one), verbosity=0)
    kT = kT_kj_mol(one.case.temperature)
    if by_pressure:
        exact = BAR_NM3 * (one.case.pressure - two.case.pressure) / kT
        between, advice = f"{one.case.pressure:g} and {two.case.pressure:g} bar", f"{suggested['dP']:.0f} bar"
    else:
        exact = 1 / kT - 1 / kT_kj_mol(two.case.temperature)
        between, advice = f"{one.case.temperature:g} and {two.case.temperature:g} K", f"{suggested['dT']:.0f} K"
    prepared = [pv_trajectory.prepare(_quantity(seen, by_pressure), cut=0.001, verbosity=0) for seen in (one, two)]
    first, second, _, _ = pv_trajectory.overlap(traj1=prepared[0], traj2=prepared[1])
    offset = pv_ensemble.pymbar_bar(-exact * first, exact * second)["Delta_f"]
    fitted, errors = pv_ensemble.do_max_likelihood_fit(
        first, second, 1.0, 1.0, init_params=np.array([offset, exact]), verbose=False
    )
    with redirect_stdout(StringIO()):  # it prints an empty line
        (sigmas,) = pv.ensemble.check(data(one), data(two), verbosity=0, bootstrap_error=True, bootstrap_seed=1)
    ratio = (float(fitted[1] / exact), float(abs(errors[1] / exact)))
    return Pair(between, advice, (len(prepared[0]), len(prepared[1])), ratio, float(sigmas))


def equipartition(seen: Samples, box: Box) -> Iterator[tuple[str, list[Estimate], float]]:
    """Yield each species, its temperatures by translation, rotation and inner motion, and the farthest one in sigma."""
    protocol = how(seen.case)
    system = stage_system(box.system, protocol, protocol.production, seed=1)
    residues = list(box.topology.residues())
    first = [next(residue.atoms()).index for residue in residues]
    rigid = np.array([system.getConstraintParameters(i)[0] for i in range(system.getNumConstraints())])
    per_molecule = np.histogram(rigid, [*first, box.n_atoms])[0]
    simulation = data(seen)
    simulation.system.mass = np.array([system.getParticleMass(i)._value for i in range(box.n_atoms)])
    simulation.system.molecule_idx = np.array(first)
    simulation.system.nconstraints_per_molecule = per_molecule
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


def density(seen: Samples, box: Box) -> Estimate:
    """Return g/cm3."""
    return mean(box.mass * DALTON_PER_NM3 / seen.volume)


def energy_per_molecule(seen: Samples, box: Box) -> Estimate:
    """Return the potential energy per molecule in kJ/mol."""
    return mean(seen.potential / box.topology.getNumResidues())


def peak(seen: Samples, box: Box, n_blocks: int = 8) -> Estimate:
    """Return where g(r) of Li+ and the carbonyl O of EC is highest, in Å: cubic fit to ln g, as in the analysis."""
    lithium = [atom.index for atom in box.topology.atoms() if atom.residue.name == "LI"]
    oxygens = _carbonyl_oxygens(box, "EC")
    edges = np.arange(1.5, 3.0, 0.01)
    counts = np.array([_distances(frame, volume, lithium, oxygens, edges) for frame, volume in _frames(seen)])
    blocks = np.array([block.sum(axis=0) for block in np.array_split(counts, n_blocks)])
    draws = np.random.default_rng(1).integers(n_blocks, size=(200, n_blocks))
    return _top(counts.sum(axis=0), edges), float(np.std([_top(blocks[draw].sum(axis=0), edges) for draw in draws]))


def _frames(seen: Samples) -> Iterator[tuple[NDArray[np.float32], float]]:
    every = len(seen.volume) // len(seen.positions)
    return zip(seen.positions, seen.volume[every - 1 :: every], strict=True)


def _carbonyl_oxygens(box: Box, species: str) -> list[int]:
    """Return the O with one bond of a species."""
    ends = [atom.index for bond in box.topology.bonds() for atom in bond]
    return [
        atom.index
        for atom in box.topology.atoms()
        if atom.residue.name == species and atom.element.symbol == "O" and ends.count(atom.index) == 1
    ]


def _distances(
    frame: NDArray[np.float32], volume: float, one: list[int], two: list[int], edges: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the histogram of distances in Å in a cubic cell."""
    side = volume ** (1 / 3)
    apart = frame[one][:, None] - frame[two][None]
    apart -= side * np.round(apart / side)
    return np.histogram(10 * np.linalg.norm(apart, axis=-1), edges)[0]


def _top(counts: NDArray[np.int64], edges: NDArray[np.float64]) -> float:
    r = (edges[1:] + edges[:-1]) / 2
    g = counts / r**2
    near = np.abs(r - r[np.argmax(g)]) < 0.101
    near &= counts > 0
    center = r[near].mean()
    cubic = np.polyfit(r[near] - center, np.log(g[near]), 3, w=np.sqrt(counts[near]))
    tops = [root.real for root in np.roots(np.polyder(cubic)) if np.polyval(np.polyder(cubic, 2), root.real) < 0]
    return float(center + tops[0])
