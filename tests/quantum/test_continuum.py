import numpy as np
import pytest

pytest.importorskip("pyscf", reason="needs the extra qm")
pytest.importorskip("tblite", reason="needs the extra qm")

from solvshell.quantum import Level, dft_energy, gfn2

COULOMB = 1389.3546  # kJ/mol Å
BARE = Level(functional="pbe", dispersion=None, basis="def2-svp", grid=1)
#: Radii in Å, of tblite (those of D3) and of PySCF (Bondi's times 1.2).
GFN2_RADII = {"Li": (1, 1.57), "F": (-1, 1.72), "Cs": (1, 2.223)}
DFT_RADII = {"Li": (1, 1.2 * 1.82), "F": (-1, 1.2 * 1.47)}


def born(charge, radius, dielectric):
    return -COULOMB / 2 * charge**2 / radius * (1 - 1 / dielectric)


@pytest.mark.parametrize("dielectric", [3.0, 30.0])
@pytest.mark.parametrize(("element", "ion"), GFN2_RADII.items())
def test_the_continuum_of_gfn2_gives_an_ion_the_energy_of_born(element, ion, dielectric):
    charge, radius = ion
    dry, wet = (gfn2((element,), np.zeros((1, 3)), charge, c)[0] for c in (None, dielectric))
    assert wet - dry == pytest.approx(born(charge, radius, dielectric), rel=1e-3)


@pytest.mark.parametrize(("element", "ion"), DFT_RADII.items())
def test_the_continuum_of_dft_gives_an_ion_the_energy_of_born(element, ion, tmp_path):
    charge, radius = ion
    dry, wet = (dft_energy((element,), np.zeros((1, 3)), charge, tmp_path, (), c, BARE) for c in (None, 30.0))
    assert wet - dry == pytest.approx(born(charge, radius, 30.0), rel=3e-3)  # F⁻ leaks out of its sphere


def test_the_continuum_screens_two_ions_far_apart():
    """A generalized Born model with a term of shape (tblite's gbe) has 17 kJ/mol here in place of 3."""
    places = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 20.0]])
    pair = {c: gfn2(("Li", "Na"), places, 2, c)[0] for c in (None, 20.0)}
    born_of_both = sum(
        gfn2((element,), np.zeros((1, 3)), 1, 20.0)[0] - gfn2((element,), np.zeros((1, 3)), 1)[0]
        for element in ("Li", "Na")
    )
    expected = born_of_both - COULOMB / 20 * (1 - 1 / 20)
    assert pair[20.0] - pair[None] == pytest.approx(expected, abs=0.2)
