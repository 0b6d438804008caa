"""Lennard-Jones particles that exchange with a reservoir: any state point, in reduced units.

Lengths are in sigma, energies in epsilon, temperatures in epsilon / k_B. The thermal wavelength is sigma, so that the
activity is z = exp(beta_mu) and an ideal gas holds z V particles.
"""

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvshell.errors import InvalidInput, WorkFailed
from solvshell.md.grand import lennard_jones_moves as moves
from solvshell.md.grand.averages import Average, average, ratio

#: Fewer accepted insertions and deletions tell no average.
FEWEST_EXCHANGES = 50
#: ... nor do fewer independent samples.
_FEWEST_INDEPENDENT = 10
#: Of the measured moves, so many are made before them.
_EQUILIBRATION = 0.2
_N_TUNINGS = 50
#: Particles per sigma^3 that there is room for: more than a solid has at hundreds of epsilon / sigma^3.
_DENSEST = 2.0


@dataclass(frozen=True)
class GrandCanonicalAverages:
    """Averages at a state point, reduced units; each with an error that knows how long the system remembers.

    Attributes
    ----------
    temperature, beta_mu, volume : float
        As they were asked for.
    n, n_sd : Average
        Particles, and the standard deviation of their number.
    energy, energy_per_particle : Average
        <U> and <U> / <N>, with the tail.
    pressure : Average
        From the virial, with the tail: see `lennard_jones`.
    probability, probability_stderr : ndarray, shape (most + 1,)
        How often there are N particles.
    energy_at, energy_at_stderr : ndarray, shape (most + 1,)
        Mean energy while there are N particles; nan where there never were.
    acceptance : dict of str to float
        Share of accepted moves of those tried: ``insertion``, ``deletion``, ``displacement``.
    n_exchanges : int
        Accepted insertions and deletions.
    """

    temperature: float
    beta_mu: float
    volume: float
    n: Average
    n_sd: Average
    energy: Average
    energy_per_particle: Average
    pressure: Average
    probability: NDArray[np.float64]
    probability_stderr: NDArray[np.float64]
    energy_at: NDArray[np.float64]
    energy_at_stderr: NDArray[np.float64]
    acceptance: dict[str, float]
    n_exchanges: int

    @property
    def status(self) -> str:
        """``ok``, or ``not converged`` if fewer than 50 exchanges were accepted or they make too few samples of N."""
        enough = self.n_exchanges >= FEWEST_EXCHANGES and self.n.n_independent >= _FEWEST_INDEPENDENT
        return "ok" if enough else "not converged"

    def __str__(self) -> str:
        shares = ", ".join(f"{kind} {share:.3g}" for kind, share in self.acceptance.items())
        lines = [
            f"Lennard-Jones at T* = {self.temperature:g}, beta mu = {self.beta_mu:g}, V* = {self.volume:g}",
            f"status       {self.status} ({self.n_exchanges} accepted insertions and deletions)",
            f"N            {self.n}",
            f"sd of N      {self.n_sd}",
            f"U            {self.energy}",
            f"U/N          {self.energy_per_particle}",
            f"p            {self.pressure} at the imposed beta mu = {self.beta_mu:g}",
            f"accepted     {shares}",
        ]
        return "\n".join(lines)


def _is_finite(value: object) -> bool:
    return isinstance(value, Real) and math.isfinite(value)


def _refuse_counts(n_moves: int, n_blocks: int, most: int | None, seed: int) -> None:
    least = {"n_moves": _FEWEST_INDEPENDENT, "n_blocks": _FEWEST_INDEPENDENT, "most": 1, "seed": 0}
    given = {"n_moves": n_moves, "n_blocks": n_blocks, "most": 1 if most is None else most, "seed": seed}
    for name, value in given.items():
        if not isinstance(value, Integral) or value < least[name]:
            raise InvalidInput(f"{name}: a whole number, {least[name]} or more, got {value!r}")
    if n_blocks > n_moves:
        raise InvalidInput(f"n_blocks: at most n_moves = {n_moves}, got {n_blocks}")


