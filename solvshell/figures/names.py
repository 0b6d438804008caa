"""How pairs, shells and numbers are written in figures and pages."""

import math
import re
from collections.abc import Iterable
from typing import Any

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


def shell_name(composition: str, partners: Iterable[str]) -> str:
    """Return ``PF61 EC3`` as ``1 PF6 + 3 EC``: names may end in a digit.

    A word that begins with none of the names is split before its last digits.
    """
    if composition == "none":
        return "empty"
    partners = list(partners)
    parts = []
    for word in composition.split():
        names = [name for name in partners if word.startswith(name)]
        name = max(names, key=len) if names else re.sub(r"\d+$", "", word)
        parts.append(f"{word.removeprefix(name)} {name}")
    return " + ".join(parts)


def number(value: Any, stderr: Any = None) -> str:
    """Return a number with its standard error, rounded to two digits of the error: ``4.46 ± 0.12``."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if stderr is None or math.isnan(stderr) or stderr <= 0:
        return f"{value:.4g}"
    digits = max(0, 1 - math.floor(math.log10(stderr)))
    return f"{value:.{digits}f} ± {stderr:.{digits}f}"
