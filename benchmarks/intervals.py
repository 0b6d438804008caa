"""How often do 95 % intervals hold the true value where ions exchange slowly? On made-up runs whose answer is exact.

    python benchmarks/intervals.py [--runs 1000] [--out docs/results/coverage.md]

Prints a Markdown page, and writes it with ``--out``. About five minutes on one core.
"""

import argparse
import logging
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import MDAnalysis as mda
import numpy as np
from scipy.signal import lfilter
from scipy.special import stdtrit

from solvshell.analysis.geometry import BIN_ANGSTROM, FINE_PER_BIN
from solvshell.analysis.peaks import first_shell
from solvshell.analysis.rdf import PairCounts
from solvshell.analysis.sites import Center, Site
from solvshell.analysis.statistics import (
    RESOLVED_N_INDEPENDENT,
    Bootstrap,
    bootstrap_blocks,
    bootstrap_replicas,
    bootstrap_runs,
    is_constant,
    mean_with_error,
    statistical_inefficiency,
)
from solvshell.files import write_atomically
from solvshell.joined.averages import average, from_series

N_FRAMES = 1000
MEMORIES = (0.005, 0.02, 0.10, 0.30)
N_IONS = (1, 8, 50)
N_BLOCKS = 64
#: Of fewer intervals no share is given.
FEWEST = 20
Series = Callable[[np.random.Generator, int, float], np.ndarray]


# --- runs with a known answer ---


def jumps(rng: np.random.Generator, n_ions: int, memory: float, states: Sequence[float], shares: Sequence[float]):
    """Return ions that jump between states, shape (N_FRAMES, n_ions): C(t) = exp(-t / memory), in frames."""
    drawn = rng.choice(states, p=shares, size=(N_FRAMES, n_ions))
    jumped = rng.random((N_FRAMES, n_ions)) < -np.expm1(-1 / memory)
    jumped[0] = True
    last = np.maximum.accumulate(np.where(jumped, np.arange(N_FRAMES)[:, None], 0), axis=0)
    return np.take_along_axis(drawn, last, axis=0)


def autoregressive(rng: np.random.Generator, n_ions: int, memory: float) -> np.ndarray:
    """Return Gaussian series of variance 1 with C(t) = exp(-t / memory), shape (N_FRAMES, n_ions)."""
    kept = np.exp(-1 / memory)
    noise = rng.normal(size=(N_FRAMES, n_ions)) * np.sqrt(1 - kept**2)
    noise[0] /= np.sqrt(1 - kept**2)
    return lfilter([1], [1, -kept], noise, axis=0)


def coordination(rng: np.random.Generator, n_ions: int, memory: float) -> np.ndarray:
    """Return numbers 3, 4 and 5 that exchange, and one more atom that is at the cutoff in 30 % of the frames."""
    return jumps(rng, n_ions, memory, (3, 4, 5), (0.2, 0.5, 0.3)) + (rng.random((N_FRAMES, n_ions)) < 0.3)


def coupled(rng: np.random.Generator, n_ions: int, memory: float) -> np.ndarray:
    """Return the same for ions that half of the slow change of their mean is common to."""
    together = autoregressive(rng, 1, memory) * 0.7 / np.sqrt(n_ions)
    return coordination(rng, n_ions, memory) + together


def under_noise(rng: np.random.Generator, n_ions: int, memory: float) -> np.ndarray:
    """Return a slow change that is a tenth of the variance, under noise without memory."""
    return autoregressive(rng, n_ions, memory) + 3 * rng.normal(size=(N_FRAMES, n_ions))


def share_of(share: float) -> Series:
    """Return what makes ions that are in one of two states, in this share of the time."""
    return lambda rng, n_ions, memory: jumps(rng, n_ions, memory, (0, 1), (1 - share, share)).astype(float)


QUANTITIES: dict[str, tuple[Series, float]] = {
    "coordination number: 3, 4 or 5, and one atom in and out at the cutoff": (coordination, 4.4),
    "the same, half of the slow change common to all ions": (coupled, 4.4),
    "share of a state: 0.5": (share_of(0.5), 0.5),
    "share of a state: 0.05": (share_of(0.05), 0.05),
    "share of a state: 0.99": (share_of(0.99), 0.99),
    "first-order autoregressive series": (autoregressive, 0.0),
    "the same as a tenth of the variance, under noise": (under_noise, 0.0),
}


# --- intervals of means ---


