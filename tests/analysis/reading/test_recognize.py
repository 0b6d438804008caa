"""Species found by their graph: whatever names say, mapped right, and refused where there is a doubt."""

from pathlib import Path

import numpy as np
import pytest
import small_boxes
from MDAnalysis import Universe
from MDAnalysis.coordinates.memory import MemoryReader
from MDAnalysis.guesser.default_guesser import DefaultGuesser
from synthetic import make_universe

from solvshell.analysis.reading.find_species import find_species_in
from solvshell.analysis.reading.fragments import bonds_of, complete_bonds, hill_formula, molecule_kinds
from solvshell.analysis.reading.recognize import (
    _catalogue_template,
    _isomorphism,
    known_species,
    recognize,
    species_yaml,
)
from solvshell.analysis.reading.residues import check_residues
from solvshell.analysis.reading.trusted_elements import trusted_elements
from solvshell.analysis.sites import select_sites
from solvshell.build.forcefield import read_forcefield
from solvshell.errors import InvalidInput
from solvshell.files import read_yaml, validate
from solvshell.species import SpeciesFile, catalogue, find_species, select_species


def molecules(names: list[str], rng: np.random.Generator | None = None) -> Universe:
    """Return molecules of the catalogue, bonded as their templates, apart from each other; atoms shuffled if asked.

    Atoms are called X, residues UNL, so that only elements and bonds can tell; `masses` are the molecules' numbers.
    """
    templates = read_forcefield(["solvshell/electrolytes.xml"]).templates()
    chosen = [templates[find_species(name).residue] for name in names]
    molecule = np.repeat(np.arange(len(chosen)), [len(template.elements) for template in chosen])
    elements = [element for template in chosen for element in template.elements]
    own_names = [name for template in chosen for name in template.atom_names]
    starts = np.cumsum([0, *(len(template.elements) for template in chosen)])
    bonds = [(a + start, b + start) for template, start in zip(chosen, starts, strict=False) for a, b in template.bonds]
    order = np.arange(len(elements)) if rng is None else rng.permutation(len(elements))
    place = np.argsort(order)
    universe = Universe.empty(len(elements), trajectory=True)
    universe.add_TopologyAttr("elements", np.array(elements)[order])
    universe.add_TopologyAttr("names", ["X"] * len(elements))
    universe.add_TopologyAttr("resnames", ["UNL"])
    universe.add_TopologyAttr("types", np.array(own_names)[order])  # what a test knows and `recognize` does not look at
    universe.add_TopologyAttr("charges", molecule[order])
    universe.add_TopologyAttr("bonds", [tuple(pair) for pair in place[np.array(bonds, dtype=int).reshape(-1, 2)]])
    return universe


def by_graph(centers: list[str], partners: list[str]) -> SpeciesFile:
    content = {
        "centers": {name: {"species": name} for name in centers},
        "partners": {name: {"species": name} for name in partners},
    }
    return validate(SpeciesFile, content, "here")


def picked(universe: Universe, selection: str) -> set[tuple[int, str]]:
    """Return molecule and template name of the atoms of a selection."""
    atoms = universe.select_atoms(selection)
    return set(zip(atoms.charges.astype(int).tolist(), atoms.types.tolist(), strict=True))


def test_names_of_catalogue_atoms_are_those_of_the_force_field() -> None:
    templates = read_forcefield(["solvshell/electrolytes.xml"]).templates()
    for name, species in catalogue().items():
        if len(templates[species.residue].atom_names) > 1:
            assert _catalogue_template(name).names == templates[species.residue].atom_names, name


def test_no_two_species_have_one_graph() -> None:
    names = list(catalogue())
    universe = molecules(names)
    (kinds) = molecule_kinds(universe)
    assert len(kinds) == len(names)
    for name, kind in zip(names, kinds, strict=True):
        assert [other for other in names if _isomorphism(_catalogue_template(other), kind) is not None] == [name]


