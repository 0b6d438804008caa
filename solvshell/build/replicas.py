"""Recipe -> several boxes that share nothing but the recipe: each with its own packing, chains, network."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from rich.console import Console

from solvshell.build.assemble import build_box
from solvshell.errors import InvalidInput
from solvshell.files import to_yaml
from solvshell.folders import derived_seed, replica_name, replicas_of
from solvshell.progress import Tally
from solvshell.provenance import RECORD, read_record
from solvshell.recipe import Recipe
from solvshell.units import check_seed
from solvshell.workers import in_processes, n_cores


def _difference(name: str, built: object, asked: object) -> str:
    """Return in what a replica differs from what is asked for, for people."""
    if name == "recipe_sha256":
        return "a recipe of other content"
    built, asked = ("of the recipe" if value is None else value for value in (built, asked))
    return f"{name} {built} instead of {asked}"


@dataclass(frozen=True)
class _Asked:
    """What tells whether a replica that is there is the one that is asked for."""

    recipe: str
    recipe_sha256: str
    n_salt: int | None
    n_molecules: int | None
    seed: int
    index: int

    def check(self, path: Path) -> None:
        """Refuse a box that was built of something else."""
        found = read_record(path / RECORD).get("replica")
        if not isinstance(found, dict):
            raise InvalidInput(f"{path}: is there and was built by itself, not as a replica; give another --out")
        asked = {name: value for name, value in asdict(self).items() if found.get(name) != value}
        if asked:
            given = ", ".join(_difference(name, found.get(name), value) for name, value in asked.items())
            raise InvalidInput(f"{path}: is there and was built of something else: {given}; give another --out")


def _build(asked: _Asked, recipe: Recipe, out: Path, threads: int) -> None:
    """Build one replica, in a process of its own."""
    os.environ.setdefault("OPENMM_CPU_THREADS", str(threads))
    seed = derived_seed(asked.seed, asked.index)
    box = build_box(recipe, seed=seed, n_salt=asked.n_salt, n_molecules=asked.n_molecules)
    replace(box, provenance=box.provenance | {"replica": asdict(asked)}).save(out / replica_name(asked.index))


def _missing(out: Path, all_asked: Sequence[_Asked]) -> list[_Asked]:
    """Return the replicas that are not there yet."""
    there = out.exists() and (not out.is_dir() or any(not path.name.startswith(".") for path in out.iterdir()))
    if there and not replicas_of(out):  # a hidden folder is what a process that was killed leaves
        raise InvalidInput(f"{out}: exists and holds no replicas; give another folder, or remove this one")
    missing = []
    for asked in all_asked:
        path = out / replica_name(asked.index)
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            asked.check(path)
        else:
            missing.append(asked)
    return missing


def build_replicas(
    recipe: Recipe,
    n_replicas: int,
    out: Path,
    *,
    first: int = 0,
    seed: int = 0,
    n_salt: int | None = None,
    n_molecules: int | None = None,
    workers: int = 1,
    console: Console | None = None,
) -> list[Path]:
    """Build the replicas that a folder does not have yet, and return the folders of all that were asked for.

    Parameters
    ----------
    recipe : Recipe
    n_replicas : int
        How many, from `first` on. Those that are there stay as they are, so that more can be added later.
    out : Path
        Their folder.
    first : int
        Number of the first: 0 is ``replica-00``. A replica is the same whichever others are built.
    seed : int
        Each replica has its own, by `solvshell.folders.derived_seed`.
    n_salt, n_molecules : int, optional
        Size of each instead of the recipe's own.
    workers : int
        How many are built at once; what is built does not depend on it.
    console : Console, optional
        Where progress is shown.

    Raises
    ------
    InvalidInput
        If a replica that is there was built of something else, or as `build_box`.
    PackmolError, WorkFailed, Interrupted
        As `build_box` and `solvshell.workers.in_processes`; what was built before stays.
    """
    if n_replicas < 1:
        raise InvalidInput(f"replicas: at least 1, got {n_replicas}")
    if first < 0:
        raise InvalidInput(f"replica: at least 0, got {first}")
    if workers < 1:
        raise InvalidInput(f"workers: at least 1, got {workers}")
    check_seed(seed)
    digest = hashlib.sha256(to_yaml(recipe).encode()).hexdigest()[:12]
    every = [_Asked(recipe.name, digest, n_salt, n_molecules, seed, first + index) for index in range(n_replicas)]
    if missing := _missing(out, every):
        threads = max(1, n_cores() // workers)
        build = partial(_build, recipe=recipe, out=out, threads=threads)
        in_processes(build, missing, workers, Tally("replicas", len(missing), console))
    return [out / replica_name(asked.index) for asked in every]
