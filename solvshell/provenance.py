"""Where a result comes from: versions, machine, command."""

import platform
import sys
from importlib import metadata
from typing import Any

_PACKAGES = ("solvshell", "openmm", "numpy", "scipy", "MDAnalysis", "numba", "packmol", "rdkit", "pymbar")


def versions() -> dict[str, str]:
    """Return the versions of Python and of those packages that are installed and shape the numbers."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def provenance(**details: Any) -> dict[str, Any]:
    """Return a record of this process, with the details that the caller adds."""
    return {"command": " ".join(sys.argv), "machine": platform.platform(), "versions": versions(), **details}
