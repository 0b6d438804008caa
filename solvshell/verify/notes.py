"""What is worth knowing and no failure: another version, another force field, how a run got where it is."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from solvshell.data import forcefield_directory
from solvshell.files import sha256
from solvshell.provenance import checkout, versions
from solvshell.verify.recorded import Finding, Record


def _mapping(record: Record, key: str) -> Mapping[str, str]:
    found = record.get(key, {})
    return found if isinstance(found, dict) else {}


def of_versions(path: Path, record: Record) -> Iterator[Finding]:
    """Yield in what the present installation differs from the one that made something."""
    now = versions()
    changes = [
        f"{name} {version} then, {now.get(name, 'none')} now"
        for name, version in _mapping(record, "versions").items()
        if now.get(name) != version
    ]
    then, present = (str(known.get("commit", ""))[:12] for known in (_mapping(record, "checkout"), checkout()))
    if then and then != present:
        changes.append(f"commit {then} then, {present or 'none'} now")
    if changes:
        yield Finding(path, "note", "; ".join(changes))


def of_force_field(path: Path, record: Record) -> Iterator[Finding]:
    """Yield whether the force field of a box is the one that this version ships."""
    for name, digits in _mapping(record, "force_field").items():
        shipped = Path(forcefield_directory()) / "solvshell" / Path(name).name
        if not shipped.is_file():
            yield Finding(path, "note", f"force field {name} is not shipped with this version: not compared")
        elif sha256(shipped) != digits:
            yield Finding(path, "note", f"force field {name} has changed since: a box built now is another model")


def of_starts(path: Path, record: Record, done: Record) -> Iterator[Finding]:
    """Yield on what a run was started, if more than once, and where its noise is not that of one start."""
    starts = [start for start in record.get("starts", []) if isinstance(start, dict)]
    devices = dict.fromkeys(f"{start.get('platform')} ({start.get('device')})" for start in starts)
    words = [f"started {len(starts)} times, on {' and '.join(devices)}"] if len(starts) > 1 else []
    if fresh := done.get("restarts_with_fresh_noise"):
        words.append(f"went on {fresh} times with fresh noise")
    if back := record.get("rollbacks"):
        words.append(f"rolled back {len(back)} times")
    if words:
        yield Finding(path, "note", ", ".join(words))
