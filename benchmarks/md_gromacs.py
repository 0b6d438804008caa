"""GROMACS with the settings of an OpenMM context, timed."""

import math
import re
import resource
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import openmm
from gromacs import Gromacs
from md_engines import Contender, Scheme, nonbonded_of

from solvshell.box import Box

_PME_ORDER = 5  # of OpenMM, which has no other


def matching_mdp(context: openmm.Context, scheme: Scheme) -> dict[str, object]:
    """Return the lines of a GROMACS parameter file for what an OpenMM context does, beside the cutoffs of the export.

    The Ewald parameter is the same (``ewald-rtol`` is erfc(alpha r_c)), and so are the grid of the mesh and the order
    of its splines, the time step and the Langevin thermostat. No energies are computed or written.
    """
    nonbonded = nonbonded_of(context.getSystem())
    alpha, *grid = nonbonded.getPMEParametersInContext(context)
    cutoff = nonbonded.getCutoffDistance()._value
    friction = context.getIntegrator().getFriction()._value
    return {
        "integrator": "sd", "dt": scheme.timestep, "nsteps": -1, "tcoupl": None, "tau-t": 1 / friction,
        "pcoupl": None, "constraints": "h-bonds", "gen-vel": "yes", "comm-mode": "None",
        "ewald-rtol": f"{math.erfc(alpha * cutoff):.9g}", "pme-order": _PME_ORDER,
        **{f"fourier-n{axis}": size for axis, size in zip("xyz", grid, strict=True)},
        "nstenergy": 0, "nstcalcenergy": 1000, "nstlog": 0, "nstxout-compressed": 0,
    }  # fmt: skip


def with_changes(mdp: str, changes: Mapping[str, object]) -> str:
    """Return a parameter file with lines replaced or added; None takes a line out."""
    lines = (line.split(";")[0].split("=") for line in mdp.splitlines())
    settings: dict[str, object] = {line[0].strip(): line[1].strip() for line in lines if len(line) == 2}
    settings |= changes
    return "\n".join(f"{key} = {value}" for key, value in settings.items() if value is not None) + "\n"


@dataclass(frozen=True)
class GromacsTiming:
    """The same box and settings as an OpenMM context in GROMACS, for timing."""

    runs: Gromacs
    name: str

    @classmethod
    def like(cls, context: openmm.Context, box: Box, scheme: Scheme, folder: Path) -> "GromacsTiming":
        """Return the files of a box, made in a folder, with the settings of a context."""
        runs = Gromacs.of(box, folder)
        name = f"{1000 * scheme.timestep:g}fs"
        mdp = with_changes((folder / "npt.mdp").read_text(), matching_mdp(context, scheme))
        (folder / f"{name}.mdp").write_text(mdp)
        topology = "topol.top" if scheme.hydrogen_mass is None else "heavy.top"
        inputs = ("-f", f"{name}.mdp", "-c", "conf.gro", "-p", topology)
        runs.gmx("grompp", *inputs, "-o", f"{name}.tpr", "-po", f"{name}-used.mdp", "-maxwarn", "2")
        return cls(runs, name)

    def _log(self, threads: int, seconds: float, number: int = 0) -> str:
        """Run for about some seconds and return the log."""
        out = f"{self.name}-{threads}-{number}"
        self.runs.gmx(
            "mdrun", "-s", f"{self.name}.tpr", "-deffnm", out, "-ntmpi", "1", "-ntomp", str(threads), "-pin", "off",
            "-nb", "cpu", "-notunepme", "-nsteps", "-1", "-maxh", f"{seconds / 3600:.8f}", "-noconfout",
        )  # fmt: skip
        return (self.runs.folder / f"{out}.log").read_text()

    def timed(self, threads: int, seconds: float, number: int = 0) -> float:
        """Return the ns/day of about some seconds."""
        return performance(self._log(threads, seconds, number))

    def parts(self, threads: int, seconds: float) -> dict[str, float]:
        """Return ms of processor time per step of the parts that GROMACS counts."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        parts, n_steps = counted_parts(self._log(threads, seconds))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return {name: part / parts["Total"] * 1000 * spent / n_steps for name, part in parts.items()}

    def together(self, n_together: int, threads: int) -> Contender:
        """Return what gives the ns/day of several processes together."""

        def contender(seconds: float) -> float:
            with ThreadPoolExecutor(n_together) as pool:
                return sum(pool.map(partial(self.timed, threads, seconds), range(n_together)))

        return contender


def performance(log: str) -> float:
    """Return the ns/day that the log of GROMACS ends with."""
    return float(re.findall(r"^Performance:\s+([\d.]+)", log, re.MULTILINE)[-1])


def counted_parts(log: str) -> tuple[dict[str, float], int]:
    """Return the seconds of each part in the cycle accounting of a log of GROMACS and of ``Total``, and the steps."""
    rows = re.findall(r"^ ([A-Z][\w /.()-]*?) +\d+ +\d+(?: +\d+)? +([\d.]+) +[\d.]+ +[\d.]+ *$", log, re.MULTILINE)
    rest = re.findall(r"^ (Rest|Total) +([\d.]+) +[\d.]+ +[\d.]+ *$", log, re.MULTILINE)
    n_steps = int(re.findall(r"^ Force +\d+ +\d+ +(\d+)", log, re.MULTILINE)[-1])
    return {name: float(seconds) for name, seconds in [*rows, *rest]}, n_steps
