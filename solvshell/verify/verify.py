"""Any folder that the commands make -> what became of everything in it."""

from collections.abc import Iterator
from pathlib import Path

from solvshell.box import CONTENT
from solvshell.errors import InvalidInput
from solvshell.folders import replica_name, replicas_of, temperatures_of
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


def _vanished(path: Path, tables: list[Path]) -> Iterator[Finding]:
    """Yield the replicas and temperatures that once were in a folder, as a later one or joined tables tell.

    The last replicas of a folder without joined tables leave no trace.
    """
    last = max((int(folder.name.removeprefix("replica-")) for folder in replicas_of(path)), default=0)
    names = {replica_name(index): "though later ones are there" for index in range(last)}
    for folder in tables:
        told = open_record(folder / RECORD)[0].get("made_from", {})
        parts = [Path(name).parts for name in told] if isinstance(told, dict) else []
        names |= {part[1]: f"though {folder} was made from it" for part in parts if part[0] == ".."}
    for name, words in sorted(names.items()):
        if not (path / name).exists():
            yield Finding(path / name, "missing", words)


def _several(path: Path, inside: list[Path]) -> Iterator[Finding]:
    """Yield what became of boxes or runs and of what was made from them together."""
    for folder in inside:
        try:
            yield from verify(folder)
        except InvalidInput:  # it was emptied
            yield Finding(folder, "missing", "holds nothing that the commands make")
    tables = folders_of_tables(path)
    yield from _vanished(path, tables)
    for folder in tables:
        yield from verify_tables(folder)


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
        yield from _several(path, inside)
    elif is_tables(path):
        yield from verify_tables(path)
    else:
        raise InvalidInput(f"{path}: no box, no run, no folder of either, and no tables with a record")
