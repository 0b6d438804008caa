from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from coming_and_going import MOLECULES, OPEN, SIZES, SPECIES, traffic
from synthetic import make_universe, only_ec, random_universe, shell_universe

from solvshell.analysis import SolvationGeometry, analyze
from solvshell.analysis.exchange_free_energy import free_molecules
from solvshell.analysis.findings import TABLES
from solvshell.analysis.limits import NOT_PHYSICAL, TIMES
from solvshell.analysis.presence import Presence, presence_of, real_atoms
from solvshell.analysis.rdf import fine_counts
from solvshell.analysis.shells import first_shells, shell_shares
from solvshell.analysis.sites import select_sites
from solvshell.errors import InvalidInput
from solvshell.snapshot import frame_of

R_MAX = 10.0
RADII = {("Li", "EC", "carbonyl_o"): 4.0, ("Li", "DMC", "ester_o"): 4.5, ("Li", "PF6", "f"): 4.0}


@pytest.fixture(scope="module")
def coming():
    return traffic()


def one_by_one(coming, frames):
    """Return sites and results of the pass over each frame alone, without ghosts and without a word on them."""
    for frame in frames:
        sites = select_sites(coming.alone[frame], SPECIES)
        yield frame, sites, SolvationGeometry.from_sites(sites, r_max=R_MAX).run().results


def with_ghosts(coming, **how):
    sites = select_sites(coming.universe, SPECIES, coming.presence)
    return sites, SolvationGeometry.from_sites(sites, r_max=R_MAX).run(**how).results


def rows(contacts, sites, molecules=None):
    """Return contacts as sorted tuples; the molecules by their number in the whole universe."""
    names = [(site.partner, site.name) for site in sites.sites]
    of = contacts.molecule if molecules is None else molecules[contacts.molecule]
    columns = (contacts.frame, contacts.center, of, contacts.site, contacts.distance)
    return sorted(zip(*(column.tolist() for column in columns), strict=True)), names


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"start": 2, "stop": 21, "step": 3},
        {"start": 1, "backend": "multiprocessing", "n_workers": 2},
        {"start": 1, "step": 2, "backend": "dask", "n_workers": 2},
    ],
)
def test_pairs_and_contacts_are_those_of_frames_without_ghosts(coming, how):
    sites, found = with_ghosts(coming, **how)
    frames = range(len(coming.alone))[slice(how.get("start"), how.get("stop"), how.get("step"))]
    counts, density, contacts = 0, np.zeros(len(sites.pairs)), []
    for place, (frame, own, results) in enumerate(one_by_one(coming, frames)):
        counts = counts + results.counts.sum(axis=0)
        density += [pair.density.sum() for pair in fine_counts(results, own)]
        mine, names = rows(results.contacts, own, coming.molecules[frame])
        contacts += [(place, *row[1:]) for row in mine]
    assert found.frames.tolist() == list(frames)
    np.testing.assert_array_equal(found.counts.sum(axis=0), counts)
    assert found.counts[:, 0, [s.name == "com" for s in sites.sites]].sum() > 0
    np.testing.assert_allclose([pair.density.sum() for pair in fine_counts(found, sites)], density, rtol=1e-12)
    assert rows(found.contacts, sites) == (sorted(contacts), names)


def test_ghosts_at_the_origin_do_not_touch_the_ion_that_lies_there(coming):
    _, found = with_ghosts(coming)
    at_origin = found.contacts.where(found.contacts.center == 3)
    assert len(at_origin.frame) > 0
    assert at_origin.distance.min() > 0.01
    everybody = select_sites(coming.universe, SPECIES)
    naive = SolvationGeometry.from_sites(everybody, r_max=R_MAX).run().results.contacts
    assert naive.distance.min() == 0  # without a word on ghosts they do


