"""Small real inputs, made once for the whole session."""

from pathlib import Path

import pytest

from solvshell.build import build_box
from solvshell.recipe import Recipe, load_recipe


@pytest.fixture(scope="session")
def lb003() -> Recipe:
    return load_recipe("lb003")


@pytest.fixture(scope="session")
def box_path(lb003: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the smallest LB-003 box, packed by Packmol."""
    path = tmp_path_factory.mktemp("lb003") / "box"
    build_box(lb003, seed=3, n_salt=7).save(path)
    return path
