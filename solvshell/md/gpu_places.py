"""Which GPU of several a process takes that runs one box: processes that know nothing of each other, spread evenly."""

import fcntl
import itertools
import os
import tempfile
from collections.abc import MutableMapping, Sequence
from pathlib import Path

from solvshell.md.devices import visible_devices


def take_place(directory: Path, n_devices: int) -> int:
    """Return the number of the device with the fewest places taken, and take one until this process ends.

    A place is a locked file, which is free again however its process ends. First places of all devices go before second
    ones.

    Parameters
    ----------
    directory : Path
        Of the places, which all processes share.
    n_devices : int

    Raises
    ------
    OSError
        If the directory cannot be written.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for number in itertools.count():
        place, device = divmod(number, n_devices)
        descriptor = os.open(directory / f"{device}-{place}", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        else:
            return device  # the descriptor stays open, and the place taken
    raise AssertionError("there is no last place")


def _directory(devices: Sequence[MutableMapping[str, str]]) -> Path:
    """Return where the places on some devices are; other devices, such as those of another job, have others."""
    names = "-".join(value.replace("/", "_") for device in devices for value in device.values())
    return Path(tempfile.gettempdir()) / f"solvshell-{os.getuid()}" / names


def see_one_gpu(platform: str | None, environment: MutableMapping[str, str]) -> None:
    """Let this process see one GPU alone where several are visible: the one that the fewest took before it.

    OpenMM takes the same one each time. It has to be called before anything is computed: CUDA and HIP look at the
    environment once.

    Parameters
    ----------
    platform : str, optional
        OpenMM platform that was asked for.
    environment : mapping
        Of this process; the variable that names the GPUs is set in it.
    """
    for name in ("CUDA", "HIP"):
        devices = visible_devices(name, environment) if platform is None or platform.upper() == name else []
        if len(devices) > 1:
            environment.update(devices[take_place(_directory(devices), len(devices))])
            return
