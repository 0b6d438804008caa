"""Spatial distributions by the names of a species file, in any trajectory or a run of ours."""

from typing import Any

from MDAnalysis import Universe
from MDAnalysis.core.groups import AtomGroup

from solvshell.analysis.reading.find_species import find_species_in
from solvshell.analysis.sources import open_production, whole_trajectory
from solvshell.analysis.spatial.density import SpatialDistribution, spatial_distribution
from solvshell.errors import InvalidInput
from solvshell.run import Run
from solvshell.species import SpeciesFile, select_species


def _partner_atoms(universe: Universe, species: SpeciesFile, name: str) -> AtomGroup:
    if name not in species.partners:
        raise InvalidInput(f"around: {name!r} (allowed: {', '.join(species.partners)})")
    return universe.select_atoms(species.partners[name].molecules)


def _target_atoms(universe: Universe, species: SpeciesFile, name: str) -> AtomGroup:
    """Return the atoms of a center (``Li``), of a partner's coordinating sites (``EC``), or of one (``EC.ester_o``)."""
    centers = species.centers | species.reference_centers
    with_sites = [name for name, partner in species.partners.items() if partner.sites]
    if name in centers and name not in with_sites:
        return universe.select_atoms(centers[name])
    partner, _, site = name.partition(".")
    entry = species.partners.get(partner)
    sites = {} if entry is None else (entry.sites | entry.reference_sites if site else entry.sites)
    if entry is None or not sites or (site and site not in sites):
        known = [*centers, *with_sites]
        known += [f"{name}.{site}" for name, p in species.partners.items() for site in (*p.sites, *p.reference_sites)]
        raise InvalidInput(f"of: {name!r} (allowed: {', '.join(dict.fromkeys(known))})")
    chosen = [sites[site]] if site else list(sites.values())
    return universe.select_atoms(entry.molecules).select_atoms(*chosen)


def spatial_of_species(
    universe: Universe, species: SpeciesFile | None, around: str, of: str, **settings: Any
) -> SpatialDistribution:
    """Return the spatial distribution by names of a species file.

    Parameters
    ----------
    species
        Selections, or molecules by their graph; all shipped species if None.
    around
        A partner, such as ``EC``.
    of
        A center (``Li``), a partner, which means its coordinating sites (``EC``), or one site of it (``EC.ester_o``).
    **settings
        Of `spatial_distribution`.

    Raises
    ------
    InvalidInput
        If a name is not in the file, or as `find_species_in` and `spatial_distribution`.
    """
    selections, _ = find_species_in(universe, species)
    atoms, neighbors = _partner_atoms(universe, selections, around), _target_atoms(universe, selections, of)
    return spatial_distribution(atoms, neighbors, molecules_are=selections.molecules_are, **settings)


def spatial_of_run(run: Run, around: str, of: str, **settings: Any) -> SpatialDistribution:
    """Return the spatial distribution in the production of a run, finished or not; see `spatial_of_species`."""
    with whole_trajectory(run) as trajectory:
        universe, presence = open_production(run, trajectory)
        species = select_species(run.box.recipe.entries)
        return spatial_of_species(universe, species, around, of, presence=presence, **settings)
