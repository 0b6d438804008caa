"""Grand-canonical Monte Carlo of Lennard-Jones particles in a cubic box: the compiled loop. Reduced units."""

from typing import NamedTuple

import numba
import numpy as np

INSERTION, DELETION, DISPLACEMENT = range(3)
#: Sums over moves: particles, their square, energy, and virial sum r . f of pairs
N, N_SQUARED, ENERGY, VIRIAL = range(4)
#: Displacements are made longer or shorter until so many are accepted.
_ACCEPTED_DISPLACEMENTS = 0.4


class Model(NamedTuple):
    """A state point: `shift` is taken off a pair's energy within the cutoff, `tail` N^2 / V is added to the whole."""

    beta: float
    beta_mu: float
    length: float
    cutoff: float
    shift: float
    tail: float


class Particles(NamedTuple):
    """The particles, with room for more: coordinates, shape (3, room); the first `n[0]` are there.

    `sums` are energy (with tail) and virial, `step` the longest displacement along an axis.
    """

    xyz: np.ndarray
    n: np.ndarray
    sums: np.ndarray
    step: np.ndarray


class Tally(NamedTuple):
    """What is counted: moves tried and accepted by kind, `sums` after every move, and moves and energy by N."""

    tried: np.ndarray
    accepted: np.ndarray
    sums: np.ndarray
    moves_at: np.ndarray
    energy_at: np.ndarray


# Sums may be taken in any order, four at a time; infinite energies of overlaps stay infinite.
@numba.njit(cache=True, fastmath={"reassoc", "contract", "nsz"}, error_model="numpy")
def _with_some(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, at: tuple[float, float, float], length: float, cutoff: float,
    shift: float,
) -> tuple[float, float]:  # fmt: skip
    """Return energy and virial of a particle with others, nearest images."""
    energy, virial = 0.0, 0.0
    inverse, farthest = 1 / length, cutoff * cutoff
    for j in range(len(x)):
        dx, dy, dz = x[j] - at[0], y[j] - at[1], z[j] - at[2]
        dx -= length * np.rint(dx * inverse)
        dy -= length * np.rint(dy * inverse)
        dz -= length * np.rint(dz * inverse)
        square = dx * dx + dy * dy + dz * dz
        sixth = 1 / (square * square * square)
        is_near = square < farthest
        energy += 4 * sixth * (sixth - 1) - shift if is_near else 0.0
        virial += 24 * sixth * (2 * sixth - 1) if is_near else 0.0
    return energy, virial


@numba.njit(cache=True)
def energy_at(particles: Particles, at: tuple[float, float, float], skipped: int, model: Model) -> tuple[float, float]:
    """Return energy and virial of a particle at a place with all others but one; -1 skips none."""
    n = particles.n[0]
    x, y, z = particles.xyz[0], particles.xyz[1], particles.xyz[2]
    if skipped < 0:
        return _with_some(x[:n], y[:n], z[:n], at, model.length, model.cutoff, model.shift)
    u, w = _with_some(x[:skipped], y[:skipped], z[:skipped], at, model.length, model.cutoff, model.shift)
    after = slice(skipped + 1, n)
    u_after, w_after = _with_some(x[after], y[after], z[after], at, model.length, model.cutoff, model.shift)
    return u + u_after, w + w_after


@numba.njit(cache=True)
def _put(particles: Particles, i: int, at: tuple[float, float, float]) -> None:
    particles.xyz[0, i], particles.xyz[1, i], particles.xyz[2, i] = at


@numba.njit(cache=True)
def _insert(particles: Particles, model: Model, generator: np.random.Generator) -> bool:
    n, volume = particles.n[0], model.length**3
    if n == particles.xyz.shape[1]:
        return False
    at = (generator.random() * model.length, generator.random() * model.length, generator.random() * model.length)
    energy, virial = energy_at(particles, at, -1, model)
    energy += model.tail * (2 * n + 1) / volume
    if np.log1p(-generator.random()) >= model.beta_mu + np.log(volume / (n + 1)) - model.beta * energy:
        return False
    _put(particles, n, at)
    particles.n[0] = n + 1
    particles.sums[0] += energy
    particles.sums[1] += virial
    return True


@numba.njit(cache=True)
def _delete(particles: Particles, model: Model, generator: np.random.Generator) -> bool:
    n, volume = particles.n[0], model.length**3
    if n == 0:
        return False
    i = int(generator.random() * n)
    xyz = particles.xyz
    energy, virial = energy_at(particles, (xyz[0, i], xyz[1, i], xyz[2, i]), i, model)
    energy += model.tail * (2 * n - 1) / volume
    if np.log1p(-generator.random()) >= np.log(n / volume) - model.beta_mu + model.beta * energy:
        return False
    _put(particles, i, (xyz[0, n - 1], xyz[1, n - 1], xyz[2, n - 1]))
    particles.n[0] = n - 1
    particles.sums[0] -= energy
    particles.sums[1] -= virial
    return True


@numba.njit(cache=True)
def _displace(particles: Particles, model: Model, generator: np.random.Generator) -> bool:
    n, xyz, longest = particles.n[0], particles.xyz, particles.step[0]
    if n == 0:
        return False
    i = int(generator.random() * n)
    before = (xyz[0, i], xyz[1, i], xyz[2, i])
    after = (
        (before[0] + longest * (2 * generator.random() - 1)) % model.length,
        (before[1] + longest * (2 * generator.random() - 1)) % model.length,
        (before[2] + longest * (2 * generator.random() - 1)) % model.length,
    )
    old_energy, old_virial = energy_at(particles, before, i, model)
    new_energy, new_virial = energy_at(particles, after, i, model)
    if np.log1p(-generator.random()) >= -model.beta * (new_energy - old_energy):
        return False
    _put(particles, i, after)
    particles.sums[0] += new_energy - old_energy
    particles.sums[1] += new_virial - old_virial
    return True


@numba.njit(cache=True)
def make_moves(particles: Particles, model: Model, generator: np.random.Generator, n_moves: int, tally: Tally) -> None:
    """Try moves, a third of each kind, and count after each of them, accepted or not."""
    for _ in range(n_moves):
        kind = int(3 * generator.random())
        if kind == INSERTION:
            is_accepted = _insert(particles, model, generator)
        elif kind == DELETION:
            is_accepted = _delete(particles, model, generator)
        else:
            is_accepted = _displace(particles, model, generator)
        tally.tried[kind] += 1
        tally.accepted[kind] += is_accepted
        n, energy = particles.n[0], particles.sums[0]
        tally.sums[N] += n
        tally.sums[N_SQUARED] += n * n
        tally.sums[ENERGY] += energy
        tally.sums[VIRIAL] += particles.sums[1]
        tally.moves_at[n] += 1
        tally.energy_at[n] += energy


def empty_tally(room: int) -> Tally:
    """Return a tally of nothing, for up to `room` particles."""
    counts = (np.zeros(3, np.int64), np.zeros(3, np.int64))
    return Tally(*counts, np.zeros(4), np.zeros(room + 1, np.int64), np.zeros(room + 1))


def tune(particles: Particles, tally: Tally, length: float) -> None:
    """Change the longest displacement by what a tally says of them."""
    tried, accepted = tally.tried[DISPLACEMENT], tally.accepted[DISPLACEMENT]
    if tried and particles.n[0]:
        particles.step[0] *= np.clip(accepted / tried / _ACCEPTED_DISPLACEMENTS, 0.5, 2)
        particles.step[0] = min(particles.step[0], length / 2)