@pytest.mark.parametrize("seed", [1, 2])
def test_every_species_is_found_in_shuffled_atoms_with_its_sites(seed: int) -> None:
    """Two molecules of each species, all atoms in one random order: each site has its atoms and no other."""
    names = [*catalogue(), *catalogue()]
    universe = molecules(names, np.random.default_rng(seed))
    found, unknown = known_species(universe)
    assert unknown == []
    assert list(found.centers) == ["Li", "Na", "K", "Rb", "Cs"]
    assert {*found.centers, *found.partners} == set(catalogue())
    assert list(found.reference_centers) == ["OTA", "PYR13"]
    selections = recognize(universe, found)
    assert selections.molecules_are == "fragments"
    for name, partner in selections.partners.items():
        places = [i for i, other in enumerate(names) if other == name]
        species = find_species(name)
        assert {molecule for molecule, _ in picked(universe, partner.molecules)} == set(places)
        for sites, expected in ((partner.sites, species.sites), (partner.reference_sites, species.reference_sites)):
            assert sites.keys() == expected.keys()
            for site, atoms in expected.items():
                assert picked(universe, sites[site]) == {(i, atom) for i in places for atom in atoms}, (name, site)
    assert picked(universe, selections.reference_centers["OTA"]) == picked(
        universe, selections.partners["OTA"].sites["n_plus"]
    )
    assert picked(universe, selections.centers["Na"]) == {(i, "NA") for i, name in enumerate(names) if name == "Na"}


def test_selections_are_those_of_residue_names() -> None:
    topology = small_boxes.liquid().topology
    universe = Universe(topology, 10 * small_boxes.liquid().positions[None])
    names = ["Li", "PF6", "EC", "DOL", "DMC"]
    by_names = select_sites(universe, select_species({name: find_species(name) for name in names}))
    found = select_sites(universe, recognize(universe, by_graph(names[:1], names[1:])))
    assert found.n_molecules == by_names.n_molecules == dict.fromkeys(names[1:], 2)
    for ours, theirs in zip(found.sites, by_names.sites, strict=True):
        assert (ours.partner, ours.name, ours.role) == (theirs.partner, theirs.name, theirs.role)
        assert ours.atoms.indices.tolist() == theirs.atoms.indices.tolist()
        assert ours.typical_cutoff_angstrom == theirs.typical_cutoff_angstrom
    assert found.centers[0].atoms.indices.tolist() == [0, 1]


def test_typical_cutoffs_go_with_the_species_of_a_center_whatever_its_name() -> None:
    universe = molecules(["Li", "Na", "EC"])
    file = by_graph(["Na"], ["EC"]).model_copy(update={"centers": {"ion": "species Li", "Na": "species Na"}})
    assert recognize(universe, file).partners["EC"].typical_cutoff_angstrom == {"ion": 3.0}


def smiles_file(**partner: object) -> SpeciesFile:
    return validate(SpeciesFile, {"centers": {"Li": {"species": "Li"}}, "partners": {"X": partner}}, "here")


def test_a_smiles_has_sites_by_smarts() -> None:
    universe = molecules(["EC", "Li", "DMC", "EC"], np.random.default_rng(3))
    sites = {"carbonyl_o": "[OX1]=C", "ester_c": "[CH2][O:1]"}
    found = recognize(universe, smiles_file(smiles="O=C1OCCO1", sites=sites, reference_sites={"c": "[CX3]"}))
    partner = found.partners["X"]
    assert {molecule for molecule, _ in picked(universe, partner.molecules)} == {0, 3}
    assert picked(universe, partner.sites["carbonyl_o"]) == {(0, "O2"), (3, "O2")}
    assert picked(universe, partner.sites["ester_c"]) == {(i, atom) for i in (0, 3) for atom in ("O1", "O3")}
    assert picked(universe, partner.reference_sites["c"]) == {(0, "C3"), (3, "C3")}
    whole = recognize(universe, smiles_file(smiles="O=C1OCCO1")).partners["X"]
    assert whole.sites["any"] == whole.molecules


