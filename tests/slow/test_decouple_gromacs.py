"""What a molecule of a liquid is coupled by, against the free-energy code of GROMACS with our exported files."""

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
from solvshell.md.alchemy import Lambdas, alchemical_system, coupling_energies

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
    """Return the potential energy of each state above the decoupled one, in kJ/mol, and that of the tail."""
    found = [gromacs_energies(exported, f"{state}.mdp") for state in STATES]
    both = np.array([(energies["Potential"], energies["Disper. corr."]) for energies in found])
    return (both - both[-1]).T


def by_us(box: Box, has_tail: bool = True) -> NDArray[np.float64]:
    system = alchemical_system(box.system, [list(range(12))])
    for force in system.getForces():
        if isinstance(force, openmm.NonbondedForce):
            force.setEwaldErrorTolerance(1e-7)
    if not has_tail:
        tails = [i for i, force in enumerate(system.getForces()) if isinstance(force, openmm.CustomVolumeForce)]
        system.removeForce(tails[0])
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform("Reference"))
    context.setPeriodicBoxVectors(*box.box_vectors)
    context.setPositions(box.positions)
    return coupling_energies(context, list(STATES.values()))


def test_a_molecule_is_coupled_by_the_same_energy(box: Box, by_gromacs: NDArray[np.float64]) -> None:
    """Charges, Lennard-Jones with its switch; the tails differ by the pairs that GROMACS leaves out of their mean."""
    theirs, their_tail = by_gromacs
    ours, without_tail = by_us(box), by_us(box, has_tail=False)
    assert abs(without_tail[1]) > 5
    np.testing.assert_allclose(theirs - their_tail, without_tail, atol=2e-3)
    assert their_tail[0] < -5
    np.testing.assert_allclose(their_tail, ours - without_tail, rtol=0.01, atol=1e-6)


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
    assert abs(tail[1]) > 5
    assert row[3 + decoupled] == pytest.approx(potential[2] - potential[1], abs=1e-4)
    assert row[3] == pytest.approx(potential[0] - potential[1], abs=1e-4)
