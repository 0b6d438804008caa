"""Densities around molecules that come and go: around those that are there, of those that are there."""

import numpy as np
import pytest
from MDAnalysis.lib.distances import apply_PBC
from scipy.spatial.transform import Rotation
from synthetic import make_universe

from solvshell.analysis.presence import Presence
from solvshell.analysis.spatial.density import spatial_distribution
from solvshell.errors import InvalidInput

NAMES = ["C1", "C2", "O", "N"]
BODY = np.array([[0.0, 0, 0], [1.4, 0, 0], [1.9, 1.2, 0], [-0.6, 0.9, 0.8]])
BOX = np.array([20.0, 20.0, 20.0, 90, 90, 90], np.float32)
N_EC, N_DMC = 6, 7
MOLECULES = [("EC", NAMES)] * N_EC + [("DMC", ["O"])] * N_DMC


@pytest.fixture(scope="module")
def frames():
    """Return the universe with its ghosts, who is there, and each frame without ghosts."""
    rng = np.random.default_rng(4)
    positions, masks, alone = [], [], []
    for t in range(16):
        turns = Rotation.random(N_EC, random_state=rng).as_matrix()
        bodies = (BODY @ turns + rng.random((N_EC, 1, 3)) * 20).reshape(-1, 3)
        points = apply_PBC(np.concatenate([bodies, rng.random((N_DMC, 3)) * 20]).astype(np.float32), BOX)
        there = rng.random(N_EC + N_DMC) < 0.6
        there[0] = t != 2
        there[1:N_EC] &= t != 2  # no EC at all in one frame
        atoms = np.repeat(there, [len(names) for _, names in MOLECULES])
        masks.append(np.append(True, there))
        positions.append(np.where(atoms[:, None], points, 0.0))
        alone.append(
            make_universe([m for m, is_there in zip(MOLECULES, there, strict=True) if is_there], points[atoms], BOX)
        )
    column = 1 + np.repeat(np.arange(len(MOLECULES)), [len(names) for _, names in MOLECULES])
    return make_universe(MOLECULES, positions, BOX), Presence(column, np.array(masks)), alone


@pytest.mark.parametrize("of", ["resname DMC", "resname EC and name O"])
def test_neighbors_and_density_are_those_of_frames_without_ghosts(frames, of):
    universe, presence, alone = frames
    found = spatial_distribution(
        universe.select_atoms("resname EC"), universe.select_atoms(of), r_max=6.0, spacing=1.0, presence=presence
    )
    n_bodies, n_neighbors, expected = 0, 0, 0.0
    for frame in alone:
        group, target = frame.select_atoms("resname EC"), frame.select_atoms(of)
        n_bodies += group.n_residues
        if len(target) and group.n_residues > (target.residues[0].resname == "EC"):
            one = spatial_distribution(group, target, r_max=6.0, spacing=1.0)
            n_neighbors += one.n_neighbors
            expected += one.bulk_density_per_angstrom3 * group.n_residues
    assert n_neighbors == found.n_neighbors > 10
    assert found.n_molecules == n_bodies / len(alone)
    assert found.bulk_density_per_angstrom3 == pytest.approx(expected / n_bodies)
    assert found.fit_rmsd_angstrom < 1e-4  # no ghost, a point, is superposed


def test_groups_that_never_meet_are_refused(frames):
    universe, presence, _ = frames
    never = Presence(presence.column, presence.is_present & (np.arange(len(MOLECULES) + 1) <= N_EC))
    with pytest.raises(InvalidInput, match="never there together"):
        spatial_distribution(universe.select_atoms("resname EC"), universe.select_atoms("resname DMC"), presence=never)
