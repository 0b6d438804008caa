"""Which ions hang together: free ions, pairs, triples and larger clusters of centers and the anions that they share."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from solvshell.analysis.geometry import Contacts
from solvshell.analysis.ratios import long_mean_with_error
from solvshell.analysis.shells import FirstShells
from solvshell.analysis.sites import Sites
from solvshell.analysis.statistics import Estimate

CLUSTER_COLUMNS = [
    "composition",
    "n_centers",
    "n_anions",
    "mean_per_frame",
    "mean_per_frame_stderr",
    "fraction_of_centers",
    "fraction_of_centers_stderr",
    "fraction_of_anions",
    "fraction_of_anions_stderr",
    "n",
    "n_independent",
    "example_frame",
]
POPULATION_COLUMNS = [
    "n_centers",
    "n_anions",
    "mean_per_frame",
    "mean_per_frame_stderr",
    "probability",
    "probability_stderr",
]
#: The graph of this many frames is held at a time.
FRAMES_AT_ONCE = 2000


@dataclass(frozen=True)
class PopulationMatrix:
    """How many clusters of n centers and m anions there are: arrays with n as row and m as column, from 0.

    `mean_per_frame` is the mean number of such clusters in a frame, the population matrix of France-Lanord and Grossman
    (Phys. Rev. Lett. 122, 136001, 2019) as htp_md counts it, with clusters bound by centers and anions alone;
    `probability` is the chance that a cluster taken at random is one of them, ``mean_per_frame / sum(mean_per_frame)``.
    An error that the run cannot tell is not a number.
    """

    mean_per_frame: np.ndarray
    mean_per_frame_stderr: np.ndarray
    probability: np.ndarray
    probability_stderr: np.ndarray

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each n and m that occurs."""
        n, m = np.nonzero(self.mean_per_frame)
        values = (getattr(self, name)[n, m] for name in POPULATION_COLUMNS[2:])
        return pd.DataFrame(dict(zip(POPULATION_COLUMNS, (n, m, *values), strict=True)))


@dataclass(frozen=True)
class Ions:
    """The nodes of the graph: the centers of all species as they are numbered, then the molecules of anions.

    `species` (n_ions,) is an index into `names`, of which the first `n_center_species` are centers.
    """

    names: tuple[str, ...]
    n_center_species: int
    species: np.ndarray
    anion_molecules: np.ndarray

    @cached_property
    def n_of_species(self) -> np.ndarray:
        """How many ions of each species there are."""
        return np.bincount(self.species, minlength=len(self.names))

    @property
    def n_centers(self) -> int:
        """How many centers there are."""
        return len(self.species) - len(self.anion_molecules)


@dataclass(frozen=True)
class Clusters:
    """The clusters of a trajectory; none at all where there are no anions or a cutoff of one is not known.

    Attributes
    ----------
    ions : Ions
    kinds : numpy.ndarray, shape (n_kinds, n_species)
        The compositions that occur, in numbers of ions of each species.
    kind : numpy.ndarray, shape (n_frames, n_ions)
        In which kind of cluster each ion is.
    frames : numpy.ndarray, shape (n_frames,)
        Numbers of the frames in the trajectory.
    """

    ions: Ions
    kinds: np.ndarray
    kind: np.ndarray
    frames: np.ndarray

    @cached_property
    def n_centers(self) -> np.ndarray:
        """How many centers a cluster of each kind has."""
        return self.kinds[:, : self.ions.n_center_species].sum(axis=1)

    @cached_property
    def n_anions(self) -> np.ndarray:
        """How many anions a cluster of each kind has."""
        return self.kinds[:, self.ions.n_center_species :].sum(axis=1)

    def holds(self, k: int) -> np.ndarray:
        """Return whether the ions of the first species in a kind are in clusters of it, shape (n_frames, n_members)."""
        members = self.ions.species == np.flatnonzero(self.kinds[k])[0]
        return self.kind[:, members] == k

    @cached_property
    def numbers(self) -> list[Estimate]:
        """How many clusters of each kind a frame has.

        From the share of the ions of its first species that are in one, whose error knows that ions differ as long as
        none of them changes.
        """
        numbers = []
        for k, composition in enumerate(self.kinds):
            share = long_mean_with_error(self.holds(k))
            s = np.flatnonzero(composition)[0]
            scale = float(self.ions.n_of_species[s] / composition[s])
            stderr = None if share.stderr is None else share.stderr * scale
            numbers.append(Estimate(share.mean * scale, stderr, share.n_independent))
        return numbers


def _ions(sites: Sites) -> Ions:
    molecules: dict[str, np.ndarray] = {}
    for site in sites.sites:
        if site.role == "anion" and site.coordinating:
            others = molecules.get(site.partner, site.molecule_idx)
            molecules[site.partner] = np.union1d(others, site.molecule_idx)
    names = (*(center.name for center in sites.centers), *molecules)
    numbers = [*(len(center.atoms) for center in sites.centers), *map(len, molecules.values())]
    anions = np.concatenate([np.empty(0, int), *molecules.values()])
    return Ions(names, len(sites.centers), np.repeat(np.arange(len(names)), numbers), anions)


