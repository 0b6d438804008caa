"""The shipped species fit their residue templates, and make the selections of an analysis."""

import pytest
import yaml

from solvshell.build.forcefield import read_forcefield
from solvshell.errors import InvalidInput
from solvshell.files import to_yaml, validate
from solvshell.species import Species, SpeciesFile, catalogue, find_species, select_species

LB003 = ["Li", "PF6", "EC", "DMC", "EMC"]


def test_lb003_is_in_the_catalogue() -> None:
    assert set(LB003) <= set(catalogue())
    assert [find_species(name).role for name in LB003] == ["cation", "anion", "solvent", "solvent", "solvent"]


def test_residues_of_species_differ() -> None:
    residues = [species.residue for species in catalogue().values()]
    assert len(set(residues)) == len(residues)


def test_roles_and_centers_of_the_family() -> None:
    names: dict[str, list[str]] = {}
    for name, species in catalogue().items():
        names.setdefault(species.role, []).append(name)
    assert names == {
        "cation": ["Li", "OTA", "PYR13", "Na", "K", "Rb", "Cs"],
        "anion": ["PF6", "NO3", "TFSI", "FSI", "BF4", "ClO4"],
        "solvent": ["EC", "DMC", "EMC", "DEC", "DOL", "DME", "PC", "FEC"],
    }
    centers = [name for name, species in catalogue().items() if species.center]
    assert centers == ["Li", "Na", "K", "Rb", "Cs"]
    for name, species in catalogue().items():
        expected = {} if species.center else {"Li": 3.0}
        assert species.typical_cutoff_angstrom == expected, name


@pytest.mark.parametrize("name", catalogue())
def test_sites_are_atoms_of_the_template(name: str) -> None:
    species = find_species(name)
    template = read_forcefield(["solvshell/electrolytes.xml"]).templates()[species.residue]
    sites = [*species.sites.values(), *species.reference_sites.values()]
    atoms = [atom for names in sites for atom in names]
    assert set(atoms) <= set(template.atom_names)
    assert len(set(atoms)) == len(atoms)
    if species.geometry_angstrom is not None:
        assert len(species.geometry_angstrom) == len(template.atom_names)


@pytest.mark.parametrize(
    ("name", "elements"),
    [
        ("NO3", {"nitrate_o": ["O"] * 3}),
        ("TFSI", {"sulfonyl_o": ["O"] * 4}),
        ("FSI", {"sulfonyl_o": ["O"] * 4}),
        ("PF6", {"f": ["F"] * 6}),
        ("BF4", {"f": ["F"] * 4}),
        ("ClO4", {"perchlorate_o": ["O"] * 4}),
        ("DOL", {"ether_o": ["O"] * 2}),
        ("DME", {"ether_o": ["O"] * 2}),
        ("OTA", {"n_plus": ["N"] * 4}),
        ("PYR13", {"n_plus": ["N"]}),
    ],
)
def test_sites_are_all_atoms_of_their_element(name: str, elements: dict[str, list[str]]) -> None:
    species = find_species(name)
    template = read_forcefield(["solvshell/electrolytes.xml"]).templates()[species.residue]
    element_of = dict(zip(template.atom_names, template.elements, strict=True))
    assert {site: [element_of[atom] for atom in atoms] for site, atoms in species.sites.items()} == elements
    for site, kinds in elements.items():
        assert template.elements.count(kinds[0]) == len(kinds), site


@pytest.mark.parametrize("name", ["EC", "PC", "FEC", "DMC", "EMC", "DEC"])
def test_the_carbonyl_oxygen_is_the_oxygen_with_one_neighbour(name: str) -> None:
    species = find_species(name)
    template = read_forcefield(["solvshell/electrolytes.xml"]).templates()[species.residue]
    neighbours = {atom: sum(index in bond for bond in template.bonds) for index, atom in enumerate(template.atom_names)}
    oxygens = [atom for atom, element in zip(template.atom_names, template.elements, strict=True) if element == "O"]
    assert species.sites == {"carbonyl_o": [atom for atom in oxygens if neighbours[atom] == 1]}
    assert species.reference_sites == {"ester_o": [atom for atom in oxygens if neighbours[atom] == 2]}


def test_an_unknown_species_is_refused_with_those_known() -> None:
    with pytest.raises(InvalidInput, match=r"unknown species 'li' \(known: Li, PF6, EC, DMC, EMC"):
        find_species("li")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("li", "Li"),
        ("LiPF6", "PF6"),
        ("NO3-", "NO3"),
        ("CLO4", "ClO4"),
        ("propylene carbonate", "PC"),
        ("nitrate ion", "NO3"),
    ],
)
def test_an_unknown_species_is_refused_with_the_one_that_was_meant(given: str, meant: str) -> None:
    with pytest.raises(InvalidInput, match=rf"^unknown species '{given}' \(known: .*\); did you mean '{meant}'\?$"):
        find_species(given)


