"""Campaigns really run: the tiny one and a replica more; an interrupted one; one with a reservoir; one that fails."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import MDAnalysis as mda
import numpy as np
import pandas as pd
import pytest
import yaml
from campaigns import WORKFLOWS
from openmm import app
from small_boxes import small_recipe

from solvshell.files import to_yaml
from solvshell.reservoir import load_reservoir
from solvshell.run import Run

pytestmark = pytest.mark.slow

TINY = ("lb003-n7", "lb003_pota-no3-n8")
MOTION = {"temperature": "298.15 K", "friction": "10 /ps", "log_interval": "0.1 ps"}
LONG_STEPS = {"timestep": "4 fs", "constraints": "h_bonds", "hydrogen_mass": "3.0 Da"}
#: ps
FRAME, PRODUCTION = 0.2, 24.0


def protocol(*stages: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a minimisation and some stages, with a checkpoint every 0.4 ps."""
    content = {"name": "test", "title": "for tests", "timestep": "2 fs", "checkpoint_interval": "0.4 ps"}
    return content | {"stages": [{"kind": "minimize", "max_iterations": 100}, *stages]} | changes


def dynamics(name: str, duration: float, **changes: Any) -> dict[str, Any]:
    times = {"duration": f"{duration} ps", "frame_interval": f"{FRAME} ps"}
    return {"kind": "dynamics", "name": name, **MOTION, **times, **changes}


def write(folder: Path, **files: Any) -> None:
    """Write files as YAML, `samples` as the lines of a sheet."""
    for name, content in files.items():
        if name == "samples":
            (folder / "samples.tsv").write_text("".join("\t".join(map(str, line)) + "\n" for line in content))
        else:
            (folder / f"{name}.yaml").write_text(yaml.safe_dump(content))


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Snakemake with two cores and this environment's programs, in a process group of its own that is ended at last."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(WORKFLOWS / "Snakefile"), "--cores", "2"]
    how: dict[str, Any] = {"cwd": folder, "env": environment, "text": True, "start_new_session": True}
    process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **how)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):  # nothing is left, where all went well
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def snakemake(folder: Path, *arguments: str) -> tuple[int, str]:
    with started(folder, *arguments) as process:
        said, _ = process.communicate(timeout=3600)
    return process.returncode, said


def run_whole(folder: Path, config: str) -> str:
    status, said = snakemake(folder, "--configfile", config, "--show-failed-logs")
    assert status == 0, said
    return said


