from types import SimpleNamespace

import pytest

from solvshell.analysis import analyze_run
from solvshell.errors import InvalidInput
from solvshell.species import Species, find_species


def test_a_box_without_a_simple_cation_is_refused():
    polymer = Species(title="x", residue="POL", smiles="C", role="polymer", sites={"n_plus": ["N1"]})
    entries = {"EC": find_species("EC"), "POTA": polymer}
    run = SimpleNamespace(path="run", box=SimpleNamespace(recipe=SimpleNamespace(entries=entries)))
    with pytest.raises(InvalidInput, match=r"run: no simple cation \(such as Li\) to center on among EC, POTA"):
        analyze_run(run)
