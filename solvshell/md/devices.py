"""What each of several runs gets of a machine: a share of the processor cores, and one of the GPUs that are visible."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from solvshell.errors import InvalidInput
from solvshell.workers import n_cores

#: how many runs share a GPU unless told otherwise: by time slicing, and through NVIDIA's multi-process service (MPS)
RUNS_PER_GPU = 4
RUNS_PER_GPU_WITH_MPS = 8

MPS_COMMAND = "nvidia-cuda-mps-control -d"

# By platform the variables that say which GPUs a process sees; HIP obeys three, the last one below the others.
_VARIABLES = {
    "CUDA": ("CUDA_VISIBLE_DEVICES",),
    "HIP": ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"),
}
_THREADS = ("OPENMM_CPU_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_KFD = Path("/sys/class/kfd/kfd/topology/nodes")


def _ask(*command: str, text: str = "") -> subprocess.CompletedProcess[str] | None:
    """Return how a program ended that was given a text to read; None if it is not there or hangs."""
    if shutil.which(command[0]) is None:
        return None
    try:
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return None


def output_of(*command: str) -> str:
    """Return what a program prints, or nothing if it is not there or fails."""
    ended = _ask(*command)
    return ended.stdout.strip() if ended is not None and ended.returncode == 0 else ""


def has_mps() -> bool:
    """Return whether the daemon of NVIDIA's multi-process service answers; it is neither started nor stopped."""
    ended = _ask("nvidia-cuda-mps-control", text="get_server_list\n")
    return ended is not None and ended.returncode == 0 and "cannot find" not in (ended.stdout + ended.stderr).lower()


def listed_gpus(listing: str) -> list[str]:
    """Return the identifiers in a listing of ``nvidia-smi -L``: of each GPU, or of its MIG instances if it has some."""
    found: list[str] = []
    whole = ""
    for kind, identifier in re.findall(r"^\s*(GPU|MIG)\b.*UUID: ([\w/-]+)\)", listing, flags=re.MULTILINE):
        if kind == "MIG" and found and found[-1] == whole:
            found.pop()
        found.append(identifier)
        whole = identifier if kind == "GPU" else whole
    return found


def _n_amd_gpus() -> int:
    found = 0
    for path in _KFD.glob("*/gpu_id"):
        with suppress(OSError):  # a GPU that a container or a batch system keeps from us cannot be read
            found += path.read_text().strip() != "0"  # which processors have
    return found


def split_devices(value: str) -> list[str]:
    """Return the devices of a variable such as CUDA_VISIBLE_DEVICES: indices, UUIDs or MIG instances, as they stand.

    What stands behind an empty or negative entry is invisible, as it is to CUDA.
    """
    devices: list[str] = []
    for entry in (part.strip() for part in value.split(",")):
        if not entry or entry.startswith("-"):
            break
        devices.append(entry)
    return devices


def visible_devices(platform: str, environment: Mapping[str, str]) -> list[dict[str, str]]:
    """Return for each GPU that a platform sees the variable by which a child sees it alone.

    Without such a variable in the environment the GPUs are those of ``nvidia-smi -L``, or of the AMD driver. One empty
    entry, which changes nothing, stands for whatever the platform takes by itself.
    """
    names = _VARIABLES.get(platform, ())
    for name in names:
        if name in environment:
            return [{name: device} for device in split_devices(environment[name])] or [{}]
    if platform == "CUDA":
        devices = listed_gpus(output_of("nvidia-smi", "-L"))
    else:
        devices = [str(index) for index in range(_n_amd_gpus())] if platform == "HIP" else []
    return [{names[0]: device} for device in devices] or [{}]


@dataclass(frozen=True)
class Shares:
    """How many runs go at once, and what each one gets: one of the devices and some threads.

    `mps` is whether the multi-process service shares the devices among them, None where there is no such thing.
    """

    at_once: int
    devices: tuple[Mapping[str, str], ...]
    threads: int
    mps: bool | None

    def environment(self, device: int, inherited: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a child on a device; a number of threads that was given stays."""
        return dict.fromkeys(_THREADS, str(self.threads)) | dict(inherited) | dict(self.devices[device])

    def words(self, n_runs: int) -> str:
        """Return how runs are spread, for people."""
        text = f"{n_runs} run{'s' * (n_runs != 1)}, {self.at_once} at once"
        if self.mps is None and self.devices == ({},):
            return f"{text}, {self.threads} thread{'s' * (self.threads > 1)} each"
        text += f" on {len(self.devices)} GPU" + "s" * (len(self.devices) > 1)
        if self.mps is None or self.at_once <= len(self.devices):
            return text
        if self.mps:
            return f"{text}, shared through MPS"
        return f"{text}, which take turns; sharing is faster once MPS runs: {MPS_COMMAND}"


def share_out(platform: str, n_runs: int, at_once: int | None, environment: Mapping[str, str]) -> Shares:
    """Return how this machine is shared among some runs on a platform.

    Parameters
    ----------
    platform : str
        Name of an OpenMM platform. On a GPU `RUNS_PER_GPU` share each device, `RUNS_PER_GPU_WITH_MPS` where MPS runs;
        elsewhere as many go at once as there are cores. Cores are shared evenly, unless threads are given.
    n_runs : int
    at_once : int, optional
        How many go at once instead.
    environment : mapping
        Of this process.

    Raises
    ------
    InvalidInput
        If less than one is to go at once.
    """
    if at_once is not None and at_once < 1:
        raise InvalidInput(f"at_once: at least 1, got {at_once}")
    cores = n_cores()
    devices = tuple(visible_devices(platform, environment))
    mps = has_mps() if platform == "CUDA" else None
    if platform in ("CUDA", "HIP", "OpenCL"):
        most = len(devices) * (RUNS_PER_GPU_WITH_MPS if mps else RUNS_PER_GPU)
    else:
        most = cores
    at_once = min(n_runs, at_once or most)
    given = environment.get("OPENMM_CPU_THREADS", "")
    threads = int(given) if given.isdecimal() and int(given) > 0 else max(1, cores // max(1, at_once))
    return Shares(at_once, devices, threads, mps)
