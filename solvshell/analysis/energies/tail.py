"""The Lennard-Jones energy beyond the cutoff, of a homogeneous liquid, as OpenMM has it, for pairs of species."""

import numpy as np

from solvshell.analysis.energies.model import PairModel

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)


def _beyond(model: PairModel, power: int) -> float:
    """Return the integral of r^(2 - power), times what the switch takes away, from the beginning of the switch on."""
    rest = model.cutoff ** (3 - power) / (power - 3)
    if model.switch is None:
        return rest
    x = (_NODES + 1) / 2
    r = model.switch + x * (model.cutoff - model.switch)
    taken = x**3 * (10 - 15 * x + 6 * x**2)
    return float(rest + (model.cutoff - model.switch) / 2 * _WEIGHTS @ (taken * r ** (2.0 - power)))


def tail_coefficients(model: PairModel, species: np.ndarray) -> np.ndarray:
    """Return the tails of all atoms of a species with all of another, in kJ/mol Å^3: divide them by the volume.

    16 pi N / ((N + 1) V) sum eps (sigma^12 I_12 - sigma^6 I_6) over the pairs of atoms, I_p being the integral of
    r^(2-p) beyond the cutoff and of what the switch takes away before it. OpenMM has an atom interact with its own
    images too, hence N + 1 where there are N atoms, and pairs of one species are counted as i <= j, here twice: half
    the sum of the table's diagonal and all of one of its triangles is OpenMM's energy (`NonbondedForce`,
    setUseDispersionCorrection; Shirts et al., J. Phys. Chem. B 111 (2007) 13052).

    Parameters
    ----------
    species
        Of each atom, shape (n_atoms,).
    """
    n_species = species.max() + 1
    if not model.tail:
        return np.zeros((n_species, n_species))
    kinds, kind = np.unique(np.stack([model.sigma, model.epsilon]), axis=1, return_inverse=True)
    sigma, epsilon = kinds
    mixed = (sigma[:, None] + sigma) / 2
    of_pair = np.sqrt(epsilon[:, None] * epsilon) * (mixed**12 * _beyond(model, 12) - mixed**6 * _beyond(model, 6))
    counts = np.zeros((n_species, len(sigma)))
    np.add.at(counts, (species, kind.ravel()), 1)
    sums = counts @ of_pair @ counts.T + np.diag(counts @ np.diag(of_pair))
    return 16 * np.pi * model.n_atoms / (model.n_atoms + 1) * sums
