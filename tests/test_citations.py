"""Each condition of what is cited: with it and without."""

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from short_runs import short_protocol

from solvshell import citations as module
from solvshell.citations import (
    FACTS,
    UNKNOWN_PARAMETERS,
    all_citations,
    bibtex,
    citations,
    cluster_facts,
    parameter_sources,
    protocol_facts,
    recipe_facts,
)
from solvshell.data import forcefield_directory
from solvshell.errors import InvalidInput
from solvshell.files import validate
from solvshell.protocol import Protocol, load_protocol
from solvshell.recipe import Recipe, load_recipe
from solvshell.report import page_end, page_template


def keys(facts: set[str]) -> set[str]:
    return {one.key for one in citations(facts)}


def test_every_fact_and_every_source_of_the_force_field_is_cited() -> None:
    when = {one for citation in all_citations() for one in citation.when}
    assert {one for one in when if not one.startswith("parameters: ")} == FACTS
    known = {one.removeprefix("parameters: ") for one in when - FACTS}
    named = {
        source
        for path in Path(forcefield_directory()).rglob("*.xml")
        for source in re.findall(r'<Reference id="([^"]+)"', path.read_text())
    }
    assert known == named | {"clp"}  # that of the typing rules


def test_keys_and_dois_are_unique_and_dois_look_so() -> None:
    for name in ("key", "doi"):
        values = [value for one in all_citations() if (value := getattr(one, name))]
        assert len(values) == len(set(values))
    assert all(re.fullmatch(r"10\.\d{4,5}/\S+", one.doi) for one in all_citations() if one.doi)


def test_an_unknown_condition_is_refused() -> None:
    entry = {"key": "a", "for": "b", "when": ["nothing"], "authors": ["A"], "title": None, "journal": "J"}
    with pytest.raises(InvalidInput, match="when: unknown: nothing"):
        validate(module.Citation, entry, "entry")


@pytest.mark.parametrize(
    ("recipe", "there", "not_there"),
    [
        ("lb003", {"packmol", "etkdg-3", "scaled-charges", "opls-aa", "silva-freitas", "kumar-seminario", "pf6"},
         {"clp", "opls-2009il", "joung-cheatham", "ligpargen"}),
        ("dmc", {"opls-aa", "solvshell-parameters", "fftool"}, {"silva-freitas", "scaled-charges", "clp-file", "pf6"}),
        ("ec", {"silva-freitas"}, {"scaled-charges", "solvshell-parameters"}),
        ("lb003_cs", {"joung-cheatham"}, {"opls-2009il"}),
        ("lb003_lino3", {"opls-2009il", "opls-2009il-revisited"}, {"clp"}),
        ("lb003_pota-no3", {"clp", "opls-2009il"}, {"clp-2017"}),
        ("lb003_pota-tfsi", {"clp", "clp-2017"}, {"opls-2009il", "clp-fsi"}),
    ],
)  # fmt: skip
def test_the_parameters_of_a_recipe(recipe: str, there: set[str], not_there: set[str]) -> None:
    found = keys(recipe_facts(load_recipe(recipe)))
    assert there <= found
    assert not found & not_there


def test_only_the_species_in_the_box_count(lb003: Recipe) -> None:
    fec = lb003.model_dump(mode="json") | {"composition": {"counts": {"FEC": 2}}, "n_salt": None, "name": "fec"}
    assert "ligpargen" in parameter_sources(validate(Recipe, fec, "fec"))
    assert "ligpargen" not in parameter_sources(lb003)


def test_full_charges_are_not_scaled(lb003: Recipe) -> None:
    full = lb003.model_copy(update={"force_field": lb003.force_field.model_copy(update={"ion_charge_scale": 1.0})})
    assert "scaled-charges" in keys(recipe_facts(lb003))
    assert "scaled-charges" not in keys(recipe_facts(full))


def test_a_force_field_that_is_gone_is_told_of(lb003: Recipe) -> None:
    gone = lb003.model_copy(update={"force_field": lb003.force_field.model_copy(update={"files": ["gone.xml"]})})
    assert recipe_facts(gone) == {"packing", "scaled_charges", UNKNOWN_PARAMETERS}
    assert UNKNOWN_PARAMETERS not in recipe_facts(lb003)


@pytest.mark.parametrize("facts", [{"analysis"}, {"analysis", UNKNOWN_PARAMETERS}])
def test_a_page_says_that_papers_are_missing(facts: set[str], tmp_path: Path) -> None:
    said = page_template("cite.html").render(page_end(facts, tmp_path / "page.html", False))
    assert ("The papers behind the force field are missing here" in said) == (UNKNOWN_PARAMETERS in facts)


