"""Units of a polycation as centers, against the slow, obvious count."""

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from synthetic import CUBE, make_universe, species_file

from solvshell.analysis.energies.groups import species_groups
from solvshell.analysis.energies.measure import _coordinating
from solvshell.analysis.energies.model import COULOMB_KJ_MOL_ANGSTROM, PairModel
from solvshell.analysis.energies.passes import Liquid, run_pass
from solvshell.analysis.energies.units import first_minima, nitrogens, shells_of_units
from solvshell.analysis.presence import Presence
from solvshell.analysis.sites import select_sites

RADII = {"NO3": 6.0, "EC": 4.0}
MOLECULES = [("LI", ["LI"])] * 3 + [("UNI", ["N1", "C1", "N2"])] * 2 + [("NO3", ["N", "O"])] * 12 + [("EC", ["O"])] * 20
MINIMA = {("Poly", partner, "o"): r for partner, r in RADII.items()} | {
    ("Poly", "UNI", "n_plus"): 5.0,
    ("Li", "EC", "o"): 8.0,
}
CHARGES = {"LI": [1.0], "UNI": [1.0, 0.0, 1.0], "NO3": [0.5, -1.5], "EC": [-0.1]}


def species():
    return species_file(
        reference_centers={"Poly": "resname UNI and name N1 N2"},
        partners={
            "NO3": {"molecules": "resname NO3", "sites": {"o": "name O"}, "role": "anion"},
            "EC": {"molecules": "resname EC", "sites": {"o": "name O"}},
            "UNI": {"molecules": "resname UNI", "sites": {"n_plus": "name N1 N2"}, "role": "polymer"},
        },
    )


@pytest.fixture(scope="module")
def universe():
    """Molecules at random, with bonds of 1 Å."""
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(6):
        at = [rng.uniform(0, 30, 3) + np.arange(len(names))[:, None] * [1.0, 0, 0] for _, names in MOLECULES]
        frames.append(np.mod(np.concatenate(at), 30))
    return make_universe(MOLECULES, frames, CUBE)


@pytest.fixture(scope="module")
def liquid(universe):
    charges = np.concatenate([CHARGES[name] for name, _ in MOLECULES])
    first = np.cumsum([0, *(len(names) for _, names in MOLECULES)])
    bonds = [(i, j) for i, (_, names) in zip(first, MOLECULES, strict=False) for j in range(i + 1, i + len(names))]
    none = np.zeros((len(bonds), 3))
    sigma, epsilon = np.full(len(charges), 3.0), np.zeros(len(charges))
    model = PairModel(charges, sigma, epsilon, 10.0, None, False, np.array(bonds), none)
    sites = select_sites(universe, species())
    return Liquid(species_groups(universe, species(), sites), {}, "residues", model, None, {})


def distance(a, b):
    d = np.abs(a - b)
    return np.linalg.norm(np.minimum(d, 30 - d), axis=-1)


def contacts_by_hand(universe, partner):
    """Return (frame, unit, molecule), by number of molecule, with the bare Coulomb energy of the two."""
    found = {}
    units, others = (universe.select_atoms(f"resname {name}").residues for name in ("UNI", partner))
    for ts in universe.trajectory:
        for unit, other in product(units, others):
            n, o = unit.atoms.select_atoms("name N1 N2").positions, other.atoms.select_atoms("name O").positions
            if distance(n[:, None], o).min() < RADII[partner]:
                r = distance(unit.atoms.positions[:, None], other.atoms.positions)
                energy = COULOMB_KJ_MOL_ANGSTROM * (np.outer(CHARGES["UNI"], CHARGES[partner]) / r).sum()
                found[ts.frame, unit.ix, other.ix] = energy
    return found


def test_the_shell_of_a_unit_are_the_molecules_near_any_of_its_nitrogens(universe, liquid):
    sites = select_sites(universe, species())
    ((name, centers),) = nitrogens(sites, liquid.groups).items()
    assert (name, [center.name for center in centers]) == ("UNI", ["Poly"])
    shells = shells_of_units(liquid, name, centers, sites, MINIMA, np.arange(6))
    found = shells.contacts
    expected = {partner: contacts_by_hand(universe, partner) for partner in RADII}
    of_all = {key for contacts in expected.values() for key in contacts}
    assert set(zip(found.frame, found.center, found.molecule, strict=True)) == of_all
    one = run_pass(liquid, (name,), shells, 4)
    energies = one.energies
    assert [species.name for species in energies.partners] == ["UNI", "Li", "NO3", "EC"]
    assert energies.has_shell.tolist() == [[False, False, True, True]]
    assert (energies.centers[0].n_plus, energies.centers[0].charge) == (2, 2)
    assert energies.n_in_shell.sum() == len(of_all)
    for j, partner in ((2, "NO3"), (3, "EC")):
        assert energies.n_in_shell[..., j].sum() == len(expected[partner]) > 0
        assert energies.in_shell[..., j, 1].sum() == pytest.approx(sum(expected[partner].values()), rel=1e-5)


def test_molecules_that_are_not_there_touch_no_unit(universe, liquid):
    ec = universe.select_atoms("resname EC").indices
    column = np.zeros(len(universe.atoms), int)
    column[ec] = np.arange(1, len(ec) + 1)
    is_present = np.column_stack([np.ones(6, bool), np.random.default_rng(3).random((6, len(ec))) < 0.5])
    some = replace(liquid, presence=Presence(column, is_present))
    sites = select_sites(universe, species(), some.presence)
    ((name, centers),) = nitrogens(sites, liquid.groups).items()
    shells = shells_of_units(some, name, centers, sites, MINIMA, np.arange(6))
    of_atom = dict(zip(universe.atoms[ec].resindices.tolist(), column[ec].tolist(), strict=True))
    expected = {key for key in contacts_by_hand(universe, "EC") if is_present[key[0], of_atom[key[2]]]}
    contacts = zip(shells.contacts.frame, shells.contacts.center, shells.contacts.molecule, strict=True)
    assert {key for key in contacts if key[2] in of_atom} == expected != set()
    assert run_pass(some, (name,), shells, 4).energies.n_in_shell[..., 3].sum() == len(expected)


def test_units_whose_nitrogens_have_no_shell_have_no_contacts(universe, liquid):
    sites = select_sites(universe, species())
    ((name, centers),) = nitrogens(sites, liquid.groups).items()
    shells = shells_of_units(liquid, name, centers, sites, {}, np.arange(2))
    assert not shells.has_shell.any()
    assert run_pass(liquid, (name,), shells, 4).energies.in_shell.sum() == 0


def test_minima_are_those_that_the_peaks_have():
    peaks = pd.DataFrame(
        [("Li", "EC", "o", 2.5), ("Poly", "EC", "o", np.nan)],
        columns=["center", "partner", "site", "first_minimum_angstrom"],
    )
    assert first_minima(peaks) == {("Li", "EC", "o"): 2.5}


def test_units_of_no_partner_are_a_species_of_their_own(universe):
    content = species().model_dump(mode="json")
    content["partners"].pop("UNI")
    alone = species().model_validate(content)
    sites = select_sites(universe, alone)
    groups = species_groups(universe, alone, sites)
    assert {name: len(atoms) for name, atoms in groups.items()} == {"Li": 3, "NO3": 24, "EC": 20, "Poly": 6}
    assert {name: set(atoms.names) for name, atoms in _coordinating(sites, groups).items()} == {
        "Li": {"LI"},
        "Poly": {"N1", "N2"},
        "NO3": {"O"},
        "EC": {"O"},
    }
