"""Species found by their molecular graph, whatever atoms and residues are called: selections for a species file."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import networkx as nx  # type: ignore[import-untyped]
import numpy as np
import yaml
from MDAnalysis import Universe
from networkx.algorithms.isomorphism import (  # type: ignore[import-untyped]
    GraphMatcher,
    categorical_node_match,
)
from rdkit import Chem, rdBase

from solvshell.analysis.reading.fragments import (
    Kind,
    complete_bonds,
    graph_hash,
    hill_formula,
    molecular_graph,
    molecule_kinds,
)
from solvshell.errors import InvalidInput
from solvshell.files import validate
from solvshell.species import REFERENCE_CENTER_SITE, Partner, SpeciesFile, catalogue, find_species

_SAME_ELEMENT = categorical_node_match("element", None)


@dataclass(frozen=True)
class _Template:
    """A molecule to look for: its RDKit molecule with all hydrogens, its graph, and the names of its atoms."""

    mol: Chem.Mol
    graph: nx.Graph
    names: tuple[str, ...]
    formula: str


def _template(smiles: str, field: str) -> _Template:
    keep_hydrogens = Chem.SmilesParserParams()
    keep_hydrogens.removeHs = False  # type: ignore[assignment]
    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(smiles, keep_hydrogens)
    if mol is None:
        raise InvalidInput(f"{field}: RDKit cannot read the SMILES {smiles!r}")
    mol = Chem.AddHs(mol)
    numbers = [atom.GetAtomMapNum() for atom in mol.GetAtoms()]
    if all(numbers):  # as in the catalogue, where they give the order in which atoms are named
        mol = Chem.RenumberAtoms(mol, np.argsort(numbers).tolist())
    elements = tuple(atom.GetSymbol() for atom in mol.GetAtoms())
    graph = molecular_graph(elements, tuple((b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()))
    if "*" in elements or len(graph) == 0 or not nx.is_connected(graph):
        raise InvalidInput(f"{field}: expected the SMILES of one molecule, got {smiles!r}")
    names = tuple(f"{element}{elements[: i + 1].count(element)}" for i, element in enumerate(elements))
    return _Template(mol, graph, names, hill_formula(elements))


@cache
def _catalogue_template(name: str) -> _Template:
    return _template(find_species(name).smiles, f"species {name}")


def _by_graph(selection: str) -> tuple[str, str] | None:
    """Return the kind and the value of ``species EC`` or ``smiles O=C1OCCO1``, or None for a plain selection."""
    found = re.fullmatch(r"(species|smiles)\s+(\S+)", selection.strip())
    return (found[1], found[2]) if found else None


def _isomorphism(template: _Template, kind: Kind) -> list[int] | None:
    """Return the column of a kind for each atom of a template, or None if they are different molecules."""
    if kind.formula != template.formula or kind.graph.number_of_edges() != template.graph.number_of_edges():
        return None
    if graph_hash(kind.graph) != graph_hash(template.graph):
        return None
    matcher = GraphMatcher(template.graph, kind.graph, node_match=_SAME_ELEMENT)
    mapping = next(matcher.isomorphisms_iter(), None)
    return None if mapping is None else [mapping[i] for i in range(len(template.graph))]


def _find(template: _Template, kinds: Sequence[Kind], field: str) -> np.ndarray:
    """Return the atoms of all molecules of a template in its order, shape (n_molecules, n_atoms)."""
    columns = [(kind, _isomorphism(template, kind)) for kind in kinds]
    atoms = [kind.atoms[:, order] for kind, order in columns if order is not None]
    if not atoms:
        raise InvalidInput(f"{field}: no molecule is {template.formula} bonded so; there are {listed(kinds)}")
    return np.concatenate(atoms)


def _alike(graph: nx.Graph, a: int, b: int) -> bool:
    """Whether a symmetry of the graph takes one atom to another."""
    marked = [graph.copy(), graph.copy()]
    for copy, atom in zip(marked, (a, b), strict=True):
        copy.nodes[atom]["element"] += "*"
    same_hash = graph_hash(marked[0]) == graph_hash(marked[1])
    return same_hash and GraphMatcher(*marked, node_match=_SAME_ELEMENT).is_isomorphic()


def _check_symmetric(template: _Template, chosen: Collection[int], field: str) -> None:
    """Refuse a site of which the graph, without orders of bonds, has more: which atoms are meant would be chance."""
    graph, left = template.graph, set(template.graph) - set(chosen)
    for a in chosen:
        same = [b for b in left if graph.nodes[a]["element"] == graph.nodes[b]["element"] and _alike(graph, a, b)]
        if same:
            names = template.names[a], ", ".join(template.names[b] for b in same)
            raise InvalidInput(
                f"{field}: takes {names[0]} but not {names[1]}, which are the same without orders of bonds; take all "
                "of them"
            )


def _named(template: _Template, selection: str, field: str) -> list[int]:
    word, *names = selection.split()
    if unknown := [name for name in names if name not in template.names]:
        raise InvalidInput(f"{field}: the species has no atom {unknown[0]!r} (it has: {', '.join(template.names)})")
    if word != "name" or not names:
        raise InvalidInput(f"{field}: expected 'name' and atoms of the species, got {selection!r}")
    return [template.names.index(name) for name in names]


def _matching(template: _Template, smarts: str, field: str) -> list[int]:
    with rdBase.BlockLogs():
        pattern = Chem.MolFromSmarts(smarts)
    if pattern is None:
        raise InvalidInput(f"{field}: RDKit cannot read the SMARTS {smarts!r}")
    numbered = [atom.GetIdx() for atom in pattern.GetAtoms() if atom.GetAtomMapNum()]
    matches = template.mol.GetSubstructMatches(pattern, uniquify=False, maxMatches=1_000_000)
    if not matches:
        raise InvalidInput(f"{field}: the SMARTS {smarts!r} matches no atom of the SMILES")
    return sorted({match[i] for match in matches for i in numbered or [0]})


def _site(template: _Template, word: str, selection: str, field: str) -> list[int]:
    if selection == "all":
        return list(template.graph)
    chosen = (_named if word == "species" else _matching)(template, selection, field)
    _check_symmetric(template, chosen, field)
    return chosen


def _center(template: _Template, word: str, value: str, field: str) -> list[int]:
    """Return the atoms of a cation that are centers: the ion itself, its N+, or those numbered in its SMILES."""
    if len(template.graph) == 1:
        return [0]
    if word == "species":
        entry = find_species(value)
        if entry.role != "cation":
            raise InvalidInput(f"{field}: {value} has the role {entry.role}, expected cation")
        chosen = _named(template, "name " + " ".join(entry.sites[REFERENCE_CENTER_SITE]), field)
    else:
        chosen = [atom.GetIdx() for atom in template.mol.GetAtoms() if atom.GetAtomMapNum()]
        if not chosen:
            raise InvalidInput(f"{field}: number the atoms that are the centers, as in C[N+:1](C)(C)C, got {value!r}")
    _check_symmetric(template, chosen, field)
    return chosen


def _indices(atoms: np.ndarray) -> str:
    """Return the selection of some atoms: ``index 3:7 12``."""
    indices = np.unique(atoms)
    runs = np.split(indices, np.flatnonzero(np.diff(indices) > 1) + 1)
    return "index " + " ".join(f"{run[0]}:{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _template_of(word: str, value: str, field: str) -> _Template:
    return _catalogue_template(value) if word == "species" else _template(value, field)


def _center_selection(field: str, selection: str, kinds: Sequence[Kind]) -> str:
    asked = _by_graph(selection)
    if asked is None:
        return selection
    word, value = asked
    template = _template_of(word, value, f"{field}.{word}")
    atoms = _find(template, kinds, f"{field}.{word}")
    return _indices(atoms[:, _center(template, word, value, f"{field}.{word}")])


def _partner(name: str, partner: Partner, kinds: Sequence[Kind], centers: dict[str, str]) -> Partner:
    """Return a partner as selections; `centers` are the names of the file's centers by that of their species."""
    asked = _by_graph(partner.molecules)
    if asked is None:
        return partner
    word, value = asked
    field = f"partners.{name}"
    template = _template_of(word, value, f"{field}.{word}")
    atoms = _find(template, kinds, f"{field}.{word}")
    found = {
        kind: {
            site: _indices(atoms[:, _site(template, word, selection, f"{field}.{kind}.{site}")])
            for site, selection in getattr(partner, kind).items()
        }
        for kind in ("sites", "reference_sites")
    }
    typical = catalogue()[value].typical_cutoff_angstrom if word == "species" else {}
    own = {centers[species]: cutoff for species, cutoff in typical.items() if species in centers}
    cutoffs = {"typical_cutoff_angstrom": own | partner.typical_cutoff_angstrom}
    return partner.model_copy(update={"molecules": _indices(atoms)} | found | cutoffs)


