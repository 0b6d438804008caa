import numpy as np
import pytest
from pydantic import ValidationError
from synthetic import make_universe, species_file

from solvshell.analysis.reading.find_species import find_species_in
from solvshell.analysis.sites import select_sites
from solvshell.errors import InvalidInput
from solvshell.species import Species, find_species, select_species

MOLECULES = [("LI", ["LI"]), ("LI", ["LI"]), ("PF6", ["P", "F1", "F2"]), ("EC", ["C", "O"]), ("EC", ["C", "O"])]
EC = {"molecules": "resname EC", "sites": {"carbonyl_o": "name O"}}


@pytest.fixture
def universe():
    return make_universe(MOLECULES, np.random.default_rng(0).random((1, 9, 3)) * 20)


def test_sites_know_their_molecules(universe):
    sites = select_sites(universe, species_file())
    assert [(site.partner, site.name, site.role) for site in sites.sites] == [
        ("PF6", "f", "anion"),
        ("EC", "carbonyl_o", "solvent"),
    ]
    assert [site.molecule_idx.tolist() for site in sites.sites] == [[2, 2], [3, 4]]
    assert sites.n_molecules == {"PF6": 1, "EC": 2}
    assert sites.n_pairs(sites.centers[0], sites.sites[0], np.arange(1)) == [4]


def test_a_partner_without_sites_has_one_of_all_its_atoms(universe):
    (site,) = select_sites(universe, species_file(partners={"EC": {"molecules": "resname EC"}})).sites
    assert (site.name, len(site.atoms)) == ("any", 4)


def test_fragments_are_molecules_where_there_are_bonds(universe):
    with pytest.raises(InvalidInput, match="fragments need bonds"):
        select_sites(universe, species_file(molecules_are="fragments"))
    universe.add_TopologyAttr("bonds", [(2, 3), (2, 4), (5, 6), (7, 8), (6, 7)])
    sites = select_sites(universe, species_file(molecules_are="fragments"))
    assert sites.n_molecules == {"PF6": 1, "EC": 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"centers": {"Li": "name XX"}}, r"centers.Li: 'name XX' matches no atom"),
        ({"centers": {"Li": "nome LI"}}, r"centers.Li: 'nome LI' is not a selection"),
        ({"centers": {"Li": "name LI", "M": "resid 2"}}, r"centers.M: shares 1 atoms with centers.Li"),
        ({"reference_centers": {"N": "name N"}}, r"reference_centers.N: 'name N' matches no atom"),
        ({"reference_centers": {"N": "resid 2"}}, r"reference_centers.N: shares 1 atoms with centers.Li"),
        ({"partners": {"EC": {**EC, "molecules": "resname DMC"}}}, r"partners.EC.molecules: .* matches no atom"),
        ({"partners": {"EC": {**EC, "sites": {"o": "name O9"}}}}, r"partners.EC.sites.o: 'name O9' matches no atom"),
        ({"partners": {"EC": {**EC, "sites": {"o": "name ("}}}}, r"partners.EC.sites.o: 'name \(' is not a selection"),
        ({"partners": {"EC": EC, "E2": EC}}, r"partners.E2.molecules: shares 4 atoms with partners.EC.molecules"),
        (
            {"partners": {"EC": {**EC, "reference_sites": {"all": "all"}}}},
            r"partners.EC.reference_sites.all: shares 2 atoms with partners.EC.sites.carbonyl_o",
        ),
        (
            {"centers": {"C": "resid 4 and name C"}, "partners": {"EC": {"molecules": "resid 4"}}},
            r"inside one molecule",
        ),
    ],
)
def test_wrong_selections_are_refused_by_field(universe, changes, message):
    with pytest.raises(InvalidInput, match=message):
        select_sites(universe, species_file(**changes))


def test_a_reference_center_is_numbered_last_and_left_out_with_its_own_species(universe):
    sites = select_sites(universe, species_file(reference_centers={"EC": "resname EC and name C"}))
    assert [center.name for center in sites.centers] == ["Li"]
    assert [(center.name, center.first) for center in sites.reference_centers] == [("EC", 2)]
    assert sites.n_centers == 2
    assert sites.pairs == ((0, 0), (0, 1), (1, 0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reference_centers": {"Li": "name P"}}, "reference_centers.Li: 'Li' is one of the centers already"),
        (
            {"partners": {"EC": {**EC, "typical_cutoff_angstrom": {"LI": 3.0}}}},
            r"partners.EC.typical_cutoff_angstrom.LI: not one of the centers \(Li\)",
        ),
    ],
)
def test_names_of_centers_must_agree(changes, message):
    with pytest.raises(ValidationError, match=message):
        species_file(**changes)


def test_a_polycation_is_a_partner_and_a_reference_center():
    sites = {"n_plus": ["N1"], "ether_o": ["O1", "O2"]}
    polymer = Species(title="x", residue="POL", smiles="C", role="polymer", sites=sites)
    species = select_species({"Li": find_species("Li"), "EC": find_species("EC"), "POTA": polymer})
    assert species.centers == {"Li": "resname LI"}
    assert species.reference_centers == {"POTA": "resname POL and name N1"}
    assert list(species.partners) == ["EC", "POTA"]
    assert species.partners["POTA"].sites == {"n_plus": "name N1", "ether_o": "name O1 O2"}
    assert species.partners["EC"].typical_cutoff_angstrom == {"Li": 3.0}  # of centers of this box only


def test_a_partner_of_several_kinds_is_refused_unless_it_is_a_polymer():
    molecules = [("LI", ["LI"]), ("EC", ["C", "O"]), ("EC", ["C", "C", "O"])]
    universe = make_universe(molecules, [[1, 1, 1], [5, 5, 5], [6.2, 5, 5], [9, 5, 5], [10.4, 5, 5], [11.6, 5, 5]])
    partner = {"molecules": "resname EC", "sites": {"o": "name O"}}
    with pytest.raises(InvalidInput, match=r"partners.EC.molecules: .* more than one kind: 1 of 2 atoms, 1 of 3 atoms"):
        find_species_in(universe, species_file(partners={"EC": partner}))
    find_species_in(universe, species_file(partners={"EC": {**partner, "role": "polymer"}}))
