"""What this machine has, what is missing, and how fast it is."""

import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from solvshell import engine
from solvshell.data import forcefield_directory
from solvshell.errors import WorkFailed
from solvshell.md.devices import MPS_COMMAND, RUNS_PER_GPU_WITH_MPS, has_mps, output_of
from solvshell.provenance import versions
from solvshell.workers import n_cores

_GPU_EXTRAS = "in a clone: pip install '.[cuda13]' (NVIDIA, driver 580 or newer), [cuda12] (older ones) or [hip] (AMD)"


def _gpu_lines() -> Iterator[str]:
    gpus = output_of("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
    if not gpus:
        yield "GPU            none that nvidia-smi shows"
        return
    for gpu in gpus.splitlines():
        yield f"GPU            {gpu}"
    if has_mps():
        yield f"MPS            its daemon runs: {RUNS_PER_GPU_WITH_MPS} small boxes at once share a GPU well"
    else:
        yield f"MPS            its daemon does not run; to share a GPU among small boxes start it: {MPS_COMMAND}"


def _packmol_line() -> str:
    try:
        from packmol.cli import get_binary_path
    except ImportError:
        return "Packmol        missing: pip install packmol"
    return f"Packmol        {metadata.version('packmol')} at {get_binary_path()}"


def forcefield_discovery() -> dict[str, str]:
    """Return what each ``openmm.forcefielddir`` entry point gives: a folder, or the error that OpenMM swallows.

    OpenMM loads the entry points of all packages inside one ``try``: after a broken one it sees none of the rest.
    """
    found = {}
    for entry in metadata.entry_points(group="openmm.forcefielddir"):
        try:
            found[entry.name] = str(entry.load()())
        except Exception as error:  # whatever another package raises is what we report
            found[entry.name] = f"broken: {type(error).__name__}: {error}"
    return found


def _forcefield_lines() -> Iterator[str]:
    yield f"force fields   {forcefield_directory()}"
    for name, folder in forcefield_discovery().items():
        if folder.startswith("broken"):
            yield (
                f"               openmm.app.ForceField('solvshell/...') may fail: the entry point of {name} is "
                f"{folder}; solvshell itself does not depend on it"
            )


def _speed_line(seconds: float) -> str:
    try:
        return _measured_speed(seconds)
    except (ImportError, WorkFailed) as error:
        return f"speed          not measured: {' '.join(str(error).split())[:200]}"


def _measured_speed(seconds: float) -> str:
    from solvshell.build import build_box
    from solvshell.md.dynamics import stage_integrator, stage_system
    from solvshell.protocol import load_protocol
    from solvshell.recipe import load_recipe

    box = build_box(load_recipe("lb003"), n_salt=8)
    protocol = load_protocol("standard")
    system = stage_system(box.system, protocol, protocol.production, seed=1)
    context = engine.make_context(system, stage_integrator(protocol, protocol.production, 1), engine.choose_platform())
    context.setPeriodicBoxVectors(*box.box_vectors)
    context.setPositions(box.positions)
    context.applyConstraints(1e-6)
    engine.advance(context, 100)
    began, first = time.perf_counter(), context.getStepCount()
    while time.perf_counter() - began < seconds:
        engine.advance(context, 50)
    steps_per_s = (context.getStepCount() - first) / (time.perf_counter() - began)
    return (
        f"speed          {steps_per_s * protocol.timestep * 86.4:.0f} ns/day for LB-003, {box.n_atoms} atoms, "
        f"at {1000 * protocol.timestep:g} fs on {context.getPlatform().getName()} ({engine.device_of(context)})"
    )


def _advice(platforms: dict[str, str | None]) -> Iterator[str]:
    if not any(platforms.get(name, "absent") is None for name in ("CUDA", "HIP")):
        yield f"next           for a GPU, {_GPU_EXTRAS}"


def examine(speed_seconds: float = 5.0) -> Iterator[str]:
    """Yield the lines of the report on this machine, the speed check near the end."""
    yield "versions       " + ", ".join(f"{name} {version}" for name, version in versions().items())
    yield f"data           {Path(forcefield_directory()).parent}"
    platforms = engine.available_platforms()
    for name, problem in platforms.items():
        yield f"platform       {name}: {'works' if problem is None else problem}"
    yield f"cores          {n_cores()}: as many small boxes run at once without a GPU"
    yield from _gpu_lines()
    yield _packmol_line()
    if "rdkit" not in versions():
        yield "RDKit          missing: pip install rdkit"
    yield from _forcefield_lines()
    if speed_seconds > 0:
        yield _speed_line(speed_seconds)
    yield from _advice(platforms)
