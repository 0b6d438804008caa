"""The gas against exact distributions, against OpenMM itself, and against dynamics that needs no hops."""

import copy
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import openmm
import pytest
from openmm import app, unit
from small_boxes import liquid

from solvshell.errors import InvalidInput
from solvshell.md.dynamics import stage_system
from solvshell.md.grand.conformers import Gas, Library, random_rotation
from solvshell.md.grand.isolated import Terms, copies, rotors, terms_of
from solvshell.protocol import load_protocol
from solvshell.units import kT_kj_mol

TEMPERATURE = 298.15
KT = kT_kj_mol(TEMPERATURE)
SHIPPED = load_protocol("standard")


def dihedrals(positions, i, j, k, m):
    """Return dihedral angles in rad, shape (n,), of positions (n, n_atoms, 3)."""
    axis = positions[:, k] - positions[:, j]
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    arms = [positions[:, i] - positions[:, j], positions[:, m] - positions[:, k]]
    first, last = (arm - (arm * axis).sum(axis=1, keepdims=True) * axis for arm in arms)
    return np.arctan2((np.cross(axis, first) * last).sum(axis=1), (first * last).sum(axis=1))


def stderr_of_walkers(values, n_walkers=200):
    """Return the standard error of the mean of members of a library: its walkers know nothing of each other."""
    of_walkers = np.reshape(values, (-1, n_walkers)).mean(axis=0)
    return of_walkers.std(ddof=1) / np.sqrt(n_walkers)


# -- a chain of four atoms with rigid bonds, whose distribution is an integral over two angles and a torsion

MASSES = np.array([30.0, 3.0, 4.0, 20.0])
BOND, ANGLE, STIFFNESS = 0.15, np.radians(112), 250.0
#: periodicity, phase in rad, k in kJ/mol: no two minima alike, barriers of 30 kJ/mol and more
TORSIONS = ((1, np.radians(40), 2.0), (3, 0.0, 14.0))
CHARGE_PRODUCT, SIGMA, EPSILON = 0.04, 0.3, 0.4


def chain():
    """Return a system of this chain, and a first conformer of it."""
    system = openmm.System()
    angles, torsions = openmm.HarmonicAngleForce(), openmm.PeriodicTorsionForce()
    nonbonded = openmm.NonbondedForce()
    for mass, charge in zip(MASSES, (0.3, 0.2, -0.1, -0.4), strict=True):
        system.addParticle(mass)
        nonbonded.addParticle(charge, SIGMA, EPSILON)
    for first in range(3):
        system.addConstraint(first, first + 1, BOND)
    for first in range(2):
        angles.addAngle(first, first + 1, first + 2, ANGLE, STIFFNESS)
    for term in TORSIONS:
        torsions.addTorsion(0, 1, 2, 3, *term)
    for i, j in ((0, 1), (0, 2), (1, 2), (1, 3), (2, 3)):
        nonbonded.addException(i, j, 0, 1, 0)
    nonbonded.addException(0, 3, CHARGE_PRODUCT, SIGMA, EPSILON)
    for force in (angles, torsions, nonbonded):
        system.addForce(force)
    return system, np.array([[0, 0.14, 0], [0, 0, 0], [0.15, 0, 0], [0.2, 0.1, 0.1]])


