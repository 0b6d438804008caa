"""The dielectric constant of a mixture of solvents, for a continuum around a cluster."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from solvshell.errors import InvalidInput

#: Dielectric constant, density in g/cm3 and molar mass in g/mol at 25 °C, of EC at 40 °C: Xu, Chem. Rev.
#: 104 (2004) 4303, tables 1 and 2 (from memory).
_SOLVENTS = {
    "EC": (89.78, 1.321, 88.06),
    "PC": (64.92, 1.200, 102.09),
    "DMC": (3.107, 1.063, 90.08),
    "EMC": (2.958, 1.006, 104.10),
    "DEC": (2.805, 0.969, 118.13),
    "DOL": (7.1, 1.06, 74.08),
    "DME": (7.2, 0.86, 90.12),
}


@dataclass(frozen=True)
class Dielectric:
    """The dielectric constant of a continuum and how it was got."""

    constant: float
    rule: str


def check_dielectric(constant: float) -> None:
    """Raise unless a continuum can have this constant: ddX ends the process at 1.

    Raises
    ------
    InvalidInput
        With what is allowed.
    """
    if not 1 < constant < math.inf:
        raise InvalidInput(f"dielectric: {constant:g} (allowed for a continuum: above 1)")


def mixture_dielectric(counts: Mapping[str, float]) -> Dielectric:
    """Return the dielectric constant of a mixture of solvents without its salt.

    The average over volume fractions, which is that of a thermodynamically ideal mixture (Reis et al., Phys. Chem.
    Chem. Phys. 11 (2009) 3977). It gives EC:EMC 3:7 by weight 24.3, where 18.7 is measured, and 18.5 with 1 mol/L LiPF6
    (Self et al., "Solvation effects on the dielectric constant of 1 M LiPF6 in ethylene carbonate: ethyl methyl
    carbonate 3:7"): too high by a third, which moves an energy of solvation, about 1 - 1/ε, by 1.3 %.

    Parameters
    ----------
    counts
        Molecules of each solvent.

    Raises
    ------
    InvalidInput
        If a solvent is none of those whose constant is known, or there is none.
    """
    known = ", ".join(_SOLVENTS)
    if unknown := [name for name in counts if name not in _SOLVENTS]:
        raise InvalidInput(f"dielectric constant: none known of {unknown[0]} (known: {known}); give it yourself")
    volumes = {name: n * _SOLVENTS[name][2] / _SOLVENTS[name][1] for name, n in counts.items() if n}
    if not volumes:
        raise InvalidInput(f"dielectric constant: no solvent (known: {known}); give it yourself")
    shares = {name: volume / sum(volumes.values()) for name, volume in volumes.items()}
    constant = sum(share * _SOLVENTS[name][0] for name, share in shares.items())
    of_each = " + ".join(f"{share:.3f} x {_SOLVENTS[name][0]:g} ({name})" for name, share in shares.items())
    return Dielectric(round(constant, 2), f"volume fractions x constants of the solvents at 25 °C: {of_each}")
