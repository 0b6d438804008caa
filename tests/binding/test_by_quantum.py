import pytest

pytest.importorskip("pyscf", reason="needs the extra qm")
pytest.importorskip("pyscf.dispersion", reason="needs the extra qm")
pytest.importorskip("tblite", reason="needs the extra qm")
pytest.importorskip("geometric", reason="needs the extra qm")

import json
from dataclasses import replace
from importlib.metadata import version

import numpy as np
from cut_by_hand import cluster
from ions_by_hand import ions, lithium_fluoride

from solvshell.binding.by_dft import Dft
from solvshell.binding.by_gfn2 import Gfn2
from solvshell.binding.methods import CUT_POLYMER, NOT_CONVERGED, OK, TOO_LARGE, Asked
from solvshell.binding.parts import CHAIN, binding, desolvation, parts_of, steps_of
from solvshell.quantum import Level

SMALL = Level(functional="svwn", dispersion=None, basis="def2-svp", grid=1)
QUICK = Dft(level=SMALL, geometry_level=replace(SMALL, grid=3))  # gradients of a coarse grid lead nowhere
COULOMB = 1389.354577  # kJ/mol Å
DIELECTRIC = 30.0


def energies_of(method, group, cache, phases=("gas",), relax=False):
    """By phase and geometry, then by members."""
    asked = Asked(phases, relax, DIELECTRIC, cache)
    found = {}
    for one in method.energies(group, parts_of(group), asked):
        found.setdefault((one.phase, one.geometry), {})[one.members] = one
    return found


@pytest.mark.parametrize("method", [Gfn2(), QUICK], ids=["gfn2", "dft"])
def test_two_ions_far_apart_repel_each_other_as_charges_do_and_less_in_a_continuum(method, tmp_path):
    pair = ions(("Li", 1, (0, 0, 0)), ("Na", 1, (0, 0, 15)))
    found = energies_of(method, pair, tmp_path, ("gas", "continuum"))
    assert binding(pair, found["gas", "fixed"])[0] == pytest.approx(COULOMB / 15, rel=0.01)
    assert binding(pair, found["continuum", "fixed"])[0] == pytest.approx(COULOMB / 15 / DIELECTRIC, abs=1.0)


def test_counterpoise_takes_off_what_the_basis_of_the_partner_gains(tmp_path):
    """E(AB) - E(A in AB) - E(B in AB) = E(AB) - E(A) - E(B) + (gains of A and B), each of them positive."""
    pair = lithium_fluoride(1.6)
    energies = energies_of(QUICK, pair, tmp_path)["gas", "fixed"]
    own = {}
    for member in (0, 1):
        alone = ions((pair.elements[member], pair.charges[member], (0, 0, 0)))
        own[member] = energies_of(QUICK, alone, tmp_path)["gas", "fixed"][0,].kj_mol
    gains = [own[member] - energies[member,].kj_mol for member in (0, 1)]
    assert min(gains) > 0.1
    uncorrected = energies[0, 1].kj_mol - own[0] - own[1]
    assert binding(pair, energies)[0] == pytest.approx(uncorrected + sum(gains), abs=1e-6)


def test_atoms_have_no_deformation_so_that_relaxed_is_fixed_at_the_minimum(tmp_path):
    for method in (Gfn2(), QUICK):
        started = energies_of(method, lithium_fluoride(1.6), tmp_path, relax=True)["gas", "relaxed"]
        minimum = started[0, 1].positions
        length = np.linalg.norm(minimum[1] - minimum[0])
        at_minimum = lithium_fluoride(length)
        fixed = energies_of(method, at_minimum, tmp_path)["gas", "fixed"]
        assert binding(at_minimum, started)[0] == pytest.approx(binding(at_minimum, fixed)[0], abs=0.01)
        stretched = lithium_fluoride(length + 0.2)
        assert (
            binding(stretched, energies_of(method, stretched, tmp_path)["gas", "fixed"])[0]
            > binding(at_minimum, fixed)[0]
        )


