"""A recipe becomes a box: neutral, complete, sound, and the same after it was written and read."""

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import openmm
import pytest
from polymers import dadma, peo

from solvshell.box import Box, box_hash
from solvshell.build import assemble, build_box
from solvshell.build.forcefield import ForceFieldFiles
from solvshell.build.geometry import broken_geometry
from solvshell.build.polymer import PolymerMolecule, make_chain
from solvshell.data import forcefield_directory
from solvshell.engine import is_network
from solvshell.errors import InvalidInput
from solvshell.files import sha256, validate
from solvshell.polymer import Polymer
from solvshell.recipe import Recipe

# Bonds, angles and torsion terms of one molecule, counted by hand: proper torsions, two more cosines for each C-O-C-C
# (of three cosines), and the improper.
BONDED_TERMS = {
    "LI": (0, 0, 0),
    "PF6": (6, 12, 0),
    "EC": (10, 17, 19 + 2 * 2 + 1),
    "DMC": (11, 17, 10 + 1),
    "EMC": (14, 23, 19 + 2 + 1),
}


GEL_MODEL = {"files": ["solvshell/electrolytes.xml"], "cutoff": "0.5 nm", "switch": None}


def tiny(**changes: Any) -> Recipe:
    """Return a recipe of two molecules of each species, far too small for anything but tests."""
    content: dict[str, Any] = {
        "name": "tiny",
        "title": "for tests",
        "composition": {"counts": {"EC": 2, "DMC": 2, "PF6": 2, "Li": 2}},
        "force_field": {"cutoff": "0.4 nm", "switch": None},
    }
    return validate(Recipe, content | changes, "tiny")


@pytest.fixture(scope="module")
def box(box_path: Path) -> Box:
    return Box.load(box_path)


def force_of(system: openmm.System, kind: type) -> Any:
    (force,) = (force for force in system.getForces() if isinstance(force, kind))
    return force


def potential_energy(box: Box) -> float:
    context = openmm.Context(box.system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform("Reference"))
    context.setPeriodicBoxVectors(*box.box_vectors)
    context.setPositions(box.positions)
    return context.getState(energy=True).getPotentialEnergy()._value


def test_the_box_has_the_counts_of_its_recipe(box: Box) -> None:
    assert box.counts == {"Li": 7, "PF6": 7, "EC": 33, "DMC": 26, "EMC": 21}
    assert box.counts == box.provenance["counts"]
    assert box.recipe.n_salt == 7
    assert box.n_atoms == 7 + 7 * 7 + 33 * 10 + 26 * 12 + 21 * 15 == box.system.getNumParticles()
    residues = [residue.name for residue in box.topology.residues()]
    assert residues == ["LI"] * 7 + ["PF6"] * 7 + ["EC"] * 33 + ["DMC"] * 26 + ["EMC"] * 21


def test_every_residue_is_a_whole_molecule(box: Box, lb003_files: ForceFieldFiles) -> None:
    templates = lb003_files.templates()
    bonds = Counter()
    for first, second in box.topology.bonds():
        assert first.residue is second.residue
        bonds[first.residue.index, frozenset((first.name, second.name))] += 1
    assert set(bonds.values()) == {1}
    expected = set()
    for residue in box.topology.residues():
        template = templates[residue.name]
        atoms = list(residue.atoms())
        assert tuple(atom.name for atom in atoms) == template.atom_names
        assert tuple(atom.element.symbol for atom in atoms) == template.elements
        names = template.atom_names
        expected |= {(residue.index, frozenset((names[i], names[j]))) for i, j in template.bonds}
    assert bonds.keys() == expected


def test_the_box_is_neutral_and_its_ions_are_scaled(box: Box) -> None:
    force = force_of(box.system, openmm.NonbondedForce)
    charges = np.array([force.getParticleParameters(i)[0]._value for i in range(box.n_atoms)])
    assert charges.sum() == pytest.approx(0, abs=1e-9)
    by_residue = Counter()
    for atom, charge in zip(box.topology.atoms(), charges, strict=True):
        by_residue[atom.residue.index, atom.residue.name] += charge
    formal = {"LI": 0.8, "PF6": -0.8}
    for (_, name), charge in by_residue.items():
        assert charge == pytest.approx(formal.get(name, 0), abs=1e-9)


