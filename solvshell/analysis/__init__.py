"""From a run, or from anybody's trajectory, to tables of Li+ solvation."""

from solvshell.analysis.analyze import Analysis, analyze, write_tables
from solvshell.analysis.energies.closure import check_closure
from solvshell.analysis.energies.interaction import InteractionEnergies
from solvshell.analysis.energies.model import PairModel
from solvshell.analysis.geometry import SolvationGeometry
from solvshell.analysis.limits import headline
from solvshell.analysis.reading.frames import as_universe, open_trajectory
from solvshell.analysis.reading.recognize import known_species, recognize
from solvshell.analysis.shells import FirstShells, first_shells
from solvshell.analysis.sources import analyze_run, analyze_trajectory
from solvshell.species import SpeciesFile

__all__ = [
    "Analysis",
    "FirstShells",
    "InteractionEnergies",
    "PairModel",
    "SolvationGeometry",
    "SpeciesFile",
    "analyze",
    "analyze_run",
    "analyze_trajectory",
    "as_universe",
    "check_closure",
    "first_shells",
    "headline",
    "known_species",
    "open_trajectory",
    "recognize",
    "write_tables",
]
