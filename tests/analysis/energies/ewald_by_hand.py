"""psi(r) and interaction energies the slow way: direct Ewald sums, all pairs, all images."""

import itertools

import numpy as np
from scipy.special import erfc

KE = 1389.3545764438


def _lattice(vectors, radius):
    reach = (radius * np.linalg.norm(np.linalg.inv(vectors), axis=0)).astype(int) + 1
    points = (np.indices(2 * reach + 1).reshape(3, -1).T - reach) @ vectors
    return points[np.linalg.norm(points, axis=1) <= radius]


def psi(points, vectors):
    """Return psi at points (n, 3): twelve digits, and no thought about nearest images."""
    points, volume = np.atleast_2d(points), abs(np.linalg.det(vectors))
    alpha = np.sqrt(np.pi) / np.cbrt(volume)
    total = np.full(len(points), -np.pi / (volume * alpha**2))
    for image in _lattice(vectors, 6 / alpha + np.linalg.norm(points, axis=1).max()):
        r = np.linalg.norm(points + image, axis=1)
        total += erfc(alpha * r) / r
    for k in _lattice(2 * np.pi * np.linalg.inv(vectors).T, 12 * alpha):
        if k @ k > 0:
            total += 4 * np.pi / volume * np.exp(-(k @ k) / (4 * alpha**2)) / (k @ k) * np.cos(points @ k)
    return total


def images(vectors, n=2):
    """Return the vectors of all lattice points from -n to n, shape ((2 n + 1)^3, 3)."""
    return np.array(list(itertools.product(range(-n, n + 1), repeat=3))) @ vectors


def energies(one, other, vectors, model):
    """Return the nearest distance of two molecules (atom indices, whole positions), and LJ, bare and Ewald energy."""
    (i, at_i), (j, at_j) = one, other
    charges = np.multiply.outer(model.charges[i], model.charges[j])
    apart = at_j[None] - at_i[:, None]
    shifts = images(vectors)
    every = np.linalg.norm(apart[None] + shifts[:, None, None], axis=-1)
    nearest = every.reshape(len(shifts), -1).min(axis=1).argmin()
    bare = (charges / every[nearest]).sum()
    ewald = (charges * psi(apart.reshape(-1, 3), vectors).reshape(charges.shape)).sum()
    sigma = np.add.outer(model.sigma[i], model.sigma[j]) / 2
    epsilon = np.sqrt(np.multiply.outer(model.epsilon[i], model.epsilon[j]))
    r = every.min(axis=0)
    x = np.clip((r - model.switch) / (model.cutoff - model.switch), 0, 1)
    lj = 4 * epsilon * ((sigma / r) ** 12 - (sigma / r) ** 6) * (1 - 10 * x**3 + 15 * x**4 - 6 * x**5)
    return every.min(), np.array([lj.sum(), KE * bare, KE * ewald])