def test_numbered_atoms_of_a_smiles_are_centers() -> None:
    universe = molecules(["PYR13", "EC", "Li"])
    content = {
        "centers": {"N": {"smiles": "C[N+:1]1(CCC)CCCC1"}, "Li": {"smiles": "[Li+]"}},
        "partners": {"EC": {"species": "EC"}},
    }
    found = recognize(universe, validate(SpeciesFile, content, "here"))
    assert picked(universe, found.centers["N"]) == {(0, "N1")}
    assert picked(universe, found.centers["Li"]) == {(2, "LI")}


@pytest.mark.parametrize(
    ("partner", "message"),
    [
        ({"species": "PC"}, r"^partners\.X\.species: no molecule is C4H6O3 bonded so; there are Li x 1, C3H4O3 x 2$"),
        ({"smiles": "C1OC(=O)CO1"}, r"^partners\.X\.smiles: no molecule is C3H4O3 bonded so; there are Li x 1, C3H4O3"),
        ({"smiles": "C1OC(=O"}, r"^partners\.X\.smiles: RDKit cannot read the SMILES 'C1OC\(=O'$"),
        ({"smiles": "[Li+].[F-]"}, r"^partners\.X\.smiles: expected the SMILES of one molecule"),
        ({"smiles": "O=C1OCCO1", "sites": {"o": "name O"}}, r"^partners\.X\.sites\.o: RDKit cannot read the SMARTS"),
        ({"smiles": "O=C1OCCO1", "sites": {"n": "N"}}, r"^partners\.X\.sites\.n: the SMARTS 'N' matches no atom"),
    ],
)
def test_what_is_not_there_or_cannot_be_read_is_refused(partner: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        recognize(molecules(["Li", "EC", "EC"]), smiles_file(**partner))


def test_a_site_that_orders_of_bonds_alone_tell_is_refused() -> None:
    universe = molecules(["Li", "NO3"])
    with pytest.raises(InvalidInput, match=r"sites\.o: takes O1 but not O2, O3, which are the same without orders"):
        recognize(universe, smiles_file(smiles="O=[N+]([O-])[O-]", sites={"o": "O=N"}))
    found = recognize(universe, smiles_file(smiles="O=[N+]([O-])[O-]", sites={"o": "O~N"}))
    assert len(picked(universe, found.partners["X"].sites["o"])) == 3


def test_a_center_that_is_no_cation_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"^centers\.EC\.species: EC has the role solvent, expected cation$"):
        recognize(molecules(["Li", "EC", "DMC"]), by_graph(["EC"], ["DMC"]))
    content = {"centers": {"N": {"smiles": "C[N+]1(CCC)CCCC1"}}, "partners": {"EC": {"species": "EC"}}}
    with pytest.raises(InvalidInput, match=r"^centers\.N\.smiles: number the atoms that are the centers"):
        recognize(molecules(["PYR13", "EC"]), validate(SpeciesFile, content, "here"))


def test_selections_alone_come_back_as_they_are() -> None:
    content = {"centers": {"Li": "type LI"}, "partners": {"EC": {"molecules": "type C*"}}}
    file = validate(SpeciesFile, content, "here")
    assert recognize(molecules(["Li", "EC"]), file) is file


def water(n: int) -> Universe:
    """Return lithium, ethylene carbonate and water, which the catalogue does not know."""
    known = molecules(["Li", "EC"])
    universe = Universe.empty(len(known.atoms) + 3 * n, trajectory=True)
    universe.add_TopologyAttr("elements", [*known.atoms.elements, *["O", "H", "H"] * n])
    first = len(known.atoms) + 3 * np.arange(n)
    bonds = [*map(tuple, known.bonds.indices), *((o, o + i) for o in first for i in (1, 2))]
    universe.add_TopologyAttr("bonds", bonds)
    return universe


def test_unknown_molecules_are_refused_or_left_out_with_a_note() -> None:
    with pytest.raises(InvalidInput, match=r"^topology: H2O x 4 of no shipped species; name them .* --allow-unknown"):
        find_species_in(water(4))
    found, notes = find_species_in(water(4), allow_unknown=True)
    assert list(found.partners) == ["EC"]
    assert notes == {"species": "found by molecular graph: Li, EC", "left_out": "H2O x 4"}


