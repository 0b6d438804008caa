from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from MDAnalysis import Universe, Writer
from pandas.testing import assert_frame_equal
from synthetic import only_ec, random_universe, shell_universe, species_file

from solvshell.analysis import analyze_run, analyze_trajectory
from solvshell.errors import InvalidInput
from solvshell.species import Species, SpeciesFile, find_species


def test_a_box_without_a_simple_cation_is_refused():
    polymer = Species(title="x", residue="POL", smiles="C", role="polymer", sites={"n_plus": ["N1"]})
    entries = {"EC": find_species("EC"), "POTA": polymer}
    run = SimpleNamespace(path="run", box=SimpleNamespace(recipe=SimpleNamespace(entries=entries)))
    with pytest.raises(InvalidInput, match=r"run: no simple cation \(such as Li\) to center on among EC, POTA"):
        analyze_run(run)


def lithium_and_oxygen(n_in_shell=4, n_bulk=200):
    """Some O beside each of eight Li+, and in the bulk; residues are the molecules."""
    universe = shell_universe(np.random.default_rng(0), 12, n_in_shell, n_bulk=n_bulk)
    universe.add_TopologyAttr("elements", [{"LI": "Li"}.get(name, name) for name in universe.atoms.names])
    return universe


def test_a_universe_is_analyzed_and_its_tables_are_written(tmp_path):
    found = analyze_trajectory(lithium_and_oxygen(), species=only_ec(), directory=tmp_path / "tables", n_bootstrap=20)
    assert found.coordination.cn_atoms_mean.tolist() == [4.0]
    assert found.summary["source"] == {"topology": "Universe", "trajectory": "the same", "run": "foreign"}
    assert (tmp_path / "tables" / "coordination.csv").is_file()


def test_a_species_file_may_be_its_path_or_its_content_and_folders_texts(tmp_path):
    content = only_ec().model_dump(mode="json")
    (tmp_path / "species.yaml").write_text(yaml.safe_dump(content))
    expected = analyze_trajectory(lithium_and_oxygen(), species=only_ec(), n_bootstrap=20).coordination
    for species in (content, tmp_path / "species.yaml", str(tmp_path / "species.yaml")):
        found = analyze_trajectory(lithium_and_oxygen(), None, species, str(tmp_path / "tables"), n_bootstrap=20)
        assert_frame_equal(found.coordination, expected)
        assert (tmp_path / "tables" / "coordination.csv").is_file()
    with pytest.raises(InvalidInput, match=r"^species: centers: missing"):
        analyze_trajectory(lithium_and_oxygen(), species={"partners": {"EC": {"molecules": "all"}}})
    with pytest.raises(InvalidInput, match=r"^species: expected keys with values, as in 'key: value', got 3$"):
        analyze_trajectory(lithium_and_oxygen(), species=3)


def test_the_time_step_and_the_cell_of_the_call_rule_over_those_of_the_species_file():
    file = only_ec().model_copy(update={"timestep_ps": 3.0, "cell_angstrom": (50.0, 50.0, 50.0, 90.0, 90.0, 90.0)})
    by_file = analyze_trajectory(lithium_and_oxygen(), species=file, n_bootstrap=20).summary
    assert by_file["frames"]["timestep_ps"] == 3.0
    assert by_file["thermodynamics"]["volume_nm3"]["mean"] == pytest.approx(125)
    by_call = analyze_trajectory(
        lithium_and_oxygen(), species=file, timestep_ps=5.0, cell_angstrom=(45, 45, 45), n_bootstrap=20
    ).summary
    assert by_call["frames"]["timestep_ps"] == 5.0
    assert by_call["source"]["time_step"] == "5 ps as given, whatever the trajectory says"
    assert by_call["source"]["cell"] == "45, 45, 45 as given, whatever the trajectory says"
    assert by_call["thermodynamics"]["volume_nm3"]["mean"] == pytest.approx(91.125)


