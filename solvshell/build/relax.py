"""The short relaxation of what was just bonded or packed: from soft atoms without charges to the model itself."""

import copy
from collections.abc import Sequence

import numpy as np
import openmm
from numpy.typing import NDArray

from solvshell.engine import choose_platform, make_context, minimize

#: Atoms grow to their size in these steps; small ones pass each other where full ones would lock or burst a bond.
GROWTH = (0.4, 0.7, 0.9)
#: kJ/mol/nm and iterations, while they grow and at the end
_ROUGH, _FINE = (200.0, 300), (10.0, 2000)


def softened(system: openmm.System, size: float, charged: bool) -> openmm.System:
    """Return a copy of a system whose Lennard-Jones diameters are scaled and whose charges are kept or zero."""
    soft = copy.deepcopy(system)
    factor = 1.0 if charged else 0.0
    for force in soft.getForces():
        if not isinstance(force, openmm.NonbondedForce):
            continue
        for i in range(force.getNumParticles()):
            charge, sigma, epsilon = force.getParticleParameters(i)
            force.setParticleParameters(i, factor * charge, size * sigma, epsilon)
        for index in range(force.getNumExceptions()):
            i, j, product, sigma, epsilon = force.getExceptionParameters(index)
            force.setExceptionParameters(index, i, j, factor * product, size * sigma, epsilon)
    return soft


def _minimized(
    system: openmm.System,
    positions: NDArray[np.float64],
    box: NDArray[np.float64] | None,
    platform: str | None,
    until: tuple[float, int],
) -> openmm.State:
    context = make_context(system, openmm.VerletIntegrator(0.001), choose_platform(platform))
    if box is not None:
        context.setPeriodicBoxVectors(*box)
    context.setPositions(positions)
    minimize(context, *until)
    return context.getState(positions=True, energy=True, enforcePeriodicBox=box is not None)


def soft_start(
    system: openmm.System,
    positions: NDArray[np.float64],
    box: NDArray[np.float64] | None = None,
    *,
    growth: Sequence[float] = GROWTH,
    charged: bool = True,
    platform: str | None = None,
) -> openmm.State:
    """Return the minimised state of a system whose atoms may overlap.

    Parameters
    ----------
    positions : ndarray, shape (n_atoms, 3)
        In nm.
    box : ndarray, shape (3, 3), optional
        Periodic cell in nm; vacuum without one.
    growth : sequence of float
        Sizes of the atoms before they are themselves, without charges.
    charged : bool
        Whether the last minimisation has charges: in vacuum they would stretch a polycation.
    platform : str, optional
        The fastest that works if left out; Reference for the same result bit for bit.
    """
    for size in growth:
        state = _minimized(softened(system, size, charged=False), positions, box, platform, _ROUGH)
        positions = state.getPositions(asNumpy=True)._value
    last = system if charged else softened(system, 1.0, charged=False)
    return _minimized(last, positions, box, platform, _FINE)