def _content(centers: Iterable[str], reference_centers: Iterable[str], partners: Iterable[str]) -> dict[str, Any]:
    given = {"centers": centers, "reference_centers": reference_centers, "partners": partners}
    return {field: {name: {"species": name} for name in names} for field, names in given.items()}


def listed(kinds: Sequence[Kind]) -> str:
    """Return the formulas of molecules and how many there are of each."""
    counts: dict[str, int] = {}
    for kind in kinds:
        counts[kind.formula] = counts.get(kind.formula, 0) + len(kind.atoms)
    return ", ".join(f"{formula} x {n}" for formula, n in counts.items())


def is_by_graph(species: SpeciesFile) -> bool:
    """Whether a species file asks for molecules by their graph."""
    selections = [*species.centers.values(), *species.reference_centers.values()]
    selections += [partner.molecules for partner in species.partners.values()]
    return any(_by_graph(selection) for selection in selections)


def recognize(universe: Universe, species: SpeciesFile) -> SpeciesFile:
    """Return a species file with selections in place of ``species: EC`` and ``smiles: O=C1OCCO1``.

    The molecules are those whose atoms and bonds, orders aside, are those of the species or SMILES; what they and
    their residues are called means nothing. The sites of a shipped species are carried over by the isomorphism of the
    two graphs, those of a SMILES by SMARTS, whose first atom, or whose numbered atoms, are the site. Molecules are
    fragments from then on. A file of selections alone comes back as it is.

    Parameters
    ----------
    universe
        With bonds, or they are guessed and added to it (`complete_bonds`).
    species
        What to look for.

    Raises
    ------
    InvalidInput
        If elements or bonds are in doubt, no molecule is such, a SMILES or SMARTS cannot be read, or a site is a part
        of atoms that the graph cannot tell apart.
    """
    if not is_by_graph(species):
        return species
    complete_bonds(universe)
    kinds = molecule_kinds(universe)
    asked = {name: _by_graph(selection) for name, selection in species.centers.items()}
    name_of = {found[1]: name for name, found in asked.items() if found is not None and found[0] == "species"}
    return species.model_copy(
        update={
            "molecules_are": "fragments",
            "partners": {name: _partner(name, partner, kinds, name_of) for name, partner in species.partners.items()},
        }
        | {
            field: {name: _center_selection(f"{field}.{name}", given, kinds) for name, given in centers.items()}
            for field, centers in (("centers", species.centers), ("reference_centers", species.reference_centers))
        }
    )


