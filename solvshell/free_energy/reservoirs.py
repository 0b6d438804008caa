"""Runs that have decoupled the solvents of a bulk, one molecule each -> the reservoir of that bulk."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from solvshell.box import Box, box_hash
from solvshell.errors import InvalidInput
from solvshell.files import sha256
from solvshell.fingerprint import fingerprint
from solvshell.free_energy.activity import activity_of
from solvshell.free_energy.decoupling import Decoupling, decoupling_of_run
from solvshell.provenance import provenance
from solvshell.reservoir import Activity, Reservoir
from solvshell.run import Run
from solvshell.stages import Decouple
from solvshell.units import text

#: Of a species in a mixture: with fewer, between the compositions with and without one molecule lies too much.
ENOUGH_MOLECULES = 30


def _stage_of(run: Run) -> Decouple:
    """Return the stage in which a finished run has decoupled one molecule of a solvent."""
    stage = run.protocol.stages[-1]
    if not isinstance(stage, Decouple):
        raise InvalidInput(f"{run.path}: its protocol ({run.protocol.name}) ends in {stage.kind}, not in decouple")
    if len(stage.molecules) > 1 or run.box.recipe.entries[stage.molecules[0]].role != "solvent":
        names = " + ".join(stage.molecules)
        raise InvalidInput(f"{run.path}: has decoupled {names}; a reservoir is made of one molecule of a solvent each")
    if not run.is_done:
        raise InvalidInput(f"{run.path}: is not finished; 'solvshell run' goes on with it")
    return stage


def _counts(box: Box) -> str:
    return ", ".join(f"{count} {name}" for name, count in box.counts.items())


def _bulk(run: Run) -> dict[str, Any]:
    """Return what has to be the same in all runs of a reservoir, by what it is called."""
    stage, model = _stage_of(run), fingerprint(run.box)
    return {
        "numbers of molecules": _counts(run.box),
        "temperature (K)": stage.temperature,
        "pressure (bar; None at constant volume)": stage.pressure,
        "nonbonded settings": model.nonbonded,
        "ion_charge_scale": model.ion_charge_scale,
        "parameters of molecules": model.species,
    }


def _refuse_other_bulks(runs: Sequence[Run]) -> None:
    """Refuse runs of different bulks, and copies of one box as replicas."""
    expected, boxes = _bulk(runs[0]), dict[tuple[str, str], Path]()
    for run in runs:
        for what, value in _bulk(run).items():
            if value != expected[what]:
                raise InvalidInput(f"{run.path}: differs from {runs[0].path} in {what}: {value} and {expected[what]}")
        first = boxes.setdefault((_stage_of(run).molecules[0], box_hash(run.path / "box")), run.path)
        if first != run.path:
            raise InvalidInput(f"{run.path}: its box is a copy of that of {first}, which makes no replica of it")


def _record(run: Run, found: Decoupling) -> dict[str, Any]:
    """Return what to keep of one run."""
    return {
        "path": str(run.path),
        "species": found.molecules[0],
        "protocol": run.protocol.name,
        "timestep_ps": run.protocol.timestep,
        "constraints": run.protocol.constraints,
        "seed": run.provenance["seed"],
        "box": box_hash(run.path / "box"),
        "decouple_csv_sha256": sha256(run.path / "decouple.csv"),
        "mu_ex_kj_mol": found.mu_ex_kj_mol,
        "stderr_kj_mol": found.stderr_kj_mol,
        "volume_nm3": found.volume_nm3,
        "smallest_overlap": found.smallest_overlap,
        "n_independent": found.n_independent,
        "status": found.status,
    }


def reservoir_of_runs(runs: Sequence[Run]) -> Reservoir:
    """Return the reservoir of a bulk from finished runs that have each decoupled one molecule of a solvent in it.

    Runs of one species are replicas: different boxes of the same bulk.

    Raises
    ------
    InvalidInput
        If a run is no such run, or they are of different bulks, models, temperatures or pressures, or of copies of a
        box.
    WorkFailed
        If states of a run do not overlap: there is no activity then.
    """
    _refuse_other_bulks(runs)
    found = [decoupling_of_run(run) for run in runs]
    names = list(dict.fromkeys(one.molecules[0] for one in found))
    box, stage = runs[0].box, _stage_of(runs[0])
    return Reservoir(
        name=box.recipe.name,
        temperature=text(stage.temperature, "temperature"),
        pressure=None if stage.pressure is None else text(stage.pressure, "pressure"),
        species={name: activity_of([one for one in found if one.molecules == (name,)]) for name in names},
        medium=box.counts,
        model=fingerprint(box),
        provenance=provenance(runs=[_record(*pair) for pair in zip(runs, found, strict=True)]),
    )


def _lines_of(name: str, one: Activity, reservoir: Reservoir) -> list[str]:
    assert one.n is not None
    below = 0.5 * (1 / one.n - 1 / sum(reservoir.medium.values()))
    lines = [
        f"  {name}: z = {one.activity:.4g} /nm3, ln z +- {one.beta_mu_error:.3f}; fugacity "
        f"{reservoir.fugacity_bar(name):.3g} bar",
        f"    mu_ex = {one.mu_ex:.2f} +- {one.mu_ex_error or 0.0:.2f} kJ/mol at {one.density:.4g} molecules/nm3",
        f"    {one.n} molecules, the one decoupled counted: z is that of {one.at_n:g}, {below:.3f} kT below that of "
        f"{one.n} if they mix ideally",
    ]
    if one.status != "resolved":
        lines.append(f"    {one.status}: no number to quote ('solvshell analyze' of its runs says more); sample longer")
    if one.n < ENOUGH_MOLECULES and below > 0:
        lines.append(f"    {one.n} molecules are few: take a box with {ENOUGH_MOLECULES} or more of each species")
    return lines


def reservoir_lines(reservoir: Reservoir) -> list[str]:
    """Return what there is to say on a terminal of a reservoir that was measured."""
    head = f"{reservoir.name} at {reservoir.temperature:g} K"
    return [head, *(line for pair in reservoir.species.items() for line in _lines_of(*pair, reservoir))]
