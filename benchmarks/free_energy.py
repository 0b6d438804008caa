"""Free energies by umbrella sampling: an ion pair, a carbonyl O leaving Li+, and a Li+ losing part of its shell.

python benchmarks/free_energy.py run pair --out free-energy-runs
python benchmarks/free_energy.py table --out free-energy-runs        # docs/results/umbrella.md
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from solvshell.analysis.reading.frames import open_trajectory
from solvshell.box import Box
from solvshell.build import build_box
from solvshell.errors import InvalidInput
from solvshell.files import validate
from solvshell.free_energy.agreement import agreement, counted_potential
from solvshell.free_energy.umbrella import Profile, umbrella_of_run
from solvshell.md import simulate
from solvshell.protocol import Protocol, load_protocol
from solvshell.recipe import Recipe, load_recipe
from solvshell.run import Run, open_run
from solvshell.species import select_species
from solvshell.units import kT_kj_mol

DOCS = Path(__file__).parent.parent / "docs"
PAGE, ION_PAIRS = DOCS / "results" / "umbrella.md", DOCS / "forcefield" / "ion_pairs.csv"
#: Å; where W(r) of benchmarks/ion_pairs.py is zero, and where the two of a carbonyl O are made so
GROMACS_ZERO, CARBONYL_ZERO = (9.3, 9.7), (6.5, 7.8)

#: the box of benchmarks/ion_pairs.py, which GROMACS ran
PAIR = {"Li": 1, "PF6": 1, "EC": 38, "DMC": 30, "EMC": 24}

_PAGE = """# Umbrella sampling: what we found

Made by `python benchmarks/free_energy.py run pair carbonyl lb003 lb003_pota-no3 --out RUNS` and then by `table --out
RUNS --counted RUN`, with the protocols `umbrella-quick` and `desolvation-quick` in boxes of 1,000 to 1,600 atoms, ion
charges x 0.80: settings for two CPU cores. Windows last 16 to 36 ps, so that what is said of a Li⁺ holds for the one
that was tagged, with the shell that it had (those of `desolvation-quick` began at n = 6.0 then). What the numbers are:
[free_energy.md](../free_energy.md). An error is the larger of the block bootstrap over the windows and half of the
difference of the ways outward and inward; `one_series` has the former alone.
"""
_PAIR = """## Li⁺ and PF₆⁻, against GROMACS

The same box and charges as [ion pairs](../forcefield/ion_pairs.md), which GROMACS sampled for three times as long; both
are zero from 9.3 to 9.7 Å. The way outward alone is too low at contact, the way inward too high, in both programs: the
shell does not follow in so short a time.
"""
_CARBONYL = """## A carbonyl O of EC leaving Li⁺, against −kT ln g(r)

LB-003 with 8 salt, one tagged EC; g(r) is that of all Li⁺ and EC of a plain run of the same system.
"""
_SHELLS = """## One site less: a Li⁺ without and with the polymer

8 salt. The Li⁺ is the one nearest to the first window, n = 6: one with many neighbors. One ion in one box each: that
they differ says nothing of the polymer. `mean_not_covered`: where windows end, F(n) is not yet 3 kT above its lowest
value, so that the mean n, and the work from there, are not known.
"""


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


def _analyzed(name: str, out: Path) -> Profile | None:
    """Return the free energy of a case if its way outward is done."""
    try:
        return umbrella_of_run(Run.load(out / name / "run"))
    except InvalidInput as error:
        print(f"{name}: {error}")
        return None


def _against_gromacs(found: Profile) -> list[str]:
    """Return W(r) of both in bins of 0.1 Å, every 0.5 Å, both zero over the range that GROMACS' curve is zero over."""
    theirs = pd.read_csv(ION_PAIRS).query("anion == 'PF6'").set_index("r_angstrom")
    ours = found.table[found.table.stderr_kj_mol.notna()]
    ours = ours.groupby(np.round(np.floor(10 * ours.r_angstrom) / 10 + 0.05, 2)).mean()
    both = ours.join(theirs, how="inner", rsuffix="_gromacs")
    zero = both.loc[GROMACS_ZERO[0] : GROMACS_ZERO[1]]
    both["w_kj_mol"] -= zero.w_kj_mol.mean() - zero.w_kj_mol_gromacs.mean()
    away = (both.w_kj_mol - both.w_kj_mol_gromacs) / np.hypot(both.stderr_kj_mol, both.error_kj_mol)
    lines = ["| r, Å | W, OpenMM, kJ/mol | W, GROMACS, kJ/mol |", "|---|---|---|"]
    for r, row in both.iloc[::5].iterrows():
        ours_text = f"{row.w_kj_mol:.1f} ± {row.stderr_kj_mol:.1f}"
        lines.append(f"| {r:.2f} | {ours_text} | {row.w_kj_mol_gromacs:.1f} ± {row.error_kj_mol:.1f} |")
    rms = f"Root mean square of (difference / error) over {len(both)} bins from {both.index[0]:.2f} to "
    return [*lines, "", f"{rms}{both.index[-1]:.2f} Å: {np.sqrt((away**2).mean()):.2f}."]


