"""The second pass over a trajectory: the interaction energies of the centers with every molecule of the box."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from MDAnalysis.analysis.base import AnalysisBase
from MDAnalysis.analysis.results import ResultsGroup
from MDAnalysis.core.groups import AtomGroup
from MDAnalysis.lib.mdamath import triclinic_vectors

from solvshell.analysis.energies import kernel
from solvshell.analysis.energies.layout import arrange
from solvshell.analysis.energies.model import PairModel
from solvshell.analysis.energies.periodic import periodic_cell
from solvshell.analysis.energies.table import is_of, pair_table
from solvshell.analysis.energies.tail import tail_coefficients
from solvshell.analysis.geometry import CAPTURE_ANGSTROM, MAX_BLOCKS
from solvshell.analysis.reading.frames import box_of
from solvshell.analysis.sites import MoleculesAre, molecules_of
from solvshell.errors import InvalidInput

#: Energies are gathered by distance in bins so wide, up to there.
BIN_ANGSTROM = 0.1
R_MAX_ANGSTROM = 12.0


@dataclass(frozen=True)
class Members:
    """The molecules around the centers within the capture radius: one row for each frame, center and molecule.

    All of shape (n_rows,), sorted by frame, then center, then molecule; a row takes 32 bytes.

    Attributes
    ----------
    frame
        Counts the frames analyzed.
    center
        Counts the centers of all species.
    molecule
        Its number in the universe, as contacts have it: of its residue or fragment.
    partner
        The species of the molecule: an index into `InteractionEnergies.partners`.
    distance
        From the center to the nearest coordinating atom, in Å.
    lj, bare, ewald
        Lennard-Jones and Coulomb energy of center and molecule, in kJ/mol.
    """

    frame: np.ndarray
    center: np.ndarray
    molecule: np.ndarray
    partner: np.ndarray
    distance: np.ndarray
    lj: np.ndarray
    bare: np.ndarray
    ewald: np.ndarray

    def where(self, mask: np.ndarray | slice) -> "Members":
        """Return the rows of a mask, of indices, or of a slice."""
        return Members(*(getattr(self, field.name)[mask] for field in fields(self)))


@dataclass(frozen=True)
class ByDistance:
    """Molecules and their energies by the distance of the nearest coordinating atom, summed over centers and frames.

    Attributes
    ----------
    edges : numpy.ndarray, shape (n_bins + 1,)
        In Å.
    n_molecules : numpy.ndarray, shape (n_blocks, n_center_species, n_partners, n_bins)
        How many molecules were met in each of some blocks of whole frames.
    lj, bare, ewald : numpy.ndarray, of the same shape
        The sums of their energies in kJ/mol.
    """

    edges: np.ndarray
    n_molecules: np.ndarray
    lj: np.ndarray
    bare: np.ndarray
    ewald: np.ndarray


def _species_of_atoms(groups: Mapping[str, AtomGroup], n_atoms: int) -> np.ndarray:
    """Return the index of the group of each atom, or raise InvalidInput unless each is in exactly one."""
    species = np.full(n_atoms, -1)
    for k, (name, atoms) in enumerate(groups.items()):
        if len(atoms) == 0 or atoms.universe is not next(iter(groups.values())).universe:
            raise InvalidInput(f"{name}: no atoms, or atoms of another universe than those of the first species")
        if (species[atoms.indices] >= 0).any() or len(atoms.unique) < len(atoms):
            raise InvalidInput(f"{name}: shares atoms with another species, or some occur twice")
        species[atoms.indices] = k
    if missing := np.count_nonzero(species < 0):
        raise InvalidInput(f"partners: {missing} of {n_atoms} atoms are in no species (allowed: each in exactly one)")
    return species


def _whole_molecules(atoms: AtomGroup, are: MoleculesAre, groups: Mapping[str, AtomGroup]) -> np.ndarray:
    """Return the number of the molecule of each atom, or raise InvalidInput if one lies in two species."""
    numbers = molecules_of(atoms, are)
    for name, group in groups.items():
        mine = numbers[group.indices]
        if np.count_nonzero(np.isin(numbers, mine)) > len(group):
            raise InvalidInput(f"{name}: has parts of molecules; interaction energies are those of whole ones")
    return numbers


class InteractionEnergies(AnalysisBase):  # type: ignore[misc]  # MDAnalysis has no types
    """Finds the Lennard-Jones and Coulomb energy of each center with every other molecule, pair by pair, in one pass.

    A center is a whole molecule of a center species: a Li+, a unit of a polycation. Energies with what a center is
    bonded into, such as the other units of its chain, are left out. Lennard-Jones has the cutoff and the switch of the
    model and no tail, which is a result of its own. The Coulomb energy is given twice: `bare` is the sum of q q'/r with
    the molecule whole at its nearest image (that of the nearest atom), and does not depend on the box; `ewald` is the
    energy in the periodic box, from the pair function psi(r) of `periodic_part`: the sum over all pairs of atoms, and
    q^2 xi / 2 for each atom, is the Coulomb energy of the box (were no pairs excluded). Of two ions it differs from
    `bare` by about q q' xi, which depends on the box, so that their single values mean nothing in another.

    Positions may be wrapped in any way; the cell may have any shape and change, though if its shape changes with each
    frame (not its volume alone) the pass takes much longer. Run it with
    ``.run(start, stop, step, backend="multiprocessing", n_workers=2)``.

    Parameters
    ----------
    centers, partners
        The species of the universe by name, AtomGroups of whole molecules; each atom is in exactly one. Center species
        are partners too.
    model
        Charges and Lennard-Jones parameters: ``PairModel.from_system(system)``.
    coordinating
        By species the atoms from which distances are taken; those of species that are not named from all their atoms.
    molecules_are
        What a molecule is: a residue, or a fragment (what bonds hold together).
    capture_radius
        Up to which distance in Å molecules are members.

    Attributes
    ----------
    center_species, partners : tuple of str
        The names of the center species; and of all species, the center species first.
    species_of_center : numpy.ndarray, shape (n_centers,)
        Indices of center species. Centers are numbered species by species in the order of their atoms.
    molecule_of_center : numpy.ndarray, shape (n_centers,)
        The numbers of the centers among the molecules of the universe.
    n_molecules, charges : numpy.ndarray, shape (n_partners,)
        How many molecules of each species there are, and the charge of one in the model in e, a mean over them.
    results.whole_box : numpy.ndarray, shape (n_frames, n_centers, n_partners, 3), float32
        Sums over all molecules of a species but the center: Lennard-Jones, bare and Ewald Coulomb, in kJ/mol.
    results.members : Members
        The pairs within the capture radius.
    results.by_distance : ByDistance
        All pairs up to 12 Å in bins of 0.1 Å.
    results.tail : numpy.ndarray, shape (n_frames, n_center_species, n_partners)
        The Lennard-Jones energy beyond the cutoff of a center with all of a species, in kJ/mol; see
        `tail_coefficients`. Zero if the model has none.
    results.self_energy : numpy.ndarray, shape (n_frames, n_centers)
        Half the Coulomb energy of a center with its own images and the background, in kJ/mol: q^2 xi / 2 of an ion of
        one atom.
    results.xi : numpy.ndarray, shape (n_frames,)
        psi - 1/r at r = 0 in kJ/mol/e^2. The Ewald energy of two ions is shifted by about q q' xi.
    results.block_starts : numpy.ndarray, shape (n_blocks + 1,)
        The first frame of each block of `by_distance`, and the number of frames.
    results.times, results.volumes, results.frames : numpy.ndarray, shape (n_frames,)
        Times in ps, volumes in Å^3, and frame numbers in the trajectory.

    Raises
    ------
    InvalidInput
        If species are wrong, the model has another number of atoms, a frame has no cell, one too narrow for the cutoff,
        or coordinates that are no numbers.

    Notes
    -----
    Results take 12 bytes for each frame, center and partner, and 32 for each member.
    """

    _analysis_algorithm_is_parallelizable = True

    @classmethod
    def get_supported_backends(cls) -> tuple[str, ...]:
        """Return the backends that give the same results."""
        return ("serial", "multiprocessing", "dask")

    def __init__(
        self,
        centers: Mapping[str, AtomGroup],
        partners: Mapping[str, AtomGroup],
        model: PairModel,
        *,
        coordinating: Mapping[str, AtomGroup] | None = None,
        molecules_are: MoleculesAre = "residues",
        capture_radius: float = CAPTURE_ANGSTROM,
        verbose: bool = False,
    ) -> None:
        groups = {**centers, **partners}
        if not centers or len(groups) < len(centers) + len(partners):
            raise InvalidInput("centers: none, or one of them is named among the partners too")
        atoms = next(iter(centers.values())).universe.atoms
        super().__init__(atoms.universe.trajectory, verbose=verbose)
        if len(atoms) != model.n_atoms:
            raise InvalidInput(f"model: has {model.n_atoms} atoms, the universe {len(atoms)}")
        species = _species_of_atoms(groups, len(atoms))
        numbers, molecule = np.unique(_whole_molecules(atoms, molecules_are, groups), return_inverse=True)
        near = np.ones(len(atoms), bool)
        for name, some in (coordinating or {}).items():
            near[groups[name].indices] = False
            near[some.indices] = True
        self._numbers = numbers
        self._layout = arrange(model, molecule, species, near)
        self._ends = kernel.Ends(model.cutoff, model.cutoff if model.switch is None else model.switch)
        self._capture_radius = capture_radius
        of_species = [molecule[group.indices] for group in centers.values()]
        self._centers = np.concatenate([mine[np.sort(np.unique(mine, return_index=True)[1])] for mine in of_species])
        self.center_species, self.partners = tuple(centers), tuple(groups)
        self.species_of_center = self._layout.species[self._centers]
        self.molecule_of_center = numbers[self._centers]
        self.n_molecules = np.bincount(self._layout.species)
        self.charges = np.bincount(species, weights=model.charges) / self.n_molecules
        of_all = tail_coefficients(model, species)[: len(centers)]
        self._tail = of_all / self.n_molecules[: len(centers), None]
        self._edges = np.linspace(0, R_MAX_ANGSTROM, round(R_MAX_ANGSTROM / BIN_ANGSTROM) + 1)

    def _setup_computation_groups(self, *args: Any, **kwargs: Any) -> list[np.ndarray]:
        # Blocks of frames are those of the whole run, whoever counts them.
        groups: list[np.ndarray] = super()._setup_computation_groups(*args, **kwargs)
        self._n_in_all = sum(len(group) for group in groups)
        return groups

    def _compute(self, indexed_frames: np.ndarray, *args: Any, **kwargs: Any) -> "InteractionEnergies":
        self._first = int(indexed_frames[0, 0]) if len(indexed_frames) else 0
        super()._compute(indexed_frames, *args, **kwargs)
        return self

    def _prepare(self) -> None:
        n_blocks = min(MAX_BLOCKS, self._n_in_all)
        n_centers, n_partners = len(self._centers), len(self.partners)
        self.results.whole_box = np.zeros((self.n_frames, n_centers, n_partners, 3), np.float32)
        self.results.self_energy = np.zeros((self.n_frames, n_centers))
        self.results.volumes, self.results.xi = np.zeros((2, self.n_frames))
        self.results.block_starts = np.linspace(0, self._n_in_all, n_blocks + 1).astype(int)
        shape = (n_blocks, len(self.center_species), n_partners, len(self._edges) - 1, 4)
        self.results.by_distance = np.zeros(shape)
        self.results.members = []
        self._table = None

    def _single_frame(self) -> None:
        i, positions = self._frame_index, self._ts.positions
        if not np.isfinite(positions).all():
            raise InvalidInput(f"trajectory: frame {self._ts.frame} has coordinates that are not finite numbers")
        cell = periodic_cell(triclinic_vectors(box_of(self._ts)))
        if cell.width < 2 * self._ends.cutoff:
            raise InvalidInput(
                f"trajectory: the cell of frame {self._ts.frame} is {cell.width:g} Å wide (allowed: at least twice the "
                f"cutoff of the model, {self._ends.cutoff:g} Å)"
            )
        if self._table is None or not is_of(self._table, cell):
            self._table = pair_table(cell)
        frame = self._first + i
        block = np.searchsorted(self.results.block_starts, frame, side="right") - 1
        molecules = kernel.Frame(
            self._layout,
            kernel.whole_fractions(positions, self._layout, cell),
            cell,
            self._table,
            self._ends,
        )
        of_frame = np.empty(self.results.by_distance.shape[1:])
        rows = kernel.frame_energies(
            molecules, self._centers, self._edges, self._capture_radius, self.results.whole_box[i],
            of_frame, self.results.self_energy[i],
        )  # fmt: skip
        self.results.by_distance[block] += of_frame
        self.results.members.append((np.full(len(rows), frame), rows))
        self.results.volumes[i] = cell.volume
        self.results.xi[i] = kernel.xi(self._table, cell)

    def _get_aggregator(self) -> ResultsGroup:
        return ResultsGroup(
            lookup={
                "whole_box": ResultsGroup.ndarray_vstack,
                "self_energy": ResultsGroup.ndarray_vstack,
                "volumes": ResultsGroup.ndarray_hstack,
                "xi": ResultsGroup.ndarray_hstack,
                "block_starts": lambda starts: starts[0],
                "by_distance": ResultsGroup.ndarray_sum,
                "members": ResultsGroup.flatten_sequence,
            }
        )

    def _conclude(self) -> None:
        if len(self.frames) == 0:
            raise InvalidInput("start, stop, step: leave no frame of the trajectory")
        self.results.times, self.results.frames = self.times, self.frames
        self.results.tail = self._tail / self.results.volumes[:, None, None]
        n_molecules, *energies = np.moveaxis(self.results.by_distance, -1, 0)
        self.results.by_distance = ByDistance(self._edges, n_molecules.astype(int), *energies)
        frames, rows = (np.concatenate(column) for column in zip(*self.results.members, strict=True))
        center, molecule = rows[:, :2].astype(np.int32).T
        self.results.members = Members(
            frames.astype(np.int32),
            center,
            self._numbers[molecule].astype(np.int32),
            self._layout.species[molecule].astype(np.int32),
            *rows[:, 2:].astype(np.float32).T.copy(),
        )
