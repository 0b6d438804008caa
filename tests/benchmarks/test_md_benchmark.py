"""The benchmark of molecular dynamics: what its page says, that both engines are set alike, and a run of seconds."""

import cProfile
import math
import pstats
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import md
import md_choices
import md_engines
import md_gromacs
import md_layer
import md_page
import numpy as np
import openmm
import pytest
from md_boxes import eight_copies
from md_together import Crew

from solvshell.box import Box

CPU = openmm.Platform.getPlatformByName("CPU")
needs_gromacs = pytest.mark.skipif(shutil.which("gmx") is None, reason="needs GROMACS")


@pytest.fixture(scope="module")
def box(box_path: Path) -> Box:
    """Return the smallest box, with velocities."""
    packed = Box.load(box_path)
    context = openmm.Context(packed.system, openmm.VerletIntegrator(0.001), CPU, {"Threads": "1"})
    context.setState(packed.state)
    context.setVelocitiesToTemperature(298.15, 1)
    return replace(packed, state=context.getState(positions=True, velocities=True))


@pytest.fixture(scope="module")
def context(box: Box) -> openmm.Context:
    return md_engines.make_moving(box, md_engines.HEAVY, CPU, threads=1)


# -- in turn


def test_contenders_run_in_turn_and_back() -> None:
    order: list[str] = []
    speeds = {"a": iter([1.0, 2.0]), "b": iter([3.0, 8.0])}

    def contender(name: str) -> md_engines.Contender:
        def run(seconds: float) -> float:
            order.append(name)
            return next(speeds[name])

        return run

    found = md_engines.in_turn({name: contender(name) for name in speeds}, rounds=2, seconds=1.0)
    assert order == ["a", "b", "b", "a"]
    assert found == {"a": [1.0, 2.0], "b": [3.0, 8.0]}
    assert md_engines.ratio(found["b"], found["a"]) == 3.5  # the median of 3 and 4, not 5.5 / 1.5