def _against_counts(found: Profile, counted: Run) -> list[str]:
    """Return how W(r) of a carbonyl O agrees with -kT ln g(r) of a plain run, where that has 100 counts."""
    universe = open_trajectory(counted.topology_path, counted.trajectory_path)
    species = select_species(counted.box.recipe.entries)
    longest = float(universe.dimensions[:3].min()) / 2
    assert found.curve is not None
    compared = agreement(
        found.curve, counted_potential(universe, species, ("Li", "EC", "carbonyl_o")), CARBONYL_ZERO, longest
    )
    kt = kT_kj_mol(298.15)
    lines = [
        f"{compared}.",
        "",
        "| r, Å | W, springs, kJ/mol | −kT ln g, kJ/mol | error of the difference |",
        "|---|---|---|---|",
    ]
    for row in compared.table.iloc[::6].itertuples():
        numbers = (kt * row.first_kt, kt * row.second_kt, kt * row.difference_kt_stderr)
        lines.append(f"| {row.r_angstrom:.2f} | " + " | ".join(f"{number:.1f}" for number in numbers) + " |")
    return lines


def _shells(profiles: dict[str, Profile]) -> list[str]:
    lines = ["| box | mean n of this Li⁺ | n → n − 1, kJ/mol | status | smallest overlap |", "|---|---|---|---|---|"]
    for name, found in profiles.items():
        n, work = (
            "none" if number is None else f"{number.value:.2f} ± {number.stderr:.2f}"
            for number in (found.mean_number, found.work_kj_mol)
        )
        lines.append(f"| {name} | {n} | {work} | `{found.status}` | {found.smallest_overlap:.2f} |")
    return lines


def _status(found: Profile) -> str:
    windows = found.windows
    series = "" if np.isnan(found.hysteresis_kj_mol) else (
        f"; outward and inward differ by {found.hysteresis_kj_mol:.1f} kJ/mol (root mean square)"
    )  # fmt: skip
    return (
        f"Status `{found.status}`; smallest overlap {found.smallest_overlap:.2f}; {windows.n_independent.min():.0f} to "
        f"{windows.n_independent.max():.0f} independent samples in a window{series}."
    )


def write_page(out: Path, counted: Path | None) -> None:
    """Write the page of what has been run so far."""
    profiles = {name: found for name in CASES if (found := _analyzed(name, out)) is not None}
    parts = [_PAGE]
    if "pair" in profiles:
        parts += [_PAIR, _status(profiles["pair"]), "", *_against_gromacs(profiles["pair"]), ""]
    if "carbonyl" in profiles and counted is not None:
        against = _against_counts(profiles["carbonyl"], Run.load(counted))
        parts += [_CARBONYL, _status(profiles["carbonyl"]), "", *against, ""]
    shells = {name: found for name, found in profiles.items() if "f_kj_mol" in found.table}
    if shells:
        parts += [_SHELLS, *_shells(shells), ""]
    PAGE.write_text("\n".join(parts))
    print(PAGE.read_text())


def main() -> None:
    """Run cases, or tabulate what has been run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "table"])
    parser.add_argument("case", nargs="*", help=f"of {', '.join(CASES)}")
    parser.add_argument("--out", type=Path, required=True, help="folder of boxes and runs; kept and resumed")
    parser.add_argument("--counted", type=Path, help="a plain run of LB-003")
    arguments = parser.parse_args()
    if unknown := set(arguments.case) - set(CASES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if arguments.what == "table":
        return write_page(arguments.out, arguments.counted)
    for name in arguments.case:
        run(name, arguments.out)


if __name__ == "__main__":
    main()