@cache
def exact():
    """Return torsions (rad) with their probabilities, and the mean cosines of the two angles.

    Density in the angles: sin(a) sin(b) sqrt(det Z) exp(-u/kT), Z of the three rigid bonds (Fixman 1974).
    """
    a, b = (np.linspace(1.2, np.pi - 0.2, 60) for _ in range(2))
    phi = np.linspace(-np.pi, np.pi, 120, endpoint=False) + np.pi / 120
    a, b, phi = np.meshgrid(a, b, phi, indexing="ij")
    ends = np.stack(
        [
            BOND * (1 - np.cos(a) - np.cos(b)),
            BOND * (np.sin(b) * np.cos(phi) - np.sin(a)),
            BOND * np.sin(b) * np.sin(phi),
        ]
    )
    r = np.linalg.norm(ends, axis=0)
    energy = STIFFNESS / 2 * ((a - ANGLE) ** 2 + (b - ANGLE) ** 2)
    energy += sum(k * (1 + np.cos(n * phi - phase)) for n, phase, k in TORSIONS)
    energy += 138.93545764 * CHARGE_PRODUCT / r + 4 * EPSILON * ((SIGMA / r) ** 12 - (SIGMA / r) ** 6)
    inverse = 1 / MASSES
    ab, bc, cd = inverse[:-1] + inverse[1:]
    metric = ab * bc * cd - ab * (np.cos(b) * inverse[2]) ** 2 - cd * (np.cos(a) * inverse[1]) ** 2
    weight = np.sin(a) * np.sin(b) * np.sqrt(metric) * np.exp(-energy / KT)
    weight /= weight.sum()
    return phi[0, 0], weight.sum(axis=(0, 1)), [(np.cos(angle) * weight).sum() for angle in (a, b)]


@pytest.fixture(scope="module")
def chains() -> Library:
    system, positions = chain()
    return Gas(system, range(4), positions).library(TEMPERATURE, 0.003, 4000, seed=3)


def test_torsions_are_those_of_the_boltzmann_distribution(chains):
    phi, probability, _ = exact()
    found = dihedrals(chains.positions, 0, 1, 2, 3)
    for low in np.radians(np.arange(-180, 180, 30)):
        inside = (low <= found) & (found < low + np.radians(30))
        expected = probability[(low <= phi) & (phi < low + np.radians(30))].sum()
        noise = np.sqrt(max(stderr_of_walkers(inside), np.sqrt(expected / len(found))) ** 2 + 1e-6)
        assert inside.mean() == pytest.approx(expected, abs=4 * noise)


def test_angles_between_rigid_bonds_are_those_of_the_boltzmann_distribution(chains):
    _, _, expected = exact()
    arms = np.diff(chains.positions, axis=1) / BOND
    for first, cosine in enumerate(expected):
        found = -(arms[:, first] * arms[:, first + 1]).sum(axis=1)
        assert found.mean() == pytest.approx(cosine, abs=4 * stderr_of_walkers(found))


def test_rigid_bonds_stay_rigid(chains):
    assert np.linalg.norm(np.diff(chains.positions, axis=1), axis=2) == pytest.approx(BOND, abs=1e-7)


# -- molecules of ours


@pytest.fixture(scope="module")
def system() -> openmm.System:
    stage = SHIPPED.production.model_copy(update={"pressure": None})
    return stage_system(liquid().system, SHIPPED, stage, 1)


def atoms_of(residue: str) -> list[int]:
    """Return the atoms of the second molecule of a name."""
    found = [[atom.index for atom in each.atoms()] for each in liquid().topology.residues() if each.name == residue]
    return found[1]


def gas(system: openmm.System, residue: str) -> Gas:
    return Gas(system, atoms_of(residue), liquid().positions[atoms_of(residue)])


def alone(system: openmm.System, atoms: list[int]) -> openmm.System:
    """Return the system with nothing left but one molecule, without a cutoff: other particles get no parameters."""
    left = copy.deepcopy(system)
    for force in left.getForces():
        if isinstance(force, openmm.NonbondedForce):
            force.setNonbondedMethod(openmm.NonbondedForce.NoCutoff)
            for index in set(range(force.getNumParticles())) - set(atoms):
                force.setParticleParameters(index, 0, 1, 0)
            for index in range(force.getNumExceptions()):
                i, j, *_ = force.getExceptionParameters(index)
                if i not in atoms:
                    force.setExceptionParameters(index, i, j, 0, 1, 0)
    return left


