"""Who stands in the first shell of each center in each frame: numbers, compositions, ion pairs."""

import numpy as np
import pandas as pd

from solvshell.analysis.geometry import Contacts
from solvshell.analysis.sites import Sites
from solvshell.analysis.statistics import Estimate, mean_with_error

SHELL_COLUMNS = ["center", "composition", "fraction", "stderr", "n", "example_frame"]
SPECIATION_COLUMNS = ["center", "state", "fraction", "stderr"]
STATES = ("ssip", "cip", "agg")


def within_cutoffs(contacts: Contacts, sites: Sites, cutoffs: np.ndarray) -> Contacts:
    """Return the contacts of the first shells.

    Parameters
    ----------
    cutoffs
        Shape (n_center_species, n_sites), in Å: 0 where there is no shell and so no contact, not a number where there
        are too few samples to say.
    """
    return contacts.where(contacts.distance < cutoffs[sites.species_of_center[contacts.center], contacts.site])


def lacks_cutoff(cutoffs: np.ndarray) -> np.ndarray:
    """Return for each center species whether a cutoff is missing, so that its shells cannot be counted."""
    return np.isnan(cutoffs).any(axis=1)


def distinct_molecules(contacts: Contacts, group_of_site: np.ndarray | None = None) -> Contacts:
    """Return one row for each frame, center and molecule, and site; or group of sites, whose index `site` then is."""
    group = contacts.site if group_of_site is None else group_of_site[contacts.site]
    columns = np.stack([group, contacts.frame, contacts.center, contacts.molecule])
    if columns.size == 0:
        return contacts
    shape = tuple(columns.max(axis=1) + 1)
    _, first = np.unique(np.ravel_multi_index(tuple(columns), shape), return_index=True)
    distinct = contacts.where(first)
    return Contacts(distinct.frame, distinct.center, distinct.molecule, group[first], distinct.distance)


def number_per_center(contacts: Contacts, n_groups: int, n_frames: int, n_centers: int) -> np.ndarray:
    """Return the rows of each site (or group), frame and center, shape (n_groups, n_frames, n_centers)."""
    shape = (n_groups, n_frames, n_centers)
    flat = np.ravel_multi_index((contacts.site.astype(int), contacts.frame, contacts.center), shape)
    return np.bincount(flat, minlength=np.prod(shape)).reshape(shape)


def molecules_per_center(contacts: Contacts, sites: Sites, n_frames: int) -> np.ndarray:
    """Return the molecules of each partner, frame and center, shape (n_partners, n_frames, n_centers)."""
    partners = list(sites.n_molecules)
    partner_of_site = np.array([partners.index(site.partner) for site in sites.sites])
    return number_per_center(distinct_molecules(contacts, partner_of_site), len(partners), n_frames, sites.n_centers)


def shell_shares(contacts: Contacts, sites: Sites, cutoffs: np.ndarray, n_frames: int) -> list[dict[str, str | float]]:
    """Return each partner's share of the molecules in first shells and in the box, and the ratio of the two.

    A center species that lacks a cutoff has no rows.
    """
    numbers = molecules_per_center(contacts, sites, n_frames)
    n_all = sum(sites.n_molecules.values())
    rows = []
    for center, incomplete in zip(sites.centers, lacks_cutoff(cutoffs), strict=True):
        if incomplete:
            continue
        of_partner = numbers[:, :, center.members].sum(axis=(1, 2))
        for (partner, n), share in zip(sites.n_molecules.items(), of_partner / max(1, of_partner.sum()), strict=True):
            row = {"center": center.name, "partner": partner, "shell_share": share, "bulk_share": n / n_all}
            rows.append(row | {"ratio": share / (n / n_all)})
    return rows


def _composition(partners: list[str], numbers: np.ndarray) -> str:
    return " ".join(f"{name}{n}" for name, n in zip(partners, numbers, strict=True) if n) or "none"


