"""Springs on the distance of Li+ from one atom, or on its smooth coordination number, and which atoms they hold."""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import unit
from pydantic import BaseModel, ConfigDict

from solvshell.box import Box
from solvshell.errors import InvalidInput
from solvshell.files import read_yaml, write_json
from solvshell.run import Run
from solvshell.stages import CoordinationNumber, Distance, Umbrella

TAGGED = "umbrella.json"

#: widths beyond the radius; there a site counts 3e-7
_REACH = 15

#: of its width; a box in equilibrium at constant pressure breathes by less
_BREATH = 0.03

_SPRING, _AT = "umbrella_spring", "umbrella_at"
_RESTRAINT = f"{_SPRING} / 2 * (coordinate - {_AT})^2"


class Tagged(BaseModel):
    """The atoms of a coordinate: one center, and the sites whose distances from it count. Kept in the run folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    center_atom: int
    partner_atoms: list[int]


def _site_atoms(box: Box, species: str, site: str | None) -> NDArray[np.int64]:
    """Return the atoms of a site, or of all coordinating sites of a species, shape (n_molecules, n_sites)."""
    entries = box.recipe.entries
    if species not in entries:
        raise InvalidInput(f"coordinate: center or partner: no {species} in this box ({', '.join(entries)})")
    sites = entries[species].sites if site is None else entries[species].sites | entries[species].reference_sites
    if site is not None and site not in sites:
        raise InvalidInput(f"coordinate.site: {species} has no {site} ({', '.join(sites)})")
    names = {name for key, atoms in sites.items() if site in (None, key) for name in atoms}
    residues = [r for r in box.topology.residues() if r.name == entries[species].residue]
    return np.array([[atom.index for atom in residue.atoms() if atom.name in names] for residue in residues])


def candidates(box: Box, coordinate: Distance | CoordinationNumber) -> list[Tagged]:
    """Return all atoms that a coordinate of a box could be taken of.

    Raises
    ------
    InvalidInput
        If the box lacks a species or site of the coordinate.
    """
    entries = box.recipe.entries
    centers = _site_atoms(box, coordinate.center, None)
    if not entries[coordinate.center].center:
        simple = ", ".join(name for name, entry in entries.items() if entry.center)
        raise InvalidInput(f"coordinate.center: {coordinate.center} is no simple cation (such as {simple})")
    if isinstance(coordinate, Distance):
        atoms = _site_atoms(box, coordinate.partner, coordinate.site)
        if atoms.shape[1] != 1:
            raise InvalidInput(
                f"coordinate.site: {coordinate.site} of {coordinate.partner} are {atoms.shape[1]} atoms; a distance "
                "needs one that stands alone in its molecule, such as p of PF6"
            )
        return [Tagged(center_atom=i, partner_atoms=[j]) for i in centers[:, 0] for j in atoms[:, 0]]
    chosen = coordinate.partners or [name for name, entry in entries.items() if entry.role in ("solvent", "anion")]
    sites = np.concatenate([_site_atoms(box, name, None).ravel() for name in chosen])
    return [Tagged(center_atom=i, partner_atoms=sites.tolist()) for i in centers[:, 0]]


def _distances(tagged: Tagged, positions: NDArray[np.float64], cell: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distances in nm to the nearest images; `cell` is (3, 3), in OpenMM's reduced form."""
    away = positions[tagged.partner_atoms] - positions[tagged.center_atom]
    for axis in (2, 1, 0):
        away -= np.round(away[:, axis] / cell[axis, axis])[:, None] * cell[axis]
    return np.linalg.norm(away, axis=1)


def value_of(
    coordinate: Distance | CoordinationNumber,
    tagged: Tagged,
    positions: NDArray[np.float64],
    cell: NDArray[np.float64],
) -> float:
    """Return the coordinate: a distance in nm, or a coordination number.

    Parameters
    ----------
    positions : ndarray, shape (n_atoms, 3)
        In nm.
    cell : ndarray, shape (3, 3)
        In nm.
    """
    r = _distances(tagged, positions, cell)
    if isinstance(coordinate, Distance):
        return float(r[0])
    return float(np.sum(1 / (1 + np.exp(np.minimum((r - coordinate.radius) / coordinate.width, 500)))))