def hashes(*folders: Path) -> dict[Path, tuple[int, str]]:
    """Return when each file was written and what is in it; those beside trajectories for readers begin with a dot."""
    found = [path for folder in folders for path in folder.rglob("[!.]*") if path.is_file()]
    assert found
    return {path: (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest()) for path in found}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the shipped tiny campaign, run."""
    folder = tmp_path_factory.mktemp("tiny")
    shutil.copytree(WORKFLOWS / "config", folder / "config")
    run_whole(folder, "config/tiny.yaml")
    return folder


def joined_replicas(results: Path, sample: str) -> list[str]:
    summary = json.loads((results / sample / "runs/analysis/summary.json").read_text())
    return [replica["name"] for replica in summary["replicas"]]


def test_the_tiny_campaign_makes_tables_and_pages(tiny: Path) -> None:
    results = tiny / "results/tiny"
    for sample in TINY:
        assert joined_replicas(results, sample) == ["replica-00", "replica-01"]
        page = (results / sample / "report.html").read_text()
        assert page.count("data:image/svg+xml") > 2
        runs = [Run.load(results / sample / "runs" / name) for name in ("replica-00", "replica-01")]
        assert runs[0].provenance["seed"] != runs[1].provenance["seed"]
        for run in runs:
            assert run.is_done
            assert len(pd.read_csv(run.path / "analysis/coordination.csv")) > 0
            assert (run.path / "binding/summary.json").is_file()
    compared = pd.read_csv(results / "comparison/coordination.csv")
    assert list(compared.system.unique()) == ["lb003", "lb003_pota-no3"]
    assert "lb003_pota-no3" in (results / "comparison/index.html").read_text()


def test_every_job_leaves_a_log_and_what_it_cost(tiny: Path) -> None:
    results = tiny / "results/tiny"
    rules = ("build", "equilibrate", "produce", "analyze", "energies")
    jobs = [f"replica-0{index}.{rule}" for index in (0, 1) for rule in rules]
    names = [f"{sample}/{job}" for sample in TINY for job in [*jobs, "join", "report"]] + ["comparison"]
    for name in names:
        assert (results / "logs" / f"{name}.log").stat().st_size > 0, name
        (seconds,) = pd.read_csv(results / "benchmarks" / f"{name}.tsv", sep="\t").s
        assert seconds > 0


def test_snakemake_makes_its_own_report_of_the_pages(tiny: Path) -> None:
    said = snakemake(tiny, "--configfile", "config/tiny.yaml", "--report", "report.zip")
    assert said[0] == 0, said[1]
    assert (tiny / "report.zip").stat().st_size > 1e5


def test_one_more_replica_leaves_all_others_untouched(tiny: Path) -> None:
    results = tiny / "results/tiny"
    assert "Nothing to be done" in run_whole(tiny, "config/tiny.yaml")
    done = [results / TINY[0] / kind / name for kind in ("boxes", "runs") for name in ("replica-00", "replica-01")]
    before = hashes(*done, results / TINY[1])
    sheet = tiny / "config/tiny.tsv"
    sheet.write_text(sheet.read_text().replace("lb003\t2\t", "lb003\t3\t"))
    said = run_whole(tiny, "config/tiny.yaml")
    assert "9 of 9 steps (100%) done" in said
    assert hashes(*done, results / TINY[1]) == before
    assert joined_replicas(results, TINY[0]) == ["replica-00", "replica-01", "replica-02"]


@pytest.fixture
def long_run(tmp_path: Path) -> Path:
    """Return the folder of a campaign of two boxes whose production is worth stopping."""
    production = dynamics("production", PRODUCTION, pressure="1 bar", production=True)
    one = {"threads": 1}
    write(
        tmp_path,
        samples=[("system", "replicas", "n_salt"), ("lb003", 2, 7)],
        protocol=protocol(dynamics("equilibration", 0.4, pressure="1 bar"), production, **LONG_STEPS),
        config={"samples": "samples.tsv", "protocol": "protocol.yaml", "platform": "CPU", "gpu": 0, "binding": []}
        | {"resources": {"equilibrate": one, "produce": one}},
    )
    return tmp_path


def runs_of_long(folder: Path) -> list[Run]:
    return [Run(folder / f"results/lb003-n7/runs/replica-0{index}") for index in (0, 1)]


def newest_checkpoint(run: Run) -> int:
    return max((int(path.name) for path in run.checkpoint_path.glob("[0-9]*")), default=0)


def stop_in_production(folder: Path, number: int, n_checkpoints: int = 2) -> str:
    """Start the campaign, or go on, and send a signal to all its processes when both runs have got on in production."""
    before: dict[Path, int] = {}
    with started(folder, "--configfile", "config.yaml") as process:
        while process.poll() is None:
            now = {run.path: newest_checkpoint(run) for run in runs_of_long(folder)}
            for path, newest in now.items():
                if (folder / "results/lb003-n7/equilibrated" / path.name).exists():
                    before.setdefault(path, newest)
            if len(before) == 2 and all(now[path] - before[path] >= n_checkpoints for path in before):
                os.killpg(process.pid, number)
                break
            time.sleep(0.05)
        said, _ = process.communicate(timeout=300)
    assert process.returncode not in (0, None), said
    assert not any(run.is_done for run in runs_of_long(folder))
    return said


def test_interrupted_campaigns_go_on_inside_their_simulations(long_run: Path) -> None:
    """Ctrl-C, what a cluster sends before it kills, and a power cut, one after the other."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        said = stop_in_production(long_run, number)
        if number != signal.SIGKILL:
            assert "returned non-zero exit status 3" in said
    status, said = snakemake(long_run, "--configfile", "config.yaml")
    assert status != 0
    assert "cannot be locked" in said
    assert snakemake(long_run, "--configfile", "config.yaml", "--unlock")[0] == 0
    run_whole(long_run, "config.yaml")
    for run in runs_of_long(long_run):
        places = [(start["stage"], start["step"]) for start in run.provenance["starts"]]
        assert len(places) == 5  # equilibration, production, and each time it was stopped there
        assert places[:2] == [(0, 0), (2, 0)]
        assert sorted(set(places)) == places
        assert all(stage == 2 for stage, _ in places[1:])
        frames = mda.Universe(app.PDBxFile(str(run.topology_path)), str(run.trajectory_path)).trajectory
        times = [frame.time for frame in frames]
        np.testing.assert_allclose(times, np.arange(0, PRODUCTION + FRAME / 2, FRAME), atol=1e-4)
    assert (long_run / "results/lb003-n7/report.html").is_file()