def test_the_system_is_the_plain_model(box: Box) -> None:
    system = box.system
    assert Counter(type(force).__name__ for force in system.getForces()) == {
        "HarmonicBondForce": 1,
        "HarmonicAngleForce": 1,
        "PeriodicTorsionForce": 1,
        "NonbondedForce": 1,
    }, "no barostat, no thermostat, no removal of motion"
    assert system.getNumConstraints() == 0
    for index, atom in enumerate(box.topology.atoms()):
        assert system.getParticleMass(index)._value == pytest.approx(atom.element.mass._value, abs=6e-4)
        assert not system.isVirtualSite(index)

    residues = Counter(residue.name for residue in box.topology.residues())
    n_bonds, n_angles, n_torsions = (
        sum(count * BONDED_TERMS[name][kind] for name, count in residues.items()) for kind in range(3)
    )
    assert force_of(system, openmm.HarmonicBondForce).getNumBonds() == n_bonds
    assert force_of(system, openmm.HarmonicAngleForce).getNumAngles() == n_angles
    assert force_of(system, openmm.PeriodicTorsionForce).getNumTorsions() == n_torsions
    nonbonded = force_of(system, openmm.NonbondedForce)
    assert nonbonded.getNonbondedMethod() == openmm.NonbondedForce.PME
    assert nonbonded.getCutoffDistance()._value == 1.0
    assert nonbonded.getSwitchingDistance()._value == 0.9


def test_the_box_is_sound_and_cubic_at_its_packing_density(box: Box) -> None:
    energy = potential_energy(box)
    assert np.isfinite(energy)
    assert energy < 0, "minimised"
    assert broken_geometry(box.system, box.positions) == {}
    side = box.provenance["packed_length_nm"]
    np.testing.assert_allclose(box.box_vectors, side * np.eye(3), atol=1e-6)
    assert box.density_g_cm3 == pytest.approx(1.0, rel=1e-5)
    litres = side**3 * 1e-24
    assert box.molarity("Li") == pytest.approx(7 / 6.02214076e23 / litres, rel=1e-5)
    assert box.molarity("EC") == pytest.approx(33 / 7 * box.molarity("Li"))


def test_provenance_says_what_the_box_was_made_of(box: Box) -> None:
    provenance = box.provenance
    assert provenance["seed"] == 3
    folder = Path(forcefield_directory()) / "solvshell"
    names = ["lithium.xml", "hexafluorophosphate.xml", "alkanes.xml", "carbonates.xml", "lb003.xml"]
    assert provenance["force_field"] == {name: sha256(folder / name) for name in names}
    assert provenance["counts_before_rounding"]["EC"] == pytest.approx(28.36 / 6 * 7, abs=0.01)
    assert {"openmm", "packmol", "rdkit"} <= provenance["versions"].keys()


@pytest.fixture(scope="module")
def tiny_box() -> Box:
    return build_box(tiny(), seed=2)


def test_a_box_is_the_same_after_it_was_written_and_read(tiny_box: Box, tmp_path: Path) -> None:
    tiny_box.save(tmp_path / "new" / "box")
    read = Box.load(tmp_path / "new" / "box")
    np.testing.assert_array_equal(read.positions, tiny_box.positions)
    np.testing.assert_array_equal(read.box_vectors, tiny_box.box_vectors)
    serialize = openmm.XmlSerializer.serialize
    assert serialize(read.system) == serialize(tiny_box.system)
    assert read.recipe == tiny_box.recipe
    assert read.counts == tiny_box.counts == {"Li": 2, "PF6": 2, "EC": 2, "DMC": 2}
    files, _ = read.provenance.pop("files"), read.provenance.pop("seal")
    assert read.provenance == json.loads(json.dumps(tiny_box.provenance))
    assert {name: record["sha256"] for name, record in files.items()} == {
        name: sha256(tmp_path / "new" / "box" / name)
        for name in ("recipe.yaml", "topology.cif", "system.xml", "state.xml")
    }
    assert potential_energy(read) == potential_energy(tiny_box)

    def atoms(box: Box) -> list[tuple[str, str, str, str]]:
        return [(atom.name, atom.element.symbol, atom.residue.name, atom.residue.id) for atom in box.topology.atoms()]

    def bonds(box: Box) -> set[frozenset[int]]:
        return {frozenset((first.index, second.index)) for first, second in box.topology.bonds()}

    assert atoms(read) == atoms(tiny_box)
    assert bonds(read) == bonds(tiny_box)
    assert len(bonds(read)) == len(list(tiny_box.topology.bonds())) == 2 * (6 + 10 + 11)


