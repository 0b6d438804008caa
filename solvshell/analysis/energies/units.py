"""The units of polycations as centers: which they are, and which molecules touch their ammonium nitrogens."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from MDAnalysis.core.groups import AtomGroup

from solvshell.analysis.energies.passes import Liquid, Shells
from solvshell.analysis.geometry import Contacts, SolvationGeometry
from solvshell.analysis.sites import Center, Sites

#: Center, partner and site by name.
Minima = Mapping[tuple[str, str, str], float]


def nitrogens(sites: Sites, groups: Mapping[str, AtomGroup]) -> dict[str, list[Center]]:
    """Return the reference centers by the species that they are part of."""
    found: dict[str, list[Center]] = {}
    for name, group in groups.items():
        inside = [center for center in sites.reference_centers if center.atoms[0] in group]
        if inside:
            found[name] = inside
    return found


def first_minima(peaks: pd.DataFrame) -> Minima:
    """Return the first minima that g(r) has, in Å."""
    found = peaks.dropna(subset=["first_minimum_angstrom"])
    return {(row.center, row.partner, row.site): float(row.first_minimum_angstrom) for row in found.itertuples()}


def _no_contacts() -> Contacts:
    whole, number = np.empty(0, int), np.empty(0)
    return Contacts(whole, whole, whole, whole, number, number)


def _contacts(
    liquid: Liquid, centers: list[Center], sites: Sites, minima: Minima, partners: set[str], frames: np.ndarray
) -> Contacts:
    """Return the contacts within the first minima; the center of each is the number of its molecule."""
    groups: dict[str, dict[str, AtomGroup]] = {}
    for site in sites.sites:
        if site.coordinating and site.partner in partners:
            groups.setdefault(site.partner, {})[site.name] = site.atoms
    geometry = SolvationGeometry(
        {center.name: center.atoms for center in centers},
        groups,
        molecules_are=liquid.molecules_are,
        capture_radius=max(minima.values()),
        presence=liquid.presence,
    )
    contacts: Contacts = geometry.run(frames=frames, **liquid.how).results.contacts
    radii = np.array(
        [
            [minima.get((center.name, site.partner, site.name), 0.0) for site in geometry.sites.sites]
            for center in centers
        ]
    )
    species = geometry.sites.species_of_center[contacts.center]
    contacts = contacts.where(contacts.distance < radii[species, contacts.site])
    molecule = np.concatenate([center.molecule_idx for center in centers])
    return replace(contacts, center=molecule[contacts.center])


def shells_of_units(
    liquid: Liquid, name: str, centers: list[Center], sites: Sites, minima: Minima, frames: np.ndarray
) -> Shells:
    """Return the first shells of the units of a polycation: who is nearer to a nitrogen than the minimum of that g(r).

    Parameters
    ----------
    name
        The species of the units.
    centers
        Their nitrogens.
    minima
        The first minima of all g(r) that have one.
    frames
        Numbers of the frames in the trajectory.
    """
    names = {center.name for center in centers}
    coordinating = {(site.partner, site.name) for site in sites.sites if site.coordinating and site.partner != name}
    mine = {key: r for key, r in minima.items() if key[0] in names and key[1:] in coordinating}
    partners = {partner for _, partner, _ in mine}
    contacts = _contacts(liquid, centers, sites, mine, partners, frames) if mine else _no_contacts()
    order = [name, *(other for other in liquid.groups if other != name)]
    return Shells(frames, contacts, np.array([[other in partners for other in order]]), np.array([False]), mine)
