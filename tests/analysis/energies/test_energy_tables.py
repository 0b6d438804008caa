"""Tables from energies that are made up: every number is counted again, one by one."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from solvshell.analysis.energies.distributions import distribution_table
from solvshell.analysis.energies.measured import Energies, ShellMembers, Species
from solvshell.analysis.energies.per_species import energy_table, sum_table
from solvshell.analysis.energies.polymer_units import unit_table
from solvshell.analysis.ratios import ratio_with_error
from solvshell.analysis.statistics import mean_with_error

N_FRAMES = 60
CENTERS = (Species("Li", 3, 0.8), Species("Cs", 2, 0.8))
PARTNERS = (Species("Li", 3, 0.8), Species("Cs", 2, 0.8), Species("PF6", 5, -0.8), Species("EC", 20, 0.0))
PF6, EC = 2, 3


@pytest.fixture(scope="module")
def members() -> ShellMembers:
    """Each center has 0 or 1 PF6 and 2 to 4 EC in its first shell; PF6 has none around Cs."""
    rng = np.random.default_rng(0)
    rows = []
    for frame in range(N_FRAMES):
        for center in range(5):
            n_pf6 = rng.integers(2) if center < 3 else 0
            rows += [(frame, center, PF6)] * n_pf6 + [(frame, center, EC)] * rng.integers(2, 5)
    frame, center, partner = np.array(rows).T
    return ShellMembers(frame, center, partner, rng.normal(-100, 30, size=(len(rows), 3)))


@pytest.fixture(scope="module")
def energies(members: ShellMembers) -> Energies:
    rng = np.random.default_rng(1)
    whole = rng.normal(-300, 50, size=(N_FRAMES, 5, 4, 3))
    own_images = rng.normal(-100, 1, size=(N_FRAMES, 5))
    tail = rng.normal(-1, 0.1, size=(N_FRAMES, 2, 4))
    has_shell = np.array([[False, False, True, True], [False, False, False, True]])
    n_molecules = np.tile([species.n_molecules for species in PARTNERS], (N_FRAMES, 1))
    incomplete = np.array([False, True])
    return Energies(CENTERS, PARTNERS, 0.8, n_molecules, whole, own_images, tail, members, has_shell, incomplete)


def row_of(table: pd.DataFrame, *names: str) -> pd.Series:
    found = table.set_index(list(table.columns[: len(names)])).loc[[names]]
    assert len(found) == 1
    return found.iloc[0]


def test_rows_of_the_first_shell_are_sums_and_means_over_its_molecules(energies, members):
    table = energy_table(energies)
    sums, numbers = np.zeros((N_FRAMES, 3, 3)), np.zeros((N_FRAMES, 3))
    for frame, center, partner, of_row in zip(
        members.frame, members.center, members.partner, members.energies, strict=True
    ):
        if partner == PF6 and center < 3:
            sums[frame, center] += of_row
            numbers[frame, center] += 1
    per_molecule = row_of(table, "Li", "PF6", "per_molecule", "first_shell", "bare")
    assert per_molecule.lj_kj_mol == pytest.approx(sums[..., 0].sum() / numbers.sum())
    assert per_molecule.coulomb_kj_mol == pytest.approx(sums[..., 1].sum() / numbers.sum())
    assert per_molecule.total_kj_mol == pytest.approx(per_molecule.lj_kj_mol + per_molecule.coulomb_kj_mol)
    expected = ratio_with_error(sums[..., 0] + sums[..., 1], numbers)
    assert per_molecule.stderr_kj_mol == pytest.approx(expected.stderr)
    assert per_molecule.n_independent == pytest.approx(expected.n_independent)
    per_center = row_of(table, "Li", "PF6", "per_center", "first_shell", "ewald")
    assert per_center.coulomb_kj_mol == pytest.approx(sums[..., 2].mean())
    assert per_center.coulomb_stderr_kj_mol == pytest.approx(mean_with_error(sums[..., 2]).stderr)


def test_rows_of_the_whole_box_have_every_species_and_the_tail_apart(energies):
    table = energy_table(energies)
    for i, center in enumerate(CENTERS):
        mine = slice(0, 3) if center.name == "Li" else slice(3, 5)
        for j, partner in enumerate(PARTNERS):
            values = energies.whole_box[:, mine, j]
            row = row_of(table, center.name, partner.name, "per_center", "whole_box", "ewald")
            assert row.total_kj_mol == pytest.approx(values[..., 0].mean() + values[..., 2].mean())
            n_others = partner.n_molecules - (center.name == partner.name)
            each = row_of(table, center.name, partner.name, "per_molecule", "whole_box", "bare")
            assert each.lj_kj_mol == pytest.approx(values[..., 0].mean() / n_others)
            assert each.coulomb_kj_mol == pytest.approx(values[..., 1].mean() / n_others)
            tail = row_of(table, center.name, partner.name, "per_center", "lj_tail", "none")
            assert tail.lj_kj_mol == tail.total_kj_mol == pytest.approx(energies.tail[:, i, j].mean())
            assert tail.coulomb_kj_mol == 0


def test_a_partner_without_a_shell_has_rows_of_the_whole_box_alone(energies):
    of_shells = energy_table(energies).query("region == 'first_shell'")
    assert set(zip(of_shells.center, of_shells.partner, strict=True)) == {("Li", "PF6"), ("Li", "EC"), ("Cs", "EC")}
    assert sum_table(energies).query("center == 'Cs'").region.tolist() == ["whole_box", "lj_tail"]


def test_sums_over_species_are_those_of_the_rows_with_an_error_of_their_own(energies):
    table, sums = energy_table(energies), sum_table(energies)
    for region, coulomb in (("first_shell", "bare"), ("whole_box", "ewald"), ("lj_tail", "none")):
        of_all = row_of(sums, "Li", region, coulomb)
        own = energies.own_images[:, :3].mean() if region == "whole_box" else 0.0
        assert of_all.own_images_kj_mol == pytest.approx(own)
        rows = table.query(
            f"center == 'Li' and quantity == 'per_center' and region == '{region}' and coulomb == '{coulomb}'"
        )
        for column, more in (("lj_kj_mol", 0.0), ("coulomb_kj_mol", own), ("total_kj_mol", own)):
            assert of_all[column] == pytest.approx(rows[column].sum() + more)
        if region != "lj_tail":
            assert of_all.full_coulomb_kj_mol == pytest.approx(rows.full_coulomb_kj_mol.sum() + own / 0.64)
    values = energies.whole_box[:, :3].sum(axis=2)
    error = mean_with_error(values[..., 0] + values[..., 2] + energies.own_images[:, :3]).stderr
    assert row_of(sums, "Li", "whole_box", "ewald").stderr_kj_mol == pytest.approx(error)


def test_full_charges_divide_ion_solvent_by_the_scale_and_ion_ion_by_its_square(energies):
    table = energy_table(energies)
    for partner, factor in (("EC", 1 / 0.8), ("PF6", 1 / 0.64)):
        row = row_of(table, "Li", partner, "per_center", "whole_box", "bare")
        assert row.full_coulomb_kj_mol == pytest.approx(factor * row.coulomb_kj_mol)
        assert row.full_total_kj_mol == pytest.approx(row.lj_kj_mol + factor * row.coulomb_kj_mol)
        assert row.full_stderr_kj_mol > row.stderr_kj_mol
    unknown = energy_table(replace(energies, charge_scale=None))
    assert unknown.filter(like="full_").isna().all(axis=None)
    assert (table.charge_scale == 0.8).all()  # stated with every number
    assert unknown.charge_scale.isna().all()
    pd.testing.assert_series_equal(unknown.total_kj_mol, table.total_kj_mol)


def test_one_center_alone_has_no_other_to_be_a_molecule(energies):
    alone = replace(
        energies,
        centers=(Species("Li", 1, 0.8),),
        partners=(Species("Li", 1, 0.8), *PARTNERS[1:]),
        n_molecules=np.tile([1, 2, 5, 20], (N_FRAMES, 1)),
        whole_box=energies.whole_box[:, :1],
        own_images=energies.own_images[:, :1],
        members=ShellMembers(*(np.empty(shape, int) for shape in ((0,), (0,), (0,), (0, 3)))),
    )
    rows = energy_table(alone).query("partner == 'Li'")
    assert set(rows.quantity) == {"per_center"}
    nobody = row_of(energy_table(alone), "Li", "EC", "per_molecule", "first_shell", "bare")
    assert nobody[["total_kj_mol", "stderr_kj_mol"]].isna().all()


def test_the_distribution_holds_every_molecule_of_the_first_shells(energies, members):
    table = distribution_table(energies)
    for (center, partner), rows in table.groupby(["center", "partner"]):
        j = [species.name for species in PARTNERS].index(partner)
        of_center = members.center < 3 if center == "Li" else members.center >= 3
        values = members.energies[of_center & (members.partner == j)][:, :2].sum(axis=1)
        assert rows.density.sum() * 5 == pytest.approx(1)
        assert rows.n.sum() == len(values)
        counts, edges = np.histogram(values, np.append(rows.energy_kj_mol - 2.5, rows.energy_kj_mol.iloc[-1] + 2.5))
        assert rows.n.tolist() == counts.tolist()
        assert edges[0] % 5 == 0
        assert rows.density.tolist() == pytest.approx((counts / len(values) / 5).tolist())
        assert (rows.stderr[rows.n > 0] > 0).all()


def test_units_are_compared_per_charge_per_nitrogen_and_per_contact(energies):
    units = replace(
        energies,
        centers=(Species("POTA", 5, 3.2, n_plus=4.0),),
        partners=(*PARTNERS[:3], Species("POTA", 5, 3.2)),
        has_shell=np.array([[False, False, True, False]]),
        tail=energies.tail[:, :1],
    )
    table = unit_table(energies, [units])
    raw = energy_table(units)
    for region in ("first_shell", "whole_box"):
        per_unit = row_of(raw, "POTA", "PF6", "per_center", region, "bare")
        for per in ("unit_charge", "n_plus"):
            row = row_of(table, "POTA", "PF6", per, region, "bare")
            assert row.divisor == pytest.approx(4)
            assert row.total_kj_mol == pytest.approx(per_unit.total_kj_mol / 4)
            assert row.stderr_kj_mol == pytest.approx(per_unit.stderr_kj_mol / 4)
    contact = table.query("center == 'POTA' and per == 'contact_molecule' and coulomb == 'bare'")
    assert contact.partner.tolist() == ["PF6"]
    assert contact.total_kj_mol.iloc[0] == pytest.approx(
        row_of(raw, "POTA", "PF6", "per_molecule", "first_shell", "bare").total_kj_mol
    )
    assert contact.divisor.iloc[0] == pytest.approx(units.n_in_shell[..., PF6].mean())
    lithium = table.query("center == 'Li' and per == 'unit_charge' and region == 'whole_box' and coulomb == 'ewald'")
    expected = row_of(energy_table(energies), "Li", "EC", "per_center", "whole_box", "ewald").total_kj_mol
    assert lithium.set_index("partner").total_kj_mol["EC"] == pytest.approx(expected)
    assert not ((table.center == "Li") & (table.per == "n_plus")).any()
