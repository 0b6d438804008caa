"""Every file that a record tells of is missed and found changed; what is older or unfinished is told to be so."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from open_boxes import open_protocol, save_gas
from short_runs import FRAME, short_protocol
from small_boxes import liquid

from solvshell.analysis import analyze_run
from solvshell.box import CONTENT, box_hash
from solvshell.cli import main
from solvshell.errors import InvalidInput
from solvshell.files import sha256, to_yaml, write_json
from solvshell.md import simulate
from solvshell.provenance import SEAL, file_record, record_tables, write_record
from solvshell.run import Run, open_run
from solvshell.verify import Finding, remake_commands, verify
from solvshell.xtc import frame_heads


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a short run that has been analyzed; its box is beside it."""
    here = tmp_path_factory.mktemp("finished")
    (here / "small.yaml").write_text(to_yaml(liquid().recipe))
    command = [sys.executable, "-m", "solvshell.cli", "build", str(here / "small.yaml"), "--out", str(here / "box")]
    # More than one thread add up forces in one order or another.
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "OPENMM_CPU_THREADS": "1"})
    run = simulate(open_run(here / "run", here / "box", short_protocol(), 5), "Reference")
    analyze_run(run, energies=False)
    return run.path


@pytest.fixture
def run_path(finished: Path, tmp_path: Path) -> Path:
    """Return a copy of that folder to tamper with."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def bad(path: Path) -> dict[str, Finding]:
    """Return what is not as recorded, by its path in the folder."""
    return {str(found.path.relative_to(path)): found for found in verify(path) if found.is_bad}


def told(path: Path, verdict: str) -> list[str]:
    """Return the paths of what has a verdict, and the words."""
    return [
        f"{found.path.relative_to(path)} {found.words}".strip() for found in verify(path) if found.verdict == verdict
    ]


def change(path: Path, **values: Any) -> None:
    """Write other values into a record, which is sealed as if they had been there before."""
    write_record(path, {**json.loads(path.read_text()), **values})


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


TAMPERING: dict[str, tuple[Callable[[Path], None], str]] = {
    "flip": (flip, "changed"),
    "truncate": (truncate, "changed"),
    "lengthen": (lengthen, "changed"),
    "delete": (Path.unlink, "missing"),
}


def test_a_run_that_nobody_touched_is_ok(run_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(run_path)]) == 0
    out = capsys.readouterr().out
    found = list(verify(run_path))
    assert {one.verdict for one in found} <= {"ok", "note"}
    n_frames = round(0.2 / FRAME) + 1
    assert f"trajectory.xtc: {n_frames} frames, {FRAME:g} ps apart" in out
    assert "good, at the end" in out
    assert out.splitlines()[-1].startswith(f"{sum(one.verdict == 'ok' for one in found)} ok")


def recorded_names(path: Path) -> list[str]:
    """Return the files of a run but for locks, MDAnalysis' offsets, and checkpoints that nothing goes on from."""
    last = sorted((path / "checkpoint").iterdir())[-1]
    files = (file for file in sorted(path.rglob("*")) if file.is_file() and not file.name.startswith("."))
    return [
        str(file.relative_to(path)) for file in files if file.parent.parent.name != "checkpoint" or file.parent == last
    ]


@pytest.mark.parametrize("how", TAMPERING)
def test_every_file_that_is_tampered_with_is_named(run_path: Path, how: str) -> None:
    tamper, verdict = TAMPERING[how]
    names = recorded_names(run_path)
    assert len(names) > 40
    for name in names:
        content = (run_path / name).read_bytes()
        tamper(run_path / name)
        found = bad(run_path)
        if how == "delete" and name == "done.json":  # a run without it has not come to its end
            assert "the same 'solvshell run' goes on with it" in " ".join(told(run_path, "unfinished"))
        elif how == "delete" and name == "analysis/provenance.json":
            assert told(run_path, "not recorded") == ["analysis tables of an older version"]
        elif how == "lengthen" and name in ("provenance.json", "done.json", "analysis/provenance.json"):
            assert not found  # a space after JSON changes nothing of what it says
        else:
            assert found[name].verdict == verdict, (name, found)
            others = {"trajectory.xtc", "analysis", str(Path(names[names.index("done.json") - 1]).parent)}
            is_record = name.endswith(".json")  # a changed one may be wrong about others
            assert is_record or set(found) <= {name, *others}, (name, found)
        (run_path / name).write_bytes(content)
    assert not bad(run_path)


