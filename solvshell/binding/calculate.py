"""From clusters to tables of binding and desolvation energies."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from solvshell.binding.clusters import Cluster
from solvshell.binding.methods import CONTINUUM, GAS, OK, Asked, Members, Method, PartEnergy
from solvshell.binding.parts import parts_of, whole
from solvshell.binding.pool import Job, run_jobs
from solvshell.binding.request import check_request, chosen_methods
from solvshell.binding.tables import BINDING, Found, binding_table, desolvation_table, mean_table
from solvshell.errors import InvalidInput
from solvshell.progress import Tally
from solvshell.quantum import Array
from solvshell.quantum.cache import user_cache


@dataclass(frozen=True, repr=False)
class BindingEnergies:
    """What `binding_energies` found: tables, clusters, and the settings as plain JSON values.

    `minima` are the positions (n_atoms, 3) in Å of whole clusters by their name and method.
    """

    binding: pd.DataFrame
    desolvation: pd.DataFrame
    means: pd.DataFrame
    clusters: tuple[Cluster, ...]
    minima: dict[tuple[str, str], Array]
    settings: dict[str, Any]

    def headline(self) -> str:
        """Return the mean binding energies in kJ/mol as a table, a column for each method, phase and geometry."""
        rows = self.means[self.means["quantity"] == BINDING]
        around = {cluster.composition: cluster.in_words for cluster in self.clusters}
        how = ["method", "phase", "geometry"]
        named = rows.assign(what=rows["kind"] + " " + rows["composition"].map(around)).set_index(["what", *how])
        wide = named["mean_kj_mol"].unstack(how, sort=False)  # noqa: PD010 pivot_table leaves empty columns out
        table = wide.rename_axis(index=None, columns=[None] * len(how))
        lines = [] if wide.empty else [table.to_string(float_format="{:.0f}".format, na_rep="-")]
        without = self.binding[self.binding["status"] != OK]["status"].value_counts()
        return "\n".join([*lines, *(f"{n} rows without an energy: {status}" for status, n in without.items())])

    def __repr__(self) -> str:
        return f"<BindingEnergies of {len(self.clusters)} clusters: binding, desolvation, means, settings>"


def _jobs(clusters: Sequence[Cluster], methods: Sequence[Method]) -> list[Job]:
    """Return the jobs, those of the largest parts first, so that no process ends long after the others."""
    jobs = [
        Job(cluster, method, tuple(parts))
        for cluster in clusters
        for method in methods
        if method.refuses(cluster) is None
        for parts in method.jobs(parts_of(cluster))
    ]
    return sorted(jobs, key=lambda job: -max(len(job.cluster.atoms(part)) for part in job.parts))


def _found(
    clusters: Sequence[Cluster], methods: Sequence[Method], asked: Asked, computed: Iterable[tuple[Job, PartEnergy]]
) -> Found:
    """Return the energies of parts by cluster, method, phase and geometry; those of refused clusters are none."""
    found: dict[tuple[str, str, str, str], dict[Members, PartEnergy]] = {}
    for cluster, method in product(clusters, methods):
        refused = method.refuses(cluster)
        for phase, geometry in product((phase for phase in asked.phases if phase in method.phases), asked.geometries):
            found[cluster.name, method.name, phase, geometry] = (
                {}
                if refused is None
                else {part: PartEnergy(part, phase, geometry, None, refused) for part in parts_of(cluster)}
            )
    for job, energy in computed:
        found[job.cluster.name, job.method.name, energy.phase, energy.geometry][energy.members] = energy
    return found


def _minima(clusters: Sequence[Cluster], found: Found) -> dict[tuple[str, str], Array]:
    of_whole = {cluster.name: whole(cluster) for cluster in clusters}
    return {
        (name, method): positions
        for (name, method, _, _), energies in found.items()
        if (positions := energies[of_whole[name]].positions) is not None
    }


def _described(methods: Sequence[Method], asked: Asked, clusters: Sequence[Cluster]) -> dict[str, Any]:
    scales = {cluster.charge_scale for cluster in clusters}
    return {
        "binding_energy": "E(cluster) - sum of E(molecule), negative if bound; no zero-point energy",
        "desolvation_energy": "E(without the molecule) + E(molecule) - E(cluster), positive if it costs energy",
        "fixed": "molecules in the geometry that they have in the cluster as cut from the trajectory",
        "relaxed": "cluster, remainders and molecules at the nearest minimum each, in the gas phase by the same method",
        "chain": "one molecule after another leaves, that with the longest contact first",
        "methods": {method.name: method.described(scales) for method in methods},
        "phases": list(asked.phases),
        "geometries": list(asked.geometries),
        "dielectric_constant": asked.dielectric if CONTINUUM in asked.phases else None,
    }


def binding_energies(
    clusters: Sequence[Cluster],
    methods: Sequence[str] = ("ff",),
    *,
    phases: Sequence[str] = (GAS,),
    relax: bool = False,
    dielectric: float | None = None,
    workers: int = 1,
    cache: Path | str | None = None,
    console: Console | None = None,
) -> BindingEnergies:
    """Return binding and stepwise desolvation energies of clusters.

    Parameters
    ----------
    clusters
        From `clusters_of` or made by hand, each with a name of its own.
    methods
        ``ff`` (the force field of the clusters, with scaled charges of ions and with full ones, apart), ``gfn2``,
        ``dft`` (counterpoise corrected, clusters of at most `by_dft.LARGEST_CLUSTER` atoms).
    phases
        ``gas``, ``continuum``; the force field has the gas phase alone.
    relax
        Minima too: of the cluster, of what a molecule leaves behind, of each molecule.
    dielectric
        Constant of the continuum.
    workers
        Processes, of one thread each. A script that calls this needs the guard ``if __name__ == "__main__":``.
    cache
        Folder of what was computed before; by the convention of the platform if left out.
    console
        Where progress is shown.

    Raises
    ------
    InvalidInput
        If a method, phase, number or name is not allowed.
    WorkFailed
        If the extra `qm` is missing, or a process dies.
    Interrupted
        At Ctrl-C; what was computed is kept.
    """
    check_request(methods, phases, workers, dielectric)
    if CONTINUUM in phases and dielectric is None:
        raise InvalidInput("dielectric: none (a continuum needs one)")
    if len({cluster.name for cluster in clusters}) < len(clusters):
        raise InvalidInput("clusters: two of them have the same name")
    folder = Path(cache) if cache is not None else user_cache() / "quantum"
    asked = Asked(tuple(phases), relax, dielectric, folder)
    chosen = chosen_methods(methods, clusters)
    jobs = _jobs(clusters, chosen)
    energies = run_jobs(jobs, asked, workers, Tally("energies", len(jobs), console)) if jobs else []
    found = _found(
        clusters, chosen, asked, ((job, one) for job, of_job in zip(jobs, energies, strict=True) for one in of_job)
    )
    of_binding, of_desolvation = binding_table(clusters, found), desolvation_table(clusters, found)
    means = mean_table(of_binding, of_desolvation)
    settings = _described(chosen, asked, clusters)
    return BindingEnergies(of_binding, of_desolvation, means, tuple(clusters), _minima(clusters, found), settings)
