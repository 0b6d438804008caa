"""How fast molecular dynamics of LB-003 goes here: beside GROMACS, as replicas, by settings; what our layer costs.

    python benchmarks/md.py --out benchmarks/results

Writes md-PLATFORM.md and md-PLATFORM.json (md-cuda-mps where NVIDIA's multi-process service runs). Boxes are made once
and kept in --boxes; with them it takes less than ten minutes on two CPU cores. All that is compared is run in turn,
some seconds at a time, and ratios are taken within a round.
"""

import argparse
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import openmm
from md_boxes import timing_box
from md_choices import CHOICES, ON_CPU, force_errors, gromacs_error, openmm_parts, tight_forces
from md_engines import HEAVY, REAL, Contender, Scheme, in_turn, make_moving, nonbonded_of, timed
from md_gromacs import GromacsTiming
from md_layer import Layer, memory, whole_ps
from md_page import page
from md_together import Crew

from solvshell import __version__
from solvshell.box import Box
from solvshell.engine import choose_platform, device_of, precision_of
from solvshell.files import write_atomically, write_json
from solvshell.md.devices import has_mps
from solvshell.workers import n_cores

TABLES = ("speed", "together", "layer", "choices", "parts", "memory")


class Bench:
    """What all tables share: the boxes, the platform, how long and how often; and engines made when first asked for."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.platform = choose_platform(arguments.platform)
        self.rounds, self.seconds = arguments.rounds, arguments.seconds
        self.replicas = arguments.replicas
        self.threads = int(os.environ.get("OPENMM_CPU_THREADS", n_cores()))
        self.on_cpu = self.platform.getName() == "CPU"
        self.paths = {n: timing_box(n, arguments.boxes, self.platform.getName()) for n in sorted(arguments.sizes)}
        self.boxes = {n: Box.load(path) for n, path in self.paths.items()}
        self.smallest, self.largest = min(self.paths), max(self.paths)

    @property
    def has_gromacs(self) -> bool:
        """Whether GROMACS runs beside: on the CPU."""
        return self.on_cpu and shutil.which("gmx") is not None

    def gromacs(self, n_salt: int, context: openmm.Context, scheme: Scheme = HEAVY) -> GromacsTiming:
        """Return GROMACS with a box and the settings of a context."""
        folder = self.paths[n_salt].with_name(f"gromacs-{n_salt}")
        return GromacsTiming.like(context, self.boxes[n_salt], scheme, folder)

    def turns(self, contenders: dict[str, Contender]) -> dict[str, list[float]]:
        """Return the ns/day of contenders in turn."""
        return in_turn(contenders, self.rounds, self.seconds)


def speed(bench: Bench) -> list[dict[str, Any]]:
    """Return the ns/day of single runs: all sizes, two steps, OpenMM and GROMACS."""
    rows = []
    for n_salt, box in bench.boxes.items():
        for scheme in (HEAVY, REAL):
            context = make_moving(box, scheme, bench.platform, bench.threads)
            contenders: dict[str, Contender] = {"OpenMM": partial(timed, context)}
            if bench.has_gromacs:
                contenders["GROMACS"] = partial(bench.gromacs(n_salt, context, scheme).timed, bench.threads)
            found = bench.turns(contenders)
            rows.append({"n_salt": n_salt, "atoms": box.n_atoms, "step": scheme.name, "ns_per_day": found})
    return rows


def _shares(bench: Bench) -> list[tuple[int, int]]:
    """Return numbers of processes with the threads of each; on a CPU also one process with one thread."""
    if not bench.on_cpu:
        return [(k, 1) for k in bench.replicas]
    shares = [(k, max(1, bench.threads // k)) for k in bench.replicas]
    return [*shares, *([(1, 1)] if bench.threads > 1 else [])]


def together(bench: Bench) -> dict[str, Any]:
    """Return the ns/day of K processes with the smallest box together."""
    n_salt, shares = bench.smallest, _shares(bench)
    with Crew(bench.paths[n_salt], bench.platform.getName(), bench.replicas) as crew:
        contenders = {("OpenMM", k, threads): crew.contender(k, threads) for k, threads in shares}
        if bench.has_gromacs:
            context = make_moving(bench.boxes[n_salt], HEAVY, bench.platform, bench.threads)
            gromacs = bench.gromacs(n_salt, context)
            few = [(k, threads) for k, threads in shares if k <= bench.threads]
            contenders |= {("GROMACS", k, threads): gromacs.together(k, threads) for k, threads in few}
        found = in_turn(contenders, bench.rounds, bench.seconds)
    rows = [
        {"engine": engine, "processes": k, "threads": threads if bench.on_cpu else None, "ns_per_day": values}
        for (engine, k, threads), values in found.items()
    ]
    return {"atoms": bench.boxes[n_salt].n_atoms, "rows": rows}


def layer(bench: Bench) -> dict[str, Any]:
    """Return the ns/day of `simulate` and of a bare loop, and ms per ps of the pieces of `simulate`."""
    path, box = bench.paths[bench.smallest], bench.boxes[bench.smallest]
    expected = timed(make_moving(box, HEAVY, bench.platform, bench.threads), 1.0)
    ours = Layer(path, bench.platform, bench.threads, expected)
    found = in_turn({"simulate": ours.simulated, "bare": ours.bare()}, bench.rounds, 2 * bench.seconds)
    pieces = ours.pieces(2 * bench.seconds)
    return {"atoms": box.n_atoms, "ps": whole_ps(expected, 2 * bench.seconds), "ns_per_day": found, "ms_per_ps": pieces}


def choices(bench: Bench) -> dict[str, Any]:
    """Return ns/day (by processor time on a CPU) and errors of the forces of each choice for the smallest box."""
    box = bench.boxes[bench.smallest]
    tried = CHOICES + (ON_CPU if bench.on_cpu else ())
    exact = tight_forces(box)
    errors = force_errors(box, bench.platform, 1, tried, exact)
    if bench.has_gromacs:
        context = make_moving(box, HEAVY, bench.platform, 1)
        errors["GROMACS"] = gromacs_error(bench.gromacs(bench.smallest, context), exact)
    found = bench.turns({choice.name: choice.contender(box, bench.platform, 1) for choice in tried})
    return {
        "atoms": box.n_atoms,
        "threads": 1 if bench.on_cpu else None,
        "ns_per_day": found,
        "force_error_percent": errors,
        "elsewhere": {choice.name: choice.accuracy for choice in tried},
    }


def parts(bench: Bench) -> dict[str, Any]:
    """Return ms per step of the parts of a step in OpenMM and GROMACS, on one thread of a CPU."""
    box = bench.boxes[bench.smallest]
    found: dict[str, Any] = {"atoms": box.n_atoms, "threads": 1 if bench.on_cpu else None}
    found["OpenMM"] = openmm_parts(box, bench.platform, 1, bench.seconds)
    if bench.has_gromacs:
        context = make_moving(box, HEAVY, bench.platform, 1)
        found["GROMACS"] = bench.gromacs(bench.smallest, context).parts(1, bench.seconds)
    return found


def memory_of_largest(bench: Bench) -> dict[str, Any]:
    """Return the memory of `solvshell run` with the largest box."""
    path = bench.paths[bench.largest]
    return {"atoms": bench.boxes[bench.largest].n_atoms, **memory(path, bench.platform, HEAVY.timestep * 50)}


def described(bench: Bench, remark: str) -> dict[str, Any]:
    """Return when, where and with what the tables were made, and the settings of the runs."""
    box = bench.boxes[bench.smallest]
    context = make_moving(box, HEAVY, bench.platform, bench.threads)
    force = nonbonded_of(context.getSystem())
    alpha, *grid = force.getPMEParametersInContext(context)
    versions = {"solvshell": __version__, "OpenMM": openmm.version.version}
    if bench.has_gromacs:
        versions["GROMACS"] = bench.gromacs(bench.smallest, context).runs.version().removeprefix("GROMACS ")
    return {
        "command": shlex.join(["python", "benchmarks/md.py", *sys.argv[1:]]),
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "platform": bench.platform.getName(),
        "device": device_of(context),
        "processor": _processor(),
        "cores": n_cores(),
        "mps": has_mps() if bench.platform.getName() == "CUDA" else None,
        "versions": versions,
        "rounds": bench.rounds,
        "seconds": bench.seconds,
        "remark": remark,
        "settings": {
            "precision": precision_of(bench.platform).get("Precision", "single for forces, double for the rest"),
            "cutoff_nm": force.getCutoffDistance()._value,
            "switch_nm": force.getSwitchingDistance()._value if force.getUseSwitchingFunction() else None,
            "pme_tolerance": force.getEwaldErrorTolerance(),
            "pme_alpha_per_nm": alpha,
            "pme_grid_of_smallest": grid,
            "friction_per_ps": context.getIntegrator().getFriction()._value,
        },
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--platform", help="CUDA, HIP, OpenCL or CPU (default: the fastest that works)")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 50, 400], help="LiPF6 in the boxes")
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 2, 4, 8, 16], help="processes together")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each timing")
    parser.add_argument("--rounds", type=int, default=3, help="how often all are timed in turn")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--boxes", type=Path, default=Path("runs/md"), help="folder that keeps the boxes")
    parser.add_argument("--remark", default="", help="a sentence for the page")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    bench = Bench(arguments)
    results: dict[str, Any] = {"made": described(bench, arguments.remark)}
    makers: dict[str, Callable[[Bench], Any]] = {
        "speed": speed, "together": together, "layer": layer, "choices": choices, "parts": parts,
        "memory": memory_of_largest,
    }  # fmt: skip
    for name in arguments.tables:
        began = time.perf_counter()
        results[name] = makers[name](bench)
        print(f"  {name}: {time.perf_counter() - began:.0f} s", flush=True)
    stem = f"md-{bench.platform.getName().lower()}" + ("-mps" if results["made"]["mps"] else "")
    write_json(arguments.out / f"{stem}.json", results)
    write_atomically(arguments.out / f"{stem}.md", page(results))
    print(page(results))


if __name__ == "__main__":
    main()
