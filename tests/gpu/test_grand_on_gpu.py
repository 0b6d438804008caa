"""Molecules that come and go on a GPU, in mixed precision: energies, an explosion, and a run that is stopped."""

from pathlib import Path

import numpy as np
import pytest
from grand_toys import Kind, open_fluid
from open_boxes import DENSE, Calls, assert_complete, few_conformers, kill, moves_of, open_protocol, save_gas
from slot_bench import OPEN, Bench, both, context_of, energy, model, same_forces
from small_boxes import liquid

from solvshell.engine import advance, available_platforms
from solvshell.errors import Interrupted
from solvshell.md import simulate
from solvshell.md.checkpoints import numbered, read_checkpoint
from solvshell.md.grand.switching import Schedule
from solvshell.run import open_run

pytestmark = pytest.mark.gpu

#: kJ/mol and kJ/mol/nm: what sums in mixed precision may differ by, of 10^3 kJ/mol and forces of 10^4
ENERGY, FORCE = 1e-2, 1.0


@pytest.fixture(scope="module")
def platform() -> str:
    found = available_platforms()
    working = [name for name in ("CUDA", "HIP", "OpenCL") if found.get(name, "absent") is None]
    if not working:
        pytest.skip("no CUDA, HIP or OpenCL device works here")
    return working[0]


@pytest.fixture(scope="module")
def bench(platform: str) -> Bench:
    return Bench(model(1e-5), platform)


@pytest.fixture(scope="module")
def plain(platform: str) -> tuple[float, np.ndarray]:
    """Return energy and forces of the plain model on the same device."""
    return both(context_of(model(1e-5), liquid().positions, platform))


@pytest.mark.parametrize("name", OPEN)
def test_a_slot_at_one_is_an_ordinary_molecule(name: str, bench: Bench, plain: tuple[float, np.ndarray]) -> None:
    """And with all slots off, before and after, the rest is the plain model: ghosts are nothing but what is inside."""
    (expected, felt), ghosts = plain, bench.own_energy_of_ghosts()
    for molecule in (0, 1):
        assert energy(bench.context) == pytest.approx(expected + ghosts, abs=ENERGY)
        bench.swap(name, molecule)
        found, feels = both(bench.context)
        assert found == pytest.approx(expected + ghosts, abs=ENERGY)
        same_forces(bench, feels, name, molecule, felt, FORCE)
        bench.swap_back(name, molecule)
    assert energy(bench.context) == pytest.approx(expected + ghosts, abs=ENERGY)


def test_ghosts_are_not_felt_wherever_they_are(platform: str) -> None:
    bench, n = Bench(model(), platform), len(liquid().positions)
    start, felt = both(bench.context)
    ghosts = [atoms for name in OPEN for atoms in (bench.pool.molecules[name][2], bench.pool.slots[name])]
    for target, atoms in enumerate(ghosts):
        bench.positions[atoms] += liquid().positions[target] - bench.positions[atoms[0]] + [1e-4, 0, 0]
    bench.context.setPositions(bench.positions)
    found, feels = both(bench.context)
    assert found == pytest.approx(start, abs=ENERGY)
    np.testing.assert_allclose(feels[:n], felt[:n], atol=FORCE)


@pytest.mark.parametrize("kind", ["insertion", "deletion"])
def test_after_a_switch_that_explodes_moves_go_on(kind: str, platform: str) -> None:
    """With a time step that is no number coordinates are none either; the device forgets them."""
    context, sampler = open_fluid(
        {"B": Kind(0.3, 0.8, masses=(20.0, 5.0))}, {"B": 1.0}, Schedule(4, 20), room=20, length=2.0, cutoff=0.9, seed=5,
        platform=platform,
    )  # fmt: skip
    while sampler.occupancy.count("B") < 4:
        sampler.attempt()
    n, there = sampler.occupancy.count("B"), sampler._now()
    context.getIntegrator().setStepSize(np.nan)
    tried = sampler.dry_switch("B", kind)
    context.getIntegrator().setStepSize(0.004)
    assert (tried.outcome, tried.work_kj_mol, sampler.occupancy.count("B")) == ("exploded", np.inf, n)
    now, kept = sampler._now(), np.ravel(sampler._pool.molecules["B"])
    np.testing.assert_allclose(now.positions[kept], there.positions[kept], atol=1e-5)
    assert (now.time_ps, now.step) == (there.time_ps, there.step)
    for _ in range(10):
        assert {sampler.attempt().outcome for _ in range(3)} <= {"accepted", "rejected"}
        advance(context, 20)
    assert np.isfinite(context.getState(energy=True).getPotentialEnergy()._value)


def test_a_run_that_is_stopped_within_a_move_makes_it_anew(
    platform: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then moves are the same but for sums, which differ from one time to the next; so is what is drawn."""
    few_conformers(monkeypatch)
    box, protocol = save_gas(tmp_path / "box"), open_protocol(reservoir=DENSE)
    whole, run = (open_run(tmp_path / name, box, protocol, seed=7) for name in ("whole", "stopped"))
    simulate(whole, platform)
    calls = Calls(monkeypatch, ["switches"])
    calls.acts = {9: kill}
    with pytest.raises(Interrupted, match="within a move, which will be made anew"):
        simulate(run, platform)
    before, at = moves_of(run), read_checkpoint(numbered(run.checkpoint_path)[-1]).exchanged
    assert at is not None
    assert at.n_attempts == len(before) >= 3
    for found, expected in zip(before, moves_of(whole), strict=False):
        assert found.keys() == expected.keys()
        for key in ("move", "time_ps", "species", "kind", "n_before", "outcome", "molecule"):
            assert found[key] == expected[key], key
        if found["work_kj_mol"]:
            work = float(expected["work_kj_mol"])
            assert float(found["work_kj_mol"]) == pytest.approx(work, rel=1e-2, abs=0.1)
    simulate(run, platform)
    assert_complete(run)
    assert moves_of(run)[: len(before)] == before
    anew, expected = moves_of(run)[len(before)], moves_of(whole)[len(before)]
    assert (anew["species"], anew["kind"]) == (expected["species"], expected["kind"])
