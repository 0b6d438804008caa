"""Who stands in the first shell of each center in each frame: numbers, compositions, ion pairs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numba
import numpy as np
import pandas as pd
from MDAnalysis.analysis.results import Results

from solvshell.analysis.geometry import Contacts, check_times
from solvshell.analysis.ratios import long_mean_with_error
from solvshell.analysis.sites import Center, Sites
from solvshell.analysis.statistics import Estimate, mean_with_error
from solvshell.errors import InvalidInput
from solvshell.species import SHORTEST_CUTOFF_ANGSTROM

SHELL_COLUMNS = ["center", "composition", "fraction", "stderr", "n", "example_frame"]
SPECIATION_COLUMNS = ["center", "state", "fraction", "stderr"]
STATES = ("ssip", "cip", "agg")


@dataclass(frozen=True)
class FirstShells:
    """Who stands in the first shell of each center in each frame: what everything below is counted from.

    Attributes
    ----------
    sites : Sites
    cutoffs : numpy.ndarray, shape (n_center_species, n_sites)
        The end of each shell in Å: 0 where there is none, and so no contact; not a number where there are too few
        samples to say; infinite where a rule of the caller decided instead.
    contacts : Contacts
        Those within the cutoffs; their frames count from the first one used.
    frames : numpy.ndarray, shape (n_frames,)
        The numbers of the frames in the trajectory.
    timestep_ps : float
        Time between two frames.
    """

    sites: Sites
    cutoffs: np.ndarray
    contacts: Contacts
    frames: np.ndarray
    timestep_ps: float

    @property
    def n_frames(self) -> int:
        """How many frames there are."""
        return len(self.frames)

    @cached_property
    def is_incomplete(self) -> np.ndarray:
        """Whether a cutoff of a center species is missing, so that its shells cannot be counted."""
        return lacks_cutoff(self.cutoffs)

    def of_pair(self, center: Center, j: int) -> Contacts:
        """Return the contacts of one center species with one site, by its index in `Sites.sites`."""
        contacts = self.contacts
        of_center = (contacts.center >= center.members.start) & (contacts.center < center.members.stop)
        return contacts.where(of_center & (contacts.site == j))


def lacks_cutoff(cutoffs: np.ndarray) -> np.ndarray:
    """Return for each center species whether a cutoff is missing, so that its shells cannot be counted."""
    return np.isnan(cutoffs).any(axis=1)


#: A shell of one's own: radii in Å by center, partner and site; or a function that says which contacts belong to it.
ShellRule = Callable[[Contacts, Sites], np.ndarray]
ShellDefinition = Mapping[tuple[str, str, str], float] | ShellRule


def radii_matrix(radii: Mapping[tuple[str, str, str], float], sites: Sites) -> np.ndarray:
    """Return radii as a matrix of cutoffs; where a coordinating pair has none, its end is not known."""
    known = {
        (center.name, site.partner, site.name): (i, j)
        for i, center in enumerate(sites.centers)
        for j, site in enumerate(sites.sites)
        if site.coordinating
    }
    allowed = ", ".join(map(str, known))
    if not radii:
        raise InvalidInput(f"shell: no radii (known pairs: {allowed})")
    coordinating = np.array([site.coordinating for site in sites.sites])
    cutoffs = np.where(coordinating, np.nan, np.zeros((len(sites.centers), 1)))
    for key, radius in radii.items():
        if key not in known:
            raise InvalidInput(f"shell: {key} is no center, partner and coordinating site (known: {allowed})")
        if not radius >= SHORTEST_CUTOFF_ANGSTROM:
            raise InvalidInput(
                f"shell: {radius} Å for {key} (allowed: {SHORTEST_CUTOFF_ANGSTROM:g} Å or more, or the pair left out)"
            )
        cutoffs[known[key]] = radius
    return cutoffs


def _chosen(rule: ShellRule, contacts: Contacts, sites: Sites) -> np.ndarray:
    mask = np.asarray(rule(contacts, sites))
    if mask.dtype != bool or mask.shape != contacts.frame.shape:
        raise InvalidInput(
            f"shell: the rule returned {mask.dtype} of shape {mask.shape} (expected: true or false for each of "
            f"{len(contacts.frame)} contacts)"
        )
    return mask


def captured_shells(geometry: Results, sites: Sites, first_frame: int = 0) -> FirstShells:
    """Return all contacts of a pass as if the capture radius were the end of every shell, from a frame on."""
    used = geometry.contacts.where(slice(np.searchsorted(geometry.contacts.frame, first_frame), None))
    contacts = replace(used, frame=used.frame - np.int32(first_frame))
    cutoffs = np.full((len(sites.centers), len(sites.sites)), np.inf)
    times = geometry.times
    timestep_ps = float(times[1] - times[0]) if len(times) > 1 else 0.0
    return FirstShells(sites, cutoffs, contacts, geometry.frames[first_frame:], timestep_ps)


def first_shells(
    geometry: Results, sites: Sites, shell: np.ndarray | ShellDefinition, first_frame: int = 0
) -> FirstShells:
    """Return the first shells of a pass, from a frame on.

    Parameters
    ----------
    geometry
        The results of `SolvationGeometry`, after its run.
    shell
        Cutoffs as `FirstShells` has them (those of g(r) from `find_cutoffs`); or radii in Å by center, partner and
        site (a pair that has none leaves the numbers of its center that need it empty); or a function of contacts and
        sites that says of each contact whether it belongs to a shell: a mask of shape (n_rows,).
    first_frame
        Frames before this one are left out.

    Raises
    ------
    InvalidInput
        If a radius is of an unknown pair, no length, or larger than the capture radius of the pass; if a rule returns
        no mask; or if frames are not equally spaced in time.
    """
    if "contacts" not in geometry:
        raise InvalidInput("geometry: has no contacts; call .run() first, and give its .results")
    check_times(geometry.times)
    captured = captured_shells(geometry, sites, first_frame)
    if callable(shell):
        return replace(captured, contacts=captured.contacts.where(_chosen(shell, captured.contacts, sites)))
    if not isinstance(shell, Mapping | np.ndarray):
        raise InvalidInput(f"shell: {shell!r} (allowed: radii by center, partner and site; or a function)")
    cutoffs = radii_matrix(shell, sites) if isinstance(shell, Mapping) else shell
    if np.nan_to_num(cutoffs).max() > geometry.capture_radius:
        raise InvalidInput(
            f"shell: {np.nanmax(cutoffs):g} Å is more than the capture radius of the pass, "
            f"{geometry.capture_radius:g} Å"
        )
    contacts = captured.contacts
    within = contacts.distance < cutoffs[sites.species_of_center[contacts.center], contacts.site]
    return replace(captured, cutoffs=cutoffs, contacts=contacts.where(within))


@numba.njit(cache=True)
def _is_first(frame: np.ndarray, center: np.ndarray, molecule: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return whether a row is the first of its frame, center, molecule and group; rows are sorted by frame, center."""
    first = np.ones(len(frame), np.bool_)
    start = 0
    for k in range(len(frame)):
        if frame[k] != frame[start] or center[k] != center[start]:
            start = k
        for before in range(start, k):
            if molecule[before] == molecule[k] and group[before] == group[k]:
                first[k] = False
                break
    return first


