"""Bad input ends with status 2 and one clear line; help has examples."""

import multiprocessing
import shutil
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from solvshell.cli import main
from solvshell.data import recipe_directory


def change(content: dict[str, object], path: str, value: object) -> None:
    *parents, last = path.split(".")
    for key in parents:
        content = content[key]  # type: ignore[assignment]
    content[last] = value


BAD_RECIPES = {
    "composition.solvents.ratio": ({"EC": 1, "XYZ": 1}, "unknown species 'XYZ'"),
    "composition.salt.anion": ("Cl", "composition.salt.anion: unknown species 'Cl' (known: Li, PF6"),
    "composition.solvents.densities": ({}, "densities: missing for DMC, EC, EMC"),
    "composition.salt.molarity": (
        "1 mol/kg",
        "composition.salt.molarity: unit 'mol/kg' of '1 mol/kg' is not known here",
    ),
    "force_field.cutoff": (1.0, "force_field.cutoff: 1.0 has no unit"),
    "packing.density": ("-1 g/cm3", "packing.density: '-1 g/cm3' must be greater than 0"),
    "n_salt": (0, "n_salt: Input should be greater than 0, got 0"),
    "colour": ("red", "colour: unknown key"),
    "force_field.files": (
        ["solvshell/lithium.xml"],
        "in solvshell/lithium.xml (it has: Li); PF6 is in solvshell/hexafluorophosphate.xml",
    ),
}


@pytest.mark.parametrize("field", BAD_RECIPES)
def test_bad_recipes(field: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    value, expected = BAD_RECIPES[field]
    content = yaml.safe_load((recipe_directory() / "lb003.yaml").read_text())
    change(content, field, value)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(content))
    assert main(["build", str(recipe), "--out", str(tmp_path / "box")]) == 2
    errors = capsys.readouterr().err
    assert expected in errors
    assert len(errors.splitlines()) == 1
    assert not (tmp_path / "box").exists()


def test_a_ratio_that_does_not_sum(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = yaml.safe_load((recipe_directory() / "lb003.yaml").read_text())
    change(content, "composition.solvents.ratio", {"EC": 0.5, "DMC": 0.3, "EMC": 0.3})
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(content))
    assert main(["build", str(recipe), "--out", str(tmp_path / "box")]) == 2
    assert "composition.solvents.ratio: the ratio sums to 1.1 instead of 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["build", "lb004", "--out", "box"], "recipe 'lb004': no such file, and no shipped recipe of that name"),
        (["build", "lb003", "--n-salt", "0", "--out", "box"], "n_salt: at least 7 for recipe 'lb003', got 0"),
        (
            ["run", "nowhere", "--protocol", "demo", "--out", "run"],
            "nowhere: no such folder; make a box with 'solvshell build'",
        ),
        (["run", "nowhere", "--protocol", "fast", "--out", "run"], "protocol 'fast': no such file"),
        (
            ["run", "nowhere", "--protocol", "quick", "--reservoir", "reservoir.yaml", "--out", "run"],
            "has no stage of kind grand_canonical, to which one belongs",
        ),
        (
            ["run", "nowhere", "--protocol", "quick", "--temperature", "60", "--out", "run"],
            "--temperature: '60' has no unit",
        ),
        (["run", "nowhere", "--protocol", "quick", "--temperature", "0 K", "--out", "run"], "--temperature: above 0 K"),
        (
            ["run", "nowhere", "--protocol", "temperatures", "--temperature", "300 K", "--out", "run"],
            "--temperature: the protocol is a series of temperatures, and has its own",
        ),
        (
            ["build", "lb003", "--ion-charge-scale", "2", "--out", "box"],
            "ion_charge_scale: above 0 and at most 1, got 2",
        ),
        (["analyze", "nowhere"], "nowhere: no such folder; make a run with 'solvshell run'"),
        (["analyze", "--topology", "a.gro"], "--trajectory, --out: missing"),
        (["analyze", "run", "--topology", "a.gro"], "give either a RUN or --topology"),
        (["analyze", "run", "--step", "0"], "--step: at least 1, got 0"),
        (["analyze", "run", "--system", "system.xml"], "give either a RUN or --topology"),
        (["analyze", "run", "--energy-frames", "0"], "--energy-frames: at least 1, got 0"),
        (["analyze", "--topology", "a.gro", "--workers", "-2"], "--workers: at least 1, got -2"),
        (["report", "nowhere", "--out", "page.html"], "nowhere: no such folder"),
    ],
)
def test_wrong_requests(
    arguments: list[str],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert expected in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


PASS = ["start", "stop", "step", "r_max", "energy_frames", "backend", "n_workers"]
FRAMES = ["--start", "-50", "--stop", "90", "--step", "2", "--r-max", "7.5", "--energy-frames", "40", "--workers", "3"]


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("analyze_run", ["run"]),
        ("analyze_trajectory", ["--topology", "a", "--trajectory", "b"]),
    ],
)
def test_frames_workers_and_range_are_for_either_trajectory(
    function: str, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, object]] = []

    def analyze(*_: object, **settings: object) -> SimpleNamespace:
        asked.append(settings)
        return SimpleNamespace(summary={"source": {}})

    monkeypatch.setattr(f"solvshell.analysis.{function}", analyze)
    monkeypatch.setattr("solvshell.analysis.headline", lambda _: [])
    run = SimpleNamespace(protocol=SimpleNamespace(windows=None, grand_canonical=None))
    monkeypatch.setattr("solvshell.run.Run.load", lambda _: run)
    command = ["analyze", *arguments, "--out", str(tmp_path)]
    assert main([*command, *FRAMES]) == main([*command, "--workers", "1"]) == 0
    with_options, without = ({key: found.get(key) for key in PASS} for found in asked)
    assert with_options == dict(zip(PASS, [-50, 90, 2, 7.5, 40, "multiprocessing", 3], strict=True))
    assert set(without.values()) == {None}


