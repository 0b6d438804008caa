"""Free energies by umbrella sampling: an ion pair, a carbonyl O leaving Li+, and a Li+ losing part of its shell.

python benchmarks/free_energy.py run pair --out free-energy-runs
python benchmarks/free_energy.py table --out free-energy-runs        # docs/free_energy_umbrella.csv and figure
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from solvshell.box import Box
from solvshell.build import build_box
from solvshell.files import validate
from solvshell.md import simulate
from solvshell.protocol import Protocol, load_protocol
from solvshell.recipe import Recipe, load_recipe
from solvshell.run import open_run

#: the box of benchmarks/ion_pairs.py, which GROMACS ran
PAIR = {"Li": 1, "PF6": 1, "EC": 38, "DMC": 30, "EMC": 24}


def _pair_box() -> Box:
    content = {
        "name": "li-pf6",
        "title": "one Li+ and one PF6- in EC:DMC:EMC",
        "composition": {"counts": PAIR},
        "force_field": {"files": ["solvshell/electrolytes.xml"]},
    }
    return build_box(validate(Recipe, content, "pair"), seed=1)


def _pair_protocol() -> Protocol:
    """Return `umbrella-quick` for the P of PF6-: with an approach, since the two ions start apart."""
    content: dict[str, Any] = load_protocol("umbrella-quick").model_dump(mode="json")
    stage = content["stages"][-1]
    stage["coordinate"] |= {"partner": "PF6", "site": "p"}
    stage["coordinate"]["windows"] = [
        {"at": [f"{0.1 * r:.1f} A" for r in range(27, 64, 3)], "spring": "60 kJ/mol/A2"},
        {"at": [f"{0.1 * r:.1f} A" for r in range(67, 98, 6)], "spring": "20 kJ/mol/A2"},
    ]
    stage |= {"approach": "60 ps", "relax": "4 ps", "sample": "22 ps"}
    return validate(Protocol, content | {"name": "umbrella-pair"}, "pair")


@dataclass(frozen=True)
class Case:
    """A box and how it is run."""

    box: Callable[[], Box]
    protocol: Callable[[], Protocol]


CASES = {
    "pair": Case(_pair_box, _pair_protocol),
    "carbonyl": Case(
        lambda: build_box(load_recipe("lb003"), n_salt=8, seed=1), lambda: load_protocol("umbrella-quick")
    ),
    **{
        name: Case(
            lambda name=name: build_box(load_recipe(name), n_salt=8, seed=1), lambda: load_protocol("desolvation-quick")
        )
        for name in ("lb003", "lb003_pota-no3")
    },
}


def run(name: str, out: Path) -> None:
    """Make the box of a case and run it; a run that was stopped goes on."""
    case, box_path = CASES[name], out / name / "box"
    if not box_path.exists():
        case.box().save(box_path)
    simulate(open_run(out / name / "run", box_path, case.protocol(), seed=1))


def main() -> None:
    """Run cases, or tabulate what has been run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "table"])
    parser.add_argument("case", nargs="*", help=f"of {', '.join(CASES)}")
    parser.add_argument("--out", type=Path, required=True, help="folder of boxes and runs; kept and resumed")
    arguments = parser.parse_args()
    for name in arguments.case:
        run(name, arguments.out)


if __name__ == "__main__":
    main()
