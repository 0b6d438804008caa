"""Whether tables are as they were written, and of what is there now."""

from collections.abc import Iterator
from pathlib import Path

from solvshell.errors import InvalidInput
from solvshell.folders import replicas_of, temperatures_of
from solvshell.provenance import RECORD, recorded_files
from solvshell.run import Run, trajectory_record
from solvshell.verify.recorded import Finding, Record, became, files_of, open_record

SUMMARY = "summary.json"


def _of_trajectory(folder: Path, run: Run | None) -> Iterator[Finding]:
    """Yield what became of the trajectory that tables were made from, by what their summary tells of it."""
    summary, _ = open_record(folder / SUMMARY)
    source = summary.get("source")
    if not isinstance(source, dict) or "trajectory_bytes" not in source:
        return
    if run is None or source.get("run") == "foreign":
        known = source.get("trajectory_sha256", "not recorded")
        yield Finding(folder, "note", f"made from {source.get('trajectory')}, not looked for; its SHA-256: {known}")
        return
    try:
        known = trajectory_record(source)
    except ValueError as error:
        yield Finding(folder / SUMMARY, "changed", f"source: {error}")
        return
    name, found = run.trajectory_path.name, became(run.trajectory_path, known)
    if not found.is_bad:
        return
    if found.verdict == "changed" and known.fate(run.trajectory_path) == "longer":
        yield Finding(folder, "note", f"made from an earlier, shorter {name}: make the tables again")
    else:
        yield Finding(folder, "changed", f"made from another {name}: {found.words or found.verdict}")


def _of_other_files(folder: Path, record: Record) -> Iterator[Finding]:
    """Yield what became of the other files that tables were made from, which may lie anywhere."""
    try:
        known = recorded_files(record.get("made_from", {}), "made_from")
    except InvalidInput as error:
        yield Finding(folder / RECORD, "changed", str(error).partition("\n")[0])
        return
    for name, file in known.items():
        found = became(folder / name, file)
        if found.verdict == "missing":
            yield Finding(folder, "note", f"made from {name}, which is not there")
        elif found.is_bad:
            yield Finding(folder, "changed", f"made from another {name}: {found.words}")


def is_tables(folder: Path) -> bool:
    """Return whether a folder that is no box and no run holds tables."""
    return (folder / RECORD).is_file() or (folder / SUMMARY).is_file()


def folders_of_tables(path: Path) -> list[Path]:
    """Return the folders of tables in the folder of a run, or of several runs."""
    others = {path / "box", *replicas_of(path), *temperatures_of(path).values()}
    return [folder for folder in sorted(path.iterdir()) if folder not in others and is_tables(folder)]


def verify_tables(folder: Path, run: Run | None = None) -> Iterator[Finding]:
    """Yield what became of a folder of tables: one line if all of its files are as recorded.

    Parameters
    ----------
    folder : Path
    run : Run, optional
        The run that the tables belong to.
    """
    path = folder / RECORD
    if not path.exists():
        yield Finding(folder, "not recorded", "tables of an older version")
    else:
        record, sealed = open_record(path)
        found = [sealed, *files_of(path, record, "files")]
        bad = [one for one in found if one.is_bad]
        yield from bad or [Finding(folder, "ok", f"{len(found)} files")]
        yield from _of_other_files(folder, record)
    yield from _of_trajectory(folder, run)
