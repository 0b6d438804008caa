"""How many molecules of the open species the replicas of a system have."""

from typing import Any

from solvshell.joined.averages import Value, from_series
from solvshell.joined.numbers import Numbers
from solvshell.joined.systems import System

#: What is told of each species: the columns of its value and of its error in ``grand_canonical.csv``.
QUANTITIES = {
    "molecules": ("n_mean", "n_stderr"),
    "mol_per_l": ("molarity_mol_l", "molarity_stderr"),
    "share": ("share", "share_stderr"),
}


def molecule_numbers(system: System) -> Numbers:
    """Return by species and quantity what the replicas have; nothing where no molecule comes or goes.

    The status is ``not_converged`` if that is the status of a replica: such a one has no error that means anything. How
    many accepted moves there are stands beside, the fewest of all replicas.
    """
    parts = [replica.summary.get("grand_canonical") for replica in system.replicas]
    of_species: dict[str, list[dict[str, Any]]] = {}
    for part in parts:
        for row in part["species"] if part else ():
            of_species.setdefault(row["species"], []).append(row)
    numbers: Numbers = {}
    for species, rows in of_species.items():
        status = "resolved" if all(row["status"] == "resolved" for row in rows) else "not_converged"
        extra = {"n_accepted": min(row["n_accepted"] for row in rows)}
        for quantity, (mean, stderr) in QUANTITIES.items():
            values = [
                from_series(row[mean], row[stderr], row["n_independent"])
                if row["status"] == "resolved"
                else Value(row[mean])
                for row in rows
            ]
            numbers[species, quantity] = (status, values, extra)
    return numbers
