"""What the study's Fig. 2 d-h claims, number by number, beside ours."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from solvshell.comparison import words
from solvshell.comparison.energies import ALL
from solvshell.comparison.results import Comparison
from solvshell.comparison.rows import Row
from solvshell.joined.systems import System
from solvshell.study import (
    ENERGY_PARTNERS,
    PEAKS,
    StudyPeak,
    Verdict,
    is_studied,
    judged_peak,
    judged_reduction,
    judged_shift,
)

PEAK, SHIFT = "first_peak", "first_peak_shift"
PER_MOLECULE, PER_ION = "energy_per_molecule", "energy_per_ion"
#: The difference of an energy to the system without the layer.
CHANGE = "_change"
ANGSTROM, KJ_MOL = "angstrom", "kj_mol"
CLAIM_COLUMNS = [
    "quantity", "system", "partner", "unit", "ours", "ci95_low", "ci95_high", "status", "basis", "n_used",
    "n_replicas", "n_independent", "study", "difference", "verdict", "said", "shown_by", "attribution",
]  # fmt: skip


@dataclass(frozen=True)
class Claim:
    """One number of ours, and what it says of the study's.

    Attributes
    ----------
    quantity, system, partner, unit : str
        Changes and shifts are against the system without the layer.
    ours, low, high : float or None
        With its 95 % interval.
    status, basis : str
        As in the tables of a comparison.
    n_used, n_replicas : int
        How many of the replicas gave a number.
    n_independent : float or None
        Independent samples in the replica that has the fewest.
    study : float or None
        What the study printed; it printed no energy.
    verdict : Verdict or None
        Where the study claims something.
    attribution : str or None
        What the controls without polycation say about a change.
    shown_by : tuple of str
        The controls that show the same change, or a part of it.
    """

    quantity: str
    system: str
    partner: str
    unit: str
    ours: float | None
    low: float | None
    high: float | None
    status: str
    basis: str | None
    n_used: int
    n_replicas: int
    n_independent: float | None
    study: float | None = None
    verdict: Verdict | None = None
    attribution: str | None = None
    shown_by: tuple[str, ...] = ()


def is_layered(system: System) -> bool:
    """Return whether a system is the study's with the layer."""
    return system.has_polymer and is_studied(set(system.partners) - system.polymers, polymer=True)


def is_of_the_study(found: Comparison) -> bool:
    """Return whether the reference is the study's electrolyte, and another system has a polymer."""
    return is_studied(found.systems[0].partners, polymer=False) and any(one.has_polymer for one in found.systems[1:])


def _named(found: Comparison, name: str) -> System:
    return next(system for system in found.systems if system.name == name)


def _number(row: Row, quantity: str, unit: str, n_independent: float | None) -> Claim:
    """Return the number of a row."""
    number = None if row.number and row.number.exact else row.number
    ours, low, high = (number.mean, number.low, number.high) if number else (None, None, None)
    basis, counts = number.basis if number else None, (row.n_used, row.n_replicas)
    return Claim(
        quantity, row.system, row.key[1], unit, ours, low, high, row.status, basis, *counts, n_independent=n_independent
    )


def _change(found: Comparison, row: Row, number: Claim, quantity: str, digits: int) -> Claim:
    """Return the difference of a row to the reference, and what the controls say of it."""
    change = row.change
    ours, low, high = (change.value, change.low, change.high) if change else (None, None, None)
    beyond = change is not None and change.excludes_zero
    shown_by = tuple(one.control for one in row.witnesses or () if beyond and one.answer == "also")
    return replace(
        number,
        quantity=quantity,
        ours=ours,
        low=low,
        high=high,
        basis=change.basis if change else None,
        attribution=words.attribution(found, row, digits),
        shown_by=shown_by,
    )


