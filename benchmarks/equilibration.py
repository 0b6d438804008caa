"""How often does `until` end a stage too early, and how often not at all? On made-up logs whose answer is exact.

    python benchmarks/equilibration.py [--series 200] [--out docs/results/equilibration.md] [RUN ...]

Density and energy relax exponentially under fluctuations that remember, as in boxes of LB-003; the criterion is that of
the equilibration of the shipped protocol `standard`. Runs given are judged by the same criterion. Prints a Markdown
page, and writes it with ``--out``. Five minutes on one core.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from scipy.signal import lfilter

from solvshell.files import write_atomically
from solvshell.md.equilibration import StageLog, judge, mean_volume, read_stage
from solvshell.protocol import load_protocol
from solvshell.run import Run
from solvshell.stages import Dynamics, Until
from solvshell.units import DALTON_PER_NM3


def equilibration_stage() -> tuple[Dynamics, Until]:
    """Return the stage of `standard` that lasts until it has equilibrated, and its criterion."""
    for stage in load_protocol("standard").stages:
        if isinstance(stage, Dynamics) and stage.until is not None:
            return stage, stage.until
    raise AssertionError("standard has no such stage")


STAGE, UNTIL = equilibration_stage()
#: no tolerance at all: what is left is that no drift is seen
BLIND = UNTIL.model_copy(update={"density": 1e6, "energy": 1e6})
DENSITY, ENERGY, MASS = 1.22, -1040.0, 10000.0


@dataclass(frozen=True)
class Liquid:
    """Fluctuations of a box: standard deviations in g/cm3 and J/g, and how long they remember, in ps."""

    name: str
    density: float
    energy: float
    memory: float


#: of demonstrations and of free-energy runs of a ns with boxes of 8 LiPF6 at 298 K; those of 50 by the root of the size
LIQUIDS = (Liquid("8 LiPF₆", 0.014, 11.0, 3.5), Liquid("50 LiPF₆", 0.0055, 4.4, 3.5))
#: how far off at time 0, in tolerances, and how fast it relaxes, in ps; a tight box at first, and a small rest
STARTS = (
    (0.0, 1.0), (10.0, 100.0), (10.0, 500.0), (10.0, 2000.0), (10.0, 10000.0),
    (2.0, 500.0), (2.0, 2000.0), (2.0, 5000.0),
)  # fmt: skip


def autoregressive(rng: np.random.Generator, n_rows: int, memory: float) -> np.ndarray:
    """Return a Gaussian series of variance 1 with C(t) = exp(-t / memory), in rows."""
    kept = np.exp(-1 / memory)
    noise = rng.normal(size=n_rows) * np.sqrt(1 - kept**2)
    noise[0] /= np.sqrt(1 - kept**2)
    return lfilter([1], [1, -kept], noise)


def made_up_log(rng: np.random.Generator, liquid: Liquid, deviation: float, relaxation: float) -> StageLog:
    """Return a log up to the ceiling, whose density is too low and energy too high by some tolerances at first."""
    time = np.arange(1, round(STAGE.duration / STAGE.log_interval) + 1) * STAGE.log_interval
    rest = deviation * np.exp(-time / relaxation)
    memory = liquid.memory / STAGE.log_interval
    density = DENSITY - rest * UNTIL.density + liquid.density * autoregressive(rng, len(time), memory)
    energy = ENERGY + rest * UNTIL.energy + liquid.energy * autoregressive(rng, len(time), memory)
    volume = MASS * DALTON_PER_NM3 / density
    return StageLog(time, density, volume, energy * MASS / 1000)


def first_rows(log: StageLog, n_rows: int) -> StageLog:
    """Return the first rows of a log."""
    return StageLog(*(column[:n_rows] for column in vars(log).values()))


def end_ps(until: Until, log: StageLog) -> float | None:
    """Return when a stage with such a log ends by the criterion; None where it does not before the ceiling or at it."""
    for time in [*np.arange(until.minimum, STAGE.duration, until.check_interval), STAGE.duration]:
        if judge(until, first_rows(log, round(time / STAGE.log_interval))).is_equilibrated:
            return float(time)
    return None


@dataclass(frozen=True)
class Ends:
    """When stages ended, in ps (nan: not at all), and the mean volume in nm3 that `volume_of` would take from each."""

    times: np.ndarray
    volumes: np.ndarray
    deviation: float
    relaxation: float

    @property
    def never(self) -> float:
        """Share that ran to the ceiling."""
        return float(np.isnan(self.times).mean())

    @property
    def too_early(self) -> float:
        """Share that ended while the mean was still off by more than the tolerance."""
        return float((self.deviation * np.exp(-self.times / self.relaxation) > 1).mean())  # of nan: False

    @property
    def volume_off(self) -> str:
        """How much too large the mean volume is on average, in %, with its standard error."""
        off = 100 * (self.volumes * DENSITY / (MASS * DALTON_PER_NM3) - 1)
        return f"{off.mean():.2f} ± {off.std(ddof=1) / np.sqrt(len(off)):.2f}"

    @property
    def median(self) -> str:
        """Of those that ended, in ns."""
        return "" if self.never > 0.5 else f"{np.nanmedian(self.times) / 1000:.1f}"


def ends_of(until: Until, liquid: Liquid, deviation: float, relaxation: float, n_series: int) -> Ends:
    """Return when `n_series` made-up stages end."""
    rng = np.random.default_rng(1)
    times, volumes = [], []
    for _ in range(n_series):
        log = made_up_log(rng, liquid, deviation, relaxation)
        time = end_ps(until, log)
        times.append(np.nan if time is None else time)
        volumes.append(mean_volume(first_rows(log, round((time or STAGE.duration) / STAGE.log_interval))))
    return Ends(np.array(times), np.array(volumes), deviation, relaxation)


COLUMNS = (
    "box",
    "off at first, tolerances",
    "relaxes in, ns",
    "within the tolerance after, ns",
    "ends after, ns",
    "too early",
    "not by the ceiling",
    "too early without tolerances",
    "mean volume too large, %",
)


def row(*cells: object) -> str:
    """Return a line of a Markdown table."""
    return f"| {' | '.join(map(str, cells))} |"


def table(n_series: int) -> Iterator[str]:
    """Yield the lines of the table of error rates."""
    yield row(*COLUMNS)
    yield row(*["---"] * len(COLUMNS))
    for liquid in LIQUIDS:
        for start in STARTS:
            ends, blind = (ends_of(until, liquid, *start, n_series) for until in (UNTIL, BLIND))
            early = [f"{100 * found.too_early:.0f} %" if start[0] else "" for found in (ends, blind)]
            relaxes = [f"{start[1] / 1000:g}", f"{start[1] * np.log(start[0]) / 1000:.1f}"] if start[0] else ["", ""]
            never = f"{100 * ends.never:.0f} %"
            yield row(liquid.name, f"{start[0]:g}", *relaxes, ends.median, early[0], never, early[1], ends.volume_off)


def verdicts(paths: Sequence[Path]) -> Iterator[str]:
    """Yield what the criterion says of the production of real runs."""
    yield row("run", "ps", "verdict")
    yield row(*["---"] * 3)
    for path in paths:
        log = read_stage(path / "log.csv", Run.load(path).protocol.stages[-1].name)
        yield row(path.parent.name, f"{log.time_ps[-1]:g}", judge(UNTIL, log).words)


def page(n_series: int, runs: Sequence[Path]) -> str:
    """Return the page."""
    spreads = ", ".join(f"{liquid.density:g} g/cm³ and {liquid.energy:g} J/g ({liquid.name})" for liquid in LIQUIDS)
    lines = [
        "# When does `until` end a stage?",
        "",
        f"`python benchmarks/equilibration.py --series {n_series}{' RUN ...' if runs else ''}`, "
        f"{date.today():%d %B %Y}, numpy {np.__version__}.",
        "",
        f"Made-up logs: density and energy start off by some tolerances (of {UNTIL.density:g} g/cm³ and "
        f"{UNTIL.energy:g} J/g) and relax exponentially under Gaussian fluctuations with C(t) = exp(-t / "
        f"{LIQUIDS[0].memory:g} ps), of standard deviations {spreads}. Looked at after {UNTIL.minimum / 1000:g} ns, "
        f"then every {UNTIL.check_interval / 1000:g} ns, to a ceiling of {STAGE.duration / 1000:g} ns; {n_series} "
        "logs each.",
        "",
        *table(n_series),
        "",
        "*Ends after* is the median, where half of them end. *Too early* is the share of stages that ended while the "
        "mean was still off by more than a tolerance. *Without tolerances* is the same for a rule that asks only that "
        "no drift be seen, as a test for significance does: it passes where errors are large. *Mean volume* is that "
        "which `volume_of` takes from the stage, whether it ended by itself or at the ceiling. Where none of "
        f"{n_series} logs is too early, up to {300 / n_series:.0f} % may be (95 %).",
    ]
    if runs:
        lines += ["", "Real runs, their production by the same criterion:", "", *verdicts(runs)]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the page, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="*", metavar="RUN")
    parser.add_argument("--series", type=int, default=200)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    text = page(arguments.series, arguments.run)
    print(text)
    if arguments.out is not None:
        write_atomically(arguments.out, text)


if __name__ == "__main__":
    main()
