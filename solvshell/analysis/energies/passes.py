"""One pass for some centers: from their groups and contacts to `Energies`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from MDAnalysis.core.groups import AtomGroup

from solvshell.analysis.energies.interaction import InteractionEnergies
from solvshell.analysis.energies.measured import Energies, ShellMembers, Species
from solvshell.analysis.energies.members import Members
from solvshell.analysis.energies.model import PairModel
from solvshell.analysis.geometry import Contacts
from solvshell.analysis.presence import Presence
from solvshell.analysis.shells import FirstShells
from solvshell.analysis.sites import MoleculesAre
from solvshell.errors import WorkFailed

#: A contact is no less one for its distance having been rounded, in Å.
_MARGIN = 0.01


@dataclass(frozen=True)
class Liquid:
    """What is the same for all passes: the species, whole; the model, and its scale; how to read; who is there."""

    groups: Mapping[str, AtomGroup]
    coordinating: Mapping[str, AtomGroup]
    molecules_are: MoleculesAre
    model: PairModel
    charge_scale: float | None
    how: Mapping[str, Any]
    presence: Presence | None = None


@dataclass(frozen=True)
class Shells:
    """The contacts that make the first shells of some centers.

    Attributes
    ----------
    frames : numpy.ndarray, shape (n_frames,)
        Numbers in the trajectory.
    contacts : Contacts
        Their frames count those of `frames`; their centers are numbers of the universe's molecules.
    has_shell : numpy.ndarray of bool, shape (n_center_species, n_partners)
        By the order of the pass: center species first, then the other groups.
    is_incomplete : numpy.ndarray of bool, shape (n_center_species,)
    radii_angstrom : mapping
        Where they end, by center, partner and site; those of simple cations are in the table of peaks.
    """

    frames: np.ndarray
    contacts: Contacts
    has_shell: np.ndarray
    is_incomplete: np.ndarray
    radii_angstrom: Mapping[tuple[str, str, str], float] = field(default_factory=dict)


@dataclass(frozen=True)
class Pass:
    """What one pass found: energies to be averaged, the `InteractionEnergies` behind them, and the first shells."""

    energies: Energies
    found: InteractionEnergies
    shells: Shells


def thinned(shells: FirstShells, n_frames: int) -> FirstShells:
    """Return the shells of every k-th frame, so that there are at most so many."""
    k = -(-shells.n_frames // n_frames)
    contacts = shells.contacts.where(shells.contacts.frame % k == 0)
    return replace(
        shells,
        contacts=replace(contacts, frame=contacts.frame // k),
        frames=shells.frames[::k],
        timestep_ps=shells.timestep_ps * k,
    )


def _members(found: InteractionEnergies, shells: Shells) -> ShellMembers:
    """Return the energies of those molecules that are in first shells."""
    members: Members = found.results.members
    contacts = shells.contacts
    n = 1 + max(found.molecule_of_center.max(), members.molecule.max(initial=0), contacts.molecule.max(initial=0))

    def key(frame: np.ndarray, center: np.ndarray, molecule: np.ndarray) -> np.ndarray:
        return np.asarray((frame.astype(np.int64) * n + center) * n + molecule)

    wanted = np.unique(key(contacts.frame, contacts.center, contacts.molecule))
    kept = np.isin(key(members.frame, found.molecule_of_center[members.center], members.molecule), wanted)
    if np.count_nonzero(kept) != len(wanted):
        raise WorkFailed("interaction energies: some contacts are of molecules that are bonded to their center")
    rows = members.where(np.flatnonzero(kept))
    energies = np.stack([rows.lj, rows.bare, rows.ewald], axis=1).astype(float)
    return ShellMembers(rows.frame, rows.center, rows.partner, energies)


def run_pass(liquid: Liquid, centers: tuple[str, ...], shells: Shells, n_nitrogens: int = 0) -> Pass:
    """Return the energies of some center species in some frames.

    Parameters
    ----------
    centers
        The names of their groups.
    n_nitrogens
        How many ammonium nitrogens all of them have.
    """
    found = InteractionEnergies(
        {name: liquid.groups[name] for name in centers},
        {name: atoms for name, atoms in liquid.groups.items() if name not in centers},
        liquid.model,
        coordinating=liquid.coordinating,
        molecules_are=liquid.molecules_are,
        capture_radius=float(shells.contacts.distance.max(initial=1.0)) + _MARGIN,
        presence=liquid.presence,
    )
    found.run(frames=shells.frames, **liquid.how)
    species = [
        Species(name, int(n), float(charge), n_nitrogens / n if name in centers else 0.0)
        for name, n, charge in zip(found.partners, found.n_molecules, found.charges, strict=True)
    ]
    energies = Energies(
        tuple(species[: len(centers)]),
        tuple(species),
        liquid.charge_scale,
        found.results.n_molecules,
        found.results.whole_box.astype(float),
        2 * found.results.self_energy,
        found.results.tail,
        _members(found, shells),
        shells.has_shell,
        shells.is_incomplete,
    )
    return Pass(energies, found, shells)
