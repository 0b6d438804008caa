"""Points around a center, drawn one by one from a potential that is known."""

import numpy as np
from synthetic import make_universe, on_sphere

BOX = 16.0
#: a well of 3 kT at 2 Å, a barrier of 1.5 kT at 2.8 Å
WELL, BARRIER = (-3.0, 2.0, 0.15), (1.5, 2.8, 0.25)


def work(r):
    return sum(height * np.exp(-((r - at) ** 2) / (2 * width**2)) for height, at, width in (WELL, BARRIER))


def draw(rng, n):
    """Return points (n, 3) of density exp(-W) around the middle of the box, and the ln of the mean of exp(-W)."""
    r = np.linspace(0, 4, 40_001)  # where W ends
    inside = np.cumsum(4 * np.pi * r**2 * np.exp(-work(r))) * r[1]
    outside = BOX**3 - 4 / 3 * np.pi * r[-1] ** 3
    points = rng.random((2 * n, 3)) * BOX - BOX / 2
    points = points[np.linalg.norm(points, axis=1) > r[-1]][:n]
    near = rng.random(n) < inside[-1] / (inside[-1] + outside)
    distance = np.interp(rng.random((near.sum(), 1)) * inside[-1], inside, r)
    points[near] = distance * on_sphere(rng, (near.sum(),))
    return points + BOX / 2, float(np.log((inside[-1] + outside) / BOX**3))


def known_universe(rng, n_frames=4000, n_sites=30):
    """Return a universe of one Li with so many sites around it in each frame, and the ln of the mean of exp(-W)."""
    points, ln_mean = draw(rng, n_frames * n_sites)
    positions = np.concatenate([np.full((n_frames, 1, 3), BOX / 2), points.reshape(n_frames, n_sites, 3)], axis=1)
    molecules = [("LI", ["LI"]), *[("EC", ["O"])] * n_sites]
    return make_universe(molecules, positions, (BOX, BOX, BOX, 90, 90, 90)), ln_mean


def expected(low, high, ln_mean):
    """Return -ln g of the potential in a bin."""
    r = np.linspace(low, high, 400)
    return -np.log(np.average(np.exp(-work(r)), weights=r**2)) + ln_mean
