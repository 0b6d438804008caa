"""Processor time of one step on OpenMM's CPU platform, for comparing versions of OpenMM, which is all this needs.

    PYTHON_WITH_SOME_OPENMM benchmarks/openmm_version.py runs/md/lb003-50

One thread, plain Verlet steps of 0.5 fs on the plain model of a box (no constraints), 3 times 100 steps.
"""

import sys
import time
from pathlib import Path

import openmm


def main() -> None:
    """Print the version and the milliseconds per step."""
    box = Path(sys.argv[1])
    system, state = (openmm.XmlSerializer.deserialize((box / name).read_text()) for name in ("system.xml", "state.xml"))
    integrator = openmm.VerletIntegrator(0.0005)
    cpu = openmm.Platform.getPlatformByName("CPU")
    context = openmm.Context(system, integrator, cpu, {"Threads": "1"})
    context.setState(state)
    integrator.step(20)
    spent = []
    for _ in range(3):
        began = time.process_time()
        integrator.step(100)
        spent.append(10 * (time.process_time() - began))
    print(f"OpenMM {openmm.version.version}: " + ", ".join(f"{ms:.1f}" for ms in spent) + " ms per step")


if __name__ == "__main__":
    main()
