from dataclasses import replace

import numpy as np
import pytest
from synthetic import make_universe, species_file

from solvshell.analysis.coordination import coordination_table, total_coordination
from solvshell.analysis.geometry import SolvationGeometry
from solvshell.analysis.shells import (
    STATES,
    first_shells,
    ion_pair_states,
    shell_shares,
    shell_table,
    speciation_table,
)
from solvshell.analysis.sites import select_sites
from solvshell.errors import InvalidInput

# Four centers of two species far apart on the x axis; each molecule sits near one of them, between two, or away from
# all. A PF6 is a P with an F on either side (1.5 Å), an EC is a C with an O (1.2 Å).
CENTERS = {"Li0": 10.0, "Li1": 30.0, "Na0": 50.0, "Na1": 70.0}
MOLECULES = [
    *[("LI", ["LI"])] * 2,
    *[("NA", ["NA"])] * 2,
    *[("PF6", ["P", "F1", "F2"])] * 2,
    *[("EC", ["C", "O"])] * 2,
]
BOX = (100.0, 100.0, 100.0, 90.0, 90.0, 90.0)
CUTOFF = 2.5


def one_frame(anions, solvents):
    """Anions and solvents are the center they touch, "bi:Li0" for both F of one anion, or None."""
    centers = [[x, 50, 50] for x in CENTERS.values()]
    half = np.array([1.5, 0, 0])
    atoms = []
    for i, at in enumerate(anions):
        if at is None:
            p = np.array([10 + 20 * i, 20, 20])
            atoms += [p, p + half, p - half]
        elif at.startswith("bi:"):
            p = np.array([CENTERS[at[3:]], 51.0, 50])
            atoms += [p, p + half, p - half]
        else:
            f = np.array([CENTERS[at], 50, 52.0 if i == 0 else 48.0])
            away = np.array([0, 0, 1.5 if i == 0 else -1.5])
            atoms += [f + away, f, f + 2 * away]
    for i, at in enumerate(solvents):
        o = np.array([10 + 20 * i, 80, 80]) if at is None else np.array([CENTERS[at], 48.0, 50 + 0.2 * i])
        atoms += [o - [0, 1.2, 0], o]
    return np.array(centers + atoms)


def shells_of(frames, changed=None, species=None):
    """First shells within 2.5 Å; `changed` are cutoffs by indices of center and partner."""
    sites = select_sites(
        make_universe(MOLECULES, frames, BOX), species or species_file(centers={"Li": "name LI", "Na": "name NA"})
    )
    geometry = SolvationGeometry.from_sites(sites).run().results
    cutoffs = np.full((len(sites.centers), 2), CUTOFF)
    for pair, cutoff in (changed or {}).items():
        cutoffs[pair] = cutoff
    return first_shells(geometry, sites, cutoffs)


def states(*anions):
    shells = shells_of([one_frame(anions, (None, None))])
    return [STATES[i] for i in ion_pair_states(shells)[0]]


def test_free_ions_are_ssip():
    assert states(None, None) == ["ssip"] * 4


def test_an_anion_on_one_center_makes_a_cip_also_with_two_of_its_atoms():
    assert states("Na0", None) == ["ssip", "ssip", "cip", "ssip"]
    assert states(None, "bi:Li1") == ["ssip", "cip", "ssip", "ssip"]
    assert states("Li0", "Na1") == ["cip", "ssip", "ssip", "cip"]


def test_two_anions_make_an_agg():
    assert states("Na1", "Na1") == ["ssip", "ssip", "ssip", "agg"]


def test_an_anion_between_centers_of_two_species_makes_both_agg():
    frame = one_frame((None, "Li0"), (None, None))
    frame[2] = frame[10 - 1] - [0, 0, 2.0 + 0.0]  # Na0 to the far F of the second anion
    assert [STATES[i] for i in ion_pair_states(shells_of([frame]))[0]] == ["agg", "ssip", "agg", "ssip"]


