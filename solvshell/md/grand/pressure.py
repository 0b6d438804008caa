"""The pressure at one instant, from the molecular virial: of molecules that are there, not of ghosts."""

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import unit

from solvshell.errors import WorkFailed
from solvshell.units import BAR_PER_KJ_MOL_NM3, kT_kj_mol

#: Half the relative change of volume between the two energies: small against the curvature of U(V), large against the
#: single precision of a CPU or GPU.
_STRAIN = 1e-3


def _scaled(positions: NDArray[np.float64], molecule_of_atom: NDArray[np.int64], growth: float) -> NDArray[np.float64]:
    """Return positions of molecules that were moved, rigid, by their centers: the means of their atoms' positions."""
    n_atoms = np.maximum(np.bincount(molecule_of_atom), 1)[:, None]
    sums = np.stack([np.bincount(molecule_of_atom, column) for column in positions.T], axis=1)
    return positions + (growth - 1) * (sums / n_atoms)[molecule_of_atom]


def pressure_bar(
    context: openmm.Context,
    molecule_of_atom: NDArray[np.int64],
    n_molecules: int,
    temperature: float,
    groups: int = -1,
) -> float:
    """Return the pressure of the present configuration in bar: n kT / V - dU/dV, molecules moved by their centers.

    dU/dV is a central difference over 0.2 % of the volume, of the energies of the context: cutoff, switch, Ewald sums
    and the dispersion tail are in it as they are in U. The kinetic term is the mean of its ideal gas, so that nothing
    depends on velocities. The average over a run is the pressure; that of one instant fluctuates by hundreds of bar.

    Parameters
    ----------
    context : openmm.Context
        Molecules whole in its positions (`getState` without `enforcePeriodicBox`). It is left as it was.
    molecule_of_atom : ndarray of int, shape (n_atoms,)
        Which atoms move together, of all atoms of the context, counted from 0. Atoms of a network whose barostat scales
        atoms one by one are each a molecule.
    n_molecules : int
        Molecules that are there: idle molecules of a pool and its slots are none.
    temperature : float
        In K.
    groups : int
        Force groups, as bits, whose energies are those of the molecules that are there. A term that takes ghosts out
        of the barostat is not: leave its group out.

    Raises
    ------
    WorkFailed
        If the box is so little wider than twice the cutoff (0.04 %) that it cannot be made smaller.
    """
    state = context.getState(positions=True)
    positions = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    vectors = state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.nanometer)
    volume = abs(float(np.linalg.det(vectors)))
    energies = []
    try:
        for factor in (1 - _STRAIN, 1 + _STRAIN):
            growth = factor ** (1 / 3)
            context.setPeriodicBoxVectors(*(growth * vectors))
            context.setPositions(_scaled(positions, molecule_of_atom, growth))
            energy = context.getState(energy=True, groups=groups).getPotentialEnergy()
            energies.append(energy.value_in_unit(unit.kilojoule_per_mole))
    except openmm.OpenMMException as error:
        raise WorkFailed(f"pressure: {' '.join(str(error).split())}") from None
    finally:
        context.setPeriodicBoxVectors(*vectors)
        context.setPositions(positions)
    slope = (energies[1] - energies[0]) / (2 * _STRAIN * volume)
    return (n_molecules * kT_kj_mol(temperature) / volume - slope) * BAR_PER_KJ_MOL_NM3
