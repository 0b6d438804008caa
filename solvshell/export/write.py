"""A box written for another engine: a folder, whole or not at all."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from solvshell.box import Box, whole_folder
from solvshell.errors import InvalidInput
from solvshell.export.amber import amber_files
from solvshell.export.gromacs import gromacs_files
from solvshell.export.lammps import lammps_files
from solvshell.files import write_atomically


@dataclass(frozen=True)
class Engine:
    """What writes the files of an engine, by their names, and the command that runs them in their folder."""

    files: Callable[[Box], dict[str, str]]
    command: str


FORMATS = {
    "gromacs": Engine(
        gromacs_files, "gmx grompp -f npt.mdp -c conf.gro -p topol.top -o npt.tpr && gmx mdrun -deffnm npt"
    ),
    "amber": Engine(amber_files, "pmemd -O -i npt.in -p box.prmtop -c box.rst7 -o npt.out -r npt.rst7 -x npt.nc"),
    "lammps": Engine(lammps_files, "lmp -in in.lammps"),
}


def export_box(box: Box, engine: str, path: Path) -> list[Path]:
    """Write a box for another engine into a new folder and return the paths of its files.

    Raises
    ------
    InvalidInput
        If the engine is not known, the folder exists, or the engine cannot have the box's model.
    """
    if engine not in FORMATS:
        raise InvalidInput(f"--format: {engine!r} is not known (known: {', '.join(FORMATS)})")
    if path.exists():
        raise InvalidInput(f"{path}: exists; give another folder, or remove this one")
    files = FORMATS[engine].files(box)
    with whole_folder(path) as folder:
        for name, text in files.items():
            write_atomically(folder / name, text)
    return [path / name for name in files]
