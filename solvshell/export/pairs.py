"""Which pairs of atoms of a molecule interact in part: those three bonds apart, as every engine derives them."""

from collections.abc import Mapping, Sequence

import numpy as np

from solvshell.errors import InvalidInput

#: of Lennard-Jones and of Coulomb between atoms three bonds apart
FUDGE_14 = 0.5


def _bonds_apart(n_atoms: int, bonds: Sequence[tuple[int, ...]]) -> dict[tuple[int, int], int]:
    """Return the number of bonds, up to three, of the shortest way between two atoms: in a ring there are two ways."""
    neighbors: list[set[int]] = [set() for _ in range(n_atoms)]
    for i, j in bonds:
        neighbors[i].add(j)
        neighbors[j].add(i)
    apart: dict[tuple[int, int], int] = {}
    for start in range(n_atoms):
        reached, edge = {start}, {start}
        for distance in (1, 2, 3):
            edge = {j for i in edge for j in neighbors[i]} - reached
            reached |= edge
            apart |= {(start, j): distance for j in edge if j > start}
    return apart


def pairs_14(
    particles: Sequence[tuple[float, float, float]],
    bonds: Sequence[tuple[int, ...]],
    exceptions: Mapping[tuple[int, int], tuple[float, ...]],
) -> tuple[tuple[int, int], ...]:
    """Return the pairs three bonds apart, which interact times `FUDGE_14`.

    Parameters
    ----------
    particles : sequence of (charge, sigma, epsilon)
        In e, nm, kJ/mol; so are those of the exceptions.
    bonds, exceptions
        Of one molecule, atoms counted from 0, the smaller index first.

    Raises
    ------
    InvalidInput
        If an exception is not what follows from the bonds, the mixing rule and the factor.
    """
    apart = _bonds_apart(len(particles), bonds)
    if exceptions.keys() != apart.keys():
        (i, j), *_ = sorted(exceptions.keys() ^ apart.keys())
        raise InvalidInput(f"atoms {i + 1} and {j + 1}: excluded, but not within three bonds, or the other way round")
    for (i, j), (charge, sigma, epsilon) in exceptions.items():
        factor = FUDGE_14 if apart[i, j] == 3 else 0.0
        (q_i, sigma_i, epsilon_i), (q_j, sigma_j, epsilon_j) = particles[i], particles[j]
        expected = factor * q_i * q_j, factor * np.sqrt(epsilon_i * epsilon_j)
        is_mixed = epsilon == 0 or np.isclose(sigma, (sigma_i + sigma_j) / 2, rtol=1e-6)
        if not (is_mixed and np.allclose((charge, epsilon), expected, rtol=1e-6, atol=1e-9)):
            raise InvalidInput(f"atoms {i + 1} and {j + 1}, {apart[i, j]} bonds apart, interact in a way of their own")
    return tuple(sorted(pair for pair, distance in apart.items() if distance == 3))
