"""All runs read once, one cutoff for each pair from their pooled g(r), and the first shells counted with it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import pandas as pd
from MDAnalysis.analysis.results import Results

from solvshell.analysis.coordination import coordination_table, total_coordination
from solvshell.analysis.cutoffs import Cutoff, Key, cutoff_matrix, cutoff_of
from solvshell.analysis.geometry import CAPTURE_ANGSTROM, SolvationGeometry
from solvshell.analysis.peaks import Shell, first_shell
from solvshell.analysis.presence import real_atoms
from solvshell.analysis.rdf import PairCounts, fine_counts
from solvshell.analysis.shells import FirstShells, first_shells, shell_shares, shell_table, speciation_table
from solvshell.analysis.sites import Sites, select_sites
from solvshell.analysis.sources import open_production, whole_trajectory
from solvshell.analysis.statistics import Bootstrap, Estimate, bootstrap_replicas, bootstrap_run, bootstrap_runs
from solvshell.errors import InvalidInput
from solvshell.joined.systems import System
from solvshell.shown import Shown
from solvshell.snapshot import Frame, frame_of
from solvshell.species import select_species

#: How far a cutoff is moved to show what hangs on it, in Å.
CUTOFF_STEP_ANGSTROM = 0.2
#: The common cutoff hardly lies farther behind the longest one of a run, in Å; if it does, runs are read once more.
_CAPTURE_MARGIN = 0.5


@dataclass(frozen=True)
class Pass:
    """What one reading of a run gave: pairs in blocks from the first frame used on, their draws, and the last frame."""

    system: str
    sites: Sites
    pairs: dict[Key, PairCounts]
    bootstraps: dict[Key, Bootstrap]
    geometry: Results
    first_frame: int
    last: Frame

    @property
    def counted(self) -> list[Key]:
        """The pairs that may have a first shell: of coordinating sites around centers."""
        return [key for key, pair in self.pairs.items() if pair.site.coordinating and not pair.center.reference]


@dataclass(frozen=True)
class Pooled:
    """One pair of several runs as if they were one, the samples of its bootstrap, and its first shell."""

    pair: PairCounts
    bootstrap: Bootstrap
    shell: Shell


@dataclass(frozen=True)
class Recount:
    """The first shells of one run within the common cutoffs, and what is behind each row, in the order of the rows.

    `moved` is the coordination number within the cutoff shortened and lengthened by `CUTOFF_STEP_ANGSTROM`, `counted`
    what all is counted from, `read` what it was read from.
    """

    coordination: pd.DataFrame
    total: dict[str, Estimate | None]
    shells: pd.DataFrame
    of_shells: list[Estimate]
    speciation: pd.DataFrame
    of_speciation: list[Estimate | None]
    shares: pd.DataFrame
    moved: dict[Key, tuple[float, float, float]]
    peaks: pd.DataFrame
    counted: FirstShells
    read: Pass


def _read(system: str, replica: Shown, capture: float) -> Pass:
    """Read the frames that the run's analysis used: not more, although the run may have gone on since."""
    assert replica.run is not None
    run, frames, settings = replica.run, replica.summary["frames"], replica.summary["settings"]
    if "stop" not in frames:
        raise InvalidInput(f"{run.path}: analyzed by an older version; analyze it again with 'solvshell analyze'")
    with whole_trajectory(run) as trajectory:
        universe, presence = open_production(run, trajectory)
        if len(universe.trajectory) < frames["stop"]:
            raise InvalidInput(
                f"{run.path}: has fewer frames than were analyzed; analyze it again with 'solvshell analyze'"
            )
        species = select_species(run.box.recipe.entries)
        sites = select_sites(universe, species, presence)
        geometry = SolvationGeometry.from_sites(sites, capture_radius=capture)
        geometry.run(**{key: frames[key] for key in ("start", "stop", "step")})
        universe.trajectory[frames["stop"] - 1]
        last = frame_of(universe, species, real_atoms(universe, presence).indices)
    first, block_starts = int(frames["dropped"]), geometry.results.block_starts
    first_block = int(np.searchsorted(block_starts, first))
    pairs = {pair.key: pair for pair in fine_counts(geometry.results, sites, first_block)}
    draws = (len(block_starts) - 1 - first_block, frames["used"])
    bootstraps = {
        (row["center"], row["partner"], row["site"]): bootstrap_run(
            *draws, row["inefficiency_frames"], settings["n_bootstrap"], np.random.default_rng(settings["seed"])
        )
        for row in replica.summary["peaks"]
    }
    return Pass(system, sites, pairs, bootstraps, geometry.results, first, last)


def pool(pairs: Sequence[PairCounts], bootstraps: Sequence[Bootstrap]) -> tuple[PairCounts, Bootstrap]:
    """Return one pair of several runs as if they were one.

    `bootstraps` are those of the runs, each of which is resampled from its own blocks, or of systems of replicas.
    """
    n_bins = min(len(pair.edges) for pair in pairs) - 1
    pooled = replace(
        pairs[0],
        counts=np.concatenate([pair.counts[:, :n_bins] for pair in pairs]),
        density=np.concatenate([pair.density for pair in pairs]),
        edges=pairs[0].edges[: n_bins + 1],
        n_center_frames=sum(pair.n_center_frames for pair in pairs),
    )
    return pooled, bootstrap_runs(bootstraps)