@numba.njit(cache=True)
def _tally(group: np.ndarray, frame: np.ndarray, center: np.ndarray, numbers: np.ndarray) -> None:
    for k in range(len(frame)):
        numbers[group[k], frame[k], center[k]] += 1


def distinct_molecules(contacts: Contacts, group_of_site: np.ndarray | None = None) -> Contacts:
    """Return one row for each frame, center and molecule, and site; or group of sites, whose index `site` then is."""
    group = contacts.site if group_of_site is None else group_of_site[contacts.site]
    first = _is_first(contacts.frame, contacts.center, contacts.molecule, group)
    return replace(contacts, site=group).where(first)


def number_per_center(contacts: Contacts, n_groups: int, n_frames: int, n_centers: int) -> np.ndarray:
    """Return the rows of each site (or group), frame and center, shape (n_groups, n_frames, n_centers)."""
    numbers = np.zeros((n_groups, n_frames, n_centers), np.int32)
    _tally(contacts.site, contacts.frame, contacts.center, numbers)
    return numbers


def molecules_per_center(shells: FirstShells) -> np.ndarray:
    """Return the molecules of each partner, frame and center, shape (n_partners, n_frames, n_centers)."""
    sites = shells.sites
    partners = list(sites.n_molecules)
    # Sites without contacts may be of species that are no partners.
    partner_of_site = np.array([partners.index(site.partner) if site.coordinating else 0 for site in sites.sites])
    distinct = distinct_molecules(shells.contacts, partner_of_site)
    return number_per_center(distinct, len(partners), shells.n_frames, sites.n_centers)


def shell_shares(shells: FirstShells) -> list[dict[str, str | float]]:
    """Return each partner's share of the molecules in first shells and in the box, and the ratio of the two.

    Where molecules come and go, the box is the mean composition of the frames. A center species that lacks a cutoff has
    no rows.
    """
    sites, numbers = shells.sites, molecules_per_center(shells)
    in_box = sites.molecules_in(shells.frames).sum(axis=1)
    rows = []
    for center, incomplete in zip(sites.centers, shells.is_incomplete, strict=True):
        if incomplete:
            continue
        of_partner = numbers[:, :, center.members].sum(axis=(1, 2))
        in_shells = of_partner / max(1, of_partner.sum())
        for partner, share, of_box in zip(sites.n_molecules, in_shells, in_box / in_box.sum(), strict=True):
            row = {"center": center.name, "partner": partner, "shell_share": share, "bulk_share": of_box}
            rows.append(row | {"ratio": share / of_box if of_box else np.nan})
    return rows


