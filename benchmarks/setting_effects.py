"""What the cutoff and the PME tolerance do to forces, energy, pressure, density and the distance Li-O."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from box_sizes import UNCORRECTED, boxes
from cutoffs import Computed, Floats, Setting, compute, frames
from energy_systems import TEMPERATURE
from shifts import compressibility, pressure_shift, response
from size_table import SETTLING_PS, density, volumes

from solvshell.box import Box

#: of boxes in which the widest cutoff fits
N_SALT = 16
CONTACT_NM = 0.28
WIDEST = 1.4
#: Without PME single precision is enough: 0.01 kJ/mol.
LJ = Setting(has_charges=False, platform="CPU")
CUTOFFS = {f"{cutoff:g} nm": replace(LJ, cutoff=cutoff, switch=round(cutoff - 0.1, 3)) for cutoff in (0.9, 1.0, 1.2)}
WHOLE, UNTAILED = "1 nm", "1 nm, no tail"
CUTOFFS |= {"1 nm, no switch": replace(LJ, switch=None), UNTAILED: replace(LJ, has_tail=False)}
CUTOFF_REFERENCE = replace(LJ, cutoff=WIDEST, switch=None)
TOLERANCES = {f"{tolerance:g}": Setting(tolerance=tolerance) for tolerance in (1e-3, 5e-4, 1e-4, 1e-5)}
TOLERANCES |= {"0.0005, CPU platform": Setting(tolerance=5e-4, platform="CPU")}
TOLERANCE_REFERENCE = Setting(tolerance=1e-7)


@dataclass(frozen=True)
class Sample:
    """Configurations of one box at 1 bar: edges and positions in nm, and what is followed in each of them."""

    box: Box
    configurations: list[tuple[Floats, Floats]]

    @property
    def volumes(self) -> Floats:
        """Volumes in nm³."""
        return np.array([edges.prod() for edges, _ in self.configurations])

    def of(self, residue: str, name: str | None = None) -> list[int]:
        """Return the atoms of a residue name, or those of one atom name."""
        atoms = self.box.topology.atoms()
        return [atom.index for atom in atoms if atom.residue.name == residue and name in (None, atom.name)]

    @property
    def li_o_angstrom(self) -> Floats:
        """Mean distance of Li+ and the carbonyl oxygens within `CONTACT_NM`, of each configuration."""
        li, oxygen = self.of("LI"), [i for solvent in ("EC", "DMC", "EMC") for i in self.of(solvent, "O2")]
        means = []
        for edges, positions in self.configurations:
            apart = positions[li][:, None] - positions[oxygen]
            r = np.linalg.norm(apart - edges * np.round(apart / edges), axis=-1)
            means.append(10 * r[r < CONTACT_NM].mean())
        return np.array(means)


@dataclass(frozen=True)
class Effect:
    """A setting against the reference; pairs are a value and its standard error."""

    force: float  # rms over atoms, kJ/mol/nm
    force_on_li: float
    energy: tuple[float, float]  # mean and standard deviation over the configurations, kJ/mol per atom
    pressure_bar: tuple[float, float]
    density_percent: tuple[float, float]
    li_o_angstrom: tuple[float, float]


def samples(out: Path, every_ps: int) -> list[Sample]:
    """Return configurations at 1 bar of the boxes that are large enough."""
    wanted = slice(SETTLING_PS, None, every_ps)  # frames are 1 ps apart
    found = []
    for name, size, _ in boxes():
        folder = out / name / "gromacs"
        if size.n_salt == N_SALT and (folder / "density.gro").exists():
            box = Box.load(out / name / "box")
            found.append(Sample(box, list(frames(box, folder / "conf.gro", folder / "density.xtc", wanted))))
    return found


def _rms(vectors: Floats) -> float:
    return float(np.sqrt(np.mean(np.sum(vectors**2, axis=-1))))


def compressibility_of(out: Path) -> tuple[float, float]:
    """Return the compressibility in 1/bar with its error, from all boxes at 1 bar."""
    done = [out / name for name, _, _ in boxes() if (out / name / "gromacs" / "density.gro").exists()]
    return compressibility([volumes(folder) for folder in done], TEMPERATURE)


def rms_force(of: list[Sample], computed: list[Computed]) -> tuple[float, float]:
    """Return the rms force on an atom, and on Li+."""
    on_li = np.concatenate([found.forces[:, sample.of("LI")] for sample, found in zip(of, computed, strict=True)])
    return _rms(np.concatenate([found.forces for found in computed])), _rms(on_li)


def effect(of: list[Sample], setting: Setting, reference: list[Computed], kappa: tuple[float, float]) -> Effect:
    """Return what a setting does, against the reference computed for each sample; kappa in 1/bar with its error."""
    found = [compute(sample.box, setting, sample.configurations) for sample in of]
    changes = [
        Computed(one.energies - other.energies, one.forces - other.forces)
        for one, other in zip(found, reference, strict=True)
    ]
    per_atom = np.concatenate([c.energies / s.box.n_atoms for s, c in zip(of, changes, strict=True)])
    bar, bar_error = pressure_shift([(s.volumes, c.energies) for s, c in zip(of, changes, strict=True)])
    return Effect(
        *rms_force(of, changes),
        energy=(float(per_atom.mean()), float(per_atom.std())),
        pressure_bar=(bar, bar_error),
        density_percent=(-100 * kappa[0] * bar, 100 * float(np.hypot(kappa[0] * bar_error, kappa[1] * bar))),
        li_o_angstrom=response([(s.li_o_angstrom, c.energies) for s, c in zip(of, changes, strict=True)], TEMPERATURE),
    )


def references(of: list[Sample], setting: Setting) -> list[Computed]:
    """Return the reference of each sample."""
    return [compute(sample.box, setting, sample.configurations) for sample in of]


def check(out: Path) -> tuple[float, float] | None:
    """Return by how many percent a run without tail is less dense, with its error; None if it is not there."""
    folder = out / UNCORRECTED
    if not (folder / "gromacs" / "no_tail.gro").exists():
        return None
    without, whole = density(folder, "no_tail"), density(folder)
    error = np.hypot(without.within, whole.within) / whole.value
    return 100 * (without.value / whole.value - 1), 100 * float(error)
