"""Our g(r) against `gmx rdf`, in cells of both kinds."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from peers import CELLS, GMX, clear_bins, our_counts, random_task

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("gmx") is None, reason="GROMACS (gmx) is not installed"),
]


@pytest.mark.parametrize("cell", CELLS)
def test_counts_and_g_are_those_of_gmx_rdf(cell, tmp_path):
    task = random_task(tmp_path, CELLS[cell], seed=6, n_frames=5, n_centers=20, n_sites=200)
    edges = GMX.edges(task)
    counts, even = our_counts(task, edges)
    theirs = np.array(GMX.g(task))
    clear = clear_bins(task, edges)
    assert clear.mean() > 0.9
    assert counts[clear].sum() > 0.9 * counts.sum() > 5000
    assert np.round(theirs * even)[clear].tolist() == counts[clear].tolist()
    # printed with three decimals; the volume of a shell is in single precision
    assert (np.abs(theirs - counts / even)[clear] <= (GMX.rounding + 1e-4 * theirs)[clear]).all()
