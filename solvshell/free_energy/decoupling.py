"""What a neutral set of molecules is bound by in a medium: its excess chemical potential, from a `decouple` run."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from solvshell.analysis.statistics import RESOLVED_N_INDEPENDENT, mean_with_error
from solvshell.box import Box
from solvshell.errors import InvalidInput
from solvshell.free_energy.states import LEAST_OVERLAP, Samples, StateFreeEnergies, independent, of_series, part
from solvshell.md.decouple import charge_of
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
#: e; more than rounding leaves of a neutral molecule
_CHARGED = 1e-3
#: kJ/mol nm/e2; energy of a unit charge in a cube of 1 nm with its images and a background: 2.837297 / 2 x 138.935458
_OWN_IMAGES = -2.837297 / 2 * 138.935458
#: A share of the time has no result if a state has fewer samples in it.
_FEWEST = 3


@dataclass(frozen=True)
class Medium:
    """What a set of molecules was decoupled from, and belongs to.

    Attributes
    ----------
    counts : dict
        Number of molecules of each species of the box, the set counted.
    charges : dict
        Of one molecule of each species in e, as the model has it; of a polymer its unit with the largest.
    ion_charge_scale : float
    """

    counts: dict[str, int]
    charges: dict[str, float]
    ion_charge_scale: float


@dataclass(frozen=True)
class Decoupling:
    """The excess chemical potential of a set of molecules, one of each species named, in kJ per mol of sets.

    Attributes
    ----------
    molecules : tuple of str
    temperature, pressure : float
        In K and bar; the pressure is None at constant volume.
    ion_charge_scale : float
    mu_ex_kj_mol, stderr_kj_mol : float
        Free energy of coupling the set, in the cell it is in, to what surrounds it: from an ideal gas of the same
        flexible molecules at the same concentration. Not a number unless neighboring states overlap. The error is the
        largest of that of MBAR and what half of the difference of both halves says, step by step or in all.
    ideal_kj_mol : float
        ``kT sum ln(c / (1 mol/L))`` with the concentrations c of `composition`. With `mu_ex_kj_mol` it is the chemical
        potential above that of the ideal gas at 1 mol/L of each.
    volume_nm3, volume_stderr_nm3 : float
        ``<V^-m>^(-1/m)`` over the decoupled state with its m free molecules: that is ``<V^m>^(1/m)`` of the box without
        them, which belongs to mu_ex at constant pressure (the ideal molecules push the cell apart).
    smallest_overlap, n_independent : float, int
        Of all neighboring states, and of all states.
    own_images_kj_mol : float
        Energy of the ions of the set, each with its own images, in vacuum; 0 without ions. Over the dielectric constant
        it is part of `mu_ex_kj_mol`, unless the medium conducts.
    is_screened : bool
        Whether the medium has other ions, which screen those images.
    first_half_kj_mol, second_half_kj_mol : float
        From the first half of the records of each state and from the second: in a finished run, the ways down and up.
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
    ion_charge_scale: float
    mu_ex_kj_mol: float
    stderr_kj_mol: float
    ideal_kj_mol: float
    volume_nm3: float
    volume_stderr_nm3: float
    smallest_overlap: float
    n_independent: int
    own_images_kj_mol: float
    is_screened: bool
    first_half_kj_mol: float
    second_half_kj_mol: float
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


def _of_shares(samples: Samples, whole: StateFreeEnergies) -> dict[tuple[str, float], StateFreeEnergies | None]:
    """Return the free energies from growing shares of the time from its start and from its end.

    None of too few samples, or if states do not overlap: pymbar looks for half a minute for what is not there.
    """
    is_connected = whole.overlap.min() >= LEAST_OVERLAP
    found: dict[tuple[str, float], StateFreeEnergies | None] = {}
    for direction in ("forward", "reverse"):
        for share in _SHARES[:-1]:
            of_part = part(samples, 0, share) if direction == "forward" else part(samples, 1 - share, 1)
            is_enough = is_connected and min(map(len, independent(of_part))) >= _FEWEST
            found[direction, share] = of_series(of_part) if is_enough else None
        found[direction, 1.0] = whole if is_connected and whole.n_independent.min() >= _FEWEST else None
    return found


def _convergence(shares: dict[tuple[str, float], StateFreeEnergies | None], kT: float) -> pd.DataFrame:
    nothing = (np.nan, np.nan)
    rows = [
        (*key, *(nothing if found is None else (kT * found.free_energy[-1, 0], kT * found.stderr[-1, 0])))
        for key, found in shares.items()
    ]
    return pd.DataFrame(rows, columns=CONVERGENCE_COLUMNS)


def _knowing_both_ways(
    found: StateFreeEnergies, down: StateFreeEnergies | None, up: StateFreeEnergies | None
) -> StateFreeEnergies:
    """Return free energies whose errors know what a visit of a state remembers from its start to its end.

    Every state is visited twice, so that half of the difference of the two is the error of each step from a state to
    the next, from one degree of freedom: the squares of the steps add up where they do not know of each other, the
    steps themselves where all drift alike. The error is the largest of these two and the one of MBAR.
    """
    if down is None or up is None:
        return found
    halves = np.diff(down.free_energy[0] - up.free_energy[0]) / 2
    drift, variance = (np.append(0.0, np.cumsum(values)) for values in (halves, halves**2))
    apart, alike = (np.abs(values[:, None] - values) for values in (variance, drift))
    return replace(found, stderr=np.fmax(found.stderr, np.fmax(np.sqrt(apart), alike)))


