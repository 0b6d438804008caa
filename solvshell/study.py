"""What the source study printed: first peaks of g(r) without and with the polymer layer, and a claim about energies.

J. Yu, X. Ma, X. Zou et al., Energy Environ. Sci. 2024, 17, 4519, doi 10.1039/d4ee00399c, Fig. 2 f, g and h.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

CITATION = "J. Yu et al., Energy Environ. Sci. 2024, 17, 4519"
REMARK = (
    "The study gives neither the bin width nor an error of its peaks; printed to 0.01 Å, a difference of two of them "
    "is uncertain by 0.01 Å from rounding alone."
)
_ELECTROLYTE = {"PF6", "EC", "DMC", "EMC"}
#: A limit nearer to zero than this, in Å, is printed as zero.
_TOUCHING = 5e-4
_TINY = 1e-9


@dataclass(frozen=True)
class StudyPeak:
    """The first peak of Li+ with one site in Å, in LB-003 and in LB-003 with POTA-NO3."""

    bare: float
    layered: float

    #: Both are rounded to 0.01 Å.
    rounding = 0.01


PEAKS = {
    ("Li", "PF6", "f"): StudyPeak(1.91, 1.93),
    ("Li", "EC", "carbonyl_o"): StudyPeak(1.93, 1.97),
    ("Li", "DMC", "carbonyl_o"): StudyPeak(1.94, 1.95),
    ("Li", "EMC", "carbonyl_o"): StudyPeak(1.97, 1.98),
}


#: With whom the study's Fig. 2g shows a "combining energy" of Li+.
ENERGY_PARTNERS = ("PF6", "EC", "DMC", "EMC")
ENERGY_CLAIM = (
    "The study says of its Fig. 2g that the layer significantly reduces the “combining energy” of Li⁺ with each "
    "solvent and with PF₆⁻; its text has no numbers, and does not define that energy."
)


def is_studied(partners: Iterable[str], *, polymer: bool) -> bool:
    """Return whether a system with these partners, polymers apart, is one of the study's two."""
    return set(partners) == (_ELECTROLYTE | {"NO3"} if polymer else _ELECTROLYTE)


def study_peak(center: str, partner: str, site: str, partners: set[str], *, polymer: bool) -> float | None:
    """Return the study's peak in Å for a system with these partners, or None if it is not one of the study's two."""
    entry = PEAKS.get((center, partner, site))
    if entry is None or not is_studied(partners, polymer=polymer):
        return None
    return entry.layered if polymer else entry.bare


def verdict(study: StudyPeak, low: float | None, high: float | None, doubts: Sequence[str] = ()) -> str:
    """Return what our 95 % interval of the shift says about the study's shift.

    Parameters
    ----------
    doubts
        Why our interval may be too narrow. With one, nothing is contradicted, and an agreement is said with it.
    """
    shift = study.layered - study.bare
    if low is None or high is None:
        return "our model gives no interval"
    contains = low <= shift + study.rounding + _TINY and shift - study.rounding - _TINY <= high
    touches = min(abs(low), abs(high)) < _TOUCHING
    zero = low < 0 < high and not touches
    but = f", but {' and '.join(doubts)}" if doubts else ""
    if contains:
        if zero or touches:
            said = f"cannot resolve it: our interval {'touches zero' if touches else 'holds zero as well'}"
        else:
            said = f"agrees with it{but}"
        if abs(shift) <= study.rounding + _TINY:
            said += f"; by its rounding ({shift:+.2f} ± {study.rounding:.2f} Å) the study's own shift holds zero too"
        return said
    same_sign = (low + high > 0) == (shift > 0)
    size = f"{'the same sign and another size' if same_sign else 'the opposite sign'}"
    if zero:
        found = "one as large is excluded, none at all is not"
    elif touches:
        found = f"one as large is excluded; ours is of {size}, and its interval touches zero"
    else:
        found = f"a shift of {size}"
    return f"at odds with it ({found}){but}" if doubts else f"contradicts it: {found}"
