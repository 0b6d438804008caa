import sys

import pytest
from cut_by_hand import cluster
from ions_by_hand import Dies, ions
from pandas.testing import assert_frame_equal

from solvshell.binding import binding_energies
from solvshell.binding.methods import Asked
from solvshell.binding.pool import Job, run_jobs
from solvshell.errors import Interrupted, InvalidInput, WorkFailed
from solvshell.progress import Tally


class Stopped(Tally):
    """Ctrl-C as soon as the first job is done."""

    def advance(self):
        raise KeyboardInterrupt


def by_gfn2():
    pytest.importorskip("tblite", reason="needs the extra qm")
    pytest.importorskip("geometric", reason="needs the extra qm")
    return [cluster("EC", name="Li-EC-1", kind="pair"), cluster("DMC", name="Li-DMC-1", kind="pair")]


def files_of(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_one_worker_and_several_find_the_same_and_nothing_is_computed_twice(tmp_path):
    groups = by_gfn2()
    how = {"methods": ("ff", "gfn2"), "relax": True}
    one = binding_energies(groups, **how, cache=tmp_path / "one")
    several = binding_energies(groups, **how, cache=tmp_path / "several", workers=2)
    for name in ("binding", "desolvation", "means"):
        assert_frame_equal(getattr(one, name), getattr(several, name), check_exact=True)
    assert one.binding.method.unique().tolist() == ["ff_scaled", "ff_full", "gfn2"]
    assert one.binding.cluster.tolist() == ["Li-EC-1"] * 6 + ["Li-DMC-1"] * 6
    assert (one.binding.status == "ok").all()
    assert len(one.minima) == 6
    before = files_of(tmp_path / "one")
    again = binding_energies(groups, **how, cache=tmp_path / "one")
    assert_frame_equal(again.binding, one.binding, check_exact=True)
    assert files_of(tmp_path / "one") == before


def test_what_was_computed_before_a_stop_is_kept(tmp_path):
    from solvshell.binding.by_gfn2 import Gfn2

    groups = by_gfn2()
    asked = Asked(("gas",), False, None, tmp_path)
    jobs = [Job(group, Gfn2(), ((0, 1),)) for group in groups]
    with pytest.raises(Interrupted, match="what was computed is kept"):
        run_jobs(jobs, asked, 1, Stopped("energies", 2))
    assert len(list(tmp_path.glob("gfn2-*.json"))) >= 1
    assert [len(of_job) for of_job in run_jobs(jobs, asked, 1, Tally("energies", 2))] == [1, 1]


def test_a_process_that_dies_is_said_in_one_line(tmp_path):
    job = Job(ions(("Li", 1, (0, 0, 0))), Dies(), ((0,),))
    with pytest.raises(WorkFailed, match="a process died, perhaps for want of memory"):
        run_jobs([job], Asked(("gas",), False, None, tmp_path), 1, Tally("energies", 1))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"methods": ["ff", "xtb"]}, r"method: xtb \(allowed: ff, gfn2, dft\)"),
        ({"methods": []}, "method: none"),
        ({"phases": ["liquid"]}, r"phase: liquid \(allowed: gas, continuum\)"),
        ({"phases": ["continuum"]}, r"phase: continuum is not for method ff \(allowed: gas\)"),
        ({"phases": ["gas", "continuum"], "dielectric": 1.0}, r"dielectric: 1 \(allowed for a continuum: above 1\)"),
        ({"dielectric": 30.0}, r"dielectric: 30 is for a continuum \(phases: gas\)"),
        ({"workers": 0}, r"workers: 0 \(allowed: 1 or more\)"),
    ],
)
def test_refusals(changes, words, tmp_path):
    with pytest.raises(InvalidInput, match=words):
        binding_energies([cluster("EC")], cache=tmp_path, **changes)


def test_two_clusters_of_one_name_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="clusters: two of them have the same name"):
        binding_energies([cluster("EC"), cluster("DMC")], cache=tmp_path)


def test_the_force_field_of_a_cluster_without_one_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="method: ff is for clusters that have a system"):
        binding_energies([ions(("Li", 1, (0, 0, 0)))], cache=tmp_path)


def test_clusters_too_large_for_a_density_functional_are_said_and_start_no_process(tmp_path):
    pytest.importorskip("pyscf.dispersion", reason="needs the extra qm")
    pytest.importorskip("geometric", reason="needs the extra qm")
    found = binding_energies([cluster("EC", "DMC")], methods=["dft"], relax=True, cache=tmp_path)
    assert found.headline() == "2 rows without an energy: too_large"
    assert found.binding.geometry.tolist() == ["fixed", "relaxed"]
    assert found.settings["methods"]["dft"].endswith("clusters of at most 20 atoms")


@pytest.mark.parametrize(("method", "module"), [("gfn2", "tblite"), ("dft", "pyscf")])
def test_a_missing_extra_is_one_line_and_the_force_field_works_without_it(method, module, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(WorkFailed, match=rf"{module}.* is missing; install it with pip install '\.\[qm\]'"):
        binding_energies([cluster("EC")], methods=[method], cache=tmp_path)
    found = binding_energies([cluster("EC")], cache=tmp_path)
    assert found.binding.binding_kj_mol.lt(0).all()
    assert not any(tmp_path.iterdir())
