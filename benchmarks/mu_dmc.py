"""The excess chemical potential of DMC in the liquid: by the stage `decouple`, and by GROMACS from exported files."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from gromacs import STEP_PS, Gromacs

from solvshell.box import Box
from solvshell.build import build_box
from solvshell.files import validate
from solvshell.md import simulate
from solvshell.protocol import Protocol
from solvshell.recipe import Recipe
from solvshell.run import Run, open_run
from solvshell.stages import Decouple

TEMPERATURE_K, N_DMC = 298.15, 48
RECIPE = {
    "name": "dmc_48",
    "title": "48 DMC",
    "composition": {"counts": {"DMC": N_DMC}},
    "force_field": {"files": ["solvshell/electrolytes.xml"], "cutoff": "0.8 nm", "switch": "0.7 nm"},
    "packing": {"density": "0.9 g/cm3"},
}
CHARGES = (1.0, 0.7, 0.4, 0.0)
LENNARD_JONES = (1.0, 0.75, 0.55, 0.42, 0.32, 0.24, 0.16, 0.08, 0.0)

#: ps of each visit of a state; before the first
RELAX_PS, SAMPLE_PS, HOT_PS, SETTLE_PS = 20, 200, 100, 200
#: ps in each state of GROMACS: those with charges remember longer
CHARGED_PS, UNCHARGED_PS = 400, 250
_TOTAL = re.compile(r"total\s+\d+ -\s+\d+,\s+DG\s+(\S+)\s+\+/-\s+(\S+)")
#: The first state is the plain model: lambda of GROMACS is one minus ours. Soft core 1-1-6, alpha 0.5.
_FREE_ENERGY = {
    "free_energy": "yes",
    "couple_moltype": "solute",
    "couple_lambda0": "vdw-q",
    "couple_lambda1": "none",
    "couple_intramol": "no",
    "sc_alpha": 0.5,
    "sc_power": 1,
    "sc_r_power": 6,
    "sc_coul": "no",
    "nstdhdl": 50,
    "nstcalcenergy": 50,
    "nstenergy": 500,
    "calc_lambda_neighbors": 1,
    "nstxout_compressed": 0,
}
_LANGEVIN = {"integrator": "sd", "tcoupl": None, "tau_t": 1.0, "ref_t": TEMPERATURE_K}


def _steps(time_ps: float) -> int:
    return round(time_ps / STEP_PS)


def _dynamics(name: str, duration: float, **changes: object) -> dict[str, object]:
    times = {"duration": f"{duration} ps", "frame_interval": "4 ps", "log_interval": "2 ps"}
    plain = {"kind": "dynamics", "name": name, "temperature": "400 K", "friction": "1 /ps"}
    return plain | times | changes


def protocol() -> Protocol:
    """Return the protocol: heat, compress, cool, settle, then all states down and up."""
    room = {"temperature": f"{TEMPERATURE_K} K", "pressure": "1 bar"}
    cool = {"pressure": "1 bar", "ramp_to": f"{TEMPERATURE_K} K"}
    decouple = {
        "kind": "decouple",
        "name": "decoupling",
        "friction": "1 /ps",
        "molecules": ["DMC"],
        "charges": list(CHARGES),
        "lennard_jones": list(LENNARD_JONES),
        "relax": f"{RELAX_PS} ps",
        "sample": f"{SAMPLE_PS} ps",
        "record_interval": "0.1 ps",
        "log_interval": "2 ps",
        **room,
    }
    content = {
        "name": "decouple-dmc",
        "title": "excess chemical potential of DMC",
        "timestep": "4 fs",
        "constraints": "h_bonds",
        "hydrogen_mass": "3.0 Da",
        "checkpoint_interval": "40 ps",
        "stages": [
            {"kind": "minimize"},
            _dynamics("soft-start", 4, temperature="200 K", ramp_to="400 K", friction="10 /ps"),
            _dynamics("compression", 12, pressure="500 bar", friction="2 /ps"),
            _dynamics("anneal", HOT_PS, pressure="1 bar"),
            _dynamics("cool", 40, **cool),
            _dynamics("settle", SETTLE_PS, **room),
            decouple,
        ],
    }
    return validate(Protocol, content, "decouple-dmc")


def build() -> Box:
    """Return the box: 48 DMC, packed by Packmol."""
    return build_box(validate(Recipe, RECIPE, "dmc_48"), seed=1)


def _box(out: Path) -> Box:
    path = out / "dmc" / "box"
    if not path.exists():
        build().save(path)
    return Box.load(path)


def run_ours(out: Path) -> None:
    """Decouple one DMC; a run that was stopped goes on."""
    _box(out)
    simulate(open_run(out / "dmc" / "run", out / "dmc" / "box", protocol(), seed=1))


def records_of(run: Run, state: int) -> pd.DataFrame:
    """Return what a run of ours has recorded in a state."""
    stage = run.protocol.stages[-1]
    assert isinstance(stage, Decouple)
    records = pd.read_csv(run.path / "decouple.csv")
    return records[np.array(stage.visits)[records["window"]] == state]


def solute_topology(topology: str, name: str) -> str:
    """Return the text of a topol.top of one kind of molecule whose first molecule is of a kind of its own, `solute`."""
    before, kind, after = re.split(r"(?=\[ moleculetype \])|(?=\[ system \])", topology)
    single = re.sub(rf"(?m)^{name} ", "solute ", kind, count=1)
    system, molecules = after.split("[ molecules ]")
    ((_, count),) = (line.split() for line in molecules.splitlines() if line.strip())
    return f"{before}{single}{kind}{system}[ molecules ]\nsolute 1\n{name} {int(count) - 1}\n"


@dataclass(frozen=True)
class Coupling:
    """What it takes to couple a molecule, or a part of it, in kJ/mol; the error."""

    kj_mol: float
    stderr_kj_mol: float


def states() -> list[str]:
    """Return the names of the stages of GROMACS, from the plain model to the decoupled molecule."""
    return [f"state_{state:02d}" for state in range(len(CHARGES) + len(LENNARD_JONES) - 1)]


def sample_ps(state: int) -> int:
    """Return how long GROMACS samples a state."""
    return CHARGED_PS if state < len(CHARGES) - 1 else UNCHARGED_PS


def sampled_ps(runs: Gromacs, name: str) -> float:
    """Return how long a state has been sampled."""
    return float((runs.folder / f"{name}.xvg").read_text().splitlines()[-1].split()[0]) - RELAX_PS


def _bar(runs: Gromacs, part: slice, begin: float, end: float) -> Coupling:
    """Return what `gmx bar` says of some states, from shares of their time."""
    files = []
    for name in states()[part]:
        first, last = (RELAX_PS + share * sampled_ps(runs, name) for share in (begin, end))
        rows = (runs.folder / f"{name}.xvg").read_text().splitlines(keepends=True)
        kept = [row for row in rows if row[0] in "#@" or first < float(row.split()[0]) <= last]
        (runs.folder / f"part_{name}.xvg").write_text("".join(kept))
        files.append(f"part_{name}.xvg")
    said = runs.gmx("bar", "-f", *files)
    found = _TOTAL.search(said)
    if found is None:
        raise SystemExit(f"gmx bar: no total in\n{said}")
    return Coupling(-float(found[1]), float(found[2]))


def halves(runs: Gromacs, part: slice) -> tuple[float, float]:
    """Return what coupling takes by the first and by the second half of each state, in kJ/mol."""
    return _bar(runs, part, 0.0, 0.5).kj_mol, _bar(runs, part, 0.5, 1.0).kj_mol


def bar(runs: Gromacs, part: slice) -> Coupling:
    """Return BAR of some states; the error is at least half of the difference of the halves of their time."""
    found = _bar(runs, part, 0.0, 1.0)
    first, second = halves(runs, part)
    return Coupling(found.kj_mol, max(found.stderr_kj_mol, abs(first - second) / 2))


def is_done(runs: Gromacs) -> bool:
    """Return whether GROMACS has been in all states."""
    return all((runs.folder / f"{name}.gro").exists() for name in states())


def coupling_settings(state: int) -> dict[str, object]:
    """Return the lines of a parameter file for a state, `_` for `-`."""
    of_charges = [1 - charge for charge in CHARGES] + [1.0] * (len(LENNARD_JONES) - 1)
    of_lennard_jones = [0.0] * len(CHARGES) + [1 - value for value in LENNARD_JONES[1:]]
    both = {"coul_lambdas": of_charges, "vdw_lambdas": of_lennard_jones}
    lambdas = {key: " ".join(f"{value:.2f}" for value in values) for key, values in both.items()}
    return _FREE_ENERGY | lambdas | {"init_lambda_state": state}


def run_gromacs(out: Path) -> None:
    """Decouple one DMC with GROMACS: 2 fs, real masses, bonds to H rigid; what is there is kept."""
    folder = out / "dmc-gromacs"
    runs = Gromacs.of(_box(out), folder)
    topology = folder / "topol.top"
    if not (folder / "plain.top").exists():
        shutil.copy(topology, folder / "plain.top")
        topology.write_text(solute_topology(topology.read_text(), "DMC"))
    quiet = _LANGEVIN | {"nstxout_compressed": 0}
    hot = quiet | {"ref_t": 400, "gen_temp": 400, "nsteps": _steps(HOT_PS)}
    before = runs.stage("hot", runs.minimized(), goes_on=False, **hot)
    before = runs.stage("settle", before, nsteps=_steps(SETTLE_PS), **quiet)
    for state, name in enumerate(states()):
        settings = _LANGEVIN | coupling_settings(state) | {"nsteps": _steps(RELAX_PS + sample_ps(state))}
        before = runs.stage(name, before, **settings)
