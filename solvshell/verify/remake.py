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
    """Yield what has to be installed."""
    versions, checkout = record.get("versions", {}), record.get("checkout", {})
    yield f"# with Python {versions.get('python', 'of unknown version')}"
    if checkout:
        yield f"git checkout {shlex.quote(str(checkout.get('commit')))}  # in a clone of the repository"
    if checkout.get("is_changed"):
        yield "# what made it differed from this commit, which alone may not make the same"
    own = "." if checkout else f"solvshell=={versions.get('solvshell', '')}".removesuffix("==")
    others = (f"{name}=={version}" for name, version in versions.items() if name not in ("python", "solvshell"))
    yield shlex.join(["pip", "install", own, *others])


def _threads(settings: object) -> list[str]:
    """Return the setting of the environment by which a CPU sums in the same order."""
    threads = settings.get("Threads") if isinstance(settings, dict) else None
    return [f"OPENMM_CPU_THREADS={threads}"] if threads else []


def _build(folder: Path, record: Record, out: Path) -> Iterator[str]:
    yield from _environment(record)
    recipe, seed = (folder / "recipe.yaml").resolve(), record.get("seed", "?")
    command = ["solvshell", "build", str(recipe), "--seed", str(seed), "--out", str(out)]
    yield shlex.join([*_threads(record.get("settings")), *command])


def _run(run: Run, record: Record, box: Path, out: Path) -> Iterator[str]:
    starts = record.get("starts") or [{}]
    if len(starts) > 1:
        yield f"# it was started {len(starts)} times; in one go it takes another path from the second start on"
    platform = starts[0].get("platform")
    where = [] if platform is None else ["--platform", platform]
    protocol = str((run.path / "protocol.yaml").resolve())
    command = ["solvshell", "run", str(box), "--protocol", protocol, *where, "--seed", str(record.get("seed", "?"))]
    yield shlex.join([*_threads(starts[0].get("settings")), *command, "--out", str(out)])


def remake_commands(path: Path, out: Path = Path("remade")) -> Iterator[str]:
    """Yield the lines of a shell that make a box or a run, or those of a folder, again.

    What is taken from the folder are its recipe, its protocol and its records; the rest is packed and run anew.

    Raises
    ------
    InvalidInput
        If the folder is neither.
    """
    record, _ = open_record(path / RECORD)
    if (path / "protocol.yaml").is_file():
        box, _ = open_record(path / "box" / RECORD)
        yield from _build(path / "box", box, out / "box")
        if list(_environment(record)) != list(_environment(box)):
            yield from _environment(record)
        yield from _run(Run(path), record, out / "box", out / "run")
    elif (path / "recipe.yaml").is_file():
        yield from _build(path, record, out / "box")
    elif inside := [*replicas_of(path), *temperatures_of(path).values()]:
        for folder in inside:
            yield from remake_commands(folder, out / folder.name)
    else:
        raise InvalidInput(f"{path}: neither a box nor a run, nor a folder of either")
