"""First shells whose contacts are given row by row."""

import numpy as np
from synthetic import make_universe

from solvshell.analysis.geometry import Contacts
from solvshell.analysis.shells import FirstShells
from solvshell.analysis.sites import select_sites
from solvshell.species import SpeciesFile

SPECIES = SpeciesFile.model_validate(
    {
        "centers": {"Li": "name LI", "Na": "name NA"},
        "partners": {
            "EC": {"molecules": "resname EC", "sites": {"carbonyl_o": "name O"}},
            "PF6": {"molecules": "resname PF6", "sites": {"f": "name F*"}, "role": "anion"},
            "TFSI": {"molecules": "resname TFSI", "sites": {"o": "name O*", "f": "name F*"}, "role": "anion"},
        },
    }
)
ATOMS = {"LI": ["LI"], "NA": ["NA"], "EC": ["C", "O"], "PF6": ["P", "F1", "F2", "F3"], "TFSI": ["N", "O1", "O2", "F1"]}
SITES = [("EC", "carbonyl_o"), ("PF6", "f"), ("TFSI", "o"), ("TFSI", "f")]


def molecule_numbers(**numbers):
    """Return the numbers of the molecules of each residue name; a universe has them in the order that is given."""
    first = np.cumsum([0, *numbers.values()])
    return {name: np.arange(i, i + n) for (name, n), i in zip(numbers.items(), first, strict=False)}


def make_shells(rows, n_frames, cutoffs=None, first_frame=0, **numbers):
    """Rows are (frame, center, molecule, site) or (frame, center, molecule, site, cosine); numbers those of molecules.

    Cutoffs are 2.5 Å if left out, for both center species and the four sites in the order of `SITES`.
    """
    molecules = [(name, ATOMS[name]) for name, n in numbers.items() for _ in range(n)]
    n_atoms = sum(len(atoms) for _, atoms in molecules)
    sites = select_sites(make_universe(molecules, np.zeros((1, n_atoms, 3))), SPECIES)
    table = np.array([(*row, np.nan)[:5] for row in rows], float).reshape(-1, 5)
    frame, center, molecule, site = table[np.lexsort((table[:, 1], table[:, 0])), :4].T.astype(np.int32)
    cosine = table[np.lexsort((table[:, 1], table[:, 0])), 4].astype(np.float32)
    distance = np.full(len(frame), 2.0, np.float32)
    contacts = Contacts(frame, center, molecule, site.astype(np.int16), distance, cosine)
    cutoffs = np.full((len(sites.centers), len(sites.sites)), 2.5) if cutoffs is None else cutoffs
    return FirstShells(sites, cutoffs, contacts, first_frame + np.arange(n_frames), 1.0)
