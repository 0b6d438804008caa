"""Whether LB-003 is converged with the size of the box, the cutoff and the PME tolerance.

    python benchmarks/convergence.py sample --out convergence-runs                 # all boxes, one after the other
    python benchmarks/convergence.py sample n_salt-08/replica-00 --out convergence-runs
    python benchmarks/convergence.py sizes --out convergence-runs                  # each makes one table anew
    python benchmarks/convergence.py cutoffs --out convergence-runs
    python benchmarks/convergence.py tolerances --out convergence-runs
    python benchmarks/convergence.py page --out convergence-runs          # of these: docs/results/convergence.md

What is there already is kept, and what was stopped goes on. GROMACS samples the exported boxes; the analysis is that of
`solvshell analyze`; forces and energies by other settings are OpenMM's, on configurations of the boxes of 16 salt.
"""

import argparse
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np
import openmm
from box_sizes import CHECK_PS, COOL_PS, HOT_K, HOT_PS, SIZES, UNCORRECTED, boxes, sample
from cutoffs import Setting
from energy_systems import TEMPERATURE
from gromacs import Gromacs
from packings import Sizes
from setting_effects import (
    CUTOFF_REFERENCE,
    CUTOFFS,
    TOLERANCE_REFERENCE,
    TOLERANCES,
    UNTAILED,
    WHOLE,
    WIDEST,
    Effect,
    check,
    compressibility_of,
    effect,
    references,
    rms_force,
    samples,
)
from size_table import LEAST_PS, SHELLS, by_size, measured, sampled_ps

from solvshell import __version__
from solvshell.box import Box
from solvshell.figures import number
from solvshell.figures.names import SITE_NAMES

PAGE = Path(__file__).parent.parent / "docs" / "results" / "convergence.md"
LARGEST = SIZES[-1].n_salt
#: The bound of a difference between sizes, relative to the value, below which it is called near.
NEAR = 0.06


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]) + "\n"


def _runs(out: Path) -> str:
    """Return a table of what has been sampled."""
    rows = []
    for size in SIZES:
        sampled = {name: sampled_ps(name, out) for name, s, _ in boxes() if s == size}
        done = [name for name, time in sampled.items() if time >= LEAST_PS]
        if not done:
            continue
        box = Box.load(out / done[0] / "box")
        edge = (out / done[0] / "gromacs" / "density_mean.gro").read_text().split()[-1]
        counts = ", ".join(f"{n} {name}" for name, n in box.counts.items())
        times = ", ".join(f"{sampled[name]:.0f}" for name in done)
        parts = [str(box.n_atoms), f"{float(edge):.2f}", str(len(done)), str(size.density_ps), times]
        rows.append([str(size.n_salt), counts, *parts])
    head = ["n_salt", "in the box", "atoms", "edge, nm", "packings", "at 1 bar, ps each", "sampled, ps"]
    return _markdown(head, rows)


def _difference(found: Sizes, n_salt: int) -> str:
    if not {n_salt, LARGEST} <= set(found.levels):
        return "–"
    value, half = found.difference(n_salt, LARGEST)
    digits = max(0, 1 - int(np.floor(np.log10(half))))
    said = f"{value:.{digits}f} ± {half:.{digits}f}".replace("-", "−")
    return f"**{said}**" if abs(value) > half else said


def _sizes(found: Mapping[str, Sizes]) -> str:
    """Return a table of each quantity at each size."""
    smaller = [size.n_salt for size in SIZES if size.n_salt != LARGEST]
    rows = []
    for quantity, sizes in found.items():
        levels = [sizes.levels.get(size.n_salt) for size in SIZES]
        shown = [number(level.value, level.stderr) if level else "–" for level in levels]
        rows.append([quantity, *shown, *(_difference(sizes, n) for n in smaller)])
    head = ["", *(f"n_salt {size.n_salt}" for size in SIZES), *(f"{n} less {LARGEST}" for n in smaller)]
    return _markdown(head, rows)


def _resolved(found: Mapping[str, Sizes]) -> str:
    """Return which differences to the largest size are resolved, and how many should be by chance."""
    asked = [
        (f"{quantity} ({n})", *sizes.difference(n, LARGEST))
        for quantity, sizes in found.items()
        for n in sizes.levels
        if n != LARGEST and LARGEST in sizes.levels
    ]
    resolved = [quantity for quantity, value, half in asked if abs(value) > half]
    return (
        f"Of {len(asked)} differences, {len(resolved)} exclude zero at 95 %, where {0.05 * len(asked):.1f} would by "
        f"chance: {'; '.join(resolved) or 'none'}.\n"
    )