def test_a_frame_may_have_no_molecule_of_a_species(coming):
    is_present = coming.presence.is_present.copy()
    of_dmc = np.unique(coming.presence.column[coming.universe.select_atoms("resname DMC").indices])
    is_present[:, of_dmc] = False
    is_present[5, of_dmc] = coming.presence.is_present[5, of_dmc]
    sites = select_sites(coming.universe, SPECIES, replace(coming.presence, is_present=is_present))
    found = SolvationGeometry.from_sites(sites, r_max=R_MAX).run().results
    _, everybody = with_ghosts(coming)
    of_site = [site.partner == "DMC" for site in sites.sites]
    assert found.counts[:, 0, of_site].sum() == everybody.counts[5, 0, of_site].sum() > 0
    assert np.flatnonzero(sites.molecules_in(found.frames)[2]).tolist() == [5]


def test_random_points_that_come_and_go_have_g_of_one():
    rng = np.random.default_rng(2)
    n_frames, room = 400, 160
    universe = random_universe(rng, n_frames, 10, room, (24.0, 24.0, 24.0, 90, 90, 90), fluctuation=0.1)
    volumes = np.array([ts.volume for ts in universe.trajectory])
    numbers = np.where(volumes > np.median(volumes), 150, 20)  # a large box is full, a small one empty
    column = np.concatenate([np.zeros(10, int), np.arange(1, room + 1)])
    there = np.column_stack([np.ones(n_frames, bool), np.arange(room) < numbers[:, None]])
    for ts, mask in zip(universe.trajectory, there, strict=True):
        ts.positions[~mask[column]] = 0
    presence = Presence(column, there)
    atoms = {"Li": universe.atoms[:10]}, {"EC": universe.atoms[10:]}
    geometry = SolvationGeometry(*atoms, presence=presence, capture_radius=3.0).run()
    (fine,) = fine_counts(geometry.results, geometry.sites)
    wide = fine.rebinned(100)
    counts = wide.counts.sum(axis=0)
    many = counts > 100
    assert np.count_nonzero(many) > 15
    assert (np.abs(wide.g - 1)[many] < 4 / np.sqrt(counts[many])).all()
    assert wide.n[-1] == pytest.approx((numbers * 4 / 3 * np.pi * wide.r[-1] ** 3 / volumes).mean(), rel=0.02)


def test_shares_and_free_molecules_are_those_of_each_frame(coming):
    sites, found = with_ghosts(coming)
    shells = first_shells(found, sites, RADII)
    in_box = np.zeros((3, len(coming.alone)), int)
    bound = np.zeros_like(in_box)
    for frame, own, results in one_by_one(coming, range(len(coming.alone))):
        in_box[:, frame] = list(own.n_molecules.values())
        alone = first_shells(results, own, RADII)
        bound[:, frame] = in_box[:, frame] - free_molecules(alone)[:, 0]
    assert list(sites.n_molecules) == list(own.n_molecules) == ["PF6", "EC", "DMC"]
    np.testing.assert_array_equal(sites.molecules_in(found.frames), in_box)
    np.testing.assert_array_equal(free_molecules(shells), in_box - bound)
    shares = pd.DataFrame(shell_shares(shells)).set_index("partner")
    np.testing.assert_allclose(shares.bulk_share, in_box.mean(axis=1) / in_box.sum(axis=0).mean())
    assert sites.open_partners == ["EC", "DMC"]


@pytest.fixture(scope="module")
def analyses():
    """One of a trajectory in which all may come and go and none does, and one in which nobody asks."""
    all_there = traffic(n_frames=64, always=True)
    given = {"shell": RADII, "r_max": R_MAX, "temperature_k": 300.0, "n_bootstrap": 50}
    return (
        analyze(all_there.universe, SPECIES, presence=all_there.presence, **given),
        analyze(all_there.universe, SPECIES, **given),
    )


def test_where_all_are_always_there_the_tables_are_the_same_but_for_times(analyses):
    one, other = analyses
    for name in set(TABLES) - set(TIMES):
        mine, theirs = (getattr(found, name).to_csv(float_format="%.6g") for found in (one, other))
        assert mine == theirs, name


