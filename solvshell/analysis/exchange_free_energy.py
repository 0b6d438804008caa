"""What it costs a center to exchange one molecule of its first shell for one of another species."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from solvshell.analysis.ratios import ratio_with_error
from solvshell.analysis.shells import FirstShells, composition_name, kinds_of_shells, molecules_per_center
from solvshell.analysis.statistics import RESOLVED_N_INDEPENDENT, Estimate
from solvshell.units import PARTICLE_PER_NM3, kT_kj_mol

EXCHANGE_FREE_ENERGY_COLUMNS = [
    "center",
    "leaves",
    "enters",
    "shell",
    "gives",
    "concentrations",
    "leaves_mol_l",
    "enters_mol_l",
    "delta_g_kt",
    "delta_g_kt_stderr",
    "delta_g_kj_mol",
    "delta_g_kj_mol_stderr",
    "statistical_kt",
    "intrinsic_kt",
    "intrinsic_kj_mol",
    "n_independent",
    "status",
]
#: The shell of the rows that count all shells together.
ANY_SHELL = "any"
#: A composition is common from this share of the centers and frames on.
COMMON_SHARE = 0.01
_MOL_L_PER_A3 = 1000 * PARTICLE_PER_NM3


@dataclass(frozen=True)
class _Exchange:
    """One S leaves a shell and one X enters; where and how often that can happen, and the way back.

    Attributes
    ----------
    leaves, enters : int
        Indices of S and X among the partners.
    forth, back : numpy.ndarray, shape (n_frames, n_members)
        The S in shells that can lose one, and the X in shells that one has entered.
    statistical : float
        ln(X to choose from on the way back, over S to choose from).
    """

    leaves: int
    enters: int
    shell: str
    gives: str
    forth: np.ndarray
    back: np.ndarray
    statistical: float


def _exchanges(partners: list[str], numbers: np.ndarray) -> Iterator[_Exchange]:
    """Yield all exchanges of shells, given as molecules of each partner, shape (n_partners, n_frames, n_members)."""
    kinds, kind = kinds_of_shells(numbers)
    counts = np.bincount(kind.ravel())
    ordered = [k for k in np.argsort(-counts, kind="stable") if counts[k] >= COMMON_SHARE * kind.size]
    common = {tuple(kinds[k].tolist()): kind == k for k in ordered}
    met = [i for i, of_partner in enumerate(numbers) if of_partner.any()]
    for s, x in combinations(met, 2):
        yield _Exchange(s, x, ANY_SHELL, ANY_SHELL, numbers[s], numbers[x], 0.0)
        for shell, here in common.items():
            gives = tuple(n - (i == s) + (i == x) for i, n in enumerate(shell))
            if (there := common.get(gives)) is not None:
                before, after = (composition_name(partners, np.array(one)) for one in (shell, gives))
                statistical = float(np.log(gives[x] / shell[s]))
                yield _Exchange(s, x, before, after, shell[s] * here, gives[x] * there, statistical)


def free_molecules(shells: FirstShells) -> np.ndarray:
    """Return the molecules of each partner that are in no first shell of any center, shape (n_partners, n_frames)."""
    sites, contacts = shells.sites, shells.contacts
    partners = list(sites.n_molecules)
    partner_of_site = np.array([partners.index(site.partner) if site.coordinating else 0 for site in sites.sites])
    n_numbers = int(contacts.molecule.max(initial=0)) + 1
    met, first = np.unique(contacts.frame.astype(np.int64) * n_numbers + contacts.molecule, return_index=True)
    place = partner_of_site[contacts.site[first]] * shells.n_frames + met // n_numbers
    bound = np.bincount(place, minlength=len(partners) * shells.n_frames).reshape(len(partners), -1)
    return sites.molecules_in(shells.frames) - bound


def _n_independent(odds: Estimate) -> float:
    """Return the independent samples behind odds, or the visits to the rarer state that know them as well, if fewer."""
    visits = (odds.mean / odds.stderr) ** 2 if odds.stderr else np.inf
    return float(min(odds.n_independent, visits))


def _status(odds: Estimate) -> str:
    if not 0 < odds.mean < np.inf:
        return "not_sampled"
    return "resolved" if _n_independent(odds) >= RESOLVED_N_INDEPENDENT else "too_few_samples"


def _numbers(exchange: _Exchange, molecules: np.ndarray, per_mol_l: float, kT: float) -> tuple[object, ...]:
    """Return the numbers of one row; `molecules` are those outside of each partner, shape (n_partners, n_frames, 1)."""
    entering, leaving = molecules[exchange.enters], molecules[exchange.leaves]
    forth, back = exchange.forth * entering, exchange.back * leaving
    odds = ratio_with_error(back, forth)
    status = _status(odds)
    found = status != "not_sampled"
    intrinsic = -np.log(odds.mean) if found else np.nan
    stderr = odds.stderr / odds.mean if found and odds.stderr is not None else np.nan
    delta_g = intrinsic + exchange.statistical
    concentrations = back.mean() / exchange.back.mean() * per_mol_l, forth.mean() / exchange.forth.mean() * per_mol_l
    return (
        *concentrations, delta_g, stderr, delta_g * kT, stderr * kT,
        exchange.statistical, intrinsic, intrinsic * kT, _n_independent(odds), status,
    )  # fmt: skip


def exchange_free_energy(shells: FirstShells, volumes: np.ndarray, temperature: float | None = None) -> pd.DataFrame:
    """Return the free energy of exchanging one molecule S of a first shell for one X, at the composition of the box.

    ``Delta G = -kT ln[ p(shell - S + X) / p(shell) x c_S / c_X ]`` for all common compositions (1 % of centers and
    frames) that differ by one molecule; S stands before X in the species file, so that signs are the same everywhere.
    `concentrations` says which c: of ``total`` molecules, or of those ``free``, in no first shell, counted while the
    exchange can happen: c_X when a center has the one shell, c_S when one has the other. That is the balance of
    exchanges forth and back, < [shell] n_S N_X > = < [shell - S + X] n_X N_S > where all sites and molecules are alike,
    exact in a box of any size; with totals it is not in a small box, and includes that molecules are used up by shells.

    `statistical_kt` is ln(n_X / n_S): of how many molecules there are to choose from, forth and back. What is left,
    `intrinsic_kt`, has the same error and is 0 where S and X fill shells at random; below 0, the center prefers X.
    Rows of the shell "any" count each S and X in any shell: the ratio of what is in shells over what is outside.

    Errors are those of the logarithm of the two populations (delta method, see `ratio_with_error`), which know memory.
    `n_independent` is at most 1 / error^2 in kT. ``too_few_samples``: it is below 10. ``not_sampled``: one of the
    two never found a molecule to exchange with.

    Parameters
    ----------
    volumes
        Of the frames in Å^3, shape (n_frames,).
    temperature
        In K; without it the columns in kJ/mol are empty.
    """
    kT = np.nan if temperature is None else kT_kj_mol(temperature)
    per_mol_l = float((1 / volumes).mean()) * _MOL_L_PER_A3
    partners = list(shells.sites.n_molecules)
    totals = shells.sites.molecules_in(shells.frames)
    outside = {"free": free_molecules(shells)[..., None], "total": totals[..., None]}
    numbers = molecules_per_center(shells)
    rows = [
        (
            center.name,
            partners[one.leaves],
            partners[one.enters],
            one.shell,
            one.gives,
            convention,
            *_numbers(one, molecules, per_mol_l, kT),
        )
        for center, incomplete in zip(shells.sites.centers, shells.is_incomplete, strict=True)
        if not incomplete
        for one in _exchanges(partners, numbers[:, :, center.members])
        for convention, molecules in outside.items()
    ]
    return pd.DataFrame(rows, columns=EXCHANGE_FREE_ENERGY_COLUMNS)
