"""Curing: the packed box in which a network grows, relaxed after every round of bonds."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import openmm
from numpy.typing import NDArray

from solvshell.build.contents import Contents
from solvshell.build.forcefield import ForceFieldFiles, create_system
from solvshell.build.geometry import broken_geometry
from solvshell.build.graph import finished
from solvshell.build.network import Network, describe, grow, place_units, saturate_rest, stretched_bonds
from solvshell.build.polymer import PolymerMolecule, model_of
from solvshell.build.relax import GROWTH, soft_start
from solvshell.engine import UnstableSimulation, advance, choose_platform, make_context
from solvshell.recipe import Recipe

Vectors = NDArray[np.float64]

#: Between the rounds the box moves so that ends meet new partners: hot, since only the topology is kept.
_TEMPERATURE_K, _TIMESTEPS_PS, _STEPS, _HYDROGEN_DA = 600.0, (0.0005, 0.002), 200, 3.0


def _moved(system: openmm.System, state: openmm.State, seed: int) -> Vectors:
    """Return positions after a little dynamics, with heavy hydrogens for a longer time step."""
    for i in range(system.getNumParticles()):
        if system.getParticleMass(i)._value < 1.1:
            system.setParticleMass(i, _HYDROGEN_DA)
    integrator = openmm.LangevinMiddleIntegrator(_TEMPERATURE_K, 5.0, _TIMESTEPS_PS[0])
    integrator.setRandomNumberSeed(seed)
    context = make_context(system, integrator, choose_platform())
    context.setPeriodicBoxVectors(*state.getPeriodicBoxVectors())
    context.setPositions(state.getPositions())
    context.setVelocitiesToTemperature(_TEMPERATURE_K, seed)
    for timestep in _TIMESTEPS_PS:
        integrator.setStepSize(timestep)
        advance(context, _STEPS)
    positions = context.getState(positions=True).getPositions(asNumpy=True)._value
    if not np.isfinite(positions).all():
        raise UnstableSimulation("a coordinate is not a number")
    return positions


class _Bath:
    """The box around a network: it relaxes with the network as that changes."""

    def __init__(
        self, contents: Contents, others: Vectors, lengths: Vectors, recipe: Recipe, files: ForceFieldFiles, seed: int
    ) -> None:
        self.contents, self.others, self.lengths, self.recipe = contents, others, lengths, recipe
        self.files, self.seed = files, seed

    def with_network(self, network: Network) -> tuple[Contents, list[int]]:
        """Return the contents with the network in place of its units, and the order of its atoms there."""
        assert self.recipe.polymer is not None
        mol, order = finished(network.mol)
        model = model_of(mol, self.recipe.polymer, self.files, self.recipe.force_field)
        return replace(self.contents, polymers=[PolymerMolecule(model, network.positions[order], 0.0)]), order

    def relax(self, network: Network, move: bool) -> list[tuple[int, int]]:
        """Relax everything in place; return the bonds of the network that stayed too long."""
        contents, order = self.with_network(network)
        topology, templates = contents.topology(self.lengths[0])
        system = create_system(
            topology, contents.forcefield(self.files), self.recipe.force_field, templates=templates, network=True
        )
        positions = np.concatenate([self.others, network.positions[order]])
        state = soft_start(system, positions, np.diag(self.lengths), growth=GROWTH)
        self.seed += 1
        relaxed = state.getPositions(asNumpy=True)._value
        back = np.argsort(order)
        if stretched := stretched_bonds(network.mol, relaxed[len(self.others) :][back], self.lengths):
            return stretched
        if problems := broken_geometry(system, relaxed, self.lengths):
            raise UnstableSimulation(f"the relaxed box has {next(iter(problems.values()))}")
        if move:
            with suppress(UnstableSimulation):  # a knot that the next minimisation undoes
                relaxed = _moved(system, state, self.seed)
        self.others, network.positions = relaxed[: len(self.others)], relaxed[len(self.others) :][back]
        return []


def cure(
    contents: Contents,
    positions: Vectors,
    lengths: Vectors,
    recipe: Recipe,
    files: ForceFieldFiles,
    seed: int,
    say: Callable[[str], None],
) -> tuple[Contents, Vectors, dict[str, Any]]:
    """Return the box with its monomers joined to a network, its positions in nm, and what the network is.

    Parameters
    ----------
    contents, positions : Contents, ndarray of shape (n_atoms, 3)
        The packed box, monomers last.
    lengths : ndarray, shape (3,)
        Sides of the cell in nm.
    say : callable
        Shows a line after every round.
    """
    polymer = recipe.polymer
    assert polymer is not None
    assert polymer.conversion is not None
    units = contents.polymers
    n_atoms = sum(len(unit.positions) for unit in units)
    others, monomers = positions[:-n_atoms], positions[-n_atoms:]
    network = Network(place_units(units[0].model.mol, len(units)), monomers)
    bath = _Bath(contents, others, lengths, recipe, files, seed)
    bath.relax(network, True)

    def tell(network: Network) -> None:
        say(f"  {polymer.name}: {100 * network.conversion:.0f} % of the C=C reacted, {len(network.ends)} chains")

    grow(network, polymer.conversion, lengths, bath.relax, tell)
    if polymer.unreacted == "saturate":
        saturate_rest(network)
    bath.relax(network, False)
    found = describe(network, lengths) | {"conversion_asked": polymer.conversion}
    if found["conversion"] < polymer.conversion - 0.5 / network.n_initial:
        say(f"  {polymer.name}: asked for {polymer.conversion:.0%} of the C=C, reached {found['conversion']:.0%}")
    grown, order = bath.with_network(network)
    return grown, np.concatenate([bath.others, network.positions[order]]), found
