"""Excess chemical potentials against references: DMC against GROMACS, TIP3P water against published numbers.

python benchmarks/chemical_potentials.py run dmc --out mu-runs            # 50 minutes of one core each
python benchmarks/chemical_potentials.py run dmc-gromacs --out mu-runs
python benchmarks/chemical_potentials.py run tip3p --out mu-runs
python benchmarks/chemical_potentials.py table --out mu-runs              # docs/results/chemical_potentials.md
"""

import argparse
from pathlib import Path

from mu_dmc import run_gromacs, run_ours
from mu_page import write_page
from mu_water import run_water

CASES = {"dmc": run_ours, "dmc-gromacs": run_gromacs, "tip3p": run_water}


def main() -> None:
    """Run cases, or tabulate what has been run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "table"])
    parser.add_argument("case", nargs="*", help=f"of {', '.join(CASES)}")
    parser.add_argument("--out", type=Path, required=True, help="folder of boxes and runs; kept and resumed")
    arguments = parser.parse_args()
    if unknown := set(arguments.case) - set(CASES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if arguments.what == "table":
        return write_page(arguments.out)
    for name in arguments.case:
        CASES[name](arguments.out)


if __name__ == "__main__":
    main()
