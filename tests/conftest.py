"""Small real inputs, made once for the whole session."""

import os

# Two threads never sum in the same order: with one, a test that passes on a machine passes there again. OpenMM reads it
# when it is imported. Tests run side by side instead (pytest -n auto).
os.environ.setdefault("OPENMM_CPU_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from solvshell.build import build_box
from solvshell.recipe import Recipe, load_recipe


@pytest.fixture(scope="session", autouse=True)
def _signals_are_heard() -> Iterator[None]:
    """Hear what tests send, also where they were started by nohup or behind an `&`, which ignores some signals."""
    ignored = [number for number in (signal.SIGINT, signal.SIGHUP) if signal.getsignal(number) == signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.default_int_handler)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture(scope="session")
def lb003() -> Recipe:
    return load_recipe("lb003")


@pytest.fixture(scope="session")
def box_path(lb003: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the smallest LB-003 box, packed by Packmol."""
    path = tmp_path_factory.mktemp("lb003") / "box"
    build_box(lb003, seed=3, n_salt=7).save(path)
    return path