def _contents(contacts: Contacts, ions: Ions, frames: Iterable[range], shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Yield what the cluster of each ion holds as one number, `numpy.ravel_multi_index` of its composition.

    `contacts` are those of anions, `shape` is larger than any composition; an array (len(frames), n_ions) per range.
    """
    n_ions = len(ions.species)
    ion_of_molecule = np.zeros(int(ions.anion_molecules.max()) + 1, int)
    ion_of_molecule[ions.anion_molecules] = np.arange(ions.n_centers, n_ions)
    one_each = tuple(np.eye(len(shape), dtype=int))
    of_ion = np.asarray(np.ravel_multi_index(one_each, shape))[ions.species]
    for chunk in frames:
        rows = slice(*np.searchsorted(contacts.frame, [chunk.start, chunk.stop]))
        first_ion = (contacts.frame[rows].astype(np.int64) - chunk.start) * n_ions
        ends = (first_ion + contacts.center[rows], first_ion + ion_of_molecule[contacts.molecule[rows]])
        n_nodes = len(chunk) * n_ions
        graph = coo_array((np.ones(len(first_ion), np.int8), ends), shape=(n_nodes, n_nodes))
        n_clusters, cluster = connected_components(graph, directed=False)
        of_cluster = np.zeros(n_clusters, np.int64)
        # not bincount, whose weights are floats: numbers beyond 2^53 would lose ions
        np.add.at(of_cluster, cluster, np.tile(of_ion, len(chunk)))
        yield of_cluster[cluster].reshape(len(chunk), n_ions)


def find_clusters(shells: FirstShells) -> Clusters:
    """Return the clusters of each frame: centers of all species and anions, bound by contacts within the cutoffs.

    A cluster is a connected component of the graph of centers and anion molecules; solvents bind nobody, and neither
    does a chain the centers on it. A free ion is a cluster of one. In a periodic box a cluster that meets its own image
    is one cluster, as large as what the box holds of it.
    """
    sites, ions = shells.sites, _ions(shells.sites)
    anion = np.array([site.role == "anion" and site.coordinating for site in sites.sites])
    if not anion.any() or np.isnan(shells.cutoffs[:, anion]).any():
        none = np.empty((0, len(ions.names)), int)
        return Clusters(ions, none, np.empty((shells.n_frames, 0), int), shells.frames)
    shape = tuple(ions.n_of_species + 1)
    contacts = shells.contacts.where(anion[shells.contacts.site])
    every = range(shells.n_frames)
    chunks = (every[first : first + FRAMES_AT_ONCE] for first in every[::FRAMES_AT_ONCE])
    contents = np.concatenate(list(_contents(contacts, ions, chunks, shape)))
    kind, found = pd.factorize(contents.ravel())
    kinds = np.stack(np.unravel_index(found, shape), axis=1)
    # small clusters first, and those of more centers first among equals
    order = np.lexsort((*-kinds.T[::-1], kinds.sum(axis=1)))
    return Clusters(ions, kinds[order], np.argsort(order).astype(np.int32)[kind].reshape(contents.shape), shells.frames)


def largest_cluster(clusters: Clusters) -> Estimate | None:
    """Return the share of all centers that the cluster with the most of them holds, mean over the frames."""
    if len(clusters.kinds) == 0:
        return None
    return long_mean_with_error(clusters.n_centers[clusters.kind].max(axis=1) / clusters.ions.n_centers)


def population_matrix(clusters: Clusters) -> PopulationMatrix:
    """Return how many clusters of n centers and m anions there are, per frame and per cluster.

    The error of a mean is that of `Clusters.numbers`; compositions of several species that share n and m add theirs in
    quadrature. That of a probability takes the number of all clusters as known: it is smaller by the same factor.
    """
    n, m = clusters.n_centers, clusters.n_anions
    shape = (int(n.max(initial=-1)) + 1, int(m.max(initial=-1)) + 1)
    mean, variance = np.zeros(shape), np.zeros(shape)
    for cell, number in zip(zip(n, m, strict=True), clusters.numbers, strict=True):
        mean[cell] += number.mean
        variance[cell] += np.nan if number.stderr is None else number.stderr**2
    stderr, total = np.sqrt(variance), max(float(mean.sum()), 1.0)
    return PopulationMatrix(mean, stderr, mean / total, stderr / total)


def cluster_table(clusters: Clusters) -> pd.DataFrame:
    """Return a row for each composition that occurs: free ions, pairs, triples and larger, in order of size.

    `mean_per_frame` is the mean number of such clusters in a frame, `fraction_of_centers` and `fraction_of_anions` are
    the shares of all centers and of all anions that they hold, `n` counts clusters over the frames and `example_frame`
    is a frame number of the trajectory. A composition is written as numbers of ions, "Li2 PF61".
    """
    ions = clusters.ions
    n_all = (ions.n_centers, len(ions.anion_molecules))
    rows = []
    for k, (composition, number) in enumerate(zip(clusters.kinds, clusters.numbers, strict=True)):
        name = " ".join(f"{species}{n}" for species, n in zip(ions.names, composition, strict=True) if n)
        sizes = (int(clusters.n_centers[k]), int(clusters.n_anions[k]))
        of_all = [1.0, *(size / n for size, n in zip(sizes, n_all, strict=True))]
        stderr = np.nan if number.stderr is None else number.stderr
        numbers = [value for share in of_all for value in (number.mean * share, stderr * share)]
        n = round(number.mean * len(clusters.frames))
        example = int(clusters.frames[clusters.holds(k).any(axis=1).argmax()])
        rows.append((name, *sizes, *numbers, n, number.n_independent, example))
    return pd.DataFrame(rows, columns=CLUSTER_COLUMNS)
