"""What the source study printed: first peaks of g(r) without and with the polymer layer, and a claim about energies.

J. Yu, X. Ma, X. Zou et al., Energy Environ. Sci. 2024, 17, 4519, doi 10.1039/d4ee00399c, Fig. 2 f, g and h.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

CITATION = "J. Yu et al., Energy Environ. Sci. 2024, 17, 4519"
REMARK = (
    "The study gives neither the bin width nor an error of its peaks; printed to 0.01 Å, a difference of two of them "
    "is uncertain by 0.01 Å from rounding alone."
)
_ELECTROLYTE = {"PF6", "EC", "DMC", "EMC"}
#: A limit nearer to zero than this, in Å, is printed as zero.
_TOUCHING = 5e-4
_TINY = 1e-9
#: Å, by which definitions of a first peak differ (maximum of g(r) or of r² g(r), width of bins); the study states none.
_DEFINITIONS = 0.01
#: Å, half of a bin of g(r) of usual width.
_BIN = 0.005


@dataclass(frozen=True)
class StudyPeak:
    """The first peak of Li+ with one site in Å, in LB-003 and in LB-003 with POTA-NO3."""

    bare: float
    layered: float

    #: Both are rounded to 0.01 Å.
    rounding = 0.01

    @property
    def shift(self) -> float:
        """What the layer changes."""
        return self.layered - self.bare


Word = Literal["agrees", "disagrees", "cannot be resolved"]


@dataclass(frozen=True)
class Verdict:
    """What our number says of one of the study's: a word, and the sentence that it stands for."""

    word: Word
    said: str


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
#: What else the study measured, which boxes like ours do not tell.
UNTESTED = (
    "the C=O stretch (its Fig. S20; `solvshell infrared` takes single runs), the Li⁺ transference number (0.22 without "
    "the layer, 0.76 with it) and the activation energy of interfacial Li⁺ transfer (61.8 and 49.7 kJ/mol), which are "
    "of cells with an interface"
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


def _agreed(found: str, doubts: Sequence[str]) -> Verdict:
    """Return an agreement, which an interval that may be too narrow does not give any more than a contradiction."""
    if doubts:
        return Verdict("cannot be resolved", f"in line with it{found}{_but(doubts)}")
    return Verdict("agrees", f"agrees with it{found}")


def _but(doubts: Sequence[str]) -> str:
    return f", but {' and '.join(doubts)}" if doubts else ""


def judged_shift(study: StudyPeak, low: float | None, high: float | None, doubts: Sequence[str] = ()) -> Verdict:
    """Return what our 95 % interval of the shift says about the study's shift.

    Parameters
    ----------
    doubts
        Why our interval may be too narrow. With one, nothing is contradicted and nothing agrees.
    """
    shift = study.shift
    if low is None or high is None:
        return Verdict("cannot be resolved", "our runs give no interval")
    contains = low <= shift + study.rounding + _TINY and shift - study.rounding - _TINY <= high
    touches = min(abs(low), abs(high)) < _TOUCHING
    zero = low < 0 < high and not touches
    if contains:
        own = ""
        if abs(shift) <= study.rounding + _TINY:
            own = f"; by its rounding ({shift:+.2f} ± {study.rounding:.2f} Å) the study's own shift holds zero too"
        if zero or touches:
            found = f"cannot resolve it: our interval {'touches zero' if touches else 'holds zero as well'}"
            return Verdict("cannot be resolved", found + own)
        agreed = _agreed("", doubts)
        return Verdict(agreed.word, agreed.said + own)
    miss = max(low - shift, shift - high) - study.rounding
    if miss < _BIN:
        return Verdict("cannot be resolved", f"misses it by {miss:.4f} Å, less than bins of g(r) tell{_but(doubts)}")
    same_sign = (low + high > 0) == (shift > 0)
    size = f"{'the same sign and another size' if same_sign else 'the opposite sign'}"
    if zero:
        found = "one as large is excluded, none at all is not"
    elif touches:
        found = f"one as large is excluded; ours is of {size}, and its interval touches zero"
    else:
        found = f"a shift of {size}"
    if doubts:
        return Verdict("cannot be resolved", f"at odds with it ({found}){_but(doubts)}")
    return Verdict("disagrees", f"contradicts it: {found}")


def verdict(study: StudyPeak, low: float | None, high: float | None, doubts: Sequence[str] = ()) -> str:
    """Return the sentence of `judged_shift`."""
    return judged_shift(study, low, high, doubts).said


def judged_peak(printed: float, low: float | None, high: float | None, doubts: Sequence[str] = ()) -> Verdict:
    """Return what our 95 % interval of a first peak says about the peak that the study printed, in Å.

    An interval longer than the largest of the study's shifts holds its peaks with and without the layer alike, so that
    it agrees with nothing.

    Parameters
    ----------
    doubts
        Why our interval may be too narrow, or moved. With one, nothing agrees, and only what is farther off than the
        largest of the study's shifts is contradicted.
    """
    if low is None or high is None:
        return Verdict("cannot be resolved", "our runs give no interval")
    half = StudyPeak.rounding / 2 + _DEFINITIONS + _TINY
    largest = max(abs(peak.shift) for peak in PEAKS.values())
    if low <= printed + half and printed - half <= high:
        if high - low > largest:
            found = f"our interval of {high - low:.3f} Å is longer than the study's largest shift, {largest:.2f} Å"
            return Verdict("cannot be resolved", found)
        return _agreed("", doubts)
    beyond = low - printed if low > printed else printed - high
    found = f"our interval ends {beyond:.3f} Å from it"
    if doubts and beyond <= largest:
        return Verdict("cannot be resolved", f"at odds with it ({found}){_but(doubts)}")
    return Verdict("disagrees", f"{found}{', farther than the largest shift' if beyond > largest else ''}")


def judged_reduction(bare: float, low: float | None, high: float | None, doubts: Sequence[str] = ()) -> Verdict:
    """Return what our 95 % interval of a change of an energy says about the claim that its size is reduced.

    Parameters
    ----------
    bare
        The energy without the layer in kJ/mol, below zero; a change above zero is a reduction.
    doubts
        As for `judged_shift`.
    """
    if low is None or high is None:
        return Verdict("cannot be resolved", "our runs give no interval")
    if low > 0:
        return _agreed(f", weaker by {low:.1f} kJ/mol at least", doubts)
    if high < 0:
        other = f"it is stronger by {-high:.1f} kJ/mol at least"
        if doubts:
            return Verdict("cannot be resolved", f"at odds with it ({other}){_but(doubts)}")
        return Verdict("disagrees", other)
    share = f" ({100 * high / -bare:.0f} % of it)" if high < -bare else ""
    return Verdict(
        "cannot be resolved", f"our interval holds zero; it can be weaker by {high:.1f} kJ/mol{share} at most"
    )