def shell_table(
    contacts: Contacts, sites: Sites, cutoffs: np.ndarray, frames: np.ndarray
) -> tuple[pd.DataFrame, list[Estimate]]:
    """Return how often each shell composition occurs, the most frequent first, and the estimates behind the fractions.

    A composition counts molecules, in the order of the species file ("EC3 DMC1"), however many of their sites touch; an
    empty shell is "none". `n` counts centers times frames, `example_frame` is a frame number of the trajectory. A
    center species that lacks a cutoff has no rows.

    Parameters
    ----------
    contacts, cutoffs
        From `within_cutoffs`, and what it was given.
    frames
        Numbers of the frames analyzed, shape (n_frames,).
    """
    partners = list(sites.n_molecules)
    numbers = molecules_per_center(contacts, sites, len(frames))
    rows, estimates = [], []
    for center, incomplete in zip(sites.centers, lacks_cutoff(cutoffs), strict=True):
        if incomplete:
            continue
        kinds, kind = np.unique(numbers[:, :, center.members].reshape(len(partners), -1).T, axis=0, return_inverse=True)
        kind = kind.reshape(len(frames), -1)
        for i in np.argsort(-np.bincount(kind.ravel()), kind="stable"):
            found = kind == i
            estimate = mean_with_error(found.astype(float))
            example = int(frames[found.any(axis=1).argmax()])
            name = _composition(partners, kinds[i])
            rows.append((center.name, name, estimate.mean, estimate.stderr, int(found.sum()), example))
            estimates.append(estimate)
    return pd.DataFrame(rows, columns=SHELL_COLUMNS), estimates


def ion_pair_states(contacts: Contacts, sites: Sites, n_frames: int) -> np.ndarray:
    """Return the index into `STATES` for each frame and center, shape (n_frames, n_centers).

    ``ssip``: no anion within its cutoff, ``cip``: exactly one, which touches no other center of any species,
    ``agg``: all else.
    """
    anion = np.array([site.role == "anion" for site in sites.sites])
    pairs = distinct_molecules(contacts.where(anion[contacts.site]), np.zeros(len(sites.sites), dtype=int))
    n_anions = number_per_center(pairs, 1, n_frames, sites.n_centers)[0]
    shape = (n_frames, int(pairs.molecule.max(initial=0)) + 1)
    anion_idx = np.ravel_multi_index((pairs.frame, pairs.molecule), shape)
    _, inverse, n_touched = np.unique(anion_idx, return_inverse=True, return_counts=True)
    states = np.minimum(n_anions, 2)
    shared = n_touched[inverse] > 1
    states[pairs.frame[shared], pairs.center[shared]] = 2
    return states


def speciation_table(
    contacts: Contacts, sites: Sites, cutoffs: np.ndarray, n_frames: int
) -> tuple[pd.DataFrame, list[Estimate | None]]:
    """Return the shares of centers that are SSIP, CIP and AGG, and their estimates; no rows without anions.

    Where a cutoff of an anion is not known, for whichever center species, the fractions of all are empty (and their
    estimates None): an anion at a center of one species may touch one of another.
    """
    anion = np.array([site.role == "anion" and site.coordinating for site in sites.sites])
    if not anion.any():
        return pd.DataFrame(columns=SPECIATION_COLUMNS), []
    if lacks_cutoff(cutoffs[:, anion]).any():
        empty = [(center.name, name, np.nan, np.nan) for center in sites.centers for name in STATES]
        return pd.DataFrame(empty, columns=SPECIATION_COLUMNS), [None] * len(empty)
    states = ion_pair_states(contacts, sites, n_frames)
    rows: list[tuple[str, str, float, float | None]] = []
    estimates: list[Estimate | None] = []
    for center in sites.centers:
        of_center = [mean_with_error((states[:, center.members] == i).astype(float)) for i in range(len(STATES))]
        assert abs(sum(estimate.mean for estimate in of_center) - 1) < 1e-9
        estimates += of_center
        rows += [(center.name, name, e.mean, e.stderr) for name, e in zip(STATES, of_center, strict=True)]
    return pd.DataFrame(rows, columns=SPECIATION_COLUMNS), estimates
