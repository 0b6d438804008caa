"""Through GROMACS: the model of a box in its topology, a short run of it, and our analysis of that run."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import MDAnalysis as mda
import pandas as pd
import pytest

from solvshell.cli import main

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("gmx") is None, reason="GROMACS (gmx) is not installed"),
]
DATA = Path(__file__).parent.parent / "data"
TERMS = ["bonds", "angles", "torsions", "lennard_jones", "coulomb"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("gromacs")
    lengths = ["--equilibration", "100", "--production", "25"]
    command = [sys.executable, DATA / "make_gromacs_trajectory.py", out, *lengths]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.mark.parametrize("parity", ["made now", "shipped"])
def test_both_engines_give_the_same_energies(parity, request):
    folder = request.getfixturevalue("made") if parity == "made now" else DATA / "gromacs_lb003"
    energies = json.loads((folder / "parity.json").read_text())
    assert list(energies) == TERMS
    total = sum(abs(term["openmm"]) for term in energies.values())
    for term in energies.values():
        assert abs(term["openmm"]) > 0.01 * total
        assert abs(term["openmm"] - term["gromacs"]) < 1e-5 * total


@pytest.mark.parametrize("recipe", ["lb003_pota-no3", "ls002", "lb003_ota-no3"])
def test_polymer_and_ethers_have_the_same_energies_in_both_engines(recipe, tmp_path):
    command = [sys.executable, DATA / "make_gromacs_trajectory.py", tmp_path, "--recipe", recipe, "--parity-only"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    energies = json.loads((tmp_path / "parity.json").read_text())
    total = sum(abs(term["openmm"]) for term in energies.values())
    for term in energies.values():
        assert abs(term["openmm"]) > 0.01 * total
        assert abs(term["openmm"] - term["gromacs"]) < 1e-5 * total


def test_the_files_are_as_the_shipped_ones(made):
    now, shipped = (
        mda.Universe(folder / "lb003.gro", folder / "lb003.xtc") for folder in (made, DATA / "gromacs_lb003")
    )
    assert now.residues.resnames.tolist() == shipped.residues.resnames.tolist()
    assert now.atoms.names.tolist() == shipped.atoms.names.tolist()
    assert len(now.trajectory) == len(shipped.trajectory)
    assert now.trajectory.dt == pytest.approx(0.25)
    assert now.trajectory[-1].volume == pytest.approx(shipped.trajectory[-1].volume, rel=0.1)


@pytest.mark.physics
def test_the_liquid_has_a_first_shell(made, tmp_path):
    files = {"topology": made / "lb003.gro", "trajectory": made / "lb003.xtc"}
    files |= {"species": DATA / "gromacs_lb003" / "species.yaml", "out": tmp_path / "tables"}
    assert main(["analyze", *(word for option, path in files.items() for word in (f"--{option}", str(path)))]) == 0
    peaks = pd.read_csv(tmp_path / "tables" / "peaks.csv")
    resolved = peaks[(peaks["site"] == "carbonyl_o") & (peaks["status"] == "resolved")]
    assert len(resolved) > 0
    assert resolved["peak_angstrom"].between(1.85, 2.10).all()
    speciation = pd.read_csv(tmp_path / "tables" / "speciation.csv")
    assert speciation["fraction"].sum() == pytest.approx(1, abs=1e-5)
