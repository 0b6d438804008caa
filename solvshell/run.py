"""The Run: a folder with a box, a protocol and what came of them; it can be resumed by itself."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from solvshell.box import CONTENT, Box, box_hash, whole_folder
from solvshell.engine import refuse_rigid_network
from solvshell.errors import InvalidInput
from solvshell.files import read_yaml, to_yaml, write_atomically
from solvshell.protocol import Protocol
from solvshell.provenance import RECORD, FileRecord, file_record, provenance, read_record, recorded_files, write_record
from solvshell.reservoir import differences
from solvshell.units import check_seed


@dataclass(frozen=True)
class Run:
    """A finished or resumable run directory."""

    path: Path

    def _repr_html_(self) -> str:
        from solvshell.display import run_html  # which knows runs

        return run_html(self)

    @property
    def trajectory_path(self) -> Path:
        """The production stage: equally spaced frames, time 0 at its start."""
        return self.path / "trajectory.xtc"

    @property
    def equilibration_path(self) -> Path:
        """The frames of the stages before production; time runs on through them."""
        return self.path / "equilibration.xtc"

    @property
    def log_path(self) -> Path:
        """Temperature, volume, density and energies of all stages."""
        return self.path / "log.csv"

    @property
    def checkpoint_path(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoint"

    @property
    def analysis_path(self) -> Path:
        """Where ``solvshell analyze`` puts its tables."""
        return self.path / "analysis"

    @property
    def topology_path(self) -> Path:
        """The topology of the trajectory: see `sampled`."""
        return self.path / ("box" if self.protocol.grand_canonical is None else "pool") / "topology.cif"

    @property
    def occupancy_path(self) -> Path:
        """Which molecules were there in each frame of the trajectory, where molecules come and go."""
        return self.path / "occupancy.csv"

    @property
    def moves_path(self) -> Path:
        """The attempts to insert and to delete molecules, where they come and go."""
        return self.path / "moves.csv"

    @property
    def conformers_path(self) -> Path:
        """Folder of the conformers that molecules are inserted in."""
        return self.path / "conformers"

    @property
    def is_done(self) -> bool:
        """Whether production has reached its end."""
        return (self.path / "done.json").is_file()

    @cached_property
    def box(self) -> Box:
        """The box that was run.

        Raises
        ------
        InvalidInput
            If its files, or the protocol, are not those that the run began with.
        """
        self.check_inputs()
        return Box.load(self.path / "box")

    @cached_property
    def sampled(self) -> Box:
        """The box whose atoms are those of the trajectory.

        It is the box that was run; where molecules come and go, that box with all molecules that the files have room
        for (`solvshell.md.grand.pool_box.pool_box`), of which `occupancy_path` tells when they were there.

        Raises
        ------
        InvalidInput
            As for `box`.
        """
        if self.protocol.grand_canonical is None:
            return self.box
        self.check_inputs()
        return Box.load(self.path / "pool")

    @cached_property
    def protocol(self) -> Protocol:
        """How it was run."""
        return read_yaml(self.path / "protocol.yaml", Protocol)

    def check_has_production(self) -> None:
        """Refuse a run that ends in windows, whose frames are those of no liquid in equilibrium.

        Raises
        ------
        InvalidInput
            If it does.
        """
        if self.protocol.windows is not None:
            raise InvalidInput(
                f"{self.path}: ends in windows ({self.protocol.windows.name}), not in production: it offers a free "
                "energy, by 'solvshell analyze' and 'solvshell report', and nothing else"
            )

    @property
    def provenance(self) -> dict[str, Any]:
        """Seed, versions, hashes, and the platform of each start."""
        return read_record(self.path / RECORD)

    def is_outdated(self, source: Mapping[str, Any]) -> bool:
        """Return whether the trajectory is not that any more which the ``source`` of a summary tells of."""
        return self.trajectory_path.exists() and trajectory_record(source).fate(self.trajectory_path) != "same"

    def check_inputs(self) -> None:
        """Refuse a run whose box or protocol is another than when it began: nothing says any more what made its frames.

        Raises
        ------
        InvalidInput
            If a file is.
        """
        recorded = input_records(self.provenance) if (self.path / RECORD).is_file() else {}
        for name, known in recorded.items():
            path = self.path / name
            if path.name != RECORD and path.is_file() and known.fate(path) != "same":
                raise InvalidInput(
                    f"{path}: was changed after the run began; bring the file back, or begin a new run of it "
                    f"('solvshell verify {self.path}' tells what else differs)"
                )

    @classmethod
    def load(cls, path: Path) -> "Run":
        """Return the run of a folder.

        Raises
        ------
        InvalidInput
            If the folder is no run.
        """
        if not path.is_dir():
            raise InvalidInput(f"{path}: no such folder; make a run with 'solvshell run'")
        if (path / "topology.cif").is_file():
            raise InvalidInput(f"{path}: is a box; run it first, with 'solvshell run {path} ...'")
        if not (path / "protocol.yaml").is_file() or not (path / "box").is_dir():
            inside = f"; {path / 'run'} is one" if (path / "run" / "protocol.yaml").is_file() else ""
            raise InvalidInput(f"{path}: not a run folder (make one with 'solvshell run'){inside}")
        return cls(path)


def trajectory_source(path: Path) -> dict[str, str]:
    """Return what a summary says of the trajectory that its tables were made from."""
    record = file_record(path)
    return {"trajectory_bytes": str(record["bytes"]), "trajectory_sha256": record["sha256"]}


def trajectory_record(source: Mapping[str, Any]) -> FileRecord:
    """Return the same as a record; before November 2026 summaries told the size alone."""
    return FileRecord(bytes=int(source["trajectory_bytes"]), sha256=source.get("trajectory_sha256"))


def input_records(record: Mapping[str, Any]) -> dict[str, FileRecord]:
    """Return what the files were that a run began with, by their path in its folder, from its record.

    Runs of before November 2026 have recorded three of them, of each the first twelve digits.

    Raises
    ------
    InvalidInput
        If the record is damaged.
    """
    source = f"{RECORD}: files"
    if "files" in record:
        return recorded_files(record["files"], source)
    names = ("box/recipe.yaml", "box/system.xml", "box/state.xml")
    hashes = zip(names, str(record.get("box", "")).split("-"), strict=False)
    return recorded_files({name: {"sha256": digits} for name, digits in hashes if digits}, source)


def output_hashes(run: Run) -> dict[str, dict[str, Any]]:
    """Return ``{"bytes": n, "sha256": text}`` of every file that a run has written, by its path in the folder.

    These are the trajectories, the log, what windows or moves have recorded, and the last checkpoint; ``done.json``
    keeps them, so that `solvshell verify` can tell whether a file is still that one.
    """
    windows = run.protocol.windows
    written = [run.equilibration_path, run.trajectory_path, run.log_path]
    written += [] if windows is None else [run.path / f"{windows.kind}.{kind}" for kind in ("csv", "json")]
    if run.protocol.grand_canonical is not None:
        written += [run.occupancy_path, run.moves_path, *sorted(run.conformers_path.iterdir())]
    checkpoints = [path for path in run.checkpoint_path.iterdir() if path.name.isdigit()]
    written += sorted(max(checkpoints, key=lambda path: int(path.name)).iterdir())
    return {str(path.relative_to(run.path)): file_record(path) for path in written if path.is_file()}


def _another(held: Protocol, given: Protocol) -> str:
    """Return what a run has another one of than was asked for: the protocol, or no more than the reservoir in it."""
    old, new = held.grand_canonical, given.grand_canonical
    if old is not None and new is not None:
        alike = new.model_copy(update={"reservoir": old.reservoir})
        if given.model_copy(update={"stages": [*given.stages[:-1], alike]}) == held:
            return f"another reservoir ({differences(old.reservoir, new.reservoir)})"
    return f"another protocol ({held.name})"


def _same_run(run: Run, box_path: Path, protocol: Protocol, seed: int | None) -> None:
    run.check_inputs()
    if box_hash(run.path / "box") != box_hash(box_path):
        raise InvalidInput(
            f"{run.path}: holds a run of another box ({run.box.recipe.name}, {run.box.n_atoms} atoms); "
            "give another --out, or remove that folder"
        )
    if run.protocol != protocol:
        what = _another(run.protocol, protocol)
        raise InvalidInput(f"{run.path}: holds a run with {what}; give another --out, or remove that folder")
    if seed is not None and seed != run.provenance["seed"]:
        raise InvalidInput(
            f"{run.path}: holds a run with seed {run.provenance['seed']}, got {seed}; give another --out"
        )


def check_run(path: Path, box_path: Path, protocol: Protocol, seed: int | None = None) -> None:
    """Refuse a run that cannot be made or resumed in a folder; nothing is written.

    Raises
    ------
    InvalidInput
        If the folder holds something else: another box, protocol or seed; or if the box is not made for the protocol.
    """
    from solvshell.md.grand.pool_box import check_grand_canonical
    from solvshell.md.windows import check_windows  # which knows runs

    box = Box.load(box_path)
    refuse_rigid_network(box.system, protocol)
    if protocol.windows is not None:
        check_windows(protocol.windows, box)
    if protocol.grand_canonical is not None:
        check_grand_canonical(protocol.grand_canonical, box)
    check_seed(seed or 0)
    if path.exists() and not path.is_dir():
        raise InvalidInput(f"{path}: is a file; give a folder for the run")
    if path.exists() and any(path.iterdir()):
        _same_run(Run.load(path), box_path, protocol, seed)


def input_names(protocol: Protocol) -> list[str]:
    """Return the files that a run with a protocol begins with, by their paths in its folder."""
    boxes = ["box"] if protocol.grand_canonical is None else ["box", "pool"]
    return ["protocol.yaml", *(f"{box}/{name}" for box in boxes for name in (*CONTENT, RECORD))]


def make_run(path: Path, box_path: Path, protocol: Protocol, seed: int | None = None) -> Run:
    """Return the run of a folder, made if the folder does not exist; `check_run` has refused what is wrong."""
    from solvshell.md.grand.pool_box import pool_box, room_of

    if path.exists() and any(path.iterdir()):
        return Run(path)
    if path.exists():
        path.rmdir()
    with whole_folder(path) as folder:
        shutil.copytree(box_path, folder / "box")
        write_atomically(folder / "protocol.yaml", to_yaml(protocol))
        if protocol.grand_canonical is not None:
            box = Box.load(box_path)
            pool_box(box, room_of(protocol.grand_canonical, box)).save(folder / "pool")
        files = {name: file_record(folder / name) for name in input_names(protocol)}
        write_record(folder / RECORD, provenance(seed=seed or 0, files=files, starts=[]))
    return Run(path)


def open_run(path: Path, box_path: Path, protocol: Protocol, seed: int | None = None) -> Run:
    """Return the run of a box with a protocol in a folder, made if the folder does not exist.

    Raises
    ------
    InvalidInput
        If the folder holds something else: another box, protocol or seed; or if the box is not made for the protocol.
    """
    check_run(path, box_path, protocol, seed)
    return make_run(path, box_path, protocol, seed)
