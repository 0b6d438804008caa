"""Clusters cut from a trajectory: typical first shells, and the pairs that these are made of."""

from collections.abc import Iterator

import numpy as np
import openmm
from MDAnalysis import Universe

from solvshell.analysis.geometry import Contacts
from solvshell.analysis.shells import FirstShells
from solvshell.analysis.sites import Center
from solvshell.analysis.typical.cutout import Cluster as CutOut
from solvshell.analysis.typical.cutout import cut_out
from solvshell.analysis.typical.export import typical_shells
from solvshell.analysis.typical.instances import Instance
from solvshell.binding.clusters import PAIR, SHELL, Cluster
from solvshell.binding.vacuum import vacuum_system


def _from_cut_out(
    cut: CutOut, name: str, kind: str, partner_of: np.ndarray, frame: int, model: tuple[openmm.System, float] | None
) -> Cluster:
    atoms = cut.universe.atoms
    starts = np.flatnonzero(np.diff(atoms.resindices[: len(cut.source)], prepend=-1))
    system, scale = model or (None, 1.0)
    return Cluster(
        name=name,
        kind=kind,
        species=tuple(partner_of[cut.source[starts]].tolist()),
        sizes=tuple(np.diff([*starts, len(atoms)]).tolist()),
        charges=cut.charges,
        elements=tuple(atoms.elements.tolist()),
        positions=atoms.positions.astype(float),
        touching=tuple(cut.touching.tolist()),
        frame=frame,
        center_index=int(cut.source[0]),
        system=None if system is None or cut.cut_bonds else vacuum_system(system, cut.source.tolist()),
        charge_scale=scale,
    )


def _species_of_atoms(shells: FirstShells, n_atoms: int) -> np.ndarray:
    """Return the name of the species that each atom's molecule is of, shape (n_atoms,); empty where it is none."""
    names = np.full(n_atoms, "", dtype=object)
    for site in shells.sites.sites:
        names[site.atoms.residues.atoms.indices] = site.partner
    for center in shells.sites.centers:
        names[center.atoms.indices] = center.name
    return names


def _pairs(shells: FirstShells, center: Center, partner: str) -> list[Contacts]:
    """Return the contacts of each pair of a center and a molecule, of those with the most frequent number of contacts.

    Sorted by the shortest distance.
    """
    of_partner = [j for j, site in enumerate(shells.sites.sites) if site.partner == partner and site.coordinating]
    all_ = shells.contacts
    mine = (all_.center >= center.members.start) & (all_.center < center.members.stop)
    contacts = all_.where(mine & np.isin(all_.site, of_partner))
    if not len(contacts.frame):
        return []
    # together what is of one pair
    contacts = contacts.where(np.lexsort((contacts.molecule, contacts.center, contacts.frame)))
    keys = np.stack([contacts.frame, contacts.center, contacts.molecule])
    starts = np.flatnonzero((np.diff(keys, axis=1, prepend=-1) != 0).any(axis=0))
    n_contacts = np.diff([*starts, keys.shape[1]])
    shortest = np.minimum.reduceat(contacts.distance, starts)
    usual = np.flatnonzero(n_contacts == np.bincount(n_contacts).argmax())
    order = usual[np.argsort(shortest[usual], kind="stable")]
    return [contacts.where(slice(starts[i], starts[i] + n_contacts[i])) for i in order]


def _typical_pairs(shells: FirstShells, center: Center, partner: str, wanted: int) -> Iterator[Instance]:
    """Yield pairs at evenly spaced quantiles of their distances: one is the median."""
    pairs = _pairs(shells, center, partner)
    for i in dict.fromkeys(int((k + 0.5) / wanted * len(pairs)) for k in range(wanted if pairs else 0)):
        contacts = pairs[i]
        atom = center.atoms.indices[contacts.center[0] - center.first]
        yield Instance(int(shells.frames[contacts.frame[0]]), int(atom), contacts)


def clusters_of(
    universe: Universe,
    shells: FirstShells,
    n_compositions: int,
    per_composition: int,
    model: tuple[openmm.System, float] | None = None,
) -> list[Cluster]:
    """Return typical shells of the most frequent compositions, and pairs of the center with each partner.

    The shells are those that `export_shells` writes: of other molecules, or another pattern of contacts, and 0.1 Å or
    more apart. Of each partner with any contact there are as many pairs, cut from any shell: of those with the most
    frequent number of contacts, at evenly spaced quantiles of the distance; a single one is at the median.

    Parameters
    ----------
    universe, shells
        Of the same trajectory.
    n_compositions, per_composition
        How many compositions of each center species, and how many shells of each.
    model
        The System of the universe and the scale of its charges of ions.
    """
    before = universe.trajectory.frame
    partner_of = _species_of_atoms(shells, len(universe.atoms))
    found = [
        _from_cut_out(cut, row["file"].removesuffix(".xyz"), SHELL, partner_of, row["frame"], model)
        for row, cut in typical_shells(universe, shells, n_compositions, per_composition)
    ]
    for center in shells.sites.centers:
        for partner in shells.sites.n_molecules:
            for n, pair in enumerate(_typical_pairs(shells, center, partner, per_composition), 1):
                name = f"{center.name}-{partner}-{n}"
                cut = cut_out(universe, shells, pair)
                found.append(_from_cut_out(cut, name, PAIR, partner_of, pair.frame, model))
    universe.trajectory[before]
    return found
