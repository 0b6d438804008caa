"""What a run survives: signals, full disks, cut and damaged files, other machines. It ends complete all the same."""

import hashlib
import json
import os
import re
import resource
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import openmm
import pytest
from short_runs import Notes, assert_complete, short_protocol
from small_boxes import liquid

from solvshell.errors import Interrupted, InvalidInput, WorkFailed
from solvshell.md import simulate
from solvshell.md.checkpoints import numbered
from solvshell.provenance import read_record, write_record
from solvshell.run import Run, open_run


@pytest.fixture(scope="module")
def small_box_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "box"
    liquid().save(path)
    return path


@pytest.fixture(scope="module")
def finished(small_box_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run on the Reference platform, whose numbers come out the same every time."""
    path = tmp_path_factory.mktemp("finished") / "run"
    return simulate(open_run(path, small_box_path, short_protocol(), seed=4), "Reference")


@pytest.fixture
def undone(finished: Run, tmp_path: Path) -> Run:
    """Return a copy of the finished run that was killed before it said so, and in the middle of its last stretch."""
    shutil.copytree(finished.path, tmp_path / "run")
    run = Run(tmp_path / "run")
    (run.path / "done.json").unlink()
    shutil.rmtree(numbered(run.checkpoint_path)[-1])  # the one at the end
    return run


def test_production_may_wait_and_is_then_the_same(finished: Run, small_box_path: Path, tmp_path: Path) -> None:
    run = open_run(tmp_path / "run", small_box_path, short_protocol(), seed=4)
    simulate(run, "Reference", stop_before_production=True)
    assert not run.is_done
    assert run.equilibration_path.read_bytes() == finished.equilibration_path.read_bytes()
    assert run.trajectory_path.stat().st_size == 0
    simulate(run, "Reference", stop_before_production=True)  # has nothing to do
    simulate(run, "Reference")
    assert run.is_done
    assert run.trajectory_path.read_bytes() == finished.trajectory_path.read_bytes()


def damage(run: Run, names: Sequence[str], n_bytes: int = 0) -> None:
    """Cut the state of some checkpoints."""
    for name in names:
        os.truncate(run.checkpoint_path / name / "state.xml", n_bytes)


class Fault(Notes):
    """Does something once, when the run says a certain thing or has come to a time of its production."""

    def __init__(self, act: Callable[[], object], at_note: str = "", at_ps: float = np.inf) -> None:
        super().__init__()
        self._act, self._at_note, self._at_ps, self._stage = act, at_note, at_ps, ""

    def _now(self) -> None:
        act, self._act = self._act, lambda: None
        act()

    def start(self, name: str, total_ps: float, done_ps: float = 0.0) -> None:
        self._stage = name
        if self._at_note == name:
            self._now()

    def note(self, text: str) -> None:
        super().note(text)
        if self._at_note and text.strip().startswith(self._at_note):
            self._now()

    def update(self, done_ps: float, ns_per_day: float) -> None:
        if self._stage == "production" and done_ps >= self._at_ps:
            self._now()


def send(number: int) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def contents(run: Run) -> dict[str, str]:
    """Return the hash of every file of a folder, apart from the word of who holds it."""
    files = (path for path in run.path.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(run.path)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


# -- signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize(
    ("fault", "where"),
    [
        ({"at_note": "platform"}, "in stage minimize"),
        ({"at_note": "minimize"}, "before stage equilibration"),
        ({"at_note": "equilibration"}, "at 0 ps of stage equilibration"),
        ({"at_note": "production"}, "at 0 ps of stage production"),
        ({"at_ps": 0.07}, r"at 0\.\d+ ps of stage production"),
    ],
)
def test_a_signal_ends_any_stage_and_the_run_goes_on(
    small_box_path: Path, finished: Run, tmp_path: Path, fault: dict[str, Any], where: str, number: int
) -> None:
    run = open_run(tmp_path / "run", small_box_path, short_protocol(), seed=4)
    with pytest.raises(Interrupted, match=f"stopped {where}"):
        simulate(run, "Reference", Fault(send(number), **fault))
    assert not run.is_done
    simulate(run, "Reference")
    assert assert_complete(run)["restarts_with_fresh_noise"] == 0
    assert run.trajectory_path.read_bytes() == finished.trajectory_path.read_bytes()
    assert run.equilibration_path.read_bytes() == finished.equilibration_path.read_bytes()


def test_a_signal_that_is_ignored_stays_so(small_box_path: Path, tmp_path: Path) -> None:
    run = open_run(tmp_path / "run", small_box_path, short_protocol(), seed=4)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        simulate(run, "Reference", Fault(send(signal.SIGHUP), at_ps=0.07))
    finally:
        signal.signal(signal.SIGHUP, before)
    assert_complete(run)


# -- full disks


@contextmanager
def room(n_bytes: int) -> Iterator[None]:
    """Let no file become longer; Python ignores the signal, so that writes fail."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("n_bytes", [3000, 10_000])
@pytest.mark.parametrize("at_ps", [0.005, 0.07, 0.15])
def test_a_full_disk_ends_the_run_and_room_resumes_it(
    small_box_path: Path, finished: Run, tmp_path: Path, at_ps: float, n_bytes: int
) -> None:
    """With 3000 bytes for a file the trajectory fails, with 10,000 the state of the next checkpoint."""
    run = open_run(tmp_path / "run", small_box_path, short_protocol(), seed=4)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    with room(resource.RLIM_INFINITY if hard == resource.RLIM_INFINITY else hard):
        fault = Fault(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard)), at_ps=at_ps)
        with pytest.raises(WorkFailed, match=r"cannot write.* \(File too large\).*make room and give the same command"):
            simulate(run, "Reference", fault)
    simulate(run, "Reference")
    assert_complete(run)
    assert run.trajectory_path.read_bytes() == finished.trajectory_path.read_bytes()


