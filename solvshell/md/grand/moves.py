"""Acceptance of grand-canonical moves: arithmetic, without a simulation.

The reference is the ideal gas of the same flexible molecule, so that one number per species is needed, its activity
z = f / kT = rho exp(beta mu_ex); masses and internal partition functions cancel where the conformer of an inserted
molecule is drawn from the gas. Insertion and deletion are tried equally often, and inserted molecules are placed
uniformly. Work is that of the switch, or the change of the energy if there is no switch (Nilmeier et al., Proc. Natl.
Acad. Sci. 108, E1009 (2011); Adams, Mol. Phys. 29, 307 (1975)).
"""

import math


def adams_parameter(activity: float, volume: float) -> float:
    """Return B = ln(z V) of an activity in nm^-3 and a volume in nm3."""
    return math.log(activity * volume)


def log_insertion(beta_work: float, activity: float, volume: float, n_after: int) -> float:
    """Return the logarithm of the acceptance ratio z V exp(-beta W) / n_after of an insertion.

    Parameters
    ----------
    beta_work : float
        Work in kT; infinite for a switch that failed.
    activity : float
        In nm^-3.
    volume : float
        Of the region that molecules are inserted into, in nm3.
    n_after : int
        Molecules in the region at the end of the switch, the new one among them: the move back draws one of these.
    """
    return adams_parameter(activity, volume) - math.log(n_after) - beta_work


def log_deletion(beta_work: float, activity: float, volume: float, n_before: int) -> float:
    """Return the logarithm of the acceptance ratio n_before exp(-beta W) / (z V) of a deletion.

    Parameters as those of `log_insertion`; `n_before` are the molecules in the region before the switch.
    """
    return math.log(n_before) - adams_parameter(activity, volume) - beta_work
