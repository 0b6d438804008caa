"""How pairs, shells and numbers are written in figures and pages."""

import math
import re
from collections.abc import Iterable
from typing import Any

from solvshell.species import catalogue

SITE_NAMES = {
    "carbonyl_o": "O(C=O)",
    "ester_o": "O(ester)",
    "ether_o": "O(ether)",
    "nitrate_o": "O(NO₃)",
    "sulfonyl_o": "O(SO₂)",
    "imide_n": "N(imide)",
    "perchlorate_o": "O(ClO₄)",
    "n_plus": "N⁺",
    "ion": "ion",
    "f": "F",
    "p": "P",
    "b": "B",
    "cl": "Cl",
    "any": "any atom",
}
#: Stands between a center and what is around it.
CENTER_AND_PAIR = "–"


def pair_name(center: str, partner: str, site: str) -> str:
    """Return how a pair is written in figures and pages: ``Li–O(C=O) of EC``."""
    return f"{center}{CENTER_AND_PAIR}{SITE_NAMES.get(site, site)} of {partner}"


def _name_in(word: str, partners: Iterable[str]) -> str:
    """Return the name in ``PF61``: one that is given, or else shipped, or else what stands before the last digits."""
    for known in (partners, catalogue()):
        if names := [name for name in known if re.fullmatch(re.escape(name) + r"\d+", word)]:
            return max(names, key=len)
    return re.sub(r"\d+$", "", word)


def shell_name(composition: str, partners: Iterable[str] = ()) -> str:
    """Return ``PF61 EC3`` as ``1 PF6 + 3 EC``.

    Where a name ends in a digit nothing in the composition says where the number begins: `partners` are the names that
    there may be. Those of shipped species are known.
    """
    if composition == "none":
        return "empty"
    partners = list(partners)
    names = {word: _name_in(word, partners) for word in composition.split()}
    return " + ".join(f"{word.removeprefix(name)} {name}" for word, name in names.items())


def _signed(said: str) -> str:
    """Return a number with a true minus, and none before a zero."""
    if not said.startswith("-"):
        return said
    is_zero = not any(digit in "123456789" for digit in said.split(" ")[0])
    return said[1:] if is_zero else f"−{said[1:]}"


def number(value: Any, stderr: Any = None, finest: int | None = None) -> str:
    """Return a number with its standard error, rounded to two digits of the error: ``4.46 ± 0.12``.

    Parameters
    ----------
    finest
        So many decimals at most; an error that is zero then is left out.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if stderr is None or math.isnan(stderr) or stderr <= 0:
        return _signed(f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}")
    digits = max(0, 1 - math.floor(math.log10(stderr)))
    if finest is not None and digits > finest:
        digits = finest
        if round(stderr, digits) == 0:
            return _signed(f"{value:.{digits}f}")
    return _signed(f"{value:.{digits}f} ± {stderr:.{digits}f}")