def _refuse(temperature: float, beta_mu: float, volume: float, cutoff: float, tail: bool, shift: bool) -> None:
    for name, value in {"temperature": temperature, "volume": volume, "cutoff": cutoff}.items():
        if not (_is_finite(value) and value > 0):
            raise InvalidInput(f"{name}: a finite number above 0 in reduced units, got {value!r}")
    if not _is_finite(beta_mu):
        raise InvalidInput(f"beta_mu: a finite number, got {beta_mu!r}")
    if cutoff > volume ** (1 / 3) / 2 * (1 + 1e-12):
        raise InvalidInput(f"cutoff: at most half the box, {volume ** (1 / 3) / 2:.4g}, got {cutoff:g}")
    if shift and tail:
        raise InvalidInput("shift: a shifted potential ends at the cutoff and has no tail; say tail=False with it")
    if tail and cutoff < 1:
        raise InvalidInput(f"cutoff: at least 1 with a tail, which takes g = 1 beyond it, got {cutoff:g}")


def _model(temperature: float, beta_mu: float, volume: float, cutoff: float, tail: bool, shift: bool) -> moves.Model:
    at_cutoff = 4 * (cutoff**-12 - cutoff**-6)
    beyond = 8 * math.pi / 3 * (cutoff**-9 / 3 - cutoff**-3)
    return moves.Model(
        beta=1 / temperature,
        beta_mu=float(beta_mu),
        length=volume ** (1 / 3),
        cutoff=float(cutoff),
        shift=at_cutoff if shift else 0.0,
        tail=beyond if tail else 0.0,
    )


