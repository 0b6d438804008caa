"""Activities against exact answers, of few molecules too; and what `solvshell reservoir` makes, resumes and refuses."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import openmm
import pandas as pd
import pytest
import yaml
from scipy.special import gamma
from small_boxes import liquid, small_recipe

from solvshell.box import Box
from solvshell.cli import main
from solvshell.errors import Interrupted, WorkFailed
from solvshell.files import to_yaml, validate
from solvshell.free_energy.activity import activity_of
from solvshell.free_energy.decoupling import Decoupling, Medium, decoupling
from solvshell.md import simulate
from solvshell.protocol import Protocol
from solvshell.reservoir import load_reservoir
from solvshell.run import Run, open_run
from solvshell.stages import Decouple
from solvshell.units import kT_kj_mol

KT = kT_kj_mol(298.15)


def make_protocol(**changes: Any) -> Protocol:
    """Return three states at constant volume, visited down and up, each recorded for 0.2 ps."""
    stage = {
        "kind": "decouple",
        "name": "decoupling",
        "temperature": "298.15 K",
        "friction": "50 /ps",
        "molecules": ["DMC"],
        "charges": [1, 0],
        "lennard_jones": [1, 0],
        "relax": "0.02 ps",
        "sample": "0.2 ps",
        "record_interval": "0.01 ps",
        "log_interval": "0.1 ps",
    }
    content = {
        "name": "test",
        "title": "short",
        "timestep": "2 fs",
        "checkpoint_interval": "0.1 ps",
        "stages": [{"kind": "minimize", "max_iterations": 30}, stage | changes],
    }
    return validate(Protocol, content, "test")


def make_stage() -> Decouple:
    stage = make_protocol(pressure="1 bar").stages[-1]
    assert isinstance(stage, Decouple)
    return stage


def records_of(coupled: np.ndarray, of_decoupled: np.ndarray, volumes: np.ndarray) -> pd.DataFrame:
    """Return records of what coupling costs in kT, drawn from the coupled state (twice) and from the decoupled one."""
    names, parts = ["energy_0_kj_mol", "energy_1_kj_mol", "energy_2_kj_mol"], []
    for drawn, windows in ((coupled, (0, 5)), (coupled, (1, 4)), (of_decoupled, (2, 3))):
        for window, half in zip(windows, np.array_split(KT * drawn, 2), strict=True):
            parts.append(pd.DataFrame({"window": window, "volume_nm3": 1.0, **dict.fromkeys(names[:2], half)}))
            parts[-1][names[2]] = 0.0
    found = pd.concat(parts, ignore_index=True)
    found.loc[found.window.isin((2, 3)), "volume_nm3"] = volumes
    return found.sort_values("window", kind="stable")


def rods(n: int, pressure: float, length: float, n_samples: int, rng: np.random.Generator) -> Decoupling:
    """Return n hard rods on a ring at a pressure in kT, one of them decoupled: exact draws of both states.

    With n - 1 rods and a free one the ring is L long with the weight L^2 (L - c)^(n-2) exp(-p L), c = (n-1) a:
    powers of L - c, each a gamma distribution. The gaps between the rods share L - c at random, and the n-th fits into
    those longer than itself.
    """
    taken, shapes = (n - 1) * length, np.arange(n - 1, n + 2)
    shares = np.array([1, 2, 1]) * taken ** np.array([2.0, 1.0, 0.0]) * gamma(shapes) / pressure**shapes
    left = rng.gamma(rng.choice(shapes, size=n_samples, p=shares / shares.sum()), 1 / pressure)
    size = left + taken
    gaps = rng.dirichlet(np.ones(n - 1), size=n_samples) * left[:, None]
    fits = rng.random(n_samples) < np.maximum(gaps - length, 0).sum(axis=1) / size
    records = records_of(np.zeros(n_samples), np.where(fits, 0.0, 1e3), size)
    return decoupling(records, make_stage(), Medium({"DMC": n}, {"DMC": 0.0}, 1.0))


@pytest.mark.parametrize("n", [2, 5])
def test_few_hard_rods_have_the_activity_of_many(n: int) -> None:
    """Of rods of length a, z = p exp(p a) / kT at constant pressure, whatever their number is (Tonks, 1936).

    n - 1 in place of n, or the volume of the coupled state, would be wrong by half with two rods.
    """
    found = activity_of([rods(n, 1.3, 0.6, 20_000, np.random.default_rng(n))])
    exact = np.log(1.3 * np.exp(1.3 * 0.6))
    assert found.beta_mu_error is not None
    assert found.beta_mu_error < 0.04
    assert np.log(found.activity) == pytest.approx(exact, abs=3 * found.beta_mu_error)
    assert (found.n, found.at_n) == (n, n - 0.5)


def test_ideal_molecules_have_the_activity_of_their_pressure() -> None:
    """Without any interaction z = p / kT: here 2 per nm3, of 9 molecules, whose volume is what it is a mean of."""
    rng = np.random.default_rng(1)
    volumes = rng.gamma(10, 1 / 2.0, size=4000)  # V^9 exp(-p V)
    nothing = np.zeros(4000)
    found = activity_of(
        [decoupling(records_of(nothing, nothing, volumes), make_stage(), Medium({"DMC": 9}, {"DMC": 0.0}, 1.0))]
    )
    assert found.beta_mu_error == pytest.approx(1 / np.sqrt(8 * 4000), rel=0.3)  # <1/V^2> - <1/V>^2 over <1/V>^2 is 1/8
    assert np.log(found.activity) == pytest.approx(np.log(2.0), abs=3 * found.beta_mu_error)
    assert found.mu_ex == 0.0


def some(mu_ex: list[float], stderr: float, statuses: list[str] | None = None) -> list[Decoupling]:
    """Return replicas with these numbers."""
    one = rods(5, 1.3, 0.6, 2000, np.random.default_rng(1))
    return [
        replace(
            one, mu_ex_kj_mol=value, stderr_kj_mol=stderr, status=status, volume_nm3=2.0, volume_stderr_nm3=0.02 * 2.0
        )
        for value, status in zip(mu_ex, statuses or ["resolved"] * len(mu_ex), strict=True)
    ]


def test_replicas_are_averaged_and_their_scatter_is_the_error_from_three_on() -> None:
    own = np.hypot(0.1 / KT, 0.02)
    for values, expected in (
        ([-20.0], own),
        ([-22.0, -18.0], own / np.sqrt(2)),
        ([-22.0, -20.0, -18.0], 2 / KT / np.sqrt(3)),
        ([-20.0, -20.0, -20.0], own / np.sqrt(3)),
    ):
        found = activity_of(some(values, 0.1))
        assert found.beta_mu_error == pytest.approx(expected)
        assert found.mu_ex == pytest.approx(-20.0)
        assert found.activity == pytest.approx(5 / 2.0 * np.exp(-20 / KT))
        assert found.density == pytest.approx(2.5)
    assert activity_of(some([-20.0, -20.0], 0.1, ["resolved", "drifting"])).status == "drifting"


def test_states_that_do_not_overlap_make_no_activity() -> None:
    nothing = np.zeros(500)
    medium = Medium({"DMC": 5}, {"DMC": 0.0}, 1.0)
    apart = decoupling(records_of(nothing - 50, nothing + 50, nothing + 1), make_stage(), medium)
    problem = (
        r"^DMC: no activity, since two states \(charges 0, lennard_jones 1 and charges 0, lennard_jones 0\) share 0"
    )
    with pytest.raises(WorkFailed, match=problem):
        activity_of([apart])


def without_interactions() -> Box:
    """Return the small liquid with nothing left between its molecules."""
    system = copy.deepcopy(liquid().system)
    force = next(force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))
    for atom in range(system.getNumParticles()):
        _, sigma, _ = force.getParticleParameters(atom)
        force.setParticleParameters(atom, 0.0, sigma, 0.0)
    return replace(liquid(), system=system)


@pytest.fixture(scope="module")
def ideal(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a finished run that has decoupled one of two DMC of a box without interactions."""
    folder = tmp_path_factory.mktemp("ideal")
    without_interactions().save(folder / "box")
    return simulate(open_run(folder / "run", folder / "box", make_protocol()), "Reference")


