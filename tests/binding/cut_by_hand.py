"""Clusters made by hand: molecules of a small box around one Li+, moved until they touch it."""

import numpy as np
from scipy.spatial.transform import Rotation
from small_boxes import liquid

from solvshell.binding import Cluster
from solvshell.binding.vacuum import vacuum_system

#: Where the coordinating atom stands, seen from Li+ in Å: far enough from each other, none in line.
PLACES = np.array([[1.95, 0.1, 0.0], [-0.6, 1.9, 0.3], [-0.7, -0.9, 1.8], [0.3, -1.2, -1.9]])
TOUCHING = {"EC": "O2", "DMC": "O2", "PF6": "F1"}
CHARGES = {"Li": 1, "PF6": -1}


def cluster(*partners, name="by-hand", kind="shell"):
    """Li+ and molecules, each of them another one of the box."""
    box = liquid()
    free = list(box.topology.residues())
    atoms, positions, touching = [], [], []
    for species in ("Li", *partners):
        residue = next(one for one in free if one.name == species.upper())
        free.remove(residue)
        inside = [atom.index for atom in residue.atoms()]
        place = 10 * box.positions[inside]
        if species == "Li":
            place = np.zeros((1, 3))
        else:
            wanted = PLACES[len(positions) - 1]
            i = [atom.name for atom in residue.atoms()].index(TOUCHING[species])
            place = turned(place - place[i], wanted) + wanted
            touching.append(len(atoms) + i)
        atoms += inside
        positions.append(place)
    elements = [atom.element.symbol for atom in box.topology.atoms()]
    return Cluster(
        name=name,
        kind=kind,
        species=("Li", *partners),
        sizes=tuple(len(place) for place in positions),
        charges=tuple(CHARGES.get(species, 0) for species in ("Li", *partners)),
        elements=tuple(elements[i] for i in atoms),
        positions=np.concatenate(positions),
        touching=tuple(touching),
        system=vacuum_system(box.system, atoms),
        charge_scale=0.8,
    )


def turned(molecule, direction):
    """A molecule whose coordinating atom is at the origin, turned so that the rest lies along a direction."""
    rotation, _ = Rotation.align_vectors([direction], [molecule.mean(axis=0)])
    return rotation.apply(molecule)


def box_parameters(cluster_of_box):
    """Charges (e), sigma (Å) and epsilon (kJ/mol) of the atoms, as its System has them."""
    (force,) = (force for force in cluster_of_box.system.getForces() if type(force).__name__ == "NonbondedForce")
    found = [force.getParticleParameters(i) for i in range(force.getNumParticles())]
    charges, sigma, epsilon = np.array([[value._value for value in row] for row in found]).T
    return charges, 10 * sigma, epsilon
