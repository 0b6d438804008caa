"""The files of GROMACS and LAMMPS as text: sections, numbers and units, cells, switch and tail, networks."""

import copy
import math
import re
from dataclasses import replace

import MDAnalysis as mda
import numpy as np
import openmm
import pytest
from engines import placed
from openmm import unit
from small_boxes import as_network, gel, liquid

from solvshell.box import Box
from solvshell.errors import InvalidInput
from solvshell.export.atom_types import atom_types
from solvshell.export.gromacs import gromacs_files
from solvshell.export.lammps import lammps_files
from solvshell.export.molecules import molecules_of

TRICLINIC = np.array([[1.2, 0.0, 0.0], [0.3, 1.1, 0.0], [-0.2, 0.4, 1.3]])


def gromacs_sections(text: str) -> list[tuple[str, list[list[str]]]]:
    """Return the sections of a topology in their order: title, and the words of each line."""
    parts = re.split(r"\[ (\w+) \]\n", text)[1:]
    return [
        (title, [line.split() for line in body.splitlines() if line.strip()])
        for title, body in zip(parts[::2], parts[1::2], strict=True)
    ]


def lammps_sections(text: str) -> dict[str, list[list[str]]]:
    """Return the rows of the sections of a data file; those of its header are called ``header``."""
    titles = r"Masses|Bond Coeffs|Angle Coeffs|Dihedral Coeffs|Atoms # full|Bonds|Angles|Dihedrals"
    parts = re.split(rf"^({titles})$", text, flags=re.MULTILINE)
    rows = [[line.split() for line in part.splitlines() if line.strip()] for part in parts[::2]]
    return dict(zip(["header", *parts[1::2]], rows, strict=True))


def with_cutoffs(box: Box, *, switch: float | None, tail: bool) -> Box:
    system = copy.deepcopy(box.system)
    (force,) = (force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))
    force.setUseDispersionCorrection(tail)
    force.setUseSwitchingFunction(switch is not None)
    force.setSwitchingDistance((switch or 0.0) * unit.nanometer)
    return replace(box, system=system)


def test_the_topology_has_its_sections_in_order() -> None:
    titles = [title for title, _ in gromacs_sections(gromacs_files(liquid())["topol.top"])]
    molecule = ["moleculetype", "atoms", "pairs", "bonds", "angles", "dihedrals"]
    assert titles == [
        *["defaults", "atomtypes"],
        *["moleculetype", "atoms"],  # Li
        *["moleculetype", "atoms", "bonds", "angles"],  # PF6: no torsion, no pair
        *(3 * molecule),
        *["system", "molecules"],
    ]


def test_the_topology_lists_the_molecules_and_the_model() -> None:
    sections = gromacs_sections(gromacs_files(liquid())["topol.top"])
    content = dict(sections)
    assert content["defaults"] == [["1", "2", "yes", "0.5", "0.5"]]  # Lorentz-Berthelot, both factors
    assert content["molecules"] == [["LI", "2"], ["PF6", "2"], ["EC", "2"], ["DMC", "2"], ["DOL", "2"]]
    assert [body for title, body in sections if title == "moleculetype"] == [
        [[name, "3"]] for name, _ in content["molecules"]
    ]
    lithium = next(body for title, body in sections if title == "atoms")
    assert lithium == [["1", "Li1", "1", "LI", "LI", "1", "0.8", "6.941"]]
    assert content["atomtypes"][0] == ["Li1", "3", "6.941", "0", "A", "0.14424", "0.43153776"]


def test_impropers_are_dihedrals_of_type_9_in_the_order_of_openmm() -> None:
    text = gromacs_files(liquid())["topol.top"]
    assert "\n3 5 4 6 9 180 43.932 2\n" in text  # EC: O1, O2, C3, O3


def test_pairs_carry_no_parameters_of_their_own() -> None:
    for title, rows in gromacs_sections(gromacs_files(gel())["topol.top"]):
        if title == "pairs":
            assert all(len(row) == 3 and row[2] == "1" and int(row[0]) < int(row[1]) for row in rows)


def test_a_chain_numbers_its_residues_and_keeps_its_name() -> None:
    sections = gromacs_sections(gromacs_files(gel())["topol.top"])
    assert dict(sections)["molecules"] == [["NO3", "6"], ["DME", "6"], ["PDAD", "2"]]
    chain = [body for title, body in sections if title == "atoms"][-1]
    assert [row[2] for row in chain] == sorted((row[2] for row in chain), key=int)
    assert {row[2] for row in chain} == {"1", "2", "3"}
    assert {row[3] for row in chain} == {"PDAD"}


