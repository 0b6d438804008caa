"""What is there, in a context: which molecules of a pool are real, and how strongly a slot is coupled."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import openmm
from openmm import unit

from solvshell.lj_tail import pair_tails
from solvshell.md.alchemy import Lambdas
from solvshell.md.grand.pool import N_GHOSTS, NONBONDED_GROUP, PRESENT, TAIL, Pool
from solvshell.occupancy import Occupancy

OFF, FULL = Lambdas(0.0, 0.0), Lambdas(1.0, 1.0)


class _Tail:
    """The dispersion tail of what is there, as OpenMM has it for a system of just these molecules."""

    def __init__(self, pool: Pool, force: openmm.NonbondedForce) -> None:
        groups = [pool.closed, *pool.parameters.values()]
        kinds, kind = np.unique(np.concatenate(groups)[:, 1:], axis=0, return_inverse=True)
        of_group = np.split(kind.ravel(), np.cumsum([len(group) for group in groups])[:-1])
        closed, *open_species = (np.bincount(kinds_of, minlength=len(kinds)) for kinds_of in of_group)
        self._closed, self._of_one = closed, dict(zip(pool.parameters, open_species, strict=True))
        cutoff, switch = (
            value.value_in_unit(unit.nanometer) for value in (force.getCutoffDistance(), force.getSwitchingDistance())
        )
        self._of_pair = pair_tails(
            kinds[:, 0], kinds[:, 1], cutoff, switch if force.getUseSwitchingFunction() else None
        )

    def coefficient(self, counts: Mapping[str, int]) -> float:
        """Return the energy in kJ/mol times the volume in nm3: see `solvshell.lj_tail.tail_coefficients`."""
        n_of_kind = self._closed + sum(n * self._of_one[species] for species, n in counts.items())
        n_atoms = n_of_kind.sum()
        pairs = n_of_kind @ self._of_pair @ n_of_kind + n_of_kind @ np.diag(self._of_pair)
        return float(8 * np.pi * n_atoms / (n_atoms + 1) * pairs)


class Slots:
    """Sets what is real in a context of a `pool_system`; between moves all slots are off.

    Attributes
    ----------
    occupancy : Occupancy
        Which molecules of the pool are real. A molecule that is on its way, in a slot, is none of them.
    """

    def __init__(self, context: openmm.Context, pool: Pool, occupancy: Occupancy) -> None:
        self._context, self.pool = context, pool
        forces = context.getSystem().getForces()
        self._nonbonded = next(force for force in forces if isinstance(force, openmm.NonbondedForce))
        self._soft_cores = [force for force in forces if isinstance(force, openmm.CustomNonbondedForce)]
        self._fields = [force for force in forces if isinstance(force, openmm.CustomExternalForce)]
        self._barostats = {
            force: force.getFrequency() for force in forces if isinstance(force, openmm.MonteCarloBarostat)
        }
        has_tail = TAIL in context.getParameters()
        self._tail = _Tail(pool, self._nonbonded) if has_tail else None
        self._at = dict.fromkeys(pool.slots, OFF)
        self.occupancy = occupancy
        self.restore(occupancy)

    def has_charges(self, species: str) -> bool:
        """Return whether a molecule of a species has charges."""
        return bool(np.abs(self.pool.parameters[species][:, 0]).max() > 0)

    # -- the molecules of the pool

    def _write(self, species: str, molecule: int, is_present: bool) -> None:
        """Set the parameters of a molecule; the forces are told by `_update`."""
        for atom, parameters in zip(
            self.pool.molecules[species][molecule].tolist(), self.pool.parameters[species].tolist(), strict=True
        ):
            charge, sigma, epsilon = parameters
            self._nonbonded.setParticleParameters(atom, charge * is_present, sigma, epsilon * is_present)
            for soft in self._soft_cores:
                soft.setParticleParameters(atom, [sigma, epsilon * is_present])
        of_molecule = set(self.pool.molecules[species][molecule].tolist())
        for field, index, atom, parameters in self._in_fields():
            if atom in of_molecule:
                field.setParticleParameters(index, atom, [*parameters[:-1], float(is_present)])

    def _in_fields(self) -> list[tuple[openmm.CustomExternalForce, int, int, list[Any]]]:
        """Return force, index, atom and parameters of all atoms in external fields; slots have fields of their own."""
        found = []
        for field in self._fields:
            n = field.getNumPerParticleParameters()
            if n and field.getPerParticleParameterName(n - 1) == PRESENT:
                found += [(field, i, *field.getParticleParameters(i)) for i in range(field.getNumParticles())]
        return found

    def _update(self) -> None:
        for force in (self._nonbonded, *self._soft_cores, *self._fields):
            force.updateParametersInContext(self._context)

    def set_present(self, species: str, molecule: int, is_present: bool) -> None:
        """Make a molecule of the pool real, or a ghost."""
        self._write(species, molecule, is_present)
        self._update()
        self.occupancy = self.occupancy.with_change(species, molecule, is_present)
        self._set_totals()

    def restore(self, occupancy: Occupancy) -> None:
        """Set everything that a checkpoint of OpenMM does not hold: all molecules of the pool; and all slots off."""
        for species, mask in occupancy.present.items():
            for molecule, is_present in enumerate(mask.tolist()):
                self._write(species, molecule, is_present)
        self._update()
        self.occupancy = occupancy
        for species in self.pool.slots:
            self.couple(species, OFF)
        self.rest()

    # -- the slots

    def _set_totals(self) -> None:
        """Tell the tail and the barostat what is there."""
        if self._tail is not None:
            tail = self._tail.coefficient(self.occupancy.counts) + self._tail_of_slots()
            self._context.setParameter(TAIL, tail)
        if N_GHOSTS in self._context.getParameters():
            n_in_pool = sum(len(rows) for rows in self.pool.molecules.values())
            n_ghosts = n_in_pool - sum(self.occupancy.counts.values()) + len(self.pool.slots)
            self._context.setParameter(N_GHOSTS, n_ghosts)

    def _tail_of_slots(self) -> float:
        """Return what the slots add to the tail, times the volume; linear in lambda."""
        if self._tail is None:
            return 0.0
        counts, found = self.occupancy.counts, 0.0
        without = self._tail.coefficient(counts)
        for species, lambdas in self._at.items():
            if lambdas.lennard_jones > 0:
                with_it = self._tail.coefficient({**counts, species: counts[species] + 1})
                found += lambdas.lennard_jones * (with_it - without)
        return found

    def couple(self, species: str, lambdas: Lambdas) -> None:
        """Set how strongly the slot of a species is coupled."""
        self._context.setParameter(self.pool.coupled(species), lambdas.lennard_jones)
        if self.has_charges(species):
            self._context.setParameter(self.pool.discharged(species), 1.0 - lambdas.charges)
        self._at[species] = lambdas
        self._set_totals()

    def _energy(self, group: int) -> float:
        """Return the energy of a force group, which is no number where coordinates are none."""
        try:
            state = self._context.getState(energy=True, groups=1 << group)
        except openmm.OpenMMException as error:
            if "nan" not in str(error).lower():
                raise
            return np.nan
        return float(state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))

    def _what_changes(self, species: str, before: Lambdas, after: Lambdas) -> float:
        """Return, at the present coupling, the energy in kJ/mol of what differs between two; nothing else is evaluated.

        The work is a difference of numbers as small as can be, then, in mixed precision too.
        """
        energy = self._energy(NONBONDED_GROUP) if before.charges != after.charges else 0.0
        if before.lennard_jones == after.lennard_jones or self._at[species].lennard_jones == 0:
            return energy
        volume_nm3 = self._context.getState().getPeriodicBoxVolume().value_in_unit(unit.nanometer**3)
        return energy + self._energy(self.pool.group(species)) + self._tail_of_slots() / volume_nm3

    def jump(self, species: str, lambdas: Lambdas) -> float:
        """Couple a slot otherwise, and return how much the energy has changed, in kJ/mol; infinite on an overlap."""
        before = self._at[species]
        energy = self._what_changes(species, before, lambdas)
        self.couple(species, lambdas)
        change = self._what_changes(species, before, lambdas) - energy
        return change if np.isfinite(change) else np.inf

    # -- what is integrated

    def begin(self, species: str) -> None:
        """Let dynamics feel the slot of a species, at constant volume: volume moves are no part of a switch."""
        self._integrate({self.pool.group(species)})
        for barostat in self._barostats:
            barostat.setFrequency(0)

    def rest(self) -> None:
        """Let dynamics pass over the slots, which are off: they cost nothing then."""
        self._integrate(set())
        for barostat, frequency in self._barostats.items():
            barostat.setFrequency(frequency)

    def _integrate(self, slot_groups: set[int]) -> None:
        left_out = self.pool.slot_groups - slot_groups
        self._context.getIntegrator().setIntegrationForceGroups(set(range(32)) - left_out)