def test_ns_per_day_by_a_known_clock(context: openmm.Context, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [0]
    monkeypatch.setattr(md_engines, "advance", lambda context, n: steps.__setitem__(0, steps[0] + n))
    found = md_engines.timed(context, 1.0, clock=lambda: steps[0] * 0.01)  # 10 ms per step of 4 fs
    assert found == pytest.approx(4e-6 * 86400 / 0.01)


# -- settings


def test_the_parameter_file_has_what_openmm_does(context: openmm.Context) -> None:
    mdp = md_gromacs.matching_mdp(context, md_engines.HEAVY)
    force = md_engines.nonbonded_of(context.getSystem())
    alpha, *grid = force.getPMEParametersInContext(context)
    # OpenMM's manual: alpha = sqrt(-ln(2 tolerance)) / cutoff
    assert alpha == pytest.approx(math.sqrt(-math.log(2 * 5e-4)) / 1.0, rel=1e-6)
    assert float(mdp["ewald-rtol"]) == pytest.approx(math.erfc(alpha * 1.0), rel=1e-6)
    assert [mdp["fourier-nx"], mdp["fourier-ny"], mdp["fourier-nz"]] == grid
    assert mdp["dt"] == 0.004
    assert mdp["tau-t"] == 1.0
    assert mdp["integrator"] == "sd"


def test_lines_of_a_parameter_file_are_replaced_added_and_taken_out() -> None:
    text = md_gromacs.with_changes(
        "; a comment\ndt = 0.002 ; ps\npcoupl = C-rescale\n", {"dt": 0.004, "pcoupl": None, "x": 1}
    )
    assert text == "dt = 0.004\nx = 1\n"


@needs_gromacs
def test_gromacs_is_set_alike_and_computes_the_same_forces(box: Box, context: openmm.Context, tmp_path: Path) -> None:
    gromacs = md_gromacs.GromacsTiming.like(context, box, md_engines.HEAVY, tmp_path / "gromacs")
    lines = (
        line.partition(";")[0].split("=") for line in (gromacs.runs.folder / "4fs-used.mdp").read_text().splitlines()
    )
    used = {line[0].strip(): line[1].strip() for line in lines if len(line) == 2}
    force = md_engines.nonbonded_of(context.getSystem())
    assert float(used["rcoulomb"]) == float(used["rvdw"]) == force.getCutoffDistance()._value
    assert float(used["rvdw-switch"]) == force.getSwitchingDistance()._value
    assert used["vdw-modifier"] == "Potential-switch"
    assert float(used["dt"]) == context.getIntegrator().getStepSize()._value
    exact = md_choices.tight_forces(box)
    theirs = md_choices.gromacs_error(gromacs, exact)
    (ours,) = md_choices.force_errors(box, CPU, 1, md_choices.CHOICES[:1], exact).values()
    assert theirs == pytest.approx(ours, rel=0.3)  # as accurate as one another
    assert gromacs.timed(threads=1, seconds=0.5) > 0
    parts = gromacs.parts(threads=1, seconds=0.5)
    assert parts["Force"] + parts["PME mesh"] < parts["Total"]


def test_logs_of_gromacs() -> None:
    log = """ Computing:          Num   Num      Call    Wall time         Giga-Cycles
 Neighbor search        1    1         31       0.081          0.211   5.2
 Force                  1    1        800       1.200          3.052  75.5
 NB X/F buffer ops.     1    1       1471       0.004          0.007   0.2
 Update                 1    1       1600       0.016          0.068   1.7
 Rest                                           0.002          0.005   0.1
-----------------------------------------------------------------------------
 Total                                          1.600          4.042 100.0
                 (ns/day)    (hour/ns)
Performance:      166.723        0.144
"""
    assert md_gromacs.performance(log) == 166.723
    parts, n_steps = md_gromacs.counted_parts(log)
    assert n_steps == 800  # `Update` is called twice in a step
    assert parts == {
        "Neighbor search": 0.081, "Force": 1.2, "NB X/F buffer ops.": 0.004, "Update": 0.016, "Rest": 0.002,
        "Total": 1.6,
    }  # fmt: skip


def test_errors_of_forces_follow_the_pme_tolerance(box: Box) -> None:
    exact = md_choices.tight_forces(box)
    wanted = tuple(md_choices.Choice(f"{value:g}", md_choices.pme(value)) for value in (1e-3, 1e-4))
    coarse, fine = md_choices.force_errors(box, CPU, 1, wanted, exact).values()
    assert coarse is not None
    assert fine is not None
    assert 0 < 3 * fine < coarse < 5  # % of the small forces of a minimised box
    assert md_choices.rms_error_percent(1.01 * exact, exact) == pytest.approx(1.0)


# -- boxes


def test_eight_copies_have_eight_times_the_energy(box: Box, tmp_path: Path) -> None:
    eight_copies(box).save(tmp_path / "box")
    large = Box.load(tmp_path / "box")
    assert large.n_atoms == 8 * box.n_atoms
    assert large.topology.getNumBonds() == 8 * box.topology.getNumBonds()
    assert large.counts == {name: 8 * count for name, count in box.counts.items()}
    assert large.density_g_cm3 == pytest.approx(box.density_g_cm3)

    def energy(of: Box) -> float:
        context = openmm.Context(of.system, openmm.VerletIntegrator(0.001), CPU)
        context.setState(of.state)
        return context.getState(energy=True).getPotentialEnergy()._value

    assert energy(large) / 8 == pytest.approx(energy(box), abs=0.02 * box.n_atoms**0.5)  # PME on another grid


# -- our layer


def test_the_layer_is_timed_in_its_pieces(box: Box, tmp_path: Path) -> None:
    box.save(tmp_path / "box")
    ours = md_layer.Layer(tmp_path / "box", CPU, threads=1, expected=10.0)
    assert ours.simulated(0.1) > 0
    pieces = ours.pieces(0.1)
    assert set(pieces) == {*md_layer.PIECES, "the loop itself"}
    assert max(pieces, key=pieces.__getitem__) == "OpenMM's steps"
    assert 0 < md_layer.overhead_percent(pieces) < 50
    assert [path.name for path in tmp_path.iterdir()] == ["box"]


def test_a_checkpoint_weighs_as_seldom_as_it_is_made(tmp_path: Path) -> None:
    def function(name: str, file: str) -> tuple[str, int, str]:
        return (str(tmp_path / file), 1, name)

    seconds = {
        ("engine.py", "advance"): (10, 8.0), ("stage.py", "_look"): (4, 0.4), ("stage.py", "_write_frame"): (4, 0.2),
        ("outputs.py", "log"): (2, 0.1), ("stage.py", "_save"): (2, 1.0), ("md_layer.py", "update"): (10, 0.1),
        ("stage.py", "_to_the_end"): (1, 10.0),
    }  # fmt: skip
    profile = cProfile.Profile()
    profile.enable()
    profile.disable()
    stats = pstats.Stats(profile)
    stats.stats = {function(name, file): (n, n, s, s, {}) for (file, name), (n, s) in seconds.items()}
    found = md_layer.divided(stats, ps=4.0, checkpoint_ps=200.0)
    assert found["OpenMM's steps"] == pytest.approx(2000.0)
    assert found["checkpoints"] == pytest.approx(1000 * 0.5 / 200)
    assert found["the loop itself"] == pytest.approx(50.0)
    assert md_layer.overhead_percent(found) == pytest.approx(100 * (1 - 2000 / (2000 + 100 + 50 + 25 + 2.5 + 25 + 50)))


# -- processes


def test_two_processes_run_together(box: Box, tmp_path: Path) -> None:
    box.save(tmp_path / "box")
    with Crew(tmp_path / "box", "CPU", [1, 2]) as crew:
        one, two = (crew.contender(k, threads=1)(0.5) for k in (1, 2))
    assert one > 0
    assert two > 0


@pytest.mark.gpu
def test_processes_share_a_gpu(box: Box, tmp_path: Path) -> None:
    box.save(tmp_path / "box")
    with Crew(tmp_path / "box", "CUDA", [1, 4]) as crew:
        one, four = (crew.contender(k, threads=1)(2.0) for k in (1, 4))
    assert four > one


# -- all of it


@pytest.mark.slow
def test_the_command_writes_its_tables(box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box.save(tmp_path / "boxes" / "lb003-7")
    command = [
        "md.py",
        "--platform",
        "CPU",
        "--sizes",
        "7",
        "--replicas",
        "1",
        "2",
        "--seconds",
        "0.3",
        "--rounds",
        "1",
    ]
    monkeypatch.setattr(sys, "argv", [*command, "--boxes", str(tmp_path / "boxes"), "--out", str(tmp_path / "out")])
    md.main()
    text = (tmp_path / "out" / "md-cpu.md").read_text()
    for heading in ("One run", "Several processes", "What our layer costs", "Settings", "A step in parts", "Memory"):
        assert f"## {heading}" in text
    assert (tmp_path / "out" / "md-cpu.json").is_file()


MADE = {
    "command": "python benchmarks/md.py --out there", "date": "2026-11-25T22:50+00:00", "platform": "CUDA",
    "device": "a card", "processor": "a processor", "cores": 16, "mps": False, "versions": {"OpenMM": "8.6"},
    "rounds": 3, "seconds": 3.0, "remark": "",
    "settings": {
        "precision": "mixed", "cutoff_nm": 1.0, "switch_nm": 0.9, "pme_tolerance": 5e-4, "pme_alpha_per_nm": 2.6283,
        "pme_grid_of_smallest": [22, 22, 22], "friction_per_ps": 1.0,
    },
}  # fmt: skip


def test_the_page_has_medians_ranges_and_ratios() -> None:
    speed = {"atoms": 1444, "step": "4 fs, H 3 Da", "n_salt": 10}
    rows = [{"engine": "OpenMM", "processes": k, "threads": None, "ns_per_day": list(np.array([10.0, 20.0, 11.0]) * k)}
            for k in (1, 2)]  # fmt: skip
    text = md_page.page(
        {
            "made": MADE,
            "speed": [speed | {"ns_per_day": {"OpenMM": [10.0, 20.0, 11.0], "GROMACS": [20.0, 60.0, 33.0]}}],
            "together": {"atoms": 1444, "rows": rows},
            "memory": {"atoms": 58176, "ps": 0.2, "peak_mib": 699.4, "gpu_mib": 400},
        }
    )
    assert "| 1,444 | 4 fs, H 3 Da | 11 (10-20) | 33 (20-60) | 3.00 |" in text
    assert "| OpenMM | 2 | 22 (20-40) | 2.00 |" in text
    assert "Processes take turns (no MPS)." in " ".join(text.split())
    assert "at most 699 MiB resident and 400 MiB on the GPU" in " ".join(text.split())
    assert max(len(line) for line in text.splitlines() if not line.startswith("|")) <= 118
    assert "## Settings" not in text
