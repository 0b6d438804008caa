"""What a grand-canonical run tells: how many molecules there are, and whether works and reservoir agree."""

from solvshell.analysis.grand_canonical.crooks import Crooks, crooks, gaussian_acceptance
from solvshell.analysis.grand_canonical.measure import GrandCanonical, grand_canonical

__all__ = ["Crooks", "GrandCanonical", "crooks", "gaussian_acceptance", "grand_canonical"]
