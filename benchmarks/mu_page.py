"""The page of the excess chemical potentials: docs/results/chemical_potentials.md."""

from datetime import date
from pathlib import Path

import mu_dmc
import mu_water
import numpy as np
import openmm
import pandas as pd
import yaml
from gromacs import Gromacs
from mu_dmc import CHARGES, Coupling

from solvshell.analysis.statistics import Estimate, mean_with_error
from solvshell.box import Box
from solvshell.free_energy.decoupling import Decoupling, decoupling_of_run
from solvshell.lj_tail import tail_coefficients
from solvshell.md.alchemy import nonbonded_parameters
from solvshell.run import Run
from solvshell.units import kT_kj_mol

DOCS = Path(__file__).parent.parent / "docs"
PAGE, FORCE_FIELD_PAGE = DOCS / "results" / "chemical_potentials.md", DOCS / "forcefield" / "chemical_potential.md"
EXPERIMENT = Path(__file__).parent / "experiment.yaml"
KCAL = 4.184
#: kcal/mol; what grand and loch take for it (github.com/essex-lab/grand, github.com/OpenBioSim/loch)
TIP3P_KCAL_MOL = -6.09
KT = kT_kj_mol(mu_dmc.TEMPERATURE_K)

_HEAD = """# Excess chemical potentials against references

Made by `python benchmarks/chemical_potentials.py run dmc dmc-gromacs tip3p --out RUNS` and `table --out RUNS` on
{date}: {versions}; on CPU cores.

μ_ex is that of a molecule in the liquid above the ideal gas of the same molecules (all terms within a molecule at full
strength) at the same density: ln z = β μ_ex + ln(N/V). Errors are standard errors.
"""
_DMC = """## DMC: the stage `decouple` against GROMACS

{n} DMC of our force field at {temperature} K and 1 bar, cutoff 0.8 nm, switched from 0.7 nm, dispersion tail on, PME.
One of the {n} is decoupled: charges by λ = {charges}, then Lennard-Jones (soft core 1-1-6, α = 0.5) by
λ = {lennard_jones}. Bonds to hydrogen are rigid.
An error is the larger of that of the estimator and half of the difference of the halves of the time in each state.

- Ours: OpenMM, 4 fs, hydrogens of 3 Da, Monte Carlo barostat, MBAR; {windows} windows of {relax} + {ours_ps} ps.
- GROMACS: the files of `solvshell export` with one DMC as a kind of molecule of its own, `couple-intramol = no`, sd
  integrator, 2 fs, real masses, C-rescale barostat, `gmx bar`; {relax} + {shortest:.0f} to {longest:.0f} ps in a
  state, longest in those with charges.
"""
_DMC_NOTES = """\
Composition: {with_set} DMC with the coupled one, {without} without; μ is that of the step between them. With
⟨V⟩ = {volume:.3f} nm³ of the {without} and N/V = {with_set}/⟨V⟩, ln(z nm³) = {log_z:.2f} ± {log_z_error:.2f}. What
is left of the size of the box is of the order of kT/{with_set}. Ours is `{status}`: smallest overlap {overlap:.2f},
{n_independent} or more independent samples in a state. The coupled box has {ours_volume} nm³ in OpenMM,
{theirs_volume} nm³ in GROMACS.

An error of the difference beyond 0.5 kJ/mol is that of short samples; the runs alone do not agree any better than it
says. But for the sampling it is known better. `tests/slow/test_decouple_gromacs.py` takes one
configuration of this box: both programs have the same energies of the coupled, the uncharged and the decoupled state to
0.02 kJ/mol, and their differences to 0.002 kJ/mol, but for the tails. GROMACS leaves excluded pairs out of its mean
coefficient, OpenMM does not: at this volume the tail of one DMC is {our_tail:.3f} kJ/mol in OpenMM and {their_tail:.3f}
in GROMACS. GROMACS counts it in the energy differences of `dhdl.xvg` (same test): BAR needs no correction.

Ester bonds hardly turn in runs as short as these: both numbers are in effect for the conformer that is packed, cis-cis,
in the liquid and in the gas.

**Finite N at fixed volume.** Decoupling at constant pressure has no such term. A switch of the grand-canonical slot at
the volume ⟨V⟩ of N molecules measures μ at N + 1/2 (insertion) or N − 1/2 (deletion), and ∂(βμ)/∂N = 1/var(N) =
⟨V⟩²/(N² var V). The volumes of the coupled state make that {inverse_variance} here: a μ from insertions alone would be
{half} kT too high, one from deletions as much too low. Acceptances need this very work and are exact. A
chemical potential for a reservoir comes from constant pressure.
"""
_FORCE_FIELD = """# Excess chemical potential of the force field, as it comes, against experiment

Made by `python benchmarks/chemical_potentials.py`, as
[results/chemical_potentials.md](../results/chemical_potentials.md), which says how, and what GROMACS finds.

| liquid | T, K | model, kJ/mol | experiment, kJ/mol | model − experiment |
|---|---|---|---|---|
| DMC | {temperature} | {model:.1f} ± {error:.1f} | {value} | {difference:+.1f} |

Experiment: {source}; {where}.

The heat of vaporization of the model, another measure of how it binds, is in [liquids.md](liquids.md). Reservoirs have
the activities of the model, not those of experiment.
"""
_TIP3P = """## TIP3P water: published numbers

{n} rigid TIP3P (`amber14/tip3p.xml` of OpenMM) at {temperature} K and 1 bar: cutoff {cutoff} nm, switched from
{switch} nm, dispersion tail on, PME; 4 fs, hydrogens of 3 Da. `alchemical_system` and `coupling_energies` of
`solvshell.md.alchemy` on that System, {n_states} states, {passes} ways through them of {relax} + {sample} ps in each,
MBAR. The other number is the one that [grand](https://github.com/essex-lab/grand) and
[loch](https://github.com/OpenBioSim/loch) take for this model.
"""


