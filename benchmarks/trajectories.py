"""Trajectories to time an analysis on: a liquid of LB-003, made once and kept, and the same frames over and over."""

from pathlib import Path

from solvshell.build import build_box
from solvshell.files import validate
from solvshell.md import simulate
from solvshell.protocol import Protocol
from solvshell.recipe import load_recipe
from solvshell.run import Run, open_run
from solvshell.species import SpeciesFile
from solvshell.xtc import HEADER, MAGIC, announced_length

N_SALT, SEED, N_INTERVALS = 50, 1, 1000
FRAME_INTERVAL_PS = 0.02
_HEAD = 128  # bytes; more than a frame needs to announce its length

#: Four g(r) up to R_MAX: Li+ with F of PF6, and with the carbonyl oxygens of EC, DMC and EMC
R_MAX = 12.0
SPECIES = SpeciesFile.model_validate(
    {
        "centers": {"Li": "resname LI"},
        "partners": {
            "PF6": {"molecules": "resname PF6", "sites": {"f": "name F*"}, "role": "anion"},
            **{name: {"molecules": f"resname {name}", "sites": {"o": "name O2"}} for name in ("EC", "DMC", "EMC")},
        },
    }
)

_COMMON = {"kind": "dynamics", "temperature": "298.15 K", "log_interval": "0.4 ps"}
_SETTINGS = {
    "name": "analysis-benchmark",
    "title": "a liquid whose frames follow each other closely, to time an analysis on; it measures nothing",
    "timestep": "4 fs",
    "hydrogen_mass": "3 Da",
    "checkpoint_interval": "4 ps",
    "stages": [
        {"kind": "minimize", "max_iterations": 500},
        {**_COMMON, "name": "equilibration", "duration": "40 ps", "pressure": "1 bar", "frame_interval": "2 ps"},
        # at constant volume, where all programs should give the same g(r)
        {
            **_COMMON,
            "name": "production",
            "duration": f"{N_INTERVALS * FRAME_INTERVAL_PS} ps",
            "frame_interval": f"{FRAME_INTERVAL_PS} ps",
            "production": True,
        },
    ],
}


def liquid(folder: Path) -> Run:
    """Return the run of the liquid in a folder: 50 LiPF6 in EC:DMC:EMC at constant volume, 1,001 frames of 7,272 atoms.

    What is missing is made: some minutes on a CPU. A run that was stopped goes on.
    """
    box_path = folder / "box"
    if not box_path.exists():
        build_box(load_recipe("lb003"), seed=SEED, n_salt=N_SALT).save(box_path)
    run = open_run(folder / "run", box_path, validate(Protocol, _SETTINGS, __file__), SEED)
    return run if run.is_done else simulate(run)


def repeat_frames(source: Path, times: int, target: Path) -> Path:
    """Write the frames of an XTC file so many times, one after the other and the times going on; return the target."""
    data = bytearray(source.read_bytes())
    starts, at = [], 0
    while at < len(data):
        starts.append(at)
        at += announced_length(data[at : at + _HEAD])
    _, n_atoms, _, first = HEADER.unpack_from(data, 0)
    _, _, _, second = HEADER.unpack_from(data, starts[1])
    with open(target, "wb") as file:
        for repeat in range(times):
            for step, start in enumerate(starts, repeat * len(starts)):
                HEADER.pack_into(data, start, MAGIC, n_atoms, step, first + step * (second - first))
            file.write(data)
    return target
