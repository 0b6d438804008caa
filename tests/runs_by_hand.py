"""Runs whose trajectories are made by hand, so that their numbers are known."""

import json
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import pandas as pd
from openmm import app

from solvshell.analysis import analyze_run
from solvshell.protocol import Protocol, load_protocol
from solvshell.provenance import file_record
from solvshell.run import Run, open_run

N_FRAMES = 80


def other_box(path: Path, number: int, name: str = "state.xml") -> Path:
    """Make the box of a run another one, in all that tells boxes apart, as if the run had begun with it."""
    file, record = path / "box" / name, path / "provenance.json"
    file.write_text(file.read_text() + "\n" * (number + 1))
    content = json.loads(record.read_text())
    content["files"][f"box/{name}"] = file_record(file)
    record.write_text(json.dumps(content))
    return path


def fake_run(
    box_path: Path,
    path: Path,
    seed: int,
    distance: float,
    n_ec: int,
    *,
    missing: float = 0.3,
    n_frames: int = N_FRAMES,
    step_ps: float = 0.2,
    protocol: Protocol | None = None,
    is_analyzed: bool = True,
) -> Path:
    """Make a run whose Li have `n_ec` EC and one DMC at `distance`; all else stands still, farther off.

    One EC is away from each Li in a share `missing` of the frames.
    """
    run = open_run(path, box_path, protocol or load_protocol("quick"), seed)
    other_box(path, seed)
    universe = mda.Universe(app.PDBxFile(str(run.topology_path)))
    rng = np.random.default_rng(seed)
    lithium = universe.select_atoms("resname LI")
    moved = {
        name: [(residue.atoms.indices, residue.atoms.select_atoms("name O2").indices[0]) for residue in residues]
        for name, n in {"EC": n_ec, "DMC": 1}.items()
        for residues in [universe.select_atoms(f"resname {name}").residues[: n * len(lithium)]]
    }
    others = universe.select_atoms("not resname LI")
    grid = (np.indices((2, 2, 2)).reshape(3, -1).T[: len(lithium)] + 0.5) * 30
    start = universe.atoms.positions.copy()
    start[others.indices] += 1000  # out of the way, then spread over the plane z = 0, 15 Å from all Li
    for residue in others.residues:
        at = np.append(rng.random(2) * 60, 0.0)
        start[residue.atoms.indices] += at - start[residue.atoms.indices[0]]
    start[lithium.indices] = grid
    distance = rng.normal(distance, 0.002)  # boxes scatter
    with mda.Writer(str(run.trajectory_path), len(start)) as writer:
        for frame in range(n_frames):
            positions = start.copy()
            for i, center in enumerate(grid):
                n_here = n_ec - (rng.random() < missing)
                shell = [moved["EC"][i * n_ec + k] for k in range(n_here)] + [moved["DMC"][i]]
                for atoms, oxygen in shell:
                    direction = rng.normal(size=3)
                    target = center + direction / np.linalg.norm(direction) * rng.normal(distance, 0.06)
                    positions[atoms] += target - positions[oxygen]
            universe.atoms.positions = positions
            universe.dimensions = np.array([60.0, 60.0, 60.0, 90.0, 90.0, 90.0])
            universe.trajectory.ts.time = frame * step_ps
            universe.trajectory.ts.data["dt"] = step_ps
            writer.write(universe.atoms)
    log = {"stage": run.protocol.production.name, "time_ps": np.arange(n_frames) * step_ps, "temperature_k": 298.0}
    pd.DataFrame(log).assign(density_g_cm3=1.2).to_csv(run.log_path, index=False)
    (path / "done.json").write_text("{}\n")
    if is_analyzed:
        analyze_run(Run.load(path))
    return path
