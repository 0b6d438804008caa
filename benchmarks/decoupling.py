"""What LiPF6 is bound by in LB-003 and in its gel, and its transfer free energy between them.

python benchmarks/decoupling.py run lb003 --out decoupling-runs
python benchmarks/decoupling.py run lb003_pota-no3 --out decoupling-runs
python benchmarks/decoupling.py table --out decoupling-runs
"""

import argparse
from pathlib import Path

from solvshell.build import build_box
from solvshell.free_energy.decoupling import decoupling_of_run
from solvshell.free_energy.transfer import transfer_free_energy
from solvshell.md import simulate
from solvshell.protocol import load_protocol
from solvshell.recipe import load_recipe
from solvshell.run import Run, open_run

MEDIA = ("lb003", "lb003_pota-no3")


def run(medium: str, protocol: str, out: Path) -> None:
    """Build a medium and decouple one ion pair in it; a run that was stopped goes on."""
    box_path = out / medium / "box"
    if not box_path.exists():
        build_box(load_recipe(medium), n_salt=8, seed=1).save(box_path)
    simulate(open_run(out / medium / "run", box_path, load_protocol(protocol), seed=1))


def table(out: Path) -> None:
    """Print the tables of each medium and the difference."""
    runs = [Run.load(out / medium / "run") for medium in MEDIA]
    for medium, of_medium in zip(MEDIA, runs, strict=True):
        found = decoupling_of_run(of_medium)
        print(f"{medium}: {found.status}, kT ln c {found.ideal_kj_mol:.2f} kJ/mol, {found.volume_nm3:.2f} nm3")
        for frame in (found.steps, found.states, found.convergence, found.composition):
            print(frame.round(3).to_string(index=False), end="\n\n")
    print(transfer_free_energy(*runs))


def main() -> None:
    """Run a medium, or tabulate what has been run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "table"])
    parser.add_argument("medium", nargs="*", help=f"of {', '.join(MEDIA)}")
    parser.add_argument("--protocol", default="decouple-quick")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    for medium in arguments.medium:
        run(medium, arguments.protocol, arguments.out)
    if arguments.what == "table":
        table(arguments.out)


if __name__ == "__main__":
    main()
