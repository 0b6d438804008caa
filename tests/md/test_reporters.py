import subprocess
import sys
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import pytest
from openmm import app

from solvshell.box import Box
from solvshell.md.reporters import FrameEncoder, OutputFile
from solvshell.xtc import frame_length, whole_frames

FULL_DEVICE = """
import resource, signal, sys
from pathlib import Path
from solvshell.box import Box
from solvshell.md.reporters import FrameEncoder, OutputFile
box = Box.load(Path(sys.argv[1]))
frame = FrameEncoder(box.topology).encode(box.positions, box.box_vectors, 0, 0.0)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
try:
    if sys.argv[4] == "append":
        with OutputFile(Path(sys.argv[2])) as file:
            for _ in range(100):
                file.append(frame)
            file.sync()
    else:
        FrameEncoder(box.topology).encode(box.positions, box.box_vectors, 0, 0.0)
except OSError as error:
    print("refused", error.strerror)
else:
    print("silence")
"""


def test_a_frame_keeps_positions_cell_step_and_time(box_path: Path, tmp_path: Path) -> None:
    box = Box.load(box_path)
    encoder = FrameEncoder(box.topology)
    path = tmp_path / "two.xtc"
    with OutputFile(path) as file:
        file.append(encoder.encode(box.positions, box.box_vectors, 7, 0.028))
        file.append(encoder.encode(box.positions + 0.1, 1.01 * box.box_vectors, 2_000_000_007, 123456.75))
    universe = mda.Universe(app.PDBxFile(str(box_path / "topology.cif")), str(path))
    first, second = [
        (ts.data["step"], ts.time, ts.positions.copy(), ts.dimensions.copy()) for ts in universe.trajectory
    ]
    assert (first[0], second[0]) == (7, 2_000_000_007)
    assert (first[1], second[1]) == pytest.approx((0.028, 123456.75))
    np.testing.assert_allclose(first[2], 10 * box.positions, atol=0.0051)  # XTC keeps 0.001 nm
    np.testing.assert_allclose(second[2] - first[2], 1.0, atol=0.0101)
    np.testing.assert_allclose(second[3][:3] / first[3][:3], 1.01, rtol=1e-5)


def test_frame_length_knows_a_frame_that_was_cut(box_path: Path) -> None:
    box = Box.load(box_path)
    frame = FrameEncoder(box.topology).encode(box.positions, box.box_vectors, 0, 0.0)
    assert frame_length(frame) == len(frame)
    assert frame_length(frame + frame) == len(frame)
    assert [frame_length(frame[:cut]) for cut in (0, 3, 60, 91, len(frame) - 1)] == [0] * 5
    with pytest.raises(ValueError, match="not an XTC frame"):
        frame_length(b"x" * 100)


@pytest.mark.parametrize(("cut", "expected"), [(0, 3), (1, 2), (5000, 1), (60, 2)])
def test_whole_frames_stops_before_a_cut(box_path: Path, tmp_path: Path, cut: int, expected: int) -> None:
    box = Box.load(box_path)
    frame = FrameEncoder(box.topology).encode(box.positions, box.box_vectors, 0, 0.0)
    path = tmp_path / "cut.xtc"
    path.write_bytes((3 * frame)[: 3 * len(frame) - cut])
    assert whole_frames(path) == (expected, expected * len(frame))


def test_opening_cuts_back_to_the_known_length(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b"one\ntwo\nthr")
    with OutputFile(path, length=8) as file:
        file.append(b"drei\n")
        assert file.sync() == 13
    assert path.read_bytes() == b"one\ntwo\ndrei\n"


@pytest.mark.parametrize(("limit", "what"), [(20_000, "append"), (100, "encode")])
def test_a_full_device_is_an_error(box_path: Path, tmp_path: Path, limit: int, what: str) -> None:
    command = [sys.executable, "-c", FULL_DEVICE, str(box_path), str(tmp_path / "t.xtc"), str(limit), what]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("refused"), done.stdout
