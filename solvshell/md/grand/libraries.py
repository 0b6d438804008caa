"""The conformers in which a run inserts molecules: made when its stage starts, kept in files with their hashes."""

from collections.abc import Mapping
from pathlib import Path

from solvshell.errors import Interrupted, InvalidInput
from solvshell.grand_canonical import GrandCanonical
from solvshell.md.grand.conformers import Gas, Library
from solvshell.md.session import Session
from solvshell.run import Run

#: of each species
N_CONFORMERS = 10_000


def _path(run: Run, species: str) -> Path:
    return run.conformers_path / f"{species}.npz"


def make_libraries(session: Session, stage: GrandCanonical, gases: Mapping[str, Gas]) -> dict[str, Library]:
    """Return the libraries of the open species of a stage, from the seed of the run, and write them.

    Raises
    ------
    Interrupted
        If a signal came; what is there is made again.
    """
    session.run.conformers_path.mkdir(exist_ok=True)
    libraries = {}
    for index, (name, gas) in enumerate(gases.items()):
        if session.stop.is_set():
            raise Interrupted(f"stopped before stage {stage.name}")
        seed = int(session.sequence(1, index).generate_state(1)[0]) % (2**31 - 3)
        libraries[name] = gas.library(stage.temperature, session.protocol.timestep, N_CONFORMERS, seed)
        libraries[name].save(_path(session.run, name))
        n_conformers = len(libraries[name].positions)
        session.progress.note(f"  {stage.name}: {n_conformers} conformer{'s' * (n_conformers > 1)} of {name}")
    return libraries


def read_libraries(run: Run, hashes: Mapping[str, str]) -> dict[str, Library]:
    """Return the libraries of a run.

    Raises
    ------
    InvalidInput
        If one is missing, or is not what the run began with.
    """
    libraries = {}
    for name, known in hashes.items():
        path = _path(run, name)
        libraries[name] = Library.load(path)
        if libraries[name].sha256 != known:
            raise InvalidInput(
                f"{path}: not the conformers that the run began with; bring the file back, or begin a new run"
            )
    return libraries
