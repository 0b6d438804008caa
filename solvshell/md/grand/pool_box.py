"""The box of a grand-canonical run with all molecules that its files have room for, and what such a run is refused."""

import copy
from collections.abc import Mapping

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import app, unit

from solvshell.box import Box
from solvshell.engine import make_context
from solvshell.errors import InvalidInput
from solvshell.grand_canonical import GrandCanonical, Sphere
from solvshell.md.decouple import charge_of
from solvshell.md.grand.pool import grow
from solvshell.md.grand.regions import Slab as SlabRegion
from solvshell.md.grand.regions import Sphere as SphereRegion
from solvshell.md.grand.regions import WholeBox
from solvshell.reservoir import check_reservoir

#: e; what is left of charges that were rounded
_NEUTRAL = 1e-6


def molecules_of(box: Box, species: str) -> NDArray[np.int64]:
    """Return the atoms of each molecule of a species, in the order of the topology, shape (n_molecules, n_atoms)."""
    residue = box.recipe.entries[species].residue
    rows = [[atom.index for atom in one.atoms()] for one in box.topology.residues() if one.name == residue]
    return np.array(rows, dtype=np.int64)


def room_of(stage: GrandCanonical, box: Box) -> dict[str, int]:
    """Return how many molecules of each open species the files of a run have room for."""
    return {name: stage.room.get(name, 2 * box.counts[name] + 20) for name in stage.species}


def region_of(stage: GrandCanonical, box: Box) -> WholeBox | SlabRegion | SphereRegion:
    """Return where molecules come and go."""
    region = stage.region
    if region is None:
        return WholeBox()
    if not isinstance(region, Sphere):
        return SlabRegion("xyz".index(region.axis), *region.between)
    if region.around is not None:
        return SphereRegion(int(molecules_of(box, region.around)[0, 0]), region.radius)
    assert region.at is not None
    return SphereRegion(region.at, region.radius)


# -- what is refused


def _check_pressure(stage: GrandCanonical, box: Box) -> None:
    """Refuse to let a box swell that nothing holds together.

    At the pressure of its reservoir a solution of finite molecules takes up solvent without bound: there is no volume
    at which the chemical potentials of its solvents are those of the reservoir again. A network of which some strands
    span the box resists.
    """
    if stage.pressure is None or (box.provenance.get("polymer") or {}).get("spans"):
        return
    raise InvalidInput(
        f"stage {stage.name}: pressure: only a network that spans the box can be open to a reservoir at constant "
        "pressure; anything else takes up solvent without bound, or evaporates. Leave 'pressure' out: the volume is "
        "then that of the stage before"
    )


def _check_region(stage: GrandCanonical, box: Box) -> None:
    region = stage.region
    if not isinstance(region, Sphere):
        return
    narrowest = float(1 / np.linalg.norm(np.linalg.inv(box.box_vectors), axis=0).max())
    if 2 * region.radius > narrowest:
        raise InvalidInput(
            f"stage {stage.name}: region.radius: a sphere of {region.radius:g} nm meets its own image in a box "
            f"{narrowest:.3f} nm wide"
        )
    if region.around is None:
        return
    ions = [name for name in box.recipe.entries if box.counts[name] and molecules_of(box, name).shape[1:] == (1,)]
    if region.around not in ions:
        raise InvalidInput(
            f"stage {stage.name}: region.around: a species of one atom ({', '.join(ions) or 'this box has none'}), got "
            f"{region.around}"
        )


def check_grand_canonical(stage: GrandCanonical, box: Box) -> None:
    """Refuse, before anything is run, a stage that a box is not made for.

    Raises
    ------
    InvalidInput
        If the reservoir is of another model or temperature; an open species is not in the box, or charged in its model;
        the box has to be held together, and is not; the region does not fit; or there is no room to insert anything.
    """
    check_reservoir(stage.reservoir, box, stage.temperature, stage.species)
    for name in stage.species:
        if abs(net := charge_of(box.system, molecules_of(box, name)[0].tolist())) > _NEUTRAL:
            raise InvalidInput(
                f"stage {stage.name}: open: {name} has {net:+.3f} e in this box; only neutral ones can be"
            )
        if (room := room_of(stage, box)[name]) <= box.counts[name]:
            raise InvalidInput(
                f"stage {stage.name}: room.{name}: more than the {box.counts[name]} of the box, got {room}"
            )
    _check_pressure(stage, box)
    _check_region(stage, box)


# -- the box


def _add_copies(topology: app.Topology, residue: app.topology.Residue, n: int) -> None:
    chain = topology.addChain()
    inside = [bond for bond in topology.bonds() if bond[0].residue is residue and bond[1].residue is residue]
    for _ in range(n):
        copied = topology.addResidue(residue.name, chain)
        atoms = {atom: topology.addAtom(atom.name, atom.element, copied) for atom in residue.atoms()}
        for bond in inside:
            topology.addBond(atoms[bond[0]], atoms[bond[1]], bond.type, bond.order)


def _state(system: openmm.System, box: Box) -> openmm.State:
    """Return the state of the box, with all atoms of the other molecules at the origin."""
    particles = openmm.System()
    for index in range(system.getNumParticles()):
        particles.addParticle(system.getParticleMass(index))
    context = make_context(particles, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    positions = np.zeros((system.getNumParticles(), 3))
    positions[: box.n_atoms] = box.positions
    context.setPeriodicBoxVectors(*(openmm.Vec3(*row) * unit.nanometer for row in box.box_vectors))
    context.setPositions(positions)
    return context.getState(positions=True)


def pool_box(box: Box, room: Mapping[str, int]) -> Box:
    """Return the box whose atoms are those of the trajectory of a run in which molecules come and go.

    The molecules of the box are followed by as many of each open species, one species after the other, as there has to
    be room for; a molecule that is not there lies with all its atoms at the origin. Its system is a plain model of all,
    as if they were there.

    Parameters
    ----------
    box : Box
    room : mapping of str to int
        Molecules of each open species, those of the box among them.
    """
    topology, system = copy.deepcopy(box.topology), copy.deepcopy(box.system)
    molecules = {name: molecules_of(box, name) for name in room}
    extra = {name: room[name] - len(rows) for name, rows in molecules.items()}
    first = {one.name: one for one in reversed(list(topology.residues()))}
    for name, n in extra.items():
        _add_copies(topology, first[box.recipe.entries[name].residue], n)
    grow(system, molecules, extra)
    return Box(box.recipe, topology, system, _state(system, box), box.provenance | {"room": dict(room)})