def test_no_room_for_the_last_word_costs_no_step(undone: Run, finished: Run) -> None:
    (undone.path / ".done.json.tmp").mkdir()  # in the place of the file that would be written
    with pytest.raises(WorkFailed, match="cannot write"):
        simulate(undone, "Reference")
    (undone.path / ".done.json.tmp").rmdir()
    simulate(undone, "Reference", told := Notes())
    assert "platform" not in told.text  # nothing was run
    assert assert_complete(undone)["device"] == "Reference"


# -- files


@pytest.mark.parametrize("name", ["trajectory.xtc", "log.csv"])
@pytest.mark.parametrize("share", [0.999, 0.9, 0.76])
def test_a_file_cut_anywhere_is_mended_to_the_byte(undone: Run, finished: Run, name: str, share: float) -> None:
    size = (undone.path / name).stat().st_size
    os.truncate(undone.path / name, int(share * size))
    simulate(undone, "Reference")
    assert_complete(undone)
    assert undone.trajectory_path.read_bytes() == finished.trajectory_path.read_bytes()


def test_what_stands_beyond_the_checkpoint_is_cut_off(undone: Run, finished: Run) -> None:
    for name in ("trajectory.xtc", "log.csv", "equilibration.xtc"):
        with open(undone.path / name, "ab") as file:
            file.write(b"\x00\x00\x07\xcb half a record")
    simulate(undone, "Reference")
    assert_complete(undone)
    assert undone.trajectory_path.read_bytes() == finished.trajectory_path.read_bytes()


@pytest.mark.parametrize("name", ["state.xml", "progress.json"])
@pytest.mark.parametrize("damage", [b"", b"\x00\xff\x17garbage", b"<?xml version='1.0' ?><State", b'{"stage": 2}'])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(undone: Run, finished: Run, name: str, damage: bytes) -> None:
    newest = numbered(undone.checkpoint_path)[-1]
    (newest / name).write_bytes(damage)
    simulate(undone, "Reference", told := Notes())
    assert f"checkpoint {newest.name}: " in told.text
    assert name in told.text
    assert "removed, taking one before it" in told.text
    assert_complete(undone)
    assert undone.trajectory_path.read_bytes() == finished.trajectory_path.read_bytes()


def test_a_damaged_binary_part_is_not_loaded(undone: Run, finished: Run) -> None:
    """One bit of the random numbers' state is flipped: OpenMM would load it without a word."""
    path = numbered(undone.checkpoint_path)[-1] / "context.chk"
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    path.write_bytes(content)
    simulate(undone, "Reference", told := Notes())
    assert "no binary part that is as it was written: going on from its portable state, with fresh noise" in told.text
    assert assert_complete(undone)["restarts_with_fresh_noise"] == 1
    known = json.loads((path.parent / "progress.json").read_text())["lengths"]["trajectory.xtc"]
    assert undone.trajectory_path.read_bytes()[:known] == finished.trajectory_path.read_bytes()[:known]
    assert undone.trajectory_path.read_bytes() != finished.trajectory_path.read_bytes()


def test_without_a_usable_checkpoint_nothing_is_touched(undone: Run) -> None:
    damage(undone, [path.name for path in numbered(undone.checkpoint_path)])
    before = contents(undone)
    with pytest.raises(InvalidInput, match=r"none of the newest .*\(.*state\.xml.*another --out to start anew$"):
        simulate(undone, "Reference")
    assert contents(undone) == before


def test_a_damaged_checkpoint_is_gone_before_the_outputs_grow_again(undone: Run) -> None:
    """It knows lengths that they will have once more, with other content."""
    names = [path.name for path in numbered(undone.checkpoint_path)]
    damage(undone, names[-1:])
    seen: list[str] = []
    look = Fault(lambda: seen.extend(path.name for path in numbered(undone.checkpoint_path)), at_note="resuming")
    simulate(undone, "Reference", look)
    assert seen == names[:-1]


