"""Do all pairs add up? Their sum, against what OpenMM's energy loses when a species is switched off."""

import copy
from collections.abc import Mapping

import numba
import numpy as np
import openmm
import pandas as pd

from solvshell.analysis.energies import kernel
from solvshell.analysis.energies.layout import arrange
from solvshell.analysis.energies.model import COULOMB_KJ_MOL_ANGSTROM, PairModel, nonbonded_of
from solvshell.analysis.energies.periodic import periodic_cell
from solvshell.analysis.energies.switched_off import COULOMB, LENNARD_JONES, TERMS, energy_without
from solvshell.analysis.energies.table import pair_table
from solvshell.errors import InvalidInput

CLOSURE_COLUMNS = ["species", "term", "between", "within", "tail", "sum", "openmm", "absolute", "deviation"]
#: PME's own errors at OpenMM's default, 5e-4, are larger than those looked for.
_TOLERANCE = 1e-7


@numba.njit(cache=True)
def _within(molecules: np.ndarray, frame: kernel.Frame) -> tuple[float, float]:
    """Return LJ and Coulomb energy of all pairs of atoms within each of some molecules, excluded or not, in kJ/mol."""
    charge, starts = frame.layout.charge, frame.layout.starts
    lj, coulomb = 0.0, 0.0
    for m in molecules:
        for i in range(starts[m], starts[m + 1]):
            coulomb += charge[i] ** 2 * kernel.xi(frame.table, frame.cell) / 2
            for j in range(starts[m], i):
                _, of_lj, _, psi = kernel.pair_energies(i, j, frame)
                lj += of_lj
                coulomb += charge[i] * charge[j] * psi
    return lj, coulomb


@numba.njit(cache=True)
def _excepted(pairs: np.ndarray, parameters: np.ndarray, frame: kernel.Frame) -> tuple[float, float]:
    """Return LJ and Coulomb energy that some pairs of atoms have in place of what all pairs have, less that."""
    charge = frame.layout.charge
    no_end = kernel.Ends(np.inf, np.inf)
    lj, coulomb = 0.0, 0.0
    for k in range(len(pairs)):
        i, j = pairs[k]
        r, of_lj, _, _ = kernel.pair_energies(i, j, frame)
        lj += kernel.lennard_jones(r * r, parameters[k, 1], parameters[k, 2], no_end) - of_lj
        coulomb += COULOMB_KJ_MOL_ANGSTROM * (parameters[k, 0] - charge[i] * charge[j]) / r
    return lj, coulomb


@numba.njit(cache=True)
def _between(molecules: np.ndarray, frame: kernel.Frame, n_species: int) -> np.ndarray:
    """Return the sums of the energies of some molecules with all others, by species, shape (n_species, 3)."""
    sums, around = np.zeros((n_species, 3)), kernel.room_around(frame)
    for center in molecules:
        kernel.look_around(center, frame, around)
        for m in range(len(frame.layout.species)):
            sums[frame.layout.species[m]] += around.energies[m]
    return sums


def _whole_frame(model: PairModel, species: np.ndarray, positions: np.ndarray, vectors: np.ndarray) -> kernel.Frame:
    """Return the frame whose molecules are all that is bonded together."""
    first = np.unique(model.fragments, return_index=True)[1]
    if (species != species[first][model.fragments]).any():
        raise InvalidInput("species: a molecule has atoms in two of them (allowed: whole molecules)")
    layout = arrange(model, model.fragments, species, np.ones(model.n_atoms, bool))
    cell = periodic_cell(vectors)
    ends = kernel.Ends(model.cutoff, model.cutoff if model.switch is None else model.switch)
    return kernel.Frame(layout, kernel.whole_fractions(positions, layout, cell), cell, pair_table(cell), ends)


def _sums(
    frame: kernel.Frame, model: PairModel, k: int, species: np.ndarray
) -> dict[str, tuple[np.ndarray, float, float]]:
    """Return by term what a species has with each species, within its molecules, and as tail, in kJ/mol."""
    place = np.empty(model.n_atoms, int)
    place[frame.layout.atoms] = np.arange(model.n_atoms)
    mine = species[model.exceptions[:, 0]] == k
    excepted = _excepted(place[model.exceptions[mine]], model.exception_parameters[mine], frame)
    molecules = np.flatnonzero(frame.layout.species == k)
    within = _within(molecules, frame)
    between = _between(molecules, frame, species.max() + 1)
    tail = model.tails(species)[k] / frame.cell.volume
    # Pairs within the species were met from both sides.
    between[k] /= 2
    tail[k] /= 2
    return {
        LENNARD_JONES: (between[:, kernel.LJ], within[0] + excepted[0], float(tail.sum())),
        COULOMB: (between[:, kernel.EWALD], within[1] + excepted[1], 0.0),
    }


def check_closure(
    system: openmm.System,
    positions: np.ndarray,
    vectors: np.ndarray,
    species: Mapping[str, np.ndarray],
    *,
    platform: str = "Reference",
    tolerance: float = _TOLERANCE,
) -> pd.DataFrame:
    """Return how well the energies of all pairs of a species add up to what OpenMM's energy loses without it.

    The energy by OpenMM is that of the box less that of the box in which all charges and epsilons of the species are 0.
    Ours is the sum over pairs of molecules (`between`), over pairs of atoms within molecules, excluded pairs and own
    images accounted for (`within`), and, of Lennard-Jones, the `tail`. The `deviation` is the difference in parts of
    `absolute`: the sum of the absolute values of what the species has with each species, within, and as tail.

    Parameters
    ----------
    positions, vectors
        Of all atoms, shape (n_atoms, 3), and of the cell, in reduced form, shape (3, 3), in Å.
    species
        The atoms of whole molecules by name: their indices.
    platform, tolerance
        Of OpenMM; with its default tolerance, 5e-4, or in single precision its own errors are what is seen.

    Raises
    ------
    InvalidInput
        If the system is no plain pair model, or a species has parts of molecules.
    """
    model, system = PairModel.from_system(system), copy.deepcopy(system)
    nonbonded_of(system).setEwaldErrorTolerance(tolerance)
    number = np.zeros(model.n_atoms, int)
    for k, atoms in enumerate(species.values(), 1):
        number[atoms] = k
    frame = _whole_frame(model, number, np.asarray(positions, float), vectors)
    whole = np.empty((model.n_atoms, 3))
    whole[frame.layout.atoms] = frame.fractions @ frame.cell.vectors
    full = {term: energy_without(system, whole, vectors, number < 0, term, platform) for term in TERMS}
    rows = []
    for k, name in enumerate(species, 1):
        for term, (between, within, tail) in _sums(frame, model, k, number).items():
            ours = between.sum() + within + tail
            lost = full[term] - energy_without(system, whole, vectors, number == k, term, platform)
            absolute = np.abs(between).sum() + abs(within) + abs(tail)
            numbers = (between.sum(), within, tail, ours, lost, absolute, (ours - lost) / absolute)
            rows.append((name, term, *numbers))
    return pd.DataFrame(rows, columns=CLOSURE_COLUMNS)
