"""Grand-canonical Lennard-Jones particles against published values: the compiled loop, and argon in OpenMM.

    python benchmarks/grand_canonical_lj.py measure gas --out runs/lennard_jones
    python benchmarks/grand_canonical_lj.py page --out runs/lennard_jones --page docs/results/lennard_jones.md

The first writes one row and is called for each of those that its help names: seconds to a minute on a CPU. The second
makes the page of the rows that there are.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from argon import argon, exchanged

from solvshell.md.grand.averages import Average, average, ratio
from solvshell.md.grand.lennard_jones import GrandCanonicalAverages, lennard_jones

#: beta mu: <N>, sd of N, <U> / <N>, kT ln Xi / V; T* = 1.5, V* = 512, rc* = 3 with tail
NIST = {
    -3.0: (35.514, 7.186, -0.5204, 0.08713),
    -2.4: (121.88, 20.32, -1.7031, 0.19966),
    -1.568214: (310.418, 9.074, -3.9998, 0.80472),
}
LN_P = (-18.70757, -14.03737, -10.05031, -6.45892, -3.14564, -0.04568)
U_AT = (0.0, -6.0574e-4, -0.030574, -0.089928, -0.178457, -0.296192)
#: where all of N = 0 ... 5 are met
BETA_MU_OF_FEW = -5.4
#: T*, rho*: U / N, p; 500 particles
CANONICAL = {(0.85, 0.776): (-5.5121, 6.7714e-3), (0.9, 0.009): (-8.9936e-2, 7.6363e-3)}

NAMES = ("⟨N⟩", "sd of N", "⟨U⟩/⟨N⟩", "p")

_HEAD = """\
# Lennard-Jones particles that come and go

`python benchmarks/grand_canonical_lj.py measure ROW --out runs/lennard_jones` for each row, then `page --out
runs/lennard_jones --page docs/results/lennard_jones.md`.
{settings}

