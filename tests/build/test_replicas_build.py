"""Replicas of a recipe share nothing but the recipe; those that are there are kept, and another one is refused."""

from pathlib import Path

import numpy as np
import pytest
from small_boxes import polymer_recipe, small_recipe

from solvshell.box import Box, box_hash
from solvshell.build import build_box, build_replicas
from solvshell.cli import main
from solvshell.errors import InvalidInput
from solvshell.files import to_yaml
from solvshell.folders import derived_seed, replicas_of
from solvshell.recipe import Recipe

COUNTS = {"Li": 2, "PF6": 2, "EC": 2, "DOL": 2, "DMC": 2}


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return small_recipe(COUNTS, "0.4 nm")


def test_replicas_are_added_and_kept(recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = tmp_path / "small.yaml", tmp_path / "boxes"
    file.write_text(to_yaml(recipe))
    command = ["build", str(file), "--seed", "5", "--out", str(out)]
    assert main([*command, "--replicas", "2", "--workers", "2"]) == 0
    said = capsys.readouterr().out
    assert said.count("  EC ") == 1
    assert "2 replicas, each with its own packing" in said
    before = [(path.stat().st_mtime_ns, box_hash(path)) for path in replicas_of(out)]
    assert main([*command, "--replicas", "3"]) == 0
    boxes = [Box.load(path) for path in replicas_of(out)]
    assert [(path.stat().st_mtime_ns, box_hash(path)) for path in replicas_of(out)[:2]] == before
    assert [box.provenance["seed"] for box in boxes] == [5, derived_seed(5, 1), derived_seed(5, 2)]
    assert [box.provenance["replica"]["index"] for box in boxes] == [0, 1, 2]
    assert len({box_hash(path) for path in replicas_of(out)}) == 3
    moved = [np.abs(box.positions - build_box(recipe, seed=5).positions).mean() for box in boxes[:2]]
    assert moved[0] < 1e-9 < moved[1]
    capsys.readouterr()
    assert main([*command, "--replicas", "1"]) == 0  # which is there
    assert f"more in {out}, which 'solvshell run' takes too: replica-01, replica-02" in capsys.readouterr().out
    assert len(replicas_of(out)) == 3


def test_a_replica_alone_is_the_one_of_the_folder(
    recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A campaign builds each in a job of its own, into a folder that its scheduler may have made."""
    file, alone, together = tmp_path / "small.yaml", tmp_path / "alone", tmp_path / "together"
    file.write_text(to_yaml(recipe))
    (alone / "replica-01").mkdir(parents=True)
    command = ["build", str(file), "--seed", "5"]
    assert main([*command, "--replica", "1", "--out", str(alone)]) == 0
    assert main([*command, "--replicas", "2", "--out", str(together)]) == 0
    assert [path.name for path in replicas_of(alone)] == ["replica-01"]
    assert box_hash(alone / "replica-01") == box_hash(together / "replica-01")
    capsys.readouterr()
    assert main([*command, "--replica", "1", "--replicas", "2", "--out", str(alone)]) == 2
    assert "--replicas: does not belong beside --replica" in capsys.readouterr().err
    assert main([*command, "--replica", "-1", "--out", str(alone)]) == 2
    assert "replica: at least 0, got -1" in capsys.readouterr().err


def test_another_replica_is_refused_by_name(recipe: Recipe, tmp_path: Path) -> None:
    out = tmp_path / "boxes"
    (out / ".replica-00.123").mkdir(parents=True)  # what a killed build leaves
    build_replicas(recipe, 1, out, seed=5)
    with pytest.raises(InvalidInput, match="replica-00: is there and was built of something else: seed 5 instead of 6"):
        build_replicas(recipe, 2, out, seed=6)
    with pytest.raises(InvalidInput, match=r"something else: a recipe of other content; give"):
        build_replicas(small_recipe(COUNTS | {"EC": 3}, "0.4 nm"), 2, out, seed=5)
    with pytest.raises(InvalidInput, match=r"replica-00: .* n_salt of the recipe instead of 7"):
        build_replicas(recipe, 2, out, seed=5, n_salt=7)
    build_box(recipe, seed=5).save(out / "replica-01")
    with pytest.raises(InvalidInput, match="replica-01: is there and was built by itself"):
        build_replicas(recipe, 2, out, seed=5)
    assert [path.name for path in replicas_of(out)] == ["replica-00", "replica-01"]


def test_wrong_requests_make_nothing(recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in ("0", "-2"):
        assert main(["build", "lb003", "--replicas", number, "--out", str(tmp_path / "boxes")]) == 2
        assert f"replicas: at least 1, got {number}" in capsys.readouterr().err
    assert main(["build", "lb003", "--replicas", "2", "--workers", "0", "--out", str(tmp_path / "boxes")]) == 2
    assert "workers: at least 1, got 0" in capsys.readouterr().err
    assert main(["build", "lb003", "--workers", "2", "--out", str(tmp_path / "boxes")]) == 2
    assert "--workers: is for --replicas" in capsys.readouterr().err
    assert main(["build", "lb003", "--n-salt", "1", "--replicas", "2", "--out", str(tmp_path / "boxes")]) == 2
    errors = capsys.readouterr().err
    assert "n_salt: at least" in errors
    assert len(errors.splitlines()) == 1
    assert not (tmp_path / "boxes").exists()
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match="exists and holds no replicas"):
        build_replicas(recipe, 2, tmp_path)


def test_chains_of_replicas_differ(tmp_path: Path) -> None:
    boxes = [Box.load(path) for path in build_replicas(polymer_recipe(), 2, tmp_path / "boxes")]
    first, second = (box.provenance["polymer"]["backbone_extent_nm"] for box in boxes)
    assert not np.allclose(first, second, atol=1e-3)


def test_seeds_of_replicas() -> None:
    assert derived_seed(17, 0) == 17
    seeds = {derived_seed(seed, index, kelvin) for seed in (0, 1) for index in range(50) for kelvin in (0, 298150)}
    assert len(seeds) == 200
    assert all(0 <= seed <= 2**31 - 3 for seed in seeds)
    with pytest.raises(InvalidInput, match="seed: from 0"):
        derived_seed(-1, 0)