@pytest.mark.parametrize("cut", ["trajectory.xtc", "log.csv", "state.xml"])
def test_what_is_good_is_not_dropped_for_a_checkpoint_of_long_before(undone: Run, finished: Run, cut: str) -> None:
    """The three newest are 7 (gone, here), 8 and 9; the one before is 5, of the start of production."""
    if cut == "state.xml":
        damage(undone, ["000008", "000009"])
    else:
        os.truncate(undone.path / cut, int(0.6 * (undone.path / cut).stat().st_size))
    before = contents(undone)
    by_hand = "remove 000009, 000008 to lose all since 000005, at 0 ps of stage production, and go on from there"
    with pytest.raises(InvalidInput, match=rf"none of the newest .*{cut}.*{by_hand}"):
        simulate(undone, "Reference")
    assert contents(undone) == before
    for name in ("000008", "000009"):
        shutil.rmtree(undone.checkpoint_path / name)
    simulate(undone, "Reference")
    assert_complete(undone)
    assert undone.trajectory_path.read_bytes() == finished.trajectory_path.read_bytes()


def test_the_beginning_is_not_taken_in_place_of_a_checkpoint(small_box_path: Path, tmp_path: Path) -> None:
    run = open_run(tmp_path / "run", small_box_path, short_protocol(), seed=4)
    with pytest.raises(Interrupted):
        simulate(run, "Reference", Fault(send(signal.SIGTERM), at_note="equilibration"))
    damage(run, ["000002"])
    before = contents(run)
    with pytest.raises(InvalidInput, match="to lose all since 000001, at 0 ps of stage minimize"):
        simulate(run, "Reference")
    assert contents(run) == before


def test_a_lost_folder_of_checkpoints_is_no_reason_to_start_anew(undone: Run) -> None:
    shutil.rmtree(undone.checkpoint_path)
    before = contents(undone)
    with pytest.raises(InvalidInput, match=r"has no checkpoint, but there is something in equilibration\.xtc"):
        simulate(undone, "Reference")
    assert contents(undone) == before


def test_a_log_that_is_gone_does_not_take_the_trajectory_along(undone: Run) -> None:
    (undone.path / "log.csv").unlink()
    before = contents(undone)
    with pytest.raises(InvalidInput, match=r"log\.csv has 0 bytes of"):
        simulate(undone, "Reference")
    assert contents(undone) == before


# -- other machines


def test_a_run_of_one_platform_is_resumed_on_another(small_box_path: Path, tmp_path: Path) -> None:
    run = open_run(tmp_path / "run", small_box_path, short_protocol(), seed=4)
    with pytest.raises(Interrupted):
        simulate(run, "CPU", Fault(send(signal.SIGTERM), at_ps=0.1))
    before = run.trajectory_path.read_bytes()
    simulate(run, "Reference", told := Notes())
    assert re.search(r"written by OpenMM \S+ CPU, \d+ threads?, this is OpenMM \S+ Reference: going on", told.text)
    assert "fresh noise" in told.text
    done = assert_complete(run)
    assert done["restarts_with_fresh_noise"] == 1
    assert [start["platform"] for start in run.provenance["starts"]] == ["CPU", "Reference"]
    assert run.trajectory_path.read_bytes().startswith(before)


def test_the_noise_of_another_number_of_threads_is_not_read(small_box_path: Path, tmp_path: Path) -> None:
    """OpenMM would read it without a word, and wrongly: each thread, as each block of a GPU, has a state of its own."""
    cpu = openmm.Platform.getPlatform("CPU")
    before = cpu.getPropertyDefaultValue("Threads")
    run = open_run(tmp_path / "run", small_box_path, short_protocol(), seed=4)
    try:
        cpu.setPropertyDefaultValue("Threads", "1")
        with pytest.raises(Interrupted):
            simulate(run, "CPU", Fault(send(signal.SIGTERM), at_ps=0.1))
        cpu.setPropertyDefaultValue("Threads", "2")
        simulate(run, "CPU", told := Notes())
    finally:
        cpu.setPropertyDefaultValue("Threads", before)
    assert "CPU, 1 thread, this is OpenMM" in told.text
    assert assert_complete(run)["restarts_with_fresh_noise"] == 1


def test_another_version_of_openmm_goes_on_from_the_portable_state(undone: Run) -> None:
    path = numbered(undone.checkpoint_path)[-1] / "progress.json"
    write_record(path, read_record(path) | {"signature": "OpenMM 7.7 Reference"})
    simulate(undone, "Reference", told := Notes())
    assert "was written by OpenMM 7.7 Reference, this is OpenMM" in told.text
    assert assert_complete(undone)["restarts_with_fresh_noise"] == 1


def test_a_file_system_without_locks_is_refused(undone: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:  # what Linux answers on NFS without a lock daemon
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(WorkFailed, match=r"its file system keeps no locks \(No locks available\)"):
        simulate(undone, "Reference")
