"""The page of grand-canonical moves in liquids: tables in benchmarks/results/ -> docs/results/grand_canonical.md."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import openmm
import pandas as pd
from exchange_liquids import TEMPERATURE_K, WATER_CUTOFF, WATER_NM3

from solvshell.analysis.grand_canonical.crooks import Crooks, crooks, gaussian_acceptance
from solvshell.analysis.grand_canonical.numbers import FEWEST_ACCEPTED
from solvshell.analysis.statistics import Estimate, mean_with_error
from solvshell.units import AVOGADRO, BOLTZMANN_KJ_MOL_K, kT_kj_mol

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parent.parent / "docs" / "results" / "grand_canonical.md"
KT, KCAL = kT_kj_mol(TEMPERATURE_K), 4.184
#: 1/bar; of TIP3P at 298 K and 1 bar
WATER_COMPRESSIBILITY = 5.74e-5
#: moves of a series before which the number of molecules is not counted
_SETTLING = 20

#: ps -> %; bulk TIP3P in OpenMM, logs of github.com/essex-lab/gcncmc-paper
PUBLISHED_WATER = {5.0: "10.5 to 11", 11.0: "22 to 25", 25.0: "41 to 43"}

_HEAD = """# Grand-canonical moves in liquids: what we found

Made by `python benchmarks/grand_canonical.py table --out RUNS` from the tables `benchmarks/results/exchange_*.csv`,
which the same program collects from its runs (`water 5`, `water 11`, `water 25`, `states`, `speed`; `dmc` if it has
been run), on {date} with OpenMM {openmm}; on one thread of a CPU that others used too. Errors are standard errors.
Works and free energies are in kT = {kt:.3f} kJ/mol.
"""
_WATER = """## TIP3P water