def test_positions_are_written_to_a_hundred_millionth_of_a_nanometer() -> None:
    lines = gromacs_files(liquid())["conf.gro"].splitlines()
    assert lines[:2] == ["A small box, for tests", "82"]  # what follows a semicolon would be a comment in the topology
    assert lines[2][:20] == "    1LI      LI    1"
    written = np.array([[float(line[20 + 13 * i : 33 + 13 * i]) for i in range(3)] for line in lines[2:-1]])
    assert np.allclose(written, liquid().positions, rtol=0, atol=5.1e-9)
    assert [float(x) for x in lines[-1].split()] == pytest.approx(np.diag(liquid().box_vectors), abs=1e-8)


def test_a_triclinic_cell_in_the_order_of_gromacs(tmp_path) -> None:
    box = placed(liquid(), liquid().positions, TRICLINIC)
    last = gromacs_files(box)["conf.gro"].splitlines()[-1]
    assert [float(x) for x in last.split()] == [1.2, 1.1, 1.3, 0, 0, 0.3, 0, -0.2, 0.4]
    (tmp_path / "conf.gro").write_text(gromacs_files(box)["conf.gro"])
    read = mda.Universe(tmp_path / "conf.gro").dimensions
    assert read[:3] == pytest.approx(10 * np.linalg.norm(TRICLINIC, axis=1), rel=1e-5)
    assert read[5] == pytest.approx(math.degrees(math.atan2(1.1, 0.3)), rel=1e-5)


@pytest.mark.parametrize(
    ("switch", "tail", "there", "missing"),
    [
        (None, True, ["vdw-modifier  = None", "DispCorr      = EnerPres"], ["rvdw-switch"]),
        (0.35, True, ["vdw-modifier  = Potential-switch", "rvdw-switch   = 0.35", "EnerPres"], ["= None"]),
        (0.35, False, ["rvdw-switch   = 0.35", "DispCorr      = no"], ["EnerPres"]),
    ],
)
def test_gromacs_gets_the_switch_and_the_tail(switch, tail, there, missing) -> None:
    files = gromacs_files(with_cutoffs(liquid(), switch=switch, tail=tail))
    assert all(text in files["npt.mdp"] for text in [*there, "rvdw          = 0.4", "rcoulomb      = 0.4"])
    assert not any(text in files["npt.mdp"] for text in missing)
    assert "vdw-modifier     = None" in files["point.mdp"]
    assert "DispCorr" not in files["point.mdp"]
    assert "rlist            = 0.4" in files["point.mdp"]


def test_only_a_network_has_periodic_molecules() -> None:
    for box, expected in ((gel(), False), (as_network(gel()), True)):
        files = gromacs_files(box)
        assert ("periodic-molecules = yes" in files["npt.mdp"]) is expected
        assert ("periodic-molecules = yes" in files["point.mdp"]) is expected


def test_the_data_file_counts_what_it_holds() -> None:
    sections = lammps_sections(lammps_files(liquid())["box.data"])
    header = {" ".join(words[1:]): words[0] for words in sections["header"][1:8]}
    rows = {"atoms": "Atoms # full", "bonds": "Bonds", "angles": "Angles", "dihedrals": "Dihedrals"}
    assert {name: int(header[name]) for name in rows} == {name: len(sections[title]) for name, title in rows.items()}
    types = {"atom types": "Masses", "bond types": "Bond Coeffs", "angle types": "Angle Coeffs"}
    assert {name: int(header[name]) for name in types} == {name: len(sections[title]) for name, title in types.items()}
    for title in ("Bonds", "Angles", "Dihedrals"):
        assert [int(row[0]) for row in sections[title]] == list(range(1, len(sections[title]) + 1))
        assert all(1 <= int(i) <= 82 for row in sections[title] for i in row[2:])


def test_bonds_of_the_second_molecule_are_its_own() -> None:
    box, sections = liquid(), lammps_sections(lammps_files(liquid())["box.data"])
    written = sorted(tuple(sorted(int(i) - 1 for i in row[2:])) for row in sections["Bonds"])
    assert written == sorted(tuple(sorted(atom.index for atom in bond)) for bond in box.topology.bonds())
    molecule = {int(row[0]): int(row[1]) for row in sections["Atoms # full"]}
    assert sorted(set(molecule.values())) == list(range(1, 11))
    assert all(len({molecule[int(i)] for i in row[2:]}) == 1 for row in sections["Dihedrals"])


