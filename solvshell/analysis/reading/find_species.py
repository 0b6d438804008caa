"""From a species file, or none at all, to checked selections in one universe."""

from collections import Counter

import numpy as np
from MDAnalysis import Universe

from solvshell.analysis.reading.fragments import complete_bonds
from solvshell.analysis.reading.recognize import is_by_graph, known_species, listed, recognize
from solvshell.analysis.reading.residues import check_residues
from solvshell.analysis.sites import MoleculesAre, Sites, molecules_of, select_sites
from solvshell.errors import InvalidInput
from solvshell.species import SpeciesFile


def _all_known(universe: Universe, allow_unknown: bool) -> tuple[SpeciesFile, dict[str, str]]:
    """Return the shipped species found in a universe, and notes of what was found and left out."""
    species, unknown = known_species(universe)
    if unknown and not allow_unknown:
        raise InvalidInput(
            f"topology: {listed(unknown)} of no shipped species; name them in a species file (species: or smiles:), or "
            "leave them out with --allow-unknown (allow_unknown=True)"
        )
    notes = {"species": f"found by molecular graph: {', '.join([*species.centers, *species.partners])}"}
    return species, notes | ({"left_out": listed(unknown)} if unknown else {})


def _left_out(universe: Universe, sites: Sites, molecules_are: MoleculesAre) -> dict[str, str]:
    """Return a note of the molecules that are neither centers nor partners: what they do is in no number."""
    numbers = molecules_of(universe.atoms, molecules_are)
    known = [center.molecule_idx for center in (*sites.centers, *sites.reference_centers)]
    rest = ~np.isin(numbers, np.concatenate([*known, *(site.molecule_idx for site in sites.sites)]))
    if not rest.any():
        return {}
    first = np.unique(numbers[rest], return_index=True)[1]
    atoms = universe.atoms[np.flatnonzero(rest)[first]]
    counts = Counter(atoms.resnames) if hasattr(atoms, "resnames") else {"molecules": len(atoms)}
    return {"left_out": ", ".join(f"{name} x {n}" for name, n in counts.items())}


def _check_kinds(universe: Universe, species: SpeciesFile) -> None:
    """Refuse a partner whose molecules are of several kinds, as where species share residue names or atom types."""
    for name, partner in species.partners.items():
        molecules = universe.select_atoms(partner.molecules)
        _, sizes = np.unique(molecules_of(molecules, species.molecules_are), return_counts=True)
        if partner.role != "polymer" and np.ptp(sizes) > 0:
            found = ", ".join(f"{np.count_nonzero(sizes == size)} of {size} atoms" for size in np.unique(sizes)[:4])
            raise InvalidInput(
                f"partners.{name}.molecules: {partner.molecules!r} is of more than one kind: {found} (allowed: "
                "molecules of one size, unless role: polymer)"
            )


def find_species_in(
    universe: Universe, species: SpeciesFile | None = None, *, allow_unknown: bool = False
) -> tuple[SpeciesFile, dict[str, str]]:
    """Return the selections of a species file in a universe, checked, and notes of what was guessed and left out.

    Parameters
    ----------
    universe
        Gets bonds guessed if molecules are fragments and it has none.
    species
        What to look for: selections, or molecules by their graph. All shipped species if left out.
    allow_unknown
        Whether molecules of no shipped species may be left out, where `species` is.

    Raises
    ------
    InvalidInput
        As `recognize` and `select_sites`; or if residues are no molecules, a partner is of several kinds of them, or
        molecules are unknown.
    """
    by_graph = species is None or is_by_graph(species) or species.molecules_are == "fragments"
    notes = complete_bonds(universe) if by_graph else {}
    if species is None:
        species, found = _all_known(universe, allow_unknown)
        return recognize(universe, species), notes | found
    selections = recognize(universe, species)
    sites = select_sites(universe, selections)
    if selections.molecules_are == "residues":
        check_residues(sites)
    _check_kinds(universe, selections)
    return selections, notes | _left_out(universe, sites, selections.molecules_are)
