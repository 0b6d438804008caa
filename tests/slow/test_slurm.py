"""Campaigns under a real Slurm on this machine: jobs that share a GPU, are requeued and preempted, and go on."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from small_boxes import small_recipe

from solvshell.files import to_yaml
from solvshell.md.checkpoints import numbered, read_checkpoint

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tests/slurm/local_slurm.sh"
PRODUCTION = 2  # its number among the stages of PROTOCOL

#: enough steps that a job can be requeued and preempted in the middle of it
PROTOCOL = """
name: short
title: for tests
timestep: 4 fs
constraints: h_bonds
hydrogen_mass: 3.0 Da
checkpoint_interval: 0.5 ps
stages:
- {kind: minimize, max_iterations: 200}
- {kind: dynamics, name: equilibration, duration: 0.4 ps, temperature: 298.15 K, friction: 5 /ps,
   frame_interval: 0.1 ps, log_interval: 0.1 ps}
- {kind: dynamics, name: production, production: true, duration: 20 ps, temperature: 298.15 K,
   frame_interval: 0.5 ps, log_interval: 0.5 ps}
"""
COUNTS = {"Li": 4, "PF6": 4, "EC": 12, "DMC": 8}
CONFIG = {"samples": "samples.tsv", "protocol": "protocol.yaml", "platform": "CPU", "binding": []}
RULES = ("build", "equilibrate", "produce", "analyze", "join", "report")

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Slurm:
    """The environment in which its programs find it."""

    environment: dict[str, str]

    def __call__(self, *command: str) -> str:
        """Return what one of its programs prints."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def state(self, job: str) -> dict[str, str]:
        """Return what the controller knows of a job."""
        return dict(re.findall(r"(\S+?)=(\S*)", self("scontrol", "show", "job", job)))


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    for program, package in (("sbatch", "slurm-wlm"), ("munged", "munge")):
        if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") is None:
            pytest.skip(f"needs the Debian package {package}")
    folder = tmp_path_factory.mktemp("slurm")
    path = f"{folder}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"
    try:
        subprocess.run([SCRIPT, "start", folder], check=True, stdout=subprocess.DEVNULL)
        yield Slurm(os.environ | {"SLURM_CONF": f"{folder}/slurm.conf", "PATH": path})
    finally:  # of a start that fails some daemons are there
        subprocess.run([SCRIPT, "stop", folder], check=True)


def wait_for(what: Callable[[], bool], process: subprocess.Popen[bytes], said: Path, seconds: float = 300) -> None:
    """Wait until something is so, which it has to be while a process lives."""
    end = time.monotonic() + seconds
    while not what():
        assert process.poll() is None, said.read_text()[-4000:]
        assert time.monotonic() < end, said.read_text()[-4000:]
        time.sleep(0.1)


@dataclass(frozen=True)
class Campaign:
    """A folder that snakemake works in."""

    folder: Path
    slurm: Slurm
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def said(self) -> Path:
        """What snakemake says."""
        return self.folder / "said.txt"

    def write(self, replicas: int) -> None:
        little = {rule: {"threads": 1, "mem_mb": 500, "runtime": 10} for rule in RULES}
        (self.folder / "config.yaml").write_text(json.dumps(CONFIG | {"resources": little}))
        (self.folder / "protocol.yaml").write_text(PROTOCOL)
        (self.folder / "small.yaml").write_text(to_yaml(small_recipe(COUNTS, "0.5 nm")))
        (self.folder / "samples.tsv").write_text(f"system\treplicas\nsmall.yaml\t{replicas}\n")

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        """Start snakemake with the shipped profile, and what the cluster here needs besides."""
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflows/Snakefile"), *options]
        command += ["--directory", str(self.folder), "--configfile", str(self.folder / "config.yaml")]
        command += ["--profile", str(ROOT / "workflows/profiles/slurm")]
        command += ["--workflow-profile", str(ROOT / "tests/slurm/profile")]
        with open(self.said, "w") as said:
            process = subprocess.Popen(command, env=self.slurm.environment, stdout=said, stderr=subprocess.STDOUT)
        self.processes.append(process)
        return process

    def finish(self, process: subprocess.Popen[bytes]) -> None:
        assert process.wait(1200) == 0, self.said.read_text()[-4000:]

    def jobs(self) -> list[str]:
        """Return the jobs that were submitted last, in their order."""
        return re.findall(r"SLURM jobid (\d+)", self.said.read_text())

    def run(self, replica: int) -> Path:
        return self.folder / f"results/small/runs/replica-{replica:02d}"

    def starts(self, replica: int) -> list[dict[str, int]]:
        """Return stage and step of each start of a run."""
        path = self.run(replica) / "provenance.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        return [{key: start[key] for key in ("stage", "step")} for start in known.get("starts", [])]

    def is_producing(self, replica: int, n_starts: int) -> bool:
        """Return whether a run has gone on so often, and has a checkpoint within production."""
        checkpoints = numbered(self.run(replica) / "checkpoint")
        newest = read_checkpoint(checkpoints[-1]) if checkpoints else None
        in_production = newest is not None and newest.stage == PRODUCTION and newest.step > 0
        return in_production and len(self.starts(replica)) == n_starts

    def process_environment(self, replica: int) -> dict[str, str]:
        """Return the environment of the process that has a run."""
        pid = json.loads((self.run(replica) / ".lock").read_text())["pid"]
        pairs = Path(f"/proc/{pid}/environ").read_text().split("\0")
        return dict(pair.split("=", 1) for pair in pairs if pair)


