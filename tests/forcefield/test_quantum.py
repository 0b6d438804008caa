import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyscf", reason="needs the extra qm")
pytest.importorskip("pyscf.dispersion", reason="needs the extra qm")
pytest.importorskip("tblite", reason="needs the extra qm")
pytest.importorskip("geometric", reason="needs the extra qm")

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "forcefield"))

from complexes import Complex, contacts, counterpoise, energy_function, interaction
from nitrate import frequencies
from rigid import arrangements

from solvshell.quantum import Level, dft_energy, dft_gradient, gfn2, numeric_hessian, optimize, optimize_gfn2

SMALL = Level(functional="svwn", dispersion=None, basis="def2-svp", grid=1)
DISPERSED = Level(functional="pbe", basis="def2-svp", grid=1)
COULOMB = 1389.35  # kJ/mol Å
WATER = ("O", "H", "H")
BENT = np.array([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]])
RING = np.array([[0.0, 0.0, 0.0], [1.25, 0.0, 0.0], [-0.625, 1.0825, 0.0], [-0.625, -1.0825, 0.0]])


@pytest.mark.parametrize("method", [gfn2, lambda *at: dft_gradient(*at, DISPERSED)], ids=["gfn2", "dft"])
def test_the_gradient_is_the_slope_of_the_energy(method):
    step = np.zeros_like(BENT)
    step[1, 0] = 0.002
    slope = (method(WATER, BENT + step, 0)[0] - method(WATER, BENT - step, 0)[0]) / 0.004
    assert method(WATER, BENT, 0)[1][1, 0] == pytest.approx(slope, rel=0.01)


def test_a_held_dihedral_stays_while_the_bonds_relax():
    peroxide = np.array([[0, 0.75, 0], [0, -0.75, 0], [0.85, 0.9, 0.5], [-0.85, -0.9, 0.5]])
    found = optimize_gfn2(("O", "O", "H", "H"), peroxide, 0, dihedrals=[(2, 0, 1, 3)])

    def dihedral(x):
        a, b, c = x[2] - x[0], x[1] - x[0], x[3] - x[1]
        n, m = np.cross(a, b), np.cross(c, b)
        return np.degrees(np.arccos(n @ m / np.linalg.norm(n) / np.linalg.norm(m)))

    assert dihedral(found) == pytest.approx(dihedral(peroxide), abs=0.1)
    assert np.linalg.norm(found[0] - found[1]) < 1.48


def test_a_continuum_holds_an_ion_more_than_a_molecule(tmp_path):
    gains = {}
    for name, elements, positions, charge in (("NO3", "NOOO", RING, -1), ("water", WATER, BENT, 0)):
        dry, wet = (gfn2(tuple(elements), positions, charge, continuum=c)[0] for c in (None, 20.0))
        gains[name] = wet - dry
    born = -COULOMB / 2 * (1 - 1 / 20)  # kJ/mol, of an ion of 1 Å
    assert born / 2 < gains["NO3"] < born / 3.2  # radius between 2 and 3.2 Å
    assert gains["NO3"] < 5 * gains["water"] < 0


def test_a_ghost_lowers_the_energy_and_brings_no_electrons(tmp_path):
    pair = np.array([[0.0, 0.0, 2.0], [0.0, 0.0, 0.0]])
    alone = dft_energy(("F",), pair[1:], -1, tmp_path, level=DISPERSED)
    ghosted = dft_energy(("Li", "F"), pair, -1, tmp_path, ghosts=[0], level=DISPERSED)
    assert 1 < alone - ghosted < 0.001 * abs(alone)


def test_far_apart_every_method_has_the_energy_of_two_charges(tmp_path):
    group = Complex(("Li", "Na"))
    positions = np.array([[0.0, 0.0, 12.0], [0.0, 0.0, 0.0]])
    expected = pytest.approx(COULOMB / 12, rel=2e-3)
    assert counterpoise(group, positions, tmp_path, DISPERSED) == expected
    assert interaction(group, positions) == expected
    assert interaction(group, positions, group.system(0.8)) == pytest.approx(0.64 * COULOMB / 12, rel=2e-3)


def test_a_finished_energy_is_read_and_not_computed_again(tmp_path, monkeypatch):
    first = dft_energy(("Li",), np.zeros((1, 3)), 1, tmp_path, level=SMALL)
    monkeypatch.setattr("solvshell.quantum.density_functional._dft_energy", lambda *_: pytest.fail("computed again"))
    assert dft_energy(("Li",), np.zeros((1, 3)), 1, tmp_path, level=SMALL) == first
    with pytest.raises(pytest.fail.Exception, match="computed again"):
        dft_energy(("Li",), np.ones((1, 3)), 1, tmp_path, level=SMALL)


def test_atoms_with_the_coarse_basis_cost_energy(tmp_path):
    fine = dft_energy(WATER, BENT, 0, tmp_path, level=Level("svwn", None, "def2-tzvp", 1))
    mixed = dft_energy(WATER, BENT, 0, tmp_path, level=Level("svwn", None, "def2-tzvp", 1), coarse=[1, 2])
    coarse = dft_energy(WATER, BENT, 0, tmp_path, level=SMALL)
    assert fine < mixed < coarse


def test_frequencies_of_springs_are_those_of_the_formula():
    k, length = 2000.0, 1.25  # kJ/mol/Å²: every bond a spring, nothing else

    def springs(x):
        arms = x[1:] - x[0]
        r = np.linalg.norm(arms, axis=1)
        pull = (k * (r - length) / r)[:, None] * arms
        return float(k / 2 * np.sum((r - length) ** 2)), np.vstack([-pull.sum(axis=0), pull])

    found = frequencies(RING, numeric_hessian(springs, RING, step=1e-4))
    symmetric = np.sqrt(k * 100 / 15.999) * 1e12 / (2 * np.pi * 2.99792458e10)
    assert found["symmetric stretch"] == pytest.approx(symmetric, rel=1e-3)
    ratio = np.sqrt(1 + 1.5 * 15.999 / 14.007)
    assert found["antisymmetric stretch"] == pytest.approx(ratio * symmetric, rel=1e-3)


def test_rigid_molecules_find_lithium_and_keep_their_shape():
    group = Complex(("Li", "NO3", "EC"))
    shapes = [RING, optimize(*_free_ec())]
    found = arrangements(group, shapes, 0.8, n_starts=3)
    for positions in found.values():
        assert len(contacts(group, positions)) >= 2
        for shape, atoms in zip(shapes, group.fragments[1:], strict=True):
            part = positions[list(atoms)]
            assert np.linalg.norm(part - part[0], axis=1) == pytest.approx(np.linalg.norm(shape - shape[0], axis=1))


def _free_ec():
    from complexes import rough_shape

    alone = Complex(("EC",))
    return alone.elements, rough_shape("EC"), energy_function(alone.system())