def test_speciation_sums_to_one_per_center_species():
    anions = [("Li0", None), ("Li0", "Li0"), (None, None), ("Na0", "Li1")]
    shells = shells_of([one_frame(a, (None, None)) for a in anions])
    table, estimates = speciation_table(shells)
    assert table[table.center == "Li"].fraction.tolist() == pytest.approx([5 / 8, 2 / 8, 1 / 8])
    assert table[table.center == "Na"].fraction.tolist() == pytest.approx([7 / 8, 1 / 8, 0])
    assert table.state.tolist() == ["ssip", "cip", "agg"] * 2
    assert estimates[-1].stderr is None
    assert estimates[-1].n_independent == 1


def test_without_anions_there_is_no_speciation():
    species = species_file()
    solvent = species.partners["PF6"].model_copy(update={"role": "solvent"})
    without = species.model_copy(update={"partners": {**species.partners, "PF6": solvent}})
    table, estimates = speciation_table(shells_of([one_frame(("Li0", None), (None, None))], species=without))
    assert table.empty
    assert table.columns.tolist() == ["center", "state", "fraction", "stderr"]
    assert estimates == []


def test_atoms_and_molecules_are_counted_apart():
    frames = [one_frame(("bi:Li0", None), ("Li0", "Na1")), one_frame(("Li1", None), ("Li0", "Li0"))]
    shells = shells_of(frames)
    table = coordination_table(shells).set_index(["center", "partner"])
    assert table.cn_atoms_mean.to_dict() == pytest.approx(
        {("Li", "PF6"): 3 / 4, ("Li", "EC"): 3 / 4, ("Na", "PF6"): 0, ("Na", "EC"): 1 / 4}
    )
    assert table.cn_molecules_mean["Li", "PF6"] == 2 / 4
    assert total_coordination(shells)["Li"].mean == pytest.approx(6 / 4)


def test_a_pair_without_shell_has_an_empty_row_and_no_contacts():
    shells = shells_of([one_frame(("Li0", None), ("Li0", None))], {(0, 0): 0})
    table = coordination_table(shells)
    assert table.iloc[0, 3:].isna().all()
    assert set(shell_table(shells)[0].composition[:2]) == {"EC1", "none"}
    assert total_coordination(shells)["Li"].mean == 0.5
    states, _ = speciation_table(shells)
    assert states.fraction.tolist() == [1, 0, 0] * 2


def test_a_pair_without_cutoff_leaves_nothing_to_be_said_of_its_center():
    shells = shells_of([one_frame(("Li0", "Na0"), ("Li0", "Na0"))], {(0, 0): np.nan})
    table = coordination_table(shells)
    assert table.iloc[0, 3:].isna().all()
    assert table.cn_atoms_mean[1:].tolist() == [0.5, 0.5, 0.5]
    total = total_coordination(shells)
    assert total["Li"] is None
    assert total["Na"].mean == 1
    table, estimates = shell_table(shells)
    assert set(table.center) == {row["center"] for row in shell_shares(shells)} == {"Na"}
    assert len(estimates) == len(table) == 2
    # An anion of a Na may touch a Li as well: without the cutoff of Li nobody knows whether it is a CIP or an AGG.
    states, estimates = speciation_table(shells)
    assert states.state.tolist() == ["ssip", "cip", "agg"] * 2
    assert states[["fraction", "stderr"]].isna().all(axis=None)
    assert estimates == [None] * 6


def test_a_solvent_without_cutoff_leaves_the_ion_pairs_as_they_are():
    shells = shells_of([one_frame(("Li0", None), ("Li0", None))], {(0, 1): np.nan})
    assert total_coordination(shells)["Li"] is None
    assert speciation_table(shells)[0].fraction.tolist() == [0.5, 0.5, 0, 1, 0, 0]


def test_each_center_species_has_its_own_cutoff():
    shells = shells_of([one_frame(("Li0", "Na0"), (None, None))], {(0, 0): 1.5, (0, 1): 1.5})
    assert shells.contacts.center.tolist() == [2]