@pytest.fixture(scope="module")
def campaign(slurm: Slurm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    """A campaign whose boxes were built by Slurm."""
    campaign = Campaign(tmp_path_factory.mktemp("campaign"), slurm)
    try:
        campaign.write(replicas=4)
        campaign.finish(campaign.start("--until", "build"))
        jobs = [slurm.state(job) for job in campaign.jobs()]
        assert [job["JobState"] for job in jobs] == ["COMPLETED"] * 4
        yield campaign
    finally:
        for process in campaign.processes:  # one is left where a test has failed
            process.kill()
            process.wait()


def test_jobs_share_a_gpu_and_go_on_when_requeued_and_preempted(slurm: Slurm, campaign: Campaign) -> None:
    campaign.write(replicas=2)
    process = campaign.start()
    wait_for(lambda: campaign.is_producing(0, 2) and campaign.is_producing(1, 2), process, campaign.said)
    processes = [campaign.process_environment(replica) for replica in (0, 1)]
    first, second = (process["SLURM_JOB_ID"] for process in processes)
    assert {first, second} == set(campaign.jobs())
    assert [process["CUDA_VISIBLE_DEVICES"] for process in processes] == ["0", "0"]
    for job in (first, second):
        assert (
            slurm.state(job).items() >= {"JobState": "RUNNING", "TresPerNode": "gres:shard:1", "NumCPUs": "1"}.items()
        )

    slurm("scontrol", "requeue", first)
    wait_for(lambda: campaign.is_producing(0, 3), process, campaign.said)
    assert slurm.state(first)["Restarts"] == "1"

    slurm("sbatch", "--partition=urgent", "--exclusive", "--mem=100", "--output=/dev/null", "--wrap=sleep 3")
    campaign.finish(process)
    assert slurm.state(first)["Restarts"] == "2"
    steps = [start["step"] for start in campaign.starts(0) if start["stage"] == PRODUCTION]
    assert steps[0] == 0 < steps[1] < steps[2]
    assert {slurm.state(job)["JobState"] for job in campaign.jobs()} == {"COMPLETED"}
    assert (campaign.folder / "results/small/report.html").exists()


def test_a_group_in_one_allocation_goes_on_when_it_ended_within_the_grace_time(
    slurm: Slurm, campaign: Campaign
) -> None:
    """What ends within it has failed, for Slurm, and is not requeued: Snakemake submits it again."""
    slurm("scontrol", "update", "PartitionName=spare", "GraceTime=20")
    campaign.write(replicas=4)
    whole_gpu = [f"{rule}:{need}" for rule in ("equilibrate", "produce") for need in ("gpu=0", "gres=gpu:1")]
    targets = [str((campaign.run(replica) / "done.json").relative_to(campaign.folder)) for replica in (2, 3)]
    options = ["--group-components", "simulate=2", "--set-resources", *whole_gpu]
    process = campaign.start(*targets, *options)
    wait_for(lambda: campaign.is_producing(2, 2) or campaign.is_producing(3, 2), process, campaign.said)
    (job,) = campaign.jobs()
    assert slurm.state(job).items() >= {"JobState": "RUNNING", "TresPerNode": "gres:gpu:1", "NumCPUs": "2"}.items()
    stopped = 2 if campaign.is_producing(2, 2) else 3

    slurm("sbatch", "--partition=urgent", "--exclusive", "--mem=100", "--output=/dev/null", "--wrap=sleep 3")
    campaign.finish(process)
    _, again = campaign.jobs()
    assert [slurm.state(number)["JobState"] for number in (job, again)] == ["FAILED", "COMPLETED"]
    steps = [start["step"] for start in campaign.starts(stopped) if start["stage"] == PRODUCTION]
    assert steps[0] == 0 < steps[1]