@pytest.mark.parametrize("residue", ["EC", "DMC", "DOL"])
def test_energy_is_that_of_openmm_for_the_molecule_alone(system, residue):
    """In two conformers, since the energies of all other molecules do not change."""
    atoms, here = atoms_of(residue), liquid().positions
    moved = here.copy()
    moved[atoms] += np.random.default_rng(1).normal(0, 0.01, (len(atoms), 3))
    context = openmm.Context(
        alone(system, atoms), openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference")
    )
    energies = []
    for positions in (here, moved):
        context.setPositions(positions)
        energies.append(context.getState(energy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))
    molecule = gas(system, residue)
    found = molecule.energy(moved[atoms]) - molecule.energy(here[atoms])
    assert found == pytest.approx(energies[1] - energies[0], rel=1e-9)


def test_what_turns(system):
    names = {name: [atom.name for atom in r.atoms()] for r in liquid().topology.residues() for name in [r.name]}
    found = rotors(terms_of(system, atoms_of("DMC")))
    assert [(names["DMC"][i], names["DMC"][j]) for i, j, _ in found] == [
        ("C1", "O1"),
        ("O1", "C2"),
        ("C2", "O3"),
        ("O3", "C3"),
    ]
    assert [names["DMC"][atom] for atom in found[2][2]] == ["C3", "H4", "H5", "H6"]
    assert rotors(terms_of(system, atoms_of("EC"))) == []