def _bounds(found: Mapping[str, Sizes]) -> str:
    """Return which quantities of the smallest box are surely near those of the largest, and which may be far."""
    near, far = [], []
    smallest = SIZES[0].n_salt
    for quantity, sizes in found.items():
        if {smallest, LARGEST} <= set(sizes.levels):
            value, half = sizes.difference(smallest, LARGEST)
            bound = (abs(value) + half) / abs(sizes.levels[LARGEST].value)
            name = quantity.removesuffix(", kJ/mol").removesuffix(", g/cm³").removesuffix(", Å")
            (near if bound < NEAR else far).append(f"{name} ({100 * bound:.{1 if bound < 0.1 else 0}f} %)")
    return (
        f"With {smallest} salt instead of {LARGEST}, these differ by less than {100 * NEAR:.0f} % (bound at 95 %): "
        f"{'; '.join(near) or 'none'}. For these the bound is wider: {'; '.join(far) or 'none'}.\n"
    )


def sizes_text(out: Path) -> str:
    """Return the tables of the sizes."""
    table = measured(out)
    found = by_size(table)
    left_out = "; ".join(quantity for quantity in table["quantity"].unique() if quantity not in found)
    said = f"Found in too few packings to be compared: {left_out}.\n" if left_out else ""
    return "\n".join([_runs(out), _sizes(found), _resolved(found), _bounds(found), said])


def _effects(
    out: Path, every_ps: int, settings: Mapping[str, Setting], reference: Setting, what: str
) -> tuple[dict[str, Effect], str]:
    """Return what settings do, and as a table with what it is relative to."""
    of, kappa = samples(out, every_ps), compressibility_of(out)
    exact = references(of, reference)
    force, force_on_li = rms_force(of, exact)
    effects = {name: effect(of, setting, exact, kappa) for name, setting in settings.items()}
    rows = []
    for name, found in effects.items():
        parts = [f"{found.force:.3g} ({found.force / force:.1e})", f"{found.force_on_li:.3g}"]
        energy = f"{found.energy[0]:.1e} ± {found.energy[1]:.0e}".replace("-", "−")
        shifts = [number(*found.pressure_bar), number(*found.density_percent), number(*found.li_o_angstrom)]
        rows.append([name, *parts, energy, *shifts])
    head = [what, "force, kJ/mol/nm (relative)", "on Li⁺", "energy per atom, kJ/mol", "pressure, bar", "density, %"]
    n = sum(len(sample.configurations) for sample in of)
    said = (
        f"{n} configurations of {of[0].box.n_atoms} atoms, {every_ps} ps apart. The rms nonbonded force is "
        f"{force:.0f} kJ/mol/nm, on Li⁺ {force_on_li:.0f}; κ = {1e5 * kappa[0]:.2f} ± {1e5 * kappa[1]:.2f} ·10⁻⁵/bar.\n"
    )
    return effects, "\n".join([_markdown([*head, "mean Li–O, Å"], rows), said])


def cutoffs_text(out: Path) -> str:
    """Return the table of the cutoffs, and the check by a run."""
    effects, table = _effects(out, 4, CUTOFFS, CUTOFF_REFERENCE, "Lennard-Jones cutoff")
    ran = check(out)
    if ran is None:
        return table
    (whole, _), (without, error) = (effects[name].density_percent for name in (WHOLE, UNTAILED))
    return (
        f"{table}\nA run without the tail ({UNCORRECTED}, {CHECK_PS} ps) differs in density from the one with it by "
        f"{number(*ran)} %; the table foretells {number(without - whole, error)} %.\n"
    )


def tolerances_text(out: Path) -> str:
    """Return the table of the PME tolerances."""
    return _effects(out, 5, TOLERANCES, TOLERANCE_REFERENCE, "PME tolerance")[1]


