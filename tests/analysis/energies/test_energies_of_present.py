"""Energies where molecules come and go: those of the molecules that are there, as if the box held no others."""

from dataclasses import replace

import numpy as np
import pytest
from coming_and_going import MOLECULES, OPEN, SIZES, SPECIES, traffic

from solvshell.analysis import SolvationGeometry
from solvshell.analysis.energies.groups import species_groups
from solvshell.analysis.energies.interaction import InteractionEnergies
from solvshell.analysis.energies.measure import _coordinating, _shells_of_centers
from solvshell.analysis.energies.model import PairModel
from solvshell.analysis.energies.passes import Liquid, run_pass
from solvshell.analysis.energies.per_species import energy_table
from solvshell.analysis.shells import first_shells
from solvshell.analysis.sites import select_sites
from solvshell.errors import InvalidInput

CHARGES = {
    "LI": [0.8], "PF6": [0.4, -0.6, -0.6], "EC": [0.5, -0.3, -0.1], "DMC": [0.25, -0.5, 0.25],
}  # fmt: skip
SIGMA = {"LI": [1.5], "PF6": [3.7, 2.9, 2.8], "EC": [3.4, 2.9, 3.0], "DMC": [3.3, 3.1, 3.3]}
COORDINATING = {"Li": "name LI", "EC": "resname EC and name O1", "DMC": "resname DMC and name O", "PF6": "name F*"}


def model(molecules):
    """A model of some of the molecules, with a tail; EC has a charge, so that a forgotten ghost shows in every sum."""
    names = [MOLECULES[m][0] for m in molecules]
    starts = np.cumsum([0, *SIZES[molecules]])
    links = [(s, s + k) for s, size in zip(starts, SIZES[molecules], strict=False) for k in range(1, size)]
    sigma = np.concatenate([SIGMA[name] for name in names])
    return PairModel(
        np.concatenate([CHARGES[name] for name in names]), sigma, sigma / 10, 9.0, 8.0, True,
        np.array(links), np.zeros((len(links), 3)),
    )  # fmt: skip


def energies(universe, of_model, presence=None, **how):
    groups = {"Li": "name LI", "PF6": "resname PF6", "EC": "resname EC", "DMC": "resname DMC"}
    atoms = {name: universe.select_atoms(text) for name, text in groups.items()}
    return InteractionEnergies(
        {"Li": atoms.pop("Li")},
        atoms,
        of_model,
        coordinating={name: universe.select_atoms(text) for name, text in COORDINATING.items()},
        capture_radius=7.0,
        presence=presence,
    ).run(**how)


@pytest.fixture(scope="module")
def coming():
    return traffic(n_frames=12, seed=5)


@pytest.mark.parametrize("how", [{}, {"start": 1, "step": 2, "backend": "multiprocessing", "n_workers": 2}])
def test_energies_are_those_of_frames_without_ghosts(coming, how):
    found = energies(coming.universe, model(np.arange(len(MOLECULES))), coming.presence, **how).results
    frames = range(len(coming.alone))[how.get("start") :: how.get("step", 1)]
    assert found.frames.tolist() == list(frames)
    by_distance, n_members = np.zeros((4, 4, 120)), 0
    for place, frame in enumerate(frames):
        alone = energies(coming.alone[frame], model(coming.molecules[frame])).results
        for name in ("whole_box", "self_energy", "tail", "xi", "n_molecules"):
            np.testing.assert_allclose(getattr(found, name)[place], getattr(alone, name)[0], rtol=1e-5, err_msg=name)
        mine, theirs = found.members.where(found.members.frame == place), alone.members
        for name in ("center", "partner", "distance", "lj", "bare", "ewald"):
            np.testing.assert_allclose(getattr(mine, name), getattr(theirs, name), rtol=1e-5, err_msg=name)
        assert mine.molecule.tolist() == coming.molecules[frame][theirs.molecule].tolist()
        n_members += len(mine.frame)
        sums = alone.by_distance
        by_distance += np.stack([getattr(sums, key).sum(axis=(0, 1)) for key in ("n_molecules", "lj", "bare", "ewald")])
    assert n_members == len(found.members.frame) > 50
    mine = [getattr(found.by_distance, key).sum(axis=(0, 1)) for key in ("n_molecules", "lj", "bare", "ewald")]
    np.testing.assert_allclose(mine, by_distance, rtol=1e-6, atol=1e-6 * np.abs(by_distance).max())


def test_per_molecule_means_per_molecule_that_is_there(coming):
    sites = select_sites(coming.universe, SPECIES, coming.presence)
    geometry = SolvationGeometry.from_sites(sites).run().results
    shells = first_shells(geometry, sites, {("Li", "EC", "carbonyl_o"): 4.0, ("Li", "DMC", "ester_o"): 4.0})
    groups = species_groups(coming.universe, SPECIES, sites)
    liquid = Liquid(
        groups, _coordinating(sites, groups), "residues", model(np.arange(len(MOLECULES))), 1.0, {}, coming.presence
    )
    one = run_pass(liquid, ("Li",), _shells_of_centers(shells, list(groups)))
    table = energy_table(one.energies).set_index(["partner", "quantity", "region", "coulomb"]).total_kj_mol
    for name in OPEN:
        n = one.energies.n_molecules[:, list(groups).index(name)]
        assert n.std() > 0.5
        per_center = table[name, "per_center", "whole_box", "bare"]
        assert table[name, "per_molecule", "whole_box", "bare"] == pytest.approx(per_center / n.mean(), rel=1e-6)
    assert table["PF6", "per_molecule", "whole_box", "bare"] == pytest.approx(
        table["PF6", "per_center", "whole_box", "bare"] / 3
    )


def test_centers_that_come_and_go_are_refused(coming):
    column = coming.presence.column.copy()
    column[0] = 1
    with pytest.raises(InvalidInput, match="centers: come and go"):
        energies(coming.universe, model(np.arange(len(MOLECULES))), replace(coming.presence, column=column))
