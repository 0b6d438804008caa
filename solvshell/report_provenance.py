"""The part of a page that says where its numbers come from: commands, seeds, hashes, versions, machines."""

from collections.abc import Iterable
from typing import Any

from solvshell.box import box_hash
from solvshell.run import Run

Row = tuple[str, list[str]]


def _once(words: Iterable[Any]) -> list[str]:
    return list(dict.fromkeys(str(word) for word in words if word not in (None, "")))


def _commit(record: dict[str, Any]) -> str | None:
    checkout = record.get("checkout")
    return checkout and checkout["commit"][:12] + (", changed" if checkout["is_changed"] else "")


def origin_rows(run: Run) -> list[Row]:
    """Return what was recorded when a run and its box were made, by name; what is not known has no row.

    A run that was resumed elsewhere has several machines, platforms or versions.
    """
    box, own = run.box, run.provenance
    starts = own.get("starts", [])
    records = [own, *starts]
    versions = [f"{name} {number}" for record in records for name, number in record.get("versions", {}).items()]
    devices = [", ".join(_once((start.get("platform"), start.get("device")))) for start in starts]
    hashes = [f"{name} {digits[:12]}" for name, digits in box.provenance.get("force_field", {}).items()]
    model = box.recipe.force_field
    rows: list[Row] = [
        ("recipe", _once([box.recipe.name])),
        ("box made by", _once([box.provenance.get("command")])),
        ("run made by", _once(record.get("command") for record in records)),
        ("protocol", [f"{run.protocol.name}: {run.protocol.title}"]),
        ("seed", [f"box {box.provenance.get('seed', 'unknown')}, run {own.get('seed', 'unknown')}"]),
        ("hash of the box", [box_hash(run.path / "box")]),
        ("force field", [*model.files, f"ion charges × {model.ion_charge_scale:g}"]),
        ("its files, SHA-256", hashes),
        ("platform", _once(devices)),
        ("machine", _once(record.get("machine") for record in records)),
        ("GPU driver", _once(record.get("gpu_driver") for record in records)),
        ("versions", _once(versions)),
        ("commit", _once(_commit(record) for record in records)),
        ("begun", _once(start.get("date") for start in starts)),
    ]
    return [(name, values) for name, values in rows if values]
