"""The export command: what it prints, what it refuses, and a folder that is whole or absent."""

import sys
from pathlib import Path

import pytest
from small_boxes import liquid

from solvshell.cli import main
from solvshell.errors import InvalidInput
from solvshell.export import FORMATS, export_box
from solvshell.protocol import load_protocol
from solvshell.run import open_run

FILES = {
    "gromacs": ["conf.gro", "npt.mdp", "point.mdp", "topol.top"],
    "lammps": ["box.data", "in.lammps", "point.lammps"],
}


@pytest.fixture(scope="module")
def box_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "box"
    liquid().save(path)
    return path


def test_the_known_formats() -> None:
    assert list(FORMATS) == ["gromacs", "amber", "lammps"]


@pytest.mark.parametrize("engine", FILES)
def test_it_writes_the_files_and_says_how_to_run_them(
    engine: str, box_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "deep" / "out"
    assert main(["export", str(box_path), "--format", engine, "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == FILES[engine]
    printed = capsys.readouterr().out
    assert all(str(out / name) in printed for name in FILES[engine])
    assert f"run it: cd {out} && {FORMATS[engine].command}" in printed
    for name in FORMATS[engine].command.split():
        if Path(name).suffix in (".mdp", ".top", ".gro", ".lammps") and "npt.gro" not in name:
            assert (out / name).is_file()


def test_a_run_is_taken_by_its_box(box_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = open_run(tmp_path / "run", box_path, load_protocol("quick"))
    assert main(["export", str(run.path), "--format", "gromacs", "--out", str(tmp_path / "out")]) == 0
    assert "is a run; its box is taken, as it was before the run" in capsys.readouterr().out
    export_box(liquid(), "gromacs", tmp_path / "expected")
    for name in ("topol.top", "conf.gro"):
        assert (tmp_path / "out" / name).read_text() == (tmp_path / "expected" / name).read_text()


@pytest.mark.parametrize(
    ("box", "engine", "out", "expected"),
    [
        ("box", "charmm", "new", "--format: 'charmm' is not known (known: gromacs, amber, lammps)"),
        ("box", "gromacs", "there", "there: exists; give another folder, or remove this one"),
        ("nowhere", "gromacs", "new", "nowhere: no such folder; make a box with 'solvshell build'"),
        ("there", "gromacs", "new", "there: not a box folder, recipe.yaml, topology.cif"),
    ],
)
def test_wrong_requests(
    box: str, engine: str, out: str, expected: str, box_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "there").mkdir()
    source = box_path if box == "box" else tmp_path / box
    assert main(["export", str(source), "--format", engine, "--out", str(tmp_path / out)]) == 2
    errors = capsys.readouterr().err
    assert expected in errors
    assert len(errors.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert not any((tmp_path / "there").iterdir())


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    assert "solvshell export box --format gromacs --out gromacs" in capsys.readouterr().out


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []

    def fail_at_the_second(path: Path, content: str) -> None:
        if written:
            raise OSError(28, "No space left on device")
        written.append(path)
        path.write_text(content)

    monkeypatch.setattr("solvshell.export.write.write_atomically", fail_at_the_second)
    with pytest.raises(OSError, match="No space left"):
        export_box(liquid(), "gromacs", tmp_path / "out")
    assert written
    assert not list(tmp_path.iterdir())


def test_a_missing_parmed_is_said_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "parmed", None)
    with pytest.raises(InvalidInput, match=r"ParmEd is missing; install it with pip install '\.\[amber\]'"):
        export_box(liquid(), "amber", tmp_path / "out")
    assert not list(tmp_path.iterdir())
