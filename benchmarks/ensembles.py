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
from pathlib import Path

from ensemble_samples import CASES, LOG_PS, LOOK_PS, Samples, box_of, sample, samples

logging.disable(logging.WARNING)  # pymbar tells of JAX

import ensemble_checks as checks  # noqa: E402

PAIRS = {
    "enthalpy, two T at 1 bar": ("npt", "npt-warm"),
    "volume, two P": ("npt", "npt-pressed"),
    "energy at fixed V, two T, LangevinMiddle": ("nvt", "nvt-warm"),
    "energy at fixed V, two T, Nose-Hoover": ("nose-hoover", "nose-hoover-warm"),
    "volume, two P, barostat at 0.4 T on purpose": ("wrong", "wrong-pressed"),
}


def _table(title: str, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    if rows:
        yield f"\n**{title}**\n"
        yield f"| {' | '.join(header)} |"
        yield f"|{' --- |' * len(header)}"
        yield from (f"| {' | '.join(row)} |" for row in rows)


def _shown(value: float, error: float, digits: int) -> str:
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def _temperatures(found: dict[str, Samples]) -> Iterator[str]:
    """Yield the table of kinetic and configurational temperatures."""
    rows = []
    for name in ("npt", "npt-2fs", "npt-1fs", "nvt", "nose-hoover"):
        if name not in found:
            continue
        seen = found[name]
        half, whole = (checks.kinetic(seen, values) for values in (seen.half, seen.whole))
        rows.append(
            (
                name,
                f"{seen.case.timestep_fs:g} fs",
                *(_shown(*estimate.mean, 1) for estimate in (half, whole)),
                *(_shown(*estimate.width, 1) for estimate in (half, whole)),
                *(f"{estimate.off[0]:.1f}, {estimate.off[1]:.1f}" for estimate in (half, whole)),
                _shown(*checks.configurational_temperature(seen), 1),
            )
        )
    header = (
        "case", "time step", "T from mean K, half steps", "T from mean K, whole steps", "T from width, half steps",
        "T from width, whole steps", "σ off (mean, width), half", "σ off, whole", "configurational T",
    )  # fmt: skip
    return _table("Temperatures in K; 298.15 K is asked for", header, rows)


def _pairs(box: str, found: dict[str, Samples]) -> Iterator[str]:
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
    return _table(f"Pairs of distributions, {box}", header, rows)


def _equipartition(box: str, found: dict[str, Samples], out: Path) -> Iterator[str]:
    if "npt" not in found:
        return iter(())
    rows = [
        (species, *(_shown(*temperature, 1) for temperature in kinds), f"{worst:.1f}")
        for species, kinds, worst in checks.equipartition(found["npt"], box_of(box, out))
    ]
    header = ("molecules", "translation", "rotation", "internal", "most σ off")
    return _table(f"Temperatures in K by kind of motion, {box}, 4 fs, half steps", header, rows)


def _drifts(found: dict[str, Samples]) -> Iterator[str]:
    rows = []
    for name in ("nve-4fs", "nve-2fs", "nve-1fs"):
        if name in found:
            seen = found[name]
            slope, spread = checks.drift(seen)
            half, whole = (checks.kinetic(seen, values).mean for values in (seen.half, seen.whole))
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


def _liquid(box: str, found: dict[str, Samples], out: Path) -> Iterator[str]:
    """Yield the table of what must not depend on time step and barostat."""
    rows = []
    for name in ("npt", "npt-2fs", "npt-1fs", "npt-often", "npt-rarely"):
        if name in found:
            seen = found[name]
            where = box_of(box, out)
            rows.append(
                (
                    name, f"{seen.case.timestep_fs:g} fs", f"{seen.case.barostat_every}",
                    f"{len(seen.volume) * LOG_PS:.0f}", _shown(*checks.density(seen, where), 4),
                    _shown(*checks.energy_per_molecule(seen, where), 2), _shown(*checks.peak(seen, where), 3),
                )
            )  # fmt: skip
    header = ("case", "time step", "barostat every", "ps", "density, g/cm³", "U per molecule, kJ/mol", "Li-O(EC), Å")
    return _table(f"What must not change, {box}", header, rows)


def tables(out: Path) -> Iterator[str]:
    """Yield Markdown lines of all that has been sampled."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("openmm", "physical_validation", "pymbar"))
    yield f"{datetime.now(UTC):%d %B %Y}, CPU platform, one thread, {versions}; rows every {LOG_PS} and {LOOK_PS} ps."
    for box, cases in CASES.items():
        found = {name: seen for name in cases if (seen := samples(box, name, out)) is not None}
        if found:
            yield f"\n### {box}: {box_of(box, out).n_atoms} atoms"
            yield from _temperatures(found)
            yield from _pairs(box, found)
            yield from _equipartition(box, found, out)
            yield from _drifts(found)
            yield from _liquid(box, found, out)


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
