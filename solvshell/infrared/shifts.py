"""The shift of the C=O stretch from free carbonate to that at Li⁺ and beside a polycation, over clusters."""

import numpy as np
import pandas as pd

from solvshell.infrared.clusters import CLASSES, FREE, Cluster
from solvshell.infrared.stretch import OK, Stretch

CLUSTER_COLUMNS = [
    "class",
    "species",
    "cluster",
    "status",
    "wavenumber_harmonic_gfn2",
    "stretch_share",
    "c_o_angstrom",
    "neighbor_angstrom",
    "n_atoms",
    "molecules",
    "frame",
    "oxygen_index",
    "file",
]
SHIFT_COLUMNS = ["class", "species", "shift_per_cm", "stderr_per_cm", "n", "n_free", "n_left_out"]


def cluster_table(clusters: list[Cluster], stretches: list[Stretch]) -> pd.DataFrame:
    """Return one row for each cluster: `CLUSTER_COLUMNS`, wavenumbers in 1/cm, empty unless the status is ``ok``."""
    rows, numbers = [], dict[tuple[str, str], int]()
    for cluster, stretch in zip(clusters, stretches, strict=True):
        kind, species = cluster.candidate.kind, cluster.candidate.species
        number = numbers[kind, species] = numbers.get((kind, species), 0) + 1
        is_known = stretch.status == OK
        rows.append(
            (
                kind,
                species,
                number,
                stretch.status,
                stretch.wavenumber if is_known else None,
                stretch.share if is_known else None,
                stretch.bond_angstrom,
                stretch.neighbor_angstrom,
                len(cluster.elements),
                " ".join(cluster.molecules),
                cluster.candidate.frame,
                cluster.candidate.oxygen,
                f"clusters/{kind}-{species}-{number:02d}.xyz",
            )
        )
    floats = ["wavenumber_harmonic_gfn2", "stretch_share", "c_o_angstrom", "neighbor_angstrom"]
    return pd.DataFrame(rows, columns=CLUSTER_COLUMNS).astype(dict.fromkeys(floats, float))


def _stderr(values: pd.Series) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.nan


def shift_table(clusters: pd.DataFrame) -> pd.DataFrame:
    """Return the mean wavenumber of each class less that of free carbonate of the same species, in 1/cm.

    Each cluster is one sample: of another molecule or, where there are too few, of another frame. The error is that of
    both means, from the scatter over clusters; it is empty with fewer than two of either. Clusters that are not ``ok``
    are left out, and counted.
    """
    known = clusters[clusters["status"] == OK]
    of = {key: rows["wavenumber_harmonic_gfn2"] for key, rows in known.groupby(["class", "species"])}
    n_left_out = clusters[clusters["status"] != OK].groupby(["class", "species"]).size()
    rows = []
    for species in dict.fromkeys(clusters["species"]):
        for kind in CLASSES:
            bound, free = of.get((kind, species)), of.get((FREE, species))
            if kind == FREE or (kind, species) not in set(zip(clusters["class"], clusters["species"], strict=True)):
                continue
            shift = np.nan if bound is None or free is None else bound.mean() - free.mean()
            stderr = np.nan if bound is None or free is None else float(np.hypot(_stderr(bound), _stderr(free)))
            n, n_free = (0 if values is None else len(values) for values in (bound, free))
            rows.append((kind, species, shift, stderr, n, n_free, int(n_left_out.get((kind, species), 0))))
    return pd.DataFrame(rows, columns=SHIFT_COLUMNS)
