"""The infrared shift of the C=O stretch of carbonates, from clusters cut out of a run."""

from solvshell.infrared.measure import FOLDER, Infrared, measure_infrared

__all__ = ["FOLDER", "Infrared", "measure_infrared"]
