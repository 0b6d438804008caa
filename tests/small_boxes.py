"""Boxes of a few molecules for tests of what is written of them: built as any box, too small for anything else."""

import copy
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import openmm
from openmm import app, unit

from solvshell.box import Box
from solvshell.build import build_box
from solvshell.build.forcefield import create_system, read_forcefield
from solvshell.build.molecules import add_molecule
from solvshell.files import validate
from solvshell.recipe import Recipe, load_recipe
from solvshell.species import find_species

DADMA = "C=CC[N+](C)(C)CC=C"
_POLYMER = {"name": "PDAD", "title": "for tests", "monomer": DADMA, "sites": {"n_plus": ["N1"]}}
_CHAINS = {"architecture": "cyclo", "chain_length": 3, "chains": 2, "counter_ion": "NO3"}
_NETWORK = {"architecture": "network", "units": 6, "conversion": 0.75}


def small_recipe(counts: dict[str, int], cutoff: str, **changes: Any) -> Recipe:
    """Return a recipe of a few molecules."""
    content = {
        "name": "small",
        "title": "A small box; for tests",
        "composition": {"counts": counts},
        "force_field": {"files": ["solvshell/electrolytes.xml"], "cutoff": cutoff, "switch": None},
        "packing": {"density": "0.9 g/cm3"},
    }
    return validate(Recipe, content | changes, "small")


@cache
def liquid() -> Box:
    """Return two molecules each of two rings, a chain and the ions."""
    counts = {"Li": 2, "PF6": 2, "EC": 2, "DOL": 2, "DMC": 2}
    return build_box(small_recipe(counts, "0.4 nm"), seed=1)


def polymer_recipe() -> Recipe:
    """Return the recipe of two chains of three units with their counter-ions."""
    return small_recipe({"DME": 6}, "0.5 nm", polymer=_POLYMER | _CHAINS)


@cache
def gel() -> Box:
    """Return two chains of three units with their counter-ions."""
    return build_box(polymer_recipe(), seed=1)


@cache
def network() -> Box:
    """Return six units that have reacted in the box, bonded across its boundary."""
    return build_box(small_recipe({"NO3": 6, "DME": 6}, "0.5 nm", polymer=_POLYMER | _NETWORK), seed=1)


def as_network(box: Box) -> Box:
    """Return a box that says of itself that its bonds take the nearest image."""
    system = copy.deepcopy(box.system)
    for force in system.getForces():
        if isinstance(force, openmm.HarmonicBondForce):
            force.setUsesPeriodicBoundaryConditions(True)
    return replace(box, system=system)


@cache
def gromacs_lb003() -> openmm.System:
    """Return the model behind ``data/gromacs_lb003``: its molecules in their order, nothing packed."""
    model = load_recipe("lb003").force_field
    files, topology = read_forcefield(model.files), app.Topology()
    templates = files.templates()
    for name, n in {"Li": 8, "PF6": 8, "EC": 38, "DMC": 30, "EMC": 24}.items():
        chain = topology.addChain()
        for _ in range(n):
            add_molecule(topology, chain, templates[find_species(name).residue])
    topology.setPeriodicBoxVectors(np.eye(3) * 2.3 * unit.nanometer)
    return create_system(topology, files, model)