def test_a_run_of_ideal_molecules_makes_their_density(
    ideal: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "reservoir.yaml"
    assert main(["reservoir", str(ideal.path), "--out", str(out)]) == 0
    found = load_reservoir(out)
    exact = 2 / ideal.box.volume_nm3
    assert found.species["DMC"].activity == pytest.approx(exact, rel=1e-7)  # the file of the run has nine digits
    assert found.species["DMC"].beta_mu_error == pytest.approx(0.0, abs=1e-6)
    assert found.medium == {"Li": 2, "PF6": 2, "EC": 2, "DOL": 2, "DMC": 2}
    assert found.pressure is None
    assert found.model is not None
    assert found.model.files == ideal.box.provenance["force_field"]
    (kept,) = found.provenance["runs"]
    assert kept["path"] == str(ideal.path)
    said = capsys.readouterr().out
    assert "2 molecules, the one decoupled counted: z is that of 1.5, 0.200 kT below that of 2" in said
    assert "2 molecules are few" in said
    assert f"next: solvshell run BOX --protocol grand-canonical --reservoir {out} --out RUN" in said


def test_runs_that_make_no_reservoir_are_refused(
    ideal: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refusal(*sources: Path | str, status: int = 2) -> str:
        out = tmp_path / "reservoir.yaml"
        assert main(["reservoir", *map(str, sources), "--out", str(out)]) == status
        assert not out.exists()
        return capsys.readouterr().err

    def run(name: str, box: Box, **changes: Any) -> Path:
        box.save(tmp_path / f"{name}-box")
        made = open_run(tmp_path / name, tmp_path / f"{name}-box", make_protocol(**changes))
        (made.path / "done.json").write_text("{}")  # none of these is looked into further
        return made.path

    known = Path(ideal.path)
    assert "differs from" in (said := refusal(known, run("warm", without_interactions(), temperature="310 K")))
    assert "in temperature (K): 310.0 and 298.15" in said
    assert "in pressure (bar; None at constant volume): 1.0 and None" in refusal(
        known, run("pressed", without_interactions(), pressure="1 bar")
    )
    assert "in parameters of molecules" in refusal(known, run("real", liquid()))
    assert f"its box is a copy of that of {known}, which makes no replica" in refusal(
        known, run("copy", without_interactions())
    )
    assert "has decoupled Li + PF6; a reservoir is made of one molecule of a solvent each" in refusal(
        run("salt", liquid(), molecules=["Li", "PF6"])
    )
    unfinished = run("unfinished", liquid(), molecules=["EC"])
    (unfinished / "done.json").unlink()
    assert "is not finished; 'solvshell run' goes on with it" in refusal(unfinished)
    assert "not a run folder" in refusal(tmp_path)
    for option in (["--replicas", "2"], ["--open", "EC"], ["--seed", "0"], ["--protocol", "decouple"]):
        assert f"{option[0]}: is for a recipe; the runs are there" in refusal(known, *option)


def dilute_recipe(path: Path) -> Path:
    """Write a recipe of a gas of two species, whose states overlap within a fraction of a ps."""
    recipe = small_recipe({"EC": 3, "DMC": 4}, "0.6 nm", name="gas", packing={"density": "0.02 g/cm3"})
    path.write_text(to_yaml(recipe))
    return path


@pytest.fixture
def gas(tmp_path: Path) -> list[str]:
    """Return the arguments that make the reservoir of a gas."""
    protocol = tmp_path / "short.yaml"
    protocol.write_text(to_yaml(make_protocol(molecules=["DMC"], lennard_jones=[1, 0.3, 0])))
    return [
        *("reservoir", str(dilute_recipe(tmp_path / "gas.yaml")), "--out", str(tmp_path / "reservoir.yaml")),
        *("--protocol", str(protocol), "--platform", "Reference", "--seed", "5"),
    ]


def test_a_recipe_makes_a_reservoir_and_the_same_command_goes_on(
    gas: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, work = tmp_path / "reservoir.yaml", tmp_path / "reservoir-runs"

    def stopped(*_: object, **__: object) -> None:
        raise Interrupted("stopped; 0 of 2 runs are done")

    with monkeypatch.context() as patched:
        patched.setattr("solvshell.md.run_all", stopped)
        assert main(gas) == 3
    said = capsys.readouterr()
    assert "the same command goes on from here" in said.err
    assert "2 solvents (EC, DMC), each in 1 box; times left are those of all runs" in said.out
    assert not out.exists()
    box = Box.load(work / "boxes" / "replica-00")
    assert main(gas) == 0
    found = load_reservoir(out)
    assert list(found.species) == ["EC", "DMC"]
    for name, n in (("EC", 3), ("DMC", 4)):
        run = Run.load(work / name / "replica-00")
        assert run.is_done
        assert run.protocol.windows is not None
        assert run.protocol.windows.molecules == [name]  # type: ignore[attr-defined]
        one = found.species[name]
        assert one.n == n
        assert one.activity == pytest.approx(n / box.volume_nm3 * np.exp((one.mu_ex or 0) / KT), rel=1e-6)
    seeds = {Run.load(work / name / "replica-00").provenance["seed"] for name in ("EC", "DMC")}
    assert len(seeds) == 2
    before = (work / "EC" / "replica-00" / "done.json").read_bytes()
    assert main(gas) == 2
    assert f"--out: {out} exists" in capsys.readouterr().err
    out.unlink()
    assert main(gas) == 0  # from what is there
    assert load_reservoir(out).species == found.species
    assert (work / "EC" / "replica-00" / "done.json").read_bytes() == before
    out.unlink()
    assert main([*gas, "--seed", "6"]) == 2
    assert "built of something else: seed 5 instead of 6" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--open", "Li"], r"--open: solvents of recipe 'gas' (EC, DMC), got Li"),
        (["--open", "EC", "PC"], r"--open: solvents of recipe 'gas' (EC, DMC), got PC"),
        (["--protocol", "quick"], "--protocol: quick ends in dynamics, expected decouple"),
        (["--protocol", "temperatures"], "a series of"),
        (["--replicas", "0"], "replicas: at least 1, got 0"),
        (["--platform", "Abacus"], "platform: 'Abacus' is not installed here"),
        (["--out", "nowhere/reservoir.yaml"], "--out: nowhere is no folder"),
    ],
)
def test_wrong_requests_leave_nothing_behind(
    options: list[str], problem: str, gas: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(tmp_path.iterdir())
    assert main([*gas, *options]) == 2
    errors = capsys.readouterr().err
    assert problem in errors
    assert len(errors.splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == before
    assert main(["reservoir", gas[1], gas[1], "--out", str(tmp_path / "reservoir.yaml")]) == 2
    assert "RECIPE: one recipe, or folders of runs" in capsys.readouterr().err


def test_no_solvent_no_reservoir(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = small_recipe({"Li": 8, "NO3": 8}, "0.4 nm", name="melt")
    (tmp_path / "melt.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    assert main(["reservoir", str(tmp_path / "melt.yaml"), "--out", str(tmp_path / "reservoir.yaml")]) == 2
    assert "recipe 'melt' has no solvent" in capsys.readouterr().err