def test_there_are_no_times_and_the_summary_says_why(analyses):
    one, other = analyses
    for name in TIMES:
        mine, theirs = getattr(one, name), getattr(other, name)
        assert list(mine.columns) == list(theirs.columns)
        assert mine.select_dtypes("number").isna().all().all(), name
    assert other.residence.time_ps.notna().any()
    assert one.exchange[["center", "leaving", "entering"]].equals(other.exchange[["center", "leaving", "entering"]])
    assert one.summary["flags"]["not_physical"] == list(TIMES)
    assert NOT_PHYSICAL in one.summary["notes"]
    assert not any(name.startswith("residence") for name in one.summary["flags"]["unresolved"])
    assert other.summary["flags"]["not_physical"] == []
    assert NOT_PHYSICAL not in other.summary["notes"]


def test_densities_and_molarities_are_of_what_is_there():
    coming = traffic(n_frames=40, seed=3)
    summary = analyze(coming.universe, SPECIES, presence=coming.presence, shell=RADII, r_max=R_MAX).summary
    first = summary["frames"]["dropped"]
    masses, volumes, n_ec = np.array(
        [
            (alone.atoms.masses.sum(), alone.trajectory.ts.volume, (alone.residues.resnames == "EC").sum())
            for alone in coming.alone[first:]
        ]
    ).T
    density = summary["thermodynamics"]["density_g_cm3"]["mean"]
    assert density == pytest.approx((masses / volumes).mean() * 1.66053907, rel=1e-5)
    composition = summary["composition"]
    assert composition["n_molecules"]["EC"] == pytest.approx(n_ec.mean(), rel=1e-5)
    assert composition["open"]["EC"]["mean"] == pytest.approx(n_ec.mean(), rel=1e-5)
    assert composition["n_molecules"]["PF6"] == 3
    assert set(composition["open"]) == set(OPEN)
    molarity = composition["molarity_mol_l"]["EC"]["mean"]
    assert molarity == pytest.approx((n_ec / volumes).mean() * 1660.53907, rel=1e-5)


def without_dmc(coming, first):
    """Analyze a trajectory in which no DMC is there before a frame."""
    of_dmc = np.unique(coming.presence.column[coming.universe.select_atoms("resname DMC").indices])
    is_present = coming.presence.is_present.copy()
    is_present[:first, of_dmc] = False
    radii = {key: r for key, r in RADII.items() if key[1] != "DMC"}
    presence = replace(coming.presence, is_present=is_present)
    return analyze(coming.universe, SPECIES, presence=presence, shell=radii, r_max=R_MAX, n_bootstrap=50)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_species_that_is_never_there_has_no_shell_and_spoils_no_sum(coming):
    found = without_dmc(coming, len(coming.alone))
    assert found.peaks.set_index("partner").status["DMC"] == "no_shell"
    assert found.rdf[found.rdf.partner == "DMC"].g.isna().all()
    assert found.summary["coordination"]["total"]["Li"]["mean"] > 0
    shares = {row["partner"]: row for row in found.summary["shell_shares"]}
    assert shares["DMC"]["bulk_share"] == shares["DMC"]["shell_share"] == 0
    assert shares["DMC"]["ratio"] is None


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_species_that_is_there_in_the_last_frames_alone_has_errors_all_the_same(coming):
    last = len(coming.alone) - 2
    rdf = without_dmc(coming, last).rdf
    far = rdf[(rdf.partner == "DMC") & (rdf.r_angstrom > 5)]
    assert np.isfinite(far.g_stderr).all()
    assert (far.g_stderr > 0).any()


def filling(numbers, n_bulk=200):
    """Shells that always look the same, and bulk EC of which so many are there in each frame."""
    universe = shell_universe(np.random.default_rng(1), len(numbers), 4, n_bulk=n_bulk)
    column = np.zeros(len(universe.atoms), int)
    column[-n_bulk:] = np.arange(1, n_bulk + 1)
    there = np.arange(n_bulk) < np.asarray(numbers)[:, None]
    return universe, Presence(column, np.column_stack([np.ones(len(numbers), bool), there]))


