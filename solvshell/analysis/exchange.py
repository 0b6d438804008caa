"""Exchange: which molecule leaves the shell of a center, and which one takes its place."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import chdtri

from solvshell.analysis.dispersion import dispersion
from solvshell.analysis.shells import FirstShells, lacks_cutoff
from solvshell.analysis.sites import Sites
from solvshell.analysis.stays import continuous_stays, tolerance_frames
from solvshell.errors import InvalidInput

EVENT_COLUMNS = ["time_ps", "frame", "center", "center_idx", "molecule", "partner", "event"]
EXCHANGE_COLUMNS = [
    "time_ps", "frame", "center", "center_idx",
    "leaving", "leaving_molecule", "entering", "entering_molecule", "delay_ps",
]  # fmt: skip
RATE_COLUMNS = ["center", "leaving", "entering", "n", "rate_per_ns", "ci95_low", "ci95_high"]
#: The counterpart of an event without one: the coordination number has changed.
NONE = "none"
#: A molecule takes the place of another if it arrives within this time before or after the departure.
WINDOW_PS = 5.0


@dataclass(frozen=True)
class _Events:
    """Arrivals or departures, shape (n_events,), sorted by center and frame: the first with or without the molecule."""

    center: np.ndarray
    frame: np.ndarray
    molecule: np.ndarray
    partner: np.ndarray


def _partners(sites: Sites) -> tuple[np.ndarray, np.ndarray]:
    """Return the names of the partners, and the index of that of each site."""
    names = list(dict.fromkeys(site.partner for site in sites.sites))
    return np.array(names, dtype=object), np.array([names.index(site.partner) for site in sites.sites])


def _arrivals_and_departures(shells: FirstShells) -> tuple[_Events, _Events]:
    """Return who came and who left, where an absence long enough not to be bridged is seen."""
    tolerance = tolerance_frames(shells.timestep_ps)
    stays = continuous_stays(shells.contacts, _partners(shells.sites)[1]).bridged(tolerance)
    stays = stays.where(~lacks_cutoff(shells.cutoffs)[shells.sites.species_of_center[stays.center]])

    def events(frame: np.ndarray, seen: np.ndarray) -> _Events:
        order = np.flatnonzero(seen)[np.lexsort((frame[seen], stays.center[seen]))]
        return _Events(stays.center[order], frame[order], stays.molecule[order], stays.group[order])

    departed = stays.last + tolerance < shells.n_frames
    return events(stays.first, stays.first >= tolerance), events(stays.last + 1, departed)


def _matches(departures: _Events, arrivals: _Events, window: int, n_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of departures and arrivals that belong together: the nearest in time first, each once."""
    stride = n_frames + 2 * window + 1
    here, there = (events.center * stride + events.frame for events in (departures, arrivals))
    first, last = np.searchsorted(there, here - window), np.searchsorted(there, here + window, side="right")
    n_near = last - first
    left = np.repeat(np.arange(len(here)), n_near)
    came = np.arange(len(left)) + np.repeat(first - np.cumsum(n_near) + n_near, n_near)
    other = departures.molecule[left] != arrivals.molecule[came]
    left, came = left[other], came[other]
    order = np.argsort(np.abs(arrivals.frame[came] - departures.frame[left]), kind="stable")
    left, came = left[order], came[order]
    matched: list[tuple[np.ndarray, np.ndarray]] = []
    while len(left):
        # A pair that is the nearest for both sides is what taking the nearest one by one would come to.
        rank = np.arange(len(left))
        nearest = [np.isin(rank, np.unique(side, return_index=True)[1]) for side in (left, came)]
        both = nearest[0] & nearest[1]
        matched.append((left[both], came[both]))
        open_still = ~(np.isin(left, left[both]) | np.isin(came, came[both]))
        left, came = left[open_still], came[open_still]
    if not matched:
        return left, came
    return np.concatenate([pair[0] for pair in matched]), np.concatenate([pair[1] for pair in matched])


def _table(events: _Events, event: str, shells: FirstShells) -> pd.DataFrame:
    sites = shells.sites
    centers = np.array([center.name for center in sites.centers], dtype=object)[sites.species_of_center[events.center]]
    times, frames = events.frame * shells.timestep_ps, shells.frames[events.frame]
    partners = _partners(sites)[0][events.partner]
    columns = (times, frames, centers, events.center, events.molecule, partners, event)
    return pd.DataFrame(dict(zip(EVENT_COLUMNS, columns, strict=True)))


def shell_events(shells: FirstShells) -> pd.DataFrame:
    """Return every arrival at a first shell and every departure from one, in order of time.

    A molecule arrives in the first frame of a stay and departs in the first frame without it. It stays as long as it
    touches with any of its sites; absences shorter than two frames or 2 ps are none. What stands in a shell when the
    run begins or ends has not moved. Centers whose shell lacks a cutoff have no events. `time_ps` counts from the first
    frame used, `frame` is that of the trajectory.
    """
    arrivals, departures = _arrivals_and_departures(shells)
    both = pd.concat([_table(arrivals, "arrival", shells), _table(departures, "departure", shells)])
    return both.sort_values(["time_ps", "center_idx", "event", "molecule"], ignore_index=True)


def _window_frames(shells: FirstShells, window_ps: float) -> int:
    if not window_ps >= 0:
        raise InvalidInput(f"window_ps: {window_ps:g} (allowed: zero or more)")
    return int(window_ps / shells.timestep_ps + 1e-9) if shells.timestep_ps else 0


