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


def _by_method(rows: pd.DataFrame, value: str, index: dict[str, str]) -> pd.DataFrame:
    """Return the mean over clusters of each method, a column each, and how many clusters there are."""
    wide = rows.pivot_table(index=list(index), columns="method", values=value, sort=False)
    wide = wide[[method for method in _METHODS if method in wide]].rename(columns=_METHODS)
    wide.insert(0, "clusters", rows.groupby(list(index))["cluster"].nunique())
    return wide.sort_index().reset_index().rename(columns=index)


def _pairs(binding: pd.DataFrame) -> pd.DataFrame:
    """Return the binding energies of pairs that every method has, so that the means are of the same geometries."""
    rows = binding[(binding["kind"] == "pair") & (binding["phase"] == "gas") & (binding["geometry"] == "fixed")]
    rows = rows[rows.groupby("cluster")["method"].transform("nunique") == rows["method"].nunique()]
    partner = rows["composition"].str.removesuffix("1")
    return _by_method(rows.assign(partner=partner), "binding_kj_mol", {"partner": "Li⁺ with"})


def _error_of_forcefield(rows: pd.DataFrame, index: list[str]) -> pd.Series:
    """Return force field minus GFN2 in the same clusters, with the scatter over √n."""
    apart = rows.pivot_table(index=[*index, "cluster"], columns="method", values="desolvation_kj_mol")
    difference = (apart["ff_full"] - apart["gfn2"]).groupby(index)
    mean, error = difference.mean(), difference.std() / difference.count() ** 0.5
    return pd.Series({key: f"{mean[key]:+.0f}" + f" ± {error[key]:.0f}" * bool(error[key] > 0) for key in mean.index})


def _leaving(desolvation: pd.DataFrame, binding: pd.DataFrame) -> pd.DataFrame:
    """Return what it costs to take one molecule out of a shell, all fixed; several of a cluster count as one."""
    chosen = {"kind": "shell", "order": "any", "geometry": "fixed"}
    rows = desolvation[(desolvation[list(chosen)] == pd.Series(chosen)).all(axis=1)]
    rows = rows.assign(charge=rows["cluster"].map(binding.groupby("cluster")["charge"].first()))
    index = {"leaves": "leaves", "charge": "charge of the whole"}
    values = rows.groupby([*index, "cluster", "phase", "method"])["desolvation_kj_mol"].mean().reset_index()
    gas, wet = (values[values["phase"] == phase] for phase in ("gas", "continuum"))
    table = _by_method(gas, "desolvation_kj_mol", index)
    table["force field, full charges, minus GFN2"] = _error_of_forcefield(gas, list(index)).sort_index().to_numpy()
    table["GFN2 in the continuum"] = wet.groupby(list(index))["desolvation_kj_mol"].mean().sort_index().to_numpy()
    return table


def main() -> None:
    """Fill the tables of the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="+", help="folder of `solvshell binding`")
    parser.add_argument("--page", type=Path, default=Path("docs/binding.md"))
    args = parser.parse_args()

    binding, desolvation = _read(args.folder, "binding"), _read(args.folder, "desolvation")
    binding, desolvation = (table[table["status"] == "ok"] for table in (binding, desolvation))
    tables = {"pairs": _pairs(binding), "leaving": _leaving(desolvation, binding)}
    fill(args.page, **{name: markdown(table, digits=0) for name, table in tables.items()})


if __name__ == "__main__":
    main()
