"""Boxes of a few molecules for tests of what is written of them: built as any box, too small for anything else."""

import copy
from dataclasses import replace
from functools import cache
from typing import Any

import openmm

from solvshell.box import Box
from solvshell.build import build_box
from solvshell.files import validate
from solvshell.recipe import Recipe

DADMA = "C=CC[N+](C)(C)CC=C"
_POLYMER = {"name": "PDAD", "title": "for tests", "monomer": DADMA, "sites": {"n_plus": ["N1"]}}
_CHAINS = {"architecture": "cyclo", "chain_length": 3, "chains": 2, "counter_ion": "NO3"}
_NETWORK = {"architecture": "network", "units": 6, "conversion": 0.75}


def _recipe(counts: dict[str, int], cutoff: str, **changes: Any) -> Recipe:
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
    return build_box(_recipe(counts, "0.4 nm"), seed=1)


@cache
def gel() -> Box:
    """Return two chains of three units with their counter-ions."""
    return build_box(_recipe({"DME": 6}, "0.5 nm", polymer=_POLYMER | _CHAINS), seed=1)


@cache
def network() -> Box:
    """Return six units that have reacted in the box, bonded across its boundary."""
    return build_box(_recipe({"NO3": 6, "DME": 6}, "0.5 nm", polymer=_POLYMER | _NETWORK), seed=1)


def as_network(box: Box) -> Box:
    """Return a box that says of itself that its bonds take the nearest image."""
    system = copy.deepcopy(box.system)
    for force in system.getForces():
        if isinstance(force, openmm.HarmonicBondForce):
            force.setUsesPeriodicBoundaryConditions(True)
    return replace(box, system=system)