def _watched(shells: FirstShells, window: int) -> tuple[int, int]:
    """Return the first frame at which an event and its counterpart would both be seen, and the one behind the last."""
    margin = tolerance_frames(shells.timestep_ps) + window
    return margin, max(margin, shells.n_frames - margin + 1)


def exchanges(shells: FirstShells, window_ps: float = WINDOW_PS) -> pd.DataFrame:
    """Return every change of a first shell: who left, and who took the place.

    A departure belongs to the arrival of another molecule at the same center within `window_ps` before or after it;
    the nearest in time are matched first, each once. What is left over changed the coordination number: `leaving` or
    `entering` is then ``none``, its molecule -1 and the delay empty. Time and frame are those of the departure (or of
    an arrival alone). Left out are changes so near to an end of the run that the counterpart might lie beyond it.

    Raises
    ------
    InvalidInput
        If the window is negative.
    """
    window = _window_frames(shells, window_ps)
    arrivals, departures = _arrivals_and_departures(shells)
    left, came = _matches(departures, arrivals, window, shells.n_frames)
    # Both sides of an exchange have the number of the departure; arrivals alone have numbers of their own below zero.
    of_departure, of_arrival = np.arange(len(departures.frame)), -1 - np.arange(len(arrivals.frame))
    of_arrival[came] = left
    leaving = _table(departures, "departure", shells).assign(exchange=of_departure)
    entering = _table(arrivals, "arrival", shells).assign(exchange=of_arrival)
    both = leaving.merge(entering, "outer", on="exchange", suffixes=("", "_in"))
    alone = both["time_ps"].isna()
    columns = (
        *(both[name].where(~alone, both[f"{name}_in"]) for name in ("time_ps", "frame", "center", "center_idx")),
        both["partner"].fillna(NONE), both["molecule"].fillna(-1).astype(int),
        both["partner_in"].fillna(NONE), both["molecule_in"].fillna(-1).astype(int),
        both["time_ps_in"] - both["time_ps"],
    )  # fmt: skip
    table = pd.DataFrame(dict(zip(EXCHANGE_COLUMNS, columns, strict=True))).astype({"frame": int, "center_idx": int})
    first, end = (edge * shells.timestep_ps for edge in _watched(shells, window))
    table = table[(table["time_ps"] >= first) & (table["time_ps"] < end)]
    return table.sort_values(["time_ps", "center_idx", "leaving_molecule", "entering_molecule"], ignore_index=True)


def _garwood(n: int, phi: float) -> tuple[float, float]:
    """Return the 95 % interval of a count of events, in bursts of phi."""
    return (phi * chdtri(2 * n / phi, 0.975) / 2 if n else 0.0, phi * chdtri(2 * n / phi + 2, 0.025) / 2)


def exchange_table(shells: FirstShells, window_ps: float = WINDOW_PS) -> pd.DataFrame:
    """Return how often molecules of one partner leave for those of another, per center and nanosecond.

    One row for each two partners that have a shell around the center species, and for each with ``none``; see
    `exchanges`. The 95 % interval is that of Garwood for a Poisson count n, chi2(0.025, 2 n) / 2 to
    chi2(0.975, 2 n + 2) / 2 (Biometrika 28, 437, 1936), so that also none seen has an upper bound. Where events scatter
    more than independent ones over centers or blocks of time, phi times (their `dispersion`), they are taken as bursts
    of phi each, of which n / phi were seen: the interval is phi times that of the count n / phi. Numbers are empty
    where the shell lacks a cutoff, the run is shorter than what an exchange takes, or molecules come and go: those that
    vanish have not left, and what passes between two frames is outside of time.

    Raises
    ------
    InvalidInput
        If the window is negative.
    """
    found = exchanges(shells, window_ps)
    # the frame used to which each belongs
    found["frame"] = np.searchsorted(shells.frames, found["frame"])
    events = dict(iter(found.groupby(["center", "leaving", "entering"])[["center_idx", "frame"]]))
    first, end = _watched(shells, _window_frames(shells, window_ps))
    names, partner_of_site = _partners(shells.sites)
    rows = []
    for i, center in enumerate(shells.sites.centers):
        sides = [*names[np.unique(partner_of_site[shells.cutoffs[i] != 0])], NONE]
        known = end > first and not lacks_cutoff(shells.cutoffs)[i] and shells.sites.presence is None
        n_centers = len(center.atoms)
        watched_ns = n_centers * (end - first) * shells.timestep_ps / 1000
        exposures = np.full(n_centers, end - first), np.full(max(0, end - first), n_centers)
        for leaving, entering in ((a, b) for a in sides for b in sides if (a, b) != (NONE, NONE)):
            numbers: tuple[float | None, ...] = (None,) * 4
            if known:
                of_pair = events.get((center.name, leaving, entering), found[:0])
                where = of_pair["center_idx"].to_numpy() - center.first, of_pair["frame"].to_numpy() - first
                n = len(of_pair)
                interval = _garwood(n, dispersion(*where, *exposures))
                numbers = (n, *(number / watched_ns for number in (n, *interval)))
            rows.append((center.name, leaving, entering, *numbers))
    types = {"n": "Int64"} | dict.fromkeys(RATE_COLUMNS[4:], float)
    return pd.DataFrame(rows, columns=RATE_COLUMNS).astype(types)
