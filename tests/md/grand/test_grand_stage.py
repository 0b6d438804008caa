"""The `grand_canonical` stage in protocols: what it reads, what it refuses, and the box of its trajectory."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import openmm
import pytest
import yaml
from open_boxes import COUNTS, open_protocol, open_stage, thin_gas
from small_boxes import liquid

from solvshell.box import Box
from solvshell.build.forcefield import create_system, read_forcefield
from solvshell.cli import main
from solvshell.engine import make_context
from solvshell.errors import InvalidInput
from solvshell.files import read_yaml, to_yaml, validate
from solvshell.fingerprint import model_hash
from solvshell.grand_canonical import GrandCanonical
from solvshell.md.grand.pool_box import molecules_of, pool_box
from solvshell.md.grand.records import MoveTally
from solvshell.md.grand.sampler import Attempt
from solvshell.occupancy import MOVE_COLUMNS, Occupancy
from solvshell.protocol import Protocol, load_protocol, load_protocols
from solvshell.run import Run, check_run, open_run


def a_stage(**changes: Any) -> GrandCanonical:
    return validate(GrandCanonical, open_stage(**changes), "stage")


# -- what is read


def test_a_protocol_holds_what_its_reservoir_says(tmp_path: Path) -> None:
    """From a path beside it, wherever the command was given, or from the option; the file is not needed any more."""
    content = open_protocol().model_dump(mode="json")
    held = content["stages"][-1]["reservoir"]
    content["stages"][-1]["reservoir"] = "held.yaml"
    (tmp_path / "held.yaml").write_text(yaml.safe_dump(held))
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(held | {"name": "other"}))
    (tmp_path / "protocol.yaml").write_text(yaml.safe_dump(content))
    loaded = load_protocol(tmp_path / "protocol.yaml")
    assert loaded == open_protocol()
    by_option = load_protocol(tmp_path / "protocol.yaml", tmp_path / "other.yaml")
    assert by_option.grand_canonical is not None
    assert by_option.grand_canonical.reservoir.name == "other"
    (tmp_path / "again.yaml").write_text(to_yaml(loaded))
    assert read_yaml(tmp_path / "again.yaml", Protocol) == loaded
    del content["stages"][-1]["reservoir"]
    (tmp_path / "protocol.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(InvalidInput, match=r"stages\.1\.reservoir: missing; name the file .* by --reservoir"):
        load_protocol(tmp_path / "protocol.yaml")
    assert load_protocol(tmp_path / "protocol.yaml", tmp_path / "held.yaml") == open_protocol()
    with pytest.raises(InvalidInput, match=r"--reservoir: .*quick.yaml has no stage of kind grand_canonical"):
        load_protocols("quick", tmp_path / "held.yaml")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"species": {"dmc": {"activity": "1 /nm3"}}}, "species.dmc: unknown species 'dmc' .*; did you mean 'DMC'"),
        ({"species": {"Li": {"activity": "1 /nm3"}}}, "species.Li: Li is a cation; only neutral molecules"),
        ({"temperature": "310 K"}, "temperature: is of 310 K, the stage is at 400 K"),
        ({"temperature": 310}, "temperature: 310 has no unit"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_file_of_a_reservoir_is_said_of_it(
    changes: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    (tmp_path / "protocol.yaml").write_text(to_yaml(open_protocol()))
    (tmp_path / "held.yaml").write_text(yaml.safe_dump(open_stage()["reservoir"] | changes))
    with pytest.raises(InvalidInput, match=f"^{tmp_path}/held.yaml: {problem}"):
        load_protocol(tmp_path / "protocol.yaml", tmp_path / "held.yaml")


@pytest.mark.parametrize(
    "changes",
    [
        {"switching_time": "auto", "room": {"EC": 40}},
        {"switching_time": {"EC": "0.06 ps", "DMC": "0 ps"}, "weights": {"EC": 2}},
        {"region": {"kind": "sphere", "at": [0, 0.5, 1], "radius": "1 nm"}},
        {"switching_time": "0 ps", "open": ["DMC"], "region": {"kind": "slab", "axis": "z", "between": [0.25, 0.75]}},
    ],
)  # fmt: skip
def test_what_is_written_is_read_again(changes: dict[str, Any], tmp_path: Path) -> None:
    protocol = open_protocol(**changes)
    (tmp_path / "protocol.yaml").write_text(to_yaml(protocol))
    assert load_protocol(tmp_path / "protocol.yaml") == protocol


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"open": ["EMC"]}, "open: the reservoir by hand holds EC, DMC, got EMC"),
        ({"open": ["EC", "EC"]}, "open: each species once, got EC, EC"),
        ({"switching_time": 3}, "switching_time: 3 has no unit"),
        ({"switching_time": "-1 ps"}, "'-1 ps' must be at least 0 ps"),
        ({"switching_time": "soon"}, "switching_time: 'soon' is not a quantity; expected a time .*, or 'auto'"),
        ({"switching_time": {"EC": "1 ps"}}, "switching_time: missing for DMC"),
        ({"switching_time": {"EC": "1 ps", "DMC": "1 ps", "PC": "1 ps"}}, "switching_time: PC not among the open"),
        ({"room": {"EMC": 30}}, "room: EMC not among the open species EC, DMC"),
        ({"weights": {"EMC": 2}}, "weights: EMC not among the open species EC, DMC"),
        ({"weights": {"EC": 0}}, "weights.EC"),
        ({"region": {"kind": "slab", "axis": "z", "between": [0.7, 0.3]}}, "between: the smaller fraction"),
        ({"region": {"kind": "slab", "axis": "w", "between": [0.3, 0.7]}}, "region.slab.axis"),
        ({"region": {"kind": "sphere", "radius": "1 nm"}}, "give either 'around'"),
        ({"move_interval": "0.5 ps"}, "move_interval: 0.5 ps does not divide the duration"),
        ({"move_interval": "0.001 ps"}, "move_interval: 0.001 ps is not a whole number of time steps"),
        ({"switching_time": "0.003 ps"}, "switching_time.EC: 0.003 ps is not a whole number"),
        ({"frame_interval": "0.5 ps"}, "frame_interval: 0.5 ps does not divide the duration"),
        ({"production": True}, "production: unknown key"),
    ],
)
def test_wrong_stages_are_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        open_protocol(**changes)


def test_ions_are_not_exchanged_by_themselves() -> None:
    species = {"species": {"Li": {"activity": "1 /nm3"}}}
    with pytest.raises(InvalidInput, match="open: Li is a cation; only neutral molecules come and go by themselves"):
        open_protocol(reservoir=open_stage()["reservoir"] | species)


def test_it_is_the_last_stage() -> None:
    content = open_protocol().model_dump(mode="json")
    content["stages"].append(content["stages"][0])
    with pytest.raises(InvalidInput, match="kind grand_canonical belongs to the last stage only"):
        validate(Protocol, content, "test")


def test_words_about_moves_have_units_and_name_what_was_not_tried_yet(tmp_path: Path) -> None:
    """Two switches of 30 and -20 kJ/mol dissipate 5 kJ/mol, 1.50 kT of 3.326 kJ/mol."""
    path = tmp_path / "moves.csv"
    path.write_text(f"{','.join(MOVE_COLUMNS)}\n")
    tally = MoveTally(path, 400.0)
    occupancy = Occupancy({"EC": np.ones(3, bool), "DMC": np.ones(2, bool)})
    assert tally.words(occupancy) == "3 EC, 2 DMC; EC not tried yet; DMC not tried yet"
    for kind, work in (("insertion", 30.0), ("deletion", -20.0)):
        tally.add(Attempt("DMC", kind, 2, 12.0, work, -9.0, False, "rejected", 0, 0.04, 1.0))
    assert tally.words(occupancy) == (
        "3 EC, 2 DMC; EC not tried yet; DMC 0 of 2 accepted, W 30.0 kJ/mol in, -20.0 out, dissipated 1.5 kT"
    )


# -- what a folder or a box is not made for


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"species": {"EC": {"activity": "0.25 /nm3"}, "DMC": {"activity": "0.5 /nm3"}}},
         r"another reservoir \(activity of DMC 0\.25 /nm3 there, 0\.5 /nm3 given\); give another --out"),
        ({"name": "other", "medium": {"EC": 3}}, r"another reservoir \(differs in name, medium\)"),
    ],
)  # fmt: skip
def test_another_reservoir_in_a_folder_is_named(changes: dict[str, Any], problem: str, tmp_path: Path) -> None:
    """It is not the protocol that is another, unless something else is."""
    thin_gas().save(tmp_path / "box")
    held = open_stage()["reservoir"]
    open_run(tmp_path / "run", tmp_path / "box", open_protocol(), seed=1)
    with pytest.raises(InvalidInput, match=problem):
        check_run(tmp_path / "run", tmp_path / "box", open_protocol(reservoir=held | changes))
    with pytest.raises(InvalidInput, match=r"another protocol \(open\)"):
        check_run(tmp_path / "run", tmp_path / "box", open_protocol(reservoir=held | changes, duration="0.8 ps"))


def refused(box: Box, tmp_path: Path, problem: str, **changes: Any) -> None:
    """See a run refused before its folder is made."""
    box.save(tmp_path / "box")
    with pytest.raises(InvalidInput, match=problem):
        check_run(tmp_path / "run", tmp_path / "box", open_protocol(**changes))
    assert not (tmp_path / "run").exists()


def test_only_a_network_that_spans_the_box_may_swell(tmp_path: Path) -> None:
    """The osmotic ensemble of a solution has no volume: it would take up solvent without bound."""
    refused(thin_gas(), tmp_path, "pressure: only a network that spans the box can be open", pressure="1 bar")
    for spans in ([], ["b"]):
        box = replace(thin_gas(), provenance={**thin_gas().provenance, "polymer": {"spans": spans}})
        folder = tmp_path / f"{len(spans)} directions"
        folder.mkdir()
        if spans:
            box.save(folder / "box")
            check_run(folder / "run", folder / "box", open_protocol(pressure="1 bar"))
        else:
            refused(box, folder, "pressure: only a network that spans the box", pressure="1 bar")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"room": {"DMC": 3}}, r"room\.DMC: more than the 3 of the box, got 3"),
        ({"region": {"kind": "sphere", "at": [0, 0, 0], "radius": "1.2 nm"}}, r"a sphere of 1\.2 nm meets its own"),
        ({"region": {"kind": "sphere", "around": "EC", "radius": "1 nm"}}, r"region\.around: a species of one atom"),
        ({"temperature": "300 K"}, "is of 400 K, the stage is at 300 K"),
    ],
)  # fmt: skip
def test_boxes_that_do_not_fit_are_refused(changes: dict[str, Any], problem: str, tmp_path: Path) -> None:
    refused(thin_gas(), tmp_path, problem, **changes)


def test_a_species_without_a_molecule_to_copy_is_refused(tmp_path: Path) -> None:
    species = {"species": {"EMC": {"activity": "1 /nm3"}}}
    reservoir = open_stage()["reservoir"] | species
    refused(thin_gas(), tmp_path, r"species\.EMC: no such molecule in the box", reservoir=reservoir)


def test_a_species_that_is_charged_in_the_box_is_refused(tmp_path: Path) -> None:
    """Whatever its name says."""
    system = copy.deepcopy(thin_gas().system)
    (force,) = (force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))
    charge, *others = force.getParticleParameters(0)
    force.setParticleParameters(0, charge._value + 0.1, *others)
    refused(replace(thin_gas(), system=system), tmp_path, r"open: EC has \+0\.100 e in this box")


def test_the_command_refuses_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    thin_gas().save(tmp_path / "box")
    (tmp_path / "protocol.yaml").write_text(to_yaml(open_protocol(pressure="1 bar")))
    arguments = ["run", str(tmp_path / "box"), "--protocol", str(tmp_path / "protocol.yaml")]
    assert main([*arguments, "--out", str(tmp_path / "run")]) == 2
    assert "only a network that spans the box" in capsys.readouterr().err


# -- the box of the trajectory


def test_the_box_of_the_trajectory_is_that_of_the_force_field() -> None:
    """Its topology and its system, for which OpenMM's ForceField makes the very same model."""
    box = liquid()
    room = {"EC": 4, "DMC": 5}
    pool = pool_box(box, room)
    assert pool.counts == {**box.counts, **room}
    assert [atom.name for atom in pool.topology.atoms()][: box.n_atoms] == [a.name for a in box.topology.atoms()]
    model = box.recipe.force_field
    expected = create_system(pool.topology, read_forcefield(model.files), model)
    rng, energies = np.random.default_rng(3), []
    positions = np.concatenate([box.positions, np.zeros((pool.n_atoms - box.n_atoms, 3))])
    for species in room:
        rows = molecules_of(pool, species)
        for row in rows[box.counts[species] :]:
            positions[row] = positions[rows[0]] + rng.uniform(0.3, 0.8, 3)
            assert model_hash(pool.system, row.tolist()) == model_hash(pool.system, rows[0].tolist())
    for system in (pool.system, expected):
        reference = openmm.Platform.getPlatformByName("Reference")
        context = make_context(system, openmm.VerletIntegrator(0.001), reference)
        context.setPeriodicBoxVectors(*box.box_vectors)
        context.setPositions(positions)
        energies.append(context.getState(energy=True).getPotentialEnergy()._value)
    assert energies[0] == pytest.approx(energies[1], rel=1e-9)


def test_a_run_knows_the_box_of_its_trajectory(tmp_path: Path) -> None:
    thin_gas().save(tmp_path / "box")
    run = open_run(tmp_path / "run", tmp_path / "box", open_protocol(room={"EC": 6}), seed=2)
    assert run.topology_path == run.path / "pool" / "topology.cif"
    assert run.sampled.counts == {"EC": 6, "DMC": 2 * COUNTS["DMC"] + 20}
    assert run.box.counts == COUNTS
    there, others = np.split(run.sampled.positions, [run.box.n_atoms])
    np.testing.assert_allclose(there, run.box.positions, atol=1e-6)
    assert not others.any()
    recorded = run.provenance["files"]
    assert {f"pool/{name}" for name in ("topology.cif", "system.xml", "state.xml")} < set(recorded)
    with open(run.path / "pool" / "system.xml", "a") as file:
        file.write("\n")
    with pytest.raises(InvalidInput, match=r"pool/system\.xml: was changed after the run began"):
        _ = Run(run.path).sampled