def _pm(estimate: Estimate, digits: int) -> str:
    error = "?" if estimate.stderr is None else f"{estimate.stderr:.{digits}f}"
    return f"{estimate.mean:.{digits}f} ± {error}"


def _row(name: str, ours: Coupling, theirs: Coupling) -> str:
    difference, error = ours.kj_mol - theirs.kj_mol, np.hypot(ours.stderr_kj_mol, theirs.stderr_kj_mol)
    both = (f"{value.kj_mol:.2f} ± {value.stderr_kj_mol:.2f}" for value in (ours, theirs))
    return f"| {name} | {' | '.join(both)} | {difference:+.2f} ± {error:.2f} |"


def _comparison(found: Decoupling, runs: Gromacs) -> list[str]:
    steps = found.steps.set_index("step")
    ours = {name: Coupling(*steps.loc[name, ["free_energy_kj_mol", "stderr_kj_mol"]]) for name in steps.index}
    uncharged = len(CHARGES)
    slices = {"lennard_jones": slice(uncharged - 1, None), "charges": slice(0, uncharged), "total": slice(None)}
    names = {"lennard_jones": "Lennard-Jones", "charges": "charges", "total": "**μ_ex**"}
    rows = [_row(names[step], ours[step], mu_dmc.bar(runs, part)) for step, part in slices.items()]
    first, second = mu_dmc.halves(runs, slice(None))
    halves = f"| {found.first_half_kj_mol:.2f}, {found.second_half_kj_mol:.2f} | {first:.2f}, {second:.2f} | |"
    head = ["| kJ/mol | solvshell (OpenMM, MBAR) | GROMACS (BAR) | difference |", "|---|---|---|---|"]
    return [*head, *rows, f"| halves of the time {halves}", ""]


def _inverse_variance_of_n(volumes: np.ndarray) -> Estimate:
    """Return V^2 / (N^2 var V) of the volumes of a box at constant pressure; the error from that of the variance."""
    variance = mean_with_error((volumes - volumes.mean()) ** 2)
    value = volumes.mean() ** 2 / mu_dmc.N_DMC**2 / variance.mean
    relative = np.nan if variance.stderr is None else variance.stderr / variance.mean
    return Estimate(value, value * relative, variance.n_independent)