@dataclass
class Count:
    """How often intervals held the truth, of how many."""

    held: int = 0
    n: int = 0

    def add(self, held: bool) -> None:
        """Count one interval."""
        self.held += bool(held)
        self.n += 1

    def __str__(self) -> str:
        if self.n < FEWEST:
            return "–"
        share = self.held / self.n
        return f"{share:.3f} ± {np.sqrt(max(share * (1 - share), 1 / self.n) / self.n):.3f}"


@dataclass
class Means:
    """Coverage of the intervals of one mean."""

    ours: Count = field(default_factory=Count)
    marked: Count = field(default_factory=Count)
    unmarked: Count = field(default_factory=Count)
    naive: Count = field(default_factory=Count)
    pymbar: Count = field(default_factory=Count)


def pymbar_interval(mean_of_ions: np.ndarray) -> float:
    """Return half of the Student interval with the statistical inefficiency of pymbar; 0 where nothing changes."""
    from pymbar import timeseries

    if is_constant(mean_of_ions):
        return 0.0

    n_independent = N_FRAMES / timeseries.statistical_inefficiency(mean_of_ions)
    t = stdtrit(max(1.0, n_independent - 1), 0.975)
    return float(t * mean_of_ions.std(ddof=1) / np.sqrt(n_independent))


def of_means(make: Series, truth: float, n_ions: int, memory: float, n_runs: int) -> Means:
    """Return the coverage of the mean of a quantity; runs in which nothing changes are marked and have no interval."""
    rng = np.random.default_rng(1)
    counts = Means()
    is_share = 0 < truth < 1
    for _ in range(n_runs):
        series = make(rng, n_ions, memory * N_FRAMES)
        estimate = mean_with_error(series)
        is_resolved = estimate.is_resolved_share if is_share else estimate.is_resolved
        counts.marked.add(not is_resolved)
        if estimate.stderr is None:
            continue
        limits = (1.0, 0.0) if is_share else (np.inf, -np.inf)
        value = from_series(estimate.mean, estimate.stderr, estimate.n_independent, *limits)
        held = value.low <= truth <= value.high
        counts.ours.add(held)
        if is_resolved:
            counts.unmarked.add(held)
        error = abs(estimate.mean - truth)
        counts.naive.add(error <= 1.959964 * series.std(ddof=1) / np.sqrt(series.size))
        counts.pymbar.add(error <= pymbar_interval(series.mean(axis=1)))
    return counts


def tables_of_means(n_runs: int) -> Iterator[str]:
    """Yield a table for each quantity."""
    for title, (make, truth) in QUANTITIES.items():
        yield f"\n**{title[0].upper()}{title[1:]}** (exact: {truth:g})\n"
        yield "| ions | memory, % of the run | ours | marked | ours, not marked | pymbar | s/√n |"
        yield "| ---: | ---: | --- | ---: | --- | --- | --- |"
        for n_ions in N_IONS:
            for memory in MEMORIES:
                found = of_means(make, truth, n_ions, memory, n_runs)
                marked = f"{found.marked.held / found.marked.n:.0%}"
                cells = (n_ions, f"{100 * memory:g}", found.ours, marked, found.unmarked, found.pymbar, found.naive)
                yield "| " + " | ".join(str(cell) for cell in cells) + " |"


# --- intervals of peaks ---

N_NEIGHBORS = 4
PEAKS_ANGSTROM, WIDTH_ANGSTROM = (1.93, 1.98), 0.08
EDGES = np.arange(1, round(6 / BIN_ANGSTROM * FINE_PER_BIN) + 1) * BIN_ANGSTROM / FINE_PER_BIN
BULK_DENSITY = 0.006


def expected_counts(kind: int) -> np.ndarray:
    """Return the atoms of each bin around an ion of one kind: its first shell, and an even liquid beyond 3.5 Å."""
    r = (EDGES[1:] + EDGES[:-1]) / 2
    shell = np.exp(-((r - PEAKS_ANGSTROM[kind]) ** 2) / (2 * WIDTH_ANGSTROM**2))
    bulk = BULK_DENSITY * 4 / 3 * np.pi * np.diff(EDGES**3) * (r > 3.5)
    return N_NEIGHBORS * shell / shell.sum() + bulk


