"""Typical shells as files for quantum chemistry: XYZ and PDB, one of each kind."""

import re
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from MDAnalysis import Universe

from solvshell.analysis.shells import FirstShells, compositions, shell_table
from solvshell.analysis.typical.cutout import Cluster, cut_out
from solvshell.analysis.typical.instances import Instance, typical_instances
from solvshell.errors import InvalidInput
from solvshell.files import write_atomically

EXPORT_COLUMNS = [
    "center",
    "composition",
    "rank",
    "instance",
    "file",
    "fraction",
    "stderr",
    "n_instances",
    "frame",
    "time_ps",
    "center_index",
    "molecules",
    "distances_angstrom",
    "n_atoms",
    "charge",
    "cut_bonds",
]
#: Beside the tables of an analysis.
FOLDER = "shells"
INDEX_NAME = "index.csv"
#: Two shells are the same if their distances differ by less than this, root mean square, in Å.
SAME_SHELL_ANGSTROM = 0.1
#: So many candidates are read for each shell that is wanted.
_TRIED = 20


def _is_like(one: Cluster, other: Cluster) -> bool:
    """Whether two shells have the same distances, whichever molecules they are of."""
    mine, others = one.fingerprint(), other.fingerprint()
    return len(mine) == len(others) and bool(np.sqrt(np.mean((mine - others) ** 2)) < SAME_SHELL_ANGSTROM)


def _different(
    universe: Universe, shells: FirstShells, candidates: Iterator[Instance], wanted: int
) -> list[tuple[Instance, Cluster]]:
    """Return the first candidates whose geometries differ, up to a number."""
    kept: list[tuple[Instance, Cluster]] = []
    for instance, _ in zip(candidates, range(_TRIED * wanted), strict=False):
        cluster = cut_out(universe, shells, instance)
        if not any(_is_like(cluster, other) for _, other in kept):
            kept.append((instance, cluster))
        if len(kept) == wanted:
            break
    return kept


def _written(cluster: Universe, suffix: str, **settings: str) -> str:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="MDAnalysis")  # of attributes that a PDB file may have
        path = Path(folder) / f"shell{suffix}"
        cluster.atoms.write(str(path), **settings)
        return path.read_text()


def _xyz(cluster: Cluster, row: dict[str, Any]) -> str:
    """Return an extended XYZ file, whose second line says what it is as ``key=value``."""
    words = []
    for key, value in row.items():
        text = f"{value:.6g}" if isinstance(value, float) else str(value)
        if key != "file" and not pd.isna(value):
            words.append(f'{key}="{text}"' if " " in text else f"{key}={text}")
    comment = " ".join(["Properties=species:S:1:pos:R:3", *words, 'pbc="F F F"'])
    return _written(cluster.universe, ".xyz", remark=comment).rstrip("\n") + "\n"


def _pdb(cluster: Cluster, row: dict[str, Any]) -> str:
    """Return a PDB file without a cell: the cube of 1 Å that MDAnalysis writes is one to most programs."""
    head = ("HEADER", "TITLE", "REMARK", "CRYST1")
    lines = [line for line in _written(cluster.universe, ".pdb").splitlines() if not line.startswith(head)]
    charge = "unknown" if cluster.charge is None else f"{cluster.charge:+d}"
    title = f"TITLE     {row['center']} {row['composition']}, frame {row['frame']}, charge {charge}"
    return "\n".join([title[:80], *lines]) + "\n"


def _row(instance: Instance, cluster: Cluster) -> dict[str, Any]:
    contacts = instance.contacts
    return {
        "frame": instance.frame,
        "time_ps": cluster.time_ps,
        "center_index": instance.atom,
        "molecules": " ".join(map(str, dict.fromkeys(contacts.molecule.tolist()))),
        "distances_angstrom": " ".join(f"{distance:.3f}" for distance in np.sort(contacts.distance)),
        "n_atoms": len(cluster.universe.atoms),
        "charge": cluster.charge,
        "cut_bonds": cluster.cut_bonds,
    }