def _fewest(system: System, key: tuple[str, ...]) -> float | None:
    """Return the independent samples of a peak in the replica that has the fewest."""
    peaks = [peak for replica in system.replicas for peak in replica.summary["peaks"]]
    mine = [peak for peak in peaks if (peak["center"], peak["partner"], peak["site"]) == key]
    return min((float(peak["n_independent"]) for peak in mine if peak["n_independent"] is not None), default=None)


def _doubts(systems: Sequence[System], claim: Claim) -> list[str]:
    """Return why the interval of a number may be too narrow, or the number not yet that of equilibrium."""
    found = words.doubts(systems, claim.basis) + words.waiting(systems)
    if any((run.box.provenance.get("polymer") or {}).get("feels_its_image") for one in systems for run in one.runs):
        found.append("a chain reaches to its own periodic image")
    if claim.n_used < claim.n_replicas:
        found.append(f"{claim.n_used} of {claim.n_replicas} replicas give a number")
    return found


def _of_peak(found: Comparison, row: Row, study: StudyPeak) -> Iterator[Claim]:
    """Yield a first peak, and its shift; the study has those of its two systems."""
    system, reference = _named(found, row.system), found.systems[0]
    one = _number(row, PEAK, ANGSTROM, _fewest(system, row.key))
    printed = study.bare if system is reference else study.layered if is_layered(system) else None
    if printed is not None:
        verdict = judged_peak(printed, one.low, one.high, _doubts([system], one))
        one = replace(one, study=printed, verdict=verdict)
    yield one
    if system is reference or row.status == "absent":
        return
    shift = _change(found, row, one, SHIFT, 3)
    if not is_layered(system):
        yield replace(shift, study=None, verdict=None)
        return
    verdict = judged_shift(study, shift.low, shift.high, _doubts([reference, system], shift))
    yield replace(shift, study=study.shift, verdict=verdict)


def _of_energy(found: Comparison, row: Row, bare: Row, quantity: str) -> Iterator[Claim]:
    """Yield an energy, and its change, of which the study says that it is a reduction."""
    system, reference = _named(found, row.system), found.systems[0]
    one = _number(row, quantity, KJ_MOL, (row.extra or {}).get("n_independent"))
    yield one
    if system is reference or row.status == "absent":
        return
    change = _change(found, row, one, quantity + CHANGE, 1)
    if is_layered(system) and row.key[1] in ENERGY_PARTNERS:
        energy, doubts = bare.number.mean if bare.number else 0.0, _doubts([reference, system], change)
        change = replace(change, verdict=judged_reduction(energy, change.low, change.high, doubts))
    yield change


def claims_of(found: Comparison) -> list[Claim]:
    """Return our numbers of what the study's figure shows, for all systems: first peaks, their shifts, energies.

    Energies are bare, of Li+ with the first shell: with one molecule, with all of a species, and with all of them
    (``all``, of which the study says nothing).
    """
    claims = [
        claim
        for key, study in PEAKS.items()
        for row in found.peaks
        if row.key == key
        for claim in _of_peak(found, row, study)
    ]
    parts = {PER_MOLECULE: found.energies.per_molecule, PER_ION: found.energies.per_center}
    for quantity, rows in parts.items():
        for partner in (*ENERGY_PARTNERS, ALL):
            mine = [row for row in rows if row.key == ("Li", partner)]
            claims += [claim for row in mine for claim in _of_energy(found, row, mine[0], quantity)]
    return claims


def claim_table(claims: list[Claim]) -> pd.DataFrame:
    """Return the claims as a table; `difference` is ours less the study's."""
    rows = []
    for claim in claims:
        row = {name: value for name, value in vars(claim).items() if name != "verdict"}
        row |= {"ci95_low": claim.low, "ci95_high": claim.high, "shown_by": " ".join(claim.shown_by) or None}
        row["difference"] = None if claim.ours is None or claim.study is None else claim.ours - claim.study
        row |= {"verdict": claim.verdict.word, "said": claim.verdict.said} if claim.verdict else {}
        rows.append(row)
    return pd.DataFrame(rows).reindex(columns=CLAIM_COLUMNS)
