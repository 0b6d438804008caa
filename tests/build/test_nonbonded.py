"""Charges, Lennard-Jones mixing and 1-4 terms of the System against the formulas."""

from collections.abc import Callable

import numpy as np
import openmm
import pytest
from openmm import app
from scipy.integrate import quad

from solvshell.build.forcefield import ForceFieldFiles, create_system, read_forcefield
from solvshell.build.molecules import Molecule, add_molecule
from solvshell.recipe import Model
from solvshell.species import catalogue

VacuumSystem = Callable[..., tuple[app.Topology, openmm.System]]

# sigma in nm, epsilon in kJ/mol
LI = (0.14424, 0.43153776)
P, F = (0.374, 0.8368), (0.31181, 0.25522)
CT, OS, C, O, HC = (0.35, 0.276144), (0.30, 0.71128), (0.375, 0.43932), (0.296, 0.87864), (0.242, 0.06276)  # noqa: E741
H_ALKANE, O_ETHER, N4 = (0.25, 0.12552), (0.29, 0.58576), (0.325, 0.71128)
LENNARD_JONES = {
    "LI": [LI],
    "PF6": [P] + 6 * [F],
    "EC": [CT, CT, OS, C, O, OS] + 4 * [HC],
    "PC": [CT, CT, OS, C, O, OS, CT] + 6 * [HC],
    "FEC": [CT, CT, OS, C, O, OS, (0.29, 0.25104)] + 3 * [HC],
    "DMC": [CT, OS, C, O, OS, CT] + 6 * [HC],
    "EMC": [CT, CT, OS, C, O, OS, CT] + 3 * [H_ALKANE] + 5 * [HC],
    "DEC": [CT, CT, OS, C, O, OS, CT, CT] + 3 * [H_ALKANE] + 4 * [HC] + 3 * [H_ALKANE],
    "DOL": [CT, CT, O_ETHER, CT, O_ETHER] + 6 * [H_ALKANE],
    "DME": [CT, O_ETHER, CT, CT, O_ETHER, CT] + 10 * [H_ALKANE],
    "NO3": [(0.315, 0.71128)] + 3 * [(0.286, 0.87864)],
    "TFSI": [N4] + 2 * [(0.355, 1.046)] + 4 * [(0.315, 0.83736)] + 2 * [(0.35, 0.27614)] + 6 * [(0.3118, 0.2554)],
    "FSI": [N4] + 2 * [(0.355, 1.046)] + 4 * [(0.315, 0.83736)] + 2 * [(0.3118, 0.2554)],
    "BF4": [(0.358, 0.3975)] + 4 * [(0.312, 0.2552)],
    "ClO4": [(0.35, 0.49283)] + 4 * [(0.29, 0.87864)],
    "PYR13": [CT, N4] + 7 * [CT] + 18 * [H_ALKANE],
}
# of each alkali ion: as in amber14/tip3p.xml of OpenMM
ALKALI = {
    "Na": (0.24392807, 0.36584603),
    "K": (0.30379646, 0.81036925),
    "Rb": (0.32303988, 1.37160683),
    "Cs": (0.35208317, 1.70096085),
}


def nonbonded_of(system: openmm.System) -> openmm.NonbondedForce:
    (force,) = (force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))
    return force


def charges_of(system: openmm.System) -> np.ndarray:
    force = nonbonded_of(system)
    return np.array([force.getParticleParameters(i)[0]._value for i in range(force.getNumParticles())])


def exceptions_of(system: openmm.System) -> dict[tuple[int, int], tuple[float, float, float]]:
    force = nonbonded_of(system)
    terms = [force.getExceptionParameters(index) for index in range(force.getNumExceptions())]
    return {(min(i, j), max(i, j)): tuple(value._value for value in values) for i, j, *values in terms}


def lennard_jones_energy(system: openmm.System, x: np.ndarray) -> float:
    """Return the energy in kJ/mol of the nonbonded force with all charges set to zero."""
    force = nonbonded_of(system)
    for i in range(force.getNumParticles()):
        force.setParticleParameters(i, 0.0, *force.getParticleParameters(i)[1:])
    for index in range(force.getNumExceptions()):
        i, j, _, sigma, epsilon = force.getExceptionParameters(index)
        force.setExceptionParameters(index, i, j, 0.0, sigma, epsilon)
    for other in system.getForces():
        other.setForceGroup(int(isinstance(other, openmm.NonbondedForce)))
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform("Reference"))
    context.setPositions(x)
    return context.getState(energy=True, groups={1}).getPotentialEnergy()._value


PARTNERS = [name for name in LENNARD_JONES if name != "LI"]


