"""The second pass over a trajectory: the interaction energies of the centers with every molecule of the box."""

from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
from MDAnalysis.analysis.base import AnalysisBase
from MDAnalysis.analysis.results import ResultsGroup
from MDAnalysis.core.groups import AtomGroup
from MDAnalysis.lib.mdamath import triclinic_vectors

from solvshell.analysis.energies.grouped import layout_of
from solvshell.analysis.energies.kernel import Ends, Frame, frame_energies, whole_fractions, xi
from solvshell.analysis.energies.layout import part_of
from solvshell.analysis.energies.members import ByDistance, Members
from solvshell.analysis.energies.model import PairModel
from solvshell.analysis.energies.periodic import Cell, periodic_cell
from solvshell.analysis.energies.table import PairTable, is_of, pair_table
from solvshell.analysis.geometry import CAPTURE_ANGSTROM, MAX_BLOCKS
from solvshell.analysis.presence import Presence
from solvshell.analysis.reading.frames import box_of
from solvshell.analysis.sites import MoleculesAre
from solvshell.errors import InvalidInput

#: Energies are gathered by distance in bins so wide, up to there.
BIN_ANGSTROM = 0.1
R_MAX_ANGSTROM = 12.0


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
    presence
        Which molecules are there in each frame, where some come and go, but no centers; those that are not have no
        energies, and no part in the tail.

    Attributes
    ----------
    center_species, partners : tuple of str
        The names of the center species; and of all species, the center species first.
    species_of_center : numpy.ndarray, shape (n_centers,)
        Indices of center species. Centers are numbered species by species in the order of their atoms.
    molecule_of_center : numpy.ndarray, shape (n_centers,)
        The numbers of the centers among the molecules of the universe.
    n_molecules, charges : numpy.ndarray, shape (n_partners,)
        How many molecules of each species the universe has, and the charge of one in the model in e, a mean over them.
    results.n_molecules : numpy.ndarray, shape (n_frames, n_partners)
        How many of them are there in each frame.
    results.whole_box : numpy.ndarray, shape (n_frames, n_centers, n_partners, 3), float32
        Sums over all molecules of a species but the center: Lennard-Jones, bare and Ewald Coulomb, in kJ/mol.
    results.members : Members
        The pairs within the capture radius.
    results.by_distance : ByDistance
        All pairs up to 12 Å in bins of 0.1 Å.
    results.tail : numpy.ndarray, shape (n_frames, n_center_species, n_partners)
        The Lennard-Jones energy beyond the cutoff of a center with all of a species, in kJ/mol; see
        `solvshell.lj_tail.tail_coefficients`. Zero if the model has none.
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
        presence: Presence | None = None,
        verbose: bool = False,
    ) -> None:
        groups = {**centers, **partners}
        if not centers or len(groups) < len(centers) + len(partners):
            raise InvalidInput("centers: none, or one of them is named among the partners too")
        if presence is not None and any(presence.goes(atoms.indices) for atoms in centers.values()):
            raise InvalidInput("centers: come and go in this trajectory (allowed: those that are always there)")
        self._presence = presence
        super().__init__(next(iter(centers.values())).universe.trajectory, verbose=verbose)
        # Workers get arrays: neither universe nor topology has to travel.
        self._layout, self._numbers = layout_of(groups, model, coordinating or {}, molecules_are)
        self._ends = Ends(model.cutoff, model.cutoff if model.switch is None else model.switch)
        self._capture_radius = capture_radius
        self._edges = np.linspace(0, R_MAX_ANGSTROM, round(R_MAX_ANGSTROM / BIN_ANGSTROM) + 1)
        self.center_species, self.partners = tuple(centers), tuple(groups)
        self._centers = np.concatenate([self._molecules_of(atoms) for atoms in centers.values()])
        self.species_of_center = self._layout.species[self._centers]
        self.molecule_of_center = self._numbers[self._centers]
        self.n_molecules = np.bincount(self._layout.species)
        species = np.empty(model.n_atoms, int)
        species[self._layout.atoms] = np.repeat(self._layout.species, np.diff(self._layout.starts))
        self.charges = np.bincount(species, weights=model.charges) / self.n_molecules
        self._tail = (model.tails(species) / self.n_molecules[:, None])[: len(centers)]

    def _molecules_of(self, atoms: AtomGroup) -> np.ndarray:
        """Return the molecules that atoms are in, in the order in which they are met."""
        molecule = np.empty(len(self._layout.atoms), int)
        molecule[self._layout.atoms] = np.repeat(np.arange(len(self._numbers)), np.diff(self._layout.starts))
        return np.array(list(dict.fromkeys(molecule[atoms.indices].tolist())))

    def _setup_computation_groups(self, *args: Any, **kwargs: Any) -> list[np.ndarray]:
        # Blocks of frames are those of the whole run, whoever counts them.
        groups: list[np.ndarray] = super()._setup_computation_groups(*args, **kwargs)
        self._n_in_all = sum(len(group) for group in groups)
        self._n_threads = max(1, numba.config.NUMBA_NUM_THREADS // len(groups))  # type: ignore[attr-defined]
        return groups

    def _compute(self, indexed_frames: np.ndarray, *args: Any, **kwargs: Any) -> "InteractionEnergies":
        self._first = int(indexed_frames[0, 0]) if len(indexed_frames) else 0
        self._table: PairTable | None = None
        self._pending: deque[Future[tuple[int, np.ndarray, np.ndarray]]] = deque()
        with ThreadPoolExecutor(self._n_threads) as self._pool:
            super()._compute(indexed_frames, *args, **kwargs)
            while self._pending:
                self._take_over()
        del self._pool, self._pending, self._table
        return self

    def _prepare(self) -> None:
        n_blocks = min(MAX_BLOCKS, self._n_in_all)
        n_centers, n_partners = len(self._centers), len(self.partners)
        self.results.whole_box = np.zeros((self.n_frames, n_centers, n_partners, 3), np.float32)
        self.results.self_energy = np.zeros((self.n_frames, n_centers))
        self.results.volumes, self.results.xi = np.zeros((2, self.n_frames))
        self.results.block_starts = np.linspace(0, self._n_in_all, n_blocks + 1).astype(int)
        n_species, n_bins = len(self.center_species), len(self._edges) - 1
        self.results.by_distance = np.zeros((n_blocks, n_species, n_partners, n_bins, 4))
        self.results.members = []

    def _single_frame(self) -> None:
        if not np.isfinite(self._ts.positions).all():
            raise InvalidInput(f"trajectory: frame {self._ts.frame} has coordinates that are not finite numbers")
        cell = periodic_cell(triclinic_vectors(box_of(self._ts)))
        if (shortest := np.linalg.norm(cell.vectors, axis=1).min()) < 2 * self._ends.cutoff:
            raise InvalidInput(
                f"trajectory: in frame {self._ts.frame} images are {shortest:g} Å apart (allowed: at least twice the "
                f"cutoff of the model, {self._ends.cutoff:g} Å)"
            )
        if self._table is None or not is_of(self._table, cell):
            self._table = pair_table(cell)
        i, positions = self._frame_index, self._ts.positions.copy()
        self.results.volumes[i], self.results.xi[i] = cell.volume, xi(self._table, cell)
        there = None
        if self._presence is not None:
            there = self._presence.of(self._layout.atoms[self._layout.starts[:-1]], self._ts.frame)
        # Threads find the energies, and this one reads on.
        self._pending.append(self._pool.submit(self._measure, i, positions, cell, self._table, there))
        if len(self._pending) > 2 * self._n_threads:
            self._take_over()

    def _measure(
        self, i: int, positions: np.ndarray, cell: Cell, table: PairTable, there: np.ndarray | None
    ) -> tuple[int, np.ndarray, np.ndarray]:
        """Write the energies of the i-th frame, and return i, the rows of its members, and the sums by distance.

        `there` is a mask of the molecules; None: all are.
        """
        layout, centers = self._layout, self._centers
        if there is not None:
            layout, centers = part_of(layout, there), (np.cumsum(there) - 1)[centers]
        frame = Frame(layout, whole_fractions(positions, layout, cell), cell, table, self._ends)
        by_distance = np.empty(self.results.by_distance.shape[1:])
        whole_box, of_itself = self.results.whole_box[i], self.results.self_energy[i]
        rows = frame_energies(frame, centers, self._edges, self._capture_radius, whole_box, by_distance, of_itself)
        if there is not None:
            rows[:, 1] = np.flatnonzero(there)[rows[:, 1].astype(int)]
        return i, rows, by_distance

    def _take_over(self) -> None:
        """Take over what was found in the longest pending frame."""
        i, rows, by_distance = self._pending.popleft().result()
        frame = self._first + i
        block = np.searchsorted(self.results.block_starts, frame, side="right") - 1
        self.results.by_distance[block] += by_distance
        self.results.members.append((np.full(len(rows), frame, np.int32), rows.astype(np.float32)))

    def _present(self) -> tuple[np.ndarray, np.ndarray]:
        """Return how many molecules of each species are there, and by what the tail with them scales.

        Both of shape (n_frames, n_partners). The tail with a species is that of its molecules, times N / (N + 1) of
        all N atoms of the box: see `tail_coefficients`.
        """
        n_all = np.tile(self.n_molecules, (len(self.frames), 1))
        if self._presence is None:
            return n_all, np.ones(n_all.shape)
        first, species = self._layout.atoms[self._layout.starts[:-1]], self._layout.species
        n_there = [self._presence.total(first[species == k], 1.0, self.frames) for k in range(len(self.partners))]
        n_molecules = np.stack(n_there, axis=1)
        n_atoms, n_every = self._presence.total(self._layout.atoms, 1.0, self.frames), len(self._layout.atoms)
        of_images = (n_atoms / (n_atoms + 1)) / (n_every / (n_every + 1))
        return n_molecules.astype(int), n_molecules / self.n_molecules * of_images[:, None]

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
        n_molecules, scale = self._present()
        self.results.n_molecules = n_molecules
        self.results.tail = self._tail * (scale / self.results.volumes[:, None])[:, None, :]
        n_met, *energies = np.moveaxis(self.results.by_distance, -1, 0)
        self.results.by_distance = ByDistance(self._edges, n_met.astype(int), *energies)
        frames, rows = (np.concatenate(column) for column in zip(*self.results.members, strict=True))
        center, molecule = rows[:, :2].T.astype(np.int32)
        of_molecule = self._numbers[molecule].astype(np.int32), self._layout.species[molecule].astype(np.int32)
        self.results.members = Members(frames, center, *of_molecule, *rows[:, 2:].T.copy())
