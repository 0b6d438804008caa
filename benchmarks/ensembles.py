"""Are the ensembles right? What the integrators, barostats and time steps of our runs sample, for LB-003.

    python benchmarks/ensembles.py sample small npt npt-warm npt-pressed --ps 400 --out runs/ensembles
    python benchmarks/ensembles.py tables --out runs/ensembles

Two boxes: `lb003`, 8 LiPF6 with the model as shipped, and `small`, 2 LiPF6 with a cutoff of 0.6 nm, of which much more
can be sampled. `sample` goes on where it was stopped; `tables` prints Markdown from what there is.
"""

import argparse
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from math import isnan
from pathlib import Path

from ensemble_samples import CASES, LOG_PS, LOOK_PS, Samples, box_of, sample, samples

logging.disable(logging.WARNING)  # pymbar tells of JAX

import ensemble_checks as checks  # noqa: E402
import ensemble_liquid as liquid  # noqa: E402
from ensemble_look import kinetic_energies  # noqa: E402

from solvshell.box import Box  # noqa: E402

PAIRS = {
    "enthalpy, two T at 1 bar": ("npt", "npt-warm"),
    "volume, two P": ("npt", "npt-pressed"),
    "energy at fixed V, two T, LangevinMiddle": ("nvt", "nvt-warm"),
    "energy at fixed V, two T, Nose-Hoover": ("nose-hoover", "nose-hoover-warm"),
}


def _table(title: str, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    if rows:
        yield f"\n**{title}**\n"
        yield f"| {' | '.join(header)} |"
        yield f"|{' --- |' * len(header)}"
        yield from (f"| {' | '.join(row)} |" for row in rows)


def _shown(value: float, error: float, digits: int) -> str:
    if isnan(value):
        return "-"
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def _temperatures(found: dict[str, Samples], box: Box) -> Iterator[str]:
    """Yield the table of kinetic and configurational temperatures."""
    rows = []
    for name in ("npt", "npt-2fs", "npt-1fs", "nvt", "nose-hoover"):
        if name not in found:
            continue
        seen = found[name]
        half, whole = (checks.kinetic(seen, values) for values in kinetic_energies(seen, box))
        rows.append(
            (
                name,
                f"{seen.case.timestep_fs:g} fs",
                *(text for k in (half, whole) for text in (_shown(*k.mean, 1), f"{k.off[0]:.1f}")),
                *(text for k in (half, whole) for text in (_shown(*k.width, 0), f"{k.off[1]:.1f}")),
                *(_shown(*checks.configurational_temperature(seen, box, whole), 1) for whole in (True, False)),
            )
        )
    header = (
        "case", "time step", "mean K, half steps", "σ off", "mean K, whole steps", "σ off", "width of K, half steps",
        "σ off", "width of K, whole steps", "σ off", "forces on molecules", "forces on atoms without rigid bonds",
    )  # fmt: skip
    return _table("Temperatures in K, by what they are taken from; 298.15 K is asked for", header, rows)


def _pairs(found: dict[str, Samples]) -> Iterator[str]:
    rows = []
    for what, (one, two) in PAIRS.items():
        if one not in found or two not in found:
            continue
        pair = checks.pair(found[one], found[two])
        ps = " and ".join(f"{len(found[name].volume) * LOG_PS:.0f}" for name in (one, two))
        rows.append(
            (
                what, pair.between, pair.suggested, ps, f"{pair.n[0]}, {pair.n[1]}",
                _shown(*pair.ratio, 2), f"{pair.sigmas:.1f}",
            )
        )  # fmt: skip
    header = (
        "distribution", "between", "interval suggested", "ps", "independent values", "slope / exact slope", "σ off",
    )  # fmt: skip
    return _table("Pairs of distributions", header, rows)


def _equipartition(found: dict[str, Samples], box: Box) -> Iterator[str]:
    if "npt" not in found:
        return iter(())
    rows = [
        (species, *(_shown(*temperature, 1) for temperature in kinds), f"{worst:.1f}")
        for species, kinds, worst in checks.equipartition(found["npt"], box)
    ]
    header = ("molecules", "translation", "rotation", "internal", "most σ off")
    return _table("Temperatures in K by kind of motion, case npt, half steps", header, rows)


def _drifts(found: dict[str, Samples], box: Box) -> Iterator[str]:
    rows = []
    for name in ("nve-4fs", "nve-2fs", "nve-1fs"):
        if name in found:
            seen = found[name]
            slope, spread = checks.drift(seen)
            half, whole = (checks.kinetic(seen, values).mean for values in kinetic_energies(seen, box))
            rows.append(
                (
                    f"{seen.case.timestep_fs:g} fs, hydrogen {seen.case.hydrogen_mass or 'real'}",
                    f"{len(seen.potential) * LOG_PS:.0f}",
                    _shown(*slope, 3),
                    f"{spread:.4f}",
                    _shown(*half, 1),
                    _shown(*whole, 1),
                )
            )
    header = (
        "step, mass", "ps", "drift, kT per degree of freedom per ns", "scatter of E, kT per degree", "T half steps, K",
        "T whole steps, K",
    )  # fmt: skip
    return _table("Constant energy", header, rows)


def _liquid(found: dict[str, Samples], box: Box) -> Iterator[str]:
    """Yield the table of what must not depend on time step and barostat."""
    rows = []
    for name in ("npt", "npt-2fs", "npt-1fs", "npt-often", "npt-rarely"):
        if name in found:
            seen = found[name]
            rows.append(
                (
                    name, f"{seen.case.timestep_fs:g} fs", f"{seen.case.barostat_every}",
                    f"{len(seen.volume) * LOG_PS:.0f}", _shown(*liquid.density(seen, box), 4),
                    _shown(*liquid.energy_per_molecule(seen, box), 2), _shown(*liquid.peak(seen, box), 3),
                )
            )  # fmt: skip
    header = ("case", "time step", "barostat every", "ps", "density, g/cm³", "U per molecule, kJ/mol", "Li-O(EC), Å")
    return _table("What must not change", header, rows)


def tables(out: Path) -> Iterator[str]:
    """Yield Markdown lines of all that has been sampled."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("openmm", "physical_validation", "pymbar"))
    yield f"{datetime.now(UTC):%d %B %Y}, CPU platform, one thread, {versions}; rows every {LOG_PS} and {LOOK_PS} ps."
    for name, cases in CASES.items():
        found = {case: seen for case in cases if (seen := samples(name, case, out)) is not None}
        if found:
            box = box_of(name, out)
            yield f"\n### {name}: {box.n_atoms} atoms"
            yield from _temperatures(found, box)
            yield from _pairs(found)
            yield from _equipartition(found, box)
            yield from _drifts(found, box)
            yield from _liquid(found, box)


def main() -> None:
    """Sample or print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    sampling = commands.add_parser("sample")
    sampling.add_argument("box", choices=list(CASES))
    sampling.add_argument("cases", nargs="+", metavar="case", help=", ".join(CASES["lb003"]))
    sampling.add_argument("--ps", type=float, required=True, help="length of each, the first 20 ps not used")
    printing = commands.add_parser("tables")
    for command in (sampling, printing):
        command.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.command == "tables":
        print("\n".join(tables(arguments.out)))
        return
    for case in arguments.cases:
        sample(arguments.box, case, arguments.out, arguments.ps)


if __name__ == "__main__":
    main()
