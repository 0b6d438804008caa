"""Density-functional theory by PySCF, with density fitting; energies are kept in a cache folder: see `cache`."""

import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from solvshell.quantum.cache import cached, geometry_inputs
from solvshell.quantum.extra import NotConverged, needed
from solvshell.quantum.levels import COARSE_BASIS, PAIR_LEVEL, Level
from solvshell.quantum.minima import optimize
from solvshell.quantum.units import BOHR_ANGSTROM, HARTREE_KJ_MOL, Array
from solvshell.quantum.vibrations import numeric_hessian


def _molecule(
    elements: Sequence[str],
    positions: Array,
    charge: int,
    basis: str,
    ghosts: Sequence[int] = (),
    coarse: Sequence[int] = (),
) -> Any:
    pyscf = needed("pyscf")
    pyscf.lib.param.TMPDIR = tempfile.gettempdir()  # the default is the working directory
    labels = [f"{element}{'9' * (i in coarse)}" for i, element in enumerate(elements)]
    names = [f"ghost-{label}" if i in ghosts else label for i, label in enumerate(labels)]
    bases = {label: COARSE_BASIS if label.endswith("9") else basis for label in labels}
    atoms = list(zip(names, np.asarray(positions).tolist(), strict=True))
    return pyscf.gto.M(atom=atoms, charge=charge, basis=bases, unit="Angstrom", verbose=0, max_memory=6000)


def _mean_field(molecule: Any, level: Level, continuum: float | None = None) -> Any:
    mean_field = needed("pyscf.dft").RKS(molecule, xc=level.functional).density_fit()
    mean_field.grids.level = level.grid
    if continuum is not None:
        mean_field = mean_field.PCM()
        mean_field.with_solvent.method = "IEF-PCM"
        mean_field.with_solvent.eps = continuum
    return mean_field


def _converged(mean_field: Any) -> Any:
    """Return the solved mean field, by second-order steps where the first kind failed."""
    mean_field.kernel()
    if not mean_field.converged:
        mean_field = mean_field.newton()
        mean_field.kernel()
    if not mean_field.converged:
        raise NotConverged("DFT: the self-consistent field does not converge")
    return mean_field


def _dft_energy(
    elements: Sequence[str],
    positions: Array,
    charge: int,
    ghosts: Sequence[int],
    continuum: float | None,
    level: Level,
    coarse: Sequence[int],
) -> float:
    molecule = _molecule(elements, positions, charge, level.basis, ghosts, coarse)
    mean_field = _mean_field(molecule, level, continuum)
    mean_field.conv_tol = 1e-7
    energy = float(_converged(mean_field).e_tot)
    if level.dispersion:  # of the real atoms: a ghost has none
        needed("pyscf.dispersion")
        real = [i for i in range(len(elements)) if i not in ghosts]
        atoms = _molecule([elements[i] for i in real], np.asarray(positions)[real], charge, level.basis)
        bare = needed("pyscf.dft").RKS(atoms, xc=level.functional)
        bare.disp = level.dispersion
        energy += float(bare.get_dispersion())
    return energy * HARTREE_KJ_MOL


def _inputs(elements: Sequence[str], positions: Array, charge: int, level: Level) -> dict[str, Any]:
    """Return the key of an entry. A level means the same in every version of PySCF, so that none is in it.

    Whoever changes what is meant (continuum, density fitting, convergence) adds a word for it; `_made_by` says it.
    """
    return {**geometry_inputs(elements, positions, charge), "level": asdict(level)}


def _made_by() -> dict[str, str]:
    return {"made_by": f"PySCF {version('pyscf')}, density fitting; a continuum is IEF-PCM"}


def dft_gradient(
    elements: Sequence[str],
    positions: Array,
    charge: int,
    level: Level = PAIR_LEVEL,
    continuum: float | None = None,
) -> tuple[float, Array]:
    """Return energy (kJ/mol) and gradient (kJ/mol/Å) of a density functional, in the gas phase or a continuum.

    Raises
    ------
    NotConverged
        If the self-consistent field finds no end.
    """
    mean_field = _mean_field(_molecule(elements, positions, charge, level.basis), level, continuum)
    mean_field.disp = level.dispersion
    solved = _converged(mean_field)
    gradient = solved.nuc_grad_method().kernel()
    return float(solved.e_tot) * HARTREE_KJ_MOL, gradient * HARTREE_KJ_MOL / BOHR_ANGSTROM


def dft_hessian(
    elements: Sequence[str], positions: Array, charge: int, cache: Path, level: Level = PAIR_LEVEL
) -> Array:
    """Return the Hessian (3 n_atoms, 3 n_atoms) in kJ/mol/Å², by central differences of gradients 0.005 Å apart."""
    inputs = _inputs(elements, positions, charge, level)

    def compute() -> dict[str, Any]:
        hessian = numeric_hessian(lambda x: dft_gradient(elements, x, charge, level), np.asarray(positions))
        return {"hessian_kj_mol_angstrom2": hessian.tolist(), **_made_by()}

    return np.array(cached(cache, "hessian", inputs, compute)["hessian_kj_mol_angstrom2"])


def optimize_dft(
    elements: Sequence[str], positions: Array, charge: int, cache: Path, level: Level = PAIR_LEVEL
) -> Array:
    """Return the positions of the nearest minimum of a density functional in the gas phase; cached by the start."""

    def compute() -> dict[str, Any]:
        minimum = optimize(elements, positions, lambda x: dft_gradient(elements, x, charge, level))
        return {"minimum_angstrom": minimum.tolist(), **_made_by()}

    return np.array(cached(cache, "minimum", _inputs(elements, positions, charge, level), compute)["minimum_angstrom"])


def dft_energy(
    elements: Sequence[str],
    positions: Array,
    charge: int,
    cache: Path,
    ghosts: Sequence[int] = (),
    continuum: float | None = None,
    level: Level = PAIR_LEVEL,
    coarse: Sequence[int] = (),
) -> float:
    """Return the energy of a molecule by a density functional, in kJ/mol.

    Parameters
    ----------
    elements, positions, charge
        Of all atoms; `charge` is that of the atoms that are no ghosts.
    cache : Path
        Folder in which the energy is kept.
    ghosts : sequence of int
        Atoms that lend their basis functions only (counterpoise correction).
    continuum : float, optional
        Dielectric constant of a polarizable continuum (IEF-PCM) around the molecule; None is the gas phase.
    level : Level
        Functional, dispersion correction, basis and grid.
    coarse : sequence of int
        Atoms that get `COARSE_BASIS`: those of a large group that touch nothing of interest.

    Raises
    ------
    NotConverged
        If the self-consistent field finds no end.
    """
    inputs = {
        **_inputs(elements, positions, charge, level),
        "ghosts": sorted(int(ghost) for ghost in ghosts),
        "continuum": continuum,
    }
    if coarse:
        inputs["coarse"] = {COARSE_BASIS: sorted(int(atom) for atom in coarse)}

    def compute() -> dict[str, Any]:
        energy = _dft_energy(elements, positions, charge, ghosts, continuum, level, coarse)
        return {"energy_kj_mol": energy, **_made_by()}

    return float(cached(cache, "energy", inputs, compute)["energy_kj_mol"])
