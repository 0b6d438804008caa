"""Files of many programs, opened by MDAnalysis, or by OpenMM where that loses or refuses what is in them."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path

from MDAnalysis import Universe

from solvshell.errors import InvalidInput

#: Names that people give to files of LAMMPS, whose formats MDAnalysis does not tell by the name.
_FORMATS = {".lammpstrj": "LAMMPSDUMP", ".dump": "LAMMPSDUMP", ".lmp": "DATA", ".lammps": "DATA"}
_LAMMPS_COLUMNS = {
    "atomic": "id type x y z",
    "charge": "id type charge x y z",
    **dict.fromkeys(("angle", "bond", "molecular"), "id resid type x y z"),
    "full": "id resid type charge x y z",
}


def _read(what: str, path: Path, read: Callable[[], object]) -> None:
    """Call a reader of MDAnalysis or OpenMM, whose errors are of every kind, and say in one line what failed."""
    if not path.is_file():
        raise InvalidInput(f"{what} {path}: no such file")
    try:
        with warnings.catch_warnings():
            # Guesses of types and masses, missing attributes: nothing that an analysis of distances needs.
            warnings.filterwarnings("ignore", module="MDAnalysis")
            read()
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InvalidInput(f"{what} {path}: cannot be read: {reason}") from error


def _format(path: Path) -> dict[str, str]:
    suffix = path.suffix.lower()
    return {"format": _FORMATS[suffix]} if suffix in _FORMATS else {}


def _open_lammps_data(path: Path) -> Universe:
    """Read the columns of the style that LAMMPS writes behind ``Atoms``; MDAnalysis goes by their number alone."""
    stated = re.search(r"^\s*Atoms\s*#\s*(\w+)", path.read_text(), re.MULTILINE)
    style = stated[1] if stated else ""
    if style and style not in _LAMMPS_COLUMNS:
        raise InvalidInput(f"atom_style {style} (known: {', '.join(_LAMMPS_COLUMNS)})")
    columns = {"atom_style": _LAMMPS_COLUMNS[style]} if style else {}
    return Universe(str(path), topology_format="DATA", format="DATA", **columns)


def _open_pdb(path: Path) -> Universe:
    """Read by OpenMM what MDAnalysis does not: beyond 99,999 atoms or 9,999 residues their numbers have letters."""
    from openmm.app import PDBFile

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="PDB file is missing resid information")
            return Universe(str(path))
    except Exception:
        return Universe(PDBFile(str(path)))


def _open(path: Path) -> Universe:
    if path.suffix.lower() == ".pdb":
        return _open_pdb(path)
    if path.suffix.lower() == ".cif":
        from openmm.app import PDBxFile  # the .cif reader of MDAnalysis loses the bonds

        return Universe(PDBxFile(str(path)))
    if path.suffix.lower() == ".data" or _format(path).get("format") == "DATA":
        return _open_lammps_data(path)
    given = _format(path)
    return Universe(str(path), **given, **{f"topology_{key}": value for key, value in given.items()})


def open_topology(path: Path) -> Universe:
    """Return the Universe of a topology.

    A ``.cif`` is read by OpenMM, so that its bonds survive, and a ``.pdb`` of more atoms or residues than it has
    numbers for; the columns of LAMMPS data are those of the style that the file states.

    Raises
    ------
    InvalidInput
        If the file is missing or cannot be read.
    """
    opened: list[Universe] = []
    _read("topology", path, lambda: opened.append(_open(path)))
    return opened[0]


def load_frames(universe: Universe, path: Path, timestep_ps: float | None) -> None:
    """Give a Universe the frames of a trajectory; the time step reaches only formats without times.

    Raises
    ------
    InvalidInput
        If the file is missing, cannot be read, or has another number of atoms.
    """
    step = {} if timestep_ps is None else {"dt": timestep_ps}
    _read("trajectory", path, lambda: universe.load_new(str(path), **_format(path), **step))
