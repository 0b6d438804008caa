"""The Reservoir: at what activity each open species is held, and for which model that is right. A YAML file."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import openmm
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from solvshell.errors import InvalidInput
from solvshell.files import read_yaml
from solvshell.units import (
    BAR_PER_KJ_MOL_NM3,
    Concentration,
    Energy,
    Length,
    Potential,
    Pressure,
    Temperature,
    kT_kj_mol,
)

if TYPE_CHECKING:
    from solvshell.box import Box  # which knows protocols, and these know reservoirs

#: K; a temperature in a file may be rounded
_SAME_TEMPERATURE = 1e-3


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Activity(_Part):
    """The activity z = f / kT of a species: for an ideal gas, its number density.

    From a decoupling, z = n / volume exp(mu_ex / kT), and the rest says how it was found; by hand, `activity` is
    enough.

    Attributes
    ----------
    activity : float
        In nm^-3.
    beta_mu_error : float, optional
        Standard error of ln z.
    mu_ex, mu_ex_error : float, optional
        Excess chemical potential and its standard error in kJ/mol.
    density : float, optional
        n / volume in nm^-3.
    n : int, optional
        Molecules in the box, the one that was decoupled counted.
    at_n : float, optional
        Of how many molecules in the box z is the activity: n - 1/2, midway between with and without the one.
    status : str, optional
        Of the decoupling; a number that is not ``resolved`` is not one to quote.
    """

    activity: Concentration
    beta_mu_error: NonNegativeFloat | None = None
    mu_ex: Potential | None = None
    mu_ex_error: Energy | None = None
    density: Concentration | None = None
    n: PositiveInt | None = None
    at_n: PositiveFloat | None = None
    status: Literal["resolved", "drifting", "too_few_samples"] | None = None


class Nonbonded(_Part):
    """How the NonbondedForce of a box is cut off and summed."""

    cutoff: Length
    switch: Length | None
    tail_correction: bool
    pme_tolerance: PositiveFloat


class ReservoirModel(_Part):
    """The model that activities belong to.

    Attributes
    ----------
    species : dict
        `model_hash` of each species of the medium, open or not.
    nonbonded : Nonbonded
    ion_charge_scale : float, optional
        None of a medium without ions, which has none.
    files : dict
        SHA-256 of the force-field files by name.
    """

    species: dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]]
    nonbonded: Nonbonded
    ion_charge_scale: PositiveFloat | None
    files: dict[str, str] = {}


class Reservoir(_Part):
    """What open species are exchanged with.

    Without `model` it was given by hand: then only its temperature can be checked.

    Attributes
    ----------
    name : str
    temperature, pressure : float
        In K and bar, of the bulk that it was measured in.
    species : dict of str to Activity
    medium : dict
        Number of molecules of each species of that bulk.
    model : ReservoirModel, optional
    provenance : dict
    """

    name: Annotated[str, Field(min_length=1)]
    temperature: Temperature
    pressure: Pressure | None = None
    species: Annotated[dict[str, Activity], Field(min_length=1)]
    medium: dict[str, PositiveInt] = {}
    model: ReservoirModel | None = None
    provenance: dict[str, Any] = {}

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.model is not None and (missing := [name for name in self.species if name not in self.model.species]):
            raise ValueError(f"model.species: {', '.join(missing)} missing, of which there is an activity")
        return self

    @property
    def is_by_hand(self) -> bool:
        """Whether nothing tells what model its activities belong to."""
        return self.model is None

    def fugacity_bar(self, species: str) -> float:
        """Return the fugacity z kT of a species in bar."""
        return self.species[species].activity * kT_kj_mol(self.temperature) * BAR_PER_KJ_MOL_NM3

    def adams_parameter(self, species: str, volume_nm3: float) -> float:
        """Return B = ln(z V) of a species in a volume."""
        return math.log(self.species[species].activity * volume_nm3)


def _text(value: float) -> str:
    """Return a number as text that rounding in files and in sums of floats does not change."""
    return f"{round(value, 10) + 0.0:.7g}"


def _terms(force: openmm.Force) -> Iterable[tuple[Sequence[int], Sequence[Any]]]:
    """Return atoms and constants of each bonded term of a force; none of a force without such terms."""
    if isinstance(force, openmm.HarmonicBondForce):
        found, n_atoms = (force.getBondParameters(i) for i in range(force.getNumBonds())), 2
    elif isinstance(force, openmm.HarmonicAngleForce):
        found, n_atoms = (force.getAngleParameters(i) for i in range(force.getNumAngles())), 3
    elif isinstance(force, openmm.PeriodicTorsionForce | openmm.RBTorsionForce):
        found, n_atoms = (force.getTorsionParameters(i) for i in range(force.getNumTorsions())), 4
    elif isinstance(force, openmm.NonbondedForce):
        found, n_atoms = (force.getExceptionParameters(i) for i in range(force.getNumExceptions())), 2
    else:
        return []
    return ((row[:n_atoms], row[n_atoms:]) for row in found)


def _plain(value: Any) -> str:
    return _text(float(getattr(value, "_value", value)))


def _bonded(system: openmm.System, index_of: Mapping[int, int]) -> list[list[Any]]:
    """Return the terms and exceptions inside a molecule, in its own indices, in an order of their own."""
    found = []
    for force in system.getForces():
        for atoms, constants in _terms(force):
            if not index_of.keys() >= set(atoms):
                continue
            own = [index_of[atom] for atom in atoms]
            found.append([type(force).__name__, min(own, own[::-1]), [_plain(value) for value in constants]])
    return sorted(found)


def model_hash(system: openmm.System, atoms: Sequence[int]) -> str:
    """Return the SHA-256 of what a System says of one molecule, wherever that stands among the others.

    Masses, charges, sigma, epsilon, bonds, angles, torsions and exceptions, in the order of the molecule's atoms, with
    seven digits. To be taken of the plain model: constraints and moved masses are not part of it.

    Parameters
    ----------
    system : openmm.System
    atoms : sequence of int
        All atoms of the molecule, in the order of its residue.
    """
    (force,) = (force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))
    particles = [
        [_plain(system.getParticleMass(atom)), *(_plain(value) for value in force.getParticleParameters(atom))]
        for atom in atoms
    ]
    content = [particles, _bonded(system, {atom: index for index, atom in enumerate(atoms)})]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def nonbonded_of(system: openmm.System) -> Nonbonded:
    """Return how the one NonbondedForce of a System is cut off and summed."""
    (force,) = (force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))
    switch = force.getSwitchingDistance()._value if force.getUseSwitchingFunction() else None
    return Nonbonded.model_construct(
        cutoff=force.getCutoffDistance()._value,
        switch=switch,
        tail_correction=force.getUseDispersionCorrection(),
        pme_tolerance=force.getEwaldErrorTolerance(),
    )


def model_of(box: "Box") -> ReservoirModel:
    """Return the model of a box; of its polymer, whose molecules are no two alike, nothing is said."""
    first: dict[str, list[int]] = {}
    for residue in box.topology.residues():
        first.setdefault(residue.name, [atom.index for atom in residue.atoms()])
    entries = {name: entry for name, entry in box.recipe.entries.items() if entry.role != "polymer"}
    has_ions = any(entry.role != "solvent" for entry in box.recipe.entries.values())
    return ReservoirModel.model_construct(
        species={name: model_hash(box.system, first[entry.residue]) for name, entry in entries.items()},
        nonbonded=nonbonded_of(box.system),
        ion_charge_scale=box.recipe.force_field.ion_charge_scale if has_ions else None,
        files=dict(box.provenance.get("force_field", {})),
    )


def load_reservoir(path: Path) -> Reservoir:
    """Return the reservoir of a YAML file.

    Raises
    ------
    InvalidInput
        If it cannot be read, or a field of it is wrong: one line for each wrong field.
    """
    return read_yaml(path, Reservoir)


def _is_same(a: float | None, b: float | None) -> bool:
    """Return whether two settings are the same, rounding apart."""
    return a == b if a is None or b is None else math.isclose(a, b, rel_tol=1e-6)


def _check_settings(source: str, known: ReservoirModel, model: ReservoirModel) -> None:
    """Refuse other settings than those of the box; in words of YAML."""
    made, of_box = (one.nonbonded.model_dump(mode="json") for one in (known, model))
    for key in Nonbonded.model_fields:
        if not _is_same(getattr(known.nonbonded, key), getattr(model.nonbonded, key)):
            given, has = ("none" if one[key] is None else str(one[key]).lower() for one in (made, of_box))
            raise InvalidInput(f"{source}: model.nonbonded.{key}: made with {given}, the box has {has}")
    scales = (known.ion_charge_scale, model.ion_charge_scale)
    if None not in scales and not _is_same(*scales):
        raise InvalidInput(f"{source}: model.ion_charge_scale: made with {scales[0]:g}, the box has {scales[1]:g}")


def _check_model(source: str, known: ReservoirModel, box: "Box") -> None:
    model = model_of(box)
    _check_settings(source, known, model)
    for species, digest in model.species.items():
        if known.species.get(species, digest) != digest:
            raise InvalidInput(
                f"{source}: model.species.{species}: made with other masses, charges, Lennard-Jones or bonded "
                "terms than the box has; make a reservoir with the force field of the box"
            )


def check_reservoir(reservoir: Reservoir, box: "Box", temperature: float, open_species: Sequence[str]) -> None:
    """Refuse a reservoir that does not belong to a box: nothing would tell that numbers come out wrong.

    Parameters
    ----------
    reservoir : Reservoir
    box : Box
    temperature : float
        Of the stage, in K.
    open_species : sequence of str

    Raises
    ------
    InvalidInput
        If it has no activity of an open species, or the box has no molecule of it to take as a pattern; if the
        temperature is another; unless given by hand, if the parameters of a species of both, the scale of the charges
        of ions, cutoff, switch, tail or the PME tolerance are others.
    """
    source = f"reservoir {reservoir.name}"
    for species in open_species:
        if species not in reservoir.species:
            raise InvalidInput(f"{source}: has no activity of {species} (has: {', '.join(reservoir.species)})")
        if not box.counts.get(species):
            known = ", ".join(key for key, count in box.counts.items() if count)
            raise InvalidInput(f"{source}: species.{species}: no such molecule in the box ({known})")
    if abs(reservoir.temperature - temperature) > _SAME_TEMPERATURE:
        raise InvalidInput(
            f"{source}: temperature: made at {reservoir.temperature:g} K, the stage is at {temperature:g} K"
        )
    if reservoir.model is not None:
        _check_model(source, reservoir.model, box)
