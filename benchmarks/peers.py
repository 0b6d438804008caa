"""g(r) of the same pairs by other packages, each as its own documentation does it: what ours is measured against."""

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import freud
import MDAnalysis as mda
import mdtraj
import numpy as np
from MDAnalysis import AtomGroup, Universe
from MDAnalysis.analysis.rdf import InterRDF
from MDAnalysis.lib.mdamath import triclinic_vectors
from numpy.typing import NDArray
from trajectories import R_MAX, SPECIES

from solvshell.analysis.geometry import BIN_ANGSTROM, FINE_BIN_ANGSTROM, LARGEST_R_ANGSTROM, SolvationGeometry
from solvshell.analysis.rdf import fine_counts
from solvshell.analysis.reading.frames import open_trajectory
from solvshell.analysis.sites import Sites, select_sites
from solvshell.species import SpeciesFile

PACKAGES = ("solvshell", "MDAnalysis", "mdtraj", "freud-analysis", "solvation-analysis", "numpy", "numba", "pandas")
Array = NDArray[np.float64]
#: nearer to the edge of a bin than this, single precision may count a pair on either side
EDGE_ANGSTROM = 3e-5


@dataclass(frozen=True)
class Task:
    """The g(r) of one center species and all coordinating sites, up to r_max; `sites` belong to the open universe."""

    universe: Universe
    sites: Sites
    r_max: float

    @property
    def trajectory(self) -> Path:
        """The file."""
        return Path(self.universe.trajectory.filename)

    @property
    def center(self) -> AtomGroup:
        """The centers."""
        return self.sites.centers[0].atoms

    @property
    def partners(self) -> list[AtomGroup]:
        """The atoms of each site."""
        return [site.atoms for site in self.sites.sites]

    @cached_property
    def edges(self) -> Array:
        """Bin edges in Å."""
        return np.arange(round(self.r_max / BIN_ANGSTROM) + 1) * BIN_ANGSTROM

    @cached_property
    def topology(self) -> mdtraj.Topology:
        """What mdtraj needs to know: how many atoms there are."""
        topology = mdtraj.Topology()
        residue = topology.add_residue("X", topology.add_chain())
        for _ in range(len(self.universe.atoms)):
            topology.add_atom("X", None, residue)
        return topology


def open_task(topology: Path, trajectory: Path) -> Task:
    """Return four g(r) of the liquid: Li+ with F of PF6 and with the carbonyl oxygens of EC, DMC and EMC."""
    universe = open_trajectory(topology, trajectory)
    return Task(universe, select_sites(universe, SPECIES), R_MAX)


def read_alone(task: Task) -> None:
    """Read every frame with MDAnalysis, as ours and most others do."""
    for _ in task.universe.trajectory:
        pass


def inter_rdf(task: Task) -> list[Array]:
    """MDAnalysis: a pass for each pair."""
    bins = {"nbins": len(task.edges) - 1, "range": (0, task.edges[-1])}
    return [InterRDF(task.center, partner, **bins).run().results.rdf for partner in task.partners]


def with_mdtraj(task: Task) -> list[Array]:
    """mdtraj: the trajectory in memory, then each pair."""
    trajectory = mdtraj.load(str(task.trajectory), top=task.topology)
    bins = {"r_range": (0, task.edges[-1] / 10), "n_bins": len(task.edges) - 1}
    pairs = (np.stack(np.meshgrid(task.center.indices, p.indices), axis=-1).reshape(-1, 2) for p in task.partners)
    return [mdtraj.compute_rdf(trajectory, of_partner, **bins)[1] for of_partner in pairs]


def freud_edges(task: Task) -> Array:
    """Bins twice as wide: freud 3.4.0 ends with std::bad_alloc for 1,200 bins up to 12 Å."""
    return task.edges[::2]


def with_freud(task: Task) -> list[Array]:
    """freud: all pairs in one pass, with positions and cell from MDAnalysis."""
    edges = freud_edges(task)
    rdfs = [freud.density.RDF(bins=len(edges) - 1, r_max=edges[-1]) for _ in task.partners]
    for ts in task.universe.trajectory:
        box = freud.box.Box.from_matrix(triclinic_vectors(ts.dimensions).T)
        center = box.wrap(task.center.positions)
        for rdf, partner in zip(rdfs, task.partners, strict=True):
            rdf.compute((box, box.wrap(partner.positions)), query_points=center, reset=False)
    return [rdf.rdf for rdf in rdfs]