def test_the_units_of_lammps() -> None:
    box, files = liquid(), lammps_files(liquid())
    sections = lammps_sections(files["box.data"])
    ring = next(kind for kind in molecules_of(box).kinds if kind.name == "EC")
    length, k = ring.bonds[0].parameters
    assert [f"{k / 2 / 4.184 / 100:.10g}", f"{10 * length:.10g}"] in [row[1:] for row in sections["Bond Coeffs"]]
    theta, k = ring.angles[0].parameters
    assert [f"{k / 2 / 4.184:.10g}", f"{theta:.10g}"] in [row[1:] for row in sections["Angle Coeffs"]]
    # K, n, phase, weight of the 1-4 interaction that special_bonds has
    assert [10.5, 2, 180, 0] in [[float(x) for x in row[1:]] for row in sections["Dihedral Coeffs"]]
    assert "special_bonds   lj/coul 0.0 0.0 0.5" in files["in.lammps"]
    first = [float(x) for x in sections["Atoms # full"][0]]
    assert first[:4] == [1, 1, 1, 0.8]
    assert first[4:] == pytest.approx(10 * box.positions[0], abs=1e-8)
    for kind in atom_types(molecules_of(box)).types:
        coefficients = f"{kind.number} {kind.number} {kind.epsilon / 4.184:.10g} {10 * kind.sigma:.10g}"
        assert f"pair_coeff      {coefficients}  # {kind.name}\n" in files["in.lammps"]


def test_a_triclinic_cell_in_the_words_of_lammps() -> None:
    text = lammps_files(placed(liquid(), liquid().positions, TRICLINIC))["box.data"]
    header = [[float(x) for x in row if not x.isalpha()] for row in lammps_sections(text)["header"][9:]]
    assert header == [[0, 12], [0, 11], [0, 13], [3, -2, 4]]
    assert "xy xz yz" not in lammps_files(liquid())["box.data"]


@pytest.mark.parametrize(
    ("switch", "tail", "style", "note"),
    [
        (None, True, "lj/cut/coul/long 4\npair_modify     mix arithmetic tail yes", False),
        (None, False, "lj/cut/coul/long 4\npair_modify     mix arithmetic tail no", False),
        (0.35, True, "lj/cut/coul/long 4\npair_modify     mix arithmetic tail yes", True),
        (0.35, False, "hybrid/overlay lj/mdf 3.5 4 coul/long 4\n", False),
    ],
)
def test_lammps_gets_the_nearest_style_and_is_told_what_is_missing(switch, tail, style, note) -> None:
    files = lammps_files(with_cutoffs(liquid(), switch=switch, tail=tail))
    assert f"pair_style      {style}" in files["in.lammps"]
    assert ("has the difference" in files["in.lammps"]) is note
    assert "lj/cut/coul/long 4\npair_modify     mix arithmetic tail no" in files["point.lammps"]


def test_a_hybrid_style_gets_every_pair() -> None:
    box = with_cutoffs(liquid(), switch=0.35, tail=False)
    types = atom_types(molecules_of(box)).types
    rows = re.findall(r"pair_coeff      (\d+) (\d+) lj/mdf (\S+) (\S+)", lammps_files(box)["in.lammps"])
    assert len(rows) == len(types) * (len(types) + 1) // 2
    for i, j, epsilon, sigma in rows:
        first, second = types[int(i) - 1], types[int(j) - 1]
        assert float(epsilon) == pytest.approx(math.sqrt(first.epsilon * second.epsilon) / 4.184)
        assert float(sigma) == pytest.approx(5 * (first.sigma + second.sigma))


def test_a_phase_that_lammps_cannot_have_is_refused() -> None:
    system = copy.deepcopy(liquid().system)
    (torsions,) = (force for force in system.getForces() if isinstance(force, openmm.PeriodicTorsionForce))
    *atoms, n, _, k = torsions.getTorsionParameters(0)
    torsions.setTorsionParameters(0, *atoms, n, 30.5 * unit.degree, k)
    box = replace(liquid(), system=system)
    with pytest.raises(InvalidInput, match=r"phase of a torsion in whole degrees, got 30\.5"):
        lammps_files(box)
    assert " 9 30.5 " in gromacs_files(box)["topol.top"]
