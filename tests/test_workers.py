import math
import os
import signal

import pytest

from solvshell.errors import WorkFailed
from solvshell.workers import in_processes


def test_results_are_in_order_from_processes_of_one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert in_processes(math.sqrt, [9.0, 4.0, 1.0], 2) == [3.0, 2.0, 1.0]
    assert in_processes(os.getenv, ["OMP_NUM_THREADS"], 1) == ["1"]
    assert os.environ["OMP_NUM_THREADS"] == "7"


def test_an_error_of_one_is_raised():
    with pytest.raises(ValueError, match="math domain error"):
        in_processes(math.sqrt, [1.0, -1.0], 1)


def test_a_process_that_dies_is_named():
    with pytest.raises(WorkFailed, match="a process died"):
        in_processes(signal.raise_signal, [signal.SIGKILL], 1)