def known_species(universe: Universe) -> tuple[SpeciesFile, list[Kind]]:
    """Return a species file of all shipped species in a universe, by their graph, and the molecules of no such kind.

    Simple cations are the centers, all others partners; an ammonium N is a reference center too.

    Raises
    ------
    InvalidInput
        If there is no simple cation, or nothing else that is known.
    """
    complete_bonds(universe)
    kinds = molecule_kinds(universe)
    found: set[str] = set()
    unknown = []
    for kind in kinds:
        names = [name for name in catalogue() if _isomorphism(_catalogue_template(name), kind) is not None]
        found.update(names)
        unknown += [] if names else [kind]
    ordered = [name for name in catalogue() if name in found]
    centers = [name for name in ordered if catalogue()[name].center]
    partners = [name for name in ordered if name not in centers]
    if not centers or not partners:
        lacks = "no simple cation (Li, Na, K, Rb, Cs)" if not centers else "nothing known around the cations"
        raise InvalidInput(f"topology: has {lacks} among {listed(kinds)}; say in a species file what to look at")
    ammonium = [name for name in partners if REFERENCE_CENTER_SITE in catalogue()[name].sites]
    return validate(SpeciesFile, _content(centers, ammonium, partners), "species"), unknown


def species_yaml(known: SpeciesFile) -> str:
    """Return the text of a species file from `known_species`, to read and to change."""
    content = _content(known.centers, known.reference_centers, known.partners)
    return yaml.safe_dump({key: value for key, value in content.items() if value}, sort_keys=False)
