"""A recipe -> boxes of the bulk -> one molecule of each solvent decoupled in each -> a reservoir."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from solvshell.engine import choose_platform
from solvshell.errors import InvalidInput
from solvshell.folders import derived_seed, open_runs
from solvshell.protocol import Protocol, load_protocol
from solvshell.recipe import Recipe
from solvshell.reservoir import Reservoir
from solvshell.run import Run
from solvshell.stages import Decouple

PROTOCOL = "decouple-solvent"


def _open_species(recipe: Recipe, wanted: Sequence[str]) -> list[str]:
    """Return the solvents that were asked for, or all."""
    solvents = [name for name, entry in recipe.entries.items() if entry.role == "solvent"]
    if not solvents:
        raise InvalidInput(f"recipe {recipe.name!r} has no solvent that could come and go")
    for name in wanted:
        if name not in solvents:
            known = ", ".join(solvents)
            raise InvalidInput(f"--open: solvents of recipe {recipe.name!r} ({known}), got {name}")
    return [name for name in solvents if not wanted or name in wanted]


def _decoupling(protocol: Protocol, species: str) -> Protocol:
    """Return a protocol whose last stage decouples one molecule of a species."""
    stage = protocol.stages[-1]
    if not isinstance(stage, Decouple):
        raise InvalidInput(f"--protocol: {protocol.name} ends in {stage.kind}, expected decouple")
    return protocol.model_copy(
        update={"stages": [*protocol.stages[:-1], stage.model_copy(update={"molecules": [species]})]}
    )


def _runs(boxes: Path, work: Path, recipe: Recipe, species: Sequence[str], protocol: Protocol, seed: int) -> list[Run]:
    """Return the runs of all species in all boxes; each species has a seed of its own, whichever are open."""
    runs = []
    for name in species:
        own_seed = derived_seed(seed, 0, recipe.species.index(name))
        runs += open_runs(work / name, boxes, {None: _decoupling(protocol, name)}, own_seed)
    return runs


def make_reservoir(
    recipe: Recipe,
    work: Path,
    *,
    open_species: Sequence[str] = (),
    protocol: str = PROTOCOL,
    n_salt: int | None = None,
    n_molecules: int | None = None,
    replicas: int = 1,
    seed: int = 0,
    platform: str | None = None,
    at_once: int | None = None,
    console: Console | None = None,
) -> Reservoir:
    """Bring the runs that a reservoir needs to their ends, from wherever they stand, and return the reservoir.

    Parameters
    ----------
    recipe : Recipe
        Of the bulk.
    work : Path
        Gets ``boxes/replica-00`` ... and a run of each for each species, ``<species>/replica-00`` ...
    open_species : sequence of str
        All solvents of the recipe if left out.
    protocol : str
        Name or path; its last stage is a `decouple`, whose `molecules` are replaced by one species after the other.
    n_salt, n_molecules : int, optional
        Size of each box instead of the recipe's own.
    replicas : int
        Boxes; from three on errors are those between them, if these are larger than those within.
    seed, platform, at_once, console
        As of `solvshell.build.build_replicas` and `solvshell.md.run_all`.

    Raises
    ------
    InvalidInput, WorkFailed, Interrupted
        As the steps do.
    """
    from solvshell.build import build_replicas
    from solvshell.free_energy.reservoirs import reservoir_of_runs
    from solvshell.md import run_all

    species = _open_species(recipe, open_species)
    choose_platform(platform)
    plan = _decoupling(load_protocol(protocol), species[0])
    boxes = work / "boxes"
    build_replicas(recipe, replicas, boxes, seed=seed, n_salt=n_salt, n_molecules=n_molecules, console=console)
    runs = _runs(boxes, work, recipe, species, plan, seed)
    if console is not None and not all(run.is_done for run in runs):
        solvents = f"{len(species)} solvent{'s' * (len(species) > 1)} ({', '.join(species)})"
        boxes_of_each = f"{replicas} box{'es' * (replicas > 1)}"
        console.print(f"{solvents}, each in {boxes_of_each}; times left are those of all runs", soft_wrap=True)
    run_all(runs, platform=platform, at_once=at_once, console=console)
    return reservoir_of_runs(runs)
