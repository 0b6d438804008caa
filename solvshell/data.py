"""Where the shipped force fields, recipes and protocols lie: a checkout (editable install) or the data of a wheel."""

from pathlib import Path

from solvshell.errors import InvalidInput

_PACKAGE = Path(__file__).resolve().parent


def _shipped(folder: str) -> Path:
    in_wheel = _PACKAGE / "_data" / folder
    return in_wheel if in_wheel.is_dir() else _PACKAGE.parent / folder


def forcefield_directory() -> str:
    """Return the folder above ``solvshell/*.xml``, for OpenMM's ``openmm.forcefielddir`` entry point."""
    return str(_shipped("forcefields"))


def recipe_directory() -> Path:
    """Return the folder of the shipped recipes."""
    return _shipped("systems")


def protocol_directory() -> Path:
    """Return the folder of the shipped protocols."""
    return _PACKAGE / "protocols"


def find(name: str | Path, directory: Path, kind: str) -> Path:
    """Return the path of a YAML file given by path or, for a shipped one, by bare name.

    Raises
    ------
    InvalidInput
        If there is no such file; the message lists the shipped names.
    """
    path = Path(name)
    if path.is_file():
        return path
    shipped = directory / f"{name}.yaml"
    if path.name == str(name) and shipped.is_file():
        return shipped
    names = ", ".join(sorted(file.stem for file in directory.glob("*.yaml")))
    raise InvalidInput(f"{kind} {str(name)!r}: no such file, and no shipped {kind} of that name (shipped: {names})")
