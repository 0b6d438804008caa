import math

import pytest

from solvshell.figures import pair_name, shell_name
from solvshell.figures import number


@pytest.mark.parametrize(
    ("value", "stderr", "text"),
    [
        (4.4567, 0.123, "4.46 ± 0.12"),
        (1.22309, 0.0018, "1.2231 ± 0.0018"),
        (298.365, 12.3, "298 ± 12"),
        (5.0, None, "5"),
        (5.0, math.nan, "5"),
        (None, None, "–"),
        (math.nan, 1.0, "–"),
    ],
)
def test_numbers_are_rounded_to_their_errors(value: float | None, stderr: float | None, text: str) -> None:
    assert number(value, stderr) == text


def test_shells_of_species_whose_names_end_in_digits() -> None:
    assert shell_name("PF61 EC3", ["PF6", "EC", "P"]) == "1 PF6 + 3 EC"
    assert shell_name("EC12", ["EC", "E"]) == "12 EC"
    assert shell_name("none", ["EC"]) == "empty"


def test_pairs_are_written_as_chemists_do() -> None:
    assert pair_name("Li", "EC", "carbonyl_o") == "Li–O(C=O) of EC"
    assert pair_name("Li", "POTA", "ring_n") == "Li–ring_n of POTA"
