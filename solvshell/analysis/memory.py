"""What a run remembers: which frames to drop from its start, and how many to draw together."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from solvshell.analysis.coordination import total_per_center
from solvshell.analysis.findings import PeakSamples
from solvshell.analysis.look import Look
from solvshell.analysis.peaks import WINDOW_ANGSTROM, pairs_at_peak
from solvshell.analysis.ratios import long_mean_with_error
from solvshell.analysis.rdf import PairCounts, fine_counts
from solvshell.analysis.shells import FirstShells, captured_shells, number_per_center
from solvshell.analysis.sites import Sites
from solvshell.analysis.statistics import (
    Equilibration,
    bootstrap_run,
    equilibration,
    is_constant,
)


def _inefficiency(series: np.ndarray) -> float:
    """Return the frames per independent sample of a series that may be long."""
    return len(series) / long_mean_with_error(series).n_independent


def _about_means(numbers: np.ndarray, sites: Sites) -> np.ndarray:
    """Return numbers (n_frames, n_centers) about the mean of each species: that species differ is no memory."""
    return np.hstack([numbers[:, center.members] - numbers[:, center.members].mean() for center in sites.centers])


def _numbers_of_partners(shells: FirstShells) -> dict[str, np.ndarray]:
    """Return the coordinating atoms of each partner around each center, shape (n_frames, n_centers), by partner."""
    sites, partners = shells.sites, list(shells.sites.n_molecules)
    partner_of_site = np.array([partners.index(site.partner) if site.coordinating else 0 for site in sites.sites])
    of_partners = replace(shells.contacts, site=partner_of_site[shells.contacts.site])
    numbers = number_per_center(of_partners, len(partners), shells.n_frames, sites.n_centers)
    return dict(zip(partners, numbers, strict=True))


def settled(look: Look) -> Equilibration:
    """Return what to drop from the start.

    Who solvates whom settles last, and need not show in the volume or the total coordination number, where an anion
    takes the place of a solvent molecule one for one: each partner's number is looked at; and where molecules come and
    go, how many of each there are in the box.
    """
    shells = look.shells_within(look.cutoffs)

    def series() -> Iterator[np.ndarray]:
        numbers = _numbers_of_partners(shells)
        for of_centers in (sum(numbers.values()), *numbers.values()):
            yield _about_means(np.asarray(of_centers), look.sites)
        yield look.geometry.volumes
        yield from (n for n in look.sites.molecules_in(look.geometry.frames) if not is_constant(n))

    return equilibration(series(), look.geometry.block_starts)


def _memories(look: Look, shells: FirstShells, first_frame: int) -> Iterator[tuple[float, float]]:
    """Yield for each pair the statistical inefficiency of its g(r) and that of its peak, in frames.

    That of the peak is that of the pairs of each center in its window. Where these are not known (a pair without a
    peak, a reference site or center, a window beyond the capture radius) the coordination numbers stand in, that with
    the partner or with all, whichever remembers longer. So do, for g(r), the volume and the number of pairs: unless
    they are constant. Numbers that never change may remember all the run.
    """
    geometry, sites = look.geometry, look.sites

    def of_box(pair: PairCounts) -> float:
        n_pairs = sites.n_pairs(pair.center, pair.site, geometry.frames[first_frame:])
        changing = (series for series in (volumes, n_pairs) if not is_constant(series))
        return max(map(_inefficiency, changing), default=1.0)

    volumes = geometry.volumes[first_frame:]
    captured = captured_shells(geometry, sites, first_frame).contacts
    numbers = _numbers_of_partners(shells)
    total = total_per_center(shells)

    def standing_in(pair: PairCounts) -> float:
        own = slice(None) if pair.center.reference else pair.center.members
        with_partner = numbers.get(pair.site.partner, total)
        looked_at = (total, with_partner) if with_partner.any() else (total,)
        return max(_inefficiency(_about_means(number, sites)[:, own]) for number in looked_at)

    for (_, j), pair, shell in zip(sites.pairs, fine_counts(geometry, sites), look.peak_shells, strict=True):
        has_contacts = pair.site.coordinating and not pair.center.reference
        if has_contacts and shell.peak is not None and shell.peak + WINDOW_ANGSTROM <= geometry.capture_radius:
            of_peak = _inefficiency(pairs_at_peak(pair, j, shell, captured, shells.n_frames))
        else:
            of_peak = standing_in(pair)
        yield max(of_peak, of_box(pair)), of_peak


def peak_samples(look: Look, shells: FirstShells, first_block: int, n_bootstrap: int, seed: int) -> list[PeakSamples]:
    """Return the bootstrap of each pair: draws are longer than what its g(r) remembers.

    Pairs that remember equally long have the same draws.
    """
    n_blocks, n_frames = look.n_blocks - first_block, shells.n_frames
    return [
        PeakSamples(
            bootstrap_run(n_blocks, n_frames, inefficiency, n_bootstrap, np.random.default_rng(seed)),
            inefficiency,
            n_frames / of_peak,
        )
        for inefficiency, of_peak in _memories(look, shells, int(look.geometry.block_starts[first_block]))
    ]
