"""What has been computed, kept by content: one JSON file for each set of inputs. A command that was stopped goes on."""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from solvshell.quantum.units import Array


def _key(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:20]


def geometry_inputs(elements: Sequence[str], positions: Array, charge: int) -> dict[str, Any]:
    """Return what tells one geometry from another, positions rounded to 1e-5 Å."""
    rounded = np.round(np.asarray(positions, dtype=float), 5) + 0.0  # no negative zeros
    return {"elements": list(elements), "positions_angstrom": rounded.tolist(), "charge": charge}


def user_cache() -> Path:
    """Return the folder for what can be computed again, by the convention of the platform."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "solvshell"


def cached(cache: Path, name: str, inputs: dict[str, Any], compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what `compute` returns, from the cache folder if these inputs have been computed before.

    Several processes may share a folder: a file appears whole, and the last one stays.
    """
    path = Path(cache) / f"{name}-{_key(inputs)}.json"
    if not path.exists():
        result = {**inputs, **compute()}
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.part")
        partial.write_text(json.dumps(result))
        partial.rename(path)
    return dict(json.loads(path.read_text()))
