"""The shipped force field and its molecules, made once."""

from collections.abc import Callable

import openmm
import pytest
from openmm import app

from solvshell.build.forcefield import ForceFieldFiles, create_system, read_forcefield
from solvshell.build.molecules import Molecule, add_molecule, make_molecule
from solvshell.recipe import Model
from solvshell.species import catalogue, find_species

VacuumSystem = Callable[..., tuple[app.Topology, openmm.System]]


@pytest.fixture(scope="session")
def lb003_files() -> ForceFieldFiles:
    return read_forcefield(["solvshell/lb003.xml"])


@pytest.fixture(scope="session")
def family_files() -> ForceFieldFiles:
    """Return the files of all species; those of LB-003 are among them."""
    return read_forcefield(["solvshell/electrolytes.xml"])


@pytest.fixture(scope="session")
def molecules(family_files: ForceFieldFiles) -> dict[str, Molecule]:
    return {name: make_molecule(name, entry, family_files, Model(), seed=1) for name, entry in catalogue().items()}


@pytest.fixture(scope="session")
def vacuum_system(family_files: ForceFieldFiles) -> VacuumSystem:
    """Return a function that makes the topology and the System, without cutoff, of some molecules."""

    def make(*names: str, ion_charge_scale: float = 1.0) -> tuple[app.Topology, openmm.System]:
        templates = family_files.templates()
        topology = app.Topology()
        for name in names:
            add_molecule(topology, topology.addChain(), templates[find_species(name).residue])
        model = Model(ion_charge_scale=ion_charge_scale)
        return topology, create_system(topology, family_files, model, periodic=False)

    return make
