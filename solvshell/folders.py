"""Folders of several boxes or runs: replicas ``replica-00`` ..., and temperatures ``278.15K`` ... that hold them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from solvshell.box import box_hash
from solvshell.errors import InvalidInput
from solvshell.protocol import Protocol
from solvshell.run import Run, check_run, make_run
from solvshell.units import check_seed

_REPLICA = re.compile(r"replica-(\d{2,})")
_TEMPERATURE = re.compile(r"(\d+(?:\.\d+)?)K")


def replica_name(index: int) -> str:
    """Return the name of the folder of a replica, such as ``replica-00``."""
    return f"replica-{index:02d}"


def derived_seed(seed: int, index: int, millikelvin: int = 0) -> int:
    """Return the seed of a replica, drawn from a seed and its place by `numpy.random.SeedSequence`.

    Replica 0 has the seed itself, so that it is what ``--replicas 1`` or a plain command makes; in a series of
    temperatures each has its own.
    """
    check_seed(seed)
    if (index, millikelvin) == (0, 0):
        return seed
    word = np.random.SeedSequence(seed, spawn_key=(index, millikelvin)).generate_state(1)[0]
    return int(word) % (2**31 - 2)


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
    """Return the folders of temperatures inside a folder by temperature in K, ascending; none if there are none.

    Raises
    ------
    InvalidInput
        If there are replicas beside them, which belong to none of the temperatures.
    """
    found, replicas = _numbered(path, _TEMPERATURE), replicas_of(path)
    if found and replicas:
        first = next(iter(found.values())).name
        raise InvalidInput(f"{path}: holds {replicas[0].name} beside {first}; give each kind a folder of its own")
    return found


def is_folder_of_several(path: Path) -> bool:
    """Return whether a folder holds replicas or temperatures, and is no run itself."""
    return not (path / "protocol.yaml").is_file() and bool(replicas_of(path) or temperatures_of(path))


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
    for folder in (path, *boxes, *temperatures_of(path).values()):
        if (folder / "protocol.yaml").is_file():
            raise InvalidInput(f"{folder}: is a run, not a box; give the folder of what 'solvshell build' made")
    if not boxes:
        raise InvalidInput(f"{path}: neither a box nor a folder of replicas (make one with 'solvshell build')")
    for box in boxes:
        if not (box / "topology.cif").is_file():
            raise InvalidInput(f"{box}: not a box; the 'solvshell build' that made {path} makes it where it is missing")
    return boxes


def runs_of(path: Path) -> list[Run]:
    """Return a run itself as the only one of a list, or all runs of a folder of replicas, temperatures or both.

    They come flat, temperature by temperature, the replicas of each in their order.

    Raises
    ------
    InvalidInput
        If the folder is none of them or mixes them, or a folder inside is no run.
    """
    inside = list(temperatures_of(path).values()) or replicas_of(path)
    if (path / "protocol.yaml").is_file() or not inside:
        return [Run.load(path)]
    return [run for inner in inside for run in runs_of(inner)]


@dataclass(frozen=True)
class _Place:
    """Where a run belongs, and what it is made of."""

    path: Path
    box_path: Path
    protocol: Protocol
    seed: int


def _places(out: Path, box_path: Path, protocols: Mapping[str | None, Protocol], seed: int) -> list[_Place]:
    boxes, places = boxes_of(box_path), []
    for name, protocol in protocols.items():
        millikelvin = 0 if name is None else round(1000 * float(name.removesuffix("K")))
        folder = out if name is None else out / name
        for index, box in enumerate(boxes):
            number = index if box == box_path else int(box.name.rpartition("-")[2])
            path = folder if box == box_path else folder / box.name
            places.append(_Place(path, box, protocol, derived_seed(seed, number, millikelvin)))
    return places


def _check_copies(boxes: list[Path]) -> None:
    """Refuse a box that is a copy of another: its run would be no second measurement."""
    known: dict[str, Path] = {}
    for box in boxes:
        first = known.setdefault(box_hash(box), box)
        if first != box:
            raise InvalidInput(f"{box}: is a copy of {first}, which is no replica; build one with another --seed")


def _check_layout(out: Path, places: list[_Place], is_series: bool) -> None:
    """Refuse to put runs into boxes or into a run, and temperatures beside replicas that have none."""
    for place in places:
        if (place.path / "topology.cif").is_file():
            raise InvalidInput(f"--out: {place.path} is a box; give another folder for what is run")
    for folder in {parent for place in places for parent in place.path.parents if parent.is_relative_to(out)}:
        if (folder / "protocol.yaml").is_file():
            raise InvalidInput(f"{folder}: is one run; give another --out for {len(places)} runs in folders")
    others = replicas_of(out) if is_series else list(temperatures_of(out).values())
    if others:
        what = "a series of temperatures" if is_series else "runs at one temperature"
        raise InvalidInput(f"{out}: holds {others[0].name}; give another --out for {what}")


def open_runs(
    out: Path, box_path: Path, protocols: Mapping[str | None, Protocol], seed: int | None = None
) -> list[Run]:
    """Return the runs of a box, or of all replicas in a folder, with the protocols of a series, in their order.

    Those that do not exist yet are made, after all have been checked: a folder for each replica, inside one for each
    temperature.

    Parameters
    ----------
    out : Path
        Folder of the run, or of the runs.
    box_path : Path
        Folder of a box, or of replicas.
    protocols : mapping
        From `solvshell.protocol.load_protocols`.
    seed : int, optional
        Each run has its own, by `derived_seed`; 0 if left out.

    Raises
    ------
    InvalidInput
        As `solvshell.run.open_run`, or if the folder is laid out in another way; before anything is made.
    """
    places = _places(out, box_path, protocols, seed or 0)
    _check_layout(out, places, is_series=None not in protocols)
    for place in places:
        check_run(place.path, place.box_path, place.protocol, None if seed is None else place.seed)
    _check_copies(boxes_of(box_path))
    return [make_run(place.path, place.box_path, place.protocol, place.seed) for place in places]
