"""What our layer costs: `simulate` with its files against a bare OpenMM loop, piece by piece, and memory."""

import cProfile
import pstats
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import openmm
from md_engines import HEAVY, make_moving

from solvshell.box import Box
from solvshell.files import to_yaml
from solvshell.md import simulate
from solvshell.progress import Silent
from solvshell.protocol import Protocol
from solvshell.run import Run, open_run

#: our functions between which the time of a stage is divided, and what each of them does; all else is `the loop itself`
PIECES = {
    "OpenMM's steps": ("engine.py", "advance"),
    "state for a frame or a line": ("stage.py", "_look"),
    "frames encoded and appended": ("stage.py", "_write_frame"),
    "lines of the log": ("outputs.py", "log"),
    "checkpoints": ("stage.py", "_save"),
    "progress": ("md_layer.py", "update"),
}
_WHOLE = ("stage.py", "_to_the_end")


def production_alone(duration_ps: float, checkpoint_ps: float | None = None) -> Protocol:
    """Return the production stage of `standard`, of another length and perhaps with more frequent checkpoints."""
    standard = HEAVY.protocol()
    stage = standard.production.model_copy(update={"duration": duration_ps})
    interval = standard.checkpoint_interval if checkpoint_ps is None else checkpoint_ps
    return standard.model_copy(update={"stages": [stage], "checkpoint_interval": interval})


class Clock(Silent):
    """Times a stage from its start to the last thing it said."""

    def __init__(self) -> None:
        self.began = self.now = 0.0

    def start(self, name: str, total_ps: float, done_ps: float = 0.0) -> None:  # noqa: D102
        self.began = time.perf_counter()

    def update(self, done_ps: float, ns_per_day: float) -> None:  # noqa: D102
        self.now = time.perf_counter()


def whole_ps(ns_per_day: float, seconds: float) -> float:
    """Return about how many ps, an even number, a speed makes of some seconds."""
    return 2.0 * max(1, round(ns_per_day / 86.4 * seconds / 2))


@dataclass(frozen=True)
class Layer:
    """A box, a platform and the ns/day that are expected of them."""

    box_path: Path
    platform: openmm.Platform
    threads: int
    expected: float

    def run_for(self, protocol: Protocol, run_it: Callable[[Run], None]) -> None:
        """Make a run of a protocol in a temporary folder and do something with it."""
        with tempfile.TemporaryDirectory(dir=self.box_path.parent) as folder:
            run_it(open_run(Path(folder) / "run", self.box_path, protocol, seed=1))

    def simulated(self, seconds: float) -> float:
        """Return the ns/day of `simulate` over a stage that lasts about some seconds."""
        clock, ps = Clock(), whole_ps(self.expected, seconds)
        self.run_for(production_alone(ps), lambda run: simulate(run, self.platform.getName(), clock) and None)
        return ps * 86.4 / (clock.now - clock.began)

    def bare(self) -> Callable[[float], float]:
        """Return what gives the ns/day of ``integrator.step`` alone, on the system that `simulate` makes."""
        stage = HEAVY.protocol().production
        context = make_moving(Box.load(self.box_path), HEAVY, self.platform, self.threads, stage.pressure)

        def bare(seconds: float) -> float:
            ps = whole_ps(self.expected, seconds)
            began = time.perf_counter()
            context.getIntegrator().step(round(ps / HEAVY.timestep))
            context.getState(velocities=True)
            return ps * 86.4 / (time.perf_counter() - began)

        return bare

    def pieces(self, seconds: float) -> dict[str, float]:
        """Return ms per simulated ps of the pieces of a stage at the intervals of `standard`.

        By a profile of one run, which makes Python slower: no piece but OpenMM's steps is cheaper than told. The run
        has two checkpoints, whose cost is divided by the interval of `standard`.
        """
        ps = whole_ps(self.expected, seconds)
        profile = cProfile.Profile()

        def profiled(run: Run) -> None:
            assert run.box.mass > 0  # summed once in a run, however long
            with profile:
                simulate(run, self.platform.getName(), Clock())

        self.run_for(production_alone(ps, checkpoint_ps=ps / 4), profiled)
        return divided(pstats.Stats(profile), ps, HEAVY.protocol().checkpoint_interval)


def divided(stats: pstats.Stats, ps: float, checkpoint_ps: float) -> dict[str, float]:
    """Return ms per ps of each piece of a profiled stage of some ps, with a checkpoint every so many ps.

    Raises
    ------
    KeyError
        If a function of `PIECES` was not called.
    """
    calls = {(Path(file).name, name): row for (file, _, name), row in stats.stats.items()}  # type: ignore[attr-defined]
    seconds = {piece: calls[function][3] for piece, function in PIECES.items()}
    rest = calls[_WHOLE][3] - sum(seconds.values())
    each = seconds.pop("checkpoints") / calls[PIECES["checkpoints"]][1]
    found = {piece: 1000 * spent / ps for piece, spent in seconds.items()}
    return found | {"checkpoints": 1000 * each / checkpoint_ps, "the loop itself": 1000 * max(0.0, rest) / ps}


def overhead_percent(pieces: dict[str, float]) -> float:
    """Return which part of a run is none of OpenMM's steps, in percent."""
    return 100 * (1 - pieces["OpenMM's steps"] / sum(pieces.values()))


def _peak_kib(pid: int) -> int:
    try:
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) if found else 0


def gpu_mib(pid: int) -> int | None:
    """Return the MiB that a process has on NVIDIA GPUs, or None without ``nvidia-smi``."""
    if shutil.which("nvidia-smi") is None:
        return None
    query = ["nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
    rows = subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()
    pairs = (row.split(",") for row in rows)
    return sum(int(used) for process, used in pairs if int(process) == pid)


def memory(box_path: Path, platform: openmm.Platform, ps: float) -> dict[str, float | str | None]:
    """Return the largest resident size of ``solvshell run`` with a box, in MiB, and what it has on the GPU."""
    short = production_alone(ps, checkpoint_ps=ps / 2)
    often = short.production.model_copy(update={"frame_interval": ps / 2, "log_interval": ps / 2})
    with tempfile.TemporaryDirectory(dir=box_path.parent) as folder:
        protocol = Path(folder) / "short.yaml"
        protocol.write_text(to_yaml(short.model_copy(update={"stages": [often]})))
        what = ["run", str(box_path), "--protocol", str(protocol), "--out", str(Path(folder) / "run")]
        command = [sys.executable, "-m", "solvshell.cli", *what, "--platform", platform.getName()]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        peak, on_gpu = 0, gpu_mib(process.pid)
        while process.poll() is None:
            peak = max(peak, _peak_kib(process.pid))
            if on_gpu is not None:
                on_gpu = max(on_gpu, gpu_mib(process.pid) or 0)
            time.sleep(0.05)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)}: {process.stderr.read() if process.stderr else ''}")
    return {"ps": ps, "peak_mib": peak / 1024, "gpu_mib": on_gpu}
