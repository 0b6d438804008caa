"""Packmol puts molecules into a periodic cube."""

import math
import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solvshell.build.molecules import Molecule
from solvshell.errors import InvalidInput, WorkFailed
from solvshell.units import DALTON_PER_NM3


class PackmolError(WorkFailed):
    """Packmol did not pack the box; the message ends with its output."""


def cube_length(mass: float, density: float) -> float:
    """Return the side in nm of a cube that holds a mass in dalton at a density in g/cm3."""
    return float((mass * DALTON_PER_NM3 / density) ** (1 / 3))


def _xyz(molecule: Molecule) -> str:
    rows = zip(molecule.template.elements, 10 * molecule.positions, strict=True)
    lines = [f"{element} {x:.5f} {y:.5f} {z:.5f}" for element, (x, y, z) in rows]
    return "\n".join([str(len(lines)), molecule.name, *lines, ""])


def packmol_input(n: dict[str, int], length: float, tolerance: float, seed: int) -> str:
    """Return the text of a Packmol input for a periodic cube; lengths in nm here, Å there."""
    side = f"{10 * length:.4f}"
    lines = [
        f"tolerance {10 * tolerance:.4f}",
        f"pbc {side} {side} {side}",
        "filetype xyz",
        "output packed.xyz",
        f"seed {seed}",
        "",
    ]
    for name, count in n.items():
        lines += [f"structure {name}.xyz", f"  number {count}", "end structure", ""]
    return "\n".join(lines)


def _packmol() -> str:
    try:
        from packmol.cli import get_binary_path
    except ImportError:
        raise WorkFailed("Packmol is not installed: pip install packmol") from None
    return str(get_binary_path())


def _read_xyz(path: Path) -> NDArray[np.float64]:
    lines = path.read_text().splitlines()
    return np.array([line.split()[1:4] for line in lines[2 : 2 + int(lines[0])]], dtype=np.float64) / 10


def pack(
    molecules: dict[str, Molecule],
    n: dict[str, int],
    length: float,
    tolerance: float,
    seed: int,
    timeout_s: float = 600,
) -> NDArray[np.float64]:
    """Return positions (n_atoms, 3) in nm of molecules packed into a periodic cube of a given side.

    Atoms are in the order of `n`, molecule by molecule.

    Raises
    ------
    InvalidInput
        If the tolerance is too large for the cube.
    PackmolError
        If Packmol fails, with its output.
    """
    if 2 * tolerance >= length:
        raise InvalidInput(f"packing.tolerance: {tolerance:g} nm does not fit a box of {length:.3f} nm")
    with tempfile.TemporaryDirectory() as folder:
        for name in n:
            (Path(folder) / f"{name}.xyz").write_text(_xyz(molecules[name]))
        # Packmol seeks in its standard input, so it must be a file and not a pipe.
        written = Path(folder) / "input.inp"
        written.write_text(packmol_input(n, length, tolerance, seed))
        try:
            with open(written) as stdin:
                done = subprocess.run(
                    [_packmol()],
                    stdin=stdin,
                    cwd=folder,
                    capture_output=True,
                    text=True,
                    timeout=timeout_s,
                    check=False,
                )
        except subprocess.TimeoutExpired:
            raise PackmolError(
                f"Packmol did not finish within {timeout_s:g} s: lower packing.density or packing.tolerance"
            ) from None
        packed = Path(folder) / "packed.xyz"
        # When it misses the tolerance Packmol still writes its best effort; only this line means success.
        if "Success!" not in done.stdout or not packed.is_file():
            output = re.sub(r"\n\s*\n+", "\n", done.stdout + done.stderr).strip()[-3000:]
            raise PackmolError(
                f"Packmol failed (status {done.returncode}): {sum(n.values())} molecules in a cube of {length:.3f} nm "
                f"with tolerance {tolerance:g} nm; lower packing.density or packing.tolerance. Its output:\n{output}"
            )
        positions = _read_xyz(packed)
    expected = sum(count * len(molecules[name].template.elements) for name, count in n.items())
    if positions.shape != (expected, 3) or not math.isfinite(float(positions.sum())):
        raise PackmolError(f"Packmol wrote {len(positions)} atoms instead of {expected}")
    return positions
