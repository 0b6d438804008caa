"""Runs of GROMACS from a box of ours: the exported files, one stage after the other, resumed where they stopped.

On CPU cores GROMACS is several times faster than OpenMM; docs/export.md shows that both compute the same energies.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import openmm
from numpy.typing import NDArray

from solvshell.box import Box
from solvshell.export import export_box
from solvshell.export.gromacs import gromacs_files
from solvshell.md.dynamics import stage_system
from solvshell.protocol import load_protocol
from solvshell.stages import Dynamics

STEP_PS, HEAVY_STEP_PS = 0.002, 0.004
HEAVY = {"dt": HEAVY_STEP_PS, "integrator": "sd", "tcoupl": None, "tau-t": 1.0, "pcoupl": None}


@dataclass(frozen=True)
class Gromacs:
    """A folder of runs of one box: the files of the export, and those of each stage.

    Beside ``topol.top``, with real masses, ``heavy.top`` has hydrogens of 3 Da for steps of 4 fs, as our own
    protocols. That is for sampling at constant volume with the `sd` integrator, whose positions are those of OpenMM's
    LangevinMiddle. The virial pressure is wrong at such a step: neat DMC came out 2 % too dense, and with real masses
    and 2 fs it had 280 bar at that volume. OpenMM's Monte Carlo barostat has no virial and no such error.
    """

    folder: Path
    threads: int = 1

    @classmethod
    def of(cls, box: Box, folder: Path, threads: int = 1) -> "Gromacs":
        """Return the runs of a box in a folder, which is made if it does not exist."""
        if not folder.exists():
            export_box(box, "gromacs", folder)
            heavy = replace(box, system=as_run(box.system, hydrogen_mass=3.0))
            (folder / "heavy.top").write_text(gromacs_files(heavy)["topol.top"])
        return cls(folder, threads)

    def gmx(self, *arguments: str, answers: str = "") -> str:
        """Run a GROMACS command in the folder and return what it printed.

        Raises
        ------
        SystemExit
            If GROMACS is missing or fails, with what it said.
        """
        program = shutil.which("gmx")
        if program is None:
            raise SystemExit("GROMACS is needed: apt-get install gromacs")
        command = [program, "-quiet", "-nobackup", *arguments]
        done = subprocess.run(command, cwd=self.folder, input=answers, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"gmx {' '.join(arguments)}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def stage(self, name: str, before: str, goes_on: bool = True, heavy: bool = False, **changes: object) -> str:
        """Run a stage from the last configuration of the one before and return its name; skipped if it is there.

        Parameters
        ----------
        name, before : str
            Its files are NAME.gro, NAME.edr, NAME.xtc; it starts from BEFORE.gro.
        goes_on : bool
            With the velocities of the stage before; otherwise with new ones.
        heavy : bool
            With heavy hydrogens, 4 fs and Langevin dynamics at constant volume: for sampling, not for physical times.
        changes
            Lines of ``npt.mdp`` to replace, ``_`` for ``-``; None takes a line out.
        """
        if (self.folder / f"{name}.gro").exists():
            return name
        if not (self.folder / f"{name}.tpr").exists():
            own = {"gen-vel": "no", "continuation": "yes"} if goes_on else {}
            own |= HEAVY if heavy else {}
            wanted = own | {key.replace("_", "-"): value for key, value in changes.items()}
            (self.folder / f"{name}.mdp").write_text(_changed((self.folder / "npt.mdp").read_text(), wanted))
            velocities = ["-t", f"{before}.cpt"] if goes_on else []
            inputs = (
                "-f",
                f"{name}.mdp",
                "-c",
                f"{before}.gro",
                "-p",
                "heavy.top" if heavy else "topol.top",
                "-o",
                f"{name}.tpr",
            )
            groups = ["-n", "index.ndx"] if (self.folder / "index.ndx").exists() else []
            self.gmx("grompp", *inputs, *velocities, *groups, "-maxwarn", "1")
        self.gmx("mdrun", "-deffnm", name, "-cpi", f"{name}.cpt", "-nt", str(self.threads), "-pin", "off")
        return name

    def version(self) -> str:
        """Return the name and version of the program."""
        said = subprocess.run([shutil.which("gmx") or "gmx", "--version"], capture_output=True, text=True, check=True)
        return "GROMACS " + said.stdout.partition("GROMACS version:")[2].split()[0]

    def minimized(self) -> str:
        """Return the stage that brings conf.gro to rest."""
        return self.stage(
            "minimized", "conf", goes_on=False, integrator="steep", nsteps=1000, emtol=200, constraints="none",
            gen_vel="no", tcoupl=None, pcoupl=None,
        )  # fmt: skip

    def at_mean_volume(self, name: str) -> str:
        """Return the end of a stage at constant pressure, scaled to the mean volume of its second half."""
        scaled = f"{name}_mean"
        if not (self.folder / f"{scaled}.gro").exists():
            _, volume = self.energies(name, "Volume")
            factor = (volume[len(volume) // 2 :].mean() / volume[-1]) ** (1 / 3)
            self.gmx("editconf", "-f", f"{name}.gro", "-o", f"{scaled}.gro", "-scale", *[f"{factor:.8f}"] * 3)
        return scaled

    def energies(self, name: str, *terms: str) -> NDArray[np.float64]:
        """Return the time (ps) and terms of a stage's energy file such as ``Density``, as asked: (n_terms + 1, n)."""
        answers = "\n".join(terms) + "\n\n"
        self.gmx("energy", "-f", f"{name}.edr", "-o", f"{name}_energy.xvg", "-dp", answers=answers)
        path = self.folder / f"{name}_energy.xvg"
        # GROMACS gives them in the order of the file, whatever the order of the question.
        legends = re.findall(r'^@ s\d+ legend "(.*)"', path.read_text(), re.MULTILINE)
        legends = [legend.replace(" ", "-") for legend in legends]
        time, *columns = np.loadtxt(path, comments=["#", "@"]).T
        found = dict(zip(legends, columns, strict=True))
        return np.array([time, *(found[term] for term in terms)])


def as_run(system: openmm.System, constraints: str = "none", hydrogen_mass: float | None = None) -> openmm.System:
    """Return a copy of a plain model with the constraints and masses that `solvshell run` would give it."""
    protocol = load_protocol("quick").model_copy(update={"constraints": constraints, "hydrogen_mass": hydrogen_mass})
    times = dict.fromkeys(("duration", "frame_interval", "log_interval"), "1 ps")
    stage = Dynamics.model_validate({"kind": "dynamics", "name": "any", "temperature": "298.15 K", **times})
    return stage_system(system, protocol, stage, seed=0)


def _changed(mdp: str, changes: Mapping[str, object]) -> str:
    """Return the text of a parameter file with lines replaced."""
    lines: Iterable[list[str]] = (line.split(";")[0].split("=") for line in mdp.splitlines())
    settings: dict[str, object] = {line[0].strip(): line[1].strip() for line in lines if len(line) == 2}
    settings |= changes
    return "\n".join(f"{key} = {value}" for key, value in settings.items() if value is not None) + "\n"