def test_the_methods_of_a_protocol() -> None:
    plain = protocol_facts(short_protocol(constraints="none"))
    assert plain == {"langevin_middle"}
    assert protocol_facts(short_protocol()) == {"langevin_middle", "rigid_bonds"}
    assert protocol_facts(short_protocol(hydrogen_mass="3 Da")) - plain == {"heavy_hydrogens", "rigid_bonds"}
    assert "nose_hoover" in protocol_facts(short_protocol({"thermostat": "nose_hoover"}))
    assert "nose_hoover" not in protocol_facts(short_protocol({"thermostat": "none"}))
    assert "barostat" in protocol_facts(short_protocol({"pressure": "1 bar"}))
    assert "equilibration" in protocol_facts(load_protocol("standard"))
    assert "equilibration" not in protocol_facts(load_protocol("quick"))


@pytest.mark.parametrize(
    ("protocol", "there", "not_there"),
    [
        ("umbrella", {"umbrella", "mbar", "overlap"}, {"soft-core", "gcmc"}),
        ("decouple", {"mbar", "overlap", "soft-core"}, {"umbrella", "ncmc"}),
        ("quick", {"monte-carlo-barostat"}, {"umbrella", "mbar", "soft-core", "gcmc", "ncmc"}),
    ],
)
def test_the_methods_of_free_energies(protocol: str, there: set[str], not_there: set[str]) -> None:
    found = keys(protocol_facts(load_protocol(protocol)))
    assert there <= found
    assert not found & not_there


def test_molecules_that_come_and_go_by_switching_or_at_once(open_stage: Callable[[str], Protocol]) -> None:
    assert {"gcmc", "acceptance-ratio", "ncmc", "gcncmc", "soft-core"} <= keys(protocol_facts(open_stage("auto")))
    at_once = keys(protocol_facts(open_stage("0 ps")))
    assert "gcmc" in at_once
    assert not at_once & {"ncmc", "gcncmc", "soft-core"}


@pytest.fixture
def open_stage() -> Callable[[str], Protocol]:
    from open_boxes import open_protocol

    protocol = open_protocol()
    content = protocol.model_dump(mode="json")

    def with_switching(time: str) -> Protocol:
        stages = [*content["stages"][:-1], content["stages"][-1] | {"switching_time": time}]
        return validate(Protocol, content | {"stages": stages}, "open")

    return with_switching


def test_the_methods_of_clusters() -> None:
    def binding(methods: list[str], geometry: str) -> dict:
        means = pd.DataFrame({"geometry": ["fixed", geometry]})
        return {
            "binding": {"summary": {"methods": dict.fromkeys(methods)}, "tables": {"means": means}},
            "infrared": None,
        }

    assert cluster_facts({"binding": None, "infrared": None}) == set()
    assert cluster_facts(binding(["ff"], "fixed")) == set()
    assert keys(cluster_facts(binding(["gfn2"], "relaxed"))) == {"gfn2-xtb", "geometric"}
    assert keys(cluster_facts(binding(["dft"], "fixed"))) == {"pyscf", "pbe0", "d4", "counterpoise"}
    assert keys(cluster_facts({"binding": None, "infrared": {"summary": {}}})) == {"gfn2-xtb", "geometric"}


@pytest.mark.parametrize(("fact", "key"), [("study", "source-study"), ("views", "3dmol"), ("residence", "residence")])
def test_what_a_page_shows(fact: str, key: str) -> None:
    assert key in keys({"analysis", fact})
    assert key not in keys({"analysis"})


def test_bibtex_is_one_entry_each_with_balanced_braces() -> None:
    text = bibtex(all_citations())
    assert text.count("\n}\n") == len(all_citations())
    assert text.count("{") == text.count("}")
    assert "author = {Peter Eastman and others}," in text
    assert "pages = {2319--2327}," in text


def test_a_citation_in_words() -> None:
    by_key = {one.key: one.text for one in all_citations()}
    assert by_key["openmm"].startswith("Peter Eastman et al., OpenMM 8: ")
    assert by_key["source-study"].startswith("J. Yu, X. Ma, X. Zou et al., Achieving stable lithium metal anodes via ")
    assert by_key["source-study"].endswith(" interphase, Energy Environ. Sci., 2024, 17, 4519.")
    assert all(one.title for one in all_citations())