def test_the_command_names_what_is_not_as_recorded(run_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flip(run_path / "box" / "system.xml")
    (run_path / "log.csv").unlink()
    assert main(["verify", str(run_path)]) == 1
    out, err = capsys.readouterr()
    assert f"changed       {run_path}/box/system.xml: other content" in out
    assert f"missing       {run_path}/log.csv" in out
    assert "1 missing" in out
    assert f"not as recorded: {run_path}/box/system.xml, {run_path}/log.csv" in err


@pytest.mark.parametrize("path", ["nowhere", "."])
def test_what_is_no_folder_of_ours_is_refused(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["verify", path]) == 2
    assert capsys.readouterr().err.startswith(f"error: {path}: no ")
    assert main(["verify", path, "--remake"]) == 2


def test_frames_that_were_added_are_seen(run_path: Path) -> None:
    trajectory = run_path / "trajectory.xtc"
    ends = [head.end for head in frame_heads(trajectory)]
    content = trajectory.read_bytes()
    trajectory.write_bytes(content + content[ends[-2] :])
    found = {(str(one.path.name), one.words) for one in verify(run_path) if one.is_bad}
    n = len(ends)
    assert (
        "trajectory.xtc",
        f"{len(content) + ends[-1] - ends[-2]} bytes, of which the first {len(content)} are as recorded",
    ) in found
    assert any(words.startswith(f"frame {n} is of step") for _, words in found)


@pytest.mark.parametrize("kept", ["a frame is gone", "a frame too few", "half a frame more"])
def test_frames_are_counted_whatever_their_hash(run_path: Path, kept: str) -> None:
    trajectory = run_path / "trajectory.xtc"
    ends, content = [head.end for head in frame_heads(trajectory)], trajectory.read_bytes()
    written, words = {
        "a frame is gone": (content[: ends[2]] + content[ends[3] :], "frame 3 is of step 40 at 0.08 ps, expected 30"),
        "a frame too few": (content[: ends[-2]], "10 whole frames and 0 bytes, expected 11 frames and nothing after"),
        "half a frame more": (content + content[:100], "11 whole frames and 100 bytes, expected 11 frames"),
    }[kept]
    trajectory.write_bytes(written)
    outputs = json.loads((run_path / "done.json").read_text())["outputs"]
    change(run_path / "done.json", outputs=outputs | {"trajectory.xtc": file_record(trajectory)})
    assert words in bad(run_path)["trajectory.xtc"].words


def test_tables_of_another_trajectory_are_told_from_tables_that_were_changed(run_path: Path) -> None:
    flip(run_path / "analysis" / "rdf.csv")
    assert bad(run_path)["analysis/rdf.csv"].verdict == "changed"
    assert "analysis" not in bad(run_path)
    trajectory = run_path / "trajectory.xtc"
    flip(trajectory)
    outputs = json.loads((run_path / "done.json").read_text())["outputs"]
    change(run_path / "done.json", outputs=outputs | {"trajectory.xtc": file_record(trajectory)})
    assert bad(run_path)["analysis"].words == "made from another trajectory.xtc: other content"
    assert "trajectory.xtc" not in bad(run_path)


def test_an_unfinished_run_is_no_failure(run_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run_path / "done.json").unlink()
    with open(run_path / "trajectory.xtc", "ab") as file:
        file.write((run_path / "trajectory.xtc").read_bytes()[:50])
    assert main(["verify", str(run_path)]) == 0
    out = capsys.readouterr().out
    assert f"unfinished    {run_path}: the same 'solvshell run' goes on with it" in out
    assert "11 frames, 0.02 ps apart, so far" in out
    assert "made from an earlier, shorter trajectory.xtc: make the tables again" in out


def test_what_an_unfinished_run_has_of_its_moves_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = open_run(tmp_path / "run", save_gas(tmp_path / "box"), open_protocol(), seed=1)
    run.occupancy_path.write_text("time_ps\n0\n0.04\n")
    run.moves_path.write_text("move\n1\n2\n3\n")
    run.conformers_path.mkdir()
    (run.conformers_path / "EC.npz").write_bytes(b"")
    assert main(["verify", str(run.path)]) == 0
    out = capsys.readouterr().out
    assert f"unfinished    {run.occupancy_path}: 2 frames, so far" in out
    assert f"unfinished    {run.moves_path}: 3 moves, so far" in out
    assert f"unfinished    {run.conformers_path}/EC.npz: is recorded when the run ends" in out


def test_a_checkpoint_that_cannot_be_gone_on_from_is_named(run_path: Path) -> None:
    (run_path / "done.json").unlink()
    last = sorted((run_path / "checkpoint").iterdir())[-1]
    flip(last / "state.xml")
    assert "state.xml" in bad(run_path)[f"checkpoint/{last.name}"].words


def as_of_an_older_version(path: Path) -> None:
    """Take away what versions before these records did not write."""
    record = json.loads((path / "provenance.json").read_text())
    digits = "-".join(sha256(path / "box" / f"{name}")[:12] for name in ("recipe.yaml", "system.xml", "state.xml"))
    for key in (SEAL, "files"):
        record.pop(key)
    write_json(path / "provenance.json", record | {"box": digits})
    box = json.loads((path / "box" / "provenance.json").read_text())
    write_json(path / "box" / "provenance.json", {"versions": box["versions"], "seed": 0})
    done = json.loads((path / "done.json").read_text())
    write_json(path / "done.json", {key: done[key] for key in ("finished", "production_frames")})
    for folder in (path / "checkpoint").iterdir():
        progress = json.loads((folder / "progress.json").read_text())
        progress.pop("hashes")
        write_json(folder / "progress.json", progress)
    (path / "analysis" / "provenance.json").unlink()
    summary = json.loads((path / "analysis" / "summary.json").read_text())
    summary["source"].pop("trajectory_sha256")
    write_json(path / "analysis" / "summary.json", summary)


def test_what_an_older_version_did_not_record_is_said_not_to_be(run_path: Path) -> None:
    as_of_an_older_version(run_path)
    assert not bad(run_path)
    unrecorded = " ".join(told(run_path, "not recorded"))
    for name in (
        "protocol.yaml",
        "box/topology.cif",
        "done.json",
        "trajectory.xtc",
        "log.csv",
        "checkpoint/",
        "analysis",
    ):
        assert name in unrecorded
    assert {"box/recipe.yaml", "box/system.xml", "box/state.xml"} <= set(told(run_path, "ok"))
    Run.load(run_path).check_inputs()
    flip(run_path / "box" / "system.xml")
    assert set(bad(run_path)) == {"box/system.xml"}
    (run_path / "trajectory.xtc").unlink()
    assert bad(run_path)["trajectory.xtc"].verdict == "missing"
    for name in ("provenance.json", "done.json", "box/provenance.json"):
        (run_path / name).write_text("[]")
        assert bad(run_path)[name].words == "holds a list, expected names and values"


def test_a_record_cannot_lead_out_of_its_folder(run_path: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    known = file_record(tmp_path / "secret")
    change(run_path / "done.json", outputs={"../secret": known, str(tmp_path / "secret"): known})
    found = [one for one in verify(run_path) if one.words == "the record names a file outside of its folder"]
    assert len(found) == 2
    assert all(one.is_bad for one in found)


def test_files_may_lie_behind_links_and_a_link_to_nothing_is_missing(run_path: Path, tmp_path: Path) -> None:
    (run_path / "trajectory.xtc").rename(tmp_path / "elsewhere.xtc")
    (run_path / "trajectory.xtc").symlink_to(tmp_path / "elsewhere.xtc")
    assert not bad(run_path)
    (tmp_path / "elsewhere.xtc").unlink()
    assert bad(run_path)["trajectory.xtc"].verdict == "missing"
    (run_path / "log.csv").unlink()
    (run_path / "log.csv").symlink_to(run_path / "log.csv")
    assert bad(run_path)["log.csv"].verdict == "missing"


def test_another_force_field_or_version_now_is_worth_a_note(finished: Path, tmp_path: Path) -> None:
    box = Path(shutil.copytree(finished.parent / "box", tmp_path / "box"))
    record = json.loads((box / "provenance.json").read_text())
    assert not [words for words in told(box, "note") if "force field" in words]
    known = dict.fromkeys(record["force_field"], "0" * 64)
    change(
        box / "provenance.json",
        force_field=known | {"mine.xml": "0" * 64},
        versions=record["versions"] | {"openmm": "7.7"},
    )
    notes = " ".join(told(box, "note"))
    assert "electrolytes.xml has changed since: a box built now is another model" in notes
    assert "mine.xml is not shipped with this version" in notes
    assert "openmm 7.7 then, " in notes
    assert main(["verify", str(box)]) == 0


def test_a_folder_of_replicas_is_looked_through(finished: Path, tmp_path: Path) -> None:
    for name in ("replica-00", "replica-01"):
        shutil.copytree(finished, tmp_path / name)
    (tmp_path / "analysis").mkdir()
    (tmp_path / "analysis" / "peaks.csv").write_text("a\n1\n")
    summaries = [tmp_path / name / "analysis" / "summary.json" for name in ("replica-00", "replica-01")]
    record_tables(tmp_path / "analysis", "*.csv", made_from=summaries)
    assert not bad(tmp_path)
    assert "analysis 2 files" in told(tmp_path, "ok")
    content = summaries[0].read_text()
    summaries[0].write_text(content + " ")
    assert bad(tmp_path)["analysis"].words.startswith("made from another ../replica-00/analysis/summary.json")
    summaries[0].write_text(content)
    flip(tmp_path / "replica-01" / "log.csv")
    flip(tmp_path / "analysis" / "peaks.csv")
    assert set(bad(tmp_path)) == {"replica-01/log.csv", "analysis/peaks.csv"}


def test_tables_of_a_trajectory_of_somebody_else_are_checked_without_it(tmp_path: Path) -> None:
    source = {"trajectory": "md.xtc", "run": "foreign", "trajectory_bytes": "3", "trajectory_sha256": "0" * 64}
    write_json(tmp_path / "summary.json", {"source": source})
    (tmp_path / "rdf.csv").write_text("r,g\n")
    assert told(tmp_path, "not recorded") == [". tables of an older version"]
    record_tables(tmp_path, "*.csv", "summary.json")
    assert told(tmp_path, "ok") == [". 3 files"]
    assert f". made from md.xtc, not looked for; its SHA-256: {'0' * 64}" in told(tmp_path, "note")
    flip(tmp_path / "rdf.csv")
    assert set(bad(tmp_path)) == {"rdf.csv"}


def test_replicas_that_vanished_are_missing(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("replica-00", "replica-01", "replica-02"):
        shutil.copytree(finished.parent / "box", tmp_path / name)
    assert not bad(tmp_path)
    shutil.rmtree(tmp_path / "replica-01")
    assert bad(tmp_path)["replica-01"].words == "though later ones are there"
    (tmp_path / "replica-01").mkdir()
    assert bad(tmp_path)["replica-01"].words == "holds nothing that the commands make"
    made_from = Path(shutil.copy(finished / "analysis" / "summary.json", tmp_path / "replica-02"))
    (tmp_path / "analysis").mkdir()
    record_tables(tmp_path / "analysis", "*.csv", made_from=[made_from])
    shutil.rmtree(tmp_path / "replica-02")  # the last one
    assert main(["verify", str(tmp_path)]) == 1
    assert f"replica-02: though {tmp_path / 'analysis'} was made from it" in capsys.readouterr().out


def test_a_run_whose_box_or_protocol_was_changed_is_neither_resumed_nor_analyzed(
    run_path: Path, finished: Path
) -> None:
    box = finished.parent / "box"
    for name in ("box/system.xml", "protocol.yaml"):
        original = (run_path / name).read_bytes()
        text = original.decode()
        (run_path / name).write_text(text.replace('mass="', ' mass="', 1) if name.endswith("xml") else text + "\n")
        with pytest.raises(InvalidInput, match=rf"{name}: was changed after the run began"):
            open_run(run_path, box, short_protocol(), 5)
        with pytest.raises(InvalidInput, match=rf"{name}: was changed after the run began"):
            analyze_run(Run.load(run_path))
        (run_path / name).write_bytes(original)
    assert open_run(run_path, box, short_protocol(), 5).box.n_atoms == liquid().n_atoms


def test_the_commands_that_are_printed_make_the_same_again(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "--remake", str(finished)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == list(remake_commands(finished))
    (install,) = [line for line in lines if line.startswith("pip install ")]
    assert "openmm==" in install
    assert "solvshell" not in install  # which is on no index of packages
    commands = [
        line.replace("solvshell ", "-m solvshell.cli ", 1)
        for line in lines
        if "solvshell build" in line or "solvshell run" in line
    ]
    assert len(commands) == 2
    for command in commands:
        before, _, after = command.partition("-m ")
        line = f"{before}{shlex.quote(sys.executable)} -m {after}"
        subprocess.run(line, shell=True, cwd=tmp_path, check=True, capture_output=True)
    assert "Created" not in (finished / "box" / "topology.cif").read_text()[:200]  # OpenMM writes the day there
    made = tmp_path / "remade"
    assert box_hash(made / "box") == box_hash(finished / "box")
    for name in CONTENT:
        assert (made / "box" / name).read_bytes() == (finished / "box" / name).read_bytes()
    for name in ("trajectory.xtc", "equilibration.xtc", "protocol.yaml"):
        assert (made / "run" / name).read_bytes() == (finished / name).read_bytes()
    assert not bad(made / "run")


def test_what_is_made_again_lies_as_the_commands_take_it(finished: Path, tmp_path: Path) -> None:
    places = [f"{kelvin}/replica-0{index}" for kelvin in ("278.15K", "298.15K") for index in range(2)]
    for place in places:
        shutil.copytree(finished, tmp_path / place)
    lines = list(remake_commands(tmp_path))
    outs = [line.partition("--out ")[2] for line in lines if "--out " in line]
    boxes = {f"remade/boxes/replica-0{index}" for index in range(2)}
    assert sorted(outs) == sorted(boxes | {f"remade/runs/{place}" for place in places})
    assert sum(line.startswith("pip install ") for line in lines) == 1
    assert list(remake_commands(finished.parent / "box"))[-1].endswith("--out remade/box")


@pytest.mark.parametrize("known", [{}, {"commit": "abc", "is_changed": False}])
def test_solvshell_is_installed_from_a_clone(known: dict[str, Any], finished: Path, tmp_path: Path) -> None:
    box = Path(shutil.copytree(finished.parent / "box", tmp_path / "box"))
    change(box / "provenance.json", checkout=known, versions={"python": "3.12.1", "solvshell": "0.1.0", "numpy": "2.0"})
    lines = list(remake_commands(box))[:-1]
    if known:
        assert lines[-2:] == ["git checkout abc", "pip install . numpy==2.0"]
    else:
        assert lines[-1] == "pip install numpy==2.0"
        assert "solvshell 0.1.0: by 'pip install .' in a clone" in lines[-2]


LIGHT = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("MDAnalysis", "pandas", "scipy", "numba", "rdkit", "packmol", "networkx", "jinja2"):
            raise ImportError(f"{name} is not on a GPU node")
sys.meta_path.insert(0, Refuse())
from solvshell.cli import main
sys.exit(main(["verify", sys.argv[1]]))
"""


def test_a_gpu_node_can_verify(finished: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LIGHT, str(finished)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
