"""From a model and first shells to tables of interaction energies: a second pass, over fewer frames."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from MDAnalysis import Universe
from MDAnalysis.core.groups import AtomGroup

from solvshell.analysis.energies.described import described
from solvshell.analysis.energies.distributions import distance_table, distribution_table
from solvshell.analysis.energies.groups import species_groups
from solvshell.analysis.energies.model import PairModel
from solvshell.analysis.energies.passes import Liquid, Pass, Shells, run_pass, thinned
from solvshell.analysis.energies.per_species import energy_table, sum_table
from solvshell.analysis.energies.polymer_units import unit_table
from solvshell.analysis.energies.shell_compositions import shell_energy_table
from solvshell.analysis.energies.units import first_minima, nitrogens, shells_of_units
from solvshell.analysis.shells import FirstShells
from solvshell.analysis.sites import Sites
from solvshell.analysis.tallies import coordinating_sites, has_known_shell
from solvshell.errors import InvalidInput
from solvshell.species import SpeciesFile

if TYPE_CHECKING:
    import openmm

#: Energies change as quickly as shells do: more frames than this say little more.
MOST_FRAMES = 1000
#: The pass over units, which are large, takes so many pairs of atoms, and no fewer frames than that.
_PAIRS_OF_UNITS = 1e9
_FEWEST_FRAMES = 20


@dataclass(frozen=True)
class EnergyModel:
    """The model behind a trajectory, its charge scale if that is known, and how many frames to use at most."""

    system: "openmm.System"
    charge_scale: float | None
    n_frames: int


@dataclass(frozen=True)
class MeasuredEnergies:
    """The tables by name, and the entry of the summary."""

    tables: dict[str, pd.DataFrame]
    summary: dict[str, Any]


def energy_model(
    universe: Universe, system: "openmm.System", charge_scale: float | None = None, n_frames: int = MOST_FRAMES
) -> EnergyModel:
    """Return the model for the energies of a trajectory.

    Parameters
    ----------
    charge_scale
        By which the charges of ions are scaled in the system.
    n_frames
        How many frames to use at most.

    Raises
    ------
    InvalidInput
        If the system has another number of atoms, or `n_frames` is below 1.
    """
    if system.getNumParticles() != len(universe.atoms):
        raise InvalidInput(
            f"system: has {system.getNumParticles()} particles, the trajectory {len(universe.atoms)} atoms (allowed: "
            "the system that was simulated)"
        )
    if n_frames < 1:
        raise InvalidInput(f"energy_frames: {n_frames} (allowed: 1 or more)")
    return EnergyModel(system, charge_scale, n_frames)


def _coordinating(sites: Sites, groups: Mapping[str, AtomGroup]) -> dict[str, AtomGroup]:
    """Return by species the atoms from which distances are taken: centers, nitrogens, coordinating sites."""
    found = {center.name: center.atoms for center in sites.centers}
    of_units = [(name, center.atoms) for name, mine in nitrogens(sites, groups).items() for center in mine]
    of_sites = [(site.partner, site.atoms) for site in sites.sites if site.coordinating]
    for name, atoms in of_units + of_sites:
        found[name] = found[name] | atoms if name in found else atoms
    return found


def _shells_of_centers(shells: FirstShells, groups: list[str]) -> Shells:
    sites = shells.sites
    has_shell = np.zeros((len(sites.centers), len(groups)), bool)
    for k, name in enumerate(groups):
        cutoffs = shells.cutoffs[:, coordinating_sites(sites, name)]
        has_shell[:, k] = [has_known_shell(of_center) for of_center in cutoffs]
    molecule = np.concatenate([center.molecule_idx for center in sites.centers])
    contacts = replace(shells.contacts, center=molecule[shells.contacts.center])
    return Shells(shells.frames, contacts, has_shell, shells.is_incomplete)


def _passes_of_units(liquid: Liquid, sites: Sites, peaks: pd.DataFrame, frames: np.ndarray) -> list[Pass]:
    found, minima = [], first_minima(peaks)
    for name, centers in nitrogens(sites, liquid.groups).items():
        units = liquid.groups[name]
        n_pairs = len(units) * len(units.universe.atoms)
        n_frames = max(_FEWEST_FRAMES, int(_PAIRS_OF_UNITS / n_pairs))
        shells = shells_of_units(liquid, name, centers, sites, minima, frames[:: -(-len(frames) // n_frames)])
        n_nitrogens = sum(len(center.atoms) for center in centers)
        found.append(run_pass(liquid, (name,), shells, n_nitrogens))
    return found


def _joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of all tables; pandas takes no empty ones."""
    return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)


def measure_energies(
    universe: Universe,
    species: SpeciesFile,
    shells: FirstShells,
    peaks: pd.DataFrame,
    model: EnergyModel,
    *,
    backend: str = "serial",
    n_workers: int = 1,
    verbose: bool = False,
) -> MeasuredEnergies:
    """Return the interaction energies of the centers of an analysis, and of the units of polycations in it.

    Parameters
    ----------
    species
        Selections, from `recognize`.
    shells, peaks
        Of the analysis.
    model
        From `energy_model`.
    backend, n_workers
        Of the pass: ``serial``, ``multiprocessing`` or ``dask``.
    verbose
        Show a progress bar, on the serial backend.

    Raises
    ------
    InvalidInput
        If the model is no plain pair model, or the species are no whole molecules.
    """
    bar = verbose and backend == "serial"  # MDAnalysis has none of several workers
    groups = species_groups(universe, species, shells.sites)
    liquid = Liquid(
        groups=groups,
        coordinating=_coordinating(shells.sites, groups),
        molecules_are=species.molecules_are,
        model=PairModel.from_system(model.system),
        charge_scale=model.charge_scale,
        presence=shells.sites.presence,
        how={"backend": backend, "n_workers": n_workers, "verbose": bar}
        | ({"progressbar_kwargs": {"desc": "interaction energies"}} if bar else {}),
    )
    used = thinned(shells, model.n_frames)
    centers = tuple(center.name for center in shells.sites.centers)
    of_centers = run_pass(liquid, centers, _shells_of_centers(used, list(groups)))
    of_units = _passes_of_units(liquid, shells.sites, peaks, used.frames)
    passes = [of_centers, *of_units]
    tables = {
        "energies": energy_table(of_centers.energies),
        "energy_sums": sum_table(of_centers.energies),
        "energy_distribution": _joined([distribution_table(one.energies) for one in passes]),
        "energy_distance": _joined([distance_table(one.found) for one in passes]),
        "energy_shells": shell_energy_table(of_centers.energies, used),
        "energy_units": unit_table(of_centers.energies, [one.energies for one in of_units]),
    }
    return MeasuredEnergies(tables, described(liquid, of_centers, of_units, tables))