def test_nothing_to_center_on_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"no simple cation \(Li, Na, K, Rb, Cs\) among C3H4O3 x 1, C3H6O3 x 1"):
        known_species(molecules(["EC", "DMC"]))
    with pytest.raises(InvalidInput, match="nothing known around the cations among Li x 1"):
        known_species(molecules(["Li"]))


def test_the_species_found_are_written_as_a_file(tmp_path: Path) -> None:
    found, _ = known_species(molecules(["PYR13", "PF6", "Li", "EC"]))
    (tmp_path / "species.yaml").write_text(species_yaml(found))
    assert read_yaml(tmp_path / "species.yaml", SpeciesFile) == found
    assert "reference_centers:\n  PYR13:\n    species: PYR13\n" in species_yaml(found)


def liquid_without_bonds(**attributes: object) -> Universe:
    """Return the liquid of the small box with positions and cell, and only what is given of its atoms."""
    box = small_boxes.liquid()
    residues = [atom.residue.index for atom in box.topology.atoms()]
    universe = Universe.empty(box.n_atoms, residues[-1] + 1, atom_resindex=residues, trajectory=True)
    for name, values in attributes.items():
        universe.add_TopologyAttr(name, values)
    cell = np.array([[*(10 * np.diag(box.box_vectors)), 90, 90, 90]], dtype=np.float32)
    positions = 10 * (box.positions - box.positions[2])[None].astype(np.float32)  # a P at the corner
    universe.load_new(positions % cell[0, :3], format=MemoryReader, dimensions=cell)
    return universe


def atoms_of_the_liquid() -> dict[str, list]:
    atoms = list(small_boxes.liquid().topology.atoms())
    return {
        "names": [atom.name for atom in atoms],
        "elements": [atom.element.symbol for atom in atoms],
        "masses": [round(atom.element.mass._value, 2) for atom in atoms],
        "resnames": [residue.name for residue in small_boxes.liquid().topology.residues()],
    }


@pytest.mark.parametrize("known", [("elements",), ("masses",), ("names", "resnames")])
def test_bonds_are_guessed_across_the_boundary_from_whatever_tells_elements(known: tuple[str, ...]) -> None:
    universe = liquid_without_bonds(**{key: atoms_of_the_liquid()[key] for key in known})
    notes = complete_bonds(universe)
    expected = {frozenset((a.index, b.index)) for a, b in small_boxes.liquid().topology.bonds()}
    assert {frozenset(pair) for pair in universe.bonds.indices.tolist()} == expected
    origin = {"elements": "from the topology"}.get(known[0], f"from the {known[0]} of the topology")
    assert notes == {"bonds": "guessed from elements and distances in the first frame", "elements": origin}
    across = np.ptp(universe.atoms.positions[universe.bonds.indices], axis=1).max()
    assert across > 8  # some bond crosses the boundary
    assert complete_bonds(universe) == notes
    assert {frozenset(pair) for pair in universe.bonds.indices.tolist()} == expected
    assert complete_bonds(molecules(["EC"])) == {}


def test_guessed_bonds_are_those_of_mdanalysis_but_for_the_metals() -> None:
    universe = liquid_without_bonds(elements=atoms_of_the_liquid()["elements"], types=atoms_of_the_liquid()["elements"])
    complete_bonds(universe)
    theirs = DefaultGuesser(universe, box=universe.dimensions).guess_bonds(universe.atoms, universe.atoms.positions)
    metal = {0, 1}
    assert {frozenset(map(int, pair)) for pair in theirs if not metal & set(pair)} == {
        frozenset(pair) for pair in universe.bonds.indices.tolist()
    }


def test_lithium_is_bonded_to_nothing() -> None:
    positions = [[[0, 0, 0], [1.7, 0, 0], [2.9, 0, 0]]]
    universe = make_universe([("LI", ["LI"]), ("CO", ["O", "C"])], positions)
    complete_bonds(universe)
    assert universe.bonds.indices.tolist() == [[1, 2]]