def test_a_job_that_fails_leaves_its_log_and_the_others_go_on(long_run: Path) -> None:
    """The second sample is so hot that its dynamics explode at once."""
    write(
        long_run,
        samples=[("system", "replicas", "n_salt", "temperature"), ("lb003", 1, 7, ""), ("lb003", 1, 7, 900000)],
        protocol=protocol(dynamics("production", 2.0, production=True), checkpoint_interval="0.2 ps"),
    )
    status, said = snakemake(long_run, "--configfile", "config.yaml", "--keep-going")
    assert status != 0
    results = long_run / "results"
    assert "Error in rule produce" in said
    assert (results / "lb003-n7/report.html").is_file()
    assert not (results / "lb003-n7-900000K/runs/replica-00/done.json").exists()
    log = (results / "logs/lb003-n7-900000K/replica-00.produce.log").read_text()
    assert "failed: results/lb003-n7-900000K/runs/replica-00: the simulation exploded in stage production" in log


def test_a_reservoir_is_measured_and_exchanged_with(tmp_path: Path) -> None:
    decoupling = {
        "kind": "decouple",
        "name": "decoupling",
        "pressure": "1 bar",
        "molecules": ["DMC"],
        "charges": [1, 0.5, 0],
        "lennard_jones": [1, 0.75, 0.5, 0.3, 0.15, 0],
        "relax": "0.1 ps",
        "sample": "1 ps",
        "record_interval": "0.02 ps",
    }
    exchange = {
        "kind": "grand_canonical",
        "name": "exchange",
        "duration": "2 ps",
        "move_interval": "0.1 ps",
        "switching_time": "0.1 ps",
        "frame_interval": "0.05 ps",
    }
    (tmp_path / "bulk.yaml").write_text(to_yaml(small_recipe({"DMC": 12}, "0.4 nm", name="bulk")))
    (tmp_path / "salt.yaml").write_text(to_yaml(small_recipe({"Li": 2, "PF6": 2, "DMC": 10}, "0.4 nm", name="salt")))
    write(
        tmp_path,
        samples=[("system", "replicas", "reservoir"), ("salt.yaml", 1, "dmc")],
        decouple=protocol(decoupling | MOTION, checkpoint_interval="0.1 ps"),
        exchange=protocol(dynamics("equilibration", 0.4), exchange | MOTION, checkpoint_interval="0.1 ps"),
        config={"samples": "samples.tsv", "exchange_protocol": "exchange.yaml", "platform": "CPU", "gpu": 0}
        | {"binding": [], "reservoirs": {"dmc": {"system": "bulk.yaml", "replicas": 1, "protocol": "decouple.yaml"}}},
    )
    run_whole(tmp_path, "config.yaml")
    reservoir = load_reservoir(tmp_path / "results/reservoirs/dmc.yaml")
    assert list(reservoir.species) == ["DMC"]
    run = Run.load(tmp_path / "results/salt-open-dmc/runs/replica-00")
    assert run.protocol.grand_canonical is not None
    assert run.protocol.grand_canonical.reservoir.species == reservoir.species
    assert len(pd.read_csv(run.moves_path)) == 20
    assert "Molecules that come and go" in (tmp_path / "results/salt-open-dmc/report.html").read_text()