def check_reach(stage: Umbrella, cell: NDArray[np.float64], spare: float = 0.0) -> None:
    """Refuse windows of a distance beyond half the shortest width of a box, where another image is nearer.

    Parameters
    ----------
    cell : ndarray, shape (3, 3)
        In nm.
    spare : float
        The share of the width by which the box may be too small.

    Raises
    ------
    InvalidInput
        If a window lies beyond.
    """
    if not isinstance(stage.coordinate, Distance):
        return
    half = 0.5 / float(np.linalg.norm(np.linalg.inv(cell), axis=0).max())
    farthest = max(at for at, _ in stage.springs)
    if farthest > half * (1 + spare):
        raise InvalidInput(
            f"stage {stage.name}: coordinate.windows: {10 * farthest:.2f} Å lies beyond half of the shortest width of "
            f"the box, {10 * half:.2f} Å; leave such windows out, or take a larger box"
        )


def _distance_force(tagged: Tagged) -> openmm.Force:
    force = openmm.CustomBondForce(_RESTRAINT.replace("coordinate", "r"))
    force.addBond(tagged.center_atom, tagged.partner_atoms[0])
    force.setUsesPeriodicBoundaryConditions(True)
    return force


def _number_force(tagged: Tagged, coordinate: CoordinationNumber, n_atoms: int) -> openmm.Force:
    """Return a spring on the sum over pairs of the center and the sites.

    A pair sum, not a sum of bonds: the barostat would take all that is bonded for one rigid molecule.
    """
    pairs = openmm.CustomNonbondedForce("1 / (1 + exp((r - radius) / width))")
    pairs.addGlobalParameter("radius", coordinate.radius)
    pairs.addGlobalParameter("width", coordinate.width)
    for _ in range(n_atoms):
        pairs.addParticle()
    pairs.addInteractionGroup([tagged.center_atom], tagged.partner_atoms)
    pairs.setNonbondedMethod(openmm.CustomNonbondedForce.CutoffPeriodic)
    pairs.setCutoffDistance(coordinate.radius + _REACH * coordinate.width)
    force = openmm.CustomCVForce(_RESTRAINT)
    force.addCollectiveVariable("coordinate", pairs)
    return force


class UmbrellaSampling:
    """The springs of a stage on tagged atoms."""

    def __init__(self, stage: Umbrella, tagged: Tagged) -> None:
        self._stage, self._coordinate, self._visits = stage, stage.coordinate, stage.visits
        self._tagged = tagged

    @property
    def columns(self) -> Sequence[str]:
        """Name of the coordinate, with its unit."""
        return ["distance_angstrom" if isinstance(self._coordinate, Distance) else "coordination_number"]

    def system(self, plain: openmm.System) -> openmm.System:
        """Return a copy with the spring."""
        system = copy.deepcopy(plain)
        if isinstance(self._coordinate, Distance):
            force = _distance_force(self._tagged)
        else:
            force = _number_force(self._tagged, self._coordinate, system.getNumParticles())
        at, spring = self._visits[0]
        force.addGlobalParameter(_SPRING, spring)
        force.addGlobalParameter(_AT, at)
        system.addForce(force)
        return system

    def parameters(self, window: int, reached: float) -> Mapping[str, float]:
        """Return the spring of a window; on the approach it grows from nothing."""
        at, spring = self._visits[window]
        return {_SPRING: reached * spring, _AT: at}

    def values(self, context: openmm.Context, window: int) -> Sequence[float]:
        """Return the coordinate now, a distance in Å; refuse a box that has shrunk until windows lie outside."""
        positions, cell = _arrays(context.getState(positions=True))
        check_reach(self._stage, cell, _BREATH)
        value = value_of(self._coordinate, self._tagged, positions, cell)
        return [10 * value if isinstance(self._coordinate, Distance) else value]


def _arrays(state: openmm.State) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    positions = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    return np.asarray(positions), np.asarray(state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.nanometer))


def read_tagged(folder: Path) -> Tagged:
    """Return the atoms that a run has tagged."""
    return read_yaml(folder / TAGGED, Tagged)


def umbrella_sampling(stage: Umbrella, run: Run, state: openmm.State, is_new: bool) -> UmbrellaSampling:
    """Return the springs of a stage that starts at a state, or is resumed.

    At the start atoms are tagged, and written to the run folder: those whose distance is nearest to the first window,
    or the center whose coordination number is nearest to the median of all, so that it is a usual one.
    """
    if not is_new:
        return UmbrellaSampling(stage, read_tagged(run.path))
    positions, cell = _arrays(state)
    check_reach(stage, cell)
    possible = candidates(run.box, stage.coordinate)
    values = np.array([value_of(stage.coordinate, tagged, positions, cell) for tagged in possible])
    wanted = stage.springs[0][0] if isinstance(stage.coordinate, Distance) else np.median(values)
    tagged = possible[int(np.abs(values - wanted).argmin())]
    write_json(run.path / TAGGED, tagged.model_dump())
    return UmbrellaSampling(stage, tagged)