@pytest.mark.parametrize("partner", PARTNERS)
def test_li_meets_every_atom_by_lorentz_berthelot(
    partner: str, vacuum_system: VacuumSystem, molecules: dict[str, Molecule]
) -> None:
    _, system = vacuum_system("Li", partner)
    molecule = molecules[partner].positions
    apart = lennard_jones_energy(system, np.vstack([[1e6, 0.0, 0.0], molecule]))
    sigma, epsilon = np.array(LENNARD_JONES[partner]).T
    for li in ([0.0, 0.1, 0.45], [0.5, -0.2, 0.3]):
        r = np.linalg.norm(molecule - li, axis=1)
        s6 = ((LI[0] + sigma) / 2 / r) ** 6
        expected = (4 * np.sqrt(LI[1] * epsilon) * (s6**2 - s6)).sum()
        found = lennard_jones_energy(system, np.vstack([[li], molecule])) - apart
        assert found == pytest.approx(expected, rel=1e-8)
        g6 = (np.sqrt(LI[0] * sigma) / r) ** 6
        assert found != pytest.approx((4 * np.sqrt(LI[1] * epsilon) * (g6**2 - g6)).sum(), rel=0.02)


def bond_distances(topology: app.Topology) -> dict[tuple[int, int], int]:
    """Return the number of bonds between atoms that are three or fewer apart."""
    around: dict[int, set[int]] = {atom.index: set() for atom in topology.atoms()}
    for first, second in topology.bonds():
        around[first.index].add(second.index)
        around[second.index].add(first.index)
    found: dict[tuple[int, int], int] = {}
    for start in around:
        reached, edge = {start}, {start}
        for distance in (1, 2, 3):
            edge = set().union(*(around[atom] for atom in edge)) - reached
            reached |= edge
            found |= {(start, atom): distance for atom in edge if start < atom}
    return found


@pytest.mark.parametrize("name", PARTNERS)
def test_close_neighbours_feel_nothing_and_1_4_pairs_half(name: str, vacuum_system: VacuumSystem) -> None:
    topology, system = vacuum_system(name, name)
    q = charges_of(system)
    lj = np.array(2 * LENNARD_JONES[name])
    distances = bond_distances(topology)
    exceptions = exceptions_of(system)
    assert exceptions.keys() == distances.keys()
    assert (3 in distances.values()) == (name not in ("PF6", "NO3", "BF4", "ClO4"))
    for (i, j), distance in distances.items():
        charge_product, sigma, epsilon = exceptions[i, j]
        if distance < 3:
            assert (charge_product, epsilon) == (0, 0)
        else:
            assert charge_product == pytest.approx(0.5 * q[i] * q[j], rel=1e-12)
            assert sigma == pytest.approx((lj[i, 0] + lj[j, 0]) / 2, rel=1e-12)
            assert epsilon == pytest.approx(0.5 * np.sqrt(lj[i, 1] * lj[j, 1]), rel=1e-12)


@pytest.mark.parametrize("name", ALKALI)
def test_alkali_ions_are_those_of_openmms_own_file(name: str, vacuum_system: VacuumSystem) -> None:
    _, system = vacuum_system(name)
    charge, sigma, epsilon = (value._value for value in nonbonded_of(system).getParticleParameters(0))
    assert (charge, sigma, epsilon) == pytest.approx((1.0, *ALKALI[name]), rel=1e-6)
    theirs = app.ForceField("amber14/tip3p.xml")
    topology = app.Topology()
    residue = topology.addResidue(name.upper(), topology.addChain())
    topology.addAtom(name.upper(), app.Element.getBySymbol(name), residue)
    other = theirs.createSystem(topology)
    found = nonbonded_of(other).getParticleParameters(0)
    assert [value._value for value in found] == pytest.approx([charge, sigma, epsilon], rel=1e-6)


def test_the_polycation_has_the_lennard_jones_of_its_groups(vacuum_system: VacuumSystem) -> None:
    topology, system = vacuum_system("OTA")
    force = nonbonded_of(system)
    neighbors: dict[int, list[str]] = {atom.index: [] for atom in topology.atoms()}
    for first, second in topology.bonds():
        neighbors[first.index].append(second.element.symbol)
        neighbors[second.index].append(first.element.symbol)
    alkene = {index for index, around in neighbors.items() if len(around) == 3}
    on_alkene = {b.index for bond in topology.bonds() for a, b in (bond, bond[::-1]) if a.index in alkene}
    expected = {"N": N4, "C": CT, "H": H_ALKANE}
    for atom in topology.atoms():
        sigma_epsilon = expected[atom.element.symbol]
        if atom.index in alkene:
            sigma_epsilon = (0.355, 0.317984)
        elif atom.element.symbol == "H" and atom.index in on_alkene:
            sigma_epsilon = (0.242, 0.12552)
        found = force.getParticleParameters(atom.index)[1:]
        assert tuple(value._value for value in found) == pytest.approx(sigma_epsilon), atom.name


# Two species of ions and of solvents, two molecules of each, interleaved: an offset mistake shows.
MIXED = ("EC", "Li", "PF6", "DMC", "PF6", "EC", "DMC", "Li")