def composition_name(partners: Sequence[str], numbers: np.ndarray) -> str:
    """Return the name of a composition of so many molecules of each partner: "EC3 DMC1", or "none"."""
    return " ".join(f"{name}{n}" for name, n in zip(partners, numbers, strict=True) if n) or "none"


def kinds_of_shells(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the compositions that occur, (n_kinds, n_partners), and the index of that of each center.

    Parameters
    ----------
    numbers
        Molecules of each partner, shape (n_partners, n_frames, n_members); the index has the shape of the last two.
    """
    # One number for each composition: sorting those is quicker than sorting rows.
    shape = tuple(numbers.max(axis=(1, 2), initial=0) + 1)
    key = np.ravel_multi_index(tuple(numbers), shape)
    keys, kind = np.unique(key, return_inverse=True)
    return np.stack(np.unravel_index(keys, shape), axis=1), kind.reshape(key.shape)


def compositions(shells: FirstShells, center: Center) -> tuple[list[str], np.ndarray]:
    """Return the names of the shell compositions of a center species, and the index of the one of each center.

    A composition counts molecules, in the order of the species file ("EC3 DMC1"), however many of their sites touch; an
    empty shell is "none". The index has the shape (n_frames, n_members).
    """
    kinds, kind = kinds_of_shells(molecules_per_center(shells)[:, :, center.members])
    return [composition_name(list(shells.sites.n_molecules), row) for row in kinds], kind


def shell_table(shells: FirstShells) -> tuple[pd.DataFrame, list[Estimate]]:
    """Return how often each shell composition occurs, the most frequent first, and the estimates behind the fractions.

    `n` counts centers times frames, `example_frame` is a frame number of the trajectory; see `compositions`. A center
    species that lacks a cutoff has no rows.
    """
    rows, estimates = [], []
    for center, incomplete in zip(shells.sites.centers, shells.is_incomplete, strict=True):
        if incomplete:
            continue
        names, kind = compositions(shells, center)
        for i in np.argsort(-np.bincount(kind.ravel()), kind="stable"):
            found = kind == i
            estimate = long_mean_with_error(found)
            example = int(shells.frames[found.any(axis=1).argmax()])
            rows.append((center.name, names[i], estimate.mean, estimate.stderr, int(found.sum()), example))
            estimates.append(estimate)
    return pd.DataFrame(rows, columns=SHELL_COLUMNS), estimates


def ion_pair_states(shells: FirstShells) -> np.ndarray:
    """Return the index into `STATES` for each frame and center, shape (n_frames, n_centers).

    ``ssip``: no anion within its cutoff, ``cip``: exactly one, which touches no other center of any species,
    ``agg``: all else.
    """
    sites, n_frames = shells.sites, shells.n_frames
    anion = np.array([site.role == "anion" for site in sites.sites])
    of_anions = shells.contacts.where(anion[shells.contacts.site])
    pairs = distinct_molecules(of_anions, np.zeros(len(sites.sites), dtype=int))
    n_anions = number_per_center(pairs, 1, n_frames, sites.n_centers)[0]
    anions, anion_idx = np.unique(pairs.molecule, return_inverse=True)
    n_touched = np.zeros((n_frames, len(anions)), np.int32)
    np.add.at(n_touched, (pairs.frame, anion_idx), 1)
    states = np.minimum(n_anions, 2)
    shared = n_touched[pairs.frame, anion_idx] > 1
    states[pairs.frame[shared], pairs.center[shared]] = 2
    return states


def speciation_table(shells: FirstShells) -> tuple[pd.DataFrame, list[Estimate | None]]:
    """Return the shares of centers that are SSIP, CIP and AGG, and their estimates; no rows without anions.

    Where a cutoff of an anion is not known, for whichever center species, the fractions of all are empty (and their
    estimates None): an anion at a center of one species may touch one of another.
    """
    sites = shells.sites
    anion = np.array([site.role == "anion" and site.coordinating for site in sites.sites])
    if not anion.any():
        return pd.DataFrame(columns=SPECIATION_COLUMNS), []
    if np.isnan(shells.cutoffs[:, anion]).any():
        empty = [(center.name, name, np.nan, np.nan) for center in sites.centers for name in STATES]
        return pd.DataFrame(empty, columns=SPECIATION_COLUMNS), [None] * len(empty)
    states = ion_pair_states(shells)
    rows: list[tuple[str, str, float, float | None]] = []
    estimates: list[Estimate | None] = []
    for center in sites.centers:
        of_center = [mean_with_error((states[:, center.members] == i).astype(float)) for i in range(len(STATES))]
        assert abs(sum(estimate.mean for estimate in of_center) - 1) < 1e-9
        estimates += of_center
        rows += [(center.name, name, e.mean, e.stderr) for name, e in zip(STATES, of_center, strict=True)]
    return pd.DataFrame(rows, columns=SPECIATION_COLUMNS), estimates
