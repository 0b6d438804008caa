"""Tables of interaction energies made by hand, of Li among PF6 and EC, whose numbers are known."""

import pandas as pd
from table_contract import COLUMNS

SCALE = 0.8
#: Lennard-Jones and bare Coulomb energy with one molecule, its constant in the box, and how many are in a shell.
MOLECULES = {"PF6": (10.0, -260.0, 100.0, 0.5), "EC": (5.0, -105.0, 0.0, 3.0)}
#: What Li has with its own images.
OWN_IMAGES = -100.0
FULL = {"PF6": SCALE**2, "Li": SCALE**2, "EC": SCALE}


def _numbers(lj: float, coulomb: float, stderr: float, factor: float, n_independent: float = 40.0) -> tuple:
    total, full = lj + coulomb, coulomb / factor
    return (lj, coulomb, total, stderr, 0.1, stderr, n_independent, full, lj + full, stderr / factor, SCALE)


def _rows(shift: float) -> list[tuple]:
    rows = [("Li", "Li", "per_center", "whole_box", "ewald", *_numbers(0.0, -40.0, 3.0, FULL["Li"]))]
    for partner, (lj, coulomb, constant, n) in MOLECULES.items():
        coulomb, factor = coulomb + shift, FULL[partner]
        rows += [
            ("Li", partner, "per_molecule", "first_shell", "bare", *_numbers(lj, coulomb, 1.0, factor)),
            ("Li", partner, "per_molecule", "first_shell", "ewald", *_numbers(lj, coulomb + constant, 1.0, factor)),
            ("Li", partner, "per_center", "first_shell", "bare", *_numbers(n * lj, n * coulomb, 2.0, factor)),
            ("Li", partner, "per_center", "whole_box", "ewald", *_numbers(n * lj, n * coulomb - 7, 4.0, factor)),
            ("Li", partner, "per_center", "lj_tail", "none", *_numbers(-0.2, 0.0, 0.001, 1.0)),
        ]
    return rows


def energy_tables(shift: float = 0.0) -> dict[str, pd.DataFrame]:
    """All energy tables by name; a shift in kJ/mol is added to the energy with each molecule of a shell."""
    energies = _rows(shift)
    lj = sum(n * m[0] for m in MOLECULES.values() for n in m[3:])
    coulomb = sum(n * (m[1] + shift) for m in MOLECULES.values() for n in m[3:])
    sums = [
        ("Li", "first_shell", "bare", 0.0, *_numbers(lj, coulomb, 2.5, 0.75)),
        ("Li", "whole_box", "ewald", OWN_IMAGES, *_numbers(lj, coulomb - 54 + OWN_IMAGES, 5.0, 0.75)),
        ("Li", "lj_tail", "none", 0.0, *_numbers(-0.4, 0.0, 0.001, 1.0)),
    ]
    distribution = [("Li", "EC", e, d, 0.001, 100) for e, d in ((-102.5, 0.15), (-97.5, 0.05))]
    distance = [
        ("Li", "EC", r, n, 5.0, -100.0 if n else None, -99.0, 1.0)
        for r, n in ((1.95, 600), (2.05, 300), (2.15, 0), (2.25, 30))
    ]
    shells = [
        ("Li", composition, partner, 100, 10.0, -320.0, total, 3.0, 20.0)
        for composition, partner, total in (("EC3", "all", -310.0), ("EC3", "EC", -310.0), ("PF61 EC3", "all", -560.0))
    ]
    units = [
        (center, "EC", per, region, coulomb, divisor, *_numbers(5.0, value, 1.0, SCALE))
        for center, per, divisor, value in (
            ("Li", "unit_charge", 1, -105.0),
            ("POTA", "unit_charge", 4, -120.0),
            ("POTA", "contact_molecule", 7.5, -64.0),
        )
        for region, coulomb in (("first_shell", "bare"), ("whole_box", "ewald"))
    ]
    rows = {
        "energies": energies, "energy_sums": sums, "energy_distribution": distribution, "energy_distance": distance,
        "energy_shells": shells, "energy_units": units,
    }  # fmt: skip
    return {name: pd.DataFrame(found, columns=COLUMNS[name].split(",")) for name, found in rows.items()}


def energy_summary(*, available: bool = True) -> dict:
    """The entry of a summary that belongs to the tables."""
    if not available:
        return {"available": False, "reason": "no model is known"}
    return {
        "available": True,
        "charge_scale": SCALE,
        "frames": {"used": 100, "first": 0, "step": 1},
        "charges": {"Li": 0.8, "PF6": -0.8, "EC": 0.0},
        "charged_pair_constant_kj_mol": {"Li-Li": -100.0, "Li-PF6": 100.0},
        "self_energy_kj_mol": {"Li": OWN_IMAGES / 2},
    }
