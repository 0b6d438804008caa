"""Runs in which molecules come and go, made by hand, so that their numbers are known."""

import csv
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import pandas as pd
from open_boxes import open_protocol
from openmm import app
from runs_by_hand import other_box
from scipy.spatial.transform import Rotation
from small_boxes import liquid

from solvshell.occupancy import MOVE_COLUMNS, occupancy_columns, ranges_text
from solvshell.run import Run, open_run

N_FRAMES, FRAME_PS, EDGE = 48, 0.04, 30.0
IONS = np.array([[0.0, 0.0, 0.0], [15.0, 15.0, 15.0]])  # ghosts lie where one Li does
OPEN = ("EC", "DMC")


def _molecules(run: Run) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """Return by residue name the atoms of each molecule and their places about its carbonyl O, or its first atom."""
    universe = mda.Universe(app.PDBxFile(str(run.topology_path)))
    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for residue in universe.residues:
        atoms, others = residue.atoms, found.setdefault(residue.resname, [])
        at = atoms.positions - atoms.positions[list(atoms.names).index("O2") if residue.resname in OPEN else 0]
        others.append((atoms.indices, others[0][1] if others else at))  # ghosts have no shape of their own
    return found


def _frame(
    rng: np.random.Generator, molecules: dict, there: dict[str, np.ndarray], n_atoms: int
) -> tuple[np.ndarray, int]:
    """One or two EC that are there hold each Li at 2 Å; all else that is there is spread 7.5 Å from both."""
    positions = np.zeros((n_atoms, 3))
    for name, of_species in molecules.items():
        for k, (atoms, shape) in enumerate(of_species):
            if name == "LI":
                positions[atoms] = IONS[k]
            elif there.get(name, np.ones(len(of_species), bool))[k]:
                positions[atoms] = np.append(rng.random(2) * EDGE, 7.5) + shape
    bound = rng.permutation(np.flatnonzero(there["EC"]))[: rng.integers(2, 5)]
    for i, k in enumerate(bound):
        direction = rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        atoms, shape = molecules["EC"][k]
        turn, _ = Rotation.align_vectors([direction], [shape.mean(axis=0)])  # the rest of it lies behind its O
        positions[atoms] = IONS[i % 2] + (2.0 + 0.05 * rng.normal()) * direction + turn.apply(shape)
    return positions, len(bound)


def open_run_by_hand(folder: Path, seed: int = 0) -> tuple[Run, np.ndarray, np.ndarray]:
    """Return the run, how many EC hold a Li in each frame, and how many EC and DMC are there, shape (n_frames, 2)."""
    liquid().save(folder / f"box-{seed}")
    run = open_run(folder / f"replica-{seed:02d}", folder / f"box-{seed}", open_protocol(), 0)
    other_box(run.path, seed)
    rng, molecules = np.random.default_rng(seed), _molecules(run)
    universe = mda.Universe(app.PDBxFile(str(run.topology_path)))
    rows, n_bound, n_there = [], [], []
    with mda.Writer(str(run.trajectory_path), len(universe.atoms)) as writer:
        for t in range(N_FRAMES):
            there = {name: rng.random(len(molecules[name])) < 0.4 for name in OPEN}
            there["EC"][:2] = True
            universe.atoms.positions, n = _frame(rng, molecules, there, len(universe.atoms))
            universe.dimensions = np.array([EDGE, EDGE, EDGE, 90, 90, 90])
            universe.trajectory.ts.time, universe.trajectory.ts.data["dt"] = t * FRAME_PS, FRAME_PS
            writer.write(universe.atoms)
            numbers = [int(there[name].sum()) for name in OPEN]
            texts = [ranges_text(there[name]) for name in OPEN]
            rows.append([t * FRAME_PS, EDGE**3 / 1000, "nan", *numbers, *texts])
            n_bound.append(n), n_there.append(numbers)
    with open(run.occupancy_path, "w", newline="") as file:
        csv.writer(file).writerows([occupancy_columns(list(OPEN)), *rows])
    move = [0, 0.02, "EC", "insertion", 2, EDGE**3 / 1000, 30.0, -9.0, "false", "rejected", "", 0.04, 0.1]
    pd.DataFrame([move], columns=MOVE_COLUMNS).to_csv(run.moves_path, index=False)
    log = {"stage": run.protocol.production.name, "time_ps": np.arange(N_FRAMES) * FRAME_PS, "temperature_k": 400.0}
    pd.DataFrame(log).assign(density_g_cm3=1.2).to_csv(run.log_path, index=False)
    (run.path / "done.json").write_text("{}\n")
    return Run.load(run.path), np.array(n_bound), np.array(n_there)
