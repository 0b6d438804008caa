"""The molecules of every species in a universe, whole, so that each atom belongs to exactly one of them."""

import numpy as np
from MDAnalysis import Universe
from MDAnalysis.core.groups import AtomGroup

from solvshell.analysis.sites import Sites, molecules_of
from solvshell.errors import InvalidInput
from solvshell.species import SpeciesFile

#: The species of all atoms that the species file does not name.
OTHERS = "others"


def _one_each(name: str, atoms: AtomGroup, numbers: np.ndarray) -> None:
    if len(np.unique(numbers[atoms.indices])) < len(atoms):
        raise InvalidInput(
            f"centers.{name}: several in one molecule; interaction energies are those of whole molecules"
        )


def species_groups(universe: Universe, species: SpeciesFile, sites: Sites) -> dict[str, AtomGroup]:
    """Return the atoms of each species by name: centers, partners, polycations that are no partners, and all others.

    A species has its molecules whole, whatever part of them the species file selects.

    Parameters
    ----------
    species
        Selections, from `recognize`.
    sites
        Those that were selected by it.

    Raises
    ------
    InvalidInput
        If a molecule belongs to two species, or holds two centers.
    """
    numbers = molecules_of(universe.atoms, species.molecules_are)
    selected = {center.name: center.atoms for center in sites.centers}
    for name, atoms in selected.items():
        _one_each(name, atoms, numbers)
    selected |= {name: universe.select_atoms(partner.molecules) for name, partner in species.partners.items()}
    of_partners = np.isin(numbers, np.concatenate([numbers[atoms.indices] for atoms in selected.values()]))
    for center in sites.reference_centers:
        if not of_partners[center.atoms.indices].any():
            selected[center.name] = center.atoms
    owner = np.full(len(numbers), "", dtype=object)
    for name, atoms in selected.items():
        whole = np.isin(numbers, numbers[atoms.indices])
        if taken := sorted(set(owner[whole]) - {""}):
            raise InvalidInput(
                f"{name}: shares molecules with {', '.join(taken)}; interaction energies would count twice"
            )
        owner[whole] = name
    owner[owner == ""] = OTHERS
    return {name: universe.atoms[owner == name] for name in (*selected, OTHERS) if (owner == name).any()}
