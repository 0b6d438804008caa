"""A system with more molecules than are there: idle ghosts of each open species, and one slot that can be coupled.

All molecules of an open species, real or idle, keep the terms between their own atoms at full strength, as exceptions
of the nonbonded force; an idle one lacks charges and Lennard-Jones beyond that. Which are idle is set in a context
(`solvshell.md.grand.slots`): it has to be made with all of them real, since OpenMM leaves out for good what it does
not find then.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import openmm
from numpy.typing import NDArray

from solvshell.errors import InvalidInput
from solvshell.md.alchemy import make_own_pairs_exceptions, nonbonded_parameters, scale_charges, soft_core

#: of forces that the lambdas act on: NonbondedForce, ghosts in the barostat, tail; then one for each slot
NONBONDED_GROUP, GHOST_GROUP, TAIL_GROUP, FIRST_SLOT_GROUP = 1, 2, 3, 4

#: context parameters, and the parameter of an atom in an external field
N_GHOSTS, TAIL, PRESENT = "pool_n_ghosts", "pool_tail", "pool_present"

#: e; less is rounding
_NEUTRAL = 1e-6

_Atoms = NDArray[np.int64]


@dataclass(frozen=True)
class Pool:
    """Where the molecules of the open species are.

    Attributes
    ----------
    molecules : mapping of str to ndarray of int, shape (n_molecules, n_atoms_of_one)
        Atoms of each molecule, real or idle, by species; those of the plain system come first.
    slots : mapping of str to ndarray of int, shape (n_atoms_of_one,)
    parameters : mapping of str to ndarray, shape (n_atoms_of_one, 3)
        Charge (e), sigma (nm) and epsilon (kJ/mol) of the atoms of a real molecule.
    closed : ndarray, shape (n_closed_atoms, 3)
        The same of the atoms of everything else.
    n_atoms : int
        Of the whole system.
    """

    molecules: Mapping[str, _Atoms]
    slots: Mapping[str, _Atoms]
    parameters: Mapping[str, NDArray[np.float64]]
    closed: NDArray[np.float64]
    n_atoms: int

    def coupled(self, species: str) -> str:
        """Return the context parameter lambda of the Lennard-Jones energy of a slot."""
        return f"slot{list(self.slots).index(species)}_coupled"

    def discharged(self, species: str) -> str:
        """Return the context parameter 1 - lambda of the charges of a slot."""
        return f"slot{list(self.slots).index(species)}_discharged"

    def group(self, species: str) -> int:
        """Return the force group of what acts on a slot alone."""
        return FIRST_SLOT_GROUP + list(self.slots).index(species)

    @property
    def slot_groups(self) -> set[int]:
        """The force groups of all slots."""
        return {self.group(species) for species in self.slots}


# -- more molecules of a species


def _copy_terms(
    terms: Sequence[Sequence[Any]], add: Callable[..., object], n_atoms: int, maps: Sequence[Mapping[int, int]]
) -> None:
    """Add, for each map of old atoms to new ones, the terms whose atoms are all in it."""
    old = {atom for new in maps for atom in new}
    found = [term for term in terms if old.issuperset(term[:n_atoms])]
    for new in maps:
        for term in found:
            if all(atom in new for atom in term[:n_atoms]):
                add(*(new[atom] for atom in term[:n_atoms]), *term[n_atoms:])


def _all(n: int, get: Callable[[int], Sequence[Any]]) -> list[Sequence[Any]]:
    return [get(index) for index in range(n)]


def _copy_force(force: openmm.Force, maps: Sequence[Mapping[int, int]]) -> None:
    """Give the copies of molecules the terms that the molecules have."""
    if isinstance(force, openmm.HarmonicBondForce):
        _copy_terms(_all(force.getNumBonds(), force.getBondParameters), force.addBond, 2, maps)
    elif isinstance(force, openmm.HarmonicAngleForce):
        _copy_terms(_all(force.getNumAngles(), force.getAngleParameters), force.addAngle, 3, maps)
    elif isinstance(force, openmm.PeriodicTorsionForce | openmm.RBTorsionForce):
        _copy_terms(_all(force.getNumTorsions(), force.getTorsionParameters), force.addTorsion, 4, maps)
    elif isinstance(force, openmm.CustomExternalForce):
        _copy_terms(_all(force.getNumParticles(), force.getParticleParameters), force.addParticle, 1, maps)
    elif isinstance(force, openmm.NonbondedForce):
        for new in maps:
            for atom in new:
                force.addParticle(*force.getParticleParameters(atom))
        _copy_terms(_all(force.getNumExceptions(), force.getExceptionParameters), force.addException, 2, maps)
    elif not isinstance(force, openmm.MonteCarloBarostat):
        raise InvalidInput(
            f"grand canonical: a system with {force.getName()} cannot get more molecules; bonds, angles, torsions, "
            "external fields and one NonbondedForce can"
        )


def grow(system: openmm.System, molecules: Mapping[str, _Atoms], n_new: Mapping[str, int]) -> dict[str, _Atoms]:
    """Add copies of the first molecule of each species to a system, species by species.

    Returns
    -------
    dict of str to ndarray of int, shape (n_molecules, n_atoms_of_one)
        Atoms of all molecules of each species, those added last.

    Raises
    ------
    InvalidInput
        If the system has a force that is not understood.
    """
    maps: list[dict[int, int]] = []
    grown = {}
    for species, known in molecules.items():
        rows = [*known]
        for _ in range(n_new[species]):
            begin = system.getNumParticles()
            for atom in known[0]:
                system.addParticle(system.getParticleMass(int(atom)))
            rows.append(np.arange(begin, begin + len(known[0])))
            maps.append({int(old): int(new) for old, new in zip(known[0], rows[-1], strict=True)})
        grown[species] = np.array(rows, dtype=np.int64)
    constraints = _all(system.getNumConstraints(), system.getConstraintParameters)
    _copy_terms(constraints, system.addConstraint, 2, maps)
    for force in system.getForces():
        _copy_force(force, maps)
    return grown


# -- what is refused


def _without_motion_remover(system: openmm.System) -> None:
    """Take out what removes the momentum of the whole, ghosts among it: it has no time reversal."""
    for index in reversed(range(system.getNumForces())):
        if isinstance(system.getForce(index), openmm.CMMotionRemover):
            system.removeForce(index)


def _nonbonded_force(system: openmm.System) -> openmm.NonbondedForce:
    found = [force for force in system.getForces() if isinstance(force, openmm.NonbondedForce)]
    if len(found) != 1:
        raise InvalidInput(f"grand canonical: needs a system with one NonbondedForce, got {len(found)}")
    (force,) = found
    if force.getNumParticleParameterOffsets() or force.getNumExceptionParameterOffsets():
        raise InvalidInput("grand canonical: the NonbondedForce has parameter offsets already")
    method = force.getNonbondedMethod()
    if method in (force.PME, force.Ewald):
        return force
    if method != force.CutoffPeriodic or np.abs(nonbonded_parameters(force)[:, 0]).max() > 0:
        raise InvalidInput(
            "grand canonical: charges need PME or Ewald sums, Lennard-Jones alone CutoffPeriodic; got "
            f"nonbonded method {method}"
        )
    return force


def _check_species(species: str, known: _Atoms, parameters: NDArray[np.float64]) -> None:
    if known.ndim != 2 or not len(known):
        raise InvalidInput(f"grand canonical: {species}: at least one molecule to copy, got {len(known)}")
    of_molecules = parameters[known]
    if not np.allclose(of_molecules, of_molecules[0]):
        raise InvalidInput(f"grand canonical: {species}: its molecules differ in charges or Lennard-Jones parameters")
    if abs(net := of_molecules[0, :, 0].sum()) > _NEUTRAL:
        raise InvalidInput(f"grand canonical: {species}: a molecule must be neutral, it has {net:+.3f} e")


# -- what acts on a slot


def _scaled(expression: str, factor: str) -> str:
    main, separator, definitions = expression.partition(";")
    return f"{factor}*({main}){separator}{definitions}"


def _field_of_slot(field: openmm.CustomExternalForce, pool: Pool, species: str) -> openmm.CustomExternalForce:
    """Return an external field on a slot alone, scaled as its Lennard-Jones energy is."""
    scaled = openmm.CustomExternalForce(_scaled(field.getEnergyFunction(), pool.coupled(species)))
    for index in range(field.getNumGlobalParameters()):
        scaled.addGlobalParameter(field.getGlobalParameterName(index), field.getGlobalParameterDefaultValue(index))
    for index in range(field.getNumPerParticleParameters()):
        scaled.addPerParticleParameter(field.getPerParticleParameterName(index))
    scaled.addGlobalParameter(pool.coupled(species), 1.0)
    atoms = set(pool.slots[species].tolist())
    for atom, parameters in map(field.getParticleParameters, range(field.getNumParticles())):
        if atom in atoms:
            scaled.addParticle(atom, parameters)
    scaled.setForceGroup(pool.group(species))
    return scaled


def _scale_fields(system: openmm.System, pool: Pool) -> None:
    """Have external fields act on what is there: on slots by their lambda, on other molecules as they are `present`."""
    slots = {int(atom) for atoms in pool.slots.values() for atom in atoms}
    for field in [force for force in system.getForces() if isinstance(force, openmm.CustomExternalForce)]:
        for species in pool.slots:
            system.addForce(_field_of_slot(field, pool, species))
        field.setEnergyFunction(_scaled(field.getEnergyFunction(), PRESENT))
        field.addPerParticleParameter(PRESENT)
        for index in range(field.getNumParticles()):
            atom, parameters = field.getParticleParameters(index)
            field.setParticleParameters(index, atom, [*parameters, float(atom not in slots)])


def _add_slots(system: openmm.System, force: openmm.NonbondedForce, pool: Pool) -> None:
    """Leave the interactions of the slots to their lambdas, and the tail to a force that knows what is there."""
    parameters = nonbonded_parameters(force)
    every = [molecule.tolist() for rows in pool.molecules.values() for molecule in rows]
    make_own_pairs_exceptions(force, [*every, *(atoms.tolist() for atoms in pool.slots.values())], parameters)
    on_slots = {int(atom) for atoms in pool.slots.values() for atom in atoms}
    others = [atom for atom in range(pool.n_atoms) if atom not in on_slots]
    for species, atoms in pool.slots.items():
        if np.abs(pool.parameters[species][:, 0]).max() > 0:
            scale_charges(force, atoms.tolist(), parameters, pool.discharged(species))
        else:
            for atom in atoms:
                force.setParticleParameters(int(atom), 0.0, parameters[atom, 1], 0.0)
        soft = soft_core(force, atoms.tolist(), others, parameters, pool.coupled(species))
        soft.setForceGroup(pool.group(species))
        system.addForce(soft)
    if force.getUseDispersionCorrection():
        force.setUseDispersionCorrection(False)
        tail = openmm.CustomVolumeForce(f"{TAIL}/v")
        tail.addGlobalParameter(TAIL, 0.0)
        tail.setForceGroup(TAIL_GROUP)
        system.addForce(tail)


def _take_ghosts_out_of_the_barostat(system: openmm.System, kT: float) -> None:
    """Add the energy n kT ln V of n ghosts, which takes back that each of them, being ideal, would like more volume."""
    force = openmm.CustomVolumeForce(f"{N_GHOSTS}*kT*log(v)")
    force.addGlobalParameter(N_GHOSTS, 0.0)
    force.addGlobalParameter("kT", kT)
    force.setForceGroup(GHOST_GROUP)
    system.addForce(force)


def pool_system(
    plain: openmm.System,
    molecules: Mapping[str, NDArray[np.int64]],
    n_in_pool: Mapping[str, int],
    kT_of_barostat: float | None = None,
) -> tuple[openmm.System, Pool]:
    """Return a copy of a system with idle molecules and a slot for each open species, and where they are.

    Its atoms are those of the plain system, then the idle molecules species by species, then the slots. Forces for
    bonds, angles, torsions and external fields, and constraints, are copied; a `CMMotionRemover` is left out.

    Parameters
    ----------
    plain : openmm.System
        With one `NonbondedForce` (PME or Ewald; without charges also CutoffPeriodic).
    molecules : mapping of str to ndarray of int, shape (n_molecules, n_atoms_of_one)
        Atoms of each molecule of each open species in `plain`, at least one.
    n_in_pool : mapping of str to int
        Molecules of each species, real or idle, that there shall be.
    kT_of_barostat : float, optional
        In kJ/mol; if given, a barostat may be added: it will not feel the ghosts.

    Raises
    ------
    InvalidInput
        If a species is charged, or the system has forces that are not understood.
    """
    system = copy.deepcopy(plain)
    _without_motion_remover(system)
    if any(system.isVirtualSite(atom) for atom in range(system.getNumParticles())):
        raise InvalidInput("grand canonical: virtual sites cannot be copied")
    force = _nonbonded_force(system)
    parameters = nonbonded_parameters(force)
    known = {species: np.asarray(rows, dtype=np.int64) for species, rows in molecules.items()}
    for species, rows in known.items():
        _check_species(species, rows, parameters)
    for other in system.getForces():
        other.setForceGroup(0)
    force.setForceGroup(NONBONDED_GROUP)
    force.setReciprocalSpaceForceGroup(-1)
    all_molecules = grow(system, known, {name: max(0, n_in_pool[name] - len(rows)) for name, rows in known.items()})
    slots = {name: rows[-1] for name, rows in grow(system, known, dict.fromkeys(known, 1)).items()}
    closed = np.delete(parameters, np.concatenate([rows.ravel() for rows in known.values()]), axis=0)
    of_one = {name: parameters[rows[0]] for name, rows in known.items()}
    pool = Pool(all_molecules, slots, of_one, closed, system.getNumParticles())
    _scale_fields(system, pool)
    _add_slots(system, force, pool)
    if kT_of_barostat is not None:
        _take_ghosts_out_of_the_barostat(system, kT_of_barostat)
    return system, pool
