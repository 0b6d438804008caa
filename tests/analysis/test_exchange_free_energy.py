from itertools import combinations

import numpy as np
import pytest
from shells_by_hand import make_shells, molecule_numbers

from solvshell.analysis.exchange_free_energy import EXCHANGE_FREE_ENERGY_COLUMNS, exchange_free_energy

CARBONYL_O, F, TFSI_O, TFSI_F = range(4)
SITE_OF = {"EC": CARBONYL_O, "PF6": F, "TFSI": TFSI_O}
NUMBERS = {"LI": 1, "NA": 1, "EC": 5, "PF6": 3, "TFSI": 1}
MOLECULES = molecule_numbers(**NUMBERS)
SPECIES_OF = {molecule: name for name in SITE_OF for molecule in MOLECULES[name].tolist()}
ALL = list(SPECIES_OF)
LI, NA = range(2)
VOLUME = 1000.0
MOL_L = 1e27 / 6.02214076e23 / VOLUME


def shells_of(frames, **more):
    """Molecules around Li, or around Li and Na, in each frame."""
    pairs = [frame if isinstance(frame[0], tuple) else (frame, ()) for frame in frames]
    rows = [
        (k, center, molecule, SITE_OF[SPECIES_OF[molecule]])
        for k, pair in enumerate(pairs)
        for center, shell in enumerate(pair)
        for molecule in shell
    ]
    return make_shells(rows, len(frames), **more, **NUMBERS)


def table_of(frames, temperature=None, **more):
    shells = shells_of(frames, **more)
    return exchange_free_energy(shells, np.full(shells.n_frames, VOLUME), temperature)


def number_of(name, shell):
    return sum(SPECIES_OF[molecule] == name for molecule in shell)


def free_rows(table, center="Li"):
    return table[(table.center == center) & (table.concentrations == "free")]


def test_shells_filled_at_random_have_the_statistical_factor_and_nothing_else():
    """Every three of nine molecules once, and what is left free: exact, in a box where a shell takes a third."""
    table = table_of(list(combinations(ALL, 3)), 300.0)
    assert table.columns.tolist() == EXCHANGE_FREE_ENERGY_COLUMNS
    rows = free_rows(table)
    assert set(zip(rows.leaves, rows.enters, strict=True)) == {("EC", "PF6"), ("EC", "TFSI"), ("PF6", "TFSI")}
    assert rows.intrinsic_kt.tolist() == pytest.approx([0] * len(rows), abs=1e-12)
    assert rows.delta_g_kt.tolist() == pytest.approx(rows.statistical_kt.tolist(), abs=1e-12)
    assert rows.delta_g_kj_mol.tolist() == pytest.approx((rows.delta_g_kt * 8.314462618e-3 * 300).tolist())
    row = rows.set_index(["shell", "gives"]).loc[("EC2 PF61", "EC1 PF62")]
    assert row.statistical_kt == pytest.approx(np.log(2 / 2))
    assert rows.set_index(["shell", "gives"]).statistical_kt["EC3", "EC2 PF61"] == pytest.approx(np.log(1 / 3))


def test_so_have_the_shells_of_two_centers_that_share_the_molecules():
    frames = [
        (li, na) for li in combinations(ALL, 2) for na in combinations(sorted(set(ALL) - set(li)), 1)
    ]  # fmt: skip
    table = table_of(frames)
    for center in ("Li", "Na"):
        rows = free_rows(table, center)
        assert rows.intrinsic_kt.tolist() == pytest.approx([0] * len(rows), abs=1e-12)
    assert table.delta_g_kj_mol.isna().all()


def test_a_lattice_with_energies_gives_them_back():
    """PF6 are held by ln 3 kT: frames of shells with n of them are three to the n times as many."""
    frames = [shell for shell in combinations(ALL, 3) for _ in range(3 ** number_of("PF6", shell))]
    rows = free_rows(table_of(frames)).set_index(["leaves", "enters"])
    for pair, energy in {("EC", "PF6"): -np.log(3), ("PF6", "TFSI"): np.log(3), ("EC", "TFSI"): 0}.items():
        assert rows.intrinsic_kt[pair].tolist() == pytest.approx([energy] * len(rows.loc[[pair]]), abs=1e-12)
    assert (rows.shell == "any").sum() == 3


def test_with_total_concentrations_it_is_the_formula_of_the_definition():
    frames = list(combinations(ALL, 3))
    table = table_of(frames)
    row = table[(table.concentrations == "total") & (table.shell == "EC3") & (table.enters == "PF6")].iloc[0]
    p = [
        sum(number_of("EC", s) == 3 for s in frames),
        sum((number_of("EC", s), number_of("PF6", s)) == (2, 1) for s in frames),
    ]
    assert row.delta_g_kt == pytest.approx(-np.log(p[1] / p[0] * 5 / 3))
    assert (row.leaves_mol_l, row.enters_mol_l) == pytest.approx((5 * MOL_L, 3 * MOL_L))


def test_free_molecules_are_counted_while_the_exchange_can_happen():
    """In EC3 all three PF6 are free; in EC2 PF61 three of the five EC are."""
    row = free_rows(table_of(list(combinations(ALL, 3)))).set_index(["shell", "gives"]).loc[("EC3", "EC2 PF61")]
    assert (row.leaves_mol_l, row.enters_mol_l) == pytest.approx((3 * MOL_L, 3 * MOL_L))


def ec_or_pf6(is_pf6):
    return [(MOLECULES["PF6"][0] if one else MOLECULES["EC"][0],) for one in is_pf6]


def test_the_error_knows_memory():
    visits = np.random.default_rng(0).random(2000) < 0.3
    slow = np.repeat(visits, 8)
    for series in (visits, slow):
        row = free_rows(table_of(ec_or_pf6(series))).iloc[0]
        p = series.mean()
        n_independent = 2000 * p * (1 - p)  # as many visits as make this error
        assert row.delta_g_kt_stderr == pytest.approx(1 / np.sqrt(n_independent), rel=0.15)
        assert row.status == "resolved"
        assert row.n_independent == pytest.approx(n_independent, rel=0.3)


def test_a_few_visits_are_too_few():
    rows = free_rows(table_of(ec_or_pf6(np.arange(400) % 100 == 99)))
    assert set(rows.status) == {"too_few_samples"}
    assert (rows.n_independent < 10).all()
    assert rows.delta_g_kt.notna().all()


def test_an_exchange_with_molecules_that_are_never_free_has_no_number():
    tfsi, (ec, *_) = MOLECULES["TFSI"][0], MOLECULES["EC"]
    frames = [((tfsi,), (ec,)), ((ec,), (tfsi,))] * 10
    rows = free_rows(table_of(frames))
    assert rows.status.tolist() == ["not_sampled", "not_sampled"]
    assert rows[["delta_g_kt", "delta_g_kt_stderr", "intrinsic_kt"]].isna().all(axis=None)
    total = table_of(frames).query("concentrations == 'total' and center == 'Li'")
    assert total.delta_g_kt.tolist() == pytest.approx([-np.log(5 / 1)] * 2)


def test_rare_shells_and_centers_without_a_known_cutoff_have_no_rows():
    ec, pf6 = MOLECULES["EC"], MOLECULES["PF6"]
    often = [(ec[0], ec[1])] * 150 + [(ec[0], pf6[0])] * 150
    rows = free_rows(table_of([*often, (pf6[0], pf6[1])]))
    assert rows.shell.tolist() == ["any", "EC2"]
    cutoffs = np.full((2, 4), 2.5)
    cutoffs[LI, F] = np.nan
    assert "Li" not in set(table_of(often, cutoffs=cutoffs).center)
