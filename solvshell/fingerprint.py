"""The fingerprint of a model: what a System says of the molecules of a box, so that two boxes can be compared."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import openmm
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat

from solvshell.errors import InvalidInput
from solvshell.units import Length

if TYPE_CHECKING:
    from solvshell.box import Box  # which knows protocols, and these know fingerprints

_TERMS: dict[type[openmm.Force], tuple[str, int]] = {
    openmm.HarmonicBondForce: ("Bond", 2),
    openmm.HarmonicAngleForce: ("Angle", 3),
    openmm.PeriodicTorsionForce: ("Torsion", 4),
    openmm.RBTorsionForce: ("Torsion", 4),
    openmm.NonbondedForce: ("Exception", 2),
}


class Nonbonded(BaseModel):
    """How the NonbondedForce of a box is cut off and summed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cutoff: Length
    switch: Length | None
    tail_correction: bool
    pme_tolerance: PositiveFloat


class Fingerprint(BaseModel):
    """What tells one model from another.

    Attributes
    ----------
    species : dict
        `model_hash` of each species of a box but its polymer, whose molecules are no two alike.
    nonbonded : Nonbonded
    ion_charge_scale : float, optional
        None of a box without ions.
    files : dict
        SHA-256 of the force-field files by name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    species: dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]]
    nonbonded: Nonbonded
    ion_charge_scale: PositiveFloat | None
    files: dict[str, str] = {}


def _text(value: Any) -> str:
    """Return a number as text that rounding in files and in sums of floats does not change."""
    return f"{round(float(getattr(value, '_value', value)), 10) + 0.0:.7g}"


def _terms(force: openmm.Force) -> Iterable[tuple[Sequence[int], Sequence[Any]]]:
    """Return atoms and constants of each bonded term, or exception, of a force."""
    if isinstance(force, openmm.CMMotionRemover):
        return
    if type(force) not in _TERMS:
        raise InvalidInput(f"system: a {type(force).__name__} is in no fingerprint of a model")
    what, n_atoms = _TERMS[type(force)]
    for index in range(getattr(force, f"getNum{what}s")()):
        row = getattr(force, f"get{what}Parameters")(index)
        yield row[:n_atoms], row[n_atoms:]


def _bonded(system: openmm.System, index_of: Mapping[int, int]) -> list[list[Any]]:
    """Return the terms and exceptions inside a molecule, in its own indices, in an order of their own."""
    found = []
    for force in system.getForces():
        for atoms, constants in _terms(force):
            if index_of.keys() >= set(atoms):
                own = [index_of[atom] for atom in atoms]
                found.append([type(force).__name__, min(own, own[::-1]), [_text(value) for value in constants]])
    return sorted(found)


def _nonbonded_force(system: openmm.System) -> openmm.NonbondedForce:
    (force,) = (force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))
    return force


def model_hash(system: openmm.System, atoms: Sequence[int]) -> str:
    """Return the SHA-256 of what a System says of one molecule, wherever that stands among the others.

    Masses, charges, sigma, epsilon, bonds, angles, torsions and exceptions, in the order of the molecule's atoms, with
    seven digits. To be taken of the plain model: constraints and moved masses are not part of it.

    Parameters
    ----------
    system : openmm.System
    atoms : sequence of int
        All atoms of the molecule, in the order of its residue.

    Raises
    ------
    InvalidInput
        If the System has other forces than a `Box`.
    """
    force = _nonbonded_force(system)
    rows = [(system.getParticleMass(atom), *force.getParticleParameters(atom)) for atom in atoms]
    particles = [[_text(value) for value in row] for row in rows]
    content = [particles, _bonded(system, {atom: index for index, atom in enumerate(atoms)})]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _nonbonded(system: openmm.System) -> Nonbonded:
    force = _nonbonded_force(system)
    return Nonbonded.model_construct(
        cutoff=force.getCutoffDistance()._value,
        switch=force.getSwitchingDistance()._value if force.getUseSwitchingFunction() else None,
        tail_correction=force.getUseDispersionCorrection(),
        pme_tolerance=force.getEwaldErrorTolerance(),
    )


def fingerprint(box: "Box") -> Fingerprint:
    """Return the fingerprint of the model of a box."""
    first: dict[str, list[int]] = {}
    for residue in box.topology.residues():
        first.setdefault(residue.name, [atom.index for atom in residue.atoms()])
    entries = {name: entry for name, entry in box.recipe.entries.items() if entry.role != "polymer"}
    has_ions = any(entry.role != "solvent" for entry in box.recipe.entries.values())
    return Fingerprint.model_construct(
        species={name: model_hash(box.system, first[entry.residue]) for name, entry in entries.items()},
        nonbonded=_nonbonded(box.system),
        ion_charge_scale=box.recipe.force_field.ion_charge_scale if has_ions else None,
        files=dict(box.provenance.get("force_field", {})),
    )


def _is_same(a: float | None, b: float | None) -> bool:
    """Return whether two settings are the same, rounding apart."""
    return a == b if a is None or b is None else math.isclose(a, b, rel_tol=1e-6)


def check_same_model(known: Fingerprint, box: "Box", source: str) -> None:
    """Refuse a box of another model than a known one, as far as both have something in common.

    Parameters
    ----------
    known : Fingerprint
    box : Box
    source : str
        Where the known one stands, for the message.

    Raises
    ------
    InvalidInput
        With the field, what is known, and what the box has.
    """
    model = fingerprint(box)
    made, of_box = (one.nonbonded.model_dump(mode="json") for one in (known, model))
    for key in Nonbonded.model_fields:
        if not _is_same(getattr(known.nonbonded, key), getattr(model.nonbonded, key)):
            given, has = ("none" if one[key] is None else str(one[key]).lower() for one in (made, of_box))
            raise InvalidInput(f"{source}.nonbonded.{key}: made with {given}, the box has {has}")
    scales = (known.ion_charge_scale, model.ion_charge_scale)
    if None not in scales and not _is_same(*scales):
        raise InvalidInput(f"{source}.ion_charge_scale: made with {scales[0]:g}, the box has {scales[1]:g}")
    for species, digest in model.species.items():
        if known.species.get(species, digest) != digest:
            raise InvalidInput(
                f"{source}.species.{species}: made with other masses, charges, Lennard-Jones or bonded terms than the "
                "box has; make it anew with the force field of the box"
            )
