"""The transfer free energy of a salt between two media: how it would partition between them.

It is no desolvation energy: the ions do not leave their shells behind in a medium, they leave one medium for another.
"""

from dataclasses import dataclass

import numpy as np

from solvshell.errors import InvalidInput
from solvshell.free_energy.decoupling import STATUSES, Decoupling, decoupling_of_run
from solvshell.run import Run


@dataclass(frozen=True)
class Transfer:
    """What it costs to move a set of molecules from one medium to another, in kJ per mol of sets.

    `at_equal_concentration_kj_mol` is the difference of the excess chemical potentials, `as_they_are_kj_mol` that of
    the chemical potentials at the concentrations of the two boxes. Not a number with the status ``poor_overlap``.
    """

    molecules: tuple[str, ...]
    at_equal_concentration_kj_mol: float
    as_they_are_kj_mol: float
    stderr_kj_mol: float
    status: str


def transfer(a: Decoupling, b: Decoupling) -> Transfer:
    """Return the free energy of transfer from medium a to medium b.

    Raises
    ------
    InvalidInput
        If other molecules were decoupled, or by another model or at another temperature or pressure.
    """
    for what, of_a, of_b in (
        ("molecules", sorted(a.molecules), sorted(b.molecules)),
        ("ion_charge_scale", a.ion_charge_scale, b.ion_charge_scale),
        ("temperature (K)", a.temperature, b.temperature),
        ("pressure (bar; None at constant volume)", a.pressure, b.pressure),
    ):
        if of_a != of_b:
            raise InvalidInput(f"transfer: the two runs differ in {what}: {of_a} and {of_b}")
    difference = b.mu_ex_kj_mol - a.mu_ex_kj_mol
    return Transfer(
        molecules=a.molecules,
        at_equal_concentration_kj_mol=difference,
        as_they_are_kj_mol=difference + b.ideal_kj_mol - a.ideal_kj_mol,
        stderr_kj_mol=float(np.hypot(a.stderr_kj_mol, b.stderr_kj_mol)),
        status=max(a.status, b.status, key=STATUSES.index),
    )


def transfer_free_energy(from_run: Run, to_run: Run) -> Transfer:
    """Return the free energy of transfer of a set of molecules between the media of two `decouple` runs.

    Each medium is at its own volume and composition; `Decoupling` says what the ideal part is.
    """
    return transfer(decoupling_of_run(from_run), decoupling_of_run(to_run))