def _pressure(
    model: moves.Model, n: NDArray[np.float64], n_squared: NDArray[np.float64], virial: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the pressure of each block: of the ideal gas, of forces, of the jump at the cutoff and of the tail.

    Pairs that cross the cutoff gain or lose its energy: (2 pi / 3) rc^3 u(rc) N (N - 1) / V^2 for g(rc) = 1.
    """
    volume, rc = model.length**3, model.cutoff
    jump = 0.0 if model.shift else 8 * math.pi / 3 * (rc**-9 - rc**-3)
    beyond = jump * (n_squared - n) + model.tail * n_squared
    return (n / model.beta + virial / 3 + beyond / volume) / volume


def _sampled(
    model: moves.Model, room: int, moves_per_block: int, n_blocks: int, generator: np.random.Generator
) -> list[moves.Tally]:
    """Return the tally of each block, after an equilibration from an empty box."""
    particles = moves.Particles(np.zeros((3, room)), np.zeros(1, np.int64), np.zeros(2), np.full(1, 0.3))
    before = math.ceil(_EQUILIBRATION * moves_per_block * n_blocks / _N_TUNINGS)
    for _ in range(_N_TUNINGS):
        tally = moves.empty_tally(room)
        moves.make_moves(particles, model, generator, before, tally)
        moves.tune(particles, tally, model.length)
    blocks = [moves.empty_tally(room) for _ in range(n_blocks)]
    for tally in blocks:
        moves.make_moves(particles, model, generator, moves_per_block, tally)
    return blocks


def _averages(model: moves.Model, means: NDArray[np.float64]) -> dict[str, Any]:
    """Return the averages from the means of blocks, shape (n_blocks, 4)."""
    n, n_squared, energy, virial = means.T
    of_n = average(n)
    variance = average(n_squared - 2 * of_n.mean * n + of_n.mean**2)
    sd = math.sqrt(max(variance.mean, 0.0))
    return {
        "n": of_n,
        "n_sd": Average(sd, variance.stderr / (2 * sd) if sd else math.nan, variance.n_independent),
        "energy": average(energy),
        "energy_per_particle": ratio(energy, n) if of_n.mean else Average(math.nan, math.nan, 1.0),
        "pressure": average(_pressure(model, n, n_squared, virial)),
    }


def _by_number(blocks: list[moves.Tally]) -> dict[str, Any]:
    """Return probabilities and energies by N with their errors."""
    counts = np.array([block.moves_at for block in blocks], float)
    energies = np.array([block.energy_at for block in blocks])
    columns = np.full((4, counts.shape[1]), np.nan)
    for n in range(counts.shape[1]):
        share = average(counts[:, n] / counts[0].sum())
        columns[:2, n] = share.mean, share.stderr
        if counts[:, n].any():
            energy = ratio(energies[:, n], counts[:, n])
            columns[2:, n] = energy.mean, energy.stderr
    names = ("probability", "probability_stderr", "energy_at", "energy_at_stderr")
    return dict(zip(names, columns, strict=True))


def lennard_jones(
    *,
    temperature: float,
    beta_mu: float,
    volume: float,
    cutoff: float = 3.0,
    tail: bool = True,
    shift: bool = False,
    n_moves: int = 2_000_000,
    most: int | None = None,
    n_blocks: int = 500,
    seed: int = 0,
) -> GrandCanonicalAverages:
    """Return the averages of Lennard-Jones particles at constant mu, V, T in a cubic periodic box.

    A third of the moves each are insertions, deletions and displacements, which are adapted during the equilibration
    that is made first, a fifth of `n_moves` long, from an empty box. A move costs a loop over all particles: boxes
    that simulate molecules are too small for a cell list to pay.

    Energy: 4 (r^-12 - r^-6) of nearest images within the cutoff; with `tail` and 8 pi / 3 (rc^-9 / 3 - rc^-3) N^2 / V,
    the part beyond it for g = 1, in which a particle meets its own images too. Pressure is that of this energy,
    kT d(ln Xi)/dV: <N> kT / V + <sum r . f> / (3 V), the tail's 8 pi / 3 (rc^-9 / 3 - rc^-3) <N^2> / V^2, and without
    `shift` that of pairs crossing the cutoff, 8 pi / 3 (rc^-9 - rc^-3) <N (N - 1)> / V^2 for g(rc) = 1. The last two
    add up to the usual 16 pi / 3 (2/3 rc^-9 - rc^-3) rho^2.

    Parameters
    ----------
    temperature, volume, cutoff : float
        kT / epsilon, V / sigma^3, rc / sigma.
    beta_mu : float
        mu / kT, where the thermal wavelength is sigma: the logarithm of the activity z sigma^3.
    tail : bool
        Whether the energy beyond the cutoff is added.
    shift : bool
        Whether the energy of a pair is shifted to zero at the cutoff; then without tail.
    n_moves : int
        Measured moves.
    most : int, optional
        Insertions beyond so many particles are refused: the ensemble is truncated there.
    n_blocks : int
        Averages are taken over so many blocks of moves, from which errors are made.
    seed : int

    Raises
    ------
    InvalidInput
        If a number is none or out of its range, the cutoff beyond half the box or, with a tail, within a particle, or
        shift and tail are asked for together.
    WorkFailed
        If the box fills beyond any density that makes sense.
    """
    _refuse(temperature, beta_mu, volume, cutoff, tail, shift)
    _refuse_counts(n_moves, n_blocks, most, seed)
    model = _model(temperature, beta_mu, volume, cutoff, tail, shift)
    room = most or math.ceil(_DENSEST * volume) + 10
    blocks = _sampled(model, room, n_moves // n_blocks, n_blocks, np.random.default_rng(seed))
    if most is None and any(block.moves_at[-1] for block in blocks):
        raise WorkFailed(f"beta_mu: at {beta_mu:g} the box fills beyond {_DENSEST:g} particles per sigma^3")
    tried, accepted = np.sum([(block.tried, block.accepted) for block in blocks], axis=0)
    return GrandCanonicalAverages(
        temperature=temperature,
        beta_mu=beta_mu,
        volume=volume,
        **_averages(model, np.array([block.sums for block in blocks]) / (n_moves // n_blocks)),
        **_by_number(blocks),
        acceptance=dict(zip(("insertion", "deletion", "displacement"), (accepted / tried).tolist(), strict=True)),
        n_exchanges=int(accepted[moves.INSERTION] + accepted[moves.DELETION]),
    )
