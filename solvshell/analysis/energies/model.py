"""What of an OpenMM System decides how two atoms of different molecules interact."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import openmm
from openmm import unit
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from solvshell.errors import InvalidInput
from solvshell.lj_tail import tail_coefficients

#: kJ/mol Å of two unit charges: e^2 N_A / (4 pi eps_0) of CODATA 2018, as OpenMM has it.
COULOMB_KJ_MOL_ANGSTROM = 1389.3545764438

#: Forces that are none of the pair model: what holds molecules together, restraints, what moves the box.
_OTHER_FORCES = [
    "HarmonicBondForce",
    "HarmonicAngleForce",
    "PeriodicTorsionForce",
    "RBTorsionForce",
    "CMAPTorsionForce",
    "CustomBondForce",
    "CustomAngleForce",
    "CustomTorsionForce",
    "CustomCompoundBondForce",
    "CustomCentroidBondForce",
    "CustomExternalForce",
    "RMSDForce",
    "CMMotionRemover",
    "AndersenThermostat",
    "MonteCarloBarostat",
    "MonteCarloAnisotropicBarostat",
    "MonteCarloMembraneBarostat",
    "MonteCarloFlexibleBarostat",
]


@dataclass(frozen=True)
class PairModel:
    """Charges and Lennard-Jones parameters of all atoms, mixed by Lorentz and Berthelot, and where they end.

    Attributes
    ----------
    charges, sigma, epsilon : numpy.ndarray, shape (n_atoms,)
        In e, Å, kJ/mol; charges as the model has them, scaled or not.
    cutoff : float
        Of Lennard-Jones, in Å.
    switch : float or None
        Where its switch begins, in Å; None: no switch.
    tail : bool
        Whether the model has the energy beyond the cutoff, of a homogeneous liquid.
    exceptions : numpy.ndarray, shape (n_exceptions, 2)
        Pairs of atoms that interact in another way or not at all: those at most three bonds apart.
    exception_parameters : numpy.ndarray, shape (n_exceptions, 3)
        Their product of charges, sigma and epsilon, in e^2, Å, kJ/mol.
    """

    charges: np.ndarray
    sigma: np.ndarray
    epsilon: np.ndarray
    cutoff: float
    switch: float | None
    tail: bool
    exceptions: np.ndarray
    exception_parameters: np.ndarray

    @property
    def n_atoms(self) -> int:
        """How many atoms the system has."""
        return len(self.charges)

    @cached_property
    def fragments(self) -> np.ndarray:
        """The number of the fragment of each atom, shape (n_atoms,): what exceptions, and so bonds, hold together."""
        links = coo_array((np.ones(len(self.exceptions)), self.exceptions.T), shape=(self.n_atoms, self.n_atoms))
        return connected_components(links, directed=False)[1]

    def tails(self, species: np.ndarray) -> np.ndarray:
        """Return the energy beyond the cutoff for pairs of species, in kJ/mol Å^3; see `tail_coefficients`.

        Zero if the model has none. `species` are those of the atoms, shape (n_atoms,).
        """
        if not self.tail:
            return np.zeros((species.max() + 1,) * 2)
        return tail_coefficients(self.sigma, self.epsilon, species, self.cutoff, self.switch)

    @classmethod
    def from_system(cls, system: openmm.System) -> "PairModel":
        """Return the pair model of a System.

        Raises
        ------
        InvalidInput
            If its atoms do not interact by one plain NonbondedForce with PME or Ewald and nothing else.
        """
        force = nonbonded_of(system)
        length, energy, charge = unit.angstrom, unit.kilojoule_per_mole, unit.elementary_charge
        atoms = [force.getParticleParameters(i) for i in range(force.getNumParticles())]
        excepted = [force.getExceptionParameters(i) for i in range(force.getNumExceptions())]
        return cls(
            np.array([q.value_in_unit(charge) for q, _, _ in atoms]),
            np.array([sigma.value_in_unit(length) for _, sigma, _ in atoms]),
            np.array([epsilon.value_in_unit(energy) for _, _, epsilon in atoms]),
            force.getCutoffDistance().value_in_unit(length),
            force.getSwitchingDistance().value_in_unit(length) if force.getUseSwitchingFunction() else None,
            force.getUseDispersionCorrection(),
            np.array([(i, j) for i, j, *_ in excepted], int).reshape(-1, 2),
            np.array(
                [
                    (qq.value_in_unit(charge**2), sigma.value_in_unit(length), epsilon.value_in_unit(energy))
                    for _, _, qq, sigma, epsilon in excepted
                ]
            ).reshape(-1, 3),
        )


def _unknown(system: openmm.System, force: openmm.NonbondedForce) -> Iterator[str]:
    """Yield what stands between a system and a plain pair model."""
    if force.getNonbondedMethod() not in (openmm.NonbondedForce.PME, openmm.NonbondedForce.Ewald):
        yield "its NonbondedForce is not of the method PME or Ewald"
    if force.getNumParticleParameterOffsets() or force.getNumExceptionParameterOffsets():
        yield "its NonbondedForce has parameter offsets"
    for other in system.getForces():
        if type(other).__name__ not in ("NonbondedForce", *_OTHER_FORCES):
            yield f"its {type(other).__name__} may act between molecules"


def nonbonded_of(system: openmm.System) -> openmm.NonbondedForce:
    """Return the one nonbonded force of a system, or raise InvalidInput if that does not say all; see `PairModel`."""
    found = [force for force in system.getForces() if isinstance(force, openmm.NonbondedForce)]
    if len(found) != 1:
        raise InvalidInput(f"system: interaction energies need exactly one NonbondedForce, found {len(found)}")
    for problem in _unknown(system, found[0]):
        raise InvalidInput(f"system: no interaction energies can be told: {problem}")
    return found[0]
