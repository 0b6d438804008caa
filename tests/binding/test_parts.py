import numpy as np
import pytest
from cut_by_hand import cluster

from solvshell.binding.by_forcefield import ForceField
from solvshell.binding.methods import NOT_CONVERGED, OK, TOO_LARGE, Asked, PartEnergy
from solvshell.binding.parts import ANY, CHAIN, binding, desolvation, parts_of, steps_of
from solvshell.binding.tables import binding_table, desolvation_table, mean_table


def random_energies(group, rng, **failed):
    return {part: PartEnergy(part, "gas", "fixed", float(rng.normal()), OK) for part in parts_of(group)}


def test_the_molecule_with_the_longest_contact_leaves_first():
    """Contacts of 1.953, 2.015, 2.131 Å, in the order of the molecules."""
    group = cluster("PF6", "EC", "DMC")
    assert group.contacts(group.positions) == pytest.approx([1.953, 2.015, 2.131], abs=1e-3)
    chain = [step for step in steps_of(group) if step.order == CHAIN]
    assert [(step.leaves, step.before) for step in chain] == [(3, (0, 1, 2, 3)), (2, (0, 1, 2)), (1, (0, 1))]
    assert [step.leaves for step in steps_of(group) if step.order == ANY] == [1, 2, 3]
    parts = parts_of(group)
    assert len(parts) == len(set(parts)) == 1 + 4 + 3 + 1
    assert {(0, 2, 3), (0, 1, 3), (0, 1, 2), (0, 1)} < set(parts)


@pytest.mark.parametrize("relax", [False, True])
def test_the_steps_of_a_chain_sum_to_the_binding_energy(relax, tmp_path):
    group = cluster("PF6", "EC", "DMC")
    found = ForceField(full_charges=False).energies(group, parts_of(group), Asked(("gas",), relax, None, tmp_path))
    energies = {one.members: one for one in found if one.geometry == ("relaxed" if relax else "fixed")}
    total, status = binding(group, energies)
    chain = [desolvation(step, energies)[0] for step in steps_of(group) if step.order == CHAIN]
    assert status == OK
    assert sum(chain) == pytest.approx(-total, rel=1e-12)
    assert total < -100


def test_a_step_costs_what_is_written_down():
    group = cluster("EC", "DMC")
    values = {(0, 1, 2): -10.0, (0,): 1.0, (1,): 2.0, (2,): 3.0, (0, 1): -4.0, (0, 2): -5.0}
    energies = {part: PartEnergy(part, "gas", "fixed", values[part], OK) for part in parts_of(group)}
    table = desolvation_table([group], {("by-hand", "ff_full", "gas", "fixed"): energies})
    any_one = table[table.order == ANY].set_index("leaves").desolvation_kj_mol
    assert any_one.to_dict() == {"EC": -5.0 + 2.0 + 10.0, "DMC": -4.0 + 3.0 + 10.0}
    assert table[table.order == CHAIN].desolvation_kj_mol.tolist() == [9.0, 1.0 + 2.0 + 4.0]
    assert table.n_before.tolist() == [2, 2, 2, 1]
    rows = binding_table([group], {("by-hand", "ff_full", "gas", "fixed"): energies})
    assert rows.binding_kj_mol.tolist() == [-16.0]
    assert rows.composition.tolist() == ["EC1 DMC1"]
    assert rows.contacts_angstrom.tolist() == ["1.953 2.015"]


def test_what_did_not_converge_is_kept_and_marked_and_not_averaged():
    rng = np.random.default_rng(2)
    groups = [cluster("EC", "EC", name=f"c{i}") for i in range(3)]
    found = {(group.name, "gfn2", "gas", "fixed"): random_energies(group, rng) for group in groups}
    found["c1", "gfn2", "gas", "fixed"][0, 1] = PartEnergy((0, 1), "gas", "fixed", None, NOT_CONVERGED)
    found["c2", "gfn2", "gas", "fixed"][0, 1, 2] = PartEnergy((0, 1, 2), "gas", "fixed", None, NOT_CONVERGED)
    of_binding, of_desolvation = binding_table(groups, found), desolvation_table(groups, found)
    assert of_binding.status.tolist() == [OK, OK, NOT_CONVERGED]
    assert of_binding.binding_kj_mol.isna().tolist() == [False, False, True]
    assert (of_desolvation[of_desolvation.cluster == "c2"].status != OK).sum() == 3  # the last step knows no whole
    means = mean_table(of_binding, of_desolvation).set_index("quantity")
    kept = of_binding.binding_kj_mol.dropna()
    assert means.loc["binding", ["n", "n_failed"]].tolist() == [2, 1]
    assert means.loc["binding", "mean_kj_mol"] == pytest.approx(kept.mean())
    assert means.loc["binding", "stderr_kj_mol"] == pytest.approx(abs(kept.diff().iloc[1]) / 2)
    # Two EC of one cluster are no two clusters.
    any_one = of_desolvation[(of_desolvation.order == ANY) & (of_desolvation.status == OK)]
    assert means.loc["desolvation", "n"] == 2
    per_cluster = any_one.groupby("cluster").desolvation_kj_mol.mean()
    assert means.loc["desolvation", "mean_kj_mol"] == pytest.approx(per_cluster.mean())


def test_what_a_method_does_not_take_is_a_row_and_no_mean():
    group = cluster("EC", "DMC")
    refused = {part: PartEnergy(part, "gas", "fixed", None, TOO_LARGE) for part in parts_of(group)}
    found = {("by-hand", "dft", "gas", "fixed"): refused}
    of_binding, of_desolvation = binding_table([group], found), desolvation_table([group], found)
    assert of_binding.status.tolist() == [TOO_LARGE]
    assert of_binding.n_atoms.tolist() == [23]
    assert len(of_desolvation) == len(mean_table(of_binding, of_desolvation)) == 0


def test_a_single_cluster_has_no_error():
    group = cluster("EC")
    found = {("by-hand", "gfn2", "gas", "fixed"): random_energies(group, np.random.default_rng(3))}
    means = mean_table(binding_table([group], found), desolvation_table([group], found))
    assert means.stderr_kj_mol.isna().all()
    assert means.n.tolist() == [1, 1]
    assert means.mean_kj_mol.tolist() == pytest.approx([-means.mean_kj_mol[1], means.mean_kj_mol[1]])
