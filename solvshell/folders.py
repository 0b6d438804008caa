"""Folders of several boxes or runs: replicas ``replica-00`` ..., and temperatures ``278.15K`` ... that hold them."""

import re
from pathlib import Path

from solvshell.errors import InvalidInput
from solvshell.run import Run

_REPLICA = re.compile(r"replica-(\d{2,})")
_TEMPERATURE = re.compile(r"(\d+(?:\.\d+)?)K")


def replica_name(index: int) -> str:
    """Return the name of the folder of a replica, such as ``replica-00``."""
    return f"replica-{index:02d}"


def _numbered(path: Path, name: re.Pattern[str]) -> dict[float, Path]:
    """Return the folders inside a folder by the number in their names, ascending."""
    if not path.is_dir():
        return {}
    found = {float(match[1]): inner for inner in path.iterdir() if (match := name.fullmatch(inner.name))}
    return {number: found[number] for number in sorted(found) if found[number].is_dir()}


def replicas_of(path: Path) -> list[Path]:
    """Return the folders of replicas inside a folder, in their order; none if there are none."""
    return list(_numbered(path, _REPLICA).values())


def temperatures_of(path: Path) -> dict[float, Path]:
    """Return the folders of temperatures inside a folder by temperature in K, ascending; none if there are none."""
    return _numbered(path, _TEMPERATURE)


def boxes_of(path: Path) -> list[Path]:
    """Return a box itself as the only one of a list, or the boxes of a folder of replicas.

    Raises
    ------
    InvalidInput
        If the folder is neither.
    """
    if not path.is_dir():
        raise InvalidInput(f"{path}: no such folder; make a box with 'solvshell build'")
    if (path / "topology.cif").is_file():
        return [path]
    boxes = replicas_of(path)
    if not boxes:
        raise InvalidInput(f"{path}: neither a box nor a folder of replicas (make one with 'solvshell build')")
    for box in boxes:
        if not (box / "topology.cif").is_file():
            raise InvalidInput(f"{box}: not a box; build the replicas of {path} again, or remove this folder")
    return boxes


def runs_of(path: Path) -> list[Run]:
    """Return a run itself as the only one of a list, or all runs of a folder of replicas, temperatures or both.

    They come flat, temperature by temperature, the replicas of each in their order.

    Raises
    ------
    InvalidInput
        If the folder is none of them, or a folder inside is no run.
    """
    inside = replicas_of(path) or list(temperatures_of(path).values())
    if (path / "protocol.yaml").is_file() or not inside:
        return [Run.load(path)]
    return [run for inner in inside for run in runs_of(inner)]
