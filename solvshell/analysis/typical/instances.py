"""The most typical shells of a composition: which centers in which frames, before any of them is read."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from solvshell.analysis.geometry import Contacts
from solvshell.analysis.shells import FirstShells, distinct_molecules
from solvshell.analysis.sites import Center


@dataclass(frozen=True)
class Instance:
    """One center in one frame: the trajectory's number of the frame, the atom, and the contacts of its shell."""

    frame: int
    atom: int
    contacts: Contacts


def _signatures(contacts: Contacts, instance: np.ndarray, n_sites: int) -> np.ndarray:
    """Return for each instance the number of its pattern of contacts per site, the most frequent pattern first."""
    numbers = np.zeros((instance[-1] + 1, n_sites), np.int64)
    np.add.at(numbers, (instance, contacts.site), 1)
    _, pattern, n = np.unique(
        np.ravel_multi_index(tuple(numbers.T), tuple(numbers.max(axis=0) + 1)), return_inverse=True, return_counts=True
    )
    return np.argsort(np.argsort(-n, kind="stable"))[pattern]


def _strangeness(contacts: Contacts, instance: np.ndarray, signature: np.ndarray) -> np.ndarray:
    """Return how far the sorted distances of each instance are from their medians over those of its pattern, in Å."""
    order = np.lexsort((contacts.distance, contacts.site, instance))
    distance, of_row = contacts.distance[order], signature[instance][order]
    strangeness = np.empty(len(signature))
    for pattern in range(signature.max() + 1):
        members = signature == pattern
        distances = distance[of_row == pattern].reshape(np.count_nonzero(members), -1)
        strangeness[members] = np.sqrt(np.mean((distances - np.median(distances, axis=0)) ** 2, axis=1))
    return strangeness


def _who(contacts: Contacts, instance: np.ndarray, signature: np.ndarray) -> np.ndarray:
    """Return a number for each instance that is equal where center, molecules and pattern of contacts are the same.

    The sum of random numbers of 64 bits, one for each of them, which has no order; two sets agree by chance once in
    1e19.
    """
    largest = max(contacts.molecule.max(), contacts.center.max(), signature.max()) + 1
    of_molecule, of_center, of_pattern = np.random.default_rng(0).integers(2**63, size=(3, largest), dtype=np.uint64)
    first = np.flatnonzero(np.diff(instance, prepend=-1))
    distinct = distinct_molecules(contacts, np.zeros(int(contacts.site.max()) + 1, int))
    starts = np.flatnonzero(np.diff(distinct.frame, prepend=-1) | np.diff(distinct.center, prepend=-1))
    molecules = np.add.reduceat(of_molecule[distinct.molecule], starts)
    return molecules + of_center[contacts.center[first]] + of_pattern[signature]


def typical_instances(shells: FirstShells, center: Center, kind: np.ndarray, composition: int) -> Iterator[Instance]:
    """Yield instances of one composition, the most typical first; no two of one stay.

    Those with the most frequent pattern of contacts per site (an anion by one atom, or by two) come first; among them
    those whose sorted distances from the center, site by site, are nearest to the medians over all with that pattern.
    Another frame in which the same molecules touch the same center by the same pattern is the same stay.

    Parameters
    ----------
    center
        The center species.
    kind, composition
        The composition of each center and frame, shape (n_frames, n_members), from `compositions`; and one of them.
    """
    contacts = shells.contacts
    members = contacts.where((contacts.center >= center.members.start) & (contacts.center < center.members.stop))
    chosen = members.where(kind[members.frame, members.center - center.first] == composition)
    changed = (np.diff(chosen.frame, prepend=-1) != 0) | (np.diff(chosen.center, prepend=-1) != 0)
    starts = np.append(np.flatnonzero(changed), len(changed))
    instance = np.cumsum(changed) - 1
    signature = _signatures(chosen, instance, len(shells.sites.sites))
    order = np.lexsort((_strangeness(chosen, instance, signature), signature))
    _, first = np.unique(_who(chosen, instance, signature)[order], return_index=True)
    for i in order[np.sort(first)]:
        of_one = chosen.where(slice(starts[i], starts[i + 1]))
        atom = center.atoms.indices[of_one.center[0] - center.first]
        yield Instance(int(shells.frames[of_one.frame[0]]), int(atom), of_one)