def test_what_is_like_no_species_is_not_guessed_at() -> None:
    with pytest.raises(InvalidInput, match=r"^unknown species 'Xe' \(known: .*\)$"):
        find_species("Xe")


def test_selections_of_a_box() -> None:
    chosen = select_species({name: find_species(name) for name in LB003})
    assert chosen.centers == {"Li": "resname LI"}
    assert {name: (partner.molecules, partner.role) for name, partner in chosen.partners.items()} == {
        "PF6": ("resname PF6", "anion"),
        "EC": ("resname EC", "solvent"),
        "DMC": ("resname DMC", "solvent"),
        "EMC": ("resname EMC", "solvent"),
    }
    assert chosen.partners["PF6"].sites == {"f": "name F1 F2 F3 F4 F5 F6"}
    assert chosen.partners["PF6"].reference_sites == {"p": "name P1"}
    assert chosen.partners["EC"].sites == {"carbonyl_o": "name O2"}
    assert chosen.partners["EC"].reference_sites == {"ester_o": "name O1 O3"}
    assert chosen.molecules_are == "residues"
    assert chosen.timestep_ps is None


def test_a_partner_without_sites_has_all_its_atoms() -> None:
    given = {"centers": {"Li": "type 22"}, "partners": {"EC": {"molecules": "resname EC"}}}
    read = validate(SpeciesFile, given, "here")
    assert read.partners["EC"].sites == {"any": "all"}
    assert read.partners["EC"].role == "solvent"


@pytest.mark.parametrize("looked_at", [{"reference_sites": {"ion": "type 22"}}, {"center_of_mass": True}])
def test_a_partner_may_have_no_sites_if_it_has_something_else(looked_at: dict[str, object]) -> None:
    given = {"centers": {"Li": "type 22"}, "partners": {"Li": {"molecules": "type 22", "sites": {}} | looked_at}}
    read = validate(SpeciesFile, given, "here")
    assert read.partners["Li"].sites == {}
    assert validate(SpeciesFile, yaml.safe_load(to_yaml(read)), "again") == read


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"center": {}}, "center: unknown key"),
        ({"centers": {}}, "centers: Dictionary should have at least 1 item"),
        ({"partners": {}}, "partners: Dictionary should have at least 1 item"),
        ({"partners": {"EC": {}}}, r"partners.EC: give one of molecules \(a selection\), species"),
        (
            {"partners": {"EC": {"molecules": "all", "sites": {}}}},
            "partners.EC: sites: none; give some, or reference_sites, or center_of_mass: true",
        ),
        (
            {"partners": {"EC": {"molecules": "all", "sites": {}, "center_of_mass": True, "cutoff_angstrom": 3}}},
            "partners.EC: cutoff_angstrom: is of sites, and there are none",
        ),
        (
            {"partners": {"EC": {"molecules": "all", "role": "salt"}}},
            "partners.EC.role: Input should be 'cation', 'anion'",
        ),
        (
            {"partners": {"EC": {"molecules": "all", "cutoff_angstrom": -2}}},
            r"partners.EC.cutoff_angstrom: expected a length of 1 Å or more, .* got -2$",
        ),
        (
            {"partners": {"EC": {"molecules": "all", "cutoff_angstrom": {"any": 0}}}},
            r"partners.EC.cutoff_angstrom: expected .* got \{'any': 0\}$",
        ),
        (
            {"partners": {"EC": {"molecules": "all", "cutoff_angstrom": {"Na": 3}}}},
            r"partners.EC.cutoff_angstrom.Na: allowed are either sites \(any\) or centers \(Li\)$",
        ),
        (
            {"partners": {"EC": {"molecules": "all", "cutoff_angstrom": {"any": 2, "Li": 3}}}},
            "partners.EC.cutoff_angstrom.Li: allowed are either",
        ),
        (
            {"partners": {"EC": {"molecules": "all", "sites": {"Li": "all"}, "cutoff_angstrom": {"Li": 3}}}},
            "partners.EC.cutoff_angstrom.Li: is a site and a center; rename one",
        ),
        ({"partners": {"EC": {"molecules": "all", "smiles": "C"}}}, "partners.EC: give one of molecules"),
        ({"partners": {"EC": {"species": "ec"}}}, "partners.EC: unknown species 'ec' .* did you mean 'EC'"),
        ({"partners": {"EC": {"species": "EC", "sites": {"o": "O"}}}}, "partners.EC: sites: EC brings its own"),
        ({"centers": {"Li": {"species": "lithium"}}}, "centers.Li: unknown species 'lithium'"),
        ({"centers": {"Li": {"species": 1}}}, "centers.Li: Input should be a valid string"),
        (
            {"partners": {"EC": {"molecules": "all", "cutoff_angstrom": 0.35}}},
            "partners.EC.cutoff_angstrom: expected a length of 1 Å or more, .* got 0.35$",
        ),
        (
            {"partners": {"EC": {"molecules": "all", "typical_cutoff_angstrom": {"Li": 0.3}}}},
            "partners.EC.typical_cutoff_angstrom.Li: Input should be greater than or equal to 1, got 0.3",
        ),
        ({"cell_angstrom": [10, 10]}, "cell_angstrom: expected 3 lengths, or 3 lengths and 3 angles, got 2 numbers$"),
        ({"cell_angstrom": [2.4, 20, 20]}, r"cell_angstrom\.0: Input should be greater than or equal to 5, got 2.4"),
        ({"cell_angstrom": [10, 10, 10, 90, 90, 180]}, "cell_angstrom: no cell has the angles 90, 90, 180°"),
        ({"cell_angstrom": [10, 10, 10, 120, 120, 120]}, "cell_angstrom: no cell has the angles 120, 120, 120°"),
        ({"cell_angstrom": [10, 10, 0]}, r"cell_angstrom\.2: Input should be greater than or equal to 5, got 0"),
        ({"temperature_k": 0}, "temperature_k: Input should be greater than 0, got 0"),
        ({"capture_angstrom": -1}, "capture_angstrom: Input should be greater than or equal to 1, got -1"),
        ({"timestep_ps": 0}, "timestep_ps: Input should be greater than 0, got 0"),
        ({"molecules_are": "atoms"}, "molecules_are: Input should be 'residues' or 'fragments', got 'atoms'"),
    ],
)
def test_a_wrong_species_file_is_refused_with_its_field(changes: dict[str, object], message: str) -> None:
    given = {"centers": {"Li": "type 22"}, "partners": {"EC": {"molecules": "resname EC"}}}
    with pytest.raises(InvalidInput, match=f"^here: {message}"):
        validate(SpeciesFile, given | changes, "here")


