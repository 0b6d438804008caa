"""A grand-canonical run without atoms whose answer is known: each molecule costs F, and works scatter as Crooks asks.

Works of insertions are Gaussian about F + W_d, those of deletions about -F + W_d, both with the variance 2 W_d (in kT):
then ln(P_insertion(w) / P_deletion(-w)) = w - F exactly, and N is Poisson with the mean z V exp(-F).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from solvshell.files import validate
from solvshell.occupancy import OccupancyTable, ranges_text
from solvshell.protocol import Protocol
from solvshell.reservoir import Activity, Reservoir
from solvshell.run import Run, open_run
from solvshell.units import kT_kj_mol

TEMPERATURE = 300.0
KT = kT_kj_mol(TEMPERATURE)
VOLUME = 20.0
ROOM = 120


@dataclass(frozen=True)
class Kind:
    """A species: its activity in nm^-3, what a molecule costs and what a switch dissipates in kT."""

    activity: float
    free_energy: float
    dissipation: float

    @property
    def mean_n(self) -> float:
        """Of the Poisson distribution."""
        return self.activity * VOLUME * float(np.exp(-self.free_energy))


KINDS = {"EC": Kind(8.0, 1.4, 2.84), "DMC": Kind(0.6, -0.9, 0.6)}
#: So few molecules that trajectories are small.
FEW = {"EC": Kind(0.4, 0.0, 1.5), "DMC": Kind(2.0, 1.0, 0.5)}


def reservoir_of(kinds: Mapping[str, Kind] = KINDS, **of_each: float) -> Reservoir:
    """Return the reservoir, whose densities are those of the bulk that the toy is."""
    species = {
        name: Activity.model_construct(
            activity=kind.activity,
            density=kind.mean_n / VOLUME,
            mu_ex=KT * kind.free_energy,
            mu_ex_error=0.1,
            **of_each,
        )
        for name, kind in kinds.items()
    }
    return Reservoir.model_construct(
        name="toy", temperature=TEMPERATURE, pressure=1.0, species=species, medium={}, model=None, provenance={}
    )


def exchange(
    n_moves: int, seed: int, kinds: Mapping[str, Kind] = KINDS, start: Mapping[str, int] | None = None
) -> tuple[pd.DataFrame, OccupancyTable]:
    """Return moves, one each ps, and the occupancy of a frame after each move and one before all."""
    rng = np.random.default_rng(seed)
    n = {name: round(kind.mean_n) for name, kind in kinds.items()} | dict(start or {})
    rows, counts = [], [dict(n)]
    for move in range(n_moves):
        name = list(kinds)[rng.integers(len(kinds))]
        kind, is_insertion, before = kinds[name], bool(rng.integers(2)), n[name]
        work = (1 if is_insertion else -1) * kind.free_energy + kind.dissipation
        work += np.sqrt(2 * kind.dissipation) * rng.normal()
        if not is_insertion and not before:
            work, log_acceptance, outcome = np.nan, -np.inf, "empty"
        else:
            ideal = kind.activity * VOLUME / (before + 1) if is_insertion else before / (kind.activity * VOLUME)
            log_acceptance = np.log(ideal) - work
            outcome = "accepted" if np.log(rng.random()) < log_acceptance else "rejected"
        n[name] += (1 if is_insertion else -1) * (outcome == "accepted")
        rows.append((
            move, move + 1.0, name, "insertion" if is_insertion else "deletion", before, VOLUME, KT * work,
            log_acceptance, outcome == "accepted", outcome, 0, 5.0, 0.1,
        ))  # fmt: skip
        counts.append(dict(n))
    names = [
        "move", "time_ps", "species", "kind", "n_before", "volume_nm3", "work_kj_mol", "log_acceptance", "accepted",
        "outcome", "molecule", "switching_ps", "seconds",
    ]  # fmt: skip
    present = {name: np.arange(ROOM) < np.array([one[name] for one in counts])[:, None] for name in kinds}
    pressure = 1.0 + 300 * rng.normal(size=len(counts))
    times = np.arange(n_moves + 1.0)
    return pd.DataFrame(rows, columns=names), OccupancyTable(times, np.full(n_moves + 1, VOLUME), pressure, present)


def _stage(reservoir: Reservoir, room: int) -> dict[str, Any]:
    """Return the stage that such a run could be of."""
    return {
        "kind": "grand_canonical",
        "name": "exchange",
        "temperature": f"{TEMPERATURE} K",
        "reservoir": reservoir.model_dump(mode="json"),
        "duration": "20 ns",
        "move_interval": "1 ps",
        "switching_time": "5 ps",
        "frame_interval": "1 ps",
        "log_interval": "1 ps",
        "room": dict.fromkeys(reservoir.species, room),
    }


def exchange_protocol(kinds: Mapping[str, Kind] = KINDS, room: int = ROOM) -> Protocol:
    """Return the protocol of such a run."""
    content = {
        "name": "exchange",
        "title": "for tests",
        "timestep": "2 fs",
        "checkpoint_interval": "1 ns",
        "stages": [_stage(reservoir_of(kinds), room)],
    }
    return validate(Protocol, content, "exchange")


def write_exchange(
    run: Run, n_moves: int, seed: int, kinds: Mapping[str, Kind] = KINDS, step_ps: float = 1.0, room: int = ROOM
) -> None:
    """Write moves and occupancy of the toy into a run."""
    moves, occupancy = exchange(n_moves, seed, kinds)
    words = moves.accepted.map({True: "true", False: "false"})
    moves.assign(time_ps=step_ps * moves.time_ps, accepted=words).to_csv(run.moves_path, index=False)
    masks = {name: mask[:, :room] for name, mask in occupancy.present.items()}
    columns = {
        "time_ps": step_ps * occupancy.time_ps,
        "volume_nm3": occupancy.volume_nm3,
        "pressure_bar": occupancy.pressure_bar,
        **{f"n_{name}": mask.sum(axis=1) for name, mask in masks.items()},
        **{f"present_{name}": [ranges_text(one) for one in mask] for name, mask in masks.items()},
    }
    pd.DataFrame(columns).to_csv(run.occupancy_path, index=False)


def exchange_run(path: Path, box_path: Path, n_moves: int, seed: int) -> Run:
    """Return a run of a box whose moves and occupancy are those of the toy; it has no trajectory."""
    run = open_run(path, box_path, exchange_protocol(), seed)
    write_exchange(run, n_moves, seed)
    return run