_PAGE = """# Is LB-003 converged with box, cutoff and PME tolerance?

Made by `python benchmarks/convergence.py sample --out OUT` and `python benchmarks/convergence.py page --out OUT`
({date}, solvshell {version}, OpenMM {openmm}, {gromacs}).
Single tables: `sizes`, `cutoffs` and `tolerances` in place of `page`. One CPU thread for each run.

- **Size: no difference between boxes of 8, 16 and 50 salt is resolved**, in runs as short as these. They bound the
  density to 2 %, Li–O peaks to 3 %, the atoms in the first shell, energies per molecule and the whole-box sum to
  5 %. On who is in the shell, on pairing, and on the bare energy of the shell, which follows them, they say next to
  nothing: ions keep their neighbors for 100 ps and longer, so that packings differ, and hide what the size may do.
  The interval of the share of SSIP is as wide as the share. More packings (`SIZES` in `benchmarks/box_sizes.py`)
  and longer runs would tell.
- **Cutoff: converged.** From 1 nm to {widest:g} nm the density changes by less than 0.1 % and the distance Li–O by
  0.001 Å, less than any run here resolves; so it does from 0.9 nm or without the switch. The tail correction is needed:
  without it the density is 1.4 % lower (foretold; a run: 1.0 ± 0.4 %).
- **PME tolerance: converged for sampling.** At 5e-4 forces are off by 0.1 %, and no effect on density or distance is
  resolved: less than 0.1 % and 0.002 Å. A tighter one makes forces more accurate, in proportion; these averages do not
  show it.

## Size of the box

Each packing is its own: packed by Packmol from its own seed, {hot} ps at {hot_k} K and {cool} ps at {temperature} K
(4 fs, compressed on the way), then at 1 bar for its density (2 fs, real masses), then sampled at its mean volume (4 fs,
hydrogens of 3 Da, Langevin dynamics). First shells end at {shells} in all boxes.

{sizes}
± behind a number is its standard error, behind a difference half its 95 % interval; bold where that excludes zero.
Packings of n ions are taken to scatter by s/√n, with one s for all sizes: so the largest box, packed once, gets its
error from how the small ones scatter, or from within its run where that is larger.

## Cutoff of Lennard-Jones

The shipped model cuts at 1 nm, switches from 0.9 nm and corrects for the tail. Below, the switch begins 0.1 nm before
the cutoff and the tail is corrected unless it says otherwise; all is relative to {widest:g} nm without a switch.
Coulomb does not depend on the cutoff but through the PME tolerance. Configurations are those of the shipped model at
1 bar: to first order in the change ΔU of the energy, the pressure at fixed volume rises by −d⟨ΔU⟩/dV, from the slope
of ΔU against the fluctuating volume, and the density at 1 bar falls by κ times that; the mean distance of Li⁺ and the
O(C=O) within 2.8 Å changes by −cov(r, ΔU)/kT. The derivation is in `benchmarks/shifts.py`.

{cutoffs}
## PME tolerance

The shipped tolerance is 5e-4. Relative to {tolerance:g}; Reference platform (double precision) but where named.

{tolerances}"""


TEXTS = {"sizes": sizes_text, "cutoffs": cutoffs_text, "tolerances": tolerances_text}


def make(what: str, out: Path) -> str:
    """Return a table, which is kept in a file of its name."""
    text = TEXTS[what](out)
    (out / f"{what}.md").write_text(text)
    return text


def page(out: Path) -> str:
    """Return the page of the tables that have been made; those that have not are made."""
    texts = {what: path.read_text() if (path := out / f"{what}.md").exists() else make(what, out) for what in TEXTS}
    shells = {f"{radius:g} Å ({SITE_NAMES[site]})" for (_, _, site), radius in SHELLS.items()}
    return _PAGE.format(
        date=date.today(), version=__version__, openmm=openmm.version.version,
        gromacs=Gromacs(out).version(), hot=HOT_PS, hot_k=HOT_K, cool=COOL_PS, temperature=TEMPERATURE,
        shells=" and ".join(sorted(shells)), widest=WIDEST, tolerance=TOLERANCE_REFERENCE.tolerance, **texts,
    )  # fmt: skip


def main() -> None:
    """Sample boxes, print a table, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["sample", *TEXTS, "page"])
    parser.add_argument("box", nargs="*", help="sample these alone, such as n_salt-08/replica-00 (default: all)")
    parser.add_argument("--out", type=Path, required=True, help="folder of boxes and runs; kept and resumed")
    arguments = parser.parse_args()
    known = {name for name, _, _ in boxes()}
    if unknown := set(arguments.box) - known:
        parser.error(f"unknown: {', '.join(sorted(unknown))} (known: {', '.join(sorted(known))})")
    if arguments.what == "page":
        PAGE.write_text(page(arguments.out))
    elif arguments.what in TEXTS:
        print(make(arguments.what, arguments.out))
    else:
        for name, size, seed in boxes():
            if not arguments.box or name in arguments.box:
                sample(name, size, seed, arguments.out)
                print(f"{name}: done", flush=True)


if __name__ == "__main__":
    main()
