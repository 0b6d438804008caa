"""Molecules that are bound, frame by frame, as contacts and first shells."""

from dataclasses import replace

import numpy as np
from shells_by_hand import make_shells

from solvshell.analysis.geometry import Contacts


def contacts_of(bound):
    """Contacts of centers with molecules that are bound (n_frames, n_molecules) or (n_frames, n_centers, n_molecules).

    Molecules are numbered from 0; all contacts are with site 0.
    """
    bound = bound if bound.ndim == 3 else bound[:, None]
    frame, center, molecule = np.nonzero(bound)
    site = np.zeros(len(frame), dtype=np.int16)
    return Contacts(frame, center, molecule, site, np.full(len(frame), 2.0), np.full(len(frame), np.nan))


def shells_of(bound, timestep_ps=1.0, first_frame=0):
    """First shells of Li among EC that are bound (n_frames, n_centers, n_molecules); one Na and others stand apart."""
    n_frames, n_centers, n_molecules = bound.shape
    empty = make_shells([], n_frames, None, first_frame, LI=n_centers, EC=n_molecules, NA=1, PF6=1, TFSI=1)
    contacts = contacts_of(bound)
    contacts = replace(contacts, molecule=contacts.molecule + n_centers)
    return replace(empty, contacts=contacts, timestep_ps=timestep_ps)


def markov(rng, n_frames, shape, stay, away):
    """Pairs in equilibrium, bound for `stay` and away for `away` frames on average, shape (n_frames, *shape)."""
    leave, come = 1 - np.exp(-1 / stay), 1 - np.exp(-1 / away)
    bound = np.zeros((n_frames, *shape), dtype=bool)
    now = rng.random(shape) < come / (come + leave)
    for i in range(n_frames):
        bound[i] = now
        drawn = rng.random(shape)
        now = np.where(now, drawn > leave, drawn < come)
    return bound