def test_bonds_that_are_not_whole_are_refused() -> None:
    whole = molecules(["Li", "EC", "EC"])
    universe = Universe.empty(len(whole.atoms), trajectory=True)
    universe.add_TopologyAttr("elements", whole.atoms.elements)
    universe.add_TopologyAttr("bonds", [tuple(pair) for pair in whole.bonds.indices[:10]])
    with pytest.raises(InvalidInput, match="10 atoms of molecules have no bonds, such as C of index 11; give a top"):
        recognize(universe, by_graph(["Li"], ["EC"]))


def named(*names: str, residue: str = "MOL", alone: bool = False) -> Universe:
    universe = Universe.empty(
        len(names), len(names) if alone else 1, atom_resindex=np.arange(len(names)) if alone else [0] * len(names)
    )
    universe.add_TopologyAttr("names", names)
    universe.add_TopologyAttr("resnames", [residue] * len(universe.residues))
    return universe


def test_elements_by_name() -> None:
    assert trusted_elements(named("C1", "1HB", "OE1", "CA", "NA", "Cl1", "Li", "P", "HO2"))[0].tolist() == [
        *("C", "H", "O", "C", "N", "Cl", "Li", "P", "H")
    ]
    assert trusted_elements(named("LI", "NA", "CL", "K", "MG2", "Zn", alone=True))[0].tolist() == [
        *("Li", "Na", "Cl", "K", "Mg", "Zn")
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("CL1", r"the atom CL1 of residue MOL may be C or Cl; give a topology with elements"),
        ("SI", "the atom SI of residue MOL may be S or Si"),
        ("M1", "the atom 'M1' of residue MOL is named after no element"),
        ("12", "the atom '12' of residue MOL is named after no element"),
    ],
)
def test_a_name_in_doubt_is_refused(name: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        trusted_elements(named("C1", name))


def massive(*masses: float) -> Universe:
    universe = Universe.empty(len(masses))
    universe.add_TopologyAttr("masses", masses)
    universe.add_TopologyAttr("types", [str(i + 1) for i in range(len(masses))])
    return universe


def test_elements_by_mass() -> None:
    elements, origin = trusted_elements(massive(6.94, 1.0, 12.0, 15.9994, 35.45, 7.016, 22.99, 39.1, 40.08, 18.998))
    assert (elements.tolist(), origin) == (["Li", "H", "C", "O", "Cl", "Li", "Na", "K", "Ca", "F"], "masses")


@pytest.mark.parametrize(
    ("mass", "message"),
    [
        (3.024, r"the mass 3.024 of atom type 2 is of no element \(hydrogens made heavy\?\); give a topology with"),
        (58.8, "the mass 58.8 of atom type 2 may be Co or Ni"),
    ],
)
def test_a_mass_in_doubt_is_refused(mass: float, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        trusted_elements(massive(12.011, mass))


def test_masses_that_mdanalysis_guessed_are_no_evidence() -> None:
    """It takes any C for carbon, where we see a chlorine in doubt."""
    universe = named("C1", "CL1")
    universe.guess_TopologyAttrs(to_guess=["types", "masses"])
    universe.atoms.masses = [12.011, 35.45]
    with pytest.raises(InvalidInput, match="CL1"):
        trusted_elements(universe)
    universe.add_TopologyAttr("elements", ["C", "Cl"])
    assert trusted_elements(universe)[0].tolist() == ["C", "Cl"]


def test_nothing_that_tells_elements_is_refused() -> None:
    with pytest.raises(InvalidInput, match="topology: has no elements, masses or names of atoms"):
        trusted_elements(Universe.empty(2))


@pytest.mark.parametrize(
    ("elements", "formula"),
    [("OCCHHHO", "C2H3O2"), ("HOH", "H2O"), (["Li"], "Li"), (["F"] * 6 + ["P"], "F6P"), (["C", "F", "F"], "CF2")],
)
def test_formulas(elements: list[str], formula: str) -> None:
    assert hill_formula(tuple(elements)) == formula


def pairs(residues: list[int], bonds: list[tuple[int, int]] | None = None) -> Universe:
    """Return a lithium and diatomic molecules whose residues are numbered as given, 4 Å apart."""
    positions = np.array([[4.0 * i + 1.3 * j, 0, 0] for i in range(len(residues)) for j in (0, 1)])
    resindex = [0, *(residue for residue in residues for _ in (0, 1))]
    universe = Universe.empty(2 * len(residues) + 1, max(resindex) + 1, atom_resindex=resindex, trajectory=True)
    universe.add_TopologyAttr("names", ["LI", *["C", "O"] * len(residues)])
    universe.add_TopologyAttr("resids", np.arange(max(resindex) + 1) + 1)
    if bonds is not None:
        universe.add_TopologyAttr("bonds", bonds)
    universe.atoms.positions = np.concatenate([[[15, 15, 15]], positions])
    universe.dimensions = [30, 30, 30, 90, 90, 90]
    return universe


@pytest.mark.parametrize("bonds", [None, [(1, 2), (3, 4), (5, 6)]])
def test_residues_that_hold_several_molecules_are_refused(bonds: list[tuple[int, int]] | None) -> None:
    content = {"centers": {"Li": "name LI"}, "partners": {"CO": {"molecules": "not name LI", "sites": {"o": "name O"}}}}
    species = validate(SpeciesFile, content, "here")
    check_residues(select_sites(pairs([1, 2, 3], bonds), species))
    merged = pairs([1, 2, 2], bonds)
    with pytest.raises(InvalidInput, match=r"partners.CO: residue 3 holds 2 molecules; give molecules_are: fragments"):
        find_species_in(merged, species)
    found, _ = find_species_in(merged, species.model_copy(update={"molecules_are": "fragments"}))
    assert select_sites(merged, found).n_molecules == {"CO": 3}


def test_atoms_of_residues_may_stand_in_any_order() -> None:
    """Two molecules whose atoms take turns, and one residue number for each."""
    content = {
        "centers": {"Li": "name LI"},
        "partners": {"CO": {"molecules": "not name LI", "sites": {"o": "name O*"}}},
    }
    universe = Universe.empty(5, 3, atom_resindex=[0, 1, 2, 1, 2], trajectory=True)
    universe.add_TopologyAttr("names", ["LI", "C", "C", "O", "O"])
    universe.atoms.positions = [[15, 15, 15], [0, 0, 0], [5, 0, 0], [1.3, 0, 0], [6.3, 0, 0]]
    universe.dimensions = [30, 30, 30, 90, 90, 90]
    check_residues(select_sites(universe, validate(SpeciesFile, content, "here")))
    assert bonds_of(universe.atoms).tolist() == [[1, 3], [2, 4]]


def test_bonds_of_some_atoms_are_those_of_the_topology_or_near_enough_in_one_residue() -> None:
    universe = pairs([1, 2, 3], [(1, 2), (3, 4), (2, 3)])
    assert bonds_of(universe.atoms[:3]).tolist() == [[1, 2], [2, 3]]
    universe = pairs([1, 2, 3])
    assert bonds_of(universe.atoms[:3]).tolist() == [[1, 2]]
    assert bonds_of(universe.atoms[[1, 4]]).tolist() == [[1, 2], [3, 4]]
    universe.atoms[1].position = [2.4, 0, 0]  # 1.1 from its oxygen, and 1.6 from the carbon of the next residue
    assert bonds_of(universe.atoms).tolist() == [[1, 2], [3, 4], [5, 6]]


@pytest.mark.parametrize(("names", "bonded"), [(["C", "O"], False), (["C1", "S"], True), (["?", "?"], True)])
def test_bonds_are_as_long_as_elements_allow_or_2_angstrom_where_none_is_known(names: list[str], bonded: bool) -> None:
    universe = pairs([1])
    universe.atoms[1:].names = names
    universe.atoms[1:].positions = [[0, 0, 0], [1.9, 0, 0]]
    assert bonds_of(universe.atoms).tolist() == ([[1, 2]] if bonded else [])
