"""The polymer of a recipe as a force field sees it: chains with relaxed positions, or the monomers of a network."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain as chain_together
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from openmm import app
from scipy.spatial.distance import pdist

from solvshell.build.chain import Chain, lay_chains
from solvshell.build.forcefield import ForceFieldFiles, create_system
from solvshell.build.geometry import broken_geometry
from solvshell.build.graph import PolymerModel, chain_graph, finished, polymer_model
from solvshell.build.molecules import Molecule, embed
from solvshell.build.monomer import joint_of, read_monomer
from solvshell.build.network import place_units
from solvshell.build.relax import soft_start
from solvshell.build.typing import read_typing
from solvshell.engine import UnstableSimulation
from solvshell.errors import InvalidInput, WorkFailed
from solvshell.polymer import Polymer
from solvshell.recipe import Model

Vectors = NDArray[np.float64]

#: conformations that reach too far before a chain is refused
_MOST_LONG = 8
#: and those of which the most compact is taken for a box that is too small for it
_N_COMPARED = 4


def model_of(mol: Any, polymer: Polymer, files: ForceFieldFiles, model: Model) -> PolymerModel:
    """Return the residue templates of a polymer molecule, refused where the force field lacks a term of it."""
    typed = polymer_model(mol, polymer.name, read_typing(model.typing), files.masses())
    if missing := files.missing_terms(typed.types, typed.whole.bonds):
        raise InvalidInput(
            f"force_field.files: no term for {'; '.join(missing[:5])}{' ...' * (len(missing) > 5)} of polymer "
            f"{polymer.name}"
        )
    return typed


def unit_model(polymer: Polymer, files: ForceFieldFiles, model: Model) -> PolymerModel:
    """Return the model of one chain, or of the monomer of a network: what composition counts."""
    monomer = read_monomer(polymer)
    if polymer.is_network:
        if len(monomer.vinyls) < 2:
            raise InvalidInput(
                f"polymer.architecture: a network needs two CH2=CH groups, the monomer has {len(monomer.vinyls)}"
            )
        mol, _ = finished(place_units(monomer.mol, 1))
    else:
        straight = [False] * polymer.molecule_units
        keep = polymer.unreacted == "keep"
        mol = chain_graph(monomer, joint_of(polymer, monomer), straight, polymer.end_groups, keep).mol
    return model_of(mol, polymer, files, model)


def chain_formula(polymer: Polymer, unit: PolymerModel, anion_charge: int | None, explicit: bool) -> dict[str, int]:
    """Return units and counter-ions of one chain, or of one monomer of a network.

    Raises
    ------
    InvalidInput
        If the counter-ions cannot neutralise it.
    """
    charge = round(sum(unit.whole.charges))
    formula = {polymer.name: polymer.molecule_units}
    if polymer.counter_ion is None or anion_charge is None:
        if charge != 0 and not explicit:
            raise InvalidInput(f"polymer.counter_ion: missing; {polymer.name} has a charge of {charge:+d} e")
        return formula
    number, rest = divmod(charge, -anion_charge)
    if rest or number <= 0:
        raise InvalidInput(
            f"polymer.counter_ion: no number of {polymer.counter_ion} ({anion_charge:+d} e) neutralises "
            f"{polymer.name} ({charge:+d} e)"
        )
    return formula | {polymer.counter_ion: number}


@dataclass(frozen=True)
class PolymerMolecule:
    """A chain, or a monomer of a network to be, with positions (n_atoms, 3) in nm around the origin.

    `backbone_extent` (nm) is the largest distance between atoms that join units, `extent` that of all atoms.
    """

    model: PolymerModel
    positions: Vectors
    backbone_extent: float

    @property
    def extent(self) -> float:
        """How far the molecule reaches with its side groups, in nm."""
        return float(pdist(self.positions).max())

    def as_molecule(self, name: str) -> Molecule:
        """Return it as a rigid molecule for packing."""
        return Molecule(name, self.model.whole, self.positions)


def _relaxed(typed: PolymerModel, positions: Vectors, files: ForceFieldFiles, model: Model) -> Vectors | str:
    """Return relaxed positions, or what is wrong with them."""
    topology = app.Topology()
    templates = typed.add_to(topology)
    system = create_system(topology, files.with_residues(typed.residues), model, periodic=False, templates=templates)
    # On the Reference platform the same seed gives the same chain bit for bit.
    try:
        state = soft_start(system, positions, charged=False, platform="Reference")
    except UnstableSimulation as error:
        return str(error)
    relaxed = state.getPositions(asNumpy=True)._value
    problems = broken_geometry(system, relaxed)
    return next(iter(problems.values())) if problems else relaxed - relaxed.mean(axis=0)


def _compact_first(chains: Iterator[Chain], extent: float) -> Iterator[Chain]:
    """Give the first few chains by their extent if the first reaches, with its side groups, to its own image."""
    first = list(islice(chains, _N_COMPARED))
    if first and pdist(first[0].positions).max() > extent:
        first.sort(key=lambda chain: float(pdist(chain.positions).max()))
    return chain_together(first, chains)


def make_chain(
    polymer: Polymer, files: ForceFieldFiles, model: Model, seed: int | tuple[int, ...], max_extent: float = np.inf
) -> PolymerMolecule:
    """Return a relaxed chain without overlaps; the same seed gives the same chain bit for bit.

    Parameters
    ----------
    max_extent : float
        How far its backbone may reach, in nm.

    Raises
    ------
    InvalidInput
        If it reaches farther in every conformation tried.
    WorkFailed
        If none could be laid out and relaxed.
    """
    problem, shortest, n_long = "its units overlap", np.inf, 0
    for chain in _compact_first(lay_chains(polymer, seed), max_extent):
        if chain.extent > max_extent:
            shortest, n_long = min(shortest, chain.extent), n_long + 1
            if n_long == _MOST_LONG:
                break
            continue
        typed = model_of(chain.graph.mol, polymer, files, model)
        relaxed = _relaxed(typed, chain.positions, files, model)
        if isinstance(relaxed, str):
            problem = relaxed
            continue
        extent = chain.extent_of(relaxed)
        if extent <= max_extent:
            return PolymerMolecule(typed, relaxed, extent)
        shortest = min(shortest, extent)
    if np.isfinite(shortest):
        raise InvalidInput(
            f"polymer.chain_length: a chain of {polymer.chain_length} units reaches over {shortest:.2f} nm or more; "
            f"with the cutoff more than the box, which allows {max_extent:.2f} nm; take a larger box or a shorter chain"
        )
    raise WorkFailed(
        f"polymer: no chain of {polymer.chain_length} units found that relaxes ({problem}); another seed may"
    )


def make_monomer(polymer: Polymer, files: ForceFieldFiles, model: Model, seed: int) -> PolymerMolecule:
    """Return the relaxed monomer of a network."""
    typed = unit_model(polymer, files, model)
    relaxed = _relaxed(typed, embed(polymer.name, typed.mol, seed), files, model)
    if isinstance(relaxed, str):
        raise WorkFailed(f"polymer: the relaxed monomer has {relaxed}")
    return PolymerMolecule(typed, relaxed, 0.0)
