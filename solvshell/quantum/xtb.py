"""GFN2-xTB by tblite."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from rdkit.Chem import GetPeriodicTable

from solvshell.quantum.extra import NotConverged, needed
from solvshell.quantum.units import BOHR_ANGSTROM, HARTREE_KJ_MOL, Array, Gradient


def gfn2_function(elements: Sequence[str], charge: int, continuum: float | None = None) -> Gradient:
    """Return the function from positions to energy and gradient of GFN2-xTB (Bannwarth et al. 2019).

    Each call starts from the density of the one before, so that a geometry is relaxed in half the time.

    Parameters
    ----------
    elements, charge
        Of the molecule; charge in e.
    continuum : float, optional
        Dielectric constant of a conductor-like polarizable continuum (ddCPCM by ddX) around it; None is the gas phase.
        The quicker models of tblite are wrong where it matters here: `gbe` gives two ions 20 Å apart 17 kJ/mol where
        q²/εr is 3; `gb` is right there, but lowers a unit of OTA4+ with four nitrates by 2870 kJ/mol, ddCPCM by 890
        (benchmarks/continua.py).

    Raises
    ------
    NotConverged
        From the returned function, if the self-consistent field finds no end.
    """
    interface = needed("tblite.interface")
    failed = needed("tblite.exceptions").TBLiteRuntimeError
    numbers = np.array([GetPeriodicTable().GetAtomicNumber(element) for element in elements])
    state: dict[str, Any] = {}

    def evaluate(positions: Array) -> tuple[float, Array]:
        coordinates = np.asarray(positions) / BOHR_ANGSTROM
        if "calculator" not in state:
            calculator = interface.Calculator("GFN2-xTB", numbers, coordinates, charge=charge)
            calculator.set("verbosity", 0)
            if continuum is not None:
                calculator.add("ddX-solvation", continuum, "cpcm")
            state["calculator"] = calculator
        calculator = state["calculator"]
        calculator.update(coordinates)
        try:
            result = calculator.singlepoint(state.get("result"))
        except failed as error:
            state.clear()
            raise NotConverged(f"GFN2-xTB: {error}") from None
        state["result"] = result
        return result.get("energy") * HARTREE_KJ_MOL, result.get("gradient") * HARTREE_KJ_MOL / BOHR_ANGSTROM

    return evaluate


def gfn2_inputs(continuum: float | None = None, *, relaxed: bool = False) -> dict[str, Any]:
    """Return what else tells an entry of the cache from others: versions of programs, and the model of the continuum.

    Another version computes anew, what did not converge too.

    Parameters
    ----------
    continuum
        Its dielectric constant; None is the gas phase.
    relaxed
        The entry comes from a geometry by geomeTRIC.
    """
    programs = f"tblite {version('tblite')}" + (f", geomeTRIC {version('geometric')}" if relaxed else "")
    model = None if continuum is None else f"ddCPCM, {continuum:.10g}"
    return {"method": f"GFN2-xTB, {programs}", "continuum": model}


def gfn2(elements: Sequence[str], positions: Array, charge: int, continuum: float | None = None) -> tuple[float, Array]:
    """Return energy (kJ/mol) and gradient (kJ/mol/Å) of GFN2-xTB, in the gas phase or ddCPCM: `gfn2_function`."""
    return gfn2_function(elements, charge, continuum)(positions)
