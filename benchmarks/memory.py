"""The largest resident size of one analysis in MiB, as JSON: `python benchmarks/memory.py TOPOLOGY TRAJECTORY`."""

import json
import re
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

from trajectories import R_MAX, SPECIES

from solvshell.analysis import analyze, open_trajectory
from solvshell.analysis.geometry import SolvationGeometry
from solvshell.analysis.sites import select_sites


def peak_mib() -> float:
    """Return the largest resident size of this process so far."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says there begins with the size of the parent
        return int(re.findall(r"VmHWM:\s+(\d+)", status.read_text())[0]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def _timed(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def memory_of(topology: Path, trajectory: Path) -> dict[str, float]:
    """Return the peaks before, of the pass and of everything, in this order, and the seconds and contact rows."""
    universe = open_trajectory(topology, trajectory)
    geometry = SolvationGeometry.from_sites(select_sites(universe, SPECIES), r_max=R_MAX)
    geometry.run(stop=1)  # compiles
    found: dict[str, float] = {"n_frames": len(universe.trajectory), "before": peak_mib()}
    found |= {"pass_s": _timed(geometry.run), "pass": peak_mib()}
    columns = vars(geometry.results.contacts).values()
    found |= {"n_rows": len(geometry.results.contacts.frame), "row_bytes": sum(column.itemsize for column in columns)}
    del geometry, columns
    return found | {
        "everything_s": _timed(lambda: analyze(universe, SPECIES, r_max=R_MAX)),
        "everything": peak_mib(),
    }


if __name__ == "__main__":
    print(json.dumps(memory_of(Path(sys.argv[1]), Path(sys.argv[2]))))