@pytest.mark.parametrize(("method", "phase"), [(Gfn2(), "gas"), (Gfn2(), "continuum"), (QUICK, "gas")])
def test_the_steps_sum_to_the_binding_energy(method, phase, tmp_path):
    group = ions(("Li", 1, (0, 0, 0)), ("F", -1, (0, 0, 1.7)), ("Li", 1, (0, 0.1, 3.4)))
    energies = energies_of(method, group, tmp_path, (phase,))[phase, "fixed"]
    chain = [desolvation(step, energies)[0] for step in steps_of(group) if step.order == CHAIN]
    assert sum(chain) == pytest.approx(-binding(group, energies)[0], abs=1e-6)


def test_relaxed_molecules_are_not_above_fixed_ones_and_a_pair_is_bound(tmp_path):
    """Li+ with DMC by GFN2-xTB: about -235 kJ/mol at the minimum (docs/forcefield/binding.md)."""
    pair = cluster("DMC", kind="pair")
    found = energies_of(Gfn2(), pair, tmp_path, ("gas", "continuum"), relax=True)
    for part in parts_of(pair):
        assert found["gas", "relaxed"][part].kj_mol <= found["gas", "fixed"][part].kj_mol + 1e-6
    assert binding(pair, found["gas", "relaxed"])[0] == pytest.approx(-235, abs=3)
    # A continuum holds the bare ion more than the ion in its shell.
    assert binding(pair, found["gas", "relaxed"])[0] < 3 * binding(pair, found["continuum", "relaxed"])[0] < 0


def test_a_field_that_does_not_converge_is_marked_and_tried_again_by_another_version_alone(tmp_path, monkeypatch):
    """Three fluorine atoms, two of them radicals, 6 Å from Li+: closed shells are no solution."""
    group = ions(("Li", 1, (0, 0, 0)), ("F", -1, (6, 0, 0)), ("F", 0, (-6, 0, 0)), ("F", 0, (0, 6, 0)))
    energies = energies_of(Gfn2(), group, tmp_path)["gas", "fixed"]
    assert energies[0, 1, 2, 3].status == NOT_CONVERGED
    assert energies[0,].status == OK
    assert binding(group, energies) == (None, NOT_CONVERGED)
    monkeypatch.setattr("solvshell.binding.by_gfn2.gfn2", lambda *_: pytest.fail("computed again"))
    assert energies_of(Gfn2(), group, tmp_path)["gas", "fixed"][0, 1, 2, 3].status == NOT_CONVERGED
    monkeypatch.setattr("solvshell.quantum.xtb.version", lambda _: "another")
    monkeypatch.setattr("solvshell.binding.by_gfn2.gfn2", lambda *_: (-1.0, None))
    assert energies_of(Gfn2(), group, tmp_path)["gas", "fixed"][0, 1, 2, 3].kj_mol == -1.0


def test_an_entry_says_by_which_programs_and_which_continuum_it_was_made(tmp_path):
    energies_of(Gfn2(), lithium_fluoride(1.6), tmp_path, ("gas", "continuum"), relax=True)
    entries = [json.loads(path.read_text()) for path in tmp_path.glob("gfn2-*.json")]
    assert all(entry["method"].startswith(f"GFN2-xTB, tblite {version('tblite')}") for entry in entries)
    assert {entry["continuum"] for entry in entries} == {None, "ddCPCM, 30"}
    minima = [entry for entry in entries if "minimum_angstrom" in entry]
    assert [(entry["criteria"], entry["method"].split()[-2]) for entry in minima] == [("GAU", "geomeTRIC")]
    energies_of(QUICK, ions(("Li", 1, (0, 0, 0))), tmp_path)
    (energy,) = (json.loads(path.read_text()) for path in tmp_path.glob("energy-*.json"))
    assert energy["made_by"].startswith(f"PySCF {version('pyscf')}")


def test_what_is_too_large_or_cut_is_refused():
    assert Dft().refuses(cluster("EC")) is None
    assert Dft().refuses(cluster("EC", "DMC")) == TOO_LARGE
    cut = ions(("Li", 1, (0, 0, 0)), ("N", None, (2, 0, 0)))
    assert {method.refuses(cut) for method in (Dft(), Gfn2())} == {CUT_POLYMER}