def test_what_is_put_in_place_reaches_the_workers_too(tmp_path):
    universe = lithium_and_oxygen()
    universe.atoms.write(tmp_path / "conf.gro")
    with Writer(str(tmp_path / "traj.xtc"), len(universe.atoms)) as writer:
        for ts in universe.trajectory:
            ts.time, ts.dimensions = 0.0, None
            writer.write(universe.atoms)
    files = tmp_path / "conf.gro", tmp_path / "traj.xtc"
    given = {"species": only_ec(), "timestep_ps": 2.0, "cell_angstrom": (40, 40, 40), "n_bootstrap": 20}
    serial = analyze_trajectory(*files, **given)
    parallel = analyze_trajectory(*files, **given, backend="multiprocessing", n_workers=2)
    assert_frame_equal(serial.rdf, parallel.rdf)
    assert_frame_equal(serial.residence, parallel.residence)
    assert serial.summary["frames"]["timestep_ps"] == 2.0
    assert serial.coordination.cn_atoms_mean.tolist() == [4.0]


def test_bonds_that_were_guessed_are_noted():
    content = {"centers": {"Li": {"species": "Li"}}, "partners": {"F": {"smiles": "[F-]", "cutoff_angstrom": 3.0}}}
    universe = lithium_and_oxygen(1, 0)
    universe.atoms[universe.atoms.names == "O"].elements = "F"
    found = analyze_trajectory(universe, species=SpeciesFile.model_validate(content), n_bootstrap=20)
    assert found.coordination.cn_atoms_mean.tolist() == [1.0]
    assert found.summary["source"]["bonds"] == "guessed from elements and distances in the first frame"
    assert found.summary["source"]["elements"] == "from the topology"


def test_ions_around_ions_have_a_gr_and_are_counted_in_no_shell():
    solvent = {"molecules": "resname EC", "sites": {"o": "name O"}, "cutoff_angstrom": 4.0}
    ions = {"molecules": "resname LI", "sites": {}, "reference_sites": {"ion": "name LI"}}
    with_ions, without = (
        analyze_trajectory(
            random_universe(np.random.default_rng(0), 200, 20, 100), species=species_file(partners=partners), seed=0
        )
        for partners in ({"EC": solvent, "LI": ions}, {"EC": solvent})
    )
    rdf = with_ions.rdf[with_ions.rdf.partner == "LI"]
    assert np.average(rdf.g, weights=rdf.r_angstrom**2) == pytest.approx(1, abs=0.02)
    for table in ("coordination", "shells", "residence"):
        assert_frame_equal(getattr(with_ions, table), getattr(without, table))
        assert len(getattr(without, table))


@pytest.mark.parametrize("settings", [{}, {"backend": "multiprocessing", "n_workers": 2}, {"timestep_ps": 2.0}])
def test_a_universe_comes_back_as_it_was(settings):
    universe = lithium_and_oxygen(1, 0)
    universe.atoms[universe.atoms.names == "O"].elements = "F"
    universe.trajectory[7]
    before = universe.atoms.positions.copy()
    by_graph = {"centers": {"Li": {"species": "Li"}}, "partners": {"F": {"smiles": "[F-]", "cutoff_angstrom": 3.0}}}
    found = analyze_trajectory(universe, species=SpeciesFile.model_validate(by_graph), n_bootstrap=20, **settings)
    assert universe.trajectory.frame == 7
    assert (universe.atoms.positions == before).all()
    assert not hasattr(universe, "bonds")
    assert hasattr(found.first_shells.sites.centers[0].atoms.universe, "bonds")


def test_a_universe_comes_back_as_it_was_from_a_refusal():
    universe = lithium_and_oxygen()
    universe.trajectory[7]
    with pytest.raises(InvalidInput, match="matches no atom"):
        analyze_trajectory(universe, species=species_file(centers={"Li": "resname XX"}))
    assert universe.trajectory.frame == 7


def test_molecules_of_no_partner_are_named():
    universe = lithium_and_oxygen()
    universe.residues[-3:].resnames = ["DMC", "PF6", "DMC"]
    found = analyze_trajectory(universe, species=only_ec(), n_bootstrap=20)
    assert found.summary["source"]["left_out"] == "DMC x 2, PF6 x 1"


def test_a_wrong_selection_is_refused_before_residues_are_looked_at():
    with pytest.raises(InvalidInput, match=r"centers.Li: 'resname XX' matches no atom"):
        analyze_trajectory(lithium_and_oxygen(), species=species_file(centers={"Li": "resname XX"}))


def test_an_empty_universe_is_no_trajectory():
    with pytest.raises(InvalidInput, match="Universe: has no trajectory"):
        analyze_trajectory(Universe.empty(2), species=only_ec())
