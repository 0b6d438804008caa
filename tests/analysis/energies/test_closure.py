import numpy as np
import openmm
import pytest
from engines import placed, shaken
from small_boxes import gel, liquid, network

from solvshell.analysis.energies.closure import check_closure
from solvshell.analysis.energies.model import PairModel, nonbonded_of
from solvshell.analysis.energies.switched_off import LENNARD_JONES, energy_without
from solvshell.box import Box
from solvshell.errors import InvalidInput

BOXES = {"liquid": liquid, "gel": gel, "network": network}


def atoms_by_species(box):
    names = np.array([atom.residue.name for atom in box.topology.atoms()])
    return {name: np.flatnonzero(names == name) for name in dict.fromkeys(names)}


def sheared(box):
    """Return a box in a triclinic cell, bonds bent along with it."""
    vectors = box.box_vectors.copy()
    vectors[1, 0], vectors[2, 0], vectors[2, 1] = 0.3 * vectors[0, 0], -0.2 * vectors[0, 0], 0.25 * vectors[1, 1]
    return placed(box, box.positions @ np.linalg.inv(box.box_vectors) @ vectors, vectors)


def changed(box, **settings):
    """Return the system of a box with other settings of its NonbondedForce."""
    system = openmm.XmlSerializer.clone(box.system)
    for name, value in settings.items():
        getattr(nonbonded_of(system), f"set{name}")(value)
    return system


def closure(box, tolerance=1e-6, **settings):
    """Return the table of a small box; a longer cutoff and a larger tolerance make PME quicker."""
    system = changed(box, CutoffDistance=0.55, **settings)
    return check_closure(system, box.positions * 10, box.box_vectors * 10, atoms_by_species(box), tolerance=tolerance)


@pytest.mark.parametrize("cell", ["cubic", "triclinic"])
@pytest.mark.parametrize("name", BOXES)
def test_all_pairs_add_up_to_what_openmm_loses_without_a_species(name, cell):
    box = shaken(BOXES[name]())
    table = closure(box if cell == "cubic" else sheared(box))
    assert len(table) == 2 * {"liquid": 5, "gel": 3, "network": 3}[name]
    assert (table["absolute"] > 20).all()
    assert table["deviation"].abs().max() < 1e-5


def test_a_liquid_adds_up_by_pme(box_path):
    box = shaken(Box.load(box_path))
    table = check_closure(box.system, box.positions * 10, box.box_vectors * 10, atoms_by_species(box))
    assert set(table["species"]) == {"LI", "PF6", "EC", "DMC", "EMC"}
    assert table["deviation"].abs().max() < 1e-5
    # Single terms are no smaller than what is compared: nothing cancels.
    assert (table["absolute"] < 20 * table["openmm"].abs()).all()


@pytest.mark.parametrize(("tail", "switch"), [(True, None), (True, 0.3), (False, 0.35)])
def test_lennard_jones_adds_up_with_and_without_switch_and_tail(tail, switch):
    switched = {"UseSwitchingFunction": switch is not None, "SwitchingDistance": switch or 0.0}
    table = closure(shaken(liquid()), UseDispersionCorrection=tail, **switched)
    of_lj = table[table["term"] == LENNARD_JONES]
    assert of_lj["deviation"].abs().max() < 1e-9
    assert (of_lj["tail"] < 0).all() if tail else (of_lj["tail"] == 0).all()


@pytest.mark.parametrize("switch", [None, 0.3])
def test_the_tail_is_that_of_openmm(switch):
    box, switched = liquid(), {"UseSwitchingFunction": switch is not None, "SwitchingDistance": switch or 0.0}
    model = PairModel.from_system(changed(box, UseDispersionCorrection=True, **switched))
    none = np.zeros(box.n_atoms, bool)
    with_tail, without = (
        energy_without(
            changed(box, UseDispersionCorrection=tail, **switched),
            box.positions * 10,
            box.box_vectors * 10,
            none,
            LENNARD_JONES,
            "Reference",
        )
        for tail in (True, False)
    )
    species = np.unique([atom.residue.name for atom in box.topology.atoms()], return_inverse=True)[1]
    tails = model.tails(species) / np.linalg.det(box.box_vectors * 10)
    total = np.triu(tails, 1).sum() + np.trace(tails) / 2
    assert total == pytest.approx(with_tail - without, rel=1e-6)
    assert total < -0.1


def test_it_is_seen_if_openmm_itself_is_not_exact():
    assert 1e-5 < closure(shaken(liquid()), tolerance=5e-4)["deviation"].abs().max() < 1e-2


def test_species_are_of_whole_molecules():
    box = liquid()
    ec = atoms_by_species(box)["EC"]
    with pytest.raises(InvalidInput, match="a molecule has atoms in two of them"):
        check_closure(box.system, box.positions * 10, box.box_vectors * 10, {"part": ec[:3]})
