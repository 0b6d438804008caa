"""What each of several runs gets of a machine, as pure functions of what the machine says."""

import os
from pathlib import Path

import pytest

from solvshell.errors import InvalidInput
from solvshell.md import devices
from solvshell.md.devices import Shares, has_mps, listed_gpus, share_out, split_devices, visible_devices

WHOLE = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-79a2ba02-a537-ccbf-2965-8e9d90c0bd54)
"""
IN_PARTS = """\
GPU 0: A100-SXM4-40GB (UUID: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77)
  MIG 3g.20gb     Device  0: (UUID: MIG-b3e47dd4-c1ee-5d1a-8fcd-1b7bb0c8f5a0)
  MIG 3g.20gb     Device  1: (UUID: MIG-GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77/2/0)
GPU 1: A100-SXM4-40GB (UUID: GPU-79a2ba02-a537-ccbf-2965-8e9d90c0bd54)
"""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2,3", ["2", "3"]),
        (" 1 , 0 ", ["1", "0"]),
        ("GPU-5d5ba0d6,GPU-79a2ba02", ["GPU-5d5ba0d6", "GPU-79a2ba02"]),
        ("MIG-b3e47dd4-c1ee-5d1a", ["MIG-b3e47dd4-c1ee-5d1a"]),
        ("0,-1,1", ["0"]),
        ("-1", []),
        ("", []),
    ],
)
def test_a_list_of_devices_is_split_as_cuda_reads_it(value: str, expected: list[str]) -> None:
    assert split_devices(value) == expected


def test_the_list_of_the_parent_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "output_of", lambda *_: WHOLE)
    assert visible_devices("CUDA", {"CUDA_VISIBLE_DEVICES": "3,MIG-1"}) == [
        {"CUDA_VISIBLE_DEVICES": "3"},
        {"CUDA_VISIBLE_DEVICES": "MIG-1"},
    ]
    assert visible_devices("CUDA", {"CUDA_VISIBLE_DEVICES": ""}) == [{}]
    assert visible_devices("HIP", {"ROCR_VISIBLE_DEVICES": "4,5"}) == [
        {"ROCR_VISIBLE_DEVICES": "4"},
        {"ROCR_VISIBLE_DEVICES": "5"},
    ]
    both = {"ROCR_VISIBLE_DEVICES": "4,5", "HIP_VISIBLE_DEVICES": "1"}
    assert visible_devices("HIP", both) == [{"HIP_VISIBLE_DEVICES": "1"}]
    assert visible_devices("CPU", {"CUDA_VISIBLE_DEVICES": "0,1"}) == [{}]


def test_without_a_list_the_gpus_are_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(devices, "output_of", lambda *_: WHOLE)
    assert [found["CUDA_VISIBLE_DEVICES"][:8] for found in visible_devices("CUDA", {})] == ["GPU-5d5b", "GPU-79a2"]
    monkeypatch.setattr(devices, "output_of", lambda *_: "")
    assert visible_devices("CUDA", {}) == [{}]
    monkeypatch.setattr(devices, "_KFD", tmp_path)
    assert visible_devices("HIP", {}) == [{}]
    for node, identifier in enumerate(("0", "51110", "27722")):
        (tmp_path / str(node)).mkdir()
        (tmp_path / str(node) / "gpu_id").write_text(f"{identifier}\n")
    (tmp_path / "3" / "gpu_id").mkdir(parents=True)  # cannot be read
    assert visible_devices("HIP", {}) == [{"HIP_VISIBLE_DEVICES": "0"}, {"HIP_VISIBLE_DEVICES": "1"}]


def test_a_gpu_in_parts_counts_by_its_parts() -> None:
    assert listed_gpus(IN_PARTS) == [
        "MIG-b3e47dd4-c1ee-5d1a-8fcd-1b7bb0c8f5a0",
        "MIG-GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77/2/0",
        "GPU-79a2ba02-a537-ccbf-2965-8e9d90c0bd54",
    ]
    assert listed_gpus("No devices found") == []


@pytest.mark.parametrize(
    ("platform", "n_runs", "asked", "mps", "expected"),
    [
        ("CPU", 4, None, None, (4, 2)),
        ("CPU", 16, None, None, (8, 1)),
        ("CPU", 1, None, None, (1, 8)),
        ("CPU", 16, 3, None, (3, 2)),
        ("CPU", 16, 12, None, (12, 1)),
        ("CUDA", 20, None, False, (8, 1)),
        ("CUDA", 20, None, True, (16, 1)),
        ("CUDA", 3, None, True, (3, 2)),
        ("CUDA", 20, 2, False, (2, 4)),
        ("HIP", 20, None, None, (8, 1)),
        ("OpenCL", 20, None, None, (4, 2)),
    ],
)
def test_defaults(
    monkeypatch: pytest.MonkeyPatch,
    platform: str,
    n_runs: int,
    asked: int | None,
    mps: bool | None,
    expected: tuple[int, int],
) -> None:
    """Eight cores and two GPUs."""
    monkeypatch.setattr(devices, "n_cores", lambda: 8)
    monkeypatch.setattr(devices, "has_mps", lambda: mps)
    shares = share_out(platform, n_runs, asked, {"CUDA_VISIBLE_DEVICES": "0,1"})
    assert (shares.at_once, shares.threads) == expected
    assert shares.mps == (mps if platform == "CUDA" else None)


def test_threads_that_were_given_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "n_cores", lambda: 8)
    assert share_out("CPU", 2, None, {"OPENMM_CPU_THREADS": "1"}).words(2) == "2 runs, 2 at once, 1 thread each"
    assert share_out("CPU", 2, None, {"OPENMM_CPU_THREADS": ""}).words(2) == "2 runs, 2 at once, 4 threads each"


def test_less_than_one_at_once_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at_once: at least 1, got 0"):
        share_out("CPU", 3, 0, {})


def test_the_environment_of_a_child() -> None:
    shares = Shares(4, ({"CUDA_VISIBLE_DEVICES": "2"}, {"CUDA_VISIBLE_DEVICES": "3"}), threads=2, mps=False)
    given = {"PATH": "/bin", "CUDA_VISIBLE_DEVICES": "2,3", "OMP_NUM_THREADS": "7"}
    assert shares.environment(1, given) == {
        "PATH": "/bin",
        "CUDA_VISIBLE_DEVICES": "3",
        "OMP_NUM_THREADS": "7",  # was given, and stays
        "OPENMM_CPU_THREADS": "2",
        "OPENBLAS_NUM_THREADS": "2",
        "MKL_NUM_THREADS": "2",
    }


def test_people_are_told_how_a_gpu_is_shared() -> None:
    one = ({"CUDA_VISIBLE_DEVICES": "0"},)
    assert Shares(8, one, 1, mps=True).words(16) == "16 runs, 8 at once on 1 GPU, shared through MPS"
    turns = Shares(4, one, 1, mps=False).words(16)
    assert turns.startswith("16 runs, 4 at once on 1 GPU, which take turns")
    assert turns.endswith("nvidia-cuda-mps-control -d")
    assert Shares(2, one * 2, 1, mps=False).words(2) == "2 runs, 2 at once on 2 GPUs"
    assert Shares(2, ({},), 1, mps=None).words(5) == "5 runs, 2 at once, 1 thread each"


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ('read asked; test "$asked" = get_server_list; echo 4711', True),
        ("cat > /dev/null; echo 'Cannot find MPS control daemon process'", False),
        ("cat > /dev/null; exit 1", False),
    ],
)
def test_the_daemon_of_mps_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, expected: bool
) -> None:
    program = tmp_path / "nvidia-cuda-mps-control"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert has_mps() is expected
