import pickle
import sys

import numpy as np
import pytest

from solvshell.errors import InvalidInput, WorkFailed
from solvshell.quantum import NotConverged, dft_energy, gfn2, optimize, optimize_gfn2

HYDROGEN_FLUORIDE = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.4]])


@pytest.mark.parametrize(
    ("module", "work"),
    [
        ("tblite.interface", lambda cache: gfn2(("Li",), np.zeros((1, 3)), 1)),
        ("pyscf", lambda cache: dft_energy(("Li",), np.zeros((1, 3)), 1, cache)),
        ("geometric.engine", lambda cache: optimize(("H", "F"), HYDROGEN_FLUORIDE, lambda x: (0.0, 0 * x))),
    ],
)
def test_a_missing_extra_is_one_line_with_the_command(module, work, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(WorkFailed, match=r"install it with pip install '\.\[qm\]' in a clone") as failure:
        work(tmp_path)
    assert "\n" not in str(failure.value)


def test_a_field_that_finds_no_end_is_named():
    pytest.importorskip("tblite", reason="needs the extra qm")
    with pytest.raises(NotConverged, match="GFN2-xTB: SCF not converged"):
        gfn2(("Li", "F"), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 8.0]]), 0)  # an electron without a home


def test_a_geometry_that_is_given_up_has_its_last_positions():
    pytest.importorskip("tblite", reason="needs the extra qm")
    pytest.importorskip("geometric", reason="needs the extra qm")
    with pytest.raises(NotConverged, match="no minimum after 1 steps") as failure:
        optimize_gfn2(("H", "F"), HYDROGEN_FLUORIDE, 0, max_steps=1)
    length = np.linalg.norm(np.diff(failure.value.positions, axis=0))
    assert 0.9 < length < 1.4
    sent = pickle.loads(pickle.dumps(failure.value))
    assert str(sent) == str(failure.value)
    assert np.array_equal(sent.positions, failure.value.positions)


def test_less_than_one_worker_is_refused():
    from solvshell.workers import in_processes

    with pytest.raises(InvalidInput, match="workers: at least 1, got 0"):
        in_processes(abs, [1], 0)