def _pooled_cutoff(pair: PairCounts, shell: Shell) -> Cutoff:
    cutoff = cutoff_of(pair, shell)
    return replace(cutoff, source="pooled_first_minimum") if cutoff.source == "first_minimum" else cutoff


def pooled_pair(passes: Sequence[Pass], key: Key, rng: np.random.Generator) -> Pooled:
    """Return one pair of all runs that have it.

    g(r) is the sum of the counts over the sum of the even counts, so that a run weighs as much as it knows. Every
    system is in every sample of the bootstrap; of a system of three or more replicas these are drawn before their
    blocks.
    """
    having = [one for one in passes if key in one.pairs]
    of_systems = [
        bootstrap_replicas([one.bootstraps[key] for one in replicas], rng)
        for _, replicas in groupby(having, key=lambda one: one.system)
    ]
    pair, bootstrap = pool([one.pairs[key] for one in having], of_systems)
    return Pooled(pair, bootstrap, first_shell(pair, bootstrap))


def common_cutoffs(passes: Sequence[Pass]) -> dict[Key, Cutoff]:
    """Return the cutoff of each center, partner and site: the first minimum of the g(r) of all runs that have it."""
    rng = np.random.default_rng(0)
    keys = dict.fromkeys(key for one in passes for key in one.counted)
    pooled = {key: pooled_pair(passes, key, rng) for key in keys}
    return {key: _pooled_cutoff(one.pair, one.shell) for key, one in pooled.items()}


def _moved(pair: PairCounts, cutoff: Cutoff) -> tuple[float, float, float]:
    """Return n(r) at the cutoff and one step before and behind it."""
    if cutoff.angstrom is None:
        return (np.nan,) * 3
    at = cutoff.angstrom + CUTOFF_STEP_ANGSTROM * np.array([0, -1, 1])
    counted = np.concatenate([[0], np.cumsum(pair.counts.sum(axis=0))]) / pair.n_center_frames
    here, before, behind = np.interp(at, pair.edges, counted)
    return float(here), float(before), float(behind)


def _peaks(replica: Shown, cutoffs: dict[Key, Cutoff]) -> pd.DataFrame:
    """Return the peaks of a run with the common cutoffs in place of its own."""
    peaks = replica.tables["peaks"].copy()
    found = [cutoffs.get((row.center, row.partner, row.site)) for row in peaks.itertuples()]
    peaks["cutoff_angstrom"] = [cutoff.angstrom if cutoff else None for cutoff in found]
    peaks["cutoff_source"] = [cutoff.source if cutoff else None for cutoff in found]
    return peaks


def _recount(replica: Shown, one: Pass, cutoffs: dict[Key, Cutoff]) -> Recount:
    counted = first_shells(one.geometry, one.sites, cutoff_matrix(one.sites, cutoffs), one.first_frame)
    shells, of_shells = shell_table(counted)
    speciation, of_speciation = speciation_table(counted)
    total = total_coordination(counted)
    shares = pd.DataFrame(shell_shares(counted), columns=["center", "partner", "shell_share", "bulk_share", "ratio"])
    coordination = coordination_table(counted)
    moved = {key: _moved(one.pairs[key], cutoffs[key]) for key in one.counted}
    return Recount(
        coordination, total, shells, of_shells, speciation, of_speciation, shares, moved, _peaks(replica, cutoffs),
        counted, one,
    )  # fmt: skip


def _longest(cutoffs: Iterable[Cutoff]) -> float:
    return max((cutoff.angstrom or 0.0 for cutoff in cutoffs), default=0.0)


def _capture(replicas: Iterable[Shown]) -> float:
    """Return up to where contacts are kept, in Å: those of all runs are in memory at once."""
    own = [float(replica.tables["peaks"].cutoff_angstrom.max()) for replica in replicas]
    longest = max((cutoff for cutoff in own if not np.isnan(cutoff)), default=CAPTURE_ANGSTROM)
    return longest + _CAPTURE_MARGIN


def recount(systems: Sequence[System]) -> tuple[dict[Key, Cutoff], dict[str, list[Recount]]]:
    """Return the common cutoffs, and by name of the system the first shells of each replica within them.

    Raises
    ------
    InvalidInput
        If a trajectory is not the one that was analyzed.
    """
    replicas = [(system.name, replica) for system in systems for replica in system.replicas]
    capture = _capture(replica for _, replica in replicas)
    passes = [_read(name, replica, capture) for name, replica in replicas]
    cutoffs = common_cutoffs(passes)
    if _longest(cutoffs.values()) > capture:
        passes = [_read(name, replica, _longest(cutoffs.values())) for name, replica in replicas]
    counted = iter([_recount(replica, one, cutoffs) for (_, replica), one in zip(replicas, passes, strict=True)])
    return cutoffs, {system.name: [next(counted) for _ in system.replicas] for system in systems}
