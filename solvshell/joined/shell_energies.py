"""The energy of a center with its first shell in one run, counted within the common cutoffs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from solvshell.analysis.cutoffs import Cutoff, Key
from solvshell.joined.averages import Value, from_series
from solvshell.shown import Shown


@dataclass(frozen=True)
class ShellEnergy:
    """Energies with a partner in the first shell of a center in kJ/mol: all its molecules, and one of them.

    `effect` is what the common cutoff changes of the first, against that of the run's own analysis; None where that is
    not known and the run's own cutoff stands. `one` is None where nobody was in a shell.
    """

    all: Value
    one: Value | None
    n_independent: float
    effect: float | None


def moved(distance: pd.DataFrame, own: float, common: float, n_center_frames: int) -> tuple[float, float]:
    """Return the energy in kJ/mol and the molecules per center that lie between a run's own cutoff and the common one.

    Parameters
    ----------
    distance
        Rows of the table ``energy_distance`` for one center and partner: molecules, and their mean energies, in bins of
        the distance of their nearest coordinating atom. Within a bin they are taken as evenly spread.
    own, common
        In Å; both gains are below zero where the common cutoff is the shorter one.
    n_center_frames
        Centers times frames.
    """
    r, n = distance.r_angstrom.to_numpy(float), distance.n.to_numpy(float)
    if len(r) < 2:
        return 0.0, 0.0
    half = (r[1] - r[0]) / 2
    edges = np.append(r - half, r[-1] + half)
    means = np.nan_to_num((distance.lj_kj_mol + distance.bare_kj_mol).to_numpy(float))
    sums = np.array([np.append(0.0, np.cumsum(values)) for values in (means * n, n)])
    energy, molecules = (np.interp([own, common], edges, one) for one in sums)
    return float(np.diff(energy)[0]) / n_center_frames, float(np.diff(molecules)[0]) / n_center_frames


@dataclass(frozen=True)
class Gain:
    """What the common cutoff adds per center to the run's own: energies in kJ/mol, and molecules."""

    lj: float
    bare: float
    molecules: float


def gain_within(replica: Shown, keys: list[Key], cutoffs: Mapping[Key, Cutoff]) -> Gain | None:
    """Return `moved` of a run; None where several sites of a partner coordinate and the nearest atom may be any.

    Parameters
    ----------
    keys
        The coordinating sites of the partner that have a common cutoff.
    """
    if len(keys) != 1:
        return None
    (key,) = keys
    center, partner, _ = key
    peaks = replica.tables["peaks"].set_index(["center", "partner", "site"]).cutoff_angstrom
    own, common = float(peaks.get(key, math.nan)), cutoffs[key].angstrom
    distance = replica.tables["energy_distance"]
    rows = distance[(distance.center == center) & (distance.partner == partner)]
    n_frames = int(replica.summary["energies"]["frames"]["used"])
    n_center_frames = n_frames * int(replica.summary["composition"]["n_centers"][center])
    cutoff = (0.0 if math.isnan(own) else own, common or 0.0, n_center_frames)
    energy, molecules = moved(rows, *cutoff)
    lj, _ = moved(rows.assign(bare_kj_mol=0.0), *cutoff)
    return Gain(lj, energy - lj, molecules)


def _value(mean: float, row: "pd.Series | None") -> Value:
    """Return a mean with the error that a row of the energy table has."""
    if row is None:
        return Value(mean)
    return from_series(mean, float(row.stderr_kj_mol), float(row.n_independent), lowest=-math.inf)


def row_of(table: pd.DataFrame, **named: str) -> "pd.Series | None":
    """Return the row of a table with these entries, or None."""
    chosen = table
    for column, entry in named.items():
        chosen = chosen[chosen[column] == entry]
    return None if chosen.empty else chosen.iloc[0]


def shell_energy(
    replica: Shown, center: str, partner: str, keys: list[Key], cutoffs: Mapping[Key, Cutoff]
) -> ShellEnergy:
    """Return the bare energies of a center with the molecules of a partner within the common cutoff.

    The table of energies against distance says what lies between the two cutoffs, where g(r) is low; the error is that
    of the run's own analysis.

    Parameters
    ----------
    keys
        The coordinating sites of the partner that have a common cutoff.
    """
    where = {"center": center, "partner": partner, "region": "first_shell", "coulomb": "bare"}
    all_of, one_of = (
        row_of(replica.tables["energies"], quantity=quantity, **where) for quantity in ("per_center", "per_molecule")
    )
    energy = 0.0 if all_of is None else float(all_of.total_kj_mol)
    mean = math.nan if one_of is None else float(one_of.total_kj_mol)
    n_molecules = energy / mean if mean else 0.0
    gain = gain_within(replica, keys, cutoffs)
    more_energy, more_molecules = (gain.lj + gain.bare, gain.molecules) if gain else (0.0, 0.0)
    here = n_molecules + more_molecules if n_molecules == n_molecules else more_molecules
    return ShellEnergy(
        all=_value(energy + more_energy, all_of),
        one=_value((energy + more_energy) / here, one_of) if here > 0 else None,
        n_independent=0.0 if all_of is None else float(all_of.n_independent),
        effect=None if gain is None else more_energy,
    )