def species_file(**partner: object) -> SpeciesFile:
    content = {"centers": {"Li": "type 22", "Na": "type 23"}, "partners": {"PF6": {"molecules": "all"} | partner}}
    return validate(SpeciesFile, content, "here")


def test_cutoffs_are_for_all_or_by_site_or_by_center() -> None:
    sites = {"sites": {"f": "name F*", "p": "name P"}, "reference_sites": {"x": "name X"}}
    asked = [("Li", "f"), ("Na", "f"), ("Li", "p"), ("Na", "x")]

    def cutoffs(given: object) -> list[float | None]:
        partner = species_file(**sites, cutoff_angstrom=given).partners["PF6"]
        return [partner.given_cutoff(center, site) for center, site in asked]

    assert cutoffs(None) == [None] * 4
    assert cutoffs(2.8) == [2.8, 2.8, 2.8, None]
    assert cutoffs({"f": 2.8}) == [2.8, 2.8, None, None]
    assert cutoffs({"f": 2.8, "p": 4}) == [2.8, 2.8, 4, None]
    assert cutoffs({"Li": 2.8, "Na": 3.1}) == [2.8, 3.1, 2.8, None]


def test_a_shipped_species_brings_its_sites_and_role_and_is_written_and_read_back() -> None:
    content = {
        "centers": {"Li": {"species": "Li"}, "Mg": {"smiles": "[Mg+2]"}},
        "partners": {"A": {"species": "PF6"}, "B": {"smiles": "O=C1OCCO1", "sites": {"o": "[OX1]"}}},
    }
    read = validate(SpeciesFile, content, "here")
    assert read.centers == {"Li": "species Li", "Mg": "smiles [Mg+2]"}
    anion, solvent = read.partners.values()
    assert (anion.molecules, anion.role) == ("species PF6", "anion")
    assert (anion.sites, anion.reference_sites) == ({"f": "name F1 F2 F3 F4 F5 F6"}, {"p": "name P1"})
    assert (solvent.molecules, solvent.sites, solvent.role) == ("smiles O=C1OCCO1", {"o": "[OX1]"}, "solvent")
    assert validate(SpeciesFile, yaml.safe_load(to_yaml(read)), "again") == read


def test_a_cell_has_right_angles_where_it_has_none() -> None:
    given = {"centers": {"Li": "all"}, "partners": {"EC": {"molecules": "all"}}}
    read = [validate(SpeciesFile, given | {"cell_angstrom": cell}, "") for cell in ([9, 8, 7], [9, 8, 7, 60, 60, 90])]
    assert [file.cell_angstrom for file in read] == [(9, 8, 7, 90, 90, 90), (9, 8, 7, 60, 60, 90)]


def test_a_species_has_a_site() -> None:
    given = {"title": "x", "residue": "X", "smiles": "C", "role": "solvent", "sites": {}}
    with pytest.raises(InvalidInput, match="sites: Dictionary should have at least 1 item"):
        validate(Species, given, "here")
