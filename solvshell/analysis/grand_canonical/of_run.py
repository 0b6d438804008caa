"""What ``solvshell analyze`` makes of the moves and the occupancy of a run."""

from pathlib import Path
from typing import Any

from solvshell.analysis.findings import TABLES as LIQUID_TABLES
from solvshell.analysis.grand_canonical.attempts import read_moves
from solvshell.analysis.grand_canonical.measure import GrandCanonical, grand_canonical
from solvshell.analysis.grand_canonical.summary_part import summary_part
from solvshell.analysis.typical.export import FOLDER
from solvshell.errors import InvalidInput
from solvshell.files import write_atomically, write_json
from solvshell.grand_canonical import GrandCanonical as Stage
from solvshell.occupancy import read_occupancy
from solvshell.provenance import record_tables
from solvshell.run import Run

#: The tables, each of which is a file of its name, and the attribute that it is.
TABLES = {"grand_canonical": "species", "works": "works", "molecule_numbers": "numbers"}
#: A closed species has the concentration that it has in the bulk within this share of it.
_SAME_CONCENTRATION = 0.02


def stage_of(run: Run) -> Stage:
    """Return the grand-canonical stage that a run ends in.

    Raises
    ------
    InvalidInput
        If it ends in another.
    """
    stage = run.protocol.grand_canonical
    if stage is None:
        raise InvalidInput(f"{run.path}: its protocol ({run.protocol.name}) does not end in a grand-canonical stage")
    return stage


def is_alone(run: Run) -> bool:
    """Return whether a grand-canonical run has no cation to center on, so that it tells of no first shells."""
    return run.protocol.grand_canonical is not None and not any(
        entry.center for entry in run.box.recipe.entries.values()
    )


def _why_no_bulk(stage: Stage, counts: dict[str, int], volume_nm3: float) -> str:
    """Return why a run is not of the reservoir's own bulk, so that its numbers are not known; nothing if it is."""
    medium = {name: n for name, n in stage.reservoir.medium.items() if n}
    volumes = [one.n / one.density for one in stage.reservoir.species.values() if one.n and one.density]
    if not medium or not volumes:
        return "the reservoir does not say of what bulk it is"
    if stage.pressure is not None or stage.region is not None:
        return "molecules come and go at constant pressure, or in a part of the box"
    if set(medium) != {name for name, n in counts.items() if n}:
        return f"the box holds other species than {', '.join(medium)}"
    for name in set(medium) - set(stage.species):
        there, here = medium[name] / volumes[0], counts[name] / volume_nm3
        if abs(here / there - 1) > _SAME_CONCENTRATION:
            return f"{name} has {100 * (here / there - 1):+.0f} % of its concentration there"
    return ""


def _measured(run: Run, stage: Stage) -> tuple[GrandCanonical, str]:
    room = run.sampled.provenance["room"]
    occupancy = read_occupancy(run.occupancy_path, room)
    if len(occupancy) < 2:
        raise InvalidInput(f"{run.occupancy_path}: has {len(occupancy)} frames so far; 'solvshell run' goes on with it")
    why_no_bulk = _why_no_bulk(stage, run.box.counts, float(occupancy.volume_nm3.mean()))
    found = grand_canonical(
        read_moves(run.moves_path),
        occupancy,
        stage.reservoir,
        is_bulk=not why_no_bulk,
        has_region=stage.region is not None,
    )
    return found, why_no_bulk


def grand_canonical_of_run(run: Run) -> GrandCanonical:
    """Return what a grand-canonical run tells of its molecules and of its moves.

    Raises
    ------
    InvalidInput
        If it is no such run, or has fewer than two frames so far.
    """
    return _measured(run, stage_of(run))[0]


def write_grand_canonical(run: Run, directory: Path, summary: dict[str, Any] | None = None) -> dict[str, Any]:
    """Write the tables of a grand-canonical run beside those of its liquid, and return its summary with their part.

    Parameters
    ----------
    run : Run
    directory : Path
    summary : dict, optional
        Of the analysis of the liquid, which ``summary.json`` holds; left out if there is none.

    Raises
    ------
    InvalidInput
        As of `grand_canonical_of_run`.
    """
    stage = stage_of(run)
    found, why_no_bulk = _measured(run, stage)
    directory.mkdir(parents=True, exist_ok=True)
    for name, attribute in TABLES.items():
        text = getattr(found, attribute).to_csv(index=False, float_format="%.6g", lineterminator="\n")
        write_atomically(directory / f"{name}.csv", text)
    part = summary_part(found, stage, why_no_bulk)
    whole = {**(summary or {}), "grand_canonical": part}
    write_json(directory / "summary.json", whole)
    made_from = [run.moves_path, run.occupancy_path] if run.is_done else []
    tables = (f"{name}.csv" for name in (*LIQUID_TABLES, *TABLES))
    record_tables(directory, *tables, "summary.json", f"{FOLDER}/*", made_from=made_from)
    return whole