T* = 1.5, V* = 512, r_c* = 3 with the tail N²/V, Λ = σ. References: macrostate distributions of NIST's Standard
Reference Simulation Website as [FEASST](https://github.com/usnistgov/feasst) ships them, reweighted to β μ, which are
known to about 0.1 %. Their p is kT ln Ξ / V, which lies above the d(kT ln Ξ)/dV of a virial by what particles have with
their own images, 0.31 ρ/V: 0.05 % here. ± is one standard error; the last column is the difference over it.

| what | β μ | number | here | reference | difference / error |
| --- | --- | --- | --- | --- | --- |
"""
_FEW = """
## Few particles

At most 5, β μ = -1.568214, sampled at -5.4 and reweighted, {n_moves:,} moves. ln P(N) is aligned at N = 5, so that each
has the error of its own ratio.

| N | ln P(N) − ln P(5) | reference | difference / error | U(N) | reference | difference / error |
| --- | --- | --- | --- | --- | --- | --- |
"""
_CANONICAL = """
## As many as there is room for

500 particles, `most=500` and a β μ at which the box is full: canonical Monte Carlo, by displacements alone. Reference:
[NIST](https://mmlapps.nist.gov/srs/LJ_PURE/mc.htm), r_c* = 3 with tail.

| T* | ρ* | number | here | reference | difference / error |
| --- | --- | --- | --- | --- | --- |
"""
_COST = """
## What a move costs

Processor time of one thread, after compiling. In OpenMM (CPU platform) half a time step goes with each move, energies
and pressure with every twentieth: at β μ = -2.4, where N is forgotten within some 12,000 moves, that is ten seconds
for each independent sample, for which reason this row is the loop's alone. Independent: as many samples of N without
memory would know ⟨N⟩ as well.

| what | β μ | ⟨N⟩ | accepted insertions, % | µs per move | moves above | independent |
| --- | --- | --- | --- | --- | --- | --- |
"""


def _row(kind: str, beta_mu: float, numbers: list[Average], accepted: float, n_moves: int) -> Any:
    return {
        "what": kind,
        "beta_mu": beta_mu,
        "numbers": [asdict(number) for number in numbers],
        "accepted": accepted,
        "n_moves": n_moves,
    }


def _numbers(found: GrandCanonicalAverages) -> list[Average]:
    return [found.n, found.n_sd, found.energy_per_particle, found.pressure]


def by_loop(beta_mu: float, n_moves: int) -> Any:
    """Return a state point of the table from the compiled loop."""
    found = lennard_jones(temperature=1.5, beta_mu=beta_mu, volume=512, n_moves=n_moves, seed=1)
    return _row("loop", beta_mu, _numbers(found), found.acceptance["insertion"], round(1.2 * n_moves))


def by_openmm(beta_mu: float, room: int, n: int, n_batches: int) -> Any:
    """Return the same from argon in OpenMM, 20 moves and 10 time steps in a batch."""
    box = argon(1.5, beta_mu, 8.0, room=room, n=n)
    exchanged(box, n_batches // 10, 20, 10)
    rows, (tried, accepted) = exchanged(box, n_batches, 20, 10)
    n_mean, squared, energy, pressure = rows.T
    of_n = average(n_mean)
    variance = average(squared - 2 * of_n.mean * n_mean + of_n.mean**2)
    sd = variance.mean**0.5
    of_sd = Average(sd, variance.stderr / (2 * sd), variance.n_independent)
    return _row("OpenMM", beta_mu, [of_n, of_sd, ratio(energy, n_mean), average(pressure)], accepted / tried, tried)


def few(n_moves: int) -> Any:
    """Return ln P(N) and U(N) of at most five particles."""
    found = lennard_jones(temperature=1.5, beta_mu=BETA_MU_OF_FEW, volume=512, most=5, n_moves=n_moves, seed=1)
    error = found.probability_stderr / found.probability
    ln_p = np.log(found.probability) + np.arange(6) * (-1.568214 - BETA_MU_OF_FEW)
    return {
        "what": "few",
        "n_moves": n_moves,
        "ln_p": (ln_p - ln_p[5]).tolist(),
        "ln_p_stderr": np.hypot(error, error[5]).tolist(),
        "u": found.energy_at.tolist(),
        "u_stderr": np.nan_to_num(found.energy_at_stderr).tolist(),
    }


def canonical(n_moves: int) -> Any:
    """Return energy and pressure of boxes that are full."""
    points = []
    for temperature, density in CANONICAL:
        volume = 500 / density
        found = lennard_jones(temperature=temperature, beta_mu=40, volume=volume, most=500, n_moves=n_moves, seed=1)
        points.append([asdict(found.energy_per_particle), asdict(found.pressure)])
    return {"what": "canonical", "points": points}


def cost() -> Any:
    """Return processor seconds per move of every state point, by what makes it."""
    found: dict[str, dict[str, float]] = {"loop": {}, "OpenMM": {}}
    for beta_mu in NIST:
        point = {"temperature": 1.5, "beta_mu": beta_mu, "volume": 512}
        lennard_jones(**point, n_moves=1000)  # compiled, or read from the cache
        began = time.process_time()
        lennard_jones(**point, n_moves=5_000_000)
        found["loop"][f"{beta_mu:g}"] = (time.process_time() - began) / 6_000_000
    for beta_mu, room, n in ((-3.0, 90, 35), (-2.4, 230, 120)):
        box = argon(1.5, beta_mu, 8.0, room=room, n=n)
        began = time.process_time()
        exchanged(box, 200, 20, 10)
        found["OpenMM"][f"{beta_mu:g}"] = (time.process_time() - began) / 4000
    return {"what": "cost", **found}


ROWS: dict[str, Callable[[], Any]] = {
    "gas": lambda: by_loop(-3.0, 40_000_000),
    "supercritical": lambda: by_loop(-2.4, 80_000_000),
    "liquid": lambda: by_loop(-1.568214, 80_000_000),
    "few": lambda: few(60_000_000),
    "canonical": lambda: canonical(20_000_000),
    "openmm-gas": lambda: by_openmm(-3.0, 90, 35, 3000),
    "cost": cost,
}


def _against(found: Average, reference: float) -> str:
    return f"{found} | {reference:.6g} | {(found.mean - reference) / found.stderr:+.1f}".replace("+-", "±")


def _settings() -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in ("solvshell", "OpenMM", "numba", "numpy"))
    return (
        f"{datetime.now(UTC):%d %B %Y}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, {versions}."
    )


def page(rows: dict[str, Any]) -> str:
    """Return the page of the rows that have been measured."""
    points = [row for row in rows.values() if row["what"] in ("loop", "OpenMM")]
    lines, costs = [], []
    for row in points:
        numbers = [Average(**number) for number in row["numbers"]]
        for name, number, reference in zip(NAMES, numbers, NIST[row["beta_mu"]], strict=True):
            lines.append(f"| {row['what']} | {row['beta_mu']:g} | {name} | {_against(number, reference)} |")
        micro = 1e6 * rows["cost"][row["what"]][f"{row['beta_mu']:g}"]
        independent = (numbers[1].mean / numbers[0].stderr) ** 2
        costs.append(
            f"| {row['what']} | {row['beta_mu']:g} | {numbers[0].mean:.0f} | {100 * row['accepted']:.1f} | "
            f"{micro:.{2 if micro < 10 else 0}f} | {row['n_moves']:,} | {independent:,.0f} |"
        )
    text = _HEAD.format(settings=_settings()) + "\n".join(lines) + "\n"
    if "few" in rows:
        text += _FEW.format(**rows["few"]) + "\n".join(_few_lines(rows["few"])) + "\n"
    if "canonical" in rows:
        text += _CANONICAL + "\n".join(_canonical_lines(rows["canonical"])) + "\n"
    return text + _COST + "\n".join(costs) + "\n"


def _few_lines(row: Any) -> list[str]:
    lines = []
    for n in range(6):
        ln_p, u = Average(row["ln_p"][n], row["ln_p_stderr"][n], 0), Average(row["u"][n], row["u_stderr"][n], 0)
        of_p = _against(ln_p, LN_P[n] - LN_P[5]) if n < 5 else "0 | 0 |"
        of_u = _against(u, U_AT[n]) if n > 1 else f"{u.mean:.4e} | {U_AT[n]:.4e} | exact" if n else "0 | 0 |"
        lines.append(f"| {n} | {of_p} | {of_u} |")
    return lines


def _canonical_lines(row: Any) -> list[str]:
    lines = []
    for (temperature, density), references, found in zip(CANONICAL, CANONICAL.values(), row["points"], strict=True):
        for name, number, reference in zip(("⟨U⟩/N", "p"), found, references, strict=True):
            lines.append(f"| {temperature} | {density} | {name} | {_against(Average(**number), reference)} |")
    return lines


def main() -> None:
    """Measure a row, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    measure = commands.add_parser("measure")
    measure.add_argument("row", choices=ROWS)
    to_page = commands.add_parser("page")
    to_page.add_argument("--page", type=Path, required=True)
    for command in (measure, to_page):
        command.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.command == "measure":
        (arguments.out / f"{arguments.row}.json").write_text(json.dumps(ROWS[arguments.row](), indent=1))
        return
    paths = {name: arguments.out / f"{name}.json" for name in ROWS}
    arguments.page.write_text(
        page({name: json.loads(path.read_text()) for name, path in paths.items() if path.exists()})
    )


if __name__ == "__main__":
    main()
