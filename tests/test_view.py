"""Views of boxes and shells: what they hold is what they are asked for, and nothing is loaded."""

import base64
import re
import sys

import pytest
from runs_by_hand import fake_run
from small_boxes import liquid

import solvshell as sv
from solvshell.errors import InvalidInput, WorkFailed
from solvshell.run import Run
from solvshell.view import View
from solvshell.viewer import three_dmol_source


@pytest.fixture(scope="module")
def run(box_path, tmp_path_factory) -> Run:
    return Run.load(fake_run(box_path, tmp_path_factory.mktemp("run") / "run", 1, 1.9, 3))


def atoms(view: View) -> list[str]:
    """Return the elements of the model in a view."""
    block = view.scene.model.split("@<TRIPOS>ATOM\n")[1].split("\n@<TRIPOS>BOND")[0]
    return [line.split()[1] for line in block.splitlines()]


def test_a_view_holds_its_library_and_loads_nothing() -> None:
    html = sv.view_box(liquid())._repr_html_()
    (held,) = re.findall(r"data:text/javascript;base64,([A-Za-z0-9+/=]+)'", html)
    assert base64.b64decode(held).decode() == three_dmol_source()
    assert "http" not in html.replace(held, "")


def test_a_view_of_a_box_has_its_heavy_atoms() -> None:
    box = liquid()
    heavy = sorted(atom.element.symbol for atom in box.topology.atoms() if atom.element.symbol != "H")
    view = sv.view_box(box, size=(300, 200))
    assert sorted(atoms(view)) == heavy
    assert "width: 300px; height: 200px" in view._repr_html_()
    assert "PF6" in view._repr_html_().split("</script>")[-1]  # the legend


def test_a_view_of_a_run_is_its_last_frame(run: Run) -> None:
    view = sv.view_box(run)
    assert len(atoms(view)) == sum(atom.element.symbol != "H" for atom in run.box.topology.atoms())
    assert "last frame" in view.scene.title


def test_a_view_of_a_shell_is_that_of_the_composition(run: Run) -> None:
    frequent, asked = sv.view_shell(run), sv.view_shell(run.path, "EC2 DMC1", center="Li")
    assert (frequent.scene.title, asked.scene.title) == ("Li: 3 EC + 1 DMC", "Li: 2 EC + 1 DMC")
    assert len(atoms(asked)) == 1 + 2 * 10 + 12
    assert len(asked.scene.cylinders) == 3  # contacts
    assert sv.view_shell(run.analysis_path, "EC2 DMC1").scene == asked.scene


def test_what_is_not_there_is_refused(run: Run, tmp_path, monkeypatch) -> None:
    with pytest.raises(InvalidInput, match=r"composition: one of 'EC3 DMC1', 'EC2 DMC1', got 'EC9'"):
        sv.view_shell(run, "EC9")
    with pytest.raises(InvalidInput, match="center: one of Li, got Na"):
        sv.view_shell(run, center="Na")
    with pytest.raises(InvalidInput, match="analyze it first"):
        sv.view_shell(tmp_path)
    monkeypatch.setitem(sys.modules, "py3Dmol", None)
    with pytest.raises(WorkFailed, match="py3Dmol: is missing; install it"):
        sv.view_box(liquid())
