"""What ends a simulation that has gone wrong: atoms that fly apart, and a cell that has become too narrow."""

import openmm
from openmm import unit

from solvshell.box import LEAST_WIDTH
from solvshell.engine import Snapshot, UnstableSimulation
from solvshell.errors import WorkFailed
from solvshell.stages import Dynamics, Windows
from solvshell.units import BOLTZMANN_KJ_MOL_K

#: times the target temperature: no liquid gets there, an exploding box passes it
_EXPLOSION = 5.0


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
    stage : Dynamics or Windows
    system : openmm.System
        The model, for its cutoff.
    degrees : int
        Degrees of freedom.
    """

    def __init__(self, stage: Dynamics | Windows, system: openmm.System, degrees: int) -> None:
        self._hottest = _EXPLOSION * max(stage.temperature, stage.ramp_to or 0.0)
        self._largest_jump = self._hottest * degrees * BOLTZMANN_KJ_MOL_K / 2
        self._narrowest = LEAST_WIDTH * _cutoff_nm(system) if stage.pressure is not None else 0.0
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
        width = float(now.widths_nm.min())
        if width < self._narrowest:
            axis = "abc"[int(now.widths_nm.argmin())]
            raise WorkFailed(
                f"the cell has become {width:.3f} nm wide along {axis}, less than {LEAST_WIDTH} cutoffs of "
                f"{self._narrowest / LEAST_WIDTH:g} nm: molecules nearly meet themselves. Take a larger box (a larger "
                "--n-salt of 'solvshell build')"
            )