def test_a_box_too_small_for_its_cutoff(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = yaml.safe_load((recipe_directory() / "lb003.yaml").read_text())
    change(content, "force_field.cutoff", "1.4 nm")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(content))
    assert main(["build", str(recipe), "--n-salt", "8", "--out", str(tmp_path / "box")]) == 2
    assert "n_salt: 8 makes a box of" in capsys.readouterr().err


def test_build_says_what_it_built_and_never_overwrites(
    box_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "box"
    assert main(["build", "lb003", "--n-salt", "7", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "EC          33   rounding -0.26 %" in said
    assert main(["build", "lb003", "--n-salt", "7", "--out", str(out)]) == 2
    assert "exists" in capsys.readouterr().err


def test_a_failed_packing_shows_packmols_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = {
        "name": "crushed",
        "title": "four molecules where two have room",
        "composition": {"counts": {"EC": 4}},
        "force_field": {"cutoff": "0.2 nm", "switch": None},
        "packing": {"density": "6 g/cm3"},
    }
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(content))
    assert main(["build", str(recipe), "--out", str(tmp_path / "box")]) == 1
    errors = capsys.readouterr().err
    assert "Packmol failed (status 173)" in errors
    assert "STOP 173" in errors


@pytest.mark.parametrize(
    "command", ["demo", "build", "run", "analyze", "spatial", "report", "compare", "export", "doctor"]
)
def test_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    assert f"Example:\n  solvshell {command}" in capsys.readouterr().out


def test_doctor_names_what_is_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--no-speed"]) == 0
    said = capsys.readouterr().out
    assert "platform       CPU: works" in said
    assert "Packmol" in said
    assert shutil.which("nvidia-smi") is not None or "for a GPU, in a clone: pip install" in said


@pytest.mark.parametrize("seed", ["-1", "3000000000"])
def test_impossible_seeds(seed: str, box_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "lb003", "--n-salt", "7", "--seed", seed, "--out", str(tmp_path / "box")]) == 2
    assert main(["run", str(box_path), "--protocol", "quick", "--seed", seed, "--out", str(tmp_path / "run")]) == 2
    assert capsys.readouterr().err.count(f"seed: from 0 to 2147483645, got {seed}") == 2
    assert not list(tmp_path.iterdir())


def test_outputs_that_cannot_be_written(box_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert main(["run", str(box_path), "--protocol", "quick", "--out", str(file)]) == 2
    assert main(["run", str(box_path), "--protocol", "quick", "--out", str(file / "run")]) == 1
    assert main(["build", "lb003", "--n-salt", "7", "--out", str(file / "box")]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 3
    assert "is a file" in errors[0]
    assert "Not a directory" in errors[1]


def test_a_size_may_come_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = yaml.safe_load((recipe_directory() / "lb003.yaml").read_text())
    del content["n_salt"]
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(content))
    assert main(["build", str(recipe), "--out", str(tmp_path / "box")]) == 2
    assert "n_salt: missing; state it in recipe 'lb003' or give --n-salt" in capsys.readouterr().err
    assert main(["build", str(recipe), "--n-salt", "7", "--out", str(tmp_path / "box")]) == 0


def test_a_platform_that_does_not_work_leaves_no_folder(
    box_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["run", str(box_path), "--protocol", "quick", "--out", str(tmp_path / "run"), "--platform", "Abacus"]
    assert main(arguments) == 2
    assert "'Abacus' is not installed here" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_box_is_no_run(box_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(box_path)]) == 2
    assert "is a box; run it first" in capsys.readouterr().err


def test_the_temperature_of_a_trajectory_can_be_given(tmp_path: Path, capsys) -> None:
    data = Path(__file__).parent / "data" / "gromacs_lb003"
    files = ["analyze", "--topology", str(data / "lb003.gro"), "--trajectory", str(data / "lb003.xtc")]
    assert main([*files, "--out", str(tmp_path / "tables"), "--no-energies", "--temperature-k", "300"]) == 0
    table = pd.read_csv(tmp_path / "tables" / "potential_of_mean_force.csv").dropna(subset="w_kt")
    np.testing.assert_allclose(table.w_kj_mol / table.w_kt, 8.314462618e-3 * 300, rtol=2e-5)
    assert main([*files, "--out", str(tmp_path / "cold"), "--temperature-k", "-3"]) == 2
    assert "--temperature-k: above 0, got -3" in capsys.readouterr().err


def test_a_forked_worker_ends_at_sigterm() -> None:
    """MDAnalysis forks its workers and ends them so; one that heard it as Ctrl-C could miss it, and wait for ever."""
    waiting = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # as within a command
    try:
        waiting.start()
        waiting.terminate()
        waiting.join(30)
        assert waiting.exitcode == -signal.SIGTERM
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)
