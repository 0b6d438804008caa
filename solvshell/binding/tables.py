"""Binding energies and desolvation energies as tables, and their means over clusters."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from solvshell.binding.clusters import Cluster
from solvshell.binding.methods import OK, REFUSED, Members, PartEnergy
from solvshell.binding.parts import ANY, Energies, binding, desolvation, steps_of, whole

_WHO = ["cluster", "kind", "composition", "method", "phase", "geometry"]
BINDING_COLUMNS = [*_WHO, "binding_kj_mol", "status", "n_atoms", "charge", "contacts_angstrom"]
DESOLVATION_COLUMNS = [*_WHO, "order", "n_before", "leaves", "molecule", "desolvation_kj_mol", "status"]
BINDING, DESOLVATION = "binding", "desolvation"
MEAN_COLUMNS = ["quantity", "kind", "composition", "leaves", "method", "phase", "geometry"]
MEAN_COLUMNS += ["mean_kj_mol", "stderr_kj_mol", "n", "n_failed"]

#: Energies of parts by cluster, method, phase and geometry.
Found = Mapping[tuple[str, str, str, str], dict[Members, PartEnergy]]


def _contacts(cluster: Cluster, energy: PartEnergy) -> str:
    if energy.status != OK:
        return ""
    positions = cluster.positions if energy.positions is None else energy.positions
    return " ".join(f"{r:.3f}" for r in cluster.contacts(positions))


def _who(cluster: Cluster, method: str, phase: str, geometry: str) -> tuple[str, ...]:
    return cluster.name, cluster.kind, cluster.composition, method, phase, geometry


def binding_table(clusters: Sequence[Cluster], found: Found) -> pd.DataFrame:
    """Return a row for each cluster, method, phase and geometry: see `BINDING_COLUMNS`.

    `contacts_angstrom` are the distances from the center to the atoms that touched it when it was cut, in this
    geometry.
    """
    by_name = {cluster.name: cluster for cluster in clusters}
    rows = []
    for (name, *how), energies in found.items():
        cluster = by_name[name]
        everything = whole(cluster)
        charge = cluster.charge(everything) if cluster.is_whole else None
        about = (len(cluster.elements), charge, _contacts(cluster, energies[everything]))
        rows.append((*_who(cluster, *how), *binding(cluster, energies), *about))
    return pd.DataFrame(rows, columns=BINDING_COLUMNS).astype({"binding_kj_mol": float, "charge": "Int64"})


def _steps(cluster: Cluster, how: Sequence[str], energies: Energies) -> Iterator[tuple[Any, ...]]:
    for step in steps_of(cluster):
        kj_mol, status = desolvation(step, energies)
        leaves = (step.order, len(step.before) - 1, cluster.species[step.leaves], step.leaves)
        yield (*_who(cluster, *how), *leaves, kj_mol, status)


def desolvation_table(clusters: Sequence[Cluster], found: Found) -> pd.DataFrame:
    """Return a row for each molecule that leaves a cluster: see `DESOLVATION_COLUMNS` and `parts.Step`.

    `n_before` are the molecules around the center before, `molecule` is the number of the one that leaves. Clusters
    that a method does not take have no rows.
    """
    by_name = {cluster.name: cluster for cluster in clusters}
    taken = {
        key: energies for key, energies in found.items() if not all(e.status in REFUSED for e in energies.values())
    }
    rows = [row for (name, *how), energies in taken.items() for row in _steps(by_name[name], how, energies)]
    return pd.DataFrame(rows, columns=DESOLVATION_COLUMNS).astype({"desolvation_kj_mol": float})


def _means(rows: pd.DataFrame, quantity: str, column: str) -> Iterator[tuple[Any, ...]]:
    """Yield the mean over clusters of rows that have a column `leaves`; several of a cluster count as one."""
    keys = MEAN_COLUMNS[1:7]
    for key, group in rows.groupby(keys, sort=False):
        of_cluster = group[group["status"] == OK].groupby("cluster")[column].mean().to_numpy()
        n, n_failed = len(of_cluster), group["cluster"].nunique() - len(of_cluster)
        mean = float(of_cluster.mean()) if n else np.nan
        stderr = float(of_cluster.std(ddof=1) / np.sqrt(n)) if n > 1 else np.nan
        yield (quantity, *key, mean, stderr, n, n_failed)


def mean_table(of_binding: pd.DataFrame, of_desolvation: pd.DataFrame) -> pd.DataFrame:
    """Return the means over the clusters of each composition: see `MEAN_COLUMNS`.

    Of `binding`, and of `desolvation` of one molecule of a species out of the whole shell. The standard error is the
    scatter over √n, empty for a single cluster. The clusters are typical ones that differ, no random sample of the
    liquid. `n_failed` did not converge and were not averaged; clusters that a method does not take have no row.
    """
    of_binding = of_binding[~of_binding["status"].isin(REFUSED)]
    any_one = of_desolvation[of_desolvation["order"] == ANY]
    rows = [
        *_means(of_binding.assign(leaves=""), BINDING, "binding_kj_mol"),
        *_means(any_one, DESOLVATION, "desolvation_kj_mol"),
    ]
    return pd.DataFrame(rows, columns=MEAN_COLUMNS)
