"""The built wheel in an empty environment, from another folder: the whole demo, and the liquid it makes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent.parent


def call(*command: object, cwd: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    call(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT, cwd=folder)
    call(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    (wheel,) = folder.glob("solvshell-*.whl")
    call(folder / "venv" / "bin" / "pip", "install", "--quiet", wheel, cwd=folder)
    said = call(folder / "venv" / "bin" / "solvshell", "demo", cwd=folder)
    assert str(folder / "solvshell-demo" / "report.html") in said
    return folder / "solvshell-demo"


def test_openmm_finds_the_force_field_of_the_wheel(demo: Path) -> None:
    code = 'from openmm.app import ForceField; print(sorted(ForceField("solvshell/lb003.xml")._templates))'
    assert "EMC" in call(demo.parent / "venv" / "bin" / "python", "-c", code, cwd=demo.parent)


@pytest.mark.physics
def test_the_liquid_of_the_demo(demo: Path) -> None:
    """Density, Li-O peaks and total coordination lie where experiment and simulation of such liquids put them."""
    tables = demo / "lb003" / "run" / "analysis"
    summary = json.loads((tables / "summary.json").read_text())
    assert 1.18 < summary["thermodynamics"]["density_g_cm3"]["mean"] < 1.28
    assert summary["thermodynamics"]["temperature_k"]["mean"] == pytest.approx(298.15, abs=5)
    peaks = pd.read_csv(tables / "peaks.csv")
    carbonyl = peaks[peaks.site == "carbonyl_o"]
    assert list(carbonyl.partner) == ["EC", "DMC", "EMC"]
    resolved = carbonyl[carbonyl.status == "resolved"]
    assert len(resolved) > 0
    assert resolved.peak_angstrom.between(1.85, 2.10).all()
    assert 4 < summary["coordination"]["total"]["Li"]["mean"] < 6