{n} rigid molecules of `amber14/tip3p.xml` at first, in {volume:.3f} nm³ at {temperature} K; PME, cutoff {cutoff} nm
with the dispersion tail; 2 fs, a jump of λ every 20 steps, 1 ps of dynamics before each move. The activity is that of
μ_ex = -6.09 kcal/mol (grand, loch) at the density of these {n}: z = {activity:.6f} nm⁻³. Published: bulk TIP3P, from
the logs in github.com/essex-lab/gcncmc-paper (scripts of "Enhanced grand canonical sampling of occluded water sites
using nonequilibrium candidate Monte Carlo", J. Chem. Theory Comput. 2023).
"""
_WATER_NOTES = """
An average from fewer than {fewest} accepted moves or 10 independent numbers is marked as not converged: N forgets in
about var(N) = 8 accepted moves. Dissipation is half of what a switch there and one back cost together (medians);
"Gaussian" is what it would let through. Cost is that of switching: ps of dynamics, and seconds of one core.

The works less what the acceptance rule allows, w = βW - ln(zV/(N + 1)) of insertions and βW - ln(N/(zV)) of deletions,
must cross at F = 0, and ln(P_ins(w)/P_del(-w)) must have the slope 1 in w (Crooks), if moves and dynamics sample one
ensemble; so must their free energy by the acceptance ratio method:
"""
_STATES = """
Where they cross, against MBAR. In the same volume one of {n} molecules was decoupled by `solvshell.md.alchemy` in 12
states, down and up (`states`): F = {mbar} kT, with the larger of the error of MBAR and that of the mean of the single
ways; smallest overlap {overlap:.2f}. Moves go between other numbers too: each work is taken to the step from
{less} to {n} by {per_molecule:.3f} kT for each molecule more, 1/var(N) - 1/N; the last column has the mean of that.
"""
_DMC = """## DMC

{n} molecules with the shipped force field at 1.07 g/cm³, cutoff 0.8 nm, 4 fs with 3 Da hydrogens, a jump every 20
steps. Insertions into {less} and deletions from {n} molecules, all undone, so that both go between the same two states;
acceptance is the mean of min(1, exp(-(W - F))) over the works of both, F by the acceptance ratio method. Few switches:
read it as which switching time is worth while.
"""
_SPEED = """## What a time step costs

LB-003 of {n_atoms} atoms; with {idle} more in idle molecules and one slot for each of EC, DMC and EMC. {platform},
4 fs, medians over {rounds} rounds in which all took turns. Switching: insertions of 1 ps that are undone, everything
counted: the soft core, the energies at the jumps every 10 steps, setting up and putting back.
"""


def collect(out: Path) -> None:
    """Write the tables of what has been run so far."""
    for liquid in ("water", "dmc"):
        series = [
            pd.read_csv(path).assign(series=path.parent.name) for path in sorted(out.glob(f"{liquid}-*/moves.csv"))
        ]
        if series:
            table = pd.concat(series, ignore_index=True)
            table.round({"work_kj_mol": 4, "log_acceptance": 5, "seconds": 2, "cpu_seconds": 2}).to_csv(
                RESULTS / f"exchange_{liquid}.csv", index=False
            )
    for path in [*out.glob("speed-*.csv"), *out.glob("states.csv")]:
        pd.read_csv(path).round(4).to_csv(RESULTS / f"exchange_{path.name}", index=False)


def _with(value: float, stderr: float | None, digits: int) -> str:
    if np.isnan(value):
        return "-"
    return f"{value:.{digits}f}" if stderr is None or np.isnan(stderr) else f"{value:.{digits}f} ± {stderr:.{digits}f}"


def _n_after(moves: pd.DataFrame) -> np.ndarray:
    change = np.where(moves.kind == "insertion", 1, -1) * moves.accepted
    return (moves.n_before + change).to_numpy(float)


def _mean_work(moves: pd.DataFrame, kind: str) -> str:
    works = moves[moves.kind == kind].work_kj_mol.replace(np.inf, np.nan).dropna() / KT
    return _with(works.mean(), works.sem(), 1)


def dissipation(moves: pd.DataFrame) -> float:
    """Return half of what a switch there and one back cost together, in kT, by medians."""
    return float(moves.groupby("kind").work_kj_mol.median().sum() / 2 / KT)


def _cost(moves: pd.DataFrame, acceptance: float) -> str:
    seconds = moves.cpu_seconds.mean() if "cpu_seconds" in moves else np.nan
    return f"{moves.switching_ps.mean() / acceptance:.0f} | " + (f"{seconds / acceptance:.0f}" if seconds > 0 else "")


def _count(moves: pd.DataFrame) -> tuple[Estimate, bool]:
    """Return the number of molecules, and whether it is one that may be quoted."""
    n = mean_with_error(_n_after(moves)[_SETTLING:])
    return n, bool(moves.accepted.sum() >= FEWEST_ACCEPTED and n.is_resolved)


def _water_row(moves: pd.DataFrame, time_ps: float) -> str:
    n_accepted = int(moves.accepted.sum())
    share = n_accepted / len(moves)
    n, is_converged = _count(moves)
    number = _with(n.mean, n.stderr, 1) if is_converged else f"{n.mean:.1f} (not converged)"
    share_text = _with(100 * share, 100 * np.sqrt(share * (1 - share) / len(moves)), 1)
    return (
        f"| {time_ps:g} | {n_accepted} of {len(moves)} | {share_text} | {PUBLISHED_WATER.get(time_ps, '')} | "
        f"{dissipation(moves):.1f} | {100 * gaussian_acceptance(dissipation(moves)):.0f} | "
        f"{number} | {_cost(moves, share)} |"
    )


def _effective(moves: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return w = -ln(acceptance ratio) of each move, infinite where it failed, and whether it was an insertion."""
    return -moves.log_acceptance.to_numpy(float), (moves.kind == "insertion").to_numpy()


def _variance(n: int, volume_nm3: float) -> float:
    """Return the variance of the number of molecules at constant volume, N^2 kT kappa / V."""
    kT_bar_nm3 = BOLTZMANN_KJ_MOL_K * TEMPERATURE_K * 1e25 / AVOGADRO
    return n**2 * kT_bar_nm3 * WATER_COMPRESSIBILITY / volume_nm3


def _number_by_works(moves: pd.DataFrame, found: Crooks, variance: float) -> tuple[float, float]:
    """Return the mean number of molecules at the reservoir's activity, and its error, from F of the moves made.

    ln z of a box rises by 1/var(N) with each molecule more; F is what it lies above the reservoir's, N + 1/2 molecules
    where moves go between N and N + 1.
    """
    fewer = moves.n_before - (moves.kind == "deletion")
    return float(fewer.mean() + 0.5 - found.free_energy_kt * variance), found.stderr_kt * variance


def _crooks_row(name: str, found: Crooks, number: tuple[float, float]) -> str:
    return (
        f"| {name} | {_with(found.free_energy_kt, found.stderr_kt, 2)} | "
        f"{_with(found.crossing_kt, found.crossing_stderr_kt, 2)} | {_with(found.slope, found.slope_stderr, 2)} | "
        f"{found.n_shared:.0f} | `{found.status}` | {_with(*number, 1)} |"
    )


def _water(table: pd.DataFrame) -> list[str]:
    volume = float(table.volume_nm3.iloc[0])
    n = round(volume / WATER_NM3)
    activity = float(np.exp(-6.09 * KCAL / KT) / WATER_NM3)
    settings = {"n": n, "volume": volume, "temperature": TEMPERATURE_K, "cutoff": WATER_CUTOFF, "activity": activity}
    lines = [
        _WATER.format(**settings),
        "| switching, ps | accepted | acceptance, % | published, % | dissipation, kT | Gaussian, % | ⟨N⟩ "
        "| ps per accepted | s per accepted |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    by_time = {float(time_ps): moves for time_ps, moves in table.groupby("switching_ps")}
    lines += [_water_row(moves, time_ps) for time_ps, moves in by_time.items()]
    lines += [
        _WATER_NOTES.format(fewest=FEWEST_ACCEPTED),
        "| switching, ps | F, kT | crossing, kT | slope | works shared | | ⟨N⟩ by the works |",
        "|---|---|---|---|---|---|---|",
    ]
    variance = _variance(n, volume)
    works = {time_ps: crooks(*_effective(moves)) for time_ps, moves in by_time.items()}
    numbers = {time_ps: _number_by_works(by_time[time_ps], found, variance) for time_ps, found in works.items()}
    lines += [_crooks_row(f"{time_ps:g}", found, numbers[time_ps]) for time_ps, found in works.items()]
    lines += ["", _by_works(numbers, variance), "", _together(by_time), ""]
    states = RESULTS / "exchange_states.csv"
    return [*lines, *_against_states(by_time, pd.read_csv(states).iloc[0]), ""] if states.exists() else lines


def _against_states(by_time: dict[float, pd.DataFrame], states: pd.Series) -> list[str]:
    """Return where works there and back cross, and the free energy by MBAR."""
    n_of_states = int(states.n)
    per_molecule = 1 / _variance(n_of_states, float(states.volume_nm3)) - 1 / n_of_states
    lines = [
        _STATES.format(
            n=n_of_states,
            less=n_of_states - 1,
            mbar=_with(states.free_energy_kt, states.stderr_kt, 2),
            overlap=states.smallest_overlap,
            per_molecule=per_molecule,
        ),
        "| switching, ps | works of insertions and deletions cross at, kT | F by the acceptance ratio method | MBAR "
        "| moved by, kT |",
        "|---|---|---|---|---|",
    ]
    for time_ps, moves in by_time.items():
        is_insertion = (moves.kind == "insertion").to_numpy()
        fewer = moves.n_before.to_numpy() - ~is_insertion
        shift = per_molecule * (fewer - (n_of_states - 1))
        found = crooks(moves.work_kj_mol.to_numpy() / KT - np.where(is_insertion, shift, -shift), is_insertion)
        lines.append(
            f"| {time_ps:g} | {_with(found.crossing_kt, found.crossing_stderr_kt, 2)} | "
            f"{_with(found.free_energy_kt, found.stderr_kt, 2)} | "
            f"{_with(states.free_energy_kt, states.stderr_kt, 2)} | {-shift.mean():.2f} |"
        )
    return lines


def _by_works(numbers: dict[float, tuple[float, float]], variance: float) -> str:
    """Return whether the numbers by the works depend on the switching time."""
    known = {time_ps: number for time_ps, number in numbers.items() if not np.isnan(number[0])}
    text = (
        f"⟨N⟩ by the works: ln z of the box rises by 1/var(N) with each molecule, var(N) = {variance:.1f} from\n"
        "the compressibility of TIP3P (5.74e-5/bar, Vega and Abascal 2011, from memory), and\n"
        "is the reservoir's at N + 1/2 - F var(N), with the mean N of the smaller boxes of the moves. It does not\n"
        "wait for N to wander, as the mean number does."
    )
    if len(known) < 2:
        return text
    mean, stderr = np.array(list(known.values())).T
    weights = stderr**-2 / (stderr**-2).sum()
    apart = (((mean - weights @ mean) / stderr) ** 2).sum()
    together = _with(weights @ mean, (stderr**-2).sum() ** -0.5, 1)
    return (
        f"{text} The {len(known)} together: {together}; their\ndeviations from it, each over its error, have the "
        f"sum of squares {apart:.1f}, of which {len(known) - 1} is to be expected."
    )


def _together(by_time: dict[float, pd.DataFrame]) -> str:
    """Return whether the numbers of molecules depend on the switching time, as far as converged ones can tell."""
    counts = {time_ps: _count(moves) for time_ps, moves in by_time.items()}
    known = {time_ps: count for time_ps, (count, is_converged) in counts.items() if is_converged}
    if len(known) < 2:
        return (
            "Whether ⟨N⟩ depends on the switching time: `inconclusive`, since fewer than two series are converged. "
            "Exact answers for other systems: tests/md/grand/test_grand_switching_time.py and test_grand_balance.py."
        )
    mean, stderr = np.array([(count.mean, count.stderr) for count in known.values()]).T
    weights = stderr**-2 / (stderr**-2).sum()
    apart = (((mean - weights @ mean) / stderr) ** 2).sum()
    times = ", ".join(f"{time_ps:g}" for time_ps in known)
    return (
        f"Converged are {times} ps: together ⟨N⟩ = {_with(weights @ mean, (stderr**-2).sum() ** -0.5, 1)}; the "
        f"deviations of these {len(known)} from it, each over its error, have the sum of squares {apart:.1f}, of which "
        f"{len(known) - 1} is to be expected."
    )


def _dmc(table: pd.DataFrame) -> list[str]:
    n = int(table[table.kind == "deletion"].n_before.iloc[0])
    lines = [
        _DMC.format(n=n, less=n - 1),
        "| switching, ps | insertions, deletions | W of insertions, kT | W of deletions, kT | dissipation, kT | F, kT "
        "| acceptance, % | Gaussian, % | ps per accepted | s per accepted |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for time_ps, moves in table.groupby("switching_ps"):
        is_insertion = (moves.kind == "insertion").to_numpy()
        works = moves.work_kj_mol.to_numpy() / KT
        free_energy = _bennett(works, is_insertion)
        accepted = np.minimum(1, np.exp(-(works - np.where(is_insertion, 1, -1) * free_energy)))
        share = accepted.mean()
        lines.append(
            f"| {time_ps:g} | {is_insertion.sum()}, {(~is_insertion).sum()} | {_mean_work(moves, 'insertion')} | "
            f"{_mean_work(moves, 'deletion')} | {dissipation(moves):.1f} | {free_energy:.1f} | "
            f"{_with(100 * share, 100 * accepted.std(ddof=1) / np.sqrt(len(accepted)), 0)} | "
            f"{100 * gaussian_acceptance(dissipation(moves)):.0f} | {_cost(moves, share)} |"
        )
    return [*lines, ""]


def _bennett(works: np.ndarray, is_insertion: np.ndarray) -> float:
    """Return F of works there and back in kT, with as many of each (Bennett 1976); by bisection."""
    low, high = -200.0, 200.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        there, back = works[is_insertion] - middle, works[~is_insertion] + middle
        unbalanced = (1 / (1 + np.exp(np.clip(there, -500, 500)))).mean() - (
            1 / (1 + np.exp(np.clip(back, -500, 500)))
        ).mean()
        low, high = (low, middle) if unbalanced > 0 else (middle, high)
    return (low + high) / 2


def _speed(table: pd.DataFrame, platform: str) -> list[str]:
    n_atoms, n_pool = int(table.n_atoms[0]), int(table.n_atoms_pool[0])
    rates = table.drop(columns=["round", "n_atoms", "n_atoms_pool"])
    longer = (rates[["plain"]].to_numpy() / rates - 1) * 100
    lines = [
        _SPEED.format(n_atoms=n_atoms, idle=n_pool - n_atoms, platform=platform, rounds=len(table)),
        "| | ns/day | a step takes longer by, % | in the rounds |",
        "|---|---|---|---|",
    ]
    for name in rates:
        within = f"{longer[name].quantile(0.25):.0f} to {longer[name].quantile(0.75):.0f}" if name != "plain" else ""
        lines.append(f"| {name} | {rates[name].median():.1f} | {longer[name].median():.0f} | {within} |")
    return [*lines, ""]


def _section(name: str, write: Callable[[pd.DataFrame], list[str]]) -> list[str]:
    path = RESULTS / f"exchange_{name}.csv"
    return write(pd.read_csv(path)) if path.exists() else []


def write_page(out: Path) -> None:
    """Collect what has been run so far, and write the page of it."""
    collect(out)
    parts = [_HEAD.format(date=date.today(), openmm=openmm.__version__, kt=KT)]
    parts += [*_section("water", _water), *_section("dmc", _dmc)]
    for path in sorted(RESULTS.glob("exchange_speed-*.csv")):
        platform = path.stem.removeprefix("exchange_speed-")
        parts += _speed(pd.read_csv(path), platform if platform != "CPU" else "CPU, one thread and its own time")
    PAGE.write_text("\n".join(parts).rstrip() + "\n")
