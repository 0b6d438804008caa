"""What positions and velocities tell that the integrator does not report: K at whole steps, T from forces alone."""

from collections.abc import Iterator

import numpy as np
import openmm
from ensemble_samples import Case, Samples, masses_of, system_of
from numpy.typing import NDArray

from solvshell.box import Box
from solvshell.engine import choose_platform, make_context

#: nm; forces in single precision resolve what it changes, and bonds are harmonic over it
_SHIFT = 2e-4


def rigid_bonds(system: openmm.System) -> NDArray[np.int64]:
    """Return the pairs of atoms that constraints join, shape (n, 2)."""
    pairs = [system.getConstraintParameters(i)[:2] for i in range(system.getNumConstraints())]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _cells(seen: Samples) -> NDArray[np.float64]:
    """Return the side of the cubic cell in nm of each frame."""
    every = len(seen.volume) // len(seen.positions)
    return seen.volume[every - 1 :: every] ** (1 / 3)


def _frames(seen: Samples, box: Box) -> Iterator[tuple[openmm.Context, NDArray[np.float64], NDArray[np.float64]]]:
    """Yield a context at each frame, with positions and velocities set, and both.

    Its integrator is Verlet, which reports K half a kick further than the velocities that it is given: at whole steps.
    """
    system = system_of(box, Case(seen.case.timestep_fs, seen.case.hydrogen_mass, "none", pressure=None))
    context = make_context(system, openmm.VerletIntegrator(seen.case.timestep_fs / 1000), choose_platform("CPU"))
    for side, *frame in zip(_cells(seen), seen.positions, seen.velocities, strict=True):
        positions, velocities = (values.astype(float) for values in frame)
        context.setPeriodicBoxVectors(*(side * np.eye(3)))
        context.setPositions(positions)
        context.setVelocities(velocities)
        yield context, positions, velocities


def kinetic_energies(seen: Samples, box: Box) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return K in kJ/mol of each frame at half steps, from the velocities as they are, and at whole steps."""
    half, whole = [], []
    for context, _, velocities in _frames(seen, box):
        half.append((masses_of(context.getSystem())[:, None] * velocities**2).sum() / 2)
        whole.append(context.getState(energy=True).getKineticEnergy()._value)
    return np.array(half), np.array(whole)


def bodies(box: Box, whole_molecules: bool) -> NDArray[np.int64]:
    """Return which body each atom belongs to: its molecule, or itself alone if it has no rigid bond (-1: none)."""
    if whole_molecules:
        return np.array([atom.residue.index for atom in box.topology.atoms()])
    alone = np.setdiff1d(np.arange(box.n_atoms), rigid_bonds(system_of(box, Case())).reshape(-1))
    body = np.full(box.n_atoms, -1)
    body[alone] = np.arange(len(alone))
    return body


def squared_forces_and_laplacians(
    seen: Samples, box: Box, body: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return |grad U|^2 and the Laplacian of U of each frame, with respect to moving bodies rigidly.

    kT = <|grad U|^2> / <Laplacian> whatever the velocities are (Rugh, Phys. Rev. Lett. 78, 772 (1997); Jepps et al.,
    Phys. Rev. E 62, 4757 (2000)); moves that leave rigid bonds as they are need no more than that. The Laplacian is
    the mean of z H z over random signs z, here one drawing a frame.
    """
    moved, random = body >= 0, np.random.default_rng(1)

    def forces(context: openmm.Context, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        context.setPositions(positions)
        found = context.getState(forces=True).getForces(asNumpy=True)._value[moved]
        return np.stack([np.bincount(body[moved], found[:, axis]) for axis in range(3)], axis=1)

    squared, laplacians = [], []
    for context, positions, _ in _frames(seen, box):
        signs = random.choice([-1.0, 1.0], size=(body.max() + 1, 3))
        shift = np.zeros_like(positions)
        shift[moved] = _SHIFT * signs[body[moved]]
        squared.append((forces(context, positions) ** 2).sum())
        there, back = (forces(context, positions + sign * shift) for sign in (1, -1))
        laplacians.append(-((there - back) * signs).sum() / (2 * _SHIFT))
    return np.array(squared), np.array(laplacians)
