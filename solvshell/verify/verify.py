"""Any folder that the commands make -> what became of everything in it."""

from collections.abc import Iterator
from pathlib import Path

from solvshell.box import CONTENT
from solvshell.errors import InvalidInput
from solvshell.folders import replicas_of, temperatures_of
from solvshell.provenance import RECORD
from solvshell.run import Run
from solvshell.verify.notes import of_force_field, of_versions
from solvshell.verify.recorded import Finding, files_of, open_record
from solvshell.verify.run import verify_run
from solvshell.verify.tables import folders_of_tables, is_tables, verify_tables


def _box(folder: Path) -> Iterator[Finding]:
    path = folder / RECORD
    record, sealed = open_record(path)
    yield sealed
    yield from of_versions(path, record)
    yield from files_of(path, record, "files", CONTENT)
    yield from of_force_field(path, record)


def _is_run(folder: Path) -> bool:
    return (folder / "protocol.yaml").is_file() or ((folder / "box").is_dir() and (folder / RECORD).is_file())


def verify(path: Path) -> Iterator[Finding]:
    """Yield what became of everything that a folder holds.

    Parameters
    ----------
    path : Path
        Of a box, a run, replicas of either, a series of temperatures, or tables.

    Raises
    ------
    InvalidInput
        If it is none of them.
    """
    if not path.is_dir():
        raise InvalidInput(f"{path}: no such folder")
    if _is_run(path):
        yield from verify_run(Run(path))
    elif any((path / name).is_file() for name in CONTENT):
        yield from _box(path)
    elif inside := [*replicas_of(path), *temperatures_of(path).values()]:
        for folder in inside:
            yield from verify(folder)
        for folder in folders_of_tables(path):
            yield from verify_tables(folder)
    elif is_tables(path):
        yield from verify_tables(path)
    else:
        raise InvalidInput(f"{path}: no box, no run, no folder of either, and no tables with a record")
