"""LB-003 in boxes of several sizes and packings, sampled by GROMACS from our exported files."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from energy_systems import FRAME_PS, LOG_PS, TEMPERATURE
from gromacs import HEAVY_STEP_PS, STEP_PS, Gromacs

from solvshell.box import Box
from solvshell.build import build_box
from solvshell.recipe import load_recipe

HOT_K, HOT_PS, COOL_PS = 400, 60, 30
#: This box is also brought to 1 bar without the dispersion tail, for so long: a change whose effect can be foretold.
UNCORRECTED, CHECK_PS = "n_salt-08/replica-01", 150
ANNEAL = {"heavy": True, "integrator": "md", "tcoupl": "v-rescale", "tau_t": 0.5, "pcoupl": "C-rescale"}


@dataclass(frozen=True)
class Size:
    """So many packings of so many salt, and how long each is at 1 bar, and then sampled at its mean volume."""

    n_salt: int
    n_replicas: int
    density_ps: int
    sample_ps: int


SIZES = (Size(8, 3, 150, 300), Size(16, 2, 150, 200), Size(50, 1, 80, 120))


def boxes() -> Iterator[tuple[str, Size, int]]:
    """Yield the folder of each box, its size, and its seed: first replicas first."""
    for i in range(max(size.n_replicas for size in SIZES)):
        for size in SIZES:
            if i < size.n_replicas:
                yield f"n_salt-{size.n_salt:02d}/replica-{i:02d}", size, i + 1


def _annealed(runs: Gromacs) -> str:
    """Return the stage after 400 K, at 298.15 K: compressed and mixed with 4 fs, so not yet at its density."""
    every = {"ref_t": TEMPERATURE, "nstxout_compressed": 0, "nstenergy": 100}
    hot, cool = (round(time / HEAVY_STEP_PS) for time in (HOT_PS, COOL_PS))
    first = runs.stage(
        "hot", runs.minimized(), goes_on=False, nsteps=hot, **(ANNEAL | every | {"ref_t": HOT_K, "gen_temp": HOT_K})
    )
    return runs.stage("cool", first, nsteps=cool, **(ANNEAL | every))


def sample(name: str, size: Size, seed: int, out: Path) -> None:
    """Build, anneal and sample a box; what is there is kept, and what was stopped goes on."""
    folder = out / name
    if not (folder / "box").exists():
        build_box(load_recipe("lb003"), seed=seed, n_salt=size.n_salt, say=print).save(folder / "box")
    runs = Gromacs.of(Box.load(folder / "box"), folder / "gromacs")
    bar = {"ref_t": TEMPERATURE, "gen_temp": TEMPERATURE, "nstenergy": 100}
    bar |= {"nsteps": round(size.density_ps / STEP_PS), "nstxout_compressed": round(FRAME_PS / STEP_PS)}
    settled = runs.stage("density", _annealed(runs), goes_on=False, **bar)
    if name == UNCORRECTED:
        runs.stage("no_tail", "cool", goes_on=False, DispCorr="no", **(bar | {"nsteps": round(CHECK_PS / STEP_PS)}))
    runs.stage(
        "production", runs.at_mean_volume(settled), goes_on=False, heavy=True, ref_t=TEMPERATURE,
        gen_temp=TEMPERATURE, nsteps=round(size.sample_ps / HEAVY_STEP_PS),
        nstxout_compressed=round(FRAME_PS / HEAVY_STEP_PS), nstenergy=round(LOG_PS / HEAVY_STEP_PS),
    )  # fmt: skip
