"""The commands that make a box or a run again, from what their records say."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from solvshell.errors import InvalidInput
from solvshell.folders import replicas_of, temperatures_of
from solvshell.provenance import RECORD
from solvshell.run import Run
from solvshell.verify.recorded import Record, open_record


def _environment(record: Record) -> Iterator[str]:
    """Yield what has to be installed; solvshell itself comes from a clone, since it is on no index of packages."""
    versions, checkout = record.get("versions", {}), record.get("checkout", {})
    own = f"solvshell {versions.get('solvshell', 'of unknown version')}"
    yield f"# with Python {versions.get('python', 'of unknown version')}"
    if checkout.get("is_changed"):
        yield "# what made it differed from this commit, which alone may not make the same"
    if checkout:
        yield f"# {own}: the next two lines are for a clone of the repository"
        yield f"git checkout {shlex.quote(str(checkout.get('commit')))}"
    else:
        yield f"# {own}: by 'pip install .' in a clone of the repository, at a commit that was not recorded"
    others = [f"{name}=={version}" for name, version in versions.items() if name not in ("python", "solvshell")]
    yield shlex.join(["pip", "install", *(["."] if checkout else []), *others])


def _threads(settings: object) -> list[str]:
    """Return the setting of the environment by which a CPU sums in the same order."""
    threads = settings.get("Threads") if isinstance(settings, dict) else None
    return [f"OPENMM_CPU_THREADS={threads}"] if threads else []


def _build(folder: Path, record: Record, out: Path) -> str:
    recipe, seed = (folder / "recipe.yaml").resolve(), record.get("seed", "?")
    command = ["solvshell", "build", str(recipe), "--seed", str(seed), "--out", str(out)]
    return shlex.join([*_threads(record.get("settings")), *command])


def _run(run: Run, record: Record, box: Path, out: Path) -> Iterator[str]:
    starts = record.get("starts") or [{}]
    if len(starts) > 1:
        yield f"# it was started {len(starts)} times; in one go it takes another path from the second start on"
    platform = starts[0].get("platform")
    where = [] if platform is None else ["--platform", platform]
    protocol = str((run.path / "protocol.yaml").resolve())
    command = ["solvshell", "run", str(box), "--protocol", protocol, *where, "--seed", str(record.get("seed", "?"))]
    yield shlex.join([*_threads(starts[0].get("settings")), *command, "--out", str(out)])


def _inside(path: Path, place: Path = Path()) -> Iterator[tuple[Path, Path]]:
    """Yield each box or run of a folder, or the folder itself, with its place in it such as ``278.15K/replica-00``."""
    if (path / "protocol.yaml").is_file() or (path / "recipe.yaml").is_file():
        yield path, place
    elif inside := [*replicas_of(path), *temperatures_of(path).values()]:
        for folder in inside:
            yield from _inside(folder, place / folder.name)
    else:
        raise InvalidInput(f"{path}: neither a box nor a run, nor a folder of either")


def remake_commands(path: Path, out: Path = Path("remade")) -> Iterator[str]:
    """Yield the lines of a shell that make a box or a run, or those of a folder, again.

    What is taken from the folder are its recipe, its protocol and its records; the rest is packed and run anew. Several
    come into folders that the commands take: ``boxes/replica-00`` and ``runs/replica-00``, ``runs/278.15K/replica-00``.

    Raises
    ------
    InvalidInput
        If the folder is neither.
    """
    installed: list[str] = []
    built: set[Path] = set()

    def install(record: Record) -> Iterator[str]:
        nonlocal installed
        if installed != (needed := list(_environment(record))):
            installed = needed
            yield from needed

    for folder, place in _inside(path):
        is_run, is_replica = (folder / "protocol.yaml").is_file(), place.name.startswith("replica-")
        source = folder / "box" if is_run else folder
        box = out / "boxes" / place.name if is_replica else out / "box"
        if box not in built:  # all temperatures have the same boxes
            built.add(box)
            record, _ = open_record(source / RECORD)
            yield from install(record)
            yield _build(source, record, box)
        if is_run:
            record, _ = open_record(folder / RECORD)
            yield from install(record)
            yield from _run(Run(folder), record, box, out / "runs" / place if place.parts else out / "run")