def test_a_folder_is_written_whole_or_not_at_all(
    tiny_box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("solvshell.box.write_record", fail)
        with pytest.raises(OSError, match="No space left"):
            tiny_box.save(tmp_path / "box")
    assert list(tmp_path.iterdir()) == []
    tiny_box.save(tmp_path / "box")
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        "provenance.json",
        "recipe.yaml",
        "state.xml",
        "system.xml",
        "topology.cif",
    ]


def test_a_folder_that_exists_is_never_overwritten(tiny_box: Box, tmp_path: Path) -> None:
    (tmp_path / "box").mkdir()
    (tmp_path / "box" / "mine").write_text("of another kind")
    with pytest.raises(InvalidInput, match=r"box: exists; give another folder"):
        tiny_box.save(tmp_path / "box")
    assert [path.name for path in (tmp_path / "box").iterdir()] == ["mine"]
    (tmp_path / "box" / "mine").unlink()
    tiny_box.save(tmp_path / "box")  # an empty one may be what a scheduler has made
    assert box_hash(tmp_path / "box")


@pytest.mark.parametrize("name", ["recipe.yaml", "topology.cif", "system.xml", "state.xml", "provenance.json"])
def test_a_folder_without_one_of_its_files_is_no_box(name: str, tiny_box: Box, tmp_path: Path) -> None:
    tiny_box.save(tmp_path / "box")
    (tmp_path / "box" / name).unlink()
    with pytest.raises(InvalidInput, match=rf"box: not a box folder, {re.escape(name)} missing"):
        Box.load(tmp_path / "box")


def test_the_hash_of_a_box_is_that_of_what_is_simulated(tiny_box: Box, tmp_path: Path) -> None:
    tiny_box.save(tmp_path / "a")
    tiny_box.save(tmp_path / "b")
    assert box_hash(tmp_path / "a") == box_hash(tmp_path / "b")
    dataclasses.replace(tiny_box, provenance={}).save(tmp_path / "c")
    assert box_hash(tmp_path / "c") == box_hash(tmp_path / "a")
    other = tiny_box.recipe.model_copy(update={"title": "another"})
    dataclasses.replace(tiny_box, recipe=other).save(tmp_path / "d")
    assert box_hash(tmp_path / "d") != box_hash(tmp_path / "a")


