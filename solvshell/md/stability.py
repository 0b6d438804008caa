"""What ends a simulation that has gone wrong: atoms that fly apart, and a cell that has become too narrow."""

from collections import deque

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import unit

from solvshell.box import LEAST_WIDTH
from solvshell.engine import Snapshot, UnstableSimulation
from solvshell.errors import WorkFailed
from solvshell.stages import MovingStage
from solvshell.units import BOLTZMANN_KJ_MOL_K

#: times the target temperature: no liquid gets there, an exploding box passes it
_EXPLOSION = 5.0

#: looks; a cell breathes: the mean of so many is not to be narrower than `LEAST_WIDTH`
_BREATH = 50

#: cutoffs; no single look is to find it narrower, and OpenMM ends at 2
_NARROWEST = 2.05


def _cutoff_nm(system: openmm.System) -> float:
    """Return the cutoff of the model, 0 if it has none."""
    return max(
        (
            float(force.getCutoffDistance().value_in_unit(unit.nanometer))
            for force in system.getForces()
            if isinstance(force, openmm.NonbondedForce) and force.usesPeriodicBoundaryConditions()
        ),
        default=0.0,
    )


class Watch:
    """Looks at the snapshots of a stage, one after the other.

    Parameters
    ----------
    stage : Dynamics, Windows or GrandCanonical
    system : openmm.System
        The model, for its cutoff.
    degrees : int
        Degrees of freedom.
    """

    def __init__(self, stage: MovingStage, system: openmm.System, degrees: int) -> None:
        self._hottest = _EXPLOSION * max(stage.temperature, stage.ramp_to or 0.0)
        self._largest_jump = self._hottest * degrees * BOLTZMANN_KJ_MOL_K / 2
        self._cutoff_nm = _cutoff_nm(system) if stage.pressure is not None else 0.0
        self._widths: deque[NDArray[np.float64]] = deque(maxlen=_BREATH)
        self._potential: float | None = None

    def check(self, now: Snapshot) -> None:
        """Accept a snapshot.

        Raises
        ------
        UnstableSimulation
            If the temperature is above five times that of the stage, or the potential energy has grown by what five
            times that temperature would put into all degrees of freedom.
        WorkFailed
            If the pressure has made the cell too narrow for the cutoff.
        """
        if now.temperature > self._hottest:
            raise UnstableSimulation(f"the temperature is {now.temperature:.3g} K")
        jump = 0.0 if self._potential is None else now.potential_kj_mol - self._potential
        if jump > self._largest_jump:
            raise UnstableSimulation(f"the potential energy has jumped by {jump:.3g} kJ/mol")
        self._potential = now.potential_kj_mol
        self._check_width(now)

    def _check_width(self, now: Snapshot) -> None:
        self._widths.append(now.widths_nm)
        self._refuse_narrower(_NARROWEST, now.widths_nm)
        if len(self._widths) == _BREATH:
            self._refuse_narrower(LEAST_WIDTH, np.mean(self._widths, axis=0))

    def _refuse_narrower(self, cutoffs: float, widths_nm: NDArray[np.float64]) -> None:
        width = float(widths_nm.min())
        if width < cutoffs * self._cutoff_nm:
            axis = "abc"[int(widths_nm.argmin())]
            raise WorkFailed(
                f"the cell has become {width:.3f} nm wide along {axis}, less than {cutoffs} cutoffs of "
                f"{self._cutoff_nm:g} nm: molecules nearly meet themselves. Take a larger box (a larger --n-salt of "
                "'solvshell build')"
            )
