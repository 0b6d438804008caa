"""The extra `qm`: its modules, asked for by name, and what is raised when they find no end."""

import importlib
from types import ModuleType
from typing import Any

from solvshell.errors import WorkFailed
from solvshell.quantum.units import Array


class NotConverged(WorkFailed):
    """A self-consistent field or a geometry that found no end; callers mark what it was of, and do not average it.

    Attributes
    ----------
    positions : numpy.ndarray or None
        Where a geometry stood at last, (n_atoms, 3) in Å.
    """

    def __init__(self, message: str, positions: Array | None = None) -> None:
        super().__init__(message)
        self.positions = positions

    def __reduce__(self) -> tuple[Any, ...]:  # with its positions through a pool of processes
        return type(self), (str(self), self.positions)


def needed(module: str) -> ModuleType:
    """Return a module of the extra `qm`.

    Raises
    ------
    WorkFailed
        If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise WorkFailed(
            f"quantum chemistry: {error.name} is missing; install it with pip install '.[qm]' in a clone"
        ) from None