def packings_of(recipe: Recipe, seeds: Iterable[int], monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """Return what would be relaxed: threads and GPUs make the relaxed box differ in the last digits."""
    packed = []

    def keep(system: openmm.System, positions: np.ndarray, *_: object, **__: object) -> openmm.State:
        packed.append(positions)
        raise KeyboardInterrupt

    monkeypatch.setattr("solvshell.build.assemble.soft_start", keep)
    for seed in seeds:
        with pytest.raises(KeyboardInterrupt):
            build_box(recipe, seed=seed)
    return packed


def test_the_same_seed_gives_the_same_packing(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = packings_of(tiny(), (2, 2, 3), monkeypatch)
    np.testing.assert_array_equal(packed[0], packed[1])
    assert not np.allclose(packed[0], packed[2])


def test_the_scale_of_the_recipe_reaches_the_box(tiny_box: Box) -> None:
    full = build_box(tiny(force_field={"cutoff": "0.4 nm", "switch": None, "ion_charge_scale": 1.0}), seed=2)

    def charges(box: Box) -> np.ndarray:
        force = force_of(box.system, openmm.NonbondedForce)
        return np.array([force.getParticleParameters(i)[0]._value for i in range(box.n_atoms)])

    is_ion = np.array([atom.residue.name in ("LI", "PF6") for atom in full.topology.atoms()])
    np.testing.assert_allclose(charges(tiny_box), np.where(is_ion, 0.8, 1.0) * charges(full), rtol=1e-12)
    assert charges(full)[:2].tolist() == [1.0, 1.0]


def test_explicit_counts_remember_the_size_that_was_built() -> None:
    box = build_box(tiny(), n_salt=3)
    assert box.counts == {"Li": 3, "PF6": 3, "EC": 3, "DMC": 3}
    assert box.recipe.composition.counts == box.counts


@pytest.mark.parametrize(
    ("cutoff", "asked"), [("0.71 nm", 1), ("1.0 nm", 1), ("1.1 nm", 6), ("1.2 nm", 8), ("1.5 nm", 18), ("100 nm", 50)]
)
def test_a_box_too_small_for_its_cutoff_is_refused_with_a_size_that_works(
    cutoff: str, asked: int, lb003: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = lb003.force_field.model_copy(update={"cutoff": float(cutoff.split()[0])})
    recipe = lb003.model_copy(update={"force_field": model, "smallest": 1})
    with pytest.raises(
        InvalidInput, match=rf"^n_salt: {asked} makes a box of .* at 1.22 g/cm3, too small for a cutoff of"
    ) as caught:
        build_box(recipe, n_salt=asked)
    smallest = int(re.search(r"n_salt (\d+) or more$", str(caught.value))[1])  # type: ignore[index]

    monkeypatch.setattr("solvshell.build.contents.pack", _stop)
    with pytest.raises(InvalidInput, match="too small"):
        build_box(recipe, n_salt=smallest - 1)
    with pytest.raises(_FitsError):
        build_box(recipe, n_salt=smallest)


class _FitsError(Exception):
    """The box is large enough for its cutoff."""


def _stop(*_: object) -> None:
    raise _FitsError


def test_the_smallest_lb003_is_just_large_enough(lb003: Recipe) -> None:
    with pytest.raises(InvalidInput, match=r"n_salt 7 or more$"):
        build_box(lb003.model_copy(update={"smallest": 1}), n_salt=6)
    assert lb003.smallest == 7


def test_a_salt_free_box_too_small_is_refused_by_its_own_size() -> None:
    composition = {"solvents": {"ratio": {"EC": 1}, "basis": "mole"}}
    recipe = tiny(composition=composition, n_molecules=10, force_field={"cutoff": "1 nm"})
    with pytest.raises(
        InvalidInput, match=r"^n_molecules: 10 makes a box of 1.14 nm at 1 g/cm3, .* n_molecules \d+ or"
    ):
        build_box(recipe)


def test_explicit_counts_too_small_are_refused_by_their_salt() -> None:
    with pytest.raises(InvalidInput, match=r"^n_salt: 2 makes a box of .*: n_salt \d+ or more"):
        build_box(tiny(force_field={"cutoff": "1 nm"}))


def test_a_packing_too_dense_for_the_cutoff_is_refused_with_a_density_that_works(lb003: Recipe) -> None:
    model = lb003.force_field.model_copy(update={"cutoff": 0.53, "switch": None})
    small = lb003.model_copy(update={"smallest": 1, "n_salt": 1, "force_field": model})

    def packed_at(density: float) -> Recipe:
        return small.model_copy(update={"packing": lb003.packing.model_copy(update={"density": density})})

    with pytest.raises(
        InvalidInput, match=r"^packing.density: 1.45 g/cm3 makes a box of .*; at most [\d.]+ g"
    ) as error:
        build_box(packed_at(1.45))
    density = float(re.search(r"at most ([\d.]+)", str(error.value))[1])  # type: ignore[index]
    assert build_box(packed_at(density - 0.001)).counts["Li"] == 1


def test_a_force_field_without_a_species_is_refused(lb003: Recipe) -> None:
    recipe = lb003.model_copy(
        update={"force_field": lb003.force_field.model_copy(update={"files": ["solvshell/lithium.xml"]})}
    )
    with pytest.raises(
        InvalidInput, match=r"^force_field.files: no residue template 'PF6' for species PF6 in solvshell/lithium\.xml "
    ):
        build_box(recipe, n_salt=8)


def test_a_charged_box_is_refused() -> None:
    recipe = tiny(composition={"counts": {"Li": 3, "PF6": 2, "EC": 4}})
    with pytest.raises(
        InvalidInput, match=r"^composition: the box has a net charge of \+1 e; change the counts of its ions$"
    ):
        build_box(recipe)


def gel(polymer: Polymer, counts: dict[str, int], **changes: Any) -> Recipe:
    """Return a recipe of a few small chains in a few molecules."""
    content = polymer.model_dump(mode="json", exclude_none=True)
    content.pop("counter_ion", None)
    return tiny(composition={"counts": counts}, polymer=content, force_field=GEL_MODEL, **changes)


def dadma_gel() -> Recipe:
    return gel(dadma(chain_length=2, chains=2), {"NO3": 5, "Li": 1, "DME": 10})


@pytest.fixture(scope="module")
def gel_box() -> Box:
    return build_box(dadma_gel(), seed=2)


def test_a_box_of_chains_has_the_counts_of_its_recipe(gel_box: Box) -> None:
    assert gel_box.counts == {"Li": 1, "NO3": 5, "DME": 10, "PDAD": 4}
    residues = [residue.name for residue in gel_box.topology.residues()]
    assert residues == ["LI"] + ["NO3"] * 5 + ["DME"] * 10 + ["PDAD"] * 4
    # a chain: two C8H16N and two hydrogens
    assert gel_box.n_atoms == 1 + 5 * 4 + 10 * 16 + 2 * (2 * 25 + 2) == gel_box.system.getNumParticles()
    assert gel_box.recipe.polymer == dadma_gel().polymer.model_copy(update={"counter_ion": None})  # type: ignore[union-attr]


def test_the_units_of_a_chain_are_bonded_and_no_others(gel_box: Box) -> None:
    between = [bond for bond in gel_box.topology.bonds() if bond[0].residue is not bond[1].residue]
    assert len(between) == 2
    for first, second in between:
        assert (first.residue.name, second.residue.name) == ("PDAD", "PDAD")
        assert abs(first.residue.index - second.residue.index) == 1
        assert first.residue.chain is second.residue.chain
        assert {first.element.symbol, second.element.symbol} == {"C"}


def test_a_box_of_chains_is_neutral_with_scaled_charges(gel_box: Box) -> None:
    force = force_of(gel_box.system, openmm.NonbondedForce)
    charges = np.array([force.getParticleParameters(i)[0]._value for i in range(gel_box.n_atoms)])
    assert charges.sum() == pytest.approx(0, abs=1e-9)
    names = np.array([atom.residue.name for atom in gel_box.topology.atoms()])
    totals = {name: charges[names == name].sum() for name in ("LI", "NO3", "DME", "PDAD")}
    assert totals == pytest.approx({"LI": 0.8, "NO3": -4.0, "DME": 0, "PDAD": 3.2}, abs=1e-9)


def test_chains_are_no_network(gel_box: Box) -> None:
    for force in gel_box.system.getForces():
        if not isinstance(force, openmm.NonbondedForce):
            assert not force.usesPeriodicBoundaryConditions(), force.getName()
    assert not force_of(gel_box.system, openmm.NonbondedForce).getExceptionsUsePeriodicBoundaryConditions()
    assert not is_network(gel_box.system)
    assert broken_geometry(gel_box.system, gel_box.positions) == {}


def test_provenance_says_what_the_polymer_is(gel_box: Box) -> None:
    details = gel_box.provenance["polymer"]
    extents = details["backbone_extent_nm"]
    assert len(extents) == 2
    assert all(0.3 < extent < 1.0 for extent in extents)


def test_the_chains_of_a_box_differ(gel_box: Box) -> None:
    first, second = gel_box.provenance["polymer"]["backbone_extent_nm"]
    assert first != second


def test_a_box_of_chains_is_the_same_after_it_was_written_and_read(gel_box: Box, tmp_path: Path) -> None:
    gel_box.save(tmp_path / "box")
    read = Box.load(tmp_path / "box")
    np.testing.assert_array_equal(read.positions, gel_box.positions)
    assert read.recipe == gel_box.recipe
    assert read.counts == gel_box.counts
    bonds = [{frozenset((a.index, b.index)) for a, b in box.topology.bonds()} for box in (read, gel_box)]
    assert bonds[0] == bonds[1]


def test_the_same_seed_gives_the_same_chains_in_the_same_packing(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = packings_of(dadma_gel(), (2, 2, 3), monkeypatch)
    np.testing.assert_array_equal(packed[0], packed[1])
    assert not np.allclose(packed[0], packed[2])


def test_boxes_of_different_seeds_share_no_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replicas have chains of their own: a shared one would make their scatter too small."""
    made: list[PolymerMolecule] = []

    def spied(*arguments: Any) -> PolymerMolecule:
        made.append(make_chain(*arguments))
        return made[-1]

    monkeypatch.setattr(assemble, "make_chain", spied)
    for seed in (0, 1):
        build_box(gel(dadma(chain_length=3, chains=3), {"NO3": 9, "DME": 12}), seed=seed)
    assert len(made) == 6
    for i, one in enumerate(made):
        assert not any(np.allclose(one.positions, other.positions) for other in made[:i])


def test_a_neutral_polymer_needs_no_counter_ion() -> None:
    box = build_box(gel(peo(chain_length=3, chains=2), {"DME": 8}), seed=1)
    assert box.counts == {"DME": 8, "PEO": 6}
    # a chain: three C2H4O, H and CH3
    assert box.n_atoms == 8 * 16 + 2 * (3 * 7 + 1 + 4)


def test_counter_ions_follow_from_the_charge_of_the_chains() -> None:
    recipe = gel(dadma(chain_length=2, chains=2), {"DME": 10})
    polymer = recipe.polymer.model_copy(update={"counter_ion": "NO3"})  # type: ignore[union-attr]
    box = build_box(recipe.model_copy(update={"polymer": polymer}), seed=1)
    assert box.counts == {"NO3": 4, "DME": 10, "PDAD": 4}
    share = (2 * (2 * 8 * 12.011 + 34 * 1.008 + 2 * 14.007) + 4 * 62.004) / (
        box.density_g_cm3 * box.volume_nm3 * 602.214
    )
    assert box.provenance["polymer"]["mass_fraction"] == pytest.approx(share, rel=1e-3)


def test_a_charged_box_of_chains_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"a net charge of \+1 e; change the counts of its ions and of the polymer$"):
        build_box(gel(dadma(chain_length=2, chains=2), {"NO3": 3, "DME": 12}), seed=2)


def test_a_polycation_without_counter_ion_is_refused() -> None:
    composition = {"solvents": {"ratio": {"DME": 1}, "basis": "mole"}}
    polymer = dadma(counter_ion=None, chain_length=2).model_dump(mode="json", exclude_none=True)
    with pytest.raises(InvalidInput, match=r"^polymer.counter_ion: missing; PDAD has a charge of \+2 e$"):
        build_box(tiny(composition=composition, polymer=polymer, n_molecules=50, force_field=GEL_MODEL))


def test_a_counter_ion_for_a_neutral_polymer_is_refused() -> None:
    composition = {"solvents": {"ratio": {"DME": 1}, "basis": "mole"}}
    polymer = peo(counter_ion="NO3").model_dump(mode="json", exclude_none=True)
    with pytest.raises(
        InvalidInput, match=r"^polymer.counter_ion: no number of NO3 \(-1 e\) neutralises PEO \(\+0 e\)$"
    ):
        build_box(tiny(composition=composition, polymer=polymer, n_molecules=50, force_field=GEL_MODEL))


def test_a_chain_longer_than_the_box_is_refused() -> None:
    recipe = gel(dadma(chain_length=8, chains=1), {"NO3": 8})
    with pytest.raises(InvalidInput, match=r"^polymer.chain_length: a chain of 8 units reaches over .* nm or more"):
        build_box(recipe, seed=1)


def test_a_force_field_with_a_script_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.xml").write_text("<ForceField><Script>open('owned', 'w')</Script></ForceField>")
    recipe = tiny(
        force_field={"files": ["solvshell/lb003.xml", str(tmp_path / "own.xml")], "cutoff": "0.4 nm", "switch": None}
    )
    with pytest.raises(InvalidInput, match=r"own\.xml holds a <Script>"):
        build_box(recipe)
