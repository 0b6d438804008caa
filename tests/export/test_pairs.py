"""Pairs of a chain of four atoms: what follows from its bonds, and what does not."""

import pytest

from solvshell.errors import InvalidInput
from solvshell.export.pairs import pairs_14

PARTICLE = (0.4, 0.3, 0.8)
BONDS = [(0, 1), (1, 2), (2, 3)]
HALF, NONE = (0.08, 0.3, 0.4), (0.0, 0.3, 0.0)
USUAL = {(0, 1): NONE, (1, 2): NONE, (2, 3): NONE, (0, 2): NONE, (1, 3): NONE, (0, 3): HALF}


def test_the_ends_of_a_chain_of_four_are_a_pair() -> None:
    assert pairs_14([PARTICLE] * 4, BONDS, USUAL) == ((0, 3),)


@pytest.mark.parametrize(
    ("pair", "value"), [((0, 1), HALF), ((1, 3), HALF), ((0, 3), NONE), ((0, 3), (0.08, 0.4, 0.4))]
)
def test_a_factor_in_the_wrong_place_is_refused(pair: tuple[int, int], value: tuple[float, float, float]) -> None:
    with pytest.raises(InvalidInput, match=f"atoms {pair[0] + 1} and {pair[1] + 1}, . bonds apart, interact in a way"):
        pairs_14([PARTICLE] * 4, BONDS, USUAL | {pair: value})


def test_a_missing_exception_is_refused() -> None:
    with pytest.raises(InvalidInput, match="atoms 1 and 3: excluded, but not"):
        pairs_14([PARTICLE] * 4, BONDS, {pair: value for pair, value in USUAL.items() if pair != (0, 2)})