def gmx_edges(task: Task) -> Array:
    """Bins whose middles are multiples of their width; the first is half as wide."""
    return np.concatenate([[0], task.edges[:-1] + BIN_ANGSTROM / 2])


def _group(name: str, atoms: AtomGroup) -> str:
    return f"[ {name} ]\n" + "\n".join(str(i + 1) for i in atoms.indices) + "\n"


def with_gmx(task: Task, only_first: bool = False) -> list[Array]:
    """GROMACS: one command with a selection for each pair; of the first frame alone if asked.

    Raises
    ------
    RuntimeError
        With what `gmx rdf` said, if it fails.
    """
    names = [f"partner{i}" for i in range(len(task.partners))]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # one GROMACS atom stands for each of ours: it wants their number, and finds them by the index file
        lines = [f"{1:>5}X    {'X':>5}{i % 100000:>5}{0:8.3f}{0:8.3f}{0:8.3f}" for i in range(len(task.universe.atoms))]
        (folder / "conf.gro").write_text("\n".join(["", str(len(lines)), *lines, "9 9 9", ""]))
        groups = [_group("center", task.center), *map(_group, names, task.partners)]
        (folder / "index.ndx").write_text("".join(groups))
        command = ["gmx", "-quiet", "-nobackup", "rdf", "-f", str(task.trajectory.resolve()), "-s", "conf.gro"]
        command += ["-n", "index.ndx", "-ref", 'group "center"', "-sel", *(f'group "{name}"' for name in names)]
        command += ["-bin", f"{BIN_ANGSTROM / 10}", "-rmax", f"{task.r_max / 10}", "-xvg", "none", "-o", "rdf.xvg"]
        command += ["-selrpos", "atom", "-seltype", "atom", "-noexcl", *(["-e", "0"] if only_first else [])]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr}")
        _, *g = np.loadtxt(folder / "rdf.xvg").T
    return [column[: len(task.edges) - 1] for column in g]


@dataclass(frozen=True)
class Peer:
    """A package: its name, its g(r), the bins it counts in, and by how much it rounds g when it prints it."""

    name: str
    g: Callable[[Task], list[Array]]
    edges: Callable[[Task], Array] = lambda task: task.edges
    rounding: float = 0.0


INTER_RDF = Peer("MDAnalysis InterRDF", inter_rdf)
MDTRAJ = Peer("mdtraj compute_rdf", with_mdtraj)
FREUD = Peer("freud density.RDF", with_freud, freud_edges)
GMX = Peer("gmx rdf", with_gmx, gmx_edges, 0.0005)


def peers() -> list[Peer]:
    """Return the packages that are here: all but GROMACS come with the tests."""
    return [INTER_RDF, MDTRAJ, FREUD, *([GMX] if shutil.which("gmx") else [])]


def our_counts(task: Task, edges: Array) -> tuple[Array, Array]:
    """Return the pairs by our pass, and those of an even distribution: (n_partners, n_bins) each.

    The bins may be any whose edges are among those of the pass.
    """
    geometry = SolvationGeometry.from_sites(task.sites, r_max=task.r_max).run()
    at = np.round(edges / FINE_BIN_ANGSTROM).astype(int)
    up_to = np.array(
        [
            np.cumsum(np.pad([pair.counts.sum(axis=0), pair.even], [(0, 0), (1, 0)]), axis=1)[:, at]
            for pair in fine_counts(geometry.results, task.sites)
        ]
    )
    counts, even = np.diff(up_to, axis=-1).swapaxes(0, 1)
    return counts, even


