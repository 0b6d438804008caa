"""What a molecule of a liquid is coupled by, against the free-energy code of GROMACS with our exported files."""

import copy
import shutil
import sys
from pathlib import Path

import numpy as np
import openmm
import pytest
from engines import full_model, gromacs_energies, run, shaken
from numpy.typing import NDArray

from solvshell.box import Box
from solvshell.export import export_box
from solvshell.md.alchemy import Lambdas, alchemical_system, lambda_parameters

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from mu_dmc import CHARGES, LENNARD_JONES, build, coupling_settings, solute_topology

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("gmx_d") is None, reason="GROMACS (gmx, gmx_d) is not installed"),
]
#: The plain model, without charges, decoupled: the numbers of these states in GROMACS, and what we call them.
STATES = {0: Lambdas(1, 1), len(CHARGES) - 1: Lambdas(0, 1), len(CHARGES) + len(LENNARD_JONES) - 2: Lambdas(0, 0)}


@pytest.fixture(scope="module")
def box() -> Box:
    return shaken(build())


@pytest.fixture(scope="module")
def exported(box: Box, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a parameter file for each state; its topology has one DMC of its own kind."""
    folder = tmp_path_factory.mktemp("gromacs") / "export"
    export_box(box, "gromacs", folder)
    topology = folder / "topol.top"
    topology.write_text(solute_topology(topology.read_text(), "DMC"))
    settings = (folder / full_model(folder, "gromacs")).read_text()
    for state in STATES:
        of_state = coupling_settings(state) | {"nstcalcenergy": 1, "nstdhdl": 1, "calc_lambda_neighbors": -1}
        lines = [f"{key.replace('_', '-')} = {value}" for key, value in of_state.items()]
        (folder / f"{state}.mdp").write_text("\n".join([settings, *lines, ""]))
    return folder


@pytest.fixture(scope="module")
def by_gromacs(exported: Path) -> NDArray[np.float64]:
    """Return the potential energy of each state in kJ/mol, and the part of it that is the tail."""
    found = [gromacs_energies(exported, f"{state}.mdp") for state in STATES]
    return np.array([(energies["Potential"], energies["Disper. corr."]) for energies in found]).T


def by_us(box: Box, has_tail: bool) -> NDArray[np.float64]:
    """Return the potential energy of each state, in kJ/mol."""
    plain = copy.deepcopy(box.system)
    (force,) = (force for force in plain.getForces() if isinstance(force, openmm.NonbondedForce))
    force.setEwaldErrorTolerance(1e-7)
    force.setUseDispersionCorrection(has_tail)
    system = alchemical_system(plain, [list(range(12))])
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform("Reference"))
    context.setPeriodicBoxVectors(*box.box_vectors)
    context.setPositions(box.positions)
    found = []
    for state in STATES.values():
        for name, value in lambda_parameters(state).items():
            context.setParameter(name, value)
        found.append(context.getState(energy=True).getPotentialEnergy()._value)
    return np.array(found)


def above_the_last(energies: NDArray[np.float64]) -> NDArray[np.float64]:
    return energies[:-1] - energies[-1]


def test_a_molecule_is_coupled_by_the_same_energy(box: Box, by_gromacs: NDArray[np.float64]) -> None:
    """Charges, Lennard-Jones with its switch, and what a decoupled molecule keeps of its own.

    The tails differ by the pairs that GROMACS leaves out of its mean coefficient.
    """
    theirs, their_tail = by_gromacs
    ours, without_tail = by_us(box, has_tail=True), by_us(box, has_tail=False)
    np.testing.assert_allclose(theirs - their_tail, without_tail, atol=0.02)
    coupling = above_the_last(without_tail)
    assert abs(coupling[1]) > 5
    assert abs(coupling[0] - coupling[1]) > 0.1
    np.testing.assert_allclose(above_the_last(theirs - their_tail), coupling, atol=2e-3)
    tail = above_the_last(their_tail)
    assert (tail < -5).all()
    np.testing.assert_allclose(tail, above_the_last(ours - without_tail), rtol=0.01)


def test_their_differences_between_states_have_the_tail(exported: Path, by_gromacs: NDArray[np.float64]) -> None:
    """GROMACS extrapolates it along dH/dlambda; BAR of these differences needs no correction."""
    potential, tail = by_gromacs
    uncharged, decoupled = list(STATES)[1:]
    quiet = ("gmx_d", "-quiet", "-nobackup")
    files = ("-f", f"{uncharged}.mdp", "-c", "conf.gro", "-p", "topol.top", "-o", "states.tpr")
    run(exported, *quiet, "grompp", *files)
    run(exported, *quiet, "mdrun", "-deffnm", "states", "-nt", "1", "-pin", "off")
    row = [float(value) for value in (exported / "states.xvg").read_text().splitlines()[-1].split()]
    # time, two derivatives, then the differences to all states
    assert tail[1] - tail[2] < -5
    assert row[3 + decoupled] == pytest.approx(potential[2] - potential[1], abs=1e-4)
    assert row[3] == pytest.approx(potential[0] - potential[1], abs=1e-4)
