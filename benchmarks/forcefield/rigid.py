"""Rigid molecules around Li⁺: the lowest arrangements by the force field, each molecule in a shape that is given."""

from collections.abc import Callable, Sequence

import numpy as np
from complexes import Complex, contacts, energy_function
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from solvshell.quantum import Array

_TETRAHEDRON = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)


def _touching(shape: Array, site: int, direction: Array, rng: np.random.Generator) -> Array:
    """Return a molecule whose site is 1.9 Å from the origin and points to it, turned at random about that line."""
    outward = shape[site] - shape.mean(axis=0)
    turn, _ = Rotation.align_vectors([-direction], [outward])
    spin = Rotation.from_rotvec(direction * rng.uniform(0, 2 * np.pi))
    tilt = Rotation.from_rotvec(rng.normal(scale=0.3, size=3))
    return (spin * tilt * turn).apply(shape - shape[site]) + 1.9 * direction


def _moved(bodies: Sequence[Array], moves: Array) -> Array:
    """Return the positions of all bodies, each turned about its center and shifted: six numbers a body, rad and Å."""
    placed = []
    for body, (turn, shift) in zip(bodies, moves.reshape(-1, 2, 3), strict=True):
        center = body.mean(axis=0)
        placed.append(Rotation.from_rotvec(turn).apply(body - center) + center + shift)
    return np.vstack([np.zeros((1, 3)), *placed])


def _relaxed(bodies: Sequence[Array], energy: Callable[[Array], float]) -> tuple[float, Array]:
    found = minimize(lambda moves: energy(_moved(bodies, moves)), np.zeros(6 * len(bodies)), method="L-BFGS-B")
    return float(found.fun), _moved(bodies, found.x)


def arrangements(
    group: Complex, shapes: Sequence[Array], scale: float, n_starts: int = 12, seed: int = 1
) -> dict[int, Array]:
    """Return the lowest arrangement for each number of contacts of the last molecule with Li⁺ (within 2.5 Å).

    Parameters
    ----------
    group : Complex
        Li⁺, then up to four molecules.
    shapes : sequence of (n_atoms, 3) arrays in Å
        Of the molecules after Li⁺; they stay rigid.
    scale : float
        Of the charges of ions while the arrangement is sought.

    Returns
    -------
    dict
        Positions (n_atoms, 3) in Å, the lowest arrangement first.
    """
    rng = np.random.default_rng(seed)
    evaluate = energy_function(group.system(scale))
    best: dict[int, tuple[float, Array]] = {}
    for _ in range(n_starts):
        turn = Rotation.random(rng=rng)
        bodies = []
        for i, shape in enumerate(shapes):
            sites = np.array(group.coordinating(i + 1)) - group.fragments[i + 1].start
            bodies.append(_touching(shape, int(rng.choice(sites)), turn.apply(_TETRAHEDRON[i]), rng))
        energy, positions = _relaxed(bodies, lambda x: evaluate(x)[0])
        n = len(contacts(group, positions, within=2.5, to=[len(shapes)]))
        if n not in best or energy < best[n][0]:
            best[n] = (energy, positions)
    return {n: positions for n, (_, positions) in sorted(best.items(), key=lambda one: one[1][0])}
