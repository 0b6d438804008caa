"""A box written for another engine: a folder, whole or not at all."""

from collections.abc import Callable
from pathlib import Path

from solvshell.box import Box, whole_folder
from solvshell.errors import InvalidInput
from solvshell.export.gromacs import gromacs_files
from solvshell.files import write_atomically

#: what writes the files of each engine, by their names
FORMATS: dict[str, Callable[[Box], dict[str, str]]] = {"gromacs": gromacs_files}


def export_box(box: Box, engine: str, path: Path) -> list[Path]:
    """Write a box for another engine into a new folder and return the paths of its files.

    Raises
    ------
    InvalidInput
        If the engine is not known, the folder exists, or the box's system is more than a plain model.
    """
    if engine not in FORMATS:
        raise InvalidInput(f"--format: {engine!r} is not known (known: {', '.join(FORMATS)})")
    if path.exists():
        raise InvalidInput(f"{path}: exists; give another folder, or remove this one")
    files = FORMATS[engine](box)
    with whole_folder(path) as folder:
        for name, text in files.items():
            write_atomically(folder / name, text)
    return [path / name for name in files]
