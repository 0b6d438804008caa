"""What became of the files that a record tells of."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from solvshell.errors import InvalidInput
from solvshell.provenance import SEAL, FileRecord, read_record, recorded_files, seal_of

Verdict = Literal["ok", "note", "not recorded", "unfinished", "changed", "missing"]
Record = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """What became of one thing: a file, a folder of tables, or what else a record tells of."""

    path: Path
    verdict: Verdict
    words: str = ""

    @property
    def is_bad(self) -> bool:
        """Whether it is not any more what was recorded."""
        return self.verdict in ("changed", "missing")


def became(path: Path, known: FileRecord) -> Finding:
    """Return what became of a file."""
    if not path.is_file():
        return Finding(path, "missing")
    try:
        fate, size = known.fate(path), path.stat().st_size
    except OSError as error:
        return Finding(path, "changed", f"cannot be read: {error.strerror}")
    if fate == "same":
        return Finding(path, "ok")
    if fate == "longer":
        return Finding(path, "changed", f"{size} bytes, of which the first {known.bytes} are as recorded")
    is_as_long = known.bytes in (None, size)
    return Finding(path, "changed", "other content" if is_as_long else f"{size} bytes instead of {known.bytes}")


def open_record(path: Path) -> tuple[Record, Finding]:
    """Return what a record says, and whether it is what was written; nothing if it is missing or damaged."""
    try:
        record = read_record(path)
    except InvalidInput as error:
        words = str(error).removeprefix(f"{path}: ")
        return {}, Finding(path, "changed", words) if path.exists() else Finding(path, "missing")
    if SEAL not in record:
        is_newer = "files" in record or "outputs" in record
        words = "its seal is gone" if is_newer else "by an older version"
        return record, Finding(path, "changed" if is_newer else "not recorded", words)
    if record[SEAL] != seal_of(record):
        return record, Finding(path, "changed", "is not what was written: what it says of other files may be wrong")
    return record, Finding(path, "ok")


def became_of_all(folder: Path, records: dict[str, FileRecord], expected: Iterable[str] = ()) -> Iterator[Finding]:
    """Yield what became of the files that a record tells of, and of those that it should tell of."""
    for name, known in records.items():
        if Path(name).is_absolute() or ".." in Path(name).parts:
            yield Finding(folder / name, "changed", "the record names a file outside of its folder")
        else:
            yield became(folder / name, known)
    for name in expected:
        if name in records:
            continue
        if (folder / name).is_file():
            yield Finding(folder / name, "not recorded", "by an older version")
        else:
            yield Finding(folder / name, "missing")


def files_of(path: Path, record: Record, key: str, expected: Iterable[str] = ()) -> Iterator[Finding]:
    """Yield what became of the files that stand under a key of the record at a path, beside which they lie."""
    try:
        records = recorded_files(record.get(key, {}), key)
    except InvalidInput as error:
        yield Finding(path, "changed", str(error).partition("\n")[0])
        return
    yield from became_of_all(path.parent, records, expected)