def typical_shells(
    universe: Universe, shells: FirstShells, n_compositions: int, per_composition: int
) -> Iterator[tuple[dict[str, Any], Cluster]]:
    """Yield the row of the table and the cluster of each shell that `export_shells` writes."""
    table, _ = shell_table(shells)
    for center in shells.sites.centers:
        occupied = table[(table["center"] == center.name) & (table["composition"] != "none")]
        names, kind = compositions(shells, center)
        for rank, found in enumerate(occupied.head(n_compositions).itertuples(), 1):
            candidates = typical_instances(shells, center, kind, names.index(found.composition))
            different = _different(universe, shells, candidates, per_composition)
            for number, (instance, cluster) in enumerate(different, 1):
                stem = re.sub(r"[^\w+-]", "_", f"{center.name}-{rank:02d}-{found.composition}-{number}")
                yield (
                    {
                        "center": center.name,
                        "composition": found.composition,
                        "rank": rank,
                        "instance": number,
                        "file": f"{stem}.xyz",
                        "fraction": found.fraction,
                        "stderr": found.stderr,
                        "n_instances": found.n,
                    }
                    | _row(instance, cluster),
                    cluster,
                )


def _remove_others(directory: Path, names: set[str]) -> None:
    """Remove the files of an earlier export, by its index."""
    if (directory / INDEX_NAME).is_file():
        for name in pd.read_csv(directory / INDEX_NAME).get("file", []):
            for old in (Path(str(name)).with_suffix(suffix) for suffix in (".xyz", ".pdb")):
                if old.name not in names:
                    (directory / old.name).unlink(missing_ok=True)


def export_shells(
    universe: Universe, shells: FirstShells, directory: Path, n_compositions: int = 8, per_composition: int = 1
) -> pd.DataFrame:
    """Write the typical shells of the most frequent compositions as XYZ and PDB, and return their table.

    Each file holds a center at the origin and the whole molecules that touch it, at their nearest images, without a
    cell: see `cut_out`, also for polymers. The typical shell of a composition is that whose sorted distances, site by
    site, are nearest to their medians: see `typical_instances`. Further ones are of other molecules or touch by another
    pattern, and their geometry is another: the sorted distances of coordinating atoms from the center and from each
    other differ by 0.1 Å or more, root mean square. There may be fewer than wanted. An empty shell has no file.

    The second line of an XYZ file holds the row of the table as ``key=value`` (extended XYZ). The table is
    ``index.csv`` too, and takes the files of an earlier one away.

    Parameters
    ----------
    universe
        That of the shells; only the frames that are written are read again.
    directory
        Made if it is missing.
    n_compositions
        How many compositions of each center species.
    per_composition
        How many shells of each composition.

    Returns
    -------
    pandas.DataFrame
        `EXPORT_COLUMNS`: `rank` of the composition, `fraction` of the centers and frames that have it, with its
        standard error, `frame` of the trajectory, `center_index` of the center in the universe, the numbers of its
        `molecules`, formal `charge` (empty where a molecule is none of the shipped species), `cut_bonds` of polymers.

    Raises
    ------
    InvalidInput
        If an element is unknown, or as `cut_out`.
    """
    for name, number in (("n_compositions", n_compositions), ("per_composition", per_composition)):
        if number < 1:
            raise InvalidInput(f"{name}: {number} (allowed: 1 or more)")
    before = universe.trajectory.frame
    found = list(typical_shells(universe, shells, n_compositions, per_composition))
    universe.trajectory[before]

    directory.mkdir(parents=True, exist_ok=True)
    texts = {}
    for row, cluster in found:
        texts[row["file"]] = _xyz(cluster, row)
        texts[str(Path(row["file"]).with_suffix(".pdb"))] = _pdb(cluster, row)
    _remove_others(directory, set(texts))
    for name, text in texts.items():
        write_atomically(directory / name, text)
    table = pd.DataFrame([row for row, _ in found], columns=EXPORT_COLUMNS).astype({"stderr": float, "charge": "Int64"})
    write_atomically(directory / INDEX_NAME, table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    return table