def _our_tail(box: Box) -> float:
    """Return the dispersion tail of the first DMC of a box, kJ/mol nm3."""
    (force,) = (force for force in box.system.getForces() if isinstance(force, openmm.NonbondedForce))
    _, sigma, epsilon = nonbonded_parameters(force).T
    model, of_first = box.recipe.force_field, (np.arange(box.n_atoms) < box.n_atoms // mu_dmc.N_DMC).astype(int)
    tails = tail_coefficients(sigma, epsilon, of_first, model.cutoff, model.switch)
    return float(tails[1, 0] + tails[1, 1] / 2)


def _their_tail(runs: Gromacs) -> float:
    """Return the dispersion tail of a DMC by the energy files of GROMACS, coupled less decoupled, kJ/mol nm3."""
    times_volume = []
    for name in (mu_dmc.states()[0], mu_dmc.states()[-1]):
        _, volume, tail = runs.energies(name, "Volume", "Disper.-corr.")
        times_volume.append((tail * volume).mean())
    return float(times_volume[0] - times_volume[1])


def _notes(run: Run, found: Decoupling, runs: Gromacs) -> str:
    coupled = mu_dmc.records_of(run, state=0)["volume_nm3"].to_numpy()
    _, their_volume = runs.energies(mu_dmc.states()[0], "Volume")
    composition = found.composition.iloc[0]
    inverse = _inverse_variance_of_n(coupled)
    half = Estimate(inverse.mean / 2, None if inverse.stderr is None else inverse.stderr / 2, inverse.n_independent)
    return _DMC_NOTES.format(
        with_set=composition.n_with_set,
        without=composition.n_without_set,
        volume=found.volume_nm3,
        log_z=found.mu_ex_kj_mol / KT + np.log(composition.n_with_set / found.volume_nm3),
        log_z_error=found.stderr_kj_mol / KT,
        status=found.status,
        overlap=found.smallest_overlap,
        n_independent=found.n_independent,
        ours_volume=_pm(mean_with_error(coupled), 3),
        theirs_volume=_pm(mean_with_error(their_volume), 3),
        our_tail=_our_tail(run.box) / found.volume_nm3,
        their_tail=_their_tail(runs) / found.volume_nm3,
        inverse_variance=_pm(inverse, 2),
        half=_pm(half, 2),
    )


def _windows(run: Run) -> str:
    """Return how many of its windows a run has finished."""
    planned, rows = run.protocol.windows, pd.read_csv(run.path / "decouple.csv", usecols=["window"]).value_counts()
    assert planned is not None
    done = int((rows == rows.max()).sum())
    return f"all {done}" if done == planned.n_windows else f"the first {done} of {planned.n_windows}"


def _dmc(out: Path) -> list[str]:
    run, runs = Run.load(out / "dmc" / "run"), Gromacs(out / "dmc-gromacs")
    found = decoupling_of_run(run)
    _write_force_field_page(found)
    sampled = [mu_dmc.sampled_ps(runs, name) for name in mu_dmc.states()]
    text = _DMC.format(
        n=mu_dmc.N_DMC,
        temperature=mu_dmc.TEMPERATURE_K,
        charges=", ".join(f"{value:g}" for value in CHARGES),
        lennard_jones=", ".join(f"{value:g}" for value in mu_dmc.LENNARD_JONES),
        windows=_windows(run),
        ours_ps=mu_dmc.SAMPLE_PS,
        relax=mu_dmc.RELAX_PS,
        shortest=min(sampled),
        longest=max(sampled),
    )
    return [text, *_comparison(found, runs), _notes(run, found, runs)]


def _write_force_field_page(found: Decoupling) -> None:
    measured = yaml.safe_load(EXPERIMENT.read_text())["liquids"]["DMC"]["excess_chemical_potential_kj_mol"]
    page = _FORCE_FIELD.format(
        temperature=mu_dmc.TEMPERATURE_K,
        model=found.mu_ex_kj_mol,
        error=found.stderr_kj_mol,
        difference=found.mu_ex_kj_mol - measured["value"],
        **measured,
    )
    FORCE_FIELD_PAGE.write_text(page)


def _water(out: Path) -> list[str]:
    n_done = mu_water.n_done(out)
    windows = [mu_water.Window.load(path) for path in mu_water.paths(out)[:n_done]]
    visits = mu_water.visits()[:n_done]
    found = mu_water.coupling(windows, visits)
    to_kcal = kT_kj_mol(mu_water.TEMPERATURE_K) / KCAL
    n_states, n_water = len(mu_water.STATES), len(windows[0].positions) // 3
    ways = [slice(start, start + n_states) for start in range(0, len(windows), n_states)]
    each = [to_kcal * mu_water.coupling(windows[way], visits[way]).free_energy[-1, 0] for way in ways]
    volume = np.concatenate([window.volumes for window, state in zip(windows, visits, strict=True) if state == 0])
    mu, error = to_kcal * found.free_energy[-1, 0], to_kcal * found.stderr[-1, 0]
    scatter = np.std(each, ddof=1) / np.sqrt(len(each)) if len(each) > 1 else 0.0
    text = _TIP3P.format(
        n=n_water,
        temperature=mu_water.TEMPERATURE_K,
        cutoff=mu_water.CUTOFF,
        switch=mu_water.SWITCH,
        n_states=n_states,
        passes=len(ways),
        relax=mu_water.RELAX_PS,
        sample=mu_water.SAMPLE_PS,
    )
    return [
        text,
        "| μ_ex, kcal/mol | here | grand, loch |",
        "|---|---|---|",
        f"| TIP3P | {mu:.2f} ± {max(error, scatter):.2f} | {TIP3P_KCAL_MOL:.2f} |",
        "",
        f"The ways apart: {', '.join(f'{value:.2f}' for value in each)} kcal/mol; smallest overlap "
        f"{found.overlap.min():.2f}, {found.n_independent.min()} or more independent samples in a state. Composition: "
        f"{n_water} water with the coupled one, {n_water - 1} without; volume of a molecule "
        f"{1000 * volume.mean() / n_water:.2f} Å³ (grand: 30.345, loch: 30.543).",
        "",
    ]


def write_page(out: Path) -> None:
    """Write the page of what has been run."""
    gmx = Gromacs(out).version()
    head = _HEAD.format(date=date.today().isoformat(), versions=f"OpenMM {openmm.version.version}, {gmx}")
    parts = [head]
    if (out / "dmc" / "run").exists() and mu_dmc.is_done(Gromacs(out / "dmc-gromacs")):
        parts += _dmc(out)
    if mu_water.n_done(out):
        parts += _water(out)
    PAGE.write_text("\n".join(parts))
    print(PAGE.read_text())
