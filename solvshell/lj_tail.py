"""The Lennard-Jones energy beyond the cutoff, of a homogeneous liquid, as OpenMM has it, for pairs of species."""

import numpy as np
from numpy.typing import NDArray

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)


def _beyond(power: int, cutoff: float, switch: float | None) -> float:
    """Return the integral of r^(2 - power), times what the switch takes away, from the beginning of the switch on."""
    rest = cutoff ** (3 - power) / (power - 3)
    if switch is None:
        return rest
    x = (_NODES + 1) / 2
    r = switch + x * (cutoff - switch)
    taken = x**3 * (10 - 15 * x + 6 * x**2)
    return float(rest + (cutoff - switch) / 2 * _WEIGHTS @ (taken * r ** (2.0 - power)))


def pair_tails(
    sigma: NDArray[np.float64], epsilon: NDArray[np.float64], cutoff: float, switch: float | None
) -> NDArray[np.float64]:
    """Return eps (sigma^12 I_12 - sigma^6 I_6) of all pairs of kinds of atoms, as `tail_coefficients` defines it."""
    sixth = ((sigma[:, None] + sigma) / 2) ** 6
    integral = sixth**2 * _beyond(12, cutoff, switch) - sixth * _beyond(6, cutoff, switch)
    return np.asarray(np.sqrt(epsilon[:, None] * epsilon) * integral)


def tail_coefficients(
    sigma: NDArray[np.float64],
    epsilon: NDArray[np.float64],
    species: NDArray[np.int_],
    cutoff: float,
    switch: float | None,
) -> NDArray[np.float64]:
    """Return the tails of all atoms of a species with all of another, (n_species, n_species): divide by the volume.

    16 pi N / ((N + 1) V) sum eps (sigma^12 I_12 - sigma^6 I_6) over the pairs of atoms, I_p being the integral of
    r^(2-p) beyond the cutoff and of what the switch takes away before it. OpenMM has an atom interact with its own
    images too, hence N + 1 where there are N atoms, and pairs of one species are counted as i <= j, here twice: half
    the sum of the table's diagonal and all of one of its triangles is OpenMM's energy (`NonbondedForce`,
    setUseDispersionCorrection; Shirts et al., J. Phys. Chem. B 111 (2007) 13052).

    Parameters
    ----------
    sigma, epsilon, species
        Of each atom, shape (n_atoms,); species are counted from 0.
    cutoff, switch
        In the unit of length of sigma, which is cubed in the result; without a switch None.
    """
    kinds, kind = np.unique(np.stack([sigma, epsilon]), axis=1, return_inverse=True)
    of_pair = pair_tails(kinds[0], kinds[1], cutoff, switch)
    counts = np.zeros((species.max() + 1, kinds.shape[1]))
    np.add.at(counts, (species, kind.ravel()), 1)
    sums = counts @ of_pair @ counts.T + np.diag(counts @ np.diag(of_pair))
    n_atoms = len(species)
    return np.asarray(16 * np.pi * n_atoms / (n_atoms + 1) * sums)
