"""Through GROMACS: the model of a box in its topology, a short run of it, and our analysis of that run."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import MDAnalysis as mda
import pandas as pd
import pytest
import small_boxes
from engines import TERMS, Terms, absolute_sum, box_terms, gromacs_terms, largest_difference, shaken
from parity import built, liquid_frames, switched, with_tail

from solvshell.box import Box
from solvshell.cli import main
from solvshell.export import export_box

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("gmx_d") is None, reason="GROMACS (gmx, gmx_d) is not installed"),
]
DATA = Path(__file__).parent.parent / "data"
#: the largest difference of a term in parts of the sum of the absolute terms; and, stricter, of the term itself
SUM, TERM = 1e-5, 1e-5


@pytest.fixture(scope="module")
def lb003_box() -> Box:
    return shaken(built("lb003"))


def assert_same(ours: Terms, theirs: Terms) -> None:
    assert largest_difference(ours, theirs) < SUM
    for term, energy in ours.items():
        assert abs(energy) > 0.005 * absolute_sum(ours)  # otherwise the sum hides it
        assert theirs[term] == pytest.approx(energy, rel=TERM), term


def test_lb003_has_the_same_energies_in_both_engines(lb003_box: Box, tmp_path: Path) -> None:
    export_box(lb003_box, "gromacs", tmp_path / "export")
    assert_same(box_terms(lb003_box), gromacs_terms(tmp_path / "export"))


@pytest.mark.parametrize("recipe", ["ls002", "lb003_pota-no3", "lb003_ota-no3"])
def test_ethers_polymer_and_monomer_have_the_same_energies(recipe: str, tmp_path: Path) -> None:
    box = shaken(built(recipe))
    export_box(box, "gromacs", tmp_path / "export")
    assert_same(box_terms(box), gromacs_terms(tmp_path / "export"))


def test_a_network_has_the_same_energies(tmp_path: Path) -> None:
    box = shaken(small_boxes.network())
    assert box.is_network
    export_box(box, "gromacs", tmp_path / "export")
    assert_same(box_terms(box), gromacs_terms(tmp_path / "export"))


def _improper_with_its_center_first(text: str) -> str:
    changed, n = re.subn(r"^(\d+) (\d+) (\d+) (\d+)( 9 180 43.932 2)$", r"\3 \1 \2 \4\5", text, flags=re.MULTILINE)
    assert n == 3  # EC, DMC, EMC
    return changed


def _full_14(text: str) -> str:
    assert "1 2 yes 0.5 0.5" in text
    return text.replace("1 2 yes 0.5 0.5", "1 2 yes 1.0 1.0")


def _geometric_mixing(text: str) -> str:
    return text.replace("1 2 yes", "1 3 yes")


@pytest.mark.parametrize("wrong", [_improper_with_its_center_first, _full_14, _geometric_mixing])
def test_a_wrong_export_would_show(wrong, lb003_box: Box, tmp_path: Path) -> None:
    export_box(lb003_box, "gromacs", tmp_path / "export")
    topology = tmp_path / "export" / "topol.top"
    topology.write_text(wrong(topology.read_text()))
    assert largest_difference(box_terms(lb003_box), gromacs_terms(tmp_path / "export")) > 10 * SUM


def test_the_switch_is_the_same(lb003_box: Box, tmp_path: Path) -> None:
    (liquid,) = liquid_frames(lb003_box, 1)
    found = switched(liquid, tmp_path)
    without = box_terms(liquid)
    assert abs(without["lennard_jones"] - found["OpenMM"]["lennard_jones"]) > 10  # the switch matters
    assert_same(found["OpenMM"], found["GROMACS"])
    assert_same(found["OpenMM"], found["LAMMPS"])


def test_switch_and_tail_are_nearly_the_same(lb003_box: Box, tmp_path: Path) -> None:
    (liquid,) = liquid_frames(lb003_box, 1)
    found = with_tail(liquid, tmp_path)
    # The tail is -231 kJ/mol; GROMACS takes no excluded pair into its mean coefficient.
    assert found["gromacs"] == pytest.approx(found["openmm"], abs=0.5)
    assert found["lammps"] == pytest.approx(found["openmm"], abs=1.0)
    assert abs(found["pressure"]) < 15


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("gromacs")
    lengths = ["--equilibration", "100", "--production", "25"]
    command = [sys.executable, DATA / "make_gromacs_trajectory.py", out, *lengths]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.mark.parametrize("parity", ["made now", "shipped"])
def test_mixed_precision_is_enough(parity, request):
    folder = request.getfixturevalue("made") if parity == "made now" else DATA / "gromacs_lb003"
    energies = json.loads((folder / "parity.json").read_text())
    assert tuple(energies) == TERMS
    ours, theirs = ({term: row[engine] for term, row in energies.items()} for engine in ("openmm", "gromacs"))
    assert_same(ours, theirs)


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
