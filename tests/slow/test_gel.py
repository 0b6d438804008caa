"""A gel comes to its density from a bad start, and a network of eight units grows in its box and runs."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from solvshell.analysis import analyze_run
from solvshell.box import Box
from solvshell.build import build_box
from solvshell.build.geometry import broken_geometry
from solvshell.files import validate
from solvshell.md import simulate
from solvshell.protocol import Protocol, load_protocol
from solvshell.recipe import Recipe, load_recipe
from solvshell.run import Run, open_run

pytestmark = [pytest.mark.slow, pytest.mark.physics]


def changed(recipe: Recipe, **parts: dict) -> Recipe:
    given = json.loads(recipe.model_dump_json())
    for key, change in parts.items():
        given[key] = {**given[key], **change} if isinstance(change, dict) else change
    return validate(Recipe, given, "test")


def run_of(box: Box, protocol: Protocol, folder: Path) -> Run:
    box.save(folder / "box")
    return simulate(open_run(folder / "run", folder / "box", protocol))


@pytest.fixture(scope="module")
def densities(tmp_path_factory: pytest.TempPathFactory) -> dict[float, np.ndarray]:
    """Return the density in g/cm3 through all of the production, by the density of the packed box."""
    found = {}
    for start, seed in ((0.5, 1), (0.9, 2)):
        recipe = changed(load_recipe("lb003_pota-no3"), packing={"density": f"{start} g/cm3"})
        run = run_of(build_box(recipe, n_salt=8, seed=seed), load_protocol("survey"), tmp_path_factory.mktemp("gel"))
        log = pd.read_csv(run.log_path)
        found[start] = log[log.stage == "production"].density_g_cm3.to_numpy()
    return found


def test_a_gel_comes_to_its_density_from_a_bad_start(densities: dict[float, np.ndarray]) -> None:
    thin, dense = (np.array_split(density, 2)[1].mean() for density in densities.values())
    # The starts differ by 80 %, and two packings of so small a gel by 0.4 and 1.6 % in what was seen: that the start is
    # forgotten is asked, not that packings agree.
    assert thin == pytest.approx(dense, rel=0.03)
    assert 1.2 < thin < 1.3


@pytest.fixture(scope="module")
def network() -> Box:
    recipe = changed(load_recipe("lb003_pota-no3_network"), polymer={"mass_fraction": 0.5}, smallest=1)
    return build_box(recipe, n_salt=5, seed=1)


def test_a_network_of_eight_units_reaches_its_conversion(network: Box) -> None:
    found = network.provenance["polymer"]
    assert network.counts["POTA"] == 8
    assert found["c_c_initial"] == 64
    assert found["conversion"] == pytest.approx(0.8, abs=0.05)
    assert found["largest_part"] > 0.5
    assert found["share_within_units"] + found["share_between_units"] == pytest.approx(1)


def test_its_bonds_are_relaxed(network: Box) -> None:
    assert not broken_geometry(network.system, network.positions, np.diag(network.box_vectors))


def test_it_runs_and_is_analyzed(network: Box, tmp_path: Path) -> None:
    quick = load_protocol("quick").model_copy(update={"timestep": 0.002, "constraints": "none"})
    run = run_of(network, quick, tmp_path)
    log = pd.read_csv(run.log_path)
    assert log[log.stage == "production"].temperature_k.mean() == pytest.approx(298, abs=15)
    analysis = analyze_run(run)
    assert set(analysis.coordination.partner) == {"PF6", "NO3", "EC", "DMC", "EMC", "POTA"}
