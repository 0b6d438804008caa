"""The files that a run writes while it advances, and the form of what goes into them."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Self

from solvshell.engine import Snapshot
from solvshell.files import sync_folder
from solvshell.md.reporters import LOG_COLUMNS, FrameEncoder, OutputFile, log_row
from solvshell.md.windows import file_name
from solvshell.run import Run
from solvshell.units import DALTON_PER_NM3

_EQUILIBRATION, _TRAJECTORY, _LOG = "equilibration.xtc", "trajectory.xtc", "log.csv"


def output_names(run: Run) -> tuple[str, ...]:
    """Return the names of the files that grow while a run advances."""
    windows = run.protocol.windows
    recorded = [] if windows is None else [file_name(windows)]
    if run.protocol.grand_canonical is not None:
        recorded = [run.occupancy_path.name, run.moves_path.name]
    return (_EQUILIBRATION, _LOG, _TRAJECTORY, *recorded)


class Outputs(AbstractContextManager["Outputs"]):
    """The open output files of a run, cut back to the lengths that a checkpoint knows."""

    def __init__(self, run: Run, lengths: Mapping[str, int]) -> None:
        self._run, self._lengths = run, lengths
        self._encoders = {
            _EQUILIBRATION: FrameEncoder(run.box.topology),
            _TRAJECTORY: FrameEncoder(run.sampled.topology),
        }
        self._stack = ExitStack()
        self._files: dict[str, OutputFile] = {}

    def __enter__(self) -> Self:
        for name, length in self._lengths.items():
            self._files[name] = self._stack.enter_context(OutputFile(self._run.path / name, length))
        sync_folder(self._run.path)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.__exit__(*error)  # type: ignore[arg-type]

    def sync(self) -> dict[str, int]:
        """Bring all to the device and return the lengths in bytes."""
        return {name: file.sync() for name, file in self._files.items()}

    def flush_log(self) -> None:
        """Let readers of ``log.csv`` see all rows."""
        self._files[_LOG].flush()

    def cut(self, lengths: Mapping[str, int]) -> None:
        """Drop what was written beyond some lengths."""
        for name, length in lengths.items():
            self._files[name].cut(length)

    def frame(self, now: Snapshot, production: bool, step: int, time_ps: float) -> None:
        """Append a frame; step and time are counted from the start of its file."""
        name = _TRAJECTORY if production else _EQUILIBRATION
        self._files[name].append(self._encoders[name].encode(now.positions, now.box_vectors, step, time_ps))

    def log(self, stage: str, step: int, time_ps: float, now: Snapshot, mass: float, ns_per_day: float) -> None:
        """Append a row to the log; step and time are counted from the start of the stage, the mass is in dalton."""
        density = mass * DALTON_PER_NM3 / now.volume_nm3
        self._files[_LOG].append(log_row(stage, step, time_ps, now, density, ns_per_day))

    def begin_log(self) -> None:
        """Name the columns of the log, in a file without them."""
        self.begin(_LOG, (",".join(LOG_COLUMNS) + "\n").encode())

    def begin(self, name: str, header: bytes) -> None:
        """Write the first line of a file that has none."""
        if self._files[name].length == 0:
            self._files[name].append(header)

    def row(self, name: str, line: bytes) -> None:
        """Append a line to a file that windows or moves write."""
        self._files[name].append(line)
