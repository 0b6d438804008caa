"""The files of AMBER, written by ParmEd: box.prmtop, box.rst7, and an input file with the model's cutoff."""

import math
import tempfile
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from solvshell.box import Box
from solvshell.errors import InvalidInput
from solvshell.export.cutoffs import Cutoffs, cutoffs_of
from solvshell.export.molecules import molecules_of

_NPT = """{title}: 1 ns at 298.15 K and 1 bar
 &cntrl
  imin = 0, irest = 0, ntx = 1, nstlim = 1000000, dt = 0.001,
  ntc = 1, ntf = 1, ntb = 2, cut = {cutoff:g},
  ntt = 3, gamma_ln = 1.0, tempi = 298.15, temp0 = 298.15, ig = -1,
  ntp = 1, barostat = 2, pres0 = 1.0,
  ntpr = 500, ntwx = 1000, ntwr = 10000,
 /
 &ewald
  vdwmeth = {tail},
 /
"""


def _parmed() -> Any:
    try:
        import parmed
    except ImportError as error:
        raise InvalidInput(
            "--format amber: ParmEd is missing; install it with pip install '.[amber]' (it is compiled on the "
            f"way, which takes a C++ compiler and the headers of Python): {error}"
        ) from None
    return parmed


def _lengths_and_angles(vectors: np.ndarray) -> list[float]:
    """Return the lengths (A) and angles (degrees) of a cell (nm)."""
    lengths = np.linalg.norm(vectors, axis=1)
    cosines = {(i, j): vectors[i] @ vectors[j] / lengths[i] / lengths[j] for i, j in combinations(range(3), 2)}
    angles = (math.degrees(math.acos(cosines[pair])) for pair in ((1, 2), (0, 2), (0, 1)))
    return [*(10 * lengths).tolist(), *angles]


def _input(cutoffs: Cutoffs, title: str) -> str:
    return _NPT.format(title=title, cutoff=10 * cutoffs.cutoff, tail=int(cutoffs.tail_correction))


def amber_files(box: Box) -> dict[str, str]:
    """Return the files of a box for AMBER by their names: ``box.prmtop``, ``box.rst7``, ``npt.in``.

    AMBER takes 1-4 pairs from torsions and exclusions from angles; ParmEd adds empty ones where the model has none,
    such as between opposite F of PF6-.

    Raises
    ------
    InvalidInput
        If ParmEd is missing, the box's system is not a plain model, or it is a network.
    """
    parmed = _parmed()
    cutoffs = cutoffs_of(box.system)
    if box.is_network:
        raise InvalidInput(
            "--format amber: AMBER knows no bonds across the boundary of the cell, as a network has them"
        )
    molecules_of(box)  # refuses what ParmEd would pass over
    cell = _lengths_and_angles(box.box_vectors)
    structure = parmed.openmm.load_topology(box.topology, box.system, 10 * box.positions, cell)
    parm = parmed.amber.AmberParm.from_structure(structure)
    with tempfile.TemporaryDirectory() as folder:
        topology, restart = Path(folder) / "box.prmtop", Path(folder) / "box.rst7"
        parm.write_parm(str(topology))
        parm.write_rst7(str(restart))
        texts = {path.name: path.read_text() for path in (topology, restart)}
    return texts | {"npt.in": _input(cutoffs, " ".join(box.recipe.title.split()))}
