"""Binding and desolvation energies of clusters as tables of docs/binding.md, from folders of `solvshell binding`.

    python benchmarks/forcefield/clusters.py FOLDER ... --page docs/binding.md

fills the tables of the page, which names the commands that made the folders.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from markdown import markdown
from pages import fill

_METHODS = {"dft": "DFT", "gfn2": "GFN2", "ff_full": "force field, full charges", "ff_scaled": "scaled charges"}


def _read(folders: Sequence[Path], name: str) -> pd.DataFrame:
    """Return a table of all folders, clusters named by their folder too; a shell that two of a run have enters once."""
    tables = []
    for folder in folders:
        run = pd.read_json(folder / "summary.json", typ="series")["box"]
        rows = pd.read_csv(folder / f"{name}.csv")
        tables.append(rows.assign(run=run, shell=rows["cluster"], cluster=f"{folder} " + rows["cluster"]))
    table = pd.concat(tables, ignore_index=True)
    return table[~table.duplicated([column for column in table if column != "cluster"])]


def _by_method(rows: pd.DataFrame, value: str, index: str, first: str) -> pd.DataFrame:
    """Return the mean over clusters of each method, a column each, and how many clusters there are."""
    wide = rows.pivot_table(index=index, columns="method", values=value, sort=False)
    wide = wide[[method for method in _METHODS if method in wide]].rename(columns=_METHODS)
    wide.insert(0, "clusters", rows.groupby(index)["cluster"].nunique())
    return wide.reset_index(names=first)


def _pairs(binding: pd.DataFrame, phase: str, geometry: str) -> pd.DataFrame:
    """Return the binding energies of pairs that every method has, so that the means are of the same geometries."""
    rows = binding[(binding["kind"] == "pair") & (binding["phase"] == phase) & (binding["geometry"] == geometry)]
    n_methods = rows["method"].nunique()
    rows = rows[rows.groupby("cluster")["method"].transform("nunique") == n_methods]
    return _by_method(rows.assign(partner=rows["composition"].str.rstrip("1")), "binding_kj_mol", "partner", "Li⁺ with")


def _leaving(desolvation: pd.DataFrame, phase: str) -> pd.DataFrame:
    """Return what it costs to take one molecule out of a shell, all fixed; several of a cluster count as one."""
    rows = desolvation[
        (desolvation["kind"] == "shell")
        & (desolvation["order"] == "any")
        & (desolvation["phase"] == phase)
        & (desolvation["geometry"] == "fixed")
    ]
    per_cluster = rows.groupby(["cluster", "leaves", "method"], as_index=False, sort=False)["desolvation_kj_mol"].mean()
    table = _by_method(per_cluster, "desolvation_kj_mol", "leaves", "leaves")
    if "force field, full charges" in table:
        apart = per_cluster.pivot_table(index=["cluster", "leaves"], columns="method", values="desolvation_kj_mol")
        difference = (apart["ff_full"] - apart["gfn2"]).groupby("leaves")
        error = difference.std() / difference.count() ** 0.5
        text = [f"{difference.mean()[name]:+.0f} ± {error[name]:.0f}" for name in table["leaves"]]
        table["force field minus GFN2"] = text
    return table


def main() -> None:
    """Fill the tables of the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="+", help="folder of `solvshell binding`")
    parser.add_argument("--page", type=Path, default=Path("docs/binding.md"))
    args = parser.parse_args()

    binding, desolvation = _read(args.folder, "binding"), _read(args.folder, "desolvation")
    binding, desolvation = (table[table["status"] == "ok"] for table in (binding, desolvation))
    parts = {
        f"pairs {phase} {geometry}": markdown(_pairs(binding, phase, geometry), digits=0)
        for phase, geometry in (("gas", "fixed"),)
    }
    parts |= {f"leaving {phase}": markdown(_leaving(desolvation, phase), digits=0) for phase in ("gas", "continuum")}
    fill(args.page, **parts)


if __name__ == "__main__":
    main()
