"""What a neutral set of molecules is bound by in a medium: its excess chemical potential, from a `decouple` run."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from solvshell.analysis.statistics import RESOLVED_N_INDEPENDENT
from solvshell.errors import InvalidInput
from solvshell.free_energy.states import LEAST_OVERLAP, Samples, StateFreeEnergies, independent, part, solve
from solvshell.run import Run
from solvshell.stages import Decouple
from solvshell.units import PARTICLE_PER_NM3, kT_kj_mol

STEP_COLUMNS = ["molecules", "step", "free_energy_kj_mol", "stderr_kj_mol", "smallest_overlap", "status"]
STATE_COLUMNS = [
    "state",
    "charges",
    "lennard_jones",
    "free_energy_kj_mol",
    "stderr_kj_mol",
    "overlap_with_next",
    "n_recorded",
    "n_independent",
]
CONVERGENCE_COLUMNS = ["direction", "share_of_time", "free_energy_kj_mol", "stderr_kj_mol"]
COMPOSITION_COLUMNS = ["species", "n_with_set", "n_without_set", "mol_per_l"]

#: From what can be quoted to what cannot.
STATUSES = ("resolved", "drifting", "too_few_samples", "poor_overlap")

_SHARES = (0.25, 0.5, 0.75, 1.0)
#: The halves of the run disagree if they differ by so many standard errors.
_DRIFT_SIGNIFICANCE = 3.0
#: A share of the time has no result if a state has fewer samples in it.
_FEWEST = 3


@dataclass(frozen=True)
class Decoupling:
    """The excess chemical potential of a set of molecules, one of each species named, in kJ per mol of sets.

    Attributes
    ----------
    molecules : tuple of str
    temperature, pressure : float
        In K and bar; the pressure is None at constant volume.
    mu_ex_kj_mol, stderr_kj_mol : float
        Free energy of coupling the set, in the cell it is in, to what surrounds it: from an ideal gas of the same
        flexible molecules at the same concentration. Not a number unless neighbouring states overlap.
    ideal_kj_mol : float
        ``kT sum ln(c / (1 mol/L))`` with the concentrations c of `composition`. With `mu_ex_kj_mol` it is the chemical
        potential above that of the ideal gas at 1 mol/L of each.
    volume_nm3 : float
        ``<V^-m>^(-1/m)`` over the decoupled state with its m free molecules: that is ``<V^m>^(1/m)`` of the box without
        them, which belongs to mu_ex at constant pressure (the ideal molecules push the cell apart).
    smallest_overlap, n_independent : float, int
        Of all neighbouring states, and of all states.
    status : str
        ``resolved``, ``poor_overlap`` (no number), ``too_few_samples`` or ``drifting`` (the first half of the run and
        the second disagree): a number of these two is not one to quote.
    steps, states, convergence, composition : pandas.DataFrame
        The two steps and their sum; each state above the decoupled one; the first and last shares of the time alone;
        numbers of molecules with the set (which `mol_per_l` counts) and without.
    """

    molecules: tuple[str, ...]
    temperature: float
    pressure: float | None
    mu_ex_kj_mol: float
    stderr_kj_mol: float
    ideal_kj_mol: float
    volume_nm3: float
    smallest_overlap: float
    n_independent: int
    status: str
    steps: pd.DataFrame
    states: pd.DataFrame
    convergence: pd.DataFrame
    composition: pd.DataFrame


def samples_of(records: pd.DataFrame, stage: Decouple) -> list[np.ndarray]:
    """Return the reduced potentials of the records of each state, in the order of time.

    ``u = U / kT`` above the decoupled state. The term p V / kT of constant pressure is the same in all states, and a
    constant per sample drops out of MBAR.
    """
    columns = [column for column in records if column.startswith("energy_")]
    state = np.array(stage.visits)[records["window"].to_numpy()]
    reduced = records[columns].to_numpy() / kT_kj_mol(stage.temperature)
    return [reduced[state == index] for index in range(len(stage.states))]


def _converging(samples: Samples, kT: float) -> pd.DataFrame:
    """Return the result of growing shares of the time from its start and from its end."""
    rows = []
    for direction in ("forward", "reverse"):
        for share in _SHARES:
            of_part = part(samples, 0, share) if direction == "forward" else part(samples, 1 - share, 1)
            kept = independent(of_part)
            if min(map(len, kept)) < _FEWEST:
                rows.append((direction, share, np.nan, np.nan))
                continue
            found = solve(kept)
            rows.append((direction, share, kT * found.free_energy[-1, 0], kT * found.stderr[-1, 0]))
    return pd.DataFrame(rows, columns=CONVERGENCE_COLUMNS)


def _halves_disagree(convergence: pd.DataFrame) -> bool:
    first, second = convergence[convergence.share_of_time == 0.5].itertuples()
    away = abs(first.free_energy_kj_mol - second.free_energy_kj_mol)
    return bool(away > _DRIFT_SIGNIFICANCE * np.hypot(first.stderr_kj_mol, second.stderr_kj_mol))


def _status(found: StateFreeEnergies, convergence: pd.DataFrame) -> str:
    if found.overlap.min() < LEAST_OVERLAP:
        return "poor_overlap"
    if found.n_independent.min() < RESOLVED_N_INDEPENDENT:
        return "too_few_samples"
    return "drifting" if _halves_disagree(convergence) else "resolved"


def _steps(stage: Decouple, found: StateFreeEnergies, kT: float, status: str) -> pd.DataFrame:
    """Return the free energies of switching on Lennard-Jones, then the charges, and of both; empty without overlap."""
    uncharged = next(index for index, (charges, _) in enumerate(stage.states) if charges == 0)
    last, name = len(stage.states) - 1, " + ".join(stage.molecules)
    rows = []
    for step, low, high in (("lennard_jones", last, uncharged), ("charges", uncharged, 0), ("total", last, 0)):
        overlap = found.overlap[high:low].min()
        numbers = kT * np.array([found.free_energy[low, high], found.stderr[low, high]])
        if overlap < LEAST_OVERLAP:
            numbers[:] = np.nan
        of_step = "poor_overlap" if overlap < LEAST_OVERLAP else status if status != "poor_overlap" else "resolved"
        rows.append((name, step, *numbers, overlap, of_step))
    return pd.DataFrame(rows, columns=STEP_COLUMNS)


def _states(stage: Decouple, found: StateFreeEnergies, samples: Samples, kT: float) -> pd.DataFrame:
    charges, lennard_jones = zip(*stage.states, strict=True)
    return pd.DataFrame(
        {
            "state": range(len(stage.states)),
            "charges": charges,
            "lennard_jones": lennard_jones,
            "free_energy_kj_mol": kT * found.free_energy[-1],
            "stderr_kj_mol": kT * found.stderr[-1],
            "overlap_with_next": [*found.overlap, np.nan],
            "n_recorded": [len(of_state) for of_state in samples],
            "n_independent": found.n_independent,
        },
        columns=STATE_COLUMNS,
    )


def _volume(records: pd.DataFrame, stage: Decouple) -> float:
    """Return the volume in nm3 of the box without the set, as `Decoupling` defines it."""
    decoupled = np.array(stage.visits)[records["window"].to_numpy()] == len(stage.states) - 1
    m = len(stage.molecules)
    return float((records["volume_nm3"][decoupled] ** -m).mean() ** (-1 / m))


def _composition(counts: dict[str, int], stage: Decouple, volume: float) -> pd.DataFrame:
    with_set = np.array(list(counts.values()))
    without = with_set - np.array([name in stage.molecules for name in counts])
    columns = [list(counts), with_set, without, with_set * PARTICLE_PER_NM3 / volume]
    return pd.DataFrame(dict(zip(COMPOSITION_COLUMNS, columns, strict=True)))


def decoupling(records: pd.DataFrame, stage: Decouple, counts: dict[str, int]) -> Decoupling:
    """Return the excess chemical potential of the set of a `decouple` stage, by MBAR over its states.

    Parameters
    ----------
    records : pandas.DataFrame
        ``window``, ``volume_nm3`` and ``energy_<state>_kj_mol``, U(state) - U(decoupled), as ``decouple.csv`` has them.
    stage : Decouple
    counts : dict
        Number of molecules of each species of the box, the set counted.
    """
    kT = kT_kj_mol(stage.temperature)
    samples = samples_of(records, stage)
    found, convergence = solve(independent(samples)), _converging(samples, kT)
    status = _status(found, convergence)
    volume = _volume(records, stage)
    composition = _composition(counts, stage, volume)
    of_set = composition[composition.species.isin(stage.molecules)]
    steps = _steps(stage, found, kT, status)
    return Decoupling(
        molecules=tuple(stage.molecules),
        temperature=stage.temperature,
        pressure=stage.pressure,
        mu_ex_kj_mol=float(steps.free_energy_kj_mol.iloc[-1]),
        stderr_kj_mol=float(steps.stderr_kj_mol.iloc[-1]),
        ideal_kj_mol=float(kT * np.log(of_set.mol_per_l).sum()),
        volume_nm3=volume,
        smallest_overlap=float(found.overlap.min()),
        n_independent=int(found.n_independent.min()),
        status=status,
        steps=steps,
        states=_states(stage, found, samples, kT),
        convergence=convergence,
        composition=composition,
    )


def decoupling_of_run(run: Run) -> Decoupling:
    """Return the excess chemical potential of the set that a run has decoupled.

    Raises
    ------
    InvalidInput
        If the protocol of the run ends in something else, or the run has not sampled all states yet.
    """
    stage = run.protocol.stages[-1]
    if not isinstance(stage, Decouple):
        raise InvalidInput(f"{run.path}: its protocol ({run.protocol.name}) ends in {stage.kind}, not in decouple")
    path = run.path / "decouple.csv"
    if not path.is_file() or (records := pd.read_csv(path)).window.nunique() < len(stage.states):
        raise InvalidInput(f"{run.path}: has not sampled all states yet; 'solvshell run' goes on with it")
    return decoupling(records, stage, run.box.counts)
