from dataclasses import astuple
from itertools import pairwise

import numpy as np
import pytest
from stays_by_hand import contacts_of, markov

from solvshell.analysis.geometry import Contacts
from solvshell.analysis.stays import continuous_stays, tolerance_frames


def rows(stays):
    return list(zip(*(column.tolist() for column in astuple(stays)), strict=True))


def contacts(*of_frames):
    """Contacts from (frame, center, molecule, site)."""
    frame, center, molecule, site = np.array(of_frames, dtype=np.int32).T
    return Contacts(frame, center, molecule, site.astype(np.int16), frame * 0.0, frame * np.nan)


def dense(stays, shape):
    bound = np.zeros(shape, dtype=bool)
    for _, center, molecule, first, last in rows(stays):
        bound[first : last + 1, center, molecule] = True
    return bound


def test_a_known_stay_is_found_whatever_the_order_of_the_rows():
    found = continuous_stays(contacts((5, 2, 7, 1), (3, 2, 7, 1), (4, 2, 7, 1)))
    assert rows(found) == [(1, 2, 7, 3, 5)]


def test_stays_are_those_of_a_dense_table_and_none_touches_the_next():
    bound = np.random.default_rng(0).random((60, 3, 5)) < 0.6
    found = continuous_stays(contacts_of(bound))
    assert (dense(found, bound.shape) == bound).all()
    begins = bound & ~np.concatenate([np.zeros_like(bound[:1]), bound[:-1]])
    assert len(found.first) == begins.sum()


def test_neighbors_in_the_table_are_kept_apart_at_the_ends_of_the_run():
    found = continuous_stays(
        contacts((0, 0, 3, 0), (1, 0, 3, 0), (0, 0, 4, 0), (1, 0, 4, 0), (0, 1, 0, 0), (0, 0, 3, 1))
    )
    assert rows(found) == [(0, 0, 3, 0, 1), (0, 0, 4, 0, 1), (0, 1, 0, 0, 0), (1, 0, 3, 0, 0)]


def test_a_molecule_that_holds_with_several_atoms_stays_once():
    found = continuous_stays(contacts((0, 0, 3, 0), (0, 0, 3, 0), (1, 0, 3, 0), (2, 0, 3, 0), (2, 0, 3, 0)))
    assert rows(found) == [(0, 0, 3, 0, 2)]


def test_a_molecule_that_changes_its_grip_has_not_left():
    changing = contacts((0, 0, 3, 1), (1, 0, 3, 2), (2, 0, 3, 2), (3, 0, 5, 0))
    assert rows(continuous_stays(changing)) == [(0, 0, 5, 3, 3), (1, 0, 3, 0, 0), (2, 0, 3, 1, 2)]
    assert rows(continuous_stays(changing, np.array([0, 1, 1]))) == [(0, 0, 5, 3, 3), (1, 0, 3, 0, 2)]


@pytest.mark.parametrize(("away", "n_stays"), [(1, 1), (2, 1), (3, 2)])
def test_absences_shorter_than_the_tolerance_are_bridged(away, n_stays):
    bound = np.ones((20, 2, 2), dtype=bool)
    bound[8 : 8 + away, 1, 0] = False
    stays = continuous_stays(contacts_of(bound))
    assert len(stays.first) == 5
    bridged = stays.bridged(3)
    of_pair = bridged.where((bridged.center == 1) & (bridged.molecule == 0))
    assert (len(of_pair.first), of_pair.first[0], of_pair.last[-1]) == (n_stays, 0, 19)
    assert len(bridged.first) == 3 + n_stays


def test_bridging_is_filling_short_gaps():
    bound = markov(np.random.default_rng(1), 300, (2, 3), 8, 4)
    found = dense(continuous_stays(contacts_of(bound)).bridged(4), bound.shape)
    for pair in np.ndindex(2, 3):
        frames = np.flatnonzero(bound[(slice(None), *pair)])
        expected = bound[(slice(None), *pair)].copy()
        for before, after in pairwise(frames):
            expected[before:after] |= after - before <= 4
        assert (found[(slice(None), *pair)] == expected).all()


def test_nobody():
    stays = continuous_stays(contacts_of(np.zeros((5, 2, 2), dtype=bool)))
    assert rows(stays.bridged(3)) == []


@pytest.mark.parametrize(("timestep_ps", "frames"), [(0.5, 4), (0.3, 7), (1.0, 2), (50.0, 2), (0.0, 2)])
def test_an_absence_takes_two_frames_and_two_ps(timestep_ps, frames):
    assert tolerance_frames(timestep_ps) == frames
