"""A reservoir is read whole or refused, and belongs to boxes of its own model and to no others."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import openmm
import pytest
import yaml
from small_boxes import gel, gromacs_lb003, liquid, small_recipe

from solvshell.box import Box
from solvshell.build import build_box
from solvshell.errors import InvalidInput
from solvshell.files import to_yaml, validate
from solvshell.fingerprint import fingerprint, model_hash
from solvshell.reservoir import Reservoir, check_reservoir, load_reservoir

BY_HAND = {"name": "by hand", "temperature": "298.15 K", "species": {"EC": {"activity": "1e-9 /nm3"}}}


def measured(**changes: Any) -> Reservoir:
    """Return a reservoir with the model of the small liquid."""
    content = {
        **BY_HAND,
        "name": "small",
        "pressure": "1.0 bar",
        "species": {
            "EC": {
                "activity": "1e-9 /nm3",
                "beta_mu_error": 0.1,
                "mu_ex": "-57 kJ/mol",
                "mu_ex_error": "0.25 kJ/mol",
                "density": "9 /nm3",
                "n": 2,
                "at_n": 1.5,
                "status": "resolved",
            },
            "DMC": {"activity": "1e-4 /nm3"},
        },
        "medium": liquid().counts,
        "model": fingerprint(liquid()).model_dump(mode="json"),
    }
    return validate(Reservoir, content | changes, "test")


def test_a_reservoir_survives_being_written(tmp_path: Path) -> None:
    reservoir = measured()
    (tmp_path / "reservoir.yaml").write_text(to_yaml(reservoir))
    assert load_reservoir(tmp_path / "reservoir.yaml") == reservoir
    assert not reservoir.is_by_hand


def test_an_activity_is_enough_by_hand(tmp_path: Path) -> None:
    (tmp_path / "reservoir.yaml").write_text(yaml.safe_dump(BY_HAND))
    reservoir = load_reservoir(tmp_path / "reservoir.yaml")
    assert reservoir.is_by_hand
    check_reservoir(reservoir, liquid(), 298.15, ["EC"])


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"species": {"EC": {"activity": 1e-9}}}, r"species.EC.activity: 1e-09 has no unit; expected a concentration"),
        ({"species": {"EC": {"activity": "0 /nm3"}}}, r"species.EC.activity: '0 /nm3' must be greater than 0 /nm3"),
        ({"species": {"EC": {"activity": "1 nm"}}}, r"species.EC.activity: unit 'nm' of '1 nm' is not known here"),
        ({"species": {"EC": {}}}, r"species.EC.activity: missing"),
        ({"species": {"EC": {"activity": "1 /nm3", "mu": 1}}}, r"species.EC.mu: unknown key"),
        (
            {"species": {"EC": {"activity": "1 /nm3", "beta_mu_error": -1}}},
            r"species.EC.beta_mu_error: .* to 0, got -1",
        ),
        ({"species": {}}, r"species: Dictionary should have at least 1 item"),
        ({"temperature": None}, r"temperature: None is not a quantity"),
    ],
)
def test_a_wrong_reservoir_is_refused_with_its_field(changes: dict[str, Any], problem: str, tmp_path: Path) -> None:
    (tmp_path / "reservoir.yaml").write_text(yaml.safe_dump(BY_HAND | changes))
    with pytest.raises(InvalidInput, match=rf"reservoir.yaml: {problem}"):
        load_reservoir(tmp_path / "reservoir.yaml")


def test_a_model_knows_all_species_that_have_an_activity() -> None:
    model = fingerprint(liquid()).model_dump(mode="json")
    del model["species"]["DMC"]
    with pytest.raises(InvalidInput, match=r"^test: model.species: DMC missing, of which there is an activity"):
        measured(model=model)


def test_an_ideal_gas_at_one_bar_has_a_fugacity_of_one_bar() -> None:
    # 100 kPa and 1.380649e-23 J/K in an SI of its own
    density = 1e5 / (1.380649e-23 * 298.15) * 1e-27
    gas = validate(Reservoir, BY_HAND | {"species": {"EC": {"activity": f"{density!r} /nm3"}}}, "test")
    assert gas.fugacity_bar("EC") == pytest.approx(1.0, rel=1e-9)
    assert gas.adams_parameter("EC", 1 / density) == pytest.approx(0.0, abs=1e-12)


def atoms_of(box: Box, name: str, index: int) -> list[int]:
    residues = [one for one in box.topology.residues() if one.name == box.recipe.entries[name].residue]
    return [atom.index for atom in residues[index].atoms()]


@pytest.mark.parametrize("name", ["Li", "PF6", "EC", "DMC", "DOL"])
def test_the_hash_of_a_molecule_does_not_know_where_it_stands(name: str) -> None:
    box = liquid()
    first, second = (model_hash(box.system, atoms_of(box, name, index)) for index in (0, 1))
    assert first == second == fingerprint(box).species[name]
    written = openmm.XmlSerializer.deserialize(openmm.XmlSerializer.serialize(box.system))
    assert model_hash(written, atoms_of(box, name, 1)) == first


def test_the_hash_of_a_molecule_is_the_same_in_another_box() -> None:
    # 8 Li, 8 PF6 of 7 atoms, 38 EC of 10, and then DMC of 12
    start = 8 + 8 * 7
    known, other = fingerprint(liquid()).species, gromacs_lb003()
    assert model_hash(other, range(start + 10, start + 20)) == known["EC"]
    assert model_hash(other, range(start + 380, start + 392)) == known["DMC"]
    assert len(set(known.values())) == len(known)


def force_of(system: openmm.System, kind: type[openmm.Force]) -> Any:
    return next(force for force in system.getForces() if isinstance(force, kind))


def scale_charge(system: openmm.System, atom: int, factor: float) -> None:
    force = force_of(system, openmm.NonbondedForce)
    charge, *rest = force.getParticleParameters(atom)
    force.setParticleParameters(atom, charge * factor, *rest)


def first_term(system: openmm.System, kind: type[openmm.Force], what: str, atom: int, n_atoms: int) -> None:
    """Change the last constant of the first term at an atom by 0.01 %."""
    force = force_of(system, kind)
    get, put = getattr(force, f"get{what}Parameters"), getattr(force, f"set{what}Parameters")
    for index in range(getattr(force, f"getNum{what}s")()):
        row = get(index)
        if atom in row[:n_atoms] and row[-1]._value:
            put(index, *row[:-1], row[-1] * 1.0001)
            return
    raise AssertionError(f"no {what} at atom {atom}")


CHANGES: dict[str, Callable[[openmm.System, int], None]] = {
    "charge": lambda system, atom: scale_charge(system, atom, 1.0001),
    "mass": lambda system, atom: system.setParticleMass(atom, 1.0001 * system.getParticleMass(atom)),
    "bond": lambda system, atom: first_term(system, openmm.HarmonicBondForce, "Bond", atom, 2),
    "angle": lambda system, atom: first_term(system, openmm.HarmonicAngleForce, "Angle", atom, 3),
    "torsion": lambda system, atom: first_term(system, openmm.PeriodicTorsionForce, "Torsion", atom, 4),
    "exception": lambda system, atom: first_term(system, openmm.NonbondedForce, "Exception", atom, 2),
}


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_changes_energies_changes_the_hash(what: str) -> None:
    box = liquid()
    ec, dmc = atoms_of(box, "EC", 0), atoms_of(box, "DMC", 0)
    system = copy.deepcopy(box.system)
    CHANGES[what](system, ec[3])
    assert model_hash(system, ec) != model_hash(box.system, ec)
    assert model_hash(system, dmc) == model_hash(box.system, dmc)


def test_rounding_and_the_order_of_terms_do_not_change_the_hash() -> None:
    box = liquid()
    atoms, system = atoms_of(box, "DMC", 1), openmm.System()
    for index in range(box.system.getNumParticles()):
        system.addParticle(box.system.getParticleMass(index))
    for force in reversed(box.system.getForces()):
        if isinstance(force, openmm.HarmonicAngleForce):
            turned = openmm.HarmonicAngleForce()
            for index in reversed(range(force.getNumAngles())):
                i, j, k, *constants = force.getAngleParameters(index)
                turned.addAngle(k, j, i, *constants)
            system.addForce(turned)
        else:
            system.addForce(copy.deepcopy(force))
    bonds = force_of(system, openmm.HarmonicBondForce)
    for index in range(bonds.getNumBonds()):
        *atoms_and_length, strength = bonds.getBondParameters(index)
        bonds.setBondParameters(index, *atoms_and_length, strength * (1 + 1e-13))
    for atom in atoms:
        scale_charge(system, atom, 1 + 1e-13)
    assert model_hash(system, atoms) == model_hash(box.system, atoms)


def with_force(change: Callable[[openmm.NonbondedForce], None]) -> Box:
    system = copy.deepcopy(liquid().system)
    change(force_of(system, openmm.NonbondedForce))
    return replace(liquid(), system=system)


def with_scale(scale: float) -> Box:
    recipe = liquid().recipe
    force_field = recipe.force_field.model_copy(update={"ion_charge_scale": scale})
    return replace(liquid(), recipe=recipe.model_copy(update={"force_field": force_field}))


def with_other_ec() -> Box:
    system = copy.deepcopy(liquid().system)
    scale_charge(system, atoms_of(liquid(), "EC", 0)[0], 1.01)
    return replace(liquid(), system=system)


OTHERS: dict[str, tuple[Callable[[], Box], str]] = {
    "cutoff": (
        lambda: with_force(lambda force: force.setCutoffDistance(0.45)),
        r"model.nonbonded.cutoff: made with 0.4 nm, the box has 0.45 nm",
    ),
    "switch": (
        lambda: with_force(lambda force: (force.setUseSwitchingFunction(True), force.setSwitchingDistance(0.3))),  # type: ignore[arg-type]
        r"model.nonbonded.switch: made with none, the box has 0.3 nm",
    ),
    "tail": (
        lambda: with_force(lambda force: force.setUseDispersionCorrection(False)),
        r"model.nonbonded.tail_correction: made with true, the box has false",
    ),
    "PME": (
        lambda: with_force(lambda force: force.setEwaldErrorTolerance(1e-4)),
        r"model.nonbonded.pme_tolerance: made with 0.0005, the box has 0.0001",
    ),
    "scale": (lambda: with_scale(1.0), r"model.ion_charge_scale: made with 0.8, the box has 1"),
    "parameters": (with_other_ec, r"model.species.EC: made with other masses, charges, Lennard-Jones or bonded terms"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_box_of_another_model_is_refused(what: str) -> None:
    make, problem = OTHERS[what]
    with pytest.raises(InvalidInput, match=f"^reservoir small: {problem}"):
        check_reservoir(measured(), make(), 298.15, ["EC"])
    check_reservoir(validate(Reservoir, BY_HAND, "test"), make(), 298.15, ["EC"])


def test_the_right_box_is_taken_and_other_requests_are_refused() -> None:
    reservoir = measured()
    check_reservoir(reservoir, liquid(), 298.15, ["EC", "DMC"])
    for temperature, names, problem in (
        (310.0, ["EC"], "temperature: is of 298.15 K, the stage is at 310 K"),
        (298.15, ["EC", "DOL"], r"has no activity of DOL \(has: EC, DMC\)"),
    ):
        with pytest.raises(InvalidInput, match=f"^reservoir small: {problem}"):
            check_reservoir(reservoir, liquid(), temperature, names)
    emc = measured(species={"EMC": {"activity": "1 /nm3"}}, model=None)
    with pytest.raises(InvalidInput, match=r"species.EMC: no such molecule in the box \(Li, PF6, EC, "):
        check_reservoir(emc, liquid(), 298.15, ["EMC"])


def test_the_scale_of_ions_does_not_matter_where_the_medium_has_none() -> None:
    ec = build_box(small_recipe({"EC": 8}, "0.4 nm"), seed=1)
    model = fingerprint(ec)
    assert model.ion_charge_scale is None
    reservoir = measured(medium={"EC": 8}, model=model.model_dump(mode="json"), species=BY_HAND["species"])
    check_reservoir(reservoir, with_scale(1.0), 298.15, ["EC"])


@pytest.mark.slow
def test_a_gel_takes_the_reservoir_of_its_solvent() -> None:
    model = fingerprint(gel())
    assert set(model.species) == {"DME", "NO3"}  # of chains no two need be alike
    content = {"species": {"DME": {"activity": "1 /nm3"}}, "model": model.model_dump(mode="json")}
    check_reservoir(measured(**content), gel(), 298.15, ["DME"])


def test_a_system_with_other_forces_has_no_fingerprint() -> None:
    system = copy.deepcopy(liquid().system)
    system.addForce(openmm.CustomBondForce("r"))
    with pytest.raises(InvalidInput, match="a CustomBondForce is in no fingerprint of a model"):
        model_hash(system, [0])