def test_flexible_ring_has_the_energies_of_long_dynamics(system):
    """EC: bonds, angles and all else, against 40 molecules that move on by themselves, with the same time step."""
    molecule = gas(system, "EC")
    library = molecule.library(TEMPERATURE, SHIPPED.timestep, 1200, seed=1)
    found = np.array([molecule.energy(positions) for positions in library.positions])
    integrator = openmm.LangevinMiddleIntegrator(TEMPERATURE, 1.0, SHIPPED.timestep)
    integrator.setRandomNumberSeed(7)
    many = copies(terms_of(system, atoms_of("EC")), 40)
    context = openmm.Context(many, integrator, openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(np.tile(liquid().positions[atoms_of("EC")], (40, 1)))
    context.applyConstraints(1e-8)
    context.setVelocitiesToTemperature(TEMPERATURE, 1)
    integrator.step(2000)
    energies = []
    for _ in range(120):
        integrator.step(30)
        energies.append(context.getState(energy=True).getPotentialEnergy()._value / 40)
    blocks = np.array(energies).reshape(12, -1).mean(axis=1)
    noise = np.hypot(stderr_of_walkers(found), blocks.std(ddof=1) / np.sqrt(len(blocks)))
    assert noise < 0.4
    assert found.mean() == pytest.approx(blocks.mean(), abs=4 * noise)


def softened(terms: Terms, central: list[set[int]], share: float) -> tuple[Terms, Terms]:
    """Return the terms with a share of the torsions about some bonds, and the rest of these torsions alone."""

    def scaled(term: tuple, factor: float) -> tuple:
        kind, atoms, values = term
        if kind is openmm.PeriodicTorsionForce:
            return kind, atoms, [*values[:2], factor * values[2]]
        return kind, atoms, [factor * value for value in values]

    torsions = (openmm.PeriodicTorsionForce, openmm.RBTorsionForce)
    about = [term for term in terms.bonded if term[0] in torsions and set(term[1][1:3]) in central]
    others = [term for term in terms.bonded if term not in about]
    soft = replace(terms, bonded=[*others, *(scaled(term, share) for term in about)])
    return soft, Terms(terms.masses, [scaled(term, 1 - share) for term in about], [], [])


@pytest.mark.slow
def test_cis_and_trans_dmc_against_dynamics_with_a_low_barrier(system):
    """Dynamics with a fifth of the torsions of the two ester bonds crosses over; weights put back what they lack."""
    library = gas(system, "DMC").library(TEMPERATURE, SHIPPED.timestep, 24_000, seed=2)
    assert [atom.name for atom in next(r for r in liquid().topology.residues() if r.name == "DMC").atoms()][:6] == [
        "C1", "O1", "C2", "O2", "O3", "C3",
    ]  # fmt: skip

    def is_turned(positions):
        """Return how many of the two methyl groups are on the far side of the carbonyl O."""
        angles = [dihedrals(positions, methyl, ester, 2, 3) for methyl, ester in ((0, 1), (5, 4))]
        return (np.abs(angles) > np.pi / 2).sum(axis=0)

    soft, torsions = softened(terms_of(system, atoms_of("DMC")), [{1, 2}, {2, 4}], 0.2)
    assert torsions.bonded
    integrator = openmm.LangevinMiddleIntegrator(TEMPERATURE, 1.0, SHIPPED.timestep)
    integrator.setRandomNumberSeed(5)
    reference = openmm.Platform.getPlatformByName("Reference")
    walkers = openmm.Context(copies(soft, 200), integrator, reference)
    walkers.setPositions(library.positions[:200].reshape(-1, 3))
    walkers.setVelocitiesToTemperature(TEMPERATURE, 5)
    one = openmm.Context(copies(torsions, 1), openmm.VerletIntegrator(0.001), reference)
    weights, turned = [], []
    for round_ in range(100):
        integrator.step(200)
        positions = np.array(walkers.getState(positions=True).getPositions(asNumpy=True)._value).reshape(200, -1, 3)
        if round_ < 20:
            continue
        for each in positions:
            one.setPositions(each)
            weights.append(np.exp(-one.getState(energy=True).getPotentialEnergy()._value / KT))
        turned.append(is_turned(positions))
    weights = np.reshape(weights, (-1, 200))
    of_walkers, sums = (weights * (np.array(turned) == 1)).sum(axis=0), weights.sum(axis=0)
    expected = of_walkers.sum() / sums.sum()
    residues = (of_walkers - expected * sums) / sums.mean()
    found = is_turned(library.positions) == 1
    noise = np.hypot(stderr_of_walkers(found), residues.std(ddof=1) / np.sqrt(200))
    assert noise < 0.4 * expected
    assert found.mean() == pytest.approx(expected, abs=4 * noise)


@pytest.mark.parametrize("residue", ["EC", "DMC"])
def test_handedness_is_kept(system, residue):
    """Numbered neighbors of a carbon are always the same way around: hops and dynamics make no mirror image."""
    terms = terms_of(system, atoms_of(residue))
    bonds = [atoms for kind, atoms, _ in terms.bonded if kind is openmm.HarmonicBondForce]
    neighbors = sorted(j if i == 0 else i for i, j in bonds if 0 in (i, j))
    assert len(neighbors) == 4
    conformers = gas(system, residue).library(TEMPERATURE, SHIPPED.timestep, 30, seed=1).positions
    arms = conformers[:, neighbors[:3]] - conformers[:, [0]]
    start = liquid().positions[atoms_of(residue)]
    expected = np.sign(np.linalg.det(start[neighbors[:3]] - start[0]))
    assert (np.sign(np.linalg.det(arms)) == expected).all()


# -- the library


def test_water_has_one_conformer():
    topology = app.Topology()
    residue = topology.addResidue("HOH", topology.addChain())
    oxygen, *hydrogens = (
        topology.addAtom(name, app.Element.getBySymbol(name[0]), residue) for name in ("O", "H1", "H2")
    )
    for hydrogen in hydrogens:
        topology.addBond(oxygen, hydrogen)
    system = app.ForceField("amber14/tip3p.xml").createSystem(topology, rigidWater=True)
    near = np.array([[0, 0, 0], [0.1, 0, 0], [-0.03, 0.09, 0]])
    library = Gas(system, range(3), near).library(TEMPERATURE, 0.002, 1000, seed=1)
    assert library.positions.shape == (1, 3, 3)
    assert library.positions.mean(axis=1) == pytest.approx(np.zeros((1, 3)))
    lengths = [np.linalg.norm(library.positions[0, i] - library.positions[0, j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert lengths == pytest.approx([0.09572, 0.09572, 0.15139], abs=1e-5)


def test_one_atom_has_one_conformer():
    system = openmm.System()
    system.addParticle(40.0)
    library = Gas(system, [0], np.array([[1.0, 2.0, 3.0]])).library(TEMPERATURE, 0.002, 10, seed=1)
    assert np.array_equal(library.draw(np.random.default_rng(1)), np.zeros((1, 3)))


def test_a_seed_repeats(system):
    made = [gas(system, "DMC").library(TEMPERATURE, SHIPPED.timestep, 5, seed) for seed in (1, 1, 2)]
    assert made[0].sha256 == made[1].sha256 != made[2].sha256
    assert made[0].positions.mean(axis=1) == pytest.approx(np.zeros((5, 3)), abs=1e-12)


def test_draws_are_members_turned_anyhow(chains):
    generator = np.random.default_rng(1)
    drawn = np.array([chains.draw(generator) for _ in range(200)])
    assert drawn.mean(axis=1) == pytest.approx(np.zeros((200, 3)), abs=1e-12)
    one = Library(chains.positions[:1])
    directions = np.array([np.diff(one.draw(generator)[:2], axis=0)[0] for _ in range(200)]) / BOND
    assert directions.mean(axis=0) == pytest.approx(np.zeros(3), abs=4 * np.sqrt(1 / 3 / 200))
    known = dihedrals(chains.positions, 0, 1, 2, 3)
    for torsion in dihedrals(drawn, 0, 1, 2, 3):  # a mirror image would have another
        assert np.abs(known - torsion).min() < 1e-9


def test_rotations_are_uniform():
    generator = np.random.default_rng(4)
    n = 20_000
    rotations = np.array([random_rotation(generator) for _ in range(n)])
    assert np.linalg.det(rotations) == pytest.approx(np.ones(n))
    assert rotations[:10] @ rotations[:10].transpose(0, 2, 1) == pytest.approx(np.tile(np.eye(3), (10, 1, 1)))
    assert rotations.mean(axis=0) == pytest.approx(np.zeros((3, 3)), abs=4 * np.sqrt(1 / 3 / n))
    moments = np.einsum("nij,nkl->ijkl", rotations, rotations) / n
    expected = np.einsum("ik,jl->ijkl", np.eye(3), np.eye(3)) / 3
    assert moments == pytest.approx(expected, abs=4 * np.sqrt(1 / 5 / n))
    angle = np.arccos(np.clip((np.trace(rotations, axis1=1, axis2=2) - 1) / 2, -1, 1))
    shares = np.histogram((angle - np.sin(angle)) / np.pi, bins=10, range=(0, 1))[0] / n  # Haar measure
    assert shares == pytest.approx(np.full(10, 0.1), abs=4 * np.sqrt(0.1 / n))


def test_library_on_disk(chains, tmp_path: Path):
    path = tmp_path / "chain.npz"
    chains.save(path)
    assert np.array_equal(Library.load(path).positions, chains.positions)
    with np.load(path) as file:
        np.savez(path, positions=file["positions"] + 1e-9, sha256=file["sha256"])
    with pytest.raises(InvalidInput, match=r"chain\.npz: its content is not what was written"):
        Library.load(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InvalidInput, match="not a library of conformers"):
        Library.load(path)
    np.savez(path, positions=np.array([{}], dtype=object), sha256=np.array(""))
    with pytest.raises(InvalidInput, match="not a library of conformers"):
        Library.load(path)


def test_terms_that_are_not_understood_are_refused():
    system, positions = chain()
    system.addForce(openmm.CustomBondForce("r"))
    with pytest.raises(InvalidInput, match="CustomBondForce"):
        Gas(system, range(4), positions)