def pair_counts(counts: np.ndarray, frames: np.ndarray, n_ions: int) -> PairCounts:
    """Return pair counts (n_blocks, n_bins) as the analysis has them."""
    atoms = mda.Universe.empty(1).atoms
    center = Center("Li", atoms, np.zeros(1, int), 0)
    site = Site("EC", "carbonyl_o", "solvent", True, atoms, np.zeros(1, int))
    return PairCounts(center, site, counts, frames * n_ions * BULK_DENSITY, EDGES, int(frames.sum()) * n_ions)


def of_peaks(n_ions: int, memory: float, n_runs: int) -> tuple[Count, Count, Count]:
    """Return the coverage of the peak, the runs marked, and the coverage where not, of ions in two kinds of shell.

    Distances have no memory, the kind of shell has. Blocks are drawn as in `analyze`: as many frames together as twice
    the statistical inefficiency of what exchanges.
    """
    rng = np.random.default_rng(2)
    kinds = np.array([expected_counts(kind) for kind in (0, 1)])
    starts = np.linspace(0, N_FRAMES, N_BLOCKS + 1).astype(int)
    frames = np.diff(starts)
    endless = pair_counts(np.tile(kinds.mean(axis=0) * 1e6, (N_BLOCKS, 1)), frames * 1e6, 1)
    whole = bootstrap_blocks(N_BLOCKS, 1, 50, rng)
    truth = first_shell(endless, whole).peak
    assert truth is not None
    covered, marked, unmarked = Count(), Count(), Count()
    for _ in range(n_runs):
        states = jumps(rng, n_ions, memory * N_FRAMES, (0, 1), (0.5, 0.5))
        second = np.add.reduceat(states.sum(axis=1), starts[:-1])
        counts = rng.poisson(np.outer(frames * n_ions - second, kinds[0]) + np.outer(second, kinds[1]))
        inefficiency = statistical_inefficiency(states) / (N_FRAMES / N_BLOCKS)
        bootstrap = bootstrap_blocks(N_BLOCKS, int(np.ceil(2 * inefficiency)), 200, rng, inefficiency)
        shell = first_shell(pair_counts(counts, frames, n_ions), bootstrap)
        is_marked = N_BLOCKS / inefficiency < RESOLVED_N_INDEPENDENT
        marked.add(is_marked)
        if shell.ci95 is not None:
            held = shell.ci95[0] <= truth <= shell.ci95[1]
            covered.add(held)
            if not is_marked:
                unmarked.add(held)
    return covered, marked, unmarked


def table_of_peaks(n_runs: int) -> Iterator[str]:
    """Yield the table of peaks."""
    yield "| ions | memory, % of the run | ours | marked | ours, not marked |"
    yield "| ---: | ---: | --- | ---: | --- |"
    for n_ions in (8, 50):
        for memory in MEMORIES:
            covered, marked, unmarked = of_peaks(n_ions, memory, n_runs)
            yield f"| {n_ions} | {100 * memory:g} | {covered} | {marked.held / marked.n:.0%} | {unmarked} |"


# --- intervals from replicas ---


