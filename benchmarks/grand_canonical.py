"""Grand-canonical moves in liquids: TIP3P water against published acceptance, DMC, and what they cost.

python benchmarks/grand_canonical.py water 11 --out RUNS     # switching time in ps; also 5, 25: half an hour each
python benchmarks/grand_canonical.py states --out RUNS       # the free energy of one water by MBAR
python benchmarks/grand_canonical.py dmc 50 --out RUNS       # also 25, 100
python benchmarks/grand_canonical.py speed --out RUNS        # --platform CUDA on a GPU
python benchmarks/grand_canonical.py table --out RUNS        # benchmarks/results/ and docs/results/grand_canonical.md
"""

import argparse
import math
from pathlib import Path

from exchange_liquids import TEMPERATURE_K, WATER_NM3, dmc, water
from exchange_page import write_page
from exchange_runs import Series
from exchange_speed import measure_speed
from exchange_states import run_states

from solvshell.units import kT_kj_mol

#: kJ/mol; excess chemical potential of TIP3P at 298 K and 1 bar: READMEs of grand and of loch
WATER_MU = -6.09 * 4.184
N_WATER, WATER_ROOM, WATER_BETWEEN_PS = 100, 14, 1.0
#: with the one that is decoupled; the mean number that the moves have settled at
N_WATER_OF_STATES = 102
N_DMC, DMC_BETWEEN_PS = 48, 4.0


def run_water(switching_ps: float, n_attempts: int, seed: int, out: Path) -> None:
    """Run, or go on with, moves of water; a line for each."""
    activity = math.exp(WATER_MU / kT_kj_mol(TEMPERATURE_K)) / WATER_NM3
    liquid = water(N_WATER, N_WATER * WATER_NM3, seed)
    series = Series(liquid, activity, switching_ps, WATER_BETWEEN_PS, N_WATER, WATER_ROOM, seed)
    for attempt in series.attempts(out / f"water-{switching_ps:g}ps-{seed}", n_attempts):
        print(attempt.kind, attempt.n_before, f"{attempt.work_kj_mol:.1f}", attempt.outcome, flush=True)


def run_dmc(switching_ps: float, n_attempts: int, seed: int, out: Path) -> None:
    """Run, or go on with, switches between one molecule less and all: insertions there, deletions here, all undone."""
    liquid = dmc(N_DMC, seed)
    ways = [
        Series(liquid, 1.0, switching_ps, DMC_BETWEEN_PS, n_real, 1, seed, (kind,)).attempts(
            out / f"dmc-{switching_ps:g}ps-{kind}-{seed}", n_attempts
        )
        for n_real, kind in ((N_DMC - 1, "insertion"), (N_DMC, "deletion"))
    ]
    for both in zip(*ways, strict=True):
        print(*(f"{attempt.kind} {attempt.work_kj_mol:.1f}" for attempt in both), flush=True)


def main() -> None:
    """Run a series, time steps, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["water", "states", "dmc", "speed", "table"])
    parser.add_argument("switching_ps", type=float, nargs="?")
    parser.add_argument("--attempts", type=int, default=1000, help="in all; of DMC in each direction")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--platform", help="of speed: Reference, CPU, OpenCL, CUDA or HIP")
    parser.add_argument("--out", type=Path, required=True, help="folder of runs; kept and resumed")
    arguments = parser.parse_args()
    if arguments.what == "table":
        write_page(arguments.out)
    elif arguments.what == "states":
        run_states(N_WATER_OF_STATES, N_WATER * WATER_NM3, arguments.seed, arguments.out)
    elif arguments.what == "speed":
        measure_speed(arguments.out, arguments.platform)
    elif arguments.switching_ps is None:
        parser.error("a switching time in ps, such as 'water 11'")
    else:
        run = run_water if arguments.what == "water" else run_dmc
        run(arguments.switching_ps, arguments.attempts, arguments.seed, arguments.out)


if __name__ == "__main__":
    main()