def _halves(convergence: pd.DataFrame) -> tuple[float, float, bool]:
    """Return the results of the first half of the run and of the second, and whether they disagree."""
    first, second = convergence[convergence.share_of_time == 0.5].itertuples()
    allowed = _DRIFT_SIGNIFICANCE * np.hypot(first.stderr_kj_mol, second.stderr_kj_mol)
    low, high = float(first.free_energy_kj_mol), float(second.free_energy_kj_mol)
    return low, high, bool(abs(high - low) > allowed)


def _status(found: StateFreeEnergies, states: slice, drifts: bool) -> str:
    """Return the status of the way between the states of a slice, its ends included."""
    if found.overlap[states.start : states.stop - 1].min() < LEAST_OVERLAP:
        return "poor_overlap"
    if found.n_independent[states].min() < RESOLVED_N_INDEPENDENT:
        return "too_few_samples"
    return "drifting" if drifts else "resolved"


def _steps(stage: Decouple, found: StateFreeEnergies, kT: float, convergence: pd.DataFrame) -> pd.DataFrame:
    """Return the free energies of switching on Lennard-Jones, then the charges, and of both; empty without overlap."""
    uncharged = next(index for index, (charges, _) in enumerate(stage.states) if charges == 0)
    last, name = len(stage.states) - 1, " + ".join(stage.molecules)
    drifts, rows = _halves(convergence)[-1], []
    for step, low, high in (("lennard_jones", last, uncharged), ("charges", uncharged, 0), ("total", last, 0)):
        status = _status(found, slice(high, low + 1), drifts)
        free_energy, stderr = kT * found.free_energy[low, high], kT * found.stderr[low, high]
        if status == "poor_overlap":
            free_energy = stderr = np.nan
        rows.append((name, step, free_energy, stderr, found.overlap[high:low].min(), status))
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


def _volume(records: pd.DataFrame, stage: Decouple) -> tuple[float, float]:
    """Return the volume in nm3 of the box without the set, as `Decoupling` defines it, and its standard error."""
    decoupled = np.array(stage.visits)[records["window"].to_numpy()] == len(stage.states) - 1
    m = len(stage.molecules)
    inverse = mean_with_error(records["volume_nm3"][decoupled].to_numpy() ** -m)
    volume = float(inverse.mean ** (-1 / m))
    return volume, volume * (inverse.stderr or 0.0) / inverse.mean / m  # a constant volume has no error


def _composition(medium: Medium, stage: Decouple, volume: float) -> pd.DataFrame:
    with_set = np.array(list(medium.counts.values()))
    without = with_set - np.array([name in stage.molecules for name in medium.counts])
    columns = [list(medium.counts), with_set, without, with_set * PARTICLE_PER_NM3 / volume]
    return pd.DataFrame(dict(zip(COMPOSITION_COLUMNS, columns, strict=True)))


def _own_images(medium: Medium, stage: Decouple, volume: float) -> float:
    """Return the energy in kJ/mol of the ions of the set, each with its own images in a cube, in vacuum."""
    charges = np.array([medium.charges[name] for name in stage.molecules])
    squares = (charges[np.abs(charges) > _CHARGED] ** 2).sum()
    return float(_OWN_IMAGES * squares / volume ** (1 / 3))


def decoupling(records: pd.DataFrame, stage: Decouple, medium: Medium) -> Decoupling:
    """Return the excess chemical potential of the set of a `decouple` stage, by MBAR over its states.

    Parameters
    ----------
    records : pandas.DataFrame
        ``window``, ``volume_nm3`` and ``energy_<state>_kj_mol``, U(state) - U(decoupled), as ``decouple.csv`` has them.
    stage : Decouple
    medium : Medium
    """
    kT = kT_kj_mol(stage.temperature)
    samples = samples_of(records, stage)
    found = of_series(samples)
    shares = _of_shares(samples, found)
    convergence = _convergence(shares, kT)
    found = _knowing_both_ways(found, shares["forward", 0.5], shares["reverse", 0.5])
    volume, volume_stderr = _volume(records, stage)
    composition = _composition(medium, stage, volume)
    of_set = composition[composition.species.isin(stage.molecules)]
    left = composition.species[composition.n_without_set > 0]
    steps = _steps(stage, found, kT, convergence)
    return Decoupling(
        molecules=tuple(stage.molecules),
        temperature=stage.temperature,
        pressure=stage.pressure,
        ion_charge_scale=medium.ion_charge_scale,
        mu_ex_kj_mol=float(steps.free_energy_kj_mol.iloc[-1]),
        stderr_kj_mol=float(steps.stderr_kj_mol.iloc[-1]),
        ideal_kj_mol=float(kT * np.log(of_set.mol_per_l).sum()),
        volume_nm3=volume,
        volume_stderr_nm3=volume_stderr,
        smallest_overlap=float(found.overlap.min()),
        n_independent=int(found.n_independent.min()),
        own_images_kj_mol=_own_images(medium, stage, volume),
        is_screened=any(abs(medium.charges[name]) > _CHARGED for name in left),
        first_half_kj_mol=_halves(convergence)[0],
        second_half_kj_mol=_halves(convergence)[1],
        status=str(steps.status.iloc[-1]),
        steps=steps,
        states=_states(stage, found, samples, kT),
        convergence=convergence,
        composition=composition,
    )


def medium_of(box: Box) -> Medium:
    """Return what the molecules of a box are decoupled from."""
    of_residues: dict[str, float] = {}
    for residue in box.topology.residues():
        charge = charge_of(box.system, [atom.index for atom in residue.atoms()])
        of_residues[residue.name] = max(charge, of_residues.get(residue.name, 0.0), key=abs)
    charges = {name: of_residues[box.recipe.entries[name].residue] for name in box.counts}
    return Medium(box.counts, charges, box.recipe.force_field.ion_charge_scale)


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
    return decoupling(records, stage, medium_of(run.box))
