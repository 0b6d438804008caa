"""Energies, gradients, minima and Hessians of molecules: GFN2-xTB by tblite, density functionals by PySCF.

Positions are arrays (n_atoms, 3) in Å, energies kJ/mol, gradients kJ/mol/Å. Every molecule is closed-shell. DFT
energies are kept in a cache folder, one JSON file per geometry and level: a script that was stopped goes on.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyscf import dft, gto, lib
from pyscf.data.nist import BOHR, HARTREE2J
from scipy.constants import N_A

HARTREE_KJ_MOL = HARTREE2J * N_A / 1000

Array = NDArray[np.float64]
Gradient = Callable[[Array], tuple[float, Array]]

lib.param.TMPDIR = tempfile.gettempdir()  # PySCF's default is the working directory


@dataclass(frozen=True)
class Level:
    """A density functional, its dispersion correction, basis and grid.

    PBE0 because neither a cation without valence electrons nor a small anion forgives much self-interaction; D4 because
    its coefficients know charges (in D3 an isolated Li⁺ carries the large C6 of the Li atom); diffuse functions
    because of the anions.
    """

    functional: str = "pbe0"
    dispersion: str | None = "d4"
    basis: str = "def2-tzvpd"
    grid: int = 3

    def __str__(self) -> str:
        name = f"{self.functional.upper()}{'-' + self.dispersion.upper() if self.dispersion else ''}"
        return f"{name}/{self.basis.upper().replace('DEF', 'def')}"


PAIR_LEVEL = Level()
CLUSTER_LEVEL = Level(basis="def2-tzvp")
GEOMETRY_LEVEL = Level(basis="def2-svp")
#: of atoms that do not matter much: see `dft_energy`
COARSE_BASIS = "def2-svp"


def _molecule(
    elements: Sequence[str],
    positions: Array,
    charge: int,
    basis: str,
    ghosts: Sequence[int] = (),
    coarse: Sequence[int] = (),
) -> gto.Mole:
    labels = [f"{element}{'9' * (i in coarse)}" for i, element in enumerate(elements)]
    names = [f"ghost-{label}" if i in ghosts else label for i, label in enumerate(labels)]
    bases = {label: COARSE_BASIS if label.endswith("9") else basis for label in labels}
    atoms = list(zip(names, np.asarray(positions).tolist(), strict=True))
    return gto.M(atom=atoms, charge=charge, basis=bases, unit="Angstrom", verbose=0, max_memory=6000)


def _mean_field(molecule: gto.Mole, level: Level, continuum: float | None = None) -> dft.rks.RKS:
    mean_field = dft.RKS(molecule, xc=level.functional).density_fit()
    mean_field.grids.level = level.grid
    if continuum is not None:
        mean_field = mean_field.PCM()
        mean_field.with_solvent.method = "IEF-PCM"
        mean_field.with_solvent.eps = continuum
    return mean_field


def _converged(mean_field: dft.rks.RKS) -> dft.rks.RKS:
    """Return the solved mean field, by second-order steps where the first kind failed.

    Raises
    ------
    RuntimeError
        If these fail too.
    """
    mean_field.kernel()
    if not mean_field.converged:
        mean_field = mean_field.newton()
        mean_field.kernel()
    if not mean_field.converged:
        raise RuntimeError("the self-consistent field does not converge")
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
        real = [i for i in range(len(elements)) if i not in ghosts]
        atoms = _molecule([elements[i] for i in real], np.asarray(positions)[real], charge, level.basis)
        bare = dft.RKS(atoms, xc=level.functional)
        bare.disp = level.dispersion
        energy += float(bare.get_dispersion())
    return energy * HARTREE_KJ_MOL


def _key(*parts) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:20]


def cached(cache: Path, name: str, inputs: dict, compute: Callable[[], dict]) -> dict:
    """Return what `compute` returns, from the cache folder if these inputs have been computed before."""
    path = Path(cache) / f"{name}-{_key(inputs)}.json"
    if not path.exists():
        result = {**inputs, **compute()}
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps(result))
        partial.rename(path)
    return json.loads(path.read_text())


def _inputs(elements: Sequence[str], positions: Array, charge: int, level: Level) -> dict:
    rounded = np.round(np.asarray(positions, dtype=float), 5) + 0.0  # no negative zeros
    return {
        "elements": list(elements),
        "positions_angstrom": rounded.tolist(),
        "charge": charge,
        "level": asdict(level),
    }


def gfn2(elements: Sequence[str], positions: Array, charge: int, continuum: float | None = None) -> tuple[float, Array]:
    """Return energy (kJ/mol) and gradient (kJ/mol/Å) of GFN2-xTB, in the gas phase or a continuum.

    `continuum` is the dielectric constant of a conductor-like polarizable continuum (ddCPCM).
    """
    from tblite.interface import Calculator

    numbers = np.array([gto.charge(element) for element in elements])
    calculator = Calculator("GFN2-xTB", numbers, np.asarray(positions) / BOHR, charge=charge)
    calculator.set("verbosity", 0)
    if continuum is not None:
        calculator.add("ddX-solvation", continuum, "cpcm")
    result = calculator.singlepoint()
    return result.get("energy") * HARTREE_KJ_MOL, result.get("gradient") * HARTREE_KJ_MOL / BOHR


def dft_gradient(
    elements: Sequence[str], positions: Array, charge: int, level: Level = PAIR_LEVEL
) -> tuple[float, Array]:
    """Return energy (kJ/mol) and gradient (kJ/mol/Å) of a density functional in the gas phase."""
    mean_field = _mean_field(_molecule(elements, positions, charge, level.basis), level)
    mean_field.disp = level.dispersion
    solved = _converged(mean_field)
    return float(solved.e_tot) * HARTREE_KJ_MOL, solved.nuc_grad_method().kernel() * HARTREE_KJ_MOL / BOHR


def dft_hessian(
    elements: Sequence[str], positions: Array, charge: int, cache: Path, level: Level = PAIR_LEVEL
) -> Array:
    """Return the Hessian (3 n_atoms, 3 n_atoms) in kJ/mol/Å², by central differences of gradients 0.005 Å apart."""
    inputs = _inputs(elements, positions, charge, level)

    def compute() -> dict:
        hessian = numeric_hessian(lambda x: dft_gradient(elements, x, charge, level), np.asarray(positions))
        return {"hessian_kj_mol_angstrom2": hessian.tolist()}

    return np.array(cached(cache, "hessian", inputs, compute)["hessian_kj_mol_angstrom2"])


def numeric_hessian(gradient: Gradient, positions: Array, step: float = 0.005) -> Array:
    """Return the symmetric Hessian of a function that returns energy and gradient, by central differences."""
    rows = []
    for move in np.eye(positions.size).reshape(-1, *positions.shape) * step:
        ahead, behind = (gradient(positions + sign * move)[1].ravel() for sign in (1, -1))
        rows.append((ahead - behind) / (2 * step))
    hessian = np.array(rows)
    return (hessian + hessian.T) / 2


_SILENT_LOG = """[loggers]
keys=root
[handlers]
keys=none
[formatters]
keys=
[logger_root]
level=CRITICAL
handlers=none
[handler_none]
class=logging.NullHandler
args=()
"""


def optimize(
    elements: Sequence[str],
    positions: Array,
    gradient: Gradient,
    dihedrals: Sequence[tuple[int, int, int, int]] = (),
) -> Array:
    """Return the positions of the minimum that geomeTRIC reaches downhill, with the named dihedrals held as they are.

    Parameters
    ----------
    gradient : callable
        Returns energy (kJ/mol) and gradient (kJ/mol/Å) at positions (Å).
    dihedrals : sequence of four atom indices, from 0
    """
    from geometric.engine import Engine
    from geometric.molecule import Molecule
    from geometric.optimize import run_optimizer

    class Function(Engine):
        def calc_new(self, coords: Array, dirname: str) -> dict:
            energy, force = gradient(coords.reshape(-1, 3) * BOHR)
            return {"energy": energy / HARTREE_KJ_MOL, "gradient": force.ravel() * BOHR / HARTREE_KJ_MOL}

    molecule = Molecule()
    molecule.elem = list(elements)
    molecule.xyzs = [np.asarray(positions, dtype=float)]
    with tempfile.TemporaryDirectory() as folder:
        settings = {"customengine": Function(molecule), "input": f"{folder}/molecule.xyz", "prefix": f"{folder}/run"}
        log = Path(folder) / "log.ini"
        log.write_text(_SILENT_LOG)
        if dihedrals:
            lines = [f"dihedral {' '.join(str(atom + 1) for atom in four)}" for four in dihedrals]
            constraints = Path(folder) / "constraints.txt"
            constraints.write_text("\n".join(["$freeze", *lines, ""]))
            settings["constraints"] = str(constraints)
        progress = run_optimizer(**settings, logIni=str(log), maxiter=300, convergence_set="GAU")
    return np.array(progress.xyzs[-1])


def optimize_gfn2(
    elements: Sequence[str],
    positions: Array,
    charge: int,
    dihedrals: Sequence[tuple[int, int, int, int]] = (),
) -> Array:
    """Return the positions of the nearest GFN2-xTB minimum in the gas phase, with the named dihedrals held."""
    return optimize(elements, positions, lambda x: gfn2(elements, x, charge), dihedrals)


def optimize_dft(
    elements: Sequence[str], positions: Array, charge: int, cache: Path, level: Level = PAIR_LEVEL
) -> Array:
    """Return the positions of the nearest minimum of a density functional in the gas phase; cached by the start."""

    def compute() -> dict:
        minimum = optimize(elements, positions, lambda x: dft_gradient(elements, x, charge, level))
        return {"minimum_angstrom": minimum.tolist()}

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
    """Return the energy of a molecule by a density functional with density fitting, in kJ/mol.

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
    """
    inputs = {
        **_inputs(elements, positions, charge, level),
        "ghosts": sorted(int(ghost) for ghost in ghosts),
        "continuum": continuum,
    }
    if coarse:
        inputs["coarse"] = {COARSE_BASIS: sorted(int(atom) for atom in coarse)}

    def compute() -> dict:
        energy = _dft_energy(elements, positions, charge, ghosts, continuum, level, coarse)
        return {"energy_kj_mol": energy}

    return cached(cache, "energy", inputs, compute)["energy_kj_mol"]