def of_replicas(n_replicas: int, spread: float, n_runs: int) -> tuple[Count, Count, Count]:
    """Return the coverage of the mean of replicas: Student over replicas, replicas then blocks, blocks alone.

    `spread` is the standard deviation of the boxes over the standard error of one run.
    """
    rng = np.random.default_rng(3)
    student, two_levels, blocks_alone = Count(), Count(), Count()
    for _ in range(n_runs):
        series = autoregressive(rng, n_replicas, 5.0)
        series += spread * np.sqrt(2 * 5.0 / N_FRAMES) * rng.normal(size=n_replicas)
        estimates = [mean_with_error(values) for values in series.T]
        found = average([from_series(e.mean, e.stderr, e.n_independent, lowest=-np.inf) for e in estimates])
        student.add(found.low <= 0 <= found.high)
        blocks = series.reshape(20, N_FRAMES // 20, n_replicas).mean(axis=1).T.ravel()
        runs = [bootstrap_blocks(20, 1, 300, rng) for _ in range(n_replicas)]

        def holds(bootstrap: Bootstrap, blocks: np.ndarray = blocks) -> bool:
            low, high = bootstrap.interval(blocks.mean(), bootstrap.resample(blocks) / len(blocks))
            return low <= 0 <= high

        two_levels.add(holds(bootstrap_replicas(runs, rng)))
        blocks_alone.add(holds(bootstrap_runs(runs)))
    return student, two_levels, blocks_alone


def table_of_replicas(n_runs: int) -> Iterator[str]:
    """Yield the table of replicas."""
    yield "| replicas | boxes differ by (errors of a run) | Student over replicas | replicas, then blocks | blocks |"
    yield "| ---: | ---: | --- | --- | --- |"
    for n_replicas in (3, 5, 8):
        for spread in (0, 1, 3):
            cells = of_replicas(n_replicas, spread, n_runs)
            yield f"| {n_replicas} | {spread} | " + " | ".join(map(str, cells)) + " |"


# --- the page ---

HEAD = """# How often the 95 % intervals hold the true value

Made by `python benchmarks/intervals.py --runs {n_runs} --out docs/results/coverage.md` ({today}, Python {python},
NumPy {numpy}). Runs of {n_frames} frames are made up by processes whose answer is exact, and it is counted how many of
{n_runs} intervals hold it: 0.95 should; ± is the binomial error of the count, and fewer than {fewest} intervals are not
counted (–). *Memory* is the time after which an ion has forgotten its shell (the autocorrelation falls as
exp(-t/memory)), in per cent of the run: a run whose memory is 2 % has 25 independent samples of each ion, one of 10 %
has 5.

- **ours** is `mean_with_error` with the interval of `compare` (Student, n_independent - 1 degrees of freedom; Wilson
  for shares). A run in which nothing changes has no interval.
- **marked** is the share of the runs that say themselves that they are too short: n_independent below {resolved},
  nothing changes, or (shares) fewer than ten visits of the rarer state. **ours, not marked** is the coverage of the
  others.
- **pymbar** is the mean over the ions with the statistical inefficiency of `pymbar.timeseries`, Student as well;
  **s/√n** takes every ion in every frame for a sample of its own.

What the tables show:

- Eight ions or more, memory up to 2 % of the run: within two binomial errors the intervals hold the truth as often as
  they say, or more often (rare states apart). The error is the larger of two, from the mean over the ions and from each
  ion, because ions of one box need not be independent; where they are, that is too careful by a tenth.
- Longer memory: nearly all runs mark themselves. Their intervals are wide (Student with few degrees of freedom,
  although there are many ions) and hold the truth too often rather than too seldom; those of pymbar, which sees the
  mean over the ions alone, too seldom.
- Rare states: a few visits do not tell how long a visit lasts. Visits to be expected are ions × samples of each × share
  of the rarer state; with fewer than ten of them the intervals are too narrow, and such runs are marked.
- A single series (a volume, a density, one ion): of a memory of 10 % of the run or more it cannot know, under noise
  not even of 2 %, and not all such runs are marked. No method can tell from one run that something is still to come.
  Replicas can.
- s/√n is wrong throughout.

## Means
"""

PEAKS = """
## First peaks of g(r)

Ions in two kinds of shell, with peaks at {peaks[0]} and {peaks[1]} Å, that exchange; the truth is the peak of an
endless run. The interval is that of the block bootstrap: draws of twice the statistical inefficiency but eight at
least, widened by what neighbouring draws remember of each other. {n_runs} runs in each row.
"""

REPLICAS = """
## Replicas

Autoregressive runs with a memory of 0.5 %, in boxes that differ from each other. Student over replicas is what
`compare` takes for every number that a replica has by itself, from three replicas on. Replicas then blocks
(`bootstrap_replicas`) is for what is made of pooled counts; the scatter within the runs enters it twice, so that it is
too wide where boxes hardly differ. Blocks alone, which is all one has with fewer than three replicas, do not see that
boxes differ.
"""


def page(n_runs: int) -> Iterator[str]:
    """Yield the page line by line."""
    yield HEAD.format(
        n_runs=n_runs, n_frames=N_FRAMES, resolved=RESOLVED_N_INDEPENDENT, fewest=FEWEST, today=date.today(),
        python=platform.python_version(), numpy=np.__version__,
    )  # fmt: skip
    yield from tables_of_means(n_runs)
    n_peaks = max(1, n_runs // 2)
    yield PEAKS.format(n_runs=n_peaks, peaks=PEAKS_ANGSTROM)
    yield from table_of_peaks(n_peaks)
    yield REPLICAS
    yield from table_of_replicas(n_runs)


def main() -> None:
    """Print the page, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    logging.getLogger("pymbar").setLevel(logging.ERROR)
    lines = []
    for line in page(arguments.runs):
        print(line, flush=True)
        lines.append(line)
    if arguments.out:
        write_atomically(arguments.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