def test_frames_in_which_the_box_still_fills_are_dropped():
    rng = np.random.default_rng(0)
    universe, presence = filling(np.append(np.linspace(0, 150, 40), rng.integers(140, 161, 120)).astype(int))
    shell = {("Li", "EC", "carbonyl_o"): 3.0}
    dropped = [
        analyze(universe, only_ec(), presence=given, shell=shell, n_bootstrap=50).summary["frames"]["dropped"]
        for given in (presence, None)
    ]
    assert 20 <= dropped[0] <= 50
    assert dropped[1] == 0


def test_what_the_number_of_molecules_remembers_is_drawn_together():
    rng = np.random.default_rng(0)
    memories = []
    for numbers in (np.repeat(rng.integers(100, 200, 16), 16), rng.integers(100, 200, 256)):
        universe, presence = filling(numbers)
        found = analyze(universe, only_ec(), presence=presence, shell={("Li", "EC", "carbonyl_o"): 3.0}, n_bootstrap=50)
        memories.append(found.summary["peaks"][0]["inefficiency_frames"])
    assert memories[0] > 8
    assert memories[1] < 3


def test_a_picture_has_no_ghosts(coming):
    for frame in (0, 3, 7):
        coming.universe.trajectory[frame]
        there = real_atoms(coming.universe, coming.presence)
        assert there.indices.tolist() == coming.atoms(frame).tolist()
        for universe in (coming.universe, coming.alone[frame]):
            universe.add_TopologyAttr("types", universe.atoms.names)
        drawn, alone = frame_of(coming.universe, SPECIES, there.indices), frame_of(coming.alone[frame], SPECIES)
        np.testing.assert_array_equal(drawn.positions, alone.positions)
        assert drawn.species.tolist() == alone.species.tolist()
        assert {key: at.tolist() for key, at in drawn.sites.items()} == {
            key: at.tolist() for key, at in alone.sites.items()
        }


def test_a_picture_keeps_the_bonds_of_what_is_there():
    bonded = make_universe(MOLECULES, np.random.default_rng(0).random((1, SIZES.sum(), 3)))
    starts = np.cumsum(SIZES) - SIZES
    bonded.add_TopologyAttr("types", bonded.atoms.names)
    bonded.add_TopologyAttr("bonds", [(s, s + 1) for s, size in zip(starts, SIZES, strict=True) if size > 1])
    whole = frame_of(bonded, SPECIES)
    part = whole.of(np.flatnonzero(np.repeat(np.arange(len(SIZES)) % 2 == 0, SIZES)))
    lengths = [np.linalg.norm(one.positions[one.bonds[:, 1]] - one.positions[one.bonds[:, 0]], axis=1)
               for one in (part, whole)]  # fmt: skip
    kept = [m % 2 == 0 for m, size in enumerate(SIZES) if size > 1]
    np.testing.assert_array_equal(lengths[0], lengths[1][kept])
    assert len(fields(part)) == len(fields(whole))


def test_without_occupancy_all_atoms_are_real(coming):
    assert real_atoms(coming.universe, None) == coming.universe.atoms


def test_the_occupancy_of_another_trajectory_is_refused(coming):
    residues = {name: name for name in OPEN}
    table = coming.occupancy
    late = replace(table, time_ps=table.time_ps + 1)
    with pytest.raises(InvalidInput, match="frame 0 is of 1 ps"):
        presence_of(coming.universe, late, residues)
    short = replace(table, time_ps=table.time_ps[:5])
    with pytest.raises(InvalidInput, match="of 5 frames"):
        presence_of(coming.universe, short, residues)
    fewer = replace(table, present={name: mask[:, :2] for name, mask in table.present.items()})
    with pytest.raises(InvalidInput, match="of 2 DMC"):
        presence_of(coming.universe, fewer, residues)


@pytest.mark.parametrize(("selection", "field"), [("name LI", "centers.Li"), ("resname PF6", "partners.PF6")])
def test_ions_that_come_and_go_are_refused(coming, selection, field):
    column = coming.presence.column.copy()
    column[coming.universe.select_atoms(selection).indices] = 1
    with pytest.raises(InvalidInput, match=field):
        select_sites(coming.universe, SPECIES, replace(coming.presence, column=column))
