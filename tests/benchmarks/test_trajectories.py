from pathlib import Path

import numpy as np
import pytest
from MDAnalysis.coordinates.XTC import XTCReader
from trajectories import repeat_frames

XTC = Path(__file__).parents[1] / "data" / "gromacs_lb003" / "lb003.xtc"


def test_repeated_frames_are_the_same_and_their_times_go_on(tmp_path):
    once, thrice = XTCReader(str(XTC)), XTCReader(str(repeat_frames(XTC, 3, tmp_path / "repeated.xtc")))
    n = len(once)
    assert len(thrice) == 3 * n
    times = np.array([ts.time for ts in thrice])
    assert np.diff(times) == pytest.approx(once[1].time - once[0].time, abs=1e-3)
    assert times[0] == pytest.approx(once[0].time)
    frames = np.array([ts.positions.copy() for ts in once])
    assert len(np.unique(frames[:, 0, 0])) > n / 2
    for i in (0, n - 1, n, 3 * n - 1):
        assert np.array_equal(thrice[i].positions, frames[i % n])
        assert np.array_equal(thrice[i].dimensions, once[i % n].dimensions)
