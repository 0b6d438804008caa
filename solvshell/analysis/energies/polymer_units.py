"""A unit of a polycation against a simple cation: energies per unit charge, per N+ and per contact molecule."""

import pandas as pd

from solvshell.analysis.energies.numbers import NUMBERS

UNIT_COLUMNS = ["center", "partner", "per", "divisor", "region", "coulomb", *NUMBERS]
PER_CHARGE, PER_SITE, PER_CONTACT = "unit_charge", "n_plus", "contact_molecule"


def no_units() -> pd.DataFrame:
    """Return the table of a box without polycation."""
    return pd.DataFrame(columns=UNIT_COLUMNS)
