"""One molecule in vacuum under the force field: the species of the catalog, and models of the units of POTA."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import openmm
from openmm import app
from rdkit import Chem

from solvshell.build.forcefield import ForceFieldFiles, Template, create_system, read_forcefield
from solvshell.build.graph import PolymerModel, chain_graph, polymer_model
from solvshell.build.molecules import add_molecule, embed, make_molecule
from solvshell.build.monomer import joint_of, name_atoms, read_monomer
from solvshell.build.typing import read_typing
from solvshell.engine import choose_platform, make_context, minimize
from solvshell.errors import WorkFailed
from solvshell.files import validate
from solvshell.polymer import Polymer
from solvshell.quantum import Array
from solvshell.recipe import Model
from solvshell.species import catalogue, find_species

FILES = "solvshell/electrolytes.xml"
#: of the ions of a box; solvents are what they are
PRODUCTION_SCALE = Model().ion_charge_scale
#: kJ/mol: a slope of 60 kJ/mol/rad turns a held torsion by 0.2 degrees. Its energy is not counted.
_HOLD, _HOLD_GROUP = 2e4, 31
_N_CONFORMERS = 24

_OTA = "C=CC[N+]1(CC=C)CC[N+](CC=C)(CC=C)CC[N+](CC=C)(CC=C)CC[N+](CC=C)(CC=C)CC1"
#: molecules that no recipe names, as SMILES or as a chain; title, structure
MODELS: dict[str, tuple[str, str | dict[str, object]]] = {
    "ATMA": ("allyltrimethylammonium", "C=CC[N+](C)(C)C"),
    "BTMAE": ("1,2-bis(trimethylammonio)ethane", "C[N+](C)(C)CC[N+](C)(C)C"),
    "OTS": ("OTA hydrogenated: octapropyl", _OTA.replace("C=CC", "CCC").replace("CC=C", "CCC")),
    "PYRU": (
        "cyclopolymerized unit of dimethyldiallylammonium, ends H",
        {"monomer": "C=CC[N+](C)(C)CC=C", "architecture": "cyclo", "chain_length": 1},
    ),
    "ENDU": (
        "two vinyl units of allyltrimethylammonium, ends H and CH3",
        {"monomer": "C=CC[N+](C)(C)C", "architecture": "vinyl", "chain_length": 2, "end_groups": ["H", "CH3"]},
    ),
    "OTAU": (
        "cyclopolymerized unit of OTA, ends H: a pyrrolidinium and six allyls",
        {"monomer": _OTA, "architecture": "cyclo", "chain_length": 1},
    ),
}


@cache
def forcefield_files() -> ForceFieldFiles:
    """Return the force field with every species."""
    return read_forcefield([FILES])


@dataclass(frozen=True)
class Vacuum:
    """A molecule of the force field: atoms in order, their classes, and a System for each scale of the charges of ions.

    Positions are (n_atoms, 3) in Å throughout, energies in kJ/mol.
    """

    name: str
    title: str
    template: Template
    classes: tuple[str, ...]
    topology: app.Topology
    residues: dict[app.topology.Residue, str]
    files: ForceFieldFiles
    starts: tuple[Array, ...]

    @property
    def elements(self) -> tuple[str, ...]:
        """Element symbols."""
        return self.template.elements

    @property
    def scales(self) -> tuple[float, ...]:
        """The scales of charges at which it is looked at: that of production first, full ones for ions too."""
        return (PRODUCTION_SCALE, 1.0) if self.template.is_ion else (1.0,)

    def system(self, scale: float) -> openmm.System:
        """Return a System without cutoff."""
        model = Model(ion_charge_scale=scale)
        return create_system(self.topology, self.files, model, periodic=False, templates=self.residues)

    def relaxed(
        self, positions: Array, scale: float, held: dict[tuple[int, ...], float] | None = None
    ) -> tuple[float, Array]:
        """Return energy and positions of the nearest minimum; `held` torsions stay at their values in degrees."""
        system = self.system(scale)
        hold = openmm.CustomTorsionForce("hold * (1 - cos(theta - angle))")
        hold.addGlobalParameter("hold", _HOLD)
        hold.addPerTorsionParameter("angle")
        hold.setForceGroup(_HOLD_GROUP)
        for atoms, angle in (held or {}).items():
            hold.addTorsion(*atoms, [np.radians(angle)])
        system.addForce(hold)
        context = make_context(system, openmm.VerletIntegrator(0.001), choose_platform("Reference"))
        context.setPositions(positions / 10)
        minimize(context, tolerance=0.05)
        state = context.getState(positions=True, energy=True, groups=~(1 << _HOLD_GROUP) & 0xFFFFFFFF)
        return state.getPotentialEnergy()._value, 10 * state.getPositions(asNumpy=True)._value

    def minimum(self) -> Array:
        """Return the lowest minimum, at the scale of production, of a few conformers of RDKit."""
        found = [self.relaxed(start, self.scales[0]) for start in self.starts]
        return min(found, key=lambda one: one[0])[1]


def _classes(files: ForceFieldFiles, types: tuple[str, ...]) -> tuple[str, ...]:
    of_type = {
        kind.get("name"): kind.get("class", "") for root in files.roots for kind in root.iterfind("AtomTypes/Type")
    }
    return tuple(of_type[kind].removeprefix("sv-") for kind in types)


def _from_catalog(name: str) -> Vacuum:
    files, entry = forcefield_files(), find_species(name)
    made = [make_molecule(name, entry, files, Model(files=[FILES]), seed) for seed in range(1, _N_CONFORMERS + 1)]
    template = made[0].template
    (residue,) = (r for root in files.roots for r in root.iterfind(f"Residues/Residue[@name='{entry.residue}']"))
    types = tuple(atom.get("type", "") for atom in residue.findall("Atom"))
    topology = app.Topology()
    add_molecule(topology, topology.addChain(), template)
    starts = tuple(10 * molecule.positions for molecule in made)
    return Vacuum(name, entry.title, template, _classes(files, types), topology, {}, files, starts)


def _typed(name: str, structure: str | dict[str, object]) -> PolymerModel:
    if isinstance(structure, str):
        mol = Chem.AddHs(Chem.MolFromSmiles(structure))
        name_atoms(mol)
    else:
        polymer = validate(Polymer, {"name": name, "chains": 1, "sites": {"n_plus": ["N1"]}} | structure, name)
        monomer = read_monomer(polymer)
        straight = [False] * polymer.molecule_units
        mol = chain_graph(monomer, joint_of(polymer, monomer), straight, polymer.end_groups, keep_vinyls=True).mol
    model = polymer_model(mol, name, read_typing(Model().typing), forcefield_files().masses())
    if missing := forcefield_files().missing_terms(model.types, model.whole.bonds):
        raise WorkFailed(f"{name}: the force field has no term for {'; '.join(missing)}")
    return model


def _from_rules(name: str) -> Vacuum:
    title, structure = MODELS[name]
    model = _typed(name, structure)
    topology = app.Topology()
    residues = model.add_to(topology)
    starts = tuple(10 * embed(name, model.mol, seed) for seed in range(1, _N_CONFORMERS + 1))
    files = forcefield_files().with_residues(model.residues)
    return Vacuum(name, title, model.whole, _classes(files, model.types), topology, residues, files, starts)


def names() -> Iterator[str]:
    """Yield every molecule there is: species of more than one atom, then the models."""
    templates = forcefield_files().templates()
    yield from (name for name, entry in catalogue().items() if len(templates[entry.residue].elements) > 1)
    yield from MODELS


def molecule(name: str) -> Vacuum:
    """Return a species of the catalog or one of the models, in vacuum."""
    return _from_rules(name) if name in MODELS else _from_catalog(name)
