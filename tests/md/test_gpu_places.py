"""Processes that spread themselves over GPUs; whether there are such devices does not matter to the places on them."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from solvshell.cli import main
from solvshell.md.gpu_places import see_one_gpu

TAKE = """
import os
from solvshell.md.gpu_places import see_one_gpu
see_one_gpu(None, os.environ)
print(os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
input()
"""


def take(folder: Path) -> tuple[subprocess.Popen[str], str]:
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "2,MIG-GPU-5d5ba0d6/2/0", "TMPDIR": str(folder)}
    process = subprocess.Popen(
        [sys.executable, "-c", TAKE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_each_process_takes_the_gpu_with_the_fewest(tmp_path: Path) -> None:
    taken = [take(tmp_path) for _ in range(3)]
    first, second = "2", "MIG-GPU-5d5ba0d6/2/0"
    assert [device for _, device in taken] == [first, second, first]
    taken[1][0].kill()  # its place is free however it ends
    taken[1][0].communicate()
    taken.append(take(tmp_path))
    assert taken[3][1] == second
    for process, _ in taken:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("platform", "visible"), [(None, "1"), ("CPU", "0,1")])
def test_one_gpu_and_other_platforms_leave_nothing_to_choose(platform: str | None, visible: str) -> None:
    environment = {"CUDA_VISIBLE_DEVICES": visible}
    see_one_gpu(platform, environment)
    assert environment == {"CUDA_VISIBLE_DEVICES": visible}


def test_a_command_takes_a_gpu_for_one_box_and_none_for_replicas(
    box_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no such GPU: the command ends when it has chosen one, and has touched nothing else."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "places"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    (tmp_path / "places").mkdir()
    for box, visible in ((box_path, "7"), (box_path.parent, "7,8")):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7,8")
        if box != box_path:
            shutil.copytree(box_path, tmp_path / "boxes" / "replica-00")
            box = tmp_path / "boxes"
        assert main(["run", str(box), "--protocol", "quick", "--platform", "CUDA", "--out", str(tmp_path / "run")]) == 2
        assert os.environ["CUDA_VISIBLE_DEVICES"] == visible
    assert not (tmp_path / "run").exists()