def test_a_shell_may_be_given_as_radii_or_as_a_rule():
    frames = [one_frame(("Li0", None), ("Li0", "Na0"))]
    sites = select_sites(make_universe(MOLECULES, frames, BOX), species_file())
    geometry = SolvationGeometry.from_sites(sites).run().results
    both = {("Li", "EC", "carbonyl_o"): 2.1, ("Li", "PF6", "f"): 2.1}
    by_radii = first_shells(geometry, sites, both)
    assert sorted(by_radii.contacts.molecule) == [4, 6]
    assert by_radii.cutoffs.tolist() == [[2.1, 2.1]]
    by_rule = first_shells(geometry, sites, lambda contacts, sites: contacts.site == 0)
    assert by_rule.contacts.molecule.tolist() == [4, 4]  # both F within the capture radius
    table = coordination_table(by_rule)
    assert table.cn_atoms_mean.tolist() == [1, 0]
    assert table.cn_molecules_mean.tolist() == [0.5, 0]
    assert table.cutoff_angstrom.isna().all()
    assert speciation_table(by_rule)[0].fraction.tolist() == [0.5, 0.5, 0]


def test_a_pair_without_radius_is_not_a_pair_without_shell():
    sites = select_sites(make_universe(MOLECULES, [one_frame(("Li0", None), ("Li0", None))], BOX), species_file())
    geometry = SolvationGeometry.from_sites(sites).run().results
    without_anion = first_shells(geometry, sites, {("Li", "EC", "carbonyl_o"): 2.1})
    assert without_anion.is_incomplete.tolist() == [True]
    assert coordination_table(without_anion).cn_atoms_mean.isna().tolist() == [True, False]
    assert total_coordination(without_anion)["Li"] is None
    assert speciation_table(without_anion)[0].fraction.isna().all()


WRONG_SHELLS = {
    "unknown pair": ({("Li", "DMC", "o"): 2.1}, r"shell: \('Li', 'DMC', 'o'\) is no center, partner and coordinating"),
    "too far": ({("Li", "EC", "carbonyl_o"): 7}, "shell: 7 Å is more than the capture radius of the pass, 5 Å"),
    "in nm": ({("Li", "EC", "carbonyl_o"): 0.28}, r"shell: 0.28 Å for .*allowed: 1 Å or more"),
    "no number": ({("Li", "EC", "carbonyl_o"): np.nan}, r"shell: nan Å for .*allowed: 1 Å or more"),
    "nothing": ({}, "shell: no radii"),
    "one number": (2.8, "shell: 2.8 .allowed: radii by center, partner and site; or a function"),
    "indices": (
        lambda contacts, sites: np.arange(3),
        "shell: the rule returned int64 of shape .3,. .expected: true or",
    ),
}


@pytest.mark.parametrize(("shell", "message"), WRONG_SHELLS.values(), ids=WRONG_SHELLS)
def test_what_is_no_shell_is_refused(shell, message):
    sites = select_sites(make_universe(MOLECULES, [one_frame(("Li0", None), ("Li0", None))], BOX), species_file())
    geometry = SolvationGeometry.from_sites(sites)
    with pytest.raises(InvalidInput, match=r"geometry: has no contacts; call \.run"):
        first_shells(geometry.results, sites, shell)
    with pytest.raises(InvalidInput, match=message):
        first_shells(geometry.run().results, sites, shell)


def test_compositions_count_molecules_and_give_an_example():
    frames = [
        one_frame((None, None), (None, None)),
        one_frame(("bi:Li0", None), ("Li0", "Li0")),
        one_frame((None, "Na1"), ("Li0", None)),
    ]
    shells = shells_of(frames)
    table, estimates = shell_table(replace(shells, frames=np.array([10, 20, 30])))
    li = table[table.center == "Li"].set_index("composition")
    assert li.fraction.to_dict() == pytest.approx({"none": 4 / 6, "PF61 EC2": 1 / 6, "EC1": 1 / 6})
    assert li.n.to_dict() == {"none": 4, "PF61 EC2": 1, "EC1": 1}
    assert li.example_frame.to_dict() == {"none": 10, "PF61 EC2": 20, "EC1": 30}
    assert li.index[0] == "none"
    assert table.groupby("center").fraction.sum().tolist() == pytest.approx([1, 1])
    assert len(estimates) == len(table)


def test_shares_are_those_of_molecules_in_shells_over_those_in_the_box():
    shells = shells_of([one_frame(("bi:Li0", None), ("Li0", "Li1"))])
    rows = {(row["center"], row["partner"]): row for row in shell_shares(shells)}
    assert rows["Li", "EC"]["shell_share"] == pytest.approx(2 / 3)
    assert rows["Li", "EC"]["ratio"] == pytest.approx(4 / 3)
    assert rows["Na", "EC"]["shell_share"] == 0