@pytest.mark.parametrize("scale", [0.8, 0.75])
def test_only_the_charges_of_ions_are_scaled(scale: float, vacuum_system: VacuumSystem) -> None:
    topology, full = vacuum_system(*MIXED)
    _, scaled = vacuum_system(*MIXED, ion_charge_scale=scale)
    is_ion = np.array([atom.residue.name in ("LI", "PF6") for atom in topology.atoms()])
    assert is_ion.sum() == 2 * (1 + 7)
    q = charges_of(full)
    assert q[is_ion].round(9).tolist() == [1.0] + 2 * ([1.34] + 6 * [-0.39]) + [1.0]
    np.testing.assert_allclose(charges_of(scaled), np.where(is_ion, scale, 1) * q, rtol=1e-12)
    assert charges_of(scaled).sum() == pytest.approx(0, abs=1e-12)

    before, after = exceptions_of(full), exceptions_of(scaled)
    assert before.keys() == after.keys()
    for (i, j), (charge_product, sigma, epsilon) in before.items():
        assert is_ion[i] == is_ion[j]
        factor = scale**2 if is_ion[i] else 1.0
        assert after[i, j] == pytest.approx((factor * charge_product, sigma, epsilon), rel=1e-12)


def test_the_charges_of_all_ions_are_scaled_and_of_no_solvent(vacuum_system: VacuumSystem) -> None:
    for name, entry in catalogue().items():
        _, full = vacuum_system(name)
        _, scaled = vacuum_system(name, ion_charge_scale=0.8)
        factor = 1.0 if entry.role == "solvent" else 0.8
        np.testing.assert_allclose(charges_of(scaled), factor * charges_of(full), rtol=1e-12, err_msg=name)


def test_exceptions_of_an_ion_scale_by_the_square() -> None:
    """PF6 has no 1-4 pairs, so its exceptions are all zero; a charged EMC has some."""
    files = read_forcefield(["solvshell/carbonates.xml"])
    for residue in (r for root in files.roots for r in root.iterfind("Residues/Residue")):
        if residue.get("name") == "EMC":
            residue.findall("Atom")[3].set("charge", "-0.2")
    topology = app.Topology()
    for name in ("EMC", "EC", "EMC", "EC"):
        add_molecule(topology, topology.addChain(), files.templates()[name])
    full, scaled = (
        exceptions_of(create_system(topology, files, Model(ion_charge_scale=scale), periodic=False))
        for scale in (1.0, 0.8)
    )
    residue_of = [atom.residue.name for atom in topology.atoms()]
    factors: dict[str, list[float]] = {"EMC": [], "EC": []}
    for (i, j), (charge_product, *_) in full.items():
        if charge_product:
            factors[residue_of[i]].append(scaled[i, j][0] / charge_product)
    assert factors["EMC"] == pytest.approx([0.64] * len(factors["EMC"]), rel=1e-12)
    assert factors["EC"] == pytest.approx([1.0] * len(factors["EC"]), rel=1e-12)
    assert min(len(found) for found in factors.values()) > 20


def test_the_periodic_system_has_the_cutoffs_of_the_recipe(
    lb003_files: ForceFieldFiles, vacuum_system: VacuumSystem
) -> None:
    topology, _ = vacuum_system(*MIXED)
    topology.setPeriodicBoxVectors(3 * np.eye(3) * openmm.unit.nanometer)
    force = nonbonded_of(create_system(topology, lb003_files, Model(), periodic=True))
    assert force.getNonbondedMethod() == openmm.NonbondedForce.PME
    assert force.getCutoffDistance()._value == 1.0
    assert force.getUseSwitchingFunction()
    assert force.getSwitchingDistance()._value == 0.9
    assert force.getUseDispersionCorrection()
    assert force.getEwaldErrorTolerance() == 5e-4

    other = Model(cutoff="1.2 nm", switch=None, tail_correction=False, pme_tolerance=1e-5)
    force = nonbonded_of(create_system(topology, lb003_files, other, periodic=True))
    assert force.getCutoffDistance()._value == 1.2
    assert not force.getUseSwitchingFunction()
    assert not force.getUseDispersionCorrection()
    assert force.getEwaldErrorTolerance() == 1e-5


@pytest.mark.parametrize("switch", ["0.9 nm", "0.7 nm", None])
def test_the_tail_correction_holds_what_the_switch_removes(
    switch: str | None, lb003_files: ForceFieldFiles, vacuum_system: VacuumSystem
) -> None:
    topology, _ = vacuum_system(*["Li"] * 20)
    side, cutoff = 3.0, 1.0
    topology.setPeriodicBoxVectors(side * np.eye(3) * openmm.unit.nanometer)
    x = np.random.default_rng(3).random((20, 3)) * side
    found = 0.0
    for tail, sign in ((True, 1), (False, -1)):
        model = Model(cutoff=f"{cutoff} nm", switch=switch, tail_correction=tail)
        found += sign * lennard_jones_energy(create_system(topology, lb003_files, model), x)

    start = cutoff if model.switch is None else model.switch

    def removed(r: float) -> float:
        t = (r - start) / (cutoff - start) if r < cutoff else 1.0
        left = 1 - 6 * t**5 + 15 * t**4 - 10 * t**3
        s6 = (LI[0] / r) ** 6
        return (1 - left) * 4 * LI[1] * (s6**2 - s6) * r**2

    integral = quad(removed, start, cutoff)[0] + quad(removed, cutoff, 50)[0]
    assert found == pytest.approx(2 * np.pi * 20**2 / side**3 * integral, rel=1e-4)
