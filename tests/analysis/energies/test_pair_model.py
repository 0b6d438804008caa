import numpy as np
import openmm
import pytest
from small_boxes import gel, liquid

from solvshell.analysis.energies.model import PairModel
from solvshell.errors import InvalidInput


def system(method=openmm.NonbondedForce.PME, *others):
    made = openmm.System()
    force = openmm.NonbondedForce()
    for charge in (1.0, -1.0):
        made.addParticle(1.0)
        force.addParticle(charge, 0.3, 0.5)
    force.setNonbondedMethod(method)
    force.setCutoffDistance(0.9)
    made.addForce(force)
    for other in others:
        made.addForce(other)
    return made


def test_a_model_is_in_angstrom_and_kj_mol():
    model = PairModel.from_system(system())
    assert model.charges.tolist() == [1, -1]
    assert model.sigma.tolist() == pytest.approx([3, 3])
    assert model.epsilon.tolist() == pytest.approx([0.5, 0.5])
    assert (model.cutoff, model.switch, model.tail) == (pytest.approx(9), None, True)
    assert model.fragments.tolist() == [0, 1]


def test_fragments_are_what_bonds_hold_together():
    for box, sizes in ((liquid(), {1: 2, 7: 2, 10: 2, 11: 2, 12: 2}), (gel(), {4: 6, 16: 6, 77: 2})):
        model = PairModel.from_system(box.system)
        found, counts = np.unique(np.bincount(model.fragments), return_counts=True)
        assert dict(zip(found.tolist(), counts.tolist(), strict=True)) == sizes


def test_bonded_forces_and_barostats_change_nothing():
    others = openmm.HarmonicBondForce(), openmm.MonteCarloBarostat(1.0, 300.0), openmm.CMMotionRemover()
    assert PairModel.from_system(system(openmm.NonbondedForce.Ewald, *others)).n_atoms == 2


def _with_offset():
    made = system()
    force = made.getForce(0)
    force.addGlobalParameter("scale", 1.0)
    force.addParticleParameterOffset("scale", 0, 1.0, 0, 0)
    return made


def _without_force():
    made = openmm.System()
    made.addParticle(1.0)
    return made


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: system(openmm.NonbondedForce.NoCutoff), "not of the method PME or Ewald"),
        (lambda: system(openmm.NonbondedForce.CutoffPeriodic), "not of the method PME or Ewald"),
        (lambda: system(openmm.NonbondedForce.LJPME), "not of the method PME or Ewald"),
        (lambda: system(openmm.NonbondedForce.PME, openmm.CustomNonbondedForce("r")), "CustomNonbondedForce may act"),
        (lambda: system(openmm.NonbondedForce.PME, openmm.CustomCVForce("0")), "CustomCVForce may act between"),
        (lambda: system(openmm.NonbondedForce.PME, openmm.DrudeForce()), "DrudeForce may act between molecules"),
        (lambda: system(openmm.NonbondedForce.PME, openmm.NonbondedForce()), "exactly one NonbondedForce, found 2"),
        (_without_force, "exactly one NonbondedForce, found 0"),
        (_with_offset, "has parameter offsets"),
    ],
)
def test_what_is_no_plain_pair_model_is_refused(make, message):
    with pytest.raises(InvalidInput, match=message):
        PairModel.from_system(make())
