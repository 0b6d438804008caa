"""How far the g(r) of other packages are from ours, and what solvation-analysis counts.

    python benchmarks/agreement.py --folder runs/analysis --out docs/results/analysis_peers.md

The liquid is made in the folder if it is not there: some minutes on a CPU. Without `--out`, the page is printed.
"""

import argparse
import tempfile
import warnings
from pathlib import Path

from peers import CELLS, Task, agreement, open_task, peers, random_task, settings
from solvation_analysis.solute import Solute
from trajectories import R_MAX, liquid

from solvshell.analysis.coordination import coordination_table
from solvshell.analysis.geometry import SolvationGeometry
from solvshell.analysis.shells import first_shells, speciation_table

#: Å, by partner; stated rather than found, so that both packages count within the same
RADII = {"PF6": 2.8, "EC": 2.8, "DMC": 2.8, "EMC": 2.8}

_HEAD = """\
# Ours and other packages

`python benchmarks/agreement.py --folder runs/analysis`, {settings}

## g(r)

The same files read by each package, constant volume, bins of 0.01 Å (freud 0.02 Å) up to {r_max:g} Å in the liquid and
to half the narrowest width of the cell among random points. "In another bin": pairs whose distance is nearer to the
edge of a bin than single precision can tell; XTC files round positions to 0.01 Å, which puts many there. Differences of
g are the largest in bins with the same pairs. The volumes of shells are in single precision in freud and in `gmx rdf`,
which prints three decimals. `tests/analysis/test_peers.py` and `tests/slow/test_gmx_rdf.py` ask for equal counts in
every bin without a pair near its edges.

| points | package | pairs | in another bin | g, relative | g, absolute |
|---|---|---:|---:|---:|---:|
"""
_SHELLS = """
At constant pressure InterRDF divides by 1/⟨V⟩ where ours and mdtraj divide by ⟨1/V⟩.

## Coordination and ion pairs by solvation-analysis

The liquid, molecules within 2.8 Å of Li⁺:

| partner | ours | solvation-analysis | difference |
|---|---:|---:|---:|
"""
_STATUS = """
| share of Li⁺ | ours | solvation-analysis calls | and says |
|---|---:|---|---:|
"""
_WHY = """
Its `solute_status` does not count ions: it counts connected clusters of ions and anions, divides their number by that
of the ions, and calls what is missing from one isolated. A row of four ions held together by three anions is one
"networked" of four, and the other three are "isolated". Its own `solvent_pairing`, which counts ions, says that a share
of {touched:.4f} of them touch an anion; 1 - SSIP is {ours:.4f} in ours. "Paired" are the smallest clusters that there
are; that is right where these are pairs of one ion and one anion. An example whose answer is known is
`test_ion_pairs_are_counted_per_ion_not_per_cluster` in `tests/analysis/test_peers.py`.
"""


def g_rows(folder: Path) -> list[str]:
    """Return a row for each package, in the liquid and among random points in both kinds of cells."""
    run = liquid(folder)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        tasks = {"liquid, orthorhombic": open_task(run.topology_path, run.trajectory_path)}
        for kind, cell in CELLS.items():
            (files := Path(name) / kind).mkdir()
            tasks[f"random, {kind}"] = random_task(files, cell, seed=1, n_frames=100, n_centers=50, n_sites=1000)
        for kind, task in tasks.items():
            for peer in peers():
                found = agreement(task, peer)
                relative = "" if peer.rounding else f"{found.relative:.0e}"
                numbers = f"{found.n_pairs:,} | {found.n_moved:,.0f} | {relative} | {found.absolute:.0e}"
                rows.append(f"| {kind} | {peer.name} | {numbers} |")
    return rows


def shell_lines(task: Task) -> list[str]:
    """Return coordination numbers and ion pairs, ours and theirs."""
    solvents = {site.partner: site.atoms for site in task.sites.sites}
    analyses = {"analysis_classes": ["coordination", "networking", "pairing"], "networking_solvents": "PF6"}
    theirs = Solute.from_atoms(task.center, solvents, radii=dict(RADII), skip_rdf=True, **analyses)
    theirs.run()
    radii = {("Li", site.partner, site.name): RADII[site.partner] for site in task.sites.sites}
    shells = first_shells(SolvationGeometry.from_sites(task.sites).run().results, task.sites, radii)
    numbers = coordination_table(shells).set_index("partner")["cn_molecules_mean"]
    coordination = [
        f"| {partner} | {numbers[partner]:.6f} | {n:.6f} | {n - numbers[partner]:.0e} |"
        for partner, n in theirs.coordination.coordination_numbers.items()
    ]
    states = speciation_table(shells)[0].set_index("state")["fraction"]
    status = theirs.networking.solute_status
    names = {"ssip": "isolated", "cip": "paired", "agg": "networked"}
    pairs = [f"| {ours.upper()} | {states[ours]:.4f} | {name} | {status[name]:.4f} |" for ours, name in names.items()]
    why = _WHY.format(touched=theirs.pairing.solvent_pairing["PF6"], ours=1 - states["ssip"])
    return [_SHELLS + "\n".join(coordination), _STATUS + "\n".join(pairs), why]


def page(folder: Path) -> str:
    """Return the page."""
    run = liquid(folder)
    head = _HEAD.format(settings=settings(), r_max=R_MAX)
    return "\n".join(
        [head + "\n".join(g_rows(folder)), *shell_lines(open_task(run.topology_path, run.trajectory_path))]
    )


def main() -> None:
    """Print or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs/analysis"), help="where the liquid is kept")
    parser.add_argument("--out", type=Path, help="the page")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", module="(MDAnalysis|solvation_analysis)")
    text = page(arguments.folder)
    if arguments.out:
        arguments.out.write_text(text)
    else:
        print(text)


if __name__ == "__main__":
    main()