def clear_bins(task: Task, edges: Array) -> NDArray[np.bool_]:
    """Return which bins have no pair near an edge, (n_partners, n_bins): from all images, in double precision."""
    images = np.indices((5, 5, 5)).reshape(3, -1).T - 2
    near = np.zeros((len(task.partners), len(edges)), dtype=int)
    for ts in task.universe.trajectory:
        vectors = triclinic_vectors(ts.dimensions).astype(float)
        fraction = ts.positions @ np.linalg.inv(vectors) % 1
        for partner, at_edge in zip(task.partners, near, strict=True):
            apart = (fraction[task.center.indices, None] - fraction[partner.indices])[:, :, None] + images
            distance = np.sort(np.linalg.norm(apart @ vectors, axis=-1).ravel())
            at_edge += np.searchsorted(distance, edges + EDGE_ANGSTROM) - np.searchsorted(
                distance, edges - EDGE_ANGSTROM
            )
    return (near[:, :-1] == 0) & (near[:, 1:] == 0)


@dataclass(frozen=True)
class Agreement:
    """How far a peer's g(r) is from ours.

    A pair nearer to the edge of a bin than single precision can tell may be counted on either side of it.

    Attributes
    ----------
    n_pairs, n_moved
        Pairs counted, and how many of them the peer has in another bin.
    relative, absolute
        The largest differences of g(r) in bins where the peer has as many pairs as we have.
    """

    n_pairs: int
    n_moved: float
    relative: float
    absolute: float


def agreement(task: Task, peer: Peer) -> Agreement:
    """Return how far a peer's g(r) is from ours, over all partners and bins."""
    counts, even = our_counts(task, peer.edges(task))
    theirs = np.array(peer.g(task))
    moved = np.round(np.maximum(np.abs(theirs * even - counts) - peer.rounding * even, 0))
    filled = (moved == 0) & (counts > 0)
    ratio, difference = theirs[filled] * even[filled] / counts[filled], (theirs - counts / even)[moved == 0]
    return Agreement(
        int(counts.sum()), float(moved.sum() / 2), float(np.abs(ratio - 1).max()), float(np.abs(difference).max())
    )


def settings() -> str:
    """Return when, on what and with which versions."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{datetime.now(UTC):%d %B %Y}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, {versions}."
    )


def narrowest_width(vectors: Array) -> float:
    """Return the smallest distance of opposite faces of a cell, whose vectors are rows."""
    volume = abs(np.linalg.det(vectors))
    return float(min(volume / np.linalg.norm(np.cross(vectors[i], vectors[i - 1])) for i in range(3)))


#: lengths and angles; half the narrowest width of both is a little more than 11 Å
CELLS = {"orthorhombic": (22.006, 24, 26, 90, 90, 90), "triclinic": (22.85, 24.6, 26.4, 65, 75, 80)}


def random_task(folder: Path, cell: tuple[float, ...], seed: int, n_frames: int, n_centers: int, n_sites: int) -> Task:
    """Return points without any order in a cell (Å and degrees), written as GRO and TRR files; two partners share them.

    They lie up to a cell length outside of it, as those of whole molecules may.
    """
    rng = np.random.default_rng(seed)
    vectors = triclinic_vectors(np.array(cell)).astype(float)
    names = ["LI"] * n_centers + ["EC"] * (n_sites // 3) + ["DMC"] * (n_sites - n_sites // 3)
    atoms = Universe.empty(len(names), len(names), atom_resindex=np.arange(len(names)), trajectory=True).atoms
    for attribute, values in (("names", names), ("resnames", names), ("resids", range(1, len(names) + 1))):
        atoms.universe.add_TopologyAttr(attribute, values)
    with mda.Writer(str(folder / "random.trr"), len(names)) as writer:
        for frame in range(n_frames):
            atoms.positions = (rng.random((len(names), 3)) * 3 - 1) @ vectors
            atoms.universe.dimensions, atoms.universe.trajectory.ts.time = cell, float(frame)
            writer.write(atoms)
    atoms.write(str(folder / "random.gro"))
    universe = open_trajectory(folder / "random.gro", folder / "random.trr")
    partners = {name: {"molecules": f"resname {name}"} for name in ("EC", "DMC")}
    species = SpeciesFile.model_validate({"centers": {"Li": "resname LI"}, "partners": partners})
    half = narrowest_width(vectors) / 2
    return Task(universe, select_sites(universe, species), min(LARGEST_R_ANGSTROM, np.floor(half * 100) / 100))
